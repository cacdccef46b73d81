"""Relief and markings that are no craters, so that a detector learns what not to find: mounds, mesas, troughs, ridges,
scarps, graben, dunes, boulders, and dark or bright patches.

Forms that a landscape keeps (mounds, troughs, lines) come before its craters, loose ones (dunes, boulders) after them.
"""

from __future__ import annotations

import numpy as np
import torch

from .craters import Canvas

# Share of scenes that hold each kind.
OLD = {"mounds": 0.45, "troughs": 0.25, "lines": 0.3, "patches": 0.3}
YOUNG = {"boulders": 0.15, "dunes": 0.12}


def add_landforms(canvas: Canvas, kinds: dict[str, float], size: int, scale: int, rng: np.random.Generator) -> None:
    """Add landforms to every scene of a canvas, in place.

    Parameters
    ----------
    canvas : Canvas
        `scale` canvas pixels to a scene pixel.
    kinds : dict
        ``OLD`` or ``YOUNG``: share of scenes that hold each kind.
    size : int
        Side of a scene, scene pixels.
    rng : numpy Generator
    """
    draw = {
        "mounds": _mounds,
        "troughs": _troughs,
        "lines": _lines,
        "patches": _patches,
        "boulders": _boulders,
        "dunes": _dunes,
    }
    for i in range(len(canvas.height)):
        for kind, share in kinds.items():
            if rng.uniform() < share:
                draw[kind](canvas, i, size, scale, rng)


def _mounds(canvas: Canvas, i: int, size: int, scale: int, rng: np.random.Generator) -> None:
    """Domes, cones and mesas, 6 px to a third of the scene wide."""
    for _ in range(rng.integers(1, 14)):
        width = 6 * (size / 18) ** (rng.uniform() ** 1.5)
        height = width * rng.uniform(0.04, 0.18)
        _stamp(canvas.height[i], canvas.margin, size, scale, rng, width, height * scale, rng.uniform(0.45, 1.0))


def _troughs(canvas: Canvas, i: int, size: int, scale: int, rng: np.random.Generator) -> None:
    """Closed depressions too long to be craters."""
    for _ in range(rng.integers(1, 6)):
        width = 10 * (size / 25) ** rng.uniform()
        depth = -width * rng.uniform(0.03, 0.12)
        _stamp(canvas.height[i], canvas.margin, size, scale, rng, width, depth * scale, rng.uniform(0.12, 0.4))


def _boulders(canvas: Canvas, i: int, size: int, scale: int, rng: np.random.Generator) -> None:
    """Blocks of 2 to 8 px, half as high as wide, in a cluster or all over."""
    spread = size * np.exp(rng.uniform(np.log(0.1), np.log(1.0)))
    centre = rng.uniform(0, size, 2)
    for _ in range(int(np.exp(rng.uniform(np.log(5), np.log(150))))):
        width = min(2 * (1 - rng.uniform(0, 0.98)) ** (-1 / 2.8), 8)
        at = centre + rng.normal(0, spread, 2)
        height = width * rng.uniform(0.25, 0.6)
        oval = rng.uniform(0.6, 1.0)
        _stamp(canvas.height[i], canvas.margin, size, scale, rng, width, height * scale, oval, at=at, sharp=2.5)


def _patches(canvas: Canvas, i: int, size: int, scale: int, rng: np.random.Generator) -> None:
    """Soft dark or bright marks without relief."""
    for _ in range(rng.integers(1, 8)):
        width = 6 * (size / 15) ** rng.uniform()
        contrast = rng.choice((-1, 1)) * rng.uniform(0.05, 0.35)
        _stamp(canvas.albedo[i], canvas.margin, size, scale, rng, width, contrast, rng.uniform(0.3, 1.0))


def _stamp(
    field: torch.Tensor,
    margin: int,
    size: int,
    scale: int,
    rng: np.random.Generator,
    width: float,
    amount: float,
    axis_ratio: float,
    *,
    at: np.ndarray | None = None,
    sharp: float | None = None,
) -> None:
    """Add one oval form of `width` (major axis, scene pixels) and height `amount`, in the field's unit.

    Its section is 1 - rho**sharp with a smooth foot: 1 a cone, 2 a dome, 8 a mesa.
    """
    x, y = (rng.uniform(0, size, 2) if at is None else at) * scale + margin
    half = int(width * scale * 0.7) + 2
    rows, cols = field.shape
    r0, r1, c0, c1 = max(int(y) - half, 0), min(int(y) + half, rows), max(int(x) - half, 0), min(int(x) + half, cols)
    if r0 >= r1 or c0 >= c1:
        return
    device = field.device
    dy = torch.arange(r0, r1, device=device)[:, None] + 0.5 - y
    dx = torch.arange(c0, c1, device=device)[None] + 0.5 - x
    turn, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 2)
    a = (dx * np.cos(turn) + dy * np.sin(turn)) / (width * scale / 2)
    b = (dy * np.cos(turn) - dx * np.sin(turn)) / (width * scale / 2 * axis_ratio)
    theta = torch.atan2(b, a)
    wobble = (
        1
        + rng.uniform(0, 0.15) * torch.cos(2 * theta + phase[0])
        + rng.uniform(0, 0.1) * torch.cos(3 * theta + phase[1])
    )
    rho = torch.sqrt(a**2 + b**2) / wobble
    power = sharp or float(rng.choice((1.2, 2.0, 2.0, 4.0, 8.0)))
    field[r0:r1, c0:c1] += amount * (1 - rho.clamp(0, 1) ** power) * (1.15 - rho).div(0.3).clamp(0, 1)


def _across(canvas: Canvas, i: int, size: int, scale: int, rng: np.random.Generator) -> torch.Tensor:
    """Distance (canvas pixels) of every pixel from a winding line through the scene."""
    rows, cols = canvas.height.shape[1:]
    device = canvas.height.device
    x, y = rng.uniform(0.1 * size, 0.9 * size, 2) * scale + canvas.margin
    turn = rng.uniform(0, 2 * np.pi)
    dy = torch.arange(rows, device=device)[:, None] + 0.5 - y
    dx = torch.arange(cols, device=device)[None] + 0.5 - x
    along = dx * np.cos(turn) + dy * np.sin(turn)
    across = dy * np.cos(turn) - dx * np.sin(turn)
    for wave in (size * scale * rng.uniform(0.4, 1.5), size * scale * rng.uniform(0.08, 0.3)):
        across = across + rng.uniform(0, 0.12) * wave * torch.sin(2 * np.pi * along / wave + rng.uniform(0, 6.28))
    return across


def _lines(canvas: Canvas, i: int, size: int, scale: int, rng: np.random.Generator) -> None:
    """Ridges, scarps and flat-floored valleys across the scene."""
    for _ in range(rng.integers(1, 4)):
        across = _across(canvas, i, size, scale, rng)
        width = scale * 3 * (size / 24) ** rng.uniform()
        tall = width * rng.uniform(0.05, 0.25)
        kind = rng.integers(4)
        if kind == 0:
            form = torch.exp(-((across / width) ** 2))
        elif kind == 1:
            form = torch.tanh(across / width)
        elif kind == 2:
            form = -torch.sigmoid((width * 1.5 - across.abs()) / (0.3 * width))
        else:  # a string of hollows along the line is left to chains of secondaries; this is a crested ridge
            form = (1 - across.abs() / width).clamp(min=0)
        canvas.height[i] += tall * form


def _dunes(canvas: Canvas, i: int, size: int, scale: int, rng: np.random.Generator) -> None:
    """A field of parallel crests, fading out at its border."""
    across = _across(canvas, i, size, scale, rng)
    wave = scale * rng.uniform(5, 24)
    crest = (
        torch.sin(2 * np.pi * across / wave + rng.uniform(0, 6.28)) + 0.3 * torch.sin(4 * np.pi * across / wave)
    ) / 2
    rows, cols = canvas.height.shape[1:]
    x, y = rng.uniform(0, size, 2) * scale + canvas.margin
    reach = size * scale * rng.uniform(0.1, 0.5)
    dy = torch.arange(rows, device=across.device)[:, None] - y
    dx = torch.arange(cols, device=across.device)[None] - x
    canvas.height[i] += wave * rng.uniform(0.02, 0.1) * crest * torch.exp(-(dx**2 + dy**2) / (2 * reach**2))

"""What makes a class of crater, in relief and brightness, around one crater at the centre of a chip.

Each function takes `rho` (distance from the centre in crater radii) and `theta`, both (1, rows, columns), and a numpy
generator that draws one set of parameters a chip. Heights are in crater diameters. The forms follow what reviewers of
Martian craters mark (Lagain et al. 2021; Barlow et al. 2000 for ejecta): sheets with lobed, raised edges in one to
three layers; rims that stand out of plains which fill and surround them; bright streaks.
"""

from __future__ import annotations

import numpy as np
import torch

Range = tuple[float, float]


def _draw(rng: np.random.Generator, n: int, span: Range, like: torch.Tensor) -> torch.Tensor:
    """One number a chip, (n, 1, 1)."""
    return torch.as_tensor(rng.uniform(*span, n), dtype=like.dtype, device=like.device)[:, None, None]


def ripple(theta: torch.Tensor, orders: range, fall: float, rng: np.random.Generator, n: int) -> torch.Tensor:
    """Random periodic function of azimuth with unit variance whose amplitudes fall as order**-fall."""
    total = torch.zeros((n, *theta.shape[1:]), device=theta.device)
    power = 0.0
    for m in orders:
        phase, size = _draw(rng, n, (0, 2 * np.pi), theta), m**-fall
        total = total + size * torch.cos(m * theta + phase)
        power += size**2 / 2
    return total / power**0.5


def layered_ejecta(rho: torch.Tensor, theta: torch.Tensor, rng: np.random.Generator, n: int) -> torch.Tensor:
    """One to three thin sheets, each ending in a lobed front, most with a rampart; radial grooves and hummocks."""
    out = torch.zeros((n, *rho.shape[1:]), device=rho.device)
    outer = _draw(rng, n, (1.6, 2.9), rho)
    layers = rng.choice([1, 1, 1, 2, 3], n)
    for k in range(3):
        there = torch.as_tensor(layers > k, dtype=rho.dtype, device=rho.device)[:, None, None]
        reach = outer * (1 - 0.28 * k)
        edge = reach * (1 + _draw(rng, n, (0.02, 0.13), rho) * ripple(theta, range(2, 15), 0.5, rng, n))
        front = _draw(rng, n, (0.02, 0.07), rho)
        inside = torch.sigmoid((edge - rho) / front)
        sheet = _draw(rng, n, (0.005, 0.02), rho) * inside
        width = _draw(rng, n, (0.06, 0.16), rho)
        rampart = _draw(rng, n, (0.0, 0.02), rho) * torch.exp(-(((rho - edge + 1.5 * width) / width) ** 2))
        grooves = _draw(rng, n, (0.0, 0.003), rho) * ripple(theta, range(12, 40), 0.3, rng, n) * inside
        out = out + there * (sheet + rampart + grooves)
    return out * (rho > 1)


def continuous_ejecta(rho: torch.Tensor, theta: torch.Tensor, rng: np.random.Generator, n: int) -> torch.Tensor:
    """Hummocks and grooves around a young crater without layers; they fade away and end in no edge."""
    rough = ripple(theta + 0.3 * (rho - 1), range(8, 36), 0.3, rng, n)
    return _draw(rng, n, (0.0, 0.004), rho) * rough * torch.exp(-((rho - 1.1).clamp(min=0) / 0.45)) * (rho > 1)


def floor_forms(rho: torch.Tensor, theta: torch.Tensor, rng: np.random.Generator, n: int) -> torch.Tensor:
    """Central peak or pit, terraces and uneven floors, as large craters have them."""
    ring = rho * (1 + 0.04 * ripple(theta, range(2, 7), 0.7, rng, n))
    some = torch.as_tensor(rng.uniform(size=n) < 0.6, dtype=rho.dtype, device=rho.device)[:, None, None]
    peak = _draw(rng, n, (-0.025, 0.03), rho) * torch.exp(-((ring / _draw(rng, n, (0.1, 0.28), rho)) ** 2))
    step = _draw(rng, n, (0.7, 0.88), rho)
    terrace = _draw(rng, n, (0.0, 0.012), rho) * torch.exp(-(((ring - step) / 0.05) ** 2))
    return some * peak + terrace


def flooded(
    height: torch.Tensor, rho: torch.Tensor, theta: torch.Tensor, scale: float, rng: np.random.Generator
) -> torch.Tensor:
    """A crater that plains have filled and surrounded: what stands above a gently tilted level is left.

    Parameters
    ----------
    height : tensor (n, rows, columns)
        With the crater, in units of which `scale` are one crater diameter.
    """
    n = len(height)
    around = ((rho > 1.4) & (rho < 2.4)).to(height.dtype)
    base = (height * around).sum((1, 2), keepdim=True) / around.sum()
    heading = _draw(rng, n, (0, 2 * np.pi), rho)
    level = _draw(rng, n, (-0.012, 0.02), rho) + _draw(rng, n, (0.0, 0.012), rho) * rho * torch.cos(theta - heading)
    soft = 0.004 * scale
    above = (height - base - level * scale) / soft
    return base + level * scale + soft * torch.nn.functional.softplus(above.clamp(max=60.0))


def breached(
    height: torch.Tensor, before: torch.Tensor, rho: torch.Tensor, theta: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """Part of the rim is gone: sectors of the crater are given back to the ground that was there before."""
    n = len(height)
    kept = (0.75 + ripple(theta, range(1, 6), 0.8, rng, n)).mul(1.5).clamp(0, 1)
    outer = ((rho - 0.55) / 0.3).clamp(0, 1)
    kept = 1 - (1 - kept) * outer
    return before + (height - before) * kept


def bright_rays(rho: torch.Tensor, theta: torch.Tensor, rng: np.random.Generator, n: int) -> torch.Tensor:
    """Brightening over the mean: narrow streaks of unlike length, often missing on one side, over a halo."""
    streak = ripple(theta, range(3, 18), 0.1, rng, n).clamp(0, 2.5) ** _draw(rng, n, (1.0, 2.2), rho)
    side = 1 - _draw(rng, n, (0.0, 0.9), rho) * (0.5 + 0.5 * torch.cos(theta - _draw(rng, n, (0, 2 * np.pi), rho)))
    fade = torch.exp(-rho / _draw(rng, n, (1.2, 2.6), rho))
    halo = _draw(rng, n, (0.05, 0.4), rho) * torch.exp(-((rho - 1).clamp(min=0) / 0.5))
    return _draw(rng, n, (0.25, 0.7), rho) * (0.4 * streak * fade * side + halo)

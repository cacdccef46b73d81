"""Carving craters into terrain in order of emplacement, many scenes at once.

The k-th crater of every scene is carved in one batched step, on windows of a few fixed sizes, so that the same code is
quick on a processor (small windows) and on a GPU (many scenes).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ..crater_profiles import profile_table

_WINDOWS = (12, 18, 26, 38, 56, 80, 120, 180, 270, 400, 600, 900, 1350)
_HARMONICS = 4


@dataclass
class Canvas:
    """Heights and albedo with a margin; windows of large craters may reach over its edge and are cut there."""

    height: torch.Tensor  # (n, rows, columns), pixels
    albedo: torch.Tensor
    margin: int


def _reach(diameter: np.ndarray, rays: np.ndarray, layered: np.ndarray) -> np.ndarray:
    """Half-width of the window: ejecta of a large crater matter less far out than they cost."""
    rho = np.where(diameter > 60, 2.2, 2.8)
    rho = np.where(layered, 3.2, rho)
    return np.maximum(rho, np.where(rays, 4.0, 0.0)) * diameter / 2 + 2


def _window(reach: float) -> int:
    return next((w for w in _WINDOWS if w >= reach), _WINDOWS[-1])


class _Batch:
    """Columns of all populations as padded tensors (n, most craters)."""

    def __init__(
        self, populations: list[pd.DataFrame], scale: int, generator: torch.Generator, device: torch.device
    ) -> None:
        n, most = len(populations), max((len(p) for p in populations), default=0)
        self.count = np.array([len(p) for p in populations])
        columns = ("x_px", "y_px", "diameter_px", "axis_ratio", "tilt", "row", "kind", "fill")
        data = np.zeros((len(columns), n, most), np.float32)
        flags = np.zeros((2, n, most), bool)
        half = np.zeros((n, most), int)
        for i, p in enumerate(populations):
            for j, c in enumerate(columns):
                data[j, i, : len(p)] = p[c].to_numpy() * (scale if c.endswith("_px") else 1)
            flags[0, i, : len(p)] = p.rays
            flags[1, i, : len(p)] = p.morphology == "layered"
            reach = _reach(data[2, i, : len(p)], flags[0, i, : len(p)], flags[1, i, : len(p)])
            half[i, : len(p)] = [_window(r) for r in reach]
        self.half = half
        self.flags = flags
        self.values = dict(zip(columns, torch.from_numpy(data).to(device), strict=True))
        # Low-order wobble of each rim: amplitudes falling with order, phases free.
        order = torch.arange(2, 2 + _HARMONICS, device=device)
        shape = (n, most, _HARMONICS)
        self.wobble = 0.035 * torch.randn(shape, generator=generator, device=device) / order**0.7
        self.phase = 2 * np.pi * torch.rand(shape, generator=generator, device=device)
        self.table = torch.from_numpy(profile_table()).to(device)

    def groups(self, k: int) -> list[tuple[np.ndarray, int]]:
        """Scenes that have a k-th crater, by window size."""
        live = np.flatnonzero(self.count > k)
        return [(live[self.half[live, k] == h], int(h)) for h in np.unique(self.half[live, k])]

    def patch(self, k: int, scenes: np.ndarray, half: int, canvas: Canvas) -> tuple[tuple[torch.Tensor, ...], dict]:
        """Index of the window in the canvas, and the geometry of the k-th crater in it.

        Where a window reaches over the canvas, the index is clamped, and `inside` (else None) tells the real pixels.
        """
        device = self.wobble.device
        b = torch.from_numpy(scenes).to(device)
        v = {c: t[b, k][:, None, None] for c, t in self.values.items()}
        cx, cy = v["x_px"] + canvas.margin, v["y_px"] + canvas.margin
        step = torch.arange(-half, half + 1, device=device)
        ix = cx.floor().long() + step[None, None, :]
        iy = cy.floor().long() + step[None, :, None]
        dx, dy = ix + 0.5 - cx, iy + 0.5 - cy
        rows, cols = canvas.height.shape[1:]
        inside = None
        if int(ix.min()) < 0 or int(iy.min()) < 0 or int(ix.max()) >= cols or int(iy.max()) >= rows:
            inside = ((ix >= 0) & (ix < cols)) & ((iy >= 0) & (iy < rows))
            ix, iy = ix.clamp(0, cols - 1), iy.clamp(0, rows - 1)
        cos, sin = torch.cos(v["tilt"]), torch.sin(v["tilt"])
        a = (dx * cos + dy * sin) * v["axis_ratio"].sqrt()
        c = (dy * cos - dx * sin) / v["axis_ratio"].sqrt()
        theta = torch.atan2(c, a)
        radius = v["diameter_px"] / 2
        rim = torch.ones_like(theta)
        for m in range(_HARMONICS):
            rim = rim + self.wobble[b, k, m, None, None] * torch.cos((m + 2) * theta + self.phase[b, k, m, None, None])
        rho = torch.sqrt(a**2 + c**2) / (radius * rim)
        v |= {
            "rho": rho,
            "theta": theta,
            "radius": radius,
            "profile": self.profile(rho, v) * v["diameter_px"],
            "inside": inside,
        }
        return (b[:, None, None], iy, ix), v

    def profile(self, rho: torch.Tensor, v: dict) -> torch.Tensor:
        """Bilinear look-up of (degradation row, rho) in the profile table, floor filled where `fill` says."""
        n_row, n_rho = self.table.shape[1:]
        r = (rho * ((n_rho - 1) / 4.0)).clamp(max=n_rho - 1.001)
        r0 = r.long()
        f = r - r0
        row0 = v["row"].long().clamp(max=n_row - 2)
        g = v["row"] - row0
        flat = self.table.flatten()
        base = (v["kind"].long() * n_row + row0) * n_rho + r0
        low = flat[base] * (1 - f) + flat[base + 1] * f
        high = flat[base + n_rho] * (1 - f) + flat[base + n_rho + 1] * f
        p = low * (1 - g) + high * g
        # Far out the ejecta would end in a step at the window's edge.
        return torch.maximum(p, -v["fill"]) * (2.6 - rho).div(0.6).clamp(0, 1)


def carve(canvas: Canvas, populations: list[pd.DataFrame], scale: int, generator: torch.Generator) -> list[np.ndarray]:
    """Carve every population into its scene (in place) and say how much of each crater is left to see.

    Parameters
    ----------
    canvas : Canvas
        Terrain to carve; `scale` canvas pixels to a scene pixel.
    populations : list of DataFrame
        From ``draw_population``, oldest first.

    Returns
    -------
    list of array
        Visibility of each crater in 0..1: the share of its own relief still present in the final terrain (regression
        of the final heights on the crater's profile within 1.2 radii).
    """
    batch = _Batch(populations, scale, generator, canvas.height.device)
    most = int(batch.count.max(initial=0))
    for k in range(most):
        for scenes, half in batch.groups(k):
            index, v = batch.patch(k, scenes, half, canvas)
            old = canvas.height[index]
            rho = v["rho"]
            cavity = (rho < 1).to(old.dtype)
            mean = (old * cavity).sum((1, 2), keepdim=True) / cavity.sum((1, 2), keepdim=True).clamp_min(1)
            # The cavity wipes what was there; the ejecta blanket smooths the rim's surroundings only a little.
            keep = ((rho - 0.75) / 0.55).clamp(0, 1)
            keep = 0.08 + 0.92 * keep * keep * (3 - 2 * keep)
            new = mean + (old - mean) * keep + v["profile"]
            albedo = canvas.albedo[index]
            layered = torch.from_numpy(batch.flags[1, scenes, k]).to(old.device)[:, None, None]
            if layered.any():
                new = new + layered * _lobate_ejecta(batch, k, index[0], v)
            rays = torch.from_numpy(batch.flags[0, scenes, k]).to(old.device)[:, None, None]
            if rays.any():
                _write(canvas.albedo, index, v["inside"], albedo + rays * _rays(batch, k, index[0], v))
            _write(canvas.height, index, v["inside"], new)
    return _visibility(canvas, batch, most)


def _write(
    target: torch.Tensor, index: tuple[torch.Tensor, ...], inside: torch.Tensor | None, new: torch.Tensor
) -> None:
    if inside is None:
        target[index] = new
    else:
        b, iy, ix = (i.expand(inside.shape)[inside] for i in index)
        target[b, iy, ix] = new[inside]


def _lobate_ejecta(batch: _Batch, k: int, b: torch.Tensor, v: dict) -> torch.Tensor:
    """A thin sheet ending in a rampart whose edge is scalloped (single-layer ejecta: 1.5 to 2.5 radii)."""
    phase = batch.phase[b[:, 0, 0], k]
    reach = 1.9 + 0.1 * phase[:, 0, None, None] / 3.14
    edge = reach * (
        1
        + 0.07 * torch.cos(5 * v["theta"] + phase[:, 1, None, None])
        + 0.05 * torch.cos(9 * v["theta"] + phase[:, 2, None, None])
    )
    sheet = torch.sigmoid((edge - v["rho"]) / 0.04) * (v["rho"] > 1)
    rampart = torch.exp(-(((v["rho"] - edge + 0.12) / 0.1) ** 2))
    return v["diameter_px"] * (0.006 * sheet + 0.009 * rampart * (v["rho"] > 1))


def _rays(batch: _Batch, k: int, b: torch.Tensor, v: dict) -> torch.Tensor:
    """Bright streaks thinning outwards over a bright near-rim halo."""
    phase = batch.phase[b[:, 0, 0], k]
    streak = torch.zeros_like(v["rho"])
    for m, order in enumerate((3, 5, 8, 13)):
        streak = streak + torch.cos(order * v["theta"] + phase[:, m, None, None])
    streak = (streak / 2).clamp(0, 1) ** 1.5
    fade = torch.exp(-v["rho"] / 1.6) * (4.0 - v["rho"]).clamp(0, 1)
    return 0.5 * fade * (0.25 + streak)


def _visibility(canvas: Canvas, batch: _Batch, most: int) -> list[np.ndarray]:
    left = torch.zeros_like(batch.values["row"])
    for k in range(most):
        for scenes, half in batch.groups(k):
            index, v = batch.patch(k, scenes, half, canvas)
            w = (v["rho"] < 1.2).to(canvas.height.dtype)
            if v["inside"] is not None:
                w = w * v["inside"]
            total = w.sum((1, 2)).clamp_min(1)

            def centred(x: torch.Tensor, w: torch.Tensor = w, total: torch.Tensor = total) -> torch.Tensor:
                return (x - ((x * w).sum((1, 2)) / total)[:, None, None]) * w

            p, h = centred(v["profile"]), centred(canvas.height[index])
            left[index[0][:, 0, 0], k] = ((p * h).sum((1, 2)) / (p * p).sum((1, 2)).clamp_min(1e-6)).clamp(0, 1)
    return [left[i, :c].cpu().numpy() for i, c in enumerate(batch.count)]

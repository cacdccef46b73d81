"""Injecting in passes: each puts some dozen craters into a part of the scene, detects there, and matches.

A crater is injected at the pyramid level at which `detect` would see it, so that a large one costs no more than a small
one and memory does not grow with the scene.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..detect import calibrated, raw_circles, unique
from ..detect.isotropic import TOLERANCE, round_matrix
from ..grid import Grid
from ..match import circle_iou, match
from ..tiling import Pyramid, Window
from .inject import Light, crater_kind, put

if TYPE_CHECKING:
    import torch

    from ..nn.zoo import Model

SIDE = 512  # of the part that one pass works on, at most
COVERAGE = 0.08  # of the part by injected craters, at most
MOST = 60  # injected craters in a pass
APART = 1.5  # their least distance, over the sum of their radii
SAME_PLACE_IOU = 0.3  # a crater that is there already would be found in the injected one's stead
_TRIES = 40
_LEAST_SIDE = 128  # of a level of the pyramid


@dataclass(frozen=True)
class Subject:
    """What is injected into: a scene, its light, and the detector.

    `pyramid`, `dem_pyramid` give the image and (or None) the DEM; `lit_by_dem` that slopes of the DEM are lit;
    `found` holds x_px, y_px, diameter_px of what the detector finds in the scene as it is.
    """

    grid: Grid
    pyramid: Pyramid
    dem_pyramid: Pyramid | None
    light: Light
    found: np.ndarray
    model: Model
    precision: torch.dtype
    brightness: tuple[float, float]
    threshold: float
    min_diameter_px: float

    @property
    def looks_at_dem(self) -> bool:
        return "dem" in self.model.layers


def draw(n: int, limits_px: tuple[float, float], erosion: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Diameters (log-uniform, scene pixels) and erosions (uniform) of `n` craters, shape (n, 2)."""
    return np.column_stack(
        [np.exp(rng.uniform(np.log(limits_px[0]), np.log(limits_px[1]), n)), rng.uniform(*erosion, n)]
    )


def levels_of(diameter_px: np.ndarray, shape: tuple[int, int], level_low_px: float) -> np.ndarray:
    """Pyramid level at which each crater is injected.

    There it is at least twice as wide as the smallest that an inner level answers for, so the levels that would see it
    in the whole scene are all made from this one.
    """
    level = np.floor(np.log2(np.maximum(diameter_px / (2 * level_low_px), 1))).astype(int)
    return np.minimum(level, max(0, int(np.log2(max(min(shape) / _LEAST_SIDE, 1)))))


def inject(
    subject: Subject, wanted: np.ndarray, rng: np.random.Generator, on_done: Callable[[int], object]
) -> np.ndarray:
    """Inject the craters and see which are found.

    Parameters
    ----------
    subject : Subject
    wanted : ndarray, shape (n, 2)
        From ``draw``.
    rng : Generator
    on_done : callable
        Told how many craters are done after each pass.

    Returns
    -------
    ndarray, shape (m, 5)
        diameter_px, erosion, metres per pixel there, and of the match diameter_px and score (NaN: not found). m < n
        where there was no room.
    """
    low = subject.model.architecture.level_px[0]
    level = levels_of(wanted[:, 0], subject.grid.shape, low)
    rows: list[np.ndarray] = []
    for k in np.unique(level):
        waiting = list(wanted[level == k])
        in_vain = 0
        while waiting and in_vain < _TRIES:
            done, waiting = _one_pass(subject, int(k), waiting, rng)
            in_vain = 0 if len(done) else in_vain + 1
            rows.extend(done)
            on_done(len(done))
        on_done(len(waiting))
    return np.array(rows).reshape(-1, 5)


def _one_pass(
    s: Subject, level: int, waiting: list[np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    window = _window(s.pyramid.shapes[level], rng)
    image = np.array(s.pyramid.reader(level)(window), np.float32)
    dem = None if s.dem_pyramid is None else np.array(s.dem_pyramid.reader(level)(window), np.float32)
    zoom = 2.0**level
    placed, rest = _place(s, image, window, zoom, waiting, rng)
    if not placed:
        return np.empty((0, 5)), rest
    origin = np.array([window[2], window[0]])
    truth = np.array(placed)
    at = (truth[:, :2] + origin) * zoom
    scale = s.grid.metres_per_pixel(at[:, 0], at[:, 1])
    matrices = round_matrix(s.grid.metric(at[:, 0], at[:, 1]), TOLERANCE)
    body = None if s.grid.body is None else s.grid.body.name
    for (x, y, d, erosion), m, metres in zip(truth, matrices, scale, strict=True):
        put(
            image,
            dem,
            x,
            y,
            d,
            erosion,
            s.light,
            rng,
            kind=crater_kind(d * zoom * metres, body),
            round_matrix=m,
            metres_per_px=metres * zoom,
            psf_sigma_px=s.light.psf_sigma_px / zoom,
        )
    found = _detect(s, image, dem, window, zoom)
    import pandas as pd

    labels = pd.DataFrame({"x_px": at[:, 0], "y_px": at[:, 1], "diameter_px": truth[:, 2] * zoom})
    label, _, _ = match(pd.DataFrame(found), labels)
    out = np.column_stack([labels.diameter_px, truth[:, 3], scale, np.full((len(truth), 2), np.nan)])
    hit = label >= 0
    out[label[hit], 3], out[label[hit], 4] = found["diameter_px"][hit], found["score"][hit]
    return out, rest


def _window(shape: tuple[int, int], rng: np.random.Generator) -> Window:
    r0, c0 = (int(rng.integers(0, max(n - SIDE, 0) + 1)) for n in shape)
    return r0, min(r0 + SIDE, shape[0]), c0, min(c0 + SIDE, shape[1])


def _place(
    s: Subject, image: np.ndarray, window: Window, zoom: float, waiting: list[np.ndarray], rng: np.random.Generator
) -> tuple[list[tuple[float, float, float, float]], list[np.ndarray]]:
    """Places (x, y, diameter in pixels of the part, erosion) for as many craters as fit, and those that wait."""
    rows, cols = image.shape
    scene_rows, scene_cols = s.pyramid.shapes[round(np.log2(zoom))]
    inner = (window[2] > 0, window[3] < scene_cols, window[0] > 0, window[1] < scene_rows)
    good = np.isfinite(image)
    room = COVERAGE * good.sum()
    there = s.found / zoom - np.array([window[2], window[0], 0])
    placed: list[tuple[float, float, float, float]] = []
    rest: list[np.ndarray] = []
    for k, (diameter, erosion) in enumerate(waiting):
        d = diameter / zoom
        area = np.pi / 4 * d * d
        if len(placed) == MOST or (placed and area > room):
            rest.extend(waiting[k:])
            break
        # Beside a cut that the scene does not have, the network would see less than it does in the scene.
        gap = [d if cut else d / 2 for cut in inner]
        spot = None
        for _ in range(_TRIES):
            if gap[0] + gap[1] > cols or gap[2] + gap[3] > rows:
                break
            x, y = rng.uniform(gap[0], cols - gap[1]), rng.uniform(gap[2], rows - gap[3])
            disc = good[int(y - d / 2) : int(np.ceil(y + d / 2)), int(x - d / 2) : int(np.ceil(x + d / 2))]
            if not disc.all():
                continue
            if any(np.hypot(x - p[0], y - p[1]) < APART * (d + p[2]) / 2 for p in placed):
                continue
            if len(there) and (circle_iou(x, y, d, *there.T) > SAME_PLACE_IOU).any():
                continue
            spot = (x, y, d, float(erosion))
            break
        if spot is None:
            rest.append(waiting[k])
            continue
        placed.append(spot)
        room -= area
    return placed, rest


def _detect(
    s: Subject, image: np.ndarray, dem: np.ndarray | None, window: Window, zoom: float
) -> dict[str, np.ndarray]:
    """What `detect` finds in the part, in pixels of the scene."""
    import xarray as xr
    from affine import Affine

    part = Grid(
        image.shape,
        s.grid.transform * Affine.scale(zoom) * Affine.translation(window[2], window[0]),
        s.grid.crs,
        s.grid.body,
        None if s.grid.pixel_size_m is None else s.grid.pixel_size_m * zoom,
    )
    least = max(s.model.architecture.diameters_px[0], s.min_diameter_px / zoom)  # in pixels of the part
    heights = xr.DataArray(dem, dims=("y", "x")) if s.looks_at_dem else None
    raw = raw_circles(
        xr.DataArray(image, dims=("y", "x")),
        part,
        s.model,
        s.precision,
        least,
        dem=heights,
        brightness=s.brightness,
    )
    raw["x_px"] = (raw["x_px"] + window[2]) * zoom
    raw["y_px"] = (raw["y_px"] + window[0]) * zoom
    raw["diameter_px"] = raw["diameter_px"] * zoom  # before the scores, which depend on the level of the scene
    raw["score"] = calibrated(raw, s.model)
    raw = {k: v[raw["score"] >= s.threshold] for k, v in raw.items()}
    order = unique(raw, s.grid)
    return {k: raw[k][order] for k in ("x_px", "y_px", "diameter_px", "score")}

"""The light of a scene: from its attributes, else from the shading of its own craters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .inject import LAW, Light, stamp

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from ..grid import Grid
    from ..tiling import Reader

INCIDENCE_DEG = 60.0  # taken where nothing says better
SIZES_PX = (10.0, 60.0)  # craters that show the light: resolved, and small against the ground's own changes
LEAST_CRATERS = 15
FRESHEST = 0.95  # quantile of the shading that a fresh crater has
_IRREGULAR = 0.94  # share of a perfect circle's shading that one of natural outline shows
_MOST = 300
_DEM_SIDE, _ALIKE = 1024, 0.7  # part compared with the DEM, and the least correlation that makes them comparable


@dataclass
class Found:
    """A light and what was assumed to come to it."""

    light: Light
    notes: list[str] = field(default_factory=list)


def image_azimuth(grid: Grid, azimuth_deg: float) -> float:
    """From degrees clockwise from north to degrees clockwise from up in the image, at the middle of the grid."""
    rows, cols = grid.shape
    j = grid.jacobian(cols / 2, rows / 2)
    if grid.crs is None or not np.isfinite(j).all():
        return azimuth_deg
    a = np.radians(azimuth_deg)
    # The ground is round pixels, turned: the orthogonal factor of the map's derivative (polar decomposition).
    left, _, right = np.linalg.svd(j)
    x, down = (left @ right).T @ np.array([np.sin(a), np.cos(a)])
    return float(np.degrees(np.arctan2(x, -down))) % 360


def light_of(
    scene: xr.Dataset,
    grid: Grid,
    read: Reader,
    craters: gpd.GeoDataFrame,
    *,
    black: float | None = None,
    dem: Reader | None = None,
) -> Found:
    """The light of a scene.

    Parameters
    ----------
    scene : Dataset
        attrs `sun_azimuth_deg`, `incidence_deg`, `instrument`, `psf_sigma_px`.
    grid : Grid
    read : Reader
        Windows of the image.
    craters : GeoDataFrame
        Found in it.
    black : float, optional
        Image value of no light, where it is known.
    dem : Reader, optional
        Windows of heights, metres; where the image looks like them, they tell the black level.

    Returns
    -------
    Found
    """
    from ..detect import sample_of

    sample = sample_of(read, grid.shape)
    values = sample[np.isfinite(sample)]
    low, median = np.percentile(values, [0.5, 50])
    whole = (float(values.min()), float(values.max())) if (values == np.round(values)).all() else None
    notes: list[str] = []
    parts = _windows(read, grid.shape, craters)
    azimuth = float(scene.attrs.get("sun_azimuth_deg", np.nan))
    if np.isfinite(azimuth):
        azimuth = image_azimuth(grid, azimuth)
    else:
        azimuth, sharp = azimuth_from_craters(parts)
        if len(parts) >= LEAST_CRATERS and sharp > 0.3:
            notes.append(
                f"the sun's azimuth, {azimuth:.0f} deg from up, is that of the shading of {len(parts)} craters"
            )
        else:
            azimuth = 270.0
            notes.append("the sun's azimuth is not known and its craters do not show it: taken from the left")
    incidence = float(scene.attrs.get("incidence_deg", np.nan))
    if not np.isfinite(incidence):
        incidence = INCIDENCE_DEG
        notes.append(f"the incidence of the sun is not known: {INCIDENCE_DEG:g} deg is assumed")
    incidence = float(np.clip(incidence, 1.0, 89.0))
    light = Light(azimuth, incidence, 0.0, _psf(scene), whole)
    if black is None and dem is not None:
        black = _black_from_dem(read, dem, grid, light)
        if black is not None:
            black = min(black, float(low))
            notes.append(f"black level {black:.4g}, from the image against the shading of its DEM")
    if black is None:
        black, why = _black(parts, light, float(median), float(low))
        notes.append(why)
    return Found(Light(azimuth, incidence, float(black), light.psf_sigma_px, whole), notes)


def _psf(scene: xr.Dataset) -> float:
    """Of the image's own pixels: measured by superres, else the instrument's."""
    from ..errors import CraterlabError
    from ..instruments import instrument

    given = scene.attrs.get("psf_sigma_px")
    if given is None:
        try:
            given = instrument(scene.attrs.get("instrument") or "generic").psf_sigma_px
        except CraterlabError:
            given = None
    value = float(given) if given is not None else 0.5
    return value if np.isfinite(value) else 0.5


def _windows(
    read: Reader, shape: tuple[int, int], craters: gpd.GeoDataFrame
) -> list[tuple[np.ndarray, float, float, float]]:
    """Image around sure craters, with their centre in it and their diameter."""
    from ..tiling import padded

    table = craters[(craters.diameter_px >= SIZES_PX[0]) & (craters.diameter_px <= SIZES_PX[1])]
    table = table.sort_values("score", ascending=False).head(_MOST)
    wide = padded(read, shape)
    out = []
    for x, y, d in zip(table.x_px, table.y_px, table.diameter_px, strict=True):
        reach = int(0.7 * d) + 2
        r0, c0 = int(y) - reach, int(x) - reach
        part = wide((r0, r0 + 2 * reach + 1, c0, c0 + 2 * reach + 1)).astype(float)
        if np.isfinite(part).all():
            out.append((part, x - c0, y - r0, d))
    return out


def azimuth_from_craters(parts: list[tuple[np.ndarray, float, float, float]]) -> tuple[float, float]:
    """Where the sun stands by the shading of craters: their dark side points to it.

    Returns
    -------
    azimuth_deg : float
        Clockwise from up in the image.
    sharpness : float
        0 (no common direction) to 1 (all the same).
    """
    total, n = np.zeros(2), 0
    for part, x, y, d in parts:
        dx = (np.arange(part.shape[1]) + 0.5 - x)[None, :] / (d / 2)
        dy = (np.arange(part.shape[0]) + 0.5 - y)[:, None] / (d / 2)
        inside = np.hypot(dx, dy) < 0.9
        shade = np.where(inside, part - part[inside].mean(), 0)
        pull = -np.array([(shade * dx).sum(), (shade * dy).sum()])
        if (size := np.hypot(*pull)) > 0:
            total, n = total + pull / size, n + 1
    if not n:
        return 270.0, 0.0
    return float(np.degrees(np.arctan2(total[0], -total[1]))) % 360, float(np.hypot(*total) / n)


def _black(
    parts: list[tuple[np.ndarray, float, float, float]], light: Light, median: float, low: float
) -> tuple[float, str]:
    """Image value of no light: where the freshest twentieth of the scene's sure craters is shaded as fresh ones are."""
    amounts = [a for a in (_light_on(p, light) for p in parts) if np.isfinite(a)]
    if len(amounts) < LEAST_CRATERS:
        black = min(0.0, low)
        return black, f"too few craters to tell the black level: {black:g} is assumed"
    # No pixel is darker than black; and a haze more than four times the light is no image.
    amount = float(np.clip(np.quantile(amounts, FRESHEST) / _IRREGULAR, median - low, 5 * (median - low) + 1e-6))
    return median - amount, (
        f"black level {median - amount:.4g}, so that the freshest twentieth of {len(amounts)} craters is shaded as "
        f"fresh ones are ({LAW})"
    )


def _black_from_dem(read: Reader, dem: Reader, grid: Grid, light: Light) -> float | None:
    """Where the line of the image against the shading of the DEM meets no light; None where they are not alike.

    The line is the reduced major axis, since either may be noisy.
    """
    import torch

    from ..simulate.photometry import lit_fraction, reflectance

    rows, cols = grid.shape
    r0, c0 = max(0, (rows - _DEM_SIDE) // 2), max(0, (cols - _DEM_SIDE) // 2)
    window = (r0, min(r0 + _DEM_SIDE, rows), c0, min(c0 + _DEM_SIDE, cols))
    metres = float(grid.metres_per_pixel(cols / 2, rows / 2))
    image, heights = read(window), dem(window) / metres
    h = torch.from_numpy(np.nan_to_num(heights - np.nanmean(heights)).astype(np.float32))[None]
    sun = torch.tensor([light.azimuth_deg]), torch.tensor([light.incidence_deg])
    shade = (reflectance(h, *sun, [LAW]) * lit_fraction(h, *sun))[0].numpy()
    good = np.isfinite(image) & np.isfinite(heights)
    if good.sum() < 1000 or shade[good].std() == 0 or image[good].std() == 0:
        return None
    if np.corrcoef(image[good], shade[good])[0, 1] < _ALIKE:
        return None
    return float(image[good].mean() - image[good].std() / shade[good].std() * shade[good].mean())


def _light_on(part: tuple[np.ndarray, float, float, float], light: Light) -> float:
    """Regression of the image around a crater on the relative shading of a fresh one: the light that falls there."""
    from scipy.ndimage import map_coordinates

    image, x, y, d = part
    s = stamp(d, 0.0, light, np.random.default_rng(0), round_only=True)
    middle = s.ratio.shape[0] / 2 - 0.5
    dy = (np.arange(image.shape[0]) + 0.5 - y)[:, None] + np.zeros(image.shape)
    dx = (np.arange(image.shape[1]) + 0.5 - x)[None, :] + np.zeros(image.shape)
    shade = map_coordinates(s.ratio, [dy * s.fine + middle, dx * s.fine + middle], order=1, cval=1.0) - 1
    near = np.hypot(dx, dy) < 0.6 * d
    a, b = image[near] - image[near].mean(), shade[near] - shade[near].mean()
    return float((a @ b) / (b @ b)) if (b @ b) > 0 else np.nan

"""Slope of the inner wall and width of the floor, sector by sector of azimuth.

The wall is what lies between a quarter and three quarters of the way from floor to rim. Its slope is the mean slope
there, and the floor ends where the wall, drawn on straight, meets the level of the floor. Both are medians over 12
sectors, with the standard error of a median from the scatter between sectors, two of which count as one: what slumps
or is overprinted reaches over more than 30 degrees.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .depth import CREST, CREST_RADII, INNER_RADII
from .polar import AZIMUTHS, percentile_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_RADII = np.concatenate([INNER_RADII, CREST_RADII])
_SECTORS = 12
_LOW, _HIGH = 0.25, 0.75
_NEEDED = 8  # sectors


def walls(elevation: Floats, depth: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Slope and floor of craters.

    Parameters
    ----------
    elevation : ndarray, (n, 72, m)
        Along ``depth.SHAPE_RADII`` of the rim ellipse, regional slope taken off; NaN is nodata.
    depth : ndarray, (n,)
        Rim to floor, same unit.

    Returns
    -------
    slope, slope_std : ndarray, (n,)
        Rise per crater radius.
    floor, floor_std : ndarray, (n,)
        Radius of the floor in crater radii, 0 for a bowl without one. NaN where fewer than 8 sectors show a wall.
    """
    n = len(elevation)
    sectors = elevation[..., : CREST.stop].reshape(n, _SECTORS, AZIMUTHS // _SECTORS, -1).mean(2)
    slope, floor = wall_of(sectors, depth[:, None])
    return (*_middle(slope), *_middle(floor))


def wall_of(profile: Floats, depth: Floats) -> tuple[Floats, Floats]:
    """Slope and floor radius of single profiles (..., radii), rim to floor `depth` (...)."""
    rim = profile[..., CREST].max(-1)
    low, high = (_outermost_below(profile, rim - depth * (1 - share)) for share in (_LOW, _HIGH))
    run = np.where(high > low, high - low, np.nan)
    slope = depth * (_HIGH - _LOW) / run
    return slope, np.maximum(low - _LOW * run / (_HIGH - _LOW), 0.0)


def _outermost_below(profile: Floats, level: Floats) -> Floats:
    """Radius where a profile, from the rim inwards, first falls below a level; NaN where it never does."""
    below = profile < level[..., None]
    k = profile.shape[-1] - 1 - below[..., ::-1].argmax(-1)
    k = np.clip(k, 0, profile.shape[-1] - 2)[..., None]
    z0, z1 = (np.take_along_axis(profile, k + up, axis=-1)[..., 0] for up in (0, 1))
    r0, r1 = _RADII[k[..., 0]], _RADII[k[..., 0] + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        radius = r0 + (r1 - r0) * (level - z0) / (z1 - z0)
    return np.where(below.any(-1) & np.isfinite(z0 + z1), radius, np.nan)


def _middle(values: Floats) -> tuple[Floats, Floats]:
    count = np.isfinite(values).sum(1)
    middle = percentile_of(values, 50.0)
    spread = 1.4826 * percentile_of(np.abs(values - middle[:, None]), 50.0)
    enough = count >= _NEEDED
    std = 1.2533 * spread / np.sqrt(np.maximum(count, 1) / 2)
    return np.where(enough, middle, np.nan), np.where(enough, std, np.nan)

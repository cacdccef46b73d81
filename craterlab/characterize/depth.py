"""Depth and rim height from an elevation model by robust percentiles.

Depth is the 60th percentile of the rim minus the 3rd percentile of the inside (Breton et al. 2019, "Insight into
areal densities of planetary crater populations from morphometry"), both after the regional slope around the crater is
taken off; rim height is the same percentile of the rim above the median of the ground at 1.8 to 2.2 radii. Errors are
delete-one-sector jackknives over 12 sectors of azimuth (Miller 1974, Biometrika 61, 1): they hold what differs from
side to side, not a bias of the elevation model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .polar import AZIMUTHS, directions, percentile_of
from .rims import RIM_RADII

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RIM_PERCENTILE, FLOOR_PERCENTILE = 60.0, 3.0
_INNER = 0.88
_RINGS = 16
INNER_RADII = _INNER * np.sqrt((np.arange(_RINGS) + 0.5) / _RINGS)  # rings of equal area: percentiles need no weights
GROUND_RADII = np.linspace(1.8, 2.2, 5)
ALL_RADII = np.concatenate([INNER_RADII, RIM_RADII, GROUND_RADII])
_HALF_WIDTH = 0.08  # of the band around the rim in which the crest of each azimuth is taken
_SECTORS = 12
_GROUND = 0.5  # share of the unevenness of the ground around that a crater's own depth inherits
_NEEDED = 0.9  # share of samples that must be valid


@dataclass(frozen=True)
class Depths:
    """Metres, (n,) each; NaN where the crater is cut by the border or nodata."""

    depth: Floats
    depth_std: Floats
    rim_height: Floats
    rim_height_std: Floats


def split(elevation: Floats) -> tuple[Floats, Floats, Floats]:
    """Inside, rim and ground parts of samples along `ALL_RADII`."""
    a, b = len(INNER_RADII), len(INNER_RADII) + len(RIM_RADII)
    return elevation[..., :a], elevation[..., a:b], elevation[..., b:]


def level_out(elevation: Floats) -> Floats:
    """Elevation minus the plane through the ground around the crater (through the rim where that is nodata).

    Parameters
    ----------
    elevation : ndarray, (n, 72, m)
        Along `ALL_RADII`.

    Returns
    -------
    ndarray, (n, 72, m)
        The plane passes through 0 at the centre: levels are kept.
    """
    east, north = directions()
    _, rim, ground = split(elevation)
    far = _tilt(ground, GROUND_RADII)
    near = _tilt(rim[..., 20:31], RIM_RADII[20:31])
    slope = np.where(np.isfinite(far), far, near)
    slope = np.nan_to_num(slope)
    plane = slope[:, 0, None] * east + slope[:, 1, None] * north
    return elevation - plane[..., None] * ALL_RADII


def _tilt(elevation: Floats, radii: Floats) -> Floats:
    """Slope to the east and north per radius, (n, 2); NaN where less than 2/3 of the azimuths are known.

    Opposite azimuths are differenced and the median taken, so that one neighbouring crater does not tilt the plane.
    """
    half = AZIMUTHS // 2
    count = np.isfinite(elevation).sum(-1)
    profile = np.where(count > 0, np.nansum(elevation / radii, axis=-1) / np.maximum(count, 1), np.nan)
    across = 0.5 * (profile[:, :half] - profile[:, half:])
    east, north = (d[:half] for d in directions())
    known = np.isfinite(across)
    weight = known.astype(float)
    value = np.where(known, across, 0.0)
    design = np.stack([east, north], axis=-1)
    slope = np.zeros((len(across), 2))
    for _ in range(6):
        normal = np.einsum("na,ai,aj->nij", weight, design, design) + 1e-9 * np.eye(2)
        slope = np.linalg.solve(normal, np.einsum("na,ai,na->ni", weight, design, value)[..., None])[..., 0]
        residual = np.abs(value - slope @ design.T)
        spread = 1.4826 * np.median(np.where(known, residual, 0.0), axis=1, keepdims=True) + 1e-9
        weight = known / np.maximum(1.0, residual / (1.5 * spread))
    slope[known.mean(1) < 2 / 3] = np.nan
    return slope


def measure(elevation: Floats, rim_radius: Floats) -> Depths:
    """Depth and rim height of craters.

    Parameters
    ----------
    elevation : ndarray, (n, 72, m)
        Metres along `ALL_RADII`, regional slope taken off; NaN is nodata.
    rim_radius : ndarray, (n, 72)
        Where the rim is, in crater radii (1 for the given circle).

    Returns
    -------
    Depths
    """
    inside, rim, ground = split(elevation)
    band = np.abs(RIM_RADII - rim_radius[..., None]) <= _HALF_WIDTH
    in_band = np.where(band, rim, -np.inf)
    crest = np.where(np.isfinite(np.where(band, rim, 0.0)).all(-1), in_band.max(-1), np.nan)
    whole = (np.isfinite(crest).mean(1) >= _NEEDED) & (np.isfinite(inside).mean((1, 2)) >= _NEEDED)
    around = whole & (np.isfinite(ground).mean((1, 2)) >= _NEEDED)
    n = len(elevation)
    depth, height = np.full(n, np.nan), np.full(n, np.nan)
    depth_std, height_std = depth.copy(), depth.copy()
    if whole.any():
        depth[whole], depth_std[whole] = _jackknife(crest[whole], inside[whole], FLOOR_PERCENTILE)
        depth_std[whole] = np.hypot(depth_std[whole], _GROUND * _unevenness(ground[whole]))
    if around.any():
        height[around], height_std[around] = _jackknife(crest[around], _by_azimuth(ground[around]), 50.0)
        height_std[around] = np.hypot(height_std[around], _GROUND * _unevenness(ground[around]))
    return Depths(depth, depth_std, height, height_std)


def _by_azimuth(elevation: Floats) -> Floats:
    """Mean of each profile, (n, 72, 1); NaN where a sample is missing."""
    return elevation.mean(-1, keepdims=True)


def _unevenness(ground: Floats) -> Floats:
    """Robust standard deviation of the levelled ground around craters, 0 where it is not known."""
    flat = _by_azimuth(ground)[..., 0]
    middle = percentile_of(flat, 50.0)[:, None]
    return np.nan_to_num(1.4826 * percentile_of(np.abs(flat - middle), 50.0))


def _jackknife(crest: Floats, lower: Floats, percentile: float) -> tuple[Floats, Floats]:
    """Rim percentile minus a percentile of `lower`, and its standard error."""

    def difference(keep: NDArray[np.intp]) -> Floats:
        low = lower[:, keep].reshape(len(lower), -1)
        return percentile_of(crest[:, keep], RIM_PERCENTILE) - percentile_of(low, percentile)

    azimuth = np.arange(AZIMUTHS)
    sector = azimuth * _SECTORS // AZIMUTHS
    left_out = np.stack([difference(azimuth[sector != s]) for s in range(_SECTORS)])
    variance = (_SECTORS - 1) / _SECTORS * np.square(left_out - left_out.mean(0)).sum(0)
    return difference(azimuth), np.sqrt(variance)

"""Depth and rim height from an elevation model.

Depth is the mean of the rim's crest over azimuth minus the 3rd percentile of the inside, both after the regional slope
around the crater is taken off; rim height is the same crest above the median of the ground at 1.8 to 2.2 radii. (A low
percentile for the floor is that of Breton et al. 2019, "Insight into areal densities of planetary crater populations
from morphometry"; their rim is a 60th percentile, which rough ground alone lifts.) Errors are delete-one-sector
jackknives over 12 sectors of azimuth (Miller 1974, Biometrika 61, 1) with a share of the unevenness of the ground,
which is taken off the depth too. They hold what differs from side to side, not the blur of the elevation model, for
which see ``erosion``.
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

FLOOR_PERCENTILE = 3.0
_INNER = 0.88
_RINGS = 16
INNER_RADII = _INNER * np.sqrt((np.arange(_RINGS) + 0.5) / _RINGS)  # rings of equal area: percentiles need no weights
CREST_RADII = np.linspace(0.92, 1.08, 9)  # the crest of each azimuth is the highest of these
FLANK_RADII = np.array([1.11, 1.15, 1.2, 1.3, 1.4, 1.55, 1.7])
GROUND_RADII = np.linspace(1.8, 2.2, 5)
SHAPE_RADII = np.concatenate([INNER_RADII, CREST_RADII, FLANK_RADII, GROUND_RADII])  # rim at 1
INNER, CREST, GROUND = slice(0, _RINGS), slice(_RINGS, _RINGS + 9), slice(-5, None)
TRACE_RADII = np.concatenate([RIM_RADII, GROUND_RADII])
_SECTORS = 12
_UNEVEN = 0.8  # share of the unevenness of the ground around that a crater's own depth inherits
_LEAST = 0.3  # share of a measured depth that is left to it at least
_NEEDED = 0.9  # share of samples that must be valid


@dataclass(frozen=True)
class Depths:
    """Metres, (n,) each; NaN where the crater is cut by the border or nodata."""

    depth: Floats
    depth_std: Floats
    rim_height: Floats
    rim_height_std: Floats


def level_out(elevation: Floats, radii: Floats) -> Floats:
    """Elevation minus the plane through the ground around the crater (through the rim where that is nodata).

    Parameters
    ----------
    elevation : ndarray, (n, 72, m)
    radii : ndarray, (m,)
        Crater radii of the samples; those of 0.9 to 1.1 are the rim, those of 1.8 to 2.2 the ground.

    Returns
    -------
    ndarray, (n, 72, m)
        The plane passes through 0 at the centre: levels are kept.
    """
    return elevation - plane(regional_slope(elevation, radii), radii)


def regional_slope(elevation: Floats, radii: Floats) -> Floats:
    """Slope of the ground around to the east and north, per crater radius, (n, 2); 0 where too little is known."""
    ground, rim = (radii >= 1.79) & (radii <= 2.21), (radii >= 0.89) & (radii <= 1.11)
    far, near = _tilt(elevation[..., ground], radii[ground]), _tilt(elevation[..., rim], radii[rim])
    return np.nan_to_num(np.where(np.isfinite(far), far, near))


def plane(slope: Floats, radii: Floats) -> Floats:
    """Elevation (n, 72, m) of planes through 0 at the centre."""
    east, north = directions()
    along = slope[:, 0, None] * east + slope[:, 1, None] * north
    return np.asarray(along[..., None] * radii)


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


def measure(elevation: Floats) -> Depths:
    """Depth and rim height of craters.

    Parameters
    ----------
    elevation : ndarray, (n, 72, m)
        Metres along `SHAPE_RADII` of the rim ellipse, regional slope taken off; NaN is nodata.

    Returns
    -------
    Depths
    """
    inside, ground = elevation[..., INNER], elevation[..., GROUND]
    crest = elevation[..., CREST].max(-1)  # NaN where a sample is
    whole = (np.isfinite(crest).mean(1) >= _NEEDED) & (np.isfinite(inside).mean((1, 2)) >= _NEEDED)
    around = whole & (np.isfinite(ground).mean((1, 2)) >= _NEEDED)
    rim = _without_each(crest)
    uneven = _UNEVEN * _unevenness(ground)
    out = []
    for known, lower in ((whole, _floors(inside)), (around, _middles(_by_azimuth(ground)))):
        left_out = rim[:, 1:] - lower[:, 1:]
        spread = left_out - left_out.mean(1, keepdims=True)
        std = np.sqrt((_SECTORS - 1) / _SECTORS * np.square(spread).sum(1))
        out += [np.where(known, rim[:, 0] - lower[:, 0], np.nan), np.where(known, np.hypot(std, uneven), np.nan)]
    # Crests are picked as the highest and floors as the lowest there is, so rough ground alone has a depth. It adds to
    # a crater's own like noise to an amplitude (Rice): in squares.
    own = np.sqrt(np.maximum(out[0] ** 2 - uneven**2, (_LEAST * out[0]) ** 2))
    return Depths(own, *out[1:])


def _by_azimuth(elevation: Floats) -> Floats:
    """Mean of each profile, (n, 72); NaN where a sample is missing."""
    return np.asarray(elevation.mean(-1))


def _unevenness(ground: Floats) -> Floats:
    """Robust standard deviation of the levelled ground around craters, 0 where it is not known."""
    flat = _by_azimuth(ground)
    middle = percentile_of(flat, 50.0)[:, None]
    return np.nan_to_num(1.4826 * percentile_of(np.abs(flat - middle), 50.0))


def _without_each(values: Floats) -> Floats:
    """Means of (n, 72) over all azimuths and without each sector, (n, 1 + 12)."""
    known = np.isfinite(values).reshape(len(values), _SECTORS, -1).sum(2)
    total = np.nansum(values.reshape(len(values), _SECTORS, -1), axis=2)
    count = np.concatenate([known.sum(1, keepdims=True), known.sum(1, keepdims=True) - known], axis=1)
    amount = np.concatenate([total.sum(1, keepdims=True), total.sum(1, keepdims=True) - total], axis=1)
    return np.where(count > 0, amount / np.maximum(count, 1), np.nan)


def _middles(values: Floats) -> Floats:
    """Likewise medians."""
    sector = np.arange(AZIMUTHS) * _SECTORS // AZIMUTHS
    parts = [values, *(values[:, sector != s] for s in range(_SECTORS))]
    return np.stack([percentile_of(part, 50.0) for part in parts], axis=1)


def _floors(inside: Floats) -> Floats:
    """Floor percentiles of (n, 72, rings) over all azimuths and without each sector, (n, 1 + 12).

    Only the lowest samples matter: those of the percentile and as many as one sector can take away.
    """
    n, _, rings = inside.shape
    flat = inside.reshape(n, -1)
    sector = np.repeat(np.arange(AZIMUTHS) * _SECTORS // AZIMUTHS, rings)
    most = int(np.ceil(flat.shape[1] * FLOOR_PERCENTILE / 100)) + flat.shape[1] // _SECTORS + 2
    lowest = np.argpartition(flat, most, axis=1)[:, :most]
    values = np.take_along_axis(flat, lowest, axis=1)
    order = np.argsort(values, axis=1)
    values, owner = np.take_along_axis(values, order, axis=1), sector[np.take_along_axis(lowest, order, axis=1)]
    known = np.isfinite(flat).reshape(n, _SECTORS, -1).sum(2)
    out = np.empty((n, 1 + _SECTORS))
    for s in range(-1, _SECTORS):
        keep = owner != s
        at = np.maximum((known.sum(1) - (known[:, s] if s >= 0 else 0) - 1) * FLOOR_PERCENTILE / 100, 0.0)
        rank = keep.cumsum(1)
        low, high = (
            np.take_along_axis(values, (rank > np.floor(at)[:, None] + up).argmax(1)[:, None], axis=1)[:, 0]
            for up in (0, 1)
        )
        out[:, s + 1] = low + (at - np.floor(at)) * (high - low)
    return out

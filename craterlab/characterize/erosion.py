"""How far a crater has worn down, from its elevation profile: kappa t, and erosion on one scale of 0 fresh to 1 gone.

The profile is held against a ``family`` of diffused and filled profiles as the elevation model would show them, so its
blur is not taken for age, and how much depth the blur hides follows from the same fit. Erosion is 1 - depth / depth
when fresh, the scale of the simulator; its classes are equal steps, as in the four of Robbins & Hynek (2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .depth import CREST, INNER, SHAPE_RADII
from .family import Family, blur_steps, family
from .polar import percentile_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CLASS_EDGES = (0.25, 0.5, 0.75)
_INDEPENDENT = 6.0  # independent samples of a profile: relief goes together over some 0.4 radii
_MISFIT = 0.003  # of diameter: what no member of the family can fit
_DEPTH = 0.02  # of diameter, 1-sigma: how far the depth of a real crater may leave the family
_SPACING = np.diff([0.0, *(0.5 * (SHAPE_RADII[1:] + SHAPE_RADII[:-1])), SHAPE_RADII[-1]])
_STEPS = 3


@dataclass(frozen=True)
class Wear:
    """(n,) each; NaN where the profile is not known well enough."""

    erosion: Floats
    erosion_std: Floats
    age: Floats  # kappa t / R**2
    age_std: Floats
    depth_seen: Floats  # see ``family.Family``
    depth_seen_std: Floats
    height_seen: Floats
    slope_seen: Floats
    floor_seen: Floats


def fit(
    elevation: Floats,
    kind: NDArray[np.intp],
    diameter: Floats,
    blur: Floats,
    depth: Floats,
    depth_std: Floats,
) -> Wear:
    """Wear of craters from their elevation.

    Parameters
    ----------
    elevation : ndarray, (n, 72, m)
        Along ``depth.SHAPE_RADII`` of the rim ellipse, regional slope taken off; the unit of `diameter`.
    kind : ndarray of int, (n,)
        From ``family.kinds``.
    diameter : ndarray, (n,)
    blur : ndarray, (n,)
        Variance of the elevation model's point spread per axis over the radius squared.
    depth, depth_std : ndarray, (n,)
        From ``depth.measure``: the rim is sharper along each azimuth than in the median over all.

    Returns
    -------
    Wear
        Means and standard deviations over all candidates, weighted by how well they fit (Student's likelihood: how
        uneven the ground is, is learned from the misfit) and by a prior even in erosion.
    """
    n, m = len(elevation), len(SHAPE_RADII)
    middle = percentile_of(elevation.transpose(0, 2, 1).reshape(n * m, -1), 50.0).reshape(n, m) / diameter[:, None]
    known = (np.isfinite(elevation).mean(1) >= 0.5) & np.isfinite(middle)
    weight = np.where(known, _SPACING, 0.0)
    enough = (known[:, INNER].mean(1) >= 0.7) & (known[:, CREST].mean(1) >= 0.7)
    enough &= (weight.sum(1) >= 0.6 * _SPACING.sum()) & (blur > 0) & (diameter > 0)
    pair = np.stack([kind, blur_steps(np.where(enough, blur, 1.0))])
    out = np.full((9, n), np.nan)
    for k, step in np.unique(pair[:, enough], axis=1).T:
        rows = np.flatnonzero(enough & (pair[0] == k) & (pair[1] == step))
        measured = np.stack([depth[rows], depth_std[rows]]) / diameter[rows]
        out[:, rows] = _weigh(np.nan_to_num(middle[rows]), weight[rows], measured, family(int(k), int(step)))
    return Wear(*out)


def _weigh(profile: Floats, weight: Floats, depth: Floats, of: Family) -> Floats:
    given = weight > 0
    for step in range(_STEPS):
        # Mean square difference of every profile from every candidate, each at its best level: three products.
        total = weight.sum(1, keepdims=True)
        level = ((weight * profile).sum(1, keepdims=True) - weight @ of.profile.T) / total
        square = (weight * profile**2).sum(1, keepdims=True) - 2 * (weight * profile) @ of.profile.T
        misfit = np.maximum((square + weight @ of.profile.T**2) / total - level**2, 0.0)
        if step < _STEPS - 1:
            best = misfit.argmin(1)
            off = np.abs(profile - of.profile[best] - np.take_along_axis(level, best[:, None], 1))
            scale = np.maximum(1.4826 * percentile_of(np.where(given, off, np.nan), 50.0), _MISFIT)[:, None]
            # Huber's weights: a neighbouring crater on the ground around is left behind.
            weight = np.where(given, _SPACING, 0.0) / np.maximum(1.0, off / (2.0 * scale))
    log = -0.5 * _INDEPENDENT * np.log(misfit + _MISFIT**2) + np.log(of.prior)
    log -= 0.5 * np.nan_to_num((depth[0][:, None] - of.depth) / np.hypot(depth[1], _DEPTH)[:, None]) ** 2
    p = np.exp(log - log.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    out = []
    for value in (of.erosion, of.age, of.depth_seen):
        mean = p @ value
        out += [mean, np.sqrt(np.maximum(p @ value**2 - mean**2, 0.0))]
    return np.stack([*out, p @ of.height_seen, p @ of.slope_seen, p @ of.floor_seen])


def classes(erosion: Floats) -> Floats:
    """1 fresh .. 4 nearly gone, by equal steps of erosion; NaN where erosion is."""
    return np.where(np.isfinite(erosion), 1.0 + np.searchsorted(CLASS_EDGES, np.nan_to_num(erosion), "right"), np.nan)

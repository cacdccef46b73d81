"""The family of profiles that a measured crater is held against: fresh, diffused, filled, and seen through a blur.

After Fassett & Thomson (2014, JGR Planets 119, 2255): linear diffusion of a fresh profile of the crater's own diameter.
Two things are added. A floor may be filled to a level, as those of ghosts and flooded craters are; and an elevation
model sees the ground through a blur of its own, which is a diffusion too: a Gaussian of standard deviation s is
kappa t = s**2 / 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from craterlab.crater_profiles import (
    DIFFUSION,
    OTHER_TRANSITION_M,
    RHO_MAX,
    TRANSITION_M,
    degraded_depth,
    degraded_rim,
    diffusion_row,
    kind_of,
    profile_table,
)

from .depth import CREST, FLOOR_PERCENTILE, GROUND, INNER, SHAPE_RADII
from .walls import wall_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

AGES = np.concatenate([[0.0], np.geomspace(4e-4, 2.0, 56)])  # kappa t / R**2
FILLS = np.array([np.inf, 0.15, 0.125, 0.105, 0.09, 0.075, 0.06, 0.048, 0.036, 0.025, 0.015, 0.007, 0.0])  # of diameter
_FILLED = 0.3  # prior share of filled floors
_BLUR_STEP = 0.25  # of log blur, by which craters share a library


@dataclass(frozen=True)
class Family:
    """Candidates of one kind of crater under one blur, (m,) each but `profile` (m, radii); lengths in diameters."""

    profile: Floats  # along `SHAPE_RADII`, blurred
    age: Floats  # kappa t / R**2
    erosion: Floats  # 1 - depth / fresh depth
    prior: Floats
    depth: Floats  # what ``depth.measure`` finds in the blurred profile
    # What the blur makes of a measure: seen / true, for the floor's radius (in crater radii) seen - true.
    depth_seen: Floats
    height_seen: Floats
    slope_seen: Floats
    floor_seen: Floats


def kinds(diameter_m: Floats, body: str | None) -> NDArray[np.intp]:
    """Row of the family for each crater: simple where there is no scale."""
    transition = TRANSITION_M.get(body or "", OTHER_TRANSITION_M)
    return np.asarray(kind_of(np.where(np.isfinite(diameter_m), diameter_m, 1.0), transition))


def profiles(kind: int, ages: Floats, radii: Floats) -> Floats:
    """(ages, radii) elevations over diameter, by the table's own interpolation."""
    table = profile_table()[kind].astype(float)
    rho = np.linspace(0, RHO_MAX, table.shape[1])
    at = np.stack([np.interp(radii, rho, row) for row in table])
    row = diffusion_row(ages)
    low = np.minimum(row.astype(int), len(DIFFUSION) - 2)
    share = (row - low)[:, None]
    return np.asarray(at[low] * (1 - share) + at[low + 1] * share)


def blur_steps(blur: Floats) -> NDArray[np.intp]:
    """Step of the blur for `family`, from its variance per axis over the radius squared."""
    return np.round(np.log(np.maximum(blur / 2, 1e-6)) / _BLUR_STEP).astype(int)


@lru_cache(maxsize=512)
def family(kind: int, blur_step: int) -> Family:
    """Candidates for craters of one kind under one blur. (That a blur rounds the edge of a filled floor is left
    out.)"""
    blur = float(np.exp(blur_step * _BLUR_STEP))
    of = np.full(len(AGES), kind)
    rim, depth = degraded_rim(of, AGES), degraded_depth(of, AGES)
    sharp, blurred = profiles(kind, AGES, SHAPE_RADII), profiles(kind, AGES + blur, SHAPE_RADII)
    parts = []
    for fill in FILLS:
        use = depth - rim > fill if np.isfinite(fill) else np.ones(len(AGES), bool)
        erosion = np.clip(1 - np.minimum(depth, rim + fill) / depth[0], 0, 1)
        # Even in erosion: each candidate stands for the stretch of the scale around it.
        width = np.abs(np.gradient(erosion)) + 1e-4
        prior = (1 - _FILLED if np.isinf(fill) else _FILLED / (len(FILLS) - 1)) * width / width.sum()
        true, seen = (_measures(np.maximum(z, -fill)) for z in (sharp, blurred))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = [np.where(np.isfinite(r) & (r > 0), r, 1.0) for r in seen[:3] / true[:3]]
        shift = np.nan_to_num(seen[3] - true[3])
        part = [np.maximum(blurred, -fill), AGES, erosion, prior, seen[0], *share, shift]
        parts.append([values[use] for values in part])
    return Family(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _measures(profile: Floats) -> Floats:
    """Depth, rim height, wall slope and floor radius as they are measured, (4, m)."""
    crest = profile[:, CREST].max(1)
    depth = crest - np.percentile(profile[:, INNER], FLOOR_PERCENTILE, axis=1)
    slope, floor = wall_of(profile[:, : CREST.stop], depth)
    return np.stack([depth, crest - profile[:, GROUND].mean(1), slope, floor])

"""Depth without an elevation model, from the shadow that the rim throws into the crater.

Along the sun's direction the shadow of the sunward rim ends where a ray over the crest meets the ground: there the
ground lies L / tan(incidence) below the crest, L being the shadow's length. Where it ends on the floor that is the
depth; elsewhere the depth follows from the shape of the crater, as Chappelow & Sharpton (2002, MAPS 37, 479) do for
paraboloids and Chappelow (2013, MAPS 48, 1863) for conic sections. Here the shape is the one of the ``family`` that
lies as deep below its rim at the shadow's tip. Seven parallel lines are measured and their median is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from craterlab.crater_profiles import degraded_depth, degraded_rim

from .family import AGES, profiles
from .polar import Places, percentile_of, sample_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SMALLEST_PX = 16.0  # diameter below which a shadow's ends are too few pixels apart
NO_SUN, SMALL, NONE, LONG, CUT, SCALE = (
    "no sun geometry",
    "too small for a shadow",
    "no shadow",
    "shadow reaches the far wall",
    "cut by the border or nodata",
    "no scale",
)
_LINES = np.linspace(-0.3, 0.3, 7)  # offsets across the sun's direction, given radii
_ALONG = np.linspace(1.35, -1.35, 136)  # from the sunward side
_STEP = _ALONG[0] - _ALONG[1]
# A shadow is black, flat and sharply edged; the dark of a wall turned from the sun is neither.
_DARK = 0.2  # brightness over that of the ground around, both above black
_FLAT = 0.7  # share of its length within a fifth of the step from dark to lit
_EDGE = 0.12, 2.2  # given radii, pixels (the larger holds) from a fifth to four fifths of that step
_DEEPEST = 1.1  # over the depth of a fresh crater: a longer dark stretch is no shadow
# Brightness behind the tip over that of the ground: of a wall turned from the sun, a floor (two), a wall that faces it.
_LEVEL = (0.5, 0.8, 1.2, 1.5)
_FLOOR = 0.1  # radii behind the tip over which it is taken
_STARTS = 0.4  # radii from the rim within which a shadow begins
_LEFT = 0.15  # radii before the far rim by which it must have ended
_NEEDED = 4  # lines that must agree
_EDGE_PX = 0.5  # 1-sigma of the tip, common to all lines
_SHAPE = 0.12  # relative 1-sigma of depth for what the shape of a real crater is
_RHO = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Shadows:
    """(n,) each: depth and its standard error over the given diameter, NaN with the reason in `why`."""

    depth: Floats
    std: Floats
    why: NDArray[np.object_]


def measure(
    block: np.ndarray,
    window: tuple[int, int, int, int, int],
    where: Places,
    rim: Places,
    kind: NDArray[np.intp],
    sun: tuple[float, float],
    black: float,
) -> Shadows:
    """Depths of craters by the length of their shadow.

    Parameters
    ----------
    block : ndarray
        What the reader of the image gave for `window`.
    window : (row start, stop, column start, stop, step)
    where, rim : Places, n craters
        The given circles and the rim ellipses.
    kind : ndarray of int, (n,)
        From ``family.kinds``.
    sun : (float, float)
        Azimuth clockwise from north and incidence, degrees.
    black : float
        Brightness of what no light reaches.

    Returns
    -------
    Shadows
    """
    n = len(where)
    depth, std, why = np.full(n, np.nan), np.full(n, np.nan), np.full(n, "", dtype=object)
    azimuth, incidence = np.radians(sun[0]), np.radians(sun[1])
    if not (np.isfinite(azimuth) and 0 < incidence < np.pi / 2):
        why[:] = NO_SUN
        return Shadows(depth, std, why)
    why[2 * where.radius_px < SMALLEST_PX] = SMALL
    rows = np.flatnonzero(why == "")
    if not rows.size:
        return Shadows(depth, std, why)
    where, rim, kind = where.take(rows), rim.take(rows), kind[rows]
    to_sun = np.array([np.sin(azimuth), np.cos(azimuth)])
    across = np.array([np.cos(azimuth), -np.sin(azimuth)])
    ground = _ALONG[:, None] * to_sun + _LINES[:, None, None] * across  # (lines, along, 2), given radii from the rim's
    at = np.einsum("nij,lsj->inls", where.unit, ground)
    light = sample_at(block, window, rim.x[:, None, None] + at[0], rim.y[:, None, None] + at[1])
    rho = np.linalg.norm(np.einsum("nij,lsj->nlsi", np.linalg.inv(rim.unit) @ where.unit, ground), axis=-1)
    length, tip, flat, state = _shadows(light, rho, black, where.radius_px)
    drop = length / np.tan(incidence) / 2  # over the given diameter
    share = (rim.radius_px / where.radius_px)[:, None]
    value = _depth_for(drop / share, tip, kind) * share
    doubt = percentile_of((value - drop) * np.minimum(flat, 1 - flat), 50.0)
    value = flat * drop + (1 - flat) * value
    found = np.isfinite(value).sum(1)
    middle = percentile_of(value, 50.0)
    spread = 1.4826 * percentile_of(np.abs(value - middle[:, None]), 50.0) / np.sqrt(3.0)
    steep = middle / percentile_of(drop, 50.0)
    edge = _EDGE_PX * np.hypot(1, 1) * steep / (2 * where.radius_px * np.tan(incidence))
    fresh = np.array([degraded_depth(np.array([k]), AGES[:1])[0] for k in kind])
    impossible = middle > _DEEPEST * fresh * share[:, 0]
    good = (found >= _NEEDED) & ~impossible
    depth[rows] = np.where(good, middle, np.nan)
    std[rows] = np.where(good, np.sqrt(spread**2 + edge**2 + doubt**2 + (_SHAPE * middle) ** 2), np.nan)
    commonest = np.stack([(state == k).sum(1) for k in (NONE, LONG, CUT)]).argmax(0)
    reason = np.where(impossible, NONE, np.array([NONE, LONG, CUT], dtype=object)[commonest])
    why[rows] = np.where(good, "", reason)
    return Shadows(depth, std, why)


def _shadows(
    light: Floats, rho: Floats, black: float, radius_px: Floats
) -> tuple[Floats, Floats, Floats, NDArray[np.object_]]:
    """Length (given radii) of the shadow of each line and how far from the centre it ends (1 at the rim), NaN where
    there is none; how surely it ends on a level floor (0..1); and what stands against it. All (n, lines)."""
    inside = rho < 1
    first, last = inside.argmax(-1), inside.shape[-1] - 1 - inside[..., ::-1].argmax(-1)
    outside = np.where(rho > 1.08, light, np.nan).reshape(len(light), -1)
    bright = percentile_of(outside, 50.0)[:, None, None] - black
    level = (light - black) / np.where(bright > 0, bright, np.nan)
    s = np.arange(light.shape[-1])
    near = inside & (s <= first[..., None] + (1.2 / _STEP))
    at = np.where(near, np.nan_to_num(level, nan=np.inf), np.inf).argmin(-1)[..., None]
    dark = np.take_along_axis(level, at, -1)
    beyond = np.where(inside & (s > at), level, np.nan)
    lit = percentile_of(beyond.reshape(-1, light.shape[-1]), 90.0).reshape(dark.shape)
    half = np.maximum(0.5 * (dark + np.minimum(lit, 1.0)), 0.5 * _DARK)  # where all is dark nothing is lit
    begins, ends = _run(level < half, at)
    runs = [_run(level < dark + share * (np.minimum(lit, 1.0) - dark), at) for share in (0.2, 0.8)]
    flat = np.median((runs[0][1] - runs[0][0]) / (ends - begins), axis=1, keepdims=True)
    edge = np.median((runs[1][1] - runs[0][1]) * _STEP, axis=1, keepdims=True)
    smooth = (flat < _FLAT) | (edge > np.maximum(_EDGE[0], _EDGE[1] / radius_px[:, None]))
    tip = np.minimum(ends, light.shape[-1] - 1)[..., None]
    v0, v1 = (np.take_along_axis(level, tip - d, -1)[..., 0] for d in (1, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        exact = tip[..., 0] - 1 + np.clip((half[..., 0] - v0) / (v1 - v0), 0, 1)
        r0, r1 = (np.take_along_axis(rho, tip - d, -1)[..., 0] for d in (1, 0))
        where_tip = r0 + (r1 - r0) * (exact - tip[..., 0] + 1)
    sunward = (
        np.take_along_axis(rho, first[..., None], -1)[..., 0],
        np.take_along_axis(rho, first[..., None] - 1, -1)[..., 0],
    )
    rim = first - (1 - sunward[0]) / np.maximum(sunward[1] - sunward[0], 1e-9)
    # What lies behind the tip: as bright as the ground around it is level, and so the floor.
    skip = np.maximum(0.04, 1.2 / radius_px)[:, None] / _STEP
    behind = (s >= (exact + skip)[..., None]) & (s <= (exact + skip + _FLOOR / _STEP)[..., None])
    after = percentile_of(np.where(behind, level, np.nan).reshape(-1, light.shape[-1]), 50.0).reshape(rim.shape)
    level_floor = np.interp(after, _LEVEL, [0.0, 1.0, 1.0, 0.0])
    state = np.full(tip.shape[:-1], "", dtype=object)
    dim = (dark[..., 0] < _DARK) & (begins - first <= _STARTS / _STEP)
    state[~dim | ~(lit[..., 0] > 2 * dark[..., 0]) | smooth] = NONE
    state[dim & (ends > last - _LEFT / _STEP)] = LONG
    state[~np.isfinite(np.where(inside, level, 0.0)).all(-1)] = CUT
    fine = state == ""
    return (
        np.where(fine, (exact - rim) * _STEP, np.nan),
        np.where(fine, where_tip, np.nan),
        np.nan_to_num(level_floor),
        state,
    )


def _run(is_dark: NDArray[np.bool_], at: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Last sample before and first after the run of dark ones around `at`."""
    s = np.arange(is_dark.shape[-1])
    return np.where(~is_dark & (s < at), s, -1).max(-1), np.where(~is_dark & (s > at), s, len(s)).min(-1)


def _depth_for(drop: Floats, rho: Floats, kind: NDArray[np.intp]) -> Floats:
    """Depth over diameter of the member of the family that lies `drop` below its rim at `rho`; (n, lines) each."""
    out = np.full(drop.shape, np.nan)
    for k in np.unique(kind):
        rows = kind == k
        of = np.full(len(AGES), k)
        depth, rim = degraded_depth(of, AGES), degraded_rim(of, AGES)
        below = rim[:, None] - profiles(int(k), AGES, _RHO)  # (ages, rho)
        at = np.clip(np.nan_to_num(rho[rows]), 0, 1) * (len(_RHO) - 1)
        low = np.minimum(at.astype(int), len(_RHO) - 2)
        there = below[:, low] + (at - low) * (below[:, low + 1] - below[:, low])  # (ages, n, lines)
        deeper = there > drop[rows]
        last = np.clip(deeper.cumprod(0).sum(0), 1, len(AGES) - 1)
        d0, d1 = depth[last - 1], depth[last]
        t0, t1 = (np.take_along_axis(there, (last - up)[None], 0)[0] for up in (1, 0))
        between = d1 + (d0 - d1) * np.clip((drop[rows] - t1) / np.maximum(t0 - t1, 1e-9), 0, None)
        fresh = depth[0] * drop[rows] / there[0]  # deeper than fresh: the same shape, stretched
        out[rows] = np.where(deeper[0], between, fresh)
    return out

"""Rim points from radial profiles, and the ellipse through them.

In an elevation model the rim is the crest of each radial profile. In an image it is the steepest change of brightness
along the radius: the inner wall and the outer flank face opposite ways, so the brightness jumps at the crest, with
opposite signs towards and away from the sun and not at all across. The sign pattern is taken from the crater itself,
so the direction of the sun need not be known.

The ellipse is fitted to the radii as a function of azimuth by Gauss-Newton steps with Tukey's biweight (Beaton &
Tukey 1974) and weak priors towards the given circle, which keep it in place where part of the rim is missing. What is
found then is weighed against what is known beforehand: most craters are nearly round.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .polar import AZIMUTHS, directions, percentile_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    # Where the rim is expected (n, 72), NaN not known -> radius and weight of rim points, (n, 72) each.
    Points = Callable[[Floats | None], tuple[Floats, Floats]]

RIM_RADII = np.linspace(0.5, 1.6, 56)
_STEP = RIM_RADII[1] - RIM_RADII[0]
_BLUR = 0.04  # crater radii
_REACH = 0.18  # 1-sigma of where the crest is looked for, crater radii
_STEPS, _STEPS_AGAIN = 7, 3  # from a circle, from an ellipse found before
_GATE = 0.14  # crater radii around an ellipse found before
_PRIOR = np.array([0.15, 0.15, 0.15, 0.07, 0.07])  # east, north, log radius, two of shape
_ROUND, _TAIL = 0.04, 3.0  # scale of the shape parameters (axis ratio 1.08) and degrees of freedom of Student's t
_NOISE = 1.5  # of the slope, below which an edge does not count
_INDEPENDENT = 4.0  # rims bulge and slump over about 90 degrees: as many points are independent
_CREST = 0.03  # what "the rim" is, relative: crest, break of slope, edge of the shadow
_MIN_POINTS = 18
_MIN_OCTANTS = 4


@dataclass(frozen=True)
class Ellipses:
    """Rim ellipses in units of the given radius, (n,) each; NaN where there is none."""

    east: Floats  # of the centre from the given one
    north: Floats
    major: Floats  # semi-axes
    minor: Floats
    angle_deg: Floats  # of the major axis, clockwise from north, 0..180
    major_std: Floats
    minor_std: Floats
    good: NDArray[np.bool_]
    theta: Floats  # (n, 5): the parameters of `radius_at`
    loose: Floats  # (n, 5): before the prior had its weight, to look for more points around


def trace(points: Points, radius_px: Floats) -> Ellipses:
    """Rim ellipse: points, ellipse, points again closer to the ellipse, and so on.

    Parameters
    ----------
    points : callable
        From `crest_points` or `edge_points`.
    radius_px : ndarray, (n,)

    Returns
    -------
    Ellipses
    """
    found = fit_ellipses(*points(None), radius_px)
    for _ in range(2):
        expected = np.where(found.good[:, None], radius_at(found.loose), np.nan)
        found = fit_ellipses(*points(expected), radius_px, found.loose)
    return found


def crest_points(elevation: Floats) -> Points:
    """Crest of each profile of an elevation model.

    Parameters
    ----------
    elevation : ndarray, (n, 72, 56)
        Along `RIM_RADII`, regional slope taken off; NaN is nodata.

    Returns
    -------
    callable
        Of where the rim is about, (n, 72) (NaN not known, or None), in whose reach the crest is then looked for. Gives
        radius in crater radii, and weight: 0 where the profile has no crest in reach.
    """
    z, known = _smooth(elevation, order=0)
    # Height above the chord from wall to flank makes a crest of a change of slope, as worn rims have it.
    chord = z[..., :1] + (z[..., -1:] - z[..., :1]) * (RIM_RADII - RIM_RADII[0]) / (RIM_RADII[-1] - RIM_RADII[0])
    height = z - chord
    scale = percentile_of(np.ptp(z, axis=-1), 50.0)[:, None, None]
    by_radius = height[:, ::2].transpose(0, 2, 1).reshape(-1, AZIMUTHS // 2)
    middle = percentile_of(by_radius, 50.0).reshape(len(z), 1, -1)
    centre = RIM_RADII[np.argmax(np.nan_to_num(middle - _penalty(1.0, 0.25) * scale, nan=-np.inf), axis=-1)][..., None]

    def find(expected: Floats | None) -> tuple[Floats, Floats]:
        score = height - scale * _pull(expected, centre, 0.25)
        radius, sharp = _peak(score, height, known)
        return radius, np.where(sharp > 0.02 * scale[..., 0], 1.0, 0.0) * np.isfinite(radius)

    return find


def edge_points(brightness: Floats) -> Points:
    """Steepest change of brightness of each profile of an image.

    Parameters
    ----------
    brightness : ndarray, (n, 72, 56)
        Along `RIM_RADII`; NaN is nodata.

    Returns
    -------
    callable
        As of `crest_points`; weight 0..1, low where the sun leaves no contrast, 0 where there is none above the noise.
    """
    slope, known = _smooth(brightness, order=1)
    east, north = directions()
    near = np.exp(-0.5 * ((RIM_RADII - 1.0) / 0.12) ** 2)
    ring = np.nansum(slope * near, axis=-1) / near.sum()
    a, b = (2 * (ring * d).mean(1) for d in (east, north))
    size = np.maximum(np.hypot(a, b), 1e-30)
    pattern = (a[:, None] * east + b[:, None] * north) / size[:, None]
    score = slope * pattern[..., None]
    flat = slope[..., ::4].reshape(len(slope), -1)
    noise = 1.4826 * percentile_of(np.abs(flat - percentile_of(flat, 50.0)[:, None]), 50.0)
    top = np.nan_to_num(score).max((1, 2))[:, None, None]

    def find(expected: Floats | None) -> tuple[Floats, Floats]:
        radius, _ = _peak(score - top * _pull(expected, np.ones((1, 1, 1)), 0.25), score, known)
        strength = _value_at(score, radius)
        weight = np.where((strength > _NOISE * noise[:, None]) & (np.abs(pattern) > 0.35), np.abs(pattern), 0.0)
        return radius, weight * np.isfinite(radius)

    return find


def _pull(expected: Floats | None, centre: Floats, weight: float) -> Floats:
    """Penalty on radii far from where the rim should be: soft around a circle, a gate around an ellipse found
    before."""
    circle = weight * ((RIM_RADII - centre) / _REACH) ** 2
    if expected is None:
        return circle
    away = np.abs(RIM_RADII - expected[..., None])
    gate = np.where(away <= _GATE, 0.02 * weight * (away / _REACH) ** 2, np.inf)
    return np.where(np.isfinite(expected)[..., None], gate, circle)


def _penalty(centre: float, weight: float) -> Floats:
    return weight * 0.5 * ((RIM_RADII - centre) / _REACH) ** 2


def _smooth(values: Floats, order: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Values (or their derivative) smoothed along the radius and over neighbouring azimuths, and where they can be
    trusted."""
    from scipy.ndimage import gaussian_filter1d, uniform_filter1d

    known = np.isfinite(values)
    level = np.nansum(values, axis=(1, 2)) / np.maximum(known.sum((1, 2)), 1)
    filled = np.where(known, values, level[:, None, None])
    out = gaussian_filter1d(filled, _BLUR / _STEP, axis=-1, order=order, mode="nearest")
    out = uniform_filter1d(out, 3, axis=1, mode="wrap")
    trusted = uniform_filter1d(known.astype(np.float32), 5, axis=-1, mode="nearest") > 0.999
    return np.where(known, out, np.nan), trusted


def _peak(score: Floats, curve: Floats, known: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Radius of the best score, to a fraction of a step, and how far `curve` falls off there to both sides; NaN at
    the ends."""
    score, curve = np.where(np.isfinite(score), score, -1e30), np.nan_to_num(curve)
    masked = np.where(known, score, -1e30)
    best = masked.argmax(axis=-1)
    inner = (best > 1) & (best < len(RIM_RADII) - 2)
    k = np.clip(best, 2, len(RIM_RADII) - 3)[..., None]
    left, here, right = (np.take_along_axis(score, k + d, axis=-1)[..., 0] for d in (-1, 0, 1))
    bend = left - 2 * here + right
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where(bend < 0, 0.5 * (left - right) / bend, 0.0)
    radius = RIM_RADII[k[..., 0]] + _STEP * np.clip(shift, -1, 1)
    ends = np.fmax(
        *(np.take_along_axis(curve, np.clip(k + d, 0, len(RIM_RADII) - 1), axis=-1)[..., 0] for d in (-10, 10))
    )
    drop = np.take_along_axis(curve, k, axis=-1)[..., 0] - ends
    good = inner & (np.minimum(left, right) > -1e29) & (np.take_along_axis(masked, k, axis=-1)[..., 0] > -1e29)
    return np.where(good, radius, np.nan), np.where(good, drop, 0.0)


def _value_at(curve: Floats, radius: Floats) -> Floats:
    k = np.clip(np.round((np.nan_to_num(radius, nan=1.0) - RIM_RADII[0]) / _STEP).astype(int), 0, len(RIM_RADII) - 1)
    return np.take_along_axis(curve, k[..., None], axis=-1)[..., 0]


def fit_ellipses(radius: Floats, weight: Floats, radius_px: Floats, start: Floats | None = None) -> Ellipses:
    """Ellipses through rim points.

    Parameters
    ----------
    radius, weight : ndarray, (n, 72)
        Rim points by azimuth in crater radii, and their weight 0..1.
    radius_px : ndarray, (n,)
        Crater radius in pixels: neighbouring azimuths closer than a pixel are no independent points.
    start : ndarray, (n, 5), optional
        Parameters to start from, those of the circle otherwise.

    Returns
    -------
    Ellipses
        `good` needs 18 of 72 points in at least 4 of 8 octants, half of which agree with the ellipse. Standard errors
        are those of the weighted fit, scaled by the scatter about it and by the number of independent points, with
        3 % for what is called the rim.
    """
    n = len(radius)
    theta = np.zeros((n, 5)) if start is None else start
    point = np.where(weight > 0, radius, 1.0)
    precision = np.diag(_PRIOR**-2.0)
    scale = np.full(n, 0.15)
    used = weight.copy()
    normal = np.broadcast_to(precision, (n, 5, 5)).copy()
    for _ in range(_STEPS if start is None else _STEPS_AGAIN):
        model = radius_at(theta)
        slope = np.stack([(radius_at(theta + h) - model) / 1e-4 for h in 1e-4 * np.eye(5)], axis=-1)
        residual = point - model
        scale = np.maximum(_spread(residual, weight), 0.008)
        used = weight * np.maximum(0.0, 1.0 - (residual / (4.685 * scale[:, None])) ** 2) ** 2
        pull = used / scale[:, None] ** 2
        pulled = (slope * pull[..., None]).transpose(0, 2, 1)
        normal = pulled @ slope + precision
        right = (pulled @ residual[..., None])[..., 0] - theta @ precision
        theta = theta + np.clip(np.linalg.solve(normal, right[..., None])[..., 0], -0.15, 0.15)
        theta = np.clip(theta, -0.45, 0.45)
    independent = np.minimum(2 * np.pi * radius_px, _INDEPENDENT) / AZIMUTHS
    # A weak prior finds any shape; now the points count by how many of them are independent.
    loose, (theta, covariance) = theta, _with_prior(theta, (normal - precision) * independent[:, None, None])
    p, q = theta[:, 3], theta[:, 4]
    m = np.maximum(np.hypot(p, q), 1e-9)
    stds = []
    for sign in (1.0, -1.0):
        gradient = np.stack([np.zeros(n), np.zeros(n), np.ones(n), sign * p / m, sign * q / m], axis=1)
        stds.append(np.sqrt(np.einsum("ni,nij,nj->n", gradient, covariance, gradient) + _CREST**2))
    major, minor = np.exp(theta[:, 2] + m), np.exp(theta[:, 2] - m)
    kept = used > 0.05
    octants = (kept.reshape(n, 8, -1).sum(-1) >= 2).sum(-1)
    good = (kept.sum(1) >= _MIN_POINTS) & (octants >= _MIN_OCTANTS) & (kept.sum(1) >= 0.5 * (weight > 0).sum(1))
    good &= (scale < 0.15) & (np.abs(theta) < 0.44).all(1)
    blank = np.where(good, 1.0, np.nan)
    angle = (90.0 - np.degrees(0.5 * np.arctan2(q, p))) % 180.0
    return Ellipses(
        theta[:, 0] * blank,
        theta[:, 1] * blank,
        major * blank,
        minor * blank,
        angle * blank,
        major * stds[0] * blank,
        minor * stds[1] * blank,
        good,
        np.where(good[:, None], theta, 0.0),
        np.where(good[:, None], loose, 0.0),
    )


def _with_prior(theta: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Most likely parameters and their covariance where the rim points say `theta` with the precision `points` (n, 5,
    5).

    Noise bends every circle into an ellipse, and most craters are nearly round: without the prior of Student's t on the
    two parameters of shape, whose long tail leaves clearly oval craters alone, all ellipses come out too long.
    """
    found, whole = theta, points
    for _ in range(5):
        shape = (found[:, 3:] ** 2).sum(1) / _ROUND**2
        prior = np.tile(_PRIOR**-2.0, (len(theta), 1))
        prior[:, 3:] = ((_TAIL + 2) / (_TAIL + shape) / _ROUND**2)[:, None]
        whole = points + prior[:, None] * np.eye(5)
        found = np.asarray(np.linalg.solve(whole, points @ theta[..., None])[..., 0], float)
    return found, np.asarray(np.linalg.inv(whole), float)


def _spread(residual: Floats, weight: Floats) -> Floats:
    """Robust standard deviation over the points that have weight."""
    value = np.where(weight > 0, np.abs(residual), np.nan)
    some = (weight > 0).any(1)
    value[~some] = 0.15
    return 1.4826 * percentile_of(value, 50.0)


def radius_at(theta: Floats) -> Floats:
    """Distance from the given centre to the ellipse in every azimuth.

    Parameters
    ----------
    theta : ndarray, (n, 5)
        Centre east and north, log of the mean radius, p and q: the ellipse is the unit circle stretched by
        exp([[p, q], [q, -p]]) in (east, north), so its axes are exp(+-hypot(p, q)).

    Returns
    -------
    ndarray, (n, 72)
    """
    east, north = directions()
    p, q = theta[:, 3], theta[:, 4]
    m = np.maximum(np.hypot(p, q), 1e-12)
    cosh, sinh = np.cosh(m), np.sinh(m) / m
    shrink = np.exp(-theta[:, 2])
    a, b, d = shrink * (cosh - sinh * p), -shrink * sinh * q, shrink * (cosh + sinh * p)
    ve, vn = a[:, None] * east + b[:, None] * north, b[:, None] * east + d[:, None] * north
    we, wn = (a * theta[:, 0] + b * theta[:, 1])[:, None], (b * theta[:, 0] + d * theta[:, 1])[:, None]
    vv, vw = ve**2 + vn**2, ve * we + vn * wn
    return (vw + np.sqrt(np.maximum(vw**2 - vv * (we**2 + wn**2 - 1.0), 0.0))) / vv

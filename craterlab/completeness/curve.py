"""The smooth curve of detection: logistic regression on erosion and a smooth function of log diameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_SPACING = 1.5  # of the knots, in diameter
_BEND = 1.0  # standard deviation of the bend of the curve (logits) from knot to knot
_LEVEL, _SLOPE, _EROSION = 5.0, 2.0, (2.0, 2.0)  # weak normal priors, so that injections all found leave a finite curve
_GONE = 0.999  # erosion at which nothing is left to see


@dataclass(frozen=True)
class Curve:
    """logit p = g(ln diameter) + c ln(1 - erosion), `g` straight between knots a factor of about 1.5 apart.

    ln(1 - erosion) is the log of the relief that is left. Below its knots `g` goes on straight, above it is level.

    Attributes
    ----------
    knots : ndarray, shape (k,)
        ln diameter (px).
    theta : ndarray, shape (k + 1,)
        `g` at the knots, and c.
    covariance : ndarray, shape (k + 1, k + 1)
        Of `theta`: Laplace's approximation, widened where the injections scatter more than the curve allows.
    misfit : float
        Chi square per degree of freedom over cells of size and erosion; about 1 where the curve fits.
    """

    knots: Floats
    theta: Floats
    covariance: Floats
    misfit: float

    def __call__(self, diameter_px: ArrayLike, erosion: ArrayLike, theta: Floats | None = None) -> Floats:
        """Detection probability; the arguments are broadcast. With `theta` (m, k + 1) of other curves, (m, ...)."""
        d, e = np.broadcast_arrays(np.asarray(diameter_px, float), np.asarray(erosion, float))
        z = _design(d.ravel(), e.ravel(), self.knots) @ np.moveaxis(self.theta if theta is None else theta, -1, 0)
        return np.asarray(_sigmoid(np.moveaxis(z, 0, -1)).reshape((*z.shape[1:], *d.shape)))

    def draws(self, size: int, seed: int) -> Floats:
        """`size` curves that fit the injections as well as they should: rows of `theta`."""
        rng = np.random.default_rng(seed)
        return rng.multivariate_normal(self.theta, self.covariance, size, method="eigh")


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(z / 2)))


def _design(diameter_px: Floats, erosion: Floats, knots: Floats) -> Floats:
    """Hat functions of ln diameter, and ln(1 - erosion): one row a crater."""
    with np.errstate(divide="ignore"):
        x = np.minimum(np.log(np.maximum(diameter_px, 1e-9)), knots[-1])
    i = np.clip(np.searchsorted(knots, x, "right") - 1, 0, len(knots) - 2)
    f = (x - knots[i]) / (knots[i + 1] - knots[i])
    out = np.zeros((len(x), len(knots) + 1))
    row = np.arange(len(x))
    out[row, i], out[row, i + 1] = 1 - f, f
    out[:, -1] = np.log1p(-np.minimum(erosion, _GONE))
    return out


def fit(diameter_px: Floats, erosion: Floats, found: NDArray[np.bool_], limits_px: tuple[float, float]) -> Curve:
    """Fit the curve to injections.

    Parameters
    ----------
    diameter_px, erosion : ndarray, shape (n,)
    found : ndarray of bool, shape (n,)
    limits_px : (float, float)
        First and last knot.

    Returns
    -------
    Curve
        Posterior mode by Newton's method (the cost is convex), and Laplace's approximation about it. A penalty on
        second differences keeps `g` smooth (P-splines; Eilers & Marx 1996, Stat. Sci. 11, 89).
    """
    low, high = np.log(limits_px)
    count = max(2, 1 + round((high - low) / np.log(_SPACING)))
    knots = np.linspace(low, high, count)
    x = _design(diameter_px, erosion, knots)
    penalty = np.zeros((count + 1, count + 1))
    bend, slope = np.diff(np.eye(count), 2, axis=0), np.diff(np.eye(count), axis=0)
    penalty[:count, :count] = bend.T @ bend / _BEND**2 + slope.T @ slope / _SLOPE**2 / count
    penalty[:count, :count] += np.eye(count) / _LEVEL**2 / count
    penalty[-1, -1] = 1 / _EROSION[1] ** 2
    centre = np.zeros(count + 1)
    centre[-1] = _EROSION[0]

    def cost(theta: Floats) -> float:
        z = x @ theta
        return float((np.logaddexp(0, z) - found * z).sum() + 0.5 * (theta - centre) @ penalty @ (theta - centre))

    theta = centre.copy()
    for _ in range(100):
        p = _sigmoid(x @ theta)
        gradient = x.T @ (p - found) + penalty @ (theta - centre)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + penalty
        step, here = np.linalg.solve(hessian, gradient), cost(theta)
        size = 1.0
        while size > 1e-6 and cost(theta - size * step) > here:
            size /= 2
        theta = theta - size * step
        if np.abs(size * step).max() < 1e-8:
            break
    p = _sigmoid(x @ theta)
    covariance = np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x + penalty)
    misfit = _misfit(p, diameter_px, erosion, found, len(theta))
    return Curve(knots, theta, np.asarray(covariance * max(1.0, misfit), float), misfit)


def _misfit(p: Floats, diameter_px: Floats, erosion: Floats, found: NDArray[np.bool_], parameters: int) -> float:
    """Chi square per degree of freedom over cells of equal counts in size and thirds in erosion."""
    n = len(found)
    size = np.argsort(np.argsort(diameter_px)) * max(2, min(12, n // 40)) // max(n, 1)
    third = np.argsort(np.argsort(erosion)) * 3 // max(n, 1)
    cell = 3 * size + third
    spread = np.bincount(cell, p * (1 - p))
    off = np.bincount(cell, found - p)
    use = spread > 0.5
    if use.sum() < parameters + 5:
        return 1.0
    return float((off[use] ** 2 / spread[use]).sum() / (use.sum() - parameters))

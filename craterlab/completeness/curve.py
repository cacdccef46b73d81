"""The smooth curve of detection: a logistic function of log diameter and erosion with a ceiling, and its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

REFERENCE_PX = 12.0
# Mean and standard deviation of the weak normal prior of (a, b, ln c, ln k, logit ceiling): it only matters where
# injections say nothing, as with all of them found.
_PRIOR = np.array([[4.0, 4.0], [1.0, 1.5], [0.5, 1.0], [0.3, 0.7], [3.0, 1.5]])
_GONE = 0.999  # erosion at which nothing is left to see


@dataclass(frozen=True)
class Curve:
    """p = ceiling * sigmoid(a - exp(b) (d / 12 px)**-k + c ln(1 - erosion)), rising with size, falling with erosion.

    What is left of the relief decides for a large crater; a small one needs more of it.

    Attributes
    ----------
    theta : ndarray, shape (5,)
        a, b, ln c, ln k, logit of the ceiling.
    covariance : ndarray, shape (5, 5)
        Of `theta`: Laplace's approximation, widened where the injections scatter more than the curve allows.
    misfit : float
        Chi square per degree of freedom over cells of size and erosion; about 1 where the curve fits.
    """

    theta: Floats
    covariance: Floats
    misfit: float

    def __call__(self, diameter_px: ArrayLike, erosion: ArrayLike) -> Floats:
        """Detection probability; the arguments are broadcast."""
        return evaluate(self.theta, np.asarray(diameter_px, float), np.asarray(erosion, float))

    def draws(self, size: int, seed: int) -> Floats:
        """`size` curves that fit the injections as well as they should: rows of `theta`."""
        rng = np.random.default_rng(seed)
        return rng.multivariate_normal(self.theta, self.covariance, size, method="eigh")


def evaluate(theta: Floats, diameter_px: Floats, erosion: Floats) -> Floats:
    """The curve; `theta` (..., 5) is broadcast against the other arguments on its leading axes."""
    a, b, top = theta[..., 0], theta[..., 1], theta[..., 4]
    c, k = np.exp(theta[..., 2]), np.exp(theta[..., 3])
    with np.errstate(divide="ignore", over="ignore"):
        small = np.exp(np.minimum(b - k * np.log(diameter_px / REFERENCE_PX), 50))
    z = a - small + c * np.log1p(-np.minimum(erosion, _GONE))
    return _sigmoid(top) * _sigmoid(z)


def _sigmoid(z: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(np.asarray(z) / 2)))


def fit(diameter_px: Floats, erosion: Floats, found: NDArray[np.bool_]) -> Curve:
    """Fit the curve to injections.

    Parameters
    ----------
    diameter_px, erosion : ndarray, shape (n,)
    found : ndarray of bool, shape (n,)

    Returns
    -------
    Curve
        Posterior mode under a weak prior, and Laplace's approximation about it. The ceiling is the lapse rate of
        psychometrics (Wichmann & Hill 2001, Percept. Psychophys. 63, 1293).
    """
    from scipy.optimize import minimize

    def cost(theta: Floats) -> float:
        p = np.clip(evaluate(theta, diameter_px, erosion), 1e-9, 1 - 1e-9)
        likelihood = np.log(np.where(found, p, 1 - p)).sum()
        return float(-likelihood + 0.5 * (((theta - _PRIOR[:, 0]) / _PRIOR[:, 1]) ** 2).sum())

    options = {"maxiter": 3000, "maxfev": 3000, "xatol": 1e-3, "fatol": 1e-4}
    starts = (_PRIOR[:, 0], _PRIOR[:, 0] + np.array([-3.0, 0, 0, 0, -1.5]))
    results = [minimize(cost, start, method="Nelder-Mead", options=options) for start in starts]
    theta = np.asarray(min(results, key=lambda r: r.fun).x, float)
    covariance = np.linalg.pinv(_hessian(cost, theta), hermitian=True)
    misfit = _misfit(theta, diameter_px, erosion, found)
    return Curve(theta, covariance * max(1.0, misfit), misfit)


def _hessian(cost: object, x: Floats, h: float = 0.02) -> Floats:
    """Second differences; negative curvature, which noise can make in a flat direction, is left to the prior."""
    n = len(x)
    out = np.empty((n, n))
    step = np.eye(n) * h
    for i in range(n):
        for j in range(i + 1):
            corners = [cost(x + s * step[i] + t * step[j]) for s, t in ((1, 1), (1, -1), (-1, 1), (-1, -1))]  # type: ignore[operator]
            out[i, j] = out[j, i] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * h * h)
    values, vectors = np.linalg.eigh(out)
    return np.asarray((vectors * np.maximum(values, 1 / (2 * _PRIOR[:, 1].max() ** 2))) @ vectors.T)


def _misfit(theta: Floats, diameter_px: Floats, erosion: Floats, found: NDArray[np.bool_]) -> float:
    """Chi square per degree of freedom over cells of equal counts in size and halves in erosion."""
    rank = np.argsort(np.argsort(diameter_px)) * max(2, min(12, len(found) // 40)) // max(len(found), 1)
    cell = 2 * rank + (erosion > np.median(erosion)) if len(found) else rank
    p = evaluate(theta, diameter_px, erosion)
    n = np.bincount(cell)
    mean, seen = np.bincount(cell, p), np.bincount(cell, found)
    spread = np.bincount(cell, p * (1 - p))
    use = (n >= 5) & (spread > 0.5)
    if use.sum() <= len(theta):
        return 1.0
    return float(((seen - mean)[use] ** 2 / spread[use]).sum() / (use.sum() - len(theta)))

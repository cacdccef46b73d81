"""Bias and error of a detector's places and sizes, measured on simulated craters, whose truth is exact."""

from __future__ import annotations

import numpy as np

from ..detect.errors import error_features

KNOTS_PX = np.geomspace(6, 48, 10)  # on the network's grid
_ONE_SIGMA = 0.6827
_LEAST = 32  # craters a knot or a fit is made of


def size_bias(level_diameter_px: np.ndarray, log_ratio: np.ndarray) -> list[list[float]]:
    """Knots of the correction of diameters (see ``detect.errors.size_factor``).

    Parameters
    ----------
    level_diameter_px : array (m,)
        Size at which each matched crater was seen.
    log_ratio : array (m,)
        log(true diameter / found diameter).

    Returns
    -------
    [diameters, medians of `log_ratio` around each]
        Empty lists when there are too few craters.
    """
    x = np.log(level_diameter_px)
    diameters, medians = [], []
    for knot in KNOTS_PX:
        near = np.abs(x - np.log(knot)) < np.log(KNOTS_PX[1] / KNOTS_PX[0])
        if near.sum() >= _LEAST:
            diameters.append(round(float(knot), 3))
            medians.append(round(float(np.median(log_ratio[near])), 4))
    return [diameters, medians] if diameters else []


def error_model(level_diameter_px: np.ndarray, logit: np.ndarray, error: np.ndarray) -> list[float]:
    """Coefficients of the logarithm of a 1-sigma error (see ``detect.errors.standard_errors``).

    Parameters
    ----------
    level_diameter_px, logit : array (m,)
    error : array (m,) or (m, k)
        Errors on the network's grid; k coordinates share one sigma.

    Returns
    -------
    list of float
        NaN when there are too few craters.

    Notes
    -----
    Least absolute deviations (a Laplace likelihood, so that a few confused craters do not count much), then scaled so
    that 68.3 % of the errors lie within one sigma.
    """
    from scipy.optimize import minimize

    error = np.abs(error.reshape(len(logit), -1))
    if len(logit) < _LEAST:
        return [float("nan")] * 3
    features = error_features(level_diameter_px, logit)
    mean = error.mean(1) + 1e-3

    def cost(w: np.ndarray) -> float:
        log_sigma = features @ w
        return float((log_sigma + mean * np.exp(-log_sigma)).mean())

    w = minimize(cost, [np.log(np.median(mean)), 0.5, 0.0], method="BFGS").x
    ratio = error / np.exp(features @ w)[:, None]
    w[0] += np.log(np.quantile(ratio, _ONE_SIGMA))
    return [round(float(v), 4) for v in w]

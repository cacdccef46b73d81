"""Brightness normalisation of a whole scene: it belongs to the scene, never to a tile."""

from __future__ import annotations

import numpy as np


def robust_range(sample: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation (half the 16-84 % range) of the finite values of `sample`.

    Parameters
    ----------
    sample : array of any shape
        NaN is nodata.

    Returns
    -------
    (median, scale) : float
        (0, 1) when nothing is finite; the scale of a constant image is 1.
    """
    v = np.asarray(sample, np.float64).ravel()
    v = v[np.isfinite(v)]
    if not v.size:
        return 0.0, 1.0
    low, median, high = np.percentile(v, [16, 50, 84])
    scale = (high - low) / 2
    if scale <= 0:
        # More than two thirds of the pixels are equal: a few bright or dark ones still deserve a scale.
        scale = float(v.std()) or 1.0
    return float(median), float(scale)


def normalise(window: np.ndarray, median: float, scale: float) -> np.ndarray:
    """(window - median) / scale as float32 with nodata (NaN) at 0."""
    return np.nan_to_num((window - median) / scale, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)

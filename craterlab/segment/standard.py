"""The units of the training set, slope, and layers in their spreads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..grid import Grid

# Heights and slopes of the training set are 0..1. The mean heights of its 387 patches follow MOLA at 4 px/deg with this
# zero and unit (r = 0.998: they are cells of half a degree from 90.19 W, 0.06 S; train, test and validation each find
# the same place, with units of 12.7, 12.5 and 12.9 km), and its slopes follow the gradients of its heights.
DEM_ZERO_M, DEM_UNIT_M, SLOPE_UNIT_DEG = -5720.0, 12_650.0, 64.0
CLIP = 5.0  # spreads from the centre


def standard(layers: np.ndarray, centre: Any, spread: Any) -> np.ndarray:
    """Layers (..., 7, rows, columns) in their spreads from their centres, no further than ``CLIP``; NaN stays."""
    centre, spread = (np.asarray(v, np.float32)[:, None, None] for v in (centre, spread))
    return np.clip((layers - centre) / spread, -CLIP, CLIP).astype(np.float32)


def slope_deg(height_m: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """Slope of heights (rows, columns), degrees.

    Parameters
    ----------
    height_m : array (rows, columns)
        Differences are central, one-sided at edges and beside NaN, and 0 where a height has no neighbour.
    metric : array (2, 2)
        m2/px2, as ``Grid.metric`` gives it: the gradient squared is g^T metric^-1 g for g in metres per pixel.
    """
    across, down = _difference(height_m, 1), _difference(height_m, 0)
    inverse = np.linalg.inv(metric)
    squared = inverse[0, 0] * across**2 + 2 * inverse[0, 1] * across * down + inverse[1, 1] * down**2
    return np.degrees(np.arctan(np.sqrt(np.maximum(squared, 0)))).astype(np.float32)


def _difference(z: np.ndarray, axis: int) -> np.ndarray:
    step = np.diff(z, axis=axis)
    before = np.insert(step, 0, np.nan, axis)
    after = np.insert(step, step.shape[axis], np.nan, axis)
    known = np.isfinite(before).astype(np.float32) + np.isfinite(after)
    return (np.nan_to_num(before) + np.nan_to_num(after)) / np.maximum(known, 1)


@dataclass(frozen=True)
class Standardiser:
    """Raw bands of a window -> the seven layers in their spreads, NaN where a band is.

    Attributes
    ----------
    centre, spread : tuple of float
        Of each of the seven layers, in its unit in the scene.
    grid : Grid or None
        Given where the slope is to be made from the heights.
    metres : (unit, zero)
        Of the scene's heights.
    """

    centre: tuple[float, ...]
    spread: tuple[float, ...]
    grid: Grid | None
    metres: tuple[float, float]

    def __call__(self, raw: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
        missing = np.isnan(raw).any(0)
        if self.grid is not None:
            # One metric a window: the scale of a map changes little over so few pixels.
            metric = self.grid.metric(corner[1] + raw.shape[2] / 2, corner[0] + raw.shape[1] / 2)
            slope = slope_deg(raw[3] * self.metres[0] + self.metres[1], metric)
            raw = np.concatenate([raw[:5], slope[None], raw[5:]])
        layers = standard(raw, self.centre, self.spread)
        layers[:, missing] = np.nan
        return layers

"""Peaks of a heat map: where a network says that a crater's centre is."""

from __future__ import annotations

import numpy as np


def peaks(heat: np.ndarray, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the peaks of a map (rows, columns) that reach `floor`.

    A peak is nowhere lower than its eight neighbours; of equal neighbours the first in reading order is the peak.
    There is no suppression, so nested craters stay.
    """
    p = np.pad(heat, 1, constant_values=-np.inf)
    rows, cols = heat.shape
    peak = heat >= floor
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            if (dy, dx) == (1, 1):
                continue
            other = p[dy : dy + rows, dx : dx + cols]
            peak &= heat > other if (dy, dx) < (1, 1) else heat >= other
    rows_at, columns_at = np.nonzero(peak)
    return rows_at, columns_at

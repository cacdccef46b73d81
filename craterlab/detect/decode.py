"""From the network's maps to circles."""

from __future__ import annotations

import numpy as np

from ..nn.craternet import REFERENCE_RADIUS_PX, STRIDE


def decode(output: np.ndarray, floor_logit: float) -> dict[str, np.ndarray]:
    """Peaks of the heat map as circles; no suppression, so nested craters stay.

    Parameters
    ----------
    output : array (4, rows / 2, columns / 2)
        As ``CraterNet`` gives it.
    floor_logit : float
        Peaks below this are left out.

    Returns
    -------
    dict of arrays
        x_px, y_px, diameter_px in window pixels, and `logit`.
    """
    heat = output[0]
    p = np.pad(heat, 1, constant_values=-np.inf)
    rows, cols = heat.shape
    # A peak is nowhere lower than its eight neighbours; of equal neighbours the first in reading order is the peak.
    peak = heat >= floor_logit
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            if (dy, dx) == (1, 1):
                continue
            other = p[dy : dy + rows, dx : dx + cols]
            peak &= heat > other if (dy, dx) < (1, 1) else heat >= other
    iy, ix = np.nonzero(peak)
    ox, oy, log_radius = (output[k, iy, ix].astype(float) for k in (1, 2, 3))
    return {
        "x_px": (ix + 0.5 + ox) * STRIDE,
        "y_px": (iy + 0.5 + oy) * STRIDE,
        "diameter_px": 2 * REFERENCE_RADIUS_PX * np.exp(log_radius),
        "logit": heat[iy, ix].astype(float),
    }

"""How plainly an image shows a crater whose place is known: what a detector can fairly be asked to find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

# Simulated craters this faint (share of fresh relief left to see) are positives, ignored, or background.
SEEN, HARDLY = 0.16, 0.05
# Below this shading correlation a crater is lost in noise, rough ground or shadow: it counts neither way.
SHOWN = 0.25


def judged(visibility: Any, erosion: Any, shown: Any = None) -> tuple[Any, Any]:
    """Which simulated craters are labels, and which of those count neither way.

    Parameters
    ----------
    visibility, erosion : array or Series (m,)
        As in a truth table of ``simulate``; the product of the first and what the second leaves decides.
    shown : array (m,), optional
        ``shading_correlation``; with it, what the image does not show is not asked for.

    Returns
    -------
    label, ignore : of bool, like the arguments
    """
    left = visibility * (1 - erosion)
    ignore = left < SEEN if shown is None else (left < SEEN) | (shown < SHOWN)
    return left > HARDLY, ignore


def labels_to_see(craters: pd.DataFrame, shown: np.ndarray | None = None) -> pd.DataFrame:
    """Labels of the craters of a simulated scene as ``judged``: x_px, y_px, diameter_px, ignore."""
    label, ignore = judged(craters.visibility, craters.erosion, shown)
    return craters[["x_px", "y_px", "diameter_px"]].assign(ignore=ignore)[label].reset_index(drop=True)


def shading_correlation(
    image: np.ndarray, x_px: np.ndarray, y_px: np.ndarray, diameter_px: np.ndarray, sun_azimuth_deg: float
) -> np.ndarray:
    """Correlation of the image around each crater with the shading of a bowl under the scene's sun.

    Parameters
    ----------
    image : array (rows, columns)
    x_px, y_px, diameter_px : array (m,)
    sun_azimuth_deg : float
        Clockwise from image up.

    Returns
    -------
    array (m,)
        Pearson's coefficient over the pixels within 1.2 radii, -1..1; 0 where the image is flat. A fresh crater in the
        open has 0.5 to 0.9; one lost in noise, rough ground or a shadow about 0.

    Notes
    -----
    The bowl is a paraboloid inside the rim and falls off as rho**-3 outside; its shading is the slope towards the sun.
    """
    rows, cols = image.shape
    azimuth = np.radians(sun_azimuth_deg)
    towards = np.array([np.sin(azimuth), -np.cos(azimuth)])  # (column, row) of the sun
    out = np.zeros(len(x_px))
    for i, (x, y, radius) in enumerate(zip(x_px, y_px, np.asarray(diameter_px) / 2, strict=True)):
        reach = 1.2 * radius + 1
        r0, r1 = max(int(y - reach), 0), min(int(y + reach) + 1, rows)
        c0, c1 = max(int(x - reach), 0), min(int(x + reach) + 1, cols)
        step = max(1, int(radius / 12))  # a large crater needs no more than some hundred samples
        part = image[r0:r1:step, c0:c1:step].astype(float)
        dy = (np.arange(r0, r1, step) + 0.5 - y)[:, None] / radius
        dx = (np.arange(c0, c1, step) + 0.5 - x)[None] / radius
        rho = np.maximum(np.hypot(dx, dy), 1e-6)
        # Ground that rises away from the sun faces it. Inside, height rises outwards as 2 rho; outside it falls.
        rise = np.where(rho < 1, 2 * rho, -0.5 * rho**-4.0)
        shade = -rise * (dx * towards[0] + dy * towards[1]) / rho
        near = rho < 1.2
        if near.sum() < 6:
            continue
        a, b = part[near] - part[near].mean(), shade[near] - shade[near].mean()
        norm = np.sqrt((a * a).sum() * (b * b).sum())
        out[i] = (a * b).sum() / norm if norm > 1e-9 else 0.0
    return out

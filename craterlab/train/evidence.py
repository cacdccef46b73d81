"""How plainly an image shows a crater whose place is known: what a detector can fairly be asked to find."""

from __future__ import annotations

import numpy as np


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

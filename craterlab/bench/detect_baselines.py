"""Detectors without learning, the floor: the two circle transforms of OpenCV on the whole image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import CraterlabError

# Settings: the best mean F1 on crops of the train splits of `nac` and `mc11e`, out of a small grid about those that
# tutorials give. ALT is HOUGH_GRADIENT_ALT: edges by Scharr, circles judged by how much of them is there. Its
# coordinates count from the centre of the first pixel, those of the other from its corner.
METHODS: dict[str, dict[str, Any]] = {
    "hough": {"mode": "HOUGH_GRADIENT", "dp": 1.0, "param1": 250, "param2": 10, "shift": 0.0},
    "alt": {"mode": "HOUGH_GRADIENT_ALT", "dp": 1.5, "param1": 300, "param2": 0.65, "shift": 0.5},
}
_RADIUS_PX = (4, 40)
_BETWEEN_PX = 6  # least distance of two centres


def hough_circles(image: np.ndarray, method: str, **settings: Any) -> pd.DataFrame:
    """Circles that a Hough transform finds in an image.

    Parameters
    ----------
    image : ndarray (rows, columns)
        Stretched to 8 bits between its quantiles 0.005 and 0.995, then smoothed (sigma 1.5 px). NaN is taken as black.
    method : {"hough", "alt"}
        HOUGH_GRADIENT (Yuen et al. 1990, Image Vision Comput. 8, 71) or HOUGH_GRADIENT_ALT of OpenCV.
    **settings
        Others than those of ``METHODS``.

    Returns
    -------
    DataFrame
        x_px, y_px, diameter_px, and score: votes over the circumference in pixels, for ranking only.

    Raises
    ------
    CraterlabError
        OpenCV is not installed, or the method is unknown.
    """
    if method not in METHODS:
        raise CraterlabError(f"unknown baseline {method!r}; wanted some of {', '.join(METHODS)}.")
    try:
        import cv2
    except ImportError:
        raise CraterlabError(
            "the hand-made baselines need OpenCV, which is not installed: pip install opencv-python-headless"
        ) from None
    how = METHODS[method] | settings
    low, high = np.nanquantile(image, (0.005, 0.995))
    stretched = np.nan_to_num((image - low) / max(high - low, 1e-6) * 255).clip(0, 255).astype(np.uint8)
    circles = cv2.HoughCirclesWithAccumulator(
        cv2.GaussianBlur(stretched, (7, 7), 1.5),
        getattr(cv2, how["mode"]),
        how["dp"],
        _BETWEEN_PX,
        param1=how["param1"],
        param2=how["param2"],
        minRadius=_RADIUS_PX[0],
        maxRadius=min(_RADIUS_PX[1], min(image.shape) // 2),
    )
    x, y, r, votes = np.zeros((4, 0)) if circles is None else np.asarray(circles, float).reshape(-1, 4).T
    some = r > 0
    x, y, r, votes = (v[some] for v in (x + how["shift"], y + how["shift"], r, votes))
    return pd.DataFrame({"x_px": x, "y_px": y, "diameter_px": 2 * r, "score": votes / (2 * np.pi * r)})

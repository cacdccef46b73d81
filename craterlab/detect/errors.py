"""What simulation says of the sizes a network gives: how far they are off, and how sure they are."""

from __future__ import annotations

import numpy as np

from ..nn.zoo import Model

LOGIT_RANGE = (-3.0, 4.0)  # beyond it a network is no surer of a place or size


def size_factor(level_diameter_px: np.ndarray, model: Model) -> np.ndarray:
    """What to multiply a diameter with, by the size at which it was seen; 1 where the weights do not tell.

    The logarithm of the factor runs straight between the knots in the weights' metadata (`size_bias`: diameters on the
    network's grid, and medians of log(true / found) on simulated scenes).
    """
    knots = model.metadata.get("size_bias")
    if not knots:
        return np.ones(len(level_diameter_px))
    return np.exp(np.interp(np.log(np.maximum(level_diameter_px, 1e-6)), np.log(knots[0]), knots[1]))


def error_features(level_diameter_px: np.ndarray, logit: np.ndarray) -> np.ndarray:
    """What the size of an error depends on, one row a circle: 1, log of the size at which it was seen, the logit."""
    return np.column_stack(
        [
            np.ones(len(logit)),
            np.log(np.maximum(level_diameter_px, 1e-6) / 12),
            np.clip(logit, *LOGIT_RANGE),
        ]
    )


def standard_errors(raw: dict[str, np.ndarray], model: Model) -> dict[str, np.ndarray]:
    """1-sigma errors of each circle in scene pixels; NaN where the weights do not tell.

    Returns
    -------
    dict of arrays
        `position_std_px` (of each coordinate) and `diameter_std_px`: exp(features @ coefficients) on the network's grid
        (`errors` in the weights' metadata), fitted to simulated scenes.
    """
    zoom = raw["diameter_px"] / np.maximum(raw["level_diameter_px"], 1e-6)
    features = error_features(raw["level_diameter_px"], raw["logit"])
    out = {}
    for name in ("position", "diameter"):
        coefficients = np.asarray(model.metadata.get("errors", {}).get(name, (np.nan,) * 3), float)
        out[f"{name}_std_px"] = zoom * np.exp(features @ coefficients)
    return out

"""Contrast of colours, for the tests in a browser."""

from __future__ import annotations

import numpy as np


def rgb(text: str) -> np.ndarray:
    if text.startswith("#"):
        return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.array([float(v) for v in text.split("(")[1].rstrip(")").split(",")[:3]]) / 255


def linear(colour: np.ndarray) -> np.ndarray:
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2: of the relative luminances."""
    low, high = sorted(float(linear(rgb(c)) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)

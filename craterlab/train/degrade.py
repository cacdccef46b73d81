"""Image and DEM made worse, each in its own way: blur, noise and gaps.

An image rendered from a DEM knows all that the DEM knows. Only when both have lost something, and not the same, can be
learned and measured what each is good for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Damage:
    """What becomes of a map.

    Attributes
    ----------
    blur_px : float
        Standard deviation of a Gaussian.
    noise : float
        Standard deviation of Gaussian noise, in the map's own unit.
    gaps : float
        Share of the map that is lost, 0..1.
    """

    blur_px: float
    noise: float
    gaps: float = 0.0


def degrade_image(image: np.ndarray, damage: Damage, rng: np.random.Generator) -> np.ndarray:
    """A normalised image (rows, columns) blurred, with white noise; NaN in its gaps."""
    from scipy.ndimage import gaussian_filter

    out = gaussian_filter(image, damage.blur_px) + damage.noise * rng.standard_normal(image.shape)
    return np.where(gaps(image.shape, damage.gaps, rng), np.nan, out).astype(np.float32)


def degrade_dem(height: np.ndarray, damage: Damage, rng: np.random.Generator) -> np.ndarray:
    """Heights (rows, columns) blurred, with noise as smooth as they are (stereo matching looks at patches, so that its
    errors are shared by neighbours); NaN in its gaps and where they were NaN."""
    from scipy.ndimage import gaussian_filter

    known = np.isfinite(height)
    datum = float(height[known].mean()) if known.any() else 0.0
    out = gaussian_filter(np.where(known, height, datum), damage.blur_px)
    grain = gaussian_filter(rng.standard_normal(height.shape), max(damage.blur_px, 0.5))
    out = out + damage.noise * grain / grain.std()
    return np.where(known & ~gaps(height.shape, damage.gaps, rng), out, np.nan).astype(np.float32)


def gaps(shape: tuple[int, int], share: float, rng: np.random.Generator) -> np.ndarray:
    """Where there is no data (rows, columns): ellipses, as of shadows and failed matches, until `share` is lost."""
    lost = np.zeros(shape, bool)
    y, x = np.mgrid[: shape[0], : shape[1]]
    while lost.mean() < share:
        # The last one is no larger than what is left to lose.
        area = min(rng.uniform(0.002, 0.02), share - lost.mean() + 0.001) * lost.size
        stretch = np.exp(rng.uniform(-1, 1))
        a, b = np.sqrt(area / np.pi * stretch), np.sqrt(area / np.pi / stretch)
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        lost |= ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1
    return lost

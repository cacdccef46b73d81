"""How much sharper one image is than another of the same place: the ratio of MTF50 on edges that both show.

The slanted-edge idea (ISO 12233) on edges as they occur, shadow boundaries and rims: the mean profile across an edge
is the edge spread function, its derivative the line spread function, the modulus of its Fourier transform the MTF. An
edge on the ground is no ideal step and its own width blunts the MTF of both images; the ratio on one and the same edge
therefore understates the gain and never overstates it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_REACH = 5.0  # coarse pixels of profile on each side of an edge
_STEP = 0.125
_ALONG = np.arange(-2.5, 2.51, 0.5)  # coarse pixels along the edge that one profile averages
_COHERENCE = 0.85  # of the structure tensor: 1 is a straight edge, 0 no direction
_CONTRAST = 5.0  # least gradient per pixel over the noise of one pixel
_WANDER = 0.4  # pixels; how straight an edge has to be
_PER_BLOCK = 60


@dataclass(frozen=True)
class Edges:
    """Places on the coarse grid (pixel centres at whole numbers) and unit normals, uphill; (n,) each."""

    row: np.ndarray
    col: np.ndarray
    normal_row: np.ndarray
    normal_col: np.ndarray


def find_edges(image: np.ndarray, usable: np.ndarray, noise: float) -> Edges:
    """Strong, isolated, straight edges of a block.

    Parameters
    ----------
    image : numpy.ndarray, (rows, columns)
        Finite.
    usable : numpy.ndarray of bool, (rows, columns)
        Where an edge may be and its profile may reach.
    noise : float
        1-sigma of one pixel, image units.
    """
    from scipy.ndimage import binary_erosion, gaussian_filter, maximum_filter

    a = image.astype(np.float64)
    gy, gx = (gaussian_filter(a, 1.0, order=order) for order in ((1, 0), (0, 1)))
    size = np.hypot(gy, gx)
    yy, xx, xy = (gaussian_filter(t, 2.0) for t in (gy * gy, gx * gx, gy * gx))
    coherence = np.hypot(yy - xx, 2.0 * xy) / np.maximum(yy + xx, 1e-30)
    margin = math.ceil(_REACH) + 3
    inner = binary_erosion(usable, np.ones((3, 3), bool), iterations=margin, border_value=0)
    floor = max(_CONTRAST * noise, float(np.quantile(size, 0.9)))
    peak = (size == maximum_filter(size, 9)) & (size > floor) & (coherence > _COHERENCE) & inner
    row, col = np.nonzero(peak)
    best = np.argsort(-size[row, col])[:_PER_BLOCK]
    row, col = row[best], col[best]
    angle = 0.5 * np.arctan2(2.0 * xy[row, col], xx[row, col] - yy[row, col])
    ny, nx = np.sin(angle), np.cos(angle)
    uphill = np.where(ny * gy[row, col] + nx * gx[row, col] < 0, -1.0, 1.0)
    return Edges(row.astype(float), col.astype(float), ny * uphill, nx * uphill)


def mtf50_ratios(sharp: np.ndarray, plain: np.ndarray, edges: Edges, factor: int) -> np.ndarray:
    """MTF50 of `sharp` over that of `plain` on each edge that is clean enough.

    Parameters
    ----------
    sharp, plain : numpy.ndarray, (factor * rows, factor * columns)
        Finite images on the fine grid.
    edges : Edges
        Found on the coarse grid.
    factor : int

    Returns
    -------
    numpy.ndarray, (m,)
        m <= number of edges.
    """
    if not len(edges.row):
        return np.empty(0)
    t = np.arange(-_REACH, _REACH + 0.5 * _STEP, _STEP)
    both = [_profiles(image, edges, factor, t) for image in (plain, sharp)]
    ratios = []
    for plain_lines, sharp_lines in zip(*both, strict=True):
        if (centre := _centre(plain_lines, t)) is None:
            continue
        low, high = (_mtf50(lines.mean(0), t - centre) for lines in (plain_lines, sharp_lines))
        if low > 0 and high > 0:
            ratios.append(high / low)
    return np.array(ratios)


def _profiles(image: np.ndarray, edges: Edges, factor: int, t: np.ndarray) -> np.ndarray:
    """Values across each edge, one line per place along it: (edges, lines, len(t))."""
    from scipy.ndimage import map_coordinates

    ny, nx = (n[:, None, None] for n in (edges.normal_row, edges.normal_col))
    row = edges.row[:, None, None] + t * ny + _ALONG[None, :, None] * nx
    col = edges.col[:, None, None] + t * nx - _ALONG[None, :, None] * ny
    fine = [(v + 0.5) * factor - 0.5 for v in (row, col)]
    return map_coordinates(image.astype(np.float64), fine, order=3, mode="mirror")


def _centre(lines: np.ndarray, t: np.ndarray) -> float | None:
    """Where the edge is on its normal; None where it is not one clean, straight step."""
    mean = lines.mean(0)
    low, high = np.median(mean[t < -2.5]), np.median(mean[t > 2.5])
    step = high - low
    if step <= 0:
        return None
    if max(np.ptp(mean[t < -2.5]), np.ptp(mean[t > 2.5])) > 0.35 * step:
        return None
    # Where each line passes half-way: an edge that wanders would be blunted by the mean over its lines.
    middle = np.abs(t) <= 2.5
    above = lines[:, middle] > 0.5 * (low + high)
    if not (above.any(1) & ~above[:, 0]).all():
        return None
    cross = t[middle][above.argmax(1)]
    return float(np.mean(cross)) if np.std(cross) < _WANDER else None


def _mtf50(profile: np.ndarray, t: np.ndarray) -> float:
    """Cycles per coarse pixel at which the MTF of an edge profile falls to one half; NaN where it does not."""
    line = np.gradient(profile, t)
    # Tapered to nothing between 2.5 and 4 pixels: other structure is out, what an edge overshoots is in.
    line = line * np.cos(0.5 * np.pi * np.clip((np.abs(t) - 2.5) / 1.5, 0.0, 1.0)) ** 2
    n = 4096
    mtf = np.abs(np.fft.rfft(line, n))
    if not mtf[0] > 0:
        return math.nan
    mtf /= mtf[0]
    f = np.fft.rfftfreq(n, _STEP)
    below = np.nonzero(mtf < 0.5)[0]
    if not len(below) or below[0] == 0:
        return math.nan
    i = int(below[0])
    return float(f[i - 1] + (mtf[i - 1] - 0.5) / (mtf[i - 1] - mtf[i]) * (f[i] - f[i - 1]))

"""A raster sampled around craters on ground circles: (crater, azimuth, radius), thousands at a time.

Around each crater the map is taken as linear (the grid's Jacobian at its centre), so a circle on the ground is the
right ellipse of pixels in any projection. Azimuth runs clockwise from north, radius in crater radii.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from craterlab.grid import Grid

    Floats = NDArray[np.float64]

# (row start, stop, column start, stop, step) -> every step-th pixel of the window, NaN for nodata
Reader = Callable[[int, int, int, int, int], np.ndarray]

AZIMUTHS = 72
REACH = 2.4  # radii that a window holds around each crater
_WINDOW = 2048  # cell that craters are grouped by, in pixels of their level
LARGEST_PX = 512  # radius in pixels above which a crater is read at a coarser step
_CHUNK = 256


@dataclass(frozen=True)
class Places:
    """Where craters are: all (n,) but `unit` (n, 2, 2), pixel steps (x, y) of one radius to the east and one to the
    north."""

    x: Floats
    y: Floats
    radius_px: Floats  # of the circle of the same area in pixels
    radius_m: Floats  # NaN without a scale
    unit: Floats

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: NDArray[np.intp]) -> Places:
        return Places(self.x[index], self.y[index], self.radius_px[index], self.radius_m[index], self.unit[index])


def places(grid: Grid, x: Floats, y: Floats, diameter_px: Floats) -> Places:
    """Places of craters on a grid.

    Parameters
    ----------
    grid : Grid
    x, y, diameter_px : ndarray, (n,)
        Centre and diameter in pixels of the grid; the diameter is that of the circle of equal ground area.

    Returns
    -------
    Places
        Without a CRS up counts as north and pixels are square.
    """
    radius = diameter_px / 2
    scale = grid.metres_per_pixel(x, y)
    flat = np.array([[1.0, 0.0], [0.0, -1.0]])
    if grid.crs is None:
        per_px = np.broadcast_to(flat, (len(x), 2, 2))
    else:
        jacobian = grid.jacobian(x, y) / scale[:, None, None]
        bad = ~np.isfinite(jacobian).all((1, 2)) | ~(np.abs(np.linalg.det(np.nan_to_num(jacobian))) > 1e-9)
        jacobian[bad] = flat
        per_px = np.linalg.inv(jacobian)
    return Places(x, y, radius, radius * scale, radius[:, None, None] * per_px)


def on_ellipses(where: Places, theta: Floats) -> Places:
    """Places whose unit circle is the rim ellipse: radius 1 is the rim in every azimuth.

    Parameters
    ----------
    where : Places, n craters
    theta : ndarray, (n, 5)
        As in ``rims.radius_at``; zeros leave the circle.
    """
    p, q = theta[:, 3], theta[:, 4]
    m = np.maximum(np.hypot(p, q), 1e-12)
    grow = np.exp(theta[:, 2])
    c, s = grow * np.cosh(m), grow * np.sinh(m) / m
    stretch = np.stack([np.stack([c + s * p, s * q], -1), np.stack([s * q, c - s * p], -1)], 1)
    shift = np.einsum("nij,nj->ni", where.unit, theta[:, :2])
    return Places(
        where.x + shift[:, 0],
        where.y + shift[:, 1],
        where.radius_px * grow,
        where.radius_m * grow,
        where.unit @ stretch,
    )


def directions(n: int = AZIMUTHS) -> tuple[Floats, Floats]:
    """East and north components of n azimuths, clockwise from north."""
    azimuth = 2 * np.pi * np.arange(n) / n
    return np.sin(azimuth), np.cos(azimuth)


def groups(
    where: Places, shape: tuple[int, int], reach_radii: float = REACH, largest_px: float = LARGEST_PX
) -> Iterator[tuple[NDArray[np.intp], tuple[int, int, int, int, int]]]:
    """Craters in groups of neighbours and like size, each with the window that holds them.

    Parameters
    ----------
    where : Places
    shape : (rows, columns)
        Of the image.
    reach_radii : float
        What a window holds around each crater.
    largest_px : float
        Radius above which a crater is read at a coarser step.

    Yields
    ------
    index : ndarray of int
        At most 256 craters.
    window : (row start, stop, column start, stop, step)
        Clipped to the image; empty windows are left out (their craters lie outside).
    """
    with np.errstate(divide="ignore"):
        level = np.maximum(0, np.ceil(np.log2(where.radius_px / largest_px))).astype(int)
    step = 2**level
    key = np.stack([level, np.floor(where.y / (_WINDOW * step)), np.floor(where.x / (_WINDOW * step))])
    _, label = np.unique(key, axis=1, return_inverse=True)
    order = np.argsort(label.ravel(), kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(label.ravel()[order])) + 1) if len(order) else []:
        reach = reach_radii * np.abs(where.unit[part]).sum(2)  # (k, 2): x and y
        x0, x1 = (where.x[part] - reach[:, 0]).min(), (where.x[part] + reach[:, 0]).max()
        y0, y1 = (where.y[part] - reach[:, 1]).min(), (where.y[part] + reach[:, 1]).max()
        s = int(step[part[0]])
        c0, r0 = (max(0, int(v) - 2 * s) for v in (x0, y0))
        c1, r1 = min(shape[1], int(x1) + 2 * s + 2), min(shape[0], int(y1) + 2 * s + 2)
        if r0 >= r1 or c0 >= c1:
            continue
        for first in range(0, len(part), _CHUNK):
            yield part[first : first + _CHUNK], (r0, r1, c0, c1, s)


def sample(block: np.ndarray, window: tuple[int, int, int, int, int], where: Places, radii: Floats) -> Floats:
    """Bilinear samples around craters.

    Parameters
    ----------
    block : ndarray
        What the reader gave for `window`.
    window : (row start, stop, column start, stop, step)
    where : Places, n craters
    radii : ndarray, (m,)
        In crater radii.

    Returns
    -------
    ndarray, (n, 72, m)
        NaN outside the block and where a neighbour is nodata.
    """
    east, north = directions()
    step_x = where.unit[:, 0, 0, None] * east + where.unit[:, 0, 1, None] * north
    step_y = where.unit[:, 1, 0, None] * east + where.unit[:, 1, 1, None] * north
    x = where.x[:, None, None] + step_x[:, :, None] * radii
    y = where.y[:, None, None] + step_y[:, :, None] * radii
    return sample_at(block, window, x, y)


def sample_at(block: np.ndarray, window: tuple[int, int, int, int, int], x: Floats, y: Floats) -> Floats:
    """Bilinear values at pixel coordinates of the full image; NaN outside and beside nodata."""
    from scipy.ndimage import map_coordinates

    r0, _, c0, _, step = window
    # A pixel read with a step keeps its own centre. Beyond the outermost centres the image still reaches half a pixel.
    rows, cols = (y - 0.5 - r0) / step, (x - 0.5 - c0) / step
    inside = (rows >= -0.5) & (rows <= block.shape[0] - 0.5) & (cols >= -0.5) & (cols <= block.shape[1] - 0.5)
    at = np.stack([np.clip(rows, 0, block.shape[0] - 1), np.clip(cols, 0, block.shape[1] - 1)])
    out = map_coordinates(block, at, output=np.float64, order=1, mode="nearest")
    return np.where(inside, out, np.nan)


def percentile_of(values: Floats, percentile: float) -> Floats:
    """Percentile along the second axis of (n, m), linear between order statistics, NaN left out; NaN where all are."""
    count = np.isfinite(values).sum(1)
    needed = int(np.ceil((values.shape[1] - 1) * percentile / 100.0)) + 2
    if needed < values.shape[1] // 2:
        values = np.partition(values, needed, axis=1)[:, : needed + 1]
    ordered = np.sort(values, axis=1)  # NaN last
    at = np.maximum(count - 1, 0) * percentile / 100.0
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, np.clip(count - 1, 0, ordered.shape[1] - 1))
    rows = np.arange(len(values))
    out = ordered[rows, low] + (at - low) * (ordered[rows, high] - ordered[rows, low])
    return np.where(count > 0, out, np.nan)

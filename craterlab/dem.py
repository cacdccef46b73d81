"""A DEM file read on the grid of an image.

Both grids meet in planetocentric longitude and latitude as `craterlab.frames` gives them, not in PROJ, which takes a
planetographic DEM for a planetocentric one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import CraterlabError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .grid import Grid
    from .raster import Raster

_ROWS = 256


def dem_reader(dem: Raster, dem_grid: Grid, grid: Grid) -> Callable[[int, int, int, int], NDArray[np.float32]]:
    """A window reader (as `LazyRaster` wants it) of the DEM on the image grid, bilinear.

    Parameters
    ----------
    dem : Raster
    dem_grid, grid : Grid
        Of the DEM file and of the image.

    Raises
    ------
    CraterlabError
        The DEM is on another body, does not reach the image, or its place on the image is not known.
    """
    if _same_grid(dem_grid, grid):
        return dem.read
    if dem_grid.crs is None or grid.crs is None:
        which = "The DEM" if dem_grid.crs is None else "The image"
        raise CraterlabError(
            f"{which} has no CRS, so the DEM {dem.path!r} of {dem_grid.shape[0]} x {dem_grid.shape[1]} pixels cannot "
            f"be laid on the image of {grid.shape[0]} x {grid.shape[1]}. Without a CRS both must have the same shape."
        )
    if dem_grid.body != grid.body:
        assert dem_grid.body is not None and grid.body is not None
        raise CraterlabError(f"The DEM {dem.path!r} is on {dem_grid.body.name}, the image on {grid.body.name}.")
    rows, columns = grid.shape
    probe_y, probe_x = np.meshgrid(np.linspace(0.5, rows - 0.5, 9), np.linspace(0.5, columns - 0.5, 9), indexing="ij")
    x, y = _wrapped(dem_grid, *dem_grid.pixels(*grid.lonlat(probe_x, probe_y)))
    if not ((x > 0) & (x < dem_grid.shape[1]) & (y > 0) & (y < dem_grid.shape[0])).any():
        raise CraterlabError(f"The DEM {dem.path!r} does not cover the image: no part of it has an elevation.")

    return _OnGrid(dem, dem_grid, grid)


@dataclass(frozen=True)
class _OnGrid:
    """Not a closure, so that a scene can be sent to another process."""

    dem: Raster
    dem_grid: Grid
    grid: Grid

    def __call__(self, top: int, bottom: int, left: int, right: int) -> NDArray[np.float32]:
        out = np.empty((bottom - top, right - left), np.float32)
        for first in range(top, bottom, _ROWS):
            last = min(first + _ROWS, bottom)
            x, y = _dem_pixels(self.dem_grid, self.grid, first, last, left, right)
            out[first - top : last - top] = _sample(self.dem, self.dem_grid, x, y)
        return out


def own_spacing_m(read: Callable[[int, int, int, int], NDArray[np.float32]]) -> float:
    """Pixel in metres of the DEM's own grid, NaN for one on the grid of the image."""
    if not isinstance(read, _OnGrid):
        return float("nan")
    rows, columns = read.dem_grid.shape
    return float(read.dem_grid.metres_per_pixel(columns / 2, rows / 2))


def _same_grid(a: Grid, b: Grid) -> bool:
    if a.shape != b.shape:
        return False
    if a.crs is None or b.crs is None:
        return True
    x, y = a.lonlat([0.5, a.shape[1] - 0.5, 0.5], [0.5, a.shape[0] - 0.5, a.shape[0] - 0.5])
    u, v = b.lonlat([0.5, a.shape[1] - 0.5, 0.5], [0.5, a.shape[0] - 0.5, a.shape[0] - 0.5])
    return a.body == b.body and a.transform.almost_equals(b.transform, 1e-9) and np.allclose([x, y], [u, v], atol=1e-9)


def _dem_pixels(
    dem_grid: Grid, grid: Grid, top: int, bottom: int, left: int, right: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixel coordinates on the DEM of every pixel of a window of the image; x may run over the DEM's seam."""
    from .areas import interpolation_nodes

    ys, wy = interpolation_nodes(bottom - top, 16.0)
    xs, wx = interpolation_nodes(right - left, 16.0)
    node_x, node_y = dem_grid.pixels(*grid.lonlat(left + xs[None, :], top + ys[:, None]))
    period = _period_px(dem_grid)
    if np.isfinite(node_x + node_y).all():
        if period is not None:
            node_x = np.unwrap(np.unwrap(node_x, period=period, axis=1), period=period, axis=0)
        # Where the mapping bends (a pole, a coarse global image) the nodes are too far apart.
        if _bend(node_x) < 0.05 and _bend(node_y) < 0.05:
            return (wx @ (wy @ node_x).T).T, (wx @ (wy @ node_y).T).T
    pixel_x, pixel_y = np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5
    return dem_grid.pixels(*grid.lonlat(pixel_x[None, :], pixel_y[:, None]))


def _bend(nodes: NDArray[np.float64]) -> float:
    """How far linear interpolation between nodes may be off, in units of the nodes."""
    second = [np.abs(np.diff(nodes, 2, axis=a)).max(initial=0.0) for a in (0, 1)]
    return float(max(second)) / 8


def _period_px(dem_grid: Grid) -> float | None:
    frame = dem_grid.frame
    if frame is None or not np.isfinite(frame.period):
        return None
    return float(frame.period * np.hypot((~dem_grid.transform).a, (~dem_grid.transform).d))


def _is_round(dem_grid: Grid) -> bool:
    """The DEM covers all longitudes, so that its last column is a neighbour of its first."""
    period = _period_px(dem_grid)
    return period is not None and abs(dem_grid.shape[1] - period) < 0.5 and not dem_grid.transform.b


def _wrapped(
    dem_grid: Grid, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (x % dem_grid.shape[1], y) if _is_round(dem_grid) else (x, y)


def _sample(dem: Raster, dem_grid: Grid, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
    from scipy.ndimage import map_coordinates

    out = np.full(x.shape, np.nan, np.float32)
    rows, columns = dem_grid.shape
    finite = np.isfinite(x) & np.isfinite(y)
    if not finite.any():
        return out
    around = _is_round(dem_grid)
    if around and np.ptp(x[finite]) > columns / 2:
        x = x % columns
    # A DEM finer than the image is averaged down to about its pixels, so that none is skipped.
    wide, high = np.ptp(x[finite]), np.ptp(y[finite])
    thin = max(1, int(np.sqrt(wide * high / x.size)))
    x0, x1 = int(np.floor(x[finite].min())) - 2 * thin, int(np.ceil(x[finite].max())) + 2 * thin
    y0, y1 = max(int(np.floor(y[finite].min())) - 2 * thin, 0), min(int(np.ceil(y[finite].max())) + 2 * thin, rows)
    if not around:
        x0, x1 = max(x0, 0), min(x1, columns)
    if x0 >= x1 or y0 >= y1:
        return out
    patch = _columns(dem, y0, y1, x0, x1, columns, thin)
    ky, kx = patch.shape[0] / (y1 - y0), patch.shape[1] / (x1 - x0)
    at = np.stack([(y - y0) * ky - 0.5, (x - x0) * kx - 0.5])
    at[:, ~finite] = -9
    valid = np.isfinite(patch)
    value = map_coordinates(np.where(valid, patch, 0).astype(np.float64), at, order=1, mode="grid-constant")
    weight = map_coordinates(valid.astype(np.float64), at, order=1, mode="grid-constant")
    good = weight >= 0.499
    out[good] = value[good] / weight[good]
    return out


def _columns(dem: Raster, y0: int, y1: int, x0: int, x1: int, columns: int, thin: int) -> NDArray[np.float32]:
    """A window that may run over the seam of a DEM around the whole body, thinned by averaging."""
    pieces = []
    while x0 < x1:
        start = x0 % columns
        length = min(x1 - x0, columns - start)
        shape = None if thin == 1 else (max(1, round((y1 - y0) / thin)), max(1, round(length / thin)))
        pieces.append(dem.read(y0, y1, start, start + length, shape))
        x0 += length
    return np.concatenate(pieces, 1)

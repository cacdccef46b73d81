"""Stretched scenes, seen without the stretch.

In a map grid a round crater may be an ellipse (longitude-latitude at high latitude, sinusoidal far from its central
meridian). The network knows round craters, so such a grid is cut into blocks over which one affine map makes the ground
round again to within ``TOLERANCE``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..tiling import Reader, Window

TOLERANCE = 0.04
_MIN_BLOCK_PX = 48
_MAX_STRETCH = 8.0  # beyond, close to the pole of a longitude-latitude grid, a block would grow without bound

Metric = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _root(g: np.ndarray) -> np.ndarray:
    """Symmetric square root of a metric, bounded in stretch and scaled to determinant 1: pixels keep their area, so a
    crater is as many round pixels wide as its `diameter_px` says."""
    values, vectors = np.linalg.eigh(g)
    stretch = min(np.sqrt(values[1] / values[0]), _MAX_STRETCH)
    return (vectors * [stretch**-0.5, stretch**0.5]) @ vectors.T


def round_matrix(g: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """Matrices (n, 2, 2) from pixels to round pixels of the same area, for ground metrics (n, 2, 2).

    The identity where circles on the ground are circles on the grid to within `tolerance`, and off the map.
    """
    out = np.broadcast_to(np.eye(2), g.shape).copy()
    for i, metric in enumerate(g):
        if np.isfinite(metric).all() and np.linalg.det(metric) > 0 and _anisotropy(metric[None]) > tolerance:
            out[i] = _root(metric)
    return out


def _samples(window: Window, metric: Metric) -> np.ndarray:
    r0, r1, c0, c1 = window
    y, x = np.meshgrid(np.linspace(r0, r1, 5), np.linspace(c0, c1, 5), indexing="ij")
    g = metric(x.ravel(), y.ravel())
    return g[np.isfinite(g).all((1, 2)) & (np.linalg.det(g) > 0)]


def _anisotropy(g: np.ndarray, frame: np.ndarray | None = None) -> float:
    """Largest ratio of axes, minus one, of metrics (n, 2, 2) seen in a frame."""
    if not len(g):
        return 0.0
    if frame is not None:
        inverse = np.linalg.inv(frame)
        g = inverse.T @ g @ inverse
    values = np.linalg.eigvalsh(g)
    return float(np.sqrt(values[:, 1] / values[:, 0]).max() - 1)


def is_isotropic(shape: tuple[int, int], metric: Metric) -> bool:
    """Whether circles on the ground are circles on the grid, to within ``TOLERANCE``, everywhere on it."""
    return _anisotropy(_samples((0, shape[0], 0, shape[1]), metric)) <= TOLERANCE


@dataclass(frozen=True)
class Block:
    """Part of a grid and the frame in which it is round: u = matrix @ (p - centre) + origin, p in (x_px, y_px)."""

    core: Window
    matrix: np.ndarray
    centre: np.ndarray
    origin: np.ndarray
    shape: tuple[int, int]

    def to_grid(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """From the block's round pixels to the grid's."""
        p = np.linalg.inv(self.matrix) @ (np.stack([x, y]) - self.origin[:, None]) + self.centre[:, None]
        return p[0], p[1]

    def reader(self, read: Reader) -> Reader:
        """Windows of the block, resampled bilinearly from the grid."""
        from scipy.ndimage import map_coordinates

        def read_block(window: Window) -> np.ndarray:
            r0, r1, c0, c1 = window
            y, x = np.mgrid[r0:r1, c0:c1] + 0.5
            gx, gy = self.to_grid(x.ravel(), y.ravel())
            box = (int(gy.min()) - 2, int(gy.max()) + 3, int(gx.min()) - 2, int(gx.max()) + 3)
            source = read(box)
            # `map_coordinates` puts 0 on a pixel's centre.
            values = map_coordinates(source, [gy - box[0] - 0.5, gx - box[2] - 0.5], order=1, cval=np.nan)
            return values.reshape(x.shape).astype(np.float32)

        return read_block


def blocks(shape: tuple[int, int], metric: Metric, halo: int) -> list[Block]:
    """Cut a grid into blocks that one frame each makes round.

    Parameters
    ----------
    shape : (rows, columns)
    metric : callable
        (x_px, y_px) -> (n, 2, 2) ground metric, NaN off the map.
    halo : int
        Round pixels to show around each block's core.
    """
    out: list[Block] = []
    todo: list[Window] = [(0, shape[0], 0, shape[1])]
    while todo:
        window = todo.pop()
        r0, r1, c0, c1 = window
        g = _samples(window, metric)
        if not len(g):
            continue  # off the map
        middle = metric(np.array([(c0 + c1) / 2]), np.array([(r0 + r1) / 2]))[0]
        centre_metric = middle if np.isfinite(middle).all() and np.linalg.det(middle) > 0 else g[len(g) // 2]
        frame = _root(centre_metric)
        if _anisotropy(g, frame) > TOLERANCE and max(r1 - r0, c1 - c0) >= 2 * _MIN_BLOCK_PX:
            if r1 - r0 >= c1 - c0:
                mid = (r0 + r1) // 2
                todo += [(r0, mid, c0, c1), (mid, r1, c0, c1)]
            else:
                mid = (c0 + c1) // 2
                todo += [(r0, r1, c0, mid), (r0, r1, mid, c1)]
            continue
        centre = np.array([(c0 + c1) / 2, (r0 + r1) / 2])
        corners = frame @ (np.array([[c0, c1, c0, c1], [r0, r0, r1, r1]]) - centre[:, None])
        low, high = np.floor(corners.min(1)) - halo, np.ceil(corners.max(1)) + halo
        size = (high - low).astype(int)
        out.append(Block(window, frame, centre, -low, (int(size[1]), int(size[0]))))
    return out

"""Windows with a halo, the owner rule, and the pyramid. Plain NumPy.

A tile reads its core plus a halo and owns the objects whose centre lies in its core. The cores cover the image without
overlap, so every object has one owner and nothing has to be suppressed at seams.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# (row start, row stop, column start, column stop)
Window = tuple[int, int, int, int]
Reader = Callable[[Window], np.ndarray]


@dataclass(frozen=True)
class Tile:
    """`read`: the window to load (may reach over the image's lower and right edge); `core`: what the tile owns."""

    read: Window
    core: Window

    def owns(self, x_px: np.ndarray, y_px: np.ndarray) -> np.ndarray:
        """Whether points (image pixels) lie in the core."""
        return inside(self.core, x_px, y_px)


def inside(window: Window, x_px: np.ndarray, y_px: np.ndarray) -> np.ndarray:
    """Whether points lie in a window, closed above and left, open below and right."""
    r0, r1, c0, c1 = window
    return (y_px >= r0) & (y_px < r1) & (x_px >= c0) & (x_px < c1)


def tiles(shape: tuple[int, int], core: int, halo: int, align: int = 1) -> Iterator[Tile]:
    """Cover an image with tiles.

    Parameters
    ----------
    shape : (rows, columns)
    core : int
        Side of a core, pixels; rounded up to a multiple of `align`.
    halo : int
        Pixels read beyond the core on each side; rounded up to a multiple of `align`.
    align : int
        Every window starts and ends on multiples of this, so that strided networks see one grid. At the lower and right
        edge windows therefore reach up to `align` - 1 pixels over the image.

    Yields
    ------
    Tile
        Windows never reach over the image's upper and left edge, nor over its aligned lower and right edge.
    """
    if min(shape) < 1 or core < 1 or halo < 0 or align < 1:
        raise ValueError(
            f"tiles need a non-empty image, core >= 1, halo >= 0, align >= 1; got {shape}, {core}, {halo}, {align}"
        )
    core, halo = -(-core // align) * align, -(-halo // align) * align
    end = tuple(-(-s // align) * align for s in shape)
    for r in range(0, shape[0], core):
        for c in range(0, shape[1], core):
            inner = (r, min(r + core, shape[0]), c, min(c + core, shape[1]))
            read = (max(r - halo, 0), min(r + core + halo, end[0]), max(c - halo, 0), min(c + core + halo, end[1]))
            yield Tile(read, inner)


def padded(read: Reader, shape: tuple[int, int]) -> Reader:
    """A reader that may be asked for windows reaching over the image; there it gives NaN."""

    def read_padded(window: Window) -> np.ndarray:
        r0, r1, c0, c1 = window
        a0, a1, b0, b1 = max(r0, 0), min(r1, shape[0]), max(c0, 0), min(c1, shape[1])
        if (a0, a1, b0, b1) == window:
            return read(window)
        out = np.full((r1 - r0, c1 - c0), np.nan, np.float32)
        if a0 < a1 and b0 < b1:
            out[a0 - r0 : a1 - r0, b0 - c0 : b1 - c0] = read((a0, a1, b0, b1))
        return out

    return read_padded


def halve(block: np.ndarray) -> np.ndarray:
    """Mean of the finite values of each 2 x 2 block, NaN where there are none; odd sides are padded with NaN."""
    rows, cols = block.shape
    block = np.pad(block, ((0, rows % 2), (0, cols % 2)), constant_values=np.nan) if rows % 2 or cols % 2 else block
    parts = np.stack([block[0::2, 0::2], block[0::2, 1::2], block[1::2, 0::2], block[1::2, 1::2]])
    good = np.isfinite(parts)
    if good.all():
        return parts.mean(0, dtype=np.float32)
    count = good.sum(0)
    total = np.where(good, parts, 0).sum(0, dtype=np.float32)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


class Pyramid:
    """An image at full, half, quarter … resolution. Level k has pixels 2**k wide, so x_px there is x_px / 2**k.

    Level 0 is read through `read`, never held; coarser levels are made once, strip by strip, and live in memory or,
    above `in_memory_px` pixels, in a temporary file, so that memory does not grow with the image. Use as a context.
    """

    def __init__(self, read: Reader, shape: tuple[int, int], levels: int, *, in_memory_px: int = 40_000_000) -> None:
        self.shapes = [shape]
        for _ in range(levels - 1):
            r, c = self.shapes[-1]
            self.shapes.append((-(-r // 2), -(-c // 2)))
        self._read = read
        self._in_memory_px = in_memory_px
        self._arrays: list[np.ndarray] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Pyramid:
        return self

    def __exit__(self, *exc: object) -> None:
        self._arrays.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def reader(self, level: int) -> Reader:
        """Reader of windows inside the level's shape."""
        if level == 0:
            return self._read
        while len(self._arrays) < level:
            self._build(len(self._arrays) + 1)
        array = self._arrays[level - 1]
        return lambda w: np.array(array[w[0] : w[1], w[2] : w[3]])

    def _build(self, level: int) -> None:
        shape = self.shapes[level]
        if shape[0] * shape[1] > self._in_memory_px:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="craterlab-", ignore_cleanup_errors=True)
            path = Path(self._folder.name) / f"level{level}"
            array: np.ndarray = np.memmap(path, np.float32, "w+", shape=shape)
        else:
            array = np.empty(shape, np.float32)
        source, (rows, cols) = self.reader(level - 1), self.shapes[level - 1]
        strip = max(2, 2 * (4_000_000 // max(cols, 1) // 2))
        for r in range(0, rows, strip):
            block = source((r, min(r + strip, rows), 0, cols))
            half = halve(block)
            array[r // 2 : r // 2 + half.shape[0]] = half
        self._arrays.append(array)

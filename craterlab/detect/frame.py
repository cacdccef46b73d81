"""Black frames around an image: edge rows and columns that hold nothing but zero are no data, though nobody said so."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..tiling import Reader, Window

_LEAST_LEFT = 0.25  # a frame leaves at least this share of rows and of columns; else the image is taken as it is
_STRIP, _PROBES = 128, 33


def framed(read: Reader, shape: tuple[int, int]) -> Reader:
    """A reader that gives NaN in the black frame of an image, where there is one.

    Parameters
    ----------
    read : Reader
        Windows of the image.
    shape : (rows, columns)
    """
    window = data_window(read, shape)
    if window == (0, shape[0], 0, shape[1]):
        return read
    r0, r1, c0, c1 = window

    def read_framed(w: Window) -> np.ndarray:
        out = np.array(read(w), np.float32)
        rows, cols = np.arange(w[0], w[1]), np.arange(w[2], w[3])
        out[(rows < r0) | (rows >= r1)] = np.nan
        out[:, (cols < c0) | (cols >= c1)] = np.nan
        return out

    return read_framed


def data_window(read: Reader, shape: tuple[int, int]) -> Window:
    """The part of an image inside the rows and columns at its edges that are wholly zero.

    Only strips at the edges are read, and little of them where there is no frame.
    """
    rows, cols = shape
    by_row = lambda a, b: read((a, b, 0, cols))  # noqa: E731
    by_column = lambda a, b: read((0, rows, a, b)).T  # noqa: E731
    down, across = (np.linspace(0, n - 1, _PROBES).astype(int) for n in shape)

    def black(at_rows: Iterable[int], at_columns: Iterable[int]) -> bool:
        """Whether single pixels allow for a frame: mostly the first one does not, and no line has to be read."""
        return all(read((r, r + 1, c, c + 1)) == 0 for r in at_rows for c in at_columns)

    window = (
        _zero_lines(by_row, rows, False) if black([0], across) else 0,
        rows - (_zero_lines(by_row, rows, True) if black([rows - 1], across) else 0),
        _zero_lines(by_column, cols, False) if black(down, [0]) else 0,
        cols - (_zero_lines(by_column, cols, True) if black(down, [cols - 1]) else 0),
    )
    if window[1] - window[0] < _LEAST_LEFT * rows or window[3] - window[2] < _LEAST_LEFT * cols:
        return (0, rows, 0, cols)
    return window


def _zero_lines(lines: Callable[[int, int], np.ndarray], count: int, from_end: bool) -> int:
    """How many lines are wholly zero from the first one on, or from the last one back."""
    done = 0
    while done < count:
        step = min(_STRIP if done else 1, count - done)
        block = lines(count - done - step, count - done)[::-1] if from_end else lines(done, done + step)
        data = (block != 0).any(1)
        if data.any():
            return done + int(np.argmax(data))
        done += step
    return done

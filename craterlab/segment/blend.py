"""Windows on a fixed lattice, each half over its neighbours, averaged with weights that fall to their edges.

The lattice is the scene's, not the block's, so that a block of a lazy scene is what the whole would have there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..nn.marslsnet import PATCH
from ..tiling import Reader, Window

STRIDE = PATCH // 2
BLOCK = 8 * STRIDE  # side of the blocks of a lazy scene
_AT_ONCE = 4

Predict = Callable[[list[np.ndarray], list[tuple[int, int]]], np.ndarray]


def starts(size: int) -> list[int]:
    """First pixels of the windows along a side; the last window ends with the scene, or is its only one."""
    if size <= PATCH:
        return [0]
    return [*range(0, size - PATCH, STRIDE), size - PATCH]


def blended(read: Reader, shape: tuple[int, int], block: Window, predict: Predict, *, show: bool = False) -> np.ndarray:
    """Probability of a block of a scene.

    Parameters
    ----------
    read : Reader
        Raw bands (n, rows, columns) of windows inside the scene.
    shape : (rows, columns)
        Of the scene.
    block : Window
    predict : callable
        (raw windows, their corners) -> probabilities (n, 128, 128), NaN where a band is.

    Returns
    -------
    array (rows, columns) float32
        NaN where a band is.
    """
    from ..progress import progress_bar

    r0, r1, c0, c1 = block
    total, weight = np.zeros((r1 - r0, c1 - c0), np.float32), np.zeros((r1 - r0, c1 - c0), np.float32)
    rows = [s for s in starts(shape[0]) if s < r1 and s + PATCH > r0]
    cols = [s for s in starts(shape[1]) if s < c1 and s + PATCH > c0]
    work = [(r, c) for r in rows for c in cols]
    share = _share()
    with progress_bar(total=len(work), show=show, desc="segment", unit="window") as bar:
        for i in range(0, len(work), _AT_ONCE):
            some = work[i : i + _AT_ONCE]
            made = predict([_window(read, shape, r, c) for r, c in some], some)
            for (r, c), p in zip(some, made, strict=True):
                top, bottom, left, right = max(r, r0), min(r + PATCH, r1), max(c, c0), min(c + PATCH, c1)
                part = np.s_[top - r : bottom - r, left - c : right - c]
                to = np.s_[top - r0 : bottom - r0, left - c0 : right - c0]
                total[to] += share[part] * p[part]  # all windows agree on where a band is missing
                weight[to] += share[part]
            bar.update(len(some))
    return total / weight


def _share() -> np.ndarray:
    """Weights of a window, sin^4 along each side: near its edges a network sees little ground, and says little."""
    side = np.sin(np.pi * (np.arange(PATCH) + 0.5) / PATCH) ** 4
    return np.outer(side, side).astype(np.float32)


def _window(read: Reader, shape: tuple[int, int], r: int, c: int) -> np.ndarray:
    """A window of raw bands, with NaN beyond the edge of a scene that is smaller."""
    inside = read((r, min(r + PATCH, shape[0]), c, min(c + PATCH, shape[1])))
    below, right = PATCH - inside.shape[1], PATCH - inside.shape[2]
    if not below and not right:
        return inside
    return np.pad(inside, ((0, 0), (0, below), (0, right)), constant_values=np.nan)


def lazily_blended(bands: Any, predict: Predict) -> Any:
    """The same of a Dask array (n, rows, columns), block by block: a Dask array (rows, columns) float32."""
    import dask
    import dask.array as da

    rows, cols = bands.shape[1:]
    one_block = dask.delayed(_one_block, pure=False)
    meta = np.empty((0, 0), np.float32)
    strips = []
    for r in range(0, rows, BLOCK):
        parts = []
        for c in range(0, cols, BLOCK):
            block = (r, min(r + BLOCK, rows), c, min(c + BLOCK, cols))
            top, bottom = max(r - PATCH, 0), min(block[1] + PATCH, rows)
            left, right = max(c - PATCH, 0), min(block[3] + PATCH, cols)
            raw = bands[:, top:bottom, left:right]
            made = one_block(raw, (top, left), (rows, cols), block, predict)
            parts.append(da.from_delayed(made, (block[1] - r, block[3] - c), dtype=np.float32, meta=meta))
        strips.append(da.concatenate(parts, axis=1))
    return da.concatenate(strips, axis=0)


def _one_block(
    raw: np.ndarray, corner: tuple[int, int], shape: tuple[int, int], block: Window, predict: Predict
) -> np.ndarray:
    top, left = corner
    return blended(lambda w: raw[:, w[0] - top : w[1] - top, w[2] - left : w[3] - left], shape, block, predict)

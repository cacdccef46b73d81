"""The same blocks as a Dask graph: nothing is solved before it is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from craterlab.tiling import Reader, tiles

from .blocks import HALO, Solver, chi2, core_size, owned
from .planning import Plan

_SAMPLE_BLOCKS = 9


def lazy_run(image: Any, factor: int, solve: Solver, bands: int) -> Any:
    """All blocks of a Dask-backed image -> Dask array (bands, f rows, f columns) float32, one chunk a block."""
    import dask
    import dask.array as da

    one_block = dask.delayed(_one_block, pure=False)
    meta = np.empty((0, 0, 0), np.float32)
    rows: dict[int, list[Any]] = {}
    for tile in tiles(image.shape, core_size(factor), HALO):
        r0, r1, c0, c1 = tile.read
        block = one_block(image[r0:r1, c0:c1], solve, tile.read, tile.core, factor)
        shape = (bands, factor * (tile.core[1] - tile.core[0]), factor * (tile.core[3] - tile.core[2]))
        rows.setdefault(tile.core[0], []).append(da.from_delayed(block, shape, dtype=np.float32, meta=meta))
    return da.concatenate([da.concatenate(row, axis=2) for row in rows.values()], axis=1)


def _one_block(block: np.ndarray, solve: Solver, window: Any, core: Any, factor: int) -> np.ndarray:
    return np.ascontiguousarray(owned(solve(np.asarray(block, np.float32)), window, core, factor))


def lazy_chi2(read: Reader, shape: tuple[int, int], plan: Plan, solve: Solver) -> float:
    """Reduced chi-square from a few blocks spread over the scene, solved now."""
    work = list(tiles(shape, core_size(plan.factor), HALO))
    total, weight = 0.0, 0
    # A fixed shuffle: a regular stride through the rows of blocks would look at one column of them.
    for k in np.random.default_rng(0).permutation(len(work))[:_SAMPLE_BLOCKS]:
        tile = work[k]
        r0, _, c0, _ = tile.read
        block = read(tile.read)
        image = solve(block)[0]
        core = (tile.core[0] - r0, tile.core[1] - r0, tile.core[2] - c0, tile.core[3] - c0)
        part = chi2(_window_of(block), _window_of(image), block.shape, plan, [core])
        count = int(np.isfinite(block[core[0] : core[1], core[2] : core[3]]).sum())
        if np.isfinite(part) and count:
            total, weight = total + part * count, weight + count
    return total / weight if weight else float("nan")


def _window_of(array: np.ndarray) -> Reader:
    return lambda w: array[w[0] : w[1], w[2] : w[3]]

"""Super-resolution of a scene block by block: the solution of one block, and its re-observation.

Blocks overlap by a halo much wider than the filters, and every output pixel is owned by one block: there is nothing
to blend, and memory does not grow with the image beyond the result itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch

from craterlab.tiling import Reader, Window, tiles

from . import learned_block, solvers
from .consistency import noise_ratio
from .forward import forward, operator
from .planning import Plan, fill, tools
from .precision import maps

HALO = 32  # coarse pixels
_CORE_FINE = 512  # fine pixels

Solver = Callable[[np.ndarray], np.ndarray]


def block_solver(plan: Plan) -> Solver:
    """The solution of one block: (rows, columns) with NaN -> (bands, f rows, f columns) float32, see `bands`."""
    of_shape = lru_cache(maxsize=16)(lambda shape: tools(plan, shape))
    sharpen = learned_block.solver(plan.learned) if plan.learned else None
    names = bands(plan.method)

    def solve(block: np.ndarray) -> np.ndarray:
        hole = ~np.isfinite(block)
        if hole.all():
            return np.full((len(names), *(n * plan.factor for n in block.shape)), np.nan, np.float32)
        y = torch.from_numpy(fill(block, hole).astype(np.float32) - np.float32(plan.offset))
        op, weights = of_shape(block.shape)
        there = y.to(plan.device)
        errors, raw = None, []
        if plan.method == "bicubic":
            x = solvers.bicubic(y, plan.factor)
        else:
            x = solvers.wiener(op, there, weights)
            if plan.method == "tv":
                x = solvers.tv(op, there, plan.tv_strength, x)
            elif sharpen is not None:
                solution = sharpen(op, there, x)
                x = solution.image
                if solution.samples is not None:
                    errors = learned_block.sampled_maps(solution, y, plan.precision, plan.factor)
                if solution.raw is not None:
                    raw = [solution.raw + plan.offset]
        errors = maps(y, plan.precision, plan.factor) if errors is None else errors
        out = np.stack([t.cpu().numpy() for t in (x + plan.offset, *errors, *raw)])
        if hole.any():
            out[:, _enlarge(hole, plan.factor)] = np.nan
        return out

    return solve


def bands(method: str) -> tuple[str, ...]:
    """Names of what `block_solver` gives."""
    return ("image", "std", "data_share", *(("raw",) if method == "net" else ()))


def run(
    read: Reader, shape: tuple[int, int], factor: int, solve: Solver, bands: int, name: str, progress: bool
) -> np.ndarray:
    """All blocks of a scene -> (bands, f rows, f columns) float32."""
    from craterlab.progress import progress_bar

    out = np.empty((bands, shape[0] * factor, shape[1] * factor), np.float32)
    work = list(tiles(shape, core_size(factor), HALO))
    for tile in progress_bar(work, show=progress, desc=name, unit="block", delay=2.0):
        r0, r1, c0, c1 = (factor * n for n in tile.core)
        out[:, r0:r1, c0:c1] = owned(solve(read(tile.read)), tile.read, tile.core, factor)
    return out


def core_size(factor: int) -> int:
    """Side of a block's core in coarse pixels."""
    return max(64, _CORE_FINE // factor)


def owned(solution: np.ndarray, window: Window, core: Window, factor: int) -> np.ndarray:
    """The core of a block's solution."""
    r, c = factor * (core[0] - window[0]), factor * (core[2] - window[2])
    return solution[..., r : r + factor * (core[1] - core[0]), c : c + factor * (core[3] - core[2])]


def upsample(factor: int) -> Solver:
    """Bicubic interpolation of one block of a layer that no instrument model applies to, such as a DEM."""

    def solve(block: np.ndarray) -> np.ndarray:
        hole = ~np.isfinite(block)
        if hole.all():
            return np.full((1, *(n * factor for n in block.shape)), np.nan, np.float32)
        level = float(np.median(block[~hole]))
        y = torch.from_numpy((fill(block, hole).astype(np.float64) - level).astype(np.float32))
        out = solvers.bicubic(y, factor).numpy() + np.float32(level)
        out[_enlarge(hole, factor)] = np.nan
        return out[None]

    return solve


def chi2(
    read: Reader, read_fine: Reader, shape: tuple[int, int], plan: Plan, cores: list[Window] | None = None
) -> float:
    """Reduced chi-square of the re-observation, sum (A x - y)^2 / sigma^2 over the residual's degrees of freedom.

    Parameters
    ----------
    read, read_fine : callable
        Windows of the observation, and of the super-resolved image in fine pixels.
    shape : (int, int)
        Of the observation.
    plan : Plan
        `plan.left` degrees of freedom per pixel: 1 for an image that was not fitted to the data (bicubic); for wiener
        the trace of sigma^2 (A S A^T + sigma^2)^-1, since a fit to the data leaves less than the noise in the
        residual; tv is tuned to leave as much as wiener and is counted likewise.
    cores : list of windows, optional
        Only these parts of the observation.

    Returns
    -------
    float
        NaN when no pixel could be used. Pixels within 2 of nodata are left out.
    """
    from scipy.ndimage import binary_dilation

    f, margin = plan.factor, 12
    at = lru_cache(maxsize=16)(lambda s: operator(s, f, plan.instrument))
    total, count = 0.0, 0
    for r0, r1, c0, c1 in cores or [t.core for t in tiles(shape, core_size(f), 0)]:
        window = (max(r0 - margin, 0), min(r1 + margin, shape[0]), max(c0 - margin, 0), min(c1 + margin, shape[1]))
        y = read(window)
        hole = ~np.isfinite(y)
        if hole.all():
            continue
        x = read_fine((f * window[0], f * window[1], f * window[2], f * window[3]))
        sharp = torch.from_numpy(fill(x, ~np.isfinite(x)).astype(np.float32) - np.float32(plan.offset))
        again = forward(at(y.shape), sharp).numpy() + np.float32(plan.offset)
        use = ~binary_dilation(hole, iterations=2) if hole.any() else ~hole
        inner = np.zeros_like(use)
        inner[r0 - window[0] : r1 - window[0], c0 - window[2] : c1 - window[2]] = True
        use &= inner
        square = np.square(again - y, dtype=np.float64)
        if (ratio := noise_ratio(torch.from_numpy(np.nan_to_num(y)), plan.instrument, plan.offset)) is not None:
            square /= ratio.numpy()
        total += float(square[use].sum())
        count += int(use.sum())
    return total / (plan.spectrum.sigma**2 * plan.left * count) if count else float("nan")


def _enlarge(mask: np.ndarray, factor: int) -> np.ndarray:
    return mask.repeat(factor, 0).repeat(factor, 1)

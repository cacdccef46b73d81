"""What an audit measures block by block: the re-observation of a sharpened image, and what of it the observation
cannot see."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from craterlab.tiling import Reader, Tile, Window, tiles

from . import blocks, planning, solvers
from .consistency import noise_ratio
from .forward import Operator, dct2, fold, forward, idct2, operator, unfold
from .prior import prior_variance
from .psf import equivalent_width
from .sharpness import find_edges, mtf50_ratios

LOCAL = 17  # pixels; side of the window of the local chi-square
DETAIL = 0.25  # cycles per coarse pixel: shorter than four pixels
_CORE = 192
_MAX_BLOCKS = 32
_RINGS = 40


@dataclass(frozen=True)
class Residual:
    """A x - y on the coarse grid, in units of the noise; NaN where it could not be taken."""

    values: np.ndarray
    autocorrelation: float  # mean of the two lag-1 values
    laplacian: float  # correlation with the Laplacian of A x

    def local(self) -> np.ndarray:
        """Mean square in windows of `LOCAL` pixels, (rows, columns) float32; NaN where `values` is."""
        from scipy.ndimage import uniform_filter

        rows = self.values.shape[0]
        out = np.empty(self.values.shape, np.float32)
        for r0 in range(0, rows, 512):
            r1, a, b = min(r0 + 512, rows), max(r0 - LOCAL, 0), min(r0 + 512 + LOCAL, rows)
            r = self.values[a:b]
            use = np.isfinite(r)
            square, share = (
                uniform_filter(v.astype(np.float64), LOCAL, mode="constant")
                for v in (np.where(use, np.square(r), 0.0), use)
            )
            mean = np.where(use, np.maximum(square, 0.0) / np.maximum(share, 1.0 / LOCAL**2), np.nan)
            out[r0:r1] = mean[r0 - a : r1 - a]
        return out


@dataclass(frozen=True)
class Detail:
    """What sample blocks say about the detail of a result; energies are RMS over that of the Wiener estimate's
    detail."""

    null: float
    null_bicubic: float
    null_wiener: float
    null_terrain: float  # expected of terrain with the fitted spectrum
    ratios: np.ndarray  # MTF50 of the result over bicubic's, one per edge
    frequency: np.ndarray  # cycles per coarse pixel
    power: dict[str, np.ndarray]  # radial power spectra: observation, bicubic, result


def re_observe(read: Reader, read_fine: Reader, shape: tuple[int, int], plan: planning.Plan) -> Residual:
    """Send a fine image through the instrument of a plan and compare with the observation, block by block.

    Parameters
    ----------
    read, read_fine : callable
        Windows of the observation, and of the sharpened image in fine pixels; NaN for nodata.
    shape : (int, int)
        Of the observation.
    plan : Plan
        Its instrument, noise and factor are used.
    """
    from scipy.ndimage import laplace

    f = plan.factor
    out = np.full(shape, np.nan, np.float32)
    margin, gap = _margins(plan)
    at = lru_cache(maxsize=16)(lambda s: operator(s, f, plan.instrument))
    cross = squares = bends = 0.0
    for tile in tiles(shape, blocks.core_size(f), margin):
        loaded = _load(read, read_fine, tile.read, f, gap)
        if loaded is None:
            continue
        y, x, use = loaded
        again = forward(at(y.shape), _centred(x, plan)).numpy()
        residual = again - (y - np.float32(plan.offset))
        if (ratio := noise_ratio(torch.from_numpy(y), plan.instrument, plan.offset)) is not None:
            residual /= ratio.sqrt().numpy()
        residual = np.where(use, residual / plan.spectrum.sigma, np.nan)
        inner = _inner(tile)
        r0, r1, c0, c1 = tile.core
        out[r0:r1, c0:c1] = residual[inner]
        here, bend = residual[inner].astype(np.float64), laplace(again.astype(np.float64))[inner]
        good = np.isfinite(here)
        cross += float((here[good] * bend[good]).sum())
        squares += float(np.square(here[good]).sum())
        bends += float(np.square(bend[good]).sum())
    laplacian = cross / math.sqrt(squares * bends) if squares > 0 and bends > 0 else math.nan
    return Residual(out, _lag1(out), laplacian)


def expected_autocorrelation(plan: planning.Plan) -> float:
    """Lag-1 autocorrelation of the residual of the Wiener estimate when its model is right.

    A fit leaves little of the long waves in the residual, so this is below zero.
    """
    op = operator((64, 64), plan.factor, plan.instrument)
    _, left = solvers.wiener_weights(op, prior_variance(op, plan.spectrum), plan.spectrum.sigma)
    power = left.double().numpy()
    shift = np.cos(np.pi * np.arange(64) / 64)
    return float((power * (shift[:, None] + shift[None, :]) / 2.0).sum() / power.sum())


def detail(read: Reader, read_fine: Reader, shape: tuple[int, int], plan: planning.Plan) -> Detail:
    """Null-space energy, sharpness on edges and power spectra from up to 32 blocks spread over the image."""
    f = plan.factor
    _, gap = _margins(plan)
    tools = lru_cache(maxsize=16)(lambda s: _tools(s, plan))
    energy, fine_pixels = np.zeros(4), 0
    edges_of_power = np.geomspace(0.01, f * 0.5**0.5, _RINGS + 1)
    spectra = {name: np.zeros((2, _RINGS)) for name in ("observation", "bicubic", "result")}
    ratios = []
    for tile in _spread(list(tiles(shape, _CORE, blocks.HALO))):
        loaded = _load(read, read_fine, tile.read, f, gap)
        if loaded is None:
            continue
        y, x, use = loaded
        op, weights = tools(y.shape)
        sharp, low = _centred(x, plan), torch.from_numpy(y - np.float32(plan.offset))
        plain, best = solvers.bicubic(low, f), solvers.wiener(op, low, weights)
        inside = np.zeros_like(use)
        inside[_inner(tile)] = True
        fine_use = (use & inside).repeat(f, 0).repeat(f, 1)
        band = torch.from_numpy(_radius(op.fine_shape, f) > DETAIL).to(sharp)
        parts = [
            *(_unseen(op, weights, image) for image in (sharp, plain, best)),
            idct2(band * dct2(best)),
        ]
        energy += [float(np.square(p.numpy()[fine_use], dtype=np.float64).sum()) for p in parts]
        fine_pixels += int(fine_use.sum())
        for name, image, scale in (("observation", low, 1.0), ("bicubic", plain, f**2), ("result", sharp, f**2)):
            modes = dct2(image).square().double().numpy() / scale
            _add_rings(spectra[name], modes, _radius(image.shape, 1 if image is low else f), edges_of_power)
        found = find_edges(y, use, plan.spectrum.sigma)
        ratios.append(mtf50_ratios(sharp.numpy(), plain.numpy(), found, f))
    rms = np.sqrt(energy / fine_pixels) if fine_pixels else np.full(4, np.nan)
    reference = rms[3] if rms[3] > 0 else math.nan
    middle = np.sqrt(edges_of_power[1:] * edges_of_power[:-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        power = {name: total / count for name, (total, count) in spectra.items()}
    return Detail(
        float(rms[0] / reference),
        float(rms[1] / reference),
        float(rms[2] / reference),
        float(_unseen_of_terrain(plan) / reference),
        np.concatenate(ratios) if ratios else np.empty(0),
        middle,
        power,
    )


def _margins(plan: planning.Plan) -> tuple[int, int]:
    """Halo of a block, and how far from nodata a residual is not to be trusted; coarse pixels."""
    width = equivalent_width(plan.instrument)
    return max(12, math.ceil(5 * width)), max(2, math.ceil(3 * width))


def _load(
    read: Reader, read_fine: Reader, window: Window, factor: int, gap: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Observation and result of a window, filled, and where both are known; None where they nowhere are."""
    from scipy.ndimage import binary_dilation

    y = read(window)
    r0, r1, c0, c1 = (factor * n for n in window)
    x = read_fine((r0, r1, c0, c1))
    fine_hole = ~np.isfinite(x)
    cells = fine_hole.reshape(y.shape[0], factor, y.shape[1], factor)
    hole = ~np.isfinite(y) | cells.any((1, 3))
    if hole.all():
        return None
    use = ~binary_dilation(hole, iterations=gap) if hole.any() else ~hole
    return planning.fill(y, hole), planning.fill(x, hole.repeat(factor, 0).repeat(factor, 1)), use


def _centred(x: np.ndarray, plan: planning.Plan) -> torch.Tensor:
    return torch.from_numpy(x.astype(np.float32) - np.float32(plan.offset))


def _inner(tile: Tile) -> tuple[slice, slice]:
    (r0, r1, c0, c1), (a, _, b, _) = tile.core, tile.read
    return slice(r0 - a, r1 - a), slice(c0 - b, c1 - b)


def _lag1(r: np.ndarray) -> float:
    """Mean of the lag-1 autocorrelations along rows and columns, over pairs that are both known."""
    total, pairs, square, known = 0.0, 0, 0.0, 0
    for r0 in range(0, r.shape[0], 512):
        strip = r[r0 : r0 + 513].astype(np.float64)
        own = strip[:512]
        for a, b in ((strip[1:], strip[:-1]), (own[:, 1:], own[:, :-1])):
            product = a * b
            good = np.isfinite(product)
            total, pairs = total + float(product[good].sum()), pairs + int(good.sum())
        good = np.isfinite(own)
        square, known = square + float(np.square(own[good]).sum()), known + int(good.sum())
    return (total / pairs) / (square / known) if pairs and square > 0 else math.nan


def _tools(shape: tuple[int, int], plan: planning.Plan) -> tuple[Operator, torch.Tensor]:
    op = operator(shape, plan.factor, plan.instrument)
    return op, solvers.wiener_weights(op, prior_variance(op, plan.spectrum), plan.spectrum.sigma)[0]


def _unseen(op: Operator, weights: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """x - A^+ A x, with the Wiener filter of the scene as A^+."""
    z = dct2(x)
    return idct2(z - weights * unfold(op, fold(op, op.gain * z)))


def _unseen_of_terrain(plan: planning.Plan) -> float:
    """RMS of x - A^+ A x expected of an x with the fitted spectrum, image units."""
    op = operator((64, 64), plan.factor, plan.instrument, dtype=torch.float64)
    prior = prior_variance(op, plan.spectrum)
    prior[0, 0] = 0.0
    weights, _ = solvers.wiener_weights(op, prior, plan.spectrum.sigma)
    mixed = unfold(op, fold(op, op.gain.square() * prior))
    missed = prior * (1.0 - 2.0 * weights * op.gain) + weights.square() * mixed
    return math.sqrt(max(float(missed.mean()), 0.0))


def _radius(shape: tuple[int, ...] | torch.Size, factor: int) -> np.ndarray:
    fy, fx = (np.arange(n) * factor / (2.0 * n) for n in shape)
    return np.hypot(fy[:, None], fx[None, :])


def _add_rings(into: np.ndarray, modes: np.ndarray, radius: np.ndarray, edges: np.ndarray) -> None:
    ring = np.digitize(radius, edges) - 1
    ring[0, :] = ring[:, 0] = -1  # striping and the kinks of the mirrored edge
    used = (ring >= 0) & (ring < _RINGS)
    into[0] += np.bincount(ring[used], modes[used], minlength=_RINGS)
    into[1] += np.bincount(ring[used], minlength=_RINGS)


def _spread(work: list[Tile]) -> Iterator[Tile]:
    """At most 32, in a fixed shuffle: a regular stride would look at some columns only."""
    order = np.random.default_rng(0).permutation(len(work))[:_MAX_BLOCKS]
    return (work[i] for i in sorted(order))

"""Solvers of y_k = D h * (S_k x) + n_k on one stack of frames: robust (Farsiu et al. 2004) and least squares with a
power-law or a learned prior.

A stack is (K, rows, columns) on the pixel grid of its first frame, with what is left of the shifts below a pixel; NaN
is no data. Everything is solved on the cosine coefficients of the fine image, where PSF and power law are diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from craterlab.instruments import Instrument

from .forward import dct2, fold, idct2, operator, unfold
from .prior import Spectrum, power
from .shifted import Frames, Shift, diagonal, frames, gather, observe

Denoise = Callable[[torch.Tensor, float], torch.Tensor]

STRENGTH = 0.35  # weight of the learned prior; chosen on crops of train images (hrsc, ohrc, nac), 4 and 8 frames
_BTV_STRENGTHS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)  # of the bilateral total variation, tried by `btv_strength`
_BTV_DEFAULT = 0.05  # where there is no second frame to try it on
_TOLERANCE = 1e-4  # of the right-hand side, where conjugate gradients stop
_SOFT = 1.0  # residual over its scale below which an L1 term is quadratic: noise is averaged, outliers are not
_WINDOW, _DECAY = 2, 0.6  # of the bilateral total variation: P and alpha


@dataclass(frozen=True)
class Stack:
    """Frames and their operator; made by `stack`."""

    op: Frames
    data: torch.Tensor  # (K, rows, columns), `level` taken off, 0 where there is none
    weight: torch.Tensor  # (K, rows, columns), 1 / sigma^2, 0 where there is no data
    level: float
    bound: torch.Tensor  # (f rows, f columns), of A_k^T A_k on cosine coefficients


def stack(
    values: np.ndarray,
    shifts: Sequence[Shift],
    factor: int,
    instrument: Instrument,
    sigmas: Sequence[float],
    *,
    relative: np.ndarray | None = None,
    level: float | None = None,
    device: str = "cpu",
) -> Stack:
    """Frames made ready for the solvers.

    Parameters
    ----------
    values : numpy.ndarray, (K, rows, columns)
        Image units, brightness differences removed; NaN is no data.
    shifts : sequence of (float, float)
        (dy, dx) of each frame in pixels: what the first shows at r, frame k shows at r + shift. At most a pixel or so:
        what comes in at the edges is the mirror image.
    factor : int
    instrument : Instrument
    sigmas : sequence of float
        1-sigma noise of each frame, image units, > 0.
    relative : numpy.ndarray, (K, rows, columns), optional
        Variance of the noise over sigma^2 where it differs from pixel to pixel, as shot noise does; > 0.
    level : float, optional
        Mean level of the scene; default that of the frames.
    device : str

    Returns
    -------
    Stack
    """
    there = np.isfinite(values)
    if level is None:
        level = float(np.mean(values[there], dtype=np.float64)) if there.any() else 0.0
    data = torch.from_numpy(np.where(there, values - level, 0.0).astype(np.float32)).to(device)
    variance = np.square(np.asarray(sigmas, np.float64))[:, None, None] * (1.0 if relative is None else relative)
    weight = torch.from_numpy((there / variance).astype(np.float32)).to(device)
    shape = (values.shape[1], values.shape[2])
    op = frames(shape, factor, instrument, shifts, device=device)
    one = operator(shape, factor, instrument, device=device)
    bound = one.gain.abs() * unfold(one, fold(one, one.gain.abs()))  # Gershgorin, over the modes that alias together
    return Stack(op, data, weight, level, bound)


def fuse(
    s: Stack,
    spectrum: Spectrum,
    denoise: Denoise | None = None,
    *,
    sigmas: Sequence[float] = (),
    unit: tuple[float, float] = (0.5, 1.0),
    strength: float = STRENGTH,
    iterations: int = 60,
) -> torch.Tensor:
    """The fine image that fits all frames in least squares, under a prior.

    Parameters
    ----------
    s : Stack
    spectrum : Spectrum
        Power law of the scene: the prior where `denoise` is None, else that of the first iterate.
    denoise : callable, optional
        ``denoise(x, sigma)``, deepinv's contract: x (1, 1, rows, columns), about 0..1.
    sigmas : sequence of float
        Noise levels (image units) given to the denoiser one after the other, falling; see `levels`.
    unit : (float, float)
        The image value that is 0.5 to the denoiser, and how many image units are its 1.
    strength : float
        Weight of the learned prior.
    iterations : int
        Of the conjugate gradients, at most, for the first image.

    Returns
    -------
    torch.Tensor, (f rows, f columns)
        Image units.

    Notes
    -----
    Without a denoiser: the minimiser of sum_k |A_k x - y_k|^2 / sigma_k^2 + x^T S^-1 x. With one: half-quadratic
    splitting (Zhang et al. 2021, IEEE Trans. PAMI 44, 6360); each denoised image is drawn to the data with
    strength / level^2 in place of S^-1. Both by conjugate gradients (Hestenes & Stiefel 1952).
    """
    right = gather(s.op, s.weight * s.data)
    seen = diagonal(s.op, s.weight.mean((1, 2)))
    law = 1.0 / (spectrum.level * power(s.op.shape, s.op.factor, spectrum.exponent))
    law[0, 0] = 0.0  # the mean is that of the data
    z = _least_squares(s, torch.from_numpy(law).to(right), right, seen, torch.zeros_like(right), iterations)
    if denoise is None:
        return idct2(z) + s.level
    middle, width = unit
    for level in sigmas:
        x = (idct2(z) + (s.level - middle)) / width + 0.5
        with torch.inference_mode():
            clean = denoise(x[None, None], level / width)[0, 0]
        z = dct2((clean.clone() - 0.5) * width + (middle - s.level))
        pull = torch.full_like(right, strength / level**2)
        z = _least_squares(s, pull, right + pull * z, seen, z, iterations // 3)
    return idct2(z) + s.level


def levels(error: float, sigma: float, unit: float, count: int = 8) -> list[float]:
    """Noise levels for `fuse`: from twice the expected error of the first iterate down to the noise, evenly in the
    logarithm.

    Parameters
    ----------
    error : float
        1-sigma of the estimate with the power law, image units.
    sigma : float
        Noise of all frames together.
    unit : float
        Image units that are 1 to the denoiser, which is not asked for more than 50/255 nor less than 0.2/255 of it.
    count : int
    """
    first = min(max(2.0 * error, unit / 255), unit * 50 / 255)
    return [float(v) for v in np.geomspace(first, min(max(sigma, unit * 0.2 / 255), first), count)]


def _least_squares(
    s: Stack, pull: torch.Tensor, right: torch.Tensor, seen: torch.Tensor, z: torch.Tensor, iterations: int
) -> torch.Tensor:
    """z with (sum_k A_k^T W_k A_k + diag(pull)) z = right, by conjugate gradients preconditioned with the diagonal."""

    def apply(v: torch.Tensor) -> torch.Tensor:
        return gather(s.op, s.weight * observe(s.op, v)) + pull * v

    inverse = 1.0 / (seen + pull).clamp_min(1e-30)
    residual = right - apply(z)
    step = inverse * residual
    p, rs = step, float((residual * step).sum())
    stop = _TOLERANCE**2 * float((right * inverse * right).sum())
    for _ in range(iterations):
        if not rs > stop:
            break
        ap = apply(p)
        length = rs / float((p * ap).sum())
        z = z + length * p
        residual = residual - length * ap
        step = inverse * residual
        rs, last = float((residual * step).sum()), rs
        p = step + (rs / last) * p
    return z


def farsiu(
    s: Stack, start: torch.Tensor, strength: float, *, scale: float | None = None, iterations: int = 40
) -> torch.Tensor:
    """The fine image of least absolute residuals under bilateral total variation (Farsiu et al. 2004).

    Parameters
    ----------
    s : Stack
    start : torch.Tensor, (f rows, f columns)
        First iterate, image units. The objective is convex: it does not matter to the result.
    strength : float
        Weight of the prior over that of the data, > 0; see `btv_strength`.
    scale : float, optional
        t, the mean difference of neighbours, see `roughness`; default that of these frames.
    iterations : int

    Returns
    -------
    torch.Tensor, (f rows, f columns)

    Notes
    -----
    Minimises  sum_k |A_k x - y_k| / sigma_k  +  strength * sum_lm alpha^(|l|+|m|) |x - S^l_y S^m_x x| / t  with
    P = 2, alpha = 0.6: both terms are in units of what is measured. Steepest descent, sped up: |.| is rounded off
    below its scale (sigma and t), steps are scaled by a bound of the curvature of each cosine mode, and carry
    momentum that starts anew when the objective rises (Nesterov 1983; O'Donoghue & Candes 2015, Found. Comput. Math.
    15, 715).
    """
    scale = max(roughness(s) if scale is None else scale, 1e-6 * float(s.data.abs().max()), 1e-30)
    root = s.weight.sqrt()
    fy, fx = (torch.arange(n, dtype=torch.float32, device=s.data.device) * (torch.pi / n) for n in s.op.fine_shape)
    curvature = s.bound * s.weight.amax((1, 2)).sum() / _SOFT
    for decay, dy, dx in _pairs():
        alike = torch.cos(dy * fy)[:, None] * torch.cos(dx * fx)[None, :]
        curvature = curvature + strength * decay / (_SOFT * scale**2) * (2.0 - 2.0 * alike)
    inverse = 1.0 / curvature.clamp_min(1e-30)

    def value_and_slope(z: torch.Tensor) -> tuple[float, torch.Tensor]:
        cost, psi = _rounded(root * (observe(s.op, z) - s.data))
        slope = gather(s.op, root * psi)
        image = idct2(z)
        pull = torch.zeros_like(image)
        for decay, dy, dx in _pairs():
            here, there = _windows(image.shape, dy, dx)
            penalty, psi = _rounded((image[here] - image[there]) / scale)
            cost += strength * decay * penalty
            psi *= decay / scale
            pull[here] += psi
            pull[there] -= psi
        return cost, slope + strength * dct2(pull)

    z = dct2(start - s.level)
    ahead, momentum, step = z, 1.0, 1.0
    best_cost, best, best_slope = float("inf"), z, z
    for _ in range(iterations):
        cost, slope = value_and_slope(ahead)
        if cost > best_cost and momentum > 1.0:
            ahead, momentum = z, 1.0
            continue
        if cost > best_cost:
            step *= 0.5
            ahead = z = best - step * inverse * best_slope
            continue
        best_cost, best, best_slope = cost, ahead, slope
        moved = ahead - step * inverse * slope
        following = 0.5 * (1.0 + (1.0 + 4.0 * momentum**2) ** 0.5)
        ahead = moved + (momentum - 1.0) / following * (moved - z)
        z, momentum = moved, following
    return idct2(best) + s.level


def _pairs() -> Iterator[tuple[float, int, int]]:
    """Weight and displacement of the neighbours of bilateral total variation, each pair once."""
    for dy in range(_WINDOW + 1):
        for dx in range(-_WINDOW, _WINDOW + 1):
            if dy + dx >= 0 and (dy, dx) != (0, 0):
                yield _DECAY ** (abs(dy) + abs(dx)), dy, dx


def _windows(shape: Sequence[int], dy: int, dx: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have a neighbour at (dy, dx), and these neighbours."""

    def axis(n: int, step: int) -> tuple[slice, slice]:
        low, high = slice(0, max(n - abs(step), 0)), slice(min(abs(step), n), n)
        return (low, high) if step >= 0 else (high, low)

    (r, r2), (c, c2) = axis(shape[0], dy), axis(shape[1], dx)
    return (r, c), (r2, c2)


def _rounded(u: torch.Tensor) -> tuple[float, torch.Tensor]:
    """sum |u|, rounded off below `_SOFT`, and its slope."""
    size = (u.square() + _SOFT**2).sqrt_()
    return float(size.sum() - _SOFT * u.numel()), u / size


def btv_strength(s: Stack, spectrum: Spectrum, scale: float) -> float:
    """Weight of the bilateral total variation under which the frames foretell one another best.

    Parameters
    ----------
    s : Stack
        A part of the scene is enough.
    spectrum : Spectrum
    scale : float
        As for `farsiu`.

    Returns
    -------
    float
        Of the weights tried, with a parabola through the best and its neighbours.

    Notes
    -----
    Cross-validation: up to three frames are left out in turn and compared with what the others show of them, by their
    mean absolute residual, to which a frame that does not belong adds about the same under any weight.
    """
    count = len(s.data)
    if count < 2:
        return _BTV_DEFAULT
    misses = np.zeros(len(_BTV_STRENGTHS))
    for out in np.unique(np.linspace(0, count - 1, min(count, 3)).round().astype(int)):
        weight = s.weight.clone()
        weight[out] = 0.0
        others = replace(s, weight=weight)
        x = fuse(others, spectrum)
        for i, strength in enumerate(_BTV_STRENGTHS):
            x = farsiu(others, x, strength, scale=scale, iterations=20)
            again = observe(s.op, dct2(x - s.level))[out]
            misses[i] += float((s.weight[out].sqrt() * (again - s.data[out]).abs()).sum())
    best = int(misses.argmin())
    if best in (0, len(misses) - 1):
        return _BTV_STRENGTHS[best]
    left, middle, right = misses[best - 1 : best + 2]
    move = 0.5 * (left - right) / max(left - 2 * middle + right, 1e-30)
    ratio = (
        _BTV_STRENGTHS[best + 1] / _BTV_STRENGTHS[best] if move > 0 else _BTV_STRENGTHS[best] / _BTV_STRENGTHS[best - 1]
    )
    return _BTV_STRENGTHS[best] * ratio ** float(move)


def roughness(s: Stack) -> float:
    """Mean absolute difference of neighbours on the fine grid, as the frames show it without their noise; of the middle
    frame, so that one that does not belong changes little."""
    found = []
    for data, weight in zip(s.data, s.weight, strict=True):
        total, noise, count = 0.0, 0.0, 0.0
        for here, there in (_windows(data.shape, 1, 0), _windows(data.shape, 0, 1)):
            both = (weight[here] > 0) & (weight[there] > 0)
            total += float((data[here] - data[there]).abs()[both].sum())
            noise += float((2.0 / (math.pi * weight[here][both])).sqrt().sum()) * 2.0**0.5
            count += float(both.sum())
        if count:
            found.append(math.sqrt(max(total**2 - noise**2, (0.1 * total) ** 2)) / count / s.op.factor)
    return float(np.median(found)) if found else 0.0

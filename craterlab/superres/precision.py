"""How far a linear estimate is from the truth: 1-sigma per pixel, and how much of its detail the data determine.

For an estimate x' = K y of y = A x + n, with a scene of covariance S and white noise of variance s^2, the error
covariance is

    (I - K A) S (I - K A)^T  +  s^2 K K^T

(the Gauss-Markov error propagation, for any linear K). Its diagonal depends only on the position of the fine pixel
inside the coarse one, so it is computed once per such phase. Terrain is not equally rough everywhere: the first term
is scaled by the local power of the image relative to S, which makes the error map larger where there is structure.

"Detail" is everything shorter than four coarse pixels (more than 0.25 cycles per coarse pixel). `data_share` is the
part of the variance of that detail which the estimate explains, 1 - error variance / variance, both in that band and
at the local power: near 1 where the data determine the detail, near 0 where the estimate is a guess or the noise
drowns it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from craterlab.instruments import Instrument

from .forward import adjoint, dct2, fold, idct2, operator
from .prior import Spectrum, prior_variance
from .solvers import cubic_last, wiener_weights

_CELL = 48  # coarse pixels of the reference cell; filters decay within a few pixels
_DETAIL = 0.25  # cycles per coarse pixel
_BAND = (0.7, 2.0)  # sigmas (coarse pixels) of the difference of Gaussians that measures local power
_SMOOTH = 6.0  # sigma (coarse pixels) of the window in which it is measured
_RANGE = (0.1, 100.0)  # local power relative to the mean of the scene


@dataclass(frozen=True)
class Precision:
    """Error terms per phase, (factor, factor) each; image units squared."""

    noise: torch.Tensor
    model: torch.Tensor  # multiplies the local power
    detail_noise: torch.Tensor
    detail_model: torch.Tensor  # likewise
    detail_prior: torch.Tensor  # likewise
    spectrum: Spectrum
    instrument: Instrument


def precision(factor: int, instrument: Instrument, spectrum: Spectrum, *, linear: str = "wiener") -> Precision:
    """Error terms of a linear estimator.

    Parameters
    ----------
    factor : int
    instrument : Instrument
    spectrum : Spectrum
        Of the scene, with its noise.
    linear : {"wiener", "bicubic"}

    Returns
    -------
    Precision
    """
    op = operator((_CELL, _CELL), factor, instrument, dtype=torch.float64)
    prior = prior_variance(op, spectrum)
    middle = _CELL // 2 * factor
    impulses = torch.zeros(factor, factor, *op.fine_shape, dtype=torch.float64)
    for a in range(factor):
        for b in range(factor):
            impulses[a, b, middle + a, middle + b] = 1.0
    impulses = impulses.flatten(0, 1)
    fy, fx = (torch.arange(n, dtype=torch.float64) * factor / (2.0 * n) for n in op.fine_shape)
    band = (torch.hypot(fy[:, None], fx[None, :]) > _DETAIL).double()
    detail = idct2(band * dct2(impulses))

    transpose: Callable[[torch.Tensor], torch.Tensor]
    if linear == "wiener":
        weights, _ = wiener_weights(op, prior, spectrum.sigma)
        transpose = lambda rows: idct2(fold(op, weights * dct2(rows)))  # noqa: E731
    else:
        # Bicubic is separable: the matrix of one axis is what it makes of unit rows.
        one = cubic_last(torch.eye(_CELL, dtype=torch.float64), factor)
        transpose = lambda rows: one @ rows @ one.mT  # noqa: E731

    def terms(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        back = transpose(rows)
        missed = dct2(rows - adjoint(op, back))
        missed[:, 0, 0] = 0.0  # the mean is taken from the data
        total = (prior * dct2(rows).square()).sum((1, 2))
        noise = spectrum.sigma**2 * back.square().sum((1, 2))
        return tuple(t.reshape(factor, factor).float() for t in (noise, (prior * missed.square()).sum((1, 2)), total))  # type: ignore[return-value]

    noise, model, _ = terms(impulses)
    return Precision(noise, model, *terms(detail), spectrum, instrument)


def detail_band(x: torch.Tensor, factor: int) -> torch.Tensor:
    """What of a fine image (..., f rows, f columns) is shorter than four coarse pixels."""
    fy, fx = (torch.arange(n, device=x.device) * factor / (2.0 * n) for n in x.shape[-2:])
    return idct2((torch.hypot(fy[:, None], fx[None, :]) > _DETAIL).to(x) * dct2(x))


def local_power(y: torch.Tensor, p: Precision, factor: int) -> torch.Tensor:
    """Power of the terrain around each coarse pixel relative to the scene's spectrum, (rows, columns), within 0.1..100.

    Measured as the variance left in a band of the image after the noise's share is taken off.
    """
    rows, cols = y.shape
    fy, fx = (torch.arange(n, dtype=torch.float64) / (2.0 * n) for n in (rows, cols))
    f2 = fy[:, None] ** 2 + fx[None, :] ** 2
    gauss = [torch.exp(-2.0 * (np.pi * s) ** 2 * f2) for s in (*_BAND, _SMOOTH)]
    band = (gauss[0] - gauss[1]).to(y)
    measured = idct2(gauss[2].to(y) * dct2(idct2(band * dct2(y)).square()))
    expected_noise, expected_prior = _band_power(p, factor)
    return ((measured - expected_noise) / max(expected_prior, 1e-30)).clamp_(*_RANGE)


def _band_power(p: Precision, factor: int) -> tuple[float, float]:
    """What noise and a scene of the prior spectrum put into the band."""
    op = operator((_CELL, _CELL), factor, p.instrument, dtype=torch.float64)
    f = torch.arange(_CELL, dtype=torch.float64) / (2.0 * _CELL)
    f2 = f[:, None] ** 2 + f[None, :] ** 2
    band = torch.exp(-2.0 * (np.pi * _BAND[0]) ** 2 * f2) - torch.exp(-2.0 * (np.pi * _BAND[1]) ** 2 * f2)
    scene = fold(op, op.gain.square() * prior_variance(op, p.spectrum))
    scene[0, 0] = 0.0
    return p.spectrum.sigma**2 * float(band.square().mean()), float((band.square() * scene).mean())


def fine_power(y: torch.Tensor, p: Precision, factor: int) -> torch.Tensor:
    """`local_power` at every fine pixel, (f rows, f columns)."""
    power = local_power(y, p, factor)[None, None]
    return torch.nn.functional.interpolate(power, scale_factor=factor, mode="bilinear", align_corners=False)[0, 0]


def maps(y: torch.Tensor, p: Precision, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """1-sigma and data share of every fine pixel of a block.

    Parameters
    ----------
    y : torch.Tensor, (rows, columns)
        The coarse block.
    p : Precision
    factor : int

    Returns
    -------
    std : torch.Tensor, (f rows, f columns)
        Image units.
    data_share : torch.Tensor, (f rows, f columns)
        0..1.
    """
    rows, cols = y.shape
    power = fine_power(y, p, factor)
    noise, model, d_noise, d_model, d_prior = (
        t.to(y).repeat(rows, cols) for t in (p.noise, p.model, p.detail_noise, p.detail_model, p.detail_prior)
    )
    std = (noise + power * model).sqrt_()
    share = 1.0 - (d_noise + power * d_model) / (power * d_prior).clamp_min(1e-30)
    return std, share.clamp_(0.0, 1.0)

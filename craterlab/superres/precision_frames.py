"""How far the estimate from several frames is from the truth, before anything is solved.

As in `craterlab.superres.precision`, but for K frames with known shifts: in the Fourier domain of a periodic cell the
f x f modes that alias together form one small system, M = sum_k a_k^H a_k / sigma_k^2 + S^-1, with a_k the gain of each
mode in frame k times the phase of its shift. M^-1 is the covariance of the error of the linear estimate, which splits
into propagated noise and what the prior leaves open (Gauss-Markov).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from craterlab.instruments import Instrument

from .prior import Spectrum

_CELL = 32  # frame pixels
_DETAIL = 0.25  # cycles per frame pixel, as in `precision`


@dataclass(frozen=True)
class FramesPrecision:
    """Mean error terms of a fine pixel, image units squared, and the degrees of freedom the fit takes."""

    noise: float
    model: float  # multiplies the local power
    detail_noise: float
    detail_model: float  # likewise
    detail_prior: float  # likewise
    left: tuple[float, ...]  # degrees of freedom of the residual per pixel, of each frame


@lru_cache(maxsize=256)
def frames_precision(
    factor: int,
    instrument: Instrument,
    spectrum: Spectrum,
    shifts: tuple[tuple[float, float], ...],
    sigmas: tuple[float, ...],
) -> FramesPrecision:
    """Error terms of the linear estimate from several frames.

    Parameters
    ----------
    factor : int
    instrument : Instrument
    spectrum : Spectrum
        Of the scene; its own sigma is not used.
    shifts : tuple of (float, float)
        (dy, dx) of each frame in its pixels; frames of equal shift bring less noise and no more detail.
    sigmas : tuple of float
        1-sigma noise of each frame.

    Returns
    -------
    FramesPrecision
    """
    # Modes of the fine cell, ordered so that those that alias together lie on the last axis.
    one = np.fft.fftfreq(_CELL * factor, 1.0 / factor).reshape(factor, _CELL).T  # [coarse mode, alias]
    dirichlet = _block_mean(one, factor)
    fy = np.broadcast_to(one[:, None, :, None], (_CELL, _CELL, factor, factor)).reshape(_CELL**2, -1)
    fx = np.broadcast_to(one[None, :, None, :], (_CELL, _CELL, factor, factor)).reshape(_CELL**2, -1)
    pixel = (dirichlet[:, None, :, None] * dirichlet[None, :, None, :]).reshape(_CELL**2, -1)
    f = np.hypot(fy, fx)
    mean = f == 0.0
    prior = spectrum.level * factor**2 * np.where(mean, 1.0, f) ** -spectrum.exponent
    inverse_prior = np.where(mean, 0.0, 1.0 / prior)
    gain = instrument.otf(fy, fx) * pixel / factor
    phase = np.exp(-2j * np.pi * np.stack([fy * dy + fx * dx for dy, dx in shifts]))
    a = gain * phase / np.asarray(sigmas, float)[:, None, None]  # (K, coarse modes, aliases)
    data = np.einsum("kgi,kgj->gij", a.conj(), a)
    covariance = np.linalg.inv(data + np.einsum("gi,ij->gij", inverse_prior, np.eye(factor**2)))
    noise = np.einsum("gij,gjl,gli->gi", covariance, data, covariance).real
    model = np.einsum("gij,gj,gji->gi", covariance, inverse_prior, covariance).real
    used = np.einsum("kgi,gij,kgj->k", a, covariance, a.conj()).real / _CELL**2
    detail = f > _DETAIL
    n = f.size
    return FramesPrecision(
        float(noise.sum() / n),
        float(model.sum() / n),
        float(noise[detail].sum() / n),
        float(model[detail].sum() / n),
        float(prior[detail].sum() / n),
        tuple(np.maximum(1.0 - used, 0.02).tolist()),
    )


def _block_mean(f: np.ndarray, factor: int) -> np.ndarray:
    """Gain of the mean of `factor` neighbouring fine samples at f cycles per frame pixel."""
    angle = np.pi * f / factor
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(f == 0.0, 1.0, np.sin(factor * angle) / (factor * np.sin(angle)))

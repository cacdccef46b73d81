"""How sharp an image really is: the width of the point-spread function that its own power spectrum asks for.

Terrain is close to a power law in spatial frequency, a point-spread function bends that law down, white noise bends it
up again. The three are told apart because terrain is uneven: windows of the image are sorted by roughness into groups,
each with its own power law, while blur and noise are the same in all of them. The model of the ring-averaged
periodogram of group g is

    P_g(f) = sum over aliases |H(f) exp(-2 pi^2 d f^2)|^2 C_g f^-p_g  +  sigma^2

with H the transfer function of the instrument (its pixel included) and d what the square of the PSF's width is off by.
C_g, p_g, sigma and d maximise Whittle's likelihood (Whittle 1953, Ark. Mat. 2, 423); the error of the width is a
jackknife over parts of the image. What is measured is all the blur between the ground and the file: optics, motion,
resampling, compression; terrain smoother than a power law at the scale of a pixel looks like blur too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from craterlab.instruments import Instrument, sigma_from_mtf
from craterlab.tiling import Reader

from .forward import fold, operator
from .prior import power

_SIDE = 64  # pixels of a window
_ALIASES = 4  # sections of the spectrum beyond Nyquist that fold back
_RINGS = 24
_GROUPS = 6
_FOLDS = 8  # parts of the image left out in turn
_MIN_WINDOWS = 9
_MAX_WINDOWS = 600
_WIDTHS = np.arange(0.0, 1.41, 0.05)  # pixels
_EXPONENTS = np.arange(1.0, 5.01, 0.25)
_NOISE = (1.0, 0.9, 0.8, 0.65, 0.5, 0.3, 0.1, 0.01)  # of the power at the highest frequencies of the quietest windows


@dataclass(frozen=True)
class PsfFit:
    """`sigma_px`: Gaussian width of the PSF (pixels, without the pixel aperture) that fits the image; `error_px`: its
    1-sigma, from the image alone; `assumed_px`: width of the instrument's PSF, or of the Gaussian with its MTF at
    Nyquist. NaN where the image is too small or holds no structure."""

    sigma_px: float
    error_px: float
    assumed_px: float


def fit_psf(read: Reader, shape: tuple[int, int], instrument: Instrument) -> PsfFit:
    """Width of the PSF from an image.

    Parameters
    ----------
    read : callable
        Window (row start, stop, column start, stop) -> float32 block, NaN for nodata.
    shape : (int, int)
        Rows and columns of the image.
    instrument : Instrument
        Shape of the transfer function; the fit widens or narrows it.

    Returns
    -------
    PsfFit
        NaN with fewer than nine windows of 64 x 64 pixels without nodata (they overlap by a quarter, so 160 x 160
        pixels suffice), or where nothing but noise is seen.
    """
    assumed = equivalent_width(instrument)
    powers, place = _window_powers(read, shape)
    if len(powers) < _MIN_WINDOWS:
        return PsfFit(math.nan, math.nan, assumed)
    # The model depends on the total width alone where the PSF is Gaussian: one table then serves all instruments.
    log_model = _model(instrument if instrument.psf_sigma_px is None else Instrument("point", psf_sigma_px=0.0))
    width = _best(powers, log_model, np.arange(len(_WIDTHS)))
    near = np.flatnonzero(np.abs(_WIDTHS - width) < 0.26)
    folds = place % _FOLDS
    parts = [_best(powers[folds != k], log_model, near) for k in range(_FOLDS) if (folds == k).any()]
    n = len(parts)
    error = float(np.sqrt((n - 1) / n * np.square(np.array(parts) - np.mean(parts)).sum())) if n > 1 else math.nan
    return PsfFit(width, error, assumed)


def equivalent_width(instrument: Instrument) -> float:
    """Width of the instrument's Gaussian PSF, or of the Gaussian with the same system MTF at Nyquist; pixels."""
    if instrument.psf_sigma_px is not None:
        return float(instrument.psf_sigma_px)
    return sigma_from_mtf(min(max(instrument.mtf_nyquist(), 1e-6), 2.0 / math.pi), instrument.name)


def _window_powers(read: Reader, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Ring-averaged periodogram of each usable window, (n, rings), and a number that spreads them over the folds."""
    from scipy.fft import dctn

    starts = [_starts(n) for n in shape]
    ring, count = _rings()
    used = ring >= 0
    powers, place = [], []
    for i, r in enumerate(starts[0]):
        for j, c in enumerate(starts[1]):
            w = read((r, r + _SIDE, c, c + _SIDE)).astype(float)
            if w.shape != (_SIDE, _SIDE) or not np.isfinite(w).all():
                continue
            modes = np.square(dctn(w - w.mean(), norm="ortho"))
            powers.append(np.bincount(ring[used], modes[used], minlength=_RINGS) / count)
            # Neighbouring windows share pixels: blocks of 2 x 2 stay together.
            place.append((i // 2) * 3 + j // 2)
    return np.array(powers).reshape(-1, _RINGS), np.array(place, int)


def _starts(n: int) -> np.ndarray:
    if n < _SIDE:
        return np.empty(0, int)
    step = 3 * _SIDE // 4
    number = min((n - _SIDE) // step + 1 + ((n - _SIDE) % step > 0), int(_MAX_WINDOWS**0.5))
    return np.linspace(0, n - _SIDE, max(number, 1)).round().astype(int)


@lru_cache(maxsize=1)
def _rings() -> tuple[np.ndarray, np.ndarray]:
    f = np.arange(_SIDE) / (2.0 * _SIDE)
    radius = np.hypot(f[:, None], f[None, :])
    edges = np.geomspace(2.5 / (2.0 * _SIDE), 0.5**0.5, _RINGS + 1)
    ring = np.digitize(radius, edges) - 1
    # Modes along an axis hold striping and the kinks of the mirrored edge.
    ring[(ring >= _RINGS) | (f[:, None] == 0) | (f[None, :] == 0)] = -1
    return ring, np.maximum(np.bincount(ring[ring >= 0], minlength=_RINGS), 1).astype(float)


@lru_cache(maxsize=8)
def _model(instrument: Instrument) -> np.ndarray:
    """log of the ring-averaged model without noise, (widths, exponents, rings)."""
    op = operator((_SIDE, _SIDE), _ALIASES, instrument, dtype=torch.float64)
    f = np.arange(_SIDE * _ALIASES) / (2.0 * _SIDE)
    f2 = f[:, None] ** 2 + f[None, :] ** 2
    gain2 = op.gain.square().numpy()
    powers = [power(op.shape, _ALIASES, p) for p in _EXPONENTS]
    ring, count = _rings()
    used = ring >= 0
    out = np.empty((len(_WIDTHS), len(_EXPONENTS), _RINGS))
    for i, width in enumerate(_WIDTHS):
        excess = width**2 - equivalent_width(instrument) ** 2
        blurred = gain2 * np.exp(np.minimum(-4.0 * math.pi**2 * excess * f2, 60.0))
        for j, terrain in enumerate(powers):
            coarse = fold(op, torch.from_numpy(blurred * terrain)).numpy()
            out[i, j] = np.bincount(ring[used], coarse[used], minlength=_RINGS) / count
    return np.log(np.maximum(out, 1e-300))


def _best(powers: np.ndarray, log_model: np.ndarray, among: np.ndarray) -> float:
    """Most likely width among some of the tabulated ones, interpolated."""
    _, count = _rings()
    widths = _WIDTHS[among]
    order = np.argsort((powers * count)[:, 8:18].sum(1))
    groups = [g for g in np.array_split(order, _GROUPS) if len(g)]
    mean = np.stack([powers[g].mean(0) for g in groups])[:, None, None, :]
    weight = np.array([len(g) for g in groups], float)
    shape = np.exp(log_model[among])[None]
    top = float(mean[0, 0, 0, -4:-1].mean())
    cost = np.full((len(_NOISE), len(widths)), np.inf)
    for k, share in enumerate(_NOISE):
        noise = share * top
        level = np.median(np.maximum(mean - noise, 1e-3 * mean) / shape, axis=-1, keepdims=True)
        for _ in range(8):
            # Fisher scoring of the level, the one linear parameter
            weights = count * np.square(shape / (level * shape + noise))
            level = (weights * (mean - noise) / shape).sum(-1, keepdims=True) / weights.sum(-1, keepdims=True)
            level = np.maximum(level, 1e-12 * mean.max())
        total = level * shape + noise
        misfit = (count * (np.log(total) + mean / total)).sum(-1).min(-1)  # best exponent of each group
        cost[k] = (weight[:, None] * misfit).sum(0)
    best = cost.min(0)
    i = int(np.argmin(best))
    if not 0 < i < len(best) - 1:
        return float(widths[i])
    left, middle, right = best[i - 1 : i + 2]
    bend = left - 2.0 * middle + right
    shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
    return float(widths[i] + (widths[1] - widths[0]) * shift)

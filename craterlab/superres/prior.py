"""What a scene is like before it is sharpened: its noise and its power spectrum, measured once for the scene, never
for a tile.

The model of the periodogram of the coarse image is  P(k) = sum over aliases |A|^2 S + sigma^2  with S(f) = C f^-p:
planetary surfaces are close to a power law over the decades that matter, and white noise is what the law cannot
follow at the highest frequencies. C, p and (unless the instrument gives it) sigma^2 maximise Whittle's likelihood of
the ring-averaged periodogram (Whittle 1953, Ark. Mat. 2, 423).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from craterlab.instruments import Instrument

from .forward import Factor, Operator, dct2, fine_frequencies, fold, operator

WINDOW = 128
_FLOOR_FREQUENCY = (
    1.0 / 512.0
)  # cycles per coarse pixel: the power law is flat below (longer waves are in the data anyway)
_EXPONENTS = np.arange(2.0, 4.01, 0.25)  # flatter than f^-2 is noise, not terrain


@dataclass(frozen=True)
class Spectrum:
    """S(f) = level * f^-exponent, f in cycles per coarse pixel, and the 1-sigma noise of one coarse pixel."""

    level: float
    exponent: float
    sigma: float
    sigma_from: str  # "instrument" or "image"


def power(shape: tuple[int, int], factor: Factor, exponent: float) -> np.ndarray:
    """f^-exponent on the fine DCT grid, for orthonormal coefficients; (f rows, f columns)."""
    fy, fx = fine_frequencies(shape, factor)
    f = np.maximum(np.hypot(fy[:, None], fx[None, :]), _FLOOR_FREQUENCY)
    return float(factor) ** 2 * f**-exponent


def prior_variance(op: Operator, spectrum: Spectrum) -> torch.Tensor:
    """Variance of each fine DCT coefficient of a scene with this spectrum."""
    values = spectrum.level * power(op.shape, op.factor, spectrum.exponent)
    return torch.as_tensor(values, dtype=torch.float64)


def fast_noise_sigma(image: np.ndarray) -> float:
    """Noise of an image from its smallest structure; an upper bound where the terrain is rough at the pixel scale.

    Parameters
    ----------
    image : numpy.ndarray, (rows, columns)
        NaN is nodata.

    Returns
    -------
    float
        1-sigma in image units; NaN when fewer than 16 pixels can be used.

    Notes
    -----
    The second difference of second differences cancels planes and quadratics (Immerkaer 1996, Comput.
    Vis. Image Underst. 64, 300); its median absolute deviation instead of the mean keeps edges and shadows out.
    """
    a = np.asarray(image, float)
    if min(a.shape) < 3:
        return float("nan")
    rows = a[:-2] - 2.0 * a[1:-1] + a[2:]
    both = rows[:, :-2] - 2.0 * rows[:, 1:-1] + rows[:, 2:]
    both = both[np.isfinite(both)]
    if both.size < 16:
        return float("nan")
    return float(1.4826 * np.median(np.abs(both - np.median(both))) / 6.0)


def fit_spectrum(windows: list[np.ndarray], instrument: Instrument, signal: float) -> Spectrum:
    """Spectrum and noise of a scene from windows of it.

    Parameters
    ----------
    windows : list of numpy.ndarray
        All of one shape, finite (nodata filled), image units.
    instrument : Instrument
        Its PSF enters the model; its noise, when given, is used as it is.
    signal : float
        Mean level of the scene in image units, for shot noise.

    Returns
    -------
    Spectrum
        `sigma` is at least 1e-4 of the scene's standard deviation, so that noise-free input stays solvable, and at
        least the rounding noise (1 / sqrt 12) of integer samples when it is measured.
    """
    stack = np.stack([np.asarray(w, float) for w in windows])
    spread = float(np.median(stack.std(axis=(1, 2))))
    tiny = max(1e-4 * spread, 1e-7 * float(np.abs(stack).max()), 1e-30)
    variance = instrument.noise_variance(signal)
    given = None if variance is None else max(variance, 1e-12 * tiny**2)
    fallback = tiny if given is None else given**0.5
    origin = "image" if given is None else "instrument"
    if spread <= 0 or min(stack.shape[1:]) < 12:
        return Spectrum(max(spread, tiny) ** 2 * 1e-2, 2.5, max(fallback, tiny), origin)

    op = operator(stack.shape[1:], 2, instrument, dtype=torch.float64)
    ring, weight = _rings(op.shape)
    centred = torch.as_tensor(stack - stack.mean(axis=(1, 2), keepdims=True))
    observed = _ring_mean(dct2(centred).square().mean(0).numpy(), ring, weight)
    gain2 = op.gain.square()
    model = np.stack(
        [_ring_mean(fold(op, gain2 * torch.as_tensor(power(op.shape, 2, p))).numpy(), ring, weight) for p in _EXPONENTS]
    )
    if not observed.max() > 0:
        return Spectrum(tiny**2, 2.5, max(fallback, tiny), origin)

    lowest = tiny**2
    if given is None:
        rough = np.array([fast_noise_sigma(w) for w in stack])
        upper = max(float(np.quantile(rough, 0.25)) ** 2 * 9.0, lowest * 1.01)
        lowest = max(lowest, upper / 1e3)
        if np.array_equal(stack, np.round(stack)):
            lowest = max(lowest, 1.0 / 12.0)
        upper = max(upper, lowest * 1.01)
    else:
        lowest = upper = given
    level, exponent, noise = _whittle(observed, model, weight, lowest, upper)
    return Spectrum(level, exponent, noise**0.5, origin)


def _rings(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Ring number of each coarse mode (-1: unused) and the number of modes of each ring."""
    fy, fx = (np.arange(n) / (2.0 * n) for n in shape)
    f = np.hypot(fy[:, None], fx[None, :])
    edges = np.geomspace(2.5 / (2.0 * min(shape)) + 1e-9, 0.5**0.5, 25)
    ring = np.digitize(f, edges) - 1
    # Modes along an axis hold striping and the kinks of the mirrored edge.
    ring[(f < edges[0]) | (fy[:, None] == 0) | (fx[None, :] == 0)] = -1
    count = np.bincount(ring[ring >= 0], minlength=25).astype(float)
    return ring, count


def _ring_mean(values: np.ndarray, ring: np.ndarray, count: np.ndarray) -> np.ndarray:
    used = ring >= 0
    return np.bincount(ring[used], values[used], minlength=25) / np.maximum(count, 1.0)


def _whittle(
    observed: np.ndarray, model: np.ndarray, weight: np.ndarray, lowest: float, upper: float
) -> tuple[float, float, float]:
    from scipy.optimize import minimize

    log_model = np.log(np.maximum(model, 1e-300))
    scale = float((observed * weight).sum() / weight.sum())

    def unpack(v: np.ndarray) -> tuple[float, float, float, np.ndarray]:
        exponent = float(np.clip(v[1], _EXPONENTS[0], _EXPONENTS[-1]))
        at = (exponent - _EXPONENTS[0]) / (_EXPONENTS[1] - _EXPONENTS[0])
        low = min(int(at), len(_EXPONENTS) - 2)
        shape = np.exp(log_model[low] + (at - low) * (log_model[low + 1] - log_model[low]))
        noise = float(np.exp(np.clip(v[2], np.log(lowest), np.log(upper))))
        level = float(np.exp(np.clip(v[0], -200, 200)))
        return level, exponent, noise, level * shape + noise

    def cost(v: np.ndarray) -> float:
        mean = unpack(v)[3]
        outside = max(0.0, v[2] - np.log(upper)) + max(0.0, np.log(lowest) - v[2])
        outside += max(0.0, v[1] - _EXPONENTS[-1]) + max(0.0, _EXPONENTS[0] - v[1])
        return float((weight * (np.log(mean) + observed / mean)).sum() / weight.sum()) + 1e-3 * outside

    best = None
    for start in (2.1, 2.6, 3.3):
        shape = np.exp(np.array([np.interp(start, _EXPONENTS, column) for column in log_model.T]))
        level = np.median((observed / np.maximum(shape, 1e-300))[observed > 0])
        found = minimize(
            cost,
            [np.log(max(level, 1e-30 * scale)), start, 0.5 * (np.log(lowest) + np.log(upper))],
            method="Nelder-Mead",
            options={"maxiter": 600, "xatol": 1e-3, "fatol": 1e-7},
        )
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    level, exponent, noise, _ = unpack(best.x)
    return level, exponent, noise

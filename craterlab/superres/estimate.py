"""What an image tells about its camera: the noise as a function of the signal, and the width of the point spread.

Both are estimates from one scene with no target in it, so both come with an error, and both lean on what surfaces
look like: smooth at the pixel scale in most places (noise), and with a spectrum that falls nearly as a power law (point
spread). The figures that describe "what surfaces look like" were set on images of the Moon and Mars averaged down
until their own camera no longer mattered, and on simulated scenes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch

from craterlab.errors import CraterlabError
from craterlab.instruments import Instrument

from .forward import dct2, fine_frequencies, operator, unfold
from .prior import fast_noise_sigma

_BLOCK = 8  # pixels
_FEWEST = 48  # blocks, below which a curve means nothing
_CLIP = 0.5, 2.0  # sigmas of a block's variance above and below which it counts less: texture only adds
_SURE = 3.0  # sigmas the signal-dependent term must be away from 0
_LEAK = 0.010, 0.010  # texture's power in the highest frequencies over that in lower ones, beyond the regression
_LEAK_SLOPE = 0.018, 0.012  # likewise, of the part that follows the brightness

_BAND = 0.1, 0.5**0.5  # cycles per pixel in which the spectrum is compared
_RINGS, _BINS = 22, 160
_PIVOT = 0.15  # cycles per pixel
_SLOPE = 2.0, 0.5  # of brightness spectra at the pivot, mean and scatter from surface to surface
_CURVE = 0.3, 0.5  # likewise, change of the slope per e-folding of frequency
_RIPPLE = 0.07  # 1-sigma of what one ring deviates from such a law
_WIDEST = 2.0  # pixels


@dataclass(frozen=True)
class NoiseCurve:
    """Variance of the noise = read^2 + signal / gain, as `noise_curve` found it.

    Parameters
    ----------
    read, read_error : float
        1-sigma noise at signal 0 in image units, quantisation included, and its error (NaN: too few pixels to say).
    gain, gain_error : float or None
        Electrons per image unit. None: the data do not support a noise that grows with the signal.
    quantisation : float
        The share of `read` that rounding explains, step / sqrt(12); 0 for samples on no common step.
    signal : float
        Mean level of the blocks used, image units.
    sigma, sigma_error : float
        1-sigma noise at that level, known much better than either term.
    """

    read: float
    read_error: float
    gain: float | None
    gain_error: float | None
    quantisation: float
    signal: float
    sigma: float
    sigma_error: float


@dataclass(frozen=True)
class PsfFit:
    """Width of a Gaussian point spread as `fit_psf` found it.

    Parameters
    ----------
    sigma_px, error_px : float
        Standard deviation of the Gaussian in pixels, pixel aperture not included, and its 1-sigma error.
    misfit : float
        Mean squared deviation of the spectrum from the model in units of what is usual: about 0.5 on ordinary images;
        above 3 the image is not what the model describes (resampled, sharpened, compressed, dithered), which the
        error allows for only roughly.
    """

    sigma_px: float
    error_px: float
    misfit: float


def noise_curve(windows: list[np.ndarray]) -> NoiseCurve:
    """Read noise and gain of an image.

    Parameters
    ----------
    windows : list of numpy.ndarray, (rows, columns)
        Parts of one image, all of one shape, finite (nodata filled), image units.

    Returns
    -------
    NoiseCurve
        From fewer than 48 usable blocks of 8 x 8 pixels: no curve, `read` from `prior.fast_noise_sigma`, errors NaN.

    Notes
    -----
    Photon transfer without a flat field, in the spirit of Foi et al. 2008 (IEEE Trans. Image Process. 17, 1737): the
    variance of the highest spatial frequencies of 8 x 8 blocks is regressed on their mean level. In place of a
    segmentation, the smoother half of the blocks at each level is used, chosen by lower frequencies, which share no
    noise with the measured ones, so that the choice does not bias the variance; what texture leaks into the highest
    frequencies is a third term of the regression. Blocks with clipped pixels are left out. Signal is counted from
    image value 0: the offset of a stretched image goes into the read noise, which is then held at the rounding noise or
    above.

    The texture of real surfaces is uneven and leaks more than a linear term can take: another 0.010 +- 0.010 of its
    power (0.018 +- 0.012 of the part that follows the brightness), the mean and scatter found on the surfaces named at
    the top of this file. Where terrain is rough and noise low, that is most of the error.
    """
    stack = np.stack([np.asarray(w, float) for w in windows])
    floor = _step(stack) ** 2 / 12.0
    level, high, low = _block_statistics(stack)
    if level.size < _FEWEST:
        rough = [fast_noise_sigma(w) for w in stack]
        rough = [r for r in rough if np.isfinite(r)]
        read = max(float(np.median(rough)) if rough else 0.0, floor**0.5)
        return NoiseCurve(read, np.nan, None, None, floor**0.5, float(stack.mean()), read, np.nan)

    use = _smoother_half(level, low)
    level, high, low = level[use], high[use] / _clip_bias(), low[use]
    middle, floor = float(level.mean()), max(floor, 1e-12 * float(np.abs(stack).max()) ** 2)
    (total, total_error), (slope, slope_error) = _noise_terms(level, high, low)
    sigma = max(total, floor) ** 0.5
    sigma_error = _root_error(sigma**2, total_error)
    rounding = _step(stack) / 12**0.5
    flat = NoiseCurve(sigma, sigma_error, None, None, rounding, middle, sigma, sigma_error)
    if not slope > _SURE * slope_error:
        return flat
    at_zero, zero_error = total - slope * middle, float(np.hypot(total_error, slope_error * middle))
    if at_zero < floor and middle > 0:
        at_zero, slope = floor, (total - floor) / middle
        if not slope > 0:  # all there is to see is the rounding
            return flat
    read_error, gain_error = _root_error(at_zero, zero_error), slope_error / slope**2
    return NoiseCurve(at_zero**0.5, read_error, 1.0 / slope, gain_error, rounding, middle, sigma, sigma_error)


def fit_psf(windows: list[np.ndarray], instrument: Instrument) -> PsfFit:
    """Width of the Gaussian point spread of an image.

    Parameters
    ----------
    windows : list of numpy.ndarray, (rows, columns)
        Parts of one image, all of one shape of at least 32 x 32, finite (nodata filled), image units.
    instrument : Instrument
        Its noise is used when it gives one; its point spread is not.

    Returns
    -------
    PsfFit

    Raises
    ------
    CraterlabError
        Windows too small; no structure to measure; a point spread beyond 2 pixels.

    Notes
    -----
    The spectrum of the image, between 0.1 and 0.7 cycles per pixel and averaged over rings, is compared with
    (Gaussian x pixel sinc)^2 x surface, folded by sampling, plus white noise. The surface is a power law with a
    slope and a curvature that are free within the scatter found from surface to surface: a steeper surface and a
    wider point spread look alike, and that scatter, not the number of pixels, sets the error. `sigma_px` and
    `error_px` are mean and standard deviation of the profile likelihood over the width. In the mean over scenes the
    truth lies within one error about two times out of three; it does less often where noise hides the highest
    frequencies or the surface is steeper than f^-3.

    The width is that of everything between the surface and the pixel, interpolation of a resampled product included.
    """
    from scipy.optimize import least_squares

    stack = np.stack([np.asarray(w, float) for w in windows])
    rows, cols = (n - n % 2 for n in stack.shape[1:])
    if min(rows, cols) < 32:
        raise CraterlabError(
            f"The PSF needs an image of at least 32 x 32 pixels to be measured, not {stack.shape[1]} x "
            f"{stack.shape[2]}; leave fit_psf=False or pass instrument=Instrument(name, psf_sigma_px=...)."
        )
    stack = stack[:, :rows, :cols]
    ring, count, collect, frequency = _fold_table((rows, cols))
    observed = _ring_power(stack, ring, count)
    if not observed.min() > 1e-14 * float(np.abs(stack).max()) ** 2:
        raise CraterlabError(
            "The PSF cannot be measured in an image without structure (constant, or empty at high frequencies); "
            "leave fit_psf=False or pass instrument=Instrument(name, psf_sigma_px=...)."
        )
    target, error = np.log(observed), np.sqrt(2.0 / (count * len(stack)) + _RIPPLE**2)
    away = np.log(frequency / _PIVOT)
    variance = instrument.noise_variance(float(stack.mean()))
    # Unknown noise is somewhere below the weakest ring.
    noise = (np.log(observed.min()) - 1.5, 2.0) if variance is None else (np.log(variance), 0.02)

    def residual(v: np.ndarray, passed: np.ndarray) -> np.ndarray:
        surface = np.exp(v[0] - v[1] * away - 0.5 * v[2] * away**2)
        model = collect @ (surface * passed) + np.exp(min(v[3], 300.0))
        rest = (v[1] - _SLOPE[0]) / _SLOPE[1], (v[2] - _CURVE[0]) / _CURVE[1], (v[3] - noise[0]) / noise[1]
        return np.r_[(np.log(np.maximum(model, 1e-300)) - target) / error, rest]

    def profile(widths: np.ndarray) -> np.ndarray:
        v = np.array([target[0], _SLOPE[0], _CURVE[0], noise[0]])
        out = []
        for width in widths:
            found = least_squares(residual, v, method="lm", args=(np.exp(-((2 * np.pi * width * frequency) ** 2)),))
            v = found.x  # the next width starts where this one ended
            out.append(2.0 * found.cost)
        return np.array(out)

    widths = np.linspace(0.0, _WIDEST, 21)
    cost = profile(widths)
    best = float(widths[cost.argmin()])
    misfit = float(cost.min()) / _RINGS
    if best > 0.95 * _WIDEST:
        raise CraterlabError(
            f"The image is blurred by more than {_WIDEST:g} pixels (1-sigma), more than can be measured; it holds no "
            "detail at its own pixel size: average it down by 2 or more first."
        )
    fine = np.linspace(max(best - 0.3, 0.0), min(best + 0.3, _WIDEST), 41)
    widths, cost = np.r_[widths, fine], np.r_[cost, profile(fine)]
    widths, order = np.unique(widths, return_index=True)
    likely = np.exp(-0.5 * (cost[order] - cost.min()) / max(1.0, misfit))
    mean, square = (np.trapezoid(likely * widths**k, widths) / np.trapezoid(likely, widths) for k in (1, 2))
    return PsfFit(float(mean), float(max(square - mean**2, 1e-6) ** 0.5), misfit)


def _step(stack: np.ndarray) -> float:
    """Common step of quantised samples in image units; 0 when there is none."""
    values = np.unique(stack)
    if values.size < 2 or values.size > stack.size / 4:
        return 0.0
    step = float(np.diff(values).min())
    whole = (values - values[0]) / step
    exact = float(np.abs(whole - np.round(whole)).max()) < 1e-2 + 1e-6 * float(np.abs(values).max()) / step
    return step if exact else 0.0


def _block_statistics(stack: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean level, power of the highest and of lower frequencies, of each block without clipped pixels."""
    from scipy.fft import dctn
    from scipy.ndimage import uniform_filter

    n, rows, cols = (stack.shape[0], *(m // _BLOCK for m in stack.shape[1:]))
    blocks = stack[:, : rows * _BLOCK, : cols * _BLOCK].reshape(n, rows, _BLOCK, cols, _BLOCK).swapaxes(2, 3)
    modes = dctn(blocks, axes=(-2, -1), norm="ortho")
    high, low = (np.square(modes[..., mask]).mean(-1) for mask in _masks())
    # One block's power is a poor measure of texture; that of its surroundings is a better one.
    low = uniform_filter(low, (0, 3, 3), mode="nearest")
    clipped = ((blocks == stack.min()) | (blocks == stack.max())).mean((-2, -1)) > 0.05
    return modes[..., 0, 0][~clipped] / _BLOCK, high[~clipped], low[~clipped]


def _masks() -> tuple[np.ndarray, np.ndarray]:
    """Highest and lower modes of a block; without the axes, which hold striping."""
    u, v = np.mgrid[:_BLOCK, :_BLOCK]
    radius, inside = np.hypot(u, v), (u > 0) & (v > 0)
    return inside & (radius >= 7.6), inside & (radius >= 3.0) & (radius < 5.0)


def _smoother_half(level: np.ndarray, low: np.ndarray) -> np.ndarray:
    use = np.zeros(level.size, bool)
    for part in np.array_split(np.argsort(level, kind="stable"), 12):
        use[part[low[part] <= np.median(low[part])]] = True
    return use


def _weights(ratio: np.ndarray) -> np.ndarray:
    """Huber's weights of variances relative to what is expected, stricter upwards."""
    z = (ratio - 1.0) / (2.0 / _masks()[0].sum()) ** 0.5
    return np.minimum(1.0, np.where(z > 0, _CLIP[0], _CLIP[1]) / np.maximum(np.abs(z), 1e-9))


def _clip_bias() -> float:
    """What the weights make of the mean of pure noise, whose block variances follow a chi-square law."""
    from scipy.stats import chi2

    n = int(_masks()[0].sum())
    values = chi2.ppf((np.arange(2000) + 0.5) / 2000, n) / n
    mean = 1.0
    for _ in range(30):
        w = _weights(values / mean)
        mean = float((w * values).sum() / w.sum())
    return mean


def _regress(terms: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Robust fit values ~ terms @ x for values whose scatter is proportional to their mean; x and its covariance."""
    scale = np.abs(terms).max(0)
    kept = scale > 0
    design = terms[:, kept] / scale[kept]
    typical = max(float(np.median(values)), 1e-300)
    fitted = np.full(values.size, typical)
    for _ in range(30):
        w = _weights(values / fitted) / (fitted / typical) ** 2
        inverse = np.linalg.pinv((design * w[:, None]).T @ design)
        x = inverse @ (design * w[:, None]).T @ values
        fitted = np.maximum(design @ x, 1e-2 * typical)
    scores = design * (w * (values - design @ x))[:, None]
    out, covariance = np.zeros(terms.shape[1]), np.zeros((terms.shape[1],) * 2)
    out[kept] = x / scale[kept]
    covariance[np.ix_(kept, kept)] = inverse @ (scores.T @ scores) @ inverse / np.outer(scale[kept], scale[kept])
    return out, covariance


def _noise_terms(
    level: np.ndarray, high: np.ndarray, low: np.ndarray
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Noise variance at the mean level and its change with the level, each with its error."""
    centred = level - level.mean()
    one = np.ones_like(level)
    terms, covariance = _regress(np.stack([one, centred, low], 1), high)
    if terms[2] < 0:  # texture cannot take noise away
        terms, covariance = _regress(np.stack([one, centred, 0.0 * low], 1), high)
    # The lower frequencies hold the noise too, and the texture term took its share of it.
    kept = 1.0 - min(max(float(terms[2]), 0.0), 0.8)
    total, slope = max(float(terms[0]), 0.0) / kept, float(terms[1]) / kept
    errors = np.sqrt(np.diag(covariance)) / kept
    # Texture differs from place to place, and so does what it leaks; where it is brighter it passes for shot noise.
    texture = max(float(low.mean()) - total, 0.0)
    follows = float((centred * low).mean()) / max(float(centred.var()), 1e-30) - slope
    return (
        (max(total - _LEAK[0] * texture, 0.25 * total), float(np.hypot(errors[0], _LEAK[1] * texture))),
        (slope - _LEAK_SLOPE[0] * follows, float(np.hypot(errors[1], _LEAK_SLOPE[1] * follows))),
    )


def _root_error(square: float, error: float) -> float:
    """1-sigma of a root, finite at 0 too."""
    return float((max(square, 0.0) + error) ** 0.5 - max(square, 0.0) ** 0.5)


def _fold_table(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How a radial spectrum reaches the rings of the image: ring of each mode (-1: unused), modes per ring, matrix
    (rings, bins) with pixel integration and aliasing, frequency of each bin."""
    factor = Fraction(5, 2)  # aliases from beyond 1.25 cycles per pixel are nothing behind pixel and power law
    op = operator(shape, factor, Instrument("pixel", psf_sigma_px=0.0), dtype=torch.float64)
    cy, cx = (np.arange(n) / (2.0 * n) for n in shape)
    edges = np.linspace(_BAND[0] ** 0.5, _BAND[1] ** 0.5, _RINGS + 1) ** 2
    ring = np.digitize(np.hypot(cy[:, None], cx[None, :]), edges) - 1
    ring[(ring >= _RINGS) | (cy[:, None] == 0) | (cx[None, :] == 0)] = -1  # axes hold striping and mirrored edges
    count = np.bincount(ring[ring >= 0], minlength=_RINGS).astype(float)
    fy, fx = fine_frequencies(shape, factor)
    f = np.hypot(fy[:, None], fx[None, :])
    bins = np.geomspace(0.9 * _BAND[0], 1.001 * float(f.max()), _BINS + 1)
    place = np.clip(np.digitize(f, bins) - 1, 0, _BINS - 1)
    reached = unfold(op, torch.as_tensor(ring + 1.0, dtype=torch.float64)).numpy().astype(int) - 1
    passed = op.gain.numpy() ** 2 * float(factor) ** 2
    use = reached >= 0
    matrix = np.bincount(reached[use] * _BINS + place[use], passed[use], minlength=_RINGS * _BINS)
    return ring, count, matrix.reshape(_RINGS, _BINS) / np.maximum(count, 1.0)[:, None], np.sqrt(bins[1:] * bins[:-1])


def _ring_power(stack: np.ndarray, ring: np.ndarray, count: np.ndarray) -> np.ndarray:
    power = dct2(torch.as_tensor(stack - stack.mean(axis=(1, 2), keepdims=True))).square().mean(0).numpy()
    return np.bincount(ring[ring >= 0], power[ring >= 0], minlength=_RINGS) / np.maximum(count, 1.0)

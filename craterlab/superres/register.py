"""Where each frame lies on the first one, to a few hundredths of a pixel, and whether it belongs there.

Frames are compared through a band-pass that leaves out the brightness level, slow trends and the highest frequencies,
which are noise and aliases that do not move with the ground. The whole-pixel shift is the maximum of the correlation
coefficient over the overlap, by FFT with masks (Padfield 2012, IEEE Trans. Image Process. 21, 2706); the rest is found
by iterated least squares on the gradients (Lucas & Kanade 1981, IJCAI), brightness scale fitted along.

Shifts are (dy, dx) in pixels: what the first frame shows at r, the frame shows at r + shift. NaN is nodata: it takes
part nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .prior import fast_noise_sigma

_BAND = (1.0, 3.0)  # sigmas (pixels) of the difference of Gaussians
_MARGIN = 4  # pixels at the edges, where the smoothing sees the mirror image, which does not move with the ground
_LEAST_SIDE = 20  # pixels a frame needs to be registered at all
_LEAST_PIXELS = 100  # of the overlap
_LEAST_OVERLAP = 0.25  # of the smaller frame's valid pixels
_FARTHEST = 1.0 / 3.0  # of the frame's sides
_LEAST_CORRELATION = 0.35
_OF_EXPECTED = 0.6  # of the correlation that the noise leaves to two frames of one place
_WORST_ERROR = 0.25  # pixels
_DISTORTION = 0.35  # pixels, at the corners
_BLOCK = 16  # side (pixels) of the blocks whose scatter gives the error


@dataclass(frozen=True)
class Registration:
    """Place and brightness of one frame relative to the first: frame(r + shift) = gain * first(r) + offset."""

    shift_px: tuple[float, float]  # (dy, dx)
    error_px: float  # 1-sigma of one axis
    correlation: float  # of the band-passed frames over their overlap, registered; NaN where none could be measured
    accepted: bool
    reason: str = ""  # why not accepted
    gain: float = 1.0
    offset: float = 0.0


IDENTITY = Registration((0.0, 0.0), 0.0, 1.0, True)


def register(
    first: np.ndarray, frame: np.ndarray, near: tuple[int, int] | None = None, reach: int | None = None
) -> Registration:
    """Register one frame on the first.

    Parameters
    ----------
    first, frame : numpy.ndarray, (rows, columns)
        They may differ in size; NaN is nodata.
    near : (int, int), optional
        A shift known beforehand, such as from georeferences; the limit of a third of the frame counts from there.
    reach : int, optional
        Pixels around `near` to look in; default half the frame.

    Returns
    -------
    Registration
        Of a frame that is not accepted too; its `shift_px` is NaN where nothing could be compared.
    """
    if min(*first.shape, *frame.shape) < _LEAST_SIDE:
        return _refused(f"smaller than {_LEAST_SIDE} x {_LEAST_SIDE} pixels")
    a, b = _band_pass(first), _band_pass(frame)
    if not np.isfinite(b).any():
        return _refused("without data")
    if not np.nanmax(np.abs(b)) > 0 or not np.isfinite(a).any() or not np.nanmax(np.abs(a)) > 0:
        return _refused("without structure: a constant image has no place")
    start = near or (0, 0)
    whole = _whole_shift(a, b, start, reach)
    if whole is None:
        return _refused(f"less than {_LEAST_OVERLAP:.0%} of it overlaps with the first frame", 0.0)
    fit = _refine(a, b, whole)
    if fit is None:
        return _refused("the overlap with the first frame is too small", 0.0)
    shift, error, correlation, bend = fit
    gain, offset = _brightness(first, frame, shift)
    expected = _expected_correlation(first, a) * _expected_correlation(frame, b)
    limit = max(_LEAST_CORRELATION, _OF_EXPECTED * expected**0.5)
    moved = [abs(s - n) for s, n in zip(shift, start, strict=True)]
    reason = ""
    if correlation < limit or error > _WORST_ERROR or gain <= 0:
        reason = (
            f"it agrees with the first frame to a correlation of only {max(correlation, 0.0):.2f} "
            f"(wanted: {limit:.2f}): another place, another light, turned, or nothing but noise"
        )
    elif any(m > _FARTHEST * n for m, n in zip(moved, first.shape, strict=True)):
        reason = f"shifted by ({shift[0]:.1f}, {shift[1]:.1f}) pixels, more than a third of the first frame"
    elif bend > _DISTORTION:
        reason = f"turned, stretched or distorted against the first frame by {bend:.1f} pixels at the corners"
    return Registration(shift, error, correlation, not reason, reason, gain, offset)


def _refused(reason: str, correlation: float = np.nan) -> Registration:
    return Registration((np.nan, np.nan), np.nan, correlation, False, reason)


def _smooth(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing of the valid pixels alone; NaN where most of the weight is nodata."""
    from scipy.ndimage import gaussian_filter

    there = np.isfinite(image)
    if there.all():
        return gaussian_filter(image.astype(np.float64), sigma, mode="reflect")
    weight = gaussian_filter(there.astype(np.float64), sigma, mode="reflect")
    total = gaussian_filter(np.where(there, image, 0.0).astype(np.float64), sigma, mode="reflect")
    return np.where(weight > 0.5, total / np.maximum(weight, 1e-9), np.nan)


def _band_pass(image: np.ndarray) -> np.ndarray:
    """Difference of Gaussians, NaN at nodata and within 2 pixels of it, where smoothing leans to one side, and at the
    edges."""
    from scipy.ndimage import binary_dilation

    there = np.isfinite(image)
    if not there.any():
        return np.full(image.shape, np.nan)
    centred = image - np.mean(image[there], dtype=np.float64)
    out = _smooth(centred, _BAND[0]) - _smooth(centred, _BAND[1])
    if not there.all():
        out[binary_dilation(~there, iterations=2)] = np.nan
    inner = np.full_like(out, np.nan)
    here = (slice(_MARGIN, -_MARGIN),) * 2
    inner[here] = out[here]
    return inner


def _whole_shift(a: np.ndarray, b: np.ndarray, near: tuple[int, int], reach: int | None) -> tuple[int, int] | None:
    """Whole-pixel shift of best correlation coefficient over the overlap; None where nothing overlaps enough."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    size = tuple(next_fast_len(n + m - 1, real=True) for n, m in zip(a.shape, b.shape, strict=True))
    mask_a, mask_b = np.isfinite(a), np.isfinite(b)
    a, b = np.where(mask_a, a, 0.0), np.where(mask_b, b, 0.0)
    fa, fa2, fma = (rfft2(v, size).conj() for v in (a, a**2, mask_a.astype(float)))
    fb, fb2, fmb = (rfft2(v, size) for v in (b, b**2, mask_b.astype(float)))
    product, energy_a, energy_b, overlap = (irfft2(v, size) for v in (fa * fb, fa2 * fmb, fma * fb2, fma * fmb))
    energy = energy_a * energy_b
    least = _LEAST_OVERLAP * min(mask_a.sum(), mask_b.sum())
    usable = (overlap >= max(least, _LEAST_PIXELS)) & (energy > 1e-9 * energy.max())
    distances = []
    for axis, (n, m) in enumerate(zip(a.shape, b.shape, strict=True)):
        lag = np.arange(size[axis])
        lag = np.where(lag < m, lag, lag - size[axis])
        distances.append(np.abs(lag - near[axis]))
        farthest = reach if reach is not None else max(n, m) // 2
        keep = distances[-1] <= farthest
        usable &= keep[:, None] if axis == 0 else keep[None, :]
    if not usable.any():
        return None
    score = np.where(usable, product / np.sqrt(np.maximum(energy, 1e-300)), -np.inf)
    best = np.unravel_index(int(score.argmax()), score.shape)
    dy, dx = (int(i) if i < m else int(i) - s for i, m, s in zip(best, b.shape, size, strict=True))
    return dy, dx


def _overlap(a: np.ndarray, b: np.ndarray, shift: tuple[float, float]) -> tuple[np.ndarray, np.ndarray] | None:
    """The common part of both images, b sampled where a's pixels lie on it; NaN where either has no data."""
    from scipy.ndimage import map_coordinates

    (r0, r1), (c0, c1) = (
        (max(0, int(np.ceil(-s))), min(n, int(np.floor(m - 1 - s)) + 1))
        for s, n, m in zip(shift, a.shape, b.shape, strict=True)
    )
    if r1 - r0 < 3 or c1 - c0 < 3:
        return None
    rows = np.arange(r0, r1) + shift[0]
    cols = np.arange(c0, c1) + shift[1]
    at = np.broadcast_arrays(rows[:, None], cols[None, :])
    hole = ~np.isfinite(b)
    moved = map_coordinates(np.where(hole, 0.0, b), at, order=5, mode="mirror")
    if hole.any():
        moved[map_coordinates(hole.astype(np.float32), at, order=1, mode="nearest") > 1e-3] = np.nan
    return a[r0:r1, c0:c1], moved


def _refine(
    a: np.ndarray, b: np.ndarray, start: tuple[int, int]
) -> tuple[tuple[float, float], float, float, float] | None:
    """Shift, its 1-sigma error, correlation, and the displacement at the corners that an affine fit finds on top."""
    shift = np.array(start, float)
    for _ in range(12):
        pair = _overlap(a, b, (float(shift[0]), float(shift[1])))
        if pair is None:
            return None
        here, there = pair
        slopes = np.stack(np.gradient(0.5 * (here + there)))
        use = np.isfinite(slopes).all(0) & np.isfinite(here) & np.isfinite(there)
        if use.sum() < _LEAST_PIXELS:
            return None
        columns = np.stack([here[use], *(-s[use] for s in slopes)], 1)
        step = np.linalg.lstsq(columns, there[use], rcond=None)[0][1:]
        step *= min(1.0, 0.7 / max(float(np.abs(step).max()), 1e-12))
        shift += step
        if np.abs(shift - start).max() > 1.5:  # left the peak: no agreement there
            break
        if np.abs(step).max() < 1e-4:
            break
    norm = float(np.sqrt((here[use] ** 2).sum() * (there[use] ** 2).sum()))
    correlation = float((here[use] * there[use]).sum()) / norm if norm > 0 else 0.0
    scale = float((there[use] ** 2).sum() / max((here[use] ** 2).sum(), 1e-300)) ** 0.5
    residual = np.where(use, there - scale * here, 0.0)
    slopes = np.where(use, slopes, 0.0)
    # Noise makes slopes look steeper than the ground's; the correlation is the ground's share.
    error = _shift_error(residual, slopes) / max(correlation, 0.1)
    return (float(shift[0]), float(shift[1])), error, correlation, _corner_motion(residual, slopes)


def _shift_error(residual: np.ndarray, slopes: np.ndarray) -> float:
    """1-sigma of the shift from the scatter of the normal equations between blocks, which holds for residuals that
    are correlated from pixel to pixel (the sandwich estimate)."""
    rows, cols = (n // _BLOCK * _BLOCK for n in residual.shape)
    if rows < 2 * _BLOCK or cols < 2 * _BLOCK:
        rows, cols, side = residual.shape[0], residual.shape[1], 1
    else:
        side = _BLOCK
    score = (slopes * residual)[:, :rows, :cols].reshape(2, rows // side, side, cols // side, side).sum((2, 4))
    score = score.reshape(2, -1)
    bread = np.linalg.pinv(np.einsum("iyx,jyx->ij", slopes, slopes))
    covariance = bread @ (score @ score.T) @ bread
    return float(np.sqrt(max(np.trace(covariance) / 2.0, 0.0)))


def _corner_motion(residual: np.ndarray, slopes: np.ndarray) -> float:
    """Largest displacement at the corners of the affine motion that is still in the residual, pixels; 0 where it is
    not above its error."""
    rows, cols = residual.shape
    y, x = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, cols)[None, :]
    columns = np.stack([s * t for s in slopes for t in (np.ones_like(residual), y * np.ones_like(x), x + 0 * y)])
    columns = columns.reshape(6, -1)
    inverse = np.linalg.pinv(columns @ columns.T)
    p = -inverse @ (columns @ residual.ravel())
    corners = np.array([[1.0, i, j] for i in (-1, 1) for j in (-1, 1)])
    corners[:, 0] = 0.0  # the shift itself is not a distortion
    motion = np.hypot(corners @ p[:3], corners @ p[3:])
    # Residuals of a band-passed image are alike over about 4 pi sigma^2 pixels.
    variance = float(residual.var()) * 4 * np.pi * _BAND[0] ** 2
    error = float(np.sqrt(variance * (inverse[1, 1] + inverse[2, 2] + inverse[4, 4] + inverse[5, 5])))
    return float(motion.max()) if motion.max() > 3.0 * error else 0.0


def _brightness(first: np.ndarray, frame: np.ndarray, shift: tuple[float, float]) -> tuple[float, float]:
    """Gain and offset of the frame: the reduced major axis of the smoothed pair, on which noise in either has little
    weight."""
    pair = _overlap(_smooth(first, 2.0), _smooth(frame, 2.0), shift)
    if pair is None:
        return 1.0, 0.0
    a, b = pair
    use = np.isfinite(a) & np.isfinite(b)
    a, b = a[use], b[use]
    if a.size < 2 or not a.std() > 0:
        return 1.0, 0.0
    gain = float(b.std() / a.std()) * float(np.sign(np.mean((a - a.mean()) * (b - b.mean()))))
    return gain, float(b.mean() - gain * a.mean())


def _expected_correlation(image: np.ndarray, band: np.ndarray) -> float:
    """Share of the band-passed variance that is not noise, 0..1, where the noise is an upper bound."""
    variance = float(np.nanvar(band))
    noise = fast_noise_sigma(image)
    if not variance > 0 or not np.isfinite(noise):
        return 0.0
    return float(np.clip(1.0 - noise**2 * _band_share() / variance, 0.0, 1.0))


@lru_cache(maxsize=1)
def _band_share() -> float:
    """What the band-pass leaves of the variance of white noise."""
    f = np.fft.fftfreq(128)
    f2 = f[:, None] ** 2 + f[None, :] ** 2
    low, high = (np.exp(-2.0 * (np.pi * s) ** 2 * f2) for s in _BAND)
    return float(np.mean((low - high) ** 2))

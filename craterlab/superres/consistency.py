"""The data term in closed form: the proximal step towards the observation, and the projection onto the images that
agree with it.

Modes of the fine image that alias together meet in one coarse mode, so A A^T is diagonal in the coarse DCT and every
step below costs one transform there and back (the reflective-edge form of Zhao et al. 2016, IEEE Trans. Image Process.
25, 3683).
"""

from __future__ import annotations

import torch

from craterlab.instruments import Instrument

from .forward import Operator, dct2, fold, forward, idct2, unfold


def proximal(op: Operator, y: torch.Tensor, x: torch.Tensor, alpha: float) -> torch.Tensor:
    """argmin over z of |A z - y|^2 + alpha |z - x|^2, exact.

    Parameters
    ----------
    op : Operator
    y : torch.Tensor, (rows, columns)
    x : torch.Tensor, (f rows, f columns)
    alpha : float
        > 0: the variance of the noise over that of x's error.

    Returns
    -------
    torch.Tensor, (f rows, f columns)
    """
    seen = fold(op, op.gain.square())
    fine = dct2(x)
    lacks = (dct2(y) - fold(op, op.gain * fine)) / (seen + alpha)
    return idct2(fine + op.gain * unfold(op, lacks))


def proximal_weighted(
    op: Operator, y: torch.Tensor, x: torch.Tensor, alpha: float, relative: torch.Tensor, iterations: int = 12
) -> torch.Tensor:
    """As `proximal` where the noise differs from pixel to pixel: argmin of sum (A z - y)^2 / relative
    + alpha |z - x|^2.

    Parameters
    ----------
    relative : torch.Tensor, (rows, columns)
        Variance of the noise over its mean, > 0.

    Notes
    -----
    z = x + A^T (A A^T + alpha diag(relative))^-1 (y - A x); the small system is solved by conjugate gradients
    (Hestenes & Stiefel 1952), preconditioned with its inverse at even noise.
    """
    seen = fold(op, op.gain.square())
    ready = 1.0 / (seen + alpha)
    residual = y - forward(op, x)
    v = torch.zeros_like(residual)
    s = idct2(ready * dct2(residual))
    p, rs = s, (residual * s).sum()
    for _ in range(iterations):
        if not rs > 0:
            break
        ap = idct2(seen * dct2(p)) + alpha * relative * p
        step = rs / (p * ap).sum()
        v = v + step * p
        residual = residual - step * ap
        s = idct2(ready * dct2(residual))
        fresh = (residual * s).sum()
        p = s + fresh / rs * p
        rs = fresh
    return x + idct2(op.gain * unfold(op, dct2(v)))


def project(op: Operator, y: torch.Tensor, x: torch.Tensor, sigma: float) -> torch.Tensor:
    """The image nearest to x whose re-observation misses y by no more than the noise: mean (A z - y)^2 <= sigma^2.

    Returns
    -------
    torch.Tensor, (f rows, f columns)
        x itself when it already agrees.

    Notes
    -----
    The nearest image is `proximal` at the alpha that puts it on the boundary; the residual falls
    monotonically with 1/alpha, so bisection finds it.
    """
    seen = fold(op, op.gain.square())
    fine = dct2(x)
    misses = dct2(y) - fold(op, op.gain * fine)
    limit = sigma**2 * y.numel()
    if not float(misses.square().sum()) > limit:
        return x
    low, high = 1e-8, 1e4
    for _ in range(50):
        alpha = (low * high) ** 0.5
        left = float((misses * (alpha / (seen + alpha))).square().sum())
        low, high = (low, alpha) if left > limit else (alpha, high)
    return idct2(fine + op.gain * unfold(op, misses / (seen + low)))


def noise_ratio(signal: torch.Tensor, camera: Instrument, mean: float) -> torch.Tensor | None:
    """Variance of the noise of each pixel over that at the mean level, (rows, columns); None without shot noise.

    The signal is smoothed first: shot noise follows the light that was there, not the count that was read.
    """
    if camera.gain is None or camera.noise_sigma is None:
        return None
    from scipy.ndimage import gaussian_filter

    level = torch.from_numpy(gaussian_filter(signal.cpu().numpy(), 1.0, mode="reflect")).to(signal)
    at_mean = camera.noise_sigma**2 + max(mean, 0.0) / camera.gain
    return (camera.noise_sigma**2 + level.clamp_min(0.0) / camera.gain) / at_mean

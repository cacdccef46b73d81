"""Solvers of y = A x + n on one block: bicubic (no physics, the yardstick), Wiener (closed form), total variation
(ADMM).

All take a centred block (the scene's mean level subtracted) as a torch tensor and give the fine block in the same unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from .forward import Factor, Operator, dct2, fold, idct2, unfold


def bicubic(y: torch.Tensor, factor: Factor) -> torch.Tensor:
    """Keys' cubic convolution (a = -1/2; Keys 1981, IEEE Trans. ASSP 29, 1153), reflective edges.

    Parameters
    ----------
    y : torch.Tensor, (rows, columns)
    factor : int or fractions.Fraction
        Of a fraction p/q, rows and columns are multiples of q.

    Returns
    -------
    torch.Tensor, (factor * rows, factor * columns)
        Values at the centres of the fine pixels.
    """
    return cubic_last(cubic_last(y, factor).mT, factor).mT.contiguous()


def cubic_last(y: torch.Tensor, factor: Factor) -> torch.Tensor:
    """`bicubic` along the last axis only."""
    n = y.shape[-1]
    # p fine pixels span q coarse ones, and then the weights repeat.
    p, q = factor.numerator, factor.denominator
    # A short row is mirrored as often as three pixels of margin need.
    at = torch.arange(-3, n + 3)
    period = at.remainder(2 * n)
    padded = y[..., torch.minimum(period, 2 * n - 1 - period)]
    out = y.new_empty(*y.shape[:-1], n // q, p)
    for phase in range(p):
        shift = (phase + 0.5) * q / p - 0.5
        first = math.floor(shift) - 1
        total = torch.zeros_like(out[..., 0])
        for tap in range(first, first + 4):
            if weight := _keys(shift - tap):
                total += weight * padded[..., 3 + tap : 3 + tap + n : q]
        out[..., phase] = total
    return out.reshape(*y.shape[:-1], n // q * p)


def _keys(t: float) -> float:
    t = abs(t)
    if t < 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1.0
    return -0.5 * (t - 1.0) * (2.0 - t) ** 2 if t < 2 else 0.0


def wiener_weights(op: Operator, prior: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The Wiener filter of a prior of independent DCT coefficients.

    Parameters
    ----------
    op : Operator
    prior : torch.Tensor, (f rows, f columns), float64
        Variance S of each fine DCT coefficient.
    sigma : float
        White noise of the coarse image.

    Returns
    -------
    weights : torch.Tensor, (f rows, f columns)
        x_dct = weights * unfold(y_dct), that is x = S A^T (A S A^T + sigma^2)^-1 y.
    left : torch.Tensor, (rows, columns)
        sigma^2 / (A S A^T + sigma^2): the share of each coarse mode that stays in the residual; its sum is the number
        of degrees of freedom of the residual.

    Notes
    -----
    A S A^T is diagonal in the coarse DCT, so this is the exact minimum mean-square solution; with S
    constant it is the exact Tikhonov solution. The mean of the block has no prior: weights[0, 0] makes it that of the
    data.
    """
    gain = op.gain.double().cpu()
    variance = fold(op, gain.square() * prior) + sigma**2
    variance[0, 0] = torch.inf
    weights = gain * prior * unfold(op, 1.0 / variance)
    weights[0, 0] = 1.0 / gain[0, 0]
    left = sigma**2 / variance
    return weights.to(op.gain), left.to(op.gain)


def wiener(op: Operator, y: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Fine image of a coarse one with the weights of `wiener_weights`."""
    return idct2(weights * unfold(op, dct2(y)))


def tv(
    op: Operator,
    y: torch.Tensor,
    strength: float,
    start: torch.Tensor,
    *,
    rho: float | None = None,
    iterations: int = 40,
) -> torch.Tensor:
    """Minimiser of 1/2 |A x - y|^2 + strength * sum |grad x| (isotropic total variation; Rudin, Osher & Fatemi 1992).

    Parameters
    ----------
    op : Operator
    y : torch.Tensor, (rows, columns)
    strength : float
        Weight of the total variation, image units; > 0.
    start : torch.Tensor, (f rows, f columns)
        First iterate, for instance the Wiener solution.
    rho : float, optional
        Penalty of the splitting; any value converges, a good one converges sooner.
    iterations : int

    Returns
    -------
    torch.Tensor, (f rows, f columns)

    Notes
    -----
    ADMM on d = grad x (Goldstein & Osher 2009, SIAM J. Imaging Sci. 2, 323). The Laplacian with
    reflective edges is diagonal in the DCT too, so the quadratic step is solved exactly.
    """
    if rho is None:
        # The floor matters where the start is flat: noise alone, or a constant.
        rho = strength / max(roughness(start), 1e-3 * float(y.std(correction=0)), 1e-12)
    solve = _quadratic_step(op, rho)
    data = op.gain * unfold(op, dct2(y))
    x = start
    multiplier = torch.zeros(2, *x.shape, dtype=x.dtype, device=x.device)
    for _ in range(iterations):
        moved = _gradient(x) + multiplier
        size = moved.square().sum(0).sqrt_()
        shrunk = moved * (1.0 - (strength / rho) / size.clamp_min(strength / rho))
        multiplier = moved - shrunk
        pull = dct2(_gradient_adjoint(shrunk - multiplier))
        pull[0, 0] = 0.0  # a gradient says nothing about the mean; rounding must not either
        x = idct2(solve(data + rho * pull))
    return x


def roughness(x: torch.Tensor) -> float:
    """Mean length of the gradient, image units per pixel."""
    return float(_gradient(x).square().sum(0).sqrt_().mean())


def _gradient(x: torch.Tensor) -> torch.Tensor:
    out = torch.zeros(2, *x.shape, dtype=x.dtype, device=x.device)
    torch.sub(x[1:], x[:-1], out=out[0, :-1])
    torch.sub(x[:, 1:], x[:, :-1], out=out[1, :, :-1])
    return out


def _gradient_adjoint(d: torch.Tensor) -> torch.Tensor:
    out = torch.zeros_like(d[0])
    out[:-1] -= d[0, :-1]
    out[1:] += d[0, :-1]
    out[:, :-1] -= d[1, :, :-1]
    out[:, 1:] += d[1, :, :-1]
    return out


def _quadratic_step(op: Operator, rho: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Solver of (A^T A + rho grad^T grad) x = b in the DCT domain.

    Modes that alias together form one small system, diagonal plus rank one, solved by Sherman-Morrison. The lowest
    section, where the Laplacian goes to 0, is written so that nothing cancels in float32.
    """
    gain = op.gain
    (rows, cols), (n, m) = op.fine_shape, op.shape
    ky = torch.arange(rows, dtype=torch.float64) * (torch.pi / (2 * rows))
    kx = torch.arange(cols, dtype=torch.float64) * (torch.pi / (2 * cols))
    laplacian = (rho * 4.0 * (torch.sin(ky)[:, None] ** 2 + torch.sin(kx)[None, :] ** 2)).to(gain)
    inverse = torch.where(laplacian > 0, 1.0 / laplacian.clamp_min(1e-30), 0.0)
    ratio = gain * inverse
    rest = ratio.clone()
    rest[:n, :m] = 0.0
    s_rest = fold(op, gain * rest)
    low_gain, low = gain[:n, :m], laplacian[:n, :m]
    denominator = low + low_gain.square() + low * s_rest

    def solve(b: torch.Tensor) -> torch.Tensor:
        t_rest = fold(op, rest * b)
        lowest = (b[:n, :m] * (1.0 + s_rest) - low_gain * t_rest) / denominator
        # What the coarse mode still lacks once the lowest section is known drives its aliases.
        t = (t_rest + low_gain * lowest) / (1.0 + s_rest)
        x = inverse * (b - gain * unfold(op, t))
        x[:n, :m] = lowest
        return x

    return solve

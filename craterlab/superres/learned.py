"""Solvers with a learned prior, on one block: plug-and-play, its gradient-step form, and the network of one pass.

All work in the prior's unit: the scene's median at 0.5 and six robust standard deviations to 1 (see
`craterlab.nn.denoiser`); the block, the noise and the result are scaled alike, so nothing depends on the unit of the
image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from craterlab.nn.denoiser import MULTIPLE, GradientDenoiser

from .consistency import project, proximal, proximal_weighted
from .forward import Operator, forward

Denoise = Callable[..., torch.Tensor]

# Chosen on images of train splits at SNR 100 and 40, never on dev.
ITERATIONS = 8
EXACT = 2  # last iterations in float32: in bfloat16 blocks would differ by 2e-3 of the range where they meet
STRENGTHS = (0.2, 0.4, 0.8)  # lambda of Zhang et al. 2021, the weight of the prior; the scene chooses
LEAST_MIX = 0.25  # least part of plug-and-play in a mixture with its Wiener start; the scene chooses
WIDEST, NARROWEST = 1.6, 0.15  # first and last noise level over the expected error of the Wiener start
GS_STRENGTH, GS_LEVEL = 0.5, 0.5  # weight and the one noise level, over that error, of the gradient-step form


def plug_and_play(
    op: Operator,
    y: torch.Tensor,
    start: torch.Tensor,
    sigma: float,
    start_error: float,
    denoise: Denoise,
    *,
    relative: torch.Tensor | None = None,
    iterations: int = ITERATIONS,
    strength: float = STRENGTHS[0],
) -> torch.Tensor:
    """Half-quadratic splitting with a denoiser as the proximal map of the prior (Zhang et al. 2021, IEEE Trans. PAMI
    44, 6360: DPIR).

    Parameters
    ----------
    op : Operator
    y : torch.Tensor, (rows, columns)
        In the prior's unit, 0.5 at the middle.
    start : torch.Tensor, (f rows, f columns)
        First iterate: the Wiener solution.
    sigma : float
        Noise of y.
    start_error : float
        Expected 1-sigma error of `start`; the schedule begins above it.
    denoise : callable
        ``denoise(x, sigma, exact)`` on (f rows, f columns); `exact` asks for full precision.
    relative : torch.Tensor, (rows, columns), optional
        Variance of the noise over its mean where it differs from pixel to pixel.
    iterations : int
    strength : float
        Weight of the prior.

    Returns
    -------
    torch.Tensor, (f rows, f columns)
        The last step is the one towards the data.

    Notes
    -----
    Noise levels fall evenly in the logarithm around the error of the start; at each, the denoised image is drawn to
    the data by the exact proximal step with alpha = strength sigma^2 / level^2. Each iteration turns the image another
    way before the denoiser sees it, which evens out what it does by direction (Terris et al. 2024, CVPR).
    """
    x = start
    for i, level in enumerate(schedule(start_error, iterations)):
        # Padded before it is turned: the network's coarse grids must lie alike in every block.
        exact = i >= iterations - EXACT
        x = _turned_back(denoise(_turned(_padded(x), i), level, exact), i)[: x.shape[0], : x.shape[1]].contiguous()
        alpha = strength * (sigma / level) ** 2
        x = proximal(op, y, x, alpha) if relative is None else proximal_weighted(op, y, x, alpha, relative)
    return x


def schedule(start_error: float, iterations: int) -> list[float]:
    """Noise levels of the prior, falling evenly in the logarithm; none below 0.2/255 or above 50/255, where it was not
    trained."""
    levels = np.geomspace(WIDEST * start_error, NARROWEST * start_error, iterations)
    return [float(v) for v in np.clip(levels, 0.2 / 255, 50 / 255)]


def _padded(x: torch.Tensor) -> torch.Tensor:
    below, right = (-n % MULTIPLE for n in x.shape)
    if not below and not right:
        return x
    mode = "reflect" if min(x.shape) > MULTIPLE else "replicate"
    return F.pad(x[None, None], (0, right, 0, below), mode=mode)[0, 0]


def _turned(x: torch.Tensor, i: int) -> torch.Tensor:
    """One of the eight turns and mirrors of an image."""
    x = torch.rot90(x, i % 4)
    return (x.mT if i % 8 >= 4 else x).contiguous()


def _turned_back(x: torch.Tensor, i: int) -> torch.Tensor:
    return torch.rot90(x.mT if i % 8 >= 4 else x, -(i % 4)).contiguous()


def gradient_step(
    op: Operator,
    y: torch.Tensor,
    start: torch.Tensor,
    sigma: float,
    denoiser: GradientDenoiser,
    start_error: float,
    *,
    strength: float = GS_STRENGTH,
    wide: float = GS_LEVEL,
    iterations: int = 20,
    tolerance: float = 1e-5,
) -> tuple[torch.Tensor, list[float]]:
    """Proximal gradient descent on a written-down objective (Hurault et al. 2022, ICLR: GS-PnP).

    Parameters
    ----------
    op, y, start, sigma
        As for `plug_and_play`.
    denoiser : GradientDenoiser
        Gives the potential g and its gradient.
    start_error : float
        Expected 1-sigma error of `start`.
    strength : float
        Weight of the prior.
    wide : float
        Noise level of the denoiser over `start_error`; fixed, since the objective belongs to it.
    iterations : int
        At most; it stops where the objective changes by less than `tolerance` of itself.

    Returns
    -------
    x : torch.Tensor, (f rows, f columns)
    objective : list of float
        g(x) + |A x - y|^2 level^2 / (2 strength sigma^2) at the start and after each step; it never rises: a step that
        does not lower it enough is halved (sufficient decrease, their equation 18).
    """
    level = float(np.clip(wide * start_error, 0.2 / 255, 50 / 255))
    weight = (level / sigma) ** 2 / strength

    def data(x: torch.Tensor) -> float:
        return 0.5 * weight * float((forward(op, x) - y).square().sum())

    x, tau = start, 1.0
    g, slope = _potential(denoiser, x, level)
    objective = [g + data(x)]
    for _ in range(iterations):
        while True:
            z = proximal(op, y, x - tau * slope, 1.0 / (weight * tau))
            g, steeper = _potential(denoiser, z, level)
            value = g + data(z)
            if value <= objective[-1] - 0.1 / tau * float((z - x).square().sum()) or tau < 1e-3:
                break
            tau *= 0.5
        if value > objective[-1]:
            break
        x, slope = z, steeper
        objective.append(value)
        if objective[-2] - value < tolerance * abs(value):
            break
    return x, objective


def _potential(denoiser: GradientDenoiser, x: torch.Tensor, level: float) -> tuple[float, torch.Tensor]:
    value, slope = denoiser.gradient(x[None, None], level)
    return float(value), slope[0, 0]


def direct(
    op: Operator, y: torch.Tensor, start: torch.Tensor, sigma: float, start_error: float, denoise: Denoise
) -> tuple[torch.Tensor, torch.Tensor]:
    """One pass of a network over the Wiener solution: as it comes, and projected onto the images that agree with y."""
    raw = denoise(start, start_error)
    return project(op, y, raw, sigma), raw


def posterior_samples(
    op: Operator,
    y: torch.Tensor,
    start: torch.Tensor,
    sigma: float,
    start_error: float,
    denoise: Denoise,
    *,
    samples: int,
    generator: torch.Generator,
    iterations: int = 10,
) -> torch.Tensor:
    """Images that agree with the data and look like the prior's, drawn by noise annealing in which every denoised image
    is drawn anew from its Gaussian posterior given the data (Zhang et al. 2025, CVPR: DAPS; the data step of Zhu et
    al. 2023, DiffPIR, with its noise).

    Parameters
    ----------
    op, y, start, sigma, start_error, denoise
        As for `plug_and_play`.
    samples : int
    generator : torch.Generator
        Of the processor, so that a block draws the same on every device.

    Returns
    -------
    torch.Tensor, (samples, f rows, f columns)

    Notes
    -----
    At noise level s the clean image given the noisy one is taken as N(D(x), r^2), r = s e / sqrt(s^2 + e^2)
    with e = `start_error`; it meets the data through an exact draw (perturb both, then the proximal step with alpha =
    sigma^2 / r^2), which is the projection of every step; then noise of the next level is added.
    """
    levels = schedule(start_error, iterations)
    out = []

    def noise(like: torch.Tensor) -> torch.Tensor:
        return torch.randn(like.shape, generator=generator).to(like)

    for _ in range(samples):
        x = start
        for level in levels:
            clean = denoise(x + level * noise(x), level)
            spread = level * start_error / (level**2 + start_error**2) ** 0.5
            x = proximal(op, y + sigma * noise(y), clean + spread * noise(x), (sigma / spread) ** 2)
        out.append(x)
    return torch.stack(out)

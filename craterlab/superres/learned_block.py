"""A learned solver at work on the blocks of a scene: its unit, its prior on its device, its degrees of freedom."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from craterlab.inference import quick_precision
from craterlab.instruments import Instrument
from craterlab.nn.denoiser import GradientDenoiser
from craterlab.nn.priors import Prior, load_prior

from . import learned
from .consistency import noise_ratio
from .forward import Operator, forward
from .precision import Precision

DEFAULT_PRIOR = {"pnp": "prior", "pnp-gs": "prior-gs", "net": "superres-net"}
SAMPLES = 8
SPREAD = 1.0  # widens the samples' standard deviation to the errors measured on train images
_STIR = 0.5  # perturbation, in sigmas, that measures the degrees of freedom


@dataclass(frozen=True)
class Setting:
    """What a learned solver needs besides the block; image units are those of the scene with `offset` taken off.

    Attributes
    ----------
    method : {"pnp", "pnp-gs", "net"}
    prior : None, str or callable
        As for `craterlab.nn.priors.load_prior`; a name in a Dask graph, never the network.
    offset, median, unit : float
        Mean level that was taken off; level at 0.5 of the prior's range, likewise; image units to 1.
    sigma, start_error : float
        Noise, and expected error of the Wiener start; image units.
    samples : int
        Posterior samples for the error map; 0 for none.
    """

    method: str
    prior: Any
    offset: float
    median: float
    unit: float
    sigma: float
    start_error: float
    samples: int
    seed: int
    device: str
    instrument: Instrument

    def load(self) -> Prior:
        return load_prior(self.prior, DEFAULT_PRIOR[self.method], self.device)


@dataclass(frozen=True)
class Solution:
    """`image` and `raw` (before projection; "net" only) in scene units, `samples` (n, …) when asked for."""

    image: torch.Tensor
    raw: torch.Tensor | None = None
    samples: torch.Tensor | None = None
    objective: tuple[float, ...] = ()


def solver(s: Setting) -> Callable[[Operator, torch.Tensor, torch.Tensor], Solution]:
    """Solve one block from its data and its Wiener solution, (rows, columns) and (f rows, f columns)."""
    prior = s.load()
    denoise = _quick(prior, torch.device(s.device))
    sigma, error = s.sigma / s.unit, s.start_error / s.unit

    def solve(op: Operator, y: torch.Tensor, start: torch.Tensor) -> Solution:
        into = lambda v: (v - s.median) / s.unit + 0.5  # noqa: E731
        back = lambda v: (v - 0.5) * s.unit + s.median  # noqa: E731
        given, first = into(y), into(start)
        raw, objective = None, list[float]()
        if s.method == "net":
            x, raw = learned.direct(op, given, first, sigma, error, denoise)
        elif s.method == "pnp-gs":
            assert isinstance(prior.denoise, GradientDenoiser)
            x, objective = learned.gradient_step(op, given, first, sigma, prior.denoise, error)
        else:
            x = learned.plug_and_play(
                op, given, first, sigma, error, denoise, relative=noise_ratio(y + s.offset, s.instrument, s.offset)
            )
        drawn = None
        if s.samples:
            # The block's own bytes make its seed: the same block draws the same, wherever it is solved.
            seed = zlib.crc32(y.cpu().numpy().tobytes()) ^ s.seed
            generator = torch.Generator().manual_seed(seed)
            sampler = (
                denoise if s.method == "pnp" else _quick(load_prior(None, "prior", s.device), torch.device(s.device))
            )
            drawn = learned.posterior_samples(
                op, given, first, sigma, error, sampler, samples=s.samples, generator=generator
            )
        return Solution(
            back(x), None if raw is None else back(raw), None if drawn is None else back(drawn), tuple(objective)
        )

    return solve


def residual_dof(
    solve: Callable[[Operator, torch.Tensor, torch.Tensor], Solution],
    start: Callable[[torch.Tensor], torch.Tensor],
    op: Operator,
    windows: list[torch.Tensor],
    sigma: float,
) -> tuple[float, tuple[float, ...]]:
    """Degrees of freedom that a solver leaves in the residual, per pixel, and its objective summed over the windows.

    Notes
    -----
    n minus the divergence of y -> A x(y), measured by one random perturbation (Ramani, Blu & Unser 2008,
    IEEE Trans. Image Process. 17, 1540). For the minimum mean-square estimate of a Gaussian scene the residual's mean
    square is exactly this share of the noise, whatever the prior.
    """
    generator = torch.Generator().manual_seed(0)
    shares, objectives = [], []
    for y in windows:
        stir = _STIR * sigma * (torch.randint(0, 2, y.shape, generator=generator) * 2 - 1).to(y)
        one = solve(op, y, start(y))
        two = solve(op, y + stir, start(y + stir))
        moved = forward(op, two.image) - forward(op, one.image)
        shares.append(1.0 - float((stir * moved).sum() / stir.square().sum()))
        objectives.append(one.objective)
    length = max(len(o) for o in objectives)
    # A window that stopped early stays at its last value.
    total = tuple(sum(o[min(i, len(o) - 1)] for o in objectives) for i in range(length)) if length else ()
    return min(max(float(np.mean(shares)), 0.02), 1.0), total


def sampled_maps(solution: Solution, y: torch.Tensor, p: Precision, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """1-sigma and data share of every fine pixel from the posterior samples around the image."""
    from .precision import detail_band, local_power

    assert solution.samples is not None
    off = solution.samples - solution.image
    variance = _smooth(off.square().mean(0), 0.75 * factor) * SPREAD**2
    detail = _smooth(detail_band(off, factor).square().mean(0), 0.75 * factor) * SPREAD**2
    power = F.interpolate(local_power(y, p, factor)[None, None], scale_factor=factor, mode="bilinear")[0, 0]
    prior = power * p.detail_prior.mean()
    share = 1.0 - detail.cpu() / prior.clamp_min(1e-30)
    return variance.sqrt().cpu(), share.clamp(0.0, 1.0)


def _smooth(x: torch.Tensor, sigma: float) -> torch.Tensor:
    from scipy.ndimage import gaussian_filter

    return torch.from_numpy(gaussian_filter(x.cpu().numpy(), sigma, mode="reflect"))


def _quick(prior: Prior, device: torch.device) -> learned.Denoise:
    precision = quick_precision(device)

    def denoise(x: torch.Tensor, sigma: float) -> torch.Tensor:
        cast = torch.autocast(device.type, precision) if precision != torch.float32 else contextlib.nullcontext()
        with torch.inference_mode(), cast:
            out = prior.denoise(x[None, None], sigma)
        return out[0, 0].float().clone()

    return denoise

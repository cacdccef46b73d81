"""A learned solver at work on the blocks of a scene: its unit, its prior on its device, its samples."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from craterlab.inference import autocast
from craterlab.instruments import Instrument
from craterlab.nn.denoiser import GradientDenoiser
from craterlab.nn.priors import Prior, load_prior

from . import learned
from .consistency import noise_ratio
from .forward import Operator
from .precision import Precision, detail_band, fine_power

DEFAULT_PRIOR = {"pnp": "prior", "pnp-gs": "prior-gs", "net": "superres-net"}
SAMPLES = 8
SPREAD = 1.03  # widens the samples' standard deviation to the errors measured on train images


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
    strength, mix : float
        Of "pnp": the weight of the prior, and how much of its solution is taken (the rest is the Wiener start).
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
    strength: float = learned.STRENGTHS[0]
    mix: float = 1.0

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
            relative = noise_ratio(y + s.offset, s.instrument, s.offset)
            x = learned.plug_and_play(op, given, first, sigma, error, denoise, relative=relative, strength=s.strength)
            x = first + s.mix * (x - first)
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


def sampled_maps(solution: Solution, y: torch.Tensor, p: Precision, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """1-sigma and data share of every fine pixel from the posterior samples around the image.

    The sampler takes the error of the clean image as even over the scene (see `learned.posterior_samples`), so its
    spread says how much and hardly where; the local power of the terrain, as in the analytic map, says where.
    """
    assert solution.samples is not None
    off = solution.samples - solution.image
    power = fine_power(y.cpu(), p, factor)
    noise, model = (t.to(power).repeat(*y.shape) for t in (p.noise, p.model))
    uneven = (noise + power * model) / (p.noise + p.model).mean() * SPREAD**2
    variance = _smooth(off.square().mean(0), 0.75 * factor) * uneven
    detail = _smooth(detail_band(off, factor).square().mean(0), 0.75 * factor) * uneven
    prior = power * p.detail_prior.mean()
    share = 1.0 - detail / prior.clamp_min(1e-30)
    return variance.sqrt(), share.clamp(0.0, 1.0)


def _smooth(x: torch.Tensor, sigma: float) -> torch.Tensor:
    from scipy.ndimage import gaussian_filter

    return torch.from_numpy(gaussian_filter(x.cpu().numpy(), sigma, mode="reflect"))


def quick_denoiser(prior: Any, device: str) -> tuple[Callable[..., torch.Tensor], str]:
    """The plug-and-play prior on its device, in the precision that is quick there, ``denoise(x, sigma)`` of (1, 1,
    rows, columns); and its hash."""
    found = load_prior(prior, "prior", device)
    quick = _quick(found, torch.device(device))
    return lambda x, sigma: quick(x[0, 0], sigma)[None, None], found.sha256


def _quick(prior: Prior, device: torch.device) -> learned.Denoise:
    def denoise(x: torch.Tensor, sigma: float, exact: bool = False) -> torch.Tensor:
        with torch.inference_mode(), autocast(device, torch.float32 if exact else None):
            out = prior.denoise(x[None, None], sigma)
        return out[0, 0].float().clone()

    return denoise

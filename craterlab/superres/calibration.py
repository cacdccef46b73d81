"""What a learned solver is not told and has to find in the scene: the noise, the weight of the prior, the last step.

All of it rests on Stein's identity. With y' = A x(y), r = y' - y and the divergence of y -> y', measured by one random
perturbation (Ramani, Blu & Unser 2008, IEEE Trans. Image Process. 17, 1540), the risk |A x(y) - A x|^2 is estimated
without bias by |r|^2 - n sigma^2 + 2 sigma^2 div, and the residual keeps n - div degrees of freedom. For the minimum
mean-square estimate the risk is sigma^2 div, so that |r|^2 = sigma^2 (n - div): reduced chi-square is 1 where, and only
where, sigma is the noise that is there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from . import learned
from .forward import Operator, forward
from .learned_block import Draft, Setting, drafter

_STIR = 0.5  # perturbation, in sigmas
_LEAST_LEFT = 0.01  # degrees of freedom per pixel below which the perturbation measures nothing
_SLOPE = -0.9, -2.0, -0.4  # of log chi-square against log sigma: typical, steepest, flattest on train images
_NOISE_RANGE = 0.5, 4.0  # how far the noise may be from the first estimate of it
_LAST_RANGE = 16.0  # the last step's weight of the prior over that of the others, either way

Start = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Bench:
    """Windows of a scene and what is needed to solve them.

    Attributes
    ----------
    op : Operator
        For the shape of the windows.
    start : callable
        The Wiener solution of a window.
    windows : list of torch.Tensor, (rows, columns)
    """

    op: Operator
    start: Start
    windows: list[torch.Tensor]

    @property
    def pixels(self) -> int:
        return sum(y.numel() for y in self.windows)


def noise(sigma: float, chi2: Callable[[float], float]) -> float:
    """The noise at which the learned solution agrees with itself: reduced chi-square 1.

    Parameters
    ----------
    sigma : float
        A first estimate, > 0.
    chi2 : callable
        Noise -> reduced chi-square of the plain solution made with it; asked twice.

    Returns
    -------
    float
        One typical and one secant step in the logarithms; within half and four times the first estimate. `sigma`
        itself where chi-square cannot be measured.
    """
    at = first = math.log(sigma)
    slope, before = _SLOPE[0], None
    for _ in range(2):
        value = chi2(math.exp(at))
        if not 0 < value < math.inf:
            return sigma
        now = at, math.log(value)
        if before is not None and now[0] != before[0]:
            slope = min(max((now[1] - before[1]) / (now[0] - before[0]), _SLOPE[1]), _SLOPE[2])
        before = now
        at = min(max(at - now[1] / slope, first + math.log(_NOISE_RANGE[0])), first + math.log(_NOISE_RANGE[1]))
    return math.exp(at)


def plain_chi2(s: Setting, bench: Bench) -> float:
    """Reduced chi-square of plug-and-play at its least strength, nothing tuned; from half of the windows."""
    bench = replace(bench, windows=bench.windows[::2])
    weight = learned.STRENGTHS[0]
    setting = replace(s, method="pnp", prior=s.sampler, strength=weight, last=weight, mix=1.0)
    return _chi2(_seen(_drafts(setting, bench), setting, bench), setting, bench)[0]


def measure(s: Setting, bench: Bench) -> tuple[Setting, float, tuple[float, ...]]:
    """Choose what the solver leaves to choose, and count the residual's degrees of freedom.

    Returns
    -------
    setting : Setting
        "pnp": `strength` and `mix` of least estimated risk, `last` for a reduced chi-square of 1. "net": `last`
        likewise. Else as it was.
    left : float
        Degrees of freedom of the residual per pixel, for `chi2`.
    objective : tuple of float
        Summed over the windows, where the method has one.

    Notes
    -----
    Along the line from one solution to another the risk is a parabola, whose minimum is the best mixture (Blu &
    Luisier 2007, IEEE Trans. Image Process. 16, 2778). No truth is needed.
    """
    if s.method == "pnp":
        s, drafts = _least_risk(s, bench)
        low, high = s.strength / _LAST_RANGE, s.strength * _LAST_RANGE
    else:
        drafts = _drafts(s, bench)
        low, high = (1e-3, 1.0) if s.method == "net" else (1.0, 1.0)
    # Chi-square grows with the weight.
    for _ in range(10 if high > low else 0):
        middle = (low * high) ** 0.5
        value, _ = _chi2(_seen(drafts, replace(s, last=middle), bench), s, bench)
        low, high = (low, middle) if value > 1 else (middle, high)
    s = replace(s, last=high)
    _, left = _chi2(_seen(drafts, s, bench), s, bench)
    return s, left, _total([here.objective for here, _ in drafts])


def _least_risk(s: Setting, bench: Bench) -> tuple[Setting, list[tuple[Draft, Draft]]]:
    """The setting of least risk, and its drafts."""
    starts = [(bench.start(y), bench.start(z)) for y, z in _stirred(s, bench)]
    plain = _seen([(_ready(a), _ready(b)) for a, b in starts], s, bench)
    base, before = sum(float(r.square().sum()) for r, _ in plain), sum(d for _, d in plain)
    found, least = None, math.inf
    for strength in learned.STRENGTHS:
        setting = replace(s, strength=strength, last=strength, mix=1.0)
        drafts = _drafts(setting, bench)
        seen = _seen(drafts, setting, bench)
        across = sum(float((r * (q - r)).sum()) for (r, _), (q, _) in zip(plain, seen, strict=True))
        bend = sum(float((q - r).square().sum()) for (r, _), (q, _) in zip(plain, seen, strict=True))
        more = sum(d for _, d in seen) - before
        mix = min(max(-(across + s.sigma**2 * more) / max(bend, 1e-30), learned.LEAST_MIX), 1.0)
        risk = base + 2 * mix * across + mix**2 * bend + 2 * s.sigma**2 * (before + mix * more)
        if found is None or risk < least:
            found, least = (replace(setting, mix=mix), drafts), risk
    assert found is not None
    return found


def _ready(image: torch.Tensor) -> Draft:
    return Draft(lambda *_: image)


def _stirred(s: Setting, bench: Bench) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Each window as it is and perturbed; the same perturbation every time."""
    generator = torch.Generator().manual_seed(0)
    return [
        (y, y + _STIR * s.sigma * (torch.randint(0, 2, y.shape, generator=generator) * 2 - 1).to(y))
        for y in bench.windows
    ]


def _drafts(s: Setting, bench: Bench) -> list[tuple[Draft, Draft]]:
    draft = drafter(s)
    return [(draft(bench.op, y, bench.start(y)), draft(bench.op, z, bench.start(z))) for y, z in _stirred(s, bench)]


def _seen(drafts: list[tuple[Draft, Draft]], s: Setting, bench: Bench) -> list[tuple[torch.Tensor, float]]:
    """Residual and divergence of each window."""
    out = []
    for (y, stirred), (here, there) in zip(_stirred(s, bench), drafts, strict=True):
        a, b = (forward(bench.op, d.finish(s.last, s.mix)) for d in (here, there))
        out.append((a - y, float(((stirred - y) * (b - a)).sum()) / (_STIR * s.sigma) ** 2))
    return out


def _chi2(seen: list[tuple[torch.Tensor, float]], s: Setting, bench: Bench) -> tuple[float, float]:
    """Reduced chi-square, and degrees of freedom per pixel."""
    left = min(max(1.0 - sum(d for _, d in seen) / bench.pixels, _LEAST_LEFT), 1.0)
    square = sum(float(r.square().sum()) for r, _ in seen) / bench.pixels
    return square / (s.sigma**2 * left), left


def _total(objectives: list[tuple[float, ...]]) -> tuple[float, ...]:
    """Summed over windows; one that stopped early stays at its last value."""
    length = max(len(o) for o in objectives)
    return tuple(sum(o[min(i, len(o) - 1)] for o in objectives) for i in range(length)) if length else ()

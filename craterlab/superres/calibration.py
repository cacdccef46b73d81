"""What a learned solver is not told and has to find in the scene: the noise, the weight of the prior, the mixture.

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
from .learned_block import Setting, solver

_STIR = 0.5  # perturbation, in sigmas
_LEAST_LEFT = 0.01  # degrees of freedom per pixel below which the perturbation measures nothing
_PLAIN_STRENGTHS = learned.STRENGTHS[:2]  # the heaviest is right in mixtures only
_SLOPE = 1.0  # typical fall of log chi-square with log sigma on train images
# Chi-squares at which the noise is left as it is, where they lie on train images with the noise that is there.
PLAIN_AIM, AIM = (0.95, 1.15), (0.95, 1.05)

Start = Callable[[torch.Tensor], torch.Tensor]
Seen = list[tuple[torch.Tensor, float]]  # residual and divergence of each window


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
    solved : callable
        Called after each solution of a learned solver.
    """

    op: Operator
    start: Start
    windows: list[torch.Tensor]
    solved: Callable[[], object] = lambda: None

    @property
    def pixels(self) -> int:
        return sum(y.numel() for y in self.windows)


def solutions(method: str, windows: int, rounds: int, *, plain: bool) -> int:
    """How many solutions of a learned solver `rounds` of `measure` take, and `plain_chi2` before them."""
    weights = len(learned.STRENGTHS) if method == "pnp" else 1
    return 2 * weights * windows * rounds + plain * 2 * len(_PLAIN_STRENGTHS) * -(-windows // 2)


def other_noise(sigma: float, chi2: float, aim: tuple[float, float]) -> float:
    """A noise nearer to that at which the solution agrees with itself.

    Parameters
    ----------
    sigma, chi2 : float
        Noise, and the reduced chi-square of the solution made with it.
    aim : (float, float)
        Chi-squares that need no other noise.

    Returns
    -------
    float
        `sigma` itself where it need not change or chi-square was not measured; at least half of it, at most twice.
    """
    if not 0 < chi2 < math.inf:
        return sigma
    step = (chi2 / min(max(chi2, aim[0]), aim[1])) ** (1.0 / _SLOPE)
    return sigma * min(max(step, 0.5), 2.0)


def plain_chi2(s: Setting, bench: Bench) -> float:
    """Reduced chi-square of plug-and-play without a mixture, at the weight of least estimated risk; from half of the
    windows.

    With a noise far too small the best mixture is nearly all Wiener, takes texture for signal, and agrees with itself
    there too; the plain scheme does not. A weight too small for a smooth scene would fit its noise and find too little
    of it.
    """
    half = replace(bench, windows=bench.windows[::2])
    return _best(s, half, _PLAIN_STRENGTHS, 1.0)[2]


def measure(s: Setting, bench: Bench) -> tuple[Setting, float, float, tuple[float, ...]]:
    """Choose what plug-and-play leaves to choose, and count the residual's degrees of freedom.

    Returns
    -------
    setting : Setting
        With `strength` and `mix` of least estimated risk ("pnp"), else as it was.
    left : float
        Degrees of freedom of the residual per pixel, for `chi2`.
    chi2 : float
        Of the windows, so reduced.
    objective : tuple of float
        Summed over the windows, where the method has one.

    Notes
    -----
    Along the line from one solution to another the risk is a parabola, whose minimum is the best mixture (Blu &
    Luisier 2007, IEEE Trans. Image Process. 16, 2778). No truth is needed.
    """
    if s.method == "pnp":
        return *_best(s, bench, learned.STRENGTHS, learned.LEAST_MIX), ()
    seen, objectives = _seen(s, bench)
    return s, *_freedom(seen, s, bench), _total(objectives)


def _best(s: Setting, bench: Bench, strengths: tuple[float, ...], least_mix: float) -> tuple[Setting, float, float]:
    """The setting of least estimated risk, its degrees of freedom per pixel and its reduced chi-square."""
    plain = _residuals(bench.start, s, bench)
    found, least, chosen = s, math.inf, plain
    for strength in strengths:
        setting = replace(s, strength=strength, mix=1.0)
        seen, _ = _seen(setting, bench)
        across = sum(float((r * (q - r)).sum()) for (r, _), (q, _) in zip(plain, seen, strict=True))
        bend = sum(float((q - r).square().sum()) for (r, _), (q, _) in zip(plain, seen, strict=True))
        more = sum(d for _, d in seen) - sum(d for _, d in plain)
        mix = min(max(-(across + s.sigma**2 * more) / max(bend, 1e-30), least_mix), 1.0)
        mixed = [(r + mix * (q - r), d + mix * (e - d)) for (r, d), (q, e) in zip(plain, seen, strict=True)]
        if (risk := _risk(mixed, s)) < least:
            found, least, chosen = replace(setting, mix=mix), risk, mixed
    return found, *_freedom(chosen, s, bench)


def _seen(s: Setting, bench: Bench) -> tuple[Seen, list[tuple[float, ...]]]:
    """Of a learned solver, and its objective in each window."""
    run = solver(replace(s, samples=0))
    objectives: list[tuple[float, ...]] = []

    def solve(y: torch.Tensor) -> torch.Tensor:
        solution = run(bench.op, y, bench.start(y))
        objectives.append(solution.objective)
        bench.solved()
        return solution.image

    return _residuals(solve, s, bench), objectives[::2]


def _residuals(solve: Start, s: Setting, bench: Bench) -> Seen:
    generator = torch.Generator().manual_seed(0)
    out = []
    for y in bench.windows:
        stir = _STIR * s.sigma * (torch.randint(0, 2, y.shape, generator=generator) * 2 - 1).to(y)
        here, there = (forward(bench.op, solve(v)) for v in (y, y + stir))
        out.append((here - y, float((stir * (there - here)).sum()) / (_STIR * s.sigma) ** 2))
    return out


def _risk(seen: Seen, s: Setting) -> float:
    """Stein's estimate, but for what does not depend on the solution."""
    return sum(float(r.square().sum()) + 2 * s.sigma**2 * d for r, d in seen)


def _freedom(seen: Seen, s: Setting, bench: Bench) -> tuple[float, float]:
    """Degrees of freedom per pixel, and reduced chi-square."""
    left = min(max(1.0 - sum(d for _, d in seen) / bench.pixels, _LEAST_LEFT), 1.0)
    square = sum(float(r.square().sum()) for r, _ in seen) / bench.pixels
    return left, square / (s.sigma**2 * left)


def _total(objectives: list[tuple[float, ...]]) -> tuple[float, ...]:
    """Summed over windows; one that stopped early stays at its last value."""
    length = max(len(o) for o in objectives)
    return tuple(sum(o[min(i, len(o) - 1)] for o in objectives) for i in range(length)) if length else ()

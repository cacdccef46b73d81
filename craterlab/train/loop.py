"""The loop that every training runs in: averaged weights, a log, checkpoints to go on from."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from ..output import whole_file

_STEADY = 0.98  # of the running means in the log

Net = TypeVar("Net", bound=torch.nn.Module)


def fit(
    net: Net,
    optimiser: torch.optim.Optimizer,
    loss: Callable[[int], tuple[torch.Tensor, dict[str, float]]],
    *,
    steps: int,
    checkpoint: Path,
    log: Path,
    name: str,
    clip: float,
    memory: float,
    minutes: float | None = None,
    began: float | None = None,
    log_every: int = 50,
    save_every: int = 250,
    also: Callable[[int, Net], dict[str, float]] = lambda step, average: {},
) -> tuple[Net, int]:
    """Train a network in place, from the checkpoint where there is one.

    Parameters
    ----------
    net : torch.nn.Module
        On its device.
    optimiser : torch.optim.Optimizer
        Its learning rate is the highest; see `rate`.
    loss : callable
        ``loss(step)`` -> what is to fall, and its parts for the log. It seeds what it draws by the step, so that a
        resumed training draws what an uninterrupted one would.
    steps : int
        Length of the whole training.
    checkpoint, log : Path
        The log is JSON lines, and grows.
    name : str
        Beside the bar.
    clip : float
        Largest norm of the gradient.
    memory : float
        Share of the averaged weights that a step leaves, once there were many.
    minutes : float, optional
        Stop after this long.
    began : float, optional
        By the monotonic clock, where the minutes count from before this call.
    log_every, save_every : int
        Steps between two lines of the log, and between two checkpoints.
    also : callable
        ``also(step, average)`` -> more for a line of the log.

    Returns
    -------
    average : torch.nn.Module
        The network with averaged weights, in evaluation mode.
    step : int
        How many steps are done; fewer than `steps` where the minutes were up.
    """
    from ..progress import progress_bar

    began = time.monotonic() if began is None else began
    lr, average = optimiser.defaults["lr"], copy.deepcopy(net).eval()
    step = _read_checkpoint(checkpoint, net, average, optimiser)
    running: dict[str, float] = {}
    bar = progress_bar(total=steps, initial=step, desc=name, unit="step", mininterval=5)
    with log.open("a") as lines:
        while step < steps and not (minutes and time.monotonic() - began > 60 * minutes):
            for group in optimiser.param_groups:
                group["lr"] = rate(step, steps, lr)
            value, parts = loss(step)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimiser.step()
            step += 1
            _average_into(average, net, min(memory, 1 - 1 / (step / 10 + 1)))
            running = {k: _STEADY * running.get(k, v) + (1 - _STEADY) * v for k, v in parts.items()}
            bar.update()
            if step % log_every == 0 or step == steps:
                entry = {"step": step, "seconds": time.monotonic() - began} | also(step, average) | running
                lines.write(json.dumps({k: round(v, 4) for k, v in entry.items()}) + "\n")
                lines.flush()
            if step % save_every == 0 and step < steps:
                _write_checkpoint(checkpoint, net, average, optimiser, step)
    bar.close()
    _write_checkpoint(checkpoint, net, average, optimiser, step)
    return average, step


def rate(step: int, steps: int, lr: float) -> float:
    """Learning rate: up to `lr` in 200 steps, then along a cosine to 0 at the last."""
    return lr * min(1, (step + 1) / 200) * (0.5 + 0.5 * math.cos(math.pi * min(1, step / steps)))


@torch.no_grad()
def _average_into(average: torch.nn.Module, net: torch.nn.Module, decay: float) -> None:
    """Exponential moving average of weights and batch statistics: steadier than the last step's."""
    for a, b in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if a.dtype.is_floating_point:
            a.lerp_(b, 1 - decay)
        else:
            a.copy_(b)


def _write_checkpoint(
    path: Path, net: torch.nn.Module, average: torch.nn.Module, optimiser: torch.optim.Optimizer, step: int
) -> None:
    state = {
        "model": net.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
    }
    # An interrupted training keeps its last whole checkpoint.
    with whole_file(path) as part:
        torch.save(state, part)


def _read_checkpoint(
    path: Path, net: torch.nn.Module, average: torch.nn.Module, optimiser: torch.optim.Optimizer
) -> int:
    """Put the state of `_write_checkpoint` back; the step to go on from, 0 without a file."""
    if not path.exists():
        return 0
    state = torch.load(path, map_location=next(net.parameters()).device, weights_only=True)
    net.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])

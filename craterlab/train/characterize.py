"""Training of the network that names craters: on simulation alone, resumable, the same on a processor and a GPU."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from ..nn.chipnet import CLASSES, ChipNet
from .chips import SHARD, draw_batch, read_chips, write_chips
from .detector import average_into, rate, read_checkpoint, write_checkpoint

_HELD_OUT = 10  # shards


def train_characterize(
    out: Path,
    *,
    steps: int = 4000,
    chips: int = 16_000,
    batch: int = 64,
    lr: float = 2e-3,
    width: int = 20,
    minutes: float | None = None,
    seed: int = 1,
    device: str = "cpu",
) -> Path:
    """Train the network of `characterize`, or go on with the training found in `out`.

    Parameters
    ----------
    out : Path
        Simulated craters, checkpoint, log and, at the end, ``chipnet.safetensors`` are kept here.
    steps, batch : int
        Length of the whole training (the learning rate falls to zero there), and chips a step.
    chips : int
        Simulated craters to render before the first step.
    lr : float
        Highest learning rate.
    width : int
        Channels on the finest grid.
    minutes : float, optional
        Stop after this long; the same command goes on.
    device : str
        As torch names it; craters are rendered there too.

    Returns
    -------
    Path
        The checkpoint, or when the last step is done the weights, calibrated on simulated craters held out.
    """
    from ..progress import progress_bar

    began, where = time.monotonic(), torch.device(device)
    checkpoint, folder = out / "checkpoint.pt", out / "scenes"
    shards = max(_HELD_OUT + 1, -(-chips // SHARD))
    if not write_chips(folder, shards, seed, device, minutes):
        return checkpoint
    made = read_chips(folder)
    count = len(made.table) - _HELD_OUT * SHARD
    torch.manual_seed(seed)
    net = ChipNet(width).to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), lr, weight_decay=0.05)
    step = read_checkpoint(checkpoint, net, average, optimiser, where)
    running: dict[str, float] = {}
    bar = progress_bar(total=steps, initial=step, desc="chipnet", unit="step", mininterval=5)
    with (out / "log.jsonl").open("a") as log:
        while step < steps and not (minutes and time.monotonic() - began > 60 * minutes):
            for group in optimiser.param_groups:
                group["lr"] = rate(step, steps, lr)
            # Seeded by the step, so that a resumed run draws what an uninterrupted one would.
            rng = np.random.default_rng([seed, step])
            drawn = draw_batch(made, rng.choice(count, batch, replace=False), rng)
            net.train()
            value, parts = _loss(net, drawn, where)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimiser.step()
            step += 1
            average_into(average, net, min(0.998, 1 - 1 / (step / 10 + 1)))
            running = {k: 0.98 * running.get(k, v) + 0.02 * v for k, v in parts.items()}
            bar.update()
            if step % 50 == 0 or step == steps:
                entry = {"step": step, "seconds": time.monotonic() - began} | running
                log.write(json.dumps({k: round(v, 4) for k, v in entry.items()}) + "\n")
                log.flush()
            if step % 250 == 0:
                write_checkpoint(checkpoint, net, average, optimiser, step)
    bar.close()
    write_checkpoint(checkpoint, net, average, optimiser, step)
    if step < steps:
        return checkpoint
    held = draw_all(average.eval(), made, np.arange(count, len(made.table)), seed, where)
    metadata = {"architecture": "chipnet", "steps": str(step), "sets": "none", "width": str(width)}
    metadata |= {k: json.dumps(v) for k, v in calibration(*held).items()}
    weights = out / "chipnet.safetensors"
    save_file({k: v.contiguous() for k, v in average.state_dict().items()}, weights, metadata=metadata)
    return weights


def _loss(net: ChipNet, drawn: tuple[np.ndarray, ...], where: torch.device) -> tuple[torch.Tensor, dict[str, float]]:
    layers, numbers, kind, rays, erosion = (torch.as_tensor(v).to(where) for v in drawn)
    with torch.autocast(where.type, torch.bfloat16):
        out = net(layers.contiguous(memory_format=torch.channels_last), numbers)
    out = out.float()
    n = len(CLASSES)
    by_kind = torch.nn.functional.cross_entropy(out[:, :n], kind)
    by_rays = torch.nn.functional.binary_cross_entropy_with_logits(out[:, n], rays)
    log_std = out[:, n + 2].clamp(-4, 0)
    miss = torch.sigmoid(out[:, n + 1]) - erosion
    by_erosion = (0.5 * (miss / log_std.exp()) ** 2 + log_std).mean()
    parts = {"kind": by_kind, "rays": by_rays, "erosion": by_erosion, "miss": miss.abs().mean()}
    return by_kind + by_rays + 0.5 * by_erosion, {k: float(v.detach()) for k, v in parts.items()}


@torch.no_grad()
def draw_all(
    net: ChipNet, made: Any, index: np.ndarray, seed: int, where: torch.device
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outputs and truths (class, rays, erosion) of chips, as drawn in training."""
    rng = np.random.default_rng([seed, 10**9])
    rows = []
    for part in np.array_split(index, max(1, len(index) // 64)):
        layers, numbers, *truth = draw_batch(made, part, rng)
        out = net(torch.as_tensor(layers).to(where), torch.as_tensor(numbers).to(where))
        rows.append((out.float().cpu().numpy(), *truth))
    out, kind, rays, erosion = (np.concatenate(v) for v in zip(*rows, strict=True))
    return out, kind, rays, erosion


def calibration(out: np.ndarray, kind: np.ndarray, rays: np.ndarray, erosion: np.ndarray) -> dict[str, float]:
    """Temperatures of the probabilities (Guo et al. 2017, "On calibration of modern neural networks"), and the factor
    that makes the standard errors of erosion hold what they promise (68 % within one)."""
    from scipy.optimize import minimize_scalar

    n = len(CLASSES)

    def cross_entropy(t: float) -> float:
        z = out[:, :n] / t
        z = z - z.max(1, keepdims=True)
        return float((np.log(np.exp(z).sum(1)) - z[np.arange(len(kind)), kind]).mean())

    def binary(t: float) -> float:
        return float((np.logaddexp(0, out[:, n] / t) - rays * out[:, n] / t).mean())

    best = [float(minimize_scalar(f, bounds=(0.3, 5.0), method="bounded").x) for f in (cross_entropy, binary)]
    mean, std = 1 / (1 + np.exp(-out[:, n + 1])), np.exp(np.clip(out[:, n + 2], -4, 0))
    factor = float(np.quantile(np.abs(mean - erosion) / std, 0.683))
    return {"temperature": best[0], "rays_temperature": best[1], "erosion_std_factor": factor}

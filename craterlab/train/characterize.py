"""Training of the network that names craters: on simulation alone, resumable, the same on a processor and a GPU."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from ..catalog import MORPHOLOGIES
from ..inference import autocast
from ..nn.chipnet import ChipNet
from .chips import SHARD, Batch, draw_batch, read_chips, view_in_scene, view_of_chip, write_chips
from .fellows import Scene, describe_scenes, erosion_loss, gathered, read_described, train_fellows
from .loop import fit
from .scene_chips import SHARD as SCENES
from .scene_chips import read_scenes, write_scenes

_HELD_OUT = 10, 3  # shards of chips and of scenes
_IN_SCENES = 0.5  # share of a batch
_COLUMNS = ["kind", "diameter_px", "diameter_m", "transition_m", "sun_azimuth_deg", "incidence_deg", "rays", "erosion"]


def train_characterize(
    out: Path,
    *,
    steps: int = 6800,
    fellow_steps: int = 5000,
    chips: int = 17_920,
    scenes: int = 1_920,
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
    fellow_steps : int
        Length of the last, quick training, which judges erosion among the craters of a scene; it does not stop between.
    chips, scenes : int
        Simulated single craters and whole scenes to render before the first step. Single craters of every class teach
        what a class looks like; those of scenes, rays and erosion.
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
    began, where = time.monotonic(), torch.device(device)
    checkpoint, folder = out / "checkpoint.pt", out / "scenes"
    count = max(_HELD_OUT[0] + 1, -(-chips // SHARD)), max(_HELD_OUT[1] + 1, -(-scenes // SCENES))
    if not write_chips(folder, count[0], seed, device, minutes) or not write_scenes(
        folder, count[1], seed, device, minutes
    ):
        return checkpoint
    craters = Craters(folder)
    torch.manual_seed(seed)
    net = ChipNet(width).to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        net.train()
        return _loss(net, craters.draw(batch, np.random.default_rng([seed, step])), where)

    average, step = fit(
        net,
        torch.optim.AdamW(net.parameters(), lr, weight_decay=0.05),
        loss,
        steps=steps,
        checkpoint=checkpoint,
        log=out / "log.jsonl",
        name="chipnet",
        clip=2.0,
        memory=0.998,
        minutes=minutes,
        began=began,
    )
    if step < steps:
        return checkpoint
    # Descriptions go with the state of the network.
    described = out / f"described-{step}"
    if not describe_scenes(described, average, craters, SCENES, seed, minutes):
        return checkpoint
    told = read_described(described)
    train_fellows(average, [s for k, s in told if k < craters.scenes_taught], steps=fellow_steps, seed=seed)
    held = _outputs(average, craters, [s for k, s in told if k >= craters.scenes_taught], seed)
    metadata = {"architecture": "chipnet", "steps": str(step), "sets": "none", "width": str(width)}
    metadata |= {k: json.dumps(v) for k, v in calibration(*held).items()}
    weights = out / "chipnet.safetensors"
    save_file({k: v.contiguous() for k, v in average.state_dict().items()}, weights, metadata=metadata)
    return weights


class Craters:
    """Simulated craters of both sources, the last shards of each held out."""

    def __init__(self, folder: Path) -> None:
        self.chips = read_chips(folder)
        self.images, self.dems, self.table = read_scenes(folder)
        self.table["kind"] = -1
        self.taught = len(self.chips.table) - _HELD_OUT[0] * SHARD
        self.scenes_taught = len(self.images) - _HELD_OUT[1] * SCENES
        self.in_scenes = np.flatnonzero(self.table.scene < self.scenes_taught)

    def batch(self, alone: np.ndarray, in_scenes: np.ndarray, rng: np.random.Generator) -> Batch:
        rows = self.table.iloc[in_scenes]
        views = [view_of_chip(self.chips, i) for i in alone]
        views += [view_in_scene(self.images, self.dems, t) for t in rows.itertuples()]
        return draw_batch(views, pd.concat([self.chips.table[_COLUMNS].iloc[alone], rows[_COLUMNS]]), rng)

    def draw(self, n: int, rng: np.random.Generator) -> Batch:
        """A batch to learn from."""
        k = round(_IN_SCENES * n)
        return self.batch(rng.choice(self.taught, n - k, replace=False), rng.choice(self.in_scenes, k), rng)


def _loss(net: ChipNet, drawn: Batch, where: torch.device) -> tuple[torch.Tensor, dict[str, float]]:
    layers, numbers, kind, rays, erosion = (
        torch.tensor(v).to(where) for v in (drawn.layers, drawn.numbers, drawn.kind, drawn.rays, drawn.erosion)
    )
    with autocast(where):
        out = net(layers.contiguous(memory_format=torch.channels_last), numbers)
    out = out.float()
    n = len(MORPHOLOGIES)
    by_kind = torch.nn.functional.cross_entropy(out[:, :n], kind, ignore_index=-1)
    by_rays = torch.nn.functional.binary_cross_entropy_with_logits(out[:, n], rays)
    by_erosion, miss = erosion_loss(out, erosion)
    parts = {"kind": by_kind, "rays": by_rays, "erosion": by_erosion, "miss": miss}
    return by_kind + by_rays + by_erosion, {k: float(v.detach()) for k, v in parts.items()}


@torch.no_grad()
def _outputs(
    net: ChipNet, craters: Craters, scenes: list[Scene], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outputs and truths (class, rays, erosion) of the craters held out: each chip alone, and among its scene."""
    where = next(net.parameters()).device
    rng = np.random.default_rng([seed, 10**9])
    held = np.arange(craters.taught, len(craters.chips.table))
    rows = []
    for part in np.array_split(held, max(1, len(held) // 64)):
        drawn = craters.batch(part, np.zeros(0, int), rng)
        told = net.describe(torch.as_tensor(drawn.layers).to(where), torch.as_tensor(drawn.numbers).to(where))[:, None]
        out = net.among(told, torch.ones(told.shape[:2], dtype=torch.bool, device=where))[:, 0]
        rows.append((out.cpu().numpy(), drawn.kind, drawn.rays, drawn.erosion))
    for scene in scenes:
        told, there, _ = gathered([scene], where)
        rows.append((net.among(told, there)[0].cpu().numpy(), np.full(len(scene[0]), -1), scene[1], scene[2]))
    outputs, kind, rays, erosion = (np.concatenate(v) for v in zip(*rows, strict=True))
    return outputs, kind, rays, erosion


def calibration(out: np.ndarray, kind: np.ndarray, rays: np.ndarray, erosion: np.ndarray) -> dict[str, float]:
    """Temperatures of the probabilities (Guo et al. 2017, "On calibration of modern neural networks"), and the factor
    that makes the standard errors of erosion hold what they promise (68 % within one)."""
    from scipy.optimize import minimize_scalar

    n = len(MORPHOLOGIES)

    told = kind >= 0

    def cross_entropy(t: float) -> float:
        z = out[told, :n] / t
        z = z - z.max(1, keepdims=True)
        return float((np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), kind[told]]).mean())

    def binary(t: float) -> float:
        return float((np.logaddexp(0, out[:, n] / t) - rays * out[:, n] / t).mean())

    best = [float(minimize_scalar(f, bounds=(0.3, 5.0), method="bounded").x) for f in (cross_entropy, binary)]
    mean, std = 1 / (1 + np.exp(-out[:, n + 1])), np.exp(np.clip(out[:, n + 2], -4, 0))
    factor = float(np.quantile(np.abs(mean - erosion) / std, 0.683))
    return {"temperature": best[0], "rays_temperature": best[1], "erosion_std_factor": factor}

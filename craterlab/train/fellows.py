"""Training of what judges erosion among the craters of a scene: on descriptions of whole scenes by the trained network.

The network that looks at chips stays as it is, so each crater is looked at once; the rest is cheap.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..catalog import MORPHOLOGIES
from .chips import draw_batch, view_in_scene
from .loop import rate
from .shards import shard_arrays, write_shards

if TYPE_CHECKING:
    from ..nn.chipnet import ChipNet
    from .characterize import Craters

SCENES, LARGEST = 16, 128  # scenes a step, and craters of each
_FEWER = 0.4  # share of scenes of which only some craters, often few, are given
_WEIGHT_DECAY, _FLOOR = 0.02, 0.05
# Descriptions (n, 140), rays and erosion (n,) of one scene
Scene = tuple[np.ndarray, np.ndarray, np.ndarray]


def describe_scenes(
    folder: Path, net: ChipNet, craters: Craters, size: int, seed: int, minutes: float | None = None
) -> bool:
    """What the network makes of the craters of each scene, in files of `size` scenes; those that are there are kept.

    Returns
    -------
    bool
        All are there; not so when the minutes were up before.
    """
    where = next(net.parameters()).device

    @torch.no_grad()
    def make(i: int) -> dict[str, np.ndarray]:
        parts: dict[str, list[np.ndarray]] = {"described": [], "rays": [], "erosion": [], "scene": []}
        for scene in range(i * size, (i + 1) * size):
            rows = craters.table[craters.table.scene == scene]
            if not len(rows):
                continue
            views = [view_in_scene(craters.images, craters.dems, t) for t in rows.itertuples()]
            drawn = draw_batch(views, rows, np.random.default_rng([seed, scene, 3]), one_scene=True)
            said = [
                net.describe(
                    torch.from_numpy(drawn.layers[k : k + 64]).to(where),
                    torch.from_numpy(drawn.numbers[k : k + 64]).to(where),
                )
                for k in range(0, len(rows), 64)
            ]
            parts["described"].append(torch.cat(said).cpu().numpy())
            parts["rays"].append(drawn.rays)
            parts["erosion"].append(drawn.erosion)
            parts["scene"].append(np.full(len(rows), scene))
        return {k: np.concatenate(v) if v else np.zeros(0) for k, v in parts.items()}

    return write_shards(folder, "described", len(craters.images) // size, make, minutes, "scenes described")


def read_described(folder: Path) -> list[tuple[int, Scene]]:
    """The number of a scene and what was described of it, in order; those without craters are left out."""
    out = []
    for shard in shard_arrays(folder, "described"):
        described, rays, erosion, scene = (shard[k] for k in ("described", "rays", "erosion", "scene"))
        for s in np.unique(scene).astype(int):
            rows = scene == s
            out.append((int(s), (described[rows], rays[rows], erosion[rows])))
    return out


def train_fellows(net: ChipNet, scenes: list[Scene], *, steps: int, seed: int, lr: float = 2e-3) -> None:
    """Fit ``net.fellows`` in place.

    Parameters
    ----------
    net : ChipNet
        All else of it stays.
    scenes : list of Scene
        At least one.
    steps : int
        Of 16 scenes each.
    seed : int
    lr : float
        Highest learning rate.
    """
    from ..progress import progress_bar

    part = net.fellows
    where = next(net.parameters()).device
    every = np.concatenate([described for described, _, _ in scenes])
    part.centre.copy_(torch.from_numpy(every.mean(0)))
    part.spread.copy_(torch.from_numpy(every.std(0) + _FLOOR))
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 11])
    optimiser = torch.optim.AdamW(part.parameters(), lr, weight_decay=_WEIGHT_DECAY)
    net.eval()
    part.train()
    for step in progress_bar(range(steps), desc="fellows", unit="step", mininterval=5):
        for group in optimiser.param_groups:
            group["lr"] = rate(step, steps, lr)
        chosen = rng.choice(len(scenes), min(SCENES, len(scenes)), replace=False)
        described, there, erosion = gathered([_some(scenes[k], rng) for k in chosen], where)
        optimiser.zero_grad(set_to_none=True)
        # Craters of small sets count for more, or the many of large ones would drown them.
        weight = there.sum(1, keepdim=True).expand_as(there)[there] ** -0.5
        erosion_loss(net.among(described, there)[there], erosion[there], weight)[0].backward()
        torch.nn.utils.clip_grad_norm_(part.parameters(), 2.0)
        optimiser.step()
    part.eval()


def _some(scene: Scene, rng: np.random.Generator) -> Scene:
    n = min(len(scene[0]), LARGEST)
    if rng.uniform() < _FEWER:
        n = int(np.ceil(n ** rng.uniform()))
    rows = rng.permutation(len(scene[0]))[:n]
    described, rays, erosion = scene
    return described[rows], rays[rows], erosion[rows]


def gathered(scenes: list[Scene], where: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Descriptions (scenes, craters, 140), which are there, and erosion (both: scenes, craters); shorter ones filled
    up with zeros."""
    most = max(len(s[0]) for s in scenes)
    described = torch.zeros(len(scenes), most, scenes[0][0].shape[1])
    there, erosion = torch.zeros(len(scenes), most, dtype=torch.bool), torch.zeros(len(scenes), most)
    for k, (what, _, truth) in enumerate(scenes):
        n = len(what)
        described[k, :n], there[k, :n], erosion[k, :n] = torch.from_numpy(what), True, torch.from_numpy(truth)
    return described.to(where), there.to(where), erosion.to(where)


def erosion_loss(
    out: torch.Tensor, erosion: torch.Tensor, weight: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Negative log likelihood of a Gaussian on the scale of 0 to 1, and the mean absolute miss; `out` as the network
    gives it (n, 7), `weight` (n,) of each crater."""
    n = len(MORPHOLOGIES)
    log_std = out[:, n + 2].clamp(-4, 0)
    miss = torch.sigmoid(out[:, n + 1]) - erosion
    each = 0.5 * (miss / log_std.exp()) ** 2 + log_std
    loss = each.mean() if weight is None else (weight * each).sum() / weight.sum()
    return loss, miss.abs().mean().detach()

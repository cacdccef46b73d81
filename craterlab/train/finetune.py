"""Adapt a detector to a new sensor: half a tile of corrected craters, a few minutes, the old sensors not forgotten."""

from __future__ import annotations

import copy
import json
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from ..errors import CraterlabError
from ..inference import pick_device
from ..nn.zoo import Model, load
from .batches import Shards, make_batch
from .calibrate import MIN_DIAMETER_PX, balance, scored
from .corrected import Corrected, corrected_part
from .recipe import TRAINABLE
from .simulated import write_shard

STEPS = 60
WINDOWS = 8  # of the corrected scenes in a step, and as many simulated ones
RATE = 3e-4
KEEP = 2.0  # weight of the drift from the start's answers, in nats a crater, beside the detector's loss
BLEND = 0.5  # share of the tuned weights in the result
LEAST_CRATERS = 10  # corrected ones that a threshold is balanced on
SHARDS = (0, 1, 3)  # fine and coarse oversampling, and seen through `superres`


def finetune(
    model: str | Path,
    scenes: Any | Sequence[Any],
    craters: Any | Sequence[Any],
    *,
    within: Any = None,
    minutes: float = 5.0,
    seed: int = 0,
    out: str | Path | None = None,
    device: str | None = None,
    progress: bool | None = None,
) -> Path:
    """Adapt a detector to a sensor or a ground it does not know, with craters that you corrected.

    Parameters
    ----------
    model : str or Path
        Where to start: a name in the zoo, or a weights file.
    scenes : Dataset, DataArray or array, or a list of them
        Scenes of the new sensor.
    craters : DataFrame, or a list of them
        One table a scene, with x_px, y_px and diameter_px. It holds every crater of the corrected part: what it leaves
        out is taught as no crater. Rows whose `refused` is True are no craters; rows whose `ignore` is True count
        neither way. Circles that the model finds below the smallest craters of the table are not judged.
    within : (row0, row1, column0, column1) or array of bool, optional
        The part of the scene that was corrected, in pixels or as a mask; for several scenes a list of such, None for a
        whole scene. Craters outside are left alone.
    minutes : float
        Stop after this long, however far the training has come (60 steps: two minutes of one core).
    seed : int
        Same seed, same weights on one machine, unless the time runs out.
    out : str or Path, optional
        The new weights file; default NAME-finetuned.safetensors in the working folder.
    device : str, optional
        As torch names it; a GPU when there is one.
    progress : bool, optional
        Show a bar; default yes.

    Returns
    -------
    Path
        Of the new weights, for ``detect(model=path)``. Their metadata say where they come from.

    Raises
    ------
    CraterlabError
        No craters, scenes without a table each, craters outside their scene, a model that cannot be trained, or a file
        that cannot be written.

    Notes
    -----
    Half of each batch are corrected windows; the other half are simulated ones, on which the network is held to the
    answers of its start (Li & Hoiem 2016), so that it keeps what it knew without its images. Batch statistics are
    frozen, and the result is a blend of the start's and the tuned weights (Wortsman et al. 2022).

    Calibration and default threshold stay those of the start, since they serve every sensor that it knew, and scores
    on scenes that taught say too much. The threshold at which the result finds as many craters of D >= 10 px in the
    corrected parts as were corrected stands beside them, as `threshold` under `finetuned` in the file's metadata, with
    the ratio left as `count_ratio`: ``detect(scene, model=path, threshold=that)`` suits the new sensor where the
    default finds too few.
    """
    start = load(model, pick_device(device))
    kind = str(start.metadata["architecture"])
    able = [name for name, how in TRAINABLE.items() if how.batch is make_batch]
    if kind not in able:
        raise CraterlabError(f"{start.name} is a {kind!r}, which cannot be adapted; what can: {', '.join(able)}")
    if not minutes > 0:
        raise CraterlabError(f"minutes is {minutes}; wanted more than 0")
    target = Path(out) if out is not None else Path(f"{start.name}-finetuned.safetensors")
    if target.suffix != ".safetensors":
        raise CraterlabError(f"out is {str(out)!r}; wanted the name of a .safetensors file, which detect reads")
    from ..output import check_file

    check_file(target)
    began = time.monotonic()
    parts = [corrected_part(start, *each) for each in zip(*_lists(scenes, craters, within), strict=True)]
    net, steps = _tune(start, kind, parts, began, 60 * minutes, seed, progress is not False)
    here = balanced_here(replace(start, net=net), parts)
    _write(target, net, start, parts, steps, seed, here)
    return target


def _lists(scenes: Any, craters: Any, within: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Scenes, tables and corrected parts as lists of one length."""
    if isinstance(scenes, (list, tuple)):
        n = len(scenes)
        tables = list(craters) if isinstance(craters, (list, tuple)) else [craters]
        inside = list(within) if within is not None else [None] * n
    else:
        scenes, tables, inside = [scenes], [craters], [within]
        if isinstance(craters, (list, tuple)):
            tables = list(craters)
    if not scenes or len(tables) != len(scenes) or len(inside) != len(scenes):
        raise CraterlabError(
            f"{len(scenes)} scenes with {len(tables)} crater tables and {len(inside)} corrected parts; each scene "
            "wants one of each: finetune(model, [scene_a, scene_b], [craters_a, craters_b])"
        )
    return list(scenes), tables, inside


def _tune(
    start: Model, kind: str, parts: list[Corrected], began: float, seconds: float, seed: int, progress: bool
) -> tuple[torch.nn.Module, int]:
    """The tuned and blended network, and the steps that it took in `seconds` since `began` (of the monotonic clock)."""
    from ..progress import progress_bar

    how, device = TRAINABLE[kind], start.device
    net = copy.deepcopy(start.net).requires_grad_(True)  # in evaluation mode: batch statistics stay
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.0)
    sources = {"corrected": [p.source for p in parts]}
    step = 0
    with tempfile.TemporaryDirectory(prefix="craterlab-") as folder:
        with warnings.catch_warnings():
            # `superres` says that a noisy scene is noisy, which is no news of a simulated one.
            warnings.simplefilter("ignore", UserWarning)
            for index in SHARDS:
                if index != SHARDS[0] and time.monotonic() > began + seconds / 4:
                    break  # little time: rather more steps than more scenes
                write_shard(Path(folder), index, seed=seed, device=str(device))
        shards = Shards(Path(folder))
        shards.refresh()
        for step in progress_bar(range(1, STEPS + 1), show=progress, desc="finetune", unit="step"):
            for group in optimiser.param_groups:
                group["lr"] = RATE * min(1, step / 10, (STEPS + 1 - step) / (STEPS / 2))
            rng = np.random.default_rng([seed, step])
            new, target, weight = make_batch(shards, sources, {"corrected": 1.0}, WINDOWS, rng, how.encode)
            old, _, _ = make_batch(shards, {}, {}, WINDOWS, rng, how.encode)
            images = torch.cat([new, old]).to(device).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16):
                output = net(images)
                with torch.no_grad():
                    before = start.net(images[WINDOWS:])
            value, _ = how.loss(output[:WINDOWS], target.to(device), weight.to(device))
            value = value + KEEP * drift(output[WINDOWS:], before)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            if time.monotonic() > began + seconds:
                break
    with torch.no_grad():
        for tuned, first in zip(net.parameters(), start.net.parameters(), strict=True):
            tuned.lerp_(first, 1 - BLEND)
    return net, step


def drift(output: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """How far answers have moved from the start's, per crater.

    Parameters
    ----------
    output, before : tensor (n, maps, rows, columns)
        First map the logit of a crater; the others (place, size) matter where there is one.

    Returns
    -------
    tensor ()
        Kullback-Leibler divergence of the first map (nats) plus mean absolute difference of the others, over the number
        of craters that the start saw; 0 for equal answers.
    """
    output, before = output.float(), before.float()
    p = torch.sigmoid(before[:, 0])
    divergence = F.binary_cross_entropy_with_logits(output[:, 0], p, reduction="none")
    divergence = divergence - F.binary_cross_entropy_with_logits(before[:, 0], p, reduction="none")
    rest = (p * (output[:, 1:] - before[:, 1:]).abs().sum(1)).sum((1, 2))
    return ((divergence.sum((1, 2)) + rest) / (p.sum((1, 2)) + 8)).mean()


def balanced_here(model: Model, parts: list[Corrected]) -> dict[str, float]:
    """`threshold` at which as many craters are found in the corrected parts as were corrected, and `count_ratio`, what
    is left of found over corrected; empty where a part's grid is stretched or fewer than ten corrected craters have
    D >= 10 px."""
    import xarray as xr

    from ..detect import raw_circles
    from ..grid import grid_of
    from ..inference import quick_precision
    from ..match import pool, scores
    from ..scene import as_scene

    if any(p.source.x_stretch != 1 for p in parts):
        return {}
    each = []
    for p in parts:
        truth = pd.DataFrame(p.source.craters, columns=["x_px", "y_px", "diameter_px", "ignore"])
        scene = as_scene(xr.DataArray(p.source.image, dims=("y", "x")))
        grid = grid_of(scene)
        least = max(6.0, model.architecture.diameters_px[0])
        raw = raw_circles(scene["image"], grid, model, quick_precision(model.device), least, brightness=(0.0, 1.0))
        each.append(scores(scored(raw, model, grid), truth, min_diameter_px=MIN_DIAMETER_PX, shape=grid.shape))
    whole = pool(each)
    if whole.tp + whole.fn < LEAST_CRATERS:
        return {}
    threshold, ratio = balance([whole])
    return {"threshold": threshold, "count_ratio": round(ratio, 3)}


def _write(
    path: Path,
    net: torch.nn.Module,
    start: Model,
    parts: list[Corrected],
    steps: int,
    seed: int,
    here: dict[str, float],
) -> None:
    from safetensors.torch import save_file

    from .._version import __version__
    from ..output import whole_file

    record = {
        "start": start.name,
        "start_sha256": start.sha256,
        "scenes": [p.name for p in parts],
        "craters": [p.craters for p in parts],
        "steps": steps,
        "seed": seed,
        "craterlab": __version__,
    } | here
    # The sets that it learned from before stay named there.
    metadata = {k: v if isinstance(v, str) else json.dumps(v) for k, v in start.metadata.items()}
    state = {k: v.cpu().contiguous() for k, v in net.state_dict().items()}
    with whole_file(path) as part:
        save_file(state, part, metadata=metadata | {"finetuned": json.dumps(record)})

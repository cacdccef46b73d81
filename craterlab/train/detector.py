"""Training of the crater detector: resumable slices, the same on a processor and a GPU."""

from __future__ import annotations

import json
import math
import multiprocessing
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ..errors import CraterlabError
from ..inference import autocast
from ..nn.zoo import load
from .batches import Shards
from .calibrate import calibrate
from .loop import fit
from .recipe import TRAINABLE, Recipe
from .sets import check_may_train
from .simulated import SHARD, render_shards


def train_detector(
    data: Path | None,
    out: Path,
    recipe: Recipe,
    *,
    minutes: float | None = None,
    unshipped: bool = False,
    device: str = "cpu",
) -> Path:
    """Train a detector, or go on with the training found in `out`.

    Parameters
    ----------
    data : Path or None
        Folder of labelled image sets; None trains on simulation alone, whatever the recipe's shares.
    out : Path
        Checkpoint, log, rendered scenes and, at the end, ``MODEL.safetensors`` are kept here.
    recipe : Recipe
    minutes : float, optional
        Stop after this long with a checkpoint; the same command goes on.
    unshipped : bool
        Allow sets that may not train weights that are shipped.
    device : str
        As torch names it; scenes are rendered there too.

    Returns
    -------
    Path
        The checkpoint, or when the last step is done the weights, calibrated (see ``calibrate``).

    Raises
    ------
    CraterlabError
        For a set that is not there or may not train, and for a start of another shape.
    """
    shares = {} if data is None else recipe.shares
    check_may_train(list(shares), unshipped=unshipped)
    out.mkdir(parents=True, exist_ok=True)
    shard_folder = out / "scenes"
    renderer = None
    shards = Shards(shard_folder)
    if shards.refresh() * SHARD < recipe.scenes:
        # A process of its own: rendering must not share the interpreter with the training loop.
        renderer = multiprocessing.get_context("spawn").Process(
            target=render_shards,
            args=(str(shard_folder), math.ceil(recipe.scenes / SHARD), recipe.seed, device),
            kwargs={"write": TRAINABLE[recipe.model].shard},
            daemon=True,
        )
        renderer.start()
    try:
        while not shards.refresh():
            if renderer is not None and not renderer.is_alive():
                raise RuntimeError("rendering of simulated scenes failed")
            time.sleep(1)
        return _loop(data, out, shards, shares, recipe, minutes, torch.device(device))
    finally:
        if renderer is not None:
            renderer.terminate()


def _loop(
    data: Path | None,
    out: Path,
    shards: Shards,
    shares: dict[str, float],
    recipe: Recipe,
    minutes: float | None,
    device: torch.device,
) -> Path:
    torch.manual_seed(recipe.seed)
    how = TRAINABLE[recipe.model]
    try:
        model = how.new(recipe.width, **recipe.options)
    except TypeError as err:
        raise CraterlabError(f"the recipe's options {recipe.options} do not fit {recipe.model}: {err}") from None
    if recipe.start:
        _start_from(model, recipe)
    model = model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sources = {} if data is None else {name: how.load(name, data, "fit") for name in shares}
    checkpoint = out / "checkpoint.pt"

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rng = np.random.default_rng([recipe.seed, step])
        image, target, weight = (
            t.to(device) for t in how.batch(shards, sources, shares, recipe.batch, rng, how.encode)
        )
        train_mode(model, only_head=step < recipe.frozen_steps)
        with autocast(device):
            output = model(image.contiguous(memory_format=torch.channels_last))
        return how.loss(output, target, weight)

    def also(step: int, average: torch.nn.Module) -> dict[str, float]:
        shards.refresh()
        return {"shards": len(shards.paths)}

    average, step = fit(
        model,
        torch.optim.AdamW(model.parameters(), recipe.lr, weight_decay=0.02),
        loss,
        steps=recipe.steps,
        checkpoint=checkpoint,
        log=out / "log.jsonl",
        name=recipe.model,
        clip=5.0,
        memory=0.999,
        minutes=minutes,
        also=also,
    )
    if step < recipe.steps:
        return checkpoint
    return _export(average, data, out, list(shares), step, recipe)


def train_mode(model: torch.nn.Module, *, only_head: bool) -> None:
    """Let a network learn, or only its layers named ``head…``; the others keep weights and batch statistics."""
    model.train()
    for name, layer in model.named_children():
        learns = name.startswith("head") or not only_head
        layer.train(learns).requires_grad_(learns)


def _start_from(model: torch.nn.Module, recipe: Recipe) -> None:
    """Take over the weights of the recipe's start; layers that it does not have keep their random weights."""
    state = load(recipe.start).net.state_dict()
    own = model.state_dict()
    if wrong := [k for k, v in state.items() if k not in own or own[k].shape != v.shape]:
        raise CraterlabError(
            f"{recipe.start} cannot start a {recipe.model} of width {recipe.width}: {len(wrong)} of its layers have no "
            f"place there, first {wrong[0]}"
        )
    model.load_state_dict(state, strict=False)


def _export(average: torch.nn.Module, data: Path | None, out: Path, sets: list[str], step: int, recipe: Recipe) -> Path:
    """Write the averaged weights and calibrate them."""
    weights = out / f"{recipe.model}.safetensors"
    save_file(
        {k: v.contiguous() for k, v in average.state_dict().items()},
        weights,
        metadata={
            "architecture": recipe.model,
            "steps": str(step),
            "sets": ",".join(sets) or "none",
        }
        | {k: json.dumps(v) for k, v in average.settings.items()},  # type: ignore[operator,union-attr]
    )
    images = TRAINABLE[recipe.model].labelled
    result = calibrate(weights, data, sets=sets, seed=recipe.seed, images=images)
    (out / "calibration.json").write_text(json.dumps(result, indent=1))
    return weights

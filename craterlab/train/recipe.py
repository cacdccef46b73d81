"""Recipes: what is trained, on what, and for how long. A small TOML file that anyone can repeat or change."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..detect import box_targets, mask_targets, targets
from ..errors import CraterlabError
from ..nn import adsnet, craternet, hourglass, resnet
from . import batches, calibrate, pairs, sets, simulated


@dataclass(frozen=True)
class Trainable:
    """How to train one architecture.

    Attributes
    ----------
    new : callable
        (width, **options) -> a network with random weights, whose `settings` (a dict) tell how to build it again.
    encode : callable
        (x_px, y_px, diameter_px, ignore, shape) -> (target, weight) arrays of one window.
    loss : callable
        (output, target, weight) -> (loss, its parts for the log).
    shard, load, batch, labelled : callable
        What it learns from: see ``simulated.write_shard``, ``sets.load_set``, ``batches.make_batch`` and
        ``calibrate.labelled_images``, which serve networks that take an image alone.
    """

    new: Callable[..., torch.nn.Module]
    encode: Callable[..., tuple[np.ndarray, np.ndarray]]
    loss: Callable[..., tuple[torch.Tensor, dict[str, float]]]
    shard: Callable[..., Path] = simulated.write_shard
    load: Callable[..., list[sets.Source]] = sets.load_set
    batch: Callable[..., tuple[torch.Tensor, ...]] = batches.make_batch
    labelled: Callable[..., list[tuple[str, Any, pd.DataFrame]]] = calibrate.labelled_images


TRAINABLE = {
    "craternet": Trainable(craternet.CraterNet, targets.encode, targets.loss),
    "centernet-hourglass": Trainable(hourglass.HourglassNet, box_targets.encode, box_targets.loss),
    "centernet-resnet50": Trainable(resnet.ResNetCenterNet, box_targets.encode, box_targets.loss),
    "adsnet": Trainable(
        adsnet.AdsNet,
        mask_targets.encode_mask,
        mask_targets.mask_loss,
        pairs.write_pair_shard,
        pairs.load_pairs,
        pairs.make_pairs,
        pairs.labelled_pairs,
    ),
}


@dataclass(frozen=True)
class Recipe:
    """One training.

    Attributes
    ----------
    model : str
        Architecture, a key of ``TRAINABLE``.
    steps, batch : int
        Length of the whole training (the learning rate falls to zero there), and windows a step.
    lr : float
        Highest learning rate.
    width : int
        Channels of the first stage.
    scenes : int
        Simulated scenes to render; rendering runs beside the training until they are there.
    seed : int
    start : str
        Weights to start from (a file, or a name in the zoo); empty for random ones.
    frozen_steps : int
        For so many steps at first, only layers named ``head…`` learn.
    options : dict
        Settings of the architecture besides its width.
    shares : dict
        Share of each real set in a batch; the rest is simulated. Evaluate-only sets are refused unless `unshipped`.
    """

    model: str = "craternet"
    steps: int = 5000
    batch: int = 12
    lr: float = 2e-3
    width: int = 24
    scenes: int = 2400
    seed: int = 1
    start: str = ""
    frozen_steps: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.model not in TRAINABLE:
            raise CraterlabError(f"unknown model {self.model!r}; trainable: {', '.join(TRAINABLE)}")
        if not 0 <= sum(self.shares.values()) <= 1 or min(self.shares.values(), default=0) < 0:
            raise CraterlabError(f"shares of real sets must lie in 0..1 and sum to at most 1; got {self.shares}")
        if min(self.steps, self.batch, self.width, self.scenes) < 1:
            raise CraterlabError("steps, batch, width and scenes of a recipe are 1 or more")


def read_recipe(recipe: str | Path) -> Recipe:
    """A recipe by the name of a model that ships one, or from a TOML file.

    Raises
    ------
    CraterlabError
        The file is not there, is not TOML, or holds keys or values that a recipe does not have.
    """
    path = Path(recipe) if str(recipe).endswith(".toml") else Path(__file__).parent / "recipes" / f"{recipe}.toml"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in (Path(__file__).parent / "recipes").glob("*.toml")))
        raise CraterlabError(
            f"no recipe {str(recipe)!r}; known: {known}. Give one of them or the path of a .toml file."
        )
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise CraterlabError(f"{path} is not a TOML file: {err}") from None
    kinds = {f.name: type(getattr(Recipe(), f.name)) for f in fields(Recipe)}
    for key, value in values.items():
        if key not in kinds:
            raise CraterlabError(f"{path.name}: unknown key {key!r}; a recipe has {', '.join(kinds)}")
        if not isinstance(value, kinds[key]) and not (kinds[key] is float and isinstance(value, int)):
            raise CraterlabError(f"{path.name}: {key} must be {kinds[key].__name__}, got {value!r}")
    return Recipe(**values)

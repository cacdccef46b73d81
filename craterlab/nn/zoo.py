"""The model zoo: every network `detect(model=…)` knows, its weights, their hash, licence and card.

Weights are safetensors in the package; what a model needs at run time besides (calibration, default threshold, error
model) stands in the file's metadata, so that the two cannot drift apart. A model is loaded once per process and device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CraterlabError
from . import adsnet, centernet, craternet, hourglass, resnet
from .weights import WEIGHTS, read_network, weights_path


def _image_alone(metadata: dict[str, Any]) -> tuple[str, ...]:
    return ("image",)


@dataclass(frozen=True)
class Architecture:
    """What `detect` must know to drive a network.

    Attributes
    ----------
    build : callable
        Metadata of a weights file -> network. The network takes (n, layers, rows, columns) and gives (n, maps, ...).
    decode : callable
        (maps of one window, least logit) -> dict of arrays x_px, y_px, diameter_px (window pixels), logit.
    align : int
        Windows start and end on multiples of this, so that the network's grid is the whole image's.
    halo : int
        Pixels beyond which nothing influences an answer.
    diameters_px : (float, float)
        Sizes the network answers for, on its own grid.
    level_px : (float, float)
        Sizes that an inner level of the pyramid answers for; they overlap, so that a crater near a limit is seen whole
        by at least one level.
    layers : callable
        Metadata of a weights file -> the scene's layers that the network takes, in order: "image", "dem".
    """

    build: Callable[[dict[str, Any]], torch.nn.Module]
    decode: Callable[[np.ndarray, float], dict[str, np.ndarray]]
    align: int
    halo: int
    diameters_px: tuple[float, float]
    level_px: tuple[float, float]
    layers: Callable[[dict[str, Any]], tuple[str, ...]] = _image_alone


ARCHITECTURES = {
    "craternet": Architecture(
        craternet.build,
        craternet.decode,
        craternet.ALIGN,
        craternet.HALO,
        (craternet.MIN_DIAMETER_PX, craternet.MAX_DIAMETER_PX),
        (13.0, 34.0),
    ),
    "centernet-hourglass": Architecture(
        hourglass.build,
        centernet.decode,
        hourglass.ALIGN,
        hourglass.HALO,
        centernet.DIAMETERS_PX,
        centernet.LEVEL_PX,
    ),
    "centernet-resnet50": Architecture(
        resnet.build, centernet.decode, resnet.ALIGN, resnet.HALO, centernet.DIAMETERS_PX, centernet.LEVEL_PX
    ),
    "adsnet": Architecture(
        adsnet.build,
        adsnet.decode,
        adsnet.CELL,
        adsnet.HALO,
        (adsnet.MIN_DIAMETER_PX, adsnet.MAX_DIAMETER_PX),
        (13.0, 34.0),
        adsnet.layers,
    ),
}


@dataclass(frozen=True)
class Model:
    """A loaded network.

    Attributes
    ----------
    name, sha256 : str
        What provenance records.
    architecture : Architecture
    net : torch.nn.Module
        In evaluation mode, on `device`.
    metadata : dict
        From the weights file: `calibration`, `threshold`, `errors` …
    """

    name: str
    sha256: str
    architecture: Architecture
    net: torch.nn.Module
    device: torch.device
    metadata: dict[str, Any]

    @property
    def layers(self) -> tuple[str, ...]:
        """The scene's layers that the network takes, in order."""
        return self.architecture.layers(self.metadata)


def models() -> list[str]:
    """Names of the models whose weights are in the package."""
    return sorted(p.stem for p in WEIGHTS.glob("*.safetensors") if p.stem in ARCHITECTURES)


@lru_cache(maxsize=8)
def _load(path: Path, modified: float, device: str) -> Model:
    net, metadata, sha256 = read_network(
        path,
        device,
        lambda about: ARCHITECTURES[about["architecture"]].build(about),
        tuple(ARCHITECTURES),
        verb="detect",
        instead=", or use model='craternet'",
    )
    architecture = ARCHITECTURES[metadata["architecture"]]
    return Model(path.stem, sha256, architecture, net, torch.device(device), metadata)


def load(model: str | Path, device: str = "cpu") -> Model:
    """Load a model by name, or from a weights file.

    Raises
    ------
    CraterlabError
        For a name that is not in the zoo, a model whose weights are not in the package, or a file that is not there
        (the message lists the names), and for a file that is damaged or was written for another architecture.
    """
    path = weights_path(model)
    if not path.exists():
        known = ", ".join(models()) or "none"
        untrained = ", ".join(a for a in ARCHITECTURES if a not in models())
        raise CraterlabError(
            f"no model {str(model)!r}; known: {known}. Give one of them or the path of a .safetensors file."
            + f" To be trained first (craterlab train detect --config NAME): {untrained}." * bool(untrained)
        )
    return _load(path, path.stat().st_mtime, device)

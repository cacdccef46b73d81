"""The model zoo: every network `detect(model=…)` knows, its weights, their hash, licence and card.

Weights are safetensors in the package; what a model needs at run time besides (calibration, default threshold, error
model) stands in the file's metadata, so that the two cannot drift apart. A model is loaded once per process and device.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..errors import CraterlabError
from .craternet import CraterNet

WEIGHTS = Path(__file__).parent.parent / "weights"
ARCHITECTURES = {"craternet": CraterNet}


@dataclass(frozen=True)
class Model:
    """A loaded network.

    Attributes
    ----------
    name, sha256 : str
        What provenance records.
    net : torch.nn.Module
        In evaluation mode, on `device`.
    metadata : dict
        From the weights file: `calibration`, `threshold`, `errors` …
    """

    name: str
    sha256: str
    net: torch.nn.Module
    device: torch.device
    metadata: dict[str, Any]


def models() -> list[str]:
    """Names of the models whose weights are in the package."""
    return sorted(p.stem for p in WEIGHTS.glob("*.safetensors") if p.stem in ARCHITECTURES)


@lru_cache(maxsize=8)
def _load(path: Path, modified: float, device: str) -> Model:
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, "pt") as f:
        raw = f.metadata() or {}
    metadata = {k: _json(v) for k, v in raw.items()}
    architecture = str(metadata.get("architecture"))
    if architecture not in ARCHITECTURES:
        raise CraterlabError(f"{path.name} holds a {architecture!r}; known: {', '.join(ARCHITECTURES)}")
    net = ARCHITECTURES[architecture](int(metadata["width"]))
    net.load_state_dict(load_file(path))
    net = net.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.requires_grad_(False)
    return Model(path.stem, hashlib.sha256(path.read_bytes()).hexdigest(), net, torch.device(device), metadata)


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def load(model: str | Path, device: str = "cpu") -> Model:
    """Load a model by name, or from a weights file.

    Raises
    ------
    CraterlabError
        For a name that is not in the zoo or a file that is not there; the message lists the names.
    """
    path = Path(model) if str(model).endswith(".safetensors") else WEIGHTS / f"{model}.safetensors"
    if not path.exists():
        known = ", ".join(models()) or "none"
        raise CraterlabError(
            f"no model {str(model)!r}; known: {known}. Give one of them or the path of a .safetensors file."
        )
    return _load(path, path.stat().st_mtime, device)

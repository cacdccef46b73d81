"""Weights files: where the package keeps its own, and how one is read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WEIGHTS = Path(__file__).parent.parent / "weights"


def read_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any], str]:
    """Tensors, metadata (values that are JSON as Python values) and sha256 of a .safetensors file.

    Raises
    ------
    SafetensorError, OSError
        The file is damaged or cannot be read.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(path, "pt") as f:
        raw = f.metadata() or {}
    return load_file(path), {k: _json(v) for k, v in raw.items()}, hashlib.sha256(path.read_bytes()).hexdigest()


def _json(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value

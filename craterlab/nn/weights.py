"""Weights files: where the package keeps its own, and how one is read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WEIGHTS = Path(__file__).parent.parent / "weights"


def weights_path(model: str | Path) -> Path:
    """The file of a name in the package, or the file itself where its path is given; it may not be there."""
    return Path(model) if str(model).endswith(".safetensors") else WEIGHTS / f"{model}.safetensors"


def for_inference(net: torch.nn.Module, device: str) -> None:
    """Make a network ready to answer, in place: on a device, channels last, without gradients."""
    import torch

    net.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.requires_grad_(False)


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

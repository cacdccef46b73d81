"""Weights files: where the package keeps its own, and how one is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import CraterlabError

if TYPE_CHECKING:
    import torch

Net = TypeVar("Net", bound="torch.nn.Module")

WEIGHTS = Path(__file__).parent.parent / "weights"


def weights_path(model: str | Path) -> Path:
    """The file of a name in the package, or the file itself where its path is given; it may not be there."""
    return Path(model) if str(model).endswith(".safetensors") else WEIGHTS / f"{model}.safetensors"


def for_inference(net: torch.nn.Module, device: str) -> None:
    """Make a network ready to answer, in place: on a device, channels last, without gradients."""
    import torch

    net.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.requires_grad_(False)


def read_network(
    path: Path,
    device: str,
    build: Callable[[dict[str, Any]], Net],
    known: tuple[str, ...],
    *,
    verb: str,
    instead: str = "",
) -> tuple[Net, dict[str, Any], str]:
    """A network ready to answer, from its weights file.

    Parameters
    ----------
    path : Path
        Of a file that is there.
    device : str
    build : callable
        Metadata of the file -> network with any weights.
    known : tuple of str
        Architectures that `build` knows.
    verb, instead : str
        Whose network it is, and what else to do, for the errors.

    Returns
    -------
    net : torch.nn.Module
    metadata : dict
    sha256 : str

    Raises
    ------
    CraterlabError
        The file is damaged, holds another architecture, or was written by another version.
    """
    from safetensors import SafetensorError

    try:
        state, metadata, sha256 = read_weights(path)
    except (SafetensorError, OSError) as err:
        raise CraterlabError(
            f"{verb}: {path} is no whole .safetensors file ({err}); fetch or write it again{instead}"
        ) from None
    kind = metadata.get("architecture")
    if kind not in known:
        raise CraterlabError(f"{verb}: {path.name} holds a {kind!r}; known: {', '.join(known)}")
    try:
        net = build(metadata)
        net.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as err:
        raise CraterlabError(
            f"{verb}: {path.name} does not fit the {kind} of this craterlab, so another version wrote it "
            f"({str(err).splitlines()[0]}); train it again{instead}"
        ) from None
    for_inference(net, device)
    return net, metadata, sha256


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

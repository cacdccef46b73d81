"""A network of `segment` from its weights file, and what it says of a few windows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import CraterlabError
from ..inference import autocast
from ..nn.marslsnet import MarsLsNet
from ..nn.unet import UNet
from ..nn.weights import for_inference, read_weights, weights_path


@dataclass(frozen=True)
class Segmenter:
    """A loaded network.

    Attributes
    ----------
    net : torch.nn.Module
        In evaluation mode: layers (n, 7, rows, columns) in their spreads -> logit (n, 1, rows, columns).
    name, sha256 : str
        What provenance records.
    layers : tuple of (centre, spread)
        Of each layer over the training set, in its unit.
    calibration : (slope, intercept)
        Of the logistic regression that makes the logit a probability.
    threshold : float
        Least probability of a mask.
    metadata : dict
        All that the file says.
    """

    net: torch.nn.Module
    name: str
    sha256: str
    layers: tuple[tuple[float, float], ...]
    calibration: tuple[float, float]
    threshold: float
    metadata: dict[str, Any]


def load_segmenter(model: str | Path, device: str = "cpu") -> Segmenter:
    """Load a network by its name in the package or from a .safetensors file; once per process and device.

    Raises
    ------
    CraterlabError
        It is not there, is damaged or holds another kind of network.
    """
    path = weights_path(model)
    if not path.exists():
        raise CraterlabError(
            f"segment: no model {str(model)!r}; use 'marslsnet', or the path of a .safetensors file that "
            "craterlab train segment wrote."
        )
    return _load(path, path.stat().st_mtime, device)


@lru_cache(maxsize=8)
def _load(path: Path, modified: float, device: str) -> Segmenter:
    from safetensors import SafetensorError

    try:
        state, metadata, sha256 = read_weights(path)
    except (SafetensorError, OSError) as err:
        raise CraterlabError(f"segment: {path} is no whole .safetensors file ({err}); write it again.") from None
    kind = metadata.get("architecture")
    if kind not in ("marslsnet", "unet"):
        raise CraterlabError(f"segment: {path.name} holds a {kind!r}; wanted a marslsnet or a unet.")
    try:
        net: torch.nn.Module
        if kind == "marslsnet":
            net = MarsLsNet(*(metadata[k] for k in ("size", "kernel", "attention", "pe")))
        else:
            net = UNet(metadata["width"])
        net.load_state_dict(state)
        layers = tuple((float(a), float(b)) for a, b in metadata["layers"])
        slope, intercept = (float(v) for v in metadata["calibration"])
        threshold = float(metadata["threshold"])
    except (KeyError, TypeError, ValueError, RuntimeError) as err:
        raise CraterlabError(
            f"segment: {path.name} is damaged or was written by another version ({str(err).splitlines()[0]}); "
            "train it again."
        ) from None
    for_inference(net, device)
    return Segmenter(net, path.stem, sha256, layers, (slope, intercept), threshold, metadata)


@dataclass(frozen=True)
class Predictor:
    """Raw windows -> probabilities. It knows its network by name, so that no weights travel in a Dask graph.

    Attributes
    ----------
    model, device : str
    precision : {"float32", "bfloat16"}
    standardiser : callable
        (raw window, its corner) -> layers in their spreads, NaN where one is missing.
    """

    model: str
    device: str
    precision: str
    standardiser: Callable[[np.ndarray, tuple[int, int]], np.ndarray]

    def __call__(self, windows: list[np.ndarray], corners: list[tuple[int, int]]) -> np.ndarray:
        """Probabilities (n, rows, columns), NaN where a layer is; each raw window is (bands, rows, columns)."""
        layers = np.stack([self.standardiser(w, c) for w, c in zip(windows, corners, strict=True)])
        return probabilities(load_segmenter(self.model, self.device), layers, getattr(torch, self.precision))


def probabilities(segmenter: Segmenter, layers: np.ndarray, precision: torch.dtype) -> np.ndarray:
    """Probabilities (n, rows, columns) of layers (n, 7, rows, columns) in their spreads; NaN where a layer is."""
    device = next(segmenter.net.parameters()).device
    x = torch.from_numpy(np.nan_to_num(layers, nan=0.0)).to(device).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), autocast(device, precision):
        logit = segmenter.net(x)[:, 0].float()
    slope, intercept = segmenter.calibration
    out: np.ndarray = torch.sigmoid(slope * logit + intercept).cpu().numpy()
    out[np.isnan(layers).any(1)] = np.nan
    return out

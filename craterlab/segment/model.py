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
from ..nn.weights import read_network, weights_path


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
    def build(about: dict[str, Any]) -> torch.nn.Module:
        _settings(about)  # missing ones are told like missing weights
        if about["architecture"] == "unet":
            return UNet(about["width"])
        return MarsLsNet(*(about[k] for k in ("size", "kernel", "attention", "pe")))

    net, metadata, sha256 = read_network(path, device, build, ("marslsnet", "unet"), verb="segment")
    return Segmenter(net, path.stem, sha256, *_settings(metadata), metadata)


def _settings(about: dict[str, Any]) -> tuple[tuple[tuple[float, float], ...], tuple[float, float], float]:
    """Middle and spread of each layer, calibration, threshold."""
    slope, intercept = (float(v) for v in about["calibration"])
    return tuple((float(a), float(b)) for a, b in about["layers"]), (slope, intercept), float(about["threshold"])


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

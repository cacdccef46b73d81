"""Where and how a network runs: device, precision."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from .errors import CraterlabError
from .nn.zoo import Model


def pick_device(device: str | None) -> str:
    """The device asked for, else a GPU when there is one, else the processor.

    Raises
    ------
    CraterlabError
        When the device asked for is not there.
    """
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as err:
        raise CraterlabError(f"no device {device!r} here ({str(err).splitlines()[0]}); use device='cpu'") from None
    return device


def quick_precision(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if device.type == "cpu":
        quick = (
            getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
            or getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
        )
        return torch.bfloat16 if quick else torch.float32
    return torch.float32


def autocast(device: torch.device, precision: torch.dtype | None = None) -> AbstractContextManager[Any]:
    """In it networks compute in `precision`, or in what is quick there: without bfloat16 in the hardware, imitating it
    takes a training three times as long."""
    precision = precision or quick_precision(device)
    return contextlib.nullcontext() if precision == torch.float32 else torch.autocast(device.type, precision)


def run(model: Model, window: np.ndarray, precision: torch.dtype) -> np.ndarray:
    """One window (layers, rows, columns) float32 through the network -> (channels, rows', columns') float32."""
    x = torch.from_numpy(np.ascontiguousarray(window))[None].to(model.device)
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), autocast(model.device, precision):
        return model.net(x)[0].float().cpu().numpy()

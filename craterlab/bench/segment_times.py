"""What landforms by pixel cost: a large scene with the shipped network, and the published network on one patch."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

SIDE = 2000
_EPOCHS, _PATCHES = 100, 275  # of the published training


def segment_times(model: str = "marslsnet", *, side: int = SIDE) -> dict[str, Any]:
    """Cost on the processor, each in a process of its own.

    Returns
    -------
    dict
        `scene`: side, threads, seconds, cpu_seconds, peak_mib (of the whole process, its libraries and the scene of
        seven layers included); `l5_full`: the same for one patch through L-5 with full attention (`infer_…`) and for
        one forth and back (`train_…`), and `training_cpu_hours`, what its published 100 epochs of 275 patches would
        take at that rate.

    Raises
    ------
    RuntimeError
        A measurement failed; with what it said.
    """
    return {"scene": _alone("scene", model, str(side)), "l5_full": _alone("l5_full")}


def _alone(name: str, *arguments: str) -> dict[str, Any]:
    code = f"import sys; from craterlab.bench.segment_times import {name}; {name}(*sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"timing {name} failed:\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def scene(model: str, side: str) -> None:
    """Time `segment` on a scene of rough ground and print a row as JSON."""
    import torch
    import xarray as xr

    from ..segment import segment
    from .superres_times import peak_mib

    n, rng = int(side), np.random.default_rng(0)
    ground = rng.normal(0, 1, (7, n, n)).astype(np.float32)
    ground = (ground.cumsum(1) + ground[:, ::-1].cumsum(1)[:, ::-1]) * 20
    layers: dict[str, Any] = {"rgb": (("band", "y", "x"), ground[:3])}
    names = ("dem", "thermal_inertia", "slope", "image")
    layers |= {name: (("y", "x"), layer) for name, layer in zip(names, ground[3:], strict=True)}
    wall, cpu = time.perf_counter(), time.process_time()
    segment(xr.Dataset(layers), model=model, device="cpu", progress=False)
    row = {"model": model, "side": n, "threads": torch.get_num_threads()}
    row |= {"seconds": round(time.perf_counter() - wall, 1), "cpu_seconds": round(time.process_time() - cpu, 1)}
    print(json.dumps(row | {"peak_mib": peak_mib()}))


def l5_full() -> None:
    """Time the published network on one patch and print a row as JSON."""
    import torch

    from ..inference import autocast
    from ..nn.marslsnet import LAYERS, PATCH, MarsLsNet

    net = MarsLsNet("L", 5, "full").to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.rand(1, LAYERS, PATCH, PATCH).contiguous(memory_format=torch.channels_last)
    row: dict[str, Any] = {"threads": torch.get_num_threads()}
    for name in ("infer", "train"):
        net.train(name == "train")
        wall, cpu = time.perf_counter(), time.process_time()
        with autocast(torch.device("cpu")), torch.set_grad_enabled(name == "train"):
            logit = net(x)
        if name == "train":
            logit.float().mean().backward()
        row[f"{name}_seconds"] = round(time.perf_counter() - wall, 1)
        row[f"{name}_cpu_seconds"] = round(time.process_time() - cpu, 1)
    row["training_cpu_hours"] = round(row["train_cpu_seconds"] * _EPOCHS * _PATCHES / 3600, 1)
    print(json.dumps(row))

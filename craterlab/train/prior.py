"""Training of the image priors of super-resolution: the denoiser, its gradient-step twin, and the direct network."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from ..errors import CraterlabError
from ..inference import autocast
from ..nn.denoiser import Denoiser, GradientDenoiser
from .loop import fit
from .patches import (
    SCENES_A_FILE,
    SHARES,
    Picture,
    degraded,
    draw_batch,
    draw_patch,
    load_pictures,
    load_sharp,
    noisy,
    render_sharp,
)

KINDS = ("prior", "prior-gs", "superres-net")
_CHECK_SIGMAS = (2 / 255, 5 / 255, 15 / 255, 50 / 255)


def train_prior(
    data: Path | None,
    out: Path,
    *,
    kind: str = "prior",
    steps: int = 4000,
    minutes: float | None = None,
    batch: int = 12,
    lr: float = 1e-3,
    kernels: tuple[int, int, int] = (7, 7, 11),
    scenes: int = 640,
    start: Path | None = None,
    seed: int = 1,
    device: str = "cpu",
) -> Path:
    """Train a prior, or go on with the training found in `out`.

    Parameters
    ----------
    data : Path or None
        Folder of image sets, of which those that may train are used; None trains on simulation alone.
    out : Path
        Checkpoint, log, rendered scenes and, at the end, ``KIND.safetensors`` are kept here.
    kind : {"prior", "prior-gs", "superres-net"}
        The denoiser; the gradient-step denoiser; the network that sharpens in one pass.
    steps : int
        Length of the whole training (the learning rate falls to zero there).
    minutes : float, optional
        Stop after this long with a checkpoint; the same command goes on.
    kernels : tuple of int
        Depth-wise kernels on the three grids.
    scenes : int
        Simulated scenes to render, before the first step.
    start : Path, optional
        Weights to start from, of any kind: all three have one architecture.

    Returns
    -------
    Path
        The checkpoint, or when the last step is done the weights.
    """
    if kind not in KINDS:
        raise CraterlabError(f"unknown prior {kind!r}; known: {', '.join(KINDS)}")
    out.mkdir(parents=True, exist_ok=True)
    folder = out / "scenes"
    render_sharp(folder, math.ceil(scenes / SCENES_A_FILE), seed, device)
    simulated = load_sharp(folder)
    sources = {} if data is None else {name: load_pictures(name, data, "fit") for name in SHARES}
    checks = [] if data is None else [p for name in SHARES for p in load_pictures(name, data, "check")]

    where = torch.device(device)
    torch.manual_seed(seed)
    net = Denoiser(kernels=kernels, smooth=kind == "prior-gs")
    if start is not None:
        net.load_state_dict(load_file(start))
    net = net.to(where).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    checkpoint = out / f"{kind}.pt"

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rng = np.random.default_rng([seed, step])
        value = _loss(net, kind, draw_batch(sources, simulated, batch, rng), rng, where)
        return value, {"loss": float(value.detach())}

    def also(step: int, average: Denoiser) -> dict[str, float]:
        return _check(average, kind, checks, where) if checks and (step % 500 == 0 or step == steps) else {}

    average, step = fit(
        net,
        torch.optim.AdamW(net.parameters(), lr, betas=(0.9, 0.99), weight_decay=0.0),
        loss,
        steps=steps,
        checkpoint=checkpoint,
        log=out / f"{kind}.jsonl",
        name=kind,
        clip=1.0,
        memory=0.999,
        minutes=minutes,
        also=also,
    )
    if step < steps:
        return checkpoint
    weights = out / f"{kind}.safetensors"
    save_file(
        # Half precision is more than bfloat16 inference sees, and half the size.
        {k: v.half().contiguous() for k, v in average.state_dict().items()},
        weights,
        metadata={
            "architecture": kind,
            "kernels": json.dumps(kernels),
            "steps": str(step),
            "sets": ",".join(sources) or "none",
        },
    )
    return weights


def _loss(
    net: Denoiser, kind: str, clean: torch.Tensor, rng: np.random.Generator, device: torch.device
) -> torch.Tensor:
    """Mean logarithm of the mean square error, so that every noise level counts alike (up to 10/log 10, the PSNR)."""
    given, sigma = (degraded if kind == "superres-net" else noisy)(clean, rng)
    clean, given, sigma = clean.to(device), given.to(device), sigma.to(device)
    if kind == "prior-gs":
        # Through a gradient in bf16 the small noise levels drown; float32 here.
        found = GradientDenoiser(net).train()(given, sigma)
    else:
        net.train()
        with autocast(device):
            found = net(given, sigma)
    error = (found.float() - clean).square().mean((1, 2, 3))
    return (error + 1e-7).log().mean()


def _check(net: Denoiser, kind: str, pictures: list[Picture], device: torch.device) -> dict[str, float]:
    """PSNR (dB, peak 1) on patches kept back: by noise level, or for the direct network over its degradations."""
    rng = np.random.default_rng(0)
    clean = torch.from_numpy(np.stack([draw_patch(pictures, rng) for _ in range(24)]))[:, None]
    model = (GradientDenoiser(net) if kind == "prior-gs" else net).eval()

    def psnr(given: torch.Tensor, sigma: torch.Tensor) -> float:
        with torch.no_grad():
            found = model(given.to(device), sigma.to(device)).cpu()
        return psnr_between(found, clean)

    if kind == "superres-net":
        parts = [degraded(clean[i : i + 4], rng) for i in range(0, len(clean), 4)]  # a camera for every four
        given, sigma = (torch.cat(p) for p in zip(*parts, strict=True))
        return {"psnr_wiener": psnr_between(given, clean), "psnr_sharp": psnr(given, sigma)}
    noise = torch.from_numpy(rng.standard_normal(tuple(clean.shape), dtype=np.float32))
    return {f"psnr_{255 * s:.0f}": psnr(clean + s * noise, torch.full((24,), s)) for s in _CHECK_SIGMAS}


def psnr_between(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean PSNR (dB, peak 1) of patches (n, 1, rows, columns)."""
    return float(-10 * (a - b).square().mean((1, 2, 3)).log10().mean())

"""Training of the networks of `segment` on mapped landslides: resumable, the same on a processor and a GPU."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from ..errors import CraterlabError
from ..inference import autocast
from ..nn.marslsnet import WIDTHS, MarsLsNet, parameter_count
from ..nn.unet import UNet, width_of
from ..segment.scores import counts, scores
from ..segment.standard import standard
from .loop import fit
from .mmls import held_out, read_patches, turned
from .sets import check_may_train

_JITTER = 0.1  # standard deviation of the shift of a layer, in its spread, drawn for each patch


def new_network(
    net: str = "marslsnet", size: str = "S", kernel: int = 3, attention: str | None = "pooled", pe: bool = True
) -> MarsLsNet | UNet:
    """A network with random weights; a U-Net of as many parameters as the marslsnet of that size and kernel.

    Raises
    ------
    CraterlabError
        For a name, size, kernel or attention that is not known.
    """
    known: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "net": (net, ("marslsnet", "unet")),
        "size": (size, tuple(WIDTHS)),
        "kernel": (kernel, (3, 4, 5)),
        "attention": (attention, ("full", "pooled", None)),
    }
    for name, (got, wanted) in known.items():
        if got not in wanted:
            raise CraterlabError(f"unknown {name} {got!r}; wanted one of {', '.join(map(str, wanted))}")
    if net == "marslsnet":
        return MarsLsNet(size, kernel, attention, pe)
    return UNet(width_of(parameter_count(MarsLsNet(size, kernel))))


def train_segment(
    data: Path,
    out: Path,
    *,
    net: str = "marslsnet",
    size: str = "S",
    kernel: int = 3,
    attention: str | None = "pooled",
    pe: bool = True,
    epochs: int = 8,
    batch: int = 2,
    lr: float = 3e-3,
    minutes: float | None = None,
    seed: int = 1,
    device: str = "cpu",
) -> Path:
    """Train a network of `segment` on the train patches of `mmls`, or go on with the training found in `out`.

    Parameters
    ----------
    data : Path
        Folder that holds `mmls`.
    out : Path
        Checkpoint, log and, at the end, ``NET.safetensors`` are kept here.
    net : {"marslsnet", "unet"}
        A U-Net gets as many parameters as the marslsnet of `size` and `kernel`.
    size, kernel, attention, pe
        As for ``MarsLsNet``.
    epochs, batch : int
        Length of the whole training (the learning rate falls to zero there), and patches a step.
    lr : float
        Highest learning rate.
    minutes : float, optional
        Stop after this long; the same command goes on.
    device : str
        As torch names it.

    Returns
    -------
    Path
        The checkpoint, or when the last epoch is done the weights.

    Raises
    ------
    CraterlabError
        For a set that is not there and a network that is not known.

    Notes
    -----
    Binary cross-entropy, as published; AdamW. Layers are given in their spread over the train patches (``spread_of``),
    turned, mirrored and slightly shifted. After each epoch the running mean of the weights is judged on whole blocks of
    the map that teach nothing (``held_out``); the best epoch by class-mean IoU is kept, and on the same blocks its
    probabilities are calibrated and its threshold is chosen.
    """
    began, where = time.monotonic(), torch.device(device)
    check_may_train(["mmls"])
    torch.manual_seed(seed)
    model: torch.nn.Module = new_network(net, size, kernel, attention, pe).to(where)
    patches = read_patches(data, "train")
    centre, spread = spread_of(patches.layers)
    judges = held_out(patches.table)
    teach, judge = patches.take(~judges), patches.take(judges)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, best_file = out / "checkpoint.pt", out / "best.pt"
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    best: dict[str, Any] = torch.load(best_file, weights_only=True) if best_file.exists() else {"miou": -1.0}
    per_epoch = -(-len(teach.mask) // batch)

    def loss(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        epoch, i = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(teach.mask))
        rng = np.random.default_rng([seed, 10**6, step])
        index = order[i * batch : (i + 1) * batch]
        layers, mask = turned(teach.layers[index], teach.mask[index], rng)
        layers = standard(layers, centre, spread)
        layers += rng.normal(0, _JITTER, (*layers.shape[:2], 1, 1)).astype(np.float32)
        model.train()
        value = F.binary_cross_entropy_with_logits(_logits(model, layers, where), _tensor(mask, where))
        return value, {"loss": float(value.detach())}

    def judged(step: int, average: torch.nn.Module) -> dict[str, float]:
        epoch = step // per_epoch
        logits = predict(average, judge.layers, centre, spread, where)
        miou = float(scores(counts(logits > 0, judge.mask))["miou"])
        if miou > best["miou"]:
            best.update(miou=miou, epoch=epoch, state=copy.deepcopy(average.state_dict()))
            torch.save(best, best_file)
        return {"epoch": epoch, "cpu": time.process_time(), "held_out_miou": miou}

    average, step = fit(
        model,
        torch.optim.AdamW(model.parameters(), lr, weight_decay=0.02),
        loss,
        steps=epochs * per_epoch,
        checkpoint=checkpoint,
        log=out / "log.jsonl",
        name=net,
        clip=2.0,
        memory=0.995,
        minutes=minutes,
        began=began,
        log_every=per_epoch,
        save_every=per_epoch,
        also=judged,
    )
    if step < epochs * per_epoch:
        return checkpoint
    average.load_state_dict(best["state"])
    logits = predict(average, judge.layers, centre, spread, where)
    weights = out / f"{net}.safetensors"
    metadata = {
        "architecture": net,
        "sets": "mmls",
        "epochs": epochs,
        "best_epoch": best["epoch"],
        "seed": seed,
        "layers": [[round(float(v), 5) for v in pair] for pair in zip(centre, spread, strict=True)],
        **calibration(logits, judge.mask),
        **average.settings,  # type: ignore[dict-item]
    }
    save_file(
        {k: v.contiguous() for k, v in average.state_dict().items()},
        weights,
        metadata={k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()},
    )
    return weights


def spread_of(layers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread (half the range between the 16th and the 84th percentile) of each layer over all patches."""
    low, middle, high = np.quantile(
        layers.transpose(1, 0, 2, 3).reshape(layers.shape[1], -1), [0.16, 0.5, 0.84], axis=1
    )
    return middle.astype(np.float32), ((high - low) / 2).astype(np.float32)


def _tensor(array: np.ndarray, where: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(where)


def _logits(model: torch.nn.Module, layers: np.ndarray, where: torch.device) -> torch.Tensor:
    x = _tensor(layers, where).contiguous(memory_format=torch.channels_last)
    with autocast(where):
        return model(x)[:, 0].float()


@torch.no_grad()
def predict(
    net: torch.nn.Module, layers: np.ndarray, centre: np.ndarray, spread: np.ndarray, where: torch.device
) -> np.ndarray:
    """Logits (n, rows, columns) of patches whose layers are 0..1 as published."""
    net.eval()
    parts = [_logits(net, standard(p, centre, spread), where) for p in np.array_split(layers, -(-len(layers) // 4))]
    return torch.cat(parts).cpu().numpy()


def calibration(logits: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    """How logits become probabilities, and which are called landslide.

    Returns
    -------
    dict
        `calibration`: slope and intercept of the logistic regression of the mask on the logit (Platt 1999);
        `threshold`: the probability, in steps of 0.05, above which the class-mean IoU is highest.
    """
    from scipy.optimize import minimize

    x, y = logits.ravel().astype(np.float64), mask.ravel()

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        z = p[0] * x + p[1]
        miss = 1 / (1 + np.exp(-z)) - y
        return float((np.logaddexp(0, z) - y * z).mean()), np.array([(miss * x).mean(), miss.mean()])

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    probability = 1 / (1 + np.exp(-(slope * logits + intercept)))
    grid = np.round(np.arange(0.2, 0.81, 0.05), 2)
    best = max(grid, key=lambda t: float(scores(counts(probability >= t, mask))["miou"]))
    return {"calibration": [round(float(slope), 4), round(float(intercept), 4)], "threshold": float(best)}

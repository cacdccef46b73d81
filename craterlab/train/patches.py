"""Sharp patches that teach the image prior: real images of sets that may train, as they are and shrunk (which makes
them sharper and less noisy), relief under random light, and simulated scenes of a camera without noise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..errors import CraterlabError
from ..instruments import Instrument
from ..nn.denoiser import UNIT_SCALES
from ..normalise import normalise, robust_range
from ..superres.forward import dct2, forward, operator
from ..superres.prior import Spectrum, prior_variance
from ..superres.solvers import wiener, wiener_weights
from .batches import relight
from .sets import check_may_train, read_band

PATCH = 144  # a multiple of 8 for the network and of 2, 3 and 4 for the factors
SHARES = {"nac": 0.28, "mc11e": 0.18, "themis": 0.12, "gld100": 0.05}  # the rest is simulated
SCENES_A_FILE = 16
MAX_SIGMA = 50 / 255
_HELD_OUT_COLUMNS = 400  # of mc11e tiles; of the other sets whole images are kept back
_KEEP_EVERY = 8


@dataclass
class Picture:
    """One source of patches: `image` (rows, columns) float32, about 0..1; or heights in metres when `pixel_size_m`."""

    image: np.ndarray
    pixel_size_m: float = 0.0


def unit_range(image: np.ndarray) -> np.ndarray:
    """Brightness so that the median is 0.5 and the bulk fills 0..1; shadows and highlights may reach beyond."""
    return (0.5 + normalise(image, *robust_range(image)) / UNIT_SCALES).astype(np.float32)


def load_pictures(name: str, folder: Path, part: str) -> list[Picture]:
    """Pictures of one set's train split; `part` "fit" teaches, "check" is kept back to watch the training.

    Raises
    ------
    CraterlabError
        For a set that may not teach or is not there.
    """
    import pandas as pd

    check_may_train([name])
    root = folder / name
    if name == "gld100":
        paths = sorted(root.glob("gld100_train_*.tif"))
        metres = np.pi * 1737.4e3 / 180 / 64
        return [] if part == "check" else [Picture(read_band(p), metres) for p in paths]
    if not (root / "images.csv").exists():
        raise CraterlabError(f"training set {name!r} is not in {folder}: give the folder that holds it with --data")
    names = pd.read_csv(root / "images.csv").query("split == 'train'").image
    out = []
    for i, image in enumerate(names):
        values = unit_range(read_band(root / image))
        if name == "mc11e":
            columns = slice(-_HELD_OUT_COLUMNS, None) if part == "check" else slice(0, -_HELD_OUT_COLUMNS)
            out.append(Picture(np.ascontiguousarray(values[:, columns])))
        elif (i % _KEEP_EVERY == _KEEP_EVERY - 1) == (part == "check"):
            out.append(Picture(values))
    return out


def render_sharp(folder: Path, count: int, seed: int, device: str = "cpu") -> None:
    """Render simulated scenes of a camera without noise into `folder`, `SCENES_A_FILE` a file; what is there stays."""
    from ..simulate import render

    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        path = folder / f"sharp{index:05d}.npz"
        if path.exists():
            continue
        image = render(SCENES_A_FILE, 288, seed=seed * 1_000_003 + index, device=device, noise=0.0).image
        part = path.with_suffix(f".{os.getpid()}.part.npz")
        np.savez_compressed(part, image=image.to("cpu").numpy().round().clip(0, 255).astype(np.uint8))
        part.replace(path)


def load_sharp(folder: Path) -> list[Picture]:
    """The simulated scenes rendered so far."""
    out = []
    for path in sorted(folder.glob("sharp?????.npz")):
        with np.load(path) as f:
            out += [Picture(i.astype(np.float32) / 255) for i in f["image"]]
    return out


def draw_patch(pictures: Sequence[Picture], rng: np.random.Generator) -> np.ndarray:
    """A random patch (PATCH, PATCH) float32, about 0..1: place, scale, turn, contrast and level are drawn."""
    p = pictures[int(rng.integers(len(pictures)))]
    rows, cols = p.image.shape
    shrink = 1.0 if rng.uniform() < 0.5 else rng.uniform(1.0, 2.5)
    side = int(min(round(PATCH * shrink), rows, cols))
    r, c = rng.integers(rows - side + 1), rng.integers(cols - side + 1)
    patch = p.image[r : r + side, c : c + side]
    if p.pixel_size_m:
        patch = relight(np.ascontiguousarray(patch), p.pixel_size_m, rng)
        patch = unit_range(patch)
    patch = np.rot90(patch, int(rng.integers(4)))
    if rng.uniform() < 0.5:
        patch = patch.T
    x = torch.from_numpy(np.ascontiguousarray(patch))[None, None]
    if side != PATCH:
        x = F.interpolate(x, (PATCH, PATCH), mode="bicubic", antialias=True, align_corners=False)
    middle = float(x.mean())
    gain, level = np.exp(rng.normal(0, 0.25)), rng.normal(0, 0.1)
    return (middle + level + gain * (x[0, 0].numpy() - middle)).astype(np.float32)


def draw_batch(
    sources: dict[str, list[Picture]], simulated: Sequence[Picture], size: int, rng: np.random.Generator
) -> torch.Tensor:
    """Patches (size, 1, PATCH, PATCH); `SHARES` by set, the rest simulated."""
    names = [n for n in SHARES if sources.get(n)]
    edges = np.cumsum([SHARES[n] for n in names])
    out = []
    for _ in range(size):
        i = int(np.searchsorted(edges, rng.uniform()))
        out.append(draw_patch(sources[names[i]] if i < len(names) else simulated, rng))
    return torch.from_numpy(np.stack(out))[:, None]


def noisy(clean: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches with white noise, and its sigma (n,), up to 50/255 and more often small."""
    sigma = torch.from_numpy(MAX_SIGMA * rng.uniform(0.02, 1.0, len(clean)).astype(np.float32) ** 2)
    return clean + sigma[:, None, None, None] * torch.from_numpy(
        rng.standard_normal(tuple(clean.shape), dtype=np.float32)
    ), sigma


def degraded(clean: torch.Tensor, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches seen through a camera drawn for the batch and brought back by the Wiener filter, (n, 1, PATCH, PATCH),
    and the error expected of it, (n,).

    The filter gets the noise wrong by a third or so, a spectrum that is only about right, and a rough idea of its own
    error, as in use.
    """
    factor = int(rng.choice((2, 2, 3, 4)))
    camera = Instrument("drawn", psf_sigma_px=float(rng.uniform(0.3, 0.8)))
    op = operator((PATCH // factor, PATCH // factor), factor, camera)
    shape = prior_variance(op, Spectrum(1.0, float(rng.uniform(2.3, 3.3)), 0.0, "instrument"))
    known = slice(PATCH // 10, None)  # the longest waves say nothing about the short ones
    found = []
    for x in clean[:, 0]:
        sigma = 0.4 / float(np.exp(rng.uniform(np.log(15), np.log(300))))
        y = forward(op, x)
        y = y + sigma * torch.from_numpy(rng.standard_normal(tuple(y.shape), dtype=np.float32))
        middle, believed = y.mean(), sigma * float(np.exp(rng.normal(-0.1, 0.3)))
        level = float((dct2(x).double().square() / shape)[known, known].mean())
        weights, _ = wiener_weights(op, level * shape, believed)
        found.append(wiener(op, y - middle, weights) + middle)
    given = torch.stack(found)[:, None]
    errors = (given - clean).square().mean((1, 2, 3)).sqrt()
    return given, errors * torch.from_numpy(np.exp(rng.normal(0, 0.3, len(clean))).astype(np.float32))

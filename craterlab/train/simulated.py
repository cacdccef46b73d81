"""Simulated training scenes, kept in small shards so that a run can be resumed and its scenes used many times."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

SHARD = 32
SIZE = 256
# Every fourth shard is seen through `superres`, as `craterlab run` shows scenes to the detector: its noise has another
# grain, and the detector must not take it for craters.
SHARPEN_EVERY = 4


def sharpened(image: np.ndarray) -> np.ndarray:
    """An image (rows, columns) super-resolved by 2 with the Wiener filter and a generic camera."""
    from ..superres import superres

    return superres(image, 2, method="wiener")["image"].values


def shard_path(folder: Path, index: int) -> Path:
    return folder / f"shard{index:05d}.npz"


def save_shard(path: Path, craters: list[np.ndarray], **maps: np.ndarray) -> Path:
    """Write a shard in one rename: maps (n, rows, columns) by name, and the rows of craters of each scene."""
    part = path.with_suffix(f".{os.getpid()}.part.npz")
    np.savez_compressed(part, craters=np.concatenate(craters).astype(np.float32), **maps)  # type: ignore[arg-type]
    part.replace(path)
    return path


def write_shard(folder: Path, index: int, *, seed: int, device: str = "cpu") -> Path:
    """Render shard `index` (``SHARD`` scenes of ``SIZE`` pixels) into `folder`; nothing is done when it is there.

    The file holds `image` (n, rows, columns) uint8 and `craters` (m, 7): scene, x_px, y_px, diameter_px, visibility,
    erosion, and ``evidence.shading_correlation``. Two thirds of the shards hold landforms that are no craters.
    """
    from ..simulate import render
    from .evidence import shading_correlation

    path = shard_path(folder, index)
    if path.exists():
        return path
    shard_seed = seed * 1_000_003 + index
    r = render(
        SHARD, SIZE, seed=shard_seed, device=device, oversample=2 if index % 3 == 0 else 1, landforms=index % 3 != 1
    )
    images = r.image.to("cpu").numpy()
    rows = []
    for i, t in enumerate(r.truth):
        circle = (t.x_px.to_numpy(), t.y_px.to_numpy(), t.diameter_px.to_numpy())
        shown = shading_correlation(images[i], *circle, float(r.sun_azimuth_deg[i]))
        rows.append(np.column_stack([np.full(len(t), i), *circle, t.visibility, t.erosion, shown]))
    if index % SHARPEN_EVERY == SHARPEN_EVERY - 1:
        # The middle half, so that windows keep one size.
        corner = SIZE // 2
        images = np.stack([sharpened(i)[corner : corner + SIZE, corner : corner + SIZE] for i in images])
        for t in rows:
            t[:, 1:3] = t[:, 1:3] * 2 - corner
            t[:, 3] *= 2
    return save_shard(path, rows, image=images.round().clip(0, 255).astype(np.uint8))


def render_shards(
    folder: str, count: int, seed: int, device: str = "cpu", write: Callable[..., Path] = write_shard
) -> None:
    """Render shards 0 .. count-1 with `write`; the body of the background process of a training run."""
    import torch

    torch.set_num_threads(1)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        write(Path(folder), i, seed=seed, device=device)

"""Pairs of image and DEM: simulated scenes, and GLD100 relief under random light, each degraded in its own way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr

from ..errors import CraterlabError
from ..normalise import normalise, robust_range
from .batches import WINDOW, Shards, crop, relight, turned
from .calibrate import SIMULATED
from .degrade import Damage, degrade_dem, degrade_image
from .evidence import labels_to_see
from .sets import Source, load_set
from .simulated import SHARD, SIZE, save_shard, shard_path

HELD_OUT_COLUMNS = 1280  # of each train file of gld100, its eastern 20 degrees: they calibrate and choose


def write_pair_shard(folder: Path, index: int, *, seed: int, device: str = "cpu") -> Path:
    """Render shard `index` into `folder` as ``simulated.write_shard`` does, never super-resolved, with `dem`: heights
    in pixels (n, rows, columns) float16 about each scene's mean."""
    from ..simulate import render

    path = shard_path(folder, index)
    if path.exists():
        return path
    r = render(SHARD, SIZE, seed=seed * 1_000_003 + index, device=device, oversample=1 + index % 2)
    craters = [
        np.column_stack([np.full(len(t), i), t.x_px, t.y_px, t.diameter_px, t.visibility, t.erosion])
        for i, t in enumerate(r.truth)
    ]
    height = r.dem - r.dem.mean((1, 2), keepdim=True)
    return save_shard(
        path,
        craters,
        image=r.image.to("cpu").numpy().astype(np.uint8),
        dem=height.to("cpu").numpy().astype(np.float16),
    )


def load_pairs(name: str, folder: Path, part: str) -> list[Source]:
    """Relief that may teach ("fit"), or that is kept back ("calibrate"): the eastern 20 degrees of the train files.

    Raises
    ------
    CraterlabError
        For a set without a DEM.
    """
    if name != "gld100":
        raise CraterlabError(
            f"{name!r} has no DEM: a network of image and DEM learns from gld100 and simulation (--sets gld100)"
        )
    out = []
    for s in load_set(name, folder, "fit"):
        width = s.image.shape[1]
        split = width - HELD_OUT_COLUMNS
        out.append(s.columns(split, width) if part == "calibrate" else s.columns(0, split))
    return out


def random_damage(rng: np.random.Generator) -> tuple[Damage, Damage]:
    """Of an image (unit: its robust standard deviation) and, independently, of a DEM (unit: pixels)."""
    between = lambda low, high: float(np.exp(rng.uniform(np.log(low), np.log(high))))  # noqa: E731
    lost = lambda: float(rng.uniform(0, 0.1) * (rng.uniform() < 0.5))  # noqa: E731
    return (
        Damage(between(0.3, 1.5), between(0.02, 0.5), lost()),
        Damage(between(0.5, 4.0), between(0.005, 0.06), lost()),
    )


def _draw(shards: Shards, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    maps, craters = shards.draw(rng)
    return maps["image"], maps["dem"], craters


def _relit(source: Source, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    metres, craters, zoom = crop(source, rng)
    pixel = source.pixel_size_m / zoom
    return relight(metres, pixel, rng), (metres - metres.mean()) / pixel, craters


def make_pairs(
    shards: Shards,
    sources: dict[str, list[Source]],
    shares: dict[str, float],
    size: int,
    rng: np.random.Generator,
    encode: Callable[..., tuple[np.ndarray, np.ndarray]],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image and heights (n, 2, 256, 256), targets and weights as `encode` makes them; nothing is judged where the image
    has a gap. The share of `gld100` in `shares`, the rest is simulated."""
    maps, targets, weights = [], [], []
    for _ in range(size):
        real = rng.uniform() < shares.get("gld100", 0)
        pool = sources.get("gld100", [])
        image, height, craters = _relit(pool[rng.integers(len(pool))], rng) if real and pool else _draw(shards, rng)
        of_image, of_dem = random_damage(rng)
        image, height = degrade_image(image, of_image, rng), degrade_dem(height, of_dem, rng)
        image = image * np.exp(rng.normal(0, 0.25)) + rng.normal(0, 0.2)
        both, craters = turned(_edge(np.stack([image, height]), rng), craters, rng)
        t, w = encode(craters[:, 0], craters[:, 1], craters[:, 2], craters[:, 3] > 0, (WINDOW, WINDOW))
        w[np.isnan(both[0])] = 0
        both[0] = np.nan_to_num(both[0])
        maps.append(both)
        targets.append(t)
        weights.append(w)
    return tuple(torch.from_numpy(np.stack(a)) for a in (maps, targets, weights))  # type: ignore[return-value]


def _edge(both: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One window in four lies at an image's border, beyond which nothing is known."""
    if rng.uniform() < 0.25:
        both[:, : rng.integers(1, WINDOW // 4 + 1)] = np.nan
    return both.astype(np.float32)


def labelled_pairs(data: Path | None, sets: list[str], seed: int) -> list[tuple[str, xr.Dataset, pd.DataFrame]]:
    """Scenes with a DEM that did not teach and their craters, to calibrate on: new simulated ones, and windows of the
    part of gld100 that is kept back."""
    from ..simulate import render

    rng = np.random.default_rng(seed + 77_777)
    out = []
    r = render(12, SIZE, seed=seed + 77_777)
    for image, height, t in zip(r.image.numpy(), r.dem.numpy(), r.truth, strict=True):
        image = normalise(image, *robust_range(image))
        scene = damaged_scene(image, height, random_damage(rng), rng)
        out.append((SIMULATED, scene, labels_to_see(t)))
    pool = [] if data is None else [s for name in sets for s in load_pairs(name, data, "calibrate")]
    for s in pool:
        for _ in range(3):
            image, height, craters = _relit(s, rng)
            truth = pd.DataFrame(craters, columns=["x_px", "y_px", "diameter_px", "ignore"])
            scene = damaged_scene(image, height, random_damage(rng), rng)
            out.append(("gld100", scene, truth.assign(ignore=truth.ignore > 0)))
    return out


def damaged_scene(
    image: np.ndarray, height_px: np.ndarray, damage: tuple[Damage, Damage], rng: np.random.Generator
) -> xr.Dataset:
    """A scene of one metre per pixel from a normalised image and heights in pixels, each degraded in its own way."""
    of_image, of_dem = damage
    layers = {"image": degrade_image(image, of_image, rng), "dem": degrade_dem(height_px, of_dem, rng)}
    return xr.Dataset({k: (("y", "x"), v) for k, v in layers.items()}, attrs={"pixel_size_m": 1.0})

"""Batches for the detector: simulated and real windows, turned, rescaled and relit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter

from ..detect import targets
from ..normalise import normalise, robust_range
from .evidence import judged
from .sets import Source

WINDOW = 256


class Shards:
    """The simulated shards rendered so far; new ones are picked up as they appear."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loaded: dict[Path, dict[str, np.ndarray]] = {}
        self.paths: list[Path] = []

    def refresh(self) -> int:
        """Look for new shards; returns how many there are."""
        self.paths = sorted(p for p in self.folder.glob("shard?????.npz"))
        return len(self.paths)

    def draw(self, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """A random scene: its maps (rows, columns) by name, `image` normalised, and its craters (m, 4): x_px, y_px,
        diameter_px, ignore."""
        path = self.paths[rng.integers(len(self.paths))]
        if path not in self.loaded:
            with np.load(path) as f:
                self.loaded[path] = dict(f)
        shard = self.loaded[path]
        i = int(rng.integers(len(shard["image"])))
        maps = {name: a[i].astype(np.float32) for name, a in shard.items() if name != "craters"}
        maps["image"] = normalise(maps["image"], *robust_range(maps["image"]))
        c = shard["craters"][shard["craters"][:, 0] == i]
        label, ignore = judged(c[:, 4], c[:, 5], c[:, 6] if c.shape[1] > 6 else None)
        return maps, np.column_stack([c[:, 1:4], ignore])[label]


def relight(dem: np.ndarray, pixel_size_m: float, rng: np.random.Generator) -> np.ndarray:
    from ..simulate.photometry import LAWS, lit_fraction, reflectance

    h = torch.from_numpy(dem / pixel_size_m * rng.uniform(1.0, 2.0))[None]
    az, inc = torch.tensor([rng.uniform(0, 360)]).float(), torch.tensor([rng.uniform(25, 82)]).float()
    image = reflectance(h, az, inc, [str(rng.choice(LAWS))]) * lit_fraction(h, az, inc)
    out = image[0].numpy()
    return normalise(out, *robust_range(out))


def crop(source: Source, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """A random window of a source at a random scale, its craters in window pixels, and the scale (its rows by those of
    the source). Half of the windows are put where they hold at least one crater."""
    zoom = np.exp(rng.uniform(*np.log(source.zoom)))
    rows, cols = source.image.shape
    zoom = max(zoom, WINDOW / rows + 1e-6, WINDOW * source.x_stretch / cols + 1e-6)
    height, width = WINDOW / zoom, WINDOW / zoom * source.x_stretch
    top, left = rng.uniform(0, rows - height), rng.uniform(0, cols - width)
    c = source.craters
    if len(c) and rng.uniform() < 0.5:  # many windows of a quiet plain hold no crater at all
        x, y = c[rng.integers(len(c)), :2]
        top = np.clip(y - rng.uniform() * height, 0, rows - height)
        left = np.clip(x - rng.uniform() * width, 0, cols - width)
    return window_at(source, top, left, height, width)


def window_at(
    source: Source, top: float, left: float, height: float, width: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """The part of a source that starts at `top`, `left` (source pixels), as a window, with what `crop` gives beside."""
    c = source.craters
    y0, x0 = int(top), int(left)
    part = source.image[y0 : y0 + int(np.ceil(height)), x0 : x0 + int(np.ceil(width))]
    zy, zx = WINDOW / part.shape[0], WINDOW / part.shape[1]
    window = torch.from_numpy(np.ascontiguousarray(part))[None, None]
    if part.shape != (WINDOW, WINDOW):
        window = F.interpolate(window, (WINDOW, WINDOW), mode="bilinear", antialias=True, align_corners=False)
    x, y = (c[:, 0] - x0) * zx, (c[:, 1] - y0) * zy
    d = c[:, 2] * zy
    near = (x > -d / 2) & (x < WINDOW + d / 2) & (y > -d / 2) & (y < WINDOW + d / 2)
    return window[0, 0].numpy(), np.column_stack([x, y, d, c[:, 3]])[near], zy


def cut_window(source: Source, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random window as `crop` cuts it, with its craters; relief is seen under random light."""
    image, craters, zoom = crop(source, rng)
    return relight(image, source.pixel_size_m / zoom, rng) if source.dem else image, craters


def turned(maps: np.ndarray, craters: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Square maps (..., rows, columns) and their craters in one of eight turns and mirrors."""
    size = maps.shape[-1]
    x, y = craters[:, 0], craters[:, 1]
    if rng.uniform() < 0.5:
        maps, x = maps[..., ::-1], size - x
    if rng.uniform() < 0.5:
        maps, y = maps[..., ::-1, :], size - y
    if rng.uniform() < 0.5:
        maps, x, y = maps.swapaxes(-1, -2), y, x
    return np.ascontiguousarray(maps), np.column_stack([x, y, craters[:, 2:]])


def augment(image: np.ndarray, craters: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One of eight turns and mirrors, and another camera: contrast, brightness, gamma, blur, noise, saturation, an edge
    without data."""
    image, craters = turned(image, craters, rng)
    if rng.uniform() < 0.5:  # signed power about the median: a bent tone curve
        image = np.sign(image) * np.abs(image) ** rng.uniform(0.75, 1.3)
    image = image * np.exp(rng.normal(0, 0.25)) + rng.normal(0, 0.2)
    if rng.uniform() < 0.3:  # a soft camera, or an image resampled to finer pixels than it has detail
        image = gaussian_filter(image, np.exp(rng.uniform(np.log(0.4), np.log(1.8))), mode="reflect")
    if rng.uniform() < 0.4:
        image = image + rng.normal(0, rng.uniform(0, 0.25), image.shape)
    if rng.uniform() < 0.3:  # a hard stretch: shadows all black, sunlit walls all white
        image = np.clip(image, -np.exp(rng.uniform(-0.3, 1.0)), np.exp(rng.uniform(-0.3, 1.0)))
    if rng.uniform() < 0.06:
        image, craters = _without_data(image, craters, rng)
    return image.astype(np.float32), craters


def _without_data(image: np.ndarray, craters: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Beyond a straight edge there is no data; craters that the edge hides or cuts count neither way."""
    size = image.shape[0]
    turn = rng.uniform(0, 2 * np.pi)
    normal = np.array([np.cos(turn), np.sin(turn)])
    offset = rng.uniform(-0.1, 0.45) * size  # of the edge from the window's middle
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    image = np.where(x * normal[0] + y * normal[1] > offset, 0.0, image)
    beyond = (craters[:, :2] - size / 2) @ normal - offset + craters[:, 2] / 4 > 0
    return image, np.column_stack([craters[:, :3], np.maximum(craters[:, 3], beyond)])


def make_batch(
    shards: Shards,
    sources: dict[str, list[Source]],
    shares: dict[str, float],
    size: int,
    rng: np.random.Generator,
    encode: Callable[..., tuple[np.ndarray, np.ndarray]] = targets.encode,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images (n, 1, 256, 256), and targets and weights as `encode` makes them; `shares` by set, the rest simulated.

    Where places and sizes are not measured, all maps of the target but the first are NaN.
    """
    names = [n for n in shares if sources.get(n)]
    p = np.array([shares[n] for n in names])
    images, targets, weights = [], [], []
    for _ in range(size):
        u = rng.uniform()
        i = int(np.searchsorted(np.cumsum(p), u)) if len(p) else 0
        if i < len(names):
            pool = sources[names[i]]
            source = pool[rng.integers(len(pool))]
            measured = source.measured
            image, craters = cut_window(source, rng)
        else:
            measured = True
            maps, craters = shards.draw(rng)
            image = maps["image"]
        image, craters = augment(image, craters, rng)
        t, w = encode(craters[:, 0], craters[:, 1], craters[:, 2], craters[:, 3] > 0, (WINDOW, WINDOW))
        if not measured:
            t[1:] = np.nan
        images.append(image[None])
        targets.append(t)
        weights.append(w)
    return tuple(torch.from_numpy(np.stack(a)) for a in (images, targets, weights))  # type: ignore[return-value]

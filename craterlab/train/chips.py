"""Simulated craters on disk, and batches of them as the network that names them sees them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from ..characterize import chips as reading
from ..nn.chipnet import CLASSES
from ..simulate.chips import RADIUS, SIDE, Chips, render_chips

SHARD = 128
_CUT = 0.35  # share of chips that a border cuts
_NO_DEM = 0.6
_NO_SUN = 0.4


def write_chips(folder: Path, count: int, seed: int, device: str = "cpu", minutes: float | None = None) -> bool:
    """Render shards 0 .. count-1 of ``SHARD`` chips into `folder`; those that are there are left as they are.

    Returns
    -------
    bool
        All are there; not so when the minutes were up before.
    """
    from ..progress import progress_bar

    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with progress_bar(total=count, desc="simulated craters", unit="shard") as bar:
        for i in range(count):
            path = folder / f"chips{i:05d}.npz"
            if not path.exists():
                if minutes and time.monotonic() - began > 60 * minutes:
                    return False
                made = render_chips(SHARD, seed=seed * 1_000_003 + i, device=device)
                columns = {c: made.table[c].to_numpy() for c in made.table}
                columns = {c: v.astype(str) if v.dtype == object else v for c, v in columns.items()}
                part = path.with_suffix(".part.npz")
                np.savez_compressed(part, image=made.image, dem=made.dem, **columns)
                part.replace(path)
            bar.update()
    return True


def read_chips(folder: Path) -> Chips:
    """All shards of a folder, in order."""
    images, dems, tables = [], [], []
    for path in sorted(p for p in folder.glob("chips*.npz") if not p.name.endswith(".part.npz")):
        with np.load(path) as f:
            images.append(f["image"])
            dems.append(f["dem"])
            tables.append(pd.DataFrame({c: f[c] for c in f.files if c not in ("image", "dem")}))
    return Chips(np.concatenate(images), np.concatenate(dems), pd.concat(tables, ignore_index=True))


def draw_batch(
    made: Chips, index: np.ndarray, rng: np.random.Generator, *, plain: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Chips as a detector's circles would cut them out of images, turned and mirrored, with and without DEM and sun.

    Parameters
    ----------
    made : Chips
    index : ndarray of int, (n,)
    rng : numpy Generator
    plain : bool
        As they are, with DEM and sun: for measuring.

    Returns
    -------
    layers : ndarray (n, 6, 96, 96)
    numbers : ndarray (n, 3)
    kind : ndarray (n,) of int
        Position in ``CLASSES``.
    rays, erosion : ndarray (n,)
    """
    n, t = len(index), made.table.iloc[index]
    image = np.empty((n, reading.CHIP, reading.CHIP), np.float32)
    dem = np.full_like(image, np.nan)
    turn = np.zeros(n) if plain else rng.uniform(0, 2 * np.pi, n)
    mirror = np.ones(n) if plain else rng.choice((-1.0, 1.0), n)
    grow = np.ones(n) if plain else np.exp(rng.normal(0, 0.06, n))
    for k, i in enumerate(index):
        side = int(made.table.side.iloc[i])
        radius = RADIUS * side / SIDE
        off = (0.0, 0.0) if plain else rng.normal(0, 0.06, 2) * radius
        unit = grow[k] * radius * np.array([[mirror[k], 0.0], [0.0, -1.0]])
        where = side / 2 + off[0], side / 2 + off[1], unit, turn[k]
        picture = made.image[i, :side, :side].astype(np.float32)
        if not plain:
            picture = _altered(picture, rng)
        image[k] = reading.cut(picture, *where)
        if plain or rng.uniform() > _NO_DEM:
            ground = made.dem[i, :side, :side].astype(np.float32)
            dem[k] = reading.cut(ground if plain else _coarser(ground, radius, rng), *where)
    if not plain:
        for chip in np.flatnonzero(rng.uniform(size=n) < _CUT):
            far = rng.uniform(-0.2, 2.8)
            heading = rng.choice(4) * np.pi / 2 + rng.normal(0, 0.15)
            gone = np.cos(heading) * reading.EAST + np.sin(heading) * reading.NORTH > far
            image[chip][gone] = dem[chip][gone] = np.nan
    azimuth = t.sun_azimuth_deg.to_numpy(float)
    # On the ground turned counter-clockwise by `turn` the sun's azimuth, clockwise from north, falls by it.
    azimuth = np.where(mirror < 0, -azimuth, azimuth) - np.degrees(turn)
    incidence = t.incidence_deg.to_numpy(float)
    if not plain:
        azimuth = np.where(rng.uniform(size=n) < _NO_SUN, np.nan, azimuth + rng.normal(0, 5, n))
        incidence = np.where(np.isnan(azimuth) | (rng.uniform(size=n) < 0.2), np.nan, incidence)
    diameter = t.diameter_px.to_numpy(float) * grow
    return (
        reading.layers(image, (dem / grow[:, None, None]).astype(np.float32), azimuth),
        reading.numbers(diameter, incidence),
        np.array([CLASSES.index(m) for m in t.morphology]),
        t.rays.to_numpy(np.float32),
        t.erosion.to_numpy(np.float32),
    )


def _altered(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another stretch, and sometimes another blur."""
    from scipy.ndimage import gaussian_filter

    picture = (picture / 255) ** np.exp(rng.normal(0, 0.25))
    return gaussian_filter(picture, rng.uniform(0.3, 1.2)) if rng.uniform() < 0.3 else picture


def _coarser(ground: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """An elevation model as stereo gives it: blurred, and uneven."""
    from scipy.ndimage import gaussian_filter

    ground = gaussian_filter(ground, radius * rng.uniform(0, 0.3))
    return ground + rng.uniform(0, 0.01) * gaussian_filter(rng.normal(size=ground.shape), 1.0).astype(np.float32)

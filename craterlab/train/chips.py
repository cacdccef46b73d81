"""Simulated craters on disk, and batches of them as the network that names them sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..catalog import MORPHOLOGIES
from ..characterize import chips as reading
from ..characterize.inputs import levels_of
from ..crater_profiles import TRANSITION_M
from ..simulate.chips import RADIUS, SIDE, Chips, render_chips
from .shards import read_shards, write_shards

SHARD = 128
_WOBBLE = 0.06  # radii, by which a detector misses size and centre


@dataclass(frozen=True)
class Lacking:
    """Shares of chips, or of scenes, that a border cuts or that come without something."""

    border: float
    dem: float
    sun: float
    incidence: float
    scale: float


ALONE = Lacking(border=0.35, dem=0.6, sun=0.4, incidence=0.2, scale=0.2)
# Scenes have borders of their own.
SCENE = Lacking(border=0.0, dem=0.8, sun=0.3, incidence=0.15, scale=0.15)


def write_chips(folder: Path, count: int, seed: int, device: str = "cpu", minutes: float | None = None) -> bool:
    """Render shards 0 .. count-1 of ``SHARD`` chips into `folder`; those that are there are left as they are.

    Returns
    -------
    bool
        All are there; not so when the minutes were up before.
    """

    def make(i: int) -> dict[str, np.ndarray]:
        made = render_chips(SHARD, seed=seed * 1_000_003 + i, device=device)
        columns = {c: made.table[c].to_numpy() for c in made.table}
        return {"image": made.image, "dem": made.dem} | {
            c: v.astype(str) if v.dtype == object else v for c, v in columns.items()
        }

    return write_shards(folder, "chips", count, make, minutes, "simulated craters")


def read_chips(folder: Path) -> Chips:
    """All shards of a folder, in order."""
    images, dems, tables = zip(*read_shards(folder, "chips"), strict=True)
    table = pd.concat(tables, ignore_index=True)
    table["kind"] = [MORPHOLOGIES.index(m) for m in table.morphology]
    table["transition_m"] = [TRANSITION_M[b] for b in table.body]
    return Chips(np.concatenate(images), np.concatenate(dems), table)


@dataclass(frozen=True)
class View:
    """One crater in the image that shows it: pixels of the image and of the ground (crater diameters), where it lies,
    and the brightness of shadows and of the ground there."""

    image: np.ndarray
    ground: np.ndarray
    x: float
    y: float
    radius: float
    levels: tuple[float, float]


@dataclass(frozen=True)
class Batch:
    """What the network is given, and the truth, n craters; `kind` is -1 where the class is not to be taught."""

    layers: np.ndarray
    numbers: np.ndarray
    kind: np.ndarray
    rays: np.ndarray
    erosion: np.ndarray


def view_of_chip(made: Chips, i: int) -> View:
    side = int(made.table.side.iloc[i])
    image = made.image[i, :side, :side].astype(np.float32)
    ground = made.dem[i, :side, :side].astype(np.float32)
    return View(image, ground, side / 2, side / 2, RADIUS * side / SIDE, levels_of(image))


def view_in_scene(images: np.ndarray, dems: np.ndarray, t: Any) -> View:
    """A crater of a scene, `t` its row, with as much around it as a chip can show."""
    image = images[int(t.scene)]
    reach = 2.4 * t.diameter_px + 4
    r0, r1, c0, c1 = (int(max(0, v)) for v in (t.y_px - reach, t.y_px + reach, t.x_px - reach, t.x_px + reach))
    ground = dems[int(t.scene), r0:r1, c0:c1].astype(np.float32) / t.diameter_px
    levels = levels_of(image[::3, ::3].ravel())
    return View(image[r0:r1, c0:c1].astype(np.float32), ground, t.x_px - c0, t.y_px - r0, t.diameter_px / 2, levels)


def draw_batch(views: list[View], t: pd.DataFrame, rng: np.random.Generator, *, one_scene: bool = False) -> Batch:
    """Chips as a detector's circles would cut them out of images, turned and mirrored, with and without DEM and sun.

    Parameters
    ----------
    views : list of View, n
    t : DataFrame, n rows
        diameter_px, diameter_m, transition_m, sun_azimuth_deg, incidence_deg, rays, erosion, and `kind`, the position
        in ``MORPHOLOGIES`` or -1.
    rng : numpy Generator
    one_scene : bool
        All are of one scene: stretch, blur, how well circles fit and what is known are the same for all; of every other
        scene the circles are exact.
    """
    n, lacking = len(views), SCENE if one_scene else ALONE
    draws = 1 if one_scene else n

    def chance(share: float) -> np.ndarray:
        return np.broadcast_to(rng.uniform(size=draws) < share, n)

    wobble = _WOBBLE * (rng.uniform() < 0.5 if one_scene else 1.0)
    image = np.empty((n, reading.CHIP, reading.CHIP), np.float32)
    dem = np.full_like(image, np.nan)
    levels = np.empty((n, 2))
    turn, mirror = rng.uniform(0, 2 * np.pi, n), rng.choice((-1.0, 1.0), n)
    grow = np.exp(rng.normal(0, wobble, n) + (rng.normal(0, 0.6 * wobble) if one_scene else 0.0))
    no_dem, no_sun, no_incidence, no_scale = (
        chance(p) for p in (lacking.dem, lacking.sun, lacking.incidence, lacking.scale)
    )
    ways = [_alteration(rng) for _ in range(draws)]
    for k, view in enumerate(views):
        off = rng.normal(0, wobble, 2) * view.radius
        unit = grow[k] * view.radius * np.array([[mirror[k], 0.0], [0.0, -1.0]])
        where = view.x + off[0], view.y + off[1], unit, turn[k]
        picture, levels[k] = _altered(view, *ways[k % draws])
        image[k] = reading.cut(picture, *where)
        if not no_dem[k]:
            dem[k] = reading.cut(_coarser(view.ground, view.radius, rng), *where)
    for chip in np.flatnonzero(rng.uniform(size=n) < lacking.border):
        far = rng.uniform(-0.2, 2.8)
        heading = rng.choice(4) * np.pi / 2 + rng.normal(0, 0.15)
        gone = np.cos(heading) * reading.EAST + np.sin(heading) * reading.NORTH > far
        image[chip][gone] = dem[chip][gone] = np.nan
    # On the ground turned counter-clockwise by `turn` the sun's azimuth, clockwise from north, falls by it.
    azimuth = mirror * t.sun_azimuth_deg.to_numpy(float) - np.degrees(turn) + rng.normal(0, 5, n)
    return Batch(
        reading.layers(
            image,
            (dem / grow[:, None, None]).astype(np.float32),
            np.where(no_sun, np.nan, azimuth),
            levels[:, 0],
            levels[:, 1],
        ),
        reading.numbers(
            t.diameter_px.to_numpy(float) * grow,
            np.where(no_scale, np.nan, t.diameter_m.to_numpy(float) * grow),
            t.transition_m.to_numpy(float),
            np.where(no_sun | no_incidence, np.nan, t.incidence_deg.to_numpy(float)),
        ),
        t.kind.to_numpy(int),
        t.rays.to_numpy(np.float32),
        t.erosion.to_numpy(np.float32),
    )


def _alteration(rng: np.random.Generator) -> tuple[float, float]:
    """Sometimes another stretch (a power), and sometimes another blur (pixels)."""
    power = float(np.exp(rng.normal(0, 0.25))) if rng.uniform() < 0.5 else 1.0
    return power, float(rng.uniform(0.3, 1.2)) if rng.uniform() < 0.3 else 0.0


def _altered(view: View, power: float, blur: float) -> tuple[np.ndarray, tuple[float, float]]:
    """The levels go with the image."""
    from scipy.ndimage import gaussian_filter

    image, levels = view.image, np.array(view.levels)
    if power != 1:
        image, levels = (image / 255) ** power, (levels / 255) ** power
    if blur:
        image = gaussian_filter(image, blur)
    return image, (float(levels[0]), float(levels[1]))


def _coarser(ground: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """An elevation model as stereo gives it: blurred, and uneven."""
    from scipy.ndimage import gaussian_filter

    ground = gaussian_filter(ground, radius * rng.uniform(0, 0.3))
    return ground + rng.uniform(0, 0.01) * gaussian_filter(rng.normal(size=ground.shape), 1.0).astype(np.float32)

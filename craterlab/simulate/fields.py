"""Crater catalogues with their truth: primaries on ground of unequal age, secondaries in fields, rays, clumps, chains.

Places and sizes only, no image. Facts the numbers lean on: secondaries reach 4 to 5 % of the parent's diameter and
are steep, b = 3.5 to 4.5 (McEwen & Bierhaus 2006; Robbins & Hynek 2011, 2014); they begin about a crater radius
outside the rim, thin out over tens of radii, and gather in rays, clumps and radial chains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..bodies import Body, body
from ..errors import CraterlabError

Box = tuple[float, float, float, float]
_MARGIN = 1.5  # ground simulated around the region, over its radius: parents may lie outside
_FEWEST_CLUMP = 4


def crater_field(
    n: int,
    *,
    body: str | Body = "Mars",
    region: Box | Sequence[Box] | None = None,
    seed: int = 0,
    secondary_share: float = 0.2,
    min_diameter_m: float = 1000.0,
) -> pd.DataFrame:
    """A simulated catalogue that knows which craters are secondaries.

    Parameters
    ----------
    n : int
        Craters.
    body : str or Body
        The sphere they lie on.
    region : (west, south, east, north), a sequence of such boxes, or None
        Degrees, west < east; None for the whole sphere.
    seed : int
        The same seed gives the same table.
    secondary_share : float
        Share of secondaries, 0..1.
    min_diameter_m : float
        The catalogue's smallest diameter.

    Returns
    -------
    DataFrame
        `crater_id`, `lon`, `lat` (deg, east-positive, -180..180), `diameter_m`, `secondary` (bool), `parent_id` (the
        `crater_id` of the parent; -1 for primaries and for parents that are not in the table), `unit` (number of the
        geological unit). No NaN.

    Raises
    ------
    CraterlabError
        A share outside 0..1, a negative n, a box without area.
    """
    ground = _ground(body, region, min_diameter_m)
    if n < 0 or not 0 <= secondary_share <= 1 or not min_diameter_m > 0:
        raise CraterlabError(
            f"crater_field: wanted n >= 0, secondary_share in 0..1, min_diameter_m > 0, got {n}, {secondary_share}, "
            f"{min_diameter_m}."
        )
    rng = np.random.default_rng(seed)
    wanted = round(n * secondary_share)
    primaries, around = _primaries(n - wanted, ground, rng)
    secondaries = _secondaries(wanted, around, ground, rng)
    table = pd.concat([primaries, secondaries], ignore_index=True).sample(frac=1, random_state=rng, ignore_index=True)
    place = table.pop("place")
    xyz = np.stack(list(place)) if len(table) else np.zeros((0, 3))
    table.insert(0, "crater_id", np.arange(len(table)))
    table.insert(1, "lon", np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0])))
    table.insert(2, "lat", np.degrees(np.arcsin(np.clip(xyz[:, 2], -1, 1))))
    number = dict(zip(table.key[table.key >= 0], table.crater_id[table.key >= 0], strict=True))
    table["parent_id"] = table.pop("parent").map(lambda key: number.get(key, -1)).astype(np.int64)
    return table.drop(columns="key")


@dataclass(frozen=True)
class _Ground:
    boxes: tuple[Box, ...]
    radius_m: float
    axis: np.ndarray  # of the cap that holds the region
    reach: float  # of that cap, radians
    floor_m: float

    def inside(self, xyz: np.ndarray) -> np.ndarray:
        if not self.boxes:
            return np.ones(len(xyz), bool)
        lon = np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0]))
        lat = np.degrees(np.arcsin(np.clip(xyz[:, 2], -1, 1)))
        return np.any([((lon - w) % 360 <= e - w) & (lat >= s) & (lat <= n) for w, s, e, n in self.boxes], axis=0)

    def random(self, n: int, reach: float, rng: np.random.Generator) -> np.ndarray:
        """Unit vectors at random in the cap."""
        return around(self.axis, np.arccos(1 - rng.uniform(size=n) * (1 - np.cos(reach))), rng.uniform(0, 2 * np.pi, n))


def _ground(name: str | Body, region: Box | Sequence[Box] | None, floor_m: float) -> _Ground:
    radius = body(name).radius_m
    if region is None:
        return _Ground((), radius, np.array([0.0, 0.0, 1.0]), np.pi, floor_m)
    boxes = np.atleast_2d(np.asarray(region, float))
    if boxes.shape[1] != 4 or (boxes[:, 2:] <= boxes[:, :2]).any() or (np.abs(boxes[:, [1, 3]]) > 90).any():
        raise CraterlabError(f"crater_field: wanted region=(west, south, east, north) in degrees, got {region!r}.")
    lon = np.linspace(boxes[:, 0], boxes[:, 2], 9)[:, None]
    lat = np.linspace(boxes[:, 1], boxes[:, 3], 9)[None]
    corner = _unit(*np.broadcast_arrays(lon, lat)).reshape(-1, 3)
    middle = corner.mean(0)
    axis = middle / max(float(np.linalg.norm(middle)), 1e-12)
    reach = float(np.arccos(np.clip(corner @ axis, -1, 1)).max())
    return _Ground(tuple(map(tuple, boxes)), radius, axis, reach if reach < 1.5 else np.pi, floor_m)


def _unit(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    lam, phi = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def around(centre: np.ndarray, distance: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """Unit vectors at angular distances (radians) and azimuths from one centre or one for each, (n, 3)."""
    centre = np.atleast_2d(centre)
    a = np.cross(np.eye(3)[np.abs(centre).argmin(1)], centre)
    a /= np.linalg.norm(a, axis=1)[:, None]
    b = np.cross(centre, a)
    distance, azimuth = np.atleast_1d(distance)[:, None], np.atleast_1d(azimuth)[:, None]
    return np.cos(distance) * centre + np.sin(distance) * (np.cos(azimuth) * a + np.sin(azimuth) * b)


def _primaries(n: int, ground: _Ground, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Primaries in the region, and all of the ground around it that can be parents."""
    reach = min(np.pi, ground.reach * (1 + _MARGIN))
    units = int(rng.integers(1, 13))
    seeds = ground.random(units, reach, rng)
    density = np.exp(rng.normal(0, rng.uniform(0.1, 0.9), units))
    break_m = ground.floor_m * np.exp(rng.uniform(np.log(2), np.log(10)))
    steep = rng.uniform(1.8, 2.8)
    # Old, dense ground has lost small craters: the denser the shallower below the break.
    shallow = np.clip(steep - rng.uniform(0, 1.0) - 0.3 * np.log(density) + rng.normal(0, 0.15, units), 0.8, 3.2)
    # Patches of some tens of crater spacings, younger or older than their unit.
    patches = ground.random(int(rng.integers(1, 60)) * units, reach, rng)
    tint = np.exp(rng.normal(0, rng.uniform(0.0, 0.4), len(patches)))
    parts: list[pd.DataFrame] = []
    inside = 0
    while inside < n or not parts:
        xyz = ground.random(max(2000, 2 * n), reach, rng)
        unit, patch = (np.argmax(_by_chunks(xyz, s), axis=1) for s in (seeds, patches))
        weight = density[unit] * tint[patch]
        keep = rng.uniform(size=len(xyz)) < weight / (density.max() * tint.max())
        xyz, unit = xyz[keep], unit[keep]
        d = _sizes(len(xyz), ground, break_m, shallow[unit], steep, rng)
        part = pd.DataFrame({"diameter_m": d, "secondary": False, "parent": -1, "unit": unit})
        part["place"] = list(xyz)
        part["here"] = ground.inside(xyz)
        parts.append(part)
        inside += int(part.here.sum())
    table = pd.concat(parts, ignore_index=True)
    # As many as asked for in the region, and as many outside as belong to that density.
    last = table.index[table.here][n - 1] if n else -1
    table = table.iloc[: last + 1] if n else table.iloc[:0]
    table = _erased(table, ground, rng) if len(table) else table
    table = table.assign(key=np.arange(len(table)))
    here = table[table.here]
    short = n - len(here)
    if short > 0:  # those erased come again elsewhere
        again = here.sample(short, replace=True, random_state=rng)
        xyz = _jittered(np.stack(list(again.place)), 0.05 * ground.reach, ground, rng)
        size = again.diameter_m.to_numpy() * np.exp(rng.normal(0, 0.02, short))
        again = again.assign(diameter_m=np.maximum(size, ground.floor_m), place=list(xyz), key=-1)
        here = pd.concat([here, again], ignore_index=True)
    return here.drop(columns="here"), table


def _by_chunks(xyz: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    return np.concatenate([part @ seeds.T for part in np.array_split(xyz, max(1, len(xyz) // 20000))])


def _sizes(
    n: int, ground: _Ground, break_m: float, shallow: np.ndarray, steep: float, rng: np.random.Generator
) -> np.ndarray:
    """Cumulative power law, shallow below the break, steep above, none above a fifth of the body's radius."""
    top = max(0.2 * ground.radius_m, 10 * ground.floor_m)
    u = rng.uniform(size=n)
    below = ground.floor_m * u ** (-1 / shallow)
    beyond = (break_m / ground.floor_m) ** -shallow  # share above the break
    above = break_m * np.minimum(u / beyond, 1.0) ** (-1 / steep)
    return np.minimum(np.where(u > beyond, below, above), top)


def _jittered(xyz: np.ndarray, reach: float, ground: _Ground, rng: np.random.Generator) -> np.ndarray:
    moved = around(xyz, reach * np.abs(rng.normal(size=len(xyz))), rng.uniform(0, 2 * np.pi, len(xyz)))
    return np.where(ground.inside(moved)[:, None], moved, xyz)


def _erased(table: pd.DataFrame, ground: _Ground, rng: np.random.Generator) -> pd.DataFrame:
    """Without the craters that younger, larger ones have wiped out, each within 0.5 to 2 of its radii."""
    from scipy.spatial import cKDTree

    xyz, d = np.stack(list(table.place)), table.diameter_m.to_numpy()
    tree, gone = cKDTree(xyz), np.zeros(len(table), bool)
    for i in np.flatnonzero(d > 10 * ground.floor_m):
        near = np.array(tree.query_ball_point(xyz[i], rng.uniform(0.5, 2.0) * d[i] / 2 / ground.radius_m), int)
        gone[near[(d[near] < d[i] / 4) & (rng.uniform(size=len(near)) < rng.uniform(0, 0.9))]] = True
    return table[~gone].reset_index(drop=True)


def _secondaries(n: int, primaries: pd.DataFrame, ground: _Ground, rng: np.random.Generator) -> pd.DataFrame:
    """Fields of fresh primaries until there are enough; then clumps and chains of parents nobody sees."""
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    found = 0
    large = primaries[primaries.diameter_m > 30 * ground.floor_m] if len(primaries) else primaries
    fresh = large.sample(frac=1, random_state=rng) if len(large) else large
    visible = n * rng.uniform(0.4, 1.0)  # the share of the rest comes from afar
    for row in fresh.itertuples():
        if found >= visible:
            break
        xyz, d = _field_of(row.place, row.diameter_m, int(visible - found) + 1, ground, rng)
        keep = ground.inside(xyz)
        parts.append((xyz[keep], d[keep], np.full(keep.sum(), row.key)))
        found += int(keep.sum())
    while found < n:
        centre = ground.random(1, ground.reach, rng)
        if not ground.inside(centre)[0]:
            continue
        xyz, d = _stray(centre, ground, rng)
        keep = ground.inside(xyz)
        parts.append((xyz[keep], d[keep], np.full(keep.sum(), -1)))
        found += int(keep.sum())
    parts = parts or [(np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.int64))]
    xyz, size, parent = (np.concatenate(c)[:n] for c in zip(*parts, strict=True))
    table = pd.DataFrame({"place": list(xyz), "diameter_m": size, "parent": parent})
    return table.assign(secondary=True, unit=-1, key=-1)


def _field_of(
    centre: np.ndarray, parent_m: float, most: int, ground: _Ground, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The secondaries of one parent above the floor: scattered, in clumps, in radial chains, more along its rays."""
    b, largest = rng.uniform(3.3, 4.5), rng.uniform(0.03, 0.05) * parent_m
    count = (largest / ground.floor_m) ** b * np.exp(rng.normal(0, 0.7)) if largest > ground.floor_m else 0.0
    count = min(int(rng.poisson(min(count, 1e6))), most)
    rays = rng.uniform(0, 2 * np.pi, int(rng.integers(3, 11)))
    in_rays, scattered = rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.6)
    scale = rng.uniform(2.0, 7.0)
    xyz = np.zeros((0, 3))
    size = np.zeros(0)
    while len(size) < count:
        alone = rng.uniform() < scattered
        members = 1 if alone else _FEWEST_CLUMP + int(rng.geometric(1 / rng.uniform(3, 25)))
        ray = rays[rng.integers(len(rays))] + rng.normal(0, 0.07) if rng.uniform() < in_rays else rng.uniform(0, 6.2832)
        far = (1.7 + rng.exponential(scale)) * parent_m / 2 / ground.radius_m
        if far > 2.5:
            continue
        at, d = _clump(members, b, largest, far, ground, rng)
        away = np.hypot(far + at[:, 0], at[:, 1])
        azimuth = ray + np.arctan2(at[:, 1], far + at[:, 0])
        xyz = np.concatenate([xyz, around(centre, away, azimuth)])
        size = np.concatenate([size, d])
    return xyz[:count], size[:count]


def _clump(
    members: int, b: float, largest_m: float, far: float, ground: _Ground, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Places along and across the way from the parent, radians, and sizes."""
    u = rng.uniform((ground.floor_m / largest_m) ** b, 1, members)
    d = ground.floor_m * u ** (-1 / b)
    step = 2 * d.mean() / ground.radius_m
    if members > 1 and rng.uniform() < 0.3:
        along = step * rng.uniform(0.8, 3.0) * (np.arange(members) - members / 2 + rng.normal(0, 0.3, members))
        across = rng.normal(0, 0.3 * step, members)
    else:
        width = max(rng.uniform(0.02, 0.12) * far, step * np.sqrt(members) * rng.uniform(0.4, 1.5))
        along, across = rng.normal(0, width * rng.uniform(1, 3), members), rng.normal(0, width, members)
    return np.stack([along, across], axis=1), d


def _stray(centre: np.ndarray, ground: _Ground, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A clump or chain far from a parent that is not seen, or one secondary alone."""
    members = 1 if rng.uniform() < 0.5 else _FEWEST_CLUMP + int(rng.geometric(1 / rng.uniform(3, 20)))
    largest = ground.floor_m * rng.uniform(1.5, 8)
    at, d = _clump(members, rng.uniform(3.3, 4.5), largest, 0.0, ground, rng)
    return around(centre, np.hypot(*at.T), np.arctan2(at[:, 1], at[:, 0]) + rng.uniform(0, 2 * np.pi)), d

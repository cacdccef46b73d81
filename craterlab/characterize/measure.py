"""Everything measured, group by group of neighbouring craters: each step takes a `Group` and gives columns.

Groups are read one after another and measured side by side; how many are held at once does not depend on the image.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.progress import progress_bar

from . import depth, erosion, rims, shadow
from .family import kinds
from .polar import Places, Reader, groups, on_ellipses, sample
from .walls import walls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Columns = dict[str, np.ndarray]

SMALLEST_PX = 8.0  # diameter below which a rim is too few pixels for an ellipse
# Relative 1-sigma of a diameter nothing is known about (experts disagree by about that: Robbins et al. 2014).
_LOOSE = 0.15
NUMBERS = (
    *("major_m", "minor_m", "angle_deg", "major_std_m", "minor_std_m"),
    *("depth_m", "depth_std_m", "rim_height_m", "rim_height_std_m"),
    *("floor_width_m", "floor_width_std_m", "wall_slope_deg", "wall_slope_std_deg"),
    *("erosion", "erosion_std", "kappa_t_m2", "kappa_t_std_m2"),
)
TEXTS = ("ellipse_from", "depth_from", "depth_why", "erosion_from")
_OUTSIDE = "outside the scene"
_NO_DEM_THERE = "elevation cut by the border or nodata"
_FWHM = 2.3548  # of a Gaussian, standard deviations
_MOST_WORKERS = 4


@dataclass(frozen=True)
class Setting:
    """What is the same for all craters of a scene."""

    body: str | None
    sun: tuple[float, float]  # azimuth, incidence, degrees
    black: float  # brightness of what no light reaches
    middle: float  # and of the ground
    dem_spacing_m: float  # of the elevation model's own grid where coarser than the scene's; NaN: the scene's
    dem_resolution_m: float  # full width at half maximum of its point spread; NaN: not known


def plain_setting() -> Setting:
    """Of a scene of which nothing is known."""
    return Setting(None, (np.nan, np.nan), 0.0, 1.0, np.nan, np.nan)


@dataclass(frozen=True)
class Group:
    """Neighbouring craters with the pixels around them."""

    where: Places
    given_std: Floats  # of the diameter, metres; NaN not known
    window: tuple[int, int, int, int, int]
    image: np.ndarray
    dem: np.ndarray | None
    of: Setting


def measure_all(
    where: Places,
    given_std: Floats,
    image: Reader,
    elevation: Reader | None,
    shape: tuple[int, int],
    setting: Setting,
    progress: bool,
) -> Columns:
    """Columns of all craters; those outside the scene stay NaN."""
    n = len(where)
    out: Columns = {name: np.full(n, np.nan) for name in NUMBERS} | {name: np.full(n, "", object) for name in TEXTS}
    out["depth_why"][:] = _OUTSIDE

    parts = groups_of(where, given_std, image, elevation, shape, setting)
    with progress_bar(show=progress and n > 1000, total=n, desc="characterize", unit="crater") as bar:
        for index, columns in side_by_side(parts, measure_group):
            for name, values in columns.items():
                out[name][index] = values
            bar.update(len(index))
    return out


def groups_of(
    where: Places,
    given_std: Floats,
    image: Reader,
    elevation: Reader | None,
    shape: tuple[int, int],
    setting: Setting,
    **reach: float,
) -> Iterator[tuple[NDArray[np.intp], Group]]:
    """Groups with their pixels, each window read once; `reach` as for ``polar.groups``."""
    read: dict[str, Any] = {}
    for index, window in groups(where, shape, **reach):
        if read.get("window") != window:
            read = {"window": window, "image": image(*window), "dem": elevation(*window) if elevation else None}
        yield index, Group(where.take(index), given_std[index], window, read["image"], read["dem"], setting)


def side_by_side(
    parts: Iterator[tuple[NDArray[np.intp], Group]], work: Callable[[Group], Columns]
) -> Iterator[tuple[NDArray[np.intp], Columns]]:
    """Work on parts in threads (NumPy lets go of the interpreter), a few ahead of what is taken."""
    workers = min(_MOST_WORKERS, os.cpu_count() or 1)
    waiting: deque[tuple[NDArray[np.intp], Future[Columns]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for index, group in parts:
            waiting.append((index, pool.submit(work, group)))
            if len(waiting) > workers:
                index, done = waiting.popleft()
                yield index, done.result()
        while waiting:
            index, done = waiting.popleft()
            yield index, done.result()


def measure_group(group: Group) -> Columns:
    """Columns of one group: rim, then what is measured on it."""
    columns, theta = trace_rims(group)
    rim = on_ellipses(group.where, theta)
    kind = kinds(2 * rim.radius_m, group.of.body)
    seen = columns["ellipse_from"] != ""
    blank = np.full(len(seen), np.nan)
    columns |= {"depth_m": blank, "depth_std_m": blank.copy()}
    if group.dem is not None:
        columns |= _from_elevation(group, rim, kind)
    return columns | _from_shadow(group, rim, kind, columns, seen)


def trace_rims(group: Group) -> tuple[Columns, Floats]:
    """Ellipses on the elevation, else on the image, else the given circle."""
    where, n = group.where, len(group.where)
    columns: Columns = {name: np.full(n, np.nan) for name in NUMBERS[:5]}
    source, seen, theta = np.full(n, "", object), np.zeros(n, bool), np.zeros((n, 5))
    large = 2 * where.radius_px >= SMALLEST_PX
    for name, block in (("dem", group.dem), ("image", group.image)):
        todo = np.flatnonzero(source == "")
        if block is None or not todo.size:
            continue
        some = where.take(todo)
        if name == "dem":
            profiles = sample(block, group.window, some, depth.TRACE_RADII)
            profiles = depth.level_out(profiles, depth.TRACE_RADII)[..., : len(rims.RIM_RADII)]
        else:
            profiles = sample(block, group.window, some, rims.RIM_RADII)
        seen[todo] |= np.isfinite(profiles).any((1, 2))
        points = rims.crest_points if name == "dem" else rims.edge_points
        found = rims.trace(points(profiles), some.radius_px)
        good = found.good & large[todo]
        rows, metres = todo[good], 2 * some.radius_m[good]
        for column, value in (
            ("major_m", found.major[good] * metres),
            ("minor_m", found.minor[good] * metres),
            ("major_std_m", found.major_std[good] * metres),
            ("minor_std_m", found.minor_std[good] * metres),
            ("angle_deg", found.angle_deg[good]),
        ):
            columns[column][rows] = value
        theta[rows], source[rows] = found.theta[good], name
    left = seen & (source == "")
    columns["major_m"][left] = columns["minor_m"][left] = 2 * where.radius_m[left]
    std = np.where(np.isfinite(group.given_std), group.given_std, 2 * _LOOSE * where.radius_m)
    columns["major_std_m"][left] = columns["minor_std_m"][left] = std[left]
    source[left] = "circle"
    return columns | {"ellipse_from": source}, theta


def _from_elevation(group: Group, rim: Places, kind: NDArray[np.intp]) -> Columns:
    """Depth, rim height, wall, floor and wear, with what the blur of the elevation model takes put back."""
    assert group.dem is not None
    z = depth.level_out(sample(group.dem, group.window, rim, depth.SHAPE_RADII), depth.SHAPE_RADII)
    found = depth.measure(z)
    slope, slope_std, floor, floor_std = walls(z, found.depth)
    wear = erosion.fit(z, kind, 2 * rim.radius_m, blur(rim, group), found.depth, found.depth_std)
    # Without a scale there is no diameter in metres to hold the profile against: as measured.
    share, spread = (np.where(np.isfinite(v), v, d) for v, d in ((wear.depth_seen, 1.0), (wear.depth_seen_std, 0.0)))
    of_height, of_slope = (np.where(np.isfinite(v), v, 1.0) for v in (wear.height_seen, wear.slope_seen))
    of_floor = np.nan_to_num(wear.floor_seen)
    whole = np.isfinite(found.depth)
    only = lambda values: np.where(whole, values, np.nan)  # noqa: E731
    rise, rise_std = slope / of_slope / rim.radius_m, slope_std / of_slope / rim.radius_m
    return {
        "depth_m": found.depth / share,
        "depth_std_m": np.hypot(found.depth_std / share, found.depth * spread / share**2),
        "rim_height_m": found.rim_height / of_height,
        "rim_height_std_m": found.rim_height_std / of_height,
        "wall_slope_deg": np.degrees(np.arctan(rise)),
        "wall_slope_std_deg": np.degrees(rise_std / (1 + rise**2)),
        "floor_width_m": 2 * rim.radius_m * np.maximum(floor - of_floor, 0.0),
        "floor_width_std_m": 2 * rim.radius_m * floor_std,
        "erosion": only(wear.erosion),
        "erosion_std": only(wear.erosion_std),
        "kappa_t_m2": only(wear.age * rim.radius_m**2),
        "kappa_t_std_m2": only(wear.age_std * rim.radius_m**2),
        "depth_from": np.where(whole, "dem", "").astype(object),
        "erosion_from": np.where(np.isfinite(only(wear.erosion)), "dem", "").astype(object),
    }


def blur(rim: Places, group: Group) -> Floats:
    """Variance of the elevation model's point spread per axis, over the radius squared; NaN without a scale.

    A pixel is a mean over itself (1/12 of its square) and is read by bilinear interpolation (1/6, over all places
    between pixels).
    """
    of, pixel = group.of, rim.radius_m / rim.radius_px
    spacing = np.fmax(of.dem_spacing_m, pixel)
    own = np.where(np.isfinite(of.dem_resolution_m), (of.dem_resolution_m / _FWHM) ** 2, spacing**2 / 12)
    coarse = group.window[4] * pixel  # large craters are read with a step
    twice = np.where(spacing > 1.01 * pixel, spacing**2 / 6, 0.0)  # once onto the scene's grid, once from it
    return np.asarray((own + twice + coarse**2 / 6) / rim.radius_m**2)


def _from_shadow(
    group: Group, rim: Places, kind: NDArray[np.intp], columns: Columns, seen: NDArray[np.bool_]
) -> Columns:
    """Depth by shadow where there is none yet, and why there is none."""
    value, std = columns["depth_m"], columns["depth_std_m"]
    source = columns.get("depth_from", np.full(len(seen), "", object))
    why = np.where(seen, "", _OUTSIDE).astype(object)
    rows = np.flatnonzero(seen & ~np.isfinite(value))
    if rows.size:
        part = group.where.take(rows), rim.take(rows), kind[rows]
        found = shadow.measure(group.image, group.window, *part, group.of.sun, group.of.black)
        value, std, source = value.copy(), std.copy(), source.copy()
        diameter = 2 * group.where.radius_m[rows]
        value[rows], std[rows] = found.depth * diameter, found.std * diameter
        source[rows] = np.where(np.isfinite(value[rows]), "shadow", "")
        no_scale = np.where((found.why == "") & ~np.isfinite(diameter), shadow.SCALE, found.why)
        why[rows] = no_scale
        if group.dem is not None:
            why[rows] = np.where(no_scale != "", _NO_DEM_THERE, "")
    return {"depth_m": value, "depth_std_m": std, "depth_from": source, "depth_why": why}

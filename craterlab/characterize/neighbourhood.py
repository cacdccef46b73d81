"""What the places and sizes of a crater's neighbours say: density at several scales, cells, rows, sizes, a parent.

Every crater is judged among craters of about its own size. The null hypothesis of each p-value is a random field
whose density may change over distances larger than those looked at: given the distance of the K-th neighbour, the
K - 1 nearer ones lie at random within it. Densities of geological units of different age are then no clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from . import chains
from .parents import parents
from .voronoi import Region, cell_areas, random_points, region_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.spatial import cKDTree

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FEWEST = 20  # craters of about one size, below which nothing is said
PLENTY = 100  # below which only the smallest scale is looked at
LEVELS = ((3, 24), (6, 48), (12, 96), (24, 192))  # k-th against K-th neighbour
STATISTICS = ("z3", "z6", "z12", "z24", "cell", "row", "steep16", "steep64", "size", "excess", "field")
_STEP, _FACTOR = np.log(1.25), 1.5  # width of a bin of sizes; how far its class reaches to both sides
_CLASS = 60  # a class is widened until it has as many craters
_CHUNK = 20000
_SOFT = 2.0  # random points by which an area that few of them sample is drawn to that of the whole disc


@dataclass(frozen=True)
class Evidence:
    """One row a crater.

    Attributes
    ----------
    statistics : ndarray, (n, 11)
        Columns `STATISTICS`, each about 0 in a random field and positive where it speaks for secondaries, except
        `size` (ln of diameter over the catalogue's smallest): z-scores of the density at four scales, of the Voronoi
        cells, of alignment, of local steepness (16 and 64 neighbours), of small craters around a possible parent, and
        the mean of the first two over craters of that size.
    cell_area_ratio : ndarray, (n,)
        Voronoi cell among craters of like size over the median of its neighbours' cells; NaN on the outline.
    cluster_p, chain_p : ndarray, (n,)
        Chance of such crowding, such a row, in a random field.
    spacing : ndarray, (n,)
        Radius within which the local density would have one crater of its class: sqrt(A / (pi N)).
    population : ndarray of int, (n,)
        Craters in the class.
    neighbours : ndarray of int, (n, 24)
        Rows of the nearest craters of the class in order of distance; -1 where there are no more.
    """

    statistics: Floats
    cell_area_ratio: Floats
    cluster_p: Floats
    chain_p: Floats
    spacing: Floats
    population: Ints
    neighbours: Ints


@dataclass(frozen=True)
class _Null:
    """Random fields: sorted statistics to rank those of craters in."""

    uniform: Floats  # (trials, 192): squared distances within the K-th neighbour's, in order
    cell: Floats
    row: Floats  # (trials, levels), sorted by column
    row_best: dict[int, Floats]  # smallest p over as many levels, sorted


def evidence(
    points: Floats, diameter: Floats, radius: float | None, *, trials: int, seed: int
) -> Iterator[tuple[Ints, Evidence]]:
    """Evidence for all craters, size by size.

    Parameters
    ----------
    points : ndarray, (n, 3)
        Distinct, finite.
    diameter : ndarray, (n,)
        In the unit of `points`, positive.
    radius : float or None
        Of the sphere; None for a plane.
    trials : int
        Random neighbourhoods to compare with.
    seed : int

    Yields
    ------
    rows : ndarray of int, (m,)
        Craters of one bin of sizes; every crater comes once, unless its class has fewer than `FEWEST`.
    Evidence
        Of these craters.
    """
    from scipy.spatial import cKDTree

    if len(points) < FEWEST:
        return
    null = _random_fields(trials, seed)
    whole = region_of(points, radius)
    if not len(whole.triangles):  # all craters on one line
        return
    rng = np.random.default_rng([seed, 2])
    sample = random_points(whole, int(np.clip(4 * len(points), 4000, 1_000_000)), rng)
    edge = cKDTree(whole.edge) if len(whole.edge) else None
    excess = parents(points, diameter, sample, whole.area)
    log_d = np.log(diameter)
    smallest = float(np.quantile(log_d, 0.01))
    order = np.argsort(log_d, kind="stable")
    bins = np.floor((log_d - log_d.min()) / _STEP).astype(int)
    for b in np.unique(bins):
        rows = np.flatnonzero(bins == b)
        low = log_d.min() + b * _STEP
        members, floor = _size_class(log_d, order, low - np.log(_FACTOR), low + _STEP + np.log(_FACTOR))
        covered = _Covered(whole, cKDTree(sample[: max(2000, 4 * len(members))]) if edge is not None else None, edge)
        larger = np.flatnonzero(log_d >= floor)
        found = _in_class(points, members, rows, covered, null)
        steep = _steepness(points, log_d - floor, larger, rows)
        field = float(np.clip(found["z"][:, :2], -4, 4).mean())
        columns = [*found["z"].T, found["cell_z"], found["row_z"], *steep.T, log_d[rows] - smallest]
        columns += [excess[rows], np.full(len(rows), field)]
        yield (
            rows,
            Evidence(
                np.stack(columns, axis=1),
                found["ratio"],
                found["p"],
                found["row_p"],
                found["spacing"],
                np.full(len(rows), len(members)),
                found["neighbours"].astype(np.int64),
            ),
        )


def _size_class(log_d: Floats, order: Ints, low: float, high: float) -> tuple[Ints, float]:
    """Craters of like size, and the lower end of the class; widened to both sides until there are enough."""
    ranked = log_d[order]
    while True:
        a, b = np.searchsorted(ranked, [low, high], side="left")
        if b - a >= min(_CLASS, len(order)):
            return np.sort(order[a:b]), float(low)
        low, high = low - _STEP, high + _STEP


@dataclass(frozen=True)
class _Covered:
    """How much of a disc lies within the region, from random points in it."""

    region: Region
    sample: cKDTree | None
    edge: cKDTree | None

    def area(self, centre: Floats, reach: Floats) -> Floats:
        """Area of discs of each crater, (m, levels), within the region."""
        disc = np.pi * reach**2
        if self.edge is None or self.sample is None:
            return disc
        near = self.edge.query(centre)[0][:, None] < reach
        if near.any():
            density = self.sample.n / self.region.area
            row = np.nonzero(near)[0]
            count = self.sample.query_ball_point(centre[row], reach[near], return_length=True)
            expected = density * disc[near]
            # A disc never holds more than itself, nor an edge cut it to nothing.
            disc[near] *= np.clip((count + _SOFT) / (expected + _SOFT), 0.05, 1.0)
        return disc


def _in_class(points: Floats, members: Ints, rows: Ints, covered: _Covered, null: _Null) -> dict[str, Floats]:
    from scipy.spatial import cKDTree
    from scipy.special import betainc, ndtri

    here = points[members]
    region = region_of(here, covered.region.radius)
    cells = cell_areas(region)
    tree = cKDTree(here)
    at = np.searchsorted(members, rows)
    n = len(members)
    levels = [(k, K) for k, K in LEVELS if n // 4 >= K]
    if not levels:
        levels = [(3, int(np.clip(n // 3, 8, LEVELS[0][1])))]
    near = max(levels[0][1], min(chains.NEIGHBOURS[-1], n - 1))
    # An outline bends the directions of neighbours that are a large part of the field.
    in_row = int(np.clip(n // 5, chains.NEIGHBOURS[0], chains.NEIGHBOURS[-1]))
    ks = sorted({k for pair in levels for k in pair if k > near})
    m = len(rows)
    out: dict[str, Floats] = {"z": np.zeros((m, len(LEVELS)))}
    out |= {c: np.zeros(m) for c in ("p", "ratio", "patch", "cell_z", "row_z", "row_p", "spacing")}
    out["neighbours"] = np.full((m, LEVELS[0][1]), -1.0)
    best_null = _smallest_p(null.uniform, levels)
    for start in range(0, m, _CHUNK):
        part = slice(start, start + _CHUNK)
        centre = here[at[part]]
        distance, index = tree.query(centre, k=[*range(2, near + 2), *(k + 1 for k in ks)])
        scale = [*range(1, near + 1), *ks]
        used = [scale.index(k) for pair in levels for k in pair]
        area = covered.area(centre, distance[:, used])
        p = np.stack(
            [betainc(k, K - k, np.clip(area[:, 2 * i] / area[:, 2 * i + 1], 0, 1)) for i, (k, K) in enumerate(levels)],
            axis=1,
        )
        out["z"][part, : len(levels)] = -ndtri(np.clip(p, 1e-12, 1 - 1e-6))
        out["p"][part] = _rank(best_null, p.min(1))
        kept = index[:, : min(near, LEVELS[0][1])]
        out["neighbours"][part, : kept.shape[1]] = members[kept]
        wide = levels[-1][1]
        out["spacing"][part] = np.sqrt(area[:, -1] / np.pi / wide)
        around = cells[index[:, : levels[0][1]]]
        out["ratio"][part] = cells[at[part]] / _median(around)
        out["patch"][part] = _patch(cells[at[part]], around)
        angle = chains.axes_of(here, index[:, : min(in_row, near)], at[part], covered.region.radius)
        row = chains.alignment(angle)
        row_p = np.stack([_rank(null.row[:, i], -row[:, i]) for i in range(row.shape[1])], axis=1)
        row_p = _rank(null.row_best[row.shape[1]], row_p.min(1))
        out["row_p"][part] = row_p
    out["cell_z"] = -ndtri(np.clip(_rank(null.cell, np.nan_to_num(out["patch"], nan=1.0)), 1e-4, 1 - 1e-4))
    out["cell_z"][np.isnan(out["patch"])] = 0.0
    out["row_z"] = -ndtri(np.clip(out["row_p"], 1e-4, 1 - 1e-4))
    return out


def _median(values: Floats) -> Floats:
    """Median along the rows, NaN left out; NaN for a row of nothing else."""
    ranked = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(values).sum(1)
    middle = np.take_along_axis(ranked, np.stack([np.maximum(count - 1, 0) // 2, count // 2], 1), axis=1).mean(1)
    return np.asarray(np.where(count > 0, middle, np.nan))


def _patch(own: Floats, around: Floats) -> Floats:
    """Geometric mean of the cells of a crater and its 6 nearest over the median of all: one cell alone says little."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(np.concatenate([own[:, None], around[:, :6]], axis=1))
        count = np.isfinite(log).sum(1)
        mean = np.where(np.isfinite(log), log, 0.0).sum(1) / count
        return np.asarray(np.where(count >= 4, np.exp(mean), np.nan) / _median(around))


def _rank(null: Floats, value: Floats) -> Floats:
    """Share of the sorted random values at or below each value, itself counted as one of them: never 0."""
    return np.asarray((1.0 + np.searchsorted(null, value, side="right")) / (1.0 + len(null)), float)


def _smallest_p(uniform: Floats, levels: list[tuple[int, int]]) -> Floats:
    """Smallest p over the levels in random neighbourhoods, sorted."""
    from scipy.special import betainc

    # The widest level's neighbours at random within its distance; the K-th of a narrower one is the K-th of these.
    widest = levels[-1][1]
    within = np.sort(uniform[:, : widest - 1], axis=1)
    at = np.concatenate([within, np.ones((len(within), 1))], axis=1)
    p = [betainc(k, K - k, at[:, k - 1] / at[:, K - 1]) for k, K in levels]
    return np.sort(np.min(p, axis=0))


@lru_cache(maxsize=4)
def _random_fields(trials: int, seed: int) -> _Null:
    rng = np.random.default_rng([seed, 3])
    uniform = rng.uniform(size=(trials, LEVELS[-1][1]))
    turn = rng.uniform(0, 2 * np.pi, (trials, chains.NEIGHBOURS[-1]))
    row = -chains.alignment(turn)
    ranked = np.sort(row, axis=0)
    p = np.stack([_rank(ranked[:, i], row[:, i]) for i in range(row.shape[1])], axis=1)
    best = {i: np.sort(p[:, :i].min(1)) for i in range(1, len(chains.NEIGHBOURS) + 1)}
    return _Null(uniform, _random_cells(rng), ranked, best)


def _random_cells(rng: np.random.Generator, n: int = 4000) -> Floats:
    """`_patch` of a random field of the plane, sorted."""
    from scipy.spatial import cKDTree

    points = np.concatenate([rng.uniform(size=(n, 2)), np.zeros((n, 1))], axis=1)
    cells = cell_areas(region_of(points, None))
    index = cKDTree(points).query(points, k=range(2, LEVELS[0][1] + 2))[1]
    inner = (np.abs(points[:, :2] - 0.5) < 0.45).all(1) & np.isfinite(cells)
    ratio = _patch(cells[inner], cells[index[inner]])
    return np.sort(ratio[np.isfinite(ratio)])


def _steepness(points: Floats, above: Floats, larger: Ints, rows: Ints) -> Floats:
    """Local steepness of the size distribution over that of the whole catalogue, as z-scores for 16 and 64 neighbours.

    The mean of ln(D / Dmin) of craters above Dmin is the inverse of the cumulative exponent (Aki 1965; Clauset et al.
    2009), with relative error 1 / sqrt(n).
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(points[larger])
    ks = [k for k in (16, 64) if k <= len(larger) // 4]
    out = np.zeros((len(rows), 2))
    if not ks:
        return out
    excess = np.minimum(above[larger], 3.0)
    mean = excess.mean()
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        index = tree.query(points[rows[part]], k=range(2, ks[-1] + 2))[1]
        for i, k in enumerate(ks):
            out[part, i] = np.clip(np.sqrt(k) * (1 - excess[index[:, :k]].mean(1) / mean), -8, 8)
    return out

"""Are the craters spread at random? Their distances and adjacent areas against random points in the same area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from craterlab.errors import CraterlabError

from .counting import bin_edges

if TYPE_CHECKING:
    import pandas as pd

    from craterlab.region import Region

Floats = NDArray[np.float64]

MEASURES = ("m2cnd", "sdaa")
# A second neighbour needs three points.
_FEWEST = 3
# Points of the lattice on which adjacent areas are measured, for each crater and at least: an area of 12 points is
# known to 9 %, while areas about random points scatter by 55 %.
_PER_CRATER, _LATTICE = 12, 1000


@dataclass(frozen=True, repr=False, eq=False)
class Randomness:
    """Spatial randomness of a count, by diameter.

    Attributes
    ----------
    measure : str
        "m2cnd": mean distance to the second closest neighbour, km; "sdaa": standard deviation of the adjacent areas,
        km2.
    trials, seed : int
    area_km2 : float
    table : DataFrame
        One row a bin: lo_km, hi_km, n; `observed` value of the measure, `mean` and `std` of it over random points;
        `n_sigma`, how many `std` the craters are more clustered than random (negative: more evenly spread);
        `percentile`, share of the trials less clustered, %; `p_value`, the probability that random points are as
        clustered or more. NaN below 3 craters.
    """

    measure: str
    trials: int
    seed: int
    area_km2: float
    table: pd.DataFrame

    def __repr__(self) -> str:
        tested = self.table.dropna()
        worst = "no bin with 3 craters"
        if len(tested):
            row = tested.loc[tested["p_value"].idxmin()]
            worst = (
                f"{len(tested)} bins tested, most clustered at {row.lo_km:.4g}-{row.hi_km:.4g} km: "
                f"p={row.p_value:.3g}, {row.n_sigma:+.2f} sigma"
            )
        return f"Randomness({self.measure}, n={int(self.table['n'].sum())}, {worst}, trials={self.trials})"


def randomness(
    craters: Any,
    within: Any = None,
    *,
    measure: str = "m2cnd",
    trials: int = 300,
    seed: int = 0,
    bins: str | Sequence[float] | None = "root-2",
) -> Randomness:
    """Test by diameter whether craters are spread at random over their area (Michael et al. 2012).

    Secondary craters come in clusters, and craters erased or hidden in part of the area look clustered too. For each
    bin the measure is compared with that of as many random points in the same area on the sphere, holes left out.

    Parameters
    ----------
    craters : GeoDataFrame
        Crater table with `lon`, `lat`, `diameter_m`. Those outside the area are left out.
    within : path, GeoDataFrame or GeoSeries, optional
        The counting area, as for `craterlab.clip_craters`; default the outline the table carries.
    measure : {"m2cnd", "sdaa"}
        "m2cnd": mean second-closest-neighbour distance; clusters make it small. "sdaa": standard deviation of the
        adjacent areas; clusters make it large. The adjacent area of a crater is the part of the counting area that is
        nearer to it than to any other crater: its Voronoi cell on the sphere, cut at the border of the area.
    trials : int
        Sets of random points for each bin.
    seed : int
    bins : str, sequence of float, or None
        A binning of `craterlab.sfd`, edges in km, or None for all craters together.

    Returns
    -------
    Randomness

    Raises
    ------
    CraterlabError
        Unknown measure or binning, too few trials, or an area or craters that do not fit (see `clip_craters`).

    Notes
    -----
    p = (1 + trials as clustered or more) / (1 + trials), uniform under randomness whatever the shape of the area; its
    smallest value is 1 / (1 + trials). Adjacent areas are measured by counting the points of an even lattice, 12 for
    each crater, in the count and in every trial alike.

    References
    ----------
    Michael, G.G., Platz, T., Kneissl, T., Schmedemann, N., 2012, Planetary surface dating from crater size-frequency
    distribution measurements: Spatial randomness and clustering, Icarus 218, 169-177.
    """
    import pandas as pd

    from craterlab.clipping import area_of, circles

    if measure not in MEASURES:
        raise CraterlabError(f"unknown measure {measure!r}; there are {', '.join(map(repr, MEASURES))}")
    if not (isinstance(trials, int) and trials >= 10):
        raise CraterlabError(f"trials must be a whole number of at least 10, got {trials!r}")
    region = area_of(craters, within)
    points, angle = circles(craters, region)
    inside = region.contains(points)
    points, d = points[inside], 2 * angle[inside] * region.radius_m / 1000
    edges = _edges(bins, d)
    rng = np.random.default_rng(seed)
    rows = []
    for lo, hi in pairwise(edges):
        chosen = points[(d >= lo * (1 - 1e-9)) & (d < hi * (1 - 1e-9))]
        if len(chosen) or bins is None:
            rows.append((lo, hi, len(chosen), *_compare(chosen, region, measure, trials, rng)))
    names = ("lo_km", "hi_km", "n", "observed", "mean", "std", "n_sigma", "percentile", "p_value")
    return Randomness(measure, trials, seed, region.area_km2, pd.DataFrame(rows, columns=list(names)))


def _edges(bins: Any, d: Floats) -> Floats:
    if isinstance(bins, str):
        return bin_edges(bins, d.min(), d.max() * (1 + 2e-9)) if d.size else np.zeros(0)
    if bins is None:
        return np.array([d.min(), d.max() * (1 + 1e-6)]) if d.size else np.zeros(0)
    edges = np.asarray(bins, float)
    if edges.ndim != 1 or edges.size < 2 or not (np.diff(edges) > 0).all() or not edges[0] >= 0:
        raise CraterlabError(f"bins= are diameters in km from small to large, e.g. bins=[1, 2, 4]; got {bins!r}")
    return edges


def _compare(
    points: Floats, region: Region, measure: str, trials: int, rng: np.random.Generator
) -> tuple[float, float, float, float, float, float]:
    n = len(points)
    if n < _FEWEST:
        return (float("nan"),) * 6
    value = second_neighbour if measure == "m2cnd" else AdjacentAreas(region, n)
    unit = region.radius_m / 1000 if measure == "m2cnd" else 1.0
    observed = value(points) * unit
    drawn = region.random(n * trials, rng).reshape(trials, n, 3)
    random = np.array([value(p) for p in drawn]) * unit
    clustered = -1 if measure == "m2cnd" else 1
    beyond = int((clustered * random >= clustered * observed).sum())
    less = float((clustered * random < clustered * observed).mean())
    mean, std = float(random.mean()), float(random.std(ddof=1))
    return observed, mean, std, clustered * (observed - mean) / std, 100 * less, (1 + beyond) / (1 + trials)


def second_neighbour(points: Floats) -> float:
    """Mean angle (radians) of points (n, 3) on the unit sphere to the second closest of the others; n >= 3."""
    from scipy.spatial import cKDTree

    chord = cKDTree(points).query(points, k=[3])[0]
    return float(2 * np.arcsin(np.minimum(chord / 2, 1)).mean())


class AdjacentAreas:
    """Standard deviation (km2) of the areas adjacent to `n` points; call it with points (n, 3) on the unit sphere."""

    def __init__(self, region: Region, n: int) -> None:
        self.lattice, self.cell = region.lattice(max(_PER_CRATER * n, _LATTICE))

    def areas(self, points: Floats) -> Floats:
        """km2 of the region nearer to each point than to any other, shape (n,)."""
        from scipy.spatial import cKDTree

        nearest = cKDTree(points).query(self.lattice)[1]
        return np.bincount(nearest, minlength=len(points)).astype(float) * self.cell

    def __call__(self, points: Floats) -> float:
        return float(self.areas(points).std())

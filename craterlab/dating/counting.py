"""From diameters to densities: bins and the size-frequency distribution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from craterlab.catalog import Counts
from craterlab.errors import CraterlabError

from .curves import Floats, Production, System
from .functions import production as production_function
from .selection import PARTIAL, Selected, resolve_area, select

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("cumulative", "differential", "R", "Hartmann", "incremental")
BINNINGS = ("pseudo-log", "10/decade", "20/decade", "x2", "root-2", "4th root-2", "none")

# Start of each bin within a decade, times ten, as counted in the field (Neukum 1983; "pseudo-log" in craterstats).
_PSEUDO_LOG = np.array([10, 11, 12, 13, 14, 15, 17, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90])
_GEOMETRIC = {"10/decade": 10**0.1, "20/decade": 10**0.05, "x2": 2.0, "root-2": 2**0.5, "4th root-2": 2**0.25}
# A diameter written as 0.35 belongs to the bin that starts at 3.5 * 0.1.
EDGE = 1e-9


class Bins(NamedTuple):
    """A binned count, its occupied bins from small to large.

    `lo_km` and `hi_km` are the edges, `counts` what they hold (a sum of weights where craters are weighted), `events`
    the number of craters that its error follows: sqrt(events) / events of it.
    """

    lo_km: Floats
    hi_km: Floats
    counts: NDArray[Any]
    events: Floats


@dataclass(frozen=True, repr=False, eq=False)
class SFD:
    """Crater size-frequency distribution of a count.

    Attributes
    ----------
    kind : str
        "cumulative": N(>=D) per km2 at the bin starts. The others at the geometric bin centres: "differential": dN/dD
        per km3; "R": relative to D^-3, dimensionless; "Hartmann": per km2 in a bin a factor sqrt(2) wide;
        "incremental": per km2 in the bin itself.
    binning : str
    area_km2 : float
    n : int
        Craters counted.
    diameter_km : ndarray, shape (bins,)
        Where each point is drawn. Only occupied bins have a point.
    density : ndarray, shape (bins,)
    lo, hi : ndarray, shape (bins,)
        `density` minus and plus its counting error, sqrt(N) / N of it (Arvidson et al. 1979); `lo` is 0 for one crater.
    counts : ndarray, shape (bins,)
        Craters in the bin; a sum of weights where craters are weighted.
    bin_lo_km, bin_hi_km : ndarray, shape (bins,)
    notes : tuple of str
        What was left out or weighted.
    """

    kind: str
    binning: str
    area_km2: float
    n: int
    diameter_km: Floats = field(hash=False)
    density: Floats = field(hash=False)
    lo: Floats = field(hash=False)
    hi: Floats = field(hash=False)
    counts: NDArray[Any] = field(hash=False)
    bin_lo_km: Floats = field(hash=False)
    bin_hi_km: Floats = field(hash=False)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        span = f", {self.bin_lo_km[0]:.4g}-{self.bin_hi_km[-1]:.4g} km" if self.counts.size else ""
        notes = f", notes={self.notes!r}" if self.notes else ""
        return (
            f"SFD({self.kind}, {self.binning}, n={self.n}, area_km2={self.area_km2:.6g}, bins={self.counts.size}{span}"
            f"{notes})"
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw it in the field's style; see `craterlab.dating.plot_sfd` for the options."""
        from .plots import plot_sfd

        return plot_sfd(self, ax, **options)


def bin_edges(binning: str, lo_km: float, hi_km: float) -> Floats:
    """Bin edges in km, from the last at or below `lo_km` to the first at or above `hi_km` (at least one bin).

    Raises
    ------
    CraterlabError
        If the binning is unknown or "none".
    """
    if binning not in BINNINGS or binning == "none":
        raise CraterlabError(f"unknown binning {binning!r}; there are {', '.join(map(repr, BINNINGS))}")
    if binning == "pseudo-log":
        decades = np.arange(np.floor(np.log10(lo_km)) - 2, np.ceil(np.log10(hi_km)) + 1)
        # 17 / 100 is the double nearest to 0.17, 1.7 / 10 is not
        edges = np.concatenate([_PSEUDO_LOG * 10**k if k >= 0 else _PSEUDO_LOG / 10**-k for k in decades])
    else:
        step = _GEOMETRIC[binning]
        low, high = np.log([lo_km, hi_km]) / np.log(step)
        edges = step ** np.arange(np.floor(low) - 1, np.ceil(high) + 2)
    first = np.searchsorted(edges, lo_km * (1 + EDGE), side="right") - 1
    last = max(int(np.searchsorted(edges, hi_km * (1 - EDGE))), int(first) + 1)
    return edges[first : last + 1]


def edges_for(d_km: Floats, binning: str) -> Floats:
    """Bin edges that enclose these diameters (km), of which there is at least one."""
    return bin_edges(binning, d_km.min(), d_km.max() * (1 + 2 * EDGE))


def bin_of(d_km: Floats, edges: Floats) -> NDArray[np.intp]:
    """Number of the bin that holds each diameter."""
    return np.searchsorted(edges * (1 - EDGE), d_km, side="right") - 1


def binned(d_km: Floats, binning: str, weight: Floats | None = None, fraction: Floats | None = None) -> Bins:
    """The occupied bins of a count.

    Parameters
    ----------
    d_km : ndarray, shape (n,)
    binning : str
        "none" gives every crater a bin of no width.
    weight : ndarray, shape (n,), optional
        Probability that each is to be counted.
    fraction : ndarray, shape (n,), optional
        Share of each in the counting area.

    Returns
    -------
    Bins
        `counts` sums weight * fraction, `events` sums weight: of a crater in doubt the variance is w^2 from the Poisson
        count and w (1 - w) from the doubt, w together; one cut by the edge is one event all the same.
    """
    if not d_km.size:
        return Bins(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), np.zeros(0))
    share = weight if fraction is None else fraction if weight is None else weight * fraction
    if binning == "none":
        order = np.argsort(d_km)
        d = d_km[order]
        one = np.ones(d.size)
        counts: NDArray[Any] = one.astype(np.int64) if share is None else share[order]
        return Bins(d, d, counts, one if weight is None else weight[order])
    edges = edges_for(d_km, binning)
    where = bin_of(d_km, edges)
    number = edges.size - 1
    events = np.bincount(where, weights=weight, minlength=number)
    counts = events if share is None else np.bincount(where, weights=share, minlength=number)
    return occupied(edges, counts, events)


def occupied(edges: Floats, counts: NDArray[Any], events: NDArray[Any]) -> Bins:
    """The bins that hold something."""
    used = events > 0
    return Bins(edges[:-1][used], edges[1:][used], counts[used], events[used].astype(float))


def bins_of(craters: Counts | Selected, binning: str, partial: str) -> Bins:
    """The bins of a table's craters, or those that a binned count has."""
    if isinstance(craters, Counts):
        return Bins(craters.lo_km, craters.hi_km, craters.n, craters.n.astype(float))
    return binned(craters.d_km, binning, craters.weight, craters.fraction if partial == "fraction" else None)


def sfd(
    craters_or_diameters_m: Any,
    *,
    area_km2: float | None = None,
    kind: str = "cumulative",
    binning: str = "pseudo-log",
    production: str | Production | System | None = None,
    secondaries: str = "keep",
    ghosts: str = "keep",
    partial: str = "fraction",
) -> SFD:
    """Crater size-frequency distribution.

    Parameters
    ----------
    craters_or_diameters_m : GeoDataFrame, array_like of float, shape (n,), or Counts
        Crater table with `diameter_m`, diameters in metres, or the binned count of a .stat file. May be empty.
    area_km2 : float, optional
        Counting area, km2; default: the one the table or count carries (`attrs["area_km2"]`).
    kind : {"cumulative", "differential", "R", "Hartmann", "incremental"}
        N(>=D) per km2; dN/dD per km3; D^3 dN/dD; per km2 in a bin a factor sqrt(2) wide; per km2 in each bin.
    binning : {"pseudo-log", "root-2", "10/decade", "20/decade", "x2", "4th root-2", "none"}
        "none" (cumulative only) gives every crater a point. A binned count keeps its own bins.
    production : str, Production or System, optional
        Differential only: corrects each bin for the curvature of this production function in it (Michael 2013, eq. 2).
    secondaries, ghosts : {"keep", "drop", "weight"}
        See `age`.
    partial : {"fraction", "whole"}
        Whether a crater cut by the edge of the area counts by its column `fraction`.

    Returns
    -------
    SFD

    Raises
    ------
    CraterlabError
        If sizes are known in pixels only, a diameter is not positive, the area is missing, or a name is unknown.

    References
    ----------
    Crater Analysis Techniques Working Group (Arvidson et al.), 1979, Icarus 37, 467-474.
    Hartmann, W.K., 2005, Icarus 174, 294-320.
    Michael, G.G., 2013, Icarus 226, 885-890.

    Examples
    --------
    >>> import craterlab as cl
    >>> cl.sfd([120.0, 150.0, 310.0], area_km2=10.0)
    SFD(cumulative, pseudo-log, n=3, area_km2=10, bins=3, 0.12-0.35 km)
    """
    if kind not in KINDS:
        raise CraterlabError(f"unknown kind {kind!r}; there are {', '.join(map(repr, KINDS))}")
    if binning not in BINNINGS:
        raise CraterlabError(f"unknown binning {binning!r}; there are {', '.join(map(repr, BINNINGS))}")
    if partial not in PARTIAL:
        raise CraterlabError(f"unknown partial={partial!r}; there are {', '.join(map(repr, PARTIAL))}")
    area = resolve_area(craters_or_diameters_m, area_km2)
    notes: tuple[str, ...] = ()
    if isinstance(craters_or_diameters_m, Counts):
        bins, binning = bins_of(craters_or_diameters_m, binning, partial), "as counted"
        n = int(bins.counts.sum())
    else:
        if binning == "none" and kind != "cumulative":
            raise CraterlabError(f"binning='none' has no {kind} form; take binning='pseudo-log' or kind='cumulative'")
        chosen = select(craters_or_diameters_m, secondaries=secondaries, ghosts=ghosts)
        bins, n, notes = bins_of(chosen, binning, partial), chosen.d_km.size, chosen.notes
    return sfd_of_bins(bins, n, area, kind, binning, production, notes)


def sfd_of_bins(
    bins: Bins,
    n: int,
    area: float,
    kind: str,
    binning: str,
    production: str | Production | System | None = None,
    notes: tuple[str, ...] = (),
) -> SFD:
    """The distribution of a binned count."""
    lo, hi, counts, events = bins
    if kind == "cumulative":
        at, density = lo, _upwards(counts) / area
        density_error = density / np.sqrt(_upwards(events))
    else:
        at = np.sqrt(lo * hi)
        width: dict[str, Any] = {
            "differential": 1.0,
            "R": at**3,
            # a bin from D 2^(-1/4) to D 2^(1/4) is this wide
            "Hartmann": at * (2**0.25 - 2**-0.25),
            "incremental": hi - lo,
        }
        scale = width[kind] / (area * (hi - lo))
        density, density_error = counts * scale, counts * scale / np.sqrt(events)
        if kind == "differential" and production is not None:
            density = density * curvature(production, lo, hi)
    low, high = np.maximum(density - density_error, 0), density + density_error
    return SFD(kind, binning, area, n, at, density, low, high, counts, lo, hi, notes)


def _upwards(counts: NDArray[Any]) -> NDArray[Any]:
    """Running sum from the largest bin down."""
    return np.cumsum(counts[::-1])[::-1]


def curvature(which: str | Production | System, lo: Floats, hi: Floats) -> Floats:
    """dN/dD at the geometric bin centre over its mean in the bin, for the power law that the production function is
    there (Michael 2013, eq. 2); 1 outside the function's range."""
    if isinstance(which, System):
        which = which.production
    p = which if isinstance(which, Production) else production_function(which)
    ratio = hi / lo
    slope = np.log(p.cumulative(hi) / p.cumulative(lo)) / np.log(ratio)
    factor = (ratio**0.5 - ratio**-0.5) * slope / (ratio ** (slope / 2) - ratio ** (-slope / 2))
    return np.where(np.isfinite(factor), factor, 1.0)

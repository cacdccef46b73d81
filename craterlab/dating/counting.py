"""From diameters to densities: bins, the size-frequency distribution, and the range that is complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from craterlab.catalog import Counts
from craterlab.errors import CraterlabError

from .functions import Production, System
from .functions import production as production_function
from .functions import system as find_system

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]

KINDS = ("cumulative", "differential", "R")
BINNINGS = ("pseudo-log", "10/decade", "20/decade", "x2", "root-2", "4th root-2", "none")

# Start of each bin within a decade, times ten, as counted in the field (Neukum 1983; "pseudo-log" in craterstats).
_PSEUDO_LOG = np.array([10, 11, 12, 13, 14, 15, 17, 20, 25, 30, 35, 40, 45, 50, 60, 70, 80, 90])
_GEOMETRIC = {"10/decade": 10**0.1, "20/decade": 10**0.05, "x2": 2.0, "root-2": 2**0.5, "4th root-2": 2**0.25}
# A diameter written as 0.35 belongs to the bin that starts at 3.5 * 0.1.
_EDGE = 1e-9
_PEAK = "from the roll-over of the differential distribution ({:.4g}-{:.4g} km) upwards"


@dataclass(frozen=True, repr=False, eq=False)
class SFD:
    """Crater size-frequency distribution of a count.

    Attributes
    ----------
    kind : str
        "cumulative": N(>=D) per km2 at the bin starts; "differential": dN/dD per km3 at the geometric bin centres;
        "R": relative to D^-3, dimensionless, at the geometric bin centres.
    binning : str
    area_km2 : float
    n : int
        Craters counted.
    diameter_km : ndarray, shape (bins,)
        Where each point is drawn. Only occupied bins have a point.
    density : ndarray, shape (bins,)
    lo, hi : ndarray, shape (bins,)
        `density` minus and plus its counting error, sqrt(N) / N of it (Arvidson et al. 1979); `lo` is 0 for one crater.
    counts : ndarray of int, shape (bins,)
        Craters in the bin.
    bin_lo_km, bin_hi_km : ndarray, shape (bins,)
    """

    kind: str
    binning: str
    area_km2: float
    n: int
    diameter_km: Floats = field(hash=False)
    density: Floats = field(hash=False)
    lo: Floats = field(hash=False)
    hi: Floats = field(hash=False)
    counts: NDArray[np.int64] = field(hash=False)
    bin_lo_km: Floats = field(hash=False)
    bin_hi_km: Floats = field(hash=False)

    def __repr__(self) -> str:
        span = f", {self.bin_lo_km[0]:.4g}-{self.bin_hi_km[-1]:.4g} km" if self.counts.size else ""
        return (
            f"SFD({self.kind}, {self.binning}, n={self.n}, area_km2={self.area_km2:.6g}, bins={self.counts.size}{span})"
        )

    def plot(self, ax: Axes | None = None, **options: Any) -> Axes:
        """Draw it in the field's style; see `craterlab.dating.plot_sfd` for the options."""
        from .plots import plot_sfd

        return plot_sfd(self, ax, **options)


def diameters_km(craters_or_diameters_m: Any) -> Floats:
    """Diameters in km of a crater table or an array of metres.

    Raises
    ------
    CraterlabError
        If the table has no `diameter_m`, sizes are known in pixels only, or a diameter is not a positive number.
    """
    given = craters_or_diameters_m
    if hasattr(given, "columns"):
        if "diameter_m" not in given:
            raise CraterlabError(
                "the table has no column diameter_m; pass a crater table (craterlab.detect, read_craters) or the "
                "diameters in metres as an array"
            )
        given = given["diameter_m"]
    try:
        d = np.asarray(given, float)
    except (TypeError, ValueError) as error:
        raise CraterlabError(
            f"wanted a crater table or diameters in metres, got {type(craters_or_diameters_m).__name__}"
        ) from error
    if d.ndim != 1:
        raise CraterlabError(f"wanted one row of diameters in metres, got an array of shape {d.shape}")
    if d.size and np.isnan(d).all():
        raise CraterlabError(
            "the sizes of these craters are known in pixels only (diameter_m is NaN), so no density and no age can be "
            "given; open the image with pixel_size= in metres, or with its CRS, and detect again"
        )
    if not (np.isfinite(d) & (d > 0)).all():
        bad = int(np.argmax(~(np.isfinite(d) & (d > 0))))
        raise CraterlabError(f"diameter_m must be positive; row {bad} has {d[bad]!r}: drop it first")
    return d / 1000


def resolve_area(craters: Any, area_km2: float | None) -> float:
    """The counting area: given, or the one the table or count carries.

    Raises
    ------
    CraterlabError
        If there is none or it is not a positive number.
    """
    if area_km2 is None:
        area_km2 = craters.area_km2 if isinstance(craters, Counts) else getattr(craters, "attrs", {}).get("area_km2")
        if area_km2 is None:
            raise CraterlabError(
                "the counting area is not known; pass area_km2=, for a whole scene area_km2=craterlab.area_km2(scene)"
            )
    try:
        area = float(area_km2)
    except (TypeError, ValueError):
        area = float("nan")
    if not (np.isfinite(area) and area > 0):
        raise CraterlabError(f"area_km2 must be a positive number of square kilometres, got {area_km2!r}")
    return area


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
    first = np.searchsorted(edges, lo_km * (1 + _EDGE), side="right") - 1
    last = max(int(np.searchsorted(edges, hi_km * (1 - _EDGE))), int(first) + 1)
    return edges[first : last + 1]


def binned(d_km: Floats, binning: str) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Lower edge, upper edge and count of the occupied bins."""
    if not d_km.size:
        return np.zeros(0), np.zeros(0), np.zeros(0, np.int64)
    edges = bin_edges(binning, d_km.min(), d_km.max() * (1 + 2 * _EDGE))
    bin_of = np.searchsorted(edges, d_km * (1 + _EDGE), side="right") - 1
    counts = np.bincount(bin_of, minlength=edges.size - 1)[: edges.size - 1]
    used = counts > 0
    return edges[:-1][used], edges[1:][used], counts[used].astype(np.int64)


def sfd(
    craters_or_diameters_m: Any,
    *,
    area_km2: float | None = None,
    kind: str = "cumulative",
    binning: str = "pseudo-log",
    production: str | Production | System | None = None,
) -> SFD:
    """Crater size-frequency distribution.

    Parameters
    ----------
    craters_or_diameters_m : GeoDataFrame, array_like of float, shape (n,), or Counts
        Crater table with `diameter_m`, diameters in metres, or the binned count of a .stat file. May be empty.
    area_km2 : float, optional
        Counting area, km2; default: the one the table or count carries (`attrs["area_km2"]`).
    kind : {"cumulative", "differential", "R"}
        N(>=D) per km2; dN/dD per km3; D^3 dN/dD.
    binning : {"pseudo-log", "10/decade", "20/decade", "x2", "root-2", "4th root-2", "none"}
        "none" (cumulative only) gives every crater a point. A binned count keeps its own bins.
    production : str, Production or System, optional
        Differential only: corrects each bin for the curvature of this production function in it (Michael 2013, eq. 2).

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
    area = resolve_area(craters_or_diameters_m, area_km2)
    if isinstance(craters_or_diameters_m, Counts):
        count = craters_or_diameters_m
        lo, hi, counts, binning = count.lo_km, count.hi_km, count.n, "as counted"
    elif binning == "none":
        if kind != "cumulative":
            raise CraterlabError(f"binning='none' has no {kind} form; take binning='pseudo-log' or kind='cumulative'")
        d = np.sort(diameters_km(craters_or_diameters_m))
        lo, hi, counts = d, d, np.ones(d.size, np.int64)
    else:
        lo, hi, counts = binned(diameters_km(craters_or_diameters_m), binning)

    if kind == "cumulative":
        total = np.cumsum(counts[::-1])[::-1]
        at, density, error = lo, total / area, np.sqrt(total) / area
    else:
        at = np.sqrt(lo * hi)
        scale = 1 / (area * (hi - lo)) * (at**3 if kind == "R" else 1)
        density, error = counts * scale, np.sqrt(counts) * scale
        if kind == "differential" and production is not None:
            density = density * _curvature(production, lo, hi)
    return SFD(
        kind,
        binning,
        area,
        int(counts.sum()),
        at,
        density,
        np.maximum(density - error, 0),
        density + error,
        counts,
        lo,
        hi,
    )


def _curvature(which: str | Production | System, lo: Floats, hi: Floats) -> Floats:
    """dN/dD at the geometric bin centre over its mean in the bin, for the power law that the production function is
    there (Michael 2013, eq. 2); 1 outside the function's range."""
    if isinstance(which, System):
        which = which.production
    p = which if isinstance(which, Production) else production_function(which)
    ratio = hi / lo
    slope = np.log(p.cumulative(hi) / p.cumulative(lo)) / np.log(ratio)
    factor = (ratio**0.5 - ratio**-0.5) * slope / (ratio ** (slope / 2) - ratio ** (-slope / 2))
    return np.where(np.isfinite(factor), factor, 1.0)


def roll_over(
    lo_km: Floats, hi_km: Floats, counts: NDArray[np.int64], production: Production | None = None
) -> tuple[float, str]:
    """Diameter (km) from which a binned count is taken to be complete, and the words to say so.

    The peak of dN/dD alone lies too low: craters fade out over a factor of two to four in size. With a production
    function the range starts where the rest of the count follows it, by a Kolmogorov-Smirnov test on the bin edges
    (D sqrt(n) <= 1, p about 0.3; the choice of a lower cut-off by this distance is that of Clauset et al. 2009).
    """
    if not counts.size:
        return 1.0, "from 1 km: no crater to find a roll-over from"
    peak = int(np.argmax(counts / (hi_km - lo_km)))
    # The bin of the peak is itself partly lost: begin above it, where anything is left above.
    first = min(peak + 1, counts.size - 1)
    above = np.cumsum(counts[::-1])[::-1]
    if production is not None and counts.size > first + 1:
        c_lo, c_hi = production.cumulative(lo_km), production.cumulative(hi_km)
        for i in range(first, counts.size):
            left = np.append(above[i + 1 :], 0) / above[i]
            misfit = np.maximum(abs(above[i:] / above[i] - c_lo[i:] / c_lo[i]), abs(left - c_hi[i:] / c_lo[i]))
            if misfit.max() * np.sqrt(above[i]) <= 1:
                return float(lo_km[i]), (
                    f"from the roll-over of the differential distribution upwards: below {lo_km[i]:.4g} km the count "
                    f"leaves {production.name}"
                    if i > first
                    else _PEAK.format(lo_km[peak], hi_km[peak])
                )
    return float(lo_km[first]), _PEAK.format(lo_km[peak], hi_km[peak])


def default_range_km(diameters_m: Any, *, system: str | System | None = None) -> tuple[float, float]:
    """Diameter range used for an age when none is given: from the roll-over of the differential distribution upwards.

    Below the roll-over craters are missing (resolution, erosion). It is looked for on pseudo-log bins: above the bin in
    which dN/dD is largest and, given a chronology system, where the rest of the count follows its production function
    (Kolmogorov-Smirnov, D sqrt(n) <= 1). Without craters the range starts at 1 km.

    Parameters
    ----------
    diameters_m : array_like of float, shape (n,), or crater table
        Diameters, metres.
    system : str or System, optional
        Chronology system. Without it the range starts at the peak of dN/dD, where counts are seldom complete yet.

    Returns
    -------
    (float, float)
        km; the upper end is infinite, that is, as far as the production function goes.

    Raises
    ------
    CraterlabError
        If a diameter is not positive, sizes are known in pixels only, or the system is unknown.

    References
    ----------
    Clauset, A., Shalizi, C.R., Newman, M.E.J., 2009, SIAM Review 51, 661-703 (lower cut-off by the KS distance).
    """
    production = find_system(system).production if system is not None else None
    bins = inside(*binned(diameters_km(diameters_m), "pseudo-log"), production)
    return roll_over(*bins, production)[0], float("inf")


def inside(
    lo_km: Floats, hi_km: Floats, counts: NDArray[np.int64], production: Production | None
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """The bins that lie within the range of the production function."""
    if production is None:
        return lo_km, hi_km, counts
    low, high = production.range_km
    keep = (lo_km >= low * (1 - _EDGE)) & (hi_km <= high * (1 + _EDGE))
    return lo_km[keep], hi_km[keep], counts[keep]


def snap_range(range_km: tuple[float, float], binning: str) -> tuple[float, float]:
    """The range widened to whole bins, as craterstats does before it counts.

    Parameters
    ----------
    range_km : (float, float)
    binning : str
        See `sfd`; "none" leaves the range as it is.

    Returns
    -------
    (float, float)
        km.
    """
    lo, hi = range_km
    if binning == "none":
        return lo, hi
    edges = bin_edges(binning, lo, hi if np.isfinite(hi) else lo)
    return float(edges[0]), float(edges[-1]) if np.isfinite(hi) else hi

"""Which diameters to count: given, from the roll-over upwards, above equilibrium, where the count is complete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craterlab.catalog import Counts
from craterlab.errors import CraterlabError

from .counting import BINNINGS, EDGE, Bins, bin_edges, binned, bins_of
from .curves import Equilibrium, Production, System
from .functions import equilibrium as find_equilibrium
from .functions import system as find_system
from .selection import resolve_area, select

_PEAK = "from the roll-over of the differential distribution ({:.4g}-{:.4g} km) upwards"


def roll_over(bins: Bins, production: Production | None = None) -> tuple[float, str]:
    """Diameter (km) from which a binned count is taken to be complete, and the words to say so.

    The peak of dN/dD alone lies too low: craters fade out over a factor of two to four in size. With a production
    function the range starts where the rest of the count follows it, by a Kolmogorov-Smirnov test on the bin edges
    (D sqrt(n) <= 1, p about 0.3; the choice of a lower cut-off by this distance is that of Clauset et al. 2009).
    """
    lo_km, hi_km, counts, _ = bins
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


def inside(bins: Bins, production: Production | None) -> Bins:
    """The bins that lie within the range of the production function."""
    if production is None:
        return bins
    low, high = production.range_km
    keep = (bins.lo_km >= low * (1 - EDGE)) & (bins.hi_km <= high * (1 + EDGE))
    return Bins(*(part[keep] for part in bins))


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
    chosen = select(diameters_m)
    return roll_over(inside(binned(chosen.d_km, "pseudo-log", chosen.weight), production), production)[0], float("inf")


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


def choose_range(
    range_km: tuple[float, float] | None,
    bins: Callable[[], Bins],
    p: Production,
    binning: str,
    notes: list[str],
) -> tuple[tuple[float, float], str]:
    """The diameters to count, held within the production function's range, and where they come from.

    `bins` gives the pseudo-log bins of the count, asked for only where no range is given.
    """
    if binning not in BINNINGS:
        raise CraterlabError(f"unknown binning {binning!r}; there are {', '.join(map(repr, BINNINGS))}")
    if range_km is None:
        start, reason = roll_over(inside(bins(), p), p)
        lo, hi = start, float("inf")
    else:
        try:
            lo, hi = (float(v) for v in range_km)
        except (TypeError, ValueError) as error:
            raise CraterlabError(
                f"range_km must be two diameters in km, e.g. range_km=(0.2, 0.7); got {range_km!r}"
            ) from error
        if not 0 <= lo < hi:
            raise CraterlabError(f"range_km must run from small to large, e.g. range_km=(0.2, 0.7); got {range_km!r}")
        reason = "given"
        if binning != "none" and lo > 0:
            snapped = snap_range((lo, hi), binning)
            if not np.allclose(snapped, (lo, hi), rtol=1e-9):
                reason = f"given as {lo:g}-{hi:g} km, widened to whole {binning} bins"
            lo, hi = snapped
    low, high = p.inside((lo, hi))
    if (lo > 0 and low > lo * (1 + 1e-6)) or (np.isfinite(hi) and high < hi * (1 - 1e-6)):
        notes.append(
            f"the range {lo:g}-{hi:g} km was cut to {low:.4g}-{high:.4g} km, where the production function {p.name!r} "
            "is defined"
        )
    return (low, high), reason


@dataclass(frozen=True)
class SuggestedRange:
    """A range of diameters to count, and why.

    Attributes
    ----------
    range_km : (float, float)
        km; the upper end is that of the production function.
    reason : str
        What sets the lower end, and what else was looked at.
    roll_over_km : float
        Lower end by the roll-over alone.
    equilibrium_km : float
        Lower end by equilibrium alone; NaN where the count stays below it.
    complete_km : float
        Lower end by the completeness given; NaN where none was given.
    """

    range_km: tuple[float, float]
    reason: str
    roll_over_km: float
    equilibrium_km: float
    complete_km: float


def suggest_range(
    craters: Any,
    *,
    area_km2: float | None = None,
    system: str | System,
    completeness: Callable[[NDArray[np.float64]], Any] | None = None,
    complete: float = 0.9,
    equilibrium: str | Equilibrium | None = "Lunar equilibrium (Trask, 1966)",
) -> SuggestedRange:
    """Diameters to count for an age, with the reason.

    The lower end is the largest of three: where the differential distribution has rolled over and follows the
    production function (`default_range_km`); where the cumulative density has fallen below the equilibrium function,
    above which a surface keeps no more craters (bin by bin upwards from the roll-over, with one sigma of the counting
    error); and where the completeness given has reached `complete`. Read off the plot before you trust it.

    Parameters
    ----------
    craters : GeoDataFrame, array_like of float, shape (n,), or Counts
        As for `age`. May be empty.
    area_km2 : float, optional
        Counting area, km2; default: the one the table or count carries.
    system : str or System
        Chronology system.
    completeness : callable, optional
        Share of the craters found, 0 to 1, of diameters in metres (array to array).
    complete : float
        Share from which the count is taken as complete.
    equilibrium : str, Equilibrium or None
        Equilibrium function; None to leave it out.

    Returns
    -------
    SuggestedRange

    Raises
    ------
    CraterlabError
        If the area is missing, a diameter is not positive, a name is unknown, or nothing is left to count.
    """
    s = find_system(system)
    area = resolve_area(craters, area_km2)
    source = craters if isinstance(craters, Counts) else select(craters)
    bins = inside(bins_of(source, "pseudo-log", "whole"), s.production)
    start, why = roll_over(bins, s.production)
    reasons = {"roll-over": (start, why)}

    saturated = float("nan")
    if equilibrium is not None and bins.counts.size:
        e = equilibrium if isinstance(equilibrium, Equilibrium) else find_equilibrium(equilibrium)
        total = np.cumsum(bins.counts[::-1])[::-1]
        reached = (total + np.sqrt(total)) / area >= e.cumulative(bins.lo_km)
        i = int(np.argmax(bins.counts / (bins.hi_km - bins.lo_km)))
        if reached[i:].size and reached[i]:
            below = np.flatnonzero(~reached[i:])
            saturated = float(bins.lo_km[i + below[0]] if below.size else bins.hi_km[-1])
            line = f"the count has fallen below the equilibrium function {e.name!r}"
            reasons["equilibrium"] = (saturated, f"from where {line}, {saturated:.4g} km")
    whole = float("nan")
    if completeness is not None:
        d = np.geomspace(*s.production.range_km, 2000)
        share = np.asarray(completeness(d * 1000), float)
        if share.shape != d.shape:
            raise CraterlabError("completeness must turn an array of diameters in metres into shares of the same shape")
        short = np.flatnonzero(~(share >= complete))
        if short.size and short[-1] == d.size - 1:
            raise CraterlabError(
                f"the completeness given reaches {complete:g} at no end of {s.production.name!r}; lower complete="
            )
        whole = float(d[short[-1] + 1]) if short.size else float(d[0])
        reasons["completeness"] = (whole, f"from where {complete:.0%} of the craters are found, {whole:.4g} km")
    deciding = max(reasons, key=lambda name: reasons[name][0])
    lo, reason = reasons.pop(deciding)
    span = s.production.inside((lo, float("inf")))
    also = "; ".join(f"{name} alone: from {at:.4g} km" for name, (at, _) in reasons.items())
    return SuggestedRange(span, f"{reason}{f' ({also})' if also else ''}", start, saturated, whole)

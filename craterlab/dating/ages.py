"""The age of a surface from its craters: Poisson and buffered Poisson statistics, cumulative and differential fits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.catalog import Counts
from craterlab.errors import CraterlabError

from .counting import BINNINGS, Bins, bins_of
from .curves import System
from .fits import FIT_ERRORS, fit
from .following import departure
from .functions import epochs
from .functions import system as find_system
from .poisson import QUANTILES, check_prior, exposure, quantiles
from .ranges import choose_range
from .result import Age
from .selection import PARTIAL, Selected, resolve_area, resolve_perimeter, select

if TYPE_CHECKING:
    from craterlab.completeness import Completeness

_FEW = 100
METHODS = ("poisson", "b-poisson", "c-fit", "d-fit")


def age(
    craters_or_diameters_m: Any,
    *,
    area_km2: float | None = None,
    system: str | System | Path,
    range_km: tuple[float, float] | None = None,
    method: str = "poisson",
    prior: str = "n1",
    completeness: Completeness | None = None,
    binning: str | None = None,
    perimeter_km: float | None = None,
    resurfacing: bool = False,
    fit_error: str = "covariance",
    secondaries: str = "keep",
    ghosts: str = "keep",
    partial: str | None = None,
) -> Age:
    """Model age of the surface that holds these craters.

    Parameters
    ----------
    craters_or_diameters_m : GeoDataFrame, array_like of float, shape (n,), or Counts
        Crater table with `diameter_m`, diameters in metres, or the binned count of a .stat file. Empty: an upper limit.
    area_km2 : float, optional
        Counting area, km2; default: the one the table or count carries (`attrs["area_km2"]`).
    system : str, Path or System
        Chronology system, see `craterlab.systems()`, or a .toml file of your own (`craterlab.dating.read_functions`).
    range_km : (float, float), optional
        Diameters to count, lower <= D < upper, km. Default: from the roll-over of the differential distribution upwards
        (`default_range_km` with this system); the result says so in `range_reason`.
    method : {"poisson", "b-poisson", "c-fit", "d-fit"}
        Poisson statistics on the count in the range (Michael et al. 2016), the same for a buffered count
        (Michael et al. 2021), or a fit to the cumulative or differential distribution.
    prior : {"n1", "time", "jeffreys"}
        Poisson only. What is taken to be equally likely beforehand: densities N(1) (craterstats since 3.6.4), ages
        (craterstats before), or by Jeffreys' rule for the density. It matters below some 10 craters.
    completeness : Completeness, optional
        Of the scene that the craters were found in (`craterlab.completeness`): the age is then corrected for craters
        missed and invented and for errors of diameters, see `corrected_age`; Poisson only. Without it every crater in
        the range is taken to be found, and every one counted to be real.
    binning : str, optional
        Bins, see `sfd`, of a fit (default "pseudo-log"), and to whose edges the range is widened, as craterstats does.
        Default for Poisson: "none", the range as given.
    perimeter_km : float, optional
        Of the counting area, for "b-poisson"; default: the one the table carries (`attrs["perimeter_km"]`). The table
        then holds every crater that reaches into the area.
    resurfacing : bool
        "c-fit" only: replace the craters above the range by those the fit predicts (Michael and Neukum 2010).
    fit_error : {"covariance", "first-bin"}
        Fits only: the errors of all bins carried through, or that of the first bin alone, as craterstats has it.
    secondaries, ghosts : {"keep", "drop", "weight"}
        "drop" leaves out craters marked as such, "weight" counts each by its probability not to be one (columns
        `secondary`, `secondary_probability`, `morphology`, `p_ghost`). The sum of weights then takes the place of the
        count, Gamma(sum + 1) for prior "n1": its variance is what Poisson count and doubt have together.
    partial : {"whole", "fraction"}, optional
        Whether a crater cut by the edge of the area counts by its column `fraction`. Default as in craterstats: whole
        in Poisson counts, by its fraction in fits.

    Returns
    -------
    Age
        Of zero craters in the range, an upper limit: `age.upper_limit` is True and `hi_ga` is the bound.

    Raises
    ------
    CraterlabError
        If sizes are known in pixels only, a diameter is not positive, area, perimeter or range are wrong, craters lie
        on several bodies, a name is unknown, or a choice does not go with the method.

    Notes
    -----
    A binned count is taken by whole bins: one that reaches over an end of the range is left out, with a note. A fit of
    no crater gives the upper limit of Poisson statistics. Where the craters in the range do not follow the production
    function (Kolmogorov-Smirnov, p < 0.01; not asked of a binned count), one age does not describe them whatever its
    error says: a note gives the Poisson ages below and above the diameter where the two are furthest apart.

    References
    ----------
    Michael, G.G., Kneissl, T., Neesemann, A., 2016, Icarus 277, 279-285.
    Michael, G.G., Yue, Z., Gou, S., Di, K., 2021, Earth Planet. Sci. Lett. 568, 117031.
    Michael, G.G., Neukum, G., 2010, Earth Planet. Sci. Lett. 294, 223-229.

    Examples
    --------
    >>> import craterlab as cl
    >>> cl.age([1100.0, 2300.0, 3000.0, 1700.0], area_km2=100.0, system="Moon, Neukum (1983)", range_km=(1, 5))
    Age(3.96 (+0.065 -0.079) Ga, N(1)=4.710e-02 per km2, n=4, 1-5 km (given), area_km2=100, \
system='Moon, Neukum (1983)', method='poisson', prior='n1')
    """
    fitted = method in ("c-fit", "d-fit")
    _check(method, prior, binning, resurfacing, fit_error, partial)
    if completeness is not None:
        from .corrected import corrected_age

        _plain(perimeter_km, resurfacing, secondaries, ghosts, partial)
        return corrected_age(
            craters_or_diameters_m, area_km2=area_km2, system=find_system(system), range_km=range_km,
            completeness=completeness, prior=prior, method=method, binning=binning or "none",
        )  # fmt: skip
    s = find_system(system)
    area = resolve_area(craters_or_diameters_m, area_km2)
    perimeter = resolve_perimeter(craters_or_diameters_m, perimeter_km) if method == "b-poisson" else None
    share = partial or ("fraction" if fitted else "whole")
    notes: list[str] = []
    if isinstance(craters_or_diameters_m, Counts):
        if (secondaries, ghosts) != ("keep", "keep"):
            raise CraterlabError("a binned count does not say which craters are secondaries or ghosts: pass a table")
        source: Counts | Selected = craters_or_diameters_m
    else:
        notes += _bodies(craters_or_diameters_m, s)
        source = select(craters_or_diameters_m, secondaries=secondaries, ghosts=ghosts)
        notes += source.notes
    bins_kind = binning or ("pseudo-log" if fitted else "none")
    span, reason = choose_range(
        range_km, lambda: bins_of(source, "pseudo-log", "whole"), s.production, bins_kind, notes
    )
    n = count_within(source, span, share, notes)
    notes += _departure(source, share, area, s, span, prior, perimeter)
    made: dict[str, Any] = {
        "binning": "as counted" if isinstance(source, Counts) and fitted else bins_kind,
        "secondaries": secondaries, "ghosts": ghosts, "partial": share, "perimeter_km": perimeter,
    }  # fmt: skip
    if fitted and n > 0:
        made |= {"resurfacing": resurfacing, "fit_error": fit_error}
        return fitted_age(bins_of(source, bins_kind, share), n, area, s, span, reason, method, prior, notes, made)
    if fitted:
        notes.append(f"no crater to fit ({method}): the upper limit of Poisson statistics instead")
        method, made["partial"] = "poisson", partial or "whole"
    return poisson_age(n, area, s, span, reason, method, prior, notes, made)


def poisson_age(
    n: float,
    area: float,
    s: System,
    span: tuple[float, float],
    reason: str,
    method: str,
    prior: str,
    notes: list[str],
    made: dict[str, Any],
) -> Age:
    """The age that a count in a range gives."""
    expected = exposure(s.production, area, span, made.get("perimeter_km"))
    ages, density = quantiles(np.asarray(n, float), expected, s, np.array(QUANTILES), prior)
    if n == 0:
        notes.append(f"no crater from {span[0]:.4g} to {span[1]:.4g} km: the upper bound is the result")
    return _age(ages, density, n, area, s, span, reason, method, prior, notes, {**made, "exposure": expected})


def fitted_age(
    bins: Bins,
    n: float,
    area: float,
    s: System,
    span: tuple[float, float],
    reason: str,
    method: str,
    prior: str,
    notes: list[str],
    made: dict[str, Any],
) -> Age:
    """The age that a fit to bins gives."""
    found = fit(
        bins, s.production, area, span, method=method, resurfacing=made["resurfacing"], fit_error=made["fit_error"],
        binning=made["binning"],
    )  # fmt: skip
    if made["binning"] != "as counted":  # there the count itself has said so
        notes += found.notes
    if method == "d-fit" and n < _FEW:
        notes.append(
            f"a differential fit leaves out empty bins and comes out high for few craters: on simulated surfaces by a "
            f"quarter in N(1) for 30, 6 % for {_FEW}; method='poisson' does not"
        )
    density = np.array([found.n1_lo, found.n1, found.n1_hi])
    return _age(s.chronology.inverse(density), density, n, area, s, span, reason, method, prior, notes, made)


def _age(
    ages: Any, density: Any, n: float, area: float, s: System, span: tuple[float, float], reason: str, method: str,
    prior: str, notes: list[str], made: dict[str, Any],
) -> Age:  # fmt: skip
    lo, mid, hi = map(float, ages)
    n1_lo, n1_mid, n1_hi = map(float, density)
    if hi >= s.chronology.max_age_ga * (1 - 1e-6):
        notes.append(
            f"the density is beyond the end of the chronology; ages are held at {s.chronology.max_age_ga:g} Ga"
        )
    epoch = next((e.name for e in epochs(s) if e.end_ga <= mid < e.start_ga), "")
    return Age(
        mid, lo, hi, n1_mid, n1_lo, n1_hi, n, area, span, reason, s.name, s.production.name, s.chronology.name,
        method, prior, epoch, tuple(dict.fromkeys(notes)), **made,
    )  # fmt: skip


def count_within(source: Counts | Selected, span: tuple[float, float], partial: str, notes: list[str]) -> float:
    """Craters in a range; a whole number where none is weighted."""
    if isinstance(source, Counts):
        return source.within(*span, notes)
    within = (source.d_km >= span[0] * (1 - 1e-9)) & (source.d_km < span[1] * (1 - 1e-9))
    share = source.fraction if partial == "fraction" else None
    if source.weight is None and share is None:
        return int(np.count_nonzero(within))
    weight = np.ones(source.d_km.size) if source.weight is None else source.weight
    total = math.fsum((weight if share is None else weight * share)[within])
    return int(total) if total == int(total) else total


def _departure(
    source: Counts | Selected,
    partial: str,
    area: float,
    s: System,
    span: tuple[float, float],
    prior: str,
    perimeter: float | None,
) -> list[str]:
    if isinstance(source, Counts):  # of its craters only the bins are known
        return []
    share, weight = source.fraction if partial == "fraction" else None, source.weight
    if share is not None:
        weight = share if weight is None else weight * share
    return departure(source.d_km, weight, area, s, span, prior, perimeter)


def _check(
    method: str, prior: str, binning: str | None, resurfacing: bool, fit_error: str, partial: str | None
) -> None:
    for name, value, known in (
        ("method", method, METHODS),
        ("binning", binning, (None, *BINNINGS)),
        ("fit_error", fit_error, FIT_ERRORS),
        ("partial", partial, (None, *PARTIAL)),
    ):
        if value not in known:
            there = ", ".join(repr(k) for k in known if k)
            raise CraterlabError(f"unknown {name} {value!r}; available: {there}")
    check_prior(prior)
    if resurfacing and method != "c-fit":
        raise CraterlabError(f"resurfacing=True goes with method='c-fit', not {method!r}")
    if method == "d-fit" and binning == "none":
        raise CraterlabError("method='d-fit' needs bins; take binning='pseudo-log', or method='c-fit' with 'none'")


def _plain(perimeter_km: float | None, resurfacing: bool, secondaries: str, ghosts: str, partial: str | None) -> None:
    """A corrected age knows none of these."""
    if perimeter_km is not None or resurfacing or (secondaries, ghosts) != ("keep", "keep") or partial:
        raise CraterlabError(
            "with completeness= the age takes no perimeter_km, resurfacing, secondaries, ghosts or partial; drop those "
            "craters from the table yourself: craters[~craters.secondary.fillna(False)]"
        )


def _bodies(craters: Any, s: System) -> list[str]:
    """A note where the craters lie on another body than the chronology's; CraterlabError where they lie on several."""
    named: set[str] = set()
    if hasattr(craters, "columns") and "body" in craters:
        named = {str(b) for b in craters["body"].dropna().unique()}
        if len(named) > 1:
            raise CraterlabError(
                f"the craters lie on several bodies ({', '.join(sorted(named))}); date each on its own, e.g. "
                f"craters[craters['body'] == {sorted(named)[0]!r}]"
            )
    if not named and getattr(craters, "crs", None) is not None:
        from craterlab.bodies import body_of

        try:
            named = {body_of(craters.crs).name}
        except CraterlabError:
            return []
    if not named and isinstance(body := getattr(craters, "attrs", {}).get("body"), str):
        named = {body}
    return [f"the craters lie on {b}, the chronology is for {s.body}" for b in named if b.lower() != s.body.lower()]

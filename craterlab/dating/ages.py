"""Poisson ages: the posterior of the crater density given a count, and of the age given a chronology."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from craterlab.catalog import Counts
from craterlab.errors import CraterlabError

from .counting import binned, diameters_km, inside, resolve_area, roll_over, snap_range
from .functions import Production, System, epochs
from .functions import system as find_system

Floats = NDArray[np.float64]

PRIORS = ("n1", "jeffreys", "time")
# Median and the bounds that hold as much as one sigma of a normal distribution.
_QUANTILES = (0.15865525393145707, 0.5, 0.8413447460685429)


@dataclass(frozen=True, repr=False)
class Age:
    """Model age of a surface.

    Attributes
    ----------
    age_ga, lo_ga, hi_ga : float
        Median and 1-sigma bounds (15.87 and 84.13 percentiles) of the posterior, Ga.
    n1_per_km2, n1_lo, n1_hi : float
        The same of N(>=1 km) per km2.
    n : int
        Craters in the range. 0 makes the result an upper limit.
    area_km2 : float
    range_km : (float, float)
        Diameters counted, lower end included, km.
    range_reason : str
        Where the range comes from.
    system, production, chronology : str
        Names of the chronology system and its functions.
    method, prior : str
    epoch : str
        Epoch of `age_ga`; empty where the body has none.
    notes : tuple of str
        What a reader must know: ranges cut, ages clipped.
    """

    age_ga: float
    lo_ga: float
    hi_ga: float
    n1_per_km2: float
    n1_lo: float
    n1_hi: float
    n: int
    area_km2: float
    range_km: tuple[float, float]
    range_reason: str
    system: str
    production: str
    chronology: str
    method: str
    prior: str
    epoch: str
    notes: tuple[str, ...]

    @property
    def upper_limit(self) -> bool:
        """True where no crater was counted: only `hi_ga` says something."""
        return self.n == 0

    @property
    def unit(self) -> tuple[float, str]:
        """Factor from Ga, and the unit in which the age is written: Ga, Ma or ka."""
        return next((f, u) for f, u in ((1, "Ga"), (1e3, "Ma"), (1e6, "ka")) if self.hi_ga * f >= 1 or u == "ka")

    @property
    def text(self) -> str:
        """The age as one writes it: "3.74 (+0.097 -0.14) Ga", "< 2.1 Ga" for an upper limit."""
        factor, unit = self.unit
        if self.upper_limit:
            return f"< {self.hi_ga * factor:.2g} {unit}"
        plus, minus = (self.hi_ga - self.age_ga) * factor, (self.age_ga - self.lo_ga) * factor
        return f"{self.age_ga * factor:.3g} (+{plus:.2g} -{minus:.2g}) {unit}"

    def to_dict(self) -> dict[str, Any]:
        """All attributes as plain Python values, for JSON."""
        return {**asdict(self), "range_km": list(self.range_km), "notes": list(self.notes), "text": self.text}

    def __repr__(self) -> str:
        lo, hi = self.range_km
        return (
            f"Age({self.text}, N(1)={self.n1_per_km2:.3e} per km2, n={self.n}, {lo:.4g}-{hi:.4g} km, "
            f"system={self.system!r}, prior={self.prior!r})"
        )


def age_quantiles(
    n: ArrayLike,
    *,
    area_km2: float,
    range_km: tuple[float, float],
    system: str | System,
    q: ArrayLike = _QUANTILES,
    prior: str = "n1",
) -> tuple[Floats, Floats]:
    """Quantiles of the posterior of age and density, given a Poisson count.

    With exposure E = A (C(dmin) - C(dmax)) / C(1 km) the count is Poisson with mean E N(1). A prior flat in N(1) gives
    the posterior Gamma(n + 1) / E in closed form, Jeffreys' prior Gamma(n + 1/2) / E (textbook conjugacy). Flat in
    time, the likelihood is integrated over age. Michael et al. (2016) give the method.

    Parameters
    ----------
    n : int or array_like of int
        Craters counted; several counts at once give several rows.
    area_km2 : float
    range_km : (float, float)
        Within the range of the production function, km.
    system : str or System
    q : array_like of float, shape (m,)
        Probabilities.
    prior : {"n1", "jeffreys", "time"}

    Returns
    -------
    age_ga, n1_per_km2 : ndarray, shape (..., m)
        Ages are held at the chronology's `max_age_ga`; densities are not (except under "time", which ends there).

    Raises
    ------
    CraterlabError
        If a name is unknown or the production function forms no crater in the range.

    References
    ----------
    Michael, G.G., Kneissl, T., Neesemann, A., 2016, Planetary surface dating from crater size-frequency distribution
    measurements: Poisson timing analysis, Icarus 277, 279-285.
    """
    from scipy.stats import gamma

    if prior not in PRIORS:
        raise CraterlabError(f"unknown prior {prior!r}; there are {', '.join(map(repr, PRIORS))}")
    s = find_system(system)
    exposure = area_km2 * float(-np.diff(s.production.cumulative(range_km))[0])
    if not exposure > 0:
        raise CraterlabError(
            f"the production function {s.production.name!r} forms no crater from {range_km[0]:g} to {range_km[1]:g} "
            f"km; it is valid from {s.production.range_km[0]:.4g} to {s.production.range_km[1]:.4g} km"
        )
    count = np.asarray(n, float)
    if prior == "time":
        ages = np.stack([_flat_in_time(k, exposure, s, np.asarray(q, float)) for k in count.ravel()])
        ages = ages.reshape(*count.shape, -1)
        return ages, s.chronology.n1(ages)
    density = gamma.ppf(q, count[..., None] + (1 if prior == "n1" else 0.5)) / exposure
    return s.chronology.inverse(density), density


def _flat_in_time(n: float, exposure: float, s: System, q: Floats) -> Floats:
    """Quantiles of age when every age up to the chronology's end is equally likely beforehand."""
    from scipy.stats import gamma

    top = s.chronology.max_age_ga
    # Beyond these ages the likelihood is below 1e-15 of its peak; above the end of the chronology it piles up there.
    tail = gamma.ppf([1e-18, 1], n + 1)[0], gamma.isf(1e-18, n + 1)
    start, end = s.chronology.inverse(np.array(tail) / exposure)
    if start >= top * (1 - 1e-6):
        start = top * (1 - 1e-3)
    node, weight = np.polynomial.legendre.leggauss(5)
    edge = np.linspace(0.0 if n == 0 else start, end, 4001)
    half = np.diff(edge)[:, None] / 2
    mean = exposure * s.chronology.n1(edge[:-1, None] + half * (1 + node))
    with np.errstate(divide="ignore"):
        log_p = n * np.log(mean) - mean if n else -mean
    mass = (np.exp(log_p - log_p.max()) * weight * half).sum(axis=1)
    cdf = np.concatenate([[0.0], np.cumsum(mass)])
    return np.interp(q, cdf / cdf[-1], edge)


def age(
    craters_or_diameters_m: Any,
    *,
    area_km2: float | None = None,
    system: str | System,
    range_km: tuple[float, float] | None = None,
    method: str = "poisson",
    prior: str = "n1",
    completeness: None = None,
    binning: str = "none",
) -> Age:
    """Model age of the surface that holds these craters.

    Parameters
    ----------
    craters_or_diameters_m : GeoDataFrame, array_like of float, shape (n,), or Counts
        Crater table with `diameter_m`, diameters in metres, or the binned count of a .stat file. Empty: an upper limit.
    area_km2 : float, optional
        Counting area, km2; default: the one the table or count carries (`attrs["area_km2"]`).
    system : str or System
        Chronology system, see `craterlab.systems()`.
    range_km : (float, float), optional
        Diameters to count, lower <= D < upper, km. Default: from the roll-over of the differential distribution upwards
        (`default_range_km` with this system); the result says so in `range_reason`.
    method : {"poisson"}
        Poisson statistics on the count in the range (Michael et al. 2016).
    prior : {"n1", "jeffreys", "time"}
        What is taken to be equally likely beforehand: densities N(1) (craterstats since 3.6.4), Jeffreys' prior on the
        density, or ages (craterstats before). It matters below some 10 craters.
    completeness : None
        Every crater in the range is taken to be found.
    binning : str
        Bins to whose edges the range is widened, as craterstats does with "pseudo-log"; "none" leaves it as given.

    Returns
    -------
    Age
        Of zero craters in the range, an upper limit: `age.upper_limit` is True and `hi_ga` is the bound.

    Raises
    ------
    CraterlabError
        If sizes are known in pixels only, a diameter is not positive, area or range are wrong, or a name is unknown.

    Notes
    -----
    A binned count is taken by whole bins: one that reaches over an end of the range is left out, with a note.

    References
    ----------
    Michael, G.G., Kneissl, T., Neesemann, A., 2016, Icarus 277, 279-285.

    Examples
    --------
    >>> import craterlab as cl
    >>> cl.age([1100.0, 2300.0, 3000.0, 1700.0], area_km2=100.0, system="Moon, Neukum (1983)", range_km=(1, 5))
    Age(3.96 (+0.065 -0.079) Ga, N(1)=4.710e-02 per km2, n=4, 1-5 km, system='Moon, Neukum (1983)', prior='n1')
    """
    if method != "poisson":
        raise CraterlabError(f"unknown method {method!r}; available: 'poisson'")
    if completeness is not None:
        raise CraterlabError(
            "ages are not corrected for completeness; pass completeness=None and a range_km in which the count is "
            "complete"
        )
    s = find_system(system)
    area = resolve_area(craters_or_diameters_m, area_km2)
    notes: list[str] = []
    if isinstance(craters_or_diameters_m, Counts):
        counts = craters_or_diameters_m
        bins = counts.lo_km, counts.hi_km, counts.n
        span, reason = _range(range_km, bins, s.production, binning, notes)
        n = counts.within(*span, notes)
    else:
        d = diameters_km(craters_or_diameters_m)
        notes += _other_body(craters_or_diameters_m, s)
        span, reason = _range(range_km, binned(d, "pseudo-log"), s.production, binning, notes)
        n = int(((d >= span[0] * (1 - 1e-9)) & (d < span[1] * (1 - 1e-9))).sum())

    ages, density = age_quantiles(n, area_km2=area, range_km=span, system=s, prior=prior)
    lo, mid, hi = map(float, ages)
    n1_lo, n1_mid, n1_hi = map(float, density)
    if hi >= s.chronology.max_age_ga * (1 - 1e-6):
        notes.append(
            f"the density is beyond the end of the chronology; ages are held at {s.chronology.max_age_ga:g} Ga"
        )
    if n == 0:
        notes.append(f"no crater from {span[0]:.4g} to {span[1]:.4g} km: the upper bound is the result")
    epoch = next((e.name for e in epochs(s) if e.end_ga <= mid < e.start_ga), "")
    return Age(
        mid, lo, hi, n1_mid, n1_lo, n1_hi, n, area, span, reason, s.name, s.production.name, s.chronology.name,
        method, prior, epoch, tuple(notes),
    )  # fmt: skip


def _range(
    range_km: tuple[float, float] | None, bins: Any, p: Production, binning: str, notes: list[str]
) -> tuple[tuple[float, float], str]:
    """The diameters to count, held within the production function's range, and where they come from."""
    if range_km is None:
        lo_km, hi_km, counts = bins
        start, reason = roll_over(*inside(lo_km, hi_km, counts, p), p)
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
    low, high = max(lo, p.range_km[0]), min(hi, p.range_km[1])
    if low >= high:
        raise CraterlabError(
            f"no diameter from {lo:g} to {hi:g} km is within the range of the production function {p.name!r}, "
            f"{p.range_km[0]:.4g} to {p.range_km[1]:.4g} km; choose range_km= inside it"
        )
    if (lo > 0 and low > lo * (1 + 1e-6)) or (np.isfinite(hi) and high < hi * (1 - 1e-6)):
        notes.append(
            f"the range {lo:g}-{hi:g} km was cut to {low:.4g}-{high:.4g} km, where the production function {p.name!r} "
            "is defined"
        )
    return (low, high), reason


def _other_body(craters: Any, s: System) -> list[str]:
    """A note where the craters lie on another body than the chronology's."""
    if getattr(craters, "crs", None) is None:
        return []
    from craterlab.bodies import body_of

    try:
        name = body_of(craters.crs).name
    except CraterlabError:
        return []
    return [] if name == s.body else [f"the craters lie on {name}, the chronology is for {s.body}"]

"""Production, chronology and equilibrium functions and epochs: loaded from functions.toml, evaluated here."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from craterlab.errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Production:
    """Shape of the size-frequency distribution in which craters form on a body.

    Attributes
    ----------
    name, body, reference : str
    range_km : (float, float)
        Diameters for which it is defined, km.
    coefficients : tuple of float
        Of the polynomial log10 N(>=D) in log10 D (D in km), lowest order first; empty for a table.
    incremental : tuple of float
        Hartmann's counts in bins a factor sqrt(2) wide; empty for a polynomial.
    index_1km : int
        The bin of `incremental` that starts at 1 km.
    """

    name: str
    body: str
    range_km: tuple[float, float]
    coefficients: tuple[float, ...] = ()
    incremental: tuple[float, ...] = ()
    index_1km: int = 0
    reference: str = ""

    def cumulative(self, diameter_km: ArrayLike, n1: ArrayLike = 1.0) -> Floats:
        """N(>=D) per km2 of a surface with `n1` craters >= 1 km per km2.

        Parameters
        ----------
        diameter_km : array_like
            Diameters, km.
        n1 : array_like
            N(>=1 km) per km2; broadcast against `diameter_km`.

        Returns
        -------
        ndarray
            NaN outside `range_km`. Tables are log-log linear between bin starts and constant beyond the last one.
        """
        log_d = self._log_inside(diameter_km)
        if self.coefficients:
            return np.asarray(n1) * 10 ** (_polynomial(self.coefficients, log_d) - self.coefficients[0])
        start, total = self._table()
        return np.asarray(n1) * 10 ** np.interp(log_d, start, total)

    def differential(self, diameter_km: ArrayLike, n1: ArrayLike = 1.0) -> Floats:
        """-dN/dD per km3 (per km2 and km of diameter) of a surface with `n1` craters >= 1 km per km2.

        Parameters and NaN policy as in `cumulative`. In a table the derivative is taken at the (geometric) bin centres
        and log-log linear between them.
        """
        log_d = self._log_inside(diameter_km)
        if self.coefficients:
            order = np.arange(1, len(self.coefficients))
            slope = _polynomial(tuple(order * np.array(self.coefficients[1:])), log_d)
            return -slope * self.cumulative(diameter_km, n1) / 10**log_d
        start, total = self._table()
        slope = -np.diff(total) / np.diff(start)
        centre = (start[1:] + start[:-1]) / 2
        log_f = (total[1:] + total[:-1]) / 2 + np.log10(slope) - centre
        last = (log_f[-1] - log_f[-2]) / (centre[-1] - centre[-2])  # the largest half bin has no centre to lean on
        beyond = np.maximum(log_d - centre[-1], 0)
        return np.asarray(n1) * 10 ** (np.interp(log_d, centre, log_f) + last * beyond)

    def _log_inside(self, diameter_km: ArrayLike) -> Floats:
        d = np.asarray(diameter_km, float)
        lo, hi = self.range_km
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((d >= lo * (1 - 1e-9)) & (d <= hi * (1 + 1e-9)), np.log10(d), np.nan)

    def _table(self) -> tuple[Floats, Floats]:
        """log10 of the bin starts (km) and of N(>=start) / N(>=1 km)."""
        start = (np.arange(len(self.incremental)) - self.index_1km) * np.log10(2) / 2
        total = np.cumsum(self.incremental[::-1])[::-1]
        return start, np.log10(total / total[self.index_1km])


@dataclass(frozen=True)
class Chronology:
    """Growth of the crater density with the age of the surface: N(1) = c0 (exp(c1 t) - 1 + c2) + c3 t.

    Attributes
    ----------
    name, body, reference : str
    coefficients : (c0, c1, c2, c3)
        t in Ga, N(1) per km2.
    max_age_ga : float
        Ages stop here.
    """

    name: str
    body: str
    coefficients: tuple[float, float, float, float]
    max_age_ga: float
    reference: str = ""

    def n1(self, age_ga: ArrayLike) -> Floats:
        """N(>=1 km) per km2 of a surface of that age (Ga); NaN in, NaN out."""
        c0, c1, c2, c3 = self.coefficients
        t = np.asarray(age_ga, float)
        return c0 * (np.expm1(c1 * t) + c2) + c3 * t

    def rate(self, age_ga: ArrayLike) -> Floats:
        """dN(1)/dt per km2 and Ga at that time before present (Ga); NaN in, NaN out."""
        c0, c1, _, c3 = self.coefficients
        return c0 * c1 * np.exp(c1 * np.asarray(age_ga, float)) + c3

    def inverse(self, n1_per_km2: ArrayLike) -> Floats:
        """Age (Ga) of a surface with that N(>=1 km) per km2, held within 0 .. `max_age_ga`; NaN in, NaN out."""
        n = np.asarray(n1_per_km2, float)
        lo, hi = np.zeros(n.shape), np.full(n.shape, self.max_age_ga)
        for _ in range(60):  # bisection: N(1) only grows, and 60 halvings of 4.57 Ga exhaust a double
            mid = (lo + hi) / 2
            older = self.n1(mid) < n
            lo, hi = np.where(older, mid, lo), np.where(older, hi, mid)
        return np.where(np.isnan(n), np.nan, (lo + hi) / 2)


@dataclass(frozen=True)
class Equilibrium:
    """Density at which a surface keeps no more craters: log10 N(>=D) = a0 + a1 log10 D (D in km, N per km2).

    Attributes
    ----------
    name, reference : str
    coefficients : (a0, a1)
    range_km : (float, float)
    """

    name: str
    coefficients: tuple[float, float]
    range_km: tuple[float, float]
    reference: str = ""

    def cumulative(self, diameter_km: ArrayLike) -> Floats:
        """N(>=D) per km2 at these diameters (km); NaN in, NaN out."""
        return 10 ** _polynomial(self.coefficients, np.log10(np.asarray(diameter_km, float)))


@dataclass(frozen=True)
class System:
    """A chronology system: a production function and a chronology function that belong together.

    Attributes
    ----------
    name, body : str
    production : Production
    chronology : Chronology
    epochs : str
        Name of the epoch system used for this body; empty where there is none.
    """

    name: str
    body: str
    production: Production
    chronology: Chronology
    epochs: str = ""


class Epoch(NamedTuple):
    """A named stretch of time, ages in Ga; the oldest one starts at infinity."""

    name: str
    end_ga: float
    start_ga: float


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    return np.asarray(np.polynomial.polynomial.polyval(x, coefficients))


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((files(__package__) / "functions.toml").read_text(encoding="utf-8"))


def _entry(kind: str, name: str) -> dict[str, Any]:
    entries = {e["name"]: e for e in _data()[kind]}
    if name in entries:
        return entries[name]
    what = {"system": "chronology system", "epochs": "epoch system"}.get(kind, f"{kind} function")
    if kind == "system" and name in _data()["left_out"]:
        raise CraterlabError(f"{name!r} is not available: {_data()['left_out'][name]}. craterlab.systems() lists all.")
    by_lower = {known.lower(): known for known in entries}
    close = difflib.get_close_matches(str(name).lower(), by_lower, n=3, cutoff=0.4)
    hint = " or ".join(repr(by_lower[c]) for c in close) or ", ".join(map(repr, sorted(entries)))
    listing = " craterlab.systems() lists all." if kind == "system" else ""
    raise CraterlabError(f"unknown {what} {name!r}; did you mean {hint}?{listing}")


def production(name: str) -> Production:
    """The production function of that name.

    Raises
    ------
    CraterlabError
        If there is none; the message names the nearest.
    """
    e = _entry("production", name)
    if "incremental" in e:
        # A table is trusted between the centres of its first and last bins.
        first, last = -e["index_1km"], len(e["incremental"]) - 1 - e["index_1km"]
        span = (2 ** (first / 2 + 0.25), 2 ** (last / 2 + 0.25))
    else:
        span = tuple(e["range_km"])
    return Production(
        name=e["name"],
        body=e["body"],
        range_km=span,
        coefficients=tuple(e.get("coefficients", ())),
        incremental=tuple(e.get("incremental", ())),
        index_1km=e.get("index_1km", 0),
        reference=e["reference"],
    )


def chronology(name: str) -> Chronology:
    """The chronology function of that name.

    Raises
    ------
    CraterlabError
        If there is none; the message names the nearest.
    """
    e = _entry("chronology", name)
    return Chronology(e["name"], e["body"], tuple(e["coefficients"]), _data()["max_age_ga"], e["reference"])


def equilibrium(name: str = "Lunar equilibrium (Trask, 1966)") -> Equilibrium:
    """The equilibrium function of that name.

    Raises
    ------
    CraterlabError
        If there is none; the message names the nearest.
    """
    e = _entry("equilibrium", name)
    return Equilibrium(e["name"], tuple(e["coefficients"]), tuple(e["range_km"]), e["reference"])


def system(name: str | System) -> System:
    """The chronology system of that name; a `System` of your own is passed through.

    Raises
    ------
    CraterlabError
        If there is none; the message names the nearest.
    """
    if isinstance(name, System):
        return name
    e = _entry("system", name)
    return System(e["name"], e["body"], production(e["production"]), chronology(e["chronology"]), e.get("epochs", ""))


def systems(body: str | None = None) -> pd.DataFrame:
    """Table of the chronology systems.

    Parameters
    ----------
    body : str, optional
        Only those of this body, in any case of letters.

    Returns
    -------
    DataFrame
        One row a system: name, body, production, chronology, min_km and max_km (valid diameters), default (bool),
        reference.

    Raises
    ------
    CraterlabError
        If the body has none.
    """
    import pandas as pd

    chosen = [system(e["name"]) for e in _data()["system"] if body is None or e["body"].lower() == str(body).lower()]
    if not chosen:
        known = sorted({e["body"] for e in _data()["system"]})
        raise CraterlabError(f"no chronology system for {body!r}; there are systems for {', '.join(known)}")
    return pd.DataFrame(
        {
            "name": s.name,
            "body": s.body,
            "production": s.production.name,
            "chronology": s.chronology.name,
            "min_km": s.production.range_km[0],
            "max_km": s.production.range_km[1],
            "default": _data()["default_system"].get(s.body) == s.name,
            "reference": "; ".join(dict.fromkeys((s.production.reference, s.chronology.reference))),
        }
        for s in chosen
    )


def default_system(body: str) -> str:
    """Name of the system used for a body when none is asked for.

    Parameters
    ----------
    body : str
        Name of the body, in any case of letters.

    Raises
    ------
    CraterlabError
        If no system is known for the body.
    """
    table = {name.lower(): value for name, value in _data()["default_system"].items()}
    if str(body).lower() not in table:
        raise CraterlabError(
            f"no chronology system for {body!r}: there are systems for {', '.join(_data()['default_system'])}. "
            "To borrow one, name it: system='Moon, Neukum et al. (2001)' (craterlab.systems() lists all)"
        )
    return table[str(body).lower()]


def epochs(system_or_name: str | System, epoch_system: str | None = None) -> list[Epoch]:
    """The epochs of a body under a chronology system, youngest first.

    Parameters
    ----------
    system_or_name : str or System
        Chronology system; where boundaries are defined by crater densities, it turns them into ages.
    epoch_system : str, optional
        "Moon, Wilhelms (1987)", "Moon, Guo et al (2024)" or "Mars, Michael (2013)"; default: that of the system's body.

    Returns
    -------
    list of Epoch
        Empty where the body has no epoch system.

    Raises
    ------
    CraterlabError
        If a name is unknown.
    """
    s = system(system_or_name)
    if not (epoch_system or s.epochs):
        return []
    e = _entry("epochs", epoch_system or s.epochs)
    if "start_ga" in e:
        ends = list(map(float, e["start_ga"]))
    else:
        shape = s.production.cumulative(e["diameter_km"])
        ends = [0.0, *s.chronology.inverse(np.array(e["density_per_1e6km2"]) / 1e6 / shape).tolist()]
    return [Epoch(*row) for row in zip(e["epochs"], ends, [*ends[1:], np.inf], strict=True)]

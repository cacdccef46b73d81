"""Production, chronology and equilibrium functions as objects: evaluated, inverted and drawn from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from craterlab.errors import CraterlabError

from . import obrien

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Production:
    """Shape of the size-frequency distribution in which craters form on a body; a distribution of diameters.

    Attributes
    ----------
    name, body, reference : str
    range_km : (float, float)
        Diameters for which it is defined, km.
    coefficients : tuple of float
        Of the polynomial log10 N(>=D) in log10 D (D in km), lowest order first; empty for a table.
    incremental : tuple of float
        Hartmann's counts in bins a factor sqrt(2) wide; empty for another form.
    index_1km : int
        The bin of `incremental` that starts at 1 km.
    points : tuple of (float, float)
        A table of D (km) and N(>=D), log-log linear between its points; empty for another form.
    """

    name: str
    body: str
    range_km: tuple[float, float]
    coefficients: tuple[float, ...] = ()
    incremental: tuple[float, ...] = ()
    index_1km: int = 0
    reference: str = ""
    points: tuple[tuple[float, float], ...] = ()

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
        last = 0.0  # the largest half bin has no centre to lean on
        if log_f.size > 1:
            last = (log_f[-1] - log_f[-2]) / (centre[-1] - centre[-2])
        beyond = np.maximum(log_d - centre[-1], 0)
        return np.asarray(n1) * 10 ** (np.interp(log_d, centre, log_f) + last * beyond)

    def presented(self, diameter_km: ArrayLike, kind: str, n1: ArrayLike = 1.0) -> Floats:
        """The function as an `SFD` of that kind shows it: "cumulative", "differential", "R" (D^3 dN/dD) or "Hartmann".

        Hartmann's form is the number per km2 in a bin from D 2^(-1/4) to D 2^(1/4): its width times dN/dD, in a table
        his counts themselves, log-log linear between bin centres.

        Parameters and NaN policy as in `cumulative`.

        Raises
        ------
        CraterlabError
            If there is no such form ("incremental" has none: it depends on the bins).
        """
        if kind == "cumulative":
            return self.cumulative(diameter_km, n1)
        if kind == "Hartmann" and self.incremental:
            start, _ = self._table()
            share = np.log10(np.array(self.incremental) / np.sum(self.incremental[self.index_1km :]))
            log_d = self._log_inside(diameter_km)
            return np.asarray(n1) * 10 ** np.interp(log_d, start + np.log10(2) / 4, share)
        d = np.asarray(diameter_km, float)
        if kind == "differential":
            return self.differential(d, n1)
        if kind == "R":
            return self.differential(d, n1) * d**3
        if kind == "Hartmann":
            return self.differential(d, n1) * d * (2**0.25 - 2**-0.25)
        raise CraterlabError(
            f"a production function has no {kind!r} form; there are cumulative, differential, R and Hartmann"
        )

    def density(self, diameter_km: ArrayLike, *, range_km: tuple[float, float] | None = None) -> Floats:
        """Probability density per km that a crater of the range has this diameter; integrates to 1 over the range.

        Parameters
        ----------
        diameter_km : array_like
            Diameters, km.
        range_km : (float, float), optional
            Default: the whole range of the function; it is cut to that.

        Returns
        -------
        ndarray
            0 outside the range, NaN for NaN.

        Raises
        ------
        CraterlabError
            If no crater forms in the range.
        """
        lo, hi = self.inside(range_km)
        d = np.asarray(diameter_km, float)
        within = (d >= lo) & (d <= hi)
        total = self.cumulative(lo) - self.cumulative(hi)
        pdf = np.where(within, np.nan_to_num(self.differential(d)) / total, 0.0)
        return np.where(np.isnan(d), np.nan, pdf)

    def rvs(self, n: int, rng: np.random.Generator, *, range_km: tuple[float, float] | None = None) -> Floats:
        """Diameters (km) of `n` craters drawn from the function.

        Parameters
        ----------
        n : int
        rng : numpy Generator
        range_km : (float, float), optional
            Default: the whole range of the function; it is cut to that.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        CraterlabError
            If no crater forms in the range.
        """
        lo, hi = self.inside(range_km)
        d = np.geomspace(lo, hi, 4097)
        # A polynomial may turn over a little at the end of its range (Vesta, Rev3): there it forms nothing.
        total = np.maximum.accumulate(self.cumulative(d)[::-1])
        if total[-1] - total[0] <= 0:
            raise CraterlabError(f"{self.name!r} forms no crater from {lo:g} to {hi:g} km")
        drawn = rng.uniform(total[0], total[-1], n)
        return np.exp(np.interp(np.log(drawn), np.log(total), np.log(d[::-1])))

    def inside(self, range_km: tuple[float, float] | None) -> tuple[float, float]:
        """The range cut to where the function is defined, km; the whole of that for None.

        Raises
        ------
        CraterlabError
            If nothing is left.
        """
        low, high = self.range_km
        if range_km is None:
            return low, high
        lo, hi = max(low, float(range_km[0])), min(high, float(range_km[1]))
        if not lo < hi:
            raise CraterlabError(
                f"no diameter from {range_km[0]:g} to {range_km[1]:g} km is within the range of the production "
                f"function {self.name!r}, {low:.4g} to {high:.4g} km; choose range_km= inside it"
            )
        return lo, hi

    def _log_inside(self, diameter_km: ArrayLike) -> Floats:
        d = np.asarray(diameter_km, float)
        lo, hi = self.range_km
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((d >= lo * (1 - 1e-9)) & (d <= hi * (1 + 1e-9)), np.log10(d), np.nan)

    def _table(self) -> tuple[Floats, Floats]:
        """log10 of the diameters (km) and of N(>=D) / N(>=1 km)."""
        if self.points:
            start, total = np.log10(np.array(self.points)).T
            return start, total - np.interp(0.0, start, total)
        start = (np.arange(len(self.incremental)) - self.index_1km) * np.log10(2) / 2
        count = np.cumsum(self.incremental[::-1])[::-1]
        return start, np.log10(count / count[self.index_1km])


@dataclass(frozen=True)
class Chronology:
    """Growth of the crater density with the age of the surface.

    Attributes
    ----------
    name, body, reference : str
    coefficients : (c0, c1, c2, c3)
        N(1) = c0 (exp(c1 t) - 1 + c2) + c3 t, t in Ga, N(1) per km2; empty for another form.
    max_age_ga : float
        Ages stop here.
    parameters : dict of str to float
        Of the piecewise function for Vesta (O'Brien et al. 2014, see `craterlab.dating.obrien`); empty otherwise.
    points : tuple of (float, float)
        A table of t (Ga, from 0) and N(1), linear between its points; empty for another form.
    """

    name: str
    body: str
    coefficients: tuple[float, ...]
    max_age_ga: float
    reference: str = ""
    parameters: dict[str, float] = field(default_factory=dict, hash=False)
    points: tuple[tuple[float, float], ...] = ()

    def n1(self, age_ga: ArrayLike) -> Floats:
        """N(>=1 km) per km2 of a surface of that age (Ga); NaN in, NaN out."""
        t = np.asarray(age_ga, float)
        if self.parameters:
            return obrien.n1(t, self.parameters)
        if self.points:
            return np.asarray(np.interp(t, *np.array(self.points).T))
        c0, c1, c2, c3 = self.coefficients
        return c0 * (np.expm1(c1 * t) + c2) + c3 * t

    def rate(self, age_ga: ArrayLike) -> Floats:
        """dN(1)/dt per km2 and Ga at that time before present (Ga); NaN in, NaN out."""
        t = np.asarray(age_ga, float)
        if self.parameters:
            return obrien.rate(t, self.parameters)
        if self.points:
            at, n = np.array(self.points).T
            piece = np.clip(np.searchsorted(at, t, side="right") - 1, 0, at.size - 2)
            return np.where(np.isnan(t), np.nan, (np.diff(n) / np.diff(at))[piece])
        c0, c1, _, c3 = self.coefficients
        return c0 * c1 * np.exp(c1 * t) + c3

    def inverse(self, n1_per_km2: ArrayLike) -> Floats:
        """Age (Ga) of a surface with that N(>=1 km) per km2, held within 0 .. `max_age_ga`; NaN in, NaN out."""
        n = np.asarray(n1_per_km2, float)
        node = np.linspace(0, self.max_age_ga, 2049)
        at = self.n1(node)
        right = np.clip(np.searchsorted(at, n), 1, node.size - 1)
        lo, hi = node[right - 1], node[right]
        t = np.clip(np.interp(n, at, node), lo, hi)
        for _ in range(12):  # Newton from within a bracket of 2 Ma: a few steps exhaust a double
            step = (self.n1(t) - n) / self.rate(t)
            t = np.clip(t - step, lo, hi)
            if not (np.abs(step) > 1e-15 * t).any():
                break
        return np.where(np.isnan(n), np.nan, t)


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
    coefficients: tuple[float, ...]
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

    def cumulative(self, diameter_km: ArrayLike, age_ga: float) -> Floats:
        """N(>=D) per km2 of a surface of that age (Ga); NaN outside the production function's range."""
        return self.production.cumulative(diameter_km, self.chronology.n1(age_ga))

    def density(self, diameter_km: ArrayLike, age_ga: float) -> Floats:
        """-dN/dD per km3 of a surface of that age (Ga); NaN outside the production function's range."""
        return self.production.differential(diameter_km, self.chronology.n1(age_ga))

    def rvs(
        self,
        area_km2: float,
        age_ga: float,
        rng: np.random.Generator,
        *,
        range_km: tuple[float, float] | None = None,
    ) -> Floats:
        """Diameters (m) of the craters of a surface: their number is Poisson, their sizes follow the production.

        Parameters
        ----------
        area_km2 : float
        age_ga : float
        rng : numpy Generator
        range_km : (float, float), optional
            Default: the whole range of the production function; it is cut to that.

        Returns
        -------
        ndarray of float, shape (n,)

        Raises
        ------
        CraterlabError
            If area or age is negative or not finite, or no crater forms in the range.
        """
        if not (np.isfinite(area_km2) and area_km2 > 0 and np.isfinite(age_ga) and age_ga >= 0):
            raise CraterlabError(
                f"wanted a positive area_km2 and an age_ga of 0 or more, got area_km2={area_km2!r}, age_ga={age_ga!r}"
            )
        lo, hi = self.production.inside(range_km)
        more, less = self.cumulative([lo, hi], age_ga)
        n = int(rng.poisson(area_km2 * max(more - less, 0.0)))
        return 1000 * self.production.rvs(n, rng, range_km=(lo, hi))


class Epoch(NamedTuple):
    """A named stretch of time, ages in Ga; the oldest one starts at infinity."""

    name: str
    end_ga: float
    start_ga: float


def _polynomial(coefficients: tuple[float, ...], x: Floats) -> Floats:
    return np.asarray(np.polynomial.polynomial.polyval(x, coefficients))

"""The posterior of an age as a distribution: its quantiles and its cumulative probability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craterlab.errors import CraterlabError

from .curves import Chronology
from .functions import system as find_system
from .poisson import flat_in_time, shape_of
from .result import Age

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """Distribution of an age.

    Attributes
    ----------
    quantile : callable
        Age (Ga) that is not reached with these probabilities.
    cdf : callable
        Probability of a younger age than these (Ga).
    oldest_ga : float
        End of the chronology. Beyond it, where a chronology says nothing but more craters still mean older, ages run on
        as end + log(N(1) / N(1) at the end), so that two such surfaces can be told apart.
    """

    quantile: Callable[[Floats], Floats]
    cdf: Callable[[Floats], Floats]
    oldest_ga: float


def posterior(age: Age | Any) -> Posterior:
    """The posterior of an age, or of ages drawn by another method (array of Ga).

    Raises
    ------
    CraterlabError
        If it is neither.
    """
    if not isinstance(age, Age):
        return _of_draws(age)
    s = find_system(age.system)
    c = s.chronology
    if age.fit_error:
        return _of_density(c, *_two_half_normals(age))
    if age.prior == "time":
        edge, cumulative = flat_in_time(age.n, age.exposure, s)
        return Posterior(
            lambda q: np.interp(q, cumulative, edge), lambda t: np.interp(t, edge, cumulative), c.max_age_ga
        )
    from scipy.special import gammainc, gammaincinv

    shape, e = age.n + shape_of(age.prior), age.exposure
    return _of_density(c, lambda q: gammaincinv(shape, q) / e, lambda n1: gammainc(shape, e * n1))


def _of_density(c: Chronology, quantile: Callable[..., Any], cdf: Callable[..., Any]) -> Posterior:
    """From the distribution of N(1) to that of age."""
    end, most = c.max_age_ga, float(c.n1(c.max_age_ga))

    def age_of(q: Floats) -> Floats:
        n1 = np.asarray(quantile(q), float)
        return c.inverse(n1) + np.log(np.maximum(n1 / most, 1))

    def younger(t: Floats) -> Floats:
        t = np.asarray(t, float)
        return np.asarray(cdf(c.n1(np.clip(t, 0, end)) * np.exp(np.maximum(t - end, 0))))

    return Posterior(age_of, younger, end)


def _two_half_normals(age: Age) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """log N(1) with the lower bound's sigma below the fit and the upper bound's above."""
    from scipy.special import ndtr, ndtri

    mid = np.log(age.n1_per_km2)
    down = mid - np.log(max(age.n1_lo, age.n1_per_km2 * 1e-12))
    up = np.log(age.n1_hi) - mid

    def quantile(q: Floats) -> Floats:
        z = ndtri(q)
        return np.exp(mid + z * np.where(z < 0, down, up))

    def cdf(n1: Floats) -> Floats:
        with np.errstate(divide="ignore"):
            x = np.log(n1) - mid
        return ndtr(x / np.where(x < 0, down, up))

    return quantile, cdf


def _of_draws(draws: Any) -> Posterior:
    try:
        x = np.sort(np.asarray(draws, float))
    except (TypeError, ValueError) as error:
        raise CraterlabError(f"wanted an Age or an array of ages in Ga, got {type(draws).__name__}") from error
    if x.ndim != 1 or x.size < 2 or not np.isfinite(x).all():
        raise CraterlabError("wanted two or more finite ages (Ga) drawn from a posterior, in one row")
    middle = (np.arange(x.size) + 0.5) / x.size
    return Posterior(lambda q: np.interp(q, middle, x), lambda t: np.interp(t, x, middle, 0.0, 1.0), float("inf"))

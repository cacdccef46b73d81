"""Poisson statistics: what a count in a range says of the crater density, and so of the age."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from craterlab.errors import CraterlabError

from .curves import Production, System
from .functions import system as find_system

Floats = NDArray[np.float64]

PRIORS = ("n1", "jeffreys", "time")
# Median and the bounds that hold as much as one sigma of a normal distribution.
QUANTILES = (0.15865525393145707, 0.5, 0.8413447460685429)


def exposure(p: Production, area_km2: float, range_km: tuple[float, float], perimeter_km: float | None = None) -> float:
    """Craters expected in a range of diameters on a surface with N(>=1 km) = 1 per km2.

    Parameters
    ----------
    p : Production
    area_km2 : float
    range_km : (float, float)
        Within the range of the production function, km.
    perimeter_km : float, optional
        Of the area; then every crater counts that reaches into it: a crater of diameter D is looked for on
        area + D perimeter / 2 + pi D^2 / 4 (Michael et al. 2021).

    Raises
    ------
    CraterlabError
        If the production function forms no crater in the range.

    References
    ----------
    Michael, G.G., Yue, Z., Gou, S., Di, K., 2021, Dating individual several-km lunar impact craters from the rim
    annulus in region of planned Chang'E-5 landing: Poisson age-likelihood calculation for a buffered crater counting
    area, Earth Planet. Sci. Lett. 568, 117031.
    """
    if perimeter_km is None:
        expected = area_km2 * float(-np.diff(p.cumulative(range_km))[0])
    else:
        edge = np.geomspace(*range_km, 4097)
        d = np.sqrt(edge[1:] * edge[:-1])
        expected = float((-np.diff(p.cumulative(edge)) * (area_km2 + d * perimeter_km / 2 + np.pi * d**2 / 4)).sum())
    if not expected > 0:
        raise CraterlabError(
            f"the production function {p.name!r} forms no crater from {range_km[0]:g} to {range_km[1]:g} "
            f"km; it is valid from {p.range_km[0]:.4g} to {p.range_km[1]:.4g} km"
        )
    return expected


def age_quantiles(
    n: ArrayLike,
    *,
    area_km2: float,
    range_km: tuple[float, float],
    system: str | System,
    q: ArrayLike = QUANTILES,
    prior: str = "n1",
    perimeter_km: float | None = None,
) -> tuple[Floats, Floats]:
    """Quantiles of the posterior of age and density, given a Poisson count.

    With exposure E = A (C(dmin) - C(dmax)) / C(1 km) the count is Poisson with mean E N(1). A prior flat in N(1) gives
    the posterior Gamma(n + 1) / E in closed form, Jeffreys' prior Gamma(n + 1/2) / E (textbook conjugacy). Flat in
    time, the likelihood is integrated over age. Michael et al. (2016) give the method.

    Parameters
    ----------
    n : float or array_like of float
        Craters counted; several counts at once give several rows. A sum of weights need not be whole: the likelihood
        (E N(1))^n exp(-E N(1)) is taken with it as it is.
    area_km2 : float
    range_km : (float, float)
        Within the range of the production function, km.
    system : str or System
    q : array_like of float, shape (m,)
        Probabilities.
    prior : {"n1", "jeffreys", "time"}
    perimeter_km : float, optional
        Of the area: a buffered count (Michael et al. 2021).

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
    s = find_system(system)
    expected = exposure(s.production, area_km2, range_km, perimeter_km)
    return quantiles(np.asarray(n, float), expected, s, np.asarray(q, float), prior)


def quantiles(count: Floats, expected: float, s: System, q: Floats, prior: str) -> tuple[Floats, Floats]:
    """Quantiles of age and density of counts whose mean is `expected` times N(1)."""
    from scipy.special import gammaincinv

    check_prior(prior)
    if prior == "time":
        ages = np.stack([np.interp(q, *flat_in_time(k, expected, s)[::-1]) for k in count.ravel()])
        ages = ages.reshape(*count.shape, -1)
        return ages, s.chronology.n1(ages)
    density = gammaincinv(count[..., None] + shape_of(prior), q) / expected
    return s.chronology.inverse(density), density


def check_prior(prior: str) -> None:
    """CraterlabError where there is no such prior."""
    if prior not in PRIORS:
        raise CraterlabError(f"unknown prior {prior!r}; there are {', '.join(map(repr, PRIORS))}")


def shape_of(prior: str) -> float:
    """What the prior adds to the count in the Gamma posterior."""
    return {"n1": 1.0, "jeffreys": 0.5}[prior]


def flat_in_time(n: float, expected: float, s: System) -> tuple[Floats, Floats]:
    """Ages and the probability of a younger one, when every age up to the chronology's end is equally likely
    beforehand."""
    from scipy.stats import gamma

    top = s.chronology.max_age_ga
    # Beyond these ages the likelihood is below 1e-15 of its peak; above the end of the chronology it piles up there.
    tail = gamma.ppf([1e-18, 1], n + 1)[0], gamma.isf(1e-18, n + 1)
    start, end = s.chronology.inverse(np.array(tail) / expected)
    if start >= top * (1 - 1e-6):
        start = top * (1 - 1e-3)
    node, weight = np.polynomial.legendre.leggauss(5)
    edge = np.linspace(0.0 if n == 0 else start, end, 4001)
    half = np.diff(edge)[:, None] / 2
    mean = expected * s.chronology.n1(edge[:-1, None] + half * (1 + node))
    with np.errstate(divide="ignore"):
        log_p = n * np.log(mean) - mean if n else -mean
    mass = (np.exp(log_p - log_p.max()) * weight * half).sum(axis=1)
    cdf = np.concatenate([[0.0], np.cumsum(mass)])
    return edge, cdf / cdf[-1]

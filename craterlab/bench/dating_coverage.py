"""Do the error bars of ages hold? Simulated surfaces of known age, counted perfectly and by a detector with faults."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..completeness import Completeness
from ..dating import age, age_quantiles
from ..dating.corrected import corrected_age
from ..dating.functions import System
from ..dating.functions import system as find_system
from ..dating.poisson import PRIORS
from ..progress import progress_bar

Floats = NDArray[np.float64]

SYSTEM = "Moon, Neukum (1983)"
AGES_GA = (0.1, 0.5, 1.0, 2.0, 3.0, 3.5, 4.0)
EXPECTED = (5, 20, 100, 500, 2000)
RANGE_KM = (0.1, 2.0)
PARTS = ("perfect", "detected", "shifted", "exact")
GROUPS = (5, 15, 50, 200, 700, 2000)  # edges of the groups by expected number of craters
AGE_GROUPS = (0.1, 1, 2, 3, 4)  # and by age, Ga


@dataclass(frozen=True)
class Detector:
    """A detector whose faults are known exactly.

    Attributes
    ----------
    metres_per_px, limits_px
        Of the scene it works in, and the diameters injected there.
    at_12_px, with_size, with_relief : float
        logit of the detection probability = at_12_px + with_size ln(d / 12 px) + with_relief ln(1 - erosion).
    bias, scatter : float
        Mean and standard deviation of ln(measured / true diameter).
    purity : float
        Share of real ones among its detections in `RANGE_KM`; false ones fall off as d**-`false_slope`, cumulatively.
    parting : float
        Of the scores: their evidence is normal, with means +-`parting`**2 / 2 and standard deviation `parting`.
    """

    metres_per_px: float = 10.0
    limits_px: tuple[float, float] = (6.0, 333.0)
    at_12_px: float = 0.5
    with_size: float = 2.0
    with_relief: float = 2.0
    bias: float = 0.03
    scatter: float = 0.12
    purity: float = 0.8
    false_slope: float = 4.0
    parting: float = 2.5
    erosion: tuple[float, float] = (0.0, 0.8)

    def finds(self, diameter_km: Floats, erosion: Floats) -> Floats:
        """Probability of detection."""
        z = self.at_12_px + self.with_size * np.log(diameter_km * 1000 / self.metres_per_px / 12)
        return np.asarray(1 / (1 + np.exp(-z - self.with_relief * np.log1p(-erosion))))

    def mean(self, diameter_km: Floats) -> Floats:
        """Probability of detection over all erosions."""
        e = np.linspace(*self.erosion, 201)
        return np.asarray(self.finds(diameter_km[:, None], e[None]).mean(1))

    def completeness(self, n: int, rng: np.random.Generator) -> Completeness:
        """What `n` injected craters tell about it."""
        d = np.exp(rng.uniform(np.log(self.limits_px[0]), np.log(self.limits_px[1]), n))
        e = rng.uniform(*self.erosion, n)
        hit = rng.uniform(size=n) < self.finds(d * self.metres_per_px / 1000, e)
        seen = d * np.exp(rng.normal(self.bias, self.scatter, n))
        nothing = np.zeros(0)
        return Completeness(
            diameter_px=d, erosion=e, metres_per_px=np.full(n, self.metres_per_px),
            found_px=np.where(hit, seen, np.nan), score=np.where(hit, 1.0, np.nan),
            catalogue_px=nothing, catalogue_score=nothing, limits_px=self.limits_px, erosion_range=self.erosion,
            area_km2=1.0, body="Moon", source="", model="simulated", weights_sha256="", threshold=0.0, seed=0,
            sun_azimuth_deg=0.0, incidence_deg=60.0, black=0.0,
        )  # fmt: skip

    def rate(self, s: System) -> tuple[Floats, Floats]:
        """ln diameters (km) and the real detections there per km2, unit of ln diameter and unit of N(1)."""
        low, high = np.log([max(RANGE_KM[0] / 2.5, s.production.range_km[0]), RANGE_KM[1] * 2])
        x = np.linspace(low, high, 2001)
        step = x[1] - x[0]
        true = s.production.differential(np.exp(x)) * np.exp(x) * self.mean(np.exp(x))
        lag = np.arange(-400, 401) * step
        kernel = np.exp(-0.5 * ((lag - self.bias) / self.scatter) ** 2)
        return x, np.convolve(true, kernel / kernel.sum(), "same")

    def expected(self, s: System) -> float:
        """Real detections in `RANGE_KM` per km2 and unit of N(1)."""
        x, rate = self.rate(s)
        inside = (x >= np.log(RANGE_KM[0])) & (x < np.log(RANGE_KM[1]))
        return float(rate[inside].sum() * (x[1] - x[0]))


def surface(s: System, n1: float, area_km2: float, low_km: float, high_km: float, rng: np.random.Generator) -> Floats:
    """Diameters (km) of the craters of one surface: a Poisson draw from the production function."""
    d = np.geomspace(low_km, high_km, 2000)
    n = s.production.cumulative(d, n1) * area_km2
    count = rng.poisson(n[0] - n[-1])
    return np.exp(np.interp(rng.uniform(n[-1], n[0], count), n[::-1], np.log(d[::-1])))


def detections(
    detector: Detector, s: System, n1: float, area_km2: float, presumed: float | None, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """What the detector gives of one surface: measured diameters (km) and scores.

    Parameters
    ----------
    presumed : float, optional
        Purity of the catalogues on which the scores were calibrated; default: that of surfaces like this one.
    """
    x, rate = detector.rate(s)
    real = detector.expected(s) * n1 * area_km2
    false = real * (1 / detector.purity - 1)
    d = surface(s, n1, area_km2, float(np.exp(x[0])), float(np.exp(x[-1])), rng)
    d = d[rng.uniform(size=d.size) < detector.finds(d, rng.uniform(*detector.erosion, d.size))]
    d = d * np.exp(rng.normal(detector.bias, detector.scatter, d.size))
    b, (low, high) = detector.false_slope, RANGE_KM
    u = rng.uniform(size=rng.poisson(false))
    wrong = (low**-b - u * (low**-b - high**-b)) ** (-1 / b)
    d = d[(d >= low) & (d < high)]
    is_real = np.concatenate([np.ones(d.size, bool), np.zeros(wrong.size, bool)])
    d = np.concatenate([d, wrong])
    half = detector.parting**2 / 2
    evidence = rng.normal(np.where(is_real, half, -half), detector.parting)  # the log of the ratio of its densities
    # The sizes are evidence too, as they are for a detector that knows the size of what it scores.
    size_real = np.interp(np.log(d), x, rate) / detector.expected(s)
    size_false = b * d**-b / (low**-b - high**-b)
    purity = detector.purity if presumed is None else presumed
    odds = np.log(size_real / size_false) + evidence + np.log(purity / (1 - purity))
    return d, 1 / (1 + np.exp(-odds))


def exact(prior: str, *, system: str = SYSTEM, expected: tuple[float, ...] = EXPECTED) -> dict[str, list[float]]:
    """Coverage of perfect counts at fixed ages, summed over the Poisson distribution: no noise of simulation.

    Returns
    -------
    dict
        By expected number of craters: the share of surfaces whose 1-sigma interval holds the age, for `AGES_GA`.
    """
    from scipy.stats import poisson

    s = find_system(system)
    per_n1 = float(-np.diff(s.production.cumulative(RANGE_KM))[0])
    out: dict[str, list[float]] = {}
    for mu in expected:
        row = []
        for t in AGES_GA:
            area = mu / (per_n1 * float(s.chronology.n1(t)))
            low, high = poisson.ppf([1e-6, 1 - 1e-6], mu)
            n = np.arange(low, high + 1)
            ages, _ = age_quantiles(n, area_km2=area, range_km=RANGE_KM, system=s, prior=prior)
            row.append(round(float(poisson.pmf(n, mu)[(ages[:, 0] <= t) & (t <= ages[:, 2])].sum()), 4))
        out[str(mu)] = row
    return out


def _shares(mu: Floats, ages_ga: Floats, inside: dict[str, list[bool]]) -> dict[str, Any]:
    """Coverage by expected number of craters, by age, and over all surfaces, with the number of surfaces."""
    rows: dict[str, Any] = {}
    for values, edges, unit in ((mu, GROUPS, ""), (ages_ga, AGE_GROUPS, " Ga")):
        group = np.digitize(values, edges[1:-1])
        for k, (low, high) in enumerate(pairwise(edges)):
            which = group == k
            rows[f"{low:g}-{high:g}{unit}"] = {"surfaces": int(which.sum())} | {
                name: round(float(np.mean(np.array(v)[which])), 4) for name, v in inside.items() if which.any()
            }
    rows["all"] = {"surfaces": len(mu)} | {name: round(float(np.mean(v)), 4) for name, v in inside.items()}
    return rows


def coverage(
    n: int = 500,
    *,
    seed: int = 0,
    system: str = SYSTEM,
    detector: Detector | None = None,
    injected: int = 2000,
    presumed: float = 0.65,
    parts: tuple[str, ...] = PARTS,
    progress: bool = True,
) -> dict[str, Any]:
    """How often the 1-sigma interval of an age holds the truth.

    Ages are uniform in 0.1 to 4 Ga; areas are such that 5 to 2,000 craters are expected (log-uniform) in 0.1 to 2 km.

    Parameters
    ----------
    n : int
        Surfaces of each kind.
    seed : int
    system : str
    detector : Detector, optional
    injected : int
        Craters that tell the completeness; each surface has its own.
    presumed : float
        Purity that the scores presume in the part where they were calibrated elsewhere.
    parts : tuple of str
        Of ``PARTS``.

    Returns
    -------
    dict
        `perfect`: `age` on all craters, by prior. `detected`: `naive` (every detection a crater, none missed) and
        `corrected` (prior "n1") with scores calibrated for such surfaces; `shifted`: with scores calibrated on
        catalogues of another purity, which is told (`corrected`) or not (`untold`). Each with rows by expected number
        of craters, by age, and `all`. `exact`: perfect counts at fixed ages (see there). 0.683 is nominal.
    """
    s, how = find_system(system), detector or Detector()
    rng = np.random.default_rng(seed)
    per_n1 = {"perfect": float(-np.diff(s.production.cumulative(RANGE_KM))[0]), "detected": how.expected(s)}
    out: dict[str, Any] = {"surfaces": n, "seed": seed, "system": system, "nominal": 0.6827}
    ages = rng.uniform(0.1, 4.0, n)
    mu = np.exp(rng.uniform(np.log(GROUPS[0]), np.log(GROUPS[-1]), n))

    def holds(a: Any, t: float) -> bool:
        return bool(a.lo_ga <= t <= a.hi_ga)

    inside: dict[str, dict[str, list[bool]]] = {
        "perfect": {p: [] for p in PRIORS},
        "detected": {"naive": [], "corrected": []},
        "shifted": {"naive": [], "untold": [], "corrected": []},
    }
    for t, m in progress_bar(list(zip(ages, mu, strict=True)), show=progress, desc="coverage", unit="surface"):
        n1 = float(s.chronology.n1(t))
        area = m / (per_n1["perfect"] * n1)
        d = surface(s, n1, area, *RANGE_KM, rng) * 1000
        for p in PRIORS if "perfect" in parts else ():
            a = age(d, area_km2=area, system=s, range_km=RANGE_KM, prior=p)
            inside["perfect"][p].append(holds(a, t))
        area = m / (per_n1["detected"] * n1)
        known = how.completeness(injected, rng)
        for part, purity in (("detected", None), ("shifted", presumed)):
            if part not in parts:
                continue
            d, score = detections(how, s, n1, area, purity, rng)
            options: dict[str, Any] = {"area_km2": area, "system": s, "range_km": RANGE_KM, "completeness": known}
            for name, told in (("untold", None), ("corrected", purity)):
                if name in inside[part]:
                    c = corrected_age(d * 1000, score=score, calibrated_purity=told, **options)
                    inside[part][name].append(holds(c, t))
            inside[part]["naive"].append(holds(c.naive, t))
    out |= {part: _shares(mu, ages, rows) for part, rows in inside.items() if part in parts}
    if "exact" in parts:
        out["exact"] = {"ages_ga": list(AGES_GA)} | {p: exact(p, system=system) for p in PRIORS}
    return out


def format_coverage(result: dict[str, Any]) -> str:
    """The tables of `coverage` as text."""
    lines = [f"coverage of 68.3 % intervals, {result['surfaces']} surfaces, {result['system']}, seed {result['seed']}"]
    for part in (p for p in PARTS[:3] if p in result):
        names = [k for k in result[part]["all"] if k != "surfaces"]
        lines += ["", f"{part:12}{'surfaces':>10}" + "".join(f"{k:>12}" for k in names)]
        for group, row in result[part].items():
            cells = "".join(f"{row.get(k, float('nan')):12.3f}" for k in names)
            lines.append(f"{group:12}{row['surfaces']:10d}{cells}")
    for prior in PRIORS if "exact" in result else ():
        lines += ["", f"exact, {prior:9}" + "".join(f"{t:8g}" for t in result["exact"]["ages_ga"]) + "  Ga"]
        lines += [f"{mu:>16}" + "".join(f"{v:8.3f}" for v in row) for mu, row in result["exact"][prior].items()]
    return "\n".join(lines)

"""Ages from a catalogue that misses craters, holds false ones, and measures diameters with an error.

The model, for the detections of a surface of area A with N(1) craters of 1 km and more per km2:

- Craters form with the production function: N(1) f(D) dD per km2. One is found with probability C(D), and its measured
  diameter is spread about the true one by K(d | D), log-normal with the bias and scatter that injections showed. Real
  detections with d in the range are therefore Poisson with mean N(1) E,
  E = A int f(D) C(D) P(d in range | D) dD. The slope of f makes more small craters look large than the reverse, so E
  holds the Eddington bias.
- False detections are Poisson with mean M0.
- Each detection bears a mark, its score. The calibration says p_i = m1 r1 / (m1 r1 + m0 r0), with r1, r0 the densities
  of a detection's marks (score and size) if real and if false, and m1 : m0 the mixture that the calibration is right
  for. Only r1 / r0 = (p_i / (1 - p_i)) (m0 / m1) is evidence about this surface; to use p_i itself would count that
  mixture as evidence once more. The likelihood of the marked Poisson process is
  L = exp(-M1 - M0) prod_i [ (M1 / m1) p_i + (M0 / m0) (1 - p_i) ],  M1 = N(1) E,
  with a log-normal prior of M0 about sum (1 - p_i), since a false rate is known to a factor only. It needs m1 : m0 to
  be told (`calibrated_purity`).
- Where it is not told, the p_i are taken to be right for this very catalogue. Then sum p_i detections are real, and
  L = exp(-M1) M1**(sum p_i): a width between that of a sum of probabilities that know the surface, sum p_i**2, and
  that of the marked process, sum p_i + sum p_i (1 - p_i).
- Where a false rate is told instead, scores would count the false ones twice: L = exp(-M1 - M0) (M1 + M0)**n.
- With all p_i = 1 each of them is the plain Poisson likelihood.
- The posterior of N(1) is the mean over curves C that agree with the injections; the age follows by the chronology.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from craterlab.errors import CraterlabError

from .ages import age
from .functions import System, epochs
from .functions import system as find_system
from .poisson import PRIORS, QUANTILES
from .result import Age
from .selection import diameters_km, resolve_area

if TYPE_CHECKING:
    from craterlab.completeness import Completeness

Floats = NDArray[np.float64]

_FALSE_SPREAD = 0.5  # standard deviation of the log of the false rate: calibrations differ from scene to scene by that
_DRAWS = 200
_HALF = 0.5  # share of craters found at the lower end of the default range


@dataclass(frozen=True, repr=False)
class CorrectedAge(Age):
    """Model age corrected for what the catalogue misses, invents and mismeasures.

    Attributes
    ----------
    naive : Age
        What the same detections give if all are taken for craters and none for missed.
    n_real : float
        Expected craters among the `n` detections in the range: the sum of their probabilities.
    found_share : float
        Of the craters that the production function forms in the range, the share detected there.
    """

    naive: Age | None = None
    n_real: float = float("nan")
    found_share: float = float("nan")

    def to_dict(self) -> dict[str, Any]:
        """All attributes as plain Python values, for JSON."""
        out = super().to_dict()
        out["naive"] = None if self.naive is None else self.naive.to_dict()
        return out

    def __repr__(self) -> str:
        naive = "" if self.naive is None else f", naive={self.naive.text}"
        return (
            f"CorrectedAge({self.text}, N(1)={self.n1_per_km2:.3e} per km2, n={self.n} real {self.n_real:.4g}, "
            f"found {self.found_share:.0%}, {self.range_km[0]:.4g}-{self.range_km[1]:.4g} km, system={self.system!r}, "
            f"prior={self.prior!r}{naive})"
        )


def corrected_age(
    craters: Any,
    *,
    area_km2: float | None = None,
    system: str | System,
    range_km: tuple[float, float] | None = None,
    completeness: Completeness,
    prior: str = "n1",
    method: str = "poisson",
    binning: str = "none",
    score: ArrayLike | None = None,
    diameter_std: float | None = None,
    false_rate: float | None = None,
    false_spread: float = _FALSE_SPREAD,
    calibrated_purity: float | None = None,
    seed: int = 0,
) -> CorrectedAge:
    """Model age from a probabilistic catalogue.

    Parameters
    ----------
    craters : GeoDataFrame or array_like of float, shape (n,)
        Crater table with `diameter_m` and `score` (probability 0..1), or diameters in metres. Empty: an upper limit.
    area_km2, system, method
        As for `age`.
    range_km : (float, float), optional
        Measured diameters to count, lower <= d < upper, km, within those that `completeness` measured. Default: from
        where half of the craters are found up to the largest that were injected.
    completeness : Completeness
        Of the scene that the craters were found in, with the same model.
    prior : {"n1", "jeffreys", "time"}
        As for `age`.
    binning : {"none"}
        Ranges are not widened to bins.
    score : array_like, shape (n,), optional
        Probabilities for craters given as an array; default: all are real.
    diameter_std : float, optional
        Scatter of ln(measured / true diameter); default: that of the injections.
    false_rate : float, optional
        False detections per km2 in the range, known from elsewhere; the scores are then not used.
    false_spread : float
        Standard deviation of the log of the false rate (0: it is exact).
    calibrated_purity : float, optional
        Share of real craters among the detections of the range on which the scores were calibrated. Default: the
        calibration is taken to hold for this very catalogue.
    seed : int
        Of the draws of the completeness curve.

    Returns
    -------
    CorrectedAge
        The posterior's median and 1-sigma bounds; `naive` is the age without corrections.

    Raises
    ------
    CraterlabError
        As `age`; and where `completeness` belongs to another body, scene, model or threshold, has no scale, or was not
        measured over the range.

    Notes
    -----
    The module's docstring derives the likelihood (mixture proportions with classifiers: Saerens et al. 2002, Neural
    Comput. 14, 21; ages: Michael et al. 2016, Icarus 277, 279).
    """
    if method != "poisson" or binning != "none":
        raise CraterlabError(f"a corrected age takes method='poisson' and binning='none'; got {method!r}, {binning!r}")
    if prior not in PRIORS:
        raise CraterlabError(f"unknown prior {prior!r}; there are {', '.join(map(repr, PRIORS))}")
    s = find_system(system)
    area = resolve_area(craters, area_km2)
    d_km = diameters_km(craters)
    p = _scores(craters, score, d_km.size)
    completeness = _fitting(completeness, craters, p)
    span, reason = _range(range_km, completeness, s)
    inside = (d_km >= span[0] * (1 - 1e-9)) & (d_km < span[1] * (1 - 1e-9))
    p = p[inside]
    std = completeness.size_std if diameter_std is None else float(diameter_std)
    if not (np.isfinite(std) and std >= 0):
        raise CraterlabError(f"diameter_std is the scatter of ln diameter, 0 or more; got {diameter_std!r}")
    exposure, share = _exposures(s, span, area, completeness, completeness.size_bias, std, seed)

    grid, log_l = _log_likelihood(p, area, false_rate, false_spread, calibrated_purity)
    ages, density = _posterior(grid, log_l, exposure, s, prior)
    naive = age(craters, area_km2=area, system=s, range_km=span, prior=prior)
    notes = list(naive.notes) + [n for n in completeness.notes if n not in naive.notes]
    if p.size and calibrated_purity is None and p.mean() < 0.5:
        notes.append(f"of {p.size} detections only {p.sum():.0f} are craters by their scores: raise the threshold")
    record = {f.name: getattr(naive, f.name) for f in fields(naive)}
    record |= {
        "age_ga": float(ages[1]), "lo_ga": float(ages[0]), "hi_ga": float(ages[2]),
        "n1_per_km2": float(density[1]), "n1_lo": float(density[0]), "n1_hi": float(density[2]),
        "n": int(p.size), "range_reason": reason, "method": "poisson, corrected for completeness",
        "epoch": next((e.name for e in epochs(s) if e.end_ga <= ages[1] < e.start_ga), ""), "notes": tuple(notes),
    }  # fmt: skip
    return CorrectedAge(**record, naive=naive, n_real=float(p.sum()), found_share=share)


def _scores(craters: Any, score: ArrayLike | None, n: int) -> Floats:
    if score is None:
        score = craters["score"] if hasattr(craters, "columns") and "score" in craters else np.ones(n)
    p = np.asarray(score, float)
    if p.shape != (n,) or not ((p >= 0) & (p <= 1)).all():
        raise CraterlabError(f"scores are one probability from 0 to 1 for each of the {n} craters; got shape {p.shape}")
    return p


def _fitting(c: Completeness, craters: Any, p: Floats) -> Completeness:
    """The completeness at the threshold of these craters, if it is theirs at all."""
    if not hasattr(c, "draws"):
        raise CraterlabError(
            f"completeness= wants what craterlab.completeness(scene) gives, or None; got {type(c).__name__}"
        )
    if c.unit != "m":
        raise CraterlabError("this completeness was measured in a scene without a scale; open it with pixel_size=")
    attrs = getattr(craters, "attrs", {})
    for name, wanted, own in (
        ("model", c.weights_sha256, attrs.get("weights_sha256")),
        ("scene", c.source, attrs.get("scene")),
    ):
        if wanted and own and wanted != own:
            raise CraterlabError(
                f"the completeness is of another {name} ({wanted}) than the craters ({own}); measure it on theirs: "
                "craterlab.completeness(scene, model=...)"
            )
    if c.body and getattr(craters, "crs", None) is not None:
        from craterlab.bodies import body_of

        body = body_of(craters.crs).name
        if body != c.body:
            raise CraterlabError(f"the completeness was measured on {c.body}, the craters lie on {body}")
    threshold = attrs.get("config", {}).get("threshold") if isinstance(attrs.get("config"), dict) else None
    if threshold is not None and threshold > c.threshold + 1e-9:
        return c.at_threshold(float(threshold))
    if p.size and p.min() < c.threshold - 1e-9:
        raise CraterlabError(
            f"craters of scores down to {p.min():.2f} are counted, but completeness was measured for {c.threshold:.2f} "
            f"and more: drop the others, or measure again with completeness(scene, threshold={p.min():.2f})"
        )
    return c


def _range(range_km: tuple[float, float] | None, c: Completeness, s: System) -> tuple[tuple[float, float], str]:
    from craterlab.completeness.result import half_found

    low, high = c.range_km
    if range_km is None:
        start = half_found(c, _HALF) / 1000
        if not np.isfinite(start):
            raise CraterlabError("at no diameter measured are half of the craters found; give range_km= yourself")
        span = max(start, s.production.range_km[0]), min(high, s.production.range_km[1])
        reason = f"from where half of the craters are found to the largest injected ({span[0]:.4g}-{span[1]:.4g} km)"
    else:
        try:
            lo, hi = (float(v) for v in range_km)
        except (TypeError, ValueError):
            raise CraterlabError(f"range_km must be two diameters in km, e.g. (0.2, 0.7); got {range_km!r}") from None
        if not 0 <= lo < hi:
            raise CraterlabError(f"range_km must run from small to large, e.g. (0.2, 0.7); got {range_km!r}")
        if lo < low * (1 - 1e-6) or hi > high * (1 + 1e-6):
            raise CraterlabError(
                f"completeness was measured from {low:.4g} to {high:.4g} km, the range is {lo:g}-{hi:g} km; choose "
                "range_km= inside, or measure with other min_diameter_px= and max_diameter_px="
            )
        span, reason = (max(lo, s.production.range_km[0]), min(hi, s.production.range_km[1])), "given"
    if not span[0] < span[1]:
        raise CraterlabError(
            f"completeness ({low:.4g}-{high:.4g} km) and the production function {s.production.name!r} "
            f"({s.production.range_km[0]:.4g}-{s.production.range_km[1]:.4g} km) share no diameters in that range"
        )
    return span, reason


def _exposures(
    s: System, span: tuple[float, float], area: float, c: Completeness, bias: float, std: float, seed: int
) -> tuple[Floats, float]:
    """E for each drawn curve, shape (draws,): expected real detections in the range over N(1); and the share found."""
    from scipy.stats import norm

    reach = abs(bias) + 5 * std
    low = max(span[0] * np.exp(-reach), s.production.range_km[0])
    high = min(span[1] * np.exp(reach), s.production.range_km[1])
    edge = np.geomspace(low, high, 801)
    if std == 0:  # the ends of the range are steps: let them be nodes
        ends = [v for v in np.array(span) * np.exp(-bias) if low < v < high]
        edge = np.unique(np.concatenate([edge, ends]))
    middle = np.sqrt(edge[1:] * edge[:-1])
    formed = -np.diff(s.production.cumulative(edge))
    x = np.log(middle) + bias
    if std > 0:
        kept = norm.cdf((np.log(span[1]) - x) / std) - norm.cdf((np.log(span[0]) - x) / std)
    else:
        kept = ((x >= np.log(span[0]) - 1e-12) & (x < np.log(span[1]) + 1e-12)).astype(float)
    curves = c.draws(middle * 1000, _DRAWS, seed=seed)
    in_range = float(-np.diff(s.production.cumulative(span))[0])
    exposure = area * (curves * (formed * kept)).sum(1)
    if not (exposure > 0).all() or not in_range > 0:
        raise CraterlabError(f"no crater is expected to be found from {span[0]:.4g} to {span[1]:.4g} km")
    return exposure, float(np.median(exposure) / area / in_range)


def _log_likelihood(
    p: Floats, area: float, false_rate: float | None, spread: float, purity: float | None
) -> tuple[Floats, Floats]:
    """ln L of the expected number of real detections, by what is known of the false ones: a grid of M1, and values."""
    if false_rate is not None and purity is not None:
        raise CraterlabError("give false_rate= or calibrated_purity=, not both: each tells of the false detections")
    if not (np.isfinite(spread) and spread >= 0):
        raise CraterlabError(f"false_spread is the scatter of a logarithm, 0 or more; got {spread!r}")
    if false_rate is not None:
        if not (np.isfinite(false_rate) and false_rate >= 0):
            raise CraterlabError(f"false_rate is a number of false detections per km2, 0 or more; got {false_rate!r}")
        return _marked(np.array([0.5]), np.array([float(p.size)]), 1.0, 1.0, float(false_rate) * area, spread)
    if purity is None:
        return _marked(np.ones(1), np.array([p.sum()]), 1.0, 1.0, 0.0, 0.0)
    if not 0 < purity < 1:
        raise CraterlabError(f"calibrated_purity is a share between 0 and 1, got {purity!r}")
    n = max(p.size, 1)
    return _marked(*_alike(p), n * purity, n * (1 - purity), float((1 - p).sum()), spread)


def _marked(
    value: Floats, count: Floats, m1: float, m0: float, false_mean: float, spread: float
) -> tuple[Floats, Floats]:
    """ln L of the marked process, `count` detections of score `value`, with M0 integrated out."""
    value, count = value[count > 0], count[count > 0]
    n = count.sum()
    top = n + 12 * np.sqrt(n + 1) + 20
    grid = np.unique(np.concatenate([[0.0], np.geomspace(1e-4, top, 250), np.linspace(0, top, 700)]))
    if false_mean <= 0 or spread == 0:
        node, weight = np.array([false_mean]), np.array([1.0])
    else:
        # The scores tell M0 to about its root at best: the nodes are closer than that.
        z = np.linspace(-4, 4, int(np.clip(16 * spread * np.sqrt(false_mean + 1), 31, 401)))
        node, weight = false_mean * np.exp(spread * z), np.exp(-0.5 * z**2)
        weight = weight / weight.sum()
    log_l = np.empty((node.size, grid.size))
    for k, false in enumerate(node):
        with np.errstate(divide="ignore"):
            term = np.log(grid[:, None] / m1 * value + false / m0 * (1 - value))
        log_l[k] = term @ count - grid - false + np.log(weight[k])
    peak = log_l.max()
    return grid, peak + np.log(np.maximum(np.exp(log_l - peak).sum(0), 1e-300))


def _alike(p: Floats) -> tuple[Floats, Floats]:
    """Mean score and number of detections in bins a quarter wide in log odds: as good as one by one, and quick."""
    with np.errstate(divide="ignore"):
        bins = np.clip(np.round(4 * (np.log(p) - np.log1p(-p))), -60, 60)
    _, which, count = np.unique(bins, return_inverse=True, return_counts=True)
    return np.bincount(which, p, count.size) / np.maximum(count, 1), count.astype(float)


def _posterior(grid: Floats, log_l: Floats, exposure: Floats, s: System, prior: str) -> tuple[Floats, Floats]:
    """Quantiles of age and density: the mean over the curves of likelihood times prior, on a grid of N(1)."""
    likely = grid[log_l > log_l.max() - 30]
    low = max(likely.min(), grid[1]) / exposure.max() / 3
    high = likely.max() / exposure.min() * 1.5
    end = float(s.chronology.n1(s.chronology.max_age_ga))
    if prior == "time":
        # Ages end: a density beyond the chronology piles up at its end.
        high = min(high, end)
        low = min(low, high * 0.5)
    n1 = np.unique(np.concatenate([np.geomspace(low * 1e-3, high, 1000), np.linspace(0, high, 2001)[1:]]))
    log_p = np.full((exposure.size, n1.size), -np.inf)
    for k, e in enumerate(exposure):
        log_p[k] = np.interp(n1 * e, grid, log_l, right=-np.inf)
    p = np.exp(log_p - log_p.max()).mean(0)
    if prior == "jeffreys":
        p = p / np.sqrt(n1)
    elif prior == "time":
        p = p / s.chronology.rate(s.chronology.inverse(n1))
    step = np.diff(n1, prepend=0.0)
    mass = np.concatenate([[p[0]], (p[1:] + p[:-1]) / 2]) * step
    if prior == "jeffreys":
        mass[0] = 2 * p[0] * step[0]  # the integral of x**-1/2 from nought
    cdf = np.cumsum(mass)
    density = np.interp(QUANTILES, np.concatenate([[0], cdf]) / cdf[-1], np.concatenate([[0], n1]))
    return s.chronology.inverse(density), density

"""The age from a probabilistic catalogue: exact where the answer is known, and honest on simulated surfaces."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest

import craterlab as cl
from craterlab.bench import dating_coverage as bench
from craterlab.dating import age_quantiles, system
from craterlab.dating.corrected import _exposures, corrected_age
from craterlab.dating.poisson import PRIORS

SYSTEM = "Moon, Neukum (1983)"
RANGE = (0.1, 2.0)
DETECTOR = bench.Detector()
OPTIONS = {"area_km2": 100.0, "system": SYSTEM, "range_km": RANGE}


@pytest.fixture(scope="module")
def known():
    return DETECTOR.completeness(2000, np.random.default_rng(0))


class Perfect:
    """A detector that finds everything and errs in nothing."""

    unit, weights_sha256, source, body, threshold, notes = "m", "", "", "", 0.0, ()
    size_bias, size_std, range_km, limits_px, scale_m = 0.0, 0.0, (0.05, 5.0), (6.0, 333.0), 10.0

    def __init__(self, share: float = 1.0) -> None:
        self.share = share

    def draws(self, d, size=200, *, seed=0):
        return np.full((size, len(d)), self.share)

    def probability(self, d, erosion=None):
        return np.full(np.shape(d), self.share)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("n", [0, 1, 7, 300])
def test_a_perfect_catalogue_gives_the_plain_age(n, prior):
    a = corrected_age(np.full(n, 300.0), completeness=Perfect(), prior=prior, **OPTIONS)
    for name in ("age_ga", "lo_ga", "hi_ga", "n1_per_km2", "n1_lo", "n1_hi"):
        assert getattr(a, name) == pytest.approx(getattr(a.naive, name), rel=3e-4), name
    assert a.upper_limit == (n == 0)
    assert a.n == n and a.n_real == n
    assert isinstance(a, cl.Age)


def test_half_of_the_craters_found_is_twice_the_density():
    a = corrected_age(np.full(200, 300.0), completeness=Perfect(0.5), **OPTIONS)
    assert a.n1_per_km2 == pytest.approx(2 * a.naive.n1_per_km2, rel=1e-3)
    assert a.found_share == pytest.approx(0.5, rel=1e-3)
    assert a.age_ga > a.naive.age_ga


def test_half_probabilities_are_half_the_craters():
    a = corrected_age(np.full(200, 300.0), completeness=Perfect(), score=np.full(200, 0.5), **OPTIONS)
    _, density = age_quantiles(100, area_km2=100.0, range_km=RANGE, system=SYSTEM)
    np.testing.assert_allclose([a.n1_lo, a.n1_per_km2, a.n1_hi], density, rtol=1e-3)


def test_a_false_rate_known_exactly_is_a_known_background():
    """The posterior of a Poisson mean over a known background b: Gamma(n + 1) of M + b, cut at b (flat prior)."""
    from scipy.stats import gamma

    n, b = 40, 12.0
    a = corrected_age(np.full(n, 300.0), completeness=Perfect(), false_rate=b / 100.0, false_spread=0.0, **OPTIONS)
    exposure = 100.0 * float(-np.diff(system(SYSTEM).production.cumulative(RANGE))[0])
    law = gamma(n + 1)
    q = np.array([0.15865525, 0.5, 0.84134475])
    expected = (law.isf((1 - q) * law.sf(b)) - b) / exposure
    np.testing.assert_allclose([a.n1_lo, a.n1_per_km2, a.n1_hi], expected, rtol=2e-3)


def test_scores_of_a_told_mixture_are_evidence_and_not_counts():
    """Scores that say nothing beyond a presumed purity leave the split open; sure ones leave nothing open."""
    rng = np.random.default_rng(0)
    sure = np.where(rng.uniform(size=300) < 0.4, 0.999, 0.001)
    a = corrected_age(np.full(300, 300.0), completeness=Perfect(), score=sure, calibrated_purity=0.8, **OPTIONS)
    _, density = age_quantiles((sure > 0.5).sum(), area_km2=100.0, range_km=RANGE, system=SYSTEM)
    assert a.n1_per_km2 == pytest.approx(density[1], rel=0.02)
    vague = corrected_age(
        np.full(300, 300.0), completeness=Perfect(), score=np.full(300, 0.8), calibrated_purity=0.8, **OPTIONS
    )
    assert vague.n1_hi - vague.n1_lo > 1.5 * (a.n1_hi - a.n1_lo)


def test_scatter_on_a_steep_slope_makes_more_craters_seem_large(known):
    """The count above a limit grows by exp(b**2 s**2 / 2) for a power law of slope -b (Eddington 1913)."""
    s = system(SYSTEM)
    sharp, _ = _exposures(s, (0.3, 0.6), 1.0, Perfect(), 0.0, 0.0, 0)
    blurred, _ = _exposures(s, (0.3, 0.6), 1.0, Perfect(), 0.0, 0.15, 0)
    p = s.production
    b = -np.diff(np.log(p.cumulative([0.29, 0.31])))[0] / np.log(0.31 / 0.29)
    assert blurred[0] / sharp[0] == pytest.approx(np.exp(b**2 * 0.15**2 / 2), rel=0.04)


def test_exposure_agrees_with_a_simulated_detector(known):
    s = system(SYSTEM)
    exposure, _ = _exposures(s, RANGE, 1.0, known, known.size_bias, known.size_std, 0)
    assert abs(exposure.mean() - DETECTOR.expected(s)) < 4 * exposure.std()
    assert 0.005 < exposure.std() / exposure.mean() < 0.1


def test_the_corrected_age_holds_the_truth_and_the_naive_one_does_not():
    """A small part of `bench.dating_coverage.coverage`; with 40 surfaces three sigma are 0.22."""
    r = bench.coverage(40, seed=3, progress=False, parts=("detected",))
    assert abs(r["detected"]["all"]["corrected"] - 0.683) < 0.22
    assert r["detected"]["all"]["naive"] < 0.25


@pytest.mark.slow
def test_coverage_of_all_ages():
    """500 surfaces: 63 to 73 %, which for a true 68.3 % is missed by chance once in 50.

    Scores that are right for each very surface know more of it than the posterior takes them to: there the intervals
    are somewhat wide (0.73 of 1,000 surfaces), and the bound is 76 %.
    """
    r = bench.coverage(500, seed=0, progress=False)
    for prior in PRIORS:
        assert 0.63 <= r["perfect"]["all"][prior] <= 0.73
    assert 0.63 <= r["detected"]["all"]["corrected"] <= 0.76
    assert 0.63 <= r["shifted"]["all"]["corrected"] <= 0.73
    assert max(r["detected"]["all"]["naive"], r["shifted"]["all"]["naive"]) < 0.1
    assert "corrected" in bench.format_coverage(r)


def test_exact_coverage_is_nominal_for_many_craters():
    r = bench.exact("n1", expected=(2000,))
    np.testing.assert_allclose(r["2000"], 0.683, atol=0.01)


def test_an_empty_catalogue_is_an_upper_limit(known):
    a = corrected_age([], completeness=known, **OPTIONS)
    assert a.upper_limit and a.text.startswith("<")
    assert a.hi_ga > a.naive.hi_ga  # nothing was found, but not all would have been


def test_default_range_starts_where_half_are_found(known):
    a = corrected_age([300.0], area_km2=100.0, system=SYSTEM, completeness=known)
    assert float(known.probability(a.range_km[0] * 1000)) == pytest.approx(0.5, abs=0.05)
    assert "half" in a.range_reason and "naive" in repr(a)
    record = a.to_dict()
    assert record["naive"]["n"] == 1 and record["range_km"] == list(a.range_km)


def _table(attrs=None, crs=None):
    table = gpd.GeoDataFrame({"diameter_m": [300.0, 500.0], "score": [0.9, 0.7]}, geometry=[None, None], crs=crs)
    table.attrs.update(attrs or {})
    return table


@pytest.mark.parametrize(
    ("change", "attrs", "says"),
    [
        ({"weights_sha256": "a"}, {"weights_sha256": "b"}, "another model"),
        ({"source": "a.tif"}, {"scene": "b.tif"}, "another scene"),
        ({"threshold": 0.8}, {}, "drop the others"),
        ({"metres_per_px": np.full(2000, np.nan)}, {}, "without a scale"),
    ],
)
def test_completeness_of_something_else_is_refused(known, change, attrs, says):
    with pytest.raises(cl.CraterlabError, match=says):
        corrected_age(_table(attrs), completeness=replace(known, **change), **OPTIONS)


def test_completeness_of_another_body_is_refused(known):
    with pytest.raises(cl.CraterlabError, match="measured on Moon, the craters lie on Mars"):
        corrected_age(_table(crs=cl.body("Mars").crs), completeness=known, **OPTIONS)


def test_a_stricter_catalogue_takes_a_stricter_completeness(known):
    scored = replace(known, score=np.where(known.found, np.linspace(0.5, 1, 2000), np.nan))
    loose = corrected_age(_table(), completeness=scored, **OPTIONS)
    strict = corrected_age(_table({"config": {"threshold": 0.7}}), completeness=scored, **OPTIONS)
    assert strict.found_share < loose.found_share


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"range_km": (0.01, 1)}, "measured from"),
        ({"range_km": (0.1, 50)}, "measured from"),
        ({"range_km": (2, 1)}, "small to large"),
        ({"range_km": 3}, "two diameters"),
        ({"score": [0.5, 1.5]}, "from 0 to 1"),
        ({"score": [0.5]}, "each of the 2"),
        ({"prior": "flat"}, "unknown prior"),
        ({"method": "fit"}, "method='poisson'"),
        ({"false_rate": -1}, "0 or more"),
        ({"false_spread": -1}, "0 or more"),
        ({"diameter_std": -1}, "0 or more"),
        ({"calibrated_purity": 1.5}, "between 0 and 1"),
        ({"calibrated_purity": 0.5, "false_rate": 1.0}, "not both"),
        ({"completeness": 0.9}, "craterlab.completeness"),
    ],
)
def test_bad_input(known, options, says):
    with pytest.raises(cl.CraterlabError, match=says):
        corrected_age([300.0, 500.0], **(OPTIONS | {"completeness": known} | options))

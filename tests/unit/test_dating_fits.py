"""Fits, buffered counts, weights, ranges, and the live count."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma

import craterlab as cl
from craterlab import CraterlabError
from craterlab.catalog import Counts
from craterlab.dating import LiveCount, age_quantiles, suggest_range, synthetic_surface, system
from craterlab.dating.counting import Bins
from craterlab.dating.fits import fit

MARS = "Mars, Neukum-Ivanov (2001)"
PHOBOS = "Phobos, Case A - SOM, Schmedemann et al (2014)"


def surface(t, area_km2, span, seed=0, name=MARS):
    return system(name).rvs(area_km2, t, np.random.default_rng(seed), range_km=span)


# fits


def test_fits_of_two_bins_by_hand():
    d = [1100.0] * 8 + [1600.0] * 2
    p = system(MARS).production
    c = cl.age(d, area_km2=50.0, system=MARS, range_km=(1, 2), method="c-fit", fit_error="first-bin")
    # points at 1.1 km (10 craters) and 1.5 km (2), weights 10 and 2
    logs = np.log10(np.array([10, 2]) / 50 / p.cumulative([1.1, 1.5]))
    assert np.log10(c.n1_per_km2) == pytest.approx((10 * logs[0] + 2 * logs[1]) / 12, rel=1e-12)
    assert c.n1_hi / c.n1_per_km2 - 1 == pytest.approx(0.98 / np.sqrt(10), rel=1e-12)
    f = cl.age(d, area_km2=50.0, system=MARS, range_km=(1, 2), method="d-fit", fit_error="first-bin")
    lo, hi, n = np.array([1.1, 1.5]), np.array([1.2, 1.7]), np.array([8, 2])
    raw = n / 50 / (hi - lo)
    y = cl.sfd(d, area_km2=50.0, kind="differential", production="Mars, Ivanov (2001)").density
    weight = raw / np.sqrt(n)
    logs = np.log10(y / p.differential(np.sqrt(lo * hi)))
    assert np.log10(f.n1_per_km2) == pytest.approx((weight * logs).sum() / weight.sum(), rel=1e-12)
    assert 1 - f.n1_lo / f.n1_per_km2 == pytest.approx(0.98 / np.sqrt(8) * raw[0] / y[0], rel=1e-12)
    assert (c.n, f.n, c.binning, c.fit_error) == (10, 10, "pseudo-log", "first-bin")
    assert "fit_error='first-bin'" in repr(c) and "prior" not in c.choices


@pytest.mark.parametrize(("method", "options"), [("c-fit", {}), ("d-fit", {}), ("c-fit", {"resurfacing": True})])
def test_the_error_of_a_fit_is_its_scatter(method, options):
    """Fitted N(1) of many surfaces alike scatters as much as the bounds say, and its mean is the truth."""
    s, t, span = system(MARS), 2.0, (0.5, 5.0)
    # with empty bins, which it leaves out, a differential fit is high
    area = 3e4 if method == "d-fit" else 3000.0
    rng = np.random.default_rng(5)
    made = []
    for _ in range(150):
        d = s.rvs(area, t, rng, range_km=(0.5, 30))
        if options:  # an older population above the range, which the correction must not see
            d = np.concatenate([d[d < 5000], np.full(12, 9000.0)])
        made.append(cl.age(d, area_km2=area, system=s, range_km=span, method=method, **options))
    logs = np.log10([a.n1_per_km2 for a in made])
    said = np.mean([np.log10(a.n1_hi / a.n1_lo) / 2 for a in made])
    # 150 surfaces know their scatter to 6 %
    assert said == pytest.approx(logs.std(), rel=0.2)
    truth = np.log10(float(s.chronology.n1(t)))
    assert logs.mean() == pytest.approx(truth, abs=4 * logs.std() / np.sqrt(150) + 0.01)


def test_resurfacing_takes_the_older_craters_out_of_a_cumulative_fit():
    s = system(MARS)
    craters = synthetic_surface(2e4, 3.7, s, resurfaced=[(3.0, 1.0)], range_km=(0.3, 40), seed=3)
    options = {"area_km2": 2e4, "system": s, "range_km": (0.3, 1.0), "method": "c-fit"}
    plain, corrected = cl.age(craters, **options), cl.age(craters, **options, resurfacing=True)
    assert corrected.age_ga == pytest.approx(3.0, rel=0.06) and plain.age_ga > corrected.age_ga * 1.05
    assert corrected.lo_ga < corrected.age_ga < corrected.hi_ga
    assert corrected.resurfacing and "resurfacing=True" in repr(corrected)
    older = cl.age(craters, area_km2=2e4, system=s, range_km=(1.2, 40))
    assert older.lo_ga - 0.05 < 3.7 < older.hi_ga + 0.05


def test_resurfacing_of_a_whole_count_changes_nothing_but_the_tail():
    # all craters in the range, production exactly followed: the predicted tail is what is missing
    p = system(MARS).production
    edges = np.geomspace(0.2, 2.0, 11)
    counts = -np.diff(p.cumulative(edges)) * 100.0
    bins = Bins(edges[:-1], edges[1:], counts, counts)
    found = fit(bins, p, 1e4, (0.2, 2.0), method="c-fit", resurfacing=True, binning="as counted")
    assert found.n1 == pytest.approx(100 / 1e4, rel=1e-9)
    assert found.n1_lo < found.n1 < found.n1_hi


def test_unbinned_and_binned_counts_can_be_fitted():
    d = surface(3.0, 2000.0, (0.5, 20))
    whole = cl.age(d, area_km2=2000.0, system=MARS, range_km=(0.5, 20), method="c-fit", binning="none")
    assert whole.age_ga == pytest.approx(3.0, rel=0.1)
    c = Counts(np.array([0.5, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.array([90, 19, 1]), 80.0, "x.stat")
    a = cl.age(c, system=MARS, range_km=(0.5, 2.5), method="d-fit")
    assert a.binning == "as counted" and a.n == 109 and len(a.notes) == 1 and "reaches over" in a.notes[0]


def test_a_fit_of_nothing_is_an_upper_limit():
    a = cl.age([], area_km2=10.0, system=MARS, method="d-fit")
    assert a.upper_limit and a.method == "poisson" and any("no crater to fit" in n for n in a.notes)
    one = cl.age([1100.0], area_km2=100.0, system=MARS, range_km=(1, 2), method="d-fit")
    assert one.n == 1 and one.lo_ga < one.age_ga < one.hi_ga
    assert any("comes out high for few craters" in n for n in one.notes)
    with pytest.raises(CraterlabError, match="no bin of the count lies wholly"):
        cl.age([9000.0], area_km2=1.0, system=PHOBOS, range_km=(8, 16), method="c-fit", binning="x2")


# buffered counts


def test_buffered_exposure_is_the_integral():
    from scipy.integrate import quad

    from craterlab.dating.poisson import exposure

    p = system(MARS).production
    area = lambda d: 30 + d * 40 / 2 + np.pi * d**2 / 4  # noqa: E731
    ours = exposure(p, 30.0, (0.2, 2.0), 40.0)
    assert ours == pytest.approx(quad(lambda d: float(p.differential(d)) * area(d), 0.2, 2.0)[0], rel=1e-6)
    assert exposure(p, 30.0, (0.2, 2.0)) < ours


def test_buffered_counts_give_the_age_of_the_surface():
    """Craters that reach into a square: centres within the area and half a diameter around it."""
    s, t, side = system(MARS), 3.4, 12.0
    rng = np.random.default_rng(2)
    found = []
    for _ in range(40):
        d = s.rvs(60.0**2, t, rng, range_km=(0.8, 8)) / 1000
        x, y = rng.uniform(-30, 30, (2, d.size))
        away = np.hypot(np.maximum(abs(x) - side / 2, 0), np.maximum(abs(y) - side / 2, 0))
        found += [int((away <= d / 2).sum())]
    a, n1 = age_quantiles(
        sum(found), area_km2=side**2 * 40, perimeter_km=4 * side * 40, range_km=(0.8, 8), system=s, q=[0.001, 0.999]
    )
    # 40 areas: the round corners count 40 times too, as one area and perimeter 40 times as large do not; 1 in 300
    assert a[0] < t < a[1] and n1[0] < float(s.chronology.n1(t)) < n1[1]


# weights


def table(**columns):
    return pd.DataFrame({"diameter_m": [1100.0, 1200.0, 1300.0, 1400.0], **columns})


def test_secondaries_are_kept_dropped_or_weighted():
    t = table(secondary=[True, False, False, False], secondary_probability=[0.9, 0.2, np.nan, 0.0])
    options = {"area_km2": 100.0, "system": MARS, "range_km": (1, 2)}
    keep, drop, weight = (cl.age(t, **options, secondaries=how) for how in ("keep", "drop", "weight"))
    assert (keep.n, drop.n) == (4, 3) and weight.n == pytest.approx(0.1 + 0.8 + 1 + 1)
    assert weight.n1_per_km2 == pytest.approx(gamma.ppf(0.5, weight.n + 1) / weight.exposure, rel=1e-12)
    assert "secondaries='drop'" in repr(drop) and "1 secondaries left out" in drop.notes[0]
    assert "2 of them 1.1 less" in weight.notes[0]
    assert cl.sfd(t, area_km2=100.0, secondaries="weight").density[0] == pytest.approx(2.9 / 100)
    # without the mark the probability decides
    assert cl.age(t.drop(columns="secondary"), **options, secondaries="drop").n == 3
    with pytest.raises(CraterlabError, match="does not say which craters are ghost"):
        cl.age(t, **options, ghosts="drop")


def test_ghosts_morphology_and_refused_rows():
    t = table(
        morphology=["ghost", "secondary", "valid", None],
        p_ghost=[0.7, 0.0, 0.5, 0.1],
        confirm=[None, True, None, False],
    )
    options = {"area_km2": 100.0, "system": MARS, "range_km": (1, 2)}
    assert cl.age(t, **options).n == 3 and "confirm is False" in cl.age(t, **options).notes[0]
    assert cl.age(t, **options, ghosts="drop").n == 2
    assert cl.age(t, **options, ghosts="drop", secondaries="drop").n == 1
    assert cl.age(t, **options, ghosts="weight").n == pytest.approx(0.3 + 1 + 0.5)
    with pytest.raises(CraterlabError, match="from 0 to 1; row 2"):
        cl.age(t.assign(p_ghost=[0, 0, 1.5, 0]), **options, ghosts="weight")


def test_weights_carry_the_variance_of_count_and_doubt():
    """The sum of weights of a Poisson number of craters, each real with its own probability, scatters by its root."""
    rng = np.random.default_rng(4)
    p = rng.uniform(0, 1, (4000, 60)) * (np.arange(60) < rng.poisson(30, (4000, 1)))
    real = (rng.uniform(size=p.shape) < p).sum(1)
    assert np.var(real) == pytest.approx(p.sum(1).mean(), rel=0.07)


def test_partial_craters():
    t = table(fraction=[1.0, 0.5, 1.0, 1.0])
    options = {"area_km2": 100.0, "system": MARS, "range_km": (1, 2)}
    assert cl.age(t, **options).n == 4 and cl.age(t, **options, partial="fraction").n == 3.5
    assert (
        cl.age(t, **options, method="c-fit").n == 3.5 and cl.age(t, **options, method="c-fit", partial="whole").n == 4
    )
    s = cl.sfd(t, area_km2=1.0)
    assert s.n == 4 and s.counts.tolist() == [1, 0.5, 1, 1] and cl.sfd(t, area_km2=1.0, partial="whole").density[0] == 4
    # an event all the same: the error is that of one crater
    assert (s.hi - s.density)[0] == pytest.approx(3.5 / np.sqrt(4))
    with pytest.raises(CraterlabError, match="fraction must be above 0"):
        cl.age(t.assign(fraction=[1, 0, 1, 1]), **options)


def test_bodies_are_not_mixed():
    with pytest.raises(CraterlabError, match="several bodies"):
        cl.age(table(body=["Mars", "Moon", "Mars", None]), area_km2=1.0, system=MARS)
    t = table(body="Moon")
    assert "lie on Moon" in cl.age(t, area_km2=100.0, system=MARS, range_km=(1, 2)).notes[0]
    t = table()
    t.attrs["body"] = "Mercury"
    assert "lie on Mercury" in cl.age(t, area_km2=100.0, system=MARS, range_km=(1, 2)).notes[0]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(200.0, 5000.0), min_size=1, max_size=40), st.sampled_from(["c-fit", "d-fit"]), st.booleans())
def test_bounds_of_fits_enclose_them(d, method, first):
    a = cl.age(d, area_km2=100.0, system=MARS, range_km=(0.1, 6), method=method,
               fit_error="first-bin" if first else "covariance")  # fmt: skip
    assert 0 <= a.n1_lo < a.n1_per_km2 < a.n1_hi and a.lo_ga <= a.age_ga <= a.hi_ga
    doubled = cl.age(d, area_km2=200.0, system=MARS, range_km=(0.1, 6), method=method)
    assert doubled.n1_per_km2 == pytest.approx(a.n1_per_km2 / 2, rel=1e-9)


# ranges


def test_a_saturated_small_end_is_left_out_and_said():
    s, area = system("Moon, Neukum et al. (2001)"), 400.0
    d = surface(3.9, area, (0.1, 20), seed=1, name=s.name) / 1000
    line = 10**-1.1 * area  # Trask's craters above 1 km
    # keep small ones only up to the line: thin each diameter to the equilibrium density where production is above it
    d = np.sort(d)[::-1]
    kept, n = [], 0
    for x in d:
        if n < line * x**-2:
            kept.append(x)
            n += 1
    found = suggest_range(np.array(kept) * 1000, area_km2=area, system=s)
    crossing = d[np.flatnonzero(np.arange(1, d.size + 1) > line * d**-2)[0]]
    assert found.range_km[0] >= found.equilibrium_km * (1 - 1e-9) and found.equilibrium_km > crossing / 2
    assert "equilibrium" in found.reason
    alone = suggest_range(np.array(kept) * 1000, area_km2=area, system=s, equilibrium=None)
    assert np.isnan(alone.equilibrium_km) and "equilibrium" not in alone.reason


def test_completeness_sets_the_range_where_it_is_given():
    d = surface(3.0, 1000.0, (0.2, 20))
    found = suggest_range(d, area_km2=1000.0, system=MARS, completeness=lambda m: 1 / (1 + (400 / m) ** 6))
    # 1 / (1 + x^-6) = 0.9 at x = 9^(1/6)
    assert (
        found.complete_km == pytest.approx(0.4 * 9 ** (1 / 6), rel=0.01) == pytest.approx(found.range_km[0], rel=0.01)
    )
    assert "90% of the craters are found" in found.reason and "roll-over alone" in found.reason
    with pytest.raises(CraterlabError, match=r"reaches 0\.9 at no end"):
        suggest_range(d, area_km2=1000.0, system=MARS, completeness=lambda m: 0 * m)
    assert suggest_range([], area_km2=1.0, system=MARS).range_km[0] == 1.0


# live


def test_live_count_is_what_sfd_and_age_say():
    rng = np.random.default_rng(0)
    d, score = surface(3.0, 3000.0, (0.3, 20)), None
    score = rng.uniform(size=d.size)
    score[:5] = np.nan
    live = LiveCount(d, score, area_km2=3000.0, system=MARS)
    for threshold in (0.0, 0.3, 0.999, 1.1):
        seen = d[score >= threshold]
        for options in ({}, {"range_km": (0.5, 5)}, {"range_km": (0.5, 5), "method": "c-fit"}, {"prior": "time"}):
            points, a = live.at(threshold, **options)
            b = cl.age(seen, area_km2=3000.0, system=MARS, **options)
            assert repr(a) == repr(b)
            plain = cl.sfd(seen, area_km2=3000.0)
            assert np.array_equal(points.density, plain.density) and points.n == plain.n
    t = pd.DataFrame({"diameter_m": d, "score": score})
    assert LiveCount(t, area_km2=3000.0, system=MARS).at(0.5)[1].n == live.at(0.5)[1].n
    assert LiveCount([], [], area_km2=1.0, system=MARS).at(0.5)[1].upper_limit
    for bad, message in (((d,), "needs scores"), ((d, score[:-1]), "one score a crater")):
        with pytest.raises(CraterlabError, match=message):
            LiveCount(*bad, area_km2=1.0, system=MARS)
    with pytest.raises(CraterlabError, match="unknown method"):
        live.at(0.5, method="b-poisson")

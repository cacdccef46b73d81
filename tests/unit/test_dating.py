import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import craterlab as cl
from craterlab import CraterlabError
from craterlab.catalog import Counts, empty_craters
from craterlab.dating import (
    age_quantiles,
    default_range_km,
    plot_sfd,
    production,
    snap_range,
    system,
)

MOON = "Moon, Neukum et al. (2001)"
MARS = "Mars, Neukum-Ivanov (2001)"
ALL = cl.systems()["name"].tolist()


def poisson_catalogue(s, n1, area_km2, lo_km, hi_km, rng):
    """Diameters (m) drawn from a production function between two sizes, as many as a surface of that density holds."""
    return s.rvs(area_km2, float(s.chronology.inverse(n1)), rng, range_km=(lo_km, hi_km))


# counting


def test_cumulative_by_hand():
    s = cl.sfd([120.0, 150.0, 155.0, 310.0], area_km2=2.0)
    assert s.diameter_km == pytest.approx([0.12, 0.15, 0.3], rel=1e-15)
    assert s.counts.tolist() == [1, 2, 1]
    assert s.density == pytest.approx([2.0, 1.5, 0.5])
    assert s.hi - s.density == pytest.approx(np.sqrt([4, 3, 1]) / 2)
    assert s.lo[-1] == 0


def test_unbinned_cumulative_has_every_crater():
    s = cl.sfd([300.0, 100.0, 200.0], area_km2=1.0, binning="none")
    assert s.diameter_km.tolist() == [0.1, 0.2, 0.3] and s.density.tolist() == [3, 2, 1]


def test_hartmann_counts_bins_a_factor_root_two_wide():
    d = np.geomspace(110.0, 900.0, 40)
    h, each = (cl.sfd(d, area_km2=2.0, kind=kind, binning="root-2") for kind in ("Hartmann", "incremental"))
    assert h.density == pytest.approx(h.counts / 2.0, rel=1e-12) and each.density.tolist() == (h.counts / 2.0).tolist()
    # a production function's form is the width of such a bin times its slope at the centre
    p = system(MARS).production
    assert p.presented(0.3, "Hartmann") == pytest.approx(
        float(p.cumulative(0.3 / 2**0.25) - p.cumulative(0.3 * 2**0.25)), rel=0.08
    )
    table = production("Mars, Hartmann (2005)")
    assert table.presented(2**0.25, "Hartmann") == pytest.approx(
        float(table.cumulative(1.0) - table.cumulative(2**0.5)), rel=1e-9
    )


def test_differential_and_r_by_hand():
    d = [110.0, 112.0, 250.0]
    s = cl.sfd(d, area_km2=2.0, kind="differential", binning="10/decade")
    assert s.diameter_km == pytest.approx([10**-0.95, 10**-0.65])
    width = 10**-0.9 - 0.1
    assert s.density[0] == pytest.approx(2 / 2 / width)
    r = cl.sfd(d, area_km2=2.0, kind="R", binning="10/decade")
    assert r.density == pytest.approx(s.density * s.diameter_km**3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1.0, 1e6), min_size=1, max_size=60),
    st.sampled_from(["pseudo-log", "10/decade", "20/decade", "x2", "root-2", "4th root-2"]),
)
def test_every_crater_is_in_the_bin_that_holds_it(d, binning):
    s = cl.sfd(d, area_km2=1.0, binning=binning)
    assert s.counts.sum() == len(d) == s.n == pytest.approx(s.density[0])
    km = np.array(d) / 1000
    for lo, hi, n in zip(s.bin_lo_km, s.bin_hi_km, s.counts, strict=True):
        inside = (km >= lo * (1 - 1e-8)) & (km < hi * (1 + 1e-8))
        assert inside.sum() >= n > 0
    assert (s.bin_hi_km[:-1] <= s.bin_lo_km[1:] * (1 + 1e-12)).all()


@pytest.mark.parametrize("d", [0.1, 0.11, 0.15, 0.17, 0.35, 1.1, 1.7, 35.0, 90.0])
def test_a_diameter_on_an_edge_belongs_to_the_bin_above(d):
    assert cl.sfd([d * 1000], area_km2=1).bin_lo_km[0] == d


@pytest.mark.parametrize(
    ("binning", "snapped"),
    [
        ("pseudo-log", (0.2, 0.45)),
        ("10/decade", (10**-0.7, 10**-0.3)),
        ("x2", (0.125, 0.5)),
        ("none", (0.22, 0.43)),
    ],
)
def test_snapping_widens_to_whole_bins(binning, snapped):
    assert snap_range((0.22, 0.43), binning) == pytest.approx(snapped, rel=1e-12)
    assert snap_range(snapped, binning) == pytest.approx(snapped, rel=1e-12)


def test_empty_count_is_an_answer():
    s = cl.sfd([], area_km2=3.0)
    assert s.n == 0 and s.density.size == 0
    assert repr(s) == "SFD(cumulative, pseudo-log, n=0, area_km2=3, bins=0)"


# ages


def test_zero_craters_give_an_upper_limit():
    a = cl.age([], area_km2=100.0, system=MOON)
    assert a.n == 0 and a.upper_limit and a.text.startswith("< ")
    assert a.range_km[0] == 1.0 and "no crater" in a.range_reason
    # P(no crater | hi) is what the bound says: exp(-mean) = 1 - 0.8413
    assert a.n1_hi * 100 == pytest.approx(-np.log(1 - 0.8413447), rel=1e-3)
    b = cl.age([500.0], area_km2=100.0, system=MOON, range_km=(1, 5))
    assert b.upper_limit and b.n1_hi == pytest.approx(a.n1_hi, rel=2e-2)


@pytest.mark.parametrize("k", [0, 1, 2, 10, 300])
@pytest.mark.parametrize("prior", ["n1", "jeffreys", "time"])
def test_quantiles_hold_the_posterior_mass_they_claim(k, prior):
    from scipy.integrate import quad

    s = system(MARS)
    span, area = (0.5, 5.0), 300.0
    q = np.array([0.025, 0.1587, 0.5, 0.8413, 0.975])
    ages, _ = age_quantiles(k, area_km2=area, range_km=span, system=s, q=q, prior=prior)
    exposure = area * -np.diff(s.production.cumulative(span))[0]
    c = s.chronology

    def density(t):
        mean = exposure * c.n1(t)
        weight = {"n1": c.rate(t), "jeffreys": c.rate(t) / np.sqrt(mean), "time": 1.0}[prior]
        return np.exp(k * np.log(mean) - mean - (k * np.log(k) - k if k else 0)) * weight

    # Pieces between the quantiles keep quad from missing a narrow peak; substituting t = u^2 tames Jeffreys' pole at 0.
    stops = np.sqrt([1e-12, *ages, min(ages[-1] * 1.5, 4.57), 4.57])
    pieces = [quad(lambda u: density(u * u) * 2 * u, a, b, limit=200)[0] for a, b in pairwise(stops)]
    assert np.cumsum(pieces)[:5] / sum(pieces) == pytest.approx(q, abs=2e-3 if k == 0 else 1e-5)


def test_priors_agree_on_many_craters_and_differ_on_few():
    few = {p: age_quantiles(2, area_km2=3036.6, range_km=(2, 5), system=MARS, prior=p)[0] for p in ("n1", "time")}
    # The two versions of craterstats on this count: 3.74 (flat in N(1)) and 3.24 +0.44 -1.12 Ga (flat in time).
    assert few["n1"][1] == pytest.approx(3.74, abs=0.01)
    assert few["time"] == pytest.approx([3.24 - 1.12, 3.24, 3.24 + 0.44], abs=0.02)
    many = [age_quantiles(2000, area_km2=3036.6, range_km=(0.2, 5), system=MARS, prior=p)[0] for p in ("n1", "time")]
    assert many[0] == pytest.approx(many[1], rel=2e-3)


def test_the_time_prior_stays_finite_beyond_the_chronology():
    a = cl.age(np.full(3000, 1500.0), area_km2=1.0, system=MOON, range_km=(1, 5), prior="time")
    assert 4.5 < a.lo_ga <= a.age_ga <= a.hi_ga <= 4.57


def test_quantiles_of_several_counts_at_once():
    ages, n1 = age_quantiles([0, 5, 50], area_km2=100, range_km=(1, 5), system=MOON)
    assert ages.shape == n1.shape == (3, 3) and (np.diff(ages, axis=0) > 0).all()
    assert ages[1].tolist() == age_quantiles(5, area_km2=100, range_km=(1, 5), system=MOON)[0].tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 500), st.floats(1, 1e5), st.sampled_from(ALL), st.sampled_from(["n1", "jeffreys"]))
def test_bounds_enclose_the_age(k, area, name, prior):
    ages, n1 = age_quantiles(k, area_km2=area, range_km=(0.5, 5), system=name, prior=prior)
    assert 0 <= ages[0] <= ages[1] <= ages[2] <= 4.57
    assert n1[0] < n1[1] < n1[2]


def test_bounds_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    s, t, area = system(MARS), 3.0, 4000.0
    k = rng.poisson(area * s.chronology.n1(t) * -np.diff(s.production.cumulative((1, 5)))[0], 2000)
    ages, _ = age_quantiles(k, area_km2=area, range_km=(1, 5), system=s)
    covered = ((ages[:, 0] <= t) & (t <= ages[:, 2])).mean()
    assert covered == pytest.approx(0.683, abs=0.05)


def test_default_range_starts_where_the_count_is_complete():
    rng = np.random.default_rng(3)
    s, t = system(MOON), 3.2
    d = poisson_catalogue(s, float(s.chronology.n1(t)), 4000.0, 0.05, 20.0, rng)
    # craters fade out around 180 m as detectors lose them
    seen = d[rng.uniform(size=d.size) < 1 / (1 + (180 / d) ** 6)]
    a = cl.age(seen, area_km2=4000.0, system=MOON)
    assert 0.2 <= a.range_km[0] <= 0.6
    assert a.range_reason.startswith("from the roll-over of the differential distribution upwards")
    assert a.age_ga == pytest.approx(t, rel=0.1)
    assert default_range_km(seen, system=MOON) == (a.range_km[0], np.inf)
    # the peak of dN/dD alone is not enough: ages come out too young
    start = default_range_km(seen)[0]
    assert start < 0.2
    assert cl.age(seen, area_km2=4000.0, system=MOON, range_km=(start, 20)).age_ga < 0.8 * t


def test_default_range_of_a_sharp_cut_keeps_nearly_all():
    rng = np.random.default_rng(4)
    s = system(MARS)
    d = poisson_catalogue(s, float(s.chronology.n1(3.0)), 2000.0, 0.3, 20.0, rng)
    a = cl.age(d, area_km2=2000.0, system=MARS)
    assert 0.3 <= a.range_km[0] <= 0.4
    assert a.age_ga == pytest.approx(3.0, rel=0.06)


def test_one_crater_and_identical_craters_have_a_range():
    for d in ([400.0], [400.0] * 5):
        a = cl.age(d, area_km2=10.0, system=MARS)
        assert a.n == len(d) and a.range_km[0] == pytest.approx(0.4)


def test_range_outside_the_production_function_is_cut_with_a_note():
    a = cl.age([5000.0] * 3, area_km2=1e4, system="Phobos, Case A - SOM, Schmedemann et al (2014)", range_km=(1, 20))
    assert a.range_km == (1, 10) and "cut to 1-10 km" in a.notes[0]
    with pytest.raises(CraterlabError, match="choose range_km"):
        cl.age([5000.0], area_km2=1, system="Phobos, Case A - SOM, Schmedemann et al (2014)", range_km=(20, 30))


def test_ages_beyond_the_chronology_are_held_with_a_note():
    a = cl.age([2000.0] * 500, area_km2=10.0, system=MOON, range_km=(1, 5))
    assert a.age_ga == a.hi_ga == pytest.approx(4.57) and any("end of the chronology" in n for n in a.notes)


def test_area_of_the_table_is_used():
    table = pd.DataFrame({"diameter_m": [300.0, 800.0, 1500.0]})
    table.attrs["area_km2"] = 50.0
    kept = table[table["diameter_m"] > 500]
    a = cl.age(kept, system=MARS, range_km=(0.5, 5))
    assert a.area_km2 == 50 and a.n == 2
    assert a == cl.age([800.0, 1500.0], area_km2=50, system=MARS, range_km=(0.5, 5))
    assert table.crater.age(system=MARS, range_km=(0.5, 5)) == a
    assert table.crater.sfd().n == 3


def test_binned_counts_are_taken_by_whole_bins():
    c = Counts(np.array([0.5, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.array([9, 4, 1]), 80.0, "x.stat")
    a = cl.age(c, system=MARS, range_km=(1, 2.5))
    assert a.n == 4 and a.area_km2 == 80 and "reaches over" in a.notes[0]
    assert cl.age(c, system=MARS, range_km=(0.5, 3)).n == 14
    assert cl.sfd(c).density == pytest.approx([14 / 80, 5 / 80, 1 / 80])


def test_craters_of_another_body_are_noted():
    table = empty_craters("IAU_2015:30100")
    assert any("on Moon" in n for n in cl.age(table, area_km2=1, system=MARS).notes)
    assert not any("on Moon" in n for n in cl.age(table, area_km2=1, system=MOON).notes)


def test_result_is_plain_and_repeatable():
    a = cl.age([1100.0, 2300.0, 3000.0, 1700.0], area_km2=100.0, system="Moon, Neukum (1983)", range_km=(1, 5))
    assert repr(a) == (
        "Age(3.96 (+0.065 -0.079) Ga, N(1)=4.710e-02 per km2, n=4, 1-5 km (given), area_km2=100, "
        "system='Moon, Neukum (1983)', method='poisson', prior='n1')"
    )
    assert a.epoch == "Pre-Nectarian"
    assert json.loads(json.dumps(a.to_dict()))["age_ga"] == a.age_ga


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "buffered"}, "available: 'poisson', 'b-poisson'"),
        ({"method": "d-fit", "binning": "none"}, "needs bins"),
        ({"method": "b-poisson"}, "pass perimeter_km="),
        ({"method": "b-poisson", "perimeter_km": 0}, "perimeter_km must be a positive"),
        ({"resurfacing": True}, "goes with method='c-fit'"),
        ({"method": "c-fit", "fit_error": "bars"}, "'first-bin'"),
        ({"partial": "half"}, "'fraction'"),
        ({"secondaries": "drop"}, "need a crater table"),
        ({"secondaries": "hide"}, "unknown secondaries"),
        ({"area_km2": 0}, "positive"),
        ({"area_km2": "wide"}, "positive"),
        ({"prior": "flat"}, "'jeffreys'"),
        ({"completeness": 0.9}, "craterlab.completeness"),
        ({"area_km2": -1}, "positive"),
        ({"area_km2": None}, "pass area_km2="),
        ({"range_km": (2, 1)}, "small to large"),
        ({"range_km": "0.2-0.7"}, "two diameters"),
        ({"binning": "octal"}, "pseudo-log"),
    ],
)
def test_bad_arguments_of_age(change, message):
    with pytest.raises(CraterlabError, match=message):
        cl.age([300.0, 400.0], **{"area_km2": 10.0, "system": MARS, "range_km": (0.2, 0.7), **change})


@pytest.mark.parametrize(
    ("craters", "message"),
    [
        (pd.DataFrame({"diameter_m": [np.nan, np.nan]}), "pixels only"),
        (pd.DataFrame({"diameter_m": [100.0, np.nan]}), "row 1"),
        ([100.0, -5.0], "positive"),
        (pd.DataFrame({"d": [1.0]}), "no column diameter_m"),
        ("craters.csv", "diameters in metres"),
        ([[1.0, 2.0]], "shape"),
    ],
)
def test_bad_craters(craters, message):
    with pytest.raises(CraterlabError, match=message):
        cl.age(craters, area_km2=10.0, system=MARS)
    with pytest.raises(CraterlabError, match=message):
        cl.sfd(craters, area_km2=10.0)


def test_bad_arguments_of_sfd():
    with pytest.raises(CraterlabError, match="'cumulative'"):
        cl.sfd([1.0], area_km2=1, kind="rate")
    with pytest.raises(CraterlabError, match="'pseudo-log'"):
        cl.sfd([1.0], area_km2=1, binning="7/decade")
    with pytest.raises(CraterlabError, match="kind='cumulative'"):
        cl.sfd([1.0], area_km2=1, kind="differential", binning="none")


# plots


def test_plot_draws_points_isochrons_and_age():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    d = poisson_catalogue(system(MARS), 1e-3, 500.0, 0.2, 10.0, np.random.default_rng(0))
    a = cl.age(d, area_km2=500.0, system=MARS)
    for kind in ("cumulative", "differential", "R", "Hartmann", "incremental"):
        s = cl.sfd(d, area_km2=500.0, kind=kind)
        ax = s.plot(age=a, equilibrium_function="Hartmann (1984)")
        assert ax.get_xscale() == ax.get_yscale() == "log"
        x, y = ax.containers[0].lines[0].get_data()
        assert np.array_equal(x, s.diameter_km) and np.array_equal(y, s.density)
        assert any("craters" in t.get_text() for t in ax.get_legend().get_texts())
        assert plot_sfd(cl.sfd(d[:50], area_km2=500.0, kind=kind), ax, color="C1", label="part") is ax
        ax.figure.canvas.draw()
        plt.close(ax.figure)
    empty = cl.sfd([], area_km2=1.0).plot(age=cl.age([], area_km2=1.0, system=MARS))
    empty.figure.canvas.draw()
    plt.close(empty.figure)


def test_importing_dating_is_cheap():
    code = (
        "import sys, craterlab.dating, craterlab.catalog, craterlab.match;"
        "print([m for m in ('scipy', 'matplotlib', 'geopandas', 'torch', 'pyproj', 'shapely') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

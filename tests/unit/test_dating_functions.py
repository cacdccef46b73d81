"""Functions as distributions, the chronology of Vesta, and functions of the user's own."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import craterlab as cl
from craterlab import CraterlabError
from craterlab.dating import chronology, default_system, epochs, equilibrium, production, read_functions, system

MOON = "Moon, Neukum et al. (2001)"
MARS = "Mars, Neukum-Ivanov (2001)"
ALL = cl.systems()["name"].tolist()
VESTA = "Vesta, Marchi & O'Brien (2014)"
PRODUCTIONS = sorted({*cl.systems()["production"], "Enceladus, Wong et al (2026)", "Mars, Neukum (1983)"})

OWN = """
[[system]]
name = "Moon, mine"
body = "Moon"
production = "Moon, a power law"
chronology = "Moon, a table"
epochs = "Moon, two"

[[production]]
name = "Moon, a power law"
body = "Moon"
coefficients = [0.0, -2.0]
range_km = [0.1, 100.0]

[[production]]
name = "Moon, points"
body = "Moon"
diameter_km = [0.5, 1.0, 2.0, 8.0]
cumulative = [80.0, 20.0, 5.0, 0.3125]

[[chronology]]
name = "Moon, a table"
body = "Moon"
age_ga = [0.0, 2.0, 4.0]
n1_per_km2 = [0.0, 0.002, 0.01]

[[equilibrium]]
name = "mine too"
coefficients = [-1.2, -1.9]
range_km = [0.01, 10.0]

[[epochs]]
name = "Moon, two"
epochs = ["Young", "Old"]
start_ga = [0.0, 3.0]
"""


@pytest.fixture
def own(tmp_path):
    """Write a file of functions."""

    def write(text=OWN):
        file = tmp_path / "mine.toml"
        file.write_text(text)
        return file

    return write


@pytest.mark.parametrize("name", ALL)
def test_every_system_loads_and_only_grows(name):
    s = system(name)
    lo, hi = s.production.range_km
    # the polynomial of Vesta, Rev3 turns over just above the lower end of its published range
    d = np.geomspace(max(lo, 0.0042) if "Rev3" in name else lo, hi, 400)
    assert s.production.cumulative(1.0, 0.5) == pytest.approx(0.5)
    assert (np.diff(s.production.cumulative(d)) <= 0).all()
    t = np.linspace(0, 4.5, 200)
    assert (np.diff(s.chronology.n1(t)) > 0).all() and s.chronology.n1(0) == 0
    assert s.production.reference and s.chronology.reference


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ALL), st.floats(1e-6, 4.5))
def test_inverse_undoes_the_chronology(name, t):
    c = system(name).chronology
    assert float(c.inverse(c.n1(t))) == pytest.approx(t, rel=1e-9)
    h = 1e-6 * t
    assert float(c.n1(t + h) - c.n1(t - h)) / (2 * h) == pytest.approx(float(c.rate(t)), rel=1e-4)


@pytest.mark.parametrize("name", [MOON, MARS, "Mercury, Le Feuvre and Wieczorek 2011 porous"])
def test_differential_is_the_slope_of_the_cumulative(name):
    p = system(name).production
    d = np.geomspace(p.range_km[0] * 1.1, p.range_km[1] / 1.1, 50)
    h = 1e-5 * d
    slope = (p.cumulative(d - h) - p.cumulative(d + h)) / (2 * h)
    assert p.differential(d) == pytest.approx(slope, rel=1e-6)


def test_both_readings_of_the_lunar_chronology_are_there_by_name():
    t = np.array([1.0, 4.0])
    misprint, as_printed = chronology(MOON).n1(t), chronology(MOON + " [a0 = -3.0876]").n1(t)
    assert misprint == pytest.approx([8.3800e-4, 6.2814e-2], rel=1e-4)
    assert as_printed == pytest.approx([8.1700e-4, 6.2730e-2], rel=1e-4)
    assert MOON + " [a0 = -3.0876]" in ALL


def test_outside_its_range_a_production_function_says_nothing():
    p = production("Mars, Ivanov (2001)")
    assert np.isnan(p.cumulative([0.001, 500.0, np.nan])).all()
    assert np.isnan(p.differential([0.001, 500.0])).all()
    assert np.isfinite(p.cumulative(p.range_km)).all()


def test_equilibrium_of_trask():
    assert equilibrium().cumulative([0.1, 1.0]) == pytest.approx([10**0.9, 10**-1.1])


def test_epochs_follow_each_other():
    for name in ("Moon, Yue et al. (2022)", MARS, "Mars, Hartmann 2004 iteration"):
        e = epochs(name)
        assert e[0].end_ga == 0 and np.isinf(e[-1].start_ga)
        assert all(a.start_ga == b.end_ga and a.end_ga < a.start_ga for a, b in pairwise(e))
    assert epochs("Ceres, Hiesinger et al. (2016)") == []
    assert epochs(MOON, "Moon, Guo et al (2024)")[5].name == "Aitkenian"


def test_systems_table():
    table = cl.systems()
    # the 21 of functions.json, and the Moon's chronology as printed
    assert len(table) == 22 and table["name"].is_unique
    assert set(cl.systems("mars")["body"]) == {"Mars"}
    assert table.loc[table["default"], "name"].tolist()[:2] == [MOON, MARS]
    with pytest.raises(CraterlabError, match="Venus"):
        cl.systems("Venus")


@pytest.mark.parametrize(
    ("body", "name"), [("Moon", MOON), ("mars", MARS), ("Mercury", "Mercury, Neukum et al. (2001)")]
)
def test_default_systems(body, name):
    assert default_system(body) == name


def test_unknown_names_get_the_nearest():
    with pytest.raises(CraterlabError, match="Mars, Neukum-Ivanov"):
        cl.age([100.0], area_km2=1, system="Neukum-Ivanov")
    with pytest.raises(CraterlabError, match="no chronology system for 'Europa'"):
        default_system("Europa")
    for function in (production, chronology, equilibrium):
        with pytest.raises(CraterlabError, match="unknown"):
            function("nonsense")


# functions as distributions


@pytest.mark.parametrize("name", PRODUCTIONS)
def test_density_is_a_probability_and_draws_follow_it(name):
    p = production(name)
    lo, hi = p.inside((0.3, 5.0)) if p.range_km[0] < 0.3 else (p.range_km[0], 5.0)
    d = np.geomspace(lo, hi, 4001)
    pdf = p.density(d, range_km=(lo, hi))
    # a table's slope is log-log linear between bin centres, its sums between bin starts: they differ a little
    assert ((pdf[1:] + pdf[:-1]) / 2 * np.diff(d)).sum() == pytest.approx(1, abs=0.03 if p.incremental else 1e-5)
    assert p.density([lo / 2, hi * 2], range_km=(lo, hi)).tolist() == [0, 0]
    drawn = p.rvs(20_000, np.random.default_rng(0), range_km=(lo, hi))
    assert lo <= drawn.min() and drawn.max() <= hi
    at = np.quantile(drawn, [0.2, 0.5, 0.8])
    c = p.cumulative([lo, *at, hi])
    # 20 000 draws: the standard error of a share is below 0.0036
    assert (c[1:-1] - c[-1]) / (c[0] - c[-1]) == pytest.approx([0.8, 0.5, 0.2], abs=0.013)


def test_a_surface_holds_as_many_craters_as_its_density_says():
    s = system(MARS)
    rng = np.random.default_rng(1)
    n = [s.rvs(500.0, 3.0, rng, range_km=(0.5, 5)).size for _ in range(400)]
    expected = 500 * float(-np.diff(s.cumulative([0.5, 5], 3.0))[0])
    assert np.mean(n) == pytest.approx(expected, abs=4 * np.sqrt(expected / 400))
    assert np.var(n) == pytest.approx(expected, rel=0.3)
    assert s.rvs(500.0, 0.0, rng).size == 0
    one, two = (s.rvs(500.0, 3.0, np.random.default_rng(7), range_km=(0.5, 5)) for _ in range(2))
    assert np.array_equal(one, two)
    h = 1e-4
    assert s.density(1.0, 3.0) == pytest.approx(
        float((s.cumulative(1 - h, 3.0) - s.cumulative(1 + h, 3.0)) / (2 * h)), rel=1e-5
    )


@pytest.mark.parametrize("change", [{"area_km2": 0}, {"age_ga": -1}, {"age_ga": np.nan}, {"range_km": (900, 1000)}])
def test_impossible_surfaces(change):
    with pytest.raises(CraterlabError, match=r"positive area_km2|choose range_km"):
        system(MARS).rvs(**{"area_km2": 1.0, "age_ga": 1.0, "rng": np.random.default_rng(0), **change})


def test_vesta_of_obrien_is_continuous_and_grows():
    c = system(VESTA).chronology
    t = np.linspace(0, 4.57, 4001)
    assert c.n1(0) == 0 and (np.diff(c.n1(t)) > 0).all()
    seam = 4.1 + np.array([-1e-9, 0, 1e-9])
    assert c.n1(seam) == pytest.approx(float(c.n1(4.1)), rel=1e-7)
    # the rate of the decaying part meets that of the early part there: 2 f_cd on both sides
    assert c.rate(seam[0]) == pytest.approx(float(c.rate(seam[2])), rel=1e-5)
    inner = t[(t > 0.01) & (abs(t - 4.1) > 0.01) & (t < 4.56)]
    h = 1e-6
    assert (c.n1(inner + h) - c.n1(inner - h)) / (2 * h) == pytest.approx(c.rate(inner), rel=1e-5)
    assert float(c.inverse(c.n1(4.3))) == pytest.approx(4.3, rel=1e-9)
    assert np.isnan(c.n1(np.nan)) and np.isnan(c.rate(np.nan))
    # today's rate is that of the other Vesta chronologies within 5 %: both rest on the asteroid belt of today
    others = chronology("Vesta, Rev4, Schmedemann et al (2014)").rate(0.0)
    assert float(c.rate(0.0)) == pytest.approx(float(others), rel=0.05)


def test_enceladus_is_the_authors_function():
    p = production("Enceladus, Wong et al (2026)")
    assert 10 ** p.coefficients[0] == pytest.approx(0.8605238288, rel=1e-8)  # printed by their script for 1 km
    d = np.geomspace(*p.range_km, 500)
    assert (np.diff(p.cumulative(d)) < 0).all() and p.cumulative(1.0) == pytest.approx(1)


def test_own_functions_work_as_published_ones_do(own):
    names = read_functions(own())
    assert names["system"] == ["Moon, mine"] and names["production"] == ["Moon, a power law", "Moon, points"]
    assert "Moon, mine" in set(cl.systems("Moon")["name"])
    a = cl.age([1500.0] * 30, area_km2=1e4, system="Moon, mine", range_km=(1, 10))
    # N(1) = n / (A (1 - 1/100)), the median of Gamma(31) near 30.67; the table is linear up to 2 Ga
    assert a.n1_per_km2 == pytest.approx(30.668 / (1e4 * 0.99), rel=1e-4)
    assert a.age_ga == pytest.approx(2 + (a.n1_per_km2 - 0.002) / 0.004, rel=1e-9) and a.epoch == "Young"
    assert chronology("Moon, a table").rate([1.0, 3.0]) == pytest.approx([0.001, 0.004])
    assert [e.name for e in epochs("Moon, mine")] == ["Young", "Old"]
    assert production("Moon, points").cumulative([0.5, 1, 4]) == pytest.approx([4, 1, 1 / 16])
    assert equilibrium("mine too").cumulative(1.0) == pytest.approx(10**-1.2)


def test_a_file_is_a_system(own):
    a = cl.age([1500.0], area_km2=1e4, system=own(), range_km=(1, 10))
    assert a.system == "Moon, mine" == cl.age([1500.0], area_km2=1e4, system=str(own()), range_km=(1, 10)).system
    with pytest.raises(CraterlabError, match="holds 2 systems"):
        system(own(OWN + OWN.split("[[production]]")[0].replace("Moon, mine", "Moon, other")))
    with pytest.raises(CraterlabError, match="holds no"):
        system(own('[[equilibrium]]\nname = "e"\ncoefficients = [-1, -2]\nrange_km = [0.1, 1]\n'))


def test_a_file_read_again_replaces_what_it_gave(own):
    read_functions(own())
    assert production("Moon, a power law").cumulative(10.0) == pytest.approx(0.01)
    read_functions(own(OWN.replace("[0.0, -2.0]", "[0.0, -3.0]")))
    assert production("Moon, a power law").cumulative(10.0) == pytest.approx(0.001)
    assert system("Moon, mine").production.cumulative(10.0) == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('production = "Moon, a power law"', 'production = "Moon, gone"', "production 'Moon, gone' is neither"),
        ('name = "Moon, mine"', 'name = "Moon, Neukum (1983)"', "one that craterlab has"),
        ('name = "Moon, mine"\n', "", "system 'number 1': the key 'name' is missing"),
        ("range_km = [0.1, 100.0]\n", "", "the key 'range_km' is missing"),
        ("[0.0, -2.0]", "[0.0, 2.0]", "'coefficients' grows with D"),
        ("[0.0, -2.0]", '[0.0, "-2.0"]', "'coefficients' must be a list of finite numbers"),
        ("[0.1, 100.0]", "[100.0, 0.1]", "'range_km' must run from small to large"),
        ("[0.0, -2.0]", "[0.0, -2.0]\nslope = [2]", "unknown key 'slope'"),
        ("coefficients = [0.0, -2.0]", "coefs = [0.0, -2.0]", "wanted one of 'coefficients' with 'range_km'"),
        ("[80.0, 20.0, 5.0, 0.3125]", "[80.0, 20.0, 5.0]", "'cumulative' must have 4 numbers"),
        ("[80.0, 20.0, 5.0, 0.3125]", "[80.0, 80.0, 5.0, 1.0]", "'cumulative' must be positive and fall"),
        ("[0.0, 2.0, 4.0]", "[0.0, 4.0, 2.0]", "'age_ga' must rise"),
        ("[0.0, 0.002, 0.01]", "[0.1, 0.2, 0.3]", "must start at 0"),
        ("[-1.2, -1.9]", "[-1.2]", "'coefficients' must have 2 numbers"),
        ('["Young", "Old"]', '["Young"]', "'start_ga' must have 1 numbers"),
        ("[[equilibrium]]", "[[equilibria]]", "unknown table 'equilibria'"),
        ("[[equilibrium]]", "[equilibrium]", "two brackets"),
        ("[[system]]", "[[system", "not TOML"),
    ],
)
def test_errors_of_own_functions_name_the_key(own, old, new, message):
    assert old in OWN
    with pytest.raises(CraterlabError, match=message.replace("[", r"\[")):
        read_functions(own(OWN.replace(old, new, 1)))
    with pytest.raises(CraterlabError, match="unknown production"):  # nothing of a bad file is kept
        production("Moon, points")


def test_a_missing_file_of_functions():
    with pytest.raises(CraterlabError, match="there is no file"):
        cl.age([1.0], area_km2=1, system="nowhere.toml")


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(PRODUCTIONS), st.integers(0, 50), st.integers(0, 2**32 - 1))
def test_draws_stay_within_the_range(name, n, seed):
    p = production(name)
    d = p.rvs(n, np.random.default_rng(seed))
    assert d.shape == (n,) and ((d >= p.range_km[0] * (1 - 1e-9)) & (d <= p.range_km[1] * (1 + 1e-9))).all()

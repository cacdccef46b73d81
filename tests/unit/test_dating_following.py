"""The note on an age whose count does not follow the production function."""

import numpy as np
import pytest
from scipy.stats import kstest

import craterlab as cl
from craterlab.dating import LiveCount, system
from craterlab.dating.following import departure
from craterlab.dating.result import written

MOON = system("Moon, Neukum (1983)")


def formed(n, lo_km, hi_km, rng):
    """Diameters (km) of `n` craters of the production function."""
    d = np.geomspace(lo_km, hi_km, 20_001)
    beyond = MOON.production.cumulative(d)
    share = (beyond[0] - beyond) / (beyond[0] - beyond[-1])
    return np.exp(np.interp(rng.random(n), share, np.log(d)))


def share_below(d, lo_km, hi_km):
    lowest, highest = MOON.production.cumulative(np.array([lo_km, hi_km]))
    return (lowest - MOON.production.cumulative(d)) / (lowest - highest)


def test_it_speaks_where_scipy_rejects():
    rng = np.random.default_rng(0)
    rejected = 0
    for _ in range(300):
        n = int(rng.integers(8, 400))
        d = formed(n, 1, 20, rng)
        d = np.concatenate([d, formed(int(n * rng.uniform(0, 0.6)), 1, 1.5, rng)])
        p = kstest(d, lambda x: share_below(x, 1, 20)).pvalue
        said = bool(departure(d, None, 1000.0, MOON, (1, 20), "n1"))
        if not 0.009 < p < 0.011:
            assert said == (p < 0.01), (d.size, p)
        rejected += p < 0.01
    assert 20 < rejected < 280


def test_one_surface_in_a_hundred_is_doubted():
    rng = np.random.default_rng(1)
    said = [bool(departure(formed(60, 1, 20, rng), None, 1000.0, MOON, (1, 20), "n1")) for _ in range(2000)]
    assert 0.004 < np.mean(said) < 0.018


def test_a_surface_half_erased_has_two_ages():
    # What is larger than 3 km is of 3.8 Ga, what is smaller of 3.2 Ga.
    rng = np.random.default_rng(2)
    d = np.concatenate([
        MOON.rvs(400_000.0, 3.2, rng, range_km=(1, 3)),
        MOON.rvs(400_000.0, 3.8, rng, range_km=(3, 30)),
    ])  # fmt: skip
    found = cl.age(d, area_km2=400_000.0, system=MOON, range_km=(1, 30))
    (note,) = found.notes
    assert "does not follow the production function (Kolmogorov-Smirnov, p < 0.0001)" in note
    split = float(note.split("below ")[1].split(" km")[0])
    assert 2.5 < split < 3.7
    young, old = (float(part.split("gives ")[-1].split(", above ")[-1].split(" (")[0]) for part in note.split("above"))
    assert young == pytest.approx(3.2, abs=0.1) and old == pytest.approx(3.8, abs=0.05)
    # Each part by itself is one surface, and so says the same count behind a slider.
    assert cl.age(d, area_km2=400_000.0, system=MOON, range_km=(1, 2.5)).notes == ()
    live = LiveCount(d, np.ones(d.size), area_km2=400_000.0, system=MOON)
    assert live.at(0.5, range_km=(1, 30))[1].notes == found.notes


def test_sizes_missing_at_the_small_end():
    rng = np.random.default_rng(3)
    found = cl.age(1000 * formed(40, 3, 20, rng), area_km2=1e4, system=MOON, range_km=(1, 20))
    (note,) = found.notes
    assert "below 3 km alone it gives < " in note


def test_a_buffered_count_is_held_against_its_own_expectation():
    # A small area catches more large craters than the production function alone would have it.
    rng = np.random.default_rng(4)
    area, perimeter = 10.0, 14.0
    d = np.geomspace(1, 20, 20_001)
    middle = np.sqrt(d[1:] * d[:-1])
    chance = -np.diff(MOON.production.cumulative(d)) * (area + middle * perimeter / 2 + np.pi * middle**2 / 4)
    found = middle[np.searchsorted(np.cumsum(chance) / chance.sum(), rng.random(400))]
    assert not departure(found, None, area, MOON, (1, 20), "n1", perimeter)
    assert departure(found, None, area, MOON, (1, 20), "n1")


def test_weights_count_as_craters():
    rng = np.random.default_rng(5)
    d = np.concatenate([formed(200, 1, 20, rng), np.full(100, 1.2)])
    ghosts = np.repeat([1.0, 0.0], [200, 100])
    assert departure(d, None, 1000.0, MOON, (1, 20), "n1")
    assert not departure(d, ghosts, 1000.0, MOON, (1, 20), "n1")


@pytest.mark.parametrize("d", [[], [2.0] * 7, [0.5] * 50, [25.0] * 50])
def test_too_few_in_the_range(d):
    assert departure(np.array(d), None, 1000.0, MOON, (1, 20), "n1") == []


def test_all_of_one_size_at_the_end_of_the_range():
    (note,) = departure(np.full(50, 1.0), None, 1000.0, MOON, (1, 20), "n1")
    assert note.startswith("the count does not follow")


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((146e-6, 74e-6, 256e-6), "146 (+110 -72) ka"),
        ((0.9996e-3, 0.9e-3, 1.1e-3), "1 (+0.1 -0.1) Ma"),
        ((3.74, 3.6, 3.837), "3.74 (+0.097 -0.14) Ga"),
        ((0.99996, 0.99, 0.99999), "1000 (+0.03 -10) Ma"),
    ],
)
def test_an_age_is_written_without_powers_of_ten(bounds, text):
    assert written(*bounds) == text

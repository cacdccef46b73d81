"""Spatial randomness: the measures against closed forms, uniform p-values, planted clusters."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

from craterlab import CraterlabError
from craterlab.bench.dating_spatial import p_values, power
from craterlab.bench.dating_surfaces import clustered, crater_table
from craterlab.dating import randomness
from craterlab.dating.randomness import AdjacentAreas, second_neighbour
from craterlab.polygons import region_of
from craterlab.region import unit_vectors

MOON = "IAU_2015:30100"
HOLED = gpd.GeoSeries([box(170, 20, 190, 40).difference(box(175, 25, 180, 30))], crs=MOON)


def test_second_neighbours_on_a_meridian():
    # 0, 1, 3, 7 degrees: second closest at 3, 2, 3, 6.
    assert np.degrees(second_neighbour(unit_vectors([5, 5, 5, 5], [0, 1, 3, 7]))) == pytest.approx(14 / 4)


def test_adjacent_areas_fill_the_area_and_are_those_of_the_sphere():
    """Points evenly on the equator of a belt have equal shares; two of uneven ones share by the bisecting meridian."""
    belt = region_of(gpd.GeoSeries([box(-180, -30, 180, 30)], crs=MOON))
    even = AdjacentAreas(belt, 8).areas(unit_vectors(np.arange(0, 360, 45) + 3.0, np.zeros(8)))
    assert even == pytest.approx(np.full(8, belt.area_km2 / 8), rel=0.05)
    strip = region_of(gpd.GeoSeries([box(0, -10, 90, 10)], crs=MOON))
    two = AdjacentAreas(strip, 2000).areas(unit_vectors([0, 40], [0, 0]))
    assert two == pytest.approx([strip.area_km2 * 20 / 90, strip.area_km2 * 70 / 90], rel=5e-3)
    assert two.sum() == pytest.approx(strip.area_km2, rel=5e-3)


@pytest.mark.parametrize("measure", ["m2cnd", "sdaa"])
def test_p_values_are_uniform(measure):
    found = p_values(measure, surfaces=60, n=12, trials=49)
    assert found["ks_p"] > 0.01
    assert abs(found["sigma_mean"]) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["m2cnd", "sdaa"])
def test_p_values_are_uniform_on_500_surfaces(measure):
    assert p_values(measure, surfaces=500)["ks_p"] > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["m2cnd", "sdaa"])
def test_power_on_planted_clusters(measure):
    assert power(measure, share=0.3)["found"] > 0.9


@pytest.mark.parametrize("measure", ["m2cnd", "sdaa"])
def test_clusters_are_found_in_their_bin_only(measure):
    region, rng = region_of(HOLED), np.random.default_rng(3)
    points = np.concatenate([clustered(region, 120, 0.5, rng, spread_km=5.0), region.random(120, rng)])
    craters = crater_table(points, np.repeat([1.2, 2.2], 120))
    found = randomness(craters, HOLED, measure=measure, trials=100, bins=[1, 2, 4])
    small, large = found.table.itertuples()
    assert (small.n, large.n) == (120, 120)
    assert small.n_sigma > 3 and small.p_value == pytest.approx(1 / 101) and small.percentile == 100
    assert large.p_value > 0.02
    assert "1-2 km" in repr(found)


def test_even_spacing_is_the_other_side():
    lon, lat = (v.ravel() for v in np.meshgrid(np.arange(1, 20, 2.0), np.arange(1, 20, 2.0)))
    area = gpd.GeoSeries([box(0, 0, 20, 20)], crs=MOON)
    for measure in ("m2cnd", "sdaa"):
        craters = crater_table(unit_vectors(lon, lat), np.ones(100))
        row = randomness(craters, area, measure=measure, trials=60, bins=None).table.iloc[0]
        assert row.n_sigma < -3 and row.p_value == 1


def test_same_seed_same_numbers_and_craters_outside_are_left_out():
    region, rng = region_of(HOLED), np.random.default_rng(0)
    inside = region.random(30, rng)
    craters = crater_table(inside, np.full(30, 3.0))
    more = crater_table(np.concatenate([inside, unit_vectors([0, 177], [0, 27])]), np.full(32, 3.0))
    one = randomness(craters, HOLED, trials=20, seed=5)
    assert one.table.equals(randomness(more, HOLED, trials=20, seed=5).table)
    assert not one.table.equals(randomness(craters, HOLED, trials=20, seed=6).table)


def test_few_craters_and_none():
    craters = crater_table(unit_vectors([172, 173], [22, 23]), np.array([1.0, 1.1]))
    found = randomness(craters, HOLED, trials=10)
    assert found.table.n.tolist() == [2] and found.table.p_value.isna().all()
    empty = randomness(craters[:0], HOLED, trials=10)
    assert len(empty.table) == 0 and "no bin with 3 craters" in repr(empty)
    assert len(randomness(craters[:0], HOLED, trials=10, bins=None).table) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measure": "ripley"}, "'m2cnd', 'sdaa'"),
        ({"trials": 2}, "at least 10"),
        ({"bins": "7/decade"}, "unknown binning"),
        ({"bins": [2, 1]}, "from small to large"),
    ],
)
def test_bad_options(options, message):
    craters = crater_table(unit_vectors([172, 173], [22, 23]), np.array([1.0, 1.1]))
    with pytest.raises(CraterlabError, match=message):
        randomness(craters, HOLED, **options)

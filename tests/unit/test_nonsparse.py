"""Effective areas where large craters erased small ones, ages from them, and saturation."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
from shapely.geometry import box

import craterlab as cl
from craterlab import CraterlabError
from craterlab.bench.dating_spatial import areas, nonsparse_bias
from craterlab.bench.dating_surfaces import crater_table
from craterlab.dating import nonsparse_age, nonsparse_areas, saturation
from craterlab.polygons import region_of
from craterlab.region import unit_vectors

SYSTEM = "Moon, Neukum (1983)"
AREA = gpd.GeoSeries([box(0, -2, 4, 2)], crs="IAU_2015:30100")
R = 1737.4


def cap_km2(radius_km):
    return 2 * np.pi * R**2 * (1 - np.cos(radius_km / R))


def test_one_large_crater_takes_its_zone_off_the_smaller_ones():
    # 20 km in the middle, one small crater on its ejecta (15 km away), one beyond them (25 km), one outside the area.
    degrees = np.degrees(np.array([15, 25]) / R)
    points = unit_vectors([2, 2 + degrees[0], 2 + degrees[1], 5], [0, 0, 0, 0])
    craters = crater_table(points, np.array([20.0, 1.0, 1.0, 1.0]))
    whole = region_of(AREA).area_km2
    found = nonsparse_areas(craters, AREA)
    assert np.isnan(found).tolist() == [False, True, False, True]
    assert found[0] == pytest.approx(whole, rel=1e-3)
    assert found[2] == pytest.approx(whole - cap_km2(20), rel=1e-3)
    rim_only = nonsparse_areas(craters, AREA, ejecta_radii=0)
    assert np.isfinite(rim_only[1]) and rim_only[2] == pytest.approx(whole - cap_km2(10), rel=1e-3)


def test_zones_that_overlap_are_taken_off_once_and_from_beyond_the_border():
    twice = crater_table(unit_vectors([2, 2, 1, 4], [0, 0, 1, -2]), np.array([20.0, 19.0, 1.0, 10.0]))
    found = nonsparse_areas(twice, AREA)
    assert np.isnan(found[1])  # on the floor of the larger one
    whole = region_of(AREA).area_km2
    assert found[2] == pytest.approx(whole - cap_km2(20) - cap_km2(10) / 4, rel=2e-3)  # a quarter of it at the corner


def test_buffered_areas_are_wider():
    craters = crater_table(unit_vectors([2, 4.2, 4.4, 1], [0, 0, 0, 1]), np.array([20.0, 16.0, 16.0, 2.0]))
    found = nonsparse_areas(craters, AREA, buffered=True)
    region = region_of(AREA)
    plain = region.area_km2 + region.perimeter_km * np.array([10.0, 8, 8, 1]) + np.pi * np.array([10.0, 8, 8, 1]) ** 2
    assert np.isnan(found).tolist() == [False, False, True, False]  # 0.4 degrees are 12 km: more than 8
    assert found[0] == pytest.approx(plain[0], rel=2e-3)
    assert found[1] == pytest.approx(plain[1] - cap_km2(20), rel=2e-3)


def test_bias_on_erased_ground():
    found = nonsparse_bias(surfaces=6)
    assert found["uncorrected"] < 0.95
    assert abs(found["corrected"] - 1) < 0.02 + 2 * found["corrected_error"]


@pytest.mark.slow
@pytest.mark.parametrize("buffered", [False, True])
def test_bias_on_erased_ground_is_within_two_per_cent(buffered):
    found = nonsparse_bias(surfaces=40, buffered=buffered)
    assert abs(found["corrected"] - 1) < 0.02
    assert found["uncorrected"] < 0.92


def test_without_larger_craters_the_age_is_the_plain_one():
    """Craters of one size, the smallest of the range, erase none that count."""
    rng = np.random.default_rng(0)
    craters = crater_table(region_of(AREA).random(40, rng), np.full(40, 1.0))
    plain = cl.clip_craters(craters, AREA).crater.age(system=SYSTEM, range_km=(1, 5))
    found = nonsparse_age(craters, AREA, system=SYSTEM, range_km=(1, 5))
    assert found.n == plain.n
    assert found.n1_per_km2 == pytest.approx(plain.n1_per_km2, rel=2e-3)
    empty = nonsparse_age(craters[:0], AREA, system=SYSTEM, range_km=(1, 5))
    assert empty.upper_limit


def test_bad_input():
    craters = crater_table(unit_vectors([2.0], [0.0]), np.array([1.0]))
    with pytest.raises(CraterlabError, match="at least 0"):
        nonsparse_areas(craters, AREA, ejecta_radii=-1)
    with pytest.raises(CraterlabError, match="within the range"):
        nonsparse_age(craters, AREA, system=SYSTEM, range_km=(500, 900))
    huge = crater_table(unit_vectors([2.0], [0.0]), np.array([250.0]))
    with pytest.raises(CraterlabError, match="erased all the ground"):
        nonsparse_age(huge, AREA, system=SYSTEM, range_km=(1, 5))


def test_areas_of_the_bench_are_close():
    assert max(areas().values()) < 2e-6


def test_saturation():
    """77 craters of 1 km on 1000 km2: 5 % of Gault's 1.54 per km2; equilibrium is 10^-1.1 (Trask), 10^-1.14 per km2."""
    row = saturation([1000.0] * 77, 1000.0).iloc[0]
    assert row.geometric_share == pytest.approx(0.05)
    assert row.over_trask == pytest.approx(0.077 / 10**-1.1) and row.over_hartmann == pytest.approx(0.077 / 10**-1.14)
    assert row.equilibrium
    thin = saturation([1000.0, 1500.0, 4000.0], 1e5)
    assert not thin.equilibrium.any() and thin.n.tolist() == [1, 1, 1]
    assert thin.geometric_share.iloc[-1] == pytest.approx(1e-5 / (1.54 / thin.lo_km.iloc[-1] ** 2))
    empty = saturation([], 10.0)
    assert len(empty) == 0 and "over_trask" in empty

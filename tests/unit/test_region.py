"""Counting areas on the sphere, against closed forms."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box

import craterlab as cl
from craterlab import CraterlabError
from craterlab.bodies import body
from craterlab.polygons import region_of
from craterlab.region import angle_between, unit_vectors

R = 3396.19
MARS = "IAU_2015:49900"


def on_mars(*polygons):
    return region_of(gpd.GeoSeries(polygons, crs=MARS))


def box_km2(west, south, east, north):
    return R**2 * np.radians(east - west) * (np.sin(np.radians(north)) - np.sin(np.radians(south)))


def box_km(west, south, east, north):
    """Parallels, and meridians unless the box goes all around."""
    around = R * np.radians(east - west) * (np.cos(np.radians(south)) + np.cos(np.radians(north)))
    return around + (0 if east - west == 360 else 2 * R * np.radians(north - south))


@settings(max_examples=40, deadline=None)
@given(
    west=st.floats(-360, 300), wide=st.floats(0.01, 359.9), south=st.floats(-90, 89.9), share=st.floats(0.001, 1)
)  # fmt: skip
def test_boxes_of_longitude_and_latitude(west, wide, south, share):
    corners = (west, south, west + wide, south + share * (90 - south))
    found = on_mars(box(*corners))
    assert found.area_km2 == pytest.approx(box_km2(*corners), rel=2e-6)
    assert found.perimeter_km == pytest.approx(box_km(*corners), rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(lat=st.floats(-30, 89.5), south=st.booleans())
def test_polar_caps(lat, south):
    rho = 2 * R * 1000 * np.tan(np.radians(90 - lat) / 2)
    crs = f"+proj=stere +lat_0={-90 if south else 90} +R=3396190 +units=m"
    found = region_of(gpd.GeoSeries([Point(0, 0).buffer(rho, quad_segs=200)], crs=crs))
    assert found.area_km2 == pytest.approx(2 * np.pi * R**2 * (1 - np.sin(np.radians(lat))), rel=2e-5)
    assert found.perimeter_km == pytest.approx(2 * np.pi * R * np.cos(np.radians(lat)), rel=2e-5)
    pole = np.array([[0, 0, -1.0 if south else 1.0]])
    assert found.contains(pole).all() and not found.contains(-pole).any()


def test_the_whole_sphere_has_no_outline():
    found = on_mars(box(-180, -90, 180, 90))
    assert found.area_km2 == pytest.approx(4 * np.pi * R**2, rel=1e-6)
    assert found.perimeter_km == pytest.approx(0, abs=1e-6)
    assert found.contains(unit_vectors([0, 180, -180, 90, 12], [0, 0, 45, 90, -90])).all()


def test_across_the_antimeridian_in_all_spellings():
    exact, length = box_km2(170, -10, 190, 10), box_km(170, -10, 190, 10)
    jumping = Polygon([(170, -10), (-170, -10), (-170, 10), (170, 10)])
    for spelling in ([box(170, -10, 190, 10)], [box(-190, -10, -170, 10)], [jumping],
                     [box(170, -10, 180, 10), box(-180, -10, -170, 10)]):  # fmt: skip
        found = on_mars(*spelling)
        assert found.area_km2 == pytest.approx(exact, rel=1e-6)
        assert found.perimeter_km == pytest.approx(length, rel=1e-6)
        assert found.contains(unit_vectors([179, -179, 180, 0, 165], [0] * 5)).tolist() == [True] * 3 + [False] * 2
    assert on_mars(box(-170, -10, 170, 10)).area_km2 == pytest.approx(box_km2(-170, -10, 170, 10), rel=1e-6)


def test_holes_and_overlaps_are_counted_once():
    outer, hole = box(0, 0, 10, 10), box(2, 2, 3, 3)
    found = on_mars(outer.difference(hole))
    assert found.area_km2 == pytest.approx(box_km2(0, 0, 10, 10) - box_km2(2, 2, 3, 3), rel=1e-6)
    assert found.perimeter_km == pytest.approx(box_km(0, 0, 10, 10) + box_km(2, 2, 3, 3), rel=1e-6)
    assert found.contains(unit_vectors([1, 2.5], [1, 2.5])).tolist() == [True, False]
    assert on_mars(box(0, 0, 6, 10), box(4, 0, 10, 10)).area_km2 == pytest.approx(box_km2(0, 0, 10, 10), rel=1e-6)


def test_a_bow_tie_is_its_two_triangles():
    tie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    two = on_mars(Polygon([(0, 0), (1, 1), (0, 2)]), Polygon([(2, 0), (2, 2), (1, 1)]))
    assert on_mars(tie).area_km2 == pytest.approx(two.area_km2, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(lon=st.floats(-180, 180), lat=st.floats(-85, 85), degrees=st.floats(0.5, 10))
def test_share_of_circles_and_distances(lon, lat, degrees):
    """A great circle halves the circles on it; distances from a meridian follow from spherical trigonometry."""
    half = region_of(gpd.GeoSeries([box(lon - 40, -90, lon, 90)], crs=MARS))
    angle = np.array([np.radians(degrees)])
    if abs(lat) + degrees < 80:
        assert half.share(unit_vectors([lon], [lat]), angle) == pytest.approx(0.5, abs=1e-3)
        east = lon + degrees
        assert half.distance(unit_vectors([east], [lat])) == pytest.approx(
            np.arcsin(np.sin(angle) * np.cos(np.radians(lat))), abs=1e-6
        )
    assert half.share(unit_vectors([lon - 20], [0]), angle) == pytest.approx(1, abs=1e-4)
    assert half.share(unit_vectors([lon + 120], [0]), angle) == 0


def test_random_points_and_lattice_are_even():
    from scipy.stats import kstest

    found = on_mars(box(100, 20, 280, 80), box(-20, -85, 30, -80))
    points = found.random(4000, np.random.default_rng(0))
    assert points.shape == (4000, 3) and found.contains(points).all()
    north = points[points[:, 2] > 0]
    z = north[:, 2]
    low, high = np.sin(np.radians([20, 80]))
    assert kstest((z - low) / (high - low), "uniform").pvalue > 0.01
    assert len(north) / 4000 == pytest.approx(box_km2(100, 20, 280, 80) / found.area_km2, abs=0.02)
    lattice, cell = found.lattice(20_000)
    assert len(lattice) * cell == pytest.approx(found.area_km2, rel=2e-3)
    wide, cell = found.lattice(20_000, margin=0.02)
    assert len(wide) * cell == pytest.approx(found.area_km2 + found.perimeter_km * 0.02 * R, rel=0.01)
    nearest = shapely.STRtree(shapely.points(wide[:, :2])).query_nearest(shapely.points(wide[:, :2]), exclusive=True)
    assert angle_between(wide[nearest[0]], wide[nearest[1]]).min() > 0.2 * np.sqrt(cell) / R


def test_a_plane_is_a_plane():
    found = region_of(gpd.GeoSeries([box(1000, 2000, 4000, 6000).difference(box(1500, 2500, 1600, 2600))]))
    assert found.area_km2 == pytest.approx(11.99, rel=1e-7)
    assert found.perimeter_km == pytest.approx(14.4, rel=1e-12)


def test_count_files_bound_areas_by_geodesics(tmp_path):
    """A ring around the pole, which has no meaning with sides straight in degrees."""
    lon = np.arange(0, 360, 30.0)
    ring = "\n".join(f"{i + 1}\t1\text\t{(x + 180) % 360 - 180}\t60.0" for i, x in enumerate([*lon, lon[0]]))
    file = tmp_path / "pole.scc"
    file.write_text(
        "a_axis_radius = 3396.19 <km>\nunit_boundary = {vertex, sub_area, tag, lon, lat\n" + ring
        + "\n}\nTotal_area = 1.0 <km^2>\ncrater = {diam, fraction, lon, lat\n10\t1\t5\t80\n}\n"
    )  # fmt: skip
    found = region_of(file)
    # Twelve isosceles triangles: spherical excess by l'Huilier's theorem.
    a, side = np.radians(30.0), 2 * np.arcsin(np.sin(np.radians(15)) * np.cos(np.radians(60)))
    s = a + side / 2
    tan = np.tan(s / 2) * np.tan((s - a) / 2) ** 2 * np.tan((s - side) / 2)
    assert found.area_km2 == pytest.approx(12 * 4 * np.arctan(np.sqrt(tan)) * R**2, rel=1e-6)
    assert len(cl.read_craters(file).crater.clip()) == 1


@pytest.mark.parametrize(
    ("within", "message"),
    [
        (gpd.GeoSeries([box(0, 0, 1, 1)]), r"no CRS.*set_crs\('IAU_2015:49900'\)"),
        (gpd.GeoSeries([box(0, 0, 1, 1)], crs="EPSG:4326"), "allow_override=True"),
        (gpd.GeoSeries([box(0, 0, 1, 1)], crs="EPSG:32633"), "Earth"),
        (gpd.GeoSeries([box(0, 0, 1, 1)], crs="IAU_2015:30100"), "on Moon, the craters on Mars"),
        (gpd.GeoSeries([Point(0, 0)], crs=MARS), "no polygon"),
        (gpd.GeoSeries([], crs=MARS), "no polygon"),
        (gpd.GeoSeries([box(0, 0, 400, 1)], crs=MARS), "more than once around"),
        (gpd.GeoSeries([box(0, 0, 10, 100)], crs=MARS), "has no place"),
        (gpd.GeoSeries([Polygon([(0, 0), (1, 1), (2, 2)])], crs=MARS), "bounds no area"),
        (gpd.GeoSeries([Polygon([(0, 0), (1, np.inf), (2, 2)])], crs=MARS), "not numbers"),
        (box(0, 0, 1, 1), "GeoDataFrame"),
        ("nowhere.gpkg", "No polygon file"),
        (None, "counting area is not known"),
    ],
)
def test_areas_that_are_none(within, message):
    with pytest.raises(CraterlabError, match=message):
        region_of(within, body=body("Mars"))

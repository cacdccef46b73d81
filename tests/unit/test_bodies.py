"""Bodies against PROJ's database; which body a CRS is on."""

from __future__ import annotations

import pytest
from pyproj import CRS

from craterlab.bodies import Body, bodies, body, body_of
from craterlab.errors import CraterlabError


def test_radii_are_those_of_the_iau_spheres():
    table = bodies()
    assert len(table) >= 13
    for row in table.itertuples():
        crs = CRS.from_user_input(row.crs)
        assert crs.name.startswith(f"{row.name} (2015) - Sphere"), row.name
        assert crs.ellipsoid.semi_major_metre == crs.ellipsoid.semi_minor_metre == row.radius_m
        assert [a.direction for a in crs.axis_info] == ["north", "east"]
        assert body_of(crs) == body(row.name)


@pytest.mark.parametrize(("name", "gravity"), [("Moon", 1.62), ("Mars", 3.71), ("Mercury", 3.70), ("Vesta", 0.25)])
def test_gravity(name, gravity):
    assert body(name).gravity == pytest.approx(gravity, rel=0.1)


def test_gravity_falls_with_size_at_rocky_densities():
    for row in bodies().itertuples():
        density = row.gravity / (4 / 3 * 3.14159265 * 6.674e-11 * row.radius_m)
        assert 900 < density < 6000, row.name


def test_names_in_any_case():
    assert body("MARS") is body("mars") is body(" Mars ")
    assert isinstance(body("Ida"), Body)
    assert body(body("Moon")) is body("Moon")


def test_unknown_name_lists_the_known_and_the_nearest():
    with pytest.raises(CraterlabError, match=r"Did you mean 'Mercury'.*Moon.*Mars"):
        body("Mercuri")


@pytest.mark.parametrize(
    ("crs", "name"),
    [
        ("IAU_2015:49910", "Mars"),
        ("IAU_2015:49901", "Mars"),
        ("IAU_2015:49902", "Mars"),
        ("IAU_2015:30130", "Moon"),
        ("ESRI:104905", "Mars"),
        ("+proj=longlat +R=1737400", "Moon"),
        ("+proj=eqc +R=1738000", "Moon"),
        ("+proj=stere +lat_0=90 +R=3376200", "Mars"),  # polar radius, as ISIS maps come
        ("+proj=eqc +R=3389500", "Mars"),  # mean radius
        ("+proj=longlat +R=2439400", "Mercury"),
        ("+proj=longlat +R=255000", "Vesta"),
        ("IAU_2015:50200", "Europa"),
    ],
)
def test_body_of_crs(crs, name):
    assert body_of(crs).name == name


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32612", "+proj=longlat +R=6371000"])
def test_earth_is_refused(crs):
    with pytest.raises(CraterlabError, match=r"on the Earth.*IAU_2015"):
        body_of(crs)


def test_unknown_radius_is_refused():
    with pytest.raises(CraterlabError, match="no known body"):
        body_of("+proj=longlat +R=123456")


def test_name_that_contradicts_the_radius():
    wkt = CRS.from_user_input("IAU_2015:49900").to_wkt().replace("3396190", "1737400")
    with pytest.raises(CraterlabError, match=r"names Mars but has radius 1737\.4 km"):
        body_of(wkt)

"""Sizes and shapes are true on the body: pixel <-> lon/lat, metres, rims, areas, in every accepted projection."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer

from craterlab import CraterlabError, area_km2, craters_from_pixels
from craterlab.bodies import body, body_of
from craterlab.frames import apply
from craterlab.grid import Grid, grid_of

gpd = pytest.importorskip("geopandas")
pytest.importorskip("rioxarray")  # registers .rio

# name -> CRS, centre longitude, latitude
PLACES = {
    "equirectangular at latitude 60": ("IAU_2015:49910", 20.0, 60.0),
    "equirectangular true at 60": ("+proj=eqc +lat_ts=60 +R=3396190", 20.0, 60.0),
    "equirectangular across the antimeridian": ("IAU_2015:49910", 180.0, -35.0),
    "equirectangular centred on 180": ("IAU_2015:49915", 180.0, 10.0),
    "sinusoidal": ("+proj=sinu +lon_0=100 +R=1737400", 130.0, -50.0),
    "polar stereographic at the pole": ("IAU_2015:30130", 0.0, 90.0),
    "polar stereographic south": ("IAU_2015:49935", 150.0, -82.0),
    "polar stereographic across 180": ("IAU_2015:30130", 180.0, 84.0),
    "lon/lat": ("IAU_2015:30100", 30.0, 60.0),
    "lon/lat near the pole": ("IAU_2015:49900", -30.0, 86.0),
    "lon/lat across the antimeridian": ("IAU_2015:19900", 180.0, 40.0),
    "Mercator": ("+proj=merc +R=3396190", -100.0, 55.0),
    "Lambert azimuthal": ("+proj=laea +lat_0=45 +lon_0=10 +R=1737400", 25.0, 52.0),
    "orthographic": ("+proj=ortho +lat_0=0 +lon_0=0 +R=1737400", 40.0, 30.0),
}
SIZE = 400


def project(crs, lon, lat):
    """PROJ alone, on the sphere: an independent way to the map."""
    crs = CRS.from_user_input(crs)
    if not crs.is_projected:
        return np.asarray(lon, float), np.asarray(lat, float)
    return Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True).transform(lon, lat)


def map_scene(crs, lon, lat, metres=100.0, size=SIZE, values=None):
    """A scene centred on lon, lat whose pixels are about `metres` in latitude."""
    crs = CRS.from_user_input(crs)
    x, y = (float(v) for v in project(crs, lon, lat))
    step = metres if crs.is_projected else np.degrees(metres / body_of(crs).radius_m)
    image = np.zeros((size, size), np.float32) if values is None else values
    rows, columns = image.shape
    scene = xr.Dataset(
        {"image": (("y", "x"), image)},
        coords={
            "x": x + step * (np.arange(columns) + 0.5 - columns / 2),
            "y": y - step * (np.arange(rows) + 0.5 - rows / 2),
        },
    )
    return scene.rio.write_crs(crs)


def geodesic_circle(radius_m, lon, lat, diameter_m, n=720):
    geod = Geod(a=radius_m, b=radius_m)
    azimuth = np.linspace(0, 360, n, endpoint=False)
    ones = np.ones(n)
    lon2, lat2, _ = geod.fwd(lon * ones, lat * ones, azimuth, diameter_m / 2 * ones)
    return np.asarray(lon2), np.asarray(lat2)


def circle_on_pixels(scene, crs, lon, lat, diameter_m):
    """Centre and area-equal diameter, in pixels, of a true circle, by PROJ alone."""
    circle = geodesic_circle(body_of(crs).radius_m, lon, lat, diameter_m)
    x, y = project(crs, *circle)
    xc, yc = (float(v) for v in project(crs, lon, lat))
    period = grid_of(scene).frame.period
    if np.isfinite(period):
        x = xc + (x - xc + period / 2) % period - period / 2
    step = float(scene.x[1] - scene.x[0])
    px = (x - float(scene.x[0])) / step + 0.5
    py = (float(scene.y[0]) - y) / step + 0.5
    area = 0.5 * abs(np.dot(px, np.roll(py, 1)) - np.dot(py, np.roll(px, 1)))
    return (xc - float(scene.x[0])) / step + 0.5, (float(scene.y[0]) - yc) / step + 0.5, 2 * np.sqrt(area / np.pi)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("diameter_m", [1500.0, 12000.0])
def test_a_true_circle_has_one_place_and_one_size_in_every_projection(place, diameter_m):
    crs, lon, lat = PLACES[place]
    scene = map_scene(crs, lon, lat)
    x, y, d = circle_on_pixels(scene, crs, lon, lat, diameter_m)
    crater = craters_from_pixels(pd.DataFrame({"x_px": [x], "y_px": [y], "diameter_px": [d]}), scene).iloc[0]
    assert crater.diameter_m == pytest.approx(diameter_m, rel=0.02)
    radius = body_of(crs).radius_m
    _, _, off = Geod(a=radius, b=radius).inv(crater.lon, crater.lat, lon, lat)
    assert off < 0.02 * diameter_m
    assert -180 <= crater.lon <= 180
    assert -90 <= crater.lat <= 90


@pytest.mark.parametrize("place", PLACES)
def test_the_rim_lies_at_its_radius_all_around(place):
    crs, lon, lat = PLACES[place]
    scene = map_scene(crs, lon, lat)
    x, y, d = circle_on_pixels(scene, crs, lon, lat, 9000.0)
    craters = craters_from_pixels({"x_px": [x], "y_px": [y], "diameter_px": [d]}, scene)
    rim = craters.geometry.iloc[0]
    assert rim.is_valid
    corners = shapely.get_coordinates(rim)
    # In one piece around the crater, in the coordinates of the scene.
    assert np.ptp(corners[:, 0]) < 40 * np.ptp(corners[:, 1])
    assert rim.contains(shapely.Point(*apply(grid_of(scene).transform, x, y)))
    rim_lon, rim_lat = grid_of(scene).frame.lonlat(*corners.T)
    radius = body_of(crs).radius_m
    n = len(corners)
    _, _, distance = Geod(a=radius, b=radius).inv(rim_lon, rim_lat, np.full(n, lon), np.full(n, lat))
    assert distance == pytest.approx(4500.0, rel=0.02)


def test_rim_around_the_pole_of_a_lon_lat_map_is_the_cap():
    crs, r = "IAU_2015:30100", body("Moon").radius_m
    scene = xr.Dataset(
        {"image": (("y", "x"), np.zeros((20, 720), np.float32))},
        coords={"x": np.arange(-179.75, 180, 0.5), "y": 89.75 - 0.5 * np.arange(20)},
    ).rio.write_crs(crs)
    scale = float(grid_of(scene).metres_per_pixel(300.5, 2.5))
    # centre 1.25 degrees from the pole, radius 2.5 degrees
    d = 2 * np.radians(2.5) * r / scale
    rim = craters_from_pixels({"x_px": [300.5], "y_px": [2.5], "diameter_px": [d]}, scene).geometry.iloc[0]
    assert rim.is_valid
    west, _, east, north = rim.bounds
    assert (east - west, north) == (pytest.approx(360), pytest.approx(90))
    assert rim.contains(shapely.Point(rim.centroid.x, 89.9))


def test_rim_at_the_torn_edge_of_a_sinusoidal_map_stays_in_one_piece():
    crs = CRS("+proj=sinu +lon_0=0 +R=1737400")
    scene = map_scene(crs, 179.99, 30.0)
    rim = craters_from_pixels({"x_px": [200.0], "y_px": [200.0], "diameter_px": [120.0]}, scene).geometry.iloc[0]
    assert rim.is_valid
    assert np.ptp(shapely.get_coordinates(rim)[:, 0]) < 1e5


@settings(max_examples=60, deadline=None)
@given(
    place=st.sampled_from(sorted(PLACES)),
    u=st.floats(0.01, 0.99),
    v=st.floats(0.01, 0.99),
    turn=st.sampled_from([-360, 0, 360]),
)
def test_pixel_to_lonlat_and_back(place, u, v, turn):
    grid = _GRIDS[place]
    x, y = u * SIZE, v * SIZE
    lon, lat = grid.lonlat(x, y)
    assert -180 <= lon <= 180
    back = grid.pixels(lon + turn, lat)
    assert back == (pytest.approx(x, abs=1e-4), pytest.approx(y, abs=1e-4))


_GRIDS = {name: grid_of(map_scene(*place)) for name, place in PLACES.items()}


@pytest.mark.parametrize("place", PLACES)
def test_metric_is_the_distance_on_the_sphere(place):
    crs = PLACES[place][0]
    grid, r = _GRIDS[place], body_of(crs).radius_m
    geod = Geod(a=r, b=r)
    points = np.array([[50.0, 60.0], [200.0, 200.0], [390.0, 30.0]])
    g = grid.metric(*points.T)
    assert g.shape == (3, 2, 2)
    for step in np.array([[1.0, 0.0], [0.0, 1.0], [0.6, -0.8]]):
        a, b = grid.lonlat(*(points - step / 2).T), grid.lonlat(*(points + step / 2).T)
        _, _, distance = geod.inv(*a, *b)
        assert np.sqrt(step @ g @ step) == pytest.approx(distance, rel=2e-3)
    jacobian = grid.jacobian(*points.T)
    assert np.swapaxes(jacobian, -1, -2) @ jacobian == pytest.approx(g, rel=1e-6, abs=1e-3)


def test_vectorised_over_any_shape():
    grid = _GRIDS["lon/lat"]
    lon, lat = grid.lonlat(np.arange(5.0), np.arange(3.0)[:, None])
    assert lon.shape == lat.shape == (3, 5)
    assert grid.metric(np.arange(5.0), np.arange(3.0)[:, None]).shape == (3, 5, 2, 2)
    assert grid.metres_per_pixel(1.0, 2.0).shape == ()


def test_convention_first_pixel_centre_is_half():
    scene = map_scene("IAU_2015:49900", 10.0, 0.0)
    lon, lat = grid_of(scene).lonlat(0.5, 0.5)
    assert (lon, lat) == (pytest.approx(float(scene.x[0])), pytest.approx(float(scene.y[0])))


def test_a_slice_keeps_its_place():
    scene = map_scene("IAU_2015:49910", 20.0, 60.0)
    scene = scene.rio.write_transform(scene.rio.transform())
    part = scene.isel(y=slice(100, 200, 2), x=slice(50, 250, 2))
    for x, y in ((0.5, 0.5), (10.5, 3.5)):
        there = np.array(grid_of(part).lonlat(x, y))
        assert there == pytest.approx(np.array(grid_of(scene).lonlat(49.5 + 2 * x, 99.5 + 2 * y)), abs=1e-9)
    assert grid_of(part).metres_per_pixel(5, 5) == pytest.approx(2 * grid_of(scene).metres_per_pixel(60, 110), rel=1e-3)


def test_outside_the_projection_is_nan():
    grid = Grid((100, 100), Affine(1e5, 0, -5e6, 0, -1e5, 5e6), CRS("+proj=ortho +R=1737400"), body("Moon"))
    lon, lat = grid.lonlat([1.0, 50.0], [1.0, 50.0])
    assert np.isnan([lon[0], lat[0]]).all() and np.isfinite([lon[1], lat[1]]).all()
    assert np.isnan(grid.metres_per_pixel(1.0, 1.0))
    assert np.isnan(grid.pixels(180.0, 0.0)).all()


@pytest.mark.parametrize("pixel_size", [None, 6.0])
def test_without_a_crs(pixel_size):
    scene = xr.Dataset({"image": (("y", "x"), np.zeros((50, 60), np.float32))})
    if pixel_size:
        scene.attrs["pixel_size_m"] = pixel_size
    table = pd.DataFrame({"x_px": [10.0], "y_px": [20.0], "diameter_px": [8.0], "diameter_std_px": [1.0]})
    crater = craters_from_pixels(table, scene).iloc[0]
    assert np.isnan([crater.lon, crater.lat]).all()
    if pixel_size is None:
        assert np.isnan([crater.diameter_m, crater.diameter_std_m]).all()
        assert crater.geometry.bounds == pytest.approx((6, 16, 14, 24))
        with pytest.raises(CraterlabError, match="pixel_size"):
            area_km2(scene)
    else:
        assert (crater.diameter_m, crater.diameter_std_m) == (48.0, 6.0)
        assert crater.geometry.bounds == pytest.approx((36, 96, 84, 144))
        assert area_km2(scene) == pytest.approx(50 * 60 * 36e-6)
        square = gpd.GeoSeries([shapely.box(60, 60, 120, 180)])  # 10 x 20 pixels of 6 m
        assert area_km2(scene, square) == pytest.approx(200 * 36e-6)


def test_columns_are_kept_and_derived():
    scene = map_scene("IAU_2015:49900", 10.0, 60.0)
    table = pd.DataFrame(
        {
            "x_px": [100.0, 200.0],
            "y_px": [100.0, 250.0],
            "diameter_px": [20.0, 30.0],
            "diameter_std_px": [1.0, 2.0],
            "position_std_px": [0.5, 0.6],
            "score": [0.9, 0.4],
            "note": ["a", "b"],
        },
        index=[7, 9],
    )
    table.attrs["weights"] = "abc"
    out = craters_from_pixels(table, scene)
    assert list(out.columns[:8]) == ["crater_id", "x_px", "y_px", "diameter_px", "lon", "lat", "diameter_m", "score"]
    assert list(out.note) == ["a", "b"] and list(out.crater_id) == [0, 1] and list(out.score) == [0.9, 0.4]
    scale = out.diameter_m / out.diameter_px
    assert list(out.diameter_std_m) == pytest.approx(list(table.diameter_std_px.values * scale))
    assert list(out.position_std_m) == pytest.approx(list(table.position_std_px.values * scale))
    assert out.attrs["weights"] == "abc"
    assert out.crs == CRS("IAU_2015:49900")
    again = craters_from_pixels(out, scene)  # a full table goes through unchanged
    assert list(again.columns) == list(out.columns)
    assert list(again.diameter_m) == pytest.approx(list(out.diameter_m))


def test_empty_table():
    out = craters_from_pixels(
        pd.DataFrame({"x_px": [], "y_px": [], "diameter_px": []}), map_scene("IAU_2015:49900", 0, 0)
    )
    assert len(out) == 0
    assert out.crs == CRS("IAU_2015:49900")
    assert {"crater_id", "lon", "lat", "diameter_m", "score"} <= set(out.columns)


def test_missing_and_wrong_columns():
    scene = map_scene("IAU_2015:49900", 0, 0)
    with pytest.raises(CraterlabError, match="lacks diameter_px"):
        craters_from_pixels({"x_px": [1.0], "y_px": [1.0]}, scene)
    with pytest.raises(CraterlabError, match="must hold numbers"):
        craters_from_pixels({"x_px": ["a"], "y_px": [1.0], "diameter_px": [1.0]}, scene)


@pytest.mark.parametrize("azimuth", [0.0, 30.0, 90.0, 145.0])
@pytest.mark.parametrize("place", ["equirectangular at latitude 60", "polar stereographic south", "lon/lat"])
def test_ellipse_on_the_ground(place, azimuth):
    """A true ellipse of 4 x 2.5 km, laid on the map by PROJ, comes back with its axes and bearing."""
    crs, lon, lat = PLACES[place]
    scene, r = map_scene(crs, lon, lat), body_of(crs).radius_m
    geod, step = Geod(a=r, b=r), 100.0 if CRS(crs).is_projected else np.degrees(100 / r)
    bearing = np.linspace(0, 360, 721)[:-1]
    t = np.radians(bearing - azimuth)
    distance = 1 / np.hypot(np.cos(t) / 2000, np.sin(t) / 1250)
    n = len(t)
    lon2, lat2, _ = geod.fwd(np.full(n, lon), np.full(n, lat), bearing, distance)
    x, y = project(crs, lon2, lat2)
    xc, yc = project(crs, lon, lat)
    p = np.stack([x - xc, -(y - yc)], -1) / step  # right, down in pixels
    # The linear map of the circle gives the ellipse on pixels.
    moments = np.linalg.eigh(p.T @ (p * np.linalg.norm(np.roll(p, 1, 0) - np.roll(p, -1, 0), axis=1)[:, None]))
    axis = moments.eigenvectors[:, 1]
    angle_px = np.degrees(np.arctan2(axis[0], -axis[1])) % 180
    along, across = p @ axis, p @ moments.eigenvectors[:, 0]
    table = {
        "x_px": [200.0],
        "y_px": [200.0],
        "diameter_px": [30.0],
        "major_px": [np.ptp(along)],
        "minor_px": [np.ptp(across)],
        "angle_px": [angle_px],
    }
    crater = craters_from_pixels(table, scene).iloc[0]
    assert crater.major_m == pytest.approx(4000, rel=0.02)
    assert crater.minor_m == pytest.approx(2500, rel=0.02)
    assert (crater.angle_deg - azimuth + 90) % 180 - 90 == pytest.approx(0, abs=2)


def test_area_of_a_whole_body():
    lon, lat = np.arange(-179.5, 180), np.arange(89.5, -90, -1)
    scene = xr.Dataset({"image": (("y", "x"), np.ones((180, 360), np.float32))}, coords={"x": lon, "y": lat})
    r = body("Moon").radius_m
    assert area_km2(scene.rio.write_crs("IAU_2015:30100")) == pytest.approx(4 * np.pi * r**2 / 1e6, rel=2e-4)


@pytest.mark.parametrize("place", PLACES)
def test_area_is_that_of_the_ground(place):
    crs, lon, lat = PLACES[place]
    r = body_of(crs).radius_m
    scene = map_scene(crs, lon, lat)
    grid = grid_of(scene)
    y, x = np.meshgrid(np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5, indexing="ij")
    lon2, lat2 = grid.lonlat(x, y)
    _, _, distance = Geod(a=r, b=r).inv(lon2, lat2, np.full_like(lon2, lon), np.full_like(lat2, lat))
    radius_m = 0.9 * min(distance[[0, -1]].min(), distance[:, [0, -1]].min())
    scene["image"] = scene["image"].where(distance < radius_m)
    cap = 2 * np.pi * r**2 * (1 - np.cos(radius_m / r)) / 1e6
    assert area_km2(scene) == pytest.approx(cap, rel=5e-3)


def test_area_within_polygons(tmp_path):
    scene = map_scene("IAU_2015:49910", 20.0, 60.0)
    full = area_km2(scene)
    west, south, east, north = scene.rio.bounds()
    half = gpd.GeoDataFrame(geometry=[shapely.box(west, south, (west + east) / 2, north)], crs=scene.rio.crs)
    assert area_km2(scene, half) == pytest.approx(full / 2, rel=1e-6)
    # in degrees, and from a file
    degrees = gpd.GeoDataFrame(geometry=[shapely.box(20, 50, 30, 70)], crs=CRS("IAU_2015:49900"))
    assert area_km2(scene, degrees) == pytest.approx(full / 2, rel=1e-6)
    degrees.to_file(tmp_path / "unit.gpkg")
    assert area_km2(scene, tmp_path / "unit.gpkg") == pytest.approx(full / 2, rel=1e-6)
    degrees.to_parquet(tmp_path / "unit.parquet")
    assert area_km2(scene, str(tmp_path / "unit.parquet")) == pytest.approx(full / 2, rel=1e-6)


def test_area_within_across_the_antimeridian():
    scene = map_scene("IAU_2015:19900", 180.0, 40.0)
    box = gpd.GeoDataFrame(geometry=[shapely.box(-181, 30, -180, 50)], crs=CRS("IAU_2015:19900"))
    assert area_km2(scene, box) == pytest.approx(area_km2(scene) / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("within", "message"),
    [
        (gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs="IAU_2015:30100"), "on Moon, the image on Mars"),
        (gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)]), "no CRS"),
        (gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs="IAU_2015:49900"), "no polygon"),
        ("nowhere.shp", "No polygon file"),
        (__file__, "could not be read"),
        (shapely.box(0, 0, 1, 1), "GeoDataFrame"),
    ],
)
def test_area_within_what_is_not_usable(within, message):
    with pytest.raises(CraterlabError, match=message):
        area_km2(map_scene("IAU_2015:49900", 0, 0), within)


def test_grid_of_refuses_what_it_cannot_place():
    scene = map_scene("IAU_2015:49900", 0, 0)
    with pytest.raises(CraterlabError, match="on the Earth"):
        grid_of(scene.rio.write_crs("EPSG:4326"))
    with pytest.raises(CraterlabError, match="body 'Moon' but its CRS"):
        grid_of(scene.assign_attrs(body="Moon"))
    with pytest.raises(CraterlabError, match="dimensions"):
        grid_of(scene.rename(y="lat"))

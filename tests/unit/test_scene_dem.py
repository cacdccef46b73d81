"""A DEM on the grid of its image."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasters import degrees_grid, ramp, write

from craterlab import CraterlabError, open_scene
from craterlab.grid import grid_of

pytest.importorskip("rioxarray")  # registers .rio
MARS, MOON = "IAU_2015:49900", "IAU_2015:30100"


def plane(grid, slope=(300.0, -700.0)):
    """Elevation linear in longitude and latitude, at every pixel."""
    rows, columns = grid.shape
    lon, lat = grid.lonlat(np.arange(columns) + 0.5, (np.arange(rows) + 0.5)[:, None])
    return slope[0] * ((lon + 360) % 360) + slope[1] * lat


def dem_file(path, crs, transform, shape, **profile):
    write(path, np.zeros(shape, "float32"), crs, transform)
    write(path, plane(grid_of(open_scene(path))).astype("float32"), crs, transform, **profile)
    return path


@pytest.mark.parametrize(
    ("crs", "transform", "shape"),
    [
        (MARS, degrees_grid(9, 61, 0.02), (100, 120)),  # coarser
        (MARS, degrees_grid(9.9, 60.1, 0.003), (320, 400)),  # finer
        ("+proj=stere +lat_0=90 +R=3396190", Affine(1000, 0, 2e5, 0, -1000, -1.7e6), (250, 250)),
        ("+proj=sinu +lon_0=10 +R=3376200", Affine(500, 0, -2e4, 0, -500, 3.58e6), (180, 160)),
        ("ESRI:104905", degrees_grid(9, 61, 0.02), (100, 120)),  # planetographic
    ],
)
def test_dem_in_another_projection(tmp_path, crs, transform, shape):
    image = write(tmp_path / "image.tif", ramp(), MARS, degrees_grid(10, 60))
    scene = open_scene(image, dem=dem_file(tmp_path / "dem.tif", crs, transform, shape))
    assert scene["dem"].dims == ("y", "x") and scene["dem"].dtype == np.float32
    # 2 m is 0.003 degrees of latitude; taking planetographic for planetocentric would be off by 200 m.
    assert scene["dem"].values == pytest.approx(plane(grid_of(scene)), abs=2.0)
    window = scene["dem"].isel(y=slice(7, 19), x=slice(30, 71))
    assert window.values == pytest.approx(plane(grid_of(scene))[7:19, 30:71], abs=2.0)


def test_global_dem_under_an_image_across_the_antimeridian(tmp_path):
    dem = tmp_path / "dem.tif"
    height = np.broadcast_to(np.cos(np.radians(np.arange(-179.75, 180, 0.5))) * 1000, (360, 720))
    write(dem, height.astype("float32"), MARS, degrees_grid(-180, 90, 0.5))
    image = write(tmp_path / "image.tif", ramp(), MARS, degrees_grid(179.6, 5))
    scene = open_scene(image, dem=dem)
    lon, _ = grid_of(scene).lonlat(np.arange(80) + 0.5, np.full(80, 30.0))
    assert lon.min() < -179.5 and lon.max() > 179.5
    assert scene["dem"].values[30] == pytest.approx(np.cos(np.radians(lon)) * 1000, abs=0.05)


def test_dem_holes_and_edges_stay_nan(tmp_path):
    image = write(tmp_path / "image.tif", ramp(), MARS, degrees_grid(10, 5))
    height = np.full((30, 80), 100.0, "float32")
    height[5:10, 20:40] = -9999
    dem = write(tmp_path / "dem.tif", height, MARS, degrees_grid(10, 5), nodata=-9999)
    values = open_scene(image, dem=dem)["dem"].values
    assert np.isnan(values[5:10, 20:40]).all() and np.isnan(values[30:]).all()
    assert values[:4] == pytest.approx(100) and np.isnan(values).sum() == 100 + 30 * 80


def test_dem_scale_is_applied(tmp_path):
    image = write(tmp_path / "image.tif", ramp(), MARS, degrees_grid(10, 5))
    dem = write(tmp_path / "dem.tif", np.full((60, 80), 40, "int16"), MARS, degrees_grid(10, 5), scales=[0.5])
    assert open_scene(image, dem=dem)["dem"].values == pytest.approx(20)


def test_dem_without_crs_of_the_same_shape(tmp_path):
    image = write(tmp_path / "image.png", ramp())
    dem = write(tmp_path / "dem.tif", ramp(dtype="float32"))
    assert np.array_equal(open_scene(image, dem=dem, pixel_size=5)["dem"].values, ramp())
    other = write(tmp_path / "other.tif", ramp(30, 40, "float32"))
    with pytest.raises(CraterlabError, match="same shape"):
        open_scene(image, dem=other)


@pytest.mark.parametrize(
    ("crs", "lon", "message"), [(MOON, 10, "on Moon, the image on Mars"), (MARS, 100, "does not cover")]
)
def test_dem_that_does_not_fit(tmp_path, crs, lon, message):
    image = write(tmp_path / "image.tif", ramp(), MARS, degrees_grid(10, 5))
    dem = write(tmp_path / "dem.tif", ramp(50, 50, "float32"), crs, degrees_grid(lon, 5))
    with pytest.raises(CraterlabError, match=message):
        open_scene(image, dem=dem)


def test_dem_on_another_body_than_was_named(tmp_path):
    image = write(tmp_path / "image.png", ramp())
    dem = write(tmp_path / "dem.tif", ramp(dtype="float32"), MOON, degrees_grid(1, 1))
    with pytest.raises(CraterlabError, match="on Moon, the image on Mars"):
        open_scene(image, dem=dem, body="Mars")

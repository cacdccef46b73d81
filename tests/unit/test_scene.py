"""Opening images: laziness, no-data, bands; what counts as a scene."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import rasterio
import xarray as xr
from pyproj import CRS
from rasters import degrees_grid, ramp, write

from craterlab import CraterlabError, area_km2, open_scene
from craterlab.grid import grid_of
from craterlab.raster import Raster
from craterlab.scene import as_scene

pytest.importorskip("rioxarray")  # registers .rio
MARS, MOON = "IAU_2015:49900", "IAU_2015:30100"


def test_contract_of_a_scene(tmp_path):
    path = write(tmp_path / "a.tif", ramp(), MARS, degrees_grid(10, 5))
    scene = open_scene(path, instrument="ctx", sun_azimuth_deg=-90, incidence_deg=60)
    assert scene["image"].dims == ("y", "x")
    assert scene["image"].dtype == np.float32
    assert scene["image"].values == pytest.approx(ramp())
    assert scene.attrs == {
        "body": "Mars",
        "instrument": "CTX",
        "sun_azimuth_deg": 270.0,
        "incidence_deg": 60.0,
        "source": str(path),
    }
    assert grid_of(scene).crs == CRS(MARS)
    assert grid_of(scene).crs.to_authority() == ("IAU_2015", "49900")
    assert (float(scene.x[0]), float(scene.y[0])) == (pytest.approx(10.005), pytest.approx(4.995))


def test_without_crs(tmp_path):
    path = write(tmp_path / "a.png", ramp())
    scene = open_scene(path)
    assert "body" not in scene.attrs and "pixel_size_m" not in scene.attrs
    assert np.isnan(scene.attrs["sun_azimuth_deg"]) and np.isnan(scene.attrs["incidence_deg"])
    assert scene.attrs["instrument"] == "generic"
    scene = open_scene(path, body="mars", pixel_size=6)
    assert (scene.attrs["body"], scene.attrs["pixel_size_m"]) == ("Mars", 6.0)
    assert grid_of(scene).metres_per_pixel(3, 3) == 6


def test_only_what_is_used_is_read(tmp_path, monkeypatch):
    path = write(
        tmp_path / "a.tif", ramp(2000, 300), MARS, degrees_grid(0, 0), tiled=True, blockxsize=64, blockysize=64
    )
    read = []
    original = Raster.read

    def spy(self, top, bottom, left, right, shape=None):
        read.append((bottom - top) * (right - left))
        return original(self, top, bottom, left, right, shape)

    monkeypatch.setattr(Raster, "read", spy)
    scene = open_scene(path)
    part = scene.isel(y=slice(100, 150), x=slice(20, 60))
    assert not part["image"].variable._in_memory
    read.clear()
    assert part["image"].values == pytest.approx(ramp(2000, 300)[100:150, 20:60])
    assert sum(read) == 50 * 40


def test_the_area_of_a_large_image_is_read_in_strips(tmp_path, monkeypatch):
    path = tmp_path / "large.tif"
    profile = dict(
        driver="GTiff", count=1, height=8000, width=8000, dtype="uint8", crs=MOON, tiled=True, SPARSE_OK=True
    )
    with rasterio.open(path, "w", transform=degrees_grid(0, 40, 0.0001), **profile) as file:
        file.write(np.ones((1, 16, 8000), "uint8"), window=rasterio.windows.Window(0, 4000, 8000, 16))
    largest = []
    original = Raster.read

    def spy(self, top, bottom, left, right, shape=None):
        largest.append((bottom - top) * (right - left))
        return original(self, top, bottom, left, right, shape)

    monkeypatch.setattr(Raster, "read", spy)
    area = area_km2(open_scene(path))
    assert max(largest) <= 2**23
    r = 1737.4
    exact = r**2 * np.radians(0.8) * (np.sin(np.radians(40)) - np.sin(np.radians(39.2)))
    assert area == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), slice(None)),
        (slice(5, 50, 7), slice(None, None, 3)),
        (slice(None, None, -1), slice(40, 3, -2)),
        (3, slice(2, 9)),
        (-1, -1),
        (slice(7, 7), slice(None)),
        (np.array([4, 1, 30]), slice(0, 5)),
    ],
)
def test_any_selection_is_that_of_numpy(tmp_path, key):
    path = write(tmp_path / "a.tif", ramp())
    image = open_scene(path)["image"]
    assert np.array_equal(image[key].values, ramp().astype("f4")[key])


def test_a_tall_strided_selection_is_read_in_blocks(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tif", ramp(5000, 40))
    rows = []
    original = Raster.read

    def spy(self, top, bottom, left, right, shape=None):
        rows.append(bottom - top)
        return original(self, top, bottom, left, right, shape)

    monkeypatch.setattr(Raster, "read", spy)
    scene = open_scene(path)
    rows.clear()
    assert np.array_equal(scene["image"][::10, ::4].values, ramp(5000, 40)[::10, ::4])
    assert max(rows) <= 1024


def test_pickle_and_copy(tmp_path):
    dem = write(tmp_path / "dem.tif", ramp(30, 40, "float32"), MARS, degrees_grid(0, 0, 0.02))
    scene = open_scene(write(tmp_path / "a.tif", ramp(), MARS, degrees_grid(0, 0)), dem=dem)
    for other in (pickle.loads(pickle.dumps(scene)), copy.deepcopy(scene)):
        assert np.array_equal(other["image"].values, ramp())
        assert np.array_equal(other["dem"].values, scene["dem"].values)


def test_dask(tmp_path):
    dask = pytest.importorskip("dask")
    scene = open_scene(write(tmp_path / "a.tif", ramp(), MARS, degrees_grid(0, 0)))
    chunked = as_scene(scene.chunk({"y": 16, "x": 32}))
    with dask.config.set(scheduler="threads"):
        assert np.array_equal(chunked["image"].values, ramp())
    assert area_km2(chunked) == pytest.approx(area_km2(scene))


def test_no_data_is_nan(tmp_path):
    values = ramp(dtype="int16")
    values[3, 4] = -32768
    scene = open_scene(write(tmp_path / "a.tif", values, nodata=-32768))
    assert np.isnan(scene["image"].values[3, 4]) and np.isnan(scene["image"].values).sum() == 1
    floats = ramp(dtype="float32")
    floats[0, 0], floats[1, 1], floats[2, 2] = np.nan, np.inf, -9999
    image = open_scene(write(tmp_path / "b.tif", floats, nodata=-9999))["image"].values
    assert np.isnan(image[[0, 1, 2], [0, 1, 2]]).all() and np.isnan(image).sum() == 3


def test_scale_and_offset(tmp_path):
    values = ramp(dtype="int16")
    values[0, 0] = -1
    image = open_scene(write(tmp_path / "a.tif", values, nodata=-1, scales=[0.5], offsets=[10.0]))["image"].values
    assert np.isnan(image[0, 0])
    assert image[5, 5] == pytest.approx(values[5, 5] * 0.5 + 10)


def test_mask_band_and_alpha(tmp_path):
    mask = np.full((60, 80), 255, "uint8")
    mask[:10] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        path = write(tmp_path / "a.tif", ramp(), mask=mask)
    assert np.array_equal(np.isnan(open_scene(path)["image"].values), mask == 0)
    path = write(tmp_path / "b.png", np.stack([ramp(), mask]))
    assert np.array_equal(np.isnan(open_scene(path)["image"].values), mask == 0)


def test_three_equal_bands_are_grey(tmp_path):
    scene = open_scene(write(tmp_path / "a.png", np.stack([ramp()] * 3)))
    assert np.array_equal(scene["image"].values, ramp())


def test_a_band_can_be_chosen(tmp_path):
    path = write(tmp_path / "a.tif", np.stack([ramp(), ramp()[::-1]]))
    with pytest.raises(CraterlabError, match=r"has 2 bands.*band=1"):
        open_scene(path)
    assert np.array_equal(open_scene(path, band=2)["image"].values, ramp()[::-1])
    with pytest.raises(CraterlabError, match="band=3"):
        open_scene(path, band=3)


def test_as_scene_takes_arrays():
    scene = as_scene(ramp(), pixel_size=2)
    assert scene["image"].dtype == np.float32 and scene.attrs["pixel_size_m"] == 2.0
    assert as_scene(ramp() > 3)["image"].dtype == np.float32
    array = xr.DataArray(ramp(dtype="int16")[None], dims=("band", "y", "x"), attrs={"_FillValue": 5, "body": "Mars"})
    scene = as_scene(array)
    assert scene["image"].dims == ("y", "x") and scene.attrs["body"] == "Mars"
    assert np.array_equal(np.isnan(scene["image"].values), ramp() == 5)
    assert np.array_equal(as_scene(xr.DataArray(ramp().T, dims=("x", "y")))["image"].values, ramp())


def test_as_scene_leaves_a_scene_alone(tmp_path, monkeypatch):
    scene = open_scene(write(tmp_path / "a.tif", ramp(), MARS, degrees_grid(0, 0)))
    monkeypatch.setattr(Raster, "read", None)
    assert as_scene(scene) is scene
    assert as_scene(scene["image"]).rio.crs == scene.rio.crs


def test_as_scene_keeps_other_layers_and_does_not_touch_the_input():
    given = xr.Dataset({"image": (("y", "x"), ramp()), "slope": (("y", "x"), ramp().astype("f4"))}, attrs={"a": 1})
    scene = as_scene(given, pixel_size=3)
    assert "slope" in scene and scene.attrs == {"a": 1, "pixel_size_m": 3.0}
    assert given["image"].dtype == np.uint8 and given.attrs == {"a": 1}


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (np.zeros((3, 4, 5)), "two dimensions"),
        (np.zeros(7), "two dimensions"),
        (xr.Dataset({"img": (("y", "x"), np.zeros((3, 3)))}), "holds img"),
        (xr.DataArray(np.zeros((3, 3)), dims=("lat", "lon")), "dimensions"),
        (xr.DataArray(np.zeros((3, 4, 4)), dims=("band", "y", "x")), "isel"),
        (np.array([["a", "b"], ["c", "d"]]), "numbers"),
        ([[1, 2], [3, 4]], "not list"),
        (None, "open_scene"),
    ],
)
def test_as_scene_refuses(obj, message):
    with pytest.raises(CraterlabError, match=message):
        as_scene(obj)


def test_open_scene_takes_arrays_too():
    scene = open_scene(ramp(), pixel_size=5, body="moon", sun_azimuth_deg=90)
    assert scene.attrs["body"] == "Moon" and scene.attrs["sun_azimuth_deg"] == 90
    again = open_scene(scene, incidence_deg=70)
    assert again.attrs["sun_azimuth_deg"] == 90 and again.attrs["incidence_deg"] == 70
    assert np.isnan(scene.attrs["incidence_deg"])
    with pytest.raises(CraterlabError, match="laid on an image file"):
        open_scene(ramp(), dem="dem.tif")


def test_accessor():
    assert as_scene(ramp(), pixel_size=1000).crater.area_km2() == pytest.approx(60 * 80)

"""Opening images and DEMs: laziness, no-data, frames, and every kind of bad input."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from pyproj import CRS

from craterlab import CraterlabError, area_km2, open_scene
from craterlab.grid import grid_of
from craterlab.raster import Raster
from craterlab.scene import as_scene, check_not_all_nan

pytest.importorskip("rioxarray")  # registers .rio
MARS, MOON = "IAU_2015:49900", "IAU_2015:30100"


def write(path, array, crs=None, transform=None, **profile):
    """A GeoTIFF (or, by suffix, PNG) of one or more bands."""
    array = np.asarray(array)
    array = array[None] if array.ndim == 2 else array
    driver = profile.pop("driver", "PNG" if path.suffix == ".png" else "GTiff")
    scales, offsets, mask = (profile.pop(k, None) for k in ("scales", "offsets", "mask"))
    georeferenced = {} if transform is None else {"transform": transform}
    with rasterio.open(
        path,
        "w",
        driver=driver,
        count=array.shape[0],
        height=array.shape[1],
        width=array.shape[2],
        dtype=array.dtype,
        crs=crs,
        **georeferenced,
        **profile,
    ) as file:
        file.write(array)
        if scales:
            file.scales = scales
        if offsets:
            file.offsets = offsets
        if mask is not None:
            file.write_mask(mask)
    return path


def ramp(rows=60, columns=80, dtype="uint8"):
    return (np.arange(rows * columns).reshape(rows, columns) % 251).astype(dtype)


def degrees_grid(lon, lat, step=0.01):
    return Affine(step, 0, lon, 0, -step, lat)


# ---------------------------------------------------------------- reading


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
    scene = open_scene(write(tmp_path / "a.tif", ramp(), MARS, degrees_grid(0, 0)))
    for other in (pickle.loads(pickle.dumps(scene)), copy.deepcopy(scene)):
        assert np.array_equal(other["image"].values, ramp())


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


# ---------------------------------------------------------------- frames


def vrt(path, source, wkt, transform):
    """A VRT keeps axis directions, which a GeoTIFF cannot."""
    rows, columns = ramp().shape
    numbers = ", ".join(repr(v) for v in transform.to_gdal())
    path.write_text(
        f'<VRTDataset rasterXSize="{columns}" rasterYSize="{rows}"><SRS dataAxisToSRSAxisMapping="2,1">{wkt}</SRS>'
        f"<GeoTransform>{numbers}</GeoTransform>"
        f'<VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename relativeToVRT="1">{source}'
        "</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    return path


def test_planetographic_latitude_is_converted(tmp_path):
    """PROJ leaves it at 45; on Mars 45 planetographic is 44.662 planetocentric."""
    path = write(tmp_path / "a.tif", ramp(), "ESRI:104905", degrees_grid(10, 45))
    grid = grid_of(open_scene(path))
    lon, lat = grid.lonlat(0, 0)
    assert lon == pytest.approx(10)
    assert lat == pytest.approx(44.66177, abs=1e-5)
    assert grid.pixels(lon, lat) == (pytest.approx(0, abs=1e-6), pytest.approx(0, abs=1e-6))


def test_projected_on_an_ellipsoid_is_converted(tmp_path):
    crs = CRS("+proj=eqc +lat_ts=0 +a=3396190 +b=3376200")
    path = write(tmp_path / "a.tif", ramp(), crs.to_wkt(), Affine(100, 0, 0, 0, -100, np.radians(45) * 3396190))
    assert grid_of(open_scene(path)).lonlat(0, 0)[1] == pytest.approx(44.66177, abs=1e-5)


def test_planetocentric_on_an_ellipsoid_stays(tmp_path):
    path = write(tmp_path / "a.tif", ramp(), "IAU_2015:49902", degrees_grid(10, 45))
    assert grid_of(open_scene(path)).lonlat(0, 0)[1] == pytest.approx(45)


def test_west_positive_longitude_is_mirrored(tmp_path):
    """Columns run eastward, that is down in west longitude: x goes from 200 W to 199.2 W."""
    write(tmp_path / "a.tif", ramp())
    wkt = CRS("+proj=longlat +R=3396190").to_wkt("WKT1_GDAL")
    wkt = wkt[:-1] + ',AXIS["Latitude",NORTH],AXIS["Longitude",WEST]]'
    path = vrt(tmp_path / "a.vrt", "a.tif", wkt, Affine(-0.01, 0, 200, 0, -0.01, 45))
    scene = open_scene(path)
    grid = grid_of(scene)
    assert grid.lonlat(0, 0) == (pytest.approx(160), pytest.approx(45))
    assert grid.lonlat(80, 0)[0] == pytest.approx(160.8)
    assert [a.direction for a in grid.crs.axis_info] == ["north", "east"]
    assert grid.body.name == "Mars"
    assert np.array_equal(scene["image"].values, ramp())


def test_in_memory_iau_planetographic_frame_is_converted():
    """IAU_2015:49901 is planetographic and west-positive at once."""
    scene = xr.Dataset(
        {"image": (("y", "x"), ramp().astype("f4"))},
        coords={"x": 200 - 0.01 * (np.arange(80) + 0.5), "y": 45 - 0.01 * (np.arange(60) + 0.5)},
    ).rio.write_crs("IAU_2015:49901")
    lon, lat = grid_of(as_scene(scene)).lonlat(0, 0)
    assert (lon, lat) == (pytest.approx(160), pytest.approx(44.66177, abs=1e-5))


@pytest.mark.parametrize("crs", ["IAU_2015:49901", "IAU_2015:49911"])
def test_a_west_positive_frame_that_lost_its_direction_is_refused(tmp_path, crs):
    path = write(tmp_path / "a.tif", ramp(), crs, degrees_grid(10, 45))
    with pytest.raises(CraterlabError, match=r"westward by its definition.*gdal_edit"):
        open_scene(path)


def test_west_positive_map_on_an_odd_meridian_is_refused():
    definition = CRS("IAU_2015:49911").to_json_dict()
    for p in definition["conversion"]["parameters"]:
        if p["name"].startswith("Longitude"):
            p["value"] = 30
    definition.pop("id")
    scene = xr.Dataset(
        {"image": (("y", "x"), ramp().astype("f4"))}, coords={"x": np.arange(80.0), "y": -np.arange(60.0)}
    ).rio.write_crs(CRS.from_json_dict(definition))
    with pytest.raises(CraterlabError, match="not certain"):
        grid_of(scene)


def test_sphere_of_any_authority(tmp_path):
    for i, crs in enumerate(["+proj=longlat +R=1737400", "+proj=longlat +R=1738000", "ESRI:104903"]):
        scene = open_scene(write(tmp_path / f"{i}.tif", ramp(), crs, degrees_grid(10, 45)))
        assert scene.attrs["body"] == "Moon"
        assert grid_of(scene).lonlat(0, 0) == (pytest.approx(10), pytest.approx(45))


def test_rotated_grid(tmp_path):
    turned = Affine.translation(1e5, 2e5) @ Affine.rotation(30) @ Affine.scale(100, -100)
    scene = open_scene(write(tmp_path / "a.tif", ramp(), "IAU_2015:49910", turned))
    grid = grid_of(scene)
    assert grid.transform.almost_equals(turned, 1e-6)
    assert grid.metres_per_pixel(40, 30) == pytest.approx(100, rel=0.01)


# ---------------------------------------------------------------- DEM


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


# ---------------------------------------------------------------- bad input


def test_missing_file(tmp_path):
    with pytest.raises(CraterlabError, match="No file"):
        open_scene(tmp_path / "nothing.tif")
    image = write(tmp_path / "a.png", ramp())
    with pytest.raises(CraterlabError, match="No file"):
        open_scene(image, dem=tmp_path / "nothing.tif")
    with pytest.raises(CraterlabError, match="folder"):
        open_scene(tmp_path)


@pytest.mark.parametrize("compress", [None, "deflate"])
def test_truncated_file(tmp_path, compress):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300), dtype="uint8")
    path = write(tmp_path / "a.tif", noise, compress=compress)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    with pytest.raises(CraterlabError, match=r"truncated|can read"):
        open_scene(path)["image"].load()
    path = write(tmp_path / "b.png", noise)
    path.write_bytes(path.read_bytes()[:40000])
    with pytest.raises(CraterlabError, match="truncated"):
        open_scene(path)


def test_a_hole_in_the_file_is_told_when_it_is_read(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300), dtype="uint8")
    path = write(tmp_path / "a.tif", noise, compress="deflate", blockysize=10)
    broken = bytearray(path.read_bytes())
    broken[30000:32000] = bytes(2000)
    path.write_bytes(bytes(broken))
    with pytest.raises(CraterlabError, match="truncated or damaged"):
        open_scene(path)["image"].values  # noqa: B018


@pytest.mark.parametrize(("name", "message"), [("a.txt", "not an image"), ("a.fits", "FITS"), ("a.img", "label")])
def test_unsupported_format(tmp_path, name, message):
    (tmp_path / name).write_bytes(b"SIMPLE  =                    T" + b" " * 3000)
    with pytest.raises(CraterlabError, match=message):
        open_scene(tmp_path / name)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32612", "EPSG:3857"])
def test_earth(tmp_path, crs):
    path = write(tmp_path / "a.tif", ramp(), crs, degrees_grid(10, 5))
    with pytest.raises(CraterlabError, match="on the Earth"):
        open_scene(path)
    with pytest.raises(CraterlabError, match="on the Earth"):
        open_scene(path, body="Mars")


def test_all_nan(tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((50, 60), "uint8"), nodata=0)
    with pytest.raises(CraterlabError, match="Every pixel"):
        open_scene(path)
    scene = as_scene(np.full((9, 9), np.nan))
    with pytest.raises(CraterlabError, match="Every pixel"):
        check_not_all_nan(scene)
    values = np.full((9, 9), np.nan)
    values[0, 0] = 1
    check_not_all_nan(as_scene(values))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1)])
def test_too_few_pixels(tmp_path, shape):
    with pytest.raises(CraterlabError, match="at least 2 x 2"):
        open_scene(write(tmp_path / "a.tif", np.ones(shape, "uint8")))
    with pytest.raises(CraterlabError, match="at least 2 x 2"):
        as_scene(np.ones(shape))
    with pytest.raises(CraterlabError, match="at least 2 x 2"):
        as_scene(np.ones((0, 5)))


def test_colour(tmp_path):
    colour = np.stack([ramp(), ramp()[::-1], ramp()])
    with pytest.raises(CraterlabError, match=r"3 bands that differ.*one band is wanted.*band=1"):
        open_scene(write(tmp_path / "a.png", colour))


def test_complex_values(tmp_path):
    with pytest.raises(CraterlabError, match="complex"):
        open_scene(write(tmp_path / "a.tif", ramp().astype("complex64")))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"body": "Marz"}, "Did you mean 'Mars'"),
        ({"body": "Moon"}, "CRS on Mars, but body=Moon"),
        ({"instrument": "CTXX"}, "instrument"),
        ({"pixel_size": 6.0}, "leave pixel_size= out"),
        ({"sun_azimuth_deg": 1000}, "sun_azimuth_deg"),
        ({"incidence_deg": -5}, "incidence_deg"),
        ({"incidence_deg": "low"}, "wanted degrees"),
    ],
)
def test_wrong_keywords(tmp_path, keywords, message):
    path = write(tmp_path / "a.tif", ramp(), MARS, degrees_grid(10, 5))
    with pytest.raises(CraterlabError, match=message):
        open_scene(path, **keywords)


@pytest.mark.parametrize("size", [0, -1, np.nan, np.inf, "six"])
def test_wrong_pixel_size(tmp_path, size):
    with pytest.raises(CraterlabError, match="wanted metres per pixel"):
        open_scene(write(tmp_path / "a.png", ramp()), pixel_size=size)


# ---------------------------------------------------------------- as_scene


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

"""Frames of image files: planetographic, west-positive, Earth-free; every format GDAL can write."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from pyproj import CRS, Transformer
from rasters import degrees_grid, ramp, write

from craterlab import CraterlabError, open_scene
from craterlab.grid import grid_of
from craterlab.scene import as_scene

pytest.importorskip("rioxarray")  # registers .rio
MARS, MOON = "IAU_2015:49900", "IAU_2015:30100"


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
    crs = CRS("+proj=stere +lat_0=90 +lon_0=0 +a=3396190 +b=3376200")
    x, y = Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True).transform(20.0, 60.0)
    path = write(tmp_path / "a.tif", ramp(), crs.to_wkt(), Affine(100, 0, x, 0, -100, y))
    lon, lat = grid_of(open_scene(path)).lonlat(0, 0)
    assert (lon, lat) == (pytest.approx(20), pytest.approx(59.70621, abs=1e-5))


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


def isis_cube(path, *patches):
    """A map at 30 degrees as an ISIS cube whose label is changed in place."""
    crs = CRS("+proj=eqc +lon_0=30 +a=3396190 +b=3376200" if patches else "+proj=eqc +lon_0=30 +R=3396190")
    write(path, ramp() + np.uint8(1), crs.to_wkt(), Affine(100, 0, 0, 0, -100, 2667361.4), driver="ISIS3")
    label = path.read_bytes()
    for old, new in patches:
        assert label.count(old) == 1 and len(old) == len(new)
        label = label.replace(old, new)
    path.write_bytes(label)
    return path


def test_isis_cube_with_a_central_meridian(tmp_path):
    lon, lat = grid_of(open_scene(isis_cube(tmp_path / "a.cub"))).lonlat(0, 0)
    assert (lon, lat) == (pytest.approx(30), pytest.approx(45, abs=1e-6))


def test_isis_cube_that_counts_westward(tmp_path):
    """GDAL takes 30 W for 30 E; the map itself still runs eastward to the right."""
    grid = grid_of(open_scene(isis_cube(tmp_path / "a.cub", (b"PositiveEast", b"PositiveWest"))))
    lon, _ = grid.lonlat(0, 0)
    assert lon == pytest.approx(-30)
    assert grid.lonlat(10, 0)[0] > lon


def test_isis_cube_in_planetographic_latitude_is_refused(tmp_path):
    path = isis_cube(tmp_path / "a.cub", (b"Planetocentric", b"Planetographic"))
    with pytest.raises(CraterlabError, match=r"planetographic.*map2map"):
        open_scene(path)


@pytest.mark.parametrize(("direction", "lon"), [("EAST", 30), ("WEST", -30)])
def test_pds3_map_by_its_longitude_direction(tmp_path, direction, lon):
    values = ramp() + np.uint8(1)  # GDAL takes 0 in 8-bit PDS3 images for no data
    (tmp_path / "a.img").write_bytes(values.tobytes())
    (tmp_path / "a.lbl").write_text(
        f"""PDS_VERSION_ID = PDS3
RECORD_TYPE = FIXED_LENGTH
RECORD_BYTES = 80
FILE_RECORDS = 60
^IMAGE = "a.img"
TARGET_NAME = MARS
OBJECT = IMAGE
  LINES = 60
  LINE_SAMPLES = 80
  SAMPLE_TYPE = UNSIGNED_INTEGER
  SAMPLE_BITS = 8
END_OBJECT = IMAGE
OBJECT = IMAGE_MAP_PROJECTION
  MAP_PROJECTION_TYPE = "SIMPLE CYLINDRICAL"
  A_AXIS_RADIUS = 3396.19 <KM>
  B_AXIS_RADIUS = 3396.19 <KM>
  C_AXIS_RADIUS = 3396.19 <KM>
  COORDINATE_SYSTEM_NAME = PLANETOCENTRIC
  POSITIVE_LONGITUDE_DIRECTION = {direction}
  CENTER_LATITUDE = 0.0 <DEG>
  CENTER_LONGITUDE = 30.0 <DEG>
  MAP_SCALE = 1.0 <KM/PIXEL>
  LINE_PROJECTION_OFFSET = 30.0
  SAMPLE_PROJECTION_OFFSET = 40.0
END_OBJECT = IMAGE_MAP_PROJECTION
END
"""
    )
    scene = open_scene(tmp_path / "a.lbl")
    assert scene.attrs["body"] == "Mars" and np.array_equal(scene["image"].values, values)
    assert grid_of(scene).lonlat(40, 30)[0] == pytest.approx(lon, abs=0.03)


@pytest.mark.parametrize(
    ("driver", "suffix"), [("PDS4", "xml"), ("VICAR", "vic"), ("JP2OpenJPEG", "jp2"), ("COG", "tif"), ("PNG", "png")]
)
def test_formats_that_gdal_can_write(tmp_path, driver, suffix):
    options = {"REVERSIBLE": "YES", "QUALITY": "100"} if driver == "JP2OpenJPEG" else {}
    transform = Affine(100, 0, 1e6, 0, -100, 2e6)
    path = write(tmp_path / f"a.{suffix}", ramp(), "IAU_2015:49910", transform, driver=driver, **options)
    scene = open_scene(path)
    assert np.array_equal(scene["image"].values, ramp()) and scene.attrs["body"] == "Mars"
    lon, lat = np.degrees([1e6, 2e6]) / 3396190
    assert grid_of(scene).lonlat(0, 0) == (pytest.approx(lon), pytest.approx(lat))


def test_rotated_grid(tmp_path):
    turned = Affine.translation(1e5, 2e5) @ Affine.rotation(30) @ Affine.scale(100, -100)
    scene = open_scene(write(tmp_path / "a.tif", ramp(), "IAU_2015:49910", turned))
    grid = grid_of(scene)
    assert grid.transform.almost_equals(turned, 1e-6)
    assert grid.metres_per_pixel(40, 30) == pytest.approx(100, rel=0.01)

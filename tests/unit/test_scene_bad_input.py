"""Every kind of bad input gives a CraterlabError that says what to do."""

from __future__ import annotations

import numpy as np
import pytest
from rasters import degrees_grid, ramp, write

from craterlab import CraterlabError, open_scene
from craterlab.scene import as_scene, check_not_all_nan

pytest.importorskip("rioxarray")  # registers .rio
MARS, MOON = "IAU_2015:49900", "IAU_2015:30100"


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

"""Craters of an area, and areas of scenes within polygons."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rioxarray  # noqa: F401
import xarray as xr
from shapely.geometry import box

import craterlab as cl
from craterlab import CraterlabError

MARS = "IAU_2015:49900"
R = 3396.19


def table(lon, lat, diameter_m, crs=MARS):
    columns = {"lon": lon, "lat": lat, "diameter_m": diameter_m}
    return gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(lon, lat), crs=crs)


AREA = gpd.GeoDataFrame(geometry=[box(170, -10, 190, 10)], crs=MARS)


def test_the_three_rules():
    # Inside; centre on the border; centre 1 degree (59.3 km) out, touching and not.
    craters = table([180.0, -170.0, -169.0, -169.0], [0.0, 0, 0, 0], [4e4, 4e4, 1.4e5, 4e4])
    centre = cl.clip_craters(craters, AREA)
    assert centre.index.tolist() == [0, 1] and "fraction" not in centre
    partial = craters.crater.clip(AREA, rule="partial")
    assert partial.index.tolist() == [0, 1, 2]
    assert partial.fraction.tolist()[:2] == pytest.approx([1, 0.5], abs=2e-3)
    # Share of a circle of 70 km whose centre lies 59.27 km outside a straight border.
    h = np.radians(1) * R / 70
    assert partial.fraction.iloc[2] == pytest.approx((np.arccos(h) - h * np.sqrt(1 - h * h)) / np.pi, rel=0.02)
    buffered = cl.clip_craters(craters, AREA, rule="buffered")
    assert buffered.index.tolist() == [0, 1, 2]
    area, perimeter = buffered.attrs["area_km2"], buffered.attrs["perimeter_km"]
    assert area == pytest.approx(R**2 * np.radians(20) * 2 * np.sin(np.radians(10)), rel=1e-6)
    assert buffered.buffered_area_km2.iloc[2] == pytest.approx(area + 140 * perimeter / 2 + np.pi * 140**2 / 4)


def test_the_clipped_table_carries_its_area(tmp_path):
    craters = table([180.0, 0.0], [0.0, 0.0], [4e4, 4e4])
    out = cl.clip_craters(craters, AREA)
    assert cl.clip_craters(out).attrs["area_km2"] == pytest.approx(out.attrs["area_km2"], rel=1e-6)
    assert out.crater.sfd().area_km2 == out.attrs["area_km2"]
    cl.write_craters(out, tmp_path / "a.scc")
    again = cl.read_craters(tmp_path / "a.scc")
    assert cl.clip_craters(again).attrs["area_km2"] == pytest.approx(out.attrs["area_km2"], rel=1e-6)


@pytest.mark.parametrize("suffix", [".gpkg", ".parquet", ".shp", ".geojson"])
def test_polygon_files(tmp_path, suffix):
    file = tmp_path / f"area{suffix}"
    area = gpd.GeoDataFrame({"name": ["a"]}, geometry=[box(10, 40, 20, 50)], crs=MARS)
    area.to_parquet(file) if suffix == ".parquet" else area.to_file(file)
    out = cl.clip_craters(table([15.0, 25.0], [45.0, 45.0], [1e4, 1e4]), file)
    assert len(out) == 1
    exact = R**2 * np.radians(10) * (np.sin(np.radians(50)) - np.sin(np.radians(40)))
    assert out.attrs["area_km2"] == pytest.approx(exact, rel=1e-6)


def test_empty_tables_and_craters_all_outside():
    for craters in (table([], [], []), table([0.0], [0.0], [1e4])):
        for rule in ("centre", "partial", "buffered"):
            out = cl.clip_craters(craters, AREA, rule=rule)
            assert len(out) == 0 and out.attrs["area_km2"] > 0 and "diameter_m" in out


def test_an_image_without_crs():
    rims = gpd.GeoSeries([box(90, 90, 110, 110), box(490, 90, 510, 110)])
    craters = gpd.GeoDataFrame({"diameter_m": [20.0, 20.0]}, geometry=rims)
    out = cl.clip_craters(craters, gpd.GeoSeries([box(0, 0, 500, 300)]), rule="partial")
    assert out.fraction.tolist() == pytest.approx([1, 0.5], abs=1e-6)
    assert out.attrs["area_km2"] == pytest.approx(0.15)


def test_craters_that_cannot_be_placed():
    good = table([180.0], [0.0], [4e4])
    for craters, message in [
        (good.assign(lon=np.nan), "1 of 1 craters have no place"),
        (good.assign(diameter_m=-1.0), "positive"),
        (good.drop(columns="diameter_m"), "no column diameter_m"),
        (good.drop(columns="lat"), "no columns lon and lat"),
        (table([180.0], [0.0], [4e4], crs="IAU_2015:30100"), "on Mars, the craters on Moon"),
        (pd.DataFrame(good.drop(columns="geometry")), r"attrs\['body'\] = 'Mars'"),
        (table([180.0] * 2, [0.0] * 2, [4e4] * 2).assign(body=["Mars", "Moon"]), "several bodies.*Mars, Moon"),
        ([1.0, 2.0], "wanted a crater table"),
    ]:
        with pytest.raises(CraterlabError, match=message):
            cl.clip_craters(craters, AREA)
    with pytest.raises(CraterlabError, match="'partial'"):
        cl.clip_craters(good, AREA, rule="half")
    with pytest.raises(CraterlabError, match="pass within="):
        cl.clip_craters(good)


def globe(west: float, step: float = 1.0) -> xr.DataArray:
    y, x = np.arange(90 - step / 2, -90, -step), np.arange(west + step / 2, west + 360, step)
    image = xr.DataArray(np.ones((len(y), len(x)), "f4"), dims=("y", "x"), coords={"y": y, "x": x})
    return image.rio.write_crs(MARS)


@pytest.mark.parametrize("west", [-180, 0])
@pytest.mark.parametrize("corners", [(170, -10, 190, 10), (-180, 80, 180, 90), (-10, -20, 10, 20), (10, 70, 40, 90)])
def test_area_of_a_map_of_the_whole_body(west, corners):
    """Across its edge and up to its poles; corners on pixel edges, so that the sum of pixels is exact."""
    w, s, e, n = corners
    exact = R**2 * np.radians(e - w) * (np.sin(np.radians(n)) - np.sin(np.radians(s)))
    image = globe(west)
    within = gpd.GeoDataFrame(geometry=[box(*corners)], crs=MARS)
    assert cl.area_km2(image, within) == pytest.approx(exact, rel=1e-4)
    holed = image.where(abs(image.y) > 5)
    if corners == (170, -10, 190, 10):
        nothing = R**2 * np.radians(20) * 2 * np.sin(np.radians(5))
        assert cl.area_km2(holed, within) == pytest.approx(exact - nothing, rel=1e-4)

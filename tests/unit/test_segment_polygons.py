"""Masks as polygons: areas on the ground, holes, order, the frame of the scene."""

from __future__ import annotations

import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr

import craterlab
from craterlab import CraterlabError, segment_polygons


def result_of(mask: np.ndarray, crs: str | None = None, **attrs) -> xr.Dataset:
    mask = np.asarray(mask, bool)
    probability = np.where(mask, 0.75, 0.25).astype(np.float32)
    out = xr.Dataset({"probability": (("y", "x"), probability), "mask": (("y", "x"), mask)}, attrs=attrs)
    if crs is not None:
        out = out.assign_coords(
            y=-0.05 - 0.1 * np.arange(mask.shape[0]), x=290.05 - 360 + 0.1 * np.arange(mask.shape[1])
        )
        out = out.rio.write_crs(crs)
    return out


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[2:5, 3:7] = True  # 12 pixels
    mask[10:30, 20:50] = True
    mask[15:20, 25:30] = False  # a hole
    mask[5, 7] = True  # meets the first at a corner alone
    return mask


def test_areas_without_a_crs_are_pixels_times_their_size(mask):
    table = segment_polygons(result_of(mask, pixel_size_m=200.0, kind="landslide", threshold=0.5))
    assert list(table["area_km2"].round(9)) == [575 * 0.04, 12 * 0.04, 0.04]
    assert list(table["landform_id"]) == [0, 1, 2]
    assert set(table["kind"]) == {"landslide"}
    assert table["probability"].tolist() == pytest.approx([0.75] * 3)
    assert table.geometry.area.tolist() == pytest.approx((table["area_km2"] * 1e6).tolist())
    assert table.geometry.is_valid.all()
    assert len(table.geometry[0].interiors) == 1
    assert table.attrs["threshold"] == 0.5


def test_areas_on_a_body_are_geodesic(mask):
    """On an equirectangular grid a cell of 0.1 degree has the area of its band of the sphere."""
    mars = craterlab.body("Mars")
    table = segment_polygons(result_of(mask, str(mars.crs)))
    assert table.crs == mars.crs
    south = np.radians([-0.1 * np.arange(40), -0.1 * np.arange(1, 41)])
    cell = mars.radius_m**2 * np.radians(0.1) * (np.sin(south[0]) - np.sin(south[1])) / 1e6
    per_row = mask[:, 15:].sum(1)
    assert table["area_km2"][0] == pytest.approx((per_row * cell).sum(), rel=1e-4)
    assert table.total_bounds[0] == pytest.approx(-70 + 0.3)


def test_small_ones_can_be_left_out(mask):
    table = segment_polygons(result_of(mask, pixel_size_m=200.0), min_area_km2=1.0)
    assert len(table) == 1


def test_an_area_without_a_scale(mask):
    table = segment_polygons(result_of(mask))
    assert len(table) == 3
    assert table["area_km2"].isna().all()
    with pytest.raises(CraterlabError, match="min_area_km2 needs the scene's scale"):
        segment_polygons(result_of(mask), min_area_km2=1.0)


def test_no_landform_is_an_empty_table():
    table = segment_polygons(result_of(np.zeros((9, 9)), pixel_size_m=100.0))
    assert len(table) == 0
    assert {"landform_id", "kind", "area_km2", "probability", "geometry"} == set(table.columns)


def test_what_is_no_result_is_refused():
    with pytest.raises(CraterlabError, match="wanted what segment gives"):
        segment_polygons(xr.Dataset({"image": (("y", "x"), np.zeros((4, 4)))}))

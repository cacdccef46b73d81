"""`segment` on real Martian landslides, and the units of its training set against MOLA."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from seams import steps

import craterlab
from craterlab.segment.scores import counts, scores
from craterlab.segment.standard import DEM_UNIT_M, DEM_ZERO_M, SLOPE_UNIT_DEG, slope_deg
from craterlab.train.mmls import held_out, read_patches


@pytest.fixture(scope="module")
def train(data):
    if not (data / "mmls" / "images.csv").exists():
        pytest.skip("mmls is not there")
    return read_patches(data, "train")


def scene_of(layers: np.ndarray, **attrs) -> xr.Dataset:
    """A scene in metres and grey levels, without a slope."""
    return xr.Dataset(
        {
            "rgb": (("band", "y", "x"), layers[:3] * 255),
            "dem": (("y", "x"), layers[3] * DEM_UNIT_M + DEM_ZERO_M),
            "thermal_inertia": (("y", "x"), layers[4] * 1000),
            "image": (("y", "x"), layers[6] * 255),
        },
        attrs={"pixel_size_m": 231.5} | attrs,
    )


def test_heights_are_those_of_mola(train, data):
    """The patches are cells of half a degree; where they lie, their mean heights follow MOLA's."""
    import rasterio
    from scipy.ndimage import map_coordinates

    folder = data / "mola"
    if not folder.exists():
        pytest.skip("mola is not there")
    with rasterio.open(next(folder.glob("*.tif"))) as file:
        mola = file.read(1).astype(float)  # 4 px/deg, first column at 180 W
    inside = (np.arange(4) + 0.5) / 8
    lat = -0.0625 - train.table["row"].to_numpy()[:, None, None] / 2 - inside[:, None]
    lon = -90.1875 + train.table["col"].to_numpy()[:, None, None] / 2 + inside
    at = np.broadcast_arrays((90 - lat) * 4 - 0.5, (lon + 180) * 4 - 0.5)
    theirs, ours = map_coordinates(mola, at, order=1).mean((1, 2)), train.layers[:, 3].mean((1, 2))
    unit, zero = np.polyfit(ours, theirs, 1)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.995
    assert unit == pytest.approx(DEM_UNIT_M, rel=0.02)
    assert zero == pytest.approx(DEM_ZERO_M, abs=100)


def test_slopes_are_those_of_the_heights(train):
    made = np.stack([slope_deg(d * DEM_UNIT_M, np.eye(2) * 231.5**2) for d in train.layers[::6, 3]])
    theirs = train.layers[::6, 5] * SLOPE_UNIT_DEG
    assert np.corrcoef(made.ravel(), theirs.ravel())[0, 1] > 0.93
    steep = (made > 8) & (made < 30)
    assert np.median(theirs[steep] / made[steep]) == pytest.approx(1, abs=0.1)


def test_landslides_of_ground_that_taught_nothing(train):
    """Each patch is a scene of its own in units of its own; all landslide would score a mean IoU of 0.28."""
    judges = train.take(np.flatnonzero(held_out(train.table))[::4])
    found = np.stack([craterlab.segment(scene_of(p))["mask"].values for p in judges.layers])
    got = scores(counts(found, judges.mask))
    assert got["miou"] > 0.6
    assert got["f1"] > 0.75


def test_no_seams_on_a_map_of_neighbours(train):
    """A part of the map, put together of its patches; where one is missing there is no data and no landslide."""
    cells = train.table[train.table["row"].between(13, 15) & train.table["col"].between(11, 14)]
    assert len(cells) >= 10
    ground = np.full((7, 3 * 128, 4 * 128), np.nan, np.float32)
    for i, cell in cells.iterrows():
        r, c = 128 * (cell["row"] - 13), 128 * (cell["col"] - 11)
        ground[:, r : r + 128, c : c + 128] = train.layers[i]
    scene = scene_of(ground, body="Mars")
    across, inside = steps(scene)
    assert across <= 1.01 * inside  # a hundredth is luck
    scene = scene.isel(y=slice(256), x=slice(256))
    result = craterlab.segment(scene)
    assert np.array_equal(np.isnan(result["probability"]), np.isnan(scene["dem"]))
    table = craterlab.segment_polygons(result, min_area_km2=1)
    assert len(table) >= 1
    assert table["area_km2"].sum() == pytest.approx(result["mask"].values.sum() * 0.2315**2, rel=0.05)

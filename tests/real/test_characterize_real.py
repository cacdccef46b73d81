"""Depth of lunar craters on the stereo DEM against a published catalogue."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import craterlab as cl


@pytest.mark.parametrize("name", ["gld100_dev_lon-060-004_lat-16+16.tif", "gld100_dev_lon+008+060_lat-16+16.tif"])
def test_depth_on_gld100(data, name):
    """Wu et al. (2022), D >= 5 km; the DEM blurs small craters, so a shortfall of some per cent is expected."""
    folder = data / "gld100"
    scene = cl.open_scene(folder / name)
    scene = scene.assign(dem=scene["image"])
    west, south, east, north = scene.rio.bounds()
    known = pd.read_parquet(folder / "lu1319381.parquet")
    inside = known.lon.between(west, east) & known.lat.between(south, north)
    known = known[(known.split == "dev") & inside & (known.diameter_m >= 5000)].reset_index(drop=True)
    found = cl.characterize(scene, known.drop(columns="depth_m"))
    use = (known.depth_m > 0) & found.depth_m.notna()  # depth 0 in the catalogue means unknown
    ratio = (found.depth_m / known.depth_m)[use]
    assert use.sum() > 0.9 * (known.depth_m > 0).sum()
    assert 0.88 < ratio.median() < 1.05
    assert (ratio - 1).abs().median() < 0.15
    assert np.corrcoef(found.depth_m[use], known.depth_m[use])[0, 1] > 0.93
    assert (found.ellipse_from == "dem").mean() > 0.9
    mean = np.sqrt(found.major_m * found.minor_m) / found.diameter_m
    assert mean.median() == pytest.approx(1.0, abs=0.03)

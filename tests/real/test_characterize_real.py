"""Depth of lunar craters on the stereo DEM against a published catalogue."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import craterlab as cl
from craterlab.bench.characterize_geometry import depth_gld100


def test_depth_on_gld100(data):
    """Wu et al. (2022), D >= 5 km: within the targets when the model's own resolution is told."""
    if not (data / "gld100").exists():
        pytest.skip("no gld100")
    told, blind = depth_gld100(data), depth_gld100(data, dem_resolution_m=None)
    assert told["craters"] > 850
    assert told["error"][0] < 0.12 and abs(told["bias"][0]) < 0.03 and told["correlation"][0] > 0.95
    # What the resolution is told for: a sharp model would be taken for one of shallow craters.
    assert blind["bias"][0] < told["bias"][0] - 0.03


def test_measures_of_real_craters_are_those_of_craters(data):
    folder = data / "gld100"
    if not folder.exists():
        pytest.skip("no gld100")
    scene = cl.open_scene(folder / "gld100_dev_lon+008+060_lat-16+16.tif")
    scene = scene.assign(dem=scene["image"])
    west, south, east, north = scene.rio.bounds()
    known = pd.read_parquet(folder / "lu1319381.parquet")
    inside = known.lon.between(west, east) & known.lat.between(south, north)
    known = known[(known.split == "dev") & inside & known.diameter_m.between(1e4, 6e4)].reset_index(drop=True)
    found = cl.characterize(scene, known, dem_resolution_m=1250.0)
    assert (found.ellipse_from == "dem").mean() > 0.9
    mean = np.sqrt(found.major_m * found.minor_m) / found.diameter_m
    assert mean.median() == pytest.approx(1.0, abs=0.03)
    whole = found[found.depth_m.notna()]
    assert whole.wall_slope_deg.dropna().between(0, 45).all() and 5 < whole.wall_slope_deg.median() < 30
    assert (whole.floor_width_m.dropna() < whole.diameter_m[whole.floor_width_m.notna()]).all()
    assert whole.erosion.between(0, 1).all()
    # The deeper a crater for its size, the fresher.
    assert whole.erosion.corr(whole.depth_diameter, method="spearman") < -0.6
    profile = cl.profiles(scene, known.iloc[:20])
    assert profile.elevation.sel(radius=1.0).median() > profile.elevation.sel(radius=3.0).median()
    assert profile.elevation.sel(radius=0.2, method="nearest").median() < 0

"""What the Swipe tells of the crater that was clicked."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import craterlab as cl
from craterlab import CraterlabError
from craterlab.widgets import Swipe
from craterlab.widgets.told import told


def test_of_a_described_crater():
    row = pd.Series(
        {"morphology": "valid", "p_valid": 0.937, "depth_m": 1234.5, "depth_std_m": 56.78, "depth_diameter": 0.171,
         "erosion": 0.32, "erosion_std": 0.051, "rays": True, "p_rays": 0.8, "secondary_probability": 0.61}
    )  # fmt: skip
    assert told(row) == (
        "valid 0.94 · depth 1,230 ± 56.8 m (d/D 0.17) · erosion 0.32 ± 0.05 · rays 0.80 · secondary 0.61"
    )


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({}, ""),
        ({"score": 0.9, "depth_m": np.nan, "erosion": np.nan, "morphology": None, "rays": pd.NA}, ""),
        ({"depth_m": np.nan, "depth_why": "no shadow"}, "no depth: no shadow"),
        ({"morphology": "unknown", "p_valid": 0.9}, "unknown"),
        ({"depth_m": 5.0, "rays": False, "secondary_probability": 0.2}, "depth 5 m"),
    ],
)
def test_what_is_not_known_is_not_told(row, text):
    assert told(pd.Series(row, dtype=object)) == text


@pytest.fixture(scope="module")
def described():
    ((scene, truth),) = cl.simulate.scenes(1, 256, seed=3, incidence_deg=60.0)
    truth = truth[truth.diameter_px > 20][
        ["x_px", "y_px", "diameter_px", "lon", "lat", "diameter_m", "score", "geometry"]
    ]
    return scene, cl.characterize(scene, truth, progress=False)


def test_a_click_tells_it(described):
    scene, craters = described
    swipe = Swipe(scene, None, craters)
    assert swipe.about == {}
    swipe.picked = 1
    assert swipe.about["row"] == 1
    assert swipe.about["text"] == told(craters.iloc[1])
    assert f"erosion {craters.erosion.iloc[1]:.2f}" in swipe.about["text"]
    swipe.picked = -1
    assert swipe.about == {}


def test_another_table_takes_the_place_of_the_first(described):
    scene, craters = described
    swipe = Swipe(scene)
    swipe.picked = 0
    assert swipe.about == {}
    swipe.lay(craters)
    assert (swipe.picked, len(swipe.selected)) == (-1, len(craters))
    assert len(swipe.rings) == 20 * len(craters) and len(swipe.scores) == 8 * len(craters)
    swipe.picked = 0
    assert swipe.about["text"] == told(craters.iloc[0])
    with pytest.raises(CraterlabError, match="of another scene"):
        swipe.lay(craters.assign(x_px=9000.0, lon=170.0, lat=80.0))
    assert len(swipe.selected) == len(craters)


def test_an_empty_table(described):
    scene, craters = described
    swipe = Swipe(xr.Dataset({"image": scene.image}, attrs=scene.attrs), None, craters.iloc[:0])
    swipe.picked = 3
    assert swipe.about == {}

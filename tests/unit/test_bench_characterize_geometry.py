"""The figures of the geometry bench: which craters count, and that small runs give sound figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from craterlab import CraterlabError
from craterlab.bench import characterize_geometry as bench


def truth(**columns):
    base = {
        "x_px": [100.0, 104.0, 30.0, 300.0, 300.0, 200.0],
        "y_px": [100.0, 100.0, 300.0, 300.0, 100.0, 200.0],
        "diameter_px": [20.0, 12.0, 40.0, 9.0, 20.0, 20.0],
        "age_order": [0, 1, 2, 3, 4, 5],
        "morphology": ["valid", "valid", "valid", "valid", "secondary", "ghost"],
        "visibility": [0.9, 0.9, 1.0, 1.0, 1.0, 0.8],
    }
    return pd.DataFrame(base | columns)


def test_what_is_scored():
    """Not the overprinted, cut, small or secondary; the ghost and the younger crater are."""
    assert bench.scored(truth(), (400, 400)).tolist() == [False, True, False, False, False, True]
    # Of less than half the size a younger crater overprints nothing; an older one never does.
    small = truth(diameter_px=[30.0, 12.0, 40.0, 9.0, 20.0, 20.0])
    assert bench.scored(small, (400, 400))[0]
    older = truth(age_order=[1, 0, 2, 3, 4, 5])
    assert bench.scored(older, (400, 400)).tolist()[:2] == [True, False]
    assert not bench.scored(truth(visibility=[0.9, 0.69, 1, 1, 1, 0.6]), (400, 400)).any()


@pytest.fixture(scope="module")
def small_run():
    """Two small scenes, simulated once."""
    from craterlab.simulate import scenes

    made = scenes(3, 256, seed=3)
    patch = pytest.MonkeyPatch()
    patch.setattr("craterlab.simulate.scenes", lambda n, size, *, seed, **settings: made[:n])
    yield {"scenes": 3, "size": 256}
    patch.undo()


def test_geometry_on_simulated_scenes(small_run):
    got = bench.geometry_simulated(3, **small_run)
    assert got["craters"] > 20
    for name in ("depth_diameter", "wall_slope_deg", "floor_width", "mean_diameter"):
        value, low, high = got[name]["bias"]
        assert low <= value <= high and got[name]["measured"] > 10
    assert abs(got["depth_diameter"]["bias"][0]) < 0.06
    assert got["depth_diameter"]["error"][0] < 0.15
    assert 0.7 < got["depth_diameter"]["coverage"][0] <= 1
    assert abs(got["wall_slope_deg"]["bias"][0]) < 2 and abs(got["floor_width"]["bias"][0]) < 0.03


def test_erosion_on_simulated_scenes(small_run):
    got = bench.erosion_simulated(3, **small_run)
    assert got["spearman"][0] > 0.85 and got["class_within_one"][0] > 0.93
    assert abs(got["bias"][0]) < 0.05 and got["coverage"][0] > 0.7
    assert got["kappa_t"]["spearman"][0] > 0.75


def test_shadows_on_simulated_scenes(small_run):
    got = bench.shadows_simulated(3, **small_run)
    assert 0 <= got["share"] <= 1
    assert sum(got["why"].values()) == got["craters"] - got["measured"]


def test_intervals_hold_the_figure_and_shrink():
    rng = np.random.default_rng(1)
    values = rng.normal(2.0, 1.0, 400)
    few = bench._over_rows(lambda rows: float(values[:40][rows].mean()), 40)
    many = bench._over_rows(lambda rows: float(values[rows].mean()), 400)
    assert few[1] < few[0] < few[2] and many[2] - many[1] < few[2] - few[1]
    assert many[1] < 2.0 < many[2]
    assert np.isnan(bench._over_rows(lambda rows: 0.0, 0)).all()


def test_missing_data_says_so(tmp_path):
    with pytest.raises(CraterlabError, match="gld100"):
        bench.depth_gld100(tmp_path)


def test_speed_counts_craters():
    got = bench.speed(200)
    assert got["craters"] == 200 and got["with_dem_per_s"] > 20 and got["image_only_per_s"] > 20

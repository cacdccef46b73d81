"""The benchmark's other yardsticks: annotators, circles without learning, one ground under every sun."""

import sys

import numpy as np
import pandas as pd
import pytest
import torch

from craterlab import CraterlabError
from craterlab.bench.detect_annotators import annotators, consensus
from craterlab.bench.detect_baselines import METHODS, hough_circles
from craterlab.bench.detect_outcomes import outcomes
from craterlab.bench.detect_simulated import simulated_row
from craterlab.bench.detect_sweeps import AZIMUTHS_DEG, INCIDENCES_DEG, grounds, labels_to_see, lit, seen, sweeps
from craterlab.instruments import instruments

torch.set_num_threads(1)


def marks(rows):
    return pd.DataFrame(rows, columns=["annotator", "x_px", "y_px", "diameter_px"])


def test_consensus_of_a_hand_made_table():
    table = marks(
        [
            ("a", 50, 50, 20), ("b", 51, 50, 20), ("c", 50, 52, 22),  # one crater, three annotators
            ("a", 52, 51, 21),                                        # ... one of whom marked it twice
            ("a", 50, 50, 6),                                         # a small one in its middle
            ("b", 120, 60, 10), ("c", 121, 60, 10),
            ("c", 160, 160, 30),
        ]
    )  # fmt: skip
    got = consensus(table).sort_values("diameter_px").to_numpy().tolist()
    assert got == [[50, 50, 6, 1], [120.5, 60, 10, 2], [50.75, 50.75, 20.75, 3], [160, 160, 30, 1]]
    assert consensus(table[:0]).empty


def test_touching_circles_are_not_drawn_together_in_a_chain():
    """Each overlaps the next by more than a half, the first and the last are far apart."""
    table = marks([(str(i), 50 + 5 * i, 50, 20) for i in range(12)])
    got = consensus(table)
    assert 3 <= len(got) <= 6
    assert got.confidence.sum() == 12


@pytest.fixture
def tiles(tmp_path):
    """Six annotators of one tile with three craters. `f` misses one and marks one more that only `e` also marked."""
    craters = [(50, 50, 20), (100, 60, 14), (150, 150, 40)]
    rows = [(a, *c) for a in "abcde" for c in craters] + [("f", *c) for c in craters[:2]]
    rows += [("e", 60, 150, 16), ("f", 60, 150, 16), ("f", 170, 60, 16)]
    folder = tmp_path / "mc11e"
    folder.mkdir()
    marks(rows).assign(image="a.tif").to_parquet(folder / "raw.parquet")
    (folder / "images.csv").write_text("image,split\na.tif,dev\n")
    return tmp_path, craters


def test_annotators_and_the_detector_meet_the_same_consensus(tiles):
    data, craters = tiles
    found = pd.DataFrame(craters, columns=["x_px", "y_px", "diameter_px"]).assign(score=[0.9, 0.8, 0.1])
    got = annotators(data, "dev", lambda path: (found, (200, 200)), 0.5, progress=False)
    rows = {r["annotator"]: r for r in got["annotators"]}
    assert rows["a"]["f1"] == rows["a"]["f1_strict"] == 1
    # Two of three found; the mark that e shares is doubtful, the other is wrong. P 2/3, R 2/3; strictly P 2/4.
    assert rows["f"]["f1"] == pytest.approx(2 / 3, abs=1e-4)
    assert rows["f"]["f1_strict"] == pytest.approx(4 / 7, abs=1e-4)
    # e's extra mark has one other behind it.
    assert rows["e"]["f1"] == 1
    assert rows["e"]["f1_strict"] == pytest.approx(6 / 7, abs=1e-4)
    assert got["median"]["f1"] == 1
    assert (got["cases"], got["model"]["labels"], got["model"]["recall"]) == (6, 18, pytest.approx(2 / 3, abs=1e-4))
    assert got["model_ahead"] == 1


def test_annotators_without_their_marks(tiles):
    (tiles[0] / "mc11e" / "raw.parquet").unlink()
    with pytest.raises(CraterlabError, match=r"raw\.parquet"):
        annotators(tiles[0], "dev", lambda path: None, 0.5, progress=False)


@pytest.mark.parametrize("method", METHODS)
def test_baselines_find_discs_where_they_are(method):
    pytest.importorskip("cv2")
    y, x = np.mgrid[:160, :220] + 0.5
    discs = [(60.0, 70.0, 40), (150.5, 60.5, 24), (180.0, 120.0, 30)]
    image = np.full((160, 220), 60.0)
    for cx, cy, d in discs:
        image += 100 * np.clip(d / 2 - np.hypot(x - cx, y - cy) + 0.5, 0, 1)
    got = hough_circles(image, method)
    for cx, cy, d in discs:
        near = got.iloc[np.hypot(got.x_px - cx, got.y_px - cy).argmin()]
        assert abs(near.x_px - cx) < 1
        assert abs(near.y_px - cy) < 1
        assert near.diameter_px == pytest.approx(d, rel=0.1)
    assert hough_circles(np.zeros((64, 64)), method).empty


def test_baselines_say_what_they_need(monkeypatch):
    with pytest.raises(CraterlabError, match="hough, alt"):
        hough_circles(np.zeros((64, 64)), "canny")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(CraterlabError, match="opencv-python-headless"):
        hough_circles(np.zeros((64, 64)), "alt")


@pytest.fixture(scope="module")
def ground():
    return grounds(2, 96)


def test_the_ground_is_the_same_under_every_sun(ground):
    again = grounds(2, 96)
    assert torch.equal(ground.height, again.height)
    assert all(a.equals(b) for a, b in zip(ground.truth, again.truth, strict=True))
    before = ground.height.clone(), ground.albedo.clone()
    east, west = lit(ground, 90, 60), lit(ground, 270, 60)
    assert torch.equal(ground.height, before[0])
    assert torch.equal(ground.albedo, before[1])
    # Slopes that look east are bright in one and dark in the other, and the same shapes are in both.
    slope = -(ground.height[:, :, 2:] - ground.height[:, :, :-2])
    inner = slice(ground.margin, ground.margin + 2 * ground.size)
    slope = slope[:, inner, ground.margin - 1 : ground.margin - 1 + 2 * ground.size]
    for image, sign in ((east, 1), (west, -1)):
        assert sign * np.corrcoef(slope.flatten(), image.flatten())[0, 1] > 0.5


def test_the_scene_renderer_too_keeps_its_ground():
    from craterlab.simulate import render

    a, b = (render(1, 64, seed=4, sun_azimuth_deg=az, incidence_deg=i) for az, i in ((0.0, 30.0), (200.0, 75.0)))
    assert torch.equal(a.dem, b.dem)
    assert a.truth[0].equals(b.truth[0])


def test_cameras_differ_in_sharpness_haze_takes_contrast_and_stretch_clips(ground):
    light = lit(ground, 90, 60)
    rough = lambda x: np.abs(np.diff(x, axis=2)).mean()  # noqa: E731
    assert rough(seen(light, "HiRISE")) < 0.9 * rough(seen(light, "LROC WAC"))  # MTF at Nyquist 0.12 and 0.37
    # A flat field leaves only noise: with haze it is larger beside the little that is left of the ground.
    assert rough(seen(light, "generic", haze=5.0)) > 1.2 * rough(seen(light, "generic"))
    black = (seen(light, "generic", stretch=0.15) == 0).mean()
    assert black == pytest.approx(0.15, abs=0.02)


def test_a_sweep_reports_what_the_detector_does(ground):
    """One that knows the truth, sees all too large by a tenth, misses one in four and invents one an image."""
    calls = []

    def find(image):
        truth = ground.truth[len(calls) % 2]
        calls.append(image.shape)
        kept = truth[np.arange(len(truth)) % 4 > 0]
        invented = pd.DataFrame({"x_px": [500.0], "y_px": [500.0], "diameter_px": [12.0], "ignore": [False]})
        kept = kept.assign(diameter_px=kept.diameter_px * 1.1)
        return pd.concat([kept, invented], ignore_index=True).assign(score=0.9)

    got = sweeps(find, 0.5, terrains=2, size=96, progress=False)
    assert len(got["sun"]) == len(AZIMUTHS_DEG) * len(INCIDENCES_DEG)
    assert {c["instrument"] for c in got["instrument"]} == set(instruments().index)
    assert len({c["recall"] for c in got["sun"]}) == 1
    assert 0.5 < got["sun"][0]["recall"] < 1
    assert got["recall_spread"] == 0
    assert {c["diameter_bias"] for c in got["sun"]} == {0.1}
    assert got["sun"][0]["false_per_mpx"] == pytest.approx(1e6 / 96**2, rel=1e-3)
    assert set(calls) == {(96, 96)}


def test_faint_craters_are_ignored_and_the_gone_left_out():
    table = pd.DataFrame(
        {"x_px": 1.0, "y_px": 1.0, "diameter_px": 9.0, "visibility": [1, 0.2, 0.2], "erosion": [0, 0.5, 0.9]}
    )
    got = labels_to_see(table)
    assert got.ignore.tolist() == [False, True]


def test_stated_errors_that_are_right_cover_two_thirds():
    rng = np.random.default_rng(2)
    y, x = np.mgrid[30:2000:40, 30:2000:40].reshape(2, -1).astype(float)
    truth = pd.DataFrame({"x_px": x, "y_px": y, "diameter_px": 20.0})
    found = truth.assign(score=0.9, position_std_px=0.5, diameter_std_px=0.4)
    found["x_px"] += rng.normal(0, 0.5, len(x))
    found["y_px"] += rng.normal(0, 0.5, len(x))
    found["diameter_px"] += rng.normal(0, 0.8, len(x))
    coverage = simulated_row(outcomes([(found, truth, (2000, 2000))]), 0.5)["coverage"]
    assert coverage["position"] == pytest.approx(0.683, abs=0.03)
    assert coverage["diameter"] == pytest.approx(0.383, abs=0.04)  # stated half as large as it is
    bare = outcomes([(found.drop(columns=["position_std_px", "diameter_std_px"]), truth, (2000, 2000))])
    assert simulated_row(bare, 0.5)["coverage"] == {"diameter": None, "position": None, "pairs": len(x)}

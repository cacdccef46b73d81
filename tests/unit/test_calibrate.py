"""Calibration of a detector: what it asks for, where its threshold lies, and that it says when none will do."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from craterlab.match import scores
from craterlab.nn.zoo import ARCHITECTURES, WEIGHTS
from craterlab.train import calibrate as module
from craterlab.train.calibrate import THRESHOLDS, balance
from craterlab.train.sets import Source

torch.set_num_threads(1)


def row_of(n, score):
    """`n` labels in a row, the first of which are found, one for each score."""
    truth = pd.DataFrame({"x_px": 40.0 * np.arange(n) + 20, "y_px": 20.0, "diameter_px": 16.0})
    return scores(truth[: len(score)].assign(score=score), truth)


def test_the_threshold_leaves_as_many_as_are_labelled():
    invented = row_of(4, [0.9, 0.8, 0.7, 0.6])
    far = pd.DataFrame({"x_px": 40.0 * np.arange(4) + 20, "y_px": 300.0, "diameter_px": 16.0})
    both = scores(far.assign(score=[0.55, 0.5, 0.4, 0.3]), far[:0])
    threshold, ratio = balance([module.pool([invented, both])])
    assert 0.55 < threshold <= 0.6 and ratio == 1


@pytest.mark.parametrize("lowest", [0.03, 0.97])
def test_it_lies_where_the_scores_do_even_at_the_ends(lowest):
    threshold, ratio = balance([row_of(3, [0.99, 0.98, lowest])])
    assert threshold <= lowest and ratio == 1


def test_too_few_whatever_the_threshold_is_said():
    threshold, ratio = balance([row_of(9, [0.9])])
    assert threshold == THRESHOLDS[0] or ratio == pytest.approx(0.2)
    assert ratio == pytest.approx((1 + 1) / (9 + 1))


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes((WEIGHTS / "craternet.safetensors").read_bytes())
    return path


def small(*_):
    from craterlab.simulate import render
    from craterlab.train.evidence import labels_to_see

    r = render(6, 160, seed=3, incidence_deg=60.0, noise=0.2)
    return [(module.SIMULATED, i, labels_to_see(t)) for i, t in zip(r.image.numpy(), r.truth, strict=True)]


def test_a_network_that_starts_above_six_pixels_is_asked_for_what_it_can(weights, monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "craternet", replace(ARCHITECTURES["craternet"], diameters_px=(9.0, 48.0)))
    module.load.__globals__["_load"].cache_clear()
    asked = []

    def seen(image, grid, model, precision, least, **options):
        asked.append(least)
        return raw(image, grid, model, precision, least, **options)

    raw = module.raw_circles
    monkeypatch.setattr(module, "raw_circles", seen)
    result = module.calibrate(weights, None, sets=[], images=small)
    module.load.__globals__["_load"].cache_clear()
    assert set(asked) == {9.0} and 0 < result["threshold"] < 1


def test_a_network_that_finds_too_few_says_so(weights, monkeypatch):
    def crowded(*_):
        """Thirty labels more an image than there are craters."""
        rng = np.random.default_rng(0)
        for group, image, t in small():
            more = pd.DataFrame({"x_px": rng.uniform(30, 130, 30), "y_px": rng.uniform(30, 130, 30)})
            yield group, image, pd.concat([t, more.assign(diameter_px=40.0, ignore=False)], ignore_index=True)

    with pytest.warns(UserWarning, match="no threshold balances the count of net"):
        result = module.calibrate(weights, None, sets=[], images=lambda *a: list(crowded()))
    assert result["count_ratio"] < 0.9


def test_columns_of_a_source_keep_their_craters():
    craters = np.array([[5, 1, 8, 0], [10, 2, 8, 1], [15, 3, 8, 0]], np.float32)
    source = Source(np.arange(60, dtype=np.float32).reshape(3, 20), craters, (0.5, 1.0), pixel_size_m=7.0)
    left, right = source.columns(0, 10), source.columns(10, 20)
    assert left.craters.tolist() == [[5, 1, 8, 0]] and right.craters.tolist() == [[5, 3, 8, 0]]
    np.testing.assert_array_equal(np.concatenate([left.image, right.image], 1), source.image)
    assert right.pixel_size_m == 7.0 and right.image.flags.c_contiguous

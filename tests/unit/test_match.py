import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craterlab import CraterlabError
from craterlab.match import circle_iou, match, pool, scores

coordinate = st.floats(-100, 100)
diameter = st.floats(0.1, 200)
circle = st.tuples(coordinate, coordinate, diameter)


def table(rows, **columns):
    xyd = np.asarray(rows, float).reshape(-1, 3)
    return pd.DataFrame({"x_px": xyd[:, 0], "y_px": xyd[:, 1], "diameter_px": xyd[:, 2], **columns})


@given(circle, circle)
def test_iou_is_symmetric_and_between_0_and_1(a, b):
    forth, back = circle_iou(*a, *b), circle_iou(*b, *a)
    assert forth == back
    assert 0 <= forth <= 1


@given(circle)
def test_iou_of_a_circle_with_itself_is_1(a):
    assert circle_iou(*a, *a) == 1


@pytest.mark.parametrize(
    "pair", [(0, 0, 10, 3, 1, 8), (0, 0, 10, 0, 4.9, 10), (0, 0, 20, 6, 5, 6), (0, 0, 20, 1, 2, 5), (0, 0, 4, 3, 3, 4)]
)
def test_iou_agrees_with_counted_raster_area(pair):
    x1, y1, d1, x2, y2, d2 = pair
    axis = np.arange(-15, 15, 0.01) + 0.005
    x, y = np.meshgrid(axis, axis)
    a, b = np.hypot(x - x1, y - y1) <= d1 / 2, np.hypot(x - x2, y - y2) <= d2 / 2
    assert circle_iou(*pair) == pytest.approx((a & b).sum() / (a | b).sum(), abs=5e-4)


def test_iou_known_values():
    assert circle_iou(0, 0, 2, 5, 0, 2) == 0
    assert circle_iou(0, 0, 2, 0.1, 0, 1) == pytest.approx(0.25, abs=1e-15)
    # unit circles with centres one radius apart: lens 2 pi / 3 - sqrt(3) / 2
    lens = 2 * np.pi / 3 - np.sqrt(3) / 2
    assert circle_iou(0, 0, 2, 1, 0, 2) == pytest.approx(lens / (2 * np.pi - lens), rel=1e-14)
    assert np.isnan(circle_iou(np.nan, 0, 2, 1, 0, 2))
    assert circle_iou(0, 0, 0, 0, 0, 0) == 0
    assert circle_iou(np.zeros((3, 1)), 0, 1, np.zeros(4), 0, 1).shape == (3, 4)


def test_perfect_detection():
    truth = table([(20, 20, 12), (60, 60, 30)])
    s = scores(truth.assign(score=[0.4, 0.9]), truth)
    assert (s.tp, s.fp, s.fn, s.precision, s.recall, s.f1, s.ap) == (2, 0, 0, 1, 1, 1, 1)
    assert s.pairs.tolist() == [[1, 1], [0, 0]]
    assert s.centre_error == 0 and s.diameter_error == 0


def test_the_better_score_takes_the_label_and_the_second_is_a_false_positive():
    truth = table([(20, 20, 20)])
    found = table([(20, 20, 20), (21, 20, 20)], score=[0.5, 0.9])
    s = scores(found, truth)
    assert (s.tp, s.fp, s.fn) == (1, 1, 0)
    assert s.pairs.tolist() == [[1, 0]]
    assert s.centre_error == pytest.approx(0.1)


def test_a_detection_takes_the_free_label_of_best_overlap():
    truth = table([(20, 20, 20), (22, 20, 20)])
    found = table([(21.9, 20, 20), (22, 20, 20)], score=[0.9, 0.8])
    label, overlap, order = match(found, truth)
    assert label.tolist() == [1, 0]
    assert order.tolist() == [0, 1]
    assert overlap[0] > overlap[1]


def test_ignored_labels_count_neither_way():
    truth = table([(50, 50, 8), (3, 50, 20), (70, 70, 20), (30, 30, 20)])
    found = table([(50, 50, 8), (3, 50, 20), (70, 70, 20), (30, 30, 20), (90, 10, 5)], score=np.ones(5))
    s = scores(found, truth, shape=(100, 100), ignore=[False, False, True, False])
    assert (s.tp, s.fp, s.fn, s.ignored) == (1, 0, 0, 4)
    same = scores(found, truth.assign(ignore=[False, False, True, False]), shape=(100, 100))
    assert same == s
    # without the image's size nothing is known to be cut
    assert scores(found, truth).tp == 3


def test_small_detections():
    truth = table([(30, 30, 10.5)])
    found = table([(30, 30, 9.5), (70, 70, 9.9), (80, 20, 10)], score=[1, 1, 1])
    s = scores(found, truth)
    assert (s.tp, s.fp, s.fn, s.ignored) == (
        1,
        1,
        0,
        1,
    )  # below the limit: a true positive when it matches, else dropped


@pytest.mark.parametrize(("border", "cut"), [(10.0, False), (9.99, True)])
def test_border_is_the_edge_of_the_first_pixel(border, cut):
    s = scores(table([]), table([(border, 50, 20)]), shape=(100, 100))
    assert s.fn == (0 if cut else 1)


def test_average_precision_by_hand():
    truth = table([(20, 20, 20), (60, 60, 20), (100, 20, 20)])
    found = table([(20, 20, 20), (150, 150, 20), (60, 60, 20)], score=[0.9, 0.8, 0.7])
    assert scores(found, truth).ap == pytest.approx((1 + 2 / 3) / 3)


def test_empty_tables_are_answers():
    none, one = table([]), table([(20, 20, 20)])
    assert scores(none, none).tp == 0 and np.isnan(scores(none, none).f1)
    assert scores(none, one).recall == 0 and scores(none, one).f1 == 0 and scores(none, one).ap == 0
    assert scores(one, none).precision == 0 and np.isnan(scores(one, none).ap)


def test_pool_adds_images_up():
    truth = table([(20, 20, 20), (60, 60, 20)])
    a = scores(truth.assign(score=0.5), truth)
    b = scores(table([(150, 150, 20)], score=[0.9]), truth)
    s = pool([a, b])
    assert (s.tp, s.fp, s.fn) == (2, 1, 2)
    assert s.ap == pytest.approx(2 / 3 * 2 / 4)
    assert pool([a]).pairs.tolist() == a.pairs.tolist()
    assert np.isnan(pool([]).f1)


@settings(max_examples=50, deadline=None)
@given(st.lists(circle, max_size=12), st.lists(circle, max_size=12), st.floats(0.05, 1))
def test_every_detection_and_label_is_counted_once(a, b, iou):
    found, truth = table(a, score=np.linspace(1, 0, len(a))), table(b)
    s = scores(found, truth, iou=iou)
    assert s.tp + s.fp + s.ignored == len(found)
    assert s.tp + s.fn == (truth.diameter_px >= 10).sum()
    assert len(set(s.pairs[:, 0])) == len(set(s.pairs[:, 1])) == s.tp
    label, overlap, _ = match(found, truth, iou)
    # the neighbour search must lose no pair: nothing unmatched may overlap a label that stayed free
    full = circle_iou(*(found[c].to_numpy()[:, None] for c in ("x_px", "y_px", "diameter_px")),
                      *(truth[c].to_numpy() for c in ("x_px", "y_px", "diameter_px")))  # fmt: skip
    free = np.setdiff1d(np.arange(len(truth)), label)
    assert not (full[np.ix_(label < 0, free)] >= iou).any()
    assert (overlap[label >= 0] >= iou).all()


def test_bad_input_says_what_to_type():
    good = table([(20, 20, 20)])
    with pytest.raises(CraterlabError, match="diameter_px"):
        scores(good.drop(columns="diameter_px"), good)
    with pytest.raises(CraterlabError, match=r"iou=0\.5"):
        scores(good, good, iou=0)
    with pytest.raises(CraterlabError, match="row 0"):
        scores(table([(20, 20, np.nan)]), good)
    with pytest.raises(CraterlabError, match="one value a label"):
        scores(good, good, ignore=[True, False])


def test_repr_is_compact_and_deterministic():
    truth = table([(20, 20, 20)])
    text = repr(scores(truth.assign(score=1.0), truth))
    assert text == repr(scores(truth.assign(score=1.0), truth))
    assert text.startswith("Scores(f1=1.0000") and "array" not in text


def test_five_thousand_against_five_thousand_takes_seconds():
    rng = np.random.default_rng(0)
    truth = table(np.c_[rng.uniform(0, 4000, (5000, 2)), 8 * rng.pareto(2, 5000) + 8])
    found = truth.assign(score=rng.uniform(size=5000))
    found["x_px"] += rng.normal(0, 0.5, 5000)
    start = time.perf_counter()
    s = scores(found, truth)
    assert time.perf_counter() - start < 5
    assert s.recall > 0.97

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from craterlab import CraterlabError
from craterlab.match import circle_iou
from craterlab.ospa import ospa

circle = st.tuples(st.floats(0, 30), st.floats(0, 30), st.floats(2, 30))
circles = st.lists(circle, max_size=4)


def table(rows):
    xyd = np.asarray(rows, float).reshape(-1, 3)
    return pd.DataFrame({"x_px": xyd[:, 0], "y_px": xyd[:, 1], "diameter_px": xyd[:, 2]})


def test_known_values():
    a = table([(0, 0, 10), (100, 0, 20)])
    assert ospa(a, a) == 0
    assert ospa(table([]), table([])) == 0
    assert ospa(a, table([])) == 1
    assert ospa(a, table([(500, 0, 10)])) == 1
    assert ospa(a, a[:1]) == 0.5  # one of two missed
    # A disc of half the diameter inside another: IoU 1/4, so the pair costs 3/4.
    assert ospa(table([(0, 0, 5)]), table([(0, 0, 10)])) == pytest.approx(0.75)
    assert ospa(table([(0, 0, 5), (100, 0, 20)]), a) == pytest.approx(0.375)


def test_order_and_cutoff():
    found, truth = table([(0, 0, 5), (100, 0, 20)]), table([(0, 0, 10), (100, 0, 20), (200, 0, 10)])
    assert ospa(found, truth) == pytest.approx((0.75 + 0 + 1) / 3)
    assert ospa(found, truth, order=2) == pytest.approx(np.sqrt((0.75**2 + 0 + 1) / 3))
    assert ospa(found, truth, cutoff=0.5) == pytest.approx((0.5 + 0 + 0.5) / 3)


def test_the_assignment_is_the_best_one_and_not_the_greedy_one():
    """The best single pair (found 0, label 0) would leave found 1 with a label it hardly touches."""
    found, truth = table([(3, 0, 10), (6.5, 0, 10)]), table([(4, 0, 10), (0, 0, 10)])
    iou = circle_iou([[3], [6.5]], 0, 10, [[4, 0]], 0, 10)
    assert iou[0, 0] == iou.max()
    crossed = iou[0, 1] + iou[1, 0]
    assert crossed > iou[0, 0] + iou[1, 1] + 0.02
    assert ospa(found, truth) == pytest.approx(1 - crossed / 2)


@settings(deadline=None, max_examples=60)
@given(circles, circles, circles, st.sampled_from([1.0, 2.0]))
def test_it_is_a_metric(a, b, c, order):
    a, b, c = table(a), table(b), table(c)
    ab = ospa(a, b, order=order)
    assert ab == pytest.approx(ospa(b, a, order=order))
    assert 0 <= ab <= 1
    assert ab <= ospa(a, c, order=order) + ospa(c, b, order=order) + 1e-9


@pytest.mark.parametrize("options", [{"order": 0.5}, {"cutoff": 0}, {"cutoff": 2}, {"order": float("nan")}])
def test_bad_options(options):
    with pytest.raises(CraterlabError, match="order"):
        ospa(table([]), table([]), **options)

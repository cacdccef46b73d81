"""Ranking and the text of nested results."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from craterlab.bench import format_characterize, format_dating
from craterlab.bench.lines import lines
from craterlab.bench.ranking import auc, auc_interval


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=40))
def test_auc_is_the_share_of_pairs_in_order(rows):
    score, positive = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    a, b = score[positive], score[~positive]
    if not len(a) or not len(b):
        assert np.isnan(auc(score, positive))
        return
    pairs = np.sign(a[:, None] - b[None])
    assert auc(score, positive) == pytest.approx(((pairs + 1) / 2).mean())
    assert auc(-score, positive) == pytest.approx(1 - auc(score, positive))


def test_interval_holds_the_value_and_narrows_with_units():
    rng = np.random.default_rng(0)
    positive = rng.uniform(size=2000) < 0.3
    score = rng.normal(size=2000) + positive
    few = auc_interval(score, positive, np.arange(2000) // 200)
    many = auc_interval(score, positive, np.arange(2000))
    assert few[1] < few[0] < few[2] and few[0] == many[0] == pytest.approx(0.76, abs=0.02)
    assert many[2] - many[1] < 0.06
    assert auc_interval(score, positive, np.arange(2000)) == many


def test_lines():
    result = {
        "auc": [0.9, 0.8, 0.95],
        "confusion": {"valid": 3, "ghost": 4},
        "bins": [1],
        "inner": {"n": 2.5, "why": "x"},
    }
    assert list(lines(result)) == [
        "- auc: 0.9 (0.8 to 0.95)",
        "- confusion: valid 3, ghost 4",
        "- inner, n: 2.5",
        "- inner, why: x",
    ]


def test_reports_have_a_heading_for_each_part():
    text = format_characterize({"depth": {"bias": [0.01, 0.0, 0.02]}, "times": {"chips_per_second": 400.0}})
    assert text.count("## ") == 2 and "bias: 0.01 (0 to 0.02)" in text
    assert format_dating({"speed": {"first_plot_s": 0.5}}).startswith("## Times")

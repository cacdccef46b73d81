"""The measure of secondaries, and the fit on simulated catalogues."""

import numpy as np
import pytest

from craterlab.bench import characterize_secondaries as bench
from craterlab.bench import ranking
from craterlab.characterize.neighbourhood import STATISTICS
from craterlab.characterize.secondaries import read_model
from craterlab.errors import CraterlabError
from craterlab.train.secondaries import _logistic, train_secondaries


def test_auc_of_normal_scores_is_the_closed_form():
    """Two unit normals one standard deviation apart: Phi(1 / sqrt(2)) = 0.7602."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=20000) < 0.3
    score = rng.normal(size=20000) + truth
    assert ranking.auc(score, truth) == pytest.approx(0.7602, abs=0.01)
    assert ranking.auc(np.zeros(20000), truth) == pytest.approx(0.5)
    assert np.isnan(ranking.auc(score, np.ones(20000, bool)))
    block = rng.integers(0, 10, 20000)
    auc, spread, within = bench._auc_by_block(score, truth, block, np.tile(np.arange(10), (3, 1)))
    np.testing.assert_allclose(spread, auc, atol=1e-3)  # every block once is the whole
    assert len(within) == 10


def test_scores_of_a_calibrated_probability():
    rng = np.random.default_rng(1)
    p = rng.uniform(size=20000)
    truth = rng.uniform(size=20000) < p
    out = bench.scores(p, truth)
    assert out["calibration_error"] < 0.02
    assert sum(out["confusion"].values()) == 20000
    assert out["precision"] == pytest.approx(0.75, abs=0.02)
    assert bench.scores(p, ~truth)["calibration_error"] > 0.4


def test_bench_without_data_says_so(tmp_path):
    with pytest.raises(CraterlabError, match="mars_catalogue"):
        bench.secondaries_mars(tmp_path)


def test_logistic_finds_the_weights():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20000, 2))
    y = (rng.uniform(size=20000) < 1 / (1 + np.exp(1 - 2 * x[:, 0] + x[:, 1]))).astype(float)
    free = _logistic(x, y, np.ones(20000), np.array([True, True]))
    np.testing.assert_allclose(free, [-1, 2, -1], atol=0.1)
    assert _logistic(x, y, np.ones(20000), np.array([True, False]))[2] == 0


def test_training_writes_what_the_verb_reads(tmp_path):
    model = read_model(train_secondaries(tmp_path / "a.toml", seed=3, fields=3, progress=False))
    assert set(model["first"]) == {"intercept", *STATISTICS}
    assert set(model["second"]) == {"intercept", "own", "near8", "near24"}
    again = train_secondaries(tmp_path / "b.toml", seed=3, fields=3, progress=False)
    assert read_model(again) == model

"""The detection benchmark's figures against the package's own scores, closed forms and chance."""

import json

import numpy as np
import pandas as pd
import pytest

from craterlab import CraterlabError
from craterlab.bench import bench_detect, format_report, format_table
from craterlab.bench.detect_calibration import calibration, reliability
from craterlab.bench.detect_figure import figure
from craterlab.bench.detect_metrics import measured, row
from craterlab.bench.detect_outcomes import BLOCK_PX, outcomes
from craterlab.cli import main
from craterlab.match import pool, scores

SHAPE = (200, 200)


def table(rows, **columns):
    xyd = np.asarray(rows, float).reshape(-1, 3)
    return pd.DataFrame({"x_px": xyd[:, 0], "y_px": xyd[:, 1], "diameter_px": xyd[:, 2], **columns})


def crowd(rng, n=40):
    """Labels of one image, and detections: most of them jittered, some missing, some invented."""
    truth = table(np.c_[rng.uniform(0, 200, (n, 2)), rng.uniform(6, 40, n)], ignore=rng.uniform(size=n) < 0.2)
    kept = truth[rng.uniform(size=n) < 0.8]
    xyd = kept[["x_px", "y_px", "diameter_px"]].to_numpy()
    xyd = np.r_[xyd + rng.normal(0, 1, xyd.shape), np.c_[rng.uniform(0, 200, (15, 2)), rng.uniform(6, 40, 15)]]
    xyd[:, 2] = np.maximum(xyd[:, 2], 5)
    return table(xyd, score=rng.uniform(0.02, 1, len(xyd))), truth


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(3)
    return [crowd(rng) for _ in range(8)]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_one_matching_serves_every_threshold(images, threshold):
    """Filtering pairs gives what `match.scores` gives for detections filtered before."""
    got = row(outcomes((f, t, SHAPE) for f, t in images), threshold)
    s = pool([scores(f[f.score >= threshold], t, shape=SHAPE) for f, t in images])
    every = pool([scores(f, t, shape=SHAPE) for f, t in images])
    assert got["labels"] == s.tp + s.fn
    expected = {"precision": s.precision, "recall": s.recall, "f1": s.f1, "ap": every.ap}
    expected |= {"centre_error": s.centre_error, "diameter_error": s.diameter_error}
    expected["count_ratio"] = (s.tp + s.fp) / (s.tp + s.fn)
    for name, value in expected.items():
        assert got[name] == pytest.approx(value, abs=6e-5), name
    assert (got["unit"], got["units"], got["images"]) == ("image", 8, 8)


def test_bins_add_up_and_each_counts_its_own_sizes():
    truth = table([(50, 50, 15), (150, 50, 30), (50, 150, 7)])
    found = table([(50, 50, 20), (150, 50, 30), (150, 150, 30), (50, 150, 7)], score=[0.9] * 4)
    bins = row(outcomes([(found, truth, SHAPE)]), 0.5)["bins"]
    # The first is found as one of 20 px: a hit among 10-20 by its label, and no false alarm among 20-50.
    small, large, tiny = bins["10-20"], bins["20-50"], bins["6-10"]
    assert (small["labels"], small["recall"], small["precision"]) == (1, 1, 1)
    assert (large["labels"], large["recall"], large["precision"]) == (1, 1, 0.5)
    assert (tiny["labels"], tiny["recall"], tiny["precision"]) == (1, 1, None)  # of a set complete from 10 px
    assert sum(bins[b]["labels"] for b in ("6-10", "10-20", "20-50", ">50")) == 3


def test_signed_bias_and_errors():
    truth = table([(50, 50, 20), (150, 50, 20), (50, 150, 20)])
    found = truth.assign(score=0.9, diameter_px=[22, 22, 19], x_px=truth.x_px + np.array([1, 2, 3]))
    got = row(outcomes([(found, truth, SHAPE)]), 0.5)
    assert got["diameter_bias"] == 0.1
    assert got["diameter_error"] == 0.1
    assert got["centre_error"] == 0.2


def test_sparse_labels_leave_recall_and_errors(images):
    got = row(outcomes((f, t, SHAPE) for f, t in images), 0.3, complete_px=np.inf)
    assert not got["complete"]
    assert all(got[k] is None for k in ("precision", "f1", "ap", "ospa", "count_ratio"))
    assert got["curve"] == []
    assert set(got["intervals"]) == {"recall", "centre_error", "diameter_error", "diameter_bias"}


def test_intervals_are_the_same_again_and_cover_as_they_should():
    """Recall of one crater an image, half of them found: the interval is that of a binomial share."""
    truth = table([(50, 50, 20)])
    n = 200
    images = [(truth.assign(score=0.9)[: i % 2], truth, SHAPE) for i in range(n)]
    one, two = (measured(outcomes(images), 0.5, 10) for _ in range(2))
    assert one == two
    low, high = one["intervals"]["recall"]
    half = 1.645 * np.sqrt(0.25 / n)
    assert one["recall"] == 0.5
    assert (low, high) == (pytest.approx(0.5 - half, abs=0.012), pytest.approx(0.5 + half, abs=0.012))


def test_few_images_are_resampled_in_blocks():
    rng = np.random.default_rng(0)
    xy = rng.uniform(20, 480, (60, 2))
    truth = table(np.c_[xy, np.full(60, 12.0)])
    got = outcomes([(truth.assign(score=0.9), truth, (500, 510)), (truth[:0].assign(score=0.9), truth[:0], (250, 250))])
    assert (got.unit, got.units) == ("block", 2 * 3 + 1)
    assert BLOCK_PX == 250
    assert got.table.unit.max() == 5
    corner = got.table[(got.table.label_x_px < 170) & (got.table.label_y_px < 250)]
    assert set(corner.unit) == {0}


def test_medians_under_resampling_are_those_of_the_drawn_units(images):
    from craterlab.bench.detect_metrics import _weighted_median

    rng = np.random.default_rng(1)
    values, unit = rng.normal(size=31), rng.integers(0, 5, 31)
    median = _weighted_median(values, unit)
    for w in rng.multinomial(5, [0.2] * 5, size=20):
        assert median(w) == pytest.approx(np.median(np.repeat(values, w[unit])))


def test_calibrated_scores_have_no_error_and_others_theirs():
    rng = np.random.default_rng(5)
    score = rng.uniform(size=40_000)
    hit = rng.uniform(size=score.size) < score
    assert reliability(score, hit)["ece"] < 0.01
    # Scores s whose true share is s squared: the mean of s - s**2 is 1/6.
    assert reliability(score, rng.uniform(size=score.size) < score**2)["ece"] == pytest.approx(1 / 6, abs=0.01)
    flat = reliability(np.full(10, 0.9), np.arange(10) < 5)
    assert flat["ece"] == pytest.approx(0.4)
    assert flat["bins"] == [[0.9, 0.5, 10]]
    assert reliability([1.0], [True])["ece"] == 0
    assert reliability([], [])["ece"] is None


def test_groups_weigh_by_their_detections():
    got = calibration({"a": (np.full(10, 0.9), np.ones(10, bool)), "b": (np.full(30, 0.2), np.zeros(30, bool))}, 0.5)
    assert got["all"]["ece"] == pytest.approx((10 * 0.1 + 30 * 0.2) / 40)
    assert got["all"]["ece_kept"] == pytest.approx(0.1)
    assert got["b"]["ece_kept"] is None
    assert calibration({}, 0.5) == {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A made-up `hrsc` of one simulated image, and a made-up `themis` with a ghost and what is no crater."""
    import rasterio

    from craterlab.bench.detect_sweeps import labels_to_see
    from craterlab.simulate import render

    root = tmp_path_factory.mktemp("data")
    made = render(1, 192, seed=11, sun_azimuth_deg=90.0, incidence_deg=65.0, noise=0.2)
    truth = labels_to_see(made.truth[0])
    truth = truth[~truth.ignore].drop(columns="ignore")
    for name in ("hrsc", "themis"):
        (root / name / "images").mkdir(parents=True)
        with rasterio.open(
            root / name / "images" / "a.png", "w", driver="PNG", width=192, height=192, count=1, dtype="uint8"
        ) as f:
            f.write(made.image[0].numpy().astype("uint8"), 1)
        (root / name / "images.csv").write_text("image,split\nimages/a.png,dev\n")
        labels = truth.assign(image="images/a.png")
        if name == "themis":
            labels = table([(40, 40, 12), (90, 90, 12), (140, 140, 12)], image="images/a.png")
            labels["class"] = ["valid", "ghost", "invalid"]
        labels.to_parquet(root / name / "labels.parquet")
    return root


def test_the_whole_bench_on_a_tiny_folder(folder, tmp_path, capsys):
    pytest.importorskip("cv2")
    kept = []
    result = bench_detect(folder, parts=["sets", "baselines"], progress=False, on_part=lambda r: kept.append(list(r)))
    assert result["threshold"] > 0
    assert set(result["sets"]) == {"hrsc", "themis"}
    hrsc = result["sets"]["hrsc"]
    assert 0 < hrsc["recall"] <= 1
    assert 0 <= hrsc["ospa"] < 1
    assert result["summary"]["mean_f1"] == hrsc["f1"]
    assert set(result["baselines"]) == {"hough", "alt"}
    assert set(result["calibration"]) == {"hrsc", "themis", "all"}
    # The ghost is not among the labels, what is no crater nowhere.
    assert result["sets"]["themis"]["labels"] == 1
    assert result["sets"]["themis"]["ghosts"]["labels"] == 1
    assert "sets" in kept[0] and "baselines" not in kept[0]
    text = format_report(result)
    assert "OpenCV HOUGH_GRADIENT_ALT" in format_table(result)
    assert "ghosts apart" in text
    assert len(figure(json.loads(json.dumps(result))).axes) == 3

    argv = ["bench", "detect", "--data", str(folder), "--sets", "hrsc"]
    files = tmp_path / "b.json", tmp_path / "b.png", tmp_path / "w.png"
    assert main([*argv, "--json", str(files[0]), "--figure", str(files[1]), "--worst", str(files[2])]) == 0
    assert json.loads(files[0].read_text())["sets"]["hrsc"]["f1"] == hrsc["f1"]
    assert all(f.read_bytes()[:4] == b"\x89PNG" for f in files[1:])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.json", "b.png", "w.png"]
    assert main([*argv, "--parts", "baselines", "--worst", str(files[2])]) == 2
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"parts": ["ablation"]}, "ablation.*sets, baselines"),
        ({"threshold": 1.5}, "0 to 1"),
        ({"parts": ["annotators"]}, "mc11e"),
        ({"sets": ["nac"]}, "nac"),
        ({"split": "test"}, "test"),
    ],
)
def test_bad_input(folder, options, words):
    with pytest.raises(CraterlabError, match=words):
        bench_detect(folder, progress=False, **options)

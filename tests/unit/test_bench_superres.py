"""`craterlab bench superres`: its measures against hand-worked cases, and the whole of it on a small folder."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from rasterio import open as open_raster

from craterlab import CraterlabError, cli
from craterlab.bench import bench_superres, format_tables, superres_coverage, superres_invented, superres_likeness
from craterlab.bench.superres_images import camera, degrade, off, psnr, sharpen, ssim, truths
from craterlab.bench.superres_invented import invented, terrains
from craterlab.bench.superres_times import peak_mib, scenery, times
from craterlab.bench.superres_yield import Detections, at_precision, crater_yield, unmatched

torch.set_num_threads(1)
QUICK = ["bicubic", "wiener"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two sets of one simulated image each, with labels."""
    from craterlab.simulate import Law, render

    data = tmp_path_factory.mktemp("sets")
    law = Law(min_diameter_px=10, coverage=(0.3, 0.3), erosion_scale_px=(1.0, 1.0))
    made = render(2, 160, seed=1, law=law, relief_px=0.5, incidence_deg=65, noise=0.0)
    for i, name in enumerate(("nac", "hrsc")):
        (data / name / "images").mkdir(parents=True)
        pd.DataFrame({"image": ["images/a.png"], "split": ["train"]}).to_csv(data / name / "images.csv", index=False)
        labels = made.truth[i][["x_px", "y_px", "diameter_px"]].assign(image="images/a.png", split="train")
        labels.to_parquet(data / name / "labels.parquet")
        with open_raster(
            data / name / "images/a.png", "w", driver="PNG", width=160, height=160, count=1, dtype="uint8"
        ) as f:
            f.write(made.image[i].numpy().astype(np.uint8), 1)
    return data


# measures


def test_ssim_of_flat_images_is_the_luminance_term():
    a, b, c1 = 100.0, 150.0, 2.55**2
    flat = np.ones((40, 50), np.float32)
    assert ssim(a * flat, b * flat) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), rel=1e-6)
    assert ssim(a * flat, a * flat) == 1.0


def test_ssim_is_that_of_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 255, (60, 47)).cumsum(1) / 47
    image = truth + rng.normal(0, 12, truth.shape)
    want = metrics.structural_similarity(
        truth, image, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(image, truth) == pytest.approx(want, abs=1e-9)


def test_psnr_has_its_peak_at_255():
    truth = np.zeros((20, 20), np.float32)
    assert psnr(truth + 25.5, truth) == pytest.approx(20.0, abs=1e-5)


def test_degradation_blurs_and_adds_noise_by_the_mean():
    flat = degrade(np.full((400, 400), 80, np.float32), 2, camera("generic"), 40)
    assert flat.shape == (200, 200)
    assert flat.dtype == np.float32
    assert flat.mean() == pytest.approx(80, abs=0.05)
    assert flat.std() == pytest.approx(2.0, rel=0.02)
    point = np.ones((80, 80), np.float32)
    point[40:42, 40:42] = 1001.0  # the pixel (20, 20)
    seen = degrade(point, 2, camera("generic"), 1e9)
    assert seen.sum() - seen.size == pytest.approx(1000, rel=1e-3)
    assert 200 < seen[20, 20] < 600
    np.testing.assert_array_equal(seen, degrade(point, 2, camera("generic"), 1e9))


def test_cameras_keep_their_noise_to_themselves():
    for name in ("generic", "CTX", "LROC NAC"):
        assert camera(name).noise_sigma is None
        assert off(camera(name), 1.3).mtf_nyquist() < camera(name).mtf_nyquist() < off(camera(name), 0.7).mtf_nyquist()


def test_truths_are_central_and_whole_in_coarse_pixels(folder):
    (whole,) = truths(folder, "nac", "train", 3)
    (part,) = truths(folder, "nac", "train", 4, 90)
    assert whole.values.shape == (159, 159)
    assert part.values.shape == (88, 88)
    assert part.corner == (36, 36)
    np.testing.assert_array_equal(part.values, whole.values[36:124, 36:124])


def test_a_dark_image_is_no_truth(folder, tmp_path):
    (tmp_path / "nac").mkdir()
    pd.DataFrame({"image": ["a.png"], "split": ["dev"]}).to_csv(tmp_path / "nac" / "images.csv", index=False)
    with open_raster(tmp_path / "nac/a.png", "w", driver="PNG", width=80, height=80, count=1, dtype="uint8") as f:
        f.write(np.zeros((80, 80), np.uint8), 1)
    with pytest.raises(CraterlabError, match="dark"):
        list(truths(tmp_path, "nac", "dev", 2))


# yield


def circles(*rows: tuple[float, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["x_px", "y_px", "diameter_px", "score"])


def test_craters_at_a_precision():
    table = pd.DataFrame({"score": [0.9, 0.8, 0.7, 0.6, 0.5], "hit": [1, 1, 0, 1, 0], "tile": [0, 0, 1, 0, 1]})
    assert at_precision(table, 0.75, np.ones(2)) == (3.0, 0.6)
    assert at_precision(table, 0.6, np.ones(2)) == (3.0, 0.5)
    assert at_precision(table, 1.0, np.ones(2)) == (2.0, 0.8)
    assert at_precision(table, 1.0, np.array([2, 0])) == (6.0, 0.5)  # without the tile of the mistakes
    found, score = at_precision(table, 1.1, np.ones(2))
    assert found == 0
    assert np.isnan(score)


def test_yield_counts_the_sizes_it_says():
    at = [(50.0 * i + 30, 60.0) for i in range(6)]
    labels = circles(*[(x, y, d, 1.0) for (x, y), d in zip(at, (12, 12, 12, 19, 25, 9), strict=True)])
    labels = labels.assign(ignore=False)
    mistake = (400.0, 400.0)
    plain = circles((*at[0], 12, 0.9), (*mistake, 14, 0.8), (*at[1], 12, 0.3))
    # Finds one more at the same precision; large, small and ignored ones count neither way.
    sharp = circles(
        (*at[4], 25, 0.99), (*at[5], 9, 0.98), (*at[0], 12, 0.9), (*at[3], 19, 0.85), (*mistake, 14, 0.7),
        (450, 450, 40, 0.9), (450, 300, 8, 0.9), (*at[1], 12, 0.6), (*mistake[::-1], 30, 0.6),
    )  # fmt: skip
    image = Detections("nac", (500, 500), labels, {"bicubic": plain, "wiener": sharp})
    rows = {r["method"]: r for r in crater_yield([image], 0.5, resamples=50)}
    assert rows["bicubic"]["precision"] == 0.5
    assert rows["bicubic"]["labels"] == 4
    # At the mark of one right in two, bicubic goes down to 0.3 too: it gets the same rule.
    assert (rows["bicubic"]["found"], rows["bicubic"]["threshold"], rows["bicubic"]["ratio"]) == (2, 0.3, 1.0)
    assert (rows["wiener"]["found"], rows["wiener"]["ratio"]) == (3, 1.5)
    assert rows["wiener"]["ratio_low"] <= 1.5 <= rows["wiener"]["ratio_high"]


def test_yield_interval_covers_what_a_method_adds():
    rng = np.random.default_rng(0)
    x, y = (g.ravel() * 40.0 + 30 for g in np.mgrid[:24, :24])
    labels = pd.DataFrame({"x_px": x, "y_px": y, "diameter_px": 14.0, "ignore": False})
    score = rng.uniform(0.3, 1, len(labels))
    missed = rng.uniform(size=len(labels)) < 0.3
    full = labels.assign(score=score)
    part = full[~missed]
    image = Detections("nac", (1000, 1000), labels, {"bicubic": part, "tv": full})
    row = crater_yield([image], 0.4, resamples=200)[1]
    assert row["ratio"] == pytest.approx(1 / (~missed).mean(), abs=1e-3)
    assert 1 < row["ratio_low"] < row["ratio"] < row["ratio_high"] < 1.8


def test_unmatched_are_compared_with_the_true_image():
    labels = circles((50, 50, 20, 1), (150, 50, 20, 1)).assign(ignore=False)
    right = circles((50, 50, 20, 0.9), (150, 50, 20, 0.9), (250, 250, 15, 0.9))
    more = pd.concat([right, circles((350, 350, 15, 0.9), (400, 100, 15, 0.2))])
    image = Detections("hrsc", (500, 500), labels, {"true image": right, "bicubic": more})
    rows = {r["method"]: r for r in unmatched([image], 0.5)}
    assert (rows["true image"]["matched"], rows["true image"]["unmatched"]) == (2, 1)
    assert rows["bicubic"]["per_matched"] == 1.0
    assert rows["bicubic"]["above_truth"] == 1.0  # twice as many


# invented craters


def test_terrains_have_texture_and_craters_only_where_asked(monkeypatch):
    from craterlab import simulate

    truth = {}
    real = simulate.render

    def spy(*args, **options):
        made = real(*args, **options)
        truth.setdefault(options["law"].secondaries > 0, []).extend(len(t) for t in made.truth)
        return made

    monkeypatch.setattr(simulate, "render", spy)
    empty = list(terrains(9, craters=False, size=96))
    cratered = list(terrains(8, craters=True, size=96))
    assert len(empty) == 9
    assert truth[False] == [0] * 9
    assert sum(truth[True]) > 20
    # Fine texture: neighbours differ on the scale of grey levels, in every scene.
    assert min(np.abs(np.diff(t, axis=1)).mean() for t in empty) > 2
    assert np.ptp(np.stack(cratered)) > 200
    np.testing.assert_array_equal(empty[0], next(iter(terrains(8, craters=False, size=96))))


@pytest.mark.parametrize(("extra", "not_above"), [(0, True), (1, False)])
def test_invented_craters_are_counted_against_the_truth(monkeypatch, extra, not_above):
    """A detector that finds one crater in each true image and, in sharpened ones, `extra` more."""

    def count(image, **options):
        return pd.DataFrame({"score": np.ones(1 + extra * int(image[0, 0] == -1))})

    monkeypatch.setattr(importlib.import_module("craterlab.detect"), "detect", count)
    monkeypatch.setattr(superres_invented, "terrains", lambda n, craters: iter([np.ones((32, 32), np.float32)] * n))
    made = xr.Dataset({"image": (("y", "x"), np.full((32, 32), -1.0))})
    monkeypatch.setattr(superres_invented, "sharpen", lambda *a, **k: made)
    (row,) = invented(40, ["tv"], threshold=0.5, progress=False)
    assert (row["found"], row["found_truth"]) == (40 * (1 + extra), 40)
    assert row["not_above"] is not_above
    assert row["mpx"] == pytest.approx(40 * 0.065536, abs=0.01)
    # As many on cratered terrain: the excess is half of them when one in two is invented.
    assert row["excess_share"] == pytest.approx(extra / 2)


# coverage, wrong instrument, times


def test_coverage_of_an_honest_error_map_is_nine_in_ten(folder, monkeypatch):
    """An estimate whose error is drawn from its own map, smaller where the truth is smooth; and one too sure."""

    def honest(truth, factor, method, known, **options):
        std = np.where(superres_coverage.rough(truth), 5.0, 1.0)
        error = np.random.default_rng(0).normal(size=truth.shape) * std
        said = std / (2 if method == "tv" else 1)
        return xr.Dataset({"image": (("y", "x"), truth + error), "std": (("y", "x"), said)})

    monkeypatch.setattr(superres_coverage, "degrade", lambda truth, *a: truth)
    monkeypatch.setattr(superres_coverage, "sharpen", honest)
    rows = superres_coverage.coverage(folder, ["nac"], "train", ["wiener", "tv"], factors=[2], scenes=2, progress=False)
    assert [(r["set"], r["method"], r["images"]) for r in rows] == [
        ("nac", "wiener", 1), ("nac", "tv", 1), ("simulated", "wiener", 2), ("simulated", "tv", 2),
    ]  # fmt: skip
    for row in rows:
        for part in ("all", "smooth", "rough"):
            # 0.589 of a Gaussian lies within 0.8225 sigma
            assert row[part] == pytest.approx(0.900 if row["method"] == "wiener" else 0.589, abs=0.015)


def test_the_rough_half_is_where_the_truth_is():
    image = np.zeros((80, 80), np.float32)
    image[:, 40:] = np.random.default_rng(0).normal(0, 9, (80, 40))
    half = superres_coverage.rough(image)
    assert half.mean() == pytest.approx(0.5, abs=0.01)
    assert half[:, 44:].all()
    assert not half[:, :30].any()


def test_a_wrong_psf_costs_and_shows(folder):
    rows = superres_likeness.wrong_instrument(folder, ["hrsc"], "train", QUICK, progress=False)
    gain = {r["psf"]: r["ahead"] for r in rows}
    assert [r["method"] for r in rows] == ["wiener"] * 3
    assert gain[1.0] >= max(gain[0.7], gain[1.3]) > 0


def test_a_result_is_measured_before_its_projection_too(folder, monkeypatch):
    """A method whose raw image is off by a level that the projection takes away."""

    def direct(seen, factor, method, known, **options):
        made = sharpen(seen, factor, "wiener", known, device=None)
        return made.assign(raw=made["image"] + 3)

    monkeypatch.setattr(superres_likeness, "sharpen", direct)
    options = {"instruments": ["generic"], "factors": [2], "snrs": (100.0,), "progress": False}
    after, before = superres_likeness.likeness(folder, ["nac"], "train", ["net"], **options)
    assert (after["method"], before["method"]) == ("net", "net-raw")
    assert after["psnr"] > before["psnr"] + 0.5
    assert 0.8 < after["chi2"] < 1.25
    assert before["chi2"] > after["chi2"] + 1


def test_the_spectrum_is_worth_something_beside_the_textbook_filter(folder):
    options = {"instruments": ["generic"], "factors": [2], "snrs": (40.0,), "progress": False}
    rows = superres_likeness.likeness(folder, ["hrsc"], "train", ["bicubic", "wiener"], **options)
    gain = {r["method"]: r["psnr"] for r in rows}
    assert list(gain) == ["bicubic", "wiener", "wiener-flat"]
    assert gain["wiener"] > gain["wiener-flat"]


def test_times_come_from_a_process_of_their_own():
    (row,) = times(["bicubic"], size=192, progress=False)
    assert 0 < row["seconds"] < 60
    assert row["peak_mib"] >= row["idle_mib"] > 30
    assert scenery(64).mean() == pytest.approx(100, abs=1)


def test_peak_memory_is_that_of_the_process():
    before = peak_mib()
    held = np.ones(2**27, np.uint8)
    assert peak_mib() >= max(before, held.nbytes / 2**20)


# the whole


def test_all_parts_on_a_small_folder(folder, capsys, tmp_path):
    command = ["bench", "superres", "--data", folder, "--split", "train", "--methods", "bicubic,wiener"]
    command += ["--parts", "table,yield,invented", "--factors", "2", "--instruments", "generic,NAC"]
    command += ["--terrains", 4, "--json", tmp_path / "a.json"]
    assert cli.main([str(c) for c in command]) == 0
    said = capsys.readouterr().out
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["sets"] == ["nac", "hrsc"]
    assert set(result["seconds"]) == {"table", "yield", "invented"}
    assert said == format_tables(result) + "\n"
    table = pd.DataFrame(result["table"])
    assert len(table) == 2 * 2 * 2 * 3  # cameras, SNR, sets, methods with the textbook filter
    assert set(table.instrument) == {"generic", "LROC NAC"}
    quality = table.groupby(["snr", "method"]).psnr.mean()
    assert quality[100.0, "wiener"] > quality[40.0, "wiener"]
    assert quality[100.0, "wiener"] > quality[100.0, "bicubic"]
    assert {r["method"] for r in result["yield"]} == {"true image", "bicubic", "wiener"}
    assert all(r["labels"] > 5 for r in result["yield"])
    assert {r["method"] for r in result["invented"]["terrain"]} == {"bicubic", "wiener"}
    # The title of every part, and the gain over bicubic, worked out by the report.
    assert [said.count(f"### {t}") for t in ("PSNR", "Craters", "Detections", "Pixels")] == [1, 1, 2, 0]
    generic = table[(table.instrument == "generic") & (table.snr == 100)].groupby("method").psnr.mean()
    assert f"| {generic['wiener']:.2f} | {generic['wiener'] - generic['bicubic']:+.2f} |" in said


def test_parts_are_handed_over_as_they_are_done(folder):
    seen = []
    bench_superres(
        folder, "train", parts=["wrong", "yield"], sets=["nac"], methods=["bicubic"], progress=False,
        on_part=lambda r: seen.append([p for p in ("wrong", "yield") if p in r]),
    )  # fmt: skip
    assert seen == [["wrong"], ["wrong", "yield"]]


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        ("--data nowhere", "nowhere"),
        ("--sets themis", "nac, hrsc"),
        ("--split test", "--split dev"),
        ("--parts table,speed", "'speed'"),
        ("--methods magic", "wiener"),
        ("--instruments CTXY", "CTX"),
        ("--factors 2,x", "2,x"),
        ("--crop 20", "at least 64"),
        ("--json none/a.json", "none"),
    ],
)
def test_wrong_input_is_one_line(folder, capsys, flags, word):
    assert cli.main(["bench", "superres", "--data", str(folder), *flags.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("craterlab: error: ")
    assert word in err
    assert err.count("\n") == 1

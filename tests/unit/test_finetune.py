"""Adapting a detector: what it learns, what it leaves alone, what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import craterlab as cl
from craterlab.bench.finetune import bench_finetune, format_finetune
from craterlab.nn.zoo import WEIGHTS, load
from craterlab.train import finetune as module
from craterlab.train.calibrate import THRESHOLDS
from craterlab.train.corrected import corrected_part
from craterlab.train.finetune import balanced_here, drift

torch.set_num_threads(1)


def discs(seed, n=30, size=320):
    """Discs that are a little brighter than the noise around them: the shipped detector knows hardly any of them."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] + 0.5
    image = rng.normal(100, 3, (size, size)).astype(np.float32)
    table = pd.DataFrame(
        {
            "x_px": rng.uniform(12, size - 12, n),
            "y_px": rng.uniform(12, size - 12, n),
            "diameter_px": rng.uniform(10, 24, n),
        }
    )
    for t in table.itertuples():
        image[np.hypot(x - t.x_px, y - t.y_px) < t.diameter_px / 2] += 5
    return image, table


@pytest.fixture
def quick(monkeypatch):
    """One step of two windows, and plain noise for simulated scenes."""

    def write(folder, index, *, seed, device):
        noise = np.random.default_rng([seed, index]).normal(100, 8, (4, 256, 256))
        rows = np.array([[i, 128, 128, 20, 1, 0, 1] for i in range(4)], np.float32)
        np.savez(folder / f"shard{index:05d}.npz", image=noise.astype(np.uint8), craters=rows)

    monkeypatch.setattr(module, "write_shard", write)
    monkeypatch.setattr(module, "STEPS", 1)
    monkeypatch.setattr(module, "WINDOWS", 2)
    return monkeypatch


def tuned(path, scene, table, **options):
    return load_file(cl.finetune("craternet", scene, table, out=path, progress=False, device="cpu", **options))


def same(a, b):
    return all(torch.equal(a[k], b[k]) for k in a)


def test_what_was_corrected_is_found_afterwards(quick, tmp_path):
    """On another image than the one that taught."""
    quick.setattr(module, "STEPS", 10)
    quick.setattr(module, "RATE", 1e-3)
    quick.setattr(module, "BLEND", 1.0)
    tuned(tmp_path / "new.safetensors", *discs(0))
    image, truth = discs(1)
    before, after = (
        cl.match.scores(cl.detect(image, model=m), truth, shape=image.shape).f1
        for m in ("craternet", tmp_path / "new.safetensors")
    )
    assert before < 0.3 and after > before + 0.3


def test_same_seed_same_weights_and_provenance(quick, tmp_path):
    image, table = discs(0)
    a = tuned(tmp_path / "a.safetensors", image, table)
    assert same(a, tuned(tmp_path / "b.safetensors", image, table))
    assert not same(a, tuned(tmp_path / "c.safetensors", image, table, seed=1))
    with safe_open(tmp_path / "a.safetensors", "pt") as f:
        meta = f.metadata()
    start = load("craternet")
    record = json.loads(meta["finetuned"])
    assert record["start_sha256"] == start.sha256 and record["craters"] == [len(table)] and record["steps"] == 1
    assert load(tmp_path / "a.safetensors").metadata["calibration"] == start.metadata["calibration"]
    found = cl.detect(image, model=tmp_path / "a.safetensors")
    assert found.attrs["weights_sha256"] != start.sha256


def test_the_threshold_that_suits_the_new_sensor_stands_in_the_file_and_the_default_stays(quick, tmp_path):
    quick.setattr(module, "STEPS", 6)
    quick.setattr(module, "BLEND", 1.0)
    image, table = discs(0)
    tuned(tmp_path / "a.safetensors", image, table)
    model = load(tmp_path / "a.safetensors")
    assert model.metadata["threshold"] == load("craternet").metadata["threshold"]
    record = model.metadata["finetuned"]
    assert THRESHOLDS[0] <= record["threshold"] <= THRESHOLDS[-1]
    inside = (table.x_px - table.diameter_px / 2 > 0) & (table.x_px + table.diameter_px / 2 < 320)
    inside &= (table.y_px - table.diameter_px / 2 > 0) & (table.y_px + table.diameter_px / 2 < 320)
    found = cl.detect(image, model=tmp_path / "a.safetensors", threshold=record["threshold"])
    s = cl.match.scores(found, table, shape=image.shape)
    assert (s.tp + s.fp) / inside.sum() == pytest.approx(record["count_ratio"], rel=0.1)
    # Too few craters say nothing of a count.
    few = corrected_part(load("craternet"), image, table[:5], None)
    assert balanced_here(load("craternet"), [few]) == {}


def test_the_result_lies_between_start_and_tuned_weights_and_statistics_stay(quick, tmp_path):
    image, table = discs(0)
    first = load_file(WEIGHTS / "craternet.safetensors")
    whole = quick.setattr(module, "BLEND", 1.0) or tuned(tmp_path / "a.safetensors", image, table)
    half = quick.setattr(module, "BLEND", 0.5) or tuned(tmp_path / "b.safetensors", image, table)
    for k, v in half.items():
        if v.is_floating_point():
            torch.testing.assert_close(v, (first[k] + whole[k]) / 2)
        if "running" in k:
            assert torch.equal(v, first[k])


def test_only_the_corrected_part_teaches(quick, tmp_path):
    image, table = discs(0)
    part = (0, 320, 0, 200)
    a = tuned(tmp_path / "a.safetensors", image, table, within=part)
    left = table[table.x_px < 200]
    assert same(a, tuned(tmp_path / "b.safetensors", image, left, within=part))
    mask = np.zeros(image.shape, bool)
    mask[:, :200] = True
    assert same(a, tuned(tmp_path / "c.safetensors", image, table, within=mask))
    assert not same(a, tuned(tmp_path / "d.safetensors", image, table))


def test_refused_rows_are_no_craters_and_ignored_ones_do_not_count():
    image, table = discs(0)
    table["refused"] = [True, None, False] * 10
    table["ignore"] = np.arange(30) == 2
    part = corrected_part(load("craternet"), image, table, None)
    assert part.craters == 19
    kept = part.source.craters
    assert not np.isclose(kept[:, 0], table.x_px[0]).any()
    assert kept[np.isclose(kept[:, 0], table.x_px[2]), 3] == 1


def test_a_black_frame_does_not_change_the_brightness_that_is_taught():
    image, table = discs(0)
    framed = np.zeros((500, 560), image.dtype)
    framed[60:380, 90:410] = image
    moved = table.assign(x_px=table.x_px + 90, y_px=table.y_px + 60)
    plain = corrected_part(load("craternet"), image, table, None).source.image
    with_frame = corrected_part(load("craternet"), framed, moved, None).source.image
    assert with_frame[60:380, 90:410] == pytest.approx(plain, abs=1e-4)


def test_what_the_table_may_have_left_out_is_not_judged():
    """A table without small craters does not teach that there are none."""
    from craterlab.simulate import Law, render

    out = render(1, 256, seed=4, law=Law(coverage=(0.4, 0.4), erosion_scale_px=(1.0, 1.0)), incidence_deg=60)
    image, truth = out.image[0].numpy(), out.truth[0]
    model = load("craternet")
    large = corrected_part(model, image, truth[truth.diameter_px > 14], None).source.craters
    ignored = large[large[:, 3] > 0]
    assert len(ignored) > 5 and (ignored[:, 2] < 15).all()
    every = corrected_part(model, image, truth, None).source.craters
    assert every[:, 3].sum() < len(ignored)


def test_a_stretched_grid_is_taught_as_it_lies_on_the_ground():
    """At latitude 60 a longitude-latitude grid shows craters twice as wide as high: the mean is sqrt(2) heights."""
    from affine import Affine

    image, table = discs(0)
    import rioxarray  # noqa: F401
    import xarray as xr

    scene = xr.DataArray(image, dims=("y", "x")).to_dataset(name="image")
    scene = scene.rio.write_crs("+proj=longlat +R=3396190 +no_defs")
    scene = scene.rio.write_transform(Affine(1e-3, 0, 10, 0, -1e-3, 60 + 0.16))
    part = corrected_part(load("craternet"), scene, table, None).source
    assert part.x_stretch == pytest.approx(2, rel=0.01)
    own = part.craters[part.craters[:, 3] == 0]
    np.testing.assert_allclose(own[:, 2], table.diameter_px / np.sqrt(2), rtol=0.01)


def test_drift_is_nothing_for_equal_answers_and_the_divergence_of_two_coins_otherwise():
    before = torch.zeros(1, 4, 2, 2)
    assert drift(before, before) == 0
    output = before.clone()
    output[0, 0, 0, 0] = np.log(3)  # probability 3/4 where it was 1/2
    expected = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    assert drift(output, before).item() == pytest.approx(expected / (4 * 0.5 + 8), rel=1e-5)
    output = before.clone()
    output[0, 3] = 0.5
    assert drift(output, before).item() == pytest.approx(4 * 0.5 * 0.5 / (4 * 0.5 + 8), rel=1e-5)


def test_time_ends_the_training(quick, tmp_path):
    quick.setattr(module, "STEPS", 50)
    tuned(tmp_path / "a.safetensors", *discs(0), minutes=1e-9)
    assert load(tmp_path / "a.safetensors").metadata["finetuned"]["steps"] == 1


IMAGE, TABLE = discs(0)
FAR = TABLE.assign(x_px=TABLE.x_px + 400)


@pytest.mark.parametrize(
    ("scenes", "craters", "options", "message"),
    [
        (IMAGE, TABLE[:0], {}, "empty"),
        (IMAGE, TABLE.assign(refused=True), {}, "empty"),
        (IMAGE, TABLE.drop(columns="diameter_px"), {}, "no column diameter_px"),
        ([IMAGE, IMAGE], [TABLE], {}, "2 scenes with 1 crater tables"),
        ([IMAGE, IMAGE], TABLE, {}, "2 scenes with 1 crater tables"),
        (IMAGE, [TABLE, TABLE], {}, "1 scenes with 2 crater tables"),
        ([], [], {}, "0 scenes"),
        (IMAGE, FAR, {}, "30 of 30 craters lie outside"),
        (IMAGE, TABLE.assign(diameter_px=-1.0), {}, "no positive diameter"),
        (IMAGE, TABLE, {"within": (0, 0, 0, 10)}, "row0, row1"),
        (IMAGE, TABLE, {"within": (0, 400, 0, 10)}, "320 x 320"),
        (IMAGE, TABLE, {"within": np.zeros((320, 320), bool)}, "true somewhere"),
        (IMAGE, TABLE, {"within": (0, 5, 0, 5)}, "no crater of the table"),
        (IMAGE, TABLE, {"minutes": 0}, "minutes"),
        (IMAGE, TABLE, {"out": "weights.pt"}, r"\.safetensors"),
        (IMAGE, TABLE, {"out": "no/such/folder/a.safetensors"}, "cannot write"),
    ],
)
def test_wrong_input_says_what_is_wanted(scenes, craters, options, message, tmp_path):
    with pytest.raises(cl.CraterlabError, match=message):
        cl.finetune("craternet", scenes, craters, **{"out": tmp_path / "a.safetensors", "device": "cpu"} | options)
    assert not list(tmp_path.iterdir())


def test_a_model_that_cannot_be_adapted_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "TRAINABLE", {"abacus": module.TRAINABLE["craternet"]})
    with pytest.raises(cl.CraterlabError, match="cannot be adapted; what can: abacus"):
        cl.finetune("craternet", IMAGE, TABLE, out=tmp_path / "a.safetensors")


def test_bench_adapts_to_left_halves_and_scores_right_ones(quick, tmp_path, monkeypatch):
    from PIL import Image

    for name, seeds in (("hrsc", (1, 2)), ("mc11e", (3,))):
        (tmp_path / name).mkdir()
        rows, tables = [], []
        for seed in seeds:
            image, table = discs(seed)
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(tmp_path / name / f"{seed}.png")
            rows.append({"image": f"{seed}.png", "split": "train"})
            tables.append(table.assign(image=f"{seed}.png"))
        pd.DataFrame(rows).to_csv(tmp_path / name / "images.csv", index=False)
        pd.concat(tables).to_parquet(tmp_path / name / "labels.parquet")
    left = sum(int((discs(s)[1].x_px < 160).sum()) for s in (1, 2))
    result = bench_finetune(tmp_path, "train", device="cpu", progress=False)
    row = result["sets"]["hrsc"]
    assert row["images"] == 2 and row["taught"] == left
    assert set(row) == {"images", "taught", "seconds", "right_halves", "mc11e"}
    assert set(row["mc11e"]["after"]) == {"precision", "recall", "f1"}
    assert format_finetune(result).count("\n") == 3

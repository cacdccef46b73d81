"""Training of `segment`: the set, the blocks held out, resuming, what the weights file says."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from craterlab import CraterlabError  # noqa: E402
from craterlab.nn.weights import read_weights  # noqa: E402
from craterlab.segment.model import load_segmenter  # noqa: E402
from craterlab.train import segment as training  # noqa: E402
from craterlab.train.mmls import held_out, read_patches, turned  # noqa: E402
from craterlab.train.sets import load_set  # noqa: E402


@pytest.fixture(scope="module")
def patches(tmp_path_factory):
    """A folder like that of `mmls`: steep ground slides."""
    import rasterio

    root = tmp_path_factory.mktemp("data")
    folder = root / "mmls" / "patches"
    folder.mkdir(parents=True)
    rng, rows = np.random.default_rng(0), []
    for i in range(10):
        split, name = ("train" if i < 8 else "dev"), f"patches/p{i}"
        slope = np.kron(rng.integers(0, 700, (4, 4)), np.ones((16, 16), int)).astype("uint16")
        visible = rng.integers(0, 255, (5, 64, 64)).astype("uint8")
        visible[4] = slope > 350
        other = np.stack([rng.integers(0, 900, (64, 64)).astype("uint16")] * 2 + [slope])
        for ending, array, scales in (("8", visible, [1 / 255] * 4 + [1]), ("16", other, [1 / 1000] * 3)):
            profile = {"driver": "GTiff", "height": 64, "width": 64, "count": len(array), "dtype": array.dtype}
            with rasterio.open(root / "mmls" / f"{name}_{ending}.tif", "w", **profile) as file:
                file.write(array)
                file.scales = scales
        partition = "train" if split == "train" else ("test", "validation")[i % 2]
        rows.append((f"{name}_8.tif", f"{name}_16.tif", split, partition, 4 * i, 0))
    columns = ["image", "image16", "split", "partition", "row", "col"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "mmls" / "images.csv", index=False)
    return root


def test_layers_come_in_the_order_of_the_network(patches):
    got = read_patches(patches, "train")
    assert got.layers.shape == (8, 7, 64, 64)
    assert got.mask.shape == (8, 64, 64)
    assert np.array_equal(got.mask, got.layers[:, 5] > 0.3505)  # slope is the sixth
    assert got.layers.max() <= 1


def test_a_set_that_is_not_there_is_named(patches, tmp_path):
    with pytest.raises(CraterlabError, match="'mmls' is not in"):
        read_patches(tmp_path, "train")
    with pytest.raises(CraterlabError, match="no split 'exam'"):
        read_patches(patches, "exam")


def test_landslides_teach_no_detector(patches):
    with pytest.raises(CraterlabError, match="'mmls' holds no craters"):
        load_set("mmls", patches, "fit")


def test_whole_blocks_of_the_map_are_held_out():
    table = pd.DataFrame([(r, c) for r in range(24) for c in range(24)], columns=["row", "col"])
    out = held_out(table)
    assert 0.15 <= out.mean() < 0.2
    for _, block in table.assign(out=out).groupby([table.row // 4, table.col // 4]):
        assert block.out.nunique() == 1


def test_turns_carry_the_mask_along():
    layers = np.random.default_rng(0).random((5, 7, 8, 8)).astype(np.float32)
    a, b = turned(layers, layers[:, 5] > 0.5, np.random.default_rng(1))
    assert np.array_equal(a[:, 5] > 0.5, b)
    assert not np.array_equal(a, layers)


def test_training_learns_and_says_how(patches, tmp_path):
    weights = training.train_segment(patches, tmp_path, net="unet", epochs=15, batch=1)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(log) == 15
    assert log[-1]["held_out_miou"] > 0.75  # steep ground slides: any network can learn that
    metadata = read_weights(weights)[1]
    assert metadata["sets"] == "mmls"
    assert metadata["architecture"] == "unet"
    assert max(log, key=lambda e: e["held_out_miou"])["epoch"] == metadata["best_epoch"]
    assert 0.2 <= load_segmenter(weights).threshold <= 0.8


def test_an_interrupted_training_ends_as_one_that_was_not(patches, tmp_path, monkeypatch):
    how = {"net": "unet", "epochs": 2, "batch": 2, "seed": 3}
    whole = training.train_segment(patches, tmp_path / "whole", **how)
    ticks = iter(range(10**6))
    monkeypatch.setattr(
        training.time, "monotonic", lambda: 60.0 * next(ticks)
    )  # every look at the clock takes a minute
    pieces = [training.train_segment(patches, tmp_path / "pieces", minutes=5, **how) for _ in range(2)]
    assert [p.name for p in pieces] == ["checkpoint.pt", "unet.safetensors"]
    a, b = (read_weights(p)[0] for p in (whole, pieces[-1]))
    assert all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"net": "vnet"}, "unknown net 'vnet'"),
        ({"size": "XL"}, "unknown size 'XL'; wanted one of S, M, L"),
        ({"kernel": 7}, "unknown kernel 7"),
        ({"attention": "some"}, "unknown attention 'some'"),
    ],
)
def test_an_unknown_network_is_named(patches, tmp_path, how, message):
    with pytest.raises(CraterlabError, match=message):
        training.train_segment(patches, tmp_path / "out", **how)


def test_calibration_makes_probabilities_of_logits():
    """Logits drawn so that the truth follows a logistic curve of slope 2 and intercept -0.5."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (4, 64, 64))
    mask = rng.random(logits.shape) < 1 / (1 + np.exp(-(2 * logits - 0.5)))
    got = training.calibration(logits, mask)
    assert got["calibration"] == pytest.approx([2, -0.5], abs=0.08)
    assert got["threshold"] == pytest.approx(0.5, abs=0.11)


def test_bench_scores_networks_and_seeds_together(patches, tmp_path):
    from craterlab.bench import bench_segment, format_segment

    models = [
        str(training.train_segment(patches, tmp_path / str(seed), net="unet", epochs=1, seed=seed)) for seed in (1, 2)
    ]
    result = bench_segment(patches, models=[*models, "marslsnet"], progress=False)
    assert set(result["partitions"]) == {"test", "validation"}
    rows = result["partitions"]["test"]["models"]
    unet = next(k for k in rows if k.startswith("unet"))
    assert rows[unet]["seeds"] == [1, 2]
    assert rows[unet]["miou"]["mean"] == pytest.approx(np.mean(rows[unet]["miou"]["by_seed"]), abs=1e-4)
    shipped = next(row for kind, row in rows.items() if kind != unet)
    low, high = shipped["against_first"]["miou"]
    assert low <= high
    assert "published" in format_segment(result)
    with pytest.raises(CraterlabError, match=r"unet \d+ has no pooled attention to score with full keys"):
        bench_segment(patches, models=models, full_keys=True, progress=False)


def test_bench_scores_pooled_weights_with_full_keys(patches):
    from craterlab.bench import bench_segment
    from craterlab.bench.segment import with_full_keys

    pooled = load_segmenter("marslsnet")
    full = with_full_keys(pooled)
    assert full.net.settings == pooled.net.settings | {"attention": "full"}
    assert (full.sha256, full.threshold, full.calibration) == (pooled.sha256, pooled.threshold, pooled.calibration)
    result = bench_segment(patches, units=False, full_keys=True, progress=False)
    rows = result["partitions"]["test"]["models"]
    assert list(rows) == ["marslsnet M-4 pooled", "marslsnet M-4 pooled, scored with full keys"]
    one, other = rows.values()
    assert one["weights_sha256"] == other["weights_sha256"]
    assert one["miou"] != other["miou"]


def test_the_shell_trains_scores_and_draws(patches, tmp_path, capsys):
    from craterlab import cli

    out = str(tmp_path / "run")
    train = ["train", "segment", "--data", str(patches), "--out", out]
    assert cli.main([*train, "--net", "unet", "--epochs", "1"]) == 0
    weights = capsys.readouterr().out.strip()
    assert weights.endswith("unet.safetensors")
    result, picture = tmp_path / "result.json", tmp_path / "six.png"
    bench = ["bench", "segment", "--data", str(patches), "--models", weights]
    assert cli.main([*bench, "--json", str(result), "--figure", str(picture)]) == 0
    assert json.loads(result.read_text())["partitions"]["test"]["patches"] == 1
    assert picture.stat().st_size > 10_000
    assert cli.main([*train, "--net", "vnet"]) == 2
    assert "unknown net 'vnet'" in capsys.readouterr().err

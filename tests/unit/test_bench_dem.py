import json

import numpy as np
import pandas as pd
import pytest
import torch
from affine import Affine
from rasters import write
from safetensors.torch import save_file

from craterlab import CraterlabError
from craterlab.bench import bench_dem, dem
from craterlab.cli import main
from craterlab.crater_profiles import fresh_profile
from craterlab.nn.adsnet import AdsNet

torch.set_num_threads(1)


def test_figures_agree_with_each_other():
    """IoU = F1 / (2 - F1) for one class, and a perfect answer is 1 in all."""
    f = dem.figures(np.array([60.0, 20, 10, 910]))
    assert f["precision"] == 0.75 and f["recall"] == pytest.approx(6 / 7)
    assert f["iou"] == pytest.approx(f["f1"] / (2 - f["f1"])) and f["miou"] == pytest.approx((60 / 90 + 910 / 940) / 2)
    assert all(v == 1 for v in dem.figures(np.array([5.0, 0, 0, 7])).values())
    assert np.isnan(dem.figures(np.array([0.0, 0, 0]))["f1"])


def test_intervals_are_those_of_the_images():
    """Equal images leave no doubt; a model that is better on each of them is better for certain."""
    equal, better = np.tile([3, 1, 1], (8, 1)), np.tile([4, 1, 0], (8, 1))
    said = dem._summary({"a": {"mask": None, "circles": equal}, "b": {"mask": None, "circles": better}}, 0)
    assert said["images"] == 8 and said["labels"] == 32
    assert said["models"]["a"]["circles"]["f1"] == [0.75, 0.75, 0.75] and said["models"]["a"]["mask"] is None
    low, high = said["models"]["b"]["circles"]["against_first"]
    assert low == high == pytest.approx(8 / 9 - 0.75, abs=1e-4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A gld100 of two tiles with ten fresh craters on a plain at the equator, and a network that knows nothing."""
    root = tmp_path_factory.mktemp("data")
    (root / "gld100").mkdir()
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:512, :1100] + 0.5
    height = rng.normal(0, 10, y.shape)
    metres = np.pi * 1737.4e3 / 180 / 64
    where = [(100 + 190 * i, 130 + 220 * j, 30 + 6 * i) for i in range(5) for j in range(2)]
    for cx, cy, d in where:
        height += fresh_profile(np.hypot(x - cx, y - cy) / (d / 2)) * d * metres
    transform = Affine(1 / 64, 0, 10, 0, -1 / 64, 4)
    write(root / "gld100" / "gld100_dev_a.tif", height.astype(np.int16), "+proj=longlat +R=1737400 +no_defs", transform)
    cx, cy, d = np.array(where, float).T
    lon, lat = transform * (cx, cy)
    pd.DataFrame({"lon": lon, "lat": lat, "diameter_m": d * metres}).to_parquet(root / "gld100" / "deepmoon.parquet")
    (root / "gld100" / "images.csv").write_text("image,split\n")
    torch.manual_seed(1)
    net = AdsNet(2)
    metadata = {"architecture": "adsnet", "sets": "none"} | {k: json.dumps(v) for k, v in net.settings.items()}
    save_file(net.state_dict(), root / "adsnet.safetensors", metadata=metadata)
    return root


def test_bench_scores_masks_and_circles(folder, capsys):
    told = folder / "dem.json"
    argv = ["bench", "dem", "--data", str(folder), "--models", str(folder / "adsnet.safetensors"), "--json", str(told)]
    assert main(argv) == 0
    result = json.loads(told.read_text())
    assert list(result["scenes"]) == [f"gld100, {k}" for k in dem.DAMAGE]
    table = capsys.readouterr().out
    assert table.count("| adsnet |") == table.count("| labels |") == len(dem.DAMAGE)
    for scene in result["scenes"].values():
        assert scene["images"] == 2 and scene["labels"] >= 8
        ours, labels = scene["models"].values()
        assert set(ours["mask"]) == {"precision", "recall", "f1", "iou", "miou"}
        assert labels["circles"]["f1"][0] == 1  # separate craters come back from the true mask


def test_bench_says_what_is_missing(folder, tmp_path):
    with pytest.raises(CraterlabError, match="--data"):
        bench_dem(tmp_path, models=["craternet"])
    with pytest.raises(CraterlabError, match="gld100_test_"):
        bench_dem(folder, "test", models=["craternet"])

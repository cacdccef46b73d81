"""Training of the image priors: patches, degradations, resumption, and that it learns."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from craterlab import CraterlabError
from craterlab.cli import main
from craterlab.nn.priors import load_prior
from craterlab.train import patches, prior

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prior") / "scenes"
    patches.render_sharp(folder, 1, seed=1)
    return folder


def train(scenes, out, **settings):
    out.mkdir()
    (out / "scenes").symlink_to(scenes)
    return lambda **more: prior.train_prior(None, out, **({"batch": 2, "scenes": 16} | settings | more))


def test_rendered_scenes_are_sharp_and_kept(scenes):
    pictures = patches.load_sharp(scenes)
    assert len(pictures) == patches.SCENES_A_FILE
    path = next(scenes.glob("*.npz"))
    before = path.stat().st_mtime_ns
    patches.render_sharp(scenes, 1, seed=1)
    assert path.stat().st_mtime_ns == before


def test_patches_are_repeatable_and_about_the_unit_range(scenes):
    pictures = patches.load_sharp(scenes)
    a, b = (patches.draw_patch(pictures, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    many = np.stack([patches.draw_patch(pictures, np.random.default_rng(s)) for s in range(40)])
    assert many.shape == (40, patches.PATCH, patches.PATCH)
    assert 0.2 < many.mean() < 0.8 and 0.02 < many.std() < 0.6


def test_the_degraded_are_told_their_error_roughly(scenes):
    pictures = patches.load_sharp(scenes)
    ratios = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        clean = patches.draw_batch({}, pictures, 4, rng)
        given, sigma = patches.degraded(clean, rng)
        ratios += list(((given - clean).square().mean((1, 2, 3)).sqrt() / sigma).numpy())
    assert np.median(ratios) == pytest.approx(1.0, abs=0.3) and np.std(np.log(ratios)) > 0.1


def test_noise_is_as_large_as_it_says(scenes):
    rng = np.random.default_rng(0)
    clean = patches.draw_batch({}, patches.load_sharp(scenes), 6, rng)
    given, sigma = patches.noisy(clean, rng)
    torch.testing.assert_close((given - clean).std((1, 2, 3)), sigma, rtol=0.03, atol=0)
    assert float(sigma.max()) <= 50 / 255


def test_a_resumed_training_ends_with_the_same_weights(scenes, tmp_path):
    whole = train(scenes, tmp_path / "whole")(steps=4)
    run = train(scenes, tmp_path / "parts")
    half = run(steps=4, minutes=1e-9)
    assert half.suffix == ".pt"
    parts = run(steps=4)
    a, b = load_file(whole), load_file(parts)
    assert all(torch.equal(a[k], b[k]) for k in a)
    with (tmp_path / "whole" / "prior.jsonl").open() as log:
        assert json.loads(log.readlines()[-1])["step"] == 4


@pytest.mark.slow
def test_training_learns_to_denoise(scenes, tmp_path):
    weights = train(scenes, tmp_path / "learn")(steps=150, batch=4, lr=2e-3)
    found = load_prior(weights, "prior")
    rng = np.random.default_rng(9)
    clean = patches.draw_batch({}, patches.load_sharp(scenes), 8, rng)
    given = clean + 0.1 * torch.from_numpy(rng.standard_normal(tuple(clean.shape), dtype=np.float32))
    with torch.no_grad():
        out = found.denoise(given, 0.1)
    assert prior.psnr_between(out, clean) > prior.psnr_between(given, clean) + 1.0


@pytest.mark.parametrize("kind", ["prior-gs", "superres-net"])
def test_the_other_kinds_start_from_a_prior(kind, scenes, tmp_path):
    first = train(scenes, tmp_path / "first")(steps=1)
    second = train(scenes, tmp_path / "second")(kind=kind, steps=1, start=first)
    assert load_prior(second, kind).name == kind


def test_wrong_wishes(tmp_path, capsys):
    with pytest.raises(CraterlabError, match="unknown prior"):
        prior.train_prior(None, tmp_path, kind="gan")
    assert main(["train", "prior", "--out", str(tmp_path), "--kernels", "seven"]) == 2
    assert "three odd numbers" in capsys.readouterr().err
    with pytest.raises(CraterlabError, match="evaluate-only"):
        patches.load_pictures("hrsc", tmp_path, "fit")
    with pytest.raises(CraterlabError, match="is not in"):
        patches.load_pictures("nac", tmp_path, "fit")

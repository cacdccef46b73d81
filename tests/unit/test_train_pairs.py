import numpy as np
import pytest
import torch

from craterlab import CraterlabError
from craterlab.detect.mask_targets import encode_mask, mask_loss
from craterlab.train.batches import Shards
from craterlab.train.degrade import Damage, degrade_dem, degrade_image, gaps
from craterlab.train.pairs import HELD_OUT_COLUMNS, load_pairs, make_pairs, write_pair_shard
from craterlab.train.recipe import TRAINABLE, read_recipe

torch.set_num_threads(1)


def encoded(*craters, shape=(128, 128)):
    x, y, d, ignore = np.array(craters, float).T
    return encode_mask(x, y, d, ignore > 0, shape)


def test_a_mask_has_the_area_of_its_craters():
    target, weight = encoded((40.2, 60.7, 30, 0), (100, 20, 9, 0), (-3, 127, 20, 0))
    assert target.shape == (1, 128, 128) and weight.min() == 1
    assert target[0, 40:90, 20:60].sum() == pytest.approx(np.pi * 15**2, rel=0.02)
    assert target[0, :40, 80:].sum() == pytest.approx(np.pi * 4.5**2, rel=0.06)
    assert target[0, 127, 0] == 1  # a crater whose centre lies outside shows what reaches in


def test_what_a_mask_does_not_judge():
    """Doubtful craters and those near the limits of size; well beyond them the ground is background."""
    target, weight = encoded((30, 30, 20, 1), (90, 30, 4, 0), (64, 90, 60, 0), (64, 90, 10, 0))
    assert weight[30, 30] == weight[30, 90] == weight[90, 40] == 0
    assert target[0, 90, 64] == weight[90, 64] == 1  # a small crater inside one too large
    target, weight = encoded((64, 64, 90, 0), (20, 20, 2, 0))
    assert target.max() == 0 and weight.min() == 1


def test_focal_loss_is_the_published_formula():
    rng = np.random.default_rng(0)
    logit, target = rng.normal(0, 2, (2, 1, 6, 7)), rng.integers(0, 2, (2, 1, 6, 7)).astype(float)
    weight = rng.integers(0, 2, (2, 6, 7)).astype(float)
    p = 1 / (1 + np.exp(-logit))
    right = np.where(target == 1, p, 1 - p)[:, 0]
    wanted = (-(1 - right) * np.log(right) * weight).sum() / weight.sum()
    got, parts = mask_loss(*(torch.from_numpy(a) for a in (logit, target, weight)))
    assert got.item() == pytest.approx(wanted, rel=1e-5) and parts["focal"] == got.item()


def test_damage_is_what_it_says_and_of_each_map_alone():
    rng = np.random.default_rng(1)
    flat = np.zeros((256, 256), np.float32)
    damage = Damage(2.0, 0.3, 0.1)
    image, height = degrade_image(flat, damage, rng), degrade_dem(flat + 100, damage, rng) - 100
    for a in (image, height):
        assert np.isnan(a).mean() == pytest.approx(0.1, abs=0.01) and np.nanstd(a) == pytest.approx(0.3, rel=0.05)
    both = np.isfinite(image) & np.isfinite(height)
    assert abs(np.corrcoef(image[both], height[both])[0, 1]) < 0.03
    assert (np.isnan(image) & np.isnan(height)).mean() < 0.05  # the gaps are not the same
    # Noise of the image is white, that of the DEM as smooth as a blur of 2 px: exp(-1 / (4 sigma^2)) a pixel on.
    along = lambda a: np.nanmean(a[:, 1:] * a[:, :-1]) / np.nanmean(a**2)  # noqa: E731
    assert abs(along(image)) < 0.02 and along(height) == pytest.approx(np.exp(-1 / 16), abs=0.03)
    # A Gaussian of 2 px takes the step's steepest rise to 1 / (2 sqrt(2 pi)).
    step = np.repeat(np.where(np.arange(64) < 32, 0.0, 1.0)[None], 64, 0).astype(np.float32)
    assert np.diff(degrade_image(step, Damage(2.0, 0.0), rng)[32]).max() == pytest.approx(0.1974, abs=0.005)


def test_unknown_heights_stay_unknown():
    height = np.full((64, 64), 5.0, np.float32)
    height[:10] = np.nan
    out = degrade_dem(height, Damage(1.0, 0.0), np.random.default_rng(0))
    assert np.isnan(out[:10]).all() and np.allclose(out[10:], 5.0, atol=1e-4)
    assert not gaps((32, 32), 0.0, np.random.default_rng(0)).any()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Scenes of one bright and high disc each."""
    folder = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:256, :256] + 0.5
    place = rng.uniform(40, 216, (6, 2))
    disc = np.array([np.hypot(x - a, y - b) < 15 for a, b in place])
    craters = np.column_stack([np.arange(6), place, np.full(6, 30.0), np.ones(6), np.zeros(6)])
    np.savez(
        folder / "shard00000.npz",
        image=(90 + 60 * disc + rng.normal(0, 8, disc.shape)).astype(np.uint8),
        dem=(disc * 10).astype(np.float16),
        craters=craters.astype(np.float32),
    )
    out = Shards(folder)
    out.refresh()
    return out


def test_image_heights_and_mask_stay_together(shards):
    maps, target, weight = make_pairs(shards, {}, {}, 24, np.random.default_rng(3), TRAINABLE["adsnet"].encode)
    assert maps.shape == (24, 2, 256, 256) and target.shape == (24, 1, 256, 256) and weight.shape == (24, 256, 256)
    assert torch.isfinite(maps[:, 0]).all() and torch.isnan(maps[:, 1]).any()
    assert (weight == 0).any()
    for both, mask, judged in zip(maps, target[:, 0] > 0, weight > 0, strict=True):
        known = torch.isfinite(both[1])
        assert both[0][mask & judged].mean() > both[0][~mask & judged].mean() + 0.5
        if (mask & known).sum() > 100:
            assert both[1][mask & known].mean() > both[1][~mask & known].mean() + 5


@pytest.mark.slow
def test_simulated_pairs_fit(tmp_path):
    """Slopes of the heights and shades of the image belong together: the brightest slopes face one way."""
    with np.load(write_pair_shard(tmp_path, 0, seed=1)) as f:
        image, dem, craters = f["image"], f["dem"].astype(np.float32), f["craters"]
    assert image.shape == dem.shape == (32, 256, 256) and craters.shape[1] == 6
    best = []
    for i, h in zip(image.astype(float), dem, strict=True):
        gy, gx = np.gradient(h)
        a = np.column_stack([gx.ravel(), gy.ravel(), np.ones(h.size)])
        fit = a @ np.linalg.lstsq(a, i.ravel(), rcond=None)[0]
        best.append(np.corrcoef(fit, i.ravel())[0, 1])
    assert np.median(best) > 0.6


def test_only_sets_with_a_dem_teach(tmp_path):
    with pytest.raises(CraterlabError, match="gld100"):
        load_pairs("nac", tmp_path, "fit")
    with pytest.raises(CraterlabError, match="--data"):
        load_pairs("gld100", tmp_path, "fit")
    assert read_recipe("adsnet").options == {"variant": "full"}


def test_ground_that_is_kept_back_does_not_teach(data):
    fit, held = load_pairs("gld100", data, "fit"), load_pairs("gld100", data, "calibrate")
    assert len(fit) == len(held) == 6
    for a, b in zip(fit, held, strict=True):
        assert a.image.shape[1] + b.image.shape[1] == 7680 and b.image.shape[1] == HELD_OUT_COLUMNS
        assert (a.craters[:, 0] < a.image.shape[1]).all() and len(b.craters) > 20

"""Erosion judged among the craters of a scene."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import craterlab as cl
from craterlab.characterize.kinds import fellows
from craterlab.nn.chipnet import DESCRIBED, ChipNet, load_chipnet
from craterlab.train.chips import View, draw_batch
from craterlab.train.fellows import gathered, train_fellows

EROSION = 5  # column of the output


@given(st.integers(0, 700), st.integers(0, 10**6))
def test_each_crater_is_in_one_set_of_neighbours(n, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 5000, (2, 2 * n))
    index = rng.permutation(2 * n)[:n]
    sets = fellows(x, y, index)
    assert sorted(np.concatenate([*sets, np.zeros(0, int)]).tolist()) == sorted(index.tolist())
    assert all(0 < len(s) <= 128 for s in sets) and (n <= 128 or min(map(len, sets)) >= 63)


def test_sets_are_neighbours():
    """Four heaps of 128 craters: the sets are the heaps."""
    rng = np.random.default_rng(0)
    centre = np.repeat([[0, 0], [0, 1000], [1000, 0], [1000, 1000]], 128, 0) + rng.uniform(0, 100, (512, 2))
    order = rng.permutation(512)
    x, y = centre[order].T
    assert len(sets := fellows(x, y, np.arange(512))) == 4
    assert all(np.ptp(x[s]) < 100 and np.ptp(y[s]) < 100 for s in sets)


@pytest.fixture(scope="module")
def net():
    return load_chipnet().net


def described(n, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, DESCRIBED)).astype(np.float32))


def test_alone_a_crater_keeps_what_its_chip_says(net):
    """`describe` holds the answer of `forward`, and without fellows nothing is added to it."""
    rng = torch.Generator().manual_seed(0)
    x, numbers = torch.randn(3, 7, 96, 96, generator=rng), torch.randn(3, 5, generator=rng)
    with torch.inference_mode():
        alone = net.among(net.describe(x, numbers)[:, None], torch.ones(3, 1, dtype=torch.bool))[:, 0]
        assert torch.allclose(alone, net(x, numbers), atol=1e-5)


def test_fellows_move_erosion_alone_and_their_order_does_not(net):
    told, there = described(40)[None], torch.ones(1, 40, dtype=torch.bool)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        out = net.among(told, there)[0]
        assert torch.allclose(net.among(told[:, order], there)[0], out[order], atol=1e-4)
        assert torch.equal(out[:, :EROSION], told[0, :, :EROSION])
        assert (out[:, EROSION] - told[0, :, EROSION]).abs().max() > 0.01


def test_what_fills_up_a_shorter_scene_counts_for_nobody(net):
    scenes = [(described(n, n).numpy(), np.zeros(n), np.zeros(n, np.float32)) for n in (30, 7)]
    with torch.inference_mode():
        told, there, _ = gathered(scenes, torch.device("cpu"))
        both = net.among(told, there)
        for k, scene in enumerate(scenes):
            one, all_there, _ = gathered([scene], torch.device("cpu"))
            assert torch.allclose(net.among(one, all_there)[0], both[k, : len(scene[0])], atol=1e-5)


def test_the_gain_of_a_scene_is_learned_from_its_craters():
    """Contrast is (1 - erosion) times a gain that differs by scene and that no crater shows alone."""
    rng = np.random.default_rng(3)

    def scene():
        n = int(rng.integers(20, 60))
        erosion = rng.uniform(0, 1, n).astype(np.float32)
        told = np.zeros((n, DESCRIBED), np.float32)
        told[:, 10] = np.log(rng.uniform(0.2, 2.0) * (1.05 - erosion))
        return told, np.zeros(n), erosion

    torch.manual_seed(0)
    net = ChipNet(4)
    before = {k: v.clone() for k, v in net.state_dict().items() if not k.startswith("fellows.")}
    train_fellows(net, [scene() for _ in range(100)], steps=250, seed=0)
    after = net.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())
    fresh = [scene() for _ in range(40)]
    told, there, erosion = gathered(fresh, torch.device("cpu"))
    with torch.inference_mode():
        found = torch.sigmoid(net.among(told, there)[..., EROSION])[there].numpy()
    erosion, alone = erosion[there].numpy(), -told[..., 10][there].numpy()
    rank = pd.DataFrame({"found": found, "alone": alone, "true": erosion}).corr("spearman")["true"]
    assert rank["alone"] < 0.85 and rank["found"] > 0.93


def test_of_one_scene_the_same_is_known_of_all_craters():
    view = View(np.full((90, 90), 90, np.float32), np.zeros((90, 90), np.float32), 45.0, 45.0, 8.0, (0.0, 90.0))
    table = pd.DataFrame(
        {"diameter_px": 16.0, "diameter_m": 800.0, "transition_m": 1e4, "incidence_deg": 50.0, "sun_azimuth_deg": 10.0}
        | {"kind": -1, "rays": False, "erosion": 0.5},
        index=range(6),
    )
    seen = []
    for seed in range(20):
        drawn = draw_batch([view] * 6, table, np.random.default_rng(seed), one_scene=True)
        with_dem, with_sun = drawn.layers[:, 3].any((1, 2)), np.abs(drawn.layers[:, 4:6]).sum((1, 2, 3)) > 0
        known = np.column_stack([with_dem, with_sun, drawn.numbers[:, 2] > 0, drawn.numbers[:, 4] > 0])
        assert (known == known[0]).all() and drawn.layers[:, 1].all()
        seen.append(known[0])
    assert (np.mean(seen, 0) > 0).all() and (np.mean(seen, 0) < 1).all()


def test_a_scene_is_judged_by_its_craters_and_classes_are_not():
    ((scene, truth),) = cl.simulate.scenes(1, 256, seed=8, law=cl.simulate.Law(min_diameter_px=12), incidence_deg=60.0)
    table = truth[["x_px", "y_px", "diameter_px"]].reset_index(drop=True)
    image = scene.drop_vars("dem")
    whole = cl.characterize(image, table, progress=False)
    turned = cl.characterize(image, table[::-1].reset_index(drop=True), progress=False)[::-1].reset_index(drop=True)
    few = cl.characterize(image, table.head(4), progress=False)
    assert turned.erosion.to_numpy() == pytest.approx(whole.erosion.to_numpy(), abs=2e-3, nan_ok=True)
    assert few.p_ghost.to_numpy() == pytest.approx(whole.p_ghost.head(4).to_numpy(), abs=1e-3)
    assert np.abs(few.erosion - whole.erosion.head(4)).max() > 0.005

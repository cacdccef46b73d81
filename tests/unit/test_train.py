import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from craterlab import CraterlabError
from craterlab.nn.craternet import KERNELS
from craterlab.nn.zoo import load
from craterlab.train import detector
from craterlab.train.batches import Shards, augment, cut_window, make_batch
from craterlab.train.detector import train_detector
from craterlab.train.recipe import TRAINABLE, Recipe, read_recipe
from craterlab.train.sets import SETS, Source, check_may_train, load_set
from craterlab.train.simulated import SHARD, write_shard

torch.set_num_threads(1)


@pytest.fixture
def out(tmp_path):
    """A training folder whose scenes are already there: a bright disc on noise is a crater here."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256] + 0.5
    images, craters = [], []
    for i in range(SHARD):
        image = rng.normal(100, 3, (256, 256))
        for _ in range(5):
            cx, cy, d = *rng.uniform(30, 226, 2), rng.uniform(8, 30)
            image[np.hypot(x - cx, y - cy) < d / 2] += 60
            craters.append((i, cx, cy, d, 1.0, 0.0, 0.9))
        images.append(image)
    (tmp_path / "scenes").mkdir()
    images = np.array(images, np.uint8)
    np.savez(
        tmp_path / "scenes" / "shard00000.npz",
        image=images,
        dem=images.astype(np.float16) / 16,  # for the networks that look at heights
        craters=np.array(craters, np.float32),
    )
    return tmp_path


def run(out, minutes=None, **options):
    return train_detector(None, out, Recipe(scenes=SHARD, width=8, batch=2, seed=3, **options), minutes=minutes)


@pytest.mark.parametrize("model", ["craternet", "centernet-hourglass", "centernet-resnet50", "adsnet"])
def test_a_resumed_training_equals_an_uninterrupted_one(out, monkeypatch, model):
    monkeypatch.setattr(detector, "calibrate", lambda *a, **k: {})
    weights = run(out, steps=4, model=model)
    whole = load_file(weights)
    weights.unlink()
    (out / "checkpoint.pt").unlink()
    # A clock that moves a minute a look stops the first slice after two steps.
    now = iter(range(0, 60_000, 60))
    with monkeypatch.context() as m:
        m.setattr(detector.time, "monotonic", lambda: next(now))
        assert run(out, steps=4, minutes=2.5, model=model).name == "checkpoint.pt"
    assert torch.load(out / "checkpoint.pt", weights_only=True)["step"] == 2
    resumed = load_file(run(out, steps=4, model=model))
    assert all(torch.equal(resumed[k], v) for k, v in whole.items())


def test_an_option_that_an_architecture_does_not_have_is_named(out):
    with pytest.raises(CraterlabError, match="kernel_sizes"):
        run(out, steps=1, options={"kernel_sizes": [3]})
    with pytest.raises(CraterlabError, match="odd sizes"):
        run(out, steps=1, options={"kernels": [3, 4]})


@pytest.mark.parametrize("kernels", [[3, 3, 3, 3], [7, 11], []])
def test_the_kernels_of_the_aggregation_are_an_option(out, monkeypatch, kernels):
    monkeypatch.setattr(detector, "calibrate", lambda *a, **k: {})
    weights = run(out, steps=1, options={"kernels": kernels})
    net = load(weights).net  # built again from what the file says
    assert [k.kernel_size[0] for k in getattr(net.around, "space", [])] == kernels
    assert isinstance(net.around, torch.nn.Identity) == (not kernels)
    assert read_recipe("craternet").options == {"kernels": list(KERNELS)}


@pytest.mark.slow
def test_it_learns(out):
    first = []
    run(out, steps=60)
    import json

    for line in (out / "log.jsonl").read_text().splitlines():
        first.append(json.loads(line)["focal"])
    assert first[-1] < first[0]


def test_evaluate_only_sets_are_refused_unless_unshipped():
    check_may_train([n for n, s in SETS.items() if s.may_train])
    with pytest.raises(CraterlabError, match="--unshipped"):
        check_may_train(["nac", "hrsc"])
    check_may_train(["hrsc"], unshipped=True)
    with pytest.raises(CraterlabError, match="known"):
        check_may_train(["narc"])


def test_missing_set_says_where_to_look(tmp_path):
    with pytest.raises(CraterlabError, match="--data"):
        load_set("nac", tmp_path, "fit")


def test_windows_keep_craters_on_their_pixels():
    """A bright spot stays under its label through rescaling, turning and mirroring."""
    rng = np.random.default_rng(1)
    image = np.zeros((700, 800), np.float32)
    spots = rng.uniform(20, 680, (60, 2))
    y, x = np.mgrid[:700, :800] + 0.5
    for cx, cy in spots:
        image += 8 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 18)
    craters = np.column_stack([spots, np.full(60, 12.0), np.zeros(60)])
    checked = 0
    for _ in range(20):
        window, c = augment(*cut_window(Source(image, craters, (0.4, 1.0)), rng), rng)
        inside = (c[:, :2] > 4).all(1) & (c[:, :2] < 252).all(1)
        for cx, cy, _, _ in c[inside]:
            if window[int(cy), int(cx)] != 0:  # not beyond an edge without data
                assert window[int(cy), int(cx)] > np.median(window) + 0.5
            checked += 1
    assert checked > 100


def test_labels_that_measure_nothing_teach_only_where_craters_are(out):
    from craterlab.detect import box_targets, targets

    source = Source(np.zeros((300, 300), np.float32), np.array([[150.0, 150.0, 20.0, 0.0]]), (1.0, 1.0), measured=False)
    for how in (targets, box_targets):
        _, target, weight = make_batch(
            Shards(out / "scenes"), {"nac": [source]}, {"nac": 1.0}, 1, np.random.default_rng(1), how.encode
        )
        assert (target[:, 0] == 1).any() and target[:, 1:].isnan().all()
        guess = torch.zeros_like(target)
        first, other = (how.loss(guess + size, target, weight)[1] for size in (0.0, 0.5))
        assert np.isfinite(list(first.values())).all()
        # Offsets and sizes of the guess cost nothing.
        assert all(v == 0 for k, v in (first | other).items() if k != "focal")


def test_batches_have_the_shapes_the_network_wants(out):
    shards = Shards(out / "scenes")
    assert shards.refresh() == 1
    image, target, weight = make_batch(shards, {}, {}, 3, np.random.default_rng(0))
    assert image.shape == (3, 1, 256, 256) and target.shape == (3, 4, 128, 128) and weight.shape == (3, 128, 128)
    assert (target[:, 0].amax((1, 2)) == 1).all()


@pytest.mark.slow
def test_shards_are_made_once(tmp_path):
    path = write_shard(tmp_path, 2, seed=1)
    first = path.stat().st_mtime_ns
    assert write_shard(tmp_path, 2, seed=1).stat().st_mtime_ns == first
    with np.load(path) as f:
        assert f["image"].shape == (SHARD, 256, 256) and f["craters"].shape[1] == 7


def test_real_sets_hold_out_what_calibrates(data):
    fit, held = load_set("nac", data, "fit"), load_set("nac", data, "calibrate")
    assert len(fit) == 8 and len(held) == 2
    assert not any(s.measured for s in fit) and all(s.measured for s in load_set("mc11e", data, "fit"))
    mars = load_set("mc11e", data, "calibrate")
    assert {(s.sharp, s.image.shape) for s in mars} == {(False, (2000, 500)), (True, (4000, 1000))}


def test_a_training_starts_from_given_weights(out, monkeypatch):
    monkeypatch.setattr(detector, "calibrate", lambda *a, **k: {})
    first = run(out, steps=2)
    (out / "checkpoint.pt").unlink()
    kept = first.rename(out / "first.safetensors")
    # The rate of the first of many steps is next to nothing, so the weights are still those of the start.
    started = load_file(run(out, steps=1, lr=1e-9, start=str(kept)))
    before = load_file(kept)
    moved = [(started[k] - v).abs().max().item() for k, v in before.items() if k.endswith("weight")]
    assert max(moved) < 1e-6
    with pytest.raises(CraterlabError, match="width 8"):
        run(out, steps=2, start="craternet")


@pytest.mark.parametrize("model", ["craternet", "centernet-hourglass", "centernet-resnet50"])
def test_a_frozen_network_learns_in_its_head_alone(out, monkeypatch, model):
    monkeypatch.setattr(detector, "calibrate", lambda *a, **k: {})

    def trained(steps, frozen):
        (out / "checkpoint.pt").unlink(missing_ok=True)
        run(out, steps=steps, frozen_steps=frozen, model=model)
        return torch.load(out / "checkpoint.pt", weights_only=True)["model"]

    # Drawn by the same seed, so both start from the same weights.
    torch.manual_seed(3)
    before = TRAINABLE[model].new(8).state_dict()
    after = trained(2, 2)
    held = [k for k in before if not k.startswith("head")]
    assert all(torch.equal(before[k], after[k]) for k in held)
    assert not all(torch.equal(before[k], after[k]) for k in before.keys() - set(held))
    thawed = trained(3, 2)
    assert not any(torch.equal(before[k], thawed[k]) for k in held if k.endswith("running_mean"))


def test_shipped_recipes_name_sets_that_may_train():
    for name in TRAINABLE:
        recipe = read_recipe(name)
        assert recipe.model == name
        check_may_train(list(recipe.shares))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stepps = 3", "unknown key 'stepps'"),
        ("steps = 'many'", "steps must be int"),
        ("model = 'yolo'", "unknown model 'yolo'; trainable: craternet, centernet-hourglass, centernet-resnet50"),
        ("[shares]\nnac = 0.8\nmc11e = 0.4", "at most 1"),
        ("steps = ", "not a TOML file"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(tmp_path, text, says):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(CraterlabError, match=says):
        read_recipe(path)
    with pytest.raises(CraterlabError, match=r"known: .*craternet"):
        read_recipe("nothing")


def test_calibrating_again_starts_from_what_the_network_says(tmp_path, monkeypatch):
    """Bias, scores and errors of an earlier calibration must not go into the next."""
    from safetensors.torch import save_file

    from craterlab.nn.zoo import WEIGHTS
    from craterlab.train import calibrate as module

    monkeypatch.setattr(module, "_SCENES", 4)
    monkeypatch.setattr(module, "_SIZE", 128)
    state = load_file(WEIGHTS / "craternet.safetensors")
    plain = {"architecture": "craternet", "width": "24", "kernels": "[5, 7, 9, 11]"}
    results = []
    for name, more in (("never", {}), ("before", {"size_bias": "[[6.0, 48.0], [0.3, 0.3]]", "threshold": "0.9"})):
        path = tmp_path / f"{name}.safetensors"
        save_file(state, path, metadata=plain | more)
        results.append(module.calibrate(path, None, sets=[]))
    assert results[0] == results[1]

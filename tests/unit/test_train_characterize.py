"""Simulated chips and the training of the network that names craters."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open

from craterlab.catalog import MORPHOLOGIES
from craterlab.characterize.chips import EAST, NORTH, RHO
from craterlab.nn.chipnet import load_chipnet
from craterlab.simulate.chips import render_chips
from craterlab.train import characterize, chips, scene_chips


@pytest.fixture(scope="module")
def made():
    return render_chips(48, seed=4)


def test_same_seed_same_chips(made):
    again = render_chips(48, seed=4)
    assert (again.image == made.image).all() and again.table.equals(made.table)
    assert not (render_chips(48, seed=5).image == made.image).all()


def test_chips_show_what_their_table_says(made):
    t = made.table
    assert set(t.morphology) == set(MORPHOLOGIES)
    assert t.erosion.between(0, 1).all() and t.diameter_px.between(4, 300).all()
    assert not (t.rays & t.morphology.isin(["ghost", "secondary"])).any()
    fresh = np.flatnonzero((t.morphology == "valid") & (t.erosion < 0.2))
    assert len(fresh) >= 5
    for i in fresh:
        side = int(t.side[i])
        ground = made.dem[i, :side, :side].astype(float)
        step = (np.arange(side) + 0.5 - side / 2) / (side / 7)
        rho = np.hypot(*np.meshgrid(step, step))
        depth = np.median(ground[(rho > 0.9) & (rho < 1.1)]) - np.median(ground[rho < 0.3])
        assert depth == pytest.approx(t.depth_diameter[i], abs=0.06)


def test_a_batch_turns_ground_and_sun_together(made):
    """The sunlit wall of a fresh bowl lies away from the sun, however the chip was turned or mirrored."""
    fresh = np.flatnonzero(
        (made.table.morphology == "valid") & (made.table.erosion < 0.3) & made.table.incidence_deg.between(35, 65)
    )
    table = made.table.assign(kind=0, transition_m=1e4)
    agree = []
    for draw in range(30):
        views = [chips.view_of_chip(made, i) for i in fresh]
        batch = chips.draw_batch(views, table.iloc[fresh], np.random.default_rng(draw))
        known = np.abs(batch.layers[:, 4:6, 0, 0]).sum(1) > 0
        for x in batch.layers[known]:
            towards = x[4, 0, 0] * EAST + x[5, 0, 0] * NORTH
            wall = (RHO > 0.4) & (RHO < 0.9) & (x[1] > 0)
            away, near = x[0][wall & (towards < -0.3)], x[0][wall & (towards > 0.3)]
            if len(away) > 50 and len(near) > 50:
                agree.append(away.mean() > near.mean())
    assert len(agree) > 20 and np.mean(agree) > 0.85


def test_a_crater_of_a_scene_is_seen_where_it_lies():
    image = np.zeros((1, 64, 64), np.uint8)
    image[0, 20:30, 40:50] = 200
    row = next(pd.DataFrame({"scene": [0], "x_px": [45.0], "y_px": [25.0], "diameter_px": [10.0]}).itertuples())
    view = chips.view_in_scene(image, image.astype(np.float16), row)
    found = np.argwhere(view.image > 0)
    assert found.mean(0) + 0.5 == pytest.approx([view.y, view.x])
    assert view.ground.max() == pytest.approx(20) and view.radius == 5


def test_training_stops_and_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(chips, "SHARD", 16)
    monkeypatch.setattr(characterize, "SHARD", 16)
    monkeypatch.setattr(scene_chips, "SHARD", 2)
    monkeypatch.setattr(characterize, "SCENES", 2)
    monkeypatch.setattr(characterize, "_HELD_OUT", (1, 1))
    settings = {"steps": 4, "fellow_steps": 3, "chips": 48, "scenes": 4, "batch": 8, "width": 4}
    first = characterize.train_characterize(tmp_path / "a", minutes=1e-9, **settings)
    assert first.name == "checkpoint.pt" and not first.exists()
    weights = characterize.train_characterize(tmp_path / "a", **settings)
    with safe_open(weights, "np") as f:
        about = f.metadata()
    assert about["architecture"] == "chipnet" and about["sets"] == "none"
    assert 0.3 <= json.loads(about["temperature"]) <= 5
    assert load_chipnet(weights).metadata["width"] == 4
    assert len(list((tmp_path / "a" / "described-4").glob("described*.npz"))) == 2
    lines = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 4 and np.isfinite(lines[-1]["kind"])


def test_calibration_finds_the_temperature():
    """Logits that are twice too sure are halved; errors three times too small are tripled."""
    rng = np.random.default_rng(0)
    n = 20_000
    z = rng.normal(size=(n, 4)) * 1.5
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    kind = (p.cumsum(1) < rng.uniform(size=(n, 1))).sum(1).clip(0, 3)
    r = rng.normal(size=n)
    rays = rng.uniform(size=n) < 1 / (1 + np.exp(-r))
    erosion = np.full(n, 0.5) + rng.normal(0, 0.1, n)
    out = np.column_stack([2 * z, r / 1.5, np.zeros(n), np.full(n, np.log(0.1 / 3))])
    found = characterize.calibration(out, kind, rays.astype(float), erosion)
    assert found["temperature"] == pytest.approx(2, rel=0.05)
    assert found["rays_temperature"] == pytest.approx(1 / 1.5, rel=0.1)
    assert found["erosion_std_factor"] == pytest.approx(3, rel=0.05)

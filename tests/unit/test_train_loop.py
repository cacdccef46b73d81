"""The loop of all trainings, held against its arithmetic written out for one weight."""

import json
import math
import time

import pytest
import torch

from craterlab.train.loop import fit

STEPS, LR = 7, 30.0


class One(torch.nn.Module):
    """One weight, beginning at 1."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones((), dtype=torch.float64))


def train(folder, *, before=lambda step: None, **settings):
    """Loss (w - step)^2 / 2, whose slope is w - step, cut at 2. `before` is called before each step."""
    net, seen = One(), []

    def loss(step):
        seen.append(step)
        before(step)
        value = (net.weight - step) ** 2 / 2
        return value, {"loss": float(value.detach())}

    folder.mkdir(exist_ok=True)
    average, step = fit(
        net,
        torch.optim.SGD(net.parameters(), LR),
        loss,
        steps=STEPS,
        checkpoint=folder / "checkpoint.pt",
        log=folder / "log.jsonl",
        name="one",
        clip=2.0,
        memory=0.25,
        **settings,
    )
    return net, average, step, seen


def by_hand():
    """Weight, averaged weight and the losses on the way."""
    w, mean, losses = 1.0, 1.0, []
    for step in range(STEPS):
        losses.append((w - step) ** 2 / 2)
        slope = max(-2.0, min(2.0, w - step))
        w -= LR * (step + 1) / 200 * (0.5 + 0.5 * math.cos(math.pi * step / STEPS)) * slope
        keep = min(0.25, 1 - 1 / ((step + 1) / 10 + 1))
        mean = keep * mean + (1 - keep) * w
    return w, mean, losses


def test_steps_and_averages_are_those_of_the_formulas(tmp_path):
    net, average, step, seen = train(tmp_path / "a")
    assert step == STEPS and seen == list(range(STEPS)) and not average.training
    w, mean, _ = by_hand()
    assert net.weight.item() == pytest.approx(w, rel=1e-6) and average.weight.item() == pytest.approx(mean, rel=1e-6)
    assert abs(w - mean) > 0.01


def test_an_interrupted_training_goes_on_where_it_was(tmp_path, monkeypatch):
    with monkeypatch.context() as clock:
        much_later = time.monotonic() + 100
        late = lambda step: step == 2 and clock.setattr(time, "monotonic", lambda: much_later)  # noqa: E731
        _, _, step, seen = train(tmp_path, before=late, minutes=1.0)
    assert step == 3 and seen == [0, 1, 2]
    net, average, step, seen = train(tmp_path, minutes=1.0)
    assert step == STEPS and seen == [3, 4, 5, 6]
    assert (net.weight.item(), average.weight.item()) == pytest.approx(by_hand()[:2], rel=1e-6)
    assert not list(tmp_path.glob("*.part"))
    # Done is done.
    assert train(tmp_path)[2:] == (STEPS, [])


def test_the_log_has_what_was_asked_for(tmp_path):
    train(tmp_path, log_every=3, also=lambda step, average: {"weight": average.weight.item()})
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    _, average, losses = by_hand()
    assert [line["step"] for line in lines] == [3, 6, 7]
    assert lines[-1]["weight"] == pytest.approx(average, abs=1e-4) and lines[-1]["seconds"] >= 0
    mean = losses[0]
    for value in losses:
        mean = 0.98 * mean + 0.02 * value
    assert lines[-1]["loss"] == pytest.approx(mean, abs=1e-4)

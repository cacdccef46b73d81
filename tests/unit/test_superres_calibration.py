"""The noise that a learned solver finds in the scene, and the chi-square that its last step leaves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import craterlab as cl
from craterlab.superres.calibration import noise

from .test_superres import GENERIC, observe, terrain

torch.set_num_threads(1)


@pytest.mark.parametrize("slope", [-0.5, -0.9, -1.8])
@pytest.mark.parametrize("first", [0.6, 1.0, 1.5])
def test_noise_is_where_chi_square_is_one(slope, first):
    assert noise(first, lambda s: s**slope) == pytest.approx(1.0, rel=1e-6)


def test_noise_stays_near_the_first_estimate_and_survives_what_cannot_be_measured():
    assert noise(2.0, lambda _: 1e6) == pytest.approx(8.0)
    assert noise(2.0, lambda _: 1e-6) == pytest.approx(1.0)
    assert noise(2.0, lambda _: float("nan")) == 2.0


def test_plug_and_play_finds_the_noise_and_agrees_with_the_data():
    made = cl.superres(observe(terrain(128, 7), 2, 2.0), 2, instrument=GENERIC, progress=False, device="cpu")
    assert made.attrs["noise_sigma"] == pytest.approx(2.0, rel=0.25)
    assert made.attrs["noise_from"] == "image"
    assert 0.9 < made.attrs["chi2"] < 1.1
    assert np.isfinite(made["image"].values).all()

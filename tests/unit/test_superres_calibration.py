"""The noise that plug-and-play finds in the scene, and the chi-square it leaves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import craterlab as cl
from craterlab.superres.calibration import AIM, other_noise

from .test_superres import GENERIC, observe, terrain

torch.set_num_threads(1)


@pytest.mark.parametrize("slope", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("first", [0.5, 1.0, 1.8])
def test_steps_lead_to_where_chi_square_needs_no_other_noise(slope, first):
    sigma = first
    for _ in range(8):
        sigma = other_noise(sigma, sigma**-slope, AIM)
    assert AIM[0] - 0.01 < sigma**-slope < AIM[1] + 0.01


def test_noise_that_agrees_or_cannot_be_measured_stays_and_steps_are_bounded():
    assert other_noise(2.0, 1.0, AIM) == 2.0
    assert other_noise(2.0, math.nan, AIM) == 2.0
    assert other_noise(2.0, 1e6, AIM) == 4.0
    assert other_noise(2.0, 1e-6, AIM) == 1.0


def test_plug_and_play_finds_the_noise_and_agrees_with_the_data():
    made = cl.superres(observe(terrain(128, 7), 2, 2.0), 2, instrument=GENERIC, progress=False, device="cpu")
    assert made.attrs["noise_sigma"] == pytest.approx(2.0, rel=0.25)
    assert made.attrs["noise_from"] == "image"
    assert 0.9 < made.attrs["chi2"] < 1.1
    assert np.isfinite(made["image"].values).all()

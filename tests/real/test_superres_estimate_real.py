"""Noise and point spread measured on real images, averaged down until their own camera hardly matters and then seen
by a known one."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

import craterlab as cl
from craterlab import Instrument
from craterlab.superres.estimate import fit_psf, noise_curve
from craterlab.superres.forward import forward, operator
from craterlab.superres.planning import sample

torch.set_num_threads(1)


def seen(data, name: str, factor: int, psf: float, variance) -> list[list[np.ndarray]]:
    """Windows of up to four degraded train images; `variance` of the noise as a function of the signal."""
    with (data / name / "images.csv").open() as f:
        images = [row["image"] for row in csv.DictReader(f) if row["split"] == "train"][:4]
    out = []
    for seed, image in enumerate(images):
        x = cl.open_scene(data / name / image)["image"].values
        shape = tuple(n // factor for n in x.shape)
        x = np.ascontiguousarray(x[: shape[0] * factor, : shape[1] * factor])
        y = forward(operator(shape, factor, Instrument("a", psf_sigma_px=psf)), torch.from_numpy(x)).numpy()
        y = y + np.random.default_rng(seed).normal(size=shape) * np.sqrt(variance(np.maximum(y, 0)))
        out.append(sample(lambda w, y=y: y[w[0] : w[1], w[2] : w[3]], shape))
    return out


@pytest.mark.parametrize(("name", "factor"), [("ohrc", 6), ("nac", 4)])
@pytest.mark.parametrize("psf", [0.4, 0.8])
def test_psf_of_real_terrain(data, name, factor, psf):
    found = [fit_psf(w, Instrument("a")) for w in seen(data, name, factor, psf, lambda y: 1.0)]
    off = np.array([(f.sigma_px - psf) / f.error_px for f in found])
    assert (np.abs(off) < 1).sum() >= 2
    assert (np.abs(off) < 3).all()
    assert np.median([f.error_px for f in found]) < 0.12
    assert np.median([abs(f.sigma_px - psf) for f in found]) < 0.08


@pytest.mark.parametrize(("name", "factor"), [("ohrc", 5), ("nac", 4)])
def test_noise_of_real_terrain(data, name, factor):
    for w in seen(data, name, factor, 0.5, lambda y: 0.25 + y / 5.0):
        found = noise_curve(w)
        assert found.sigma == pytest.approx((0.25 + found.signal / 5.0) ** 0.5, rel=0.15)
        assert found.gain == pytest.approx(5.0, rel=0.35)


def test_even_noise_of_real_terrain_has_no_gain(data):
    found = [noise_curve(w) for w in seen(data, "mc11e", 5, 0.5, lambda y: 9.0)]
    assert all(f.gain is None for f in found)
    assert [f.read for f in found] == pytest.approx([3.0] * len(found), rel=0.08)

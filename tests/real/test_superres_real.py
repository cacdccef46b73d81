"""Super-resolution of real images, degraded as a camera would and restored: gain, error map, place."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

import craterlab as cl
from craterlab import Instrument
from craterlab.superres.forward import forward, operator

torch.set_num_threads(1)
SENSOR = Instrument("benchmark", psf_sigma_px=0.5)


def truth_of(data, name: str, size: int = 480) -> np.ndarray:
    with (data / name / "images.csv").open() as f:
        image = next(row["image"] for row in csv.DictReader(f) if row["split"] == "dev")
    return cl.open_scene(data / name / image)["image"][200 : 200 + size, 200 : 200 + size].values


# The CTX tiles are noisy and striped themselves: this part of the "truth" follows no law that the coarse image shows.
@pytest.mark.parametrize(
    ("name", "gain", "covered"), [("ohrc", 2.0, 0.8), ("nac", 2.0, 0.8), ("hrsc", 2.0, 0.8), ("mc11e", 0.5, 0.7)]
)
def test_wiener_restores_real_terrain(data, name, gain, covered):
    truth = truth_of(data, name)
    op = operator((truth.shape[0] // 2, truth.shape[1] // 2), 2, SENSOR)
    sigma = float(truth.mean()) / 100
    y = forward(op, torch.from_numpy(truth)).numpy()
    y = (y + np.random.default_rng(0).normal(0, sigma, y.shape)).astype(np.float32)
    made = {m: cl.superres(y, 2, method=m, instrument=SENSOR) for m in ("bicubic", "wiener", "tv")}
    error = {m: d["image"].values - truth for m, d in made.items()}
    decibel = {m: 10 * np.log10(255**2 / np.mean(e**2)) for m, e in error.items()}
    assert decibel["wiener"] - decibel["bicubic"] > gain, decibel
    assert decibel["tv"] - decibel["bicubic"] > -0.2, decibel
    assert 0.8 < made["wiener"].attrs["chi2"] < 1.25
    inside = np.abs(error["wiener"] / made["wiener"]["std"].values) < 1.645
    assert covered < inside.mean() < 0.99


def test_real_product_keeps_its_place_and_level(data):
    path = sorted((data / "themis" / "images").glob("*.png"))[0]
    scene = cl.open_scene(path, instrument="THEMIS IR").isel(x=slice(40, 160), y=slice(60, 170))
    sharp = cl.superres(scene, 2)
    assert sharp.attrs["body"] == "Mars" and sharp.attrs["instrument"] == "THEMIS IR"
    np.testing.assert_allclose(sharp.rio.bounds(), scene.rio.bounds())
    assert float(sharp["image"].mean()) == pytest.approx(float(scene["image"].mean()), abs=0.5)

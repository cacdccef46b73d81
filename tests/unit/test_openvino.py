"""The backend openvino finds what torch finds; without the package it says what to install."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import craterlab as cl
from craterlab import inference_openvino
from craterlab.inference import quick_precision, run
from craterlab.inference_openvino import with_openvino
from craterlab.nn.zoo import load
from craterlab.simulate import Law, render

torch.set_num_threads(1)


@pytest.fixture
def openvino():
    """Loaded as craterlab loads it, without its telemetry."""
    try:
        return inference_openvino.openvino()
    except cl.CraterlabError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def image():
    law = Law(min_diameter_px=8, coverage=(0.3, 0.3), secondaries=0)
    return render(1, 320, seed=12, law=law, incidence_deg=60).image[0].numpy()


@pytest.mark.parametrize("precision", ["float32", None])
def test_the_catalogue_is_that_of_torch(openvino, image, precision):
    a, b = (cl.detect(image, backend=name, precision=precision, threshold=0.3) for name in ("torch", "openvino"))
    assert len(a) > 20 and abs(len(a) - len(b)) <= 1
    label, overlap, _ = cl.match.match(b, a)
    assert (label >= 0).sum() >= len(a) - 1
    assert np.median(overlap) > (0.9999 if precision else 0.98)


def test_bfloat16_keeps_a_faint_relief_on_a_bright_slope(openvino):
    """The local variance is a small difference of large numbers, which bfloat16 alone would lose: one digit in 256 of
    a brightness of 3 is as much as this relief."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:192, :256]
    window = (3 + 0.01 * rng.normal(size=(192, 256)) + 0.05 * np.sin(x / 5) * np.sin(y / 5)).astype(np.float32)
    net = load("craternet")
    exact = run(net, window[None], torch.float32)
    quick = run(with_openvino(net, torch.bfloat16), window[None], torch.float32)
    usual = run(net, window[None], torch.bfloat16)
    assert quick.shape == exact.shape
    allowed = 4 * np.abs(usual - exact).max() if quick_precision(net.device) == torch.bfloat16 else 0.5
    assert np.abs(quick - exact).max() < allowed


def test_windows_of_any_aligned_shape_run_on_one_compiled_network(openvino):
    net = load("craternet")
    fast = with_openvino(net, torch.float32)
    assert with_openvino(net, torch.float32).net is fast.net
    for shape in ((64, 176), (208, 48)):
        window = np.random.default_rng(1).normal(size=(1, *shape)).astype(np.float32)
        np.testing.assert_allclose(run(fast, window, torch.float32), run(net, window, torch.float32), atol=1e-3)


def test_nothing_is_reported_to_the_makers_of_openvino(openvino):
    code = "from craterlab.inference_openvino import openvino; openvino(); import sys; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "openvino" in loaded and "openvino_telemetry" not in loaded


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(cl.CraterlabError, match=r"pip install \"craterlab\[openvino\]\".*backend='torch'"):
        cl.detect(np.zeros((64, 64), np.float32), backend="openvino")


def test_it_runs_on_the_processor_alone():
    elsewhere = replace(load("craternet"), device=torch.device("cuda"))
    with pytest.raises(cl.CraterlabError, match="device='cpu'"):
        with_openvino(elsewhere, torch.float32)

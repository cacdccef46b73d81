"""The audit: agreement with the observation, invented detail, sharpness on edges, wrong instruments, what it says."""

from __future__ import annotations

import json

import matplotlib as mpl
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import craterlab as cl
from craterlab import CraterlabError, Instrument
from craterlab.superres.audit import audit
from craterlab.superres.forward import dct2, fold, forward, idct2, operator, unfold
from craterlab.superres.psf import equivalent_width, fit_psf
from craterlab.superres.reobserve import LOCAL
from craterlab.superres.sharpness import find_edges, mtf50_ratios
from craterlab.superres.verdict import findings

torch.set_num_threads(1)
mpl.use("agg")
GENERIC = Instrument("camera", 5.0, psf_sigma_px=0.5)
NOISE = 0.5


def terrain(size: int, seed: int, slope: float = 3.0, pits: int = 60) -> np.ndarray:
    """Power-law texture that is rough in one half and smooth in the other, with sharp-rimmed pits; mean about 100."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    f[0, 0] = 1.0
    texture = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) * f ** (-slope / 2), s=(size, size))
    y, x = np.mgrid[:size, :size]
    out = 12 * texture / texture.std() * (0.4 + 1.2 * (x > size // 2))
    for _ in range(pits):
        cy, cx, r = *rng.uniform(0, size, 2), rng.uniform(6, 24)
        out += 30 * (x - cx) / r * ((y - cy) ** 2 + (x - cx) ** 2 < r**2)
    return (out + 100).astype(np.float32)


def observe(x: np.ndarray, width: float = 0.5, factor: int = 2, noise: float = NOISE) -> np.ndarray:
    shape = (x.shape[0] // factor, x.shape[1] // factor)
    y = forward(operator(shape, factor, Instrument("true", psf_sigma_px=width)), torch.from_numpy(x)).numpy()
    return (y + np.random.default_rng(1).normal(0, noise, y.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def truth():
    return terrain(384, 3)


@pytest.fixture(scope="module")
def scene(truth):
    return observe(truth)


@pytest.fixture(scope="module")
def sharp(scene):
    return cl.superres(scene, 2, method="wiener", instrument=GENERIC, progress=False)


@pytest.fixture(scope="module")
def audited(sharp, scene):
    return audit(sharp, scene)


# what it measures


def test_a_fit_with_the_right_instrument_passes(audited, sharp, truth):
    assert audited.ok, audited.verdict
    assert audited.chi2 == pytest.approx(sharp.attrs["chi2"], rel=0.02)
    assert audited.chi2_plain == pytest.approx(audited.chi2 * sharp.attrs["residual_dof"], rel=1e-6)
    assert audited.residual_autocorrelation == pytest.approx(audited.expected_autocorrelation, abs=0.1)
    assert audited.chi2_map.shape == (192, 192)
    assert audited.psf_fitted_px == pytest.approx(0.5, abs=0.06)
    assert audited.instrument == "camera"


def test_truth_leaves_the_noise(truth, scene):
    a = audit(truth, scene, instrument=Instrument("c", psf_sigma_px=0.5, noise_sigma=NOISE))
    assert a.chi2 == pytest.approx(1.0, abs=0.03)
    assert not a.fitted
    assert abs(a.residual_autocorrelation) < 0.02
    assert a.chi2_max < 1.5
    # The linear estimates hold little that the instrument cannot see; the truth as much as its spectrum promises.
    assert a.null_energy == pytest.approx(a.null_energy_terrain, rel=0.3)
    assert a.null_energy > 3 * max(a.null_energy_wiener, a.null_energy_bicubic)


def test_bicubic_is_found_too_smooth(scene):
    plain = cl.superres(scene, 2, method="bicubic", instrument=GENERIC, progress=False)
    a = audit(plain, scene)
    assert not a.ok
    assert a.chi2 > 1.25
    assert a.null_energy == pytest.approx(a.null_energy_bicubic, rel=1e-3)
    assert a.resolution_gain == pytest.approx(1.0, abs=1e-3)
    assert a.residual_laplacian > 0.8
    assert "not sharpened enough" in a.verdict


def test_wiener_is_its_own_yardstick(audited):
    assert audited.null_energy == pytest.approx(audited.null_energy_wiener, rel=0.02)


def test_resolution_gain_is_that_of_the_truth(audited, truth, scene):
    true = audit(truth, scene, instrument=GENERIC)
    assert audited.n_edges >= 8
    assert 1.05 < audited.resolution_gain <= true.resolution_gain * 1.1


def test_mtf50_ratio_of_known_blurs():
    """Two Gaussian blurs of one ideal edge: MTF50 goes as one over the width."""
    factor, size = 4, 80
    y, x = np.mgrid[: size * factor, : size * factor].astype(float)
    edge = 100.0 * ((x - 160.3) * np.cos(0.3) + (y - 160.0) * np.sin(0.3) > 0)
    wide, narrow = (gaussian_filter(edge, w * factor) for w in (1.0, 0.7))
    coarse = wide.reshape(size, factor, size, factor).mean((1, 3))
    edges = find_edges(coarse, np.ones(coarse.shape, bool), 1.0)
    ratios = mtf50_ratios(narrow, wide, edges, factor)
    assert len(ratios) >= 3
    assert np.median(ratios) == pytest.approx(1.0 / 0.7, rel=0.03)


def test_noise_has_no_edges():
    noise = np.random.default_rng(0).normal(0, 1.0, (128, 128))
    assert not len(find_edges(noise, np.ones(noise.shape, bool), 1.0).row)


def test_without_edges_the_gain_is_not_a_number_and_says_why():
    y = 100 + np.random.default_rng(0).normal(0, 1.0, (96, 96)).astype(np.float32)
    a = audit(cl.superres(y, 2, method="wiener", progress=False), y)
    assert np.isnan(a.resolution_gain) and a.n_edges < 8
    assert "could not be measured" in a.verdict and "could not be checked" in a.verdict


# what it catches


def test_invented_texture_is_caught_by_the_null_space(sharp, scene):
    """Texture that A maps to nothing leaves chi2 as it was; only the null-space energy shows it."""
    op = operator(scene.shape, 2, GENERIC)
    z = dct2(torch.from_numpy(np.random.default_rng(0).normal(size=op.fine_shape).astype(np.float32)))
    z -= op.gain * unfold(op, fold(op, op.gain * z) / fold(op, op.gain.square()).clamp_min(1e-12))
    invented = idct2(z).numpy()
    fake = sharp.copy(deep=True)
    fake["image"].values[:] += 15 * invented / invented.std()
    honest, a = audit(sharp, scene), audit(fake, scene)
    assert a.chi2 == pytest.approx(honest.chi2, rel=0.05)
    assert a.null_energy > 3 * a.null_energy_wiener
    assert not a.ok
    assert next(f for f in findings(a) if not f.ok).text.endswith("invented.")

    fake["image"].values[:] = (
        sharp["image"].values + 14 * a.null_energy_terrain / a.null_energy * invented / invented.std()
    )
    a = audit(fake, scene)
    assert a.null_energy > 3 * a.null_energy_wiener
    assert a.ok and "comes from the method's prior" in a.verdict


def test_an_added_crater_is_caught_where_it_is(sharp, scene):
    fake = sharp.copy(deep=True)
    y, x = np.mgrid[:384, :384]
    inside = (y - 200) ** 2 + (x - 140) ** 2 < 10**2
    fake["image"].values[:] += (2.0 * (x - 140) * inside).astype(np.float32)
    a = audit(fake, scene)
    assert not a.ok
    assert "in places" in a.verdict
    assert a.chi2 < 4 and a.chi2_max > 20
    assert np.hypot(a.worst[0] - 100, a.worst[1] - 70) < LOCAL
    far = a.chi2_map.copy()
    far[80:120, 50:90] = np.nan
    assert float(far.max()) < 8


@pytest.mark.parametrize(("assumed", "word"), [(0.35, "too narrow"), (0.65, "too wide")])
def test_wrong_psf_is_named(scene, assumed, word):
    part = scene[:180, :180]
    made = cl.superres(part, 2, method="wiener", instrument=Instrument("wrong", psf_sigma_px=assumed), progress=False)
    a = audit(made, part)
    assert not a.ok
    assert f"PSF looks {word}" in a.verdict
    assert a.psf_sigma_px == assumed


@pytest.mark.parametrize("width", [0.35, 0.5, 0.65, 0.9])
@pytest.mark.parametrize("slope", [2.6, 3.4])
def test_psf_width_is_measured(width, slope):
    y = observe(terrain(384, 11, slope), width)
    fit = fit_psf(lambda w: y[w[0] : w[1], w[2] : w[3]], y.shape, GENERIC)
    # It is the square of the width that the spectrum knows.
    assert fit.sigma_px**2 == pytest.approx(width**2, abs=0.08)
    assert 0 <= fit.error_px < 0.1
    assert fit.assumed_px == 0.5


def test_equivalent_width_of_a_curve():
    f = np.linspace(0, 0.75, 16)
    curve = np.exp(-2 * (np.pi * 0.6 * f) ** 2) * np.sinc(f)
    camera = Instrument("curve", mtf=tuple(zip(f.tolist(), curve.tolist(), strict=True)))
    assert equivalent_width(camera) == pytest.approx(0.6, abs=0.01)
    y = observe(terrain(384, 11), 0.6)
    fit = fit_psf(lambda w: y[w[0] : w[1], w[2] : w[3]], y.shape, camera)
    assert fit.sigma_px == pytest.approx(0.6, abs=0.08)


def test_a_result_that_follows_the_noise_is_told():
    y = observe(terrain(200, 5), noise=3.0)
    quiet = Instrument("c", psf_sigma_px=0.5, noise_sigma=0.05)
    with pytest.warns(UserWarning, match="chi2"):
        made = cl.superres(y, 2, method="wiener", instrument=quiet, progress=False)
    plain = np.asarray(made["image"])
    a = audit(plain, y, instrument=Instrument("c", psf_sigma_px=0.5, noise_sigma=3.0))
    assert not a.ok
    assert "follows the noise" in a.verdict


# what it accepts


def test_nodata_is_left_out(truth, scene):
    holed = scene.copy()
    holed[160:175, 10:40] = np.nan
    made = cl.superres(holed, 2, method="wiener", instrument=GENERIC, progress=False)
    a = audit(made, holed)
    assert 0.8 < a.chi2 < 1.25
    assert np.isnan(a.chi2_map.values[160:175, 10:40]).all()
    assert np.isfinite(a.chi2_map.values[:150, 60:140]).all()
    assert a.ok, a.verdict
    # Holes that only the result has are no disagreement either.
    made["image"].values[300:350, 300:350] = np.nan
    b = audit(made, holed)
    assert b.chi2 == pytest.approx(a.chi2, rel=0.05)
    assert np.isnan(b.chi2_map.values[150:175, 150:175]).all()


def test_block_wise_is_whole(sharp, scene, audited, monkeypatch):
    from craterlab.superres import blocks

    monkeypatch.setattr(blocks, "_CORE_FINE", 128)
    a = audit(sharp, scene)
    assert a.chi2 == pytest.approx(audited.chi2, rel=1e-3)
    np.testing.assert_allclose(a.chi2_map, audited.chi2_map, rtol=0.02)


def test_dask_backed(sharp, scene, audited):
    pytest.importorskip("dask")
    lazy = cl.superres(
        cl.scene.as_scene(scene).chunk({"y": 128, "x": 128}), 2, method="wiener", instrument=GENERIC, progress=False
    )
    a = audit(lazy, cl.scene.as_scene(scene).chunk({"y": 128, "x": 128}))
    assert a.chi2 == pytest.approx(audited.chi2, rel=0.02)


def test_plain_arrays_and_other_tools(sharp, scene):
    a = audit(np.asarray(sharp["image"]), scene, instrument=GENERIC)
    assert (a.factor, a.method, a.fitted) == (2, "an image", False)
    assert a.chi2 == a.chi2_plain
    assert a.ok, a.verdict


def test_instrument_comes_from_the_result():
    y = observe(terrain(200, 5))
    known = cl.superres(y, 2, method="wiener", instrument="CTX", progress=False)
    a = audit(known, y)
    assert a.instrument == "CTX"
    assert a.psf_sigma_px == pytest.approx(known.attrs["psf_sigma_px"])
    assert audit(known.assign_attrs(psf_sigma_px=0.7), y).psf_sigma_px == 0.7
    assert audit(known, y, instrument="generic").instrument == "generic"
    bare = np.asarray(known["image"])
    assert audit(bare, y).instrument == "generic"


@pytest.mark.parametrize(
    ("result", "scene", "word"),
    [
        (np.zeros((40, 40)), np.zeros((30, 20)), "whole multiple"),
        (np.zeros((20, 20)), np.zeros((40, 40)), "whole multiple"),
        (np.full((80, 80), np.nan), np.random.default_rng(0).normal(size=(40, 40)), "no pixel"),
        (np.zeros((80, 80)), np.full((40, 40), np.nan), "no finite value"),
        (np.zeros((40 * 17, 40 * 17)), np.zeros((40, 40)), "up to 16"),
        ("sharp.tif", np.zeros((40, 40)), "not str"),
    ],
)
def test_bad_input_is_told(result, scene, word):
    with pytest.raises(CraterlabError, match=word):
        audit(result, scene)


def test_images_of_different_places_are_refused(scene):
    from affine import Affine
    from pyproj import CRS

    from craterlab.bodies import body
    from craterlab.grid import Grid
    from craterlab.scene import as_scene, on_grid

    crs = CRS.from_proj4("+proj=eqc +R=3396190 +units=m +type=crs")
    here = on_grid(as_scene(scene), Grid(scene.shape, Affine(5, 0, 0, 0, -5, 0), crs, body("Mars")))
    made = cl.superres(here, 2, method="wiener", instrument=GENERIC, progress=False)
    assert audit(made, here).factor == 2
    with pytest.raises(CraterlabError, match=r"10\.00 pixels of the scene apart"):
        audit(made.assign_coords(x=made.x + 50.0), here)


# what it says


def test_said_in_words_numbers_and_a_figure(audited):
    numbers = json.loads(json.dumps(audited.to_dict(), allow_nan=False))
    assert numbers["chi2"] == audited.chi2 and numbers["ok"] is True and "chi2_map" not in numbers
    assert "reduced chi2" in repr(audited) and audited.verdict in repr(audited)
    assert "<table>" in audited._repr_html_() and "ok" in audited._repr_html_()
    figure = audited.plot()
    titles = " ".join(ax.get_title() for ax in figure.axes)
    for word in ("observation", "wiener", "residual", "chi²", "spectra"):
        assert word in titles
    assert any("consistent" in t.get_text().replace("\n", " ") for ax in figure.axes for t in ax.texts)
    with pytest.raises(AttributeError):
        audited.chi2 = 1.0

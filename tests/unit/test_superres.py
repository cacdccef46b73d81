"""Super-resolution: the operator and its adjoint, closed form against dense algebra, gains, error map, grid, nodata."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import CAMERA as GENERIC
from photographs import psnr
from photographs import terrain as photographed
from scipy.ndimage import gaussian_filter

import craterlab as cl
from craterlab import CraterlabError, Instrument
from craterlab.grid import grid_of
from craterlab.superres import blocks, solvers
from craterlab.superres.forward import _basis, adjoint, dct2, fold, forward, operator, unfold
from craterlab.superres.precision import precision
from craterlab.superres.prior import Spectrum, fast_noise_sigma, fit_spectrum, prior_variance

torch.set_num_threads(1)
wiener = partial(cl.superres, method="wiener")


def terrain(size: int, seed: int) -> np.ndarray:
    return photographed(size, seed).astype(np.float32)


def observe(x: np.ndarray, factor: int, sigma: float, seed: int = 0, camera: Instrument = GENERIC) -> np.ndarray:
    shape = (x.shape[0] // factor, x.shape[1] // factor)
    y = forward(operator(shape, factor, camera), torch.from_numpy(x)).numpy()
    return (y + np.random.default_rng(seed).normal(0, sigma, y.shape)).astype(np.float32)


def dense(op) -> torch.Tensor:
    n = op.fine_shape[0] * op.fine_shape[1]
    return torch.stack([forward(op, e.reshape(op.fine_shape)).ravel() for e in torch.eye(n, dtype=torch.float64)], 1)


# the operator


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 23), st.integers(1, 23), st.integers(1, 4), st.floats(0, 1.5), st.integers(0, 999))
def test_adjoint_is_exact_at_any_size(rows, cols, factor, sigma, seed):
    op = operator((rows, cols), factor, Instrument("a", psf_sigma_px=sigma), dtype=torch.float64)
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(op.fine_shape, dtype=torch.float64, generator=rng)
    y = torch.randn(op.shape, dtype=torch.float64, generator=rng)
    left, right = (forward(op, x) * y).sum(), (x * adjoint(op, y)).sum()
    assert abs(float(left - right)) <= 1e-10 * max(1.0, float(x.norm() * y.norm()))


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (16, 9)])
def test_operator_is_blur_then_pixel_mean_with_mirrored_edges(shape, factor):
    x = np.random.default_rng(1).normal(size=(shape[0] * factor, shape[1] * factor))
    op = operator(shape, factor, Instrument("a", psf_sigma_px=0.9), dtype=torch.float64)
    blurred = gaussian_filter(x, 0.9 * factor, mode="reflect", truncate=8)
    want = blurred.reshape(shape[0], factor, shape[1], factor).mean((1, 3))
    np.testing.assert_allclose(forward(op, torch.from_numpy(x)).numpy(), want, atol=1e-8)


def test_fold_and_unfold_are_adjoint():
    op = operator((4, 6), 3, GENERIC, dtype=torch.float64)
    a, b = torch.randn(op.fine_shape, dtype=torch.float64), torch.randn(op.shape, dtype=torch.float64)
    assert float((fold(op, a) * b).sum() - (a * unfold(op, b)).sum()) == pytest.approx(0, abs=1e-12)


# the solvers


@pytest.mark.parametrize("factor", [2, 3])
def test_wiener_is_the_dense_solution(factor):
    op = operator((5, 4), factor, GENERIC, dtype=torch.float64)
    prior = prior_variance(op, Spectrum(0.3, 2.5, 0.2, "image"))
    n = op.fine_shape[0] * op.fine_shape[1]
    basis = torch.stack([dct2(e.reshape(op.fine_shape)).ravel() for e in torch.eye(n, dtype=torch.float64)], 1)
    flat_mean = prior.clone()
    flat_mean[0, 0] = 1e8  # no prior on the mean
    covariance = basis.T @ torch.diag(flat_mean.ravel()) @ basis
    a = dense(op)
    y = torch.randn(op.shape, dtype=torch.float64)
    want = (
        covariance @ a.T @ torch.linalg.solve(a @ covariance @ a.T + 0.04 * torch.eye(a.shape[0]).double(), y.ravel())
    )
    weights, left = solvers.wiener_weights(op, prior, 0.2)
    np.testing.assert_allclose(solvers.wiener(op, y, weights).ravel(), want, atol=1e-6)
    influence = a @ covariance @ a.T @ torch.linalg.inv(a @ covariance @ a.T + 0.04 * torch.eye(a.shape[0]).double())
    assert float(left.sum()) == pytest.approx(a.shape[0] - float(influence.trace()), abs=1e-6)


def test_error_map_is_the_dense_error_covariance():
    factor, camera = 2, GENERIC
    spectrum = Spectrum(2.0, 2.5, 0.5, "image")
    p = precision(factor, camera, spectrum)
    # Monte Carlo: scenes drawn from the prior, observed, restored.
    op = operator((48, 48), factor, camera, dtype=torch.float64)
    prior = prior_variance(op, spectrum)
    rng = torch.Generator().manual_seed(0)
    weights, _ = solvers.wiener_weights(op, prior, spectrum.sigma)
    errors = []
    for _ in range(60):
        z = torch.randn(op.fine_shape, dtype=torch.float64, generator=rng) * prior.sqrt()
        z[0, 0] = 0.0
        x = solvers.idct2(z)
        y = forward(op, x) + spectrum.sigma * torch.randn(op.shape, dtype=torch.float64, generator=rng)
        errors.append((solvers.wiener(op, y, weights) - x)[16:-16, 16:-16])
    mean_square = torch.stack(errors).square().mean(0).reshape(32, 2, 32, 2).mean((0, 2))
    np.testing.assert_allclose(mean_square, p.noise + p.model, rtol=0.06)


def test_tv_reaches_the_minimum_of_its_objective():
    y = torch.from_numpy(observe(terrain(64, 3), 2, 1.0)).double() - 100
    op = operator((32, 32), 2, GENERIC, dtype=torch.float64)
    start = solvers.bicubic(y, 2)

    def cost(x):
        return float(0.5 * (forward(op, x) - y).square().sum() + 0.3 * solvers.roughness(x) * x.numel())

    short, long = (solvers.tv(op, y, 0.3, start, iterations=n) for n in (40, 1500))
    assert cost(short) < cost(start)
    assert cost(short) <= cost(long) * 1.01
    rng = np.random.default_rng(0)
    for scale in (1e-2, 1e-1):
        nudge = torch.from_numpy(gaussian_filter(rng.normal(size=tuple(long.shape)), 1.0)) * scale
        assert cost(long + nudge) >= cost(long) - 1e-3


def test_bicubic_reproduces_a_plane_inside():
    y, x = np.mgrid[:20, :20].astype(np.float32)
    got = solvers.bicubic(torch.from_numpy(2 * x + 3 * y), 4).numpy()
    fy, fx = (np.mgrid[:80, :80] + 0.5) / 4 - 0.5
    np.testing.assert_allclose(got[12:-12, 12:-12], (2 * fx + 3 * fy)[12:-12, 12:-12], atol=1e-4)


# noise and spectrum


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_noise_is_found_in_rough_terrain(sigma):
    y = observe(terrain(512, 5), 2, sigma)
    windows = [y[a : a + 128, b : b + 128] for a in (0, 128) for b in (0, 128)]
    found = fit_spectrum(windows, GENERIC, 100.0)
    assert found.sigma == pytest.approx(sigma, rel=0.15)
    assert found.sigma_from == "image"
    assert 2.3 < found.exponent < 3.7


def test_noise_of_the_instrument_wins():
    y = observe(terrain(256, 5), 2, 1.0)
    camera = Instrument("known", psf_sigma_px=0.5, noise_sigma=2.5)
    assert fit_spectrum([y], camera, 100.0).sigma == pytest.approx(2.5)
    assert wiener(y, 2, instrument=camera).attrs["noise_from"] == "instrument"


def test_fast_noise_sigma():
    y, x = np.mgrid[:200, :200]
    plane = 0.1 * x**2 + 3 * y + np.random.default_rng(0).normal(0, 2.0, x.shape)
    plane[50:60] = np.nan
    assert fast_noise_sigma(plane) == pytest.approx(2.0, rel=0.05)
    assert np.isnan(fast_noise_sigma(np.zeros((2, 2))))


# the verb


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_methods_beat_bicubic_and_give_the_observation_back(factor):
    truth = terrain(480, 11)
    y = observe(truth, factor, 0.5)
    made = {m: cl.superres(y, factor, method=m, instrument=GENERIC) for m in ("bicubic", "wiener", "tv")}
    quality = {m: psnr(d["image"].values, truth) for m, d in made.items()}
    assert quality["wiener"] > quality["bicubic"] + 0.5
    assert quality["tv"] > quality["bicubic"]
    for m in ("wiener", "tv"):
        assert 0.8 < made[m].attrs["chi2"] < 1.25
    if factor == 2:
        assert made["bicubic"].attrs["chi2"] > made["wiener"].attrs["chi2"]
    for d in made.values():
        error = (d["image"].values - truth) / d["std"].values
        assert 0.75 < np.sqrt(np.mean(error**2)) < 1.35
        assert (np.abs(error) < 1.645).mean() > 0.82
        assert float(d["data_share"].min()) >= 0 and float(d["data_share"].max()) <= 1


def test_chi2_with_known_noise():
    truth = terrain(512, 2)
    known = Instrument("known", psf_sigma_px=0.5, noise_sigma=1.5)
    assert wiener(observe(truth, 2, 1.5), 2, instrument=known).attrs["chi2"] == pytest.approx(1.0, abs=0.12)
    # Noise three times what the instrument claims shows.
    assert wiener(observe(truth, 2, 4.5), 2, instrument=known).attrs["chi2"] > 2


def test_data_share_follows_noise_and_factor():
    truth = terrain(384, 8)
    y = {s: observe(truth, 2, s) for s in (0.5, 6.0)}
    share = {(f, s): float(wiener(y[s], f)["data_share"].mean()) for f in (2, 4) for s in y}
    assert share[2, 0.5] > share[2, 6.0] + 0.1
    assert share[2, 0.5] > share[4, 0.5]


@pytest.mark.parametrize("method", ["bicubic", "wiener", "tv"])
@pytest.mark.parametrize("value", [0.0, 7.25, 31000.0])
def test_constant_image_stays_constant(method, value):
    out = cl.superres(np.full((40, 33), value, np.float32), 2, method=method)
    np.testing.assert_allclose(out["image"], value, rtol=1e-6, atol=1e-6)
    assert np.isfinite(out["std"]).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.sampled_from([2, 3, 4]), st.sampled_from(["bicubic", "wiener", "tv"]))
def test_any_shape_keeps_the_mean(rows, cols, factor, method):
    y = 50 + np.random.default_rng(rows * 41 + cols).normal(size=(rows, cols)).astype(np.float32)
    out = cl.superres(y, factor, method=method)
    assert out["image"].shape == (rows * factor, cols * factor)
    assert out["image"].dtype == np.float32
    assert np.isfinite(out["image"]).all()
    assert float(out["image"].mean()) == pytest.approx(float(y.mean()), abs=0.3 if method == "bicubic" else 1e-3)


@pytest.mark.parametrize("method", ["bicubic", "wiener", "tv"])
def test_nodata_stays_exactly_its_own_block(method):
    y = observe(terrain(256, 4), 2, 1.0)
    whole = cl.superres(y, 2, method=method, instrument=GENERIC)
    y[20:30, 40:55] = np.nan
    y[:, 100:] = np.nan
    y[5, 5] = np.nan
    out = cl.superres(y, 2, method=method, instrument=GENERIC)
    for name in ("image", "std", "data_share"):
        np.testing.assert_array_equal(np.isnan(out[name].values), np.isnan(y).repeat(2, 0).repeat(2, 1))
    # No ringing out of the hole: beside it the answer is about what it is without the hole.
    beside = (slice(60, 64), slice(80, 110))
    change = np.abs(out["image"].values[beside] - whole["image"].values[beside])
    assert np.nanmedian(change) < 3 * float(whole["std"].mean())
    assert np.nanmax(out["image"]) < np.nanmax(whole["image"]) + 5


def test_blocks_make_no_seams(monkeypatch):
    y = observe(terrain(640, 6), 2, 1.0)
    monkeypatch.setattr(blocks, "_CORE_FINE", 4000)
    whole = wiener(y, 2)
    monkeypatch.setattr(blocks, "_CORE_FINE", 200)
    parts = wiener(y, 2)
    assert float(np.abs(parts["image"] - whole["image"]).max()) < 1e-4 * np.ptp(y)
    assert float(np.abs(parts["std"] - whole["std"]).max()) < 1e-2 * float(whole["std"].max())


def test_grid_subdivides_the_pixels():
    y = observe(terrain(120, 4), 2, 1.0)
    scene = xr.DataArray(
        y,
        dims=("y", "x"),
        coords={"y": -12.0 - 0.001 * np.arange(60), "x": 137.0 + 0.001 * np.arange(60)},
        attrs={"body": "Mars", "instrument": "CTX", "sun_azimuth_deg": 275.0, "source": "made"},
    ).rio.write_crs("IAU_2015:49900")
    out = wiener(scene, 3)
    coarse, fine = grid_of(cl.scene.as_scene(scene)) if hasattr(cl, "scene") else grid_of(scene), grid_of(out)
    corners = np.array([[0, 0], [60, 0], [0, 60], [60, 60], [17.5, 3.25]]).T
    np.testing.assert_allclose(fine.lonlat(*(3 * corners)), coarse.lonlat(*corners), atol=1e-10)
    assert out.attrs["body"] == "Mars" and out.attrs["sun_azimuth_deg"] == 275.0 and out.attrs["source"] == "made"
    assert (out.attrs["factor"], out.attrs["instrument"], out.attrs["method"], out.attrs["weights"]) == (
        3,
        "CTX",
        "wiener",
        "",
    )


def test_pixel_size_and_dem_follow():
    y = observe(terrain(120, 4), 2, 1.0)
    rows, cols = np.mgrid[:60, :60].astype(np.float32)
    dem = 1000 + 2 * rows + cols
    dem[:10, :10] = np.nan
    out = wiener(xr.Dataset({"image": (("y", "x"), y), "dem": (("y", "x"), dem)}), 2, pixel_size=6.0)
    assert out.attrs["pixel_size_m"] == 3.0
    fy, fx = (np.mgrid[:120, :120] + 0.5) / 2 - 0.5
    np.testing.assert_allclose(out["dem"][40:-10, 40:-10], (1000 + 2 * fy + fx)[40:-10, 40:-10], atol=1e-2)
    assert np.isnan(out["dem"][:20, :20]).all() and np.isfinite(out["dem"][20:, 20:]).all()


def test_dask_is_lazy_and_equal():
    import dask.array as da

    y = observe(terrain(300, 4), 2, 1.0)
    eager = wiener(y, 2)
    lazy = wiener(xr.DataArray(da.from_array(y, chunks=64), dims=("y", "x")), 2)
    assert all(lazy[n].chunks is not None for n in ("image", "std", "data_share"))
    assert lazy["image"].data._meta.dtype == np.float32
    np.testing.assert_array_equal(lazy["image"].values, eager["image"].values)
    assert lazy.attrs["chi2"] == pytest.approx(eager.attrs["chi2"], rel=0.05)


def test_scene_accessor_and_list_of_one():
    y = observe(terrain(96, 4), 2, 1.0)
    scene = xr.DataArray(y, dims=("y", "x"))
    np.testing.assert_array_equal(scene.crater.superres(factor=2)["image"], cl.superres([scene], 2)["image"])


def test_wrong_psf_still_beats_bicubic():
    truth = terrain(384, 9)
    y = observe(truth, 2, 1.0)
    for sigma in (0.35, 0.65):
        made = wiener(y, 2, instrument=Instrument("off", psf_sigma_px=sigma))
        assert psnr(made["image"].values, truth) > psnr(cl.superres(y, 2, method="bicubic")["image"].values, truth)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"factor": 1}, "2, 3 or 4"),
        ({"factor": 2.5}, "2, 3 or 4"),
        ({"factor": 1000}, "2, 3 or 4"),
        ({"factor": "2"}, "2, 3 or 4"),
        ({"method": "magic"}, "'wiener'"),
        ({"method": "wiener", "prior": "prior"}, "method='pnp'"),
        ({"method": "farsiu"}, "several frames"),
        ({"instrument": "CTXY"}, "CTX"),
    ],
)
def test_wrong_input_says_what_to_type(keywords, message):
    with pytest.raises(CraterlabError, match=message):
        cl.superres(np.ones((20, 20), np.float32), **keywords)


def test_useless_images_are_refused():
    with pytest.raises(CraterlabError, match="nodata"):
        cl.superres(np.full((30, 30), np.nan, np.float32))
    with pytest.raises(CraterlabError, match="infinite"):
        cl.superres(np.full((30, 30), np.inf, np.float32))


def test_few_valid_pixels_far_from_the_samples_are_found():
    y = np.full((700, 700), np.nan, np.float32)
    y[333:345, 200:230] = 5.0
    out = wiener(y, 2)
    np.testing.assert_allclose(out["image"][666:690, 400:460], 5.0, rtol=1e-5)
    assert int(np.isfinite(out["image"]).sum()) == 24 * 60


# accelerators


def test_dense_transform_is_the_fast_one():
    """What an accelerator computes with dense products is what the processor computes with its FFT."""
    x = torch.randn(24, 37, dtype=torch.float64)
    rows, cols = (_basis(n, torch.float64, torch.device("cpu")) for n in x.shape)
    np.testing.assert_allclose(rows @ x @ cols.mT, dct2(x), atol=1e-12)
    np.testing.assert_allclose(rows.mT @ dct2(x) @ cols, x, atol=1e-12)


def test_missing_device_is_named():
    with pytest.raises(CraterlabError, match="no-such"):
        cl.superres(np.ones((20, 20), np.float32), device="no-such")


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["wiener", "tv"])
def test_gpu_gives_the_same(method):
    y = observe(terrain(512, 6), 2, 1.0)
    there, here = (cl.superres(y, 2, method=method, device=d)["image"] for d in ("cuda", "cpu"))
    assert float(np.abs(there - here).max()) < 2e-3 * np.ptp(y)

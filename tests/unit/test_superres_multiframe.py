"""Several frames: the operator and its adjoint, registration against known shifts, gains over one frame, what is left
out and named, nodata, georeferences."""

from __future__ import annotations

import math
import sys
import warnings

import numpy as np
import pytest
import rioxarray  # noqa: F401  registers .rio
import torch
import xarray as xr
from scipy.ndimage import fourier_gaussian, fourier_shift, gaussian_filter, rotate

import craterlab as cl
from craterlab import CraterlabError, Instrument
from craterlab.superres import joint
from craterlab.superres.alignment import align
from craterlab.superres.forward import dct2, forward, operator
from craterlab.superres.multiframe import reconstruct
from craterlab.superres.precision_frames import frames_precision
from craterlab.superres.prior import Spectrum, power
from craterlab.superres.register import register
from craterlab.superres.shifted import diagonal, frames, gather, observe, shift, shift_adjoint

torch.set_num_threads(1)
CAMERA = Instrument("camera", 5.0, psf_sigma_px=0.5)
MARS = "IAU_2015:49900"


def solve(*scenes_and_settings, **keywords):
    bands, attrs = reconstruct(*scenes_and_settings, **keywords)
    return bands[0], bands[1], attrs


def terrain(size: int, seed: int, slope: float = 3.0, pits: int = 60) -> np.ndarray:
    """Power-law texture with round shaded pits of sharp rims, mean about 100."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    f[0, 0] = 1.0
    texture = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) * f ** (-slope / 2), s=(size, size))
    out = 8 * texture / texture.std()
    y, x = np.mgrid[:size, :size]
    for _ in range(pits):
        cy, cx, r = *rng.uniform(0, size, 2), rng.uniform(3, 14)
        out += 30 * (x - cx) / r * ((y - cy) ** 2 + (x - cx) ** 2 < r**2)
    return out + 100


def photograph(ground: np.ndarray, shifts, snr: float, factor: int = 2, seed: int = 0) -> np.ndarray:
    """Frames cut out of the middle of a larger ground, so that new ground comes in at the edges as it does for a
    camera. An independent model: blur and displacement of the mirrored ground by scipy in the Fourier domain, then
    block means."""
    margin, n0 = 8 * factor, len(ground)
    rng = np.random.default_rng(seed)
    mirrored = np.block([[ground, ground[:, ::-1]], [ground[::-1], ground[::-1, ::-1]]])
    blurred = fourier_gaussian(np.fft.fft2(mirrored), 0.5 * factor)
    out = []
    for dy, dx in shifts:
        moved = np.fft.ifft2(fourier_shift(blurred, (dy * factor, dx * factor))).real[:n0, :n0]
        inner = moved[margin:-margin, margin:-margin]
        n = inner.shape[0] // factor
        y = inner.reshape(n, factor, n, factor).mean((1, 3))
        out.append(y + rng.normal(0, ground.mean() / snr, y.shape))
    return np.stack(out)


def inside(ground: np.ndarray, factor: int = 2) -> np.ndarray:
    return ground[8 * factor : -8 * factor, 8 * factor : -8 * factor]


def scene(image: np.ndarray, source: str = "", **attrs) -> xr.Dataset:
    return xr.Dataset({"image": (("y", "x"), image.astype(np.float32))}, attrs={"source": source, **attrs})


def placed(image: np.ndarray, lon: float, lat: float, crs: str = MARS, step: float = 0.001, **attrs) -> xr.Dataset:
    """A scene whose upper left corner lies at (lon, lat), `step` degrees a pixel."""
    rows, cols = image.shape
    out = scene(image, **attrs).assign_coords(
        y=lat - step * (np.arange(rows) + 0.5), x=lon + step * (np.arange(cols) + 0.5)
    )
    return out.rio.write_crs(crs)


def random_shifts(count: int, seed: int, reach: float = 3.0) -> list[tuple[float, float]]:
    rng = np.random.default_rng(seed)
    return [(0.0, 0.0)] + [tuple(rng.uniform(-reach, reach, 2).tolist()) for _ in range(count - 1)]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(np.ptp(b) ** 2 / np.mean((a - b) ** 2)))


def edge_keeping(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """A stand-in of deepinv's signature for the learned denoiser: a few steps of anisotropic diffusion (Perona & Malik
    1990), about as strong as the noise asks for."""
    z = x.clone()
    for _ in range(4):
        for axis in (-1, -2):
            d = torch.diff(z, dim=axis)
            flow = 0.2 * d * torch.exp(-((d / (2.5 * sigma)) ** 2))
            z.narrow(axis, 0, z.shape[axis] - 1).add_(flow)
            z.narrow(axis, 1, z.shape[axis] - 1).sub_(flow)
    return z


# the operator


@pytest.mark.parametrize(("shape", "by"), [((9, 7), (0.31, -0.45)), ((16, 12), (1.5, 0.0)), ((5, 20), (-2.2, 3.7))])
def test_shift_has_its_exact_adjoint(shape, by):
    rng = torch.Generator().manual_seed(1)
    x, y = (torch.randn(shape, dtype=torch.float64, generator=rng) for _ in range(2))
    left, right = (shift(x, by) * y).sum(), (x * shift_adjoint(y, by)).sum()
    assert float(left) == pytest.approx(float(right), abs=1e-12 * float(x.norm() * y.norm()))


def test_shift_of_a_wave_is_the_wave_elsewhere():
    n, k = 40, 11
    wave = lambda at: np.cos(np.pi * k * (at + 0.5) / n)  # noqa: E731
    x = torch.from_numpy(np.outer(wave(np.arange(n)), wave(np.arange(n))))
    want = np.outer(wave(np.arange(n) - 0.37), wave(np.arange(n) + 1.6))
    np.testing.assert_allclose(shift(x, (0.37, -1.6)), want, atol=1e-12)
    back = shift(shift(torch.from_numpy(terrain(64, 1)), (3.0, -5.0)), (-3.0, 5.0))
    np.testing.assert_allclose(back[:-3, 5:], terrain(64, 1)[:-3, 5:], atol=1e-9)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_frames_operator(factor):
    shape, shifts = (9, 7), [(0.0, 0.0), (0.4, -0.3), (-0.21, 0.5)]
    op = frames(shape, factor, CAMERA, shifts, dtype=torch.float64)
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(op.fine_shape, dtype=torch.float64, generator=rng)
    y = torch.randn((3, *shape), dtype=torch.float64, generator=rng)
    assert float((observe(op, z) * y).sum()) == pytest.approx(float((z * gather(op, y)).sum()), rel=1e-12)
    # Without a shift it is the operator of one frame.
    one = operator(shape, factor, CAMERA, dtype=torch.float64)
    np.testing.assert_allclose(observe(op, dct2(z))[0], forward(one, z), atol=1e-12)
    dense = torch.stack(
        [gather(op, observe(op, e.reshape(op.fine_shape))).ravel() for e in torch.eye(z.numel(), dtype=torch.float64)]
    )
    np.testing.assert_allclose(
        diagonal(op, torch.ones(3, dtype=torch.float64)).ravel(), torch.diagonal(dense), atol=1e-12
    )


def test_frames_operator_is_blur_shift_and_pixel_mean():
    ground = gaussian_filter(terrain(160, 3), 1.0)
    shifts = [(0.0, 0.0), (0.4, -0.3), (-0.25, 0.5)]
    want = photograph(ground, shifts, np.inf)
    op = frames((80, 80), 2, CAMERA, shifts, dtype=torch.float64)
    got = observe(op, dct2(torch.from_numpy(ground))).numpy()[:, 8:-8, 8:-8]
    assert np.abs(got - want).max() < 0.02 * want.std()


# registration


@pytest.mark.parametrize("snr", [100, 40])
def test_shift_gain_and_offset_are_found(snr):
    shifts = random_shifts(8, 4)
    y = photograph(terrain(272, 4), shifts, snr)
    errors, claimed = [], []
    for k in range(1, 8):
        found = register(y[0], 1.3 * y[k] - 20)
        assert found.accepted, found.reason
        errors += list(np.subtract(found.shift_px, shifts[k]))
        claimed.append(found.error_px)
        assert found.gain == pytest.approx(1.3, rel=0.02)
        assert found.gain * 100 + found.offset == pytest.approx(110, abs=2.0)
    assert np.abs(errors).max() < 0.05
    rms = float(np.sqrt(np.mean(np.square(errors))))
    assert rms < 0.03
    assert 0.4 * rms < np.mean(claimed) < 2.5 * rms


def test_nodata_takes_no_part_in_registration():
    shifts = [(0.0, 0.0), (1.37, -2.61)]
    y = photograph(terrain(272, 9), shifts, 60)
    y[0, 30:50, 40:80] = np.nan
    y[1, :, :25] = np.nan
    y[1, 90:100, 60:70] = np.nan
    found = register(y[0], y[1])
    assert found.accepted
    assert np.abs(np.subtract(found.shift_px, shifts[1])).max() < 0.05


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda y: rotate(y, 5, reshape=False, order=3, mode="reflect"), "another place, another light, turned"),
        (lambda y: rotate(y, 0.5, reshape=False, order=3, mode="reflect"), "turned, stretched or distorted"),
        (lambda y: photograph(terrain(272, 77), [(0, 0)], 60)[0], "another place"),
        (lambda y: 200 - y, "another place, another light"),
        (lambda y: np.roll(y, 55, axis=1), "more than a third"),
        (lambda y: np.full_like(y, 7.0), "constant"),
        (lambda y: np.full_like(y, np.nan), "without data"),
        (lambda y: y[:10, :10], "smaller than"),
    ],
)
def test_what_does_not_belong_is_refused_with_a_reason(spoil, said):
    y = photograph(terrain(272, 9), [(0.0, 0.0), (0.3, 0.2)], 60)
    found = register(y[0], spoil(y[1]))
    assert not found.accepted
    assert said in found.reason


# what several frames are good for


@pytest.mark.parametrize(("count", "snr"), [(4, 100), (8, 40)])
def test_several_frames_beat_one(count, snr):
    ground = terrain(192, 4)
    shifts = random_shifts(count, 7)
    y = photograph(ground, shifts, snr)
    rng = np.random.default_rng(0)
    scenes = [scene(y[0], "first")]
    scenes += [scene(rng.uniform(0.8, 1.25) * v + rng.uniform(-10, 10), f"view {k}") for k, v in enumerate(y[1:], 2)]
    one = psnr(cl.superres(y[0].astype(np.float32), 2, method="wiener", instrument=CAMERA)["image"], inside(ground))
    made, chi2, fits = {}, {}, {}
    for name, method, denoise in (("farsiu", "farsiu", None), ("law", "pnp", None), ("pnp", "pnp", edge_keeping)):
        bands, attrs = reconstruct(scenes, 2, CAMERA, method, denoise, progress=False)
        made[name], chi2[name] = psnr(bands[0], inside(ground)), attrs["chi2"]
        fits[name] = float(np.sqrt(np.mean(((bands[0] - inside(ground)) / bands[1]) ** 2)))
        assert bands.dtype == np.float32 and np.isfinite(bands).all()
        assert attrs["frames"] == ["first"] + [f"view {k}" for k in range(2, count + 1)] and attrs["rejected"] == []
        assert np.abs(np.subtract(attrs["shifts_px"], shifts)).max() < 0.05
        assert len(attrs["chi2_frames"]) == count
    assert made["farsiu"] > one + 1.0
    assert made["law"] > one + 0.8
    assert made["pnp"] > max(one + 1.0, made["law"])
    assert all(0.8 < v < 1.25 for v in chi2.values()), chi2
    assert all(0.75 < v < 1.3 for v in fits.values()), fits


def test_farsiu_withstands_a_frame_that_does_not_belong():
    ground = terrain(208, 5)
    shifts = [(0.0, 0.0), (0.4, -0.3), (-0.25, 0.5), (0.1, 0.3), (-0.4, -0.1)]
    y = photograph(ground, shifts, 60)
    y[3] = photograph(terrain(208, 50), [(0, 0)], 60)[0]
    s = joint.stack(y, shifts, 2, CAMERA, [1.7] * 5)
    law = Spectrum(30.0, 3.0, 1.7, "image")
    squares = joint.fuse(s, law)
    strength = joint.btv_strength(s, law, joint.roughness(s))
    robust = joint.farsiu(s, squares, strength)
    without = [0, 1, 2, 4]
    rest = joint.stack(y[without], [shifts[k] for k in without], 2, CAMERA, [1.7] * 4)
    clean = joint.farsiu(rest, squares, strength)
    truth = inside(ground)
    assert psnr(robust.numpy(), truth) > psnr(squares.numpy(), truth) + 4.0
    assert psnr(robust.numpy(), truth) > psnr(clean.numpy(), truth) - 1.0


def test_least_squares_is_the_dense_solution():
    shape, shifts = (6, 5), [(0.0, 0.0), (0.4, -0.3), (-0.25, 0.5)]
    rng = np.random.default_rng(0)
    y = rng.normal(size=(3, *shape)) + 50
    y[1, 2:4, 1] = np.nan
    sigmas, law = [0.5, 0.8, 0.6], Spectrum(0.3, 2.5, 0.5, "image")
    s = joint.stack(y, shifts, 2, CAMERA, sigmas, level=50.0)
    got = joint.fuse(s, law, iterations=300)
    op = frames(shape, 2, CAMERA, shifts, dtype=torch.float64)
    columns = torch.stack(
        [observe(op, e.reshape(op.fine_shape)).ravel() for e in torch.eye(120, dtype=torch.float64)], 1
    )
    weight = s.weight.double().ravel()
    inverse_law = torch.from_numpy(1 / (law.level * power(shape, 2, law.exponent)))
    inverse_law[0, 0] = 0.0
    normal = columns.T @ (weight[:, None] * columns) + torch.diag(inverse_law.ravel())
    z = torch.linalg.solve(normal, columns.T @ (weight * s.data.double().ravel()))
    want = torch.from_numpy(np.zeros(op.fine_shape)) + joint.idct2(z.reshape(op.fine_shape)) + 50
    np.testing.assert_allclose(got, want, atol=2e-3)


def test_error_terms_against_monte_carlo():
    shape, shifts, sigmas = (32, 32), ((0.0, 0.0), (0.4, -0.3), (-0.25, 0.5)), (1.0, 1.5, 1.0)
    law = Spectrum(4.0, 2.5, 1.0, "image")
    p = frames_precision(2, CAMERA, law, shifts, sigmas)
    rng = np.random.default_rng(0)
    op = frames(shape, 2, CAMERA, shifts)
    spread = np.sqrt(law.level * power(shape, 2, law.exponent))
    spread[0, 0] = 0.0
    errors, misfit = [], []
    for _ in range(25):
        z = torch.from_numpy((rng.normal(size=spread.shape) * spread).astype(np.float32))
        y = observe(op, z).numpy() + rng.normal(size=(3, *shape)) * np.array(sigmas)[:, None, None]
        s = joint.stack(y, shifts, 2, CAMERA, sigmas, level=0.0)
        x = joint.fuse(s, law)
        errors.append(np.square((x - joint.idct2(z)).numpy()[12:-12, 12:-12]).mean())
        misfit.append((s.weight * (observe(op, dct2(x)) - s.data) ** 2).numpy()[:, 6:-6, 6:-6].mean((1, 2)))
    assert np.mean(errors) == pytest.approx(p.noise + p.model, rel=0.06)
    np.testing.assert_allclose(np.mean(misfit, 0), p.left, rtol=0.04)
    alike = frames_precision(2, CAMERA, law, ((0.0, 0.0),) * 3, sigmas)
    assert alike.detail_model > 1.1 * p.detail_model  # frames of one shift leave the aliases open


# the verb's entry


def test_outlier_and_turned_frames_are_left_out_and_named():
    ground = terrain(208, 5)
    y = photograph(ground, random_shifts(4, 3), 60)
    other = photograph(terrain(208, 50), [(0, 0)], 60)[0]
    turned = rotate(y[1], 5, reshape=False, order=3, mode="reflect")
    scenes = [scene(y[0], "a.cub"), scene(y[1], "b.cub"), scene(other, "elsewhere.cub"), scene(y[2]), scene(turned)]
    with pytest.warns(UserWarning) as caught:
        image, std, attrs = solve(scenes, 2, CAMERA, "pnp", progress=False)
    assert attrs["rejected"] == ["elsewhere.cub", "frame 5"]
    assert attrs["frames"] == ["a.cub", "b.cub", "frame 4"]
    said = " ".join(str(w.message) for w in caught)
    assert "elsewhere.cub" in said and "frame 5" in said and "another place" in said
    alone, _, _ = solve([scenes[k] for k in (0, 1, 3)], 2, CAMERA, "pnp", progress=False)
    np.testing.assert_array_equal(image, alone)
    assert std.shape == image.shape and (std > 0).all()


def test_frames_of_different_places_raise():
    y = [photograph(terrain(208, seed), [(0, 0)], 60)[0] for seed in (5, 50, 51)]
    with pytest.raises(CraterlabError, match="frames of different places"):
        solve([scene(v) for v in y], 2, CAMERA, "pnp", progress=False)
    with pytest.raises(CraterlabError, match="empty list"):
        solve([], 2, CAMERA, "pnp", progress=False)
    with pytest.raises(CraterlabError, match="'farsiu'"):
        solve([scene(y[0])], 2, CAMERA, "median", progress=False)


def test_one_frame_is_kept_where_the_other_is_empty():
    y = photograph(terrain(208, 5), [(0, 0)], 60)[0]
    with pytest.warns(UserWarning, match=r"'blank.tif'.*constant"):
        image, _, attrs = solve([scene(y), scene(np.full_like(y, 3), "blank.tif")], 2, CAMERA, "pnp", progress=False)
    assert attrs["frames"] == ["frame 1"]
    one = cl.superres(y.astype(np.float32), 2, method="wiener", instrument=CAMERA)["image"]
    assert float(np.abs(image - one).max()) < 0.02 * np.ptp(y)


def test_different_bodies_raise():
    y = photograph(terrain(208, 5), random_shifts(2, 3), 60)
    with pytest.raises(CraterlabError, match=r"different bodies.*Mars.*Moon"):
        solve([scene(y[0], body="Mars"), scene(y[1], body="Moon")], 2, CAMERA, "pnp", progress=False)
    moon = placed(y[1], 10, 0, "IAU_2015:30100")
    with pytest.raises(CraterlabError, match="different bodies"):
        solve([placed(y[0], 10, 0), moon], 2, CAMERA, "pnp", progress=False)


def test_georeference_gives_the_coarse_shift():
    ground = terrain(416, 5)
    whole = photograph(ground, [(0.0, 0.0), (0.3, -0.4)], 60)  # 192 x 192
    first, second = whole[0, :128, :128], whole[1, 56:, 48:184]
    # Without the georeference this is farther than a third of a frame; with it, 2 pixels off, it is not.
    a, b = placed(first, 10.0, 0.05), placed(second, 10.0 + 0.050, 0.05 - 0.054)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        accepted, rejected = align([a, b])
    assert not rejected
    np.testing.assert_allclose(accepted[1].found.shift_px, (0.3 - 56, -0.4 - 48), atol=0.05)
    with pytest.raises(CraterlabError, match="more than a third"):
        align([scene(first), scene(second)])
    with pytest.raises(CraterlabError, match="does not overlap"):
        align([a, placed(second, 12.0, 0.0)])
    with pytest.raises(CraterlabError, match="reproject_match"):
        align([a, placed(second, 10.05, 0.0, step=0.0011)])
    with pytest.raises(CraterlabError, match="6 m wide"):
        align([scene(first, pixel_size_m=5.0), scene(whole[1], pixel_size_m=6.0)])


@pytest.mark.parametrize("method", ["pnp", "farsiu"])
def test_nodata_only_where_no_frame_has_data(method):
    ground = terrain(208, 5)
    y = photograph(ground, [(0.0, 0.0), (1.3, -0.4), (-0.6, 0.2)], 60)
    whole, _, _ = solve([scene(v) for v in y], 2, CAMERA, method, progress=False)
    y[0, 20:40, 30:45] = np.nan  # others have data here ...
    y[:, 60:75, 50:75] = np.nan  # ... but not here
    bands, attrs = reconstruct([scene(v) for v in y], 2, CAMERA, method, progress=False)
    hole = np.isnan(bands[0])
    assert (np.isnan(bands) == hole).all()
    assert hole[2 * 62 : 2 * 74, 2 * 52 : 2 * 74].all()
    outside = np.ones_like(hole)
    outside[2 * 58 : 2 * 77, 2 * 48 : 2 * 77] = False
    assert not hole[outside].any()
    assert 0.85 < attrs["chi2"] < 1.25
    # Where one frame of three is missing the error is larger, and the answer is what it is with it, within the error.
    patch = (slice(44, 76), slice(64, 86))
    assert np.mean(bands[1][patch]) > 1.03 * np.mean(bands[1][outside])
    change = (bands[0] - whole)[patch] / bands[1][patch]
    assert math.sqrt(np.mean(change**2)) < 1.5
    assert np.nanmax(bands[0]) < whole.max() + 5 and np.nanmin(bands[0]) > whole.min() - 5


def test_blocks_make_no_seams_and_large_frames_register(monkeypatch):
    blocks, alignment = (sys.modules[f"craterlab.superres.{n}"] for n in ("blocks", "alignment"))
    shifts = [(0.0, 0.0), (17.4, -12.3), (-9.7, 8.2)]
    y = photograph(np.pad(terrain(288, 5), 8, mode="reflect"), [(dy % 1, dx % 1) for dy, dx in shifts], 60)
    laid = [
        v[20:120, 20:124] if k == 0 else v[20 - int(dy // 1) :, 20 - int(dx // 1) :][:100, :104]
        for k, (v, (dy, dx)) in enumerate(zip(y, shifts, strict=True))
    ]
    scenes = [scene(v) for v in laid]
    whole, _, attrs = solve(scenes, 2, CAMERA, "pnp", progress=False)
    np.testing.assert_allclose(attrs["shifts_px"], shifts, atol=0.05)
    monkeypatch.setattr(alignment, "_WHOLE", 60)
    monkeypatch.setattr(alignment, "_WINDOW", 56)
    accepted, _ = align(scenes)
    np.testing.assert_allclose([a.found.shift_px for a in accepted], shifts, atol=0.1)
    monkeypatch.undo()
    monkeypatch.setattr(blocks, "_CORE_FINE", 128)
    parts, _, _ = solve(scenes, 2, CAMERA, "pnp", progress=False)
    assert float(np.abs(parts - whole).max()) < 2e-3 * np.ptp(whole)


def test_noise_is_what_the_frames_disagree_in():
    """Terrain as rough as noise: one image cannot tell them apart, several can."""
    ground = terrain(208, 5, slope=1.2)
    y = photograph(ground, random_shifts(5, 3, 0.5), np.inf)
    sigmas = [1.0, 1.0, 2.0, 1.0, 0.7]
    y = [
        v + np.random.default_rng(k).normal(0, sigma, v.shape)
        for k, (v, sigma) in enumerate(zip(y, sigmas, strict=True))
    ]
    _, _, attrs = solve([scene(v) for v in y], 2, CAMERA, "pnp", progress=False)
    assert attrs["noise_from"] == "frames"
    assert attrs["noise_sigma"] == pytest.approx(1.0, rel=0.1)
    np.testing.assert_allclose(attrs["chi2_frames"], 1.0, atol=0.1)


def test_shot_noise_of_the_camera_is_used():
    camera = Instrument("counts", 5.0, psf_sigma_px=0.5, noise_sigma=1.0, gain=0.5)
    ground = terrain(208, 5)
    rng = np.random.default_rng(2)
    clean = photograph(ground, random_shifts(4, 3), np.inf)
    noisy = [
        v * e + rng.normal(size=v.shape) * np.sqrt(1 + v * e / 0.5) for v, e in zip(clean, (1, 1, 0.5, 1), strict=True)
    ]
    _, _, attrs = solve([scene(v) for v in noisy], 2, camera, "pnp", progress=False)
    assert attrs["noise_from"] == "instrument"
    np.testing.assert_allclose(attrs["chi2_frames"], 1.0, atol=0.08)

"""Several frames: gains over one frame, what is left out and named, nodata, georeferences."""

from __future__ import annotations

import math
import sys
import warnings

import numpy as np
import pytest
import rioxarray  # noqa: F401  registers .rio
import torch
from photographs import CAMERA, edge_keeping, inside, photograph, placed, psnr, random_shifts, scene, solve, terrain
from scipy.ndimage import rotate

import craterlab as cl
from craterlab import CraterlabError, Instrument
from craterlab.superres import joint
from craterlab.superres.alignment import align
from craterlab.superres.forward import dct2
from craterlab.superres.multiframe import reconstruct
from craterlab.superres.precision_frames import frames_precision
from craterlab.superres.prior import Spectrum, power
from craterlab.superres.shifted import frames, observe

torch.set_num_threads(1)


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

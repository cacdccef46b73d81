"""Several frames: the operator and its adjoint, registration against known shifts."""

from __future__ import annotations

import numpy as np
import pytest
import rioxarray  # noqa: F401  registers .rio
import torch
from photographs import CAMERA, photograph, random_shifts, terrain
from scipy.ndimage import gaussian_filter, rotate

from craterlab.superres.forward import dct2, forward, operator
from craterlab.superres.register import register
from craterlab.superres.shifted import diagonal, frames, gather, observe, shift, shift_adjoint

torch.set_num_threads(1)


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

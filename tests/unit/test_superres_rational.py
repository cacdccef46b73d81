"""Super-resolution at rational factors: operator, adjoint, closed form, bicubic, what is refused."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from craterlab import CraterlabError, Instrument
from craterlab.superres import solvers
from craterlab.superres.forward import adjoint, as_factor, dct2, fold, forward, idct2, operator, unfold
from craterlab.superres.prior import Spectrum, fit_spectrum, prior_variance

torch.set_num_threads(1)
FRACTIONS = [Fraction(p, q) for q in (2, 3, 4) for p in range(q + 1, 4 * q) if Fraction(p, q).denominator == q]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(FRACTIONS), st.floats(0, 1.5), st.integers(0, 999))
def test_adjoint_is_exact(rows, cols, factor, sigma, seed):
    q = factor.denominator
    op = operator((rows * q, cols * q), factor, Instrument("a", psf_sigma_px=sigma), dtype=torch.float64)
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(2, *op.fine_shape, dtype=torch.float64, generator=rng)
    y = torch.randn(2, *op.shape, dtype=torch.float64, generator=rng)
    assert op.fine_shape == (rows * factor.numerator, cols * factor.numerator)
    left, right = (forward(op, x) * y).sum(), (x * adjoint(op, y)).sum()
    assert abs(float(left - right)) <= 1e-10 * max(1.0, float(x.norm() * y.norm()))
    z, w = dct2(x), dct2(y)
    assert float((fold(op, z) * w).sum() - (z * unfold(op, w)).sum()) == pytest.approx(0, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(FRACTIONS), st.floats(-1e3, 1e3))
def test_a_constant_keeps_its_value(rows, cols, factor, value):
    op = operator((rows * factor.denominator, cols * factor.denominator), factor, Instrument("a"), dtype=torch.float64)
    made = forward(op, torch.full(op.fine_shape, value, dtype=torch.float64))
    np.testing.assert_allclose(made, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(solvers.bicubic(made, factor), value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("factor", [Fraction(3, 2), Fraction(7, 3)])
def test_operator_is_the_integral_of_the_cosine_series(factor):
    """Against numerical integration of the blurred cosine series over each pixel, one axis at a time."""
    n, sigma = 12, 0.6
    m = int(n * factor)
    u = (np.arange(n)[:, None] + (np.arange(400) + 0.5) / 400).ravel()  # midpoints inside the coarse pixels
    centre = (np.arange(m) + 0.5) / float(factor)
    j = np.arange(m)
    norm = np.where(j == 0, np.sqrt(1 / m), np.sqrt(2 / m))
    passed = np.exp(-2 * (np.pi * sigma * j / (2 * n)) ** 2)
    series = (passed * norm**2 * np.cos(np.pi * j / n * centre[:, None])) @ np.cos(np.pi * j[:, None] / n * u)
    one = series.reshape(m, n, 400).mean(2).T  # (coarse, fine)
    x = np.random.default_rng(0).normal(size=(m, m))
    op = operator((n, n), factor, Instrument("a", psf_sigma_px=sigma), dtype=torch.float64)
    np.testing.assert_allclose(forward(op, torch.from_numpy(x)), one @ x @ one.T, atol=1e-5)


def test_rational_and_whole_factors_agree_on_smooth_images():
    """A scene of long waves looks the same through the operator whatever grid it was given on."""
    camera = Instrument("a", psf_sigma_px=0.5)
    waves = torch.zeros(24, 36, dtype=torch.float64)
    waves[:8, :8] = torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = []
    for factor in (Fraction(3, 2), 8, Fraction(9, 4)):
        op = operator((24, 36), factor, camera, dtype=torch.float64)
        z = torch.zeros(op.fine_shape, dtype=torch.float64)
        z[:24, :36] = waves * float(factor)
        seen.append(forward(op, idct2(z)))
    np.testing.assert_allclose(seen[2], seen[0], atol=1e-12)
    np.testing.assert_allclose(seen[1], seen[0], atol=2e-2 * float(seen[0].std()))  # 8: block mean, not integral


@pytest.mark.parametrize("factor", [Fraction(3, 2), Fraction(5, 4)])
def test_wiener_is_the_dense_solution(factor):
    op = operator((4, 8), factor, Instrument("a"), dtype=torch.float64)
    prior = prior_variance(op, Spectrum(0.3, 2.5, 0.2, "image"))
    n = op.fine_shape[0] * op.fine_shape[1]
    eye = torch.eye(n, dtype=torch.float64).reshape(n, *op.fine_shape)
    basis, a = dct2(eye).reshape(n, n), forward(op, eye).reshape(n, -1).T
    free_mean = prior.clone()
    free_mean[0, 0] = 1e8  # no prior on the mean
    covariance = basis @ torch.diag(free_mean.ravel()) @ basis.T
    y = torch.randn(op.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    seen = a @ covariance @ a.T
    inverse = torch.linalg.inv(seen + 0.04 * torch.eye(a.shape[0], dtype=torch.float64))
    weights, left = solvers.wiener_weights(op, prior, 0.2)
    np.testing.assert_allclose(
        solvers.wiener(op, y, weights).ravel(), covariance @ a.T @ (inverse @ y.ravel()), atol=1e-6
    )
    assert float(left.sum()) == pytest.approx(a.shape[0] - float((seen @ inverse).trace()), abs=1e-6)


def test_wiener_and_tv_sharpen_at_three_halves():
    """A scene known three times finer, seen by the block-mean operator, restored to half of that."""
    rng = np.random.default_rng(3)
    f = np.hypot(np.fft.fftfreq(288)[:, None], np.fft.rfftfreq(288)[None, :])
    f[0, 0] = 1.0
    truth = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(288, 288))) * f**-1.25, s=(288, 288))
    truth = torch.from_numpy(10 * truth / truth.std())
    camera = Instrument("a", psf_sigma_px=0.5)
    y = forward(operator((96, 96), 3, camera, dtype=torch.float64), truth)
    y = y + 0.1 * torch.from_numpy(rng.normal(size=(96, 96)))
    op = operator((96, 96), Fraction(3, 2), camera, dtype=torch.float64)
    spectrum = fit_spectrum([y.numpy()], camera, 0.0)
    weights, _ = solvers.wiener_weights(op, prior_variance(op, spectrum), spectrum.sigma)
    made = {"bicubic": solvers.bicubic(y, op.factor), "wiener": solvers.wiener(op, y, weights)}
    made["tv"] = solvers.tv(op, y, 0.002, made["wiener"])
    want = truth.reshape(144, 2, 144, 2).mean((1, 3))
    error = {name: float((x - want).square().mean()) ** 0.5 for name, x in made.items()}
    assert error["wiener"] < 0.8 * error["bicubic"], error
    assert error["tv"] < 0.9 * error["bicubic"]
    again = {name: float((forward(op, x) - y).square().mean()) ** 0.5 for name, x in made.items()}
    assert again["wiener"] < 0.15 and again["tv"] < 0.15 < again["bicubic"]


@pytest.mark.parametrize("factor", [Fraction(3, 2), Fraction(4, 3), Fraction(11, 4)])
def test_bicubic_reproduces_a_plane_and_sits_on_the_pixel_centres(factor):
    y, x = np.mgrid[:24, :12].astype(float)
    got = solvers.bicubic(torch.from_numpy(2 * x + 3 * y), factor).numpy()
    assert got.shape == (24 * factor, 12 * factor)
    fy, fx = (((np.arange(n) + 0.5) / float(factor) - 0.5) for n in got.shape)
    edge = int(np.ceil(2.5 * factor))
    want = 2 * fx[None, :] + 3 * fy[:, None]
    np.testing.assert_allclose(got[edge:-edge, edge:-edge], want[edge:-edge, edge:-edge], atol=1e-10)


@pytest.mark.parametrize(
    ("given_factor", "want"), [(2, 2), (2.0, 2), (1.5, Fraction(3, 2)), (4 / 3, Fraction(4, 3)), (np.float64(2.5), 2.5)]
)
def test_factor_as_typed(given_factor, want):
    assert as_factor(given_factor) == want
    assert isinstance(as_factor(given_factor), int) == (want == 2)
    assert operator((12, 12), given_factor, Instrument("a")).fine_shape == (12 * want, 12 * want)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (0.5, ">= 1"),
        (float("nan"), ">= 1"),
        (float("inf"), ">= 1"),
        ("2", ">= 1"),
        (True, ">= 1"),
        (None, ">= 1"),
        (1.333, r"Fraction\(4, 3\)"),
        (1.2, "at most 4"),
    ],
)
def test_no_factor(wrong, message):
    with pytest.raises(CraterlabError, match=message):
        operator((12, 12), wrong, Instrument("a"))


def test_shape_that_does_not_divide_is_told_what_works():
    with pytest.raises(
        CraterlabError, match=r"multiples of 2, not 101 x 64: crop the image to 100 x 64.* or take factor 2"
    ):
        operator((101, 64), 1.5, Instrument("a"))
    with pytest.raises(CraterlabError, match=r"multiples of 3, not 2 x 64, or take factor 2"):
        operator((2, 64), Fraction(4, 3), Instrument("a"))

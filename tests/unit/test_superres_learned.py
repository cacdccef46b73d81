"""Learned super-resolution: the steps towards the data against dense algebra, the solvers with stand-in priors, the
contract of priors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import craterlab as cl
from craterlab import CraterlabError, Instrument
from craterlab.nn.denoiser import Denoiser, GradientDenoiser
from craterlab.superres import learned
from craterlab.superres.consistency import noise_ratio, project, proximal, proximal_weighted
from craterlab.superres.forward import adjoint, forward, operator

from .test_superres import GENERIC, dense, observe, terrain

torch.set_num_threads(1)


class Blur(torch.nn.Module):
    """A stand-in of deepinv's signature: a Gaussian blur whose width grows with sigma."""

    def forward(self, x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
        from scipy.ndimage import gaussian_filter

        width = 5 * float(torch.as_tensor(sigma).max())
        return torch.from_numpy(gaussian_filter(x.numpy(), (0, 0, width, width)))


def draws(op, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(op.fine_shape, dtype=torch.float64, generator=g)
    return x, torch.randn(op.shape, dtype=torch.float64, generator=g)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(1, 3), st.floats(1e-3, 10), st.integers(0, 99))
def test_proximal_is_the_dense_solution(rows, cols, factor, alpha, seed):
    op = operator((rows, cols), factor, GENERIC, dtype=torch.float64)
    x, y = draws(op, seed)
    a = dense(op)
    want = torch.linalg.solve(a.T @ a + alpha * torch.eye(a.shape[1]).double(), a.T @ y.ravel() + alpha * x.ravel())
    torch.testing.assert_close(proximal(op, y, x, alpha).ravel(), want, atol=1e-9, rtol=1e-7)


def test_weighted_proximal_is_the_dense_solution():
    op = operator((7, 6), 2, GENERIC, dtype=torch.float64)
    x, y = draws(op, 3)
    relative = torch.rand(op.shape, generator=torch.Generator().manual_seed(4)).double() * 3 + 0.3
    a, w = dense(op), torch.diag(1 / relative.ravel())
    want = torch.linalg.solve(a.T @ w @ a + 0.2 * torch.eye(a.shape[1]).double(), a.T @ w @ y.ravel() + 0.2 * x.ravel())
    got = proximal_weighted(op, y, x, 0.2, relative, iterations=40)
    torch.testing.assert_close(got.ravel(), want, atol=1e-8, rtol=1e-6)
    even = proximal_weighted(op, y, x, 0.2, torch.ones_like(y))
    torch.testing.assert_close(even, proximal(op, y, x, 0.2))


def test_projection_lands_on_the_noise_sphere_along_the_adjoint():
    op = operator((9, 8), 2, GENERIC, dtype=torch.float64)
    x, y = draws(op, 5)
    z = project(op, y, x, 0.3)
    assert float((forward(op, z) - y).square().mean()) == pytest.approx(0.09, rel=1e-3)
    # The nearest point differs from x only in what the camera sees.
    a = dense(op)
    moved = (z - x).ravel()
    seen = a.T @ torch.linalg.lstsq(a.T, moved[:, None]).solution
    torch.testing.assert_close(seen[:, 0], moved, atol=1e-8, rtol=1e-6)
    torch.testing.assert_close(project(op, forward(op, x), x, 0.3), x)


def test_noise_ratio_is_that_of_shot_noise():
    camera = Instrument("shot", psf_sigma_px=0.5, noise_sigma=2.0, gain=10.0)
    signal = torch.full((8, 8), 150.0)
    ratio = noise_ratio(signal, camera, 50.0)
    assert ratio is not None
    assert float(ratio[4, 4]) == pytest.approx((4 + 15) / (4 + 5))
    assert noise_ratio(signal, GENERIC, 50.0) is None


@pytest.mark.parametrize("size", [(16, 16), (30, 45), (5, 3), (1, 1)])
def test_denoiser_is_homogeneous_at_any_size(size):
    torch.manual_seed(0)
    net = Denoiser((8, 12, 16)).eval()
    x = torch.rand(2, 1, *size)
    with torch.no_grad():
        one = net(x, torch.tensor([0.1, 0.2]))
        three = net(0.5 + 3 * (x - 0.5), torch.tensor([0.3, 0.6]))
    assert one.shape == x.shape
    torch.testing.assert_close(three - 0.5, 3 * (one - 0.5), atol=1e-5, rtol=1e-4)


def test_gradient_denoiser_is_the_gradient_of_its_potential():
    torch.manual_seed(0)
    model = GradientDenoiser(Denoiser((4, 6, 8), (3, 3, 3), smooth=True).double()).eval()
    x, e = torch.rand(1, 1, 16, 16).double(), torch.randn(1, 1, 16, 16).double()
    _, slope = model.gradient(x, 0.1)
    step = 1e-5
    with torch.no_grad():
        number = (model.potential(x + step * e, 0.1) - model.potential(x - step * e, 0.1)) / (2 * step)
    assert float((slope * e).sum()) == pytest.approx(float(number), rel=1e-5)


def test_gradient_step_objective_never_rises():
    torch.manual_seed(1)
    model = GradientDenoiser(Denoiser((4, 6, 8), (3, 3, 3), smooth=True)).eval()
    truth = terrain(64, 1) / 255
    y = torch.from_numpy(observe(truth, 2, 0.01))
    op = operator((32, 32), 2, GENERIC)
    _, objective = learned.gradient_step(op, y, adjoint(op, y), 0.01, model, 0.05, iterations=8)
    assert len(objective) > 2
    assert all(b <= a for a, b in itertools.pairwise(objective))
    assert objective[-1] < objective[0]


def test_schedule_falls_and_stays_where_the_prior_was_trained():
    levels = learned.schedule(0.05, 8)
    assert levels[0] == pytest.approx(learned.WIDEST * 0.05) and levels[-1] == pytest.approx(learned.NARROWEST * 0.05)
    assert all(b < a for a, b in itertools.pairwise(levels))
    assert max(learned.schedule(9.0, 4)) <= 50 / 255 and min(learned.schedule(1e-9, 4)) >= 0.2 / 255


def test_every_turn_is_turned_back():
    x = torch.arange(12.0).reshape(3, 4)
    turned = [learned._turned(x, i) for i in range(8)]
    assert len({(tuple(t.ravel().tolist()), tuple(t.shape)) for t in turned}) == 8
    assert all(torch.equal(learned._turned_back(t, i), x) for i, t in enumerate(turned))


# through the verb


@pytest.fixture(scope="module")
def seen():
    truth = terrain(160, 7)
    return truth, observe(truth, 2, 1.0)


def test_a_denoiser_of_deepinvs_signature_plugs_in(seen):
    _truth, y = seen
    asked = []

    class Recorder(torch.nn.Module):
        def forward(self, x, sigma):
            asked.append((tuple(x.shape), float(sigma), float(x.median())))
            return Blur()(x, sigma)

    made = cl.superres(y, 2, prior=Recorder(), instrument=GENERIC, progress=False)
    assert made.attrs["method"] == "pnp" and made.attrs["weights"] == ""
    blocks = [a for a in asked if a[0] == (1, 1, 160, 160)]
    assert blocks and all(0.3 < a[2] < 0.7 for a in blocks)
    levels = [a[1] for a in blocks[-learned.ITERATIONS :]]
    assert levels == sorted(levels, reverse=True) and levels[0] < 50 / 255 + 1e-6
    # Whatever the prior makes of it, the result gives the observation back.
    again = forward(operator((80, 80), 2, GENERIC), torch.from_numpy(made.image.values)).numpy()
    assert float(np.sqrt(np.mean((again - y) ** 2))) < 1.5


def test_posterior_samples_agree_with_the_data_and_differ_where_it_is_silent(seen):
    _, y = seen
    op = operator((40, 40), 2, GENERIC)
    data = torch.from_numpy(y[:40, :40]) / 255
    start = adjoint(op, data)
    blur = Blur()
    drawn = learned.posterior_samples(
        op,
        data,
        start,
        0.004,
        0.05,
        lambda x, s: blur(x[None, None], s)[0, 0],
        samples=6,
        generator=torch.Generator().manual_seed(0),
    )
    residual = torch.stack([forward(op, x) - data for x in drawn])
    assert 0.3 < float(residual.square().mean().sqrt()) / 0.004 < 3
    assert float(drawn.std(0).mean()) > 2 * float(torch.stack([forward(op, x) for x in drawn]).std(0).mean())


def test_uncertainty_is_repeatable_and_follows_the_seed(seen):
    _, y = seen
    kw = dict(prior=Blur(), instrument=GENERIC, uncertainty=True, progress=False)
    a, b, c = (cl.superres(y[:48, :48], 2, seed=s, **kw) for s in (0, 0, 1))
    np.testing.assert_array_equal(a["std"], b["std"])
    assert not np.array_equal(a["std"], c["std"])
    np.testing.assert_array_equal(a.image, c.image)
    assert float(a.data_share.min()) >= 0 and float(a.data_share.max()) <= 1


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("no-such", "no prior 'no-such'"),
        ("craternet", "holds a 'craternet'; known: prior, prior-gs"),
        ("prior-gs", "needs a 'prior'"),
        (lambda x, sigma: x[..., :-1], "for an image"),
        (lambda x, sigma: 255 * x, "another value range"),
        (lambda x: x, "fails on a test image"),
    ],
)
def test_wrong_priors_are_refused(prior, message, seen):
    with pytest.raises(CraterlabError, match=message):
        cl.superres(seen[1], 2, prior=prior, progress=False)


def test_prior_belongs_to_learned_methods(seen):
    with pytest.raises(CraterlabError, match="use method='pnp'"):
        cl.superres(seen[1], 2, method="wiener", prior=Blur(), progress=False)

"""`superres` with the shipped priors, several frames and a measured PSF; awkward images; `audit` as a verb."""

from __future__ import annotations

import itertools
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import torch
import xarray as xr
from tqdm import tqdm

import craterlab as cl
from craterlab import CraterlabError, Instrument
from craterlab.superres import blocks, planning
from craterlab.superres.forward import forward, operator

from .test_superres import GENERIC, observe, psnr, terrain

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def seen():
    truth = cl.simulate.scenes(1, 256, seed=5, incidence_deg=65.0, noise=0.0)[0][0].image.values
    return truth, observe(truth, 2, 1.0)


def sharpen(y, **keywords):
    return cl.superres(y, 2, **({"instrument": GENERIC, "progress": False} | keywords))


def test_the_default_beats_the_classical_solvers_and_agrees_with_the_data(seen):
    truth, y = seen
    made = sharpen(y)
    assert made.attrs["method"] == "pnp" and len(made.attrs["weights"]) == 64
    assert 0.8 < made.attrs["chi2"] < 1.25
    assert 0.25 <= made.attrs["prior_mix"] <= 1 and made.attrs["prior_strength"] > 0
    best = max(psnr(sharpen(y, method=m).image.values, truth) for m in ("bicubic", "wiener", "tv"))
    assert psnr(made.image.values, truth) > best


def test_net_is_projected_onto_the_data(seen):
    _, y = seen
    made = sharpen(y, method="net")
    op = operator(y.shape, 2, GENERIC)
    misfit = {n: forward(op, torch.from_numpy(made[n].values)).numpy() - y for n in ("image", "raw")}
    assert np.mean(misfit["image"] ** 2) <= np.mean(misfit["raw"] ** 2) + 1e-6
    assert np.mean(misfit["image"] ** 2) <= 1.05 * made.attrs["noise_sigma"] ** 2


def test_gradient_step_logs_a_falling_objective(seen):
    _, y = seen
    made = sharpen(y[:48, :48], method="pnp-gs")
    objective = made.attrs["objective"]
    assert len(objective) >= 2 and all(b <= a for a, b in itertools.pairwise(objective))


@pytest.mark.parametrize(("method", "noise_sigma"), [("pnp", None), ("pnp", 1.0), ("net", None)])
def test_the_bar_of_the_noise_and_the_prior_counts_what_is_solved(seen, monkeypatch, method, noise_sigma):
    _, y = seen
    bars = []

    def bar(show, **options):
        bars.append(tqdm(**options | {"file": StringIO(), "disable": False}))
        return bars[-1]

    monkeypatch.setattr(planning, "progress_bar", bar)
    camera = Instrument("camera", psf_sigma_px=0.5, noise_sigma=noise_sigma)
    sharpen(y[:48, :48], method=method, instrument=camera)
    (told,) = bars
    # The search for the noise may end early.
    assert 0 < told.n <= told.total
    if method == "net" or noise_sigma:
        assert told.n == told.total


def test_blocks_of_the_learned_solver_make_no_seams(monkeypatch):
    y = observe(terrain(384, 6), 2, 1.0)
    camera = replace(GENERIC, noise_sigma=1.0)  # told, it need not be searched for
    monkeypatch.setattr(planning, "_WINDOW_FINE", 96)  # to choose the weight of the prior in; the same for both
    monkeypatch.setattr(blocks, "_CORE_FINE", 4000)
    whole = sharpen(y, instrument=camera).image
    monkeypatch.setattr(blocks, "_CORE_FINE", 256)
    parts = sharpen(y, instrument=camera).image
    assert float(np.abs(parts - whole).max()) < 1e-3 * np.ptp(y)


def test_nodata_stays_where_it_is_and_does_not_ring(seen):
    _, y = seen
    holed = y.copy()
    holed[60:68, 60:68] = np.nan
    camera = replace(GENERIC, noise_sigma=1.0)
    whole, part = (sharpen(v, instrument=camera).image.values for v in (y, holed))
    hole = np.zeros(whole.shape, bool)
    hole[120:136, 120:136] = True
    np.testing.assert_array_equal(np.isnan(part), hole)
    around = np.zeros_like(hole)
    around[110:146, 110:146] = True
    # What was there is gone, but its neighbours keep their level: no wave runs out from the edge.
    assert np.abs(part - whole)[around & ~hole].max() < 0.5 * np.ptp(y)
    assert np.nanmin(part[around]) > np.nanmin(whole[around]) - 0.1 * np.ptp(y)
    far = np.ones_like(hole)
    far[60:196, 60:196] = False
    assert np.abs(part - whole)[far].max() < 0.02 * np.ptp(y)


@pytest.mark.filterwarnings("ignore:superres")
@pytest.mark.parametrize("method", ["pnp", "net", "wiener"])
def test_awkward_images_give_finite_results(method, seen):
    truth, y = seen
    constant = sharpen(np.full((40, 44), 37.0, np.float32), method=method).image
    np.testing.assert_allclose(constant, 37.0, rtol=1e-3)
    clean = forward(operator((64, 64), 2, GENERIC), torch.from_numpy(truth[:128, :128].copy())).numpy()
    assert np.isfinite(sharpen(clean, method=method).image).all()
    saturated = np.clip(3 * y[:64, :64], 0, 255).astype(np.uint8)  # integers do not overflow
    made = sharpen(saturated, method=method).image
    assert np.isfinite(made).all() and float(made.max()) > 200


def test_disagreement_with_the_data_is_warned_of(seen):
    _, y = seen
    sure = Instrument("sure of itself", psf_sigma_px=0.5, noise_sigma=0.2)
    with pytest.warns(UserWarning, match=r"chi2 is .*craterlab\.audit"):
        sharpen(y, method="wiener", instrument=sure)


def test_several_frames_beat_one():
    truth = terrain(260, 3)
    rng = np.random.default_rng(0)
    frames = []
    for dy, dx in ((0, 0), (1, 2), (2, 1), (3, 3)):  # fine pixels: shifts by parts of a coarse one
        part = truth[dy : dy + 256, dx : dx + 256]
        seen = forward(operator((128, 128), 2, GENERIC), torch.from_numpy(part.copy())).numpy()
        noisy = (seen + rng.normal(0, 2.0, seen.shape)).astype(np.float32)
        frames.append(xr.DataArray(noisy, dims=("y", "x"), attrs={"source": f"frame {dy} {dx}"}))
    one = sharpen(frames[0]).image.values
    for method in ("pnp", "farsiu"):
        made = cl.superres(frames, 2, method=method, instrument=GENERIC, progress=False)
        assert len(made.attrs["frames"]) == 4 and made.image.shape == (256, 256)
        assert psnr(made.image.values[8:-8, 8:-8], truth[8:248, 8:248]) > psnr(one[8:-8, 8:-8], truth[8:248, 8:248])


def test_frames_take_their_own_methods(seen):
    with pytest.raises(CraterlabError, match="'pnp' or 'farsiu'"):
        cl.superres([seen[1], seen[1]], 2, method="tv")


def test_the_psf_can_be_measured():
    y = observe(terrain(640, 2), 2, 1.0)
    made = cl.superres(y, 2, method="wiener", fit_psf=True, progress=False)
    assert (
        abs(made.attrs["psf_sigma_px"] - 0.5) < 3 * made.attrs["psf_error_px"] + 0.1 and made.attrs["psf_error_px"] > 0
    )
    with pytest.raises(CraterlabError, match="at least 32 x 32"):
        cl.superres(y[:30, :30], 2, method="wiener", fit_psf=True, progress=False)


def test_audit_is_a_verb_of_the_result(seen):
    _, y = seen
    made = sharpen(y, method="wiener")
    one, other = made.crater.audit(y), cl.audit(made, y)
    assert one.chi2 == other.chi2 and 0.7 < one.chi2 < 1.3
    assert isinstance(one, cl.Audit) and isinstance(one.verdict, str)


def test_shot_noise_of_the_instrument_is_weighed_pixel_by_pixel(seen):
    truth, _ = seen
    clean = forward(operator((128, 128), 2, GENERIC), torch.from_numpy(truth.copy())).numpy()
    rng = np.random.default_rng(2)
    y = (rng.poisson(np.maximum(clean, 0) * 4.0) / 4.0 + rng.normal(0, 1.0, clean.shape)).astype(np.float32)
    camera = Instrument("counts", psf_sigma_px=0.5, noise_sigma=1.0, gain=4.0)
    made = sharpen(y, instrument=camera)
    assert made.attrs["gain"] == 4.0 and made.attrs["noise_from"] == "instrument"
    assert 0.8 < made.attrs["chi2"] < 1.25
    assert psnr(made.image.values, truth) > psnr(sharpen(y, method="bicubic").image.values, truth) + 0.5

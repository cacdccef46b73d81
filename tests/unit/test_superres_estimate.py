"""What an image tells about its camera: noise curve and point spread, on simulated scenes with known ones."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from craterlab import CraterlabError, Instrument
from craterlab.superres import estimate
from craterlab.superres.estimate import fit_psf, noise_curve
from craterlab.superres.forward import forward, operator
from craterlab.superres.planning import sample

torch.set_num_threads(1)
ANY = Instrument("any")


def terrain(size: int, seed: int, slope: float = 2.6, blobs: int = 60) -> np.ndarray:
    """Power-law texture with round shaded pits of sharp rims, mean about 100."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    f[0, 0] = 1.0
    texture = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) * f ** (-slope / 2), s=(size, size))
    out = 100 + 8 * texture / texture.std()
    y, x = np.mgrid[-15:16, -15:16]
    for _ in range(blobs):
        row, col, r = *rng.integers(15, size - 15, 2), rng.uniform(3, 14)
        out[row - 15 : row + 16, col - 15 : col + 16] += 30 * x / r * (y**2 + x**2 < r**2)
    return out.astype(np.float32)


def observe(x: np.ndarray, factor: int, read: float, gain: float | None = None, psf: float = 0.5, seed: int = 0):
    op = operator(tuple(n // factor for n in x.shape), factor, Instrument("a", psf_sigma_px=psf))
    y = forward(op, torch.from_numpy(x)).numpy()
    variance = read**2 + (np.maximum(y, 0) / gain if gain else 0)
    return (y + np.random.default_rng(seed).normal(size=y.shape) * np.sqrt(variance)).astype(np.float32)


def windows(y: np.ndarray) -> list[np.ndarray]:
    return sample(lambda w: y[w[0] : w[1], w[2] : w[3]], y.shape)


def ramp(size: int, seed: int, read: float, gain: float | None) -> np.ndarray:
    """Smooth scene of a wide range of brightness, with noise."""
    rng = np.random.default_rng(seed)
    y = np.clip(np.linspace(5, 250, size)[None, :] + gaussian_filter(rng.normal(size=(size, size)), 8) * 150, 0, None)
    return y + rng.normal(size=y.shape) * np.sqrt(read**2 + (y / gain if gain else 0))


# noise


@pytest.mark.parametrize(("read", "gain"), [(1.0, 10.0), (2.0, 25.0), (0.5, 4.0)])
def test_read_noise_and_gain_of_a_smooth_scene(read, gain):
    found = noise_curve(windows(ramp(512, 3, read, gain)))
    assert found.gain == pytest.approx(gain, rel=0.1)
    assert abs(found.gain - gain) < 3 * found.gain_error
    assert abs(found.read - read) < 3 * found.read_error
    assert found.sigma == pytest.approx((read**2 + found.signal / gain) ** 0.5, rel=0.04)


@pytest.mark.parametrize(("read", "gain"), [(1.0, 25.0), (0.5, 10.0)])
def test_gain_in_rough_terrain(read, gain):
    found = [noise_curve(windows(observe(terrain(768, s), 2, read, gain, seed=s))) for s in range(4)]
    for one in found:
        assert one.sigma == pytest.approx((read**2 + one.signal / gain) ** 0.5, rel=0.06)
    known = [one for one in found if one.gain is not None]
    assert len(known) >= 3
    off = [abs(1 / one.gain - 1 / gain) * one.gain**2 / one.gain_error for one in known]
    assert max(off) < 3 and np.median(off) < 1.5
    assert np.mean([1 / one.gain for one in known]) == pytest.approx(1 / gain, rel=0.25)


@pytest.mark.parametrize("read", [1.0, 3.0])
def test_even_noise_gives_no_gain(read):
    found = [noise_curve(windows(observe(terrain(768, s), 2, read, seed=s))) for s in range(4)]
    assert [(one.gain, one.gain_error) for one in found] == [(None, None)] * 4
    for one in found:
        assert one.read == one.sigma == pytest.approx(read, rel=0.1)
        assert abs(one.read - read) < 3 * one.read_error
    assert np.mean([one.read for one in found]) == pytest.approx(read, rel=0.05)


def test_noise_keeps_its_unit():
    y = ramp(256, 1, 1.0, 10.0)
    once, scaled = noise_curve(windows(y)), noise_curve(windows(y / 255.0))
    assert scaled.read == pytest.approx(once.read / 255, rel=1e-4)
    assert scaled.sigma == pytest.approx(once.sigma / 255, rel=1e-4)
    assert scaled.gain == pytest.approx(once.gain * 255, rel=1e-4)


@pytest.mark.parametrize("step", [1.0, 1 / 255, 16.0])
def test_rounding_is_part_of_the_noise(step):
    y = step * np.round(ramp(256, 2, 0.5, None))
    found = noise_curve(windows(y.astype(np.float32)))
    assert found.quantisation == pytest.approx(step / 12**0.5, rel=1e-3)
    assert found.read == pytest.approx(step * (0.25 + 1 / 12) ** 0.5, rel=0.05)
    assert noise_curve(windows(ramp(256, 2, 0.5, None))).quantisation == 0


def test_read_noise_is_never_below_rounding():
    y = np.round(np.clip(ramp(384, 4, 0.05, 0.5), 30, None) - 30)  # an offset was taken off: negative at signal 0
    found = noise_curve(windows(y.astype(np.float32)))
    assert found.read >= 12**-0.5 * 0.999


def test_clipped_pixels_do_not_count_as_quiet():
    y = ramp(384, 5, 2.0, None)
    y[:, :150] = 0.0  # shadow, all of one value
    y[:, 330:] = 255.0
    assert noise_curve(windows(y)).read == pytest.approx(2.0, rel=0.06)


@pytest.mark.parametrize("shape", [(5, 5), (2, 2), (20, 30)])
def test_few_pixels_give_no_curve(shape):
    y = np.random.default_rng(0).normal(100, 2.0, shape)
    found = noise_curve([y])
    assert found.gain is None and np.isnan(found.read_error)
    assert np.isfinite(found.read) and found.read >= 0
    if shape == (20, 30):
        assert found.read == pytest.approx(2.0, rel=0.3)


@pytest.mark.parametrize("value", [0.0, 7.0, -3.5, 1e6])
def test_a_constant_has_no_noise(value):
    found = noise_curve([np.full((128, 128), value)])
    assert found.read <= 1e-5 * max(abs(value), 1) and found.gain is None


# point spread


def simulated(n: int, monkeypatch) -> list[tuple[float, list[np.ndarray]]]:
    """Simulated scenes with the point spread that their camera drew, 0.3 to 1 pixel."""
    scenes = importlib.import_module("craterlab.simulate.scenes")
    drawn, original = [], scenes.observe

    def spy(radiance, **settings):
        drawn.extend(settings["psf_sigma"].tolist())
        return original(radiance, **settings)

    monkeypatch.setattr(scenes, "observe", spy)
    images = scenes.render(n, 160, seed=100, oversample=2, noise=0.5).image.numpy()
    return list(zip(drawn, map(windows, images), strict=True))


def test_psf_of_simulated_scenes(monkeypatch):
    made = simulated(12, monkeypatch)
    truth = np.array([t for t, _ in made])
    found = [fit_psf(w, ANY) for _, w in made]
    width, error = np.array([[f.sigma_px, f.error_px] for f in found]).T
    off = np.abs(width - truth) / error
    # Of 12 draws at 0.68, 4 or fewer inside happen once in 50.
    assert (off < 1).sum() >= 5
    assert (off < 3).sum() >= 11
    assert np.median(np.abs(width - truth)) < 0.08
    assert np.median(error) < 0.12
    assert np.corrcoef(width, truth)[0, 1] > 0.8


@pytest.mark.parametrize("psf", [0.3, 0.6, 1.0])
def test_psf_in_power_law_terrain(psf):
    found = [fit_psf(windows(observe(terrain(576, s, 2.4, 0), 3, 0.3, psf=psf, seed=s)), ANY) for s in range(3)]
    for one in found:
        assert abs(one.sigma_px - psf) < 2.5 * one.error_px
        assert one.error_px < 0.2 and one.misfit < 1.5


def test_psf_follows_blur_and_not_unit():
    x = terrain(576, 1, 2.4, 30)
    sharp, soft = (observe(x, 3, 0.3, psf=p) for p in (0.4, 0.8))
    found, softer, scaled = (fit_psf(windows(a), ANY).sigma_px for a in (sharp, soft, 1e-3 * sharp))
    assert scaled == pytest.approx(found, abs=2e-3)
    assert softer**2 - found**2 == pytest.approx(0.8**2 - 0.4**2, abs=0.15)


def test_known_noise_narrows_the_error():
    w = windows(observe(terrain(576, 2, 2.4, 30), 3, 2.0, psf=0.6))
    free, known = fit_psf(w, ANY), fit_psf(w, Instrument("known", noise_sigma=2.0))
    assert known.error_px <= free.error_px * 1.02
    assert abs(known.sigma_px - 0.6) < 2.5 * known.error_px
    # What the instrument claims about its own point spread is no evidence.
    assert fit_psf(w, Instrument("wide", psf_sigma_px=1.5)).sigma_px == free.sigma_px


def test_psf_error_grows_with_noise():
    error = [fit_psf(windows(observe(terrain(576, 3, 2.4, 30), 3, s, psf=0.6)), ANY).error_px for s in (0.3, 12.0)]
    assert error[1] > 1.5 * error[0]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((64, 64), 3.0), "without structure"),
        (np.random.default_rng(0).normal(size=(20, 64)), "at least 32 x 32"),
        (gaussian_filter(terrain(256, 0, 2.4, 0), 9.0), "without structure"),
        (observe(gaussian_filter(terrain(256, 0, 2.4, 0), 3.0), 1, 1e-3), "average it down"),
    ],
)
def test_psf_that_cannot_be_measured(image, message):
    with pytest.raises(CraterlabError, match=message):
        fit_psf([image], ANY)


def test_a_fit_without_noise_left_gives_no_gain(monkeypatch):
    """Met on a simulated scene: the regression left nothing at the mean level, and the gain was divided by nought."""
    monkeypatch.setattr(estimate, "_noise_terms", lambda *a: ((0.0, 0.1), (0.5, 0.01)))
    found = noise_curve(windows(np.round(terrain(256, 1) * 3 + 100)))
    assert found.gain is None and found.read > 0

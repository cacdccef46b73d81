import numpy as np
import pytest
import torch
from scipy import stats

from craterlab.crater_profiles import DIFFUSION, RHO_MAX, degraded_depth, fresh_profile, profile_table
from craterlab.simulate import Law, render, scenes
from craterlab.simulate.photometry import LAWS, lit_fraction, reflectance
from craterlab.simulate.population import draw_diameters
from craterlab.simulate.terrain import spectral_field


def spectral_slope(field):
    """Slope of the azimuthally averaged power spectral density, by least squares in log-log."""
    n = field.shape[-1]
    power = (torch.fft.fft2(field).abs() ** 2).mean(0).numpy()
    f = np.fft.fftfreq(n)
    k = np.hypot(*np.meshgrid(f, f))
    use = (k > 3 / n) & (k < 0.45)
    bins = np.geomspace(3 / n, 0.45, 24)
    which = np.digitize(k[use], bins)
    x = [np.log(k[use][which == b]).mean() for b in np.unique(which)]
    y = [np.log(power[use][which == b].mean()) for b in np.unique(which)]
    return np.polyfit(x, y, 1)[0]


@pytest.mark.parametrize("beta", [2.0, 2.8, 3.6])
def test_terrain_has_the_spectrum_asked_for(beta):
    field = spectral_field(torch.full((16,), beta), (256, 256), torch.Generator().manual_seed(3))
    assert spectral_slope(field) == pytest.approx(-beta, abs=0.05)
    assert field.std(dim=(1, 2)).numpy() == pytest.approx(1, abs=1e-3)


def test_sizes_follow_the_power_law():
    law = Law(min_diameter_px=4, max_diameter_px=150, slope=(2.5, 2.5), coverage=(0.5, 0.5))
    rng = np.random.default_rng(0)
    d = np.concatenate([draw_diameters(law, 256, 1.0, rng) for _ in range(30)])

    def cdf(x):
        return (4**-2.5 - x**-2.5) / (4**-2.5 - 150**-2.5)

    assert len(d) > 2000
    assert stats.kstest(d, cdf).pvalue > 0.01


def test_truth_table_follows_a_real_production_function_in_number_and_size():
    from craterlab.dating import production

    at_1_ga = production("Moon, Neukum et al. (2001)").cumulative

    def cumulative(d_m):
        return at_1_ga(np.asarray(d_m) / 1000, n1=2e-3)

    size, pixel = 256, 20.0
    law = Law(min_diameter_px=4, cumulative=cumulative, secondaries=0)
    out = render(12, size, seed=5, law=law, body="Moon", pixel_size_m=pixel, oversample=1)
    d = np.concatenate([t.diameter_px for t in out.truth]) * pixel
    low, high = 4 * pixel, 0.6 * size * pixel
    n_low, n_high = cumulative(np.array([low, high]))
    expected = 12 * (n_low - n_high) * (size * pixel / 1000) ** 2
    assert abs(len(d) - expected) < 4 * np.sqrt(expected)
    assert stats.kstest(d, lambda x: (n_low - cumulative(x)) / (n_low - n_high)).pvalue > 0.01


def test_fresh_depth_is_the_published_one():
    # Fassett & Thomson (2014): fresh simple lunar craters, d/D about 0.21 +- 0.02 rim to floor.
    rho = np.linspace(0, 4, 4001)
    p = fresh_profile(rho)
    assert p.max() - p.min() == pytest.approx(0.21, abs=0.02)
    assert rho[p.argmax()] == pytest.approx(1.0, abs=0.03)
    assert np.abs(np.diff(p)).max() < 0.01  # no steps


def test_diffusion_matches_a_gaussian_filter_in_two_dimensions():
    from scipy.ndimage import gaussian_filter

    step = 0.02
    axis = np.arange(-8, 8, step)
    rho = np.hypot(*np.meshgrid(axis, axis))
    row = 12
    filtered = gaussian_filter(fresh_profile(rho), np.sqrt(2 * DIFFUSION[row]) / step, truncate=5)
    centre = len(axis) // 2
    table = profile_table()[0, row]
    want = np.interp(np.linspace(0, 3, 50), axis[centre:], filtered[centre, centre:])
    got = np.interp(np.linspace(0, 3, 50), np.linspace(0, RHO_MAX, len(table)), table)
    np.testing.assert_allclose(got, want, atol=0.002)


def test_craters_get_shallower_with_diffusion_and_small_ones_go_first():
    depth = degraded_depth(np.zeros(8, int), np.geomspace(1e-3, 2, 8))
    assert (np.diff(depth) < 0).all()
    out = render(4, 256, seed=1, law=Law(secondaries=0, ghost=0, layered=0), oversample=1)
    t = out.truth[0]
    small, large = t[t.diameter_px < 6], t[t.diameter_px > 15]
    assert small.erosion.mean() > large.erosion.mean()


@pytest.mark.parametrize(("azimuth", "incidence"), [(0, 60), (90, 45), (222, 70), (300, 80)])
def test_shadow_length_matches_geometry(azimuth, incidence):
    # A straight scarp, 10 high and 6 wide, facing away from the sun, shades 10 tan(incidence) from its crest.
    n, height = 301, 10.0
    y, x = np.mgrid[:n, :n] - n // 2
    away = np.radians(azimuth + 180)
    u = x * np.sin(away) - y * np.cos(away)  # distance past the crest, away from the sun
    h = torch.from_numpy((np.clip(1 - u / 6, 0, 1) * height).astype(np.float32))[None]
    lit = lit_fraction(h, torch.tensor([float(azimuth)]), torch.tensor([float(incidence)]))[0].numpy()
    middle = np.abs(x * np.cos(away) + y * np.sin(away)) < 60
    beyond = middle & (u > 0) & (u <= 100)
    length = (1 - lit[beyond]).sum() / beyond.sum() * 100
    assert length == pytest.approx(height * np.tan(np.radians(incidence)), abs=1)
    # Up-sun of the scarp and beyond its shadow all is lit.
    assert lit[middle & (u < -2) & (u > -100)].min() > 0.9
    assert lit[middle & (u > 62) & (u < 100)].min() > 0.9


@pytest.mark.parametrize("law", LAWS)
def test_slopes_facing_the_sun_are_brighter(law):
    x = torch.linspace(-3, 3, 65)
    h = torch.exp(-(x**2))[None, None].expand(1, 65, 65) * 3  # a ridge along the rows
    sun_east = reflectance(h, torch.tensor([90.0]), torch.tensor([60.0]), [law])[0]
    assert sun_east[32, 40] > sun_east[32, 0] > sun_east[32, 24]
    flat = reflectance(torch.zeros(1, 9, 9), torch.tensor([90.0]), torch.tensor([60.0]), ["lambert"])
    assert flat.numpy() == pytest.approx(0.5)


def test_same_seed_same_bytes_and_another_seed_another_scene():
    a, b, c = (render(2, 96, seed=s, oversample=1) for s in (4, 4, 5))
    assert torch.equal(a.image, b.image) and torch.equal(a.dem, b.dem)
    assert a.truth[0].equals(b.truth[0])
    assert not torch.equal(a.image, c.image)


def test_scenes_follow_the_contract():
    ds, truth = scenes(1, 128, seed=2, body="Mars", pixel_size_m=6.0)[0]
    assert ds.image.dtype == np.float32 and ds.image.shape == ds.dem.shape == (128, 128)
    assert ds.image.min() >= 0 and ds.image.max() <= 255
    assert ds.attrs["body"] == "Mars" and 25 <= ds.attrs["incidence_deg"] <= 82
    assert {"x_px", "diameter_m", "lon", "depth_m", "erosion", "visibility", "rays", "major_m"} <= set(truth)
    assert truth.diameter_m.to_numpy() == pytest.approx(truth.diameter_px.to_numpy() * 6, rel=1e-3)
    assert truth[["erosion", "visibility", "age"]].stack().between(0, 1).all()
    assert set(truth.morphology) <= {"valid", "ghost", "layered", "secondary"}


def test_a_fresh_crater_is_as_deep_in_the_dem_as_the_truth_says():
    law = Law(
        min_diameter_px=40,
        max_diameter_px=60,
        coverage=(0.08, 0.08),
        erosion_scale_px=(0.01, 0.02),
        secondaries=0,
        ghost=0,
    )
    out = render(6, 256, seed=8, law=law, body="Moon", pixel_size_m=1.0, relief_px=0.01, noise=0)
    checked = 0
    for dem, t in zip(out.dem.numpy(), out.truth, strict=True):
        y, x = np.mgrid[:256, :256] + 0.5
        for c in t[(t.visibility > 0.97) & (t.morphology == "valid")].itertuples():
            rho = np.hypot(x - c.x_px, y - c.y_px) / (c.diameter_px / 2)
            if c.x_px > 60 and c.y_px > 60 and max(c.x_px, c.y_px) < 196:
                depth = np.median(dem[np.abs(rho - 1) < 0.06]) - dem[rho < 0.15].mean()
                assert depth / c.diameter_px == pytest.approx(c.depth_diameter, rel=0.12)
                checked += 1
    assert checked >= 3


@pytest.mark.slow
def test_two_scenes_a_second_on_one_core():
    import time

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        render(2, 256, seed=0)
        start = time.process_time()
        render(16, 256, seed=1)
        assert 16 / (time.process_time() - start) >= 2
    finally:
        torch.set_num_threads(threads)


@pytest.mark.gpu
def test_the_same_code_runs_on_a_gpu():
    out = render(4, 128, seed=1, device="cuda")
    assert out.image.device.type == "cuda" and len(out.truth) == 4

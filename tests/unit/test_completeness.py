"""Completeness: injected craters look like craters, and what is found of them is what the result says."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import craterlab as cl
from craterlab.completeness import curve as curves
from craterlab.completeness import passes
from craterlab.completeness.inject import Light, noise_of, profile, put
from craterlab.completeness.light import azimuth_from_craters, image_azimuth
from craterlab.completeness.passes import levels_of
from craterlab.completeness.result import wilson
from craterlab.crater_profiles import fresh_profile
from craterlab.detect import raw_circles
from craterlab.grid import grid_of
from craterlab.match import match
from craterlab.simulate import Law, scenes

torch.set_num_threads(1)

LIGHT = Light(270.0, 60.0, 0.0, 0.5)
SETTINGS = {"n": 60, "progress": False, "erosion": (0.0, 0.2)}


@pytest.fixture(scope="module")
def scene():
    """Level ground of 288 px with a few fresh craters, and their truth."""
    law = Law(
        min_diameter_px=8, max_diameter_px=40, coverage=(0.08, 0.08), erosion_scale_px=(1, 1), secondaries=0, ghost=0
    )
    settings = {"incidence_deg": 60.0, "sun_azimuth_deg": 120.0, "relief_px": 0.3, "noise": 0.2, "pixel_size_m": 20.0}
    ((ds, truth),) = scenes(1, 288, seed=4, law=law, body="Moon", photometry="lunar-lambert", **settings)
    return ds, truth


@pytest.fixture(scope="module")
def flat(scene):
    return scene[0].drop_vars("dem")


@pytest.fixture(scope="module")
def measured(flat):
    return cl.completeness(flat, min_diameter_px=6, max_diameter_px=60, **SETTINGS)


def test_profile_keeps_the_depth_that_erosion_leaves():
    rho = np.linspace(0, 1.5, 400)
    np.testing.assert_allclose(profile(rho, 0.0, 0), fresh_profile(rho), atol=3e-3)
    fresh = np.ptp(profile(rho, 0.0, 0))
    for erosion in (0.2, 0.5, 0.8):
        assert np.ptp(profile(rho, erosion, 0)) / fresh == pytest.approx(1 - erosion, abs=0.02)


@pytest.mark.parametrize("azimuth", [0.0, 90.0, 215.0])
def test_an_injected_crater_is_dark_towards_the_sun(azimuth):
    image = np.full((80, 80), 100.0, np.float32)
    put(image, None, 40, 40, 30, 0.0, Light(azimuth, 60.0, 0.0, 0.5), np.random.default_rng(0))
    a = np.radians(azimuth)
    towards, away = (image[int(40 - s * 9 * np.cos(a)), int(40 + s * 9 * np.sin(a))] for s in (1, -1))
    assert towards < 60 and away > 120
    assert image[2, 2] == 100
    found, sharp = azimuth_from_craters([(image.astype(float), 40.0, 40.0, 30.0)])
    assert sharp == pytest.approx(1)
    assert abs((found - azimuth + 180) % 360 - 180) < 12


def test_the_black_level_is_not_light():
    dark, haze = np.full((60, 60), 100.0, np.float32), np.full((60, 60), 300.0, np.float32)
    put(dark, None, 30, 30, 20, 0.0, LIGHT, np.random.default_rng(0))
    put(haze, None, 30, 30, 20, 0.0, Light(270.0, 60.0, 200.0, 0.5), np.random.default_rng(0))
    np.testing.assert_allclose(haze - 200, dark, rtol=1e-4)


def test_nodata_stays_and_nothing_else_becomes_it():
    image = np.full((60, 60), 100.0, np.float32)
    image[:, :20] = np.nan
    put(image, None, 24, 30, 20, 0.0, LIGHT, np.random.default_rng(0))
    assert (np.isnan(image) == (np.arange(60) < 20)[None]).all()


def test_the_dem_gets_the_crater_too():
    image, dem = np.full((60, 60), 100.0, np.float32), np.full((60, 60), 500.0, np.float32)
    put(image, dem, 30, 30, 20, 0.0, LIGHT, np.random.default_rng(0), metres_per_px=10.0)
    rho = np.hypot(*np.mgrid[-29.5:30, -29.5:30]) / 10
    assert dem[rho < 0.1].mean() == pytest.approx(500 + 200 * fresh_profile(np.array(0.0)), abs=3)
    assert dem.max() > 503 and abs(dem[0, 0] - 500) < 0.1


def test_noise_is_measured_on_slopes_and_beside_rims():
    rng = np.random.default_rng(1)
    image = rng.normal(0, 3, (120, 120)) + np.arange(120) * 2.0
    image[50:60] += 200
    assert noise_of(image) == pytest.approx(3, rel=0.1)
    assert noise_of(np.full((2, 2), np.nan)) == 0


def test_the_sun_of_a_turned_map(flat):
    grid = grid_of(flat)
    assert image_azimuth(grid, 30.0) == pytest.approx(30, abs=0.5)
    turned = type(grid)(grid.shape, grid.transform * grid.transform.rotation(90), grid.crs, grid.body)
    # A quarter turn of the grid turns the sun in the image by as much.
    assert abs((image_azimuth(turned, 30.0) - 30) % 180 - 90) < 1


def test_levels_show_a_crater_as_the_whole_scene_would():
    d = np.array([6.0, 25.9, 52.1, 104.2, 330.0])
    np.testing.assert_array_equal(levels_of(d, (4000, 5000), 13.0), [0, 0, 1, 2, 3])
    np.testing.assert_array_equal(levels_of(d, (300, 5000), 13.0), [0, 0, 1, 1, 1])


def test_large_fresh_craters_are_found_and_the_smallest_less_often(measured):
    assert measured.n.sum() == len(measured.diameter_px) == 60
    assert measured.detected.sum() == measured.found.sum()
    large = measured.diameter_px > 15
    assert measured.found[large].mean() > 0.9
    p = measured.probability(np.array([6.5, 30.0]) * measured.scale_m)
    assert p[1] > 0.9 and p[0] < p[1]
    assert abs(measured.size_bias) < 0.1 and 0 < measured.size_std < 0.2
    assert np.isnan(measured.probability(5.0 * measured.scale_m))
    assert (measured.lo <= measured.detected / np.maximum(measured.n, 1) + 1e-12).all()


def test_a_least_size_is_asked_for_in_pixels_of_the_part(flat, monkeypatch):
    """Injected where a pixel is two wide, craters are half as large there as on the scene."""
    asked = []

    def seen(image, grid, model, precision, least, **options):
        asked.append(least)
        return raw_circles(image, grid, model, precision, least, **options)

    monkeypatch.setattr(passes, "raw_circles", seen)
    c = cl.completeness(flat, n=4, min_diameter_px=52.2, max_diameter_px=56, erosion=(0, 0.05), progress=False)
    assert asked and set(asked) == {26.1}
    assert len(c.diameter_px) == 4 and np.isfinite(c.found_px).mean() > 0.7


@pytest.mark.parametrize(("diameter", "least", "most"), [(3.0, 0.0, 0.05), (16.0, 0.9, 1.0)])
def test_craters_of_three_pixels_are_not_found_and_of_sixteen_are(diameter, least, most):
    image = 120 + np.random.default_rng(0).normal(0, 2, (256, 256)).astype("f4")
    rng = np.random.default_rng(2)
    at = np.array([(x, y) for x in range(24, 250, 30) for y in range(24, 250, 30)], float)
    for x, y in at:
        put(image, None, x, y, diameter, 0.0, LIGHT, rng)
    truth = pd.DataFrame({"x_px": at[:, 0], "y_px": at[:, 1], "diameter_px": diameter})
    label, _, _ = match(cl.detect(image, min_diameter_px=5), truth)
    assert least <= (label >= 0).sum() / len(at) <= most


def test_it_is_kept_for_the_process_and_a_seed_gives_one_result(flat, measured):
    options = {"min_diameter_px": 6, "max_diameter_px": 60} | SETTINGS
    assert cl.completeness(flat.copy(deep=True), **options) is measured
    cl.completeness.__globals__["_cache"].clear()
    again = cl.completeness(flat, **options)
    assert again is not measured and again.to_dict() == measured.to_dict()


def test_another_seed_agrees_within_the_intervals(flat, measured):
    other = cl.completeness(flat, seed=7, min_diameter_px=6, max_diameter_px=60, **SETTINGS)
    assert other.found.tolist() != measured.found.tolist()
    (a_lo, a_hi), (b_lo, b_hi) = (wilson(c.found.sum(), c.found.size, 3) for c in (measured, other))
    assert a_lo < b_hi and b_lo < a_hi


def test_a_scene_without_sun_says_what_it_assumed(flat):
    dim = flat.assign_attrs(sun_azimuth_deg=np.nan, incidence_deg=np.nan)
    c = dim.crater.completeness(n=12, max_diameter_px=40, progress=False)
    told = " ".join(c.notes)
    assert "azimuth" in told and "60 deg is assumed" in told
    if "craters' shading" in told:
        assert abs((c.sun_azimuth_deg - 120 + 180) % 360 - 180) < 20


def test_blank_ground_with_a_gap_and_without_a_scale():
    image = 100 + np.random.default_rng(0).normal(0, 1, (200, 220)).astype("f4")
    image[:, 150:] = np.nan
    c = cl.completeness(image, n=15, max_diameter_px=40, progress=False)
    assert c.unit == "px" and np.isnan(c.diameter_m).all() and c.catalogue_px.size == 0
    assert np.isfinite(c.probability(20.0))
    assert "px" in repr(c)


def test_a_record_gives_the_same_object(measured):
    record = json.loads(json.dumps(measured.to_dict(), allow_nan=False))
    again = cl.Completeness.from_dict(record)
    d = measured.diameter_m
    np.testing.assert_allclose(again.probability(d), measured.probability(d), rtol=1e-4)
    assert again.notes == measured.notes
    with pytest.raises(cl.CraterlabError, match="no record"):
        cl.Completeness.from_dict({"diameter_px": []})


def test_a_higher_threshold_finds_fewer(measured):
    strict = measured.at_threshold(0.97)
    assert strict.found.sum() < measured.found.sum()
    assert strict.catalogue_px.size <= measured.catalogue_px.size
    with pytest.raises(cl.CraterlabError, match="measure again"):
        measured.at_threshold(0.1)


def test_classes_of_erosion_and_the_plot(measured):
    fresh = measured.by_erosion(1)
    assert fresh.n.sum() == measured.n.sum()  # erosion up to 0.2 is all of class 1
    with pytest.raises(cl.CraterlabError, match="class 3"):
        measured.by_erosion(3)
    ax = measured.plot()
    assert ax.get_xlabel().startswith("Diameter")
    import matplotlib.pyplot as plt

    plt.close(ax.figure)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n": 0}, "at least 1"),
        ({"erosion": (0.5, 2)}, "erosion is a range"),
        ({"erosion": 0.5}, "erosion is a range"),
        ({"min_diameter_px": 90, "max_diameter_px": 80}, "are no range"),
        ({"max_diameter_px": 200}, "at most half"),
        ({"min_diameter_px": 2}, "min_diameter_px is at least"),
        ({"model": "nothing"}, "no model"),
        ({"threshold": 7}, "probability"),
    ],
)
def test_bad_input(flat, options, says):
    with pytest.raises(cl.CraterlabError, match=says):
        cl.completeness(flat, progress=False, **options)


def test_the_curve_gives_back_what_made_it():
    rng = np.random.default_rng(0)
    d, e = np.exp(rng.uniform(np.log(6), np.log(200), 4000)), rng.uniform(0, 0.8, 4000)
    truth = 1 / (1 + np.exp(-(1 + 2 * np.log(d / 12) + 2.5 * np.log1p(-e))))
    c = curves.fit(d, e, rng.uniform(size=4000) < truth, (6, 200))
    assert np.abs(c(d, e) - truth).mean() < 0.02
    assert 0.6 < c.misfit < 1.5
    at = np.array([8.0, 12.0, 20.0, 50.0])
    spread = c(at, 0.3, c.draws(300, 0))
    z = (1 / (1 + np.exp(-(1 + 2 * np.log(at / 12) + 2.5 * np.log(0.7)))) - spread.mean(0)) / spread.std(0)
    assert np.abs(z).max() < 3.5


def test_wilson_against_its_published_form():
    """Newcombe 1998, Stat. Med. 17, 857, table I: 81 of 263, and 0 of 20, at 95 %."""
    low, high = wilson([81, 0], [263, 20], z=1.959964)
    np.testing.assert_allclose(low, [0.2553, 0.0], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1611], atol=5e-5)
    np.testing.assert_array_equal(np.array(wilson(0, 0)).ravel(), [0, 1])

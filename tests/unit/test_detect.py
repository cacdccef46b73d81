import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import craterlab as cl
from craterlab.crater_profiles import fresh_profile
from craterlab.detect.errors import size_factor
from craterlab.detect.frame import data_window
from craterlab.detect.merge import SAME_CRATER_IOU, keep_best
from craterlab.detect.targets import encode, loss
from craterlab.match import circle_iou, match
from craterlab.nn.craternet import HALO, CraterNet, decode
from craterlab.nn.zoo import ARCHITECTURES, Model
from craterlab.normalise import robust_range
from craterlab.simulate import Law, render
from craterlab.simulate.photometry import reflectance
from craterlab.train.size_errors import error_model, size_bias

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def simulated():
    """A scene of 320 x 288 px with plenty of fresh craters."""
    law = Law(min_diameter_px=8, coverage=(0.3, 0.3), erosion_scale_px=(1.0, 1.0), secondaries=0, ghost=0)
    out = render(1, 320, seed=11, law=law, incidence_deg=60, relief_px=0.5, noise=0.2)
    return out.image[0].numpy()[:, :288], out.truth[0]


def test_encode_then_decode_gives_the_craters_back():
    x, y, d = np.array([40.3, 90.9, 60.2]), np.array([33.1, 100.0, 71.7]), np.array([8.0, 31.0, 14.5])
    target, weight = encode(x, y, d, np.zeros(3, bool), (128, 128))
    assert weight.min() == 1
    logit = np.where(target[0] == 1, 5.0, -9.0)
    found = decode(np.concatenate([logit[None], target[1:]]), 0.0)
    i = np.argsort(found["x_px"])
    j = np.argsort(x)
    np.testing.assert_allclose(found["x_px"][i], x[j], atol=1e-5)
    np.testing.assert_allclose(found["y_px"][i], y[j], atol=1e-5)
    np.testing.assert_allclose(found["diameter_px"][i], d[j], rtol=1e-5)


def test_the_cells_around_a_peak_have_a_say():
    rng = np.random.default_rng(0)
    n = 60
    x, y = 20.0 + 40 * (np.arange(n) % 10) + rng.uniform(-2, 2, n), 20.0 + 40 * (np.arange(n) // 10)
    target, _ = encode(x, y, np.full(n, 24.0), np.zeros(n, bool), (256, 416))
    heat = target[:1].clip(1e-4, 0.999)
    logit = np.where(heat == heat.max(), 5.0, np.log(heat / (1 - heat)))
    found = decode(np.concatenate([logit, target[1:] + rng.normal(0, 0.2, target[1:].shape)]), 4.0)
    label, _, _ = match(pd.DataFrame(found | {"score": 1.0}), pd.DataFrame({"x_px": x, "y_px": y, "diameter_px": 24.0}))
    assert len(label) == n and (label >= 0).all()
    assert 0.1 < np.std(found["x_px"] - x[label]) < 0.7 * 0.2 * 2  # one cell alone is off by 0.2 cells of 2 px


def test_a_cell_that_means_another_crater_has_none():
    x, y, d = np.array([31.0]), np.array([41.0]), np.array([16.0])
    target, _ = encode(x, y, d, np.zeros(1, bool), (64, 64))
    target[1:3, 20, 16] = 6.0  # right of the peak, in cell (20, 15)
    target[3, 20, 16] = 1.0
    found = decode(np.concatenate([np.where(target[:1] == 1, 5.0, 2.0), target[1:]]), 4.0)
    np.testing.assert_allclose([found["x_px"][0], found["diameter_px"][0]], [31.0, 16.0], atol=0.01)


def test_ignored_craters_are_not_judged():
    target, weight = encode(np.array([30.0]), np.array([30.0]), np.array([20.0]), np.array([True]), (64, 64))
    assert target[0].max() == 0
    assert weight[15, 15] == 0 and weight[0, 0] == 1


def test_loss_is_least_at_the_target():
    target, weight = encode(
        np.array([30.0, 50.0]), np.array([30.0, 9.0]), np.array([12.0, 20.0]), np.zeros(2, bool), (64, 64)
    )
    t, w = torch.from_numpy(target)[None], torch.from_numpy(weight)[None]
    right = t.clone()
    right[:, 0] = torch.where(t[:, 0] == 1, 12.0, -12.0)
    wrong = right.clone()
    wrong[:, 3] += 0.5
    assert loss(right, t, w)[0] < 1e-3
    assert loss(wrong, t, w)[0] == pytest.approx(2 * 0.5, abs=1e-3)


def test_nothing_beyond_the_halo_reaches_an_output_cell():
    net = CraterNet(8).eval()
    x = torch.randn(1, 1, 640, 640, requires_grad=True)
    (grad,) = torch.autograd.grad(net(x)[0, :, 160, 160].sum(), x)
    reach = (grad[0, 0].abs() > 0).nonzero() - 320
    assert reach.abs().max() < HALO


@given(st.integers(0, 10_000), st.integers(1, 120))
@settings(max_examples=40)
def test_merging_leaves_one_circle_a_crater_and_drops_none_without_a_better(seed, n):
    rng = np.random.default_rng(seed)
    p, d, s = rng.uniform(0, 60, (n, 2)), np.exp(rng.uniform(1, 4, n)), rng.uniform(size=n)
    kept = keep_best(p, d, s)
    assert (np.diff(s[kept]) <= 0).all()

    def iou(i, j):
        return circle_iou(p[i, 0], p[i, 1], d[i], p[j, 0], p[j, 1], d[j])

    for a, i in enumerate(kept):
        assert all(iou(i, j) <= SAME_CRATER_IOU for j in kept[a + 1 :])
    for i in set(range(n)) - set(kept):
        assert any(iou(i, j) > SAME_CRATER_IOU and s[j] >= s[i] for j in kept)


def test_robust_range_takes_nodata_and_constants():
    assert robust_range(np.full((3, 3), np.nan)) == (0.0, 1.0)
    assert robust_range(np.full((3, 3), 7.0)) == (7.0, 1.0)
    values = np.random.default_rng(0).normal(5, 2, 100_000)
    median, scale = robust_range(values)
    assert median == pytest.approx(5, abs=0.05) and scale == pytest.approx(2, abs=0.05)


def test_fresh_craters_are_found_where_they_are(simulated):
    image, truth = simulated
    found = cl.detect(image)
    truth = truth[truth.x_px < 288].assign(ignore=lambda t: t.visibility * (1 - t.erosion) < 0.3)
    s = cl.match.scores(found, truth, min_diameter_px=10, shape=image.shape)
    # The default threshold balances the count on real images, not recall with precision on this one.
    assert s.tp > 10 and s.f1 > 0.8
    assert s.centre_error < 0.08 and s.diameter_error < 0.06


@given(tile=st.integers(16, 300), halo=st.integers(0, 260))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tiled_equals_whole(simulated, tile, halo):
    image, _ = simulated
    options = {"threshold": 0.1, "precision": "float32"}
    whole = cl.detect(image, tile=4096, **options)
    tiled = cl.detect(image, tile=max(tile, 64), halo=halo, **options)
    assert len(whole) == len(tiled) > 10
    a, b = (t.sort_values(["x_px", "y_px"])[["x_px", "y_px", "diameter_px"]].to_numpy() for t in (whole, tiled))
    np.testing.assert_allclose(a, b, atol=0.01)


def single_crater(size, diameter, azimuth=90.0, incidence=60.0):
    """A shaded fresh crater in the middle of a rough plain."""
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    h = fresh_profile(np.hypot(x, y) / (diameter / 2)) * diameter
    from craterlab.simulate.terrain import spectral_field

    rough = spectral_field(torch.tensor([3.0]), (size, size), torch.Generator().manual_seed(0))[0].numpy()
    h = torch.from_numpy((h + rough * size / 400).astype(np.float32))[None]
    return reflectance(h, torch.tensor([azimuth]), torch.tensor([incidence]), ["lambert"])[0].numpy()


def test_a_crater_half_as_wide_as_the_scene_is_found():
    found = cl.detect(single_crater(2000, 1000))
    best = found.iloc[(found.diameter_px - 1000).abs().argmin()]
    assert circle_iou(best.x_px, best.y_px, best.diameter_px, 1000, 1000, 1000) > 0.6


def test_nothing_is_found_in_nodata(simulated):
    image, _ = simulated
    holed = image.copy()
    holed[:, :144] = np.nan
    found = cl.detect(holed)
    assert len(found) > 5
    assert (found.x_px > 140).all()


def test_no_crater_is_an_answer_and_no_data_an_error():
    table = cl.detect(np.zeros((80, 90), np.float32))
    assert len(table) == 0 and "diameter_m" in table
    with pytest.raises(cl.CraterlabError, match="NaN"):
        cl.detect(np.full((80, 90), np.nan, np.float32))


def test_dask_numpy_and_accessor_agree(simulated):
    image, _ = simulated
    da = xr.DataArray(image, dims=("y", "x"))
    a, b = cl.detect(da), da.chunk({"y": 100, "x": 70}).crater.detect()
    np.testing.assert_array_equal(a.x_px, b.x_px)
    np.testing.assert_array_equal(a.score, b.score)


def test_provenance_and_errors_of_measurement_are_in_the_table(simulated):
    found = cl.detect(simulated[0], threshold=0.6)
    assert found.attrs["model"] == "craternet" and len(found.attrs["weights_sha256"]) == 64
    assert found.attrs["config"]["threshold"] == 0.6
    assert (found.score >= 0.6).all() and (found.diameter_std_px > 0).all() and (found.position_std_px > 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "nothing"}, "known: .*craternet"),
        ({"model": "centernet-resnet50"}, "craterlab train detect.*: .*centernet-resnet50"),
        ({"backend": "abacus"}, "torch"),
        ({"threshold": 3}, "0 to 1"),
        ({"precision": "int2"}, "float32"),
        ({"min_diameter_px": 2}, "superres"),
        ({"device": "cuda:99"}, "cpu"),
    ],
)
def test_wrong_options_say_what_to_type(options, message):
    with pytest.raises(cl.CraterlabError, match=message):
        cl.detect(np.zeros((64, 64), np.float32), **options)


def georeferenced(image, crs, transform, body):
    import rioxarray  # noqa: F401

    da = xr.DataArray(image, dims=("y", "x"))
    ds = da.to_dataset(name="image").rio.write_crs(crs).rio.write_transform(transform)
    ds.attrs["body"] = body
    return ds


def test_a_stretched_grid_gives_the_same_craters(simulated):
    """At latitude 60 a longitude-latitude grid shows craters twice as wide as high."""
    from affine import Affine
    from scipy.ndimage import zoom

    image, _ = simulated
    metres = np.pi * 3396.19e3 / 180
    pixel = 50.0  # metres
    lat0, lon0 = 60.0, 10.0
    dlat, dlon = pixel / metres, pixel / metres / np.cos(np.radians(lat0))
    proj = "+proj=longlat +R=3396190 +no_defs"
    centre = image.shape[0] * dlat / 2
    round_ = georeferenced(image, proj, Affine(dlon, 0, lon0, 0, -dlat, lat0 + centre), "Mars")
    wide = zoom(image, (1, 2), order=1, grid_mode=True, mode="nearest")
    stretched = georeferenced(wide, proj, Affine(dlon / 2, 0, lon0, 0, -dlat, lat0 + centre), "Mars")
    a, b = cl.detect(round_, threshold=0.6), cl.detect(stretched, threshold=0.3)
    kilometres = (
        np.hypot(
            np.subtract.outer(a.lon.to_numpy(), b.lon.to_numpy()) * np.cos(np.radians(lat0)),
            np.subtract.outer(a.lat.to_numpy(), b.lat.to_numpy()),
        )
        * metres
    )
    nearest = kilometres.argmin(1)
    close = kilometres.min(1) < 0.3 * a.diameter_m
    assert close.mean() > 0.9
    ratio = b.diameter_m.to_numpy()[nearest][close] / a.diameter_m.to_numpy()[close]
    assert np.median(ratio) == pytest.approx(1, abs=0.02)
    assert np.median(kilometres.min(1)[close]) < 0.5 * pixel


@pytest.mark.slow
def test_memory_does_not_grow_with_the_image(tmp_path):
    """12,000 x 12,000 px from a file: detection peaks at 2.5 GiB at most (Linux)."""
    import subprocess
    import sys

    import rasterio

    tile = render(1, 500, seed=3, oversample=1).image[0].numpy().astype(np.uint8)
    path = tmp_path / "big.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=12_000, height=12_000, count=1, dtype="uint8", tiled=True
    ) as dst:
        for r in range(0, 12_000, 500):
            dst.write(np.tile(tile, (1, 24)), 1, window=((r, r + 500), (0, 12_000)))
    code = (
        "import sys, resource, craterlab as cl\n"
        "n = len(cl.detect(cl.open_scene(sys.argv[1], pixel_size=5.0)))\n"
        "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout
    n, peak = out.split()
    assert int(n) > 1000 and float(peak) <= 2.5


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_a_black_frame_is_found(top, bottom, left, right, seed):
    image = np.random.default_rng(seed).uniform(1, 2, (220, 260)).astype(np.float32)
    image[5:60, 0] = 0  # black at an edge, but no frame
    framed_image = np.pad(image, ((top, bottom), (left, right)))
    window = data_window(lambda w: framed_image[w[0] : w[1], w[2] : w[3]], framed_image.shape)
    if 0.25 * framed_image.shape[0] <= 220 and 0.25 * framed_image.shape[1] <= 260:
        assert window == (top, top + 220, left, left + 260)
    else:
        assert window == (0, framed_image.shape[0], 0, framed_image.shape[1])


def test_a_black_frame_changes_nothing_inside(simulated):
    image, _ = simulated
    image = np.clip(image, 1, None)
    alone = cl.detect(image, precision="float32", threshold=0.3)
    # 64 is a multiple of the network's grid and of the pyramid, so both are seen on the same pixels.
    framed = cl.detect(np.pad(image, 64), precision="float32", threshold=0.3)
    shifted = framed.assign(x_px=framed.x_px - 64, y_px=framed.y_px - 64)
    label, overlap, _ = match(shifted, alone)
    assert len(alone) > 10
    assert (label >= 0).mean() > 0.9 and np.median(overlap[label >= 0]) > 0.95


def test_sizes_are_corrected_between_the_knots():
    model = Model("m", "", ARCHITECTURES["craternet"], CraterNet(8), torch.device("cpu"), {})
    np.testing.assert_array_equal(size_factor(np.array([8.0, 20.0]), model), 1)
    model.metadata["size_bias"] = [[8.0, 32.0], [0.1, -0.1]]
    found = size_factor(np.array([4.0, 8.0, 16.0, 32.0, 64.0]), model)
    np.testing.assert_allclose(found, np.exp([0.1, 0.1, 0.0, -0.1, -0.1]))


def test_errors_are_fitted_so_that_68_percent_lie_within():
    rng = np.random.default_rng(5)
    d, logit = np.exp(rng.uniform(np.log(6), np.log(48), 8000)), rng.uniform(-2, 4, 8000)
    sigma = 0.05 * d * np.exp(-0.3 * logit)
    fitted = error_model(d, logit, sigma * rng.standard_normal(8000))
    # The law behind: exp(log(0.05 * 12) + log(d / 12) - 0.3 logit).
    np.testing.assert_allclose(fitted, [np.log(0.6), 1.0, -0.3], atol=0.05)
    bias, medians = size_bias(d, np.log(1.1) + 0.2 * rng.standard_normal(8000))
    assert bias[0] == 6 and np.abs(np.array(medians) - np.log(1.1)).max() < 0.03
    assert np.isnan(error_model(d[:5], logit[:5], d[:5])).all() and size_bias(d[:5], d[:5]) == []

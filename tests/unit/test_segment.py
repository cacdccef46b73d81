"""`segment`: layers, units, windows, laziness, bad input."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import rioxarray  # noqa: F401
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from seams import steps

import craterlab
from craterlab import CraterlabError
from craterlab.segment import blend
from craterlab.segment.layers import Layers
from craterlab.segment.scores import counts, scores
from craterlab.segment.standard import DEM_UNIT_M, DEM_ZERO_M, SLOPE_UNIT_DEG, slope_deg

NAMES = ("dem", "thermal_inertia", "slope", "image")


def ground(rows: int = 128, cols: int = 128, seed: int = 0) -> np.ndarray:
    """Seven rough layers around the middle of the training set, (7, rows, cols), 0..1."""
    rng = np.random.default_rng(seed)
    fy, fx = np.meshgrid(np.fft.fftfreq(rows), np.fft.rfftfreq(cols), indexing="ij")
    power = 1 / np.maximum(np.hypot(fy, fx), 1 / max(rows, cols)) ** 1.6
    noise = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(7, rows, cols))) * power, (rows, cols))
    noise /= noise.std((1, 2), keepdims=True)
    middle = np.array([0.31, 0.34, 0.46, 0.54, 0.893, 0.2, 0.52])[:, None, None]
    spread = np.array([0.2, 0.2, 0.2, 0.25, 0.009, 0.1, 0.17])[:, None, None]
    return np.clip(middle + spread * noise, 0, 1).astype(np.float32)


def scene_of(layers: np.ndarray, *, slope: bool = True, **attrs) -> xr.Dataset:
    data = {"rgb": (("band", "y", "x"), layers[:3])}
    data |= {
        name: (("y", "x"), layer) for name, layer in zip(NAMES, layers[3:], strict=True) if slope or name != "slope"
    }
    return xr.Dataset(data, attrs=attrs)


def in_units(layers: np.ndarray) -> np.ndarray:
    out = layers.copy()
    out[3] = layers[3] * DEM_UNIT_M + DEM_ZERO_M
    out[5] = layers[5] * SLOPE_UNIT_DEG
    return out


@pytest.fixture(scope="module")
def found() -> xr.Dataset:
    return craterlab.segment(scene_of(ground(140, 200)), scaled=True)


def test_the_scene_comes_back_with_probability_and_mask(found):
    assert found["probability"].dims == ("y", "x")
    assert found["probability"].dtype == np.float32
    assert ((found["probability"] >= 0) & (found["probability"] <= 1)).all()
    assert found["mask"].equals(found["probability"] >= found.attrs["threshold"])
    assert {"rgb", "dem"} <= set(found)
    assert found.attrs["kind"] == "landslide"
    assert found.attrs["model"] == "marslsnet"
    assert len(found.attrs["weights_sha256"]) == 64


def test_the_accessor_is_the_function(found):
    assert scene_of(ground(140, 200)).crater.segment(scaled=True).equals(found)


def test_no_seams_between_windows():
    """The mean step of probability across borders of windows is not above that at the same pixels inside windows.

    A hundredth is left to luck: the means are of a few thousand steps.
    """
    across, inside = steps(scene_of(ground(320, 320)), scaled=True)
    assert inside > 1e-3  # there is something to see
    assert across <= 1.01 * inside


@settings(max_examples=20)
@given(st.integers(1, 700))
def test_windows_cover_a_side(size):
    s = blend.starts(size)
    assert s[0] == 0
    assert s[-1] + blend.PATCH >= size
    assert all(0 < b - a <= blend.STRIDE for a, b in pairwise(s))


def _pattern(windows, corners):
    """A prediction that depends on the place in the window, as that of a network does near its edges."""
    at = np.linspace(0, 1, blend.PATCH, dtype=np.float32)
    return np.stack([w[0] + at[:, None] * at for w in windows])


@settings(max_examples=15)
@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_a_block_is_what_the_whole_has_there(rows, cols, data):
    r0 = data.draw(st.integers(0, rows - 1))
    c0 = data.draw(st.integers(0, cols - 1))
    r1, c1 = data.draw(st.integers(r0 + 1, rows)), data.draw(st.integers(c0 + 1, cols))
    raw = np.random.default_rng(rows * cols).random((1, rows, cols), np.float32)

    def read(w):
        return raw[:, w[0] : w[1], w[2] : w[3]]

    whole = blend.blended(read, (rows, cols), (0, rows, 0, cols), _pattern)
    part = blend.blended(read, (rows, cols), (r0, r1, c0, c1), _pattern)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(part, whole[r0:r1, c0:c1], rtol=1e-5)


def test_a_lazy_scene_gives_a_lazy_result_and_the_same_values(found, monkeypatch):
    dask = pytest.importorskip("dask")
    monkeypatch.setattr(blend, "BLOCK", 110)  # four blocks
    lazy = scene_of(ground(140, 200)).chunk(y=90, x=100)
    result = lazy.crater.segment(scaled=True)
    assert result["probability"].chunks is not None
    assert result["mask"].chunks is not None
    with dask.config.set(scheduler="synchronous"):
        np.testing.assert_allclose(result["probability"].values, found["probability"].values, atol=0.02)


def test_a_lazy_scene_is_read_where_it_is_asked_for(monkeypatch):
    """Nothing is read before a value is wanted, and then only the chunks within a window of its block."""
    dask = pytest.importorskip("dask")
    da = pytest.importorskip("dask.array")
    monkeypatch.setattr(blend, "BLOCK", 128)
    read = set()

    def part(block_info=None):
        read.add(block_info[None]["chunk-location"])
        return np.ones((1, 64, 64), np.float32)

    bands = da.map_blocks(part, chunks=((1,), (64,) * 9, (64,) * 10), meta=np.empty((0, 0, 0), np.float32))
    result = blend.lazily_blended(bands, _pattern)
    assert result.shape == (576, 640)
    assert not read
    with dask.config.set(scheduler="synchronous"):
        assert np.isfinite(result[:20, 300:310].compute()).all()
    assert read == {(0, r, c) for r in range(4) for c in range(2, 8)}


def test_layers_in_their_own_units_give_what_scaled_ones_give():
    layers = ground()
    layers[[0, 1, 2, 4, 6]] = _to_training_spread(layers[[0, 1, 2, 4, 6]])
    scaled = craterlab.segment(scene_of(layers), scaled=True)["probability"]
    own = in_units(layers)
    own[[0, 1, 2, 4, 6]] = own[[0, 1, 2, 4, 6]] * 300 - 40  # a gain and an offset
    np.testing.assert_allclose(craterlab.segment(scene_of(own))["probability"], scaled, atol=0.03)


def _to_training_spread(layers: np.ndarray) -> np.ndarray:
    from craterlab.normalise import robust_range
    from craterlab.segment.model import load_segmenter

    trained = np.array(load_segmenter("marslsnet").layers)[[0, 1, 2, 4, 6]]
    out = []
    for layer, (centre, spread) in zip(layers, trained, strict=True):
        median, scale = robust_range(layer)
        out.append((layer - median) / scale * spread + centre)
    return np.stack(out)


def test_a_slope_is_made_from_the_dem():
    layers = ground()
    layers[5] = slope_deg(layers[3] * DEM_UNIT_M, np.eye(2) * 230.0**2) / SLOPE_UNIT_DEG
    given_slope = craterlab.segment(scene_of(layers), scaled=True)["probability"]
    made = craterlab.segment(scene_of(layers, slope=False, pixel_size_m=230.0), scaled=True)["probability"]
    np.testing.assert_allclose(made, given_slope, atol=0.01)


@pytest.mark.parametrize(("east", "south"), [(100.0, 0.0), (0.0, 50.0), (30.0, -40.0)])
def test_slope_of_a_plane(east, south):
    """Rise over run in true metres: pixels here are 200 m wide and 100 m high."""
    y, x = np.mgrid[:6, :7].astype(float)
    plane = 5 + east * x + south * y
    wanted = np.degrees(np.arctan(np.hypot(east / 200, south / 100)))
    np.testing.assert_allclose(slope_deg(plane, np.diag([200.0**2, 100.0**2])), wanted, rtol=1e-5)


def test_slope_on_a_map_is_in_true_metres():
    """A longitude-latitude grid at 60 S: a pixel is half as wide as it is high."""
    mars = craterlab.body("Mars")
    step = 0.002  # degrees
    scene = scene_of(ground(), slope=False)
    scene["dem"] = (("y", "x"), 30.0 * np.mgrid[:128, :128][1])
    scene = scene.assign_coords(y=-60 - step * np.arange(128), x=20 + step * np.arange(128)).rio.write_crs(mars.crs)
    layers = Layers(scene, ((0.0, 1.0),) * 7, scaled=False)
    made = layers.standardiser(layers.read((0, 128, 0, 128)), (0, 0))[5] * SLOPE_UNIT_DEG
    wide = mars.radius_m * np.radians(step) * np.cos(np.radians(60.128))
    np.testing.assert_allclose(made, np.degrees(np.arctan(30 / wide)), rtol=1e-3)


def test_slope_beside_missing_heights_is_one_sided():
    plane = 30.0 * np.mgrid[:6, :7][1]
    plane[2, 3] = np.nan
    near = slope_deg(plane, np.eye(2) * 100.0**2)
    np.testing.assert_allclose(np.delete(near.ravel(), 2 * 7 + 3), np.degrees(np.arctan(0.3)), rtol=1e-5)


def test_missing_pixels_stay_missing():
    layers = ground()
    layers[1, 40:50, 60:70] = np.nan
    layers[3, 100, 5] = np.nan
    result = craterlab.segment(scene_of(layers), scaled=True)
    missing = np.isnan(layers).any(0)
    assert np.array_equal(np.isnan(result["probability"].values), missing)
    assert not result["mask"].values[missing].any()


def test_another_sampling_is_warned_of():
    with pytest.warns(UserWarning, match="has 100 m per pixel, and the network learned at 23"):
        craterlab.segment(scene_of(ground(), pixel_size_m=100.0), scaled=True)


def test_a_layer_without_contrast_says_nothing():
    scene = scene_of(in_units(ground()))
    flat = scene.assign(thermal_inertia=scene["thermal_inertia"] * 0 + 250)
    assert np.isfinite(craterlab.segment(flat)["probability"].values).all()


def test_a_scene_smaller_than_a_window():
    result = craterlab.segment(scene_of(ground(50, 70)), scaled=True)
    assert np.isfinite(result["probability"].values).all()


def test_other_layers_and_orders_of_dimensions_do_not_matter():
    plain = scene_of(ground())
    turned = plain.transpose("x", "y", "band").assign(other=("n", [1, 2]), dem_error=plain["dem"])
    a, b = (craterlab.segment(s, scaled=True)["probability"].transpose("y", "x") for s in (plain, turned))
    np.testing.assert_allclose(a, b)


def _on_moon(scene):
    return scene.assign_attrs(body="Moon")


def _on_a_map_of_the_moon(scene):
    step = 0.008 * np.arange(128)
    return scene.assign_coords(y=-9 - step, x=20 + step).rio.write_crs(craterlab.body("Moon").crs)


def _half_a_pixel_off(scene):
    """A DEM with coordinates of its own, put into the scene."""
    scene = scene.assign_coords(y=230.0 * np.arange(128), x=230.0 * np.arange(128))
    return scene.assign(dem=scene["dem"].assign_coords(y=scene["y"] + 115))


def _joined(scene):
    """The same in a Dataset made of them: xarray takes all coordinates there are."""
    scene = scene.assign_coords(y=230.0 * np.arange(128), x=230.0 * np.arange(128))
    dem = scene["dem"].assign_coords(y=scene["y"] + 115)
    return xr.Dataset({name: dem if name == "dem" else scene[name] for name in scene})


BAD = {
    "unknown kind 'crater'": (lambda s: s, {"kind": "crater"}),
    "threshold is a probability": (lambda s: s, {"threshold": 1.5}),
    "no model 'nobody'": (lambda s: s, {"model": "nobody"}),
    "lacks 'rgb'.*'thermal_inertia'.*holds dem": (lambda s: s.drop_vars(["rgb", "thermal_inertia"]), {}),
    "lacks 'dem', heights in metres": (lambda s: s.drop_vars("dem"), {}),
    "lacks 'image', the grey image.*holds rgb": (lambda s: s.drop_vars("image"), {}),
    "wanted a Dataset.*got DataArray": (lambda s: s["image"], {}),
    "'rgb' has 2 bands; wanted 3": (lambda s: s.isel(band=slice(2)), {}),
    "'dem' is on another grid": (lambda s: s.assign(dem=(("v", "u"), np.zeros((5, 5)))), {}),
    "'dem' holds no data.*coordinates of the image.*reproject_match": (_half_a_pixel_off, {}),
    "no pixel has them all.*different grids": (_joined, {}),
    "the scene has no pixels, 0 x 128": (lambda s: s.isel(y=slice(0)), {}),
    "'thermal_inertia' holds complex": (lambda s: s.assign(thermal_inertia=s["thermal_inertia"] * 1j), {}),
    "'image' holds <U1": (lambda s: s.assign(image=(("y", "x"), np.full((128, 128), "a"))), {}),
    "'thermal_inertia' holds no data": (lambda s: s.assign(thermal_inertia=s["thermal_inertia"] * np.nan), {}),
    "'green' holds no data": (lambda s: s.assign(rgb=s["rgb"].where(s["rgb"]["band"] != 1)), {}),
    "the DEM is flat, every height is 3": (lambda s: s.assign(dem=s["dem"] * 0 + 3), {}),
    "the DEM is flat, every height is 7": (lambda s: s.assign(dem=(s["dem"] * 0 + 7).where(s["image"] > 0.5)), {}),
    "needs the scene's scale": (lambda s: s.drop_vars("slope"), {}),
    "on Moon, and the network learned landslides on Mars": (_on_moon, {}),
    "on Moon, and the network learned.*without attrs": (_on_a_map_of_the_moon, {}),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    change, options = BAD[message]
    with pytest.raises(CraterlabError, match=message):
        craterlab.segment(change(scene_of(ground())), **options)


def test_a_damaged_weights_file_is_named(tmp_path):
    file = tmp_path / "torn.safetensors"
    file.write_bytes(b"nothing")
    with pytest.raises(CraterlabError, match=r"no whole \.safetensors file"):
        craterlab.segment(scene_of(ground()), model=file)
    with pytest.raises(CraterlabError, match="holds a 'craternet'"):
        craterlab.segment(scene_of(ground()), model=_shipped("craternet"))


def _shipped(name: str):
    from craterlab.nn.weights import WEIGHTS

    return WEIGHTS / f"{name}.safetensors"


def test_scores_of_a_known_table():
    truth = np.zeros((2, 4, 4), bool)
    truth[0, :2] = True
    found = np.zeros_like(truth)
    found[0, 1:3] = True
    table = counts(found, truth)
    assert table.tolist() == [[4, 4, 4, 4], [0, 0, 0, 16]]
    got = scores(table)
    wanted = {"miou": (4 / 12 + 20 / 28) / 2, "iou": 4 / 12, "f1": 0.5, "precision": 0.5, "recall": 0.5}
    assert {k: float(v) for k, v in got.items()} == pytest.approx(wanted)
    assert np.isnan(scores(table[1:])["f1"])

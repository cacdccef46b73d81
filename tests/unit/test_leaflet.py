"""The context map: where things lie on it, what it says, what it refuses."""

from __future__ import annotations

import base64
import builtins
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

import craterlab as cl
from craterlab import leaflet as public
from craterlab.errors import CraterlabError

il = pytest.importorskip("ipyleaflet")


def scene(shape=(40, 60), size=6.0, **attrs) -> xr.Dataset:
    image = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    image[:4, :4] = np.nan
    return xr.Dataset({"image": (("y", "x"), image)}, attrs={"body": "Mars", "pixel_size_m": size, **attrs})


def table(n=3, size=6.0, **more) -> pd.DataFrame:
    columns = {"crater_id": np.arange(n), "x_px": np.linspace(10, 50, n), "y_px": np.linspace(5, 35, n)}
    d = np.linspace(4, 8, n)
    return pd.DataFrame({**columns, "diameter_px": d, "diameter_m": d * size, "score": np.linspace(0.5, 1, n), **more})


def one(kind, among):
    (found,) = [x for x in among if isinstance(x, kind)]
    return found


def pixels(overlay) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(base64.b64decode(overlay.url.split(",")[1]))).convert("LA"))


def test_the_image_lies_in_metres_and_has_no_earth_under_it():
    shown = cl.leaflet(scene())
    assert shown.crs == il.projections.Simple
    overlay = one(il.ImageOverlay, shown.layers)
    assert len(shown.layers) == 1, "no base layer"
    assert overlay.bounds == [(-240.0, 0.0), (0.0, 360.0)]
    assert "Mars; 360 m x 240 m at 6 m per pixel" in overlay.attribution
    grey = pixels(overlay)
    assert grey.shape == (40, 60, 2)
    assert (grey[:4, :4, 1] == 0).all()
    assert (grey[5:, 5:, 1] == 255).all()
    assert grey[-1, -1, 0] > grey[10, 10, 0]
    assert one(il.ScaleControl, shown.controls).metric


def test_large_images_are_sent_small():
    overlay = one(il.ImageOverlay, cl.leaflet(scene((900, 1200)), max_px=300).layers)
    assert pixels(overlay).shape[:2] == (225, 300)
    assert overlay.bounds[1][1] == 7200


def test_the_sharpened_image_has_its_own_pane_on_the_same_ground():
    shown = cl.leaflet(scene(), sharp=scene((80, 120), 3.0))
    split = one(il.SplitMapControl, shown.controls)
    assert split.left_layer.pane != split.right_layer.pane
    assert {split.left_layer.pane, split.right_layer.pane} <= set(shown.panes)
    assert split.left_layer.bounds == split.right_layer.bounds
    assert pixels(split.right_layer).shape[:2] == (80, 120)


def test_craters_lie_where_the_table_says_largest_first():
    shown = cl.leaflet(scene(), table())
    features = one(il.GeoJSON, shown.layers).data["features"]
    ring = np.array(features[0]["geometry"]["coordinates"][0])
    assert ring[:-1].mean(0) == pytest.approx([300, -210], abs=0.1)
    assert np.ptp(ring, axis=0) == pytest.approx([48, 48], rel=1e-3)
    assert len(features) == 3


def test_craters_of_the_sharpened_image_land_on_the_scene():
    fine = table().assign(x_px=lambda t: 2 * t.x_px, y_px=lambda t: 2 * t.y_px, diameter_px=lambda t: 2 * t.diameter_px)
    a, b = (one(il.GeoJSON, cl.leaflet(scene(), t).layers).data for t in (table(), fine))
    assert a == b


def test_a_click_tells_what_is_known_of_a_crater():
    shown = cl.leaflet(scene(), table(morphology=["valid", "<b>ghost</b>", "layered"]))
    layer = one(il.GeoJSON, shown.layers)
    layer._click_callbacks(event="click", feature=layer.data["features"][1], properties={}, id="1")
    popup = layer.popup
    for text in ("<b>crater id</b> 1", "<b>diameter</b> 36 m", "<b>score</b> 0.75", "&lt;b&gt;ghost&lt;/b&gt;"):
        assert text in popup.value
    layer._click_callbacks(event="click", feature=layer.data["features"][0], properties={}, id="0")
    assert "<b>crater id</b> 2" in popup.value


def test_the_cursor_has_a_longitude_and_a_latitude():
    import rioxarray  # noqa: F401

    ds = xr.Dataset(
        {"image": (("y", "x"), np.eye(100, dtype=np.float32))},
        coords={"x": 10 + 0.01 * (np.arange(100) + 0.5), "y": 60.5 - 0.01 * (np.arange(100) + 0.5)},
    ).rio.write_crs("IAU_2015:49900")
    shown = cl.leaflet(ds)
    (south, west), (north, east) = one(il.ImageOverlay, shown.layers).bounds
    assert (west - east) / (south - north) == pytest.approx(0.5, rel=1e-3), "metres, at latitude 60"
    shown._interaction_callbacks(event="interaction", type="mousemove", coordinates=[south / 2, east / 2])
    (label,) = [c.widget for c in shown.controls if isinstance(c, il.WidgetControl)]
    assert label.value == "lon 10.5000° E, lat 60.0000°; pixel 50, 50"


def test_repr_and_picture():
    first, second = (cl.leaflet(scene(), table(), sharp=scene((80, 120), 3.0)) for _ in range(2))
    data, _ = first._repr_mimebundle_()
    assert repr(first) == repr(second) == data["text/plain"] == "<craterlab.leaflet: 40 x 60 px, sharp, 3 craters>"
    assert Image.open(BytesIO(base64.b64decode(data["image/png"]))).size[0] > 400
    assert "application/vnd.jupyter.widget-view+json" in data


def test_no_crater_no_data_and_no_pixel_size_are_drawn():
    empty = cl.leaflet(scene(), table(0))
    assert one(il.GeoJSON, empty.layers).data["features"] == []
    blank = cl.leaflet(np.full((30, 40), np.nan))
    overlay = one(il.ImageOverlay, blank.layers)
    assert (pixels(overlay)[..., 1] == 0).all()
    assert "unknown size" in overlay.attribution
    assert not [c for c in blank.controls if isinstance(c, il.ScaleControl)]
    blank._repr_mimebundle_()


def test_too_many_craters_are_said_to_be():
    shown = cl.leaflet(scene(), table(3100))
    assert len(one(il.GeoJSON, shown.layers).data["features"]) == 3000
    assert "the largest 3000 of 3100 craters" in one(il.ImageOverlay, shown.layers).attribution


def test_what_is_refused():
    moon = table()
    moon.attrs["body"] = "Moon"
    with pytest.raises(CraterlabError, match="on Moon, the scene is on Mars"):
        cl.leaflet(scene(), moon)
    with pytest.raises(CraterlabError, match="another scene"):
        cl.leaflet(scene(), table().assign(x_px=1e5))
    with pytest.raises(CraterlabError, match="wanted a crater table"):
        cl.leaflet(scene(), [1, 2])
    with pytest.raises(CraterlabError, match="do not show the same ground"):
        cl.leaflet(scene(), sharp=scene((80, 80), 3.0))
    with pytest.raises(CraterlabError, match="sharpened one on Moon"):
        cl.leaflet(scene(), sharp=scene((80, 120), 3.0, body="Moon"))
    with pytest.raises(CraterlabError, match="max_px"):
        cl.leaflet(scene(), max_px=100_000)


def test_without_ipyleaflet(monkeypatch):
    from sys import modules

    modules[public.__module__]._map_class.cache_clear()
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "ipyleaflet":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(CraterlabError, match=r"craterlab\[notebook\]"):
        cl.leaflet(scene())

"""Maps in a real browser, offline: the context map in JupyterLab, the HoloViews maps as a page of their own."""

from __future__ import annotations

import re
from io import BytesIO

import numpy as np
import pytest
from lab import jupyterlab, run_all
from PIL import Image

import craterlab as cl

CODE = """
import numpy as np, xarray as xr
import craterlab as cl

image = np.full((400, 600), 60.0, "f4")
image[100:200, 100:200] = 180
attrs = {"body": "Mars"}
scene = xr.Dataset({"image": (("y", "x"), image)}, attrs={**attrs, "pixel_size_m": 6.0})
fine = 240 - np.kron(image, np.ones((2, 2), "f4"))
sharp = xr.Dataset({"image": (("y", "x"), fine)}, attrs={**attrs, "pixel_size_m": 3.0})
craters = cl.craters_from_pixels({"x_px": [450.0], "y_px": [300.0], "diameter_px": [80.0], "score": [0.75]}, scene)
cl.leaflet(scene, craters, sharp=sharp)
"""


def brightness(page, box, x, y) -> float:
    """Of a small square at a share of the box."""
    left, top = box["x"] + x * box["width"], box["y"] + y * box["height"]
    clip = {"x": left, "y": top, "width": 8, "height": 8}
    return float(np.asarray(Image.open(BytesIO(page.screenshot(clip=clip))).convert("L")).mean())


@pytest.mark.slow
def test_leaflet_in_jupyterlab(watched, tmp_path):
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed (the extra notebook)")
    pytest.importorskip("ipyleaflet", reason="ipyleaflet is not installed (the extra notebook)")
    with jupyterlab(tmp_path, CODE) as address:
        page = watched.page
        run_all(page, address)
        page.wait_for_selector("path.leaflet-interactive", state="attached")
        page.wait_for_function("document.querySelectorAll('.leaflet-image-layer').length === 2")
        page.wait_for_timeout(1000)
        box = page.locator(".leaflet-container").bounding_box()
        left, right = brightness(page, box, 0.4, 0.85), brightness(page, box, 0.6, 0.85)
        assert left < 60 < 200 < right, "the scene left of the divider, the sharpened one right of it"
        handle = page.locator(".leaflet-sbs-range").bounding_box()
        middle = handle["y"] + handle["height"] / 2
        page.mouse.move(handle["x"] + handle["width"] / 2, middle)
        page.mouse.down()
        page.mouse.move(handle["x"] + handle["width"] * 0.7, middle, steps=5)
        page.mouse.up()
        assert brightness(page, box, 0.6, 0.85) < 60, "the divider was dragged to the right"
        page.locator("path.leaflet-interactive").click(force=True)
        popup = page.locator(".leaflet-popup-content")
        popup.wait_for()
        page.wait_for_function("document.querySelector('.leaflet-popup-content').innerText.includes('480 m')")
        assert "Mars; 3.6 km x 2.4 km" in page.locator(".leaflet-control-attribution").inner_text()
        assert brightness(page, box, 0.3, 0.85) < 60 and brightness(page, box, 0.8, 0.85) > 200, "the images stay"
        page.screenshot(path=tmp_path / "leaflet.png")
        page.goto("about:blank")  # before the server goes, or the page complains of it


def opened(watched, tmp_path, picture):
    hv = pytest.importorskip("holoviews", reason="HoloViews is not installed (the extra notebook)")
    from bokeh.embed import file_html
    from bokeh.resources import INLINE

    page = tmp_path / "map.html"
    text = file_html(hv.render(picture, backend="bokeh"), INLINE)
    # Once HoloViews has loaded Panel, Bokeh asks for this script of Panel's server, which no map needs.
    text = re.sub(r'<script src="static/extensions/panel/[^"]*/es-module-shims\.min\.js"></script>', "", text)
    page.write_text(text, encoding="utf-8")
    watched.page.goto(page.as_uri())
    watched.page.wait_for_function("Bokeh.documents.length === 1 && Bokeh.documents[0].is_idle")
    return watched.page


def test_scene_and_craters_on_the_screen(watched, tmp_path, scene, craters):
    pytest.importorskip("holoviews", reason="HoloViews is not installed (the extra notebook)")
    page = opened(watched, tmp_path, cl.plot.craters(scene, craters, backend="holoviews"))
    canvas = page.locator(".bk-Canvas").first.bounding_box()
    seen = np.asarray(Image.open(BytesIO(page.screenshot(clip=canvas))).convert("RGB")).astype(int)
    coloured = np.ptp(seen, axis=2) > 60
    assert coloured.sum() > 2000, "outlines in the colours of their scores"
    grey = seen[np.ptp(seen, axis=2) == 0]
    assert grey.min() < 30 and grey.max() > 225, "a stretched image"
    page.screenshot(path=tmp_path / "map.png")

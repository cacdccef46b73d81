"""Maps for the screen: what is read of a large image, what is drawn of many craters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import craterlab as cl
from craterlab.errors import CraterlabError
from craterlab.raster import LazyRaster

hv = pytest.importorskip("holoviews")
pytest.importorskip("bokeh")

SIDE = 20_000


class Counted(LazyRaster):
    """An image that exists only where it is looked at; it counts the pixels that it gives away."""

    def __init__(self) -> None:
        super().__init__((SIDE, SIDE), lambda *box: np.empty((0, 0), np.float32))
        self.given, self.largest = 0, 0

    def _window(self, key):
        rows, cols = (np.arange(SIDE, dtype=np.float32)[k] for k in key)
        out = np.atleast_2d(rows)[..., None][0] + np.atleast_1d(cols) / SIDE
        self.given += out.size
        self.largest = max(self.largest, out.size)
        return out.astype(np.float32)


@pytest.fixture
def huge():
    from xarray.core import indexing

    counted = Counted()
    lazy = indexing.LazilyIndexedArray(counted)
    scene = xr.Dataset({"image": (("y", "x"), lazy)}, attrs={"body": "Mars", "pixel_size_m": 6.0})
    return scene, counted


def image_of(shown):
    (image,) = [e for e in shown.traverse(lambda e: e) if isinstance(e, hv.Image)]
    return image


def zoomed(picture, x_range, y_range):
    (stream,) = (
        picture.streams if hasattr(picture, "streams") and picture.streams else picture.callback.inputs[0].streams
    )
    stream.event(x_range=x_range, y_range=y_range)
    return picture[()]


def test_a_huge_image_is_not_read_whole(huge):
    scene, counted = huge
    picture = cl.plot.scene(scene, backend="holoviews")
    whole = picture[()]
    assert max(whole.dimension_values(2, flat=False).shape) <= 1000
    assert 0 < counted.given <= 0.011 * SIDE**2
    before = counted.given
    part = zoomed(picture, (5000, 5600), (9000, 9400))
    assert counted.given - before == 400 * 600, "at full sampling only what is in view"
    assert part.bounds.lbrt() == (5000, 9000, 5600, 9400)
    values = part.dimension_values(2, flat=False)
    assert values.max() == pytest.approx(9399.28, abs=0.01)
    assert values.min() == pytest.approx(9000.25, abs=0.01)


def test_rows_run_down_the_screen():
    image = np.arange(6 * 4, dtype=np.float32).reshape(6, 4)
    picture = cl.plot.scene(image, backend="holoviews")
    assert isinstance(picture, hv.Image)
    assert picture[0.5, 0.5] == 0
    assert picture[3.5, 0.5] == 3
    assert picture[0.5, 5.5] == 20
    figure = hv.render(picture, backend="bokeh")
    assert figure.y_range.start > figure.y_range.end, "the first row is at the top"


def test_a_view_without_data_is_drawn():
    hv.render(cl.plot.scene(np.full((30, 40), np.nan), backend="holoviews"), backend="bokeh")


def test_the_axis_says_how_large_a_pixel_is():
    scene = xr.Dataset({"image": (("y", "x"), np.eye(50, dtype=np.float32))}, attrs={"pixel_size_m": 6.0})
    for wanted, label in ((True, "x (px of 6 m)"), (False, "x (px)")):
        shown = cl.plot.scene(scene, backend="holoviews", scale_bar=wanted)
        assert hv.render(shown, backend="bokeh").xaxis.axis_label == label


def some(n: int, size: float = 100.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns = {"crater_id": np.arange(n), "x_px": rng.uniform(0, size, n), "y_px": rng.uniform(0, size, n)}
    return pd.DataFrame({**columns, "diameter_px": rng.uniform(2, 9, n), "score": rng.uniform(size=n)})


def polygons(shown):
    return next(e for e in shown.traverse(lambda e: e) if isinstance(e, hv.Polygons))


def test_few_craters_are_outlines_that_tell_what_they_are():
    craters = some(20)
    shown = cl.plot.craters(np.eye(100), craters, backend="holoviews")
    drawn = polygons(shown)
    assert len(drawn.split()) == 20
    one = drawn.split(datatype="dictionary")[0]
    row = craters.set_index("crater_id").loc[int(np.ravel(one["crater_id"])[0])]
    assert row.diameter_px == craters.diameter_px.max(), "the largest come first"
    assert np.ptp(one["x"]) == pytest.approx(row.diameter_px, rel=1e-6)
    assert np.hypot(one["x"] - row.x_px, one["y"] - row.y_px) == pytest.approx(row.diameter_px / 2)
    hv.render(shown, backend="bokeh")


def test_no_crater_is_an_answer():
    shown = cl.plot.craters(np.eye(100), some(0), backend="holoviews")
    hv.render(shown, backend="bokeh")


def test_many_craters_are_density_and_the_largest_in_view():
    pytest.importorskip("datashader")
    craters = some(20_000)
    shown = cl.plot.craters(np.eye(100), craters, backend="holoviews")
    figure = hv.render(shown, backend="bokeh")
    assert len(figure.renderers) == 3
    outlines = figure.renderers[-1].data_source.data["xs"]
    assert len(outlines) == 2000
    counts = np.ma.filled(figure.renderers[1].data_source.data["image"][0].astype(float), 0.0)
    assert np.nansum(counts) == 20_000


def test_what_cannot_be_drawn():
    import matplotlib.pyplot as plt

    with pytest.raises(CraterlabError, match="unknown backend"):
        cl.plot.scene(np.eye(9), backend="gnuplot")
    with pytest.raises(CraterlabError, match="matplotlib Axes"):
        cl.plot.scene(np.eye(9), plt.figure().gca(), backend="holoviews")
    plt.close("all")
    with pytest.raises(CraterlabError, match="another scene"):
        cl.plot.craters(np.eye(9), some(5).assign(x_px=1e6), backend="holoviews")
    with pytest.raises(CraterlabError, match="is no colour"):
        cl.plot.craters(np.eye(100), some(5), colour="depht_m", backend="holoviews")

"""Maps: what is drawn lies where it should."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from affine import Affine
from matplotlib.collections import EllipseCollection

import craterlab as cl
from craterlab import plot, plot_axes
from craterlab.errors import CraterlabError
from craterlab.grid import craters_from_pixels


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def placed(crs: str, transform: Affine, shape=(200, 300), **attrs) -> xr.Dataset:
    rows, cols = shape
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    x = transform.c + transform.a * (np.arange(cols) + 0.5)
    y = transform.f + transform.e * (np.arange(rows) + 0.5)
    ds = xr.Dataset({"image": (("y", "x"), image)}, coords={"x": x, "y": y}, attrs=attrs)
    return ds.rio.write_crs(crs).rio.write_transform(transform)


@pytest.fixture
def at_60_north() -> xr.Dataset:
    """Lon/lat degrees at latitude 60: a pixel is half as wide as it is high."""
    import rioxarray  # noqa: F401

    return placed("IAU_2015:49900", Affine(0.001, 0, 10.0, 0, -0.001, 60.1))


def table(x, y, d, **more) -> pd.DataFrame:
    return pd.DataFrame({"x_px": x, "y_px": y, "diameter_px": d, **more})


def rings(ax) -> list[EllipseCollection]:
    return [c for c in ax.collections if isinstance(c, EllipseCollection)]


def test_large_images_are_drawn_as_block_means_without_nan_spreading():
    image = np.arange(7 * 10, dtype=np.float32).reshape(7, 10)
    image[0, 0] = np.nan
    image[4:6, 4:6] = np.nan
    small = plot.decimated(xr.DataArray(image, dims=("y", "x")), 5)
    assert small.shape == (4, 5)
    assert small[0, 0] == pytest.approx(np.nanmean(image[:2, :2]))
    assert small[3, 4] == pytest.approx(image[6:, 8:].mean())
    assert np.isnan(small[2, 2])
    assert np.isfinite(small).sum() == small.size - 1


def test_large_images_are_read_in_strips(monkeypatch):
    asked = []
    image = xr.DataArray(np.ones((4000, 3000), np.float32), dims=("y", "x"))
    real = xr.DataArray.isel
    monkeypatch.setattr(xr.DataArray, "isel", lambda self, **k: asked.append(k["y"]) or real(self, **k))
    assert plot.decimated(image, 1000).shape == (1000, 750)
    assert len(asked) > 2
    assert max(s.stop - s.start for s in asked) < 2000


def test_the_axes_are_the_pixels_of_the_scene():
    ax = plot.scene(np.random.default_rng(0).normal(size=(30, 50)))
    assert ax.get_xlim() == (0, 50)
    assert ax.get_ylim() == (30, 0)
    assert ax.get_xlabel() == "x (px)"


def test_circles_of_a_plain_image_are_circles_where_the_table_says():
    craters = table([10.0, 40.0], [5.0, 20.0], [6.0, 12.0], score=[0.2, 0.9])
    ax = plot.craters(np.zeros((30, 50), np.float32), craters)
    casing, ring = rings(ax)
    assert np.allclose(ring.get_offsets(), [[10, 5], [40, 20]])
    assert np.allclose(2 * ring._widths, [6, 12])
    assert np.allclose(2 * ring._heights, [6, 12])
    assert np.allclose(ring.get_array(), [0.2, 0.9])
    assert ring.get_clim() == (0, 1)
    assert np.allclose(casing.get_offsets(), ring.get_offsets())


def test_circles_on_a_stretched_map_are_the_ellipses_of_the_ground(at_60_north):
    craters = craters_from_pixels(table([150.0], [100.0], [20.0]), at_60_north)
    ring = rings(plot.craters(at_60_north, craters))[-1]
    assert np.allclose(ring.get_offsets(), [[150, 100]], atol=1e-3)
    # At latitude 60 a circle on the ground is twice as wide as high in degrees; its area stays that of the circle.
    axes = np.sort([2 * ring._widths[0], 2 * ring._heights[0]])
    assert axes[1] / axes[0] == pytest.approx(2, rel=0.01)
    assert np.sqrt(axes.prod()) == pytest.approx(20, rel=1e-3)
    along = ring._angles[0] if ring._widths[0] > ring._heights[0] else ring._angles[0] + np.pi / 2
    assert abs(np.sin(along)) < 0.02


def test_craters_of_the_sharpened_grid_land_on_the_input_image(at_60_north):
    fine = placed("IAU_2015:49900", Affine(0.0005, 0, 10.0, 0, -0.0005, 60.1), shape=(400, 600))
    craters = craters_from_pixels(table([300.0], [200.0], [40.0], score=[0.5]), fine)
    ring = rings(plot.craters(at_60_north, craters))[-1]
    assert np.allclose(ring.get_offsets(), [[150, 100]], atol=1e-3)
    assert 2 * np.sqrt(ring._widths[0] * ring._heights[0]) == pytest.approx(20, rel=1e-3)


def test_no_crater_and_thousands_of_craters_are_drawn():
    image = np.zeros((64, 64), np.float32)
    assert len(rings(plot.craters(image, table([], [], [], score=[])))[-1].get_offsets()) == 0
    many = np.random.default_rng(0).uniform(0, 64, (5000, 3))
    ax = plot.craters(image, table(*many.T, score=many[:, 0] / 64))
    ax.figure.canvas.draw()
    assert len(rings(ax)[-1].get_offsets()) == 5000


def test_colour_by_another_column_or_by_name():
    image, craters = np.zeros((64, 64), np.float32), table([9.0, 20.0], [9.0, 20.0], [5.0, 5.0], depth=[1.0, 3.0])
    ring = rings(plot.craters(image, craters, colour="depth"))[-1]
    assert ring.get_clim() == (1, 3)
    ring = rings(plot.craters(image, craters, colour="red"))[-1]
    assert np.allclose(ring.get_edgecolor()[0], (1, 0, 0, 1))
    with pytest.raises(CraterlabError, match="depht"):
        plot.craters(image, craters, colour="depht")


@pytest.mark.parametrize(("value", "nice"), [(1, 1), (1.99, 1), (2, 2), (6, 5), (49, 20), (0.3, 0.2), (1000, 1000)])
def test_scale_bars_are_round(value, nice):
    assert plot_axes.nice(value) == pytest.approx(nice)


def bar(ax) -> tuple[float, str]:
    (line,) = ax.lines
    return float(np.ptp(line.get_xdata())), ax.texts[0].get_text()


def test_the_scale_bar_is_as_long_as_it_says(at_60_north):
    length, text = bar(plot.scene(at_60_north))
    number, unit = text.split()
    metres_per_px = np.radians(0.001) * 3396190 * np.cos(np.radians(60))
    assert length * metres_per_px == pytest.approx(float(number) * {"m": 1, "km": 1000}[unit], rel=0.01)
    assert bar(plot.scene(np.zeros((50, 80), np.float32))) == (20.0, "20 px")
    known = xr.Dataset({"image": (("y", "x"), np.zeros((50, 80), np.float32))}, attrs={"pixel_size_m": 25.0})
    assert bar(plot.scene(known)) == (20.0, "500 m")


def test_ticks_say_longitude_and_latitude(at_60_north):
    ax = plot.scene(at_60_north)
    assert "longitude" in ax.get_xlabel()
    labels = [t.get_text() for t in ax.get_xticklabels()]
    assert labels == ["10.0° E", "10.1° E", "10.2° E", "10.3° E"]
    assert np.allclose(ax.get_xticks(), [0, 100, 200, 300])
    assert [t.get_text() for t in ax.get_yticklabels()][-1] == "60.10° N"


def test_ticks_cross_the_antimeridian():
    import rioxarray  # noqa: F401

    ax = plot.scene(placed("IAU_2015:30100", Affine(0.01, 0, 179.0, 0, -0.01, 1.0)))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["179° E", "180° W", "179° W", "178° W"]


def test_a_polar_map_has_pixels_and_a_north_arrow():
    import rioxarray  # noqa: F401

    polar = "+proj=stere +lat_0=90 +lon_0=0 +R=3396190 +units=m +no_defs"
    ax = plot.scene(placed(polar, Affine(1000, 0, 200e3, 0, -1000, 100e3)))
    assert "middle of the image at" in ax.get_xlabel()
    assert "N" in [t.get_text() for t in ax.texts]


def test_arrows_only_where_they_say_something(at_60_north):
    texts = [t.get_text() for t in plot.scene(at_60_north).texts]
    assert "N" not in texts  # north is up: nothing to say
    assert "sun" not in texts  # not known
    texts = [t.get_text() for t in plot.scene(at_60_north.assign_attrs(sun_azimuth_deg=90.0)).texts]
    assert "sun" in texts


def test_other_layers_and_wrong_ones(at_60_north):
    at_60_north["dem"] = at_60_north["image"] * 100
    shown = plot.scene(at_60_north, layer="dem").images[0]
    assert np.allclose(shown.get_array(), at_60_north["dem"])
    with pytest.raises(CraterlabError, match=r"'slope'.*image, dem"):
        plot.scene(at_60_north, layer="slope")
    with pytest.raises(CraterlabError, match="x_px"):
        plot.craters(np.zeros((9, 9), np.float32), pd.DataFrame({"score": [1.0]}))


def test_an_image_of_nan_alone_can_be_looked_at():
    plot.scene(np.full((20, 20), np.nan, np.float32)).figure.canvas.draw()


def test_sfd_forwards_to_dating():
    ax = cl.plot.sfd([1200.0, 1500.0, 3000.0], area_km2=100.0, backend="matplotlib")
    assert ax.get_xscale() == "log"
    ax = cl.plot.sfd(cl.sfd([1200.0, 1500.0, 3000.0], area_km2=100.0, kind="R"), backend="matplotlib")
    assert "R" in ax.get_ylabel()

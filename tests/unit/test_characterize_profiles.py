"""Radial profiles: elevation and brightness by distance in crater radii."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import craterlab as cl
from craterlab import CraterlabError
from craterlab.catalog import empty_craters
from craterlab.crater_profiles import fresh_profile

SIZE, D, SCALE = 240, 40.0, 5.0


def scene(x=120.4, y=119.6, tilt=0.05, **attrs):
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    rho = np.hypot(columns - x, rows - y) / (D / 2)
    z = fresh_profile(rho) * D * SCALE + tilt * (columns - x) * SCALE
    image = 100 + 10 * np.exp(-rho)
    layers = {"image": (("y", "x"), image.astype(np.float32)), "dem": (("y", "x"), z.astype(np.float32))}
    return xr.Dataset(layers, attrs={"pixel_size_m": SCALE} | attrs)


def table(x=120.4, y=119.6, d=D):
    return pd.DataFrame({"x_px": [x], "y_px": [y], "diameter_px": [d]}, index=[7])


def test_profile_of_a_known_crater():
    got = cl.profiles(scene(), table())
    assert dict(got.sizes) == {"crater": 1, "radius": 101} and got["crater"].item() == 7
    assert got.radius[0] == 0 and got.radius[-1] == 5.0 and got.elevation.units == "m"
    r = got.radius.values
    ground = fresh_profile(np.linspace(1.8, 2.2, 5)).mean()
    want = (fresh_profile(r) - ground) * D * SCALE
    away = np.abs(r - 1) > 0.1  # the crest is a cusp that pixels round
    np.testing.assert_allclose(got.elevation[0, away], want[away], atol=0.012 * D * SCALE)
    np.testing.assert_allclose(got.brightness[0], 100 + 10 * np.exp(-r), atol=0.3)
    known = np.isfinite(got.elevation)
    assert (got.elevation_p16.where(known, 0) <= got.elevation.where(known, 0) + 1e-9).all()
    assert (got.elevation_p84.where(known, 0) >= got.elevation.where(known, 0) - 1e-9).all()


def test_radii_of_ones_own_and_the_accessor():
    here = scene()
    got = here.crater.profiles(table(), radii=[0.5, 1.5, 4.0])
    whole = cl.profiles(here, table())
    assert got.radius.values.tolist() == [0.5, 1.5, 4.0]
    np.testing.assert_allclose(got.elevation[0], whole.elevation[0].sel(radius=[0.5, 1.5, 4.0]))


def test_without_dem_there_is_only_brightness():
    got = cl.profiles(scene().drop_vars("dem"), table())
    assert set(got.data_vars) == {"brightness", "brightness_p16", "brightness_p84"}


def test_nothing_is_invented_outside_or_in_nodata():
    here = scene(x=30.0)
    got = cl.profiles(here, table(x=30.0))
    # At 4 radii more than half of the circle is still inside; of a crater in the corner it is not.
    assert np.isfinite(got.brightness.sel(radius=3.0)).all()
    corner = cl.profiles(scene(x=22.0, y=22.0), table(x=22.0, y=22.0))
    assert corner.brightness.sel(radius=4.0).isnull().all() and corner.brightness.sel(radius=0.5).notnull().all()
    outside = cl.profiles(here, table(x=-900.0))
    assert all(outside[name].isnull().all() for name in outside)
    holed = scene()
    holed["dem"][:, :] = holed["dem"].where(np.hypot(*np.mgrid[-120:120, -120:120]) < 30)
    got = cl.profiles(holed, table())
    assert got.elevation.isnull().all() and got.brightness.notnull().all()


def test_a_large_crater_is_read_with_a_step():
    big = scene()
    wide = xr.Dataset({k: (("y", "x"), np.kron(v.values, np.ones((8, 8), np.float32))) for k, v in big.items()})
    wide.attrs["pixel_size_m"] = SCALE / 8
    at = dict(radii=np.linspace(0, 2.5, 26))
    small = cl.profiles(big, table(), **at)
    got = cl.profiles(wide, table(x=8 * 120.4, y=8 * 119.6, d=8 * D), **at)
    np.testing.assert_allclose(got.elevation, small.elevation, atol=0.02 * D * SCALE)


def test_an_empty_table_gives_an_empty_set():
    got = cl.profiles(scene(), empty_craters())
    assert got.sizes["crater"] == 0 and got.sizes["radius"] == 101


@pytest.mark.parametrize("radii", [[], [1.0, 0.5], [-1.0, 2.0], [0.0, np.nan], [[0.0, 1.0]]])
def test_radii_must_rise_from_zero(radii):
    with pytest.raises(CraterlabError, match="radii"):
        cl.profiles(scene(), table(), radii=radii)

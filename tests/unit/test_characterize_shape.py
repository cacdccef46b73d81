"""Walls, floor, erosion, shadows and radial profiles of craters carved from known profiles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import craterlab as cl
from craterlab import CraterlabError
from craterlab.catalog import empty_craters
from craterlab.characterize import erosion, family, rims, shadow
from craterlab.characterize.depth import CREST, SHAPE_RADII
from craterlab.characterize.walls import wall_of
from craterlab.crater_profiles import RHO_MAX, degraded_depth

SCALE = 10.0
SIZE = 140
X, Y, D = 70.2, 69.7, 44.0  # of the crater, pixels
COLUMNS = {
    *("major_m", "minor_m", "angle_deg", "depth_m", "depth_std_m", "depth_diameter", "depth_diameter_std"),
    *("rim_height_m", "floor_width_m", "floor_width_std_m", "wall_slope_deg", "wall_slope_std_deg"),
    *("erosion", "erosion_std", "erosion_class", "kappa_t_m2", "kappa_t_std_m2"),
    *("ellipse_from", "depth_from", "depth_why", "erosion_from"),
}
KT = np.array([0.0, 0.01, 0.04, 0.08, 0.2])


def heights(kt=0.0, fill=np.inf, kind=0, d=D, oversample=4, blur_px=0.0, tilt=0.0):
    """Elevation in metres of one crater of the family on a plane, pixels being means of finer samples."""
    from scipy.ndimage import gaussian_filter

    n = SIZE * oversample
    y, x = (np.mgrid[:n, :n] + 0.5) / oversample
    rho = np.linspace(0, RHO_MAX, 1600)
    profile = np.maximum(family.profiles(kind, np.array([kt]), rho)[0], -fill)
    z = np.interp(np.hypot(x - X, y - Y) / (d / 2), rho, profile) * d
    if blur_px:
        z = gaussian_filter(z, blur_px * oversample)
    z = z.reshape(SIZE, oversample, SIZE, oversample).mean((1, 3)) + tilt * (np.arange(SIZE) - X)
    return (z * SCALE).astype(np.float32)


def lit(z, azimuth=90.0, incidence=65.0):
    """Lambert brightness with cast shadows, one pixel at a time against the sun (azimuth 90 or 270)."""
    h = z / SCALE
    gx = np.gradient(h, axis=1) * (1 if azimuth == 90.0 else -1)
    gy = np.gradient(h, axis=0)
    i = np.radians(incidence)
    light = np.maximum(0, (np.cos(i) - gx * np.sin(i)) / np.sqrt(1 + gx**2 + gy**2))
    order = slice(None, None, -1) if azimuth == 90.0 else slice(None)
    ray = h[:, order] + np.arange(SIZE) / np.tan(i)
    shaded = np.maximum.accumulate(ray, axis=1) > ray + 1e-6
    light[:, order][shaded] = 0
    return (200 * light).astype(np.float32)


def scene(z=None, image=None, **attrs):
    layers = {"image": (("y", "x"), image if image is not None else z)}
    if z is not None:
        layers["dem"] = (("y", "x"), z)
    return xr.Dataset(layers, attrs={"pixel_size_m": SCALE, "body": "Moon"} | attrs)


def circle(d=D, **columns):
    return pd.DataFrame({"x_px": [X], "y_px": [Y], "diameter_px": [d]} | columns)


def measured(z=None, image=None, d=D, dem_resolution_m=None, **attrs):
    options = {"dem_resolution_m": dem_resolution_m, "kinds": False}
    return cl.characterize(scene(z, image, **attrs), circle(d), **options).iloc[0]


@pytest.mark.parametrize("kt", KT)
def test_erosion_and_diffusion_age_of_known_craters(kt):
    got = measured(heights(kt, tilt=0.1))
    depth = degraded_depth(np.array([0]), np.array([kt]))[0]
    want = 1 - depth / degraded_depth(np.array([0]), np.array([0.0]))[0]
    assert got.erosion == pytest.approx(want, abs=0.04)
    assert abs(got.erosion - want) < 3 * got.erosion_std
    assert got.erosion_class == erosion.classes(np.array([want]))[0]
    # The crest of a worn rim moves outwards, and the radius that is squared with it.
    assert got.kappa_t_m2 == pytest.approx(kt * (D * SCALE / 2) ** 2, rel=0.25, abs=0.003 * (D * SCALE / 2) ** 2)
    assert got.erosion_from == got.depth_from == "dem" and got.depth_why == ""


@pytest.mark.parametrize(("gone", "outward"), [(1 / 2, 1.02), (2 / 3, 1.14)])
def test_the_rim_of_an_image_moves_outward_as_the_docstring_says(gone, outward):
    """Brightness changes most steeply where the slope does."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.optimize import brentq

    kept = lambda kt: degraded_depth(np.array([0]), np.array([kt]))[0] / degraded_depth(np.array([0]), np.zeros(1))[0]  # noqa: E731
    kt = brentq(lambda k: kept(k) - (1 - gone), 1e-3, 2)
    rho = np.arange(0.5, 1.6, 1e-3)
    bend = gaussian_filter1d(family.profiles(0, np.array([kt]), rho)[0], rims._BLUR / 1e-3, order=2)
    assert rho[bend.argmin()] == pytest.approx(outward, abs=0.005)
    assert f"{100 * (outward - 1):.0f} %" in cl.characterize.__doc__


@pytest.mark.parametrize("fill", [0.03, 0.09])
def test_a_filled_crater_is_shallow_but_not_old(fill):
    """Its sharp rim tells: erosion follows the depth, kappa t does not."""
    got = measured(heights(0.001, fill=fill))
    rim, fresh = 0.0338, 0.2171
    assert got.erosion == pytest.approx(1 - (rim + fill) / fresh, abs=0.05)
    assert got.kappa_t_m2 < 0.01 * (D * SCALE / 2) ** 2
    assert got.depth_m == pytest.approx((rim + fill) * D * SCALE, rel=0.04)


def test_the_blur_of_a_dem_is_not_taken_for_depth_or_age():
    sharp, soft = heights(0.01), heights(0.01, blur_px=3.0)
    want, blind = measured(sharp), measured(soft)
    told = measured(soft, dem_resolution_m=3.0 * 2.3548 * SCALE)
    assert blind.depth_m < 0.93 * want.depth_m  # the test would say nothing if blur did nothing
    for column, rel in (("depth_m", 0.03), ("rim_height_m", 0.1), ("wall_slope_deg", 0.05)):
        assert told[column] == pytest.approx(want[column], rel=rel), column
    assert told.erosion == pytest.approx(want.erosion, abs=0.03)
    assert told.erosion < blind.erosion


@pytest.mark.parametrize("resolution", [0.0, -1.0, np.nan, np.inf])
def test_a_resolution_is_a_length(resolution):
    with pytest.raises(CraterlabError, match="dem_resolution_m"):
        measured(heights(), dem_resolution_m=resolution)


@pytest.mark.parametrize(
    ("kind", "kt", "fill"), [(0, 0.0, np.inf), (0, 0.01, np.inf), (0, 0.001, 0.08), (0, 0.0, 0.04)]
)
def test_wall_slope_and_floor_width(kind, kt, fill):
    z = np.maximum(family.profiles(kind, np.array([kt]), SHAPE_RADII)[:, : CREST.stop], -fill)
    rise, radius = wall_of(z, z[:, CREST].max(1) - z.min(1))
    got = measured(heights(kt, fill=fill))
    assert got.wall_slope_deg == pytest.approx(np.degrees(np.arctan(2 * rise[0])), abs=1.0)
    assert got.floor_width_m == pytest.approx(radius[0] * D * SCALE, abs=0.05 * D * SCALE)
    assert got.wall_slope_std_deg >= 0 and got.floor_width_std_m >= 0


def test_walls_of_a_straight_cone_over_a_flat_floor():
    """By hand: floor of 0.4 radii, wall straight to the rim."""
    r = SHAPE_RADII[: CREST.stop]
    z = np.where(r < 1, np.clip((r - 0.4) / 0.6, 0, 1), 1.0)[None]
    slope, floor = wall_of(z, np.array([1.0]))
    assert slope[0] == pytest.approx(1 / 0.6, rel=0.01) and floor[0] == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("azimuth", [90.0, 270.0])
@pytest.mark.parametrize(("incidence", "fill"), [(66.0, np.inf), (70.0, np.inf), (74.0, np.inf), (70.0, 0.06)])
def test_depth_from_shadow(azimuth, incidence, fill):
    image = lit(heights(0.0, fill=fill), azimuth, incidence)
    got = measured(image=image, sun_azimuth_deg=azimuth, incidence_deg=incidence)
    want = min(0.2171, 0.0368 + fill) * D * SCALE
    assert got.depth_from == "shadow" and got.depth_why == ""
    assert got.depth_m == pytest.approx(want, rel=0.15)
    assert abs(got.depth_m - want) < 2.5 * got.depth_std_m
    assert got.depth_diameter == pytest.approx(got.depth_m / (D * SCALE))
    assert np.isnan(got.erosion) and got.erosion_from == ""


@pytest.mark.parametrize(
    ("attrs", "d", "why"),
    [
        ({}, D, shadow.NO_SUN),
        ({"sun_azimuth_deg": 90.0}, D, shadow.NO_SUN),
        ({"sun_azimuth_deg": 90.0, "incidence_deg": "unknown"}, D, shadow.NO_SUN),
        ({"sun_azimuth_deg": 90.0, "incidence_deg": 70.0}, 9.0, shadow.SMALL),
        ({"sun_azimuth_deg": 90.0, "incidence_deg": 40.0}, D, shadow.NONE),
        ({"sun_azimuth_deg": 90.0, "incidence_deg": 88.5}, D, shadow.LONG),
    ],
)
def test_why_there_is_no_depth(attrs, d, why):
    incidence = attrs.get("incidence_deg", 70.0)
    image = lit(heights(), 90.0, incidence if isinstance(incidence, float) else 70.0)
    got = measured(image=image, d=d, **attrs)
    assert np.isnan(got.depth_m) and np.isnan(got.depth_std_m) and np.isnan(got.depth_diameter)
    assert got.depth_from == "" and got.depth_why == why


def test_shading_of_a_worn_crater_is_no_shadow():
    image = lit(heights(0.05), 90.0, 60.0)
    got = measured(image=image, sun_azimuth_deg=90.0, incidence_deg=60.0)
    assert np.isnan(got.depth_m) and got.depth_why == shadow.NONE


def test_shadows_step_in_where_the_dem_has_holes():
    z = heights()
    image = lit(z, 90.0, 70.0)
    z[60:80, 60:80] = np.nan
    sun = {"sun_azimuth_deg": 90.0, "incidence_deg": 70.0}
    got = measured(z, image, **sun)
    assert got.depth_from == "shadow" and got.depth_m == pytest.approx(0.2171 * D * SCALE, rel=0.15)
    assert np.isnan(got[["erosion", "wall_slope_deg", "rim_height_m", "kappa_t_m2"]].astype(float)).all()
    blind = measured(z, image)
    assert np.isnan(blind.depth_m) and "elevation" in blind.depth_why


def test_all_columns_for_an_empty_table_and_craters_too_small_or_outside():
    assert set(cl.characterize(scene(heights()), empty_craters())) >= COLUMNS
    small = cl.characterize(
        scene(heights()), pd.DataFrame({"x_px": [30.0, 900], "y_px": [30.0, 20], "diameter_px": 3.0})
    )
    assert set(small) >= COLUMNS and len(small) == 2
    assert small.ellipse_from.tolist() == ["circle", ""] and small.depth_why[1] == "outside the scene"
    assert np.isnan(small.loc[1, ["depth_m", "erosion", "major_m", "erosion_class"]].astype(float)).all()


def test_classes_are_equal_steps():
    got = erosion.classes(np.array([0.0, 0.24, 0.25, 0.5, 0.74, 0.75, 1.0, np.nan]))
    np.testing.assert_array_equal(got, [1, 1, 2, 3, 3, 4, 4, np.nan])


def test_more_craters_than_a_group_come_out_one_by_one():
    """Threads and groups change nothing."""
    z = heights(0.01)
    rng = np.random.default_rng(2)
    many = pd.DataFrame({"x_px": rng.uniform(20, 120, 300), "y_px": rng.uniform(20, 120, 300), "diameter_px": 20.0})
    whole = cl.characterize(scene(z), many, kinds=False)
    some = cl.characterize(scene(z), many.iloc[[3, 150, 299]], kinds=False)
    pd.testing.assert_frame_equal(
        pd.DataFrame(whole.iloc[[3, 150, 299]].drop(columns=["geometry", "crater_id"])),
        pd.DataFrame(some.drop(columns=["geometry", "crater_id"])),
        check_exact=False,
        rtol=1e-9,
    )


def test_all_columns_go_through_a_shapefile(tmp_path):
    """Whose column names have ten characters."""
    got = cl.characterize(scene(heights()), circle())
    cl.write_craters(got, tmp_path / "craters.shp")
    back = cl.read_craters(tmp_path / "craters.shp")
    assert set(back) >= COLUMNS
    assert back.kappa_t_std_m2[0] == pytest.approx(got.kappa_t_std_m2[0], rel=1e-6)


def test_a_coarse_dem_on_a_fine_image_counts_as_coarse(tmp_path):
    """Laid on the image's grid it has many pixels and no more detail."""
    import rasterio
    from affine import Affine

    crs = "+proj=eqc +R=1737400 +units=m +no_defs"
    z = heights(0.01)
    coarse = z.reshape(SIZE // 4, 4, SIZE // 4, 4).mean((1, 3))
    for name, data, step in (("image", z, SCALE), ("fine", z, SCALE), ("coarse", coarse, 4 * SCALE)):
        profile = {"driver": "GTiff", "height": len(data), "width": len(data), "count": 1, "dtype": "float32"}
        transform = Affine(step, 0, 0, 0, -step, 0)
        with rasterio.open(tmp_path / f"{name}.tif", "w", crs=crs, transform=transform, **profile) as file:
            file.write(data, 1)
    want = cl.characterize(cl.open_scene(tmp_path / "image.tif", tmp_path / "fine.tif"), circle()).iloc[0]
    opened = cl.open_scene(tmp_path / "image.tif", tmp_path / "coarse.tif")
    assert opened.dem.attrs["spacing_m"] == pytest.approx(4 * SCALE, rel=1e-3)
    given = cl.characterize(cl.open_scene(tmp_path / "image.tif"), circle(), tmp_path / "coarse.tif").iloc[0]
    for got in (cl.characterize(opened, circle()).iloc[0], given):
        assert got.depth_m == pytest.approx(want.depth_m, rel=0.03)
        assert got.erosion == pytest.approx(want.erosion, abs=0.04)
    del opened.dem.attrs["spacing_m"]
    blind = cl.characterize(opened, circle()).iloc[0]
    assert blind.depth_m < 0.96 * want.depth_m

"""Characterization: ellipses and depths of craters of known shape, in any projection, with noise, borders and holes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import craterlab as cl
from craterlab import CraterlabError
from craterlab.catalog import empty_craters
from craterlab.characterize import rims
from craterlab.grid import craters_from_pixels

DEPTH = 40.0  # metres, rim to floor
SCALE = 5.0  # metres per pixel


def carve(size=160, x0=80.3, y0=79.2, major=56.0, minor=45.0, angle=30.0, tilt=(0.0, 0.0), noise=0.0, seed=0):
    """A paraboloid crater with rim and ejecta on a tilted plane: elevation (m) and its image, sun at azimuth 60."""
    y, x = np.mgrid[:size, :size] + 0.5
    t = np.radians(angle)
    along, across = (x - x0) * np.sin(t) - (y - y0) * np.cos(t), (x - x0) * np.cos(t) + (y - y0) * np.sin(t)
    rho = np.hypot(along / (major / 2), across / (minor / 2))
    rim = 0.17 * DEPTH
    z = np.where(rho < 1, rim + DEPTH * (rho**2 - 1), rim * np.maximum(rho, 1e-6) ** -3)
    z = z + tilt[0] * (x - x0) + tilt[1] * (y - y0)
    gy, gx = np.gradient(z, SCALE)
    sun = np.radians(60)
    light = np.maximum(0, (-gx * np.sin(sun) + gy * np.cos(sun)) * 0.77 + 0.64) / np.sqrt(1 + gx**2 + gy**2)
    rng = np.random.default_rng(seed)
    image = 100 * light + rng.normal(0, 3 * noise, z.shape)
    return (z + rng.normal(0, noise, z.shape)).astype(np.float32), image.astype(np.float32)


def scene(with_dem=True, **keywords) -> xr.Dataset:
    z, image = carve(**keywords)
    layers = {"image": (("y", "x"), image)} | ({"dem": (("y", "x"), z)} if with_dem else {})
    return xr.Dataset(layers, attrs={"pixel_size_m": SCALE})


def table(**columns) -> pd.DataFrame:
    base = {"x_px": [80.3], "y_px": [79.2], "diameter_px": [50.2]}
    return pd.DataFrame(base | {k: [v] for k, v in columns.items()})


def turn(a: float, b: float) -> float:
    return abs((a - b + 90) % 180 - 90)


@pytest.mark.parametrize("with_dem", [True, False])
@pytest.mark.parametrize("angle", [0.0, 30.0, 75.0, 120.0])
def test_ellipse_of_known_axes(with_dem, angle):
    got = cl.characterize(scene(with_dem, angle=angle), table()).iloc[0]
    assert got.ellipse_from == ("dem" if with_dem else "image")
    assert got.major_m == pytest.approx(56 * SCALE, rel=0.03)
    assert got.minor_m == pytest.approx(45 * SCALE, rel=0.03)
    assert turn(got.angle_deg, angle) < 5
    assert 0 < got.major_std_m < 0.1 * got.major_m and 0 < got.minor_std_m < 0.1 * got.minor_m


@pytest.mark.parametrize("with_dem", [True, False])
def test_noise_makes_no_ovals_and_hides_none(with_dem):
    def ratios(major, minor):
        found = [
            cl.characterize(scene(with_dem, noise=8.0, seed=seed, major=major, minor=minor), table(), progress=False)
            for seed in range(8)
        ]
        return np.array([f.major_m[0] / f.minor_m[0] for f in found])

    # A circle's axes from points of rim without a prior on its shape: 1.03, median of these scenes.
    assert np.median(ratios(50.0, 50.0)) < 1.025
    assert np.median(ratios(62.0, 41.0)) > 0.9 * 62 / 41


@pytest.mark.parametrize("with_dem", [True, False])
def test_a_poor_start_is_mended(with_dem):
    start = table(x_px=77.5, y_px=81.5, diameter_px=45.0)
    got = cl.characterize(scene(with_dem), start).iloc[0]
    assert got.major_m == pytest.approx(56 * SCALE, rel=0.03)
    assert got.minor_m == pytest.approx(45 * SCALE, rel=0.03)
    assert turn(got.angle_deg, 30) < 5


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.4, -0.3)])
def test_depth_of_a_paraboloid(noise, tilt):
    got = cl.characterize(scene(noise=noise, tilt=tilt), table()).iloc[0]
    assert got.depth_m == pytest.approx(DEPTH, rel=0.05)
    assert 0 <= got.depth_std_m < 0.1 * DEPTH
    # Rim 6.8 m; the ejecta still stands about 0.9 m high where the ground is taken.
    assert got.rim_height_m == pytest.approx(0.17 * DEPTH * (1 - 1 / 8), abs=1.2)
    assert got.depth_diameter == pytest.approx(got.depth_m / (50.2 * SCALE))
    assert got.depth_diameter_std > 0


def test_errors_grow_with_noise():
    std = [cl.characterize(scene(noise=n, with_dem=False), table()).major_std_m[0] for n in (0.0, 4.0)]
    assert std[1] > std[0]
    std = [cl.characterize(scene(noise=n), table()).depth_std_m[0] for n in (0.0, 2.0)]
    assert std[1] > std[0]


def test_noise_alone_has_no_rim():
    rng = np.random.default_rng(3)
    flat = rng.normal(0, 1, (200, 200)).astype(np.float32)
    n = 40
    made = pd.DataFrame(
        {"x_px": rng.uniform(60, 140, n), "y_px": rng.uniform(60, 140, n), "diameter_px": np.full(n, 30.0)}
    )
    got = cl.characterize(flat, made, pixel_size=2.0)
    from_image = got[got.ellipse_from == "image"]
    assert len(from_image) < 0.5 * n
    # Where noise lines up by chance the error says so.
    assert from_image.empty or (from_image.major_std_m / from_image.major_m).median() > 0.03


def test_small_craters_keep_their_circle():
    got = cl.characterize(scene(), table(diameter_px=6.0, diameter_std_m=2.5)).iloc[0]
    assert got.ellipse_from == "circle"
    assert got.major_m == got.minor_m == pytest.approx(6 * SCALE)
    assert got.major_std_m == 2.5 and np.isnan(got.angle_deg)
    assert cl.characterize(scene(), table(diameter_px=6.0)).major_std_m[0] == pytest.approx(0.15 * 6 * SCALE)


@pytest.mark.parametrize(
    ("crs", "corner", "step"),
    [
        ("IAU_2015:49900", (10.0, 60.0), None),  # degrees at 60 N: pixels twice as high as wide on the ground
        ("+proj=stere +lat_0=90 +lon_0=0 +R=3396190 +units=m +no_defs", (2.0e5, -3.0e5), 5.0),
    ],
)
def test_shapes_are_true_on_the_ground(crs, corner, step):
    """A crater round on the ground, drawn in a stretched or turned projection, comes out round with its true depth."""
    import rioxarray  # noqa: F401
    from affine import Affine

    size = 160
    step = step or 5.0 / (np.pi / 180 * 3396190)
    blank = xr.Dataset({"image": (("y", "x"), np.zeros((size, size), np.float32))})
    blank = blank.rio.write_crs(crs).rio.write_transform(Affine(step, 0, corner[0], 0, -step, corner[1]))
    from craterlab.grid import grid_of

    grid = grid_of(blank)
    y, x = np.mgrid[:size, :size] + 0.5
    ground = np.einsum("ij,jyx->iyx", grid.jacobian(80.0, 80.0), np.stack([x - 80, y - 80]))
    stretched = np.hypot(ground[0] / 1.25, ground[1])  # axis ratio 0.8, long axis east
    rho = stretched / 90.0
    z = np.where(rho < 1, 7 + DEPTH * (rho**2 - 1), 7 * np.maximum(rho, 1e-6) ** -3).astype(np.float32)
    blank["dem"] = ("y", "x"), z
    d = 2 * 90.0 * np.sqrt(1.25)
    craters = craters_from_pixels(
        {"x_px": [80.0], "y_px": [80.0], "diameter_px": [d / grid.metres_per_pixel(80.0, 80.0)]}, blank
    )
    got = cl.characterize(blank, craters).iloc[0]
    assert got.major_m == pytest.approx(2 * 90 * 1.25, rel=0.03)
    assert got.minor_m == pytest.approx(2 * 90, rel=0.03)
    assert turn(got.angle_deg, 90) < 5
    assert got.depth_m == pytest.approx(DEPTH, rel=0.06)
    # A catalogue of the same crater without pixel columns gives the same.
    again = cl.characterize(blank, pd.DataFrame(craters[["lon", "lat", "diameter_m"]])).iloc[0]
    assert again.depth_m == pytest.approx(got.depth_m) and again.x_px == pytest.approx(80.0, abs=1e-3)


def test_depth_needs_the_whole_crater():
    cut = scene()
    got = cl.characterize(cut.isel(x=slice(75, None)), table(x_px=5.3))
    assert np.isnan(got.depth_m[0]) and np.isnan(got.depth_std_m[0])
    holed = scene()
    holed["dem"][70:95, 60:90] = np.nan
    got = cl.characterize(holed, table()).iloc[0]
    assert np.isnan(got.depth_m) and np.isnan(got.depth_diameter)
    edge = scene()
    edge["dem"][:, 118:] = np.nan  # beyond the rim, inside the ground that the rim height needs
    got = cl.characterize(edge, table()).iloc[0]
    assert np.isfinite(got.depth_m) and np.isnan(got.rim_height_m)


def test_missing_sectors_do_not_bend_the_ellipse():
    part = scene(with_dem=False)
    part["image"][60:80, 95:] = np.nan
    got = cl.characterize(part, table()).iloc[0]
    assert got.ellipse_from == "image"
    assert got.major_m == pytest.approx(56 * SCALE, rel=0.04) and got.minor_m == pytest.approx(45 * SCALE, rel=0.04)


def test_craters_outside_keep_their_row():
    rows = pd.concat([table(), table(x_px=900.0), table(x_px=-300.0, y_px=4000.0)], ignore_index=True)
    got = cl.characterize(scene(), rows)
    assert len(got) == 3 and got.ellipse_from.tolist() == ["dem", "", ""]
    assert got.loc[1:, ["major_m", "depth_m", "rim_height_m"]].isna().all().all()
    np.testing.assert_array_equal(got.x_px, rows.x_px)


def test_large_craters_are_read_coarsely():
    """A crater of 1600 pixels is measured through a step of 2 and comes out the same."""
    z, image = carve(size=2400, x0=1200.0, y0=1200.0, major=1760.0, minor=1500.0, angle=30.0)
    big = xr.Dataset({"image": (("y", "x"), image), "dem": (("y", "x"), z)}, attrs={"pixel_size_m": SCALE})
    got = cl.characterize(big, table(x_px=1200.0, y_px=1200.0, diameter_px=1600.0)).iloc[0]
    assert got.major_m == pytest.approx(1760 * SCALE, rel=0.02) and got.minor_m == pytest.approx(1500 * SCALE, rel=0.02)
    assert got.depth_m == pytest.approx(DEPTH, rel=0.05)


def test_empty_table_gets_its_columns():
    got = cl.characterize(scene(), empty_craters())
    assert len(got) == 0
    assert {"major_m", "minor_m", "angle_deg", "depth_m", "rim_height_m", "depth_diameter", "depth_std_m"} <= set(got)
    extra = cl.characterize(scene(), empty_craters(), extra={"mine": lambda chip: 1.0})
    assert "mine" in extra


def test_without_dem_or_scale():
    got = cl.characterize(scene(with_dem=False), table()).iloc[0]
    assert np.isnan(got[["depth_m", "rim_height_m", "depth_diameter", "depth_std_m"]].astype(float)).all()
    unscaled = scene()
    del unscaled.attrs["pixel_size_m"]
    got = cl.characterize(unscaled, table()).iloc[0]
    assert np.isnan(got.major_m) and np.isnan(got.depth_diameter)
    assert got.depth_m == pytest.approx(DEPTH, rel=0.05) and turn(got.angle_deg, 30) < 5


def test_attrs_index_and_own_columns_survive():
    craters = craters_from_pixels(table(score=0.7, note="here"), scene())
    craters.attrs = {"scene": "made", "weights": "abc"}
    craters.index = [41]
    got = cl.characterize(scene(), craters)
    assert craters.attrs.items() <= got.attrs.items() and got.index.tolist() == [41]
    assert got.note[41] == "here" and got.score[41] == 0.7
    assert got.geometry.geom_equals(craters.geometry).all()
    assert "depth_m" not in craters


def test_extra_columns_see_the_chip():
    seen = {}

    def mean_inside(chip):
        seen.update(chip)
        return float(np.nanmean(chip["dem"][24:40, 24:40]))

    got = cl.characterize(scene(), table(), extra={"floor": mean_inside})
    assert seen["image"].shape == seen["dem"].shape == (64, 64)
    assert seen["row"]["x_px"] == 80.3 and seen["radius_m"] == pytest.approx(25.1 * SCALE)
    assert got["floor"][0] < -20
    bright = seen["dem"][:8].mean(), seen["dem"][-8:].mean()
    assert abs(bright[0] - bright[1]) < 1.0


def test_dem_as_argument(tmp_path):
    import rasterio

    z, image = carve()
    bare = xr.Dataset({"image": (("y", "x"), image)}, attrs={"pixel_size_m": SCALE})
    path = tmp_path / "dem.tif"
    with rasterio.open(path, "w", driver="GTiff", height=160, width=160, count=1, dtype="float32") as file:
        file.write(z, 1)
    want = cl.characterize(scene(), table()).depth_m[0]
    for dem in (str(path), path, z, xr.DataArray(z, dims=("y", "x"))):
        assert cl.characterize(bare, table(), dem).depth_m[0] == pytest.approx(want)


@pytest.mark.parametrize(
    ("craters", "dem", "message"),
    [
        ([1, 2, 3], None, "crater table"),
        (pd.DataFrame({"x": [1.0]}), None, "x_px"),
        (table(diameter_px=0.0), None, "rows 0"),
        (table(diameter_px=np.nan), None, "rows 0"),
        (table(), np.zeros((3, 3)), "reproject_match"),
        (table(), 7.0, "dem is neither"),
        (table(), "no_such_file.tif", "No file"),
    ],
)
def test_wrong_input_says_what_to_type(craters, dem, message):
    with pytest.raises(CraterlabError, match=message):
        cl.characterize(scene(), craters, dem)


def test_table_of_another_body_is_refused():
    from craterlab.catalog import empty_craters

    moon = empty_craters("IAU_2015:30100")
    mars = scene().rio.write_crs("IAU_2015:49900")
    with pytest.raises(CraterlabError, match=r"Moon.*Mars"):
        cl.characterize(mars, moon)


def test_radius_at_is_the_ellipse():
    theta = np.array([[0.1, -0.05, 0.08, 0.07, -0.1]])
    radius = rims.radius_at(theta)[0]
    azimuth = 2 * np.pi * np.arange(72) / 72
    points = radius[:, None] * np.stack([np.sin(azimuth), np.cos(azimuth)], -1) - theta[0, :2]
    values, vectors = np.linalg.eigh(np.array([[0.07, -0.1], [-0.1, -0.07]]))
    unstretched = points @ vectors @ np.diag(np.exp(-values - 0.08)) @ vectors.T
    np.testing.assert_allclose(np.hypot(*unstretched.T), 1.0, atol=1e-9)


@pytest.mark.parametrize("sector", [range(0, 18), range(30, 54)])
def test_missing_sectors_of_a_dem_leave_the_ellipse_in_place(sector):
    """A quarter or a third of the azimuths without data: the rest says where the rim is."""
    holed = scene(noise=0.3)
    y, x = np.mgrid[:160, :160] + 0.5
    azimuth = (np.degrees(np.arctan2(x - 80.3, 79.2 - y)) % 360 / 5).astype(int)
    holed["dem"] = holed["dem"].where(~np.isin(azimuth, list(sector)))
    got = cl.characterize(holed, table()).iloc[0]
    assert got.ellipse_from == "dem"
    assert got.major_m == pytest.approx(56 * SCALE, rel=0.05) and got.minor_m == pytest.approx(45 * SCALE, rel=0.05)
    assert turn(got.angle_deg, 30) < 8
    assert np.isnan(got.depth_m)  # more than a tenth of the rim is not known

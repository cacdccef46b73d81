"""Real products of every format, and real tables of positions, through the readers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio

from craterlab import CraterlabError, craters_from_pixels, open_scene
from craterlab.grid import grid_of

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def test_every_product_is_read_or_told_why_not(data):
    table = pd.read_csv(data / "formats" / "files.csv")
    refused = {
        "pds3_3bands.IMG": "one band is wanted",
        "default.fits": "FITS",
        "vesta_craters_km.csv": "not an image",
        "TC1S2B0_01_05186N225E0040_mini.img": "Open its label",
        "simulated_clipper_eis_nac_rolling_shutter.dat": "Open its label",
        # This cut-out of the ISIS test data holds nothing but the special pixel for no data.
        "Polar_Crater_1_1m_ngate_edited2_forPDS_lowres.cub": "no data",
    }
    for row in table.itertuples():
        path = data / "formats" / row.file
        if row.file in refused:
            with pytest.raises(CraterlabError, match=refused[row.file]):
                open_scene(path)
            continue
        scene = open_scene(path)
        assert scene["image"].shape == (int(row.height), int(row.width)), row.file
        assert (scene.rio.crs is not None) == (row.crs == "yes"), row.file
        with rasterio.open(path) as file:
            raw = file.read(1).astype("f8") * file.scales[0] + file.offsets[0]
        image = scene["image"].values
        valid = np.isfinite(image)
        assert valid.any(), row.file
        assert np.allclose(image[valid], raw[valid], rtol=1e-6), row.file


def test_isis_cubes(data):
    scene = open_scene(data / "formats" / "PSP_002118_1510_1m_o_forPDS_cropped.cub")
    assert scene.attrs["body"] == "Mars"
    assert np.isnan(scene.attrs["sun_azimuth_deg"])  # ISIS cubes seldom carry the sun
    with rasterio.open(data / "formats" / "PSP_002118_1510_1m_o_forPDS_cropped.cub") as file:
        raw = file.read(1)
    assert np.array_equal(np.isnan(scene["image"].values), np.isin(raw, [0, 255]))
    # The label gives the corners (planetocentric, 0..360).
    lon, lat = grid_of(scene).lonlat([0, 50], [0, 50])
    assert lat == pytest.approx([-28.511971801247, -28.512821825985998], abs=1e-5)
    assert lon % 360 == pytest.approx([226.87080164665001, 226.87173974518001], abs=1e-4)
    # Its projection has a local radius; lengths are on the body's sphere, 0.1 % away.
    assert grid_of(scene).metres_per_pixel(25, 25) == pytest.approx(
        1.0066 * np.sqrt(np.cos(np.radians(28.512)) / np.cos(np.radians(25))), rel=3e-3
    )
    scene = open_scene(data / "formats" / "Ares4_Marth_Crater_3557E_126N_ngate_03_lowres.cub")
    assert np.isnan(scene["image"].values).any() and scene["image"].min() > -1e4
    lon, lat = grid_of(scene).lonlat(4, 11.5)
    assert 12.45 < lat < 12.83 and 355.68 - 360 < lon < 355.81 - 360


def test_kaguya_pds3_with_sun(data):
    scene = open_scene(data / "formats" / "TC1S2B0_01_05186N225E0040_mini.lbl")
    assert (scene.attrs["body"], scene.attrs["instrument"]) == ("Moon", "Kaguya TC")
    assert (scene.attrs["sun_azimuth_deg"], scene.attrs["incidence_deg"]) == (102.71, 65.012)
    # Clockwise from north it must be: at latitude 22.47 the sun then stands over the lunar equator within 1.6 degrees.
    lat, z, a = np.radians([22.472717, 65.012, 102.71])
    declination = np.degrees(np.arcsin(np.sin(lat) * np.cos(z) + np.cos(lat) * np.sin(z) * np.cos(a)))
    assert abs(declination) < 1.6
    assert scene["image"].max() < 425.971  # radiance: the scale of the label is applied


def test_hrsc_pds3(data):
    scene = open_scene(data / "formats" / "h0279_0000_re2_cropped.img", pixel_size=44.1)
    assert (scene.attrs["body"], scene.attrs["instrument"]) == ("Mars", "HRSC")
    assert np.isnan(scene.attrs["sun_azimuth_deg"])
    assert scene.attrs["pixel_size_m"] == 44.1


def test_pds4(data):
    scene = open_scene(data / "formats" / "simulated_clipper_eis_wac_rolling_shutter_cropped.xml")
    assert scene.attrs["body"] == "Europa"


def test_vesta_geotiff(data):
    scene = open_scene(data / "formats" / "vesta.tif")
    assert scene.attrs["body"] == "Vesta"
    assert grid_of(scene).crs.to_authority() == ("IAU_2015", "200000400")
    assert scene.crater.area_km2() == pytest.approx(4 * np.pi * 255**2, rel=1e-3)


@pytest.mark.parametrize(("name", "count"), [("themis", 12), ("wac_dem", 5)])
def test_positions_and_sizes_agree_with_the_published_tables(data, name, count):
    """Lon/lat degrees (PNG with .aux.xml) and sinusoidal: pixels give the table's lon, lat and metres."""
    labels = pd.read_parquet(data / name / "labels.parquet").query("diameter_m.notna()")
    for image, rows in list(labels.groupby("image"))[:count]:
        scene = open_scene(data / name / image)
        assert scene.attrs["body"] == {"themis": "Mars", "wac_dem": "Moon"}[name]
        found = craters_from_pixels(rows[["x_px", "y_px", "diameter_px"]], scene)
        assert np.abs((found.lon.values - rows.lon.values + 180) % 360 - 180).max() < 1e-6
        assert found.lat.values == pytest.approx(rows.lat.values, abs=1e-6)
        assert found.diameter_m.values == pytest.approx(rows.diameter_m.values, rel=1e-3)
        assert found.geometry.is_valid.all()


def test_wac_image_with_its_dem(data):
    images = pd.read_csv(data / "wac_dem" / "images.csv")
    row = images.iloc[0]
    scene = open_scene(data / "wac_dem" / row.image, dem=data / "wac_dem" / row.dem)
    with rasterio.open(data / "wac_dem" / row.dem) as file:
        assert np.array_equal(scene["dem"].values, file.read(1))


def test_global_mola_under_a_themis_tile_at_the_antimeridian(data):
    scene = open_scene(
        data / "themis" / "images" / "amazonis_0_32.png", dem=data / "mola" / "mola_megdr_4ppd_topography.tif"
    )
    dem = scene["dem"].values
    assert np.isfinite(dem).all()  # the first column lies at -180: its left neighbour is the last column of MOLA
    assert -4500 < dem.min() < dem.max() < 0  # Amazonis Planitia

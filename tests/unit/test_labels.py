"""Labels: keywords of every kind of label, instrument, body, and the sun in degrees clockwise from north."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

from craterlab import open_scene
from craterlab.bodies import body
from craterlab.grid import Grid
from craterlab.instruments import instrument
from craterlab.labels import body_from_label, instrument_from_label, keyword, number, parse_label
from craterlab.sun import sun_from_label

HIRISE = """PDS_VERSION_ID            = PDS3
INSTRUMENT_HOST_NAME      = "MARS RECONNAISSANCE ORBITER"
INSTRUMENT_NAME           = "HIGH RESOLUTION IMAGING SCIENCE
                             EXPERIMENT"
INSTRUMENT_ID             = "HIRISE"
TARGET_NAME               = "MARS"   /* the planet */
OBJECT = IMAGE_MAP_PROJECTION
    CENTER_LATITUDE       = 20.0 <DEG>
    POSITIVE_LONGITUDE_DIRECTION = EAST
END_OBJECT = IMAGE_MAP_PROJECTION
GROUP = VIEWING_PARAMETERS
    INCIDENCE_ANGLE       = 46.1 <DEG>
    NORTH_AZIMUTH         = 270.0 <DEG>
    SUB_SOLAR_AZIMUTH     = 185.0 <DEG>
END_GROUP = VIEWING_PARAMETERS
END
"""
OHRC = """<?xml version="1.0" encoding="UTF-8"?>
<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1" xmlns:isda="https://isda.issdc.gov.in/pds4/isda/v1">
 <Observation_Area>
  <Observing_System>
   <Observing_System_Component><name>Chandrayaan 2 Orbiter</name><type>Spacecraft</type></Observing_System_Component>
   <Observing_System_Component><name>orbiter high resolution camera</name><type>Instrument</type>
   </Observing_System_Component>
  </Observing_System>
  <Target_Identification><name>Moon</name><type>Satellite</type></Target_Identification>
  <Mission_Area><isda:Product_Parameters>
    <isda:sun_azimuth unit="deg">61.44</isda:sun_azimuth>
    <isda:sun_elevation unit="deg">8.99</isda:sun_elevation>
  </isda:Product_Parameters></Mission_Area>
 </Observation_Area>
</Product_Observational>"""
CASSIS = """<Product_Observational>
 <Observing_System_Component><name>CaSSIS</name><type>Instrument</type></Observing_System_Component>
 <Target_Identification><name>Mars</name></Target_Identification>
 <geom:north_azimuth unit="deg">270.0</geom:north_azimuth>
 <geom:subsolar_azimuth unit="deg">30.0</geom:subsolar_azimuth>
 <geom:incidence_angle unit="deg">55.5</geom:incidence_angle>
</Product_Observational>"""


def isis(**groups):
    return json.dumps({"IsisCube": groups})


def pds(**keywords):
    return "PDS_VERSION_ID = PDS3\n" + "\n".join(f"{k} = {v}" for k, v in keywords.items()) + "\nEND\n"


# The image azimuths run clockwise from the right: the sun at `sun`, north at `north`, so `sun - north` from north.
SUNS = [
    ("HiRISE", HIRISE, 275.0, 46.1),  # up is north: 5 degrees above the left edge
    (
        "CTX",
        pds(
            INSTRUMENT_ID="CTX", TARGET_NAME="MARS", INCIDENCE_ANGLE=57.2, NORTH_AZIMUTH=277.0, SUB_SOLAR_AZIMUTH=187.0
        ),
        270.0,
        57.2,
    ),
    (
        "THEMIS IR",
        pds(
            INSTRUMENT_ID="THEMIS",
            DETECTOR_ID="IR",
            INCIDENCE_ANGLE=70,
            NORTH_AZIMUTH=98,
            SUB_SOLAR_AZIMUTH="8.0 <deg>",
        ),
        270.0,
        70.0,
    ),
    (
        "THEMIS VIS",
        isis(Instrument={"InstrumentId": "THEMIS_VIS"}, Geometry={"NorthAzimuth": 270.0, "SubSolarAzimuth": 0.0}),
        90.0,
        np.nan,
    ),
    (
        "LROC WAC",
        isis(Instrument={"InstrumentId": "WAC-VIS"}, Geometry={"NorthAzimuth": 90.0, "SubSolarAzimuth": 180.0}),
        90.0,
        np.nan,
    ),
    (
        # ISIS campt on a slanting view: the difference of the image azimuths would be 16 degrees off.
        "LROC NAC",
        pds(
            INSTRUMENT_HOST_NAME='"LUNAR RECONNAISSANCE ORBITER"',
            INSTRUMENT_ID="LROC",
            PRODUCT_ID="M104827900LE",
            CENTER_LATITUDE=34.444196777763,
            CENTER_LONGITUDE=223.84999971299,
            SUB_SOLAR_LATITUDE=-9.1071705738361,
            SUB_SOLAR_LONGITUDE=147.50443340123,
            SUB_SOLAR_AZIMUTH=172.30460990873,
            NORTH_AZIMUTH=261.46910874636,
            INCIDENCE_ANGLE=84.1,
        ),
        254.69139701227,
        84.1,
    ),
    (
        "MDIS NAC",
        pds(
            INSTRUMENT_ID='"MDIS-NAC"',
            TARGET_NAME="MERCURY",
            CENTER_LATITUDE="0.0 <DEG>",
            CENTER_LONGITUDE="100.0 <DEG>",
            SUB_SOLAR_LATITUDE="0.0 <DEG>",
            SUB_SOLAR_LONGITUDE="160.0 <DEG>",
            INCIDENCE_ANGLE="60.0 <DEG>",
        ),
        90.0,
        60.0,
    ),
    (
        "MDIS WAC",
        pds(INSTRUMENT_ID='"MDIS-WAC"', NORTH_AZIMUTH=10, SUB_SOLAR_AZIMUTH=20, INCIDENCE_ANGLE='"N/A"'),
        10.0,
        np.nan,
    ),
    (
        "Kaguya TC",
        pds(
            INSTRUMENT_ID="TC1", MISSION_NAME="SELENE", SOLAR_AZIMUTH_ANGLE="102.71 <deg>", INCIDENCE_ANGLE="65.0 <deg>"
        ),
        102.71,
        65.0,
    ),
    ("OHRC", OHRC, 61.44, 81.01),
    ("CaSSIS", CASSIS, 120.0, 55.5),
    # Azimuths of these are written in ways that are not documented: better unknown than wrong.
    ("HRSC", pds(INSTRUMENT_ID="HRSC", INCIDENCE_ANGLE=40, SUB_SOLAR_AZIMUTH=100, NORTH_AZIMUTH=270), np.nan, 40.0),
    (
        "Chang'e-2 CCD",
        pds(INSTRUMENT_ID="CCD", MISSION_NAME='"CHANG\'E-2"', SOLAR_AZIMUTH_ANGLE=33, SOLAR_INCIDENCE_ANGLE=50),
        np.nan,
        50.0,
    ),
]


@pytest.mark.parametrize(("name", "text", "azimuth", "incidence"), SUNS, ids=[s[0] for s in SUNS])
def test_sun_of_each_instrument(name, text, azimuth, incidence):
    label = parse_label(text)
    assert instrument_from_label(label) == name
    found = sun_from_label(label, name)
    assert found[0] == pytest.approx(azimuth, abs=0.02, nan_ok=True)
    assert found[1] == pytest.approx(incidence, nan_ok=True)


def test_every_instrument_of_the_table_has_a_sun_test():
    from craterlab import instruments

    assert {s[0] for s in SUNS} | {"generic"} == set(instruments().index)


def test_ohrc_azimuth_is_from_north():
    """At Vikram's place (69.4 S) the sun 9 degrees above the horizon can only stand there if counted from north."""
    azimuth, height, lat = np.radians([61.44, 8.99, -69.4])
    declination = np.degrees(np.arcsin(np.sin(lat) * np.sin(height) + np.cos(lat) * np.cos(height) * np.cos(azimuth)))
    assert abs(declination) < 1.6  # the sun never stands further from the Moon's equator
    mirrored = np.degrees(np.arcsin(np.sin(lat) * np.sin(height) - np.cos(lat) * np.cos(height) * np.cos(azimuth)))
    assert abs(mirrored) > 1.6


def test_without_north_only_a_map_that_describes_itself_gives_an_azimuth():
    label = parse_label(re.sub(r".*NORTH_AZIMUTH.*\n", "", HIRISE))
    assert np.isnan(sun_from_label(label, "HiRISE")[0])
    up = Grid((100, 100), Affine(1, 0, 0, 0, -1, 1e6), CRS("IAU_2015:49910"), body("Mars"))
    assert sun_from_label(label, "HiRISE", up)[0] == pytest.approx(275, abs=0.5)
    # Polar map, 90 E to the right: there north (the pole) is to the left, east up.
    polar = Grid((100, 100), Affine(10, 0, 2e5, 0, -10, 500), CRS("IAU_2015:49930"), body("Mars"))
    assert sun_from_label(label, "HiRISE", polar)[0] == pytest.approx(5.0, abs=0.5)
    raw = {k: v for k, v in label.items() if k != "IMAGE_MAP_PROJECTION"}
    assert np.isnan(sun_from_label(raw, "HiRISE", up)[0])


def test_ground_azimuth_counts_for_any_instrument():
    label = parse_label(
        isis(GroundPoint={"SubSolarGroundAzimuth": 254.69, "Incidence": {"value": 84.1, "unit": "deg"}})
    )
    assert sun_from_label(label, None) == (pytest.approx(254.69), pytest.approx(84.1))


def test_west_longitudes_are_not_taken_for_east():
    label = dict(parse_label(SUNS[6][1]), POSITIVE_LONGITUDE_DIRECTION="WEST")
    assert np.isnan(sun_from_label(label, "MDIS NAC")[0])


def test_no_label():
    assert np.isnan(sun_from_label({}, None)).all()
    assert instrument_from_label({}) is None and body_from_label({}) is None
    assert parse_label("") == {} and parse_label("<broken") == {} and parse_label("{broken") == {}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("SubSolarAzimuth", "SUB_SOLAR_AZIMUTH"),
        ("geom:subsolar_azimuth", "SUB_SOLAR_AZIMUTH"),
        ("{http://x}north_azimuth", "NORTH_AZIMUTH"),
        ("TargetName", "TARGET_NAME"),
        ("INCIDENCE_ANGLE", "INCIDENCE_ANGLE"),
        ("MESS:EXP", "EXP"),
    ],
)
def test_keywords_in_one_spelling(given, wanted):
    assert keyword(given) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("65.012 <deg>", 65.012),
        (3, 3.0),
        ("-1.5e1", -15.0),
        ("1.0 <rad>", 57.29577951),
        (["7.0 <deg>"], 7.0),
        ("N/A", None),
        (-1e32, None),
        ("UNK", None),
        (True, None),
    ],
)
def test_numbers(value, wanted):
    assert number({"A": value}, "A") == (None if wanted is None else pytest.approx(wanted))


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ({"INSTRUMENT_ID": "NACL"}, "LROC NAC"),
        ({"INSTRUMENT_ID": "LROC", "FRAME_ID": "RIGHT"}, "LROC NAC"),
        ({"INSTRUMENT_ID": "LROC", "PRODUCT_ID": "M119415319MC"}, "LROC WAC"),
        ({"INSTRUMENT_ID": "LROC"}, None),
        ({"INSTRUMENT_NAME": "CONTEXT CAMERA", "INSTRUMENT_HOST_NAME": "MARS RECONNAISSANCE ORBITER"}, "CTX"),
        ({"INSTRUMENT_ID": "THEMIS_IR"}, "THEMIS IR"),
        ({"INSTRUMENT_ID": "MDIS-WAC", "INSTRUMENT_NAME": "MERCURY DUAL IMAGING SYSTEM WIDE ANGLE CAMERA"}, "MDIS WAC"),
        ({"INSTRUMENT_ID": "TC2", "DATA_SET_ID": "SLN-L-TC-3-S-LEVEL2B0-V1.0"}, "Kaguya TC"),
        ({"INSTRUMENT_ID": "TC2"}, None),
        ({"INSTRUMENT_ID": "MOC"}, None),
    ],
)
def test_instrument_names(label, name):
    assert instrument_from_label(label) == name
    if name is not None:
        assert instrument(name).name == name


@pytest.mark.parametrize(("target", "name"), [("MARS", "Mars"), ("moon", "Moon"), ("4 VESTA", "Vesta"), ("SKY", None)])
def test_body_names(target, name):
    assert body_from_label({"TARGET_NAME": target}) == name


@pytest.mark.parametrize(("suffix", "text"), [(".LBL", HIRISE), (".xml", OHRC)])
def test_detached_label_beside_the_image(tmp_path, suffix, text):
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", count=1, height=9, width=9, dtype="uint8") as file:
        file.write(np.arange(81, dtype="uint8").reshape(1, 9, 9))
    (tmp_path / f"a{suffix}").write_text(text)
    scene = open_scene(tmp_path / "a.tif")
    if suffix == ".LBL":
        assert (scene.attrs["body"], scene.attrs["instrument"]) == ("Mars", "HiRISE")
        assert scene.attrs["sun_azimuth_deg"] == 275.0
    else:
        assert (scene.attrs["body"], scene.attrs["instrument"]) == ("Moon", "OHRC")
        assert scene.attrs["incidence_deg"] == pytest.approx(81.01)
    given = open_scene(tmp_path / "a.tif", sun_azimuth_deg=10, instrument="generic")
    assert (given.attrs["sun_azimuth_deg"], given.attrs["instrument"]) == (10.0, "generic")

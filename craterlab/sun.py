"""Where the sun stood: label keywords, whose conventions differ by instrument, to degrees clockwise from north."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .labels import Label, number

if TYPE_CHECKING:
    from .grid import Grid

# Azimuth on the ground, clockwise from north, whoever wrote it (ISIS campt spells it so).
_GROUND = ("SUB_SOLAR_GROUND_AZIMUTH",)
# Kaguya TC: holds against latitude and incidence in its own labels. OHRC: likewise, in its PDS4 mission area.
_FROM_NORTH = {"Kaguya TC": ("SOLAR_AZIMUTH_ANGLE",), "OHRC": ("SUN_AZIMUTH",)}
# PDS: SUB_SOLAR_AZIMUTH and NORTH_AZIMUTH run clockwise in the image from the line centre -> middle of the right edge.
_IN_IMAGE = {
    "LROC NAC",
    "LROC WAC",
    "CTX",
    "HiRISE",
    "THEMIS IR",
    "THEMIS VIS",
    "MDIS NAC",
    "MDIS WAC",
    "CaSSIS",
}
# Their labels give the sub-solar point in planetocentric, east-positive coordinates, from which the azimuth is exact;
# the difference of two image azimuths is not where the camera looked sideways.
_SUN_POINT = {"LROC NAC", "LROC WAC", "MDIS NAC", "MDIS WAC", "CaSSIS"}


def sun_from_label(label: Label, instrument: str | None, grid: Grid | None = None) -> tuple[float, float]:
    """Sun azimuth and incidence from a label.

    Parameters
    ----------
    label : mapping
        Keywords in PDS3 spelling (`craterlab.labels.read_label`).
    instrument : str or None
        craterlab's name; it decides how an azimuth is read.
    grid : Grid, optional
        Of the image; its centre and, on a map, its orientation are used where the label is silent.

    Returns
    -------
    azimuth_deg : float
        Clockwise from north; NaN when the label has none or its convention is not known (HRSC, Chang'e-2 CCD).
    incidence_deg : float
        NaN when unknown.
    """
    return _azimuth(label, instrument, grid), _incidence(label)


def _incidence(label: Label) -> float:
    value = number(label, "INCIDENCE_ANGLE", "SOLAR_INCIDENCE_ANGLE", "SOLAR_INCIDENCE", "INCIDENCE")
    if value is None:
        height = number(label, "SUN_ELEVATION", "SOLAR_ELEVATION")
        value = None if height is None else 90 - height
    return float(value) if value is not None and 0 <= value <= 180 else np.nan


def _azimuth(label: Label, instrument: str | None, grid: Grid | None) -> float:
    for key in (*_GROUND, *_FROM_NORTH.get(instrument or "", ())):
        value = _angle(label, key)
        if value is not None:
            return value % 360
    if instrument not in _IN_IMAGE:
        return np.nan
    value = _from_subsolar_point(label, grid) if instrument in _SUN_POINT else None
    if value is not None:
        return value
    sun = _angle(label, "SUB_SOLAR_AZIMUTH")
    if sun is None:
        return np.nan
    north = _angle(label, "NORTH_AZIMUTH")
    if north is not None:
        return (sun - north) % 360
    # A label that describes the map itself; a raw image's azimuth would not fit a map made of it later.
    if grid is not None and grid.crs is not None and "IMAGE_MAP_PROJECTION" in label:
        return _ground_direction(grid, sun)
    return np.nan


def _angle(label: Label, key: str) -> float | None:
    value = number(label, key)
    return value if value is not None and -360 <= value <= 360 else None


def _from_subsolar_point(label: Label, grid: Grid | None) -> float | None:
    if "WEST" in str(label.get("POSITIVE_LONGITUDE_DIRECTION", "")).upper():
        return None
    sun_lat, sun_lon = _angle(label, "SUB_SOLAR_LATITUDE"), _angle(label, "SUB_SOLAR_LONGITUDE")
    if sun_lat is None or sun_lon is None:
        return None
    lat, lon = _angle(label, "CENTER_LATITUDE"), _angle(label, "CENTER_LONGITUDE")
    if grid is not None and grid.crs is not None:
        here = grid.lonlat(grid.shape[1] / 2, grid.shape[0] / 2)
        lon, lat = float(here[0]), float(here[1])
    elif "IMAGE_MAP_PROJECTION" in label:
        return None  # there the centre is that of the projection
    if lat is None or lon is None or not np.isfinite(lat + lon):
        return None
    p, s, d = np.radians(lat), np.radians(sun_lat), np.radians(sun_lon - lon)
    return (
        float(np.degrees(np.arctan2(np.sin(d) * np.cos(s), np.cos(p) * np.sin(s) - np.sin(p) * np.cos(s) * np.cos(d))))
        % 360
    )


def _ground_direction(grid: Grid, clockwise_from_right: float) -> float:
    j = grid.jacobian(grid.shape[1] / 2, grid.shape[0] / 2)
    a = np.radians(clockwise_from_right)
    east, north = j @ np.array([np.cos(a), np.sin(a)])
    return float(np.degrees(np.arctan2(east, north))) % 360

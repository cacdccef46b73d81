"""From a file's coordinate reference system to planetocentric, east-positive longitude and latitude, and back.

PROJ treats the frames of one body as interchangeable: planetographic latitude and west-positive longitude pass
unchanged (IAU_2015:49901 -> 49900 keeps latitude 45, the true planetocentric one is 44.662). So only PROJ's map
projections are used, on the CRS's own ellipsoid, and latitude type and longitude direction are converted here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .bodies import Body, body_of
from .errors import CraterlabError

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import ArrayLike, NDArray
    from pyproj import CRS


@dataclass(frozen=True)
class Frame:
    """A CRS that can be converted: its body and how its coordinates relate to longitude and latitude.

    Attributes
    ----------
    crs : pyproj.CRS
    body : Body
    latitude_factor : float
        tan(planetocentric) / tan(latitude of the CRS): (b/a)^2 where that one is planetographic, else 1.
    period : float
        Step in x after which the map repeats itself (360 degrees of longitude), NaN where it does not.
    """

    crs: CRS
    body: Body
    latitude_factor: float
    period: float

    def lonlat(self, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """CRS coordinates -> longitude, latitude (deg, not wrapped); NaN outside the projection."""
        x, y = np.asarray(x, float), np.asarray(y, float)
        if self.crs.is_projected:
            lon, lat = _projection(self.crs)(x, y, inverse=True)
        else:
            unit = _degrees(self.crs)
            lon, lat = x * unit, y * unit
        lon, lat = np.asarray(lon, float), np.asarray(lat, float)
        bad = ~(np.isfinite(lon) & np.isfinite(lat))
        lon, lat = np.where(bad, np.nan, lon), np.where(bad, np.nan, lat)
        return lon, self._scale_latitude(lat, self.latitude_factor)

    def xy(self, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Longitude, latitude (deg) -> CRS coordinates; NaN where the projection has no place for them."""
        lon = np.asarray(lon, float)
        lat = self._scale_latitude(np.asarray(lat, float), 1 / self.latitude_factor)
        if self.crs.is_projected:
            x, y = _projection(self.crs)(lon, lat)
        else:
            unit = _degrees(self.crs)
            x, y = lon / unit, lat / unit
        x, y = np.asarray(x, float), np.asarray(y, float)
        bad = ~(np.isfinite(x) & np.isfinite(y))
        return np.where(bad, np.nan, x), np.where(bad, np.nan, y)

    @staticmethod
    def _scale_latitude(lat: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
        """Latitude whose tangent is `factor` times as large; degrees past a pole stay past it."""
        if factor == 1:
            return lat
        phi = np.radians(lat)
        # arctan2 keeps +-90 exact and the formula continuous there.
        turned = np.degrees(np.arctan2(factor * np.sin(phi), np.abs(np.cos(phi))))
        return np.where(np.abs(lat) > 90, np.sign(lat) * 180 - turned, turned)


def frame_of(crs: Any) -> Frame:
    """The frame of a CRS whose longitudes already grow eastward (`east_positive` makes it so).

    Raises
    ------
    CraterlabError
        Earth or unknown body, a prime meridian other than the reference one, no longitude and latitude behind it.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_user_input(crs)
    except CRSError:
        raise CraterlabError(f"{crs!r} is not a coordinate reference system; try e.g. 'IAU_2015:49900'.") from None
    return _frame(crs.to_wkt())


@lru_cache(maxsize=256)
def parse_crs(wkt: str) -> CRS:
    """`pyproj.CRS` of a WKT text, parsed once (20 ms each)."""
    from pyproj import CRS

    return CRS.from_wkt(wkt)


@lru_cache(maxsize=256)
def _frame(wkt: str) -> Frame:
    crs = _horizontal(parse_crs(wkt))
    body = body_of(crs)
    if not crs.is_projected and not _is_lonlat(crs):
        raise CraterlabError(f"The CRS {crs.name!r} is a {crs.type_name}; wanted a map projection or lon/lat.")
    if _is_west(crs):
        raise CraterlabError(f"The CRS {crs.name!r} counts longitude westward; wanted an east-positive one.")
    meridian = crs.prime_meridian.longitude if crs.prime_meridian is not None else 0.0
    if meridian != 0:
        raise CraterlabError(
            f"The CRS {crs.name!r} counts longitude from {meridian:g} degrees; wanted the body's prime meridian. "
            f"Rewrite the file in {body.crs}."
        )
    assert crs.ellipsoid is not None
    factor = (crs.ellipsoid.semi_minor_metre / crs.ellipsoid.semi_major_metre) ** 2
    if not crs.is_projected and _is_planetocentric(crs):
        factor = 1.0
    return Frame(crs, body, factor, _period(crs))


def east_positive(crs: Any, transform: Affine) -> tuple[CRS, Affine]:
    """The same grid in the CRS whose x and longitude grow eastward.

    Parameters
    ----------
    crs : pyproj.CRS or anything it accepts
    transform : affine.Affine
        Pixel -> `crs`.

    Returns
    -------
    crs, transform
        As they came where x already grows eastward; else both mirrored, so that every pixel stays on its ground.

    Raises
    ------
    CraterlabError
        A west-positive map centred on another meridian than 0 or 180, whose sign cannot be known; a CRS that is
        west-positive by its name (IAU_2015 ... / Ographic) but not in the file.
    """
    from affine import Affine
    from pyproj import CRS

    crs = _horizontal(CRS.from_user_input(crs))
    if not _is_west(crs):
        if _lost_its_direction(crs.to_wkt()):
            ellipsoid = crs.ellipsoid
            assert ellipsoid is not None
            raise CraterlabError(
                f"The CRS {crs.name!r} counts longitude westward by its definition, but the file says eastward "
                "(GeoTIFF cannot hold the direction), so which one its pixels follow is not known. If longitude does "
                f"grow eastward, say so: gdal_edit.py -a_srs '+proj=longlat +a={ellipsoid.semi_major_metre:.0f} "
                f"+b={ellipsoid.semi_minor_metre:.0f}' IMAGE; if not, convert the image to {body_of(crs).crs}."
            )
        return _official(crs.to_wkt()), transform
    definition = crs.to_json_dict()
    if crs.is_projected:
        for p in definition["conversion"]["parameters"]:
            name = p["name"].lower()
            if "longitude" in name and float(p["value"]) % 180 != 0:
                raise CraterlabError(
                    f"The CRS {crs.name!r} counts longitude westward and is centred on {p['value']:g} degrees; whether "
                    f"east or west is not certain. Project the image to an east-positive CRS on {body_of(crs).crs}."
                )
            if "easting" in name:
                p["value"] = -p["value"]
    parts = [definition, *([definition["base_crs"]] if "base_crs" in definition else [])]
    for part in parts:
        part.pop("id", None)
        part["name"] += " (east-positive)"
        for axis in part.get("coordinate_system", {}).get("axis", []):
            if axis["direction"] == "west":
                axis["direction"] = "east"
                axis["name"] = axis["name"].replace("West", "East")
                axis["abbreviation"] = axis["abbreviation"].replace("W", "E")
    t = transform
    return CRS.from_json_dict(definition), Affine(-t.a, -t.b, -t.c, t.d, t.e, t.f)


def meridian_from_west(crs: CRS) -> CRS:
    """The map whose central meridian was given in west longitude, x still growing eastward.

    So are maps written by ISIS and in PDS3 when their label says west-positive; GDAL takes the number for east.
    """
    from pyproj import CRS

    if not crs.is_projected:
        raise CraterlabError(
            f"The label counts longitude westward, but {crs.name!r} is no map with a central meridian."
        )
    definition = crs.to_json_dict()
    definition.pop("id", None)
    for p in definition["conversion"]["parameters"]:
        if "longitude" in p["name"].lower():
            p["value"] = -p["value"]
    return CRS.from_json_dict(definition)


@lru_cache(maxsize=256)
def _lost_its_direction(wkt: str) -> bool:
    """An IAU planetographic frame, west-positive by definition, that a file gave back as east-positive."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    crs = parse_crs(wkt)
    base = crs.geodetic_crs
    if base is None or "(2015)" not in base.name or "ographic" not in base.name.lower():
        return False
    # The code of a body's planetographic frame follows that of its sphere.
    authority, number = body_of(crs).crs.split(":")
    try:
        defined = CRS.from_user_input(f"{authority}:{int(number) + 1}")
    except CRSError:
        return False
    return defined.name == base.name and _is_west(defined)


@lru_cache(maxsize=256)
def _official(wkt: str) -> CRS:
    """The IAU_2015 CRS with its code where `wkt` is the same; files and rioxarray seldom keep the code."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    crs = parse_crs(wkt)
    codes = [f"IAU_2015:{n}" for n in re.findall(r'(?:AUTHORITY|ID)\["IAU(?:_2015)?",\s*"?(\d+)', wkt)]
    try:
        codes.append(body_of(crs).crs)
    except CraterlabError:
        return crs
    for code in codes:
        try:
            candidate = CRS.from_user_input(code)
        except CRSError:
            continue
        if candidate.equals(crs, ignore_axis_order=True):
            return candidate
    return crs


def apply(transform: Affine, x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """An affine transform of arrays."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    return transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f


def _horizontal(crs: CRS) -> CRS:
    if crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    return crs


def _is_lonlat(crs: CRS) -> bool:
    # IAU_2015:49902 is a geodetic CRS with latitude and longitude that pyproj does not call geographic.
    return crs.is_geographic or any("latitude" in a.name.lower() for a in crs.axis_info)


def _is_west(crs: CRS) -> bool:
    # Only the axes of the coordinates themselves count: PROJ's map formulas know eastward longitude only.
    return any(a.direction == "west" for a in crs.axis_info)


def _is_planetocentric(crs: CRS) -> bool:
    return any("planetocentric" in a.name.lower() for a in crs.axis_info) or "ocentric" in crs.name.lower()


def _degrees(crs: CRS) -> float:
    return float(np.degrees(crs.axis_info[0].unit_conversion_factor)) if crs.axis_info else 1.0


@lru_cache(maxsize=256)
def _projection_of(wkt: str) -> Any:
    from pyproj import Proj

    return Proj(wkt)


def _projection(crs: CRS) -> Any:
    return _projection_of(crs.to_wkt())


def _period(crs: CRS) -> float:
    if not crs.is_projected:
        return 360.0 / _degrees(crs)
    # A map repeats itself where equal steps of longitude are equal steps of x at every latitude.
    lon = np.array([-100.0, -99.0, 20.0, 21.0, 140.0, 141.0])
    x = np.array([_projection(crs)(lon, np.full(6, lat))[0] for lat in (0.0, 40.0)])
    step = np.diff(np.where(np.isfinite(x), x, np.nan))[:, ::2].ravel()
    one = float(np.median(step))
    if not np.isfinite(step).all() or np.ptp(np.sort(step)[1:-1]) > 1e-9 * abs(one):
        return float("nan")
    return abs(one) * 360

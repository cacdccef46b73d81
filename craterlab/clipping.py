"""Craters and the area they are counted in: which lie inside, by what rule, and with what area."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CraterlabError
from .polygons import body_of_craters, region_of
from .region import unit_vectors

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from .region import Region

    Floats = NDArray[np.float64]

RULES = ("centre", "partial", "buffered")


def clip_craters(craters: gpd.GeoDataFrame, within: Any = None, *, rule: str = "centre") -> gpd.GeoDataFrame:
    """The craters of a counting area, with the area.

    Parameters
    ----------
    craters : GeoDataFrame
        Crater table with `lon`, `lat` and `diameter_m`; on an image without a CRS the rims' centres are used. May be
        empty.
    within : path, GeoDataFrame or GeoSeries, optional
        The area: polygons with a CRS of the same body (shapefile, GeoPackage, GeoJSON, GeoParquet), or the unit
        boundary of a .scc count. Default: the outline the table carries (`attrs["boundary"]`). Without a CRS only
        for craters without one, in metres. Polygons that cross themselves are taken for what they bound.
    rule : {"centre", "partial", "buffered"}
        "centre": craters whose centre is inside. "partial": all whose circle reaches inside, with the column
        `fraction`, the share of the circle that does (0..1). "buffered": the same craters, with the column
        `buffered_area_km2`, the area in which a crater of that size is counted, area + D perimeter / 2 + pi D^2 / 4.

    Returns
    -------
    GeoDataFrame
        `attrs`: area_km2 and perimeter_km on the sphere of the body, boundary (WKT, lon/lat), counting_rule.

    Raises
    ------
    CraterlabError
        Unknown rule; a crater without place or size; polygons that cannot be read, have no CRS, or are on another
        body.

    References
    ----------
    Fassett, C.I., Head, J.W., 2008, Icarus 195, 61-89 (buffered counting).
    Michael, G.G., 2021, Buffered crater counting by area and perimeter, as in craterstats (b-poisson).
    """
    if rule not in RULES:
        raise CraterlabError(f"unknown rule {rule!r}; there are {', '.join(map(repr, RULES))}")
    region = area_of(craters, within)
    points, angle = circles(craters, region)
    extra: dict[str, Any] = {}
    if rule == "centre":
        keep = region.contains(points)
    elif rule == "partial":
        share = region.share(points, angle)
        keep = share > 0
        extra["fraction"] = share[keep]
    else:
        keep = region.distance(points) <= angle
        extra["buffered_area_km2"] = buffered_area_km2(region, np.asarray(craters["diameter_m"], float)[keep] / 1000)
    out = craters[keep].assign(**extra)
    out.attrs = {k: v for k, v in craters.attrs.items() if k != "boundary"}
    out.attrs |= {"area_km2": region.area_km2, "perimeter_km": region.perimeter_km, "counting_rule": rule}
    if region.outline:
        out.attrs["boundary"] = region.outline
    return out


def buffered_area_km2(region: Region, diameter_km: Floats) -> Floats:
    """Area (km2) in which craters of that diameter (km) touch the region: area + D perimeter / 2 + pi D^2 / 4.

    Exact for one convex area on a plane; narrow inlets and holes fill up before it says so.
    """
    d = np.asarray(diameter_km, float)
    return region.area_km2 + d * region.perimeter_km / 2 + np.pi * d**2 / 4


def area_of(craters: Any, within: Any) -> Region:
    """The region of `within`, or that the table carries, checked to be on the body of the craters."""
    if not hasattr(craters, "columns"):
        raise CraterlabError(
            f"wanted a crater table with lon, lat and diameter_m, got {type(craters).__name__}; "
            "craterlab.read_craters reads one"
        )
    body = body_of_craters(craters)
    region = region_of(within, body=body, boundary=craters.attrs.get("boundary"))
    if region.body and body is None:
        raise CraterlabError(
            f"within= is on {region.body}, the craters are on no body that is known. If they are on {region.body} "
            f"too, say so: craters.attrs['body'] = {region.body!r}."
        )
    return region


def circles(craters: Any, region: Region) -> tuple[Floats, Floats]:
    """Centres (n, 3) and radii (n,), radians, of the craters on the region's sphere."""
    if "diameter_m" not in craters:
        raise CraterlabError("the crater table has no column diameter_m, so its circles are not known")
    diameter = np.asarray(craters["diameter_m"], float)
    bad = ~(np.isfinite(diameter) & (diameter > 0))
    if bad.any():
        raise CraterlabError(
            f"diameter_m must be positive; row {int(bad.argmax())} has {diameter[bad.argmax()]!r}: drop it first"
        )
    if region.body:
        if not {"lon", "lat"} <= set(craters):
            raise CraterlabError("the crater table has no columns lon and lat, so its craters have no place")
        points = unit_vectors(craters["lon"], craters["lat"])
    else:
        points = _flat(craters, region)
    lost = np.asarray(~np.isfinite(points).all(-1))
    if lost.any():
        raise CraterlabError(
            f"{int(lost.sum())} of {len(lost)} craters have no place (lon, lat are NaN; the first is row "
            f"{int(lost.argmax())}); drop them: craters[craters.lon.notna()]"
        )
    return points, np.minimum(diameter / 2 / region.radius_m, np.pi)


def _flat(craters: Any, region: Region) -> Floats:
    """Centres of the rims of an image without a CRS, in metres, on the plane of the region."""
    import shapely

    from .catalog_files import has_geometry

    if not has_geometry(craters):
        raise CraterlabError("craters without a CRS are placed by their rims (column geometry), and there are none")
    middle = shapely.centroid(craters.geometry.to_numpy())
    xy = np.stack([shapely.get_x(middle), shapely.get_y(middle)], -1) - region.origin
    return region.pieces[0].plane.points(xy / region.radius_m)

"""Counting areas as users have them (polygon files, GeoDataFrames, outlines of crater counts) made regions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .bodies import Body, body_of
from .errors import CraterlabError
from .frames import apply, east_positive, frame_of
from .region import Piece, Plane, Region, angle_between, lonlat_of, unit_vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .frames import Frame

# Sides are divided into steps of a 200th of the area's extent, 0.1 degree at most: a chord leaves its side by less
# than 4e-7 of the radius. Pieces are at most 60 degrees wide, so that no plane is stretched much.
_STEPS, _STEP_DEG, _WIDE_DEG = 200, 0.1, 60.0
_COUNT_FILES = (".scc",)
# A plane is taken for the neighbourhood of a point of a sphere this many times as large: true to 1e-8.
_FLAT = 1e4


def read_polygons(within: Any) -> Any:
    """A polygon file, GeoDataFrame or GeoSeries as GeoSeries of its polygons, made valid.

    Parameters
    ----------
    within : path, GeoDataFrame or GeoSeries
        Shapefile, GeoPackage, GeoJSON, GeoParquet ...; of a .scc count its unit boundary.

    Raises
    ------
    CraterlabError
        Not there, unreadable, not polygons, or polygons that bound no area.
    """
    import geopandas as gpd
    import shapely

    if isinstance(within, str | Path):
        frame = _read(Path(within))
    elif isinstance(within, gpd.GeoDataFrame | gpd.GeoSeries):
        frame = within
    else:
        raise CraterlabError(
            f"within= is a polygon file or a GeoDataFrame, not {type(within).__name__}. "
            "Wrap a shapely polygon: geopandas.GeoDataFrame(geometry=[polygon], crs=scene.rio.crs)."
        )
    given = [g for g in frame.geometry if g is not None and not g.is_empty]
    parts = [p for g in given for p in shapely.get_parts(g) if p.geom_type == "Polygon"]
    if not parts:
        raise CraterlabError("within= holds no polygon, so it bounds no area.")
    if not all(np.isfinite(shapely.get_coordinates(p)).all() for p in parts):
        raise CraterlabError("within= has corners that are not numbers (NaN or infinite). Draw the polygon again.")
    return gpd.GeoSeries(parts, crs=frame.crs)


def _read(path: Path) -> Any:
    import geopandas as gpd

    if not path.exists():
        raise CraterlabError(f"No polygon file {str(path)!r}.")
    if path.suffix.lower() in _COUNT_FILES:
        from .catalog import read_craters

        count = read_craters(path)
        if "boundary" not in count.attrs:
            raise CraterlabError(f"{path.name} has no unit_boundary, so it bounds no area.")
        return _count_outline(count.attrs["boundary"], body_of(count.crs))
    try:
        return gpd.read_parquet(path) if path.suffix in (".parquet", ".geoparquet") else gpd.read_file(path)
    except Exception as err:  # pyogrio and pyarrow raise many kinds
        raise CraterlabError(f"{str(path)!r} could not be read as polygons ({type(err).__name__}: {err}).") from None


def region_of(
    within: Any, *, body: Body | None = None, boundary: str | None = None, what: str = "the craters"
) -> Region:
    """The region that polygons bound.

    Parameters
    ----------
    within : path, GeoDataFrame, GeoSeries or Region
        Sides are straight in their CRS; those of a .scc count are geodesics. Without a CRS they are in metres on a
        plane.
    body : Body, optional
        The one it must be on.
    boundary : str, optional
        WKT of lon/lat on `body`, sides geodesics, used where `within` is None: what a count carries.
    what : str
        Whose body that is, for messages.

    Returns
    -------
    Region

    Raises
    ------
    CraterlabError
        No polygon, no CRS, the Earth's, another body's, or polygons that cannot be placed.
    """
    import shapely

    if isinstance(within, Region):
        _same_body(within.body, body, what)
        return within
    if within is None:
        if boundary is None or body is None:
            raise CraterlabError(
                "the counting area is not known; pass within= (a polygon file or a GeoDataFrame with the CRS it was "
                "drawn in)"
            )
        series = _count_outline(boundary, body)
    else:
        series = read_polygons(within)
    if series.crs is None:
        if body is not None:
            raise CraterlabError(
                f"within= has no CRS, so its place on {body.name} is not known. Set the CRS it was drawn in, e.g. "
                f"polygons = polygons.set_crs({body.crs!r}) for longitude and latitude."
            )
        return _flat_region(series)
    frame, series = _on_body(series, body, what)
    parts = [_straightened(p) for p in series] if not frame.crs.is_projected else list(series)
    whole, seam = _joined(parts, frame)
    if whole.is_empty or not whole.area > 0:
        raise CraterlabError("within= bounds no area: its polygons are lines or points. Draw them again.")
    pieces = [p for part in shapely.get_parts(whole) for p in _pieces(part, frame)]
    outline = shapely.segmentize(whole, _step(whole, frame))
    rings = [_lonlat(frame, shapely.get_coordinates(r)) for r in _rings(outline)]
    perimeter = sum(_length(unit_vectors(*r)) for r in rings) - 2 * seam
    wkt = shapely.transform(outline, lambda c: np.round(np.stack(_lonlat(frame, c), -1), 9)).wkt
    radius = frame.body.radius_m
    return Region(tuple(pieces), radius, perimeter * radius / 1000, frame.body.name, wkt)


def _on_body(series: Any, body: Body | None, what: str) -> tuple[Frame, Any]:
    """The polygons east-positive, with their frame, on `body` if one is given; CraterlabError where they are not."""
    import shapely
    from affine import Affine

    ellipsoid = series.crs.ellipsoid
    if series.crs.is_geographic and ellipsoid is not None and 6.3e6 < ellipsoid.semi_major_metre < 6.45e6:
        code = body.crs if body is not None else "IAU_2015:49900"
        raise CraterlabError(
            "within= is in longitude and latitude of the Earth, which a GeoJSON file without a CRS is taken for. If "
            "they are those of the body, say so: polygons = geopandas.read_file(path).set_crs("
            f"{code!r}, allow_override=True), and pass within=polygons."
        )
    crs, flip = east_positive(series.crs, Affine.identity())
    frame = frame_of(crs)
    _same_body(frame.body.name, body, what)
    turned = [shapely.transform(g, lambda c: np.stack(apply(flip, c[:, 0], c[:, 1]), -1)) for g in series]
    return frame, turned


def _same_body(name: str, body: Body | None, what: str) -> None:
    if body is not None and name != body.name:
        raise CraterlabError(f"within= is on {name or 'a plane'}, {what} on {body.name}.")


def body_of_craters(craters: Any) -> Body | None:
    """The body that a crater table lies on; None for one measured on an image without a CRS."""
    from .bodies import body

    if "body" in craters and len(names := sorted({str(b) for b in craters["body"].dropna()})) > 1:
        raise CraterlabError(
            f"the craters lie on several bodies ({', '.join(names)}); take one at a time, e.g. "
            f"craters[craters['body'] == {names[0]!r}]"
        )
    if getattr(craters, "crs", None) is not None:
        return body_of(craters.crs)
    named = craters.attrs.get("body")
    return body(named) if isinstance(named, str) and named else None


def _flat_region(series: Any) -> Region:
    import shapely

    whole = shapely.union_all([_valid(g) for g in series])
    if not whole.area > 0:
        raise CraterlabError("within= bounds no area: its polygons are lines or points. Draw them again.")
    left, low, right, high = whole.bounds
    radius = _FLAT * max(right - left, high - low)
    origin = ((left + right) / 2, (low + high) / 2)
    polygon = shapely.transform(whole, lambda c: (c - origin) / radius)
    angle = float(np.hypot(right - left, high - low) / 2 / radius * (1 + 1e-6))
    return Region((_piece(Plane.about(np.array([0.0, 0.0, 1.0])), polygon, angle),), radius, whole.length / 1000, "",
                  origin=origin)  # fmt: skip


def _piece(plane: Plane, polygon: Any, angle: float) -> Piece:
    import shapely

    polygon = _valid(polygon)
    shapely.prepare(polygon)
    return Piece(plane, polygon, angle)


def _valid(polygon: Any) -> Any:
    """The polygon, or what it bounds where it crosses itself (a bow tie is its two triangles)."""
    import shapely

    if polygon.is_valid:
        return polygon
    parts = shapely.get_parts(shapely.get_parts(shapely.make_valid(polygon)))
    return shapely.union_all([p for p in parts if p.geom_type in ("Polygon", "MultiPolygon")])


def _rings(geometry: Any) -> list[Any]:
    import shapely

    return [r for p in shapely.get_parts(geometry) for r in (p.exterior, *p.interiors)]


def _lonlat(frame: Frame, xy: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lon, lat = frame.lonlat(xy[:, 0], xy[:, 1])
    if not np.isfinite(lon + lat).all() or (np.abs(lat) > 90 + 1e-9).any():
        raise CraterlabError(
            f"within= reaches where its projection {frame.crs.name!r} has no place (latitudes beyond a pole, "
            "coordinates off the map). Check that its CRS is the one it was drawn in."
        )
    return lon, np.clip(lat, -90, 90)


def _length(points: NDArray[np.float64]) -> float:
    return float(angle_between(points[1:], points[:-1]).sum())


def _degree(frame: Frame) -> float:
    """One degree of the body in the unit of the CRS."""
    return float(np.radians(frame.body.radius_m)) if frame.crs.is_projected else frame.period / 360


def _step(polygon: Any, frame: Frame) -> float:
    left, low, right, high = polygon.bounds
    return min(max(right - left, high - low) / _STEPS, _STEP_DEG * _degree(frame))


def _count_outline(boundary: str, body: Body) -> Any:
    """The outline of a crater count, WKT of lon/lat with geodesic sides, on a map about its middle.

    There a ring around a pole or across the antimeridian is a ring like any other.
    """
    import geopandas as gpd
    import shapely
    from pyproj import CRS

    outline = shapely.from_wkt(boundary)
    middle = unit_vectors(*shapely.get_coordinates(outline).T).mean(0)
    size = float(np.linalg.norm(middle))
    lon, lat = map(float, lonlat_of(middle / size if size > 1e-3 else np.array([0.0, 0.0, 1.0])))
    # Not +proj=laea: PROJ's inverse loses the longitude of points exactly a quarter turn from its central meridian.
    crs = CRS.from_proj4(f"+proj=stere +lat_0={lat!r} +lon_0={lon!r} +R={body.radius_m!r} +units=m +no_defs")
    frame = frame_of(crs)

    def ring(line: Any) -> NDArray[np.float64]:
        corners = unit_vectors(*shapely.get_coordinates(line).T)
        angle = angle_between(corners[1:], corners[:-1])
        n = np.maximum(np.ceil(np.degrees(angle) / _STEP_DEG), 1).astype(int)
        # Points along the chord, pushed out to the sphere, divide the great circle.
        t = [np.linspace(0, 1, k, endpoint=False)[:, None] for k in n]
        along = [a + s * (b - a) for a, b, s in zip(corners[:-1], corners[1:], t, strict=True)]
        points = np.concatenate([*along, corners[-1:]])
        return np.stack(frame.xy(*lonlat_of(points)), -1)

    parts = [shapely.Polygon(ring(p.exterior), [ring(h) for h in p.interiors]) for p in shapely.get_parts(outline)]
    return gpd.GeoSeries(parts, crs=crs)


def _straightened(polygon: Any) -> Any:
    """A polygon of lon/lat whose outline jumps across the antimeridian (170 to -170), made to run on (170 to 190).

    A side over 180 to 360 degrees of longitude has two readings. Outlines run anticlockwise; one that runs clockwise
    as it is drawn, and anticlockwise when such sides are taken the short way, is taken so.
    """
    import shapely

    ring = shapely.get_coordinates(polygon.exterior)
    step = np.diff(ring[:, 0])
    jumps = (np.abs(step) > 180) & (np.abs(step) < 360 - 1e-9)
    if not jumps.any() or shapely.is_ccw(polygon.exterior):
        return polygon
    turned = ring.copy()
    turned[1:, 0] -= 360 * np.cumsum(np.round(step / 360) * jumps)
    if abs(turned[-1, 0] - ring[0, 0]) > 1e-9 or not shapely.is_ccw(shapely.LinearRing(turned)):
        return polygon
    middle = turned[:, 0].mean()
    holes = []
    for hole in polygon.interiors:
        c = shapely.get_coordinates(hole)
        c[:, 0] = middle + (c[:, 0] - middle + 180) % 360 - 180
        holes.append(c)
    return shapely.Polygon(turned, holes)


def _joined(parts: list[Any], frame: Frame) -> tuple[Any, float]:
    """The parts as one geometry without overlap, in one piece across the edge of a map that repeats itself.

    Also the length (rad) of what is left of that edge inside the area: it runs along both sides of the map but is no
    outline.
    """
    import shapely

    parts = [_valid(p) for p in parts]
    period = frame.period
    if not np.isfinite(period):
        return shapely.union_all(parts), 0.0
    spans = [(p.bounds[0], p.bounds[2]) for part in parts for p in shapely.get_parts(part)]
    if max((b - a for a, b in spans), default=0) > period * (1 + 1e-9):
        raise CraterlabError(
            "within= has a polygon that goes more than once around the body: it is over 360 degrees of longitude "
            "wide. Draw it within one turn."
        )
    if not spans:
        return shapely.Polygon(), 0.0
    edge = _gap(spans, period)
    inside = shapely.box(edge, -1e12, edge + period, 1e12)
    moved = []
    for part in parts:
        first = int(np.floor((edge - part.bounds[0]) / period))
        for k in range(first, first + 3):
            copy = shapely.transform(part, lambda c, k=k: c + np.array([k * period, 0.0]))
            if copy.bounds[2] > edge and copy.bounds[0] < edge + period:
                moved.append(copy if shapely.covers(inside, copy) else shapely.intersection(copy, inside))
    whole = shapely.union_all(moved)
    left = shapely.intersection(shapely.boundary(whole), shapely.LineString([(edge, -1e12), (edge, 1e12)]))
    right = shapely.LineString([(edge + period, -1e12), (edge + period, 1e12)])
    right = shapely.transform(
        shapely.intersection(shapely.boundary(whole), right), lambda c: c - np.array([period, 0.0])
    )
    both = [g for g in shapely.get_parts(shapely.intersection(left, right)) if g.geom_type == "LineString"]
    return whole, sum(_length(unit_vectors(*_lonlat(frame, shapely.get_coordinates(g)))) for g in both)


def _gap(spans: list[tuple[float, float]], period: float) -> float:
    """An x that the spans leave free, in the middle of the widest gap; minus half a period where there is none."""
    starts, ends = np.array(spans).T
    turn = np.floor((starts + period / 2) / period) * period
    order = np.argsort(starts - turn)
    starts, ends = (starts - turn)[order], np.maximum.accumulate((ends - turn)[order])
    free = np.append(starts[1:], starts[0] + period) - ends
    free[-1] = starts[0] + period - ends[-1]
    widest = int(free.argmax())
    return float(ends[widest] + free[widest] / 2) if free[widest] > 1e-9 * period else -period / 2


def _pieces(polygon: Any, frame: Frame) -> list[Piece]:
    """The polygon cut in two until each part is compact and fits its plane."""
    import shapely

    left, low, right, high = polygon.bounds
    wide, tall = right - left, high - low
    degree = _degree(frame)
    points = unit_vectors(*_lonlat(frame, shapely.get_coordinates(shapely.segmentize(polygon, _step(polygon, frame)))))
    middle = points.mean(0)
    size = float(np.linalg.norm(middle))
    centre = middle / size if size > 0.1 else points[0]
    angle = float(angle_between(points, centre).max())
    thin = polygon.area < 0.05 * max(wide, tall) ** 2 and max(wide, tall) > 0.5 * degree
    if max(wide, tall) > _WIDE_DEG * degree or np.degrees(angle) > _WIDE_DEG or thin:
        # Not in the very middle, where poles and round coordinates would lie on the cut.
        x, y = left + 0.4871 * wide, low + 0.4871 * tall
        half = shapely.box(left, low, x, high) if wide > tall else shapely.box(left, low, right, y)
        parts = [
            p
            for g in (shapely.intersection(polygon, half), shapely.difference(polygon, half))
            for p in shapely.get_parts(g)
            if p.geom_type == "Polygon" and p.area > 0
        ]
        if len(parts) > 1:
            return [piece for p in parts for piece in _pieces(p, frame)]
    plane = Plane.about(centre)
    outline = shapely.segmentize(polygon, _step(polygon, frame))
    flat = shapely.transform(outline, lambda c: plane.xy(unit_vectors(*_lonlat(frame, c))))
    piece = _piece(plane, flat, angle * (1 + 1e-6) + 1e-12)
    return [piece] if piece.polygon.area > 0 else []

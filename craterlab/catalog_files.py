"""A reader and a writer for each format of the crater table; `catalog` finds the right one and completes the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .catalog_text import boundary_wkt, crater_table, diam_text, parse, read_text, scc_text
from .errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd

# A shapefile keeps ten characters of a column name: what is written for the longer ones, and read back.
SHAPEFILE_NAMES: dict[str, str] = {
    "diameter_px": "diam_px",
    "diameter_std_px": "diamstd_px",
    "diameter_std_m": "diamstd_m",
    "position_std_px": "pos_std_px",
    "p_secondary": "p_second",
    "erosion_std": "eros_std",
    "erosion_class": "eros_class",
    "diameter_recorded_m": "diam_rec_m",
    "depth_std_m": "depth_std",
    "depth_diameter": "depth_diam",
    "depth_diameter_std": "dd_std",
    "rim_height_m": "rim_h_m",
    "rim_height_std_m": "rim_h_std",
    "floor_width_m": "floor_w_m",
    "floor_width_std_m": "floor_std",
    "wall_slope_deg": "wall_deg",
    "wall_slope_std_deg": "wall_std",
    "kappa_t_std_m2": "kappat_std",
    "major_std_m": "maj_std_m",
    "minor_std_m": "min_std_m",
    "ellipse_from": "ell_from",
    "erosion_from": "eros_from",
    "secondary_probability": "second_p",
    "topo_scale_factor": "topo_scale",
}
# What a .scc file says in fields of its own.
_FIELDS = ("area_km2", "perimeter_km", "boundary")


def has_geometry(table: pd.DataFrame) -> bool:
    """Whether the table has a geometry column, as a plain DataFrame has not."""
    return getattr(table, "_geometry_column_name", None) in table.columns


def _read_parquet(file: Path) -> pd.DataFrame:
    import geopandas as gpd
    import pandas as pd
    import pyarrow.parquet as pq

    metadata = pq.read_schema(file).metadata or {}
    table = gpd.read_parquet(file) if b"geo" in metadata else pd.read_parquet(file)
    if not table.attrs and b"PANDAS_ATTRS" in metadata:  # geopandas before 1.1 leaves them behind
        table.attrs = json.loads(metadata[b"PANDAS_ATTRS"])
    return table


def _write_parquet(craters: pd.DataFrame, file: Path) -> None:
    import pyarrow.parquet as pq

    craters.to_parquet(file)
    if craters.attrs and b"PANDAS_ATTRS" not in (pq.read_schema(file).metadata or {}):
        table = pq.read_table(file)
        extra = {b"PANDAS_ATTRS": json.dumps(craters.attrs).encode()}
        pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **extra}), file)


def _read_vector(file: Path) -> pd.DataFrame:
    import geopandas as gpd
    import pyogrio

    if file.suffix.lower() == ".shp":
        _check_whole(file)
    layers = pyogrio.list_layers(file)[:, 0].tolist() if file.suffix.lower() == ".gpkg" else [None]
    layer = "craters" if "craters" in layers else layers[0]
    table = gpd.read_file(file, layer=layer, engine="pyogrio")
    if file.suffix.lower() == ".gpkg":
        metadata = pyogrio.read_info(file, layer=layer).get("layer_metadata") or {}
        table.attrs = json.loads(metadata.get("craterlab", "{}"))
    else:
        table = table.rename(columns={short: long for long, short in SHAPEFILE_NAMES.items()})
        _read_partner(table, file)
    return table


def _check_whole(file: Path) -> None:
    """A shapefile states its length (in 16-bit words, big-endian, at byte 24); GDAL reads a shorter one in silence."""
    with file.open("rb") as stream:
        head = stream.read(28)
    stated = 2 * int.from_bytes(head[24:28], "big")
    if head[:4] != (9994).to_bytes(4, "big") or stated != file.stat().st_size:
        raise CraterlabError(f"it is cut short or no shapefile: {file.stat().st_size} bytes, its head says {stated}")


def _read_partner(craters: pd.DataFrame, file: Path) -> None:
    """Take counting area and sizes of `NAME_CRATER.shp` from its outlines and those of `NAME_AREA.shp`.

    As craterstats does: outlines in degrees by the projection's own definition, taken as they are on the sphere of the
    semi-major axis. The sizes written by the counter stay in `diameter_recorded_m`, and a note says when they differ.
    """
    import geopandas as gpd
    import shapely

    if not file.stem.lower().endswith("_crater"):
        return
    name = f"{file.stem[:-7]}_area.shp".lower()
    partner = next((p for p in file.parent.iterdir() if p.name.lower() == name), None)
    if partner is None:
        return
    outline = gpd.read_file(partner, engine="pyogrio")
    if outline.crs is None or craters.crs is None or outline.crs != craters.crs:
        raise CraterlabError(f"{partner.name} and {file.name} are not in the same CRS; write both in one")
    measured = _on_sphere(outline.geometry.to_numpy(), outline.crs)
    craters.attrs |= {
        "area_km2": float(np.nansum(measured[:, 0])),
        "perimeter_km": float(np.nansum(measured[:, 1])),
    }
    if outline.crs.is_geographic:
        whole = shapely.multipolygons(shapely.get_parts(outline.geometry.to_numpy()))
        craters.attrs["boundary"] = whole.wkt
    sizes = 2 * np.sqrt(_on_sphere(craters.geometry.to_numpy(), craters.crs)[:, 0] / np.pi)
    if not np.isfinite(sizes).all():
        return
    recorded = next((c for c in craters.columns if str(c).lower() == "diam_km"), None)
    if recorded is not None:
        craters["diameter_recorded_m"] = craters.pop(recorded).astype(float) * 1000
        if len(craters) and abs(ratio := np.median(sizes * 1000 / craters["diameter_recorded_m"]) - 1) > 0.002:
            craters.attrs["note"] = (
                f"sizes measured on the outlines, as craterstats does, are {100 * ratio:+.2f} % off those recorded "
                "(diameter_recorded_m)"
            )
    craters["diameter_m"] = sizes * 1000


def _on_sphere(geometries: Any, crs: Any) -> Any:
    """Area (km2) and perimeter (km), shape (n, 2), on the sphere of the CRS's semi-major axis; NaN for no geometry."""
    return np.array(
        [ring_areas(g, crs.ellipsoid.semi_major_metre) for g in _in_degrees(geometries, crs)], float
    ).reshape(-1, 2)


def ring_areas(lonlat: Any, radius_m: float) -> tuple[float, float]:
    """Area (km2) and perimeter (km) of a polygon of lon/lat on a sphere, its sides geodesics; NaN for none."""
    import shapely
    from pyproj import Geod

    if lonlat is None or lonlat.is_empty:
        return float("nan"), float("nan")
    globe = Geod(a=radius_m, f=0)
    area, perimeter = 0.0, 0.0
    for part in shapely.get_parts(lonlat):
        for ring, sign in [(part.exterior, 1), *((hole, -1) for hole in part.interiors)]:
            ring_area, length = globe.polygon_area_perimeter(*np.asarray(ring.coords)[:, :2].T)
            area += sign * abs(ring_area)
            perimeter += length
    return area / 1e6, perimeter / 1e3


def _in_degrees(geometries: Any, crs: Any) -> Any:
    """The geometries in the geographic CRS behind a map projection, latitudes of whatever kind that one has."""
    import shapely
    from pyproj import Proj, Transformer

    if crs.is_geographic:
        return geometries
    to_degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)

    def degrees(xy: Any) -> Any:
        lon, lat = to_degrees.transform(xy[:, 0], xy[:, 1])
        if crs.coordinate_operation.method_code == "1028" and not np.isclose(*_axes(crs), rtol=1e-9, atol=0):
            # Equidistant cylindrical keeps distances along the meridian (EPSG guidance note 7-2), which PROJ 9.5 and
            # before forget on an ellipsoid; on its central meridian the transverse Mercator keeps them in any version.
            a, b = _axes(crs)
            north = next(p.value for p in crs.coordinate_operation.params if p.name.lower() == "false northing")
            lat = Proj(proj="tmerc", a=a, b=b)(np.zeros(len(xy)), xy[:, 1] - north, inverse=True)[1]
        return np.column_stack([lon, lat])

    return shapely.transform(geometries, degrees)


def _axes(crs: Any) -> tuple[float, float]:
    return crs.ellipsoid.semi_major_metre, crs.ellipsoid.semi_minor_metre


def _write_vector(craters: pd.DataFrame, file: Path) -> None:
    import warnings

    import geopandas as gpd

    if not has_geometry(craters):
        craters = gpd.GeoDataFrame(craters, geometry=np.full(len(craters), None, object))
    options: dict[str, Any] = {"geometry_type": "Polygon"} if craters.geometry.isna().all() else {}
    with warnings.catch_warnings():
        # A table in pixels has no CRS, and names a shapefile cannot hold are cut: both documented, both wanted.
        warnings.simplefilter("ignore")
        if file.suffix.lower() == ".gpkg":
            attrs = {"craterlab": json.dumps(craters.attrs)}
            craters.to_file(file, layer="craters", engine="pyogrio", layer_metadata=attrs, **options)
        else:
            craters.rename(columns=SHAPEFILE_NAMES).to_file(file, engine="pyogrio", **options)


def _read_csv(file: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(file, comment="#", skipinitialspace=True)


def _write_csv(craters: pd.DataFrame, file: Path) -> None:
    if has_geometry(craters):
        craters = craters.drop(columns=craters.geometry.name)
    craters.to_csv(file, index=False)


def _read_text_count(file: Path) -> pd.DataFrame:
    from .bodies import bodies

    parsed = parse(read_text(file))
    table = crater_table(parsed)
    table.attrs = dict(parsed.provenance)
    area, perimeter = parsed.number("total_area", "area"), parsed.number("total_perimeter", "perimeter")
    for key, value in (("area_km2", area), ("perimeter_km", perimeter), ("boundary", boundary_wkt(parsed))):
        if value is not None:
            table.attrs[key] = value
    radius_km = parsed.number("a_axis_radius")
    if "body" not in table.attrs and radius_km is not None:
        known = bodies()
        misfit = (known["radius_m"] / (radius_km * 1000) - 1).abs()
        if misfit.min() > 0.007:
            raise CraterlabError(f"its radius of {radius_km:g} km is no known body's; say which: body='Mars'")
        table.attrs["body"] = str(known["name"][misfit.idxmin()])
    return table


def _write_text_count(craters: pd.DataFrame, file: Path) -> None:
    from .bodies import body, body_of

    area = craters.attrs.get("area_km2")
    if area is None:
        raise CraterlabError(f"{file.name} needs the counting area: write_craters(craters, path, area_km2=…)")
    if not (np.isfinite(area) and area > 0):
        raise CraterlabError(f"area_km2 must be a positive number of square kilometres, got {area!r}")
    if "diameter_m" not in craters or craters["diameter_m"].isna().any():
        raise CraterlabError(
            f"{file.name} holds diameters in km, and some here are not known in metres; open the image with "
            "pixel_size= or its CRS, or drop the craters without diameter_m"
        )
    craters = craters.assign(**{c: np.nan for c in ("lon", "lat") if c not in craters})
    crs = getattr(craters, "crs", None)
    home = body_of(crs) if crs is not None else None
    if home is None and "body" in craters.attrs:
        home = body(craters.attrs["body"])
    provenance = {k: v for k, v in craters.attrs.items() if k not in _FIELDS}
    if home is not None:
        provenance["body"] = home.name
    if file.suffix.lower() == ".diam":
        text = diam_text(craters, area_km2=area, provenance=provenance)
    else:
        if home is None:
            raise CraterlabError(
                f"{file.name} names the body, and these craters are on none that is known; set "
                "craters.attrs['body'] = 'Mars' (or another), or write them as .diam"
            )
        text = scc_text(
            craters, area_km2=area, radius_km=home.radius_m / 1000, frame=home.crs, provenance=provenance,
            boundary=craters.attrs.get("boundary"),
        )  # fmt: skip
    file.write_text(text, encoding="utf-8")


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": _read_parquet,
    ".gpkg": _read_vector,
    ".shp": _read_vector,
    ".csv": _read_csv,
    ".scc": _read_text_count,
    ".diam": _read_text_count,
}
WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".parquet": _write_parquet,
    ".gpkg": _write_vector,
    ".shp": _write_vector,
    ".csv": _write_csv,
    ".scc": _write_text_count,
    ".diam": _write_text_count,
}

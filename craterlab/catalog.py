"""The crater table: its columns with their units, and the readers and writers of its files.

Units: `*_px` pixels, `*_m` metres, lon and lat degrees (planetocentric, east-positive), `area_km2` km2. NaN: not known.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import catalog_guard
from .catalog_files import READERS, SHAPEFILE_NAMES, WRITERS, has_geometry, ring_areas
from .catalog_text import Counts, read_text, stat_counts
from .errors import CraterlabError

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from .bodies import Body

__all__ = [
    "MORPHOLOGIES",
    "REQUIRED",
    "SHAPEFILE_NAMES",
    "Counts",
    "empty_craters",
    "read_counts",
    "read_craters",
    "write_craters",
]

# Classes of `morphology`, after the reviewers of the Martian catalogue (Lagain et al. 2021); "unknown" beside them.
MORPHOLOGIES = ("valid", "ghost", "layered", "secondary")
REQUIRED: tuple[str, ...] = ("crater_id", "x_px", "y_px", "diameter_px", "lon", "lat", "diameter_m", "score")

# Columns of other programs (CraterTools, QGIS plug-ins, published catalogues), in any case of letters.
_ALIASES = {
    "lon": ("longitude", "long", "lon_deg", "x_coord", "lon_circ_img"),
    "lat": ("latitude", "lat_deg", "y_coord", "lat_circ_img"),
    "diameter_m": ("diam_m",),
    "diameter_km": ("diam_km", "d_km", "diam_circ_img"),
}
_CIRCLE = np.linspace(0, 2 * np.pi, 64, endpoint=False)


def empty_craters(crs: Any = None) -> gpd.GeoDataFrame:
    """A crater table without a row: the answer of a scene without craters.

    Parameters
    ----------
    crs : CRS or anything pyproj takes, optional
        CRS of the geometry.

    Returns
    -------
    GeoDataFrame
        The required columns (`crater_id` int64, the others float64) and an empty geometry.
    """
    import geopandas as gpd

    columns = {name: np.zeros(0, np.int64 if name == "crater_id" else np.float64) for name in REQUIRED}
    return gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries([], crs=crs))


def read_craters(path: str | Path, *, body: str | Body | None = None) -> gpd.GeoDataFrame:
    """Read a crater table; the suffix says how.

    Parameters
    ----------
    path : str or Path
        .parquet (GeoParquet), .gpkg, .csv, .scc (CraterTools, CSFD Tools, OpenCraterTool, craterstats), .diam, or .shp;
        `NAME_CRATER.shp` is read together with the counting area in `NAME_AREA.shp`.
    body : str or Body, optional
        The body, for files that do not say (.diam and .csv of other programs) or say it wrongly (marked WGS 84).

    Returns
    -------
    GeoDataFrame
        The required columns first (NaN where the file has no such thing; `crater_id` counted from 0), the file's own
        after them, rim polygons as geometry. `attrs` holds the provenance the file carries, `area_km2` where it knows
        the counting area, `boundary` (WKT, lon/lat) where it knows its outline; `reading` is a mark by which
        `write_craters` knows whether somebody else changed the file meanwhile.

    Raises
    ------
    CraterlabError
        If the file is missing, unreadable, of an unknown kind, without sizes, or on the Earth.

    Notes
    -----
    .parquet, .gpkg, .scc and .diam written by craterlab carry area and provenance; .csv and .shp have no place for
    them. Sizes in a `NAME_CRATER.shp` with its `NAME_AREA.shp` are measured on the outlines, as craterstats does.
    Column names longer than a shapefile's ten characters come back by `SHAPEFILE_NAMES`.
    """
    file = _existing(path)
    suffix = file.suffix.lower()
    if suffix == ".stat":
        raise CraterlabError(f"{file.name} holds counts by bin, not craters; read it with craterlab.read_counts")
    if suffix not in READERS:
        raise CraterlabError(f"{file.name}: unknown suffix {suffix!r}; craters are read from {', '.join(READERS)}")
    before = catalog_guard.stamp_of(file)
    try:
        table = _finished(READERS[suffix](file), body)
    except CraterlabError as error:
        raise CraterlabError(f"{file.name}: {error}") from None
    except Exception as error:  # pyogrio, pyarrow and pandas raise what they like
        raise CraterlabError(f"{file.name} could not be read as {suffix}: {_first_line(error)}") from error
    catalog_guard.note(table.attrs, file, before)
    return table


def read_counts(path: str | Path) -> Counts:
    """Read a crater count known by bins only.

    Parameters
    ----------
    path : str or Path
        .stat, as craterstats and its predecessors write it.

    Returns
    -------
    Counts
        Takes the place of a crater table in `sfd` and `age`.

    Raises
    ------
    CraterlabError
        If the file is missing, of another kind, or contradicts itself.
    """
    file = _existing(path)
    if file.suffix.lower() != ".stat":
        raise CraterlabError(f"{file.name}: counts by bin are read from .stat; craterlab.read_craters reads the others")
    return stat_counts(read_text(file), file.name)


def write_craters(
    craters: pd.DataFrame, path: str | Path, *, area_km2: float | None = None, overwrite: bool = False
) -> Path:
    """Write a crater table; the suffix says how. The file appears whole or not at all.

    A file that somebody else changed since the table was read from it (or last written to it here) is not replaced.

    Parameters
    ----------
    craters : GeoDataFrame
        Crater table. `attrs` (provenance) goes with it where the format has a place for it, see `read_craters`.
    path : str or Path
        .parquet, .gpkg, .csv, .shp, .scc or .diam.
    area_km2 : float, optional
        Counting area, km2; default `craters.attrs["area_km2"]`. Needed for .scc and .diam.
    overwrite : bool
        Whether to replace also what somebody else wrote there meanwhile.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CraterlabError
        If the suffix is unknown, the folder cannot be written, .scc or .diam lack area, sizes or (.scc) a body, or the
        file was changed by somebody else meanwhile.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in WRITERS:
        raise CraterlabError(f"{file.name}: unknown suffix {suffix!r}; craters are written as {', '.join(WRITERS)}")
    if not hasattr(craters, "columns"):
        raise CraterlabError(f"wanted a crater table, got {type(craters).__name__}")
    if not file.parent.is_dir():
        raise CraterlabError(f"there is no folder {file.parent}; create it first")
    attrs = _plain({k: v for k, v in craters.attrs.items() if k != catalog_guard.MARK})
    if area_km2 is not None:
        attrs["area_km2"] = float(area_km2)
    table = craters.copy()
    table.attrs = attrs
    try:
        part = Path(tempfile.mkdtemp(prefix=f".{file.stem}-", dir=file.parent))
    except OSError as error:
        raise CraterlabError(f"the folder {file.parent} cannot be written: {error.strerror}") from error
    try:
        WRITERS[suffix](table, part / file.name)
        with catalog_guard.writing:
            if not overwrite:
                catalog_guard.check(craters.attrs, file)
            _move_into_place(part, file)
            catalog_guard.written(craters.attrs, file)
    except CraterlabError:
        raise
    except Exception as error:  # pyogrio, pyarrow and a full disk raise what they like
        raise CraterlabError(f"{file} could not be written: {_first_line(error)}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return file


def _existing(path: str | Path) -> Path:
    file = Path(path)
    if not file.is_file():
        raise CraterlabError(f"there is no file {file}")
    return file


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _plain(attrs: dict[Any, Any]) -> dict[str, Any]:
    """Provenance as JSON knows it: NumPy values as Python's, anything else as its text."""

    def convert(value: Any) -> Any:
        return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)

    return json.loads(json.dumps({str(k): v for k, v in attrs.items()}, default=convert))


def _move_into_place(part: Path, file: Path) -> None:
    """Replace the old file by the new one; of a shapefile all parts, the .shp last."""
    made = sorted(part.iterdir(), key=lambda p: p.name == file.name)
    if file.suffix.lower() == ".shp":
        for stale in (".qix", ".sbn", ".sbx", ".cpg", ".prj"):  # an old spatial index would point into the new file
            if not (part / f"{file.stem}{stale}").exists():
                file.with_suffix(stale).unlink(missing_ok=True)
    for new in made:
        new.replace(file.parent / new.name)


def _finished(table: pd.DataFrame, body: str | Body | None) -> gpd.GeoDataFrame:
    """Required columns, geometry and CRS of whatever a file held."""
    import geopandas as gpd
    from pyproj import CRS

    from .bodies import body as body_named
    from .bodies import body_of

    attrs = dict(table.attrs)
    table = _renamed(table)
    crs = getattr(table, "crs", None)
    home = body_named(body) if body is not None else None
    if crs is None and home is None and isinstance(attrs.get("body"), str):
        home = body_named(attrs["body"])
    if home is not None and (crs is None or crs.is_geographic):
        crs = CRS.from_user_input(home.crs)
    elif crs is not None:
        home = body_of(crs)
        sphere = CRS.from_user_input(home.crs)
        # GeoPackage and shapefile hand the frame back without its IAU code.
        if crs.is_geographic and crs.ellipsoid.semi_major_metre == crs.ellipsoid.semi_minor_metre == home.radius_m:
            crs = sphere
    geometry = table.geometry.set_crs(crs, allow_override=True) if has_geometry(table) else None
    if geometry is not None and crs is not None and not geometry.isna().all():
        _measure(table, geometry)
    if "diameter_m" not in table and "diameter_px" not in table:
        raise CraterlabError(
            "no crater sizes in it: wanted a column diameter_m (or diam_km, diameter_px), "
            f"got {', '.join(map(str, table.columns))}"
        )
    n = len(table)
    for name in REQUIRED:
        if name not in table:
            table[name] = np.arange(n) if name == "crater_id" else np.full(n, np.nan)
        if name != "crater_id":
            table[name] = table[name].astype(float)
    if geometry is None:
        geometry = gpd.GeoSeries(_rims(table, home), index=table.index, crs=crs)
    others = [c for c in table.columns if c not in REQUIRED and c != geometry.name and c != "geometry"]
    out = gpd.GeoDataFrame(table[[*REQUIRED, *others]], geometry=geometry.rename("geometry"))
    out.attrs = attrs
    return out


def _renamed(table: pd.DataFrame) -> pd.DataFrame:
    """Other programs' column names as ours, km as m."""
    lower = {str(c).lower(): c for c in table.columns}
    names = {}
    for ours, others in _ALIASES.items():
        if ours not in table:
            hit = next((lower[o] for o in (ours, *others) if o in lower), None)
            if hit is not None:
                names[hit] = ours
    table = table.rename(columns=names)
    if "diameter_km" in table and "diameter_m" not in table:
        table["diameter_m"] = table.pop("diameter_km").astype(float) * 1000
    return table


def _measure(table: pd.DataFrame, geometry: gpd.GeoSeries) -> None:
    """Positions and sizes from the rim polygons where the table has no columns for them."""
    import shapely

    from .frames import frame_of

    if not {"lon", "lat"} <= set(table.columns):
        frame = frame_of(geometry.crs)
        centre = shapely.centroid(geometry.to_numpy())
        table["lon"], table["lat"] = frame.lonlat(shapely.get_x(centre), shapely.get_y(centre))
    if "diameter_m" not in table and "diameter_px" not in table and (shapely.get_dimensions(geometry) == 2).any():
        area = np.array([geodesic_area_km2(g, geometry.crs)[0] for g in geometry])
        table["diameter_m"] = 2000 * np.sqrt(area / np.pi)


def geodesic_area_km2(geometry: Any, crs: Any) -> tuple[float, float]:
    """Area (km2) and perimeter (km) of a polygon on the body's sphere; NaN for none."""
    import shapely

    from .frames import frame_of

    frame = frame_of(crs)
    lonlat = shapely.transform(geometry, lambda xy: np.column_stack(frame.lonlat(xy[:, 0], xy[:, 1])))
    return ring_areas(lonlat, frame.body.radius_m)


def _rims(table: pd.DataFrame, home: Body | None) -> NDArray[Any]:
    """Geodesic circles in lon/lat, in one piece across the antimeridian; None where position or body is not known."""
    import shapely

    from .rims import circle

    rims = np.full(len(table), None, object)
    if home is None:
        return rims
    lon, lat, size = (np.asarray(table[c], float) for c in ("lon", "lat", "diameter_m"))
    known = np.isfinite(lon) & np.isfinite(lat) & np.isfinite(size) & (size > 0)
    # Anticlockwise, as polygons want it.
    x, y = circle(lon[known], lat[known], size[known] / 2 / home.radius_m, -_CIRCLE)
    centre = lon[known][:, None]
    x = centre + (x - centre + 180) % 360 - 180
    rims[known] = shapely.polygons(np.stack([x, y], -1))
    return rims

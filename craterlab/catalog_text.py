"""The text files of the dating community: .scc and .diam crater counts, .stat binned counts."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

# Spellings of CraterTools, CSFD Tools, OpenCraterTool and craterstats.
_COLUMNS = {"diam": "diameter_km", "diameter": "diameter_km", "longitude": "lon", "latitude": "lat"}
_OURS = re.compile(r"#\s*craterlab\.(\w+)\s*=\s*(.*)")


@dataclass(frozen=True, repr=False, eq=False)
class Counts:
    """A count known by bins only, as a .stat file holds it.

    Attributes
    ----------
    lo_km, hi_km : ndarray of float, shape (bins,)
        Bin edges, km.
    n : ndarray of int, shape (bins,)
        Craters in each bin.
    area_km2 : float
    source : str
        Name of the file.
    """

    lo_km: Floats
    hi_km: Floats
    n: NDArray[np.int64]
    area_km2: float
    source: str = ""

    def __repr__(self) -> str:
        return f"Counts({self.source!r}, n={int(self.n.sum())}, bins={self.n.size}, area_km2={self.area_km2:.6g})"

    def within(self, lo_km: float, hi_km: float, notes: list[str] | None = None) -> int:
        """Craters in the bins that lie wholly within the range; a bin left out for reaching over it is noted."""
        inside = (self.lo_km >= lo_km * (1 - 1e-6)) & (self.hi_km <= hi_km * (1 + 1e-6))
        over = ~inside & (self.lo_km < hi_km * (1 - 1e-6)) & (self.hi_km > lo_km * (1 + 1e-6))
        if notes is not None:
            notes += [
                f"the bin {a:.4g}-{b:.4g} km ({k} craters) reaches over the range {lo_km:.4g}-{hi_km:.4g} km: left out"
                for a, b, k in zip(self.lo_km[over], self.hi_km[over], self.n[over], strict=True)
            ]
        return int(self.n[inside].sum())


@dataclass
class Parsed:
    """Fields (`name = value`), tables (`name = {columns`) and our comments of a .scc or .diam file."""

    fields: dict[str, str] = field(default_factory=dict)
    tables: dict[str, tuple[list[str], list[list[str]]]] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def number(self, *names: str) -> float | None:
        """The first of these fields as a number; CraterlabError where it is none."""
        for name in names:
            if name in self.fields:
                text = self.fields[name].split("<")[0].strip()
                try:
                    return float(text)
                except ValueError:
                    raise CraterlabError(f"{name} = {self.fields[name]!r} is not a number") from None
        return None


def read_text(path: Path) -> str:
    """The text of a file, UTF-8 or Latin-1; CraterlabError where it is binary."""
    raw = path.read_bytes()
    if b"\0" in raw:
        raise CraterlabError(f"{path.name} is not a text file; wanted a crater count as its suffix {path.suffix} says")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def parse(text: str) -> Parsed:
    """Read the `name = value` and `name = {columns ... }` language of .scc and .diam files.

    Raises
    ------
    CraterlabError
        With the line, where it is not in that language.
    """
    out = Parsed()
    rows: list[list[str]] | None = None
    columns: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("#"):
            if ours := _OURS.match(line):
                try:
                    out.provenance[ours[1]] = json.loads(ours[2])
                except ValueError:
                    out.provenance[ours[1]] = ours[2]
            continue
        if rows is not None:
            body, closed, _ = line.partition("}")
            if values := re.split(r"[\s,]+", body.strip()) if body.strip() else []:
                if len(values) != len(columns):
                    raise CraterlabError(
                        f"line {number} has {len(values)} values, its table has the columns {', '.join(columns)}: "
                        f"{line!r}"
                    )
                rows.append(values)
            if closed:
                rows = None
        elif "=" in line:
            name, value = (part.strip() for part in line.split("=", 1))
            name = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
            if value.startswith("{"):
                columns = [c.strip().lower() for c in value.strip("{} ").split(",") if c.strip()]
                rows = []
                out.tables[name] = (columns, rows)
            else:
                out.fields[name] = value
        elif line:
            raise CraterlabError(
                f"line {number} is neither a comment, 'name = value' nor part of a table: {line[:60]!r}"
            )
    return out


def crater_table(parsed: Parsed) -> pd.DataFrame:
    """The craters of a .scc or .diam file: diameter_m and, where given, lon, lat, fraction, topo_scale_factor …

    Raises
    ------
    CraterlabError
        If there is no crater table, no diameter, or a value is not a number.
    """
    import pandas as pd

    if "crater" not in parsed.tables:
        raise CraterlabError("there is no table 'crater = {diameter, …' in it")
    names, rows = parsed.tables["crater"]
    names = [_COLUMNS.get(n, n) for n in names]
    if "diameter_km" not in names:
        raise CraterlabError(f"its crater table has no diameter, only {', '.join(names)}")
    try:
        values = np.array([[float(v) for v in row] for row in rows], float).reshape(len(rows), len(names))
    except ValueError as error:
        raise CraterlabError(f"its crater table holds something that is not a number: {error}") from None
    table = pd.DataFrame(values, columns=names)
    return table.drop(columns="diameter_km").assign(diameter_m=table["diameter_km"] * 1000)


def boundary_wkt(parsed: Parsed) -> str | None:
    """The counting area of a .scc file as WKT of lon/lat polygons; None where it is not in the file."""
    import shapely

    names, rows = parsed.tables.get("unit_boundary", ([], []))
    if not rows or not {"sub_area", "tag", "lon", "lat"} <= set(names):
        return None
    area, tag, lon, lat = (names.index(n) for n in ("sub_area", "tag", "lon", "lat"))
    rings: dict[tuple[str, str], list[tuple[float, float]]] = {}
    try:
        for row in rows:
            rings.setdefault((row[area], row[tag].lower()), []).append((float(row[lon]), float(row[lat])))
    except ValueError as error:
        raise CraterlabError(f"its unit_boundary holds something that is not a number: {error}") from None
    polygons: list[tuple[list[tuple[float, float]], list[list[tuple[float, float]]]]] = []
    for (_, kind), ring in rings.items():
        if len(ring) < 3:
            continue
        if kind == "int" and polygons:  # holes follow the outline they lie in
            polygons[-1][1].append(ring)
        else:
            polygons.append((ring, []))
    return shapely.MultiPolygon([shapely.Polygon(shell, holes) for shell, holes in polygons]).wkt if polygons else None


def scc_text(
    craters: pd.DataFrame,
    *,
    area_km2: float,
    radius_km: float,
    frame: str,
    provenance: dict[str, Any],
    boundary: str | None,
) -> str:
    """A .scc file: CraterTools' layout, which craterstats reads; without positions where they are not known."""
    lines = ["# Spatial crater count", "#", *_comments(provenance), "#", "# Ellipsoid axes:"]
    lines += [f"{axis}_axis_radius = {radius_km!r} <km>" for axis in "abc"]
    lines += [f"coordinate_system_name = {frame}", "#"]
    if boundary:
        lines += ["# area_shapes:", "unit_boundary = {vertex, sub_area, tag, lon, lat", "#"]
        lines += ["# Area_name1 = no name", f"# Area_size1 = {area_km2!r} <km^2>", "#", *_vertices(boundary), "}", "#"]
    lines += [f"Total_area = {area_km2!r} <km^2>", "#", "# crater_diameters:"]
    return "\n".join([*lines, *_crater_rows(craters, "diam"), ""])


def diam_text(craters: pd.DataFrame, *, area_km2: float, provenance: dict[str, Any]) -> str:
    """A .diam file: area, diameters, fractions and, where known, positions."""
    lines = ["# Crater count", "#", *_comments(provenance), "#", f"area = {area_km2!r}", "#"]
    return "\n".join([*lines, *_crater_rows(craters, "diameter"), ""])


def _comments(provenance: dict[str, Any]) -> list[str]:
    return [f"# craterlab.{key} = {json.dumps(value, sort_keys=True)}" for key, value in sorted(provenance.items())]


def _crater_rows(craters: pd.DataFrame, diameter: str) -> list[str]:
    columns = {diameter: np.asarray(craters["diameter_m"], float) / 1000}
    columns["fraction"] = np.asarray(craters["fraction"], float) if "fraction" in craters else np.ones(len(craters))
    if np.isfinite(np.asarray(craters[["lon", "lat"]], float)).all():
        columns["lon"], columns["lat"] = (np.asarray(craters[c], float) for c in ("lon", "lat"))
        if "topo_scale_factor" in craters:
            columns["topo_scale_factor"] = np.asarray(craters["topo_scale_factor"], float)
    rows = zip(*(map(repr, values.tolist()) for values in columns.values()), strict=True)
    return [f"crater = {{{', '.join(columns)}", *map("\t".join, rows), "}"]


def _vertices(boundary: str) -> list[str]:
    import shapely

    lines: list[str] = []
    ring_number = 0
    for polygon in shapely.get_parts(shapely.from_wkt(boundary)):
        for ring in [polygon.exterior, *polygon.interiors]:
            ring_number += 1
            tag = "ext" if ring is polygon.exterior or ring.equals(polygon.exterior) else "int"
            lines += [
                f"{len(lines) + i}\t{ring_number}\t{tag}\t{x!r}\t{y!r}" for i, (x, y) in enumerate(ring.coords, 1)
            ]
    return lines


def stat_counts(text: str, source: str) -> Counts:
    """The binned count of a .stat file (D, F(D), N_dif, error, C(D), N_cum, error).

    Upper bin edges follow from N_dif = F / (area * width).

    Raises
    ------
    CraterlabError
        If it is not such a table, or its cumulative column contradicts its counts.
    """
    rows = []
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                rows.append([float(v.replace("D", "E")) for v in line.split()[:7]])
            except ValueError:
                raise CraterlabError(f"{source}: not a row of numbers: {line.strip()[:60]!r}") from None
    if not rows or any(len(r) != 7 for r in rows):
        raise CraterlabError(f"{source}: wanted the seven columns D, F(D), N_dif, error, C(D), N_cum, error")
    lo, n, dif, _, total, cum, _ = np.array(rows).T
    if (n % 1).any() or (n < 0).any() or not np.array_equal(np.cumsum(n[::-1])[::-1], total):
        raise CraterlabError(f"{source}: C(D), the fifth column, is not the running sum of F(D), the second")
    if (np.diff(lo) <= 0).any() or lo[0] <= 0:
        raise CraterlabError(f"{source}: bins must be in ascending order of D")
    found = re.search(r"area\s*[:=]\s*([0-9.eE+-]+)", text, re.IGNORECASE)
    area = float(found[1]) if found else total[0] / cum[0]
    if not (np.isfinite(area) and area > 0):
        raise CraterlabError(f"{source}: its area, {area!r} km2, is not positive")
    used = (n > 0) & (dif > 0)
    lo, n, width = lo[used], n[used], n[used] / (area * dif[used])
    # N_dif has three digits: the edge meant is that of a neighbour or of the usual bins, where one is near.
    decades = 10.0 ** np.arange(-4, 4)[:, None]
    usual = np.r_[lo, (decades * [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9]).ravel()]
    nearest = usual[np.abs(usual - (lo + width)[:, None]).argmin(1)]
    hi = np.where(np.abs(nearest - (lo + width)) < 0.02 * width, nearest, lo + width)
    return Counts(lo, hi, n.astype(np.int64), float(area), source)

"""The pictures of a run, and one HTML page that holds them all and asks the network for nothing."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .dating import Age
    from .pipeline import Result

__all__ = ["span", "summary", "write_map", "write_report", "write_sfd"]

_ROWS = 25  # of the table of craters
_PRIORS = {
    "n1": "every density N(1) is equally likely beforehand",
    "jeffreys": "Jeffreys' prior on the density",
    "time": "every age is equally likely beforehand",
}


def _figure(width: float, height: float) -> Figure:
    # Not pyplot: a run must neither open a window nor touch the figures of whoever calls it.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_map(result: Result, path: Path) -> None:
    """Craters on the input image, coloured by score, as PNG."""
    from . import plot

    rows, cols = result.scene.sizes["y"], result.scene.sizes["x"]
    side = 10.0
    width, height = (side, side * rows / cols) if cols >= rows else (side * cols / rows, side)
    figure = _figure(max(width, 4.0) + 1.4, max(height, 3.0) + 0.9)
    n = len(result.craters)
    ax = plot.craters(
        result.scene,
        result.craters,
        figure.add_subplot(),
        linewidth=float(np.clip(1.3 * (500 / max(n, 1)) ** 0.3, 0.5, 1.3)),
    )
    ax.set_title(_title(result), fontsize=10)
    # A pixel of the image is a pixel of the map up to the size at which it is averaged down.
    figure.savefig(path, dpi=float(np.clip(max(rows, cols) / side, 110, 200)), bbox_inches="tight")


def _title(result: Result) -> str:
    name = Path(str(result.scene.attrs.get("source", ""))).name or "scene"
    n = len(result.craters)
    return f"{name}: {n} crater{'' if n == 1 else 's'}, score ≥ {result.config.get('threshold', 0):.2g}"


def write_sfd(result: Result, path: Path) -> None:
    """Size-frequency distribution with the isochrone of the age; in pixels where the scale is not known."""
    if result.area_km2 is None:
        plain = _figure(6.4, 6.0)
        _sfd_in_pixels(result, plain.add_subplot())
        plain.savefig(path, dpi=150)
        return
    import matplotlib.pyplot as plt

    from .dating import plot_sfd, sfd

    age = () if result.age is None else result.age
    # On a figure of its own, which it makes as large as its decades need.
    ax = plot_sfd(sfd(result.craters, area_km2=result.area_km2), age=age, system=result.system)
    figure: Any = ax.figure
    figure.savefig(path, dpi=150, bbox_inches="tight")
    plt.close(figure)


def _sfd_in_pixels(result: Result, ax: Any) -> None:
    size = np.sort(np.asarray(result.craters["diameter_px"], float))
    count = np.arange(len(size), 0, -1)
    if len(size):
        ax.loglog(size, count, "s", ms=4, mfc="white", mec="black", zorder=3)
        ax.errorbar(size, count, np.minimum(np.sqrt(count), count * 0.999), fmt="none", ecolor="0.6", lw=0.7)
    else:
        ax.text(0.5, 0.5, "no crater found", transform=ax.transAxes, ha="center")
    ax.set_xlabel("diameter (px of the input image)")
    ax.set_ylabel("craters of this diameter or larger")
    ax.set_title("No scale: sizes are in pixels, no density and no age", fontsize=10)
    ax.grid(True, which="both", color="0.9", lw=0.5)
    ax.set_ylim(bottom=0.5)


def _detail(result: Result) -> bytes | None:
    """Input and sharpened image side by side, where the craters lie thickest."""
    if result.sharp is None:
        return None
    rows, cols = result.scene.sizes["y"], result.scene.sizes["x"]
    side = min(rows, cols, 160)
    x, y = (np.asarray(result.craters[c], float) for c in ("x_px", "y_px"))
    top, left = (rows - side) // 2, (cols - side) // 2
    if len(x):
        bins = (max(1, rows // side), max(1, cols // side))
        count, edge_y, edge_x = np.histogram2d(y, x, bins=bins, range=((0, rows), (0, cols)))
        i, j = np.unravel_index(count.argmax(), count.shape)
        top, left = min(int(edge_y[i]), rows - side), min(int(edge_x[j]), cols - side)
    k = int(result.sharp.attrs.get("factor", 2))
    crop = (slice(top, top + side), slice(left, left + side))
    fine = tuple(slice(k * s.start, k * s.stop) for s in crop)
    before = np.asarray(result.scene["image"].transpose("y", "x")[crop].values)
    after = np.asarray(result.sharp["image"].transpose("y", "x")[fine].values)
    if not np.isfinite(before).any():
        return None
    low, high = np.nanpercentile(before, (0.5, 99.5))
    figure = _figure(10, 5.3)
    for ax, image, title in zip(
        figure.subplots(1, 2),
        (before, after),
        ("input", f"sharpened, {k} × finer ({result.sharp.attrs.get('method')})"),
        strict=True,
    ):
        ax.imshow(
            image,
            cmap="gray",
            vmin=low,
            vmax=max(high, low + 1e-12),
            extent=(left, left + side, top + side, top),
            interpolation="nearest",
        )
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("x (px of the input image)")
    return _png(figure, 130)


def _png(figure: Figure, dpi: int) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _image(data: bytes, alt: str) -> str:
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'


def _number(value: Any, digits: int = 4) -> str:
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return "–"
    return f"{value:.{digits}g}" if isinstance(value, (float, np.floating)) else str(value)


def _pairs(rows: list[tuple[str, Any]]) -> str:
    cells = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in rows)
    return f"<table class=pairs>{cells}</table>"


def _crater_table(result: Result) -> str:
    craters = result.craters
    if not len(craters):
        return "<p>No crater was found.</p>"
    located = craters["lon"].notna().any()
    scaled = craters["diameter_m"].notna().any()
    columns: list[tuple[str, str, str]] = [("crater_id", "id", "")]
    columns += [("lon", "lon (° E)", ".4f"), ("lat", "lat (° N)", ".4f")] if located else []
    columns += [("x_px", "x (px)", ".1f"), ("y_px", "y (px)", ".1f")]
    columns += [("diameter_m", "D (m)", ",.0f"), ("diameter_std_m", "± (m)", ",.0f")] if scaled else []
    columns += [
        ("diameter_px", "D (px)", ".1f"),
        ("score", "score", ".2f"),
        ("depth_m", "depth (m)", ",.0f"),
        ("depth_diameter", "d/D", ".3f"),
    ]
    columns = [c for c in columns if c[0] in craters and craters[c[0]].notna().any()]
    head = "".join(f"<th>{html.escape(label)}</th>" for _, label, _ in columns)
    body = []
    for _, row in craters.nlargest(_ROWS, "diameter_px").iterrows():
        cells = (format(row[c], how) if not how or np.isfinite(row[c]) else "–" for c, _, how in columns)
        body.append("<tr>" + "".join(f"<td>{html.escape(str(v))}</td>" for v in cells) + "</tr>")
    more = f"The {_ROWS} largest of {len(craters)}; all are in craters.parquet." if len(craters) > _ROWS else ""
    return f"<p>{more}</p><table class=craters><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _counts(result: Result) -> str:
    """Craters by size: how many, how sure."""
    column, unit = ("diameter_m", "m") if result.area_km2 is not None else ("diameter_px", "px")
    size, score = (np.asarray(result.craters[c], float) for c in (column, "score"))
    size, score = size[np.isfinite(size)], score[np.isfinite(size)]
    if not len(size):
        return ""
    # Bins at 1, 1.5, 2, 3, 5, 7 and 10 of each decade: a factor of about root 2, in numbers one can read.
    first, last = np.floor(np.log10(size.min())), np.floor(np.log10(size.max()))
    edges = np.array(
        [m * 10.0**k for k in np.arange(first, last + 1) for m in (1, 1.5, 2, 3, 5, 7)] + [10 ** (last + 1)]
    )
    where = np.searchsorted(edges, size, side="right") - 1
    rows = [
        f"<tr><td>{_size(edges[i], unit)} – {_size(edges[i + 1], unit)}</td><td>{(where == i).sum():,}</td>"
        f"<td>{score[where == i].sum():,.1f}</td></tr>"
        for i in np.unique(where)
    ]
    head = "<th>diameter</th><th>craters</th><th>expected true (sum of scores)</th>"
    return f"<table class=craters><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _size(value: float, unit: str) -> str:
    return f"{value / 1000:g} km" if unit == "m" and value >= 1000 else f"{value:g} {unit}"


def _age_section(result: Result) -> str:
    age = result.age
    if age is None:
        return f"<p class=big>No age</p><p>{html.escape(result.no_age)}</p>"
    rows: list[tuple[str, Any]] = [
        ("Chronology system", age.system),
        ("Production function", age.production),
        ("Chronology function", age.chronology),
        ("Method and prior", f"{age.method}; {age.prior}: {_PRIORS.get(age.prior, '')}"),
        ("Diameters counted", f"{span(age)}, {age.n} craters"),
        ("Why these", age.range_reason),
        ("Area", f"{age.area_km2:.6g} km²"),
        ("N(1 km)", f"{age.n1_per_km2:.3e} per km² ({age.n1_lo:.2e} to {age.n1_hi:.2e})"),
    ]
    if age.epoch and not age.upper_limit:
        rows.append(("Epoch", age.epoch))
    rows += [("Note", note) for note in age.notes]
    what = "Upper limit of the model age (84 %)" if age.upper_limit else "Model age, median and 1-sigma bounds"
    said = f"{what}; the error is that of counting, with every crater in the range taken to be found."
    return f"<p class=big>{html.escape(age.text)}</p><p>{said}</p>{_pairs(rows)}"


def _scene_rows(result: Result) -> list[tuple[str, Any]]:
    from .grid import grid_of

    attrs, grid = result.scene.attrs, grid_of(result.scene)
    rows, cols = grid.shape
    out: list[tuple[str, Any]] = [("Image", attrs.get("source", "")), ("Size", f"{cols} × {rows} px")]
    scale = float(grid.metres_per_pixel(cols / 2, rows / 2))
    out.append(
        ("Scale", f"{scale:.4g} m per pixel in the middle" if np.isfinite(scale) else "not known: sizes are in pixels")
    )
    if grid.crs is not None:
        lon, lat = (float(v) for v in grid.lonlat(cols / 2, rows / 2))
        out.append(("Middle", f"longitude {lon:.4f}°, latitude {lat:.4f}° (planetocentric, east positive)"))
    out.append(("Body", attrs.get("body") or "not known"))
    out.append(("Instrument", attrs.get("instrument") or "not known"))
    for key, label, what in (
        ("sun_azimuth_deg", "Sun azimuth", "clockwise from north"),
        ("incidence_deg", "Incidence", "from the vertical"),
    ):
        value = float(attrs.get(key, np.nan))
        out.append((label, f"{value:.4g}° {what}" if np.isfinite(value) else "not known"))
    if result.sharp is not None:
        s = result.sharp.attrs
        misfit = f"χ² = {_number(s.get('chi2'), 3)} (1: re-observed, it gives the image back within the noise)"
        out.append(("Sharpened", f"{s.get('factor')} × by {s.get('method')}; {misfit}"))
    return out


_STYLE = """
body{font:16px/1.5 system-ui,"Segoe UI","Helvetica Neue",Arial,sans-serif;color:#1b1b1b;
max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ccc}
.big{font-size:1.9rem;font-weight:600;margin:.4rem 0 0}img{max-width:100%;height:auto;display:block;margin:.6rem auto}
img.sfd{max-width:38rem}table{border-collapse:collapse;margin:.6rem 0;font-size:.92rem}
th,td{padding:.2rem .7rem;text-align:left;vertical-align:top;border-bottom:1px solid #e4e4e4}
.craters td,.craters th{text-align:right;font-variant-numeric:tabular-nums}.pairs th{font-weight:600;white-space:nowrap}
.pairs td{overflow-wrap:anywhere}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;padding:.6rem;font-size:.85rem}
.note{color:#555}
"""


def write_report(result: Result, folder: Path) -> None:
    """The page, from the result and the pictures already in `folder`."""
    from .pipeline import FILES

    name = Path(str(result.scene.attrs.get("source", ""))).name or "scene"
    n = len(result.craters)
    area = "" if result.area_km2 is None else f" on {result.area_km2:,.4g} km²"
    source = result.provenance()
    files = [(f, FILES[f]) for f in FILES if (folder / f).exists() or f == "report.html"]
    detail = _detail(result)
    parts = [
        f"<h1>{html.escape(name)}</h1>",
        f"<p class=note>craterlab {html.escape(str(source['craterlab']))}</p>",
        f"<p>{n} crater{'' if n == 1 else 's'}{area}.</p>",
        "<h2>Age</h2>" + _age_section(result),
        "<h2>Map</h2>" + _image((folder / "map.png").read_bytes(), f"{n} craters on the image"),
        "<h2>Size-frequency distribution</h2>",
        _image((folder / "sfd.png").read_bytes(), "size-frequency distribution").replace("<img ", "<img class=sfd "),
        "<h2>Craters by size</h2>" + _counts(result) if n else "",
        "<h2>Largest craters</h2>" + _crater_table(result),
        "<h2>Sharpening</h2>" + _image(detail, "input beside sharpened image") if detail else "",
        "<h2>Image</h2>" + _pairs(_scene_rows(result)),
        "<h2>Provenance</h2>",
        _pairs([(k, v) for k, v in source.items() if k != "config"]),
        f"<pre>{html.escape(json.dumps(source['config'], indent=2, default=str))}</pre>",
        "<h2>Files</h2>" + _pairs(files),
    ]
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(name)}</title>'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def span(age: Age) -> str:
    """The diameters an age was counted on, without an upper end that is only that of the production function."""
    from .dating import system

    lo, hi = age.range_km
    open_end = hi >= system(age.system).production.range_km[1] * (1 - 1e-9)
    return f"{lo:.4g} km and larger" if open_end else f"{lo:.4g} to {hi:.4g} km"


def summary(result: Result) -> str:
    """A few lines for the shell."""
    n, age = len(result.craters), result.age
    where = f" on {result.area_km2:.4g} km2" if result.area_km2 is not None else " (sizes in pixels)"
    lines = [f"{n} crater{'' if n == 1 else 's'}{where}"]
    if age is None:
        lines.append(f"no age: {result.no_age}")
    else:
        lines.append(f"age {age.text}  ({age.system}; prior {age.prior})")
        lines.append(f"{age.n} crater{'' if age.n == 1 else 's'} of {span(age)}; range: {age.range_reason}")
    return "\n".join(lines)

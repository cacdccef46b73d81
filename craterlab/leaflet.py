"""A context map in Jupyter: the scene, the sharpened one beside a divider, craters to click on; in plain metres.

Leaflet knows the Earth only, so the map is flat (its CRS "Simple") with one unit to a metre on the ground in the middle
of the scene. It has no base layer and asks nothing of any server.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CraterlabError
from .grid import Grid, grid_of
from .overlay import ellipses_on, facts, outlines, place
from .scene import as_scene

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

__all__ = ["leaflet"]

_MAX_PX = 2000
_MOST_CRATERS = 3000  # more outlines than these make the browser slow
_WIDTH_PX = 800  # a notebook's; only for the first view
_COLOUR = "#ffb000"
_UNITS = {"diameter_m": "m", "depth_m": "m", "lon": "°E", "lat": "°N"}
# Each image in a pane of its own: the divider clips panes, so two images in one pane are clipped alike. Both below
# Leaflet's pane of outlines (400), where GeoJSON stays whatever pane it is given.
_PANES = {"scene": {"zIndex": 201}, "sharp": {"zIndex": 202}}


def leaflet(
    scene: xr.Dataset | xr.DataArray | NDArray[Any],
    craters: pd.DataFrame | None = None,
    *,
    sharp: xr.Dataset | xr.DataArray | NDArray[Any] | None = None,
    percentiles: tuple[float, float] = (0.5, 99.5),
    max_px: int = _MAX_PX,
    height: int = 480,
) -> Any:
    """Context map of a scene for Jupyter: pan, zoom, click on a crater; works offline and on any body.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
        Large images are averaged down strip by strip, never loaded whole. NaN is transparent.
    craters : GeoDataFrame, optional
        Crater table, drawn as outlines; a click shows what is known of a crater. On a scene with a CRS it is laid by
        `lon`, `lat` and `diameter_m`, else by its pixel columns. May be empty. Of more than 3000 craters on the scene
        the largest 3000 are drawn; the attribution says so.
    sharp : Dataset, DataArray or array (rows, columns), optional
        The same ground, sharpened: right of a divider that can be dragged.
    percentiles : (float, float)
        Shown black and white, of each image its own.
    max_px : int
        Longest side of each image as it is sent to the browser, pixels; from 1 to 4000.
    height : int
        Of the map on the screen, pixels.

    Returns
    -------
    ipyleaflet.Map
        Latitude and longitude of Leaflet are metres upward and rightward from the top left corner of the scene, true
        in its middle; pixels where the pixel size is not known. The cursor's longitude and latitude on the body are
        shown while the kernel runs. Viewers without widgets show a picture.

    Raises
    ------
    CraterlabError
        ipyleaflet is not installed; the craters are on another body or none lies on the scene; `sharp` shows other
        ground; `max_px` or `height` is out of range.
    """
    if not 1 <= max_px <= 2 * _MAX_PX or height < 100:
        raise CraterlabError(f"max_px is from 1 to 4000 and height at least 100 pixels; got {max_px} and {height}")
    context_map = _map_class()
    import ipyleaflet as il

    ds = as_scene(scene)
    grid = grid_of(ds)
    unit = _unit(grid)
    table, rings = None, np.zeros((0, 33, 2))
    total = 0
    if craters is not None:
        ellipses, index = ellipses_on(grid, craters)
        total = len(index)
        table = facts(craters, index[:_MOST_CRATERS])
        rings = _to_map(outlines(ellipses[:_MOST_CRATERS]), unit)
    pictures = {"scene": (_picture(ds, percentiles, max_px), _bounds((0.0, 0.0, *grid.shape[::-1]), unit))}
    if sharp is not None:
        fine = as_scene(sharp)
        other = grid_of(fine)
        if grid.body is not None and other.body is not None and grid.body != other.body:
            raise CraterlabError(f"the scene is on {grid.body.name}, the sharpened one on {other.body.name}")
        sx, sy, ox, oy = place(other, grid)
        box = (ox, oy, ox + sx * other.shape[1], oy + sy * other.shape[0])
        pictures["sharp"] = (_picture(fine, percentiles, max_px), _bounds(box, unit))
    note = _note(ds, grid, total, len(rings))
    images = {
        name: il.ImageOverlay(
            url="data:image/png;base64," + base64.b64encode(_png(pixels)).decode(),
            bounds=bounds, pane=name, name=name, attribution=note if name == "scene" else "",
        )
        for name, (pixels, bounds) in pictures.items()
    }  # fmt: skip
    south, east = pictures["scene"][1][0][0], pictures["scene"][1][1][1]
    zoom = float(np.floor(4 * np.log2(min(_WIDTH_PX / east, height / -south))) / 4)
    shown = context_map(
        layers=() if "sharp" in images else (images["scene"],), crs=il.projections.Simple, panes=_PANES,
        center=(south / 2, east / 2), zoom=zoom, min_zoom=zoom - 2, max_zoom=zoom + 8, zoom_snap=0.25, zoom_delta=0.5,
        scroll_wheel_zoom=True, layout={"height": f"{height}px"},
    )  # fmt: skip
    if "sharp" in images:
        shown.add(il.SplitMapControl(left_layer=images["scene"], right_layer=images["sharp"]))
    if unit[2]:
        shown.add(il.ScaleControl(position="bottomleft", imperial=False, max_width=160))
    if table is not None:
        _add_craters(shown, table, rings)
    _add_cursor(shown, grid, unit)
    parts = [f"{grid.shape[0]} x {grid.shape[1]} px"]
    parts += ["sharp"] if sharp is not None else []
    parts += [f"{total} craters"] if craters is not None else []
    shown.describe(f"<craterlab.leaflet: {', '.join(parts)}>", pictures, rings)
    return shown


def _unit(grid: Grid) -> tuple[float, float, bool]:
    """Map units for a pixel to the right and down: metres in the middle of the scene, where they are known."""
    rows, cols = grid.shape
    metric = grid.metric(cols / 2, rows / 2)
    across, down = np.sqrt(metric[0, 0]), np.sqrt(metric[1, 1])
    known = bool(np.isfinite(across) and np.isfinite(down) and min(across, down) > 0)
    return (float(across), float(down), True) if known else (1.0, 1.0, False)


def _to_map(px: NDArray[Any], unit: tuple[float, float, bool]) -> NDArray[np.float64]:
    return px * np.array([unit[0], -unit[1]])


def _bounds(box: tuple[float, ...], unit: tuple[float, float, bool]) -> list[tuple[float, float]]:
    """South-west and north-east corner of (left, top, right, bottom) in pixels."""
    (west, north), (east, south) = _to_map(np.reshape(box, (2, 2)), unit).tolist()
    return [(south, west), (north, east)]


def _picture(ds: xr.Dataset, percentiles: tuple[float, float], max_px: int) -> NDArray[np.uint8]:
    """1 to 255 from black to white, 0 for no data."""
    from .plot import decimated

    small = decimated(ds["image"], max_px)
    valid = np.isfinite(small)
    if not valid.any():
        return np.zeros(small.shape, np.uint8)
    low, high = np.percentile(small[valid], percentiles)
    scaled = (np.where(valid, small, low) - low) / max(high - low, 1e-12)
    return np.where(valid, 1.5 + 254 * np.clip(scaled, 0, 1), 0).astype(np.uint8)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    out = BytesIO()
    Image.fromarray(pixels).save(out, format="png", transparency=0)
    return out.getvalue()


def _note(ds: xr.Dataset, grid: Grid, total: int, drawn: int) -> str:
    """The attribution: body, size, scale."""
    from .plot import length

    rows, cols = grid.shape
    across, down, known = _unit(grid)
    parts = [grid.body.name] if grid.body is not None else []
    if known:
        sizes = (length(float(f"{v:.3g}")) for v in (cols * across, rows * down))
        parts += [f"{' x '.join(sizes)} at {(across * down) ** 0.5:.3g} m per pixel in the middle"]
    else:
        parts += [f"{cols} x {rows} pixels of unknown size"]
    if drawn < total:
        parts += [f"the largest {drawn} of {total} craters"]
    return escape("; ".join(parts))


def _add_craters(shown: Any, table: pd.DataFrame, rings: NDArray[np.float64]) -> None:
    import ipyleaflet as il
    from ipywidgets import HTML

    digits = 2 if not len(rings) else max(0, 2 - int(np.floor(np.log10(np.ptp(rings[:, :, 0], axis=1).min()))))
    features = [
        {
            "type": "Feature",
            "id": str(i),
            "properties": {"text": _text(row)},
            "geometry": {"type": "Polygon", "coordinates": [ring.round(digits).tolist()]},
        }
        for i, (row, ring) in enumerate(zip(table.to_dict("records"), rings, strict=True))
    ]
    style = {"color": _COLOUR, "weight": 1.5, "opacity": 1, "fillOpacity": 0.03, "smoothFactor": 0}
    said = HTML()
    # Bound to the layer: a popup added to the map's layers makes ipyleaflet drop the two images of the divider.
    layer = il.GeoJSON(
        data={"type": "FeatureCollection", "features": features}, style=style, name="craters", popup=said,
        hover_style={"color": "white", "weight": 3},
    )  # fmt: skip
    shown.add(layer)

    def tell(feature: Any = None, **_: Any) -> None:
        said.value = feature["properties"]["text"]

    layer.on_click(tell)


def _text(row: dict[Any, Any]) -> str:
    lines = []
    for name, value in row.items():
        if isinstance(value, float) and not np.isfinite(value):
            continue
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        label = str(name).removesuffix("_m").replace("_", " ")
        lines.append(f"<b>{escape(label)}</b> {escape(text)} {_UNITS.get(str(name), '')}".rstrip())
    return "<br>".join(lines)


def _add_cursor(shown: Any, grid: Grid, unit: tuple[float, float, bool]) -> None:
    """Longitude and latitude under the cursor, else the pixel; worked out by the kernel."""
    import ipyleaflet as il
    from ipywidgets import Label

    label = Label("move the cursor over the map")

    def follow(**event: Any) -> None:
        if event.get("type") != "mousemove":
            return
        down, right = event["coordinates"]
        x, y = right / unit[0], -down / unit[1]
        lon, lat = (float(v) for v in grid.lonlat(x, y))
        place_text = f"lon {lon:.4f}° E, lat {lat:.4f}°; " if np.isfinite(lon) else ""
        label.value = f"{place_text}pixel {x:.0f}, {y:.0f}"

    shown.on_interaction(follow)
    shown.add(il.WidgetControl(widget=label, position="topright"))


@lru_cache(maxsize=1)
def _map_class() -> Any:
    """ipyleaflet's Map with a repr that stays the same and a picture for viewers without widgets."""
    try:
        import ipyleaflet
    except ImportError:
        raise CraterlabError('ipyleaflet is not installed: pip install "craterlab[notebook]"') from None

    class ContextMap(ipyleaflet.Map):
        _described: tuple[Any, ...] = ("<craterlab.leaflet>", {}, np.zeros((0, 33, 2)))

        def describe(self, text: str, pictures: dict[str, Any], rings: NDArray[np.float64]) -> None:
            small = {
                k: (p[:: -(-max(p.shape) // 800), :: -(-max(p.shape) // 800)], b) for k, (p, b) in pictures.items()
            }
            self._described = (text, small, rings)

        def __repr__(self) -> str:
            return str(self._described[0])

        def _repr_mimebundle_(self, **kwargs: Any) -> Any:
            made = super()._repr_mimebundle_(**kwargs)
            if made is None:
                return made
            data, metadata = made if isinstance(made, tuple) else (made, {})
            picture = base64.b64encode(_still(*self._described[1:])).decode()
            return {**data, "text/plain": repr(self), "image/png": picture}, metadata

    return ContextMap


def _still(pictures: dict[str, Any], rings: NDArray[np.float64]) -> bytes:
    """The images side by side with the outlines, in kilometres where the map is in metres."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PolyCollection
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * max(1, len(pictures)), 5), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, max(1, len(pictures)), squeeze=False)[0]
    for ax, (name, (pixels, ((south, west), (north, east)))) in zip(panels, pictures.items(), strict=False):
        ax.imshow(np.ma.masked_equal(pixels, 0), cmap="gray", vmin=1, vmax=255, extent=(west, east, south, north))
        ax.add_collection(
            PolyCollection(list(rings), facecolors="none", edgecolors=_COLOUR, linewidths=0.9), autolim=False
        )
        ax.set(xlim=(west, east), ylim=(south, north), title=name, facecolor="#a6c8ff", xticks=[], yticks=[])
    out = BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()

"""Maps for the screen: HoloViews pictures that read only what is looked at and take a million craters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CraterlabError
from .grid import Grid, grid_of
from .overlay import ellipses_on, facts, outlines

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_NODATA = "#a6c8ff"
_FRAME_PX = 700
_SCREEN_PX = 1000  # longest side of what is sent to the browser
# Pixels read for one of the picture along each side: their means keep small craters from flickering.
_OVERSAMPLED = 2
# Outlines with a text each; with more in view these are the largest, and all are shown as density.
_MOST_OUTLINES = 2000


def on_screen(backend: str | None, ax: Any, *, default: str) -> bool:
    """Whether to draw with HoloViews, else with matplotlib.

    Raises
    ------
    CraterlabError
        An unknown backend, or HoloViews asked for and not installed, or together with matplotlib axes.
    """
    from importlib.util import find_spec

    if backend not in (None, "holoviews", "matplotlib"):
        raise CraterlabError(f"unknown backend {backend!r}; there are 'holoviews' and 'matplotlib'")
    there = find_spec("holoviews") is not None and find_spec("bokeh") is not None
    if backend == "holoviews" and not there:
        raise CraterlabError("HoloViews is not installed: pip install 'craterlab[notebook]', or backend='matplotlib'")
    if backend == "holoviews" and ax is not None:
        raise CraterlabError("ax= is a matplotlib Axes; with backend='holoviews' leave it out and overlay with `*`")
    return backend == "holoviews" or (backend is None and ax is None and there and default == "holoviews")


def holoviews() -> Any:
    """HoloViews with its bokeh backend, whose scripts come from the package and not from a server."""
    import holoviews as hv

    if "bokeh" not in hv.Store.loaded_backends():
        hv.extension("bokeh", inline=True)
    return hv


def screen_scene(
    ds: xr.Dataset, layer: str, *, percentiles: tuple[float, float], max_px: int, cmap: str, scale_bar: bool
) -> Any:
    """The picture of `craterlab.plot.scene` for the screen.

    Parameters
    ----------
    ds, layer, percentiles, cmap, scale_bar
        As for `craterlab.plot.scene`; of a `ds` that `as_scene` made.
    max_px : int
        Longest side of what is sent to the browser, at most 1000.

    Returns
    -------
    holoviews.DynamicMap, or holoviews.Image where the scene has no more pixels than are shown
        In pixel coordinates of the scene, y downward. While a kernel or server runs, each zoom reads the part in view
        anew: at most twice `max_px` rows and columns, every so manieth, of which it shows means.
    """
    hv = holoviews()
    grid = grid_of(ds)
    rows, cols = grid.shape
    values = ds[layer].transpose("y", "x")
    side = min(max_px, _SCREEN_PX)
    first = _window(values, (0, rows, 0, cols), side)
    finite = first[np.isfinite(first)]
    low, high = np.percentile(finite, percentiles) if finite.size else (0.0, 1.0)

    def picture(x_range: Any = None, y_range: Any = None) -> Any:
        box = _box(x_range, y_range, grid.shape)
        top, bottom, left, right = box
        shown = first if box == (0, rows, 0, cols) else _window(values, box, side)
        # HoloViews counts rows from the largest y on.
        return hv.Image(shown[::-1], ["x", "y"], layer, bounds=(left, top, right, bottom))

    small = max(grid.shape) <= side
    made = picture() if small else hv.DynamicMap(picture, streams=[hv.streams.RangeXY()])
    return made.opts(
        hv.opts.Image(
            cmap=cmap, clim=(float(low), float(max(high, low + 1e-12))), clipping_colors={"NaN": _NODATA},
            tools=["hover"], **_frame(grid, scale_bar),
        )
    )  # fmt: skip


def screen_craters(
    ds: xr.Dataset, craters: pd.DataFrame, under: Any, *, colour: str | None, cmap: str, colorbar: bool
) -> Any:
    """The circles of `craterlab.plot.craters` for the screen, over the picture `under`.

    Parameters
    ----------
    ds, craters, colour, cmap, colorbar
        As for `craterlab.plot.craters`.
    under : HoloViews element
        Of `screen_scene`.

    Returns
    -------
    holoviews.Overlay or DynamicMap
        Outlines that tell what is known of a crater under the cursor. Of more than 2000 craters the largest 2000 in
        view are outlined, and datashader shows how many centres there are at each place.
    """
    hv = holoviews()
    grid = grid_of(ds)
    ellipses, index = ellipses_on(grid, craters)
    told = facts(craters, index)
    by = colour if colour is not None and colour in craters else None
    if by is not None and by not in told:
        told[by] = np.asarray(craters[by], float)[index]
    limits = (0.0, 1.0) if by == "score" else _limits(told[by]) if by is not None else (0.0, 1.0)
    x, y, reach = ellipses[:, 0], ellipses[:, 1], ellipses[:, 2:4].max(1) / 2

    def circles(x_range: Any = None, y_range: Any = None) -> Any:
        top, bottom, left, right = _box(x_range, y_range, grid.shape)
        seen = (x + reach > left) & (x - reach < right) & (y + reach > top) & (y - reach < bottom)
        largest = np.flatnonzero(seen)[:_MOST_OUTLINES]  # they come sorted by size
        rings = outlines(ellipses[largest])
        known = told.iloc[largest].to_dict("records")
        data = [{"x": ring[:, 0], "y": ring[:, 1], **row} for ring, row in zip(rings, known, strict=True)]
        return hv.Polygons(data, ["x", "y"], list(told.columns))

    style: dict[str, Any] = {"fill_alpha": 0, "line_width": 1.5, "tools": ["hover"], "hover_line_color": "white"}
    if by is None:
        style["line_color"] = colour if colour not in (None, "score") else "#ffb000"
    else:
        style |= {"line_color": by, "cmap": _bright(cmap), "clim": limits, "colorbar": colorbar}
        style["clabel"] = "score (probability of a crater)" if by == "score" else str(by)
    frame = _frame(grid)
    if len(index) <= _MOST_OUTLINES:
        return (under * circles().opts(**style)).opts(**frame)
    from holoviews.operation.datashader import rasterize

    points = hv.Points(ellipses[:, :2], ["x", "y"])
    density = rasterize(points, aggregator="count", pixel_ratio=0.5).opts(
        cmap="viridis", cnorm="log", alpha=0.6, clipping_colors={"NaN": "transparent", "min": "transparent"}
    )
    drawn = hv.DynamicMap(circles, streams=[hv.streams.RangeXY()]).opts(**style)
    return (under * density * drawn).opts(**frame)


def _window(values: xr.DataArray, box: tuple[int, int, int, int], side: int) -> Any:
    """A part of the image in at most `side` pixels along its longer side, without reading much more than these."""
    from .plot import decimated

    top, bottom, left, right = box
    step = max(1, max(bottom - top, right - left) // (side * _OVERSAMPLED))
    return decimated(values.isel(y=slice(top, bottom, step), x=slice(left, right, step)), side)


def _box(x_range: Any, y_range: Any, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is in view, in whole pixels of the scene; all of it where nothing is said."""

    def limits(between: Any, size: int) -> tuple[int, int]:
        if between is None or None in between or not np.isfinite(np.asarray(between, float)).all():
            return 0, size
        low, high = sorted(between)
        first = int(np.clip(np.floor(low), 0, size - 1))
        return first, int(np.clip(np.ceil(high), first + 1, size))

    return *limits(y_range, shape[0]), *limits(x_range, shape[1])


def _frame(grid: Grid, scale: bool = True) -> dict[str, Any]:
    rows, cols = grid.shape
    zoom = min(_FRAME_PX / cols, _FRAME_PX / rows)
    return {
        "frame_width": max(80, round(cols * zoom)),
        "frame_height": max(80, round(rows * zoom)),
        "data_aspect": 1,
        "invert_yaxis": True,
        "xlim": (0, cols),
        "ylim": (0, rows),
        "xlabel": _pixels(grid, "x") if scale else "x (px)",
        "ylabel": "y (px)",
        "active_tools": ["wheel_zoom"],
    }


def _pixels(grid: Grid, letter: str) -> str:
    """Label of an axis with the metres of a pixel along a row, in the middle of the scene."""
    rows, cols = grid.shape
    per_px = float(np.sqrt(grid.metric(cols / 2, rows / 2)[0, 0]))
    return f"{letter} (px of {per_px:.3g} m)" if np.isfinite(per_px) and per_px > 0 else f"{letter} (px)"


def _bright(cmap: str) -> list[str]:
    """The map without its dark end, which would be lost on a grey image."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(c) for c in colormaps[cmap](np.linspace(0.3, 1.0, 256))]


def _limits(values: Any) -> tuple[float, float]:
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    return (float(finite.min()), float(max(finite.max(), finite.min() + 1e-12))) if finite.size else (0.0, 1.0)

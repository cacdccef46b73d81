"""Static maps: the stretched image with its scale, and craters as circles over it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .contact_sheet import contact_sheet
from .errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.transforms import Transform
    from numpy.typing import NDArray

    from .grid import Grid

__all__ = ["contact_sheet", "craters", "scene", "sfd"]

_MAX_PX = 2000  # more than a page or a screen shows
# Angles a reader takes for "north is up", degrees.
_UPRIGHT = 2.0


def scene(
    scene: xr.Dataset | xr.DataArray | NDArray[Any],
    ax: Axes | None = None,
    *,
    layer: str = "image",
    percentiles: tuple[float, float] = (0.5, 99.5),
    max_px: int = _MAX_PX,
    cmap: str = "gray",
    scale_bar: bool = True,
    backend: str = "matplotlib",
) -> Any:
    """Draw a scene, stretched, with a scale bar and, where its place is known, longitude and latitude.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
        Large images are averaged down strip by strip, never loaded whole.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.
    layer : str
        Which layer of the Dataset: ``"image"``, ``"dem"``, ``"std"`` ...
    percentiles : (float, float)
        Shown black and white.
    max_px : int
        Longest side of what is drawn, pixels.
    cmap : str
        Colour map, by its matplotlib name. Pixels without data are drawn pale blue.
    scale_bar : bool
        Also arrows to the north, where it is not up, and to the sun, where it is known; these in print only.
    backend : {"matplotlib", "holoviews"}
        For print, or for the screen: then every zoom reads the part in view anew, so that an image of any size works.

    Returns
    -------
    matplotlib Axes, or holoviews.Image or DynamicMap
        In pixel coordinates of the scene: origin at the top left corner, centre of the first pixel at (0.5, 0.5).

    Raises
    ------
    CraterlabError
        The scene lacks the layer, or is none; an unknown backend, or one that is not installed.
    """
    from .grid import grid_of
    from .plot_screen import on_screen, screen_scene
    from .scene import as_scene

    ds = as_scene(scene)
    if layer not in ds.data_vars:
        raise CraterlabError(f"the scene has no layer {layer!r}; it has {', '.join(map(str, ds.data_vars))}")
    if max_px < 1:
        raise CraterlabError(f"max_px is a number of pixels, at least 1; got {max_px}")
    if on_screen(backend, ax, default="matplotlib"):
        return screen_scene(ds, layer, percentiles=percentiles, max_px=max_px, cmap=cmap, scale_bar=scale_bar)
    grid = grid_of(ds)
    rows, cols = grid.shape
    small = decimated(ds[layer], max_px)
    ax = _axes(ax, rows / cols)
    low, high = np.nanpercentile(small, percentiles) if np.isfinite(small).any() else (0.0, 1.0)
    from matplotlib import colormaps

    colours = colormaps[cmap].with_extremes(bad="#a6c8ff")
    ax.imshow(
        small,
        cmap=colours,
        vmin=low,
        vmax=max(high, low + 1e-12),
        extent=(0, cols, rows, 0),
        interpolation="antialiased",
    )
    from .plot_axes import ticks

    ticks(ax, grid)
    if scale_bar:
        _scale_bar(ax, grid)
        _arrows(ax, grid, float(ds.attrs.get("sun_azimuth_deg", np.nan)))
    return ax


def craters(
    scene: xr.Dataset | xr.DataArray | NDArray[Any],
    craters: pd.DataFrame,
    ax: Axes | None = None,
    *,
    colour: str | None = "score",
    cmap: str = "plasma",
    linewidth: float = 1.1,
    colorbar: bool = True,
    backend: str = "matplotlib",
    **options: Any,
) -> Any:
    """Draw craters as circles over their scene.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
    craters : GeoDataFrame
        Crater table. On a scene with a CRS it is laid by `lon`, `lat` and `diameter_m`, so it may come from another
        grid (the sharpened one); else by its pixel columns. May be empty.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.
    colour : str, optional
        Column that colours the circles, or a colour by its matplotlib name; None for one colour.
    cmap : str
        Colour map of the column, by its matplotlib name.
    linewidth : float
        Points.
    colorbar : bool
        Whether to say what the colours mean.
    backend : {"matplotlib", "holoviews"}
        For print, or for the screen: then the cursor tells what is known of a crater, and of more than 2000 the largest
        in view are outlined over the density of all.
    **options
        As for `craterlab.plot.scene`.

    Returns
    -------
    matplotlib Axes, or holoviews.Overlay or DynamicMap
        As from `craterlab.plot.scene`. On a stretched map the circles are ellipses.

    Raises
    ------
    CraterlabError
        The table lacks the columns it is drawn from; an unknown backend, or one that is not installed. For the screen
        also: the craters are on another body, or none lies on the scene.
    """
    from matplotlib.colors import is_color_like

    from .grid import grid_of
    from .plot_screen import on_screen, screen_craters
    from .scene import as_scene

    if colour is not None and colour not in craters and colour != "score" and not is_color_like(colour):
        raise CraterlabError(
            f"the crater table has no column {colour!r}, and it is no colour; columns: {', '.join(craters)}"
        )
    ds = as_scene(scene)
    under = globals()["scene"](ds, ax, backend=backend, **options)
    if on_screen(backend, ax, default="matplotlib"):
        return screen_craters(ds, craters, under, colour=colour, cmap=cmap, colorbar=colorbar)
    from matplotlib.collections import EllipseCollection

    grid, ax = grid_of(ds), under
    x, y, width, height, angle = ellipses(grid, craters)
    values = np.asarray(craters[colour], float) if colour is not None and colour in craters else None
    # A dark casing keeps the circle readable on sunlit rims, the bright line in the shadows.
    for width_pt, style in ((linewidth + 1.1, {"edgecolors": "black", "alpha": 0.55}), (linewidth, {})):
        rings = EllipseCollection(
            width, height, angle, units="xy", offsets=np.column_stack([x, y]), transOffset=ax.transData,
            facecolors="none", linewidths=width_pt, **style,
        )  # fmt: skip
        ax.add_collection(rings, autolim=False)
    if values is None:
        rings.set_edgecolor(colour if colour is not None and is_color_like(colour) else "#ffb000")
    else:
        from matplotlib import colormaps
        from matplotlib.colors import ListedColormap

        # The dark end of the map would be lost on a grey image.
        rings.set_cmap(ListedColormap(colormaps[cmap](np.linspace(0.3, 1.0, 256)), name=f"{cmap}_bright"))
        rings.set_array(values)
        finite = values[np.isfinite(values)]
        rings.set_clim((0, 1) if colour == "score" else (finite.min(), finite.max()) if finite.size else (0, 1))
        if colorbar and values.size:
            bar = ax.figure.colorbar(rings, ax=ax, fraction=0.035, pad=0.02)
            bar.set_label("score (probability of a crater)" if colour == "score" else str(colour))
    return ax


def sfd(
    craters_or_diameters_m: Any,
    ax: Axes | None = None,
    *,
    area_km2: float | None = None,
    kind: str = "cumulative",
    binning: str = "pseudo-log",
    backend: str | None = None,
    **options: Any,
) -> Any:
    """Draw the size-frequency distribution of craters, for the screen or for print.

    Parameters
    ----------
    craters_or_diameters_m, area_km2, kind, binning
        As for `craterlab.sfd`; a ready `SFD`, or a mapping of names to several, is drawn as it is.
    ax : matplotlib Axes, optional
        Where to draw; default a new figure.
    backend : {"holoviews", "matplotlib"}, optional
        Default: HoloViews where it is installed and no axes are given, else matplotlib.
    **options
        As for `craterlab.dating.plot_sfd`: isochrons, age, system ... (for the screen those of `screen_sfd`).

    Returns
    -------
    holoviews.Overlay or matplotlib Axes

    Raises
    ------
    CraterlabError
        An unknown backend, or HoloViews asked for and not installed.
    """
    from . import dating
    from .dating.plot_screen import draw_sfd

    what, attrs = craters_or_diameters_m, getattr(craters_or_diameters_m, "attrs", {})
    if not isinstance(what, dating.SFD | dict):
        # What the table says of its origin goes into the recipe of the figure.
        options = {"source": {k: v for k, v in attrs.items() if k != "boundary"} or None, **options}
        what = dating.sfd(what, area_km2=area_km2, kind=kind, binning=binning)
    return draw_sfd(what, ax, backend=backend, **options)


def _axes(ax: Axes | None, aspect: float) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    width = 8.0
    _, new = plt.subplots(figsize=(width, float(np.clip(width * aspect, 3.0, 12.0))), layout="constrained")
    return new


def decimated(image: xr.DataArray, max_px: int) -> NDArray[np.float32]:
    """Means of square blocks of valid pixels, read in strips."""
    image = image.transpose("y", "x")
    rows, cols = image.shape
    step = -(-max(rows, cols) // max_px)
    if step == 1:
        return np.asarray(image.values, np.float32)
    strips = []
    height = step * max(1, 2**22 // (cols * step))
    for top in range(0, rows, height):
        strip = np.asarray(image.isel(y=slice(top, top + height)).values, np.float32)
        pad = ((0, -strip.shape[0] % step), (0, -cols % step))
        valid = np.pad(np.isfinite(strip), pad)
        strip = np.pad(np.nan_to_num(strip, nan=0.0, posinf=0.0, neginf=0.0), pad)
        blocks = (strip.shape[0] // step, step, strip.shape[1] // step, step)
        count = valid.reshape(blocks).sum((1, 3))
        with np.errstate(invalid="ignore"):
            strips.append(strip.reshape(blocks).sum((1, 3), dtype=np.float64) / np.where(count, count, np.nan))
    return np.concatenate(strips).astype(np.float32)


def ellipses(grid: Grid, craters: pd.DataFrame) -> tuple[NDArray[Any], ...]:
    """Centre, axes and angle (degrees, as matplotlib turns them in data coordinates) of the craters in scene pixels."""
    by_ground = grid.crs is not None and {"lon", "lat", "diameter_m"} <= set(craters)
    wanted = ("lon", "lat", "diameter_m") if by_ground else ("x_px", "y_px", "diameter_px")
    missing = [c for c in wanted if c not in craters]
    if missing:
        raise CraterlabError(f"the crater table lacks {', '.join(missing)}; it has {', '.join(map(str, craters))}")
    a, b, d = (np.asarray(craters[c], float) for c in wanted)
    if not by_ground:
        return a, b, d, d, np.zeros_like(d)
    x, y = grid.pixels(a, b)
    metric = grid.metric(x, y).reshape(-1, 2, 2)
    seen = np.isfinite(metric).all((1, 2)) & np.isfinite(d)
    value, vector = np.linalg.eigh(metric[seen])
    width, height = d[seen] / np.sqrt(value[:, 0]), d[seen] / np.sqrt(value[:, 1])
    angle = np.degrees(np.arctan2(vector[:, 1, 0], vector[:, 0, 0]))
    full = np.full((5, len(d)), np.nan)
    full[:, seen] = x[seen], y[seen], width, height, angle
    return tuple(full)


def length(metres: float) -> str:
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"


def _scale_bar(ax: Axes, grid: Grid) -> None:
    """A bar about a fifth of the image wide, true in the middle of the scene along a row."""
    from .plot_axes import nice

    rows, cols = grid.shape
    per_px = float(np.sqrt(grid.metric(cols / 2, rows / 2)[0, 0]))
    if not (np.isfinite(per_px) and per_px > 0):
        if grid.crs is not None or cols < 10:
            return
        length_px = nice(cols / 4)
        text = f"{length_px:g} px"
    else:
        ground = nice(cols / 4 * per_px)
        length_px, text = ground / per_px, length(ground)
    from matplotlib.patheffects import withStroke

    left, bottom = 0.035 * cols, rows - 0.04 * rows
    shadow = [withStroke(linewidth=5, foreground="black")]
    ax.plot([left, left + length_px], [bottom, bottom], color="white", lw=3, solid_capstyle="butt", path_effects=shadow)
    ax.annotate(
        text, (left + length_px / 2, bottom), (0, 5), textcoords="offset points", ha="center", va="bottom", fontsize=11,
        color="white", weight="bold", path_effects=[withStroke(linewidth=3, foreground="black")],
    )  # fmt: skip


def _arrows(ax: Axes, grid: Grid, sun_azimuth_deg: float) -> None:
    """North where it is not up, and where the light comes from, both as they lie in the middle of the scene."""
    from matplotlib.patheffects import withStroke
    from matplotlib.transforms import ScaledTranslation

    rows, cols = grid.shape
    figure: Any = ax.figure
    ground = np.array([[1.0, 0.0], [0.0, -1.0]]) if grid.crs is None else grid.jacobian(cols / 2, rows / 2)
    if not np.isfinite(ground).all() or abs(np.linalg.det(ground)) == 0:
        return
    shown = []
    north = np.linalg.solve(ground, [0.0, 1.0])
    if grid.crs is not None and abs(np.degrees(np.arctan2(north[0], -north[1]))) > _UPRIGHT:
        shown.append(("N", north))
    if np.isfinite(sun_azimuth_deg):
        azimuth = np.radians(sun_azimuth_deg)
        shown.append(("sun", np.linalg.solve(ground, [np.sin(azimuth), np.cos(azimuth)])))
    for i, (text, way) in enumerate(shown):
        right, down = way / np.hypot(*way)

        # In points from the corner, so that the arrows have one size on every map.
        def at(s: float, drop: float = 0.0, i: int = i, right: float = right, down: float = down) -> Transform:
            shift = ScaledTranslation(
                (-30 - 46 * i + s * right) / 72, (-30 - s * down - drop) / 72, figure.dpi_scale_trans
            )
            return ax.transAxes + shift

        line = {"arrowstyle": "-|>", "mutation_scale": 13, "lw": 1.8, "shrinkA": 0, "shrinkB": 0, "color": "white"}
        line["path_effects"] = [withStroke(linewidth=4, foreground="black")]
        ax.annotate("", (1, 1), (1, 1), xycoords=at(15), textcoords=at(-15), arrowprops=line)
        ax.annotate(
            text, (1, 1), xycoords=at(0, 18), ha="center", va="top", fontsize=9, color="white", weight="bold",
            path_effects=[withStroke(linewidth=3, foreground="black")],
        )  # fmt: skip

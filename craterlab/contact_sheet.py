"""A contact sheet: one small picture a crater, with the rim that was fitted, its profile, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

MOST = 60
_COLOURS = {  # Okabe and Ito's, which the colour-blind tell apart
    "valid": "#56B4E9",
    "ghost": "#E69F00",
    "layered": "#009E73",
    "secondary": "#CC79A7",
    "unknown": "#999999",
}


def contact_sheet(
    scene: xr.Dataset | xr.DataArray | np.ndarray,
    craters: pd.DataFrame,
    dem: Any = None,
    *,
    n: int = 24,
    across: int = 8,
    pixel_size: float | None = None,
) -> Figure:
    """Draw the first craters of a characterized table, each in a chip of six by six radii, north up.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
    craters : GeoDataFrame
        From `characterize`. Sort it to choose what is shown: ``craters.sort_values("p_ghost", ascending=False)``.
    dem : optional
        As for `characterize`.
    n : int
        At most so many craters, up to 60.
    across : int
        Craters in a row.
    pixel_size : float, optional
        Metres per pixel of a plain array.

    Returns
    -------
    matplotlib Figure
        In each cell the chip with the fitted rim in the colour of the class; below it the median profile over azimuth
        (elevation, else brightness) with its 16-84 % band, from 0 to 3 radii; above it the class with its
        probability, the diameter, erosion, and R for rays.

    Raises
    ------
    CraterlabError
        A table that was not characterized, or more than 60 craters asked for.
    """
    from matplotlib.figure import Figure

    from .characterize import profiles
    from .characterize.chips import CHIP, HALF_WIDTH, chips
    from .characterize.inputs import crater_table, image_reader, places_of
    from .grid import grid_of
    from .scene import as_scene

    if "ellipse_from" not in craters:
        raise CraterlabError("contact_sheet: the table has no rims; call characterize(scene, craters) first.")
    if not 1 <= n <= MOST:
        raise CraterlabError(f"contact_sheet: n is {n}; wanted 1 to {MOST}: a sheet of more cannot be read.")
    scene = as_scene(scene, pixel_size=pixel_size)
    grid = grid_of(scene)
    shown = craters.head(n)
    where = places_of(crater_table(shown, grid), grid)
    curves = profiles(scene, shown, dem, radii=np.linspace(0, HALF_WIDTH, 61), progress=False)
    layer = "elevation" if "elevation" in curves else "brightness"
    pictures = np.full((len(shown), CHIP, CHIP), np.nan, np.float32)
    for index, picture, _ in chips(image_reader(scene["image"]), None, grid.shape, where):
        pictures[index] = picture

    rows = max(1, -(-len(shown) // across))
    figure = Figure(figsize=(1.55 * across, 2.35 * rows), layout="constrained")
    axes = figure.subplots(2 * rows, across, squeeze=False, height_ratios=[3, 1] * rows)
    for axis in axes.flat:
        axis.axis("off")
    for i in range(len(shown)):
        row, column = 2 * (i // across), i % across
        t = shown.iloc[i]
        colour = _COLOURS.get(str(t.get("morphology", "unknown")), "#999999")
        picture = axes[row, column]
        values = pictures[i]
        low, high = np.nanpercentile(values, [1, 99]) if np.isfinite(values).any() else (0, 1)
        extent = (-HALF_WIDTH, HALF_WIDTH, -HALF_WIDTH, HALF_WIDTH)
        picture.imshow(values, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), extent=extent)
        picture.plot(*_rim(t, where.radius_m[i]), color=colour, lw=1)
        picture.set_title(_says(t), fontsize=6.5, color="black")
        curve = axes[row + 1, column]
        curve.fill_between(
            curves.radius, curves[f"{layer}_p16"][i], curves[f"{layer}_p84"][i], color=colour, alpha=0.35
        )
        curve.plot(curves.radius, curves[layer][i], color="black", lw=0.8)
        curve.axvline(1, color="grey", lw=0.5)
        curve.set_xlim(0, HALF_WIDTH)
    return figure


def _rim(t: Any, radius_m: float) -> tuple[np.ndarray, np.ndarray]:
    """East and north of the rim ellipse in radii of the given circle."""
    major, minor = (float(t[c]) / (2 * radius_m) for c in ("major_m", "minor_m"))
    if not np.isfinite(major * minor):
        major = minor = 1.0
    angle = np.radians(float(np.nan_to_num(t["angle_deg"])))
    phase = np.linspace(0, 2 * np.pi, 73)
    along, across = major * np.cos(phase), minor * np.sin(phase)
    return along * np.sin(angle) + across * np.cos(angle), along * np.cos(angle) - across * np.sin(angle)


def _says(t: Any) -> str:
    """Two short lines over a chip."""
    kind = str(t.get("morphology", ""))
    first = f"{kind} {t[f'p_{kind}']:.2f}" if f"p_{kind}" in t else kind
    metres = float(t["diameter_m"]) if "diameter_m" in t else np.nan
    size = f"{metres / 1000:.3g} km" if metres >= 1000 else f"{metres:.3g} m"
    second = size if np.isfinite(metres) else f"{t['diameter_px']:.3g} px"
    if np.isfinite(float(t.get("erosion", np.nan))):
        second += f", e {t['erosion']:.2f}"
    if t.get("rays") is True:
        second += ", R"
    return f"{first}\n{second}"

"""Characterization: the shape of each crater's rim, and with an elevation model its depth and rim height."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.errors import CraterlabError

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr

    from craterlab.grid import Grid

    from .polar import Places, Reader

__all__ = ["characterize"]

SMALLEST_PX = 8.0  # diameter below which a rim is too few pixels for an ellipse
_LOOSE = (
    0.15  # relative 1-sigma of a diameter nothing is known about (experts disagree by about that: Robbins et al. 2014)
)
_ELLIPSE = ("major_m", "minor_m", "angle_deg", "major_std_m", "minor_std_m")
_DEPTH = ("depth_m", "depth_std_m", "rim_height_m", "rim_height_std_m", "depth_diameter", "depth_diameter_std")
_CHIP = 64


def characterize(
    scene: xr.Dataset | xr.DataArray | np.ndarray,
    craters: pd.DataFrame,
    dem: str | Path | xr.DataArray | np.ndarray | None = None,
    *,
    extra: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None,
    device: str | None = None,
    pixel_size: float | None = None,
    progress: bool = True,
) -> gpd.GeoDataFrame:
    """Measure the rim of every crater, and with an elevation model its depth.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
        The image, with ``dem`` where there is one. NaN is nodata.
    craters : GeoDataFrame
        Crater table. Where scene and table are georeferenced the craters are placed by lon, lat and diameter_m (so a
        table made on another grid of the same ground works, and a catalogue without pixel columns too), else by x_px,
        y_px, diameter_px.
    dem : path, DataArray or array, optional
        Elevation in metres instead of the scene's own ``dem``: a file is laid on the grid of the image, an array must
        have its shape.
    extra : mapping of name to function, optional
        Columns of your own: each function gets a dict for one crater and gives its value. ``image`` and ``dem`` (None
        without one) are (64, 64) float32, north up, 4 crater radii wide, NaN for nodata; ``row`` the crater's row;
        ``radius_px``, ``radius_m``, ``sun_azimuth_deg``, ``incidence_deg`` numbers.
    device : str, optional
        Accepted like in the other verbs; these measurements run on the processor.
    pixel_size : float, optional
        Metres per pixel of a plain array.
    progress : bool
        A bar above 1,000 craters.

    Returns
    -------
    GeoDataFrame
        A copy of the table, same rows and ``attrs``, with the columns

        major_m, minor_m : float
            Axes (diameters) of the rim ellipse on the ground, metres, with ``major_std_m``, ``minor_std_m``.
        angle_deg : float
            Of the major axis, clockwise from north, 0..180; NaN for a circle.
        ellipse_from : str
            ``"dem"`` (crest of the elevation profiles), ``"image"`` (steepest change of brightness), or ``"circle"``:
            too few rim points, or smaller than 8 pixels; then both axes are the given diameter, with its own
            ``diameter_std_m`` or 15 % as 1-sigma. Empty where the crater lies outside the scene (axes NaN).
        depth_m, rim_height_m : float
            60th percentile of the rim above the 3rd percentile of the inside, and above the ground around, metres,
            after the regional slope is taken off, with ``depth_std_m``, ``rim_height_std_m`` (jackknife over
            azimuth). NaN without an elevation model, and where the border or nodata cuts more than a tenth of the rim
            or the inside (or the ground, for the rim height).
        depth_diameter, depth_diameter_std : float
            depth_m / diameter_m. NaN without a scale.

    Raises
    ------
    CraterlabError
        No table, or one without places and sizes; diameters that are zero, negative or NaN (the rows are named); a
        table on another body; an elevation model that does not fit.

    Notes ----- Depth after Breton et al. (2019). It is that of the elevation model: one that blurs the crater makes
    it shallower, and the standard error does not know of it.

    Examples
    --------
    >>> measured = craterlab.characterize(scene, craters, dem="dtm.tif")
    >>> measured[["diameter_m", "depth_m", "depth_diameter"]]
    """
    from craterlab.grid import grid_of
    from craterlab.scene import as_scene

    scene = as_scene(scene, pixel_size=pixel_size)
    grid = grid_of(scene)
    out = _table(craters, grid)
    where = _places(out, grid)
    columns = {name: np.full(len(out), np.nan) for name in (*_ELLIPSE, *_DEPTH)}
    source = np.full(len(out), "", dtype=object)
    elevation = _dem_reader(scene, dem, grid)
    given_std = np.asarray(out["diameter_std_m"], float) if "diameter_std_m" in out else np.full(len(out), np.nan)
    _measure(_image_reader(scene["image"]), elevation, grid.shape, where, columns, source, given_std, progress)
    diameter = 2 * where.radius_m
    columns["depth_diameter"] = columns["depth_m"] / diameter
    spread = np.where(np.isfinite(given_std), given_std, 0.25 * (columns["major_std_m"] + columns["minor_std_m"]))
    relative = np.hypot(columns["depth_std_m"] / columns["depth_m"], np.nan_to_num(spread) / diameter)
    columns["depth_diameter_std"] = np.abs(columns["depth_diameter"]) * relative
    attrs = dict(out.attrs)
    out = out.assign(**columns, ellipse_from=source)
    if extra:
        out = out.assign(**_extra(extra, scene, elevation, grid, where, out))
    out.attrs.update(attrs)
    return out


def _table(craters: Any, grid: Grid) -> gpd.GeoDataFrame:
    """A copy of the table as the full crater table, checked."""
    import geopandas as gpd
    import pandas as pd

    from craterlab.bodies import body_of
    from craterlab.grid import craters_from_pixels

    if not isinstance(craters, pd.DataFrame):
        raise CraterlabError(
            f"characterize: craters is {type(craters).__name__}; wanted a crater table, for example that of "
            "scene.crater.detect()."
        )
    crs = craters.crs if isinstance(craters, gpd.GeoDataFrame) and "geometry" in craters else None
    if crs is not None and grid.body is not None and (other := body_of(crs)) != grid.body:
        raise CraterlabError(f"characterize: the craters are on {other.name}, the scene on {grid.body.name}.")
    by_pixel = {"x_px", "y_px", "diameter_px"} <= set(craters)
    by_ground = {"lon", "lat", "diameter_m"} <= set(craters)
    if not by_pixel and not (by_ground and grid.crs is not None):
        raise CraterlabError(
            "characterize: the table needs x_px, y_px, diameter_px, or, on a scene with a CRS, lon, lat, diameter_m; "
            f"it has {', '.join(map(str, craters)) or 'no columns'}."
        )
    size = np.asarray(craters["diameter_px" if by_pixel else "diameter_m"], float)
    if (bad := np.flatnonzero(~(np.isfinite(size) & (size > 0)))).size:
        rows = ", ".join(str(craters.index[i]) for i in bad[:10])
        raise CraterlabError(
            f"characterize: the diameter of {bad.size} crater(s) is not a number above 0 (rows {rows}"
            f"{' ...' if bad.size > 10 else ''}); drop them: craters[craters.diameter_px > 0]."
        )
    if by_pixel and isinstance(craters, gpd.GeoDataFrame) and "geometry" in craters:
        return craters.copy()
    table = pd.DataFrame(craters.drop(columns="geometry", errors="ignore"))
    if not by_pixel:
        x, y = grid.pixels(np.asarray(craters["lon"], float), np.asarray(craters["lat"], float))
        table = table.assign(x_px=x, y_px=y, diameter_px=size / grid.metres_per_pixel(x, y))
    full = craters_from_pixels(table, grid).set_index(craters.index)
    for name in ("lon", "lat", "diameter_m"):
        if name in craters:
            full[name] = np.asarray(craters[name], float)
    full.attrs.update(craters.attrs)
    return full


def _places(table: gpd.GeoDataFrame, grid: Grid) -> Places:
    from .polar import places

    x, y, d = (np.array(table[c], float) for c in ("x_px", "y_px", "diameter_px"))
    if grid.crs is not None and {"lon", "lat", "diameter_m"} <= set(table):
        on_map_x, on_map_y = grid.pixels(np.asarray(table["lon"], float), np.asarray(table["lat"], float))
        size = np.asarray(table["diameter_m"], float) / grid.metres_per_pixel(on_map_x, on_map_y)
        known = np.isfinite(on_map_x) & np.isfinite(on_map_y) & (size > 0) & np.isfinite(size)
        x, y, d = np.where(known, on_map_x, x), np.where(known, on_map_y, y), np.where(known, size, d)
    return places(grid, x, y, d)


def _measure(
    image: Reader,
    elevation: Reader | None,
    shape: tuple[int, int],
    where: Places,
    columns: dict[str, np.ndarray],
    source: np.ndarray,
    given_std: np.ndarray,
    progress: bool,
) -> None:
    """Fill the columns, group by group of neighbouring craters."""
    from craterlab.progress import progress_bar

    from . import depth, rims
    from .polar import groups, sample

    with progress_bar(show=progress and len(where) > 1000, total=len(where), desc="characterize", unit="crater") as bar:
        read: dict[str, Any] = {}
        for index, window in groups(where, shape):
            if read.get("window") != window:
                read = {"window": window, "image": image(*window), "dem": elevation(*window) if elevation else None}
            part = where.take(index)
            n = len(index)
            theta, seen = np.zeros((n, 5)), np.zeros(n, bool)
            z = None
            if read["dem"] is not None:
                z = depth.level_out(sample(read["dem"], window, part, depth.ALL_RADII))
                crest = depth.split(z)[1]
                seen |= np.isfinite(crest).any((1, 2))
                found = rims.trace(crest, rims.crest_points, part.radius_px)
                _keep_ellipses(found, part, index, columns, source, "dem")
                theta = np.where((found.good & _large(part))[:, None], found.theta, 0.0)
            todo = np.flatnonzero(source[index] == "")
            if todo.size:
                some = part.take(todo)
                brightness = sample(read["image"], window, some, rims.RIM_RADII)
                seen[todo] |= np.isfinite(brightness).any((1, 2))
                found = rims.trace(brightness, rims.edge_points, some.radius_px)
                _keep_ellipses(found, some, index[todo], columns, source, "image")
            if z is not None:
                made = depth.measure(z, rims.radius_at(theta))
                columns["depth_m"][index], columns["depth_std_m"][index] = made.depth, made.depth_std
                columns["rim_height_m"][index], columns["rim_height_std_m"][index] = (
                    made.rim_height,
                    made.rim_height_std,
                )
            left = seen & (source[index] == "")
            circle, radius = index[left], part.radius_m[left]
            std = np.where(np.isfinite(given_std[circle]), given_std[circle], 2 * _LOOSE * radius)
            columns["major_m"][circle] = columns["minor_m"][circle] = 2 * radius
            columns["major_std_m"][circle] = columns["minor_std_m"][circle] = std
            source[circle] = "circle"
            bar.update(n)


def _large(part: Places) -> np.ndarray:
    return 2 * part.radius_px >= SMALLEST_PX


def _keep_ellipses(
    found: Any, part: Places, index: np.ndarray, columns: dict[str, np.ndarray], source: np.ndarray, name: str
) -> None:
    good = found.good & _large(part)
    rows, metres = index[good], 2 * part.radius_m[good]
    for column, value in (
        ("major_m", found.major[good] * metres),
        ("minor_m", found.minor[good] * metres),
        ("major_std_m", found.major_std[good] * metres),
        ("minor_std_m", found.minor_std[good] * metres),
        ("angle_deg", found.angle_deg[good]),
    ):
        columns[column][rows] = value
    source[rows] = name


def _image_reader(layer: xr.DataArray) -> Reader:
    layer = layer.transpose("y", "x")
    return lambda r0, r1, c0, c1, s: np.asarray(layer[r0:r1:s, c0:c1:s].values, np.float32)


def _dem_reader(scene: xr.Dataset, dem: Any, grid: Grid) -> Reader | None:
    import xarray as xr

    if dem is None:
        return _image_reader(scene["dem"]) if "dem" in scene else None
    if isinstance(dem, (str, Path)):
        from craterlab.scene import existing, open_dem

        name = grid.body.name if grid.body is not None else scene.attrs.get("body")
        read = open_dem(existing(dem), grid, name)
        return lambda r0, r1, c0, c1, s: np.asarray(read(r0, r1, c0, c1), np.float32)[::s, ::s]
    if isinstance(dem, xr.Dataset) and "dem" in dem:
        dem = dem["dem"]
    if isinstance(dem, np.ndarray):
        dem = xr.DataArray(dem, dims=("y", "x")) if dem.ndim == 2 else dem
    if isinstance(dem, xr.DataArray) and dem.ndim == 3 and dem.sizes.get("band") == 1:
        dem = dem.isel(band=0, drop=True)
    if not isinstance(dem, xr.DataArray) or set(dem.dims) != {"y", "x"}:
        raise CraterlabError(
            "characterize: dem is neither a file name nor an elevation (y, x) in metres on the grid of the image."
        )
    shape = (dem.sizes["y"], dem.sizes["x"])
    if shape != grid.shape:
        raise CraterlabError(
            f"characterize: the elevation model has {shape[0]} x {shape[1]} pixels, the image {grid.shape[0]} x "
            f"{grid.shape[1]}. Give its file name, which is laid on the image, or resample it: "
            "dem.rio.reproject_match(scene)."
        )
    return _image_reader(dem)


def _extra(
    extra: Mapping[str, Callable[[dict[str, Any]], Any]],
    scene: xr.Dataset,
    elevation: Reader | None,
    grid: Grid,
    where: Places,
    table: gpd.GeoDataFrame,
) -> dict[str, list[Any]]:
    from .polar import groups, sample_at

    values: dict[str, list[Any]] = {name: [None] * len(table) for name in extra}
    image = _image_reader(scene["image"])
    across = np.linspace(-2, 2, _CHIP, endpoint=False) + 2 / _CHIP
    east, north = np.meshgrid(across, -across)
    sun = {k: float(scene.attrs.get(k, np.nan)) for k in ("sun_azimuth_deg", "incidence_deg")}
    for index, window in groups(where, grid.shape):
        blocks = (image(*window), elevation(*window) if elevation is not None else None)
        for i in index:
            x = where.x[i] + where.unit[i, 0, 0] * east + where.unit[i, 0, 1] * north
            y = where.y[i] + where.unit[i, 1, 0] * east + where.unit[i, 1, 1] * north
            chips = [None if b is None else sample_at(b, window, x, y).astype(np.float32) for b in blocks]
            chip = {"image": chips[0], "dem": chips[1], "row": table.iloc[i], **sun}
            chip |= {"radius_px": float(where.radius_px[i]), "radius_m": float(where.radius_m[i])}
            for name, function in extra.items():
                values[name][i] = function(chip)
    return values

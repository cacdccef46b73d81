"""What characterize is given: the crater table, where its craters lie on the grid, and how image and DEM are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.errors import CraterlabError

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from craterlab.grid import Grid

    from .polar import Places, Reader


_LOOK = 200  # pixels, side of a window


def crater_table(craters: Any, grid: Grid) -> gpd.GeoDataFrame:
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


def places_of(table: gpd.GeoDataFrame, grid: Grid) -> Places:
    from .polar import places

    x, y, d = (np.array(table[c], float) for c in ("x_px", "y_px", "diameter_px"))
    if grid.crs is not None and {"lon", "lat", "diameter_m"} <= set(table):
        on_map_x, on_map_y = grid.pixels(np.asarray(table["lon"], float), np.asarray(table["lat"], float))
        size = np.asarray(table["diameter_m"], float) / grid.metres_per_pixel(on_map_x, on_map_y)
        known = np.isfinite(on_map_x) & np.isfinite(on_map_y) & (size > 0) & np.isfinite(size)
        x, y, d = np.where(known, on_map_x, x), np.where(known, on_map_y, y), np.where(known, size, d)
    return places(grid, x, y, d)


def image_reader(layer: xr.DataArray) -> Reader:
    layer = layer.transpose("y", "x")
    return lambda r0, r1, c0, c1, s: np.asarray(layer[r0:r1:s, c0:c1:s].values, np.float32)


def dem_reader(scene: xr.Dataset, dem: Any, grid: Grid) -> tuple[Reader | None, float]:
    """Reader of the elevation, and the pixel in metres of a file's own grid (NaN: that of the scene)."""
    import xarray as xr

    if dem is None:
        if "dem" not in scene:
            return None, np.nan
        return image_reader(scene["dem"]), float(scene["dem"].attrs.get("spacing_m", np.nan))
    if isinstance(dem, (str, Path)):
        from craterlab.dem import own_spacing_m
        from craterlab.scene import existing, open_dem

        name = grid.body.name if grid.body is not None else scene.attrs.get("body")
        read = open_dem(existing(dem), grid, name)
        return (lambda r0, r1, c0, c1, s: np.asarray(read(r0, r1, c0, c1), np.float32)[::s, ::s]), own_spacing_m(read)
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
    return image_reader(dem), np.nan


def brightness_levels(image: Reader, shape: tuple[int, int]) -> tuple[float, float]:
    """Brightness of what no light reaches, and of the ground: the darkest thousandth and the median of 25 windows
    spread over the image; (0, 1) without data.

    Where nothing lies in shadow the first is only the darkest ground, but then no depth is taken from a shadow either.
    """
    starts = [np.linspace(0, max(0, n - _LOOK), 5).astype(int) for n in shape]
    rows, columns = (sorted(set(s.tolist())) for s in starts)
    looks = [image(r, min(r + _LOOK, shape[0]), c, min(c + _LOOK, shape[1]), 1).ravel() for r in rows for c in columns]
    return levels_of(np.concatenate(looks))


def levels_of(values: np.ndarray) -> tuple[float, float]:
    """Darkest thousandth and median of pixels; (0, 1) where none is known."""
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    black, middle = np.percentile(values, [0.1, 50.0])
    return float(black), float(middle)


def number_in(scene: xr.Dataset, name: str) -> float:
    """A number in the attrs of a scene, NaN where it is missing or no number."""
    try:
        return float(scene.attrs.get(name, np.nan))
    except (TypeError, ValueError):
        return np.nan

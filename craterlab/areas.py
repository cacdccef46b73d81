"""Geodesic area of a scene's valid pixels, strip by strip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CraterlabError
from .frames import apply, east_positive, frame_of

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from .grid import Grid

_ROWS = 512


def valid_area_km2(image: xr.DataArray, grid: Grid, within: Any = None) -> float:
    """Area of the pixels of `image` that are not NaN and whose centre is inside `within`, km2."""
    if grid.crs is None and grid.pixel_size_m is None:
        raise CraterlabError(
            "The area is not known: the image has neither a CRS nor a pixel size. "
            "Open it with its scale, e.g. open_scene(path, pixel_size=6.0) for 6 m per pixel."
        )
    shapes = None if within is None else _polygons_on(grid, within)
    rows, columns = grid.shape
    height = max(1, min(rows, _ROWS, int(2**25 // max(columns, 1))))
    total = 0.0
    for top in range(0, rows, height):
        bottom = min(top + height, rows)
        strip = np.asarray(image.isel(y=slice(top, bottom)).values)
        valid = np.isfinite(strip)
        if shapes is not None:
            valid &= _inside(shapes, grid, top, valid.shape)
        if valid.any():
            total += _strip_area(grid, top, valid)
    return total / 1e6


def _strip_area(grid: Grid, top: int, valid: NDArray[np.bool_]) -> float:
    if grid.crs is None:
        assert grid.pixel_size_m is not None
        return float(valid.sum()) * grid.pixel_size_m**2
    rows, columns = valid.shape
    # Pixel area changes slowly: it is evaluated at nodes at most half a degree apart and interpolated between them.
    middle = float(grid.metres_per_pixel(columns / 2, top + rows / 2))
    assert grid.body is not None
    step = 64.0
    if np.isfinite(middle) and middle > 0:
        step = float(np.clip(np.radians(0.5) * grid.body.radius_m / middle, 1, 64))
    ys, wy = interpolation_nodes(rows, step)
    xs, wx = interpolation_nodes(columns, step)
    node_area = grid.metres_per_pixel(xs[None, :], top + ys[:, None]) ** 2
    if np.isnan(node_area).any():
        # The map ends inside the strip: there is no ground beyond, and interpolation would eat into its edge.
        return _exact_area(grid, top, valid)
    weight = (wx.T @ (wy.T @ valid.astype(np.float32)).T).T
    return float((node_area * weight).sum())


def _exact_area(grid: Grid, top: int, valid: NDArray[np.bool_]) -> float:
    total = 0.0
    columns = np.arange(valid.shape[1]) + 0.5
    for first in range(0, valid.shape[0], 32):
        part = valid[first : first + 32]
        y = top + first + np.arange(part.shape[0]) + 0.5
        area = grid.metres_per_pixel(columns[None, :], y[:, None]) ** 2
        total += float(np.nansum(np.where(part, area, 0.0)))
    return total


def interpolation_nodes(n: int, step: float) -> tuple[NDArray[np.float64], Any]:
    """Node positions over `n` pixels and the sparse weights (n, nodes) of linear interpolation at the pixel centres."""
    from scipy.sparse import csr_array

    count = max(2, int(np.ceil(n / step)) + 1)
    nodes = np.linspace(0.5, max(n - 0.5, 1.0), count)
    position = (np.arange(n) + 0.5 - nodes[0]) / (nodes[1] - nodes[0])
    left = np.clip(np.floor(position).astype(int), 0, count - 2)
    share = position - left
    weights = np.stack([1 - share, share], -1).ravel()
    columns = np.stack([left, left + 1], -1).ravel()
    return nodes, csr_array((weights, columns, np.arange(0, 2 * n + 1, 2)), shape=(n, count))


def _inside(shapes: list[Any], grid: Grid, top: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    from affine import Affine
    from rasterio.features import geometry_mask

    return geometry_mask(shapes, shape, Affine.translation(0, -top), invert=True)


def _polygons_on(grid: Grid, within: Any) -> list[Any]:
    """The polygons of `within` in pixel coordinates of the grid."""
    import geopandas as gpd
    import shapely

    frame = within
    if isinstance(within, (str, Path)):
        frame = _read_polygons(Path(within))
    elif not isinstance(within, (gpd.GeoDataFrame, gpd.GeoSeries)):
        raise CraterlabError(
            f"within= is a polygon file or a GeoDataFrame, not {type(within).__name__}. "
            "Wrap a shapely polygon: geopandas.GeoDataFrame(geometry=[polygon], crs=scene.rio.crs)."
        )
    shapes = [g for g in frame.geometry if g is not None and not g.is_empty]
    if not any(g.geom_type in ("Polygon", "MultiPolygon") for g in shapes):
        raise CraterlabError("within= holds no polygon, so it bounds no area.")
    if grid.crs is None:
        if frame.crs is not None:
            raise CraterlabError("within= has a CRS but the image has none, so the two cannot be laid over each other.")
        size = grid.pixel_size_m or 1.0
        return [shapely.transform(g, lambda c: c / size) for g in shapes]
    if frame.crs is None:
        raise CraterlabError(
            "within= has no CRS, so its place on the image is not known. "
            "Set it: polygons = polygons.set_crs(scene.rio.crs), if that is the CRS it was drawn in."
        )
    from affine import Affine

    crs, flip = east_positive(frame.crs, Affine.identity())
    source = frame_of(crs)
    if source.body != grid.body:
        assert grid.body is not None
        raise CraterlabError(f"within= is on {source.body.name}, the image on {grid.body.name}.")

    def to_pixels(c: NDArray[np.float64]) -> NDArray[np.float64]:
        lon, lat = source.lonlat(*apply(flip, c[:, 0], c[:, 1]))
        return np.stack(grid.pixels(lon, lat), -1)

    return [_carried(g, to_pixels) for g in shapes]


def _carried(polygon: Any, to_pixels: Any) -> Any:
    """A polygon with its sides divided, so that they stay on their ground in another projection."""
    import shapely

    extent = max(polygon.bounds[2] - polygon.bounds[0], polygon.bounds[3] - polygon.bounds[1])
    out = shapely.transform(shapely.segmentize(polygon, extent / 200), to_pixels)
    if not np.isfinite(shapely.get_coordinates(out)).all():
        raise CraterlabError(
            "within= reaches where the projection of the image has no place. Clip it to the image first."
        )
    return out


def _read_polygons(path: Path) -> Any:
    import geopandas as gpd

    if not path.exists():
        raise CraterlabError(f"No polygon file {str(path)!r}.")
    try:
        return gpd.read_parquet(path) if path.suffix in (".parquet", ".geoparquet") else gpd.read_file(path)
    except Exception as err:  # pyogrio and pyarrow raise many kinds
        raise CraterlabError(f"{str(path)!r} could not be read as polygons ({type(err).__name__}: {err}).") from None

"""Geodesic area of a scene's valid pixels, strip by strip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CraterlabError

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
    area = None if within is None else _area_on(grid, within)
    rows, columns = grid.shape
    height = max(1, min(rows, _ROWS, int(2**25 // max(columns, 1))))
    total = 0.0
    for top in range(0, rows, height):
        bottom = min(top + height, rows)
        strip = np.asarray(image.isel(y=slice(top, bottom)).values)
        valid = np.isfinite(strip)
        if area is not None:
            valid &= _inside(area, grid, top, valid.shape)
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


def _inside(area: Any, grid: Grid, top: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixel centres of a strip are in the area: shapes in pixels, or the region itself."""
    from affine import Affine
    from rasterio.features import geometry_mask

    if isinstance(area, list):
        return geometry_mask(area, shape, Affine.translation(0, -top), invert=True)
    rows, columns = shape
    out = np.zeros(shape, bool)
    for row in range(rows):
        points = grid.direction(np.arange(columns) + 0.5, np.full(columns, top + row + 0.5))
        known = np.isfinite(points).all(-1)
        out[row, known] = area.contains(points[known])
    return out


def _area_on(grid: Grid, within: Any) -> Any:
    """`within` as shapes in pixels of the grid; as a region where shapes would be torn: at a pole of a lon/lat map."""
    import shapely

    from .polygons import read_polygons, region_of
    from .region import lonlat_of

    if grid.frame is None:
        series = read_polygons(within)
        if series.crs is not None:
            raise CraterlabError("within= has a CRS but the image has none, so the two cannot be laid over each other.")
        size = grid.pixel_size_m or 1.0
        return [shapely.transform(g, lambda c: c / size) for g in series]
    region = region_of(within, body=grid.body, what="the image")
    turn = grid.turn_px
    if np.isfinite(turn).all() and region.contains(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])).any():
        return region

    def on_grid(ring: NDArray[np.float64], piece: Any) -> NDArray[np.float64]:
        xy = np.stack(grid.pixels(*lonlat_of(piece.plane.points(ring))), -1)
        if not np.isfinite(xy).all():
            raise CraterlabError(
                "within= reaches where the projection of the image has no place. Clip it to the image first."
            )
        return xy if np.isnan(turn).any() else xy - np.round((xy - xy[0]) @ turn / (turn @ turn))[:, None] * turn

    shapes = []
    for piece in region.pieces:
        for part in shapely.get_parts(piece.polygon):
            # All corners in one go, so that holes stay with their outline across the edge of the map.
            shapes.append(shapely.transform(part, lambda c, piece=piece: on_grid(c, piece)))
    if np.isnan(turn).any():
        return shapes
    return [shapely.transform(s, lambda c, k=k: c + k * turn) for s in shapes for k in (-1, 0, 1)]

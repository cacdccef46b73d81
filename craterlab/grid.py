"""Where a pixel is: pixel <-> longitude and latitude, true lengths and areas on the body, in any accepted projection.

Pixel coordinates everywhere: origin at the top left corner, centre of the first pixel at (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from .bodies import Body, body
from .errors import CraterlabError
from .frames import Frame, apply, east_positive, frame_of, parse_crs

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr
    from affine import Affine
    from numpy.typing import ArrayLike, NDArray
    from pyproj import CRS

__all__ = ["Grid", "area_km2", "craters_from_pixels", "grid_of"]


@dataclass(frozen=True)
class Grid:
    """A pixel grid and its place on a body.

    Attributes
    ----------
    shape : tuple of int
        Rows, columns.
    transform : affine.Affine
        Pixel -> CRS coordinates; the identity without a CRS.
    crs : pyproj.CRS or None
        East-positive.
    body : Body or None
    pixel_size_m : float or None
        Only for a grid without a CRS: metres per pixel in both directions, None when unknown.
    """

    shape: tuple[int, int]
    transform: Affine
    crs: CRS | None = None
    body: Body | None = None
    pixel_size_m: float | None = None

    @property
    def frame(self) -> Frame | None:
        return None if self.crs is None else frame_of(self.crs)

    def lonlat(self, x_px: ArrayLike, y_px: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Planetocentric longitude and latitude of pixel coordinates.

        Parameters
        ----------
        x_px, y_px : array_like
            Any shape, broadcast together; they may lie outside the grid.

        Returns
        -------
        lon, lat : ndarray
            Degrees, east-positive, -180..180; NaN without a CRS and outside the projection.
        """
        lon, lat = self._lonlat_raw(x_px, y_px)
        over = np.abs(lat) > 90  # rows beyond the pole of a lon/lat grid
        lat = np.where(over, np.sign(lat) * 180 - lat, lat)
        lon = np.where(over, lon + 180, lon)
        return (lon + 180) % 360 - 180, lat

    def pixels(self, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixel coordinates of longitude and latitude, the inverse of `lonlat`.

        Parameters
        ----------
        lon, lat : array_like
            Degrees, planetocentric, east-positive; any turn of 360 degrees.

        Returns
        -------
        x_px, y_px : ndarray
            On a map that repeats itself in longitude, the copy nearest to the middle of the grid;
            NaN without a CRS and where the projection has no place for the point.
        """
        lon, lat = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
        frame = self.frame
        if frame is None:
            return np.full(lon.shape, np.nan), np.full(lon.shape, np.nan)
        x, y = apply(~self.transform, *frame.xy((lon + 180) % 360 - 180, lat))
        if np.isfinite(frame.period):
            dx, dy = self.turn_px
            rows, columns = self.shape
            k = np.round(((columns / 2 - x) * dx + (rows / 2 - y) * dy) / (dx * dx + dy * dy))
            x, y = x + k * dx, y + k * dy
        return x, y

    @property
    def turn_px(self) -> NDArray[np.float64]:
        """Step (2,) in pixels after which the map repeats itself; NaN where it does not."""
        t, frame = ~self.transform, self.frame
        return np.array([t.a, t.d]) * (np.nan if frame is None else frame.period)

    def jacobian(self, x_px: ArrayLike, y_px: ArrayLike) -> NDArray[np.float64]:
        """Metres eastward and northward on the body per pixel to the right and down.

        Returns
        -------
        ndarray, shape (..., 2, 2)
            ``[[dE/dx, dE/dy], [dN/dx, dN/dy]]`` in m/px. Without a CRS up counts as north. NaN without a pixel size
            and outside the projection.
        """
        x, y = np.broadcast_arrays(np.asarray(x_px, float), np.asarray(y_px, float))
        if self.crs is None:
            return _local(x.shape) * np.array([[1.0, 0.0], [0.0, -1.0]])[..., :, :] * self._size()
        lon, lat = np.radians(self._lonlat_raw(x, y))
        zero = np.zeros_like(lon)
        east = np.stack([-np.sin(lon), np.cos(lon), zero], -1)
        north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)], -1)
        return np.stack([east, north], -2) @ self._tangents(x, y)

    def metric(self, x_px: ArrayLike, y_px: ArrayLike) -> NDArray[np.float64]:
        """The ground metric: the squared length of a small pixel step `d` is ``d @ metric @ d``.

        Parameters
        ----------
        x_px, y_px : array_like
            Any shape, broadcast together.

        Returns
        -------
        ndarray, shape (..., 2, 2)
            ``J.T @ J`` in m2/px2, `J` the derivative of the point on the sphere in space, so it holds at poles and
            across the antimeridian. Without a CRS ``pixel_size_m**2`` times the unit matrix. NaN without a pixel size
            and outside the projection.
        """
        x, y = np.broadcast_arrays(np.asarray(x_px, float), np.asarray(y_px, float))
        if self.crs is None:
            return _local(x.shape) * self._size() ** 2
        j = self._tangents(x, y)
        return np.swapaxes(j, -1, -2) @ j

    def metres_per_pixel(self, x_px: ArrayLike, y_px: ArrayLike) -> NDArray[np.float64]:
        """Square root of the ground area of a pixel, metres: a circle of `d` px on average is `d` times this wide.

        NaN where `metric` is.
        """
        g = self.metric(x_px, y_px)
        det = g[..., 0, 0] * g[..., 1, 1] - g[..., 0, 1] * g[..., 1, 0]
        return np.maximum(det, 0) ** 0.25

    def _size(self) -> float:
        return np.nan if self.pixel_size_m is None else float(self.pixel_size_m)

    def _lonlat_raw(self, x_px: ArrayLike, y_px: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x, y = np.broadcast_arrays(np.asarray(x_px, float), np.asarray(y_px, float))
        frame = self.frame
        if frame is None:
            return np.full(x.shape, np.nan), np.full(x.shape, np.nan)
        return frame.lonlat(*apply(self.transform, x, y))

    def direction(self, x_px: ArrayLike, y_px: ArrayLike) -> NDArray[np.float64]:
        """Unit vectors from the body's centre, shape (..., 3); NaN without a CRS and outside the projection."""
        lon, lat = np.radians(self._lonlat_raw(x_px, y_px))
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)

    def _tangents(self, x: NDArray[np.float64], y: NDArray[np.float64], h: float = 0.5) -> NDArray[np.float64]:
        """Derivative of the point on the sphere by (x, y), metres per pixel, shape (..., 3, 2)."""
        assert self.body is not None
        here = self.direction(x, y)
        columns = []
        for dx, dy in ((h, 0.0), (0.0, h)):
            after, before = self.direction(x + dx, y + dy), self.direction(x - dx, y - dy)
            # At the edge of a projection one of the two neighbours does not exist.
            middle = (after - before) / (2 * h)
            one_side = np.where(np.isfinite(after), after - here, here - before) / h
            columns.append(np.where(np.isfinite(middle), middle, one_side))
        return self.body.radius_m * np.stack(columns, -1)


def _local(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.broadcast_to(np.eye(2), (*shape, 2, 2)).copy()


def grid_of(scene: xr.Dataset | xr.DataArray) -> Grid:
    """The pixel grid of a scene.

    Parameters
    ----------
    scene : Dataset or DataArray
        With dimensions ``y, x``. CRS and transform through rioxarray; attrs ``body`` and ``pixel_size_m`` are used.

    Raises
    ------
    CraterlabError
        Dimensions other than ``y, x``; an Earth CRS, one of no known body, or one that contradicts attr ``body``.
    """
    import rioxarray  # noqa: F401  registers .rio
    from affine import Affine

    if not {"y", "x"} <= set(scene.dims):
        raise CraterlabError(
            f"A scene has dimensions (y, x); this has {tuple(scene.dims)}. Rename them: scene.rename(lat='y', lon='x')."
        )
    shape = (scene.sizes["y"], scene.sizes["x"])
    attrs = dict(scene.attrs)
    if "image" in getattr(scene, "data_vars", {}):
        attrs = {**scene["image"].attrs, **attrs}
    named = body(attrs["body"]) if attrs.get("body") else None
    crs = _crs_of(scene)
    if crs is None:
        size = attrs.get("pixel_size_m")
        if size is not None:
            size = float(size) if np.isfinite(size) else None
        return Grid(shape, Affine.identity(), None, named, size)
    crs, transform = east_positive(crs, _transform_of(scene))
    found = frame_of(crs).body
    if named is not None and named != found:
        raise CraterlabError(
            f"The scene says body {named.name!r} but its CRS {crs.name!r} is on {found.name}. "
            f"Drop one: scene.attrs.pop('body'), or write the right CRS, {named.crs}."
        )
    return Grid(shape, transform, crs, found, None)


def _crs_of(scene: xr.Dataset | xr.DataArray) -> Any:
    crs = scene.rio.crs
    if crs is None and "image" in getattr(scene, "data_vars", {}):
        crs = scene["image"].rio.crs
    # rasterio's wheels carry their own PROJ; WKT is the common tongue.
    return None if crs is None else parse_crs(crs.to_wkt())


def _transform_of(scene: xr.Dataset | xr.DataArray) -> Affine:
    """From the coordinates, which follow a slice; the stored transform does not."""
    from affine import Affine

    stored = scene.rio.transform()
    if stored.b or stored.d or "x" not in scene.coords or "y" not in scene.coords:
        return stored
    x, y = np.asarray(scene["x"], float), np.asarray(scene["y"], float)
    dx = (x[-1] - x[0]) / (len(x) - 1) if len(x) > 1 else stored.a
    dy = (y[-1] - y[0]) / (len(y) - 1) if len(y) > 1 else stored.e
    return Affine(dx, 0, x[0] - dx / 2, 0, dy, y[0] - dy / 2)


def craters_from_pixels(table: pd.DataFrame | Any, scene: xr.Dataset | xr.DataArray | Grid) -> gpd.GeoDataFrame:
    """The full crater table from craters measured on a scene's pixels.

    Parameters
    ----------
    table : DataFrame or mapping of columns
        ``x_px``, ``y_px``, ``diameter_px`` (geometric mean of width and height). Used where present: ``score`` (else
        1.0), ``crater_id`` (else 0, 1, ...), ``diameter_std_px``, ``position_std_px``, and ``major_px``,
        ``minor_px``, ``angle_px`` (of the major axis, degrees clockwise from up in the image). Others are kept.
    scene : Dataset, DataArray or Grid
        The grid the pixels are counted on.

    Returns
    -------
    GeoDataFrame
        ``crater_id, x_px, y_px, diameter_px, lon, lat`` (deg, planetocentric, east-positive), ``diameter_m``,
        ``score``; ``diameter_std_m``, ``position_std_m`` (m); ``major_m``, ``minor_m`` (m), ``angle_deg`` (clockwise
        from north). Geometry: rim polygon in the CRS of the scene; without one in pixels (y down) times the pixel
        size. Without a CRS lon and lat are NaN, without a pixel size too the metres as well. ``attrs`` are carried.

    Raises
    ------
    CraterlabError
        A column is missing or not numbers, or the scene has no usable grid.
    """
    import geopandas as gpd
    import pandas as pd

    from .rims import rim_polygons

    grid = scene if isinstance(scene, Grid) else grid_of(scene)
    attrs = dict(getattr(table, "attrs", {}))
    table = pd.DataFrame(
        {k: np.asarray(table[k]) for k in table.columns if k != "geometry"}
        if isinstance(table, pd.DataFrame)
        else dict(table)
    )
    missing = [c for c in ("x_px", "y_px", "diameter_px") if c not in table]
    if missing:
        raise CraterlabError(
            f"The crater table lacks {', '.join(missing)}; it has {', '.join(map(str, table)) or 'no columns'}."
        )
    x, y, d = (_numbers(table, c) for c in ("x_px", "y_px", "diameter_px"))
    n = len(table)
    lon, lat = grid.lonlat(x, y)
    scale = grid.metres_per_pixel(x, y)
    columns: dict[str, Any] = {
        "crater_id": np.asarray(table["crater_id"]) if "crater_id" in table else np.arange(n, dtype=np.int64),
        "x_px": x,
        "y_px": y,
        "diameter_px": d,
        "lon": lon,
        "lat": lat,
        "diameter_m": d * scale,
        "score": _numbers(table, "score") if "score" in table else np.ones(n),
    }
    for name in ("diameter_std", "position_std"):
        if f"{name}_px" in table:
            columns[f"{name}_px"] = _numbers(table, f"{name}_px")
            columns[f"{name}_m"] = columns[f"{name}_px"] * scale
    if {"major_px", "minor_px", "angle_px"} <= set(table):
        ellipse = tuple(_numbers(table, c) for c in ("major_px", "minor_px", "angle_px"))
        columns["major_m"], columns["minor_m"], columns["angle_deg"] = _ground_ellipse(grid, x, y, *ellipse)
    for name in table:
        if name not in columns:
            columns[name] = np.asarray(table[name])
    out = gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries(rim_polygons(grid, x, y, d), crs=grid.crs))
    out.attrs.update(attrs)
    return out


def _numbers(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    try:
        return np.asarray(table[column], dtype=np.float64)
    except (TypeError, ValueError):
        raise CraterlabError(
            f"Column {column!r} of the crater table must hold numbers, not {table[column].dtype}."
        ) from None


def _ground_ellipse(
    grid: Grid,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    major: NDArray[np.float64],
    minor: NDArray[np.float64],
    angle: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Axes (m) on the ground and the angle of the longer one, degrees clockwise from north in [0, 180)."""
    t = np.radians(angle)
    u = np.stack([np.sin(t), -np.cos(t)], -1)  # along the major axis: right, down
    v = np.stack([np.cos(t), np.sin(t)], -1)
    shape = major[:, None, None] ** 2 * _outer(u) + minor[:, None, None] ** 2 * _outer(v)
    if grid.crs is None:
        j = np.array([[1.0, 0.0], [0.0, -1.0]])
        scale = grid._size()
    else:
        j, scale = grid.jacobian(x, y), 1.0
    ground = j @ shape @ np.swapaxes(j, -1, -2)
    bad = ~np.isfinite(ground).all((-2, -1))
    ground[bad] = np.eye(2)
    values, vectors = np.linalg.eigh(ground)
    axes = np.sqrt(np.maximum(values, 0)) * scale
    degrees = np.degrees(np.arctan2(vectors[:, 0, 1], vectors[:, 1, 1])) % 180
    axes[bad], degrees[bad] = np.nan, np.nan
    return axes[:, 1], axes[:, 0], degrees


def _outer(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return v[:, :, None] * v[:, None, :]


def area_km2(scene: xr.Dataset | xr.DataArray | NDArray[Any], within: Any = None) -> float:
    """Geodesic area of the valid (non-NaN) pixels of a scene.

    Parameters
    ----------
    scene : Dataset, DataArray or 2-D array
        Read in strips; a lazy image is never loaded whole.
    within : path, GeoDataFrame or GeoSeries, optional
        Only pixels whose centre is inside these polygons (or the unit boundary of a .scc count). They need a CRS of
        the same body; on an image without a CRS they are in pixels (y down) times the pixel size.

    Returns
    -------
    float
        km2 on the sphere of the body; pixels times pixel size squared without a CRS.

    Raises
    ------
    CraterlabError
        Neither a CRS nor a pixel size; `within` unreadable, without polygons, or on another body.
    """
    from .areas import valid_area_km2
    from .scene import as_scene

    known = scene if _whole_numbers(scene) else as_scene(scene)
    return valid_area_km2(known["image"], grid_of(known), within)


def _whole_numbers(scene: Any) -> TypeGuard[xr.Dataset]:
    """An image whose pixels are all valid as they are: as numbers of four bytes it would be a large image again."""
    image = scene["image"] if hasattr(scene, "data_vars") and "image" in scene.data_vars else None
    return (
        image is not None and image.dims == ("y", "x") and image.dtype.kind in "iu" and "_FillValue" not in image.attrs
    )

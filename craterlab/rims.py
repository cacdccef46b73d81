"""Rim polygons: geodesic circles drawn in the coordinates of a scene."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .frames import apply

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .grid import Grid

_VERTICES = 64


def rim_polygons(
    grid: Grid, x_px: NDArray[np.float64], y_px: NDArray[np.float64], diameter_px: NDArray[np.float64]
) -> NDArray[Any]:
    """Circles on the body as polygons in the scene's CRS.

    Parameters
    ----------
    grid : Grid
    x_px, y_px, diameter_px : ndarray, shape (n,)
        A circle of `diameter_px` is the one with the same ground area at its centre.

    Returns
    -------
    ndarray of shapely.Polygon, shape (n,)
        Without a CRS: pixel coordinates (y down) times the pixel size where it is known. An empty polygon where an
        input or the place is NaN. A rim across the antimeridian of a map goes on beyond its edge in one piece; a rim
        around a pole in a map of lon/lat kind is the band up to the pole.
    """
    import shapely

    n = len(x_px)
    if n == 0:
        return np.empty(0, object)
    azimuth = np.linspace(0, 2 * np.pi, _VERTICES, endpoint=False)
    if grid.crs is None:
        size = grid.pixel_size_m or 1.0
        r = diameter_px[:, None] / 2
        ring = np.stack([x_px[:, None] + r * np.sin(azimuth), y_px[:, None] - r * np.cos(azimuth)], -1) * size
        around = np.zeros(n, bool)
    else:
        ring, around = _rings(grid, x_px, y_px, diameter_px, azimuth)
    polygons = np.full(n, shapely.Polygon(), dtype=object)
    good = np.isfinite(ring).all((1, 2)) & ~around
    polygons[good] = shapely.polygons(ring[good])
    for i in np.flatnonzero(around):
        polygons[i] = _band(grid, ring[i], float(np.sign(grid.lonlat(x_px[i], y_px[i])[1])))
    return polygons


def _rings(
    grid: Grid,
    x_px: NDArray[np.float64],
    y_px: NDArray[np.float64],
    diameter_px: NDArray[np.float64],
    azimuth: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Vertices (n, 64, 2) in the CRS, and which rims go around a pole of a map that repeats itself in longitude."""
    frame = grid.frame
    assert frame is not None
    radius_m = diameter_px * grid.metres_per_pixel(x_px, y_px) / 2
    lon0, lat0 = grid.lonlat(x_px, y_px)
    lon, lat = circle(lon0, lat0, radius_m / frame.body.radius_m, azimuth)
    x, y = frame.xy(lon, lat)
    x0, _ = apply(grid.transform, x_px, y_px)
    if np.isfinite(frame.period):
        turn = (lon - lon0[:, None] + 180) % 360 - 180
        ring = np.stack([x0[:, None] + turn / 360 * frame.period, y], -1)
        around = np.abs(lat0) + np.degrees(radius_m / frame.body.radius_m) >= 90
        return ring, around & np.isfinite(ring).all((1, 2))
    ring = np.stack([x, y], -1)
    flat = _flat_rings(grid, x_px, y_px, radius_m, azimuth)
    # Where the map is torn (the edge of a sinusoidal one) part of the true circle lies on the other side of it.
    extent = np.ptp(flat, axis=1).max(-1)
    off = np.abs(ring - flat).max((1, 2))
    torn = ~(off <= extent)
    ring[torn] = flat[torn]
    return ring, np.zeros(len(x_px), bool)


def circle(
    lon: NDArray[np.float64], lat: NDArray[np.float64], angle: NDArray[np.float64], azimuth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude (n, m), degrees, of points at `angle` (rad) from the centres, clockwise from north."""
    lam, phi, c = np.radians(lon)[:, None], np.radians(lat)[:, None], angle[:, None]
    sin_lat = np.sin(phi) * np.cos(c) + np.cos(phi) * np.sin(c) * np.cos(azimuth)
    out_lat = np.arcsin(np.clip(sin_lat, -1, 1))
    out_lon = lam + np.arctan2(np.sin(azimuth) * np.sin(c) * np.cos(phi), np.cos(c) - np.sin(phi) * sin_lat)
    return (np.degrees(out_lon) + 180) % 360 - 180, np.degrees(out_lat)


def _flat_rings(
    grid: Grid,
    x_px: NDArray[np.float64],
    y_px: NDArray[np.float64],
    radius_m: NDArray[np.float64],
    azimuth: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The circles in the plane that touches the map at their centres."""
    j = grid.jacobian(x_px, y_px)
    singular = ~(np.abs(np.linalg.det(j)) > 0)
    j[singular] = np.eye(2)
    steps = radius_m[:, None, None] * np.stack([np.sin(azimuth), np.cos(azimuth)])
    px = np.linalg.solve(j, steps)
    px[singular] = np.nan
    return np.stack(apply(grid.transform, x_px[:, None] + px[:, 0], y_px[:, None] + px[:, 1]), -1)


def _band(grid: Grid, ring: NDArray[np.float64], side: float) -> Any:
    import shapely

    frame = grid.frame
    assert frame is not None
    ring = ring[np.argsort(ring[:, 0])]
    middle = (ring[0, 0] + ring[-1, 0]) / 2
    left, right = middle - frame.period / 2, middle + frame.period / 2
    y_edge = (ring[0, 1] + ring[-1, 1]) / 2
    y_pole = float(frame.xy(0.0, 90.0 * side)[1])
    if not np.isfinite(y_pole):
        y_pole = float(ring[:, 1].max() if side > 0 else ring[:, 1].min())
    edge = [(left, y_edge), *map(tuple, ring), (right, y_edge), (right, y_pole), (left, y_pole)]
    return shapely.Polygon(edge)

"""Simulated surfaces of known density: craters at random, in clusters, and erased by larger ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..region import lonlat_of

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from ..dating import Production
    from ..region import Region


def crater_table(points: NDArray[np.float64], diameter_km: NDArray[np.float64], body: str = "Moon") -> gpd.GeoDataFrame:
    """A crater table of unit vectors (n, 3) and diameters (n,), km."""
    import geopandas as gpd

    from ..bodies import body as body_named

    lon, lat = lonlat_of(points)
    columns = {"lon": lon, "lat": lat, "diameter_m": 1000 * np.asarray(diameter_km, float)}
    return gpd.GeoDataFrame(columns, geometry=gpd.points_from_xy(lon, lat), crs=body_named(body).crs)


def diameters(p: Production, n: int, lo_km: float, hi_km: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """`n` diameters (km) drawn from a production function between two sizes."""
    grid = np.geomspace(lo_km, hi_km, 4001)
    c = p.cumulative(grid)
    return np.exp(np.interp(rng.uniform(c[-1], c[0], n), c[::-1], np.log(grid[::-1])))


def clustered(region: Region, n: int, share: float, rng: np.random.Generator, *, spread_km: float) -> Any:
    """`n` points of which a share lies in clusters of about 20, Gaussian with that spread; the others at random."""
    in_clusters = round(share * n)
    parents = region.random(max(1, in_clusters // 20), rng)
    found = [region.random(n - in_clusters, rng)]
    missing = in_clusters
    while missing > 0:
        parent = parents[rng.integers(len(parents), size=2 * missing + 8)]
        child = parent + rng.normal(0, spread_km * 1000 / region.radius_m, parent.shape)
        child /= np.linalg.norm(child, axis=-1, keepdims=True)
        child = child[region.contains(child)][:missing]
        found.append(child)
        missing -= len(child)
    return np.concatenate(found)


def erased(
    wide: Region,
    p: Production,
    n1_per_km2: float,
    lo_km: float,
    hi_km: float,
    rng: np.random.Generator,
    *,
    ejecta_radii: float = 1.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Craters left of those that formed at random on a region: each erases the smaller ones whose centres are in its
    rim and ejecta. Points (n, 3) and diameters (n,), km."""
    from scipy.spatial import cKDTree

    n = rng.poisson(wide.area_km2 * n1_per_km2 * float(-np.diff(p.cumulative([lo_km, hi_km]))[0]))
    points, d = wide.random(n, rng), diameters(p, n, lo_km, hi_km, rng)  # in the order in which they formed
    tree = cKDTree(points)
    reach = 2 * np.sin(d / 2 * 1000 / wide.radius_m * (1 + ejecta_radii) / 2)
    alive = np.ones(n, bool)
    for i, hit in enumerate(tree.query_ball_point(points, reach)):
        older = np.array([j for j in hit if j < i], int)
        alive[older[d[older] < d[i]]] = False
    return points[alive], d[alive]

"""Voronoi cells of craters and the region they cover, on a sphere or in a plane.

Points are (n, 3): on a sphere of the body's radius, or with z = 0 in a plane. Lengths are chords: the area of a
spherical cap is exactly pi chord**2, so that what holds for discs in a plane holds for caps as well, at every place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_NEIGHBOURS = 100
# A random field of density n has the share (1 + t) exp(-t) of triangles with circumradius**2 > t / (pi n): 2e-6.
_LARGEST = 16.0


@dataclass(frozen=True)
class Region:
    """The ground a catalogue covers: the triangles between neighbouring craters, without its holes.

    Attributes
    ----------
    points : ndarray, (n, 3)
        Metres (or pixels).
    triangles : ndarray of int, (m, 3)
    radius : float or None
        Of the sphere, metres; None for a plane.
    edge : ndarray, (k, 3)
        Craters on the outline; none where the catalogue covers the whole sphere.
    area : float
        Square metres (or pixels).
    """

    points: Floats
    triangles: Ints
    radius: float | None
    edge: Floats
    area: float


def sphere_points(lon: Floats, lat: Floats, radius_m: float) -> Floats:
    """Places on the sphere from longitude and latitude, (n, 3) metres; NaN where either is."""
    lam, phi = np.radians(lon), np.radians(lat)
    return radius_m * np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def delaunay(points: Floats, radius: float | None) -> Ints:
    """Delaunay triangles, whose circumcentres are the corners of the Voronoi cells.

    Parameters
    ----------
    points : ndarray, (n, 3)
        Distinct.
    radius : float or None
        Of the sphere; None for a plane.

    Returns
    -------
    ndarray of int, (m, 3)
        Empty for fewer than 3 points, or points on one line.

    Notes
    -----
    On a sphere the triangles are the facets of the convex hull (Brown 1979). Points within half a sphere are projected
    stereographically first: circles stay circles, so the triangles are the same, and a small area loses no digits.
    """
    from scipy.spatial import ConvexHull, Delaunay, QhullError

    none = np.zeros((0, 3), np.int64)
    if len(points) < 4:
        return none
    try:
        if radius is None:
            return Delaunay(points[:, :2] - points[:, :2].mean(0)).simplices.astype(np.int64)
        middle = points.mean(0)
        long = float(np.linalg.norm(middle))
        if long > 0 and (points @ middle).min() > 0.1 * radius * long:
            axis = middle / long
            a, b = tangents(axis[None])
            # From the antipode of the middle; differences first, which keeps small areas exact.
            rise = 2 * radius - _drop(points, axis, radius)
            flat = np.stack([points @ a[0], points @ b[0]], axis=1) * (2 * radius / rise)[:, None]
            return Delaunay(flat - flat.mean(0)).simplices.astype(np.int64)
        return ConvexHull(points / radius).simplices.astype(np.int64)
    except QhullError:
        return none


def _drop(points: Floats, axis: Floats, radius: float) -> Floats:
    """Depth of points below the plane that touches the sphere at `axis`."""
    return ((points - radius * axis) ** 2).sum(1) / (2 * radius)


def tangents(normals: Floats) -> tuple[Floats, Floats]:
    """Two unit vectors across each unit normal, (n, 3) each; which two is arbitrary but fixed."""
    helper = np.eye(3)[np.abs(normals).argmin(1)]
    a = np.cross(helper, normals)
    a /= np.linalg.norm(a, axis=1)[:, None]
    return a, np.cross(normals, a)


def region_of(points: Floats, radius: float | None) -> Region:
    """The region of a catalogue: its Delaunay triangles, less those too large for the density of craters around.

    Parameters
    ----------
    points : ndarray, (n, 3)
        Distinct.
    radius : float or None

    Returns
    -------
    Region
    """
    from scipy.spatial import cKDTree

    triangles = delaunay(points, radius)
    if len(triangles):
        k = min(_NEIGHBOURS, len(points) - 1)
        reach = cKDTree(points).query(points, k=[k + 1])[0][:, 0]
        limit = _LARGEST / k * reach[triangles].max(1) ** 2
        triangles = triangles[_circumradius2(points, triangles) <= limit]
    outline = _outline(triangles)
    return Region(points, triangles, radius, points[outline], float(_areas(points, triangles).sum()))


def _sides(points: Floats, triangles: Ints) -> tuple[Floats, Floats, Floats]:
    corner = points[triangles]
    return corner[:, 2] - corner[:, 1], corner[:, 0] - corner[:, 2], corner[:, 1] - corner[:, 0]


def _areas(points: Floats, triangles: Ints) -> Floats:
    a, b, _ = _sides(points, triangles)
    return 0.5 * np.linalg.norm(np.cross(a, b), axis=1)


def _circumradius2(points: Floats, triangles: Ints) -> Floats:
    product = np.prod([(s**2).sum(1) for s in _sides(points, triangles)], axis=0)
    return product / np.maximum(16 * _areas(points, triangles) ** 2, 1e-300)


def _outline(triangles: Ints) -> Ints:
    """Points on sides that belong to one triangle alone."""
    sides = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    unique, count = np.unique(sides, axis=0, return_counts=True)
    return np.unique(unique[count == 1])


def cell_areas(region: Region) -> Floats:
    """Areas of the Voronoi cells.

    Parameters
    ----------
    region : Region

    Returns
    -------
    ndarray, (n,)
        In the square of the points' unit; NaN for cells on the outline, which have no end.

    Notes
    -----
    The part of a triangle nearest to one of its corners, by cotangents (Meyer et al. 2003, eq. 7): exact in a plane.
    On a sphere the flat triangles make it too small by about cell area / (4 pi r2).
    """
    points, triangles = region.points, region.triangles
    out = np.zeros(len(points))
    double = np.maximum(2 * _areas(points, triangles), 1e-300)
    sides = _sides(points, triangles)
    squares = [(s**2).sum(1) for s in sides]
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        # The side opposite of corner i lies between corners j and k.
        part = squares[i] * -(sides[j] * sides[k]).sum(1) / double / 8
        np.add.at(out, triangles[:, j], part)
        np.add.at(out, triangles[:, k], part)
    open_ended = np.ones(len(points), bool)
    open_ended[triangles] = False
    open_ended[_outline(triangles)] = True
    out[open_ended] = np.nan
    return out


def random_points(region: Region, n: int, rng: np.random.Generator) -> Floats:
    """A random field in the region.

    Parameters
    ----------
    region : Region
        With at least one triangle.
    n : int
    rng : Generator

    Returns
    -------
    ndarray, (n, 3)
    """
    area = _areas(region.points, region.triangles)
    corner = region.points[region.triangles[rng.choice(len(area), n, p=area / area.sum())]]
    u = np.sqrt(rng.uniform(size=(n, 1)))
    v = rng.uniform(size=(n, 1))
    out: Any = (1 - u) * corner[:, 0] + u * (1 - v) * corner[:, 1] + u * v * corner[:, 2]
    if region.radius is not None:
        out *= region.radius / np.linalg.norm(out, axis=1)[:, None]
    return out

"""A counting area on the sphere: polygons cut into pieces, each in an equal-area plane of its own.

Points are unit vectors from the body's centre, shape (n, 3); angles are seen from there, in radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

# Sides of the polygon that stands for a crater's circle; its area is 4e-4 less, which drops out of a share.
_SIDES = 128


def unit_vectors(lon: ArrayLike, lat: ArrayLike) -> Floats:
    """Unit vectors (..., 3) of longitude and latitude, degrees; NaN in, NaN out."""
    lam, phi = np.radians(np.asarray(lon, float)), np.radians(np.asarray(lat, float))
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], -1)


def lonlat_of(points: Floats) -> tuple[Floats, Floats]:
    """Longitude (-180..180) and latitude of unit vectors (..., 3), degrees."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


def angle_between(a: Floats, b: Floats) -> Floats:
    """Angle between unit vectors (..., 3), exact for small ones too."""
    return 2 * np.arcsin(np.clip(np.linalg.norm(a - b, axis=-1) / 2, 0, 1))


@dataclass(frozen=True, eq=False)
class Plane:
    """Lambert's azimuthal equal-area projection of the unit sphere about a point (Snyder 1987, eqs. 24-2 to 24-4).

    Attributes
    ----------
    axes : ndarray, shape (3, 3)
        Unit vectors to the right, up, and to the centre.
    """

    axes: Floats

    @classmethod
    def about(cls, centre: Floats) -> Plane:
        pole = np.array([0.0, 0.0, 1.0]) if abs(centre[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
        right = np.cross(pole, centre)
        right /= np.linalg.norm(right)
        return cls(np.stack([right, np.cross(centre, right), centre]))

    def xy(self, points: Floats) -> Floats:
        """Plane coordinates (..., 2) of unit vectors (..., 3)."""
        p = points @ self.axes.T
        return p[..., :2] * np.sqrt(2 / np.maximum(1 + p[..., 2:], 1e-15))

    def points(self, xy: Floats) -> Floats:
        """Unit vectors (..., 3) of plane coordinates (..., 2) within the disc of radius 2."""
        quarter = (xy**2).sum(-1, keepdims=True) / 4
        return np.concatenate([xy * np.sqrt(np.maximum(1 - quarter, 0)), 1 - 2 * quarter], -1) @ self.axes


@dataclass(frozen=True, eq=False)
class Piece:
    """Part of an area: a polygon in an equal-area plane.

    Attributes
    ----------
    plane : Plane
    polygon : shapely.Polygon or MultiPolygon
        In units of the radius.
    angle : float
        Of the cap about the plane's centre that holds it, radians.
    """

    plane: Plane
    polygon: Any
    angle: float

    def near(self, points: Floats, angle: ArrayLike = 0.0) -> NDArray[np.bool_]:
        """Whether circles of that angle about the points may reach the piece."""
        return angle_between(points, self.plane.axes[2]) <= self.angle + np.asarray(angle) + 1e-9

    def contains(self, points: Floats) -> NDArray[np.bool_]:
        import shapely

        inside = self.near(points)
        xy = self.plane.xy(points[inside])
        found = shapely.intersects_xy(self.polygon, *xy.T)
        # Rounding must not lose a point on the outline, where the next piece may begin.
        found[~found] = shapely.dwithin(self.polygon, shapely.points(xy[~found]), self._touch)
        inside[inside] = found
        return inside

    def distance(self, points: Floats) -> Floats:
        """Angle to the piece, 0 inside."""
        a, b, tree = self._sides
        outside = ~self.contains(points)
        out = np.zeros(len(points))
        p = points[outside, None]
        # The nearest side is among those with the nearest middles, sides being equally short.
        which = tree.query(p[:, 0], k=np.arange(1, min(4, len(a)) + 1))[1]
        start, side = a[which], b[which] - a[which]
        along = ((p - start) * side).sum(-1) / np.maximum((side**2).sum(-1), 1e-300)
        nearest = start + np.clip(along, 0, 1)[..., None] * side
        out[outside] = 2 * np.arcsin(np.minimum(np.linalg.norm(p - nearest, axis=-1).min(-1) / 2, 1))
        return out

    @cached_property
    def _touch(self) -> float:
        """Angle within which a point is on the outline: how far its chords may leave the sides they stand for."""
        import shapely

        corners = shapely.get_coordinates(self.polygon)
        step = np.linalg.norm(np.diff(corners, axis=0), axis=-1)
        return 1e-10 + float(np.quantile(step, 0.99)) ** 2 / 8

    @cached_property
    def _sides(self) -> tuple[Floats, Floats, Any]:
        """Both ends (m, 3) of short sides of the outline, and a tree of their middles."""
        import shapely
        from scipy.spatial import cKDTree

        line = shapely.segmentize(shapely.boundary(self.polygon), shapely.length(self.polygon) / 4000)
        ends = [self.plane.points(shapely.get_coordinates(r)) for r in shapely.get_parts(line)]
        a, b = np.concatenate([e[:-1] for e in ends]), np.concatenate([e[1:] for e in ends])
        return a, b, cKDTree((a + b) / 2)


@dataclass(frozen=True, eq=False)
class Region:
    """A counting area.

    Attributes
    ----------
    pieces : tuple of Piece
        Without overlap.
    radius_m : float
        Of the sphere.
    perimeter_km : float
        Of outlines and holes.
    body : str
        Empty for a plane, which is the neighbourhood of a point of a very large sphere.
    outline : str
        The area as WKT of lon/lat, sides geodesics between close points; empty for a plane.
    origin : (float, float)
        Of a plane: coordinates (m) of that point.
    """

    pieces: tuple[Piece, ...]
    radius_m: float
    perimeter_km: float
    body: str
    outline: str = ""
    origin: tuple[float, float] = (0.0, 0.0)

    def __repr__(self) -> str:
        return f"Region({self.area_km2:.6g} km2, perimeter {self.perimeter_km:.6g} km, {self.body or 'plane'})"

    @cached_property
    def area_km2(self) -> float:
        return float(sum(p.polygon.area for p in self.pieces)) * (self.radius_m / 1000) ** 2

    def contains(self, points: Floats) -> NDArray[np.bool_]:
        """Whether points (n, 3) are inside, on the outline included."""
        inside = np.zeros(len(points), bool)
        for piece in self.pieces:
            inside |= piece.contains(points)
        return inside

    def distance(self, points: Floats) -> Floats:
        """Angle (n,) from points (n, 3) to the area, 0 inside."""
        return np.min([p.distance(points) for p in self.pieces], axis=0, initial=np.inf)

    def share(self, points: Floats, angle: Floats) -> Floats:
        """Share (n,) of the circles of these angles about the points that is inside, 0..1."""
        import shapely

        out = np.zeros(len(points))
        turn = np.linspace(0, 2 * np.pi, _SIDES, endpoint=False)
        for piece in self.pieces:
            near = np.flatnonzero(piece.near(points, angle))
            if not near.size:
                continue
            rim = _circles(points[near], angle[near], turn)
            circles = shapely.polygons(piece.plane.xy(rim))
            whole = shapely.contains_properly(piece.polygon, circles)
            cut = ~whole & shapely.intersects(piece.polygon, circles)
            part = whole.astype(float)
            part[cut] = shapely.area(shapely.intersection(circles[cut], piece.polygon)) / shapely.area(circles[cut])
            out[near] += part
        return np.minimum(out, 1.0)

    def random(self, n: int, rng: np.random.Generator) -> Floats:
        """`n` points, shape (n, 3), independent and uniform over the area."""
        import shapely

        shares = np.array([p.polygon.area for p in self.pieces])
        found = []
        for piece, wanted in zip(self.pieces, rng.multinomial(n, shares / shares.sum()), strict=True):
            left, low, right, high = piece.polygon.bounds
            fill = piece.polygon.area / ((right - left) * (high - low))
            while wanted > 0:
                xy = rng.uniform((left, low), (right, high), (int(wanted / fill * 1.05) + 16, 2))
                xy = xy[shapely.contains_xy(piece.polygon, *xy.T)][:wanted]
                found.append(piece.plane.points(xy))
                wanted -= len(xy)
        points = np.concatenate([np.zeros((0, 3)), *found])
        return points if len(self.pieces) == 1 else rng.permutation(points)

    def lattice(self, n: int, margin: float = 0.0) -> tuple[Floats, float]:
        """About `n` points (m, 3), evenly over the area and `margin` (radians) around it, and the km2 of each."""
        import shapely

        cell = self.area_km2 / (self.radius_m / 1000) ** 2 / n
        step = np.sqrt(cell * 2 / np.sqrt(3))
        found = []
        for k, piece in enumerate(self.pieces):
            # The plane shortens distances from its centre, by 1 / cos(angle / 2) at most.
            wide = margin / np.cos(min(piece.angle + margin, 3.0) / 2)
            polygon = shapely.buffer(piece.polygon, wide) if margin else piece.polygon
            left, low, right, high = polygon.bounds
            y = np.arange(low, high, step * np.sqrt(3) / 2) + step * np.sqrt(3) / 4
            x = np.arange(left - step / 2, right, step)
            grid = np.stack(np.broadcast_arrays(x + step / 2 * (np.arange(len(y)) % 2)[:, None], y[:, None]), -1)
            grid = grid.reshape(-1, 2)
            points = piece.plane.points(grid[shapely.contains_xy(polygon, *grid.T)])
            if margin:
                points = points[self._owned(k, points, margin)]
            found.append(points)
        return np.concatenate(found), cell * (self.radius_m / 1000) ** 2

    def _owned(self, k: int, points: Floats, margin: float) -> NDArray[np.bool_]:
        """Whether piece `k` is within the margin of the points and nearer to them than the others."""
        own = self.pieces[k].distance(points)
        keep = own <= margin
        for j, other in enumerate(self.pieces):
            if j != k:
                near = np.flatnonzero(keep & other.near(points, margin))
                theirs = other.distance(points[near])
                keep[near] = (own[near] < theirs) | ((own[near] == theirs) & (k < j))
        return keep


def _circles(points: Floats, angle: Floats, turn: Floats) -> Floats:
    """Points (n, m, 3) on the circles of these angles about the points (n, 3)."""
    pole = np.where(np.abs(points[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    right = np.cross(pole, points)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    up = np.cross(points, right)
    ring = np.cos(turn)[:, None] * right[:, None] + np.sin(turn)[:, None] * up[:, None]
    return np.cos(angle)[:, None, None] * points[:, None] + np.sin(angle)[:, None, None] * ring

"""Counting on ground that large craters have erased: effective areas, and densities and ages from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from craterlab.errors import CraterlabError

from .ages import age
from .curves import System
from .functions import system as find_system
from .result import Age

if TYPE_CHECKING:
    import geopandas as gpd

    from craterlab.region import Region

Floats = NDArray[np.float64]

# Points of the lattice on which ground is measured; a zone of 1 % of the area is known to about half a per cent.
_LATTICE = 100_000


@dataclass(frozen=True, eq=False)
class _Ground:
    """What has happened to the ground: for each point of a lattice how near the area it is, and which crater's zone.

    Attributes
    ----------
    erased_by_km : ndarray, shape (points,)
        Diameter of the largest crater whose zone holds the point; 0 where there is none.
    beyond_km : ndarray, shape (points,)
        Distance from the area, 0 inside, ascending.
    cell_km2 : float
        Area of a point.
    """

    erased_by_km: Floats
    beyond_km: Floats
    cell_km2: float

    def area_km2(self, diameter_km: Floats, buffered: bool) -> Floats:
        """Ground on which a crater of that diameter would still be seen: not in the zone of a larger one."""
        out = np.empty(len(diameter_km))
        inside = self.beyond_km <= 0
        levels = np.sort(self.erased_by_km[inside])
        for i, d in enumerate(diameter_km):
            if buffered:
                near = self.erased_by_km[: np.searchsorted(self.beyond_km, d / 2, side="right")]
                out[i] = (near <= d).sum()
            else:
                out[i] = np.searchsorted(levels, d, side="right")
        return out * self.cell_km2


def nonsparse_areas(
    craters: gpd.GeoDataFrame, within: Any = None, *, ejecta_radii: float = 1.0, buffered: bool = False
) -> Floats:
    """The area in which each crater is counted when larger craters have erased part of the ground.

    A crater of diameter D is counted only where no larger one, with its ejecta, has reset the ground: its area is the
    counting area less the zones of all larger craters, and one that lies in such a zone is not counted, since it
    dates the larger crater and not the surface.

    Parameters
    ----------
    craters : GeoDataFrame
        Crater table with `lon`, `lat`, `diameter_m`. Craters beyond the border whose ejecta reach inside belong in
        it: they are not counted, but their zones are taken off.
    within : path, GeoDataFrame or GeoSeries, optional
        The counting area, as for `craterlab.clip_craters`; default the outline the table carries.
    ejecta_radii : float
        How far beyond its rim a crater has erased smaller ones, in its radii; 0 for its floor alone.
    buffered : bool
        Count, in the buffered way, every crater whose circle touches the area, in the area widened by its radius.

    Returns
    -------
    ndarray, shape (n,)
        km2; NaN for a crater that is not counted: outside, or on ground that a larger one has reset.

    Raises
    ------
    CraterlabError
        A negative `ejecta_radii`, or an area or craters that do not fit (see `clip_craters`).

    Notes
    -----
    Areas are counted on an even lattice of 100,000 points over the area: good to about 1e-3 of it. Craters that were
    erased themselves have left no zone, which the correction cannot know.

    References
    ----------
    Kneissl, T., Michael, G.G., Platz, T., Walter, S.H.G., 2016, Icarus 277, 187-195 (non-sparseness correction).
    Riedel, C., Michael, G.G., Kneissl, T., Orgel, C., Hiesinger, H., van der Bogert, C.H., 2018, Earth and Space
    Science 5, 258-267 (buffered non-sparseness correction).
    """
    ground, d, counted = _survey(craters, within, ejecta_radii, buffered)
    out = np.full(len(d), np.nan)
    out[counted] = ground.area_km2(d[counted], buffered)
    return out


def nonsparse_age(
    craters: gpd.GeoDataFrame,
    within: Any = None,
    *,
    system: str | System,
    range_km: tuple[float, float],
    ejecta_radii: float = 1.0,
    buffered: bool = False,
    prior: str = "n1",
) -> Age:
    """Density N(1) and Poisson age of a surface part of which large craters have erased.

    With an effective area A(D) the count from `dmin` to `dmax` is Poisson with mean N(1) times the integral of
    A(D) dC(D) / C(1): the usual Poisson age, with the mean of A(D) under the production function for the area.

    Parameters
    ----------
    craters, within, ejecta_radii, buffered
        As for `nonsparse_areas`. Craters larger than the range belong in the table too.
    system : str or System
    range_km : (float, float)
        Diameters to count, lower <= D < upper, km.
    prior : str
        As for `craterlab.age`.

    Returns
    -------
    Age
        `area_km2` is the mean effective area, `n` the craters counted.

    Raises
    ------
    CraterlabError
        As `nonsparse_areas` and `craterlab.age`.
    """
    p = find_system(system).production
    lo, hi = max(range_km[0], p.range_km[0]), min(range_km[1], p.range_km[1])
    if not lo < hi:
        raise CraterlabError(
            f"no diameter of range_km={range_km!r} is within the range of the production function {p.name!r}, "
            f"{p.range_km[0]:.4g} to {p.range_km[1]:.4g} km"
        )
    ground, d, counted = _survey(craters, within, ejecta_radii, buffered)
    # A(D) steps at the diameters of the craters; widened areas grow between them too.
    edges = np.unique(np.concatenate([np.geomspace(lo, hi, 401 if buffered else 2), d[(d > lo) & (d < hi)]]))
    weight = -np.diff(p.cumulative(edges))
    area = float((weight * ground.area_km2(np.sqrt(edges[:-1] * edges[1:]), buffered)).sum() / weight.sum())
    if not area > 0:
        raise CraterlabError(
            f"larger craters have erased all the ground for craters of {lo:g} to {hi:g} km; take larger ones, or "
            f"fewer ejecta_radii= than {ejecta_radii:g}"
        )
    return age(1000 * d[counted], area_km2=area, system=system, range_km=(lo, hi), prior=prior, binning="none")


def _survey(
    craters: Any, within: Any, ejecta_radii: float, buffered: bool
) -> tuple[_Ground, Floats, NDArray[np.bool_]]:
    """The ground, the diameters (km) and whether each crater counts."""
    from scipy.spatial import cKDTree

    from craterlab.clipping import area_of, circles

    if not (np.isfinite(ejecta_radii) and ejecta_radii >= 0):
        raise CraterlabError(f"ejecta_radii is a number of crater radii, at least 0; got {ejecta_radii!r}")
    region: Region = area_of(craters, within)
    points, angle = circles(craters, region)
    unit = region.radius_m / 1000
    d = 2 * angle * unit
    margin = float(angle.max(initial=0.0)) if buffered else 0.0
    lattice, cell = region.lattice(_LATTICE, margin)
    zone = 2 * np.sin(np.minimum(angle * (1 + ejecta_radii), np.pi) / 2)
    erased = np.zeros(len(lattice))
    buried = np.zeros(len(d), bool)
    ground, centres = cKDTree(lattice), cKDTree(points) if len(points) else None
    for i in np.argsort(d, kind="stable"):  # larger ones last, so that the largest of a point stays
        erased[ground.query_ball_point(points[i], zone[i])] = d[i]
        assert centres is not None
        others = np.array(centres.query_ball_point(points[i], zone[i]))
        buried[others[d[others] < d[i]]] = True
    beyond = region.distance(lattice) * unit if buffered else np.zeros(len(lattice))
    order = np.argsort(beyond, kind="stable")
    near = region.distance(points) <= angle if buffered else region.contains(points)
    return _Ground(erased[order], beyond[order], cell), d, near & ~buried

"""Synthetic surfaces: craters drawn from a production function over time, small ones erased by resurfacing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from craterlab.errors import CraterlabError

from .curves import Chronology, Floats, System
from .functions import system as find_system

if TYPE_CHECKING:
    import geopandas as gpd

_RING = np.linspace(0, 2 * np.pi, 64, endpoint=False)


def synthetic_surface(
    area_km2: float,
    age_ga: float,
    system: str | Path | System,
    *,
    resurfaced: Sequence[tuple[float, float]] = (),
    range_km: tuple[float, float] | None = None,
    rng: np.random.Generator | None = None,
    seed: int | None = None,
    lon: float = 0.0,
    lat: float = 0.0,
) -> gpd.GeoDataFrame:
    """The craters of a surface of known age, for tests and teaching.

    Their number is Poisson; sizes follow the production function and times of formation the rate of the chronology.
    Each resurfacing erases the craters then there below a diameter (Michael and Neukum 2010): a count shows its age
    below that size and the surface's own above. Positions are uniform over a spherical cap.

    Parameters
    ----------
    area_km2 : float
    age_ga : float
        When the surface formed, Ga.
    system : str, Path or System
        Chronology system.
    resurfaced : sequence of (age_ga, below_km)
        When, Ga, and up to which diameter, km, craters were erased.
    range_km : (float, float), optional
        Diameters to draw; default: the whole range of the production function, which may hold very many small ones.
    rng : numpy Generator, optional
    seed : int, optional
        In place of `rng`. With neither, another surface each time.
    lon, lat : float
        Centre of the cap, degrees.

    Returns
    -------
    GeoDataFrame
        `crater_id`, `lon`, `lat`, `diameter_m`, `formed_ga` and the rims, largest crater first; `attrs` with
        `area_km2`, `perimeter_km`, `boundary` (WKT), `body`, `system`, `age_ga` and `resurfaced`. On a body of unknown
        radius positions are NaN.

    Raises
    ------
    CraterlabError
        If an age, a diameter or the area is out of range, the cap is larger than the body, or both rng and seed are
        given.

    References
    ----------
    Michael, G.G., Neukum, G., 2010, Earth Planet. Sci. Lett. 294, 223-229.

    Examples
    --------
    >>> from craterlab.dating import synthetic_surface
    >>> moon = "Moon, Neukum (1983)"
    >>> craters = synthetic_surface(1e4, 3.6, moon, resurfaced=[(3.0, 0.6)], range_km=(0.3, 50), seed=1)
    >>> craters.attrs["age_ga"]
    3.6
    """
    if rng is not None and seed is not None:
        raise CraterlabError("pass rng= or seed=, not both")
    rng = np.random.default_rng(seed) if rng is None else rng
    s = find_system(system)
    if not age_ga <= s.chronology.max_age_ga:
        raise CraterlabError(f"age_ga must lie from 0 to {s.chronology.max_age_ga:g} Ga, got {age_ga!r}")
    for when, below in resurfaced:
        if not (0 <= when <= age_ga and below > 0):
            raise CraterlabError(
                f"resurfaced= holds pairs (age in Ga up to age_ga={age_ga:g}, diameter in km above 0), got "
                f"{(when, below)}"
            )
    d = s.rvs(area_km2, age_ga, rng, range_km=range_km)
    formed = formation_ages(d.size, age_ga, s.chronology, rng)
    kept = np.ones(d.size, bool)
    for when, below in resurfaced:
        kept &= ~((formed > when) & (d < below * 1000))
    d, formed = d[kept], formed[kept]
    order = np.argsort(-d)
    return _table(d[order], formed[order], s, area_km2, age_ga, resurfaced, rng, lon, lat)


def formation_ages(n: int, age_ga: float, chronology: Chronology, rng: np.random.Generator) -> Floats:
    """When each of `n` craters of a surface of that age formed (Ga before present), by the rate of the chronology."""
    return chronology.inverse(rng.uniform(0, float(chronology.n1(age_ga)), n))


def _table(
    d: Floats, formed: Floats, s: System, area_km2: float, age_ga: float, resurfaced: Sequence[tuple[float, float]],
    rng: np.random.Generator, lon: float, lat: float,
) -> gpd.GeoDataFrame:  # fmt: skip
    import geopandas as gpd
    import shapely

    from craterlab.bodies import body
    from craterlab.rims import circle

    attrs = {
        "area_km2": float(area_km2), "body": s.body, "system": s.name, "age_ga": float(age_ga),
        "resurfaced": [list(map(float, event)) for event in resurfaced],
    }  # fmt: skip
    columns = {"crater_id": np.arange(d.size), "lon": np.nan, "lat": np.nan, "diameter_m": d, "formed_ga": formed}
    try:
        home = body(s.body)
    except CraterlabError:
        table = gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries([None] * d.size))
        table.attrs = attrs
        return table
    radius_km = home.radius_m / 1000
    share = area_km2 / (4 * np.pi * radius_km**2)
    if share > 1:
        raise CraterlabError(f"area_km2={area_km2:g} is more than the whole of {s.body}")
    cap = np.arccos(1 - 2 * share)
    x, y = _in_cap(d.size, cap, lon, lat, rng)
    rim_x, rim_y = circle(x, y, d / 2 / home.radius_m, -_RING)
    rim_x = x[:, None] + (rim_x - x[:, None] + 180) % 360 - 180
    table = gpd.GeoDataFrame(
        columns | {"lon": x, "lat": y},
        geometry=gpd.GeoSeries(shapely.polygons(np.stack([rim_x, rim_y], -1)), crs=home.crs),
    )
    if 0 < share < 1:
        out_x, out_y = circle(np.array([lon]), np.array([lat]), np.array([cap]), -_RING)
        out_x = lon + (out_x - lon + 180) % 360 - 180
        attrs |= {
            "perimeter_km": float(2 * np.pi * radius_km * np.sin(cap)),
            "boundary": shapely.Polygon(np.column_stack([out_x[0], out_y[0]])).wkt,
        }
    table.attrs = attrs
    return table


def _in_cap(
    n: int, cap: float, lon: float, lat: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points uniform on the cap of angular radius `cap` around (lon, lat), degrees."""
    away = np.arccos(1 - rng.uniform(size=n) * (1 - np.cos(cap)))
    azimuth = rng.uniform(0, 2 * np.pi, n)
    phi = np.radians(lat)
    sine = np.sin(phi) * np.cos(away) + np.cos(phi) * np.sin(away) * np.cos(azimuth)
    east = np.arctan2(np.sin(azimuth) * np.sin(away) * np.cos(phi), np.cos(away) - np.sin(phi) * sine)
    return lon + np.degrees(east), np.degrees(np.arcsin(np.clip(sine, -1, 1)))

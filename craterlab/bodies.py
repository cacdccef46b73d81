"""Bodies: radius, gravity and IAU_2015 frame, and which body a CRS describes.

Every body is used as the sphere of its IAU_2015 planetocentric, east-positive frame.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Body:
    """A body with craters.

    Attributes
    ----------
    name : str
    radius_m : float
        Radius of the IAU_2015 sphere, metres.
    gravity : float
        Mean surface gravity, m/s2.
    crs : str
        Code of the geographic, planetocentric, east-positive sphere, e.g. ``"IAU_2015:49900"``.
    """

    name: str
    radius_m: float
    gravity: float
    crs: str


# Radii: IAU_2015 spheres (a test holds them against PROJ's database).
# Gravity: GM / r2 at the mean radius, GM from the JPL tables, rounded; Gaspra and Ida from their densities.
_BODIES = {
    b.name.lower(): b
    for b in (
        Body("Mercury", 2440530.0, 3.70, "IAU_2015:19900"),
        Body("Venus", 6051800.0, 8.87, "IAU_2015:29900"),
        Body("Moon", 1737400.0, 1.62, "IAU_2015:30100"),
        Body("Mars", 3396190.0, 3.71, "IAU_2015:49900"),
        Body("Phobos", 11080.0, 0.0058, "IAU_2015:40100"),
        Body("Deimos", 6200.0, 0.0025, "IAU_2015:40200"),
        Body("Io", 1821490.0, 1.80, "IAU_2015:50100"),
        Body("Europa", 1560800.0, 1.31, "IAU_2015:50200"),
        Body("Ganymede", 2631200.0, 1.43, "IAU_2015:50300"),
        Body("Callisto", 2410300.0, 1.24, "IAU_2015:50400"),
        Body("Mimas", 198200.0, 0.064, "IAU_2015:60100"),
        Body("Enceladus", 252100.0, 0.113, "IAU_2015:60200"),
        Body("Tethys", 531000.0, 0.146, "IAU_2015:60300"),
        Body("Dione", 561400.0, 0.232, "IAU_2015:60400"),
        Body("Rhea", 763500.0, 0.264, "IAU_2015:60500"),
        Body("Titan", 2575000.0, 1.35, "IAU_2015:60600"),
        Body("Iapetus", 745700.0, 0.217, "IAU_2015:60800"),
        Body("Triton", 1352600.0, 0.78, "IAU_2015:80100"),
        Body("Charon", 606000.0, 0.288, "IAU_2015:90100"),
        Body("Pluto", 1188300.0, 0.62, "IAU_2015:99900"),
        Body("Ceres", 487300.0, 0.28, "IAU_2015:200000100"),
        Body("Vesta", 255000.0, 0.25, "IAU_2015:200000400"),
        Body("Lutetia", 52500.0, 0.046, "IAU_2015:200002100"),
        Body("Eros", 17000.0, 0.0059, "IAU_2015:200043300"),
        Body("Ida", 15650.0, 0.011, "IAU_2015:243101000"),
        Body("Gaspra", 6100.0, 0.0046, "IAU_2015:951101000"),
    )
}

# Sphere radii in use differ by body and author (polar, mean, equatorial, local radius of an equirectangular map).
_SAME_RADIUS = 0.007
# Ida, Phobos and the like are far from spheres: once the name fits, any of their axes does.
_IRREGULAR_M = 300e3


def bodies() -> pd.DataFrame:
    """All known bodies.

    Returns
    -------
    pandas.DataFrame
        Columns ``name``, ``radius_m`` (m), ``gravity`` (m/s2), ``crs``; one row a body, no NaN.
    """
    import pandas as pd

    return pd.DataFrame(
        [(b.name, b.radius_m, b.gravity, b.crs) for b in _BODIES.values()],
        columns=["name", "radius_m", "gravity", "crs"],
    )


def body(name: str | Body) -> Body:
    """The body of that name, in any case of letters.

    Parameters
    ----------
    name : str or Body
        A `Body` is returned as it is.

    Raises
    ------
    CraterlabError
        Unknown name; the message lists the known ones.
    """
    if isinstance(name, Body):
        return name
    found = _BODIES.get(str(name).strip().lower())
    if found is not None:
        return found
    close = difflib.get_close_matches(str(name).strip().lower(), _BODIES, n=1)
    hint = f" Did you mean {_BODIES[close[0]].name!r}?" if close else ""
    raise CraterlabError(f"Unknown body {name!r}.{hint} Known: {', '.join(b.name for b in _BODIES.values())}.")


def body_of(crs: Any) -> Body:
    """The body a coordinate reference system describes, from its names or else its radius.

    Parameters
    ----------
    crs : pyproj.CRS or anything `pyproj.CRS` accepts

    Raises
    ------
    CraterlabError
        An Earth CRS, a CRS without ellipsoid, a radius of no known body, or a name that contradicts the radius.
    """
    from pyproj import CRS

    crs = CRS.from_user_input(crs)
    if crs.ellipsoid is None:
        raise CraterlabError(
            f"The CRS {crs.name!r} has no ellipsoid, so it says nothing about a body. "
            "Write a planetary one, e.g. scene.rio.write_crs('IAU_2015:49900') for Mars."
        )
    radii = sorted({crs.ellipsoid.semi_major_metre, crs.ellipsoid.semi_minor_metre})
    if 6.3e6 < radii[-1] < 6.45e6:
        raise CraterlabError(
            f"The CRS {crs.name!r} is on the Earth (radius {radii[-1] / 1e3:g} km). craterlab works on other bodies: "
            "write the CRS of the body, e.g. gdal_edit.py -a_srs IAU_2015:49900 IMAGE for Mars in degrees."
        )
    geographic = crs.geodetic_crs
    names = [crs.name, crs.ellipsoid.name]
    if geographic is not None:
        names += [geographic.name, geographic.datum.name if geographic.datum is not None else ""]
    words = set(re.findall(r"[a-z]+", " ".join(names).lower()))
    named = [b for key, b in _BODIES.items() if key in words]
    if named:
        fits = [b for b in named if _same_size(b, radii)]
        if fits:
            return fits[0]
        raise CraterlabError(
            f"The CRS {crs.name!r} names {named[0].name} but has radius {radii[-1] / 1e3:g} km "
            f"({named[0].name}: {named[0].radius_m / 1e3:g} km). Write the right CRS, e.g. {named[0].crs}."
        )
    misfit, nearest = min((abs(r / b.radius_m - 1), b.name) for b in _BODIES.values() for r in radii)
    if misfit > _SAME_RADIUS:
        raise CraterlabError(
            f"The CRS {crs.name!r} has radius {radii[-1] / 1e3:g} km, which is no known body's. "
            f"Known: {', '.join(f'{b.name} {b.radius_m / 1e3:g}' for b in _BODIES.values())} km. "
            "Write the CRS of the body, e.g. scene.rio.write_crs('IAU_2015:30100') for the Moon."
        )
    return body(nearest)


def _same_size(b: Body, radii: list[float]) -> bool:
    tolerance = 0.03 if b.radius_m > _IRREGULAR_M else 1.0
    return any(abs(r / b.radius_m - 1) <= tolerance for r in radii)

"""How full a surface is: its crater density against geometric saturation and against equilibrium."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .counting import sfd
from .functions import equilibrium

if TYPE_CHECKING:
    import pandas as pd

# Gault (1970): N(>=D) = 1.54 D^-2 per km2 (D in km), circles packed as closely as they can be.
GEOMETRIC = 1.54
_EQUILIBRIA = {"trask": "Lunar equilibrium (Trask, 1966)", "hartmann": "Hartmann (1984)"}


def saturation(craters_or_diameters_m: Any, area_km2: float | None = None, *, binning: str = "root-2") -> pd.DataFrame:
    """Compare the cumulative density with geometric saturation and with two equilibrium functions, bin by bin.

    A surface does not get beyond a few per cent of geometric saturation: new craters erase as many as they add. Where
    `over_trask` or `over_hartmann` is about 1 the count has met equilibrium and no longer tells the age.

    Parameters
    ----------
    craters_or_diameters_m : GeoDataFrame, array_like of float, shape (n,), or Counts
        Crater table with `diameter_m`, diameters in metres, or a binned count. May be empty.
    area_km2 : float, optional
        Counting area, km2; default the one the table or count carries.
    binning : str
        As for `craterlab.sfd`.

    Returns
    -------
    DataFrame
        One row an occupied bin: lo_km, hi_km, n (in the bin), density (N(>=lo_km) per km2), density_lo and density_hi
        (minus and plus sqrt(N)), geometric_share (of 1.54 D^-2 km^-2, Gault 1970; 0..1, and more where craters
        overlap), over_trask and over_hartmann (density over that of equilibrium; NaN outside the function's range),
        equilibrium (bool: the density plus its error reaches one of the two).

    Raises
    ------
    CraterlabError
        As `craterlab.sfd`.

    References
    ----------
    Gault, D.E., 1970, Radio Science 5, 273-291.
    Trask, N.J., 1966, JPL Technical Report 32-800. Hartmann, W.K., 1984, Icarus 60, 56-74.

    Examples
    --------
    >>> from craterlab.dating import saturation
    >>> saturation([1000.0] * 77, 1000.0).geometric_share.round(3).tolist()
    [0.05]
    """
    import pandas as pd

    s = sfd(craters_or_diameters_m, area_km2=area_km2, binning=binning)
    d = s.bin_lo_km
    table = pd.DataFrame(
        {
            "lo_km": d,
            "hi_km": s.bin_hi_km,
            "n": s.counts,
            "density": s.density,
            "density_lo": s.lo,
            "density_hi": s.hi,
            "geometric_share": s.density / (GEOMETRIC * d**-2),
        }
    )
    reached = table["n"] < 0
    for name, function in _EQUILIBRIA.items():
        e = equilibrium(function)
        inside = (d >= e.range_km[0] * (1 - 1e-9)) & (d <= e.range_km[1] * (1 + 1e-9))
        limit = pd.Series(e.cumulative(d)).where(inside)
        table[f"over_{name}"] = table["density"] / limit
        reached |= table["density_hi"] >= limit
    table["equilibrium"] = reached
    return table

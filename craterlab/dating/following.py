"""Does the count follow the production function that its age takes for granted?"""

from __future__ import annotations

import numpy as np

from .curves import Production, System
from .poisson import QUANTILES, Floats, exposure, quantiles
from .result import written

LEVEL = 0.01
_FEWEST = 8
_GRID = 4097


def departure(
    d_km: Floats,
    weight: Floats | None,
    area_km2: float,
    s: System,
    range_km: tuple[float, float],
    prior: str,
    perimeter_km: float | None = None,
) -> list[str]:
    """A note where the sizes counted are not those that the production function forms.

    Parameters
    ----------
    d_km : ndarray, shape (n,)
        Diameters, km, in any order; those outside the range are left out.
    weight : ndarray, shape (n,), optional
        What each counts for.
    area_km2, s, range_km, prior, perimeter_km
        Of the age.

    Returns
    -------
    list of str
        Empty where a Kolmogorov-Smirnov test keeps the production function (p of 0.01 or more) or fewer than eight
        craters are counted; else one note, with the ages of the craters below and above the diameter at which count and
        production function are furthest apart.

    Notes
    -----
    p is from the asymptotic distribution with the correction of Stephens (1970) for small numbers. A sum of weights
    takes the place of the number.

    References
    ----------
    Stephens, M.A., 1970, Use of the Kolmogorov-Smirnov, Cramer-von Mises and related statistics without extensive
    tables, J. R. Stat. Soc. B 32, 115-122.
    """
    from scipy.special import kolmogorov

    low, high = range_km
    within = (d_km >= low * (1 - 1e-9)) & (d_km < high * (1 - 1e-9))
    order = np.argsort(d_km[within])
    d = np.maximum(d_km[within][order], low)
    share = np.ones(d.size) if weight is None else weight[within][order]
    n = float(share.sum())
    if n < _FEWEST:
        return []
    below = np.append(0.0, np.cumsum(share)) / n
    model = _share_below(d, s.production, area_km2, range_km, perimeter_km)
    # The count is a staircase: furthest from the model right before or right at one of its steps.
    before, at = np.abs(model - below[:-1]), np.abs(below[1:] - model)
    apart = max(before.max(), at.max())
    p = float(kolmogorov(apart * (n**0.5 + 0.12 + 0.11 / n**0.5)))
    if p >= LEVEL:
        return []
    i = int(np.argmax(np.maximum(before, at)))
    left = below[i + 1] if at[i] > before[i] else below[i]
    split = float(d[i])
    parts = [
        _text(count, s, area_km2, span, prior, perimeter_km)
        for count, span in ((round(n * left, 6), (low, split)), (round(n * (1 - left), 6), (split, high)))
        if span[1] > span[0] * (1 + 1e-6)
    ]
    ages = f": below {split:.3g} km alone it gives {parts[0]}, above {parts[1]}" if len(parts) == 2 else ""
    chance = "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
    return [f"the count does not follow the production function (Kolmogorov-Smirnov, {chance}){ages}"]


def _share_below(
    d: Floats, p: Production, area: float, range_km: tuple[float, float], perimeter_km: float | None
) -> Floats:
    """Share of the craters formed in the range that are smaller than each diameter."""
    low, high = range_km
    if perimeter_km is None:
        lowest, highest = p.cumulative(np.array([low, high]))
        return (lowest - p.cumulative(d)) / (lowest - highest)
    edge = np.geomspace(low, high, _GRID)
    middle = np.sqrt(edge[1:] * edge[:-1])
    formed = -np.diff(p.cumulative(edge)) * (area + middle * perimeter_km / 2 + np.pi * middle**2 / 4)
    below = np.append(0.0, np.cumsum(formed))
    return np.interp(np.log(d), np.log(edge), below / below[-1])


def _text(
    n: float, s: System, area: float, range_km: tuple[float, float], prior: str, perimeter_km: float | None
) -> str:
    expected = exposure(s.production, area, range_km, perimeter_km)
    (lo, age, hi), _ = quantiles(np.asarray(n), expected, s, np.array(QUANTILES), prior)
    return written(float(age), float(lo), float(hi), upper_limit=n == 0)

"""Fits of a production function to binned counts: cumulative and differential, with the resurfacing correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from craterlab.errors import CraterlabError

from .counting import Bins, bin_edges, curvature
from .curves import Production

Floats = NDArray[np.float64]

FIT_ERRORS = ("covariance", "first-bin")
# craterstats shortens error bars to this, so that the bar of a single crater does not reach zero on a log axis.
_BAR = 0.98
_WHOLE = 1e-6


@dataclass(frozen=True)
class Fit:
    """N(>=1 km) per km2 fitted to bins, with its 1-sigma bounds, and the bins used."""

    n1: float
    n1_lo: float
    n1_hi: float
    points: int
    notes: tuple[str, ...]


def fit(
    bins: Bins,
    p: Production,
    area_km2: float,
    range_km: tuple[float, float],
    *,
    method: str,
    resurfacing: bool = False,
    fit_error: str = "covariance",
    binning: str = "none",
) -> Fit:
    """Fit a production function to the bins that lie wholly in a range.

    The density at 1 km is the weighted mean of log10(y / C) over the points, y the measured density and C the
    production function's. As in craterstats the weights are

    - cumulative ("c-fit"): y, the cumulative density of the point, which counts the craters of all larger bins too;
    - differential ("d-fit"): the counting error of y before it is corrected for the curvature of the production
      function within the bin (Michael 2013, eq. 2); so the bins with fewest craters per km count least.

    With `resurfacing` (cumulative only) the craters above the range are replaced by those that the fit itself predicts
    there, N'(D) = N(D) - N(D_up) + A N(1) C(D_up), until N(1) stays the same (Michael and Neukum 2010); then every bin
    of the range has a density, and the empty ones are points too.

    Parameters
    ----------
    bins : Bins
        Occupied bins of the whole count.
    p : Production
    area_km2 : float
    range_km : (float, float)
    method : {"c-fit", "d-fit"}
    resurfacing : bool
    fit_error : {"covariance", "first-bin"}
        "covariance": the Poisson errors of all bins carried through the weighted mean, with the correlation that
        cumulative points have by sharing craters; bounds are n1 10^(-+sigma). "first-bin": as craterstats, 0.98
        times the relative counting error of the first point, n1 (1 -+ e).
    binning : str
        Of the bins; empty ones are needed for `resurfacing`.

    Returns
    -------
    Fit

    Raises
    ------
    CraterlabError
        If no bin lies wholly in the range.

    References
    ----------
    Michael, G.G., Neukum, G., 2010, Planetary surface dating from crater size-frequency distribution measurements:
    partial resurfacing events and statistical age uncertainty, Earth Planet. Sci. Lett. 294, 223-229.
    Michael, G.G., 2013, Icarus 226, 885-890.
    """
    used = _within(bins, range_km)
    if not used.any():
        raise CraterlabError(
            f"no bin of the count lies wholly within {range_km[0]:.4g}-{range_km[1]:.4g} km, so there is nothing to "
            "fit; widen range_km= or take method='poisson'"
        )
    over = ~used & (bins.lo_km < range_km[1] * (1 - _WHOLE)) & (bins.hi_km > range_km[0] * (1 + _WHOLE))
    notes = tuple(
        f"the bin {a:.4g}-{b:.4g} km reaches over the range {range_km[0]:.4g}-{range_km[1]:.4g} km: left out"
        for a, b in zip(bins.lo_km[over], bins.hi_km[over], strict=True)
    )
    if method == "d-fit":
        n1, sigma, first = _differential(bins, used, p, area_km2)
    elif resurfacing:
        n1, sigma, first = _resurfaced(bins, used, p, area_km2, range_km, binning)
    else:
        n1, sigma, first = _cumulative(bins, used, p, area_km2)
    if fit_error == "first-bin":
        low, high = n1 * max(1 - _BAR * first, 0.0), n1 * (1 + _BAR * first)
    else:
        low, high = n1 * 10**-sigma, n1 * 10**sigma
    return Fit(n1, low, high, int(used.sum()), notes)


def _within(bins: Bins, range_km: tuple[float, float]) -> NDArray[np.bool_]:
    return (bins.lo_km >= range_km[0] * (1 - _WHOLE)) & (bins.hi_km <= range_km[1] * (1 + _WHOLE))


def _upwards(counts: NDArray[Any]) -> Floats:
    return np.cumsum(counts[::-1])[::-1].astype(float)


def _cumulative(bins: Bins, used: NDArray[np.bool_], p: Production, area: float) -> tuple[float, float, float]:
    """N(1), its sigma in dex, and the relative error of the first point."""
    total = _upwards(bins.counts)
    weight = total[used] / total[used].sum()
    log_n1 = float((weight * np.log10(total[used] / area / p.cumulative(bins.lo_km[used]))).sum())
    # d log10 N1 / d n of a bin: every point at or below it holds its craters, and weight / total is the same for all.
    points_below = np.cumsum(used)
    slope = points_below / total[used].sum() / np.log(10)
    return 10**log_n1, _sigma(slope, bins), float(1 / np.sqrt(_upwards(bins.events)[used][0]))


def _differential(bins: Bins, used: NDArray[np.bool_], p: Production, area: float) -> tuple[float, float, float]:
    lo, hi, counts, events = (np.asarray(part, float)[used] for part in bins)
    if (hi <= lo).any():
        raise CraterlabError("method='d-fit' needs bins; take binning='pseudo-log', or method='c-fit' with 'none'")
    raw = counts / (area * (hi - lo))
    y = raw * curvature(p, lo, hi)
    error = raw / np.sqrt(events)
    weight = error / error.sum()
    log_n1 = float((weight * np.log10(y / p.differential(np.sqrt(lo * hi)))).sum())
    sigma = float(np.sqrt((weight**2 / events).sum()) / np.log(10))
    return 10**log_n1, sigma, float(error[0] / y[0])


def _resurfaced(
    bins: Bins, used: NDArray[np.bool_], p: Production, area: float, range_km: tuple[float, float], binning: str
) -> tuple[float, float, float]:
    counted = Bins(*(part[used] for part in bins))
    first, last = counted.lo_km[0], counted.hi_km[-1]
    up = max(float(range_km[1]), float(last))
    beyond = float(np.nan_to_num(p.cumulative(min(up, p.range_km[1]))))
    if beyond and up >= p.range_km[1] * (1 - _WHOLE):
        beyond = 0.0  # the production function forms nothing larger
    total = _upwards(bins.counts)
    inside_only = total - float(bins.counts[bins.lo_km >= up * (1 - _WHOLE)].sum())
    if binning in ("none", "as counted"):
        at, within = counted.lo_km, inside_only[used]
    else:
        at = bin_edges(binning, first, up * (1 - _WHOLE))[:-1]
        at = at[at < up * (1 - _WHOLE)]
        # the count at an edge is that of the first occupied bin from there on
        where = np.searchsorted(bins.lo_km, at * (1 - _WHOLE))
        within = np.append(inside_only, 0.0)[where].clip(0)
    shape = p.cumulative(at)
    good = np.isfinite(shape) & (shape > 0)
    at, within, shape = at[good], within[good], shape[good]

    def step(n1: float) -> tuple[float, Floats]:
        y = within / area + n1 * beyond
        some = y > 0
        return 10 ** float((y[some] * np.log10(y[some] / shape[some])).sum() / y.sum()), y

    n1, y = step(float(total[used][0] / area / p.cumulative(first)))
    for _ in range(1000):
        new, y = step(n1)
        done = abs(new / n1 - 1) < 1e-12
        n1 = new
        if done:
            break
    # The prediction feeds back on itself; the slope of the fixed point is larger by that.
    feedback = 1 / (1 - min(at.size * n1 * beyond / y.sum(), 0.99))
    below = np.searchsorted(at, bins.lo_km * (1 + _WHOLE))
    slope = np.where(bins.lo_km < up * (1 - _WHOLE), below, 0) * feedback / (area * y.sum() * np.log(10))
    return n1, _sigma(slope, bins), float(1 / np.sqrt(_upwards(bins.events)[used][0]))


def _sigma(slope: Floats, bins: Bins) -> float:
    """Poisson errors of the bins carried through: their variance is counts^2 / events."""
    counts = np.asarray(bins.counts, float)
    return float(np.sqrt((slope**2 * counts**2 / bins.events).sum()))

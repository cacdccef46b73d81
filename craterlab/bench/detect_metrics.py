"""Figures of merit of a set, with intervals from resampling its images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from ..ospa import ospa
from .detect_outcomes import FLOOR, Outcomes, counted

MIN_DIAMETER_PX = 10.0
BINS_PX = {"6-8": (6, 8), "8-10": (8, 10), "6-10": (6, 10), "10-20": (10, 20), "20-50": (20, 50), ">50": (50, np.inf)}
REPLICATES = 500
INTERVAL = (0.05, 0.95)
_WANT_COMPLETE = ("precision", "f1", "ap", "ospa", "count_ratio")
_CURVE = (FLOOR, *np.round(np.arange(0.05, 1.0, 0.05), 2).tolist())


def row(outcomes: Outcomes, threshold: float, *, complete_px: float = MIN_DIAMETER_PX) -> dict[str, Any]:
    """All figures of one set at one threshold.

    Parameters
    ----------
    outcomes : Outcomes
    threshold : float
    complete_px : float
        Diameter from which on every crater is labelled; infinite where none is. Below it a detection without a label
        may be right, so all that rests on false alarms is None.

    Returns
    -------
    dict
        For D >= 10 px: images, complete, labels, precision, recall, f1, ap, ospa, centre_error, diameter_error,
        diameter_bias, count_ratio, `intervals` (90 %, by name), unit and units of the resampling; `bins`: the same by
        diameter; `curve`: [threshold, precision, recall].

    Notes
    -----
    centre_error is the median distance of centres over the label's radius, diameter_error the median of |dD| / D,
    diameter_bias the median of dD / D (positive: found too large), all of pairs above the threshold. count_ratio is
    the number found over the number labelled. ospa is the mean over the units (see `craterlab.ospa`; order and cut-off
    1). Intervals are percentiles of 500 resamples of the units (Efron & Tibshirani 1993).
    """
    main = measured(outcomes, threshold, MIN_DIAMETER_PX, complete=complete_px <= MIN_DIAMETER_PX, with_ospa=True)
    bins = {
        name: measured(outcomes, threshold, low, high, complete=complete_px <= low)
        for name, (low, high) in BINS_PX.items()
    }
    facts: dict[str, Any] = {"images": outcomes.images, "complete": complete_px <= MIN_DIAMETER_PX}
    facts |= {"unit": outcomes.unit, "units": outcomes.units}
    curve = []
    if facts["complete"]:
        for t in _CURVE:
            hit, false, miss = (int(v.sum()) for v in counted(outcomes.table, t, MIN_DIAMETER_PX))
            curve.append([t, _round(hit / max(hit + false, 1)), _round(hit / max(hit + miss, 1))])
    return facts | main | {"bins": bins, "curve": curve}


def measured(
    outcomes: Outcomes,
    threshold: float,
    low: float,
    high: float = np.inf,
    *,
    complete: bool = True,
    with_ospa: bool = False,
    replicates: int = REPLICATES,
) -> dict[str, Any]:
    """Figures for craters of `low` to `high` pixels, and their intervals; see ``row``."""
    table, units = outcomes.table, outcomes.units
    hit, false, miss = counted(table, threshold, low, high)
    figures: dict[str, Callable[[np.ndarray], float]] = {}
    unit = table.unit.to_numpy()
    tp, fp, fn = (np.bincount(unit[v], minlength=units) for v in (hit, false, miss))
    figures["precision"] = lambda w: _ratio(w @ tp, w @ (tp + fp))
    figures["recall"] = lambda w: _ratio(w @ tp, w @ (tp + fn))
    figures["f1"] = lambda w: _ratio(2 * (w @ tp), w @ (2 * tp + fp + fn))
    figures["count_ratio"] = lambda w: _ratio(w @ (tp + fp), w @ (tp + fn))
    figures["ap"] = _average_precision(table, unit, labels=tp + fn, low=low, high=high)
    if with_ospa and complete:
        each = _ospa_by_unit(table, unit, units, hit, false, miss)
        # A unit without a crater, found or labelled, says nothing.
        some = tp + fp + fn > 0
        figures["ospa"] = lambda w: _ratio(w[some] @ each[some], w[some].sum())
    pairs = errors(table[hit])
    for name in ("centre_error", "diameter_error", "diameter_bias"):
        figures[name] = _weighted_median(pairs[name].to_numpy(), unit[hit])

    names = [n for n in figures if complete or n not in _WANT_COMPLETE]
    ones = np.ones(units, int)
    out: dict[str, Any] = {"labels": int(hit.sum() + miss.sum())}
    out |= {n: _round(figures[n](ones)) if n in names else None for n in figures}
    rng = np.random.default_rng(0)
    draws = rng.multinomial(units, np.full(units, 1 / units), size=replicates)
    intervals = {}
    for n in names:
        values = np.array([figures[n](w) for w in draws])
        values = values[np.isfinite(values)]
        if len(values):
            intervals[n] = [_round(v) for v in np.quantile(values, INTERVAL)]
    if with_ospa:
        out.setdefault("ospa", None)
    return out | {"intervals": intervals}


def errors(pairs: pd.DataFrame) -> pd.DataFrame:
    """Of pairs (rows of ``Outcomes.table``): dx_px, dy_px, d_diameter_px (found less label), and over the label's
    radius or diameter centre_error, diameter_error (absolute), diameter_bias (signed)."""
    dx, dy = pairs.found_x_px - pairs.label_x_px, pairs.found_y_px - pairs.label_y_px
    dd = pairs.found_diameter_px - pairs.label_diameter_px
    share = dd / pairs.label_diameter_px
    centre = np.hypot(dx, dy) / (pairs.label_diameter_px / 2)
    return pd.DataFrame(
        {"dx_px": dx, "dy_px": dy, "d_diameter_px": dd}
        | {"centre_error": centre, "diameter_error": share.abs(), "diameter_bias": share}
    )


def _ospa_by_unit(
    table: pd.DataFrame, unit: np.ndarray, units: int, hit: np.ndarray, false: np.ndarray, miss: np.ndarray
) -> np.ndarray:
    columns = ["x_px", "y_px", "diameter_px"]
    found = table[[f"found_{c}" for c in columns]].set_axis(columns, axis=1)
    label = table[[f"label_{c}" for c in columns]].set_axis(columns, axis=1)
    return np.array([ospa(found[(hit | false) & (unit == u)], label[(hit | miss) & (unit == u)]) for u in range(units)])


def _average_precision(
    table: pd.DataFrame, unit: np.ndarray, *, labels: np.ndarray, low: float, high: float
) -> Callable[[np.ndarray], float]:
    """Area under the curve made monotone from the right (PASCAL VOC 2010), as a function of the weights of units."""
    hit, false, _ = counted(table, -np.inf, low, high)
    score = table.score.to_numpy()
    order = np.flatnonzero(hit | false)
    order = order[np.argsort(-score[order], kind="stable")]
    at, is_hit = unit[order], hit[order]

    def area(w: np.ndarray) -> float:
        weight = w[at]
        hits = np.cumsum(weight * is_hit)
        precision = hits / np.maximum(np.cumsum(weight), 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        return _ratio(float((precision * weight * is_hit).sum()), w @ labels)

    return area


def _weighted_median(values: np.ndarray, unit: np.ndarray) -> Callable[[np.ndarray], float]:
    """Median of values each repeated as often as its unit was drawn, as a function of the weights of units."""
    order = np.argsort(values, kind="stable")
    values, at = values[order], unit[order]

    def median(w: np.ndarray) -> float:
        total = np.cumsum(w[at])
        if not len(total) or total[-1] == 0:
            return float("nan")
        # The two middle ones of an even number.
        i, j = np.searchsorted(total, [(total[-1] + 1) // 2, total[-1] // 2 + 1])
        return float(values[i] + values[j]) / 2

    return median


def _ratio(a: Any, b: Any) -> float:
    return float(a / b) if b else float("nan")


def _round(value: float) -> float | None:
    """For JSON: four decimals, None for what is not known."""
    return round(float(value), 4) if np.isfinite(value) else None

"""How well secondaries are told from catalogues: against the experts' word on Mars, and on simulated catalogues.

Nothing is fitted or tuned on the experts' classes: they are only measured against.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..bodies import body
from ..characterize.secondaries import secondaries
from ..characterize.voronoi import sphere_points
from ..errors import CraterlabError
from ..train.secondaries import random_catalogue
from . import ranking

BLOCK_DEG = 15.0
PRIMARY = ("valid", "layered", "ghost")  # invalid and uncertain are left out
RESAMPLES = 1000
_BINS = 2000
SIMULATED_SEED = 1_000_000  # far from the seeds that teach


def secondaries_mars(data: str | Path, *, seed: int = 0, progress: bool = True) -> dict[str, Any]:
    """Clustering against the classes of the Martian catalogue.

    Parameters
    ----------
    data : path
        Folder that holds mars_catalogue.
    seed : int
        Of the random fields and of the bootstrap.
    progress : bool

    Returns
    -------
    dict
        `n`, `secondaries`, `primaries` (valid, layered and ghost), `auc` with `auc_95` (bootstrap over blocks of 15
        degrees), `auc_block_median` (within blocks that hold 10 of each kind) with `blocks`; the same AUC of four
        single numbers: `auc_nearest` (distance to the nearest crater), `auc_nearest_like` (to the nearest within a
        factor 1.5 of its size), `auc_density` (distance to the 20th), `auc_diameter` (small is secondary); each with
        `gain_over_..._95`, the interval of the difference over the same blocks;
        `confusion` at 0.5, `calibration_error` (ten equal steps of
        probability), `seconds`, `cpu_seconds`.

    Raises
    ------
    CraterlabError
        Without the catalogue.
    """
    file = Path(data) / "mars_catalogue" / "craters.parquet"
    if not file.is_file():
        raise CraterlabError(f"there is no {file}; give the folder that holds mars_catalogue.")
    table = pd.read_parquet(file, columns=["lon", "lat", "diameter_m", "class"])
    start, cpu = time.perf_counter(), time.process_time()
    # The classes stay out of what is judged.
    found = secondaries(table.drop(columns="class"), body="Mars", seed=seed, progress=progress)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    found["class"] = table["class"].astype(str)
    used = found[found["class"].isin([*PRIMARY, "secondary"]) & found.secondary_probability.notna()]
    truth = (used["class"] == "secondary").to_numpy()
    block = _blocks(used)
    single = _single_numbers(table, body("Mars").radius_m).loc[used.index]
    probability = used.secondary_probability.to_numpy()
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, block.max() + 1, (RESAMPLES, block.max() + 1))
    auc, spread, within = _auc_by_block(probability, truth, block, draws)
    out: dict[str, Any] = {"n": len(used), "secondaries": int(truth.sum()), "primaries": int((~truth).sum())}
    out |= {"auc": auc, "auc_95": _interval(spread)}
    out |= {"auc_block_median": float(np.median(within)), "blocks": len(within)}
    for name in single:
        value, other, _ = _auc_by_block(single[name].to_numpy(), truth, block, draws)
        out[f"auc_{name}"] = value
        out[f"gain_over_{name}_95"] = _interval(spread - other)
    out |= scores(probability, truth) | {"seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1)}
    return out


def secondaries_simulated(seed: int = 0, *, fields: int = 40, progress: bool = True) -> dict[str, Any]:
    """The same on simulated catalogues that taught nothing.

    Parameters
    ----------
    seed : int
    fields : int
        Catalogues of 60 to 12,000 craters; a fifth have no secondaries.
    progress : bool

    Returns
    -------
    dict
        `fields`, `n`, `auc` (all together), `auc_field_median`, `auc_nearest_field_median` (distance to the nearest
        crater), `confusion`, `calibration_error`, `false_flags` (share of flagged craters in the fields without
        secondaries), `crowded_secondaries` (share of secondaries whose `cluster_p` is below 0.05).
    """
    from ..progress import progress_bar

    probability, truth, by_field, nearest, empty, crowded = [], [], [], [], [], []
    for i in progress_bar(range(fields), desc="fields", show=progress):
        table, radius = random_catalogue(SIMULATED_SEED + seed * fields + i)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # small fields are part of the set
            found = secondaries(table[["lon", "lat", "diameter_m"]], body=_named(radius), seed=seed, progress=False)
        p, y = found.secondary_probability.to_numpy(), table.secondary.to_numpy()
        probability.append(p)
        truth.append(y)
        if y.any():
            by_field.append(ranking.auc(p, y))
            nearest.append(ranking.auc(_single_numbers(table, radius)["nearest"].to_numpy(), y))
            crowded.append(found.cluster_p.to_numpy()[y] < 0.05)
        else:
            empty.append(p >= 0.5)
    p, y = np.concatenate(probability), np.concatenate(truth)
    return {
        "fields": fields,
        "n": len(p),
        "auc": ranking.auc(p, y),
        "auc_field_median": float(np.median(by_field)),
        "auc_nearest_field_median": float(np.median(nearest)),
        **scores(p, y),
        "false_flags": float(np.concatenate(empty).mean()) if empty else None,
        "crowded_secondaries": float(np.concatenate(crowded).mean()),
    }


def _named(radius: float) -> str:
    return next(name for name in ("Mars", "Moon", "Mercury") if body(name).radius_m == radius)


def scores(probability: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Confusion at 0.5, calibration error and Brier score.

    Parameters
    ----------
    probability : ndarray, (n,)
    truth : ndarray of bool, (n,)

    Returns
    -------
    dict
        `confusion` (true_positive, false_positive, false_negative, true_negative), `precision`, `recall`,
        `calibration_error` (mean distance of share and probability over ten equal steps, weighted by craters), `brier`.
    """
    flag = probability >= 0.5
    confusion = {
        "true_positive": int((flag & truth).sum()),
        "false_positive": int((flag & ~truth).sum()),
        "false_negative": int((~flag & truth).sum()),
        "true_negative": int((~flag & ~truth).sum()),
    }
    step = np.minimum((probability * 10).astype(int), 9)
    count = np.bincount(step, minlength=10)
    gap = np.abs(np.bincount(step, probability, 10) - np.bincount(step, truth, 10))
    return {
        "confusion": confusion,
        "precision": confusion["true_positive"] / max(int(flag.sum()), 1),
        "recall": confusion["true_positive"] / max(int(truth.sum()), 1),
        "calibration_error": float(gap.sum() / max(int(count.sum()), 1)),
        "brier": float(np.mean((probability - truth) ** 2)),
    }


def _blocks(table: pd.DataFrame) -> np.ndarray:
    column = np.floor(table.lon / BLOCK_DEG).astype(int)
    row = np.floor(table.lat / BLOCK_DEG).astype(int)
    return np.unique(np.stack([row, column], axis=1), axis=0, return_inverse=True)[1].ravel()


def _auc_by_block(
    score: np.ndarray, truth: np.ndarray, block: np.ndarray, draws: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """AUC of all, of blocks drawn with replacement, and within each block that has 10 of both kinds."""
    from scipy.stats import rankdata

    # 2000 steps of equal count: the resamples are sums of histograms.
    step = np.minimum((rankdata(score) - 1) / len(score) * _BINS, _BINS - 1).astype(int)
    blocks = draws.shape[1]
    shape = (blocks, _BINS)
    positive, negative = (
        np.bincount(block[k] * _BINS + step[k], minlength=blocks * _BINS).reshape(shape) for k in (truth, ~truth)
    )
    weight = np.stack([np.bincount(d, minlength=blocks) for d in draws]).astype(float)
    spread = _histogram_auc(weight @ positive, weight @ negative)
    both = np.minimum(positive.sum(1), negative.sum(1)) >= 10
    return ranking.auc(score, truth), spread, _histogram_auc(positive[both], negative[both])


def _histogram_auc(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    below = np.cumsum(negative, axis=1) - negative / 2
    return np.asarray((positive * below).sum(1) / (positive.sum(1) * negative.sum(1)))


def _interval(values: np.ndarray) -> list[float]:
    return [float(v) for v in np.quantile(values, [0.025, 0.975])]


def _single_numbers(table: pd.DataFrame, radius_m: float) -> pd.DataFrame:
    """What the clustering must beat: one number each, large where it speaks for secondaries."""
    from scipy.spatial import cKDTree

    points = sphere_points(table.lon.to_numpy(), table.lat.to_numpy(), radius_m)
    diameter = table.diameter_m.to_numpy(float)
    out = pd.DataFrame(index=table.index)
    distance = cKDTree(points).query(points, k=[2, min(21, len(points))])[0]
    out["nearest"], out["density"] = -distance[:, 0], -distance[:, 1]
    like = np.full(len(table), -np.inf)
    step = np.floor(np.log(diameter) / np.log(1.5))
    for s in np.unique(step[np.isfinite(step)]):
        rows, members = np.flatnonzero(step == s), np.flatnonzero(np.abs(step - s) <= 1)
        if len(members) > 1:
            like[rows] = -cKDTree(points[members]).query(points[rows], k=[2])[0][:, 0]
    out["nearest_like"] = like
    out["diameter"] = -np.nan_to_num(diameter, nan=np.inf)
    return out

"""Whether a score is a probability: reliability diagram and expected calibration error."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .detect_metrics import MIN_DIAMETER_PX
from .detect_outcomes import Outcomes, counted

BINS = 10


def scored(outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Score of every counted detection of D >= 10 px, and whether it has a label."""
    hit, false, _ = counted(outcomes.table, -np.inf, MIN_DIAMETER_PX)
    either = hit | false
    return outcomes.table.score.to_numpy()[either], hit[either]


def reliability(score: ArrayLike, hit: ArrayLike, *, least: float = 0.0) -> dict[str, Any]:
    """Reliability diagram and expected calibration error.

    Parameters
    ----------
    score : array_like of float, shape (n,)
        In 0..1.
    hit : array_like of bool, shape (n,)
    least : float
        Detections of a lower score are left out.

    Returns
    -------
    dict
        `detections`; `ece`: the mean over the detections of |share of hits - mean score| of their bin, None without
        any; `bins`: [mean score, share of hits, detections] of each of ten bins of equal width that holds some.

    Notes
    -----
    Naeini, Cooper & Hauskrecht 2015, AAAI, 2901; bins of equal width.
    """
    score, hit = np.asarray(score, float), np.asarray(hit, bool)
    score, hit = score[score >= least], hit[score >= least]
    index = np.minimum((score * BINS).astype(int), BINS - 1)
    n = np.bincount(index, minlength=BINS)
    full = n > 0
    mean = np.bincount(index, score, BINS)[full] / n[full]
    share = np.bincount(index, hit, BINS)[full] / n[full]
    n = n[full]
    return {
        "detections": int(n.sum()),
        "ece": round(float(n @ np.abs(share - mean) / n.sum()), 4) if len(n) else None,
        "bins": [[round(float(m), 4), round(float(s), 4), int(k)] for m, s, k in zip(mean, share, n, strict=True)],
    }


def calibration(groups: dict[str, tuple[np.ndarray, np.ndarray]], threshold: float) -> dict[str, Any]:
    """Reliability of each group of (score, hit) and of `all` together, from the floor up.

    Returns
    -------
    dict
        By group as ``reliability``, and `ece_kept`: the error over detections at or above `threshold` alone.
    """
    whole = {name: g for name, g in groups.items()}
    if groups:
        whole["all"] = tuple(np.concatenate(v) for v in zip(*groups.values(), strict=True))  # type: ignore[assignment]
    return {
        name: reliability(score, hit) | {"ece_kept": reliability(score, hit, least=threshold)["ece"]}
        for name, (score, hit) in whole.items()
    }

"""How well a score puts the positives before the negatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

REPEATS = 1000


def auc(score: ArrayLike, positive: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties half (Mann & Whitney 1947).

    Parameters
    ----------
    score : array_like of float, (n,)
    positive : array_like of bool, (n,)

    Returns
    -------
    float
        NaN without positives or negatives.
    """
    from scipy.stats import rankdata

    positive = np.asarray(positive, bool)
    a, b = int(positive.sum()), int((~positive).sum())
    if not a or not b:
        return float("nan")
    return float((rankdata(score)[positive].sum() - a * (a + 1) / 2) / (a * b))


def auc_interval(score: ArrayLike, positive: ArrayLike, unit: ArrayLike, *, seed: int = 0) -> list[float]:
    """AUC and its 95 % interval by bootstrap over units (images, blocks) drawn whole.

    Returns
    -------
    list of float
        [value, low, high]
    """
    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    _, unit = np.unique(np.asarray(unit), return_inverse=True)
    members = np.split(np.argsort(unit, kind="stable"), np.cumsum(np.bincount(unit))[:-1])
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(REPEATS):
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        drawn.append(auc(score[rows], positive[rows]))
    return [round(v, 4) for v in (auc(score, positive), *np.nanquantile(drawn, [0.025, 0.975]))]

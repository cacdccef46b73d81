"""Scores of masks by pixel."""

from __future__ import annotations

import numpy as np


def counts(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pixels (true positive, false positive, false negative, true negative) of each mask.

    Parameters
    ----------
    found, truth : array (..., rows, columns) bool

    Returns
    -------
    array (..., 4) int64
    """
    pairs = (found & truth, found & ~truth, ~found & truth, ~found & ~truth)
    return np.stack([p.sum((-2, -1)) for p in pairs], -1).astype(np.int64)


def scores(table: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of pixels pooled over masks.

    Parameters
    ----------
    table : array (..., n, 4)
        As ``counts`` gives; n masks are pooled.

    Returns
    -------
    dict of arrays (...)
        0..1: `miou` (mean of the IoU of landform and of background), `iou` (of the landform alone), `f1`, `precision`,
        `recall`; NaN where there is nothing to divide by.
    """
    tp, fp, fn, tn = np.moveaxis(np.asarray(table, float).sum(-2), -1, 0)
    iou = _ratio(tp, tp + fp + fn)
    return {
        "miou": (iou + _ratio(tn, tn + fp + fn)) / 2,
        "iou": iou,
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
    }


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(np.shape(b), np.nan), where=np.asarray(b) > 0)

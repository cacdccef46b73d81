"""Scores of masks by pixel."""

from __future__ import annotations

import numpy as np


def counts(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Pixels (true positive, false positive, false negative, true negative) of each patch.

    Parameters
    ----------
    found, truth : array (n, rows, columns) bool

    Returns
    -------
    array (n, 4) int64
    """
    pairs = (found & truth, found & ~truth, ~found & truth, ~found & ~truth)
    return np.stack([p.sum((-2, -1)) for p in pairs], -1).astype(np.int64)


def scores(table: np.ndarray) -> dict[str, float]:
    """Scores of pixels pooled over patches.

    Parameters
    ----------
    table : array (n, 4)
        As ``counts`` gives.

    Returns
    -------
    dict
        `miou` (mean of the IoU of landslide and of background), `iou` (of landslide alone), `f1`, `precision`,
        `recall`; NaN where there is nothing to divide by.
    """
    tp, fp, fn, tn = (float(v) for v in table.sum(0))
    iou, background = _ratio(tp, tp + fp + fn), _ratio(tn, tn + fp + fn)
    return {
        "miou": (iou + background) / 2,
        "iou": iou,
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
    }


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")

"""One circle a crater: what two pyramid levels, or two neighbouring peaks, both saw."""

from __future__ import annotations

import numpy as np

from ..match import circle_iou

SAME_CRATER_IOU = 0.45


def keep_best(points: np.ndarray, diameter: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Indices of the circles that no better-scored circle covers with IoU above ``SAME_CRATER_IOU``, best first.

    Parameters
    ----------
    points : array (n, 2 or 3)
        Centres on the grid, or in space on the body.
    diameter : array (n,)
        In the unit of the points.
    score : array (n,)

    Notes
    -----
    Two circles of such an IoU differ in diameter by less than a factor 1 / sqrt(IoU) = 1.5 and their centres are closer
    than the larger radius, so circles are compared within their octave of size and the next; work grows with n, not n
    squared.
    """
    from scipy.spatial import cKDTree

    order = np.lexsort((*points.T, -score))
    points, diameter = points[order], diameter[order]
    octave = np.floor(np.log2(np.maximum(diameter, 1e-6))).astype(int)
    pairs = [np.empty((0, 2), int)]
    for o in np.unique(octave):
        a, b = np.flatnonzero(octave == o), np.flatnonzero((octave == o) | (octave == o + 1))
        # Centres of equal craters lie within half the larger diameter, below 2 ** (o + 2) / 2 there.
        near = cKDTree(points[a]).query_ball_tree(cKDTree(points[b]), 2.0 ** (o + 1))
        i = np.repeat(a, [len(k) for k in near])
        j = b[np.concatenate([np.asarray(k, int) for k in near])] if len(i) else np.empty(0, int)
        pairs.append(np.sort(np.column_stack([i, j])[i != j], axis=1))
    i, j = np.unique(np.concatenate(pairs), axis=0).T
    zero = np.zeros(len(i))
    gap = np.linalg.norm(points[i] - points[j], axis=1)
    same = circle_iou(zero, zero, diameter[i], gap, zero, diameter[j]) > SAME_CRATER_IOU
    alive = np.ones(len(order), bool)
    for first, second in zip(i[same], j[same], strict=True):
        if alive[first]:
            alive[second] = False
    return order[alive]

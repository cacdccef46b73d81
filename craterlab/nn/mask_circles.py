"""From a mask of craters to circles.

The mask merges craters that touch, so a component is not a crater. Each place where the mask is widest is taken for
one, each pixel of the mask goes to one of them, and the circle has the area and the centroid of its pixels.
"""

from __future__ import annotations

import numpy as np

APART = 0.7  # a widest place with a wider one nearer than this share of that one's depth is the same crater
REACH = 1.3  # pixels further than this, in depths of a crater's widest place, are not its own
MIN_DEPTH_PX = 1.5


def mask_circles(logit: np.ndarray, max_radius_px: float) -> dict[str, np.ndarray]:
    """Circles in a map of logits; pixels above 0 are crater.

    Parameters
    ----------
    logit : array (rows, columns)
    max_radius_px : float
        Wider parts of the mask are no craters.

    Returns
    -------
    dict of arrays
        x_px, y_px, diameter_px, and `logit`, the mean over the circle's pixels.

    Notes
    -----
    The depth of a pixel is its distance to the nearest one outside the mask (at most `max_radius_px`). Local maxima of
    the depth are craters unless a deeper one lies within ``APART`` of its depth: a rule without order, so that what is
    found in one place depends only on the mask within about three radii. Pixels go to the crater of least power
    distance (distance squared minus depth squared), which cuts two overlapping discs along their common chord; each is
    then too small by the part beyond the chord. A crater inside another one leaves no trace in a mask and is not
    found.
    """
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import cKDTree

    from .peaks import peaks

    mask = logit > 0
    empty = {k: np.empty(0) for k in ("x_px", "y_px", "diameter_px", "logit")}
    if mask.all() or not mask.any():
        return empty
    depth = distance_transform_edt(mask)
    rows, cols = peaks(depth, MIN_DEPTH_PX)
    deep = depth[rows, cols]
    rows, cols, deep = (a[deep <= max_radius_px + 1] for a in (rows, cols, deep))
    if not len(rows):
        return empty
    points = np.column_stack([cols, rows]).astype(float)
    pairs = cKDTree(points).query_pairs(APART * (max_radius_px + 1), output_type="ndarray")
    # The pair's deeper one first; of equals the first in reading order, which is that of `peaks`.
    pairs = np.where((deep[pairs[:, 0]] >= deep[pairs[:, 1]])[:, None], pairs, pairs[:, ::-1])
    near = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1) < APART * deep[pairs[:, 0]]
    keep = np.ones(len(rows), bool)
    keep[pairs[near, 1]] = False
    points, deep = points[keep], deep[keep]

    y, x = np.nonzero(mask)
    pixels = np.column_stack([x, y])
    k = min(4, len(points))
    distance, index = (a.reshape(len(pixels), k) for a in cKDTree(points).query(pixels, k))
    rows_at = np.arange(len(pixels))
    nearest = (distance**2 - deep[index] ** 2).argmin(1)
    owner, gap = index[rows_at, nearest], distance[rows_at, nearest]
    own = gap <= REACH * deep[owner]
    owner, pixels, values = owner[own], pixels[own], logit[y[own], x[own]]
    count = np.bincount(owner, minlength=len(points))
    mean = lambda v: np.bincount(owner, v, len(points)) / np.maximum(count, 1)  # noqa: E731
    return {
        "x_px": mean(pixels[:, 0]) + 0.5,
        "y_px": mean(pixels[:, 1]) + 0.5,
        "diameter_px": 2 * np.sqrt(count / np.pi),
        "logit": mean(values),
    }

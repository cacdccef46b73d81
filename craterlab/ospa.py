"""OSPA: one distance between two sets of circles, for misplaced, missed and invented craters together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .errors import CraterlabError
from .match import as_circles, circle_iou

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ospa"]


def ospa(found: pd.DataFrame, truth: pd.DataFrame, *, order: float = 1.0, cutoff: float = 1.0) -> float:
    """Optimal sub-pattern assignment distance between detections and labels.

    Parameters
    ----------
    found, truth : DataFrame
        Crater tables with `x_px`, `y_px`, `diameter_px`. Both may be empty.
    order : float
        p, at least 1. With 1 every crater weighs the same; a higher order weighs the worst pairs more.
    cutoff : float
        c, in (0, 1]: the price of a missed or an invented crater, and the highest of a pair.

    Returns
    -------
    float
        0 (the same circles) to `cutoff` (nothing in common). Two empty tables are the same.

    Raises
    ------
    CraterlabError
        If a column is missing, a row has no position or size, or `order` or `cutoff` is out of range.

    Notes
    -----
    Schuhmacher, Vo & Vo 2008, IEEE Trans. Signal Process. 56, 3447. The distance of a pair is 1 - IoU of the circles
    (the Jaccard distance, a metric on regions): it judges place and size together, and a crater of 10 px and one of 100
    px by the same measure. With order and cut-off 1 and m <= n circles it is (sum of 1 - IoU over the best assignment
    + n - m) / n.

    Examples
    --------
    >>> import pandas as pd
    >>> t = pd.DataFrame({"x_px": [20.0, 60.0], "y_px": [20.0, 60.0], "diameter_px": [12.0, 30.0]})
    >>> ospa(t[:1], t)
    0.5
    """
    from scipy.optimize import linear_sum_assignment

    if not order >= 1 or not 0 < cutoff <= 1:
        raise CraterlabError(f"ospa has order {order} and cutoff {cutoff}; wanted order >= 1 and cutoff in (0, 1]")
    fx, fy, fd = (v[:, None] for v in as_circles(found, "found"))
    tx, ty, td = as_circles(truth, "truth")
    price = np.minimum(1 - circle_iou(fx, fy, fd, tx, ty, td), cutoff) ** order
    fewer, more = sorted(price.shape)
    if more == 0:
        return 0.0
    paired = price[linear_sum_assignment(price)].sum()
    return float(((paired + cutoff**order * (more - fewer)) / more) ** (1 / order))

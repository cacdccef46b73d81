"""Circle overlap, one-to-one matching of two crater tables, and the scores that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Scores", "circle_iou", "match", "pool", "scores"]

Floats = NDArray[np.float64]


def circle_iou(x1: ArrayLike, y1: ArrayLike, d1: ArrayLike, x2: ArrayLike, y2: ArrayLike, d2: ArrayLike) -> Floats:
    """Intersection over union of circles, exact.

    Parameters
    ----------
    x1, y1, d1, x2, y2, d2 : array_like
        Centres and diameters of the two circles, all in one unit; broadcast against each other.

    Returns
    -------
    ndarray of float64
        0 (apart) to 1 (the same circle), in the broadcast shape. NaN where an input is NaN; 0 where a diameter is not
        positive.

    Notes
    -----
    The intersection is the lens of two circular segments (elementary geometry), or the smaller circle where it lies in
    the larger.
    """
    cx1, cy1, dd1, cx2, cy2, dd2 = np.broadcast_arrays(*(np.asarray(v, float) for v in (x1, y1, d1, x2, y2, d2)))
    r, big = np.minimum(dd1, dd2) / 2, np.maximum(dd1, dd2) / 2
    d = np.hypot(cx1 - cx2, cy1 - cy2)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # (d^2 + r^2 - R^2) / 2dr, factored so that circles of nearly the same size keep their digits
        small_angle = np.arccos(np.clip((d + (r - big) * (r + big) / d) / (2 * r), -1, 1))
        big_angle = np.arccos(np.clip((d + (big - r) * (big + r) / d) / (2 * big), -1, 1))
        kite = 0.5 * np.sqrt(np.clip((r + big - d) * (d + r - big) * (d - r + big) * (d + r + big), 0, None))
        lens = np.clip(r**2 * small_angle + big**2 * big_angle - kite, 0, np.pi * r**2)
        inter = np.where(d <= big - r, np.pi * r**2, np.where(d >= big + r, 0.0, lens))
        iou = inter / (np.pi * (r**2 + big**2) - inter)
    iou = np.where(d <= big - r, (r / np.where(big > 0, big, 1.0)) ** 2, iou)
    iou = np.where(r > 0, iou, 0.0)
    return np.where(np.isnan(d) | np.isnan(r), np.nan, np.clip(iou, 0, 1))


@dataclass(frozen=True, repr=False)
class Scores:
    """How well a crater table agrees with labels.

    Attributes
    ----------
    tp, fp, fn : int
        Labels found, detections without a label, labels not found.
    ignored : int
        Detections that count neither way.
    precision, recall, f1 : float
        NaN where the denominator is zero (nothing found, no labels).
    ap : float
        Average precision: area under the precision-recall curve made monotone from the right (PASCAL VOC 2010). NaN
        without labels.
    centre_error, diameter_error : float
        Medians over the true positives of centre distance / label radius and of |dD| / D (label). NaN without any.
    pairs : ndarray of int, shape (tp, 2)
        Row positions (detection, label) of the true positives, best score first.
    iou, centre_errors, diameter_errors : ndarray of float, shape (tp,)
        Of each pair.
    score, hit : ndarray, shape (tp + fp,)
        Score of every counted detection, best first, and whether it is a true positive.
    """

    tp: int
    fp: int
    fn: int
    ignored: int
    pairs: NDArray[np.intp] = field(compare=False)
    iou: Floats = field(compare=False)
    centre_errors: Floats = field(compare=False)
    diameter_errors: Floats = field(compare=False)
    score: Floats = field(compare=False)
    hit: NDArray[np.bool_] = field(compare=False)

    @property
    def precision(self) -> float:
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def ap(self) -> float:
        labels = self.tp + self.fn
        if labels == 0:
            return float("nan")
        hits = np.cumsum(self.hit)
        precision = hits / np.arange(1, hits.size + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        return float(precision[self.hit].sum() / labels)

    @property
    def centre_error(self) -> float:
        return _median(self.centre_errors)

    @property
    def diameter_error(self) -> float:
        return _median(self.diameter_errors)

    def __repr__(self) -> str:
        return (
            f"Scores(f1={self.f1:.4f}, precision={self.precision:.4f}, recall={self.recall:.4f}, ap={self.ap:.4f}, "
            f"tp={self.tp}, fp={self.fp}, fn={self.fn}, ignored={self.ignored}, "
            f"centre_error={self.centre_error:.4f}, diameter_error={self.diameter_error:.4f})"
        )


def _ratio(a: int, b: int) -> float:
    return a / b if b else float("nan")


def _median(values: Floats) -> float:
    return float(np.median(values)) if values.size else float("nan")


def as_circles(table: Any, name: str) -> tuple[Floats, Floats, Floats]:
    """Columns `x_px`, `y_px` and `diameter_px` of a crater table; CraterlabError, with its `name`, if one is unfit."""
    missing = [c for c in ("x_px", "y_px", "diameter_px") if c not in table]
    if missing:
        raise CraterlabError(
            f"{name} has no column {', '.join(missing)}; matching works in pixels: pass a crater table with x_px, y_px "
            "and diameter_px (craterlab.detect gives one; craters_from_pixels and read_craters do too)"
        )
    x, y, d = (np.asarray(table[c], float) for c in ("x_px", "y_px", "diameter_px"))
    bad = ~(np.isfinite(x) & np.isfinite(y) & np.isfinite(d) & (d > 0))
    if bad.any():
        raise CraterlabError(
            f"{int(bad.sum())} of {d.size} rows of {name} have no position or no positive diameter in pixels (first: "
            f"row {int(np.argmax(bad))}); drop them first: table[table.diameter_px > 0]"
        )
    return x, y, d


def cut_by_border(x: Floats, y: Floats, d: Floats, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which circles reach over the border of an image of `shape` (rows, columns) pixels."""
    rows, cols = shape
    return (x - d / 2 < 0) | (y - d / 2 < 0) | (x + d / 2 > cols) | (y + d / 2 > rows)


def match(
    found: pd.DataFrame, truth: pd.DataFrame, iou: float = 0.5
) -> tuple[NDArray[np.intp], Floats, NDArray[np.intp]]:
    """Match detections to labels one to one, in order of score; each takes the free label of best circle IoU.

    Parameters
    ----------
    found, truth : DataFrame
        Crater tables with `x_px`, `y_px`, `diameter_px`; `found` may have `score` (else its rows come in order).
    iou : float
        Smallest IoU of a match, in (0, 1].

    Returns
    -------
    label : ndarray of int, shape (len(found),)
        Row position in `truth`, -1 where unmatched.
    overlap : ndarray of float, shape (len(found),)
        IoU of the match, 0 where unmatched.
    order : ndarray of int, shape (len(found),)
        Row positions of `found`, best score first (ties: the earlier row; NaN scores last).

    Raises
    ------
    CraterlabError
        If a column is missing, a row has no position or size, or `iou` is out of range.
    """
    from scipy.spatial import cKDTree

    if not 0 < iou <= 1:
        raise CraterlabError(f"iou must lie in (0, 1], got {iou!r}; the usual choice is iou=0.5")
    fx, fy, fd = as_circles(found, "found")
    tx, ty, td = as_circles(truth, "truth")
    score = np.asarray(found["score"], float) if "score" in found else np.zeros(fd.size)
    order = np.argsort(-score, kind="stable")
    label = np.full(fd.size, -1, np.intp)
    overlap = np.zeros(fd.size)
    if not fd.size or not td.size:
        return label, overlap, order

    # IoU >= t needs a diameter ratio within sqrt(t), so no partner is further away than r (1 + 1 / sqrt(t)).
    near = cKDTree(np.c_[tx, ty]).query_ball_point(np.c_[fx, fy], fd / 2 * (1 + 1 / np.sqrt(iou)), return_sorted=True)
    count = np.fromiter((len(n) for n in near), np.intp, fd.size)
    f = np.repeat(np.arange(fd.size), count)
    t = np.fromiter((j for n in near for j in n), np.intp, int(count.sum()))
    value = circle_iou(fx[f], fy[f], fd[f], tx[t], ty[t], td[t])
    keep = value >= iou
    f, t, value = f[keep], t[keep], value[keep]
    start = np.searchsorted(f, np.arange(fd.size + 1))

    free = np.ones(td.size, bool)
    for i in order:
        options = slice(start[i], start[i + 1])
        open_value = np.where(free[t[options]], value[options], -1.0)
        if open_value.size and (best := int(open_value.argmax())) >= 0 and open_value[best] >= iou:
            label[i], overlap[i] = t[options][best], open_value[best]
            free[label[i]] = False
    return label, overlap, order


def scores(
    found: pd.DataFrame,
    truth: pd.DataFrame,
    iou: float = 0.5,
    min_diameter_px: float = 10,
    *,
    shape: tuple[int, int] | None = None,
    ignore: ArrayLike | None = None,
) -> Scores:
    """Score detections against labels.

    Detections are matched one to one in order of score; each takes the free label of best circle IoU. Labels below
    `min_diameter_px`, cut by the border or marked in `ignore` are ignored: a detection that matches one counts neither
    way. Unmatched detections below `min_diameter_px` are dropped.

    Parameters
    ----------
    found, truth : DataFrame
        Crater tables with `x_px`, `y_px`, `diameter_px` on one grid; `score` in `found`. Both may be empty.
    iou : float
        Smallest circle IoU of a match, in (0, 1].
    min_diameter_px : float
        Smallest label that counts, pixels.
    shape : (rows, columns), optional
        Size of the image in pixels; with it, labels cut by its border are ignored.
    ignore : array_like of bool, shape (len(truth),), optional
        Labels not to be trusted; default: the column `ignore` of `truth` where there is one.

    Returns
    -------
    Scores

    Raises
    ------
    CraterlabError
        If a column is missing, a row has no position or size, `iou` is out of range or `ignore` has another length.

    Examples
    --------
    >>> import pandas as pd
    >>> from craterlab.match import scores
    >>> t = pd.DataFrame({"x_px": [20.0, 60.0], "y_px": [20.0, 60.0], "diameter_px": [12.0, 30.0]})
    >>> scores(t.assign(score=1.0), t).f1
    1.0
    """
    label, overlap, order = match(found, truth, iou)
    tx, ty, td = as_circles(truth, "truth")
    fx, fy, fd = as_circles(found, "found")

    skip = td < min_diameter_px
    if ignore is None and "ignore" in truth:
        ignore = truth["ignore"]
    if ignore is not None:
        marked = np.asarray(ignore, bool)
        if marked.shape != td.shape:
            raise CraterlabError(f"ignore has shape {marked.shape}, wanted one value a label: ({td.size},)")
        skip |= marked
    if shape is not None:
        skip |= cut_by_border(tx, ty, td, shape)

    matched = label >= 0
    hit = matched.copy()
    hit[matched] = ~skip[label[matched]]
    counted = hit | (~matched & (fd >= min_diameter_px))
    order = order[counted[order]]
    f = order[hit[order]]
    t = label[f]
    score = np.asarray(found["score"], float) if "score" in found else np.zeros(fd.size)
    return Scores(
        tp=int(hit.sum()),
        fp=int((counted & ~hit).sum()),
        fn=int((~skip).sum() - hit.sum()),
        ignored=int((~counted).sum()),
        pairs=np.c_[f, t],
        iou=overlap[f],
        centre_errors=np.hypot(fx[f] - tx[t], fy[f] - ty[t]) / (td[t] / 2),
        diameter_errors=np.abs(fd[f] - td[t]) / td[t],
        score=score[order],
        hit=hit[order],
    )


def pool(parts: Sequence[Scores]) -> Scores:
    """Scores of a set of images as one: counts added, medians and AP over all their craters.

    Parameters
    ----------
    parts : sequence of Scores
        One an image. Row positions in `pairs` stay those of each image, in order of score over all.

    Returns
    -------
    Scores
    """
    empty = np.zeros(0)
    score = np.concatenate([p.score for p in parts] or [empty])
    hit = np.concatenate([p.hit for p in parts] or [np.zeros(0, bool)])
    order = np.argsort(-score, kind="stable")
    pair_order = np.argsort(-score[hit], kind="stable")

    def joined(name: str) -> Any:
        return np.concatenate([getattr(p, name) for p in parts] or [empty])[pair_order]

    return Scores(
        tp=sum(p.tp for p in parts),
        fp=sum(p.fp for p in parts),
        fn=sum(p.fn for p in parts),
        ignored=sum(p.ignored for p in parts),
        pairs=joined("pairs") if parts else np.zeros((0, 2), np.intp),
        iou=joined("iou"),
        centre_errors=joined("centre_errors"),
        diameter_errors=joined("diameter_errors"),
        score=score[order],
        hit=hit[order],
    )

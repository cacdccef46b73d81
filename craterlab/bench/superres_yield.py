"""What the detector makes of sharpened images: craters found at equal precision, and detections without a label."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .superres_images import camera, degrade, sharpen, truths

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE = "bicubic"
TRUTH = "true image"  # the detector on the truth itself: what no super-resolution can be expected to pass
SIZES_PX = (10.0, 20.0)  # fine pixels at factor 2: 5 to 10 pixels of the image that was taken
_MIN_DIAMETER_PX = 10
_FLOOR = 0.02  # least score kept, so that thresholds can be moved
_TILE = 250  # fine pixels; the unit of the bootstrap, well above the size of the craters counted


@dataclass(frozen=True)
class Detections:
    """One labelled image: its labels, and what was found in each version of it (score >= 0.02), on the fine grid."""

    set: str
    shape: tuple[int, int]
    labels: pd.DataFrame
    found: dict[str, pd.DataFrame]  # by method, and TRUTH


def detect_on_labelled(
    data: Path,
    sets: list[str],
    split: str,
    methods: list[str],
    *,
    factor: int = 2,
    snr: float = 100.0,
    crop: int = 0,
    model: str | Path = "craternet",
    device: str | None = None,
    progress: bool = True,
) -> list[Detections]:
    """Degrade, sharpen with each method, detect; the generic camera. `BASE` and `TRUTH` are always among them."""
    from ..detect import detect
    from ..progress import progress_bar
    from .sets import labelled_images

    known = camera("generic")
    out = []
    for name in sets:
        labels = dict(labelled_images(data / name, split))
        for truth in progress_bar(list(truths(data, name, split, factor, crop)), show=progress, desc=f"yield {name}"):
            seen = degrade(truth.values, factor, known, snr)
            images = {TRUTH: truth.values}
            for method in dict.fromkeys([BASE, *methods]):
                images[method] = sharpen(seen, factor, method, known, device=device)["image"].values
            found = {
                k: detect(v, model=model, threshold=_FLOOR, device=device, progress=False) for k, v in images.items()
            }
            shape = (truth.values.shape[0], truth.values.shape[1])
            out.append(Detections(name, shape, _moved(labels[truth.path], truth.corner, shape), found))
    return out


def _moved(labels: pd.DataFrame, corner: tuple[int, int], shape: tuple[int, int]) -> pd.DataFrame:
    """Labels on the grid of the part that was cut out; those that do not touch it are gone."""
    r = labels.diameter_px / 2
    moved = labels.assign(x_px=labels.x_px - corner[1], y_px=labels.y_px - corner[0])
    inside = moved.x_px.between(-r, shape[1] + r) & moved.y_px.between(-r, shape[0] + r)
    return moved[inside].reset_index(drop=True)


def crater_yield(images: Sequence[Detections], threshold: float, *, resamples: int = 1000) -> list[dict[str, Any]]:
    """Craters of `SIZES_PX` found, against bicubic at the same precision.

    Parameters
    ----------
    images : sequence of Detections
    threshold : float
        Score at which the detector's precision on the bicubic image sets the mark.
    resamples : int
        Of the bootstrap.

    Returns
    -------
    list of dict
        set, method, labels (counted), found, precision (the mark), threshold (the score that keeps to it), ratio (of
        craters found, over bicubic) with ratio_low and ratio_high, a 90 % interval from resampling tiles of 250 fine
        pixels, the same tiles for both (Efron & Tibshirani 1993, percentile).

    Notes
    -----
    Matching as `craterlab.match.scores`, with labels outside the range ignored and unmatched detections outside it
    dropped. Every method, bicubic too, gets the lowest threshold whose precision is not below the mark.
    """
    rows = []
    for name in dict.fromkeys(i.set for i in images):
        part = [i for i in images if i.set == name]
        methods = list(part[0].found)
        counted = {m: _pooled(part, m) for m in methods}
        labels = sum(int(_counts(i.labels, i.shape).sum()) for i in part)
        base = counted[BASE]
        tiles = 1 + max((int(c.tile.max()) for c in counted.values() if len(c)), default=0)
        rng = np.random.default_rng(0)
        # The first is the sample itself.
        draws = np.vstack([np.ones(tiles, int), rng.multinomial(tiles, np.full(tiles, 1 / tiles), resamples)])
        marks = [_precision(base, threshold, w) for w in draws]
        least = [at_precision(base, m, w)[0] for m, w in zip(marks, draws, strict=True)]
        for method in methods:
            drawn = [at_precision(counted[method], m, w) for m, w in zip(marks, draws, strict=True)]
            ratios = [a / b if b > 0 else np.nan for (a, _), b in zip(drawn, least, strict=True)]
            some = [r for r in ratios[1:] if np.isfinite(r)]
            low, high = np.quantile(some, (0.05, 0.95)).tolist() if some else (np.nan, np.nan)
            rows.append(
                {"set": name, "method": method, "labels": labels, "found": int(drawn[0][0])}
                | {"precision": round(marks[0], 4), "threshold": round(drawn[0][1], 4), "ratio": round(ratios[0], 4)}
                | {"ratio_low": round(low, 4), "ratio_high": round(high, 4)}
            )
    return rows


def at_precision(table: pd.DataFrame, mark: float, weight: np.ndarray) -> tuple[float, float]:
    """Craters found at a precision.

    Parameters
    ----------
    table : DataFrame
        Counted detections, best first: score, hit, tile.
    mark : float
        The precision; NaN gives none.
    weight : ndarray, (tiles,)
        How often each tile counts.

    Returns
    -------
    found : float
        Weighted number of craters.
    score : float
        The lowest score down to which the precision is not below the mark; NaN where none is.
    """
    w = weight[table.tile.to_numpy()].astype(float)
    hits, every = np.cumsum(w * table.hit.to_numpy()), np.cumsum(w)
    good = np.flatnonzero(hits >= mark * every - 1e-9)
    if not good.size:
        return 0.0, float("nan")
    return float(hits[good[-1]]), float(table.score.iloc[good[-1]])


def _precision(table: pd.DataFrame, threshold: float, weight: np.ndarray) -> float:
    w = weight[table.tile.to_numpy()] * (table.score >= threshold).to_numpy()
    return float((w * table.hit.to_numpy()).sum() / w.sum()) if w.sum() else float("nan")


def _counts(labels: pd.DataFrame, shape: tuple[int, int]) -> np.ndarray:
    """Labels that count: in the range of sizes, whole, trusted."""
    from ..match import cut_by_border

    x, y, d = (labels[c].to_numpy(float) for c in ("x_px", "y_px", "diameter_px"))
    return ~cut_by_border(x, y, d, shape) & (d >= SIZES_PX[0]) & (d < SIZES_PX[1]) & ~labels["ignore"].to_numpy(bool)


def _pooled(images: Sequence[Detections], method: str) -> pd.DataFrame:
    """Counted detections of all images, best first: score, hit, tile."""
    from ..match import match

    parts = [pd.DataFrame({"score": np.zeros(0), "hit": np.zeros(0, bool), "tile": np.zeros(0, int)})]
    first = 0
    for image in images:
        found, counts = image.found[method], _counts(image.labels, image.shape)
        label, _, _ = match(found, image.labels)
        x, y, d, score = (found[c].to_numpy(float) for c in ("x_px", "y_px", "diameter_px", "score"))
        hit = (label >= 0) & np.append(counts, False)[label]
        counted = hit | ((label < 0) & (d >= SIZES_PX[0]) & (d < SIZES_PX[1]))
        across, down = (-(-n // _TILE) for n in (image.shape[1], image.shape[0]))
        column, row = (np.clip(v // _TILE, 0, n - 1).astype(int) for v, n in ((x, across), (y, down)))
        table = pd.DataFrame({"score": score, "hit": hit, "tile": first + row * across + column})
        parts.append(table[counted])
        first += across * down
    return pd.concat(parts, ignore_index=True).sort_values("score", ascending=False, kind="stable", ignore_index=True)


def unmatched(images: Sequence[Detections], threshold: float) -> list[dict[str, Any]]:
    """Detections without a label for each one with a label, against the true image.

    Returns
    -------
    list of dict
        set, method, matched, unmatched, per_matched, above_truth (per_matched over that of the true image, less 1);
        labels of ten fine pixels and more, at `threshold`.
    """
    from ..match import pool, scores

    rows: list[dict[str, Any]] = []
    for name in dict.fromkeys(i.set for i in images):
        part = [i for i in images if i.set == name]
        ratio: dict[str, float] = {}
        for method in part[0].found:
            each = []
            for i in part:
                found = i.found[method]
                found = found[found.score >= threshold]
                each.append(scores(found, i.labels, min_diameter_px=_MIN_DIAMETER_PX, shape=i.shape))
            s = pool(each)
            ratio[method] = s.fp / s.tp if s.tp else float("nan")
            above = ratio[method] / ratio[TRUTH] - 1 if ratio[TRUTH] else float("nan")
            rows.append(
                {"set": name, "method": method, "matched": s.tp, "unmatched": s.fp}
                | {"per_matched": round(ratio[method], 4), "above_truth": round(above, 4)}
            )
    return rows

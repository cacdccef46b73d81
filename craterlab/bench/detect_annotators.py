"""Each human annotator of `mc11e` against the consensus of the others, and the detector against the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import CraterlabError
from ..match import Scores, circle_iou, pool, scores
from .detect_metrics import MIN_DIAMETER_PX
from .detect_outcomes import Finder
from .sets import image_paths

SET = "mc11e"
AGREED = 3  # of the other five
# With this cut the clusters of all six annotators are those that the set was published with: of the labels of three
# annotators or more, all are among them on the train tiles, and no others (F1 1.000 at circle IoU 0.5, D >= 10 px).
_SAME_IOU = 0.2
_COLUMNS = ["x_px", "y_px", "diameter_px"]


def consensus(marks: pd.DataFrame) -> pd.DataFrame:
    """Craters that several annotators of one image marked, as one circle each.

    Parameters
    ----------
    marks : DataFrame
        x_px, y_px, diameter_px, annotator; one row a mark.

    Returns
    -------
    DataFrame
        x_px, y_px, diameter_px (means of the cluster) and confidence: how many annotators are in it.

    Notes
    -----
    Average-linkage clustering of the distance 1 - IoU (Sokal & Michener 1958), cut at a mean IoU of 0.2. An
    annotator who marked one crater twice counts once.
    """
    cluster = _clusters(*marks[_COLUMNS].to_numpy(float).T)
    groups = marks.groupby(cluster, sort=True)
    return groups[_COLUMNS].mean().assign(confidence=groups.annotator.nunique()).reset_index(drop=True)


def _clusters(x: np.ndarray, y: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Number of the cluster of each circle."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    # Circles that do not overlap even through others are never joined, so each heap is clustered by itself.
    pairs = cKDTree(np.c_[x, y]).query_pairs(d.max(initial=1.0), output_type="ndarray")
    i, j = pairs.T
    pairs = pairs[circle_iou(x[i], y[i], d[i], x[j], y[j], d[j]) > 0]
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(x), len(x)))
    heaps, heap = connected_components(graph, directed=False)
    cluster = np.zeros(len(x), int)
    first = 0
    for h in range(heaps):
        own = np.flatnonzero(heap == h)
        if len(own) > 1:
            i, j = np.triu_indices(len(own), 1)
            i, j = own[i], own[j]
            tree = linkage(1 - circle_iou(x[i], y[i], d[i], x[j], y[j], d[j]), "average")
            cluster[own] = first + fcluster(tree, 1 - _SAME_IOU, "distance")
        else:
            cluster[own] = first + 1
        first = cluster[own].max()
    return cluster


def annotators(data: Path, split: str, find: Finder, threshold: float, *, progress: bool = True) -> dict[str, Any]:
    """F1 of humans and detector against the same kind of consensus, D >= 10 px.

    Parameters
    ----------
    data : Path
        Folder that holds `mc11e`.
    split : str
    find : callable
        From the path of an image to its crater table and its shape (rows, columns).
    threshold : float
        Least score of a detection.

    Returns
    -------
    dict
        `annotators`: rows of annotator, images, labels, precision, recall, f1, f1_strict, centre_error and
        diameter_error (medians), each pooled over the images that the annotator marked; `median`: f1 and f1_strict over
        the annotators; `model`: the detector's row, pooled over all the consensuses, every annotator left out in turn;
        `cases` of an image and an annotator, and `model_ahead`: in how many the detector's F1 against that consensus is
        the higher one.

    Raises
    ------
    CraterlabError
        The set has no `raw.parquet` with the marks of each annotator.

    Notes
    -----
    A consensus is what at least three of the five others marked (``consensus``). Marks of fewer count neither way, as
    in the table of the sets; in `f1_strict` there is no crater where they are.
    """
    from ..progress import progress_bar

    file = data / SET / "raw.parquet"
    if not file.exists():
        raise CraterlabError(
            f"no marks by annotator in {file}; leave `annotators` out of --parts, or get the whole set"
        )
    raw = pd.read_parquet(file)
    humans: dict[str, list[tuple[Scores, Scores]]] = {}
    model: list[tuple[Scores, Scores]] = []
    ahead = 0
    paths = image_paths(data / SET, split)
    for path in progress_bar(paths, show=progress, desc="annotators"):
        found, shape = find(path)
        found = found[found.score >= threshold]
        marks = raw[raw.image == path.relative_to(data / SET).as_posix()]
        for name in sorted(marks.annotator.unique()):
            others = consensus(marks[marks.annotator != name])
            human = _both(marks[marks.annotator == name], others, shape)
            machine = _both(found, others, shape)
            humans.setdefault(name, []).append(human)
            model.append(machine)
            ahead += machine[0].f1 > human[0].f1
    rows = [{"annotator": name, "images": len(parts)} | _row(parts) for name, parts in humans.items()]
    return {
        "annotators": rows,
        "median": {k: round(float(np.nanmedian([r[k] for r in rows])), 4) for k in ("f1", "f1_strict")},
        "model": {"images": len(paths)} | _row(model),
        "cases": len(model),
        "model_ahead": ahead,
    }


def _both(found: pd.DataFrame, others: pd.DataFrame, shape: tuple[int, int]) -> tuple[Scores, Scores]:
    """Scores with doubtful marks ignored, and without them."""
    agreed = others.confidence >= AGREED
    loose = scores(found, others, min_diameter_px=MIN_DIAMETER_PX, shape=shape, ignore=~agreed)
    return loose, scores(found, others[agreed], min_diameter_px=MIN_DIAMETER_PX, shape=shape)


def _row(parts: list[tuple[Scores, Scores]]) -> dict[str, Any]:
    loose, strict = (pool(p) for p in zip(*parts, strict=True))
    figures = {"precision": loose.precision, "recall": loose.recall, "f1": loose.f1, "f1_strict": strict.f1}
    figures |= {"centre_error": loose.centre_error, "diameter_error": loose.diameter_error}
    return {"labels": loose.tp + loose.fn} | {k: round(v, 4) for k, v in figures.items()}

"""What became of every detection and every label of a set: the one table that all figures of the bench are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..match import cut_by_border, match

FLOOR = 0.02  # least score that is asked of the detector; average precision runs down to it
FEW_IMAGES = 6  # below this, images are too few to resample
BLOCK_PX = 250
# From the path of an image to its crater table, with `score`, and its shape (rows, columns).
Finder = Callable[[Path], tuple[pd.DataFrame, tuple[int, int]]]
_COLUMNS = ("x_px", "y_px", "diameter_px")


@dataclass(frozen=True)
class Outcomes:
    """Detections matched with labels.

    Attributes
    ----------
    table : DataFrame
        One row a pair, a detection without a label, or a label without a detection: `score`, `found_x_px`,
        `found_y_px`, `found_diameter_px`, `diameter_std_px`, `position_std_px` (NaN without a detection), `label_x_px`,
        `label_y_px`, `label_diameter_px` (NaN without a label), `ignore` (the label counts neither way), `cut` (it
        reaches over the border), `ghost`, `unit`, and `image` (0 for the first of the set).
    units : int
        How many independent pieces the set was cut into for resampling.
    unit : str
        What they are: "image", or "block" of 250 px where there are fewer than six images.
    images : int
    mpx : float
        Area, millions of pixels.
    """

    table: pd.DataFrame
    units: int
    unit: str
    images: int
    mpx: float


def outcomes(images: Iterable[tuple[pd.DataFrame, pd.DataFrame, tuple[int, int]]]) -> Outcomes:
    """Match the detections of each image with its labels.

    Parameters
    ----------
    images : iterable of (found, labels, shape)
        Crater tables in pixels of the image, `found` with `score`; `labels` may have `ignore` and `ghost`; (rows,
        columns).

    Returns
    -------
    Outcomes

    Notes
    -----
    Matching goes in order of score, so the pairs above any threshold are those that detections above it alone would
    make: one table serves all thresholds. A pair belongs to the unit of its label.
    """
    parts = [(joined(found, labels, shape), shape) for found, labels, shape in images]
    blocks = len(parts) < FEW_IMAGES
    units, tables = 0, []
    for image, (table, (rows, columns)) in enumerate(parts):
        across, down = (-(-n // BLOCK_PX) if blocks else 1 for n in (columns, rows))
        x = table.label_x_px.fillna(table.found_x_px).to_numpy()
        y = table.label_y_px.fillna(table.found_y_px).to_numpy()
        column = np.clip(x * across / columns, 0, across - 1).astype(int)
        row = np.clip(y * down / rows, 0, down - 1).astype(int)
        tables.append(table.assign(unit=units + row * across + column, image=image))
        units += across * down
    whole = pd.concat(tables, ignore_index=True)
    mpx = sum(rows * columns for _, (rows, columns) in parts) / 1e6
    return Outcomes(whole, units, "block" if blocks else "image", len(parts), mpx)


def joined(found: pd.DataFrame, labels: pd.DataFrame, shape: tuple[int, int]) -> pd.DataFrame:
    """Detections and labels of one image side by side: the columns of ``Outcomes.table`` but `unit` and `image`."""
    label, _, _ = match(found, labels)
    missed = np.setdiff1d(np.arange(len(labels)), label)
    left = np.r_[np.arange(len(found)), np.full(len(missed), -1)]
    right = np.r_[label, missed]
    out = {}
    for name in ("score", *_COLUMNS, "diameter_std_px", "position_std_px"):
        column = name if name.endswith("score") or name.endswith("std_px") else f"found_{name}"
        out[column] = _taken(found, name, left, np.nan)
    for name in _COLUMNS:
        out[f"label_{name}"] = _taken(labels, name, right, np.nan)
    for name in ("ignore", "ghost"):
        out[name] = _taken(labels, name, right, False)
    out["cut"] = cut_by_border(out["label_x_px"], out["label_y_px"], out["label_diameter_px"], shape)
    return pd.DataFrame(out)


def _taken(table: pd.DataFrame, name: str, index: np.ndarray, missing: float | bool) -> np.ndarray:
    """Column `name` at the rows `index`; `missing` where the index is -1 or there is no such column."""
    values = table[name].to_numpy() if name in table else np.full(len(table), missing)
    return np.append(values.astype(type(missing)), missing)[index]


def counted(
    table: pd.DataFrame, threshold: float, low: float, high: float = np.inf
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that are a hit, a false alarm, or a miss, for craters of `low` to `high` pixels.

    Parameters
    ----------
    table : DataFrame
        Of ``Outcomes``.
    threshold : float
        Least score.
    low, high : float
        Diameters, `high` excluded: of the label where there is one, else of the detection.

    Returns
    -------
    hit, false, miss : ndarray of bool, shape (len(table),)
        What is none of them counts neither way.
    """
    label, found = table.label_diameter_px.to_numpy(), table.found_diameter_px.to_numpy()
    kept = table.score.to_numpy() >= threshold
    trusted = ~(table.ignore | table.cut).to_numpy() & (label >= low) & (label < high)
    false = kept & np.isnan(label) & (found >= low) & (found < high)
    return trusted & kept, false, trusted & ~kept

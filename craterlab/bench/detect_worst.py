"""The worst of each set to look at: false alarms that the detector is surest of, and the largest craters it misses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .detect_metrics import MIN_DIAMETER_PX
from .detect_outcomes import Outcomes, counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 10
HALF_WIDTH = 2.5  # of a chip, in radii of its circle
LEAST_HALF_PX = 20.0
_LABEL, _FOUND = "#56B4E9", "#E69F00"  # Okabe and Ito's, which the colour-blind tell apart


def worst(outcomes: Outcomes, threshold: float, *, complete: bool = True) -> pd.DataFrame:
    """The false alarms of highest score, then the missed labels of largest diameter, ten of each at most.

    Parameters
    ----------
    outcomes : Outcomes
    threshold : float
        Least score of a detection.
    complete : bool
        Whether every crater is labelled; where not, a detection without a label may be right and is none of them.

    Returns
    -------
    DataFrame
        `kind` ("false" or "missed"), `image` (its number in the set), `x_px`, `y_px`, `diameter_px`, and `score` (of a
        miss: that of a detection below the threshold on it, NaN where there is none). D >= 10 px; labels that count
        neither way are not missed.
    """
    _, false, miss = counted(outcomes.table, threshold, MIN_DIAMETER_PX)
    parts = []
    for kind, rows, source, by in (
        ("false", false & complete, "found", "score"),
        ("missed", miss, "label", "label_diameter_px"),
    ):
        t = outcomes.table[rows].sort_values(by, ascending=False, kind="stable").head(MOST)
        place = {c: t[f"{source}_{c}"] for c in ("x_px", "y_px", "diameter_px")}
        parts.append(pd.DataFrame({"kind": kind, "image": t.image} | place | {"score": t.score}))
    return pd.concat(parts, ignore_index=True)


def worst_figure(sets: Mapping[str, tuple[Outcomes, list[Path]]], threshold: float) -> Figure:
    """A sheet of chips: for each set a row of false alarms and a row of misses, the worst to the left.

    Parameters
    ----------
    sets : mapping
        By name of the set: what became of its detections and labels, and the files of its images.
    threshold : float
        Least score of a detection.

    Returns
    -------
    Figure
        Each chip is 2.5 radii of its circle to either side. Solid: the false alarm, or the crater missed; dashed: what
        else is labelled (blue) and found (orange) there. Sets whose labels are sparse have no row of false alarms.
    """
    from matplotlib.figure import Figure

    from .detect import SETS

    rows = []
    for name, (outcomes, paths) in sets.items():
        complete = SETS[name][1] <= MIN_DIAMETER_PX
        chosen = worst(outcomes, threshold, complete=complete)
        kinds = ["false", "missed"] if complete else ["missed"]
        rows += [(name, kind, chosen[chosen.kind == kind], outcomes.table, paths) for kind in kinds]
    figure = Figure(figsize=(1.7 * MOST, 2.0 * max(len(rows), 1) + 0.5), layout="constrained")
    axes = figure.subplots(max(len(rows), 1), MOST, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    says = {"false": "false alarms, surest first", "missed": "missed, largest first"}
    for line, (name, kind, chosen, table, paths) in zip(axes, rows, strict=False):
        for ax, subject in zip(line, chosen.itertuples(), strict=False):
            _chip(ax, paths[subject.image], subject, table[table.image == subject.image], threshold)
        heading = f"{name}: {says[kind] if len(chosen) else 'no ' + says[kind].split(',')[0]}"
        line[0].set_title(f"{heading}\n{line[0].get_title('left')}", fontsize=6.5, loc="left")
    figure.suptitle(
        f"threshold {threshold:g}; solid: false alarm (orange), missed label (blue); dashed: others found, labelled",
        fontsize=9,
    )
    return figure


def _chip(ax: Axes, path: Path, subject: pd.Series, table: pd.DataFrame, threshold: float) -> None:
    """The image around one circle, with what else is found and labelled there."""
    from matplotlib.patches import Circle

    from ..scene import open_scene

    image = open_scene(path)["image"].transpose("y", "x")
    x, y, d = subject.x_px, subject.y_px, subject.diameter_px
    half = max(HALF_WIDTH * d / 2, LEAST_HALF_PX)
    (r0, r1), (c0, c1) = (
        (max(int(v - half), 0), min(int(np.ceil(v + half)), n)) for v, n in zip((y, x), image.shape, strict=True)
    )
    part = np.asarray(image[r0:r1, c0:c1].values, np.float32)
    low, high = np.nanpercentile(part, [1, 99]) if np.isfinite(part).any() else (0.0, 1.0)
    ax.imshow(part, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), extent=(c0, c1, r1, r0))
    others = {
        _LABEL: table[table.label_x_px.notna()][["label_x_px", "label_y_px", "label_diameter_px"]],
        _FOUND: table[table.score >= threshold][["found_x_px", "found_y_px", "found_diameter_px"]],
    }
    for colour, circles in others.items():
        for cx, cy, cd in circles.to_numpy(float):
            if abs(cx - x) < half + cd / 2 and abs(cy - y) < half + cd / 2 and (cx, cy, cd) != (x, y, d):
                ax.add_patch(Circle((cx, cy), cd / 2, fill=False, ec=colour, lw=0.7, ls="--"))
    colour = _FOUND if subject.kind == "false" else _LABEL
    ax.add_patch(Circle((x, y), d / 2, fill=False, ec=colour, lw=1.4))
    ax.set_xlim(x - half, x + half)
    ax.set_ylim(y + half, y - half)
    score = f", {subject.score:.2f}" if np.isfinite(subject.score) else ""
    ax.set_title(f"{path.stem[:18]}\n{x:.0f}, {y:.0f}, D {d:.0f} px{score}", fontsize=5.5, loc="left")

"""Detection probability drawn against diameter."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .result import EROSION_EDGES, Completeness

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#1b7837", "#7fbf7b", "#d8a13a", "#b2561f")
_NAMES = ("fresh", "worn", "much worn", "ghostly")


def plot(c: Completeness, ax: Axes | None = None) -> Axes:
    """Points with 1-sigma intervals of each bin, the smooth curve with its band, and a curve for each class of erosion.

    Parameters
    ----------
    c : Completeness
    ax : Axes, optional
        Default: a new figure.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
    unit = 1.0 if c.unit == "px" else c.scale_m
    edges = c.edges_px * unit
    km = c.unit == "m" and edges[-1] >= 2000
    factor = 1e-3 if km else 1.0
    d = np.geomspace(edges[0], edges[-1], 200)[1:-1]
    for k, (low, high) in enumerate(pairwise(EROSION_EDGES)):
        inside = (max(low, c.erosion_range[0]), min(high, c.erosion_range[1]))
        if inside[1] - inside[0] > 0.05:
            label = f"{_NAMES[k]}: {inside[0]:.0%}-{inside[1]:.0%} of the depth lost"
            ax.plot(d * factor, c.probability(d, sum(inside) / 2), color=_COLOURS[k], lw=1.1, label=label)
    ax.fill_between(d * factor, *c.band(d), color="0.2", alpha=0.2, lw=0)
    ax.plot(d * factor, c.probability(d), color="0.1", lw=2, label="all that were injected")
    full = c.n > 0
    p = c.detected[full] / c.n[full]
    error = np.abs(np.array([p - c.lo[full], c.hi[full] - p]))
    at = np.sqrt(edges[1:] * edges[:-1])[full] * factor
    ax.errorbar(at, p, error, fmt="o", ms=4, color="0.1", lw=1)
    ax.set_xscale("log")
    ax.set_ylim(0, 1.02)
    ax.set_xlim(edges[0] * factor, edges[-1] * factor)
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(f"Diameter ({'km' if km else c.unit})")
    ax.set_ylabel("Probability of detection")
    ax.grid(alpha=0.25, lw=0.5)
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.14), ncols=2)
    title = f"{c.model}, {len(c.score)} craters injected"
    ax.set_title(title, fontsize=10)
    return ax

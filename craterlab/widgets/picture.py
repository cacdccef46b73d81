"""The static picture of a view of rasters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .pyramid import halved

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase
    from numpy.typing import NDArray

    from .pyramid import Pyramid

_NODATA = "#a6c8ff"
_MOST_CIRCLES = 5000


def draw_view(
    figure: FigureBase,
    widget: Any,
    pyramids: dict[str, Pyramid],
    limits: dict[str, tuple[float, float]],
    circles: NDArray[np.float32],
    divider: float,
) -> None:
    """The whole image, the first layer left of the divider and the second right of it, with circles over both.

    Parameters
    ----------
    figure : matplotlib Figure or SubFigure
    widget : Swipe or Editor
        For its layers and the size of its grid.
    pyramids, limits : dict
        By name of the layer.
    circles : ndarray, shape (n, 5)
        x, y, width, height (px) and angle (degrees).
    divider : float
        Share of the width.
    """
    from matplotlib import colormaps
    from matplotlib.collections import EllipseCollection

    ax = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    rows, cols = widget.rows, widget.cols
    layers = {each["name"]: each for each in widget.layers}
    ax.set_facecolor(_NODATA)
    split = cols * divider if "b" in layers else cols
    for name, clip in (("a", (0, split)), ("b", (split, cols))):
        if name not in layers:
            continue
        layer, small = layers[name], pyramids[name].overview
        sx, sy, ox, oy = layer["place"]
        lo, hi = limits[name] if np.isfinite(limits[name][0]) else (0.0, 1.0)
        step = max(1, max(small.shape) // 560)
        small = halved(small, step)
        wide, high = (side * step * pyramids[name].side for side in small.shape[::-1])
        shown = ax.imshow(
            small,
            cmap=colormaps["gray"].with_extremes(bad=_NODATA),
            vmin=lo,
            vmax=hi,
            extent=(ox, ox + sx * wide, oy + sy * high, oy),
            interpolation="nearest",
        )
        shown.set_clip_path(_rectangle(ax, clip, rows))
        if layer["label"]:
            left = name == "a"
            ax.text(
                0.01 if left else 0.99, 0.985, layer["label"], transform=ax.transAxes, color="white", va="top",
                ha="left" if left else "right", fontsize=9, bbox={"color": "black", "alpha": 0.7, "pad": 2},
            )  # fmt: skip
    if "b" in layers:
        ax.axvline(split, color="white", lw=1.5)
    largest = circles[np.argsort(-circles[:, 2])][:_MOST_CIRCLES]
    for width, colour in ((2.0, "black"), (1.0, "#ffb000")):
        ax.add_collection(
            EllipseCollection(
                largest[:, 2], largest[:, 3], largest[:, 4], units="xy", offsets=largest[:, :2],
                transOffset=ax.transData, facecolors="none", edgecolors=colour, linewidths=width,
            ),
            autolim=False,
        )  # fmt: skip
    ax.set(xlim=(0, cols), ylim=(rows, 0), xticks=[], yticks=[], aspect="equal")


def _rectangle(ax: Axes, clip: tuple[float, float], rows: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((clip[0], 0), clip[1] - clip[0], rows, transform=ax.transData)

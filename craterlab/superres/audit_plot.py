"""The figure of an audit."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .audit import Audit, View

_MAX_PX = 1000  # more than a panel shows


def plot(a: Audit, view: View) -> Figure:
    """See `Audit.plot`."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, 3, figsize=(13, 8.6), layout="constrained")
    rows, cols = view.observation.shape
    part = (view.col, view.col + cols, view.row + rows, view.row)
    finite = view.observation[np.isfinite(view.observation)]
    grey = {"cmap": "gray", "extent": part, "interpolation": "nearest"}
    if finite.size:
        grey["vmin"], grey["vmax"] = np.percentile(finite, (0.5, 99.5))
    for ax, image, name in zip(
        panels[0], (view.observation, view.result), ("observation", f"{a.method}, factor {a.factor}"), strict=False
    ):
        ax.imshow(image, **grey)
        ax.set_title(f"{name} (part around the largest local chi²)", fontsize=9)

    _whole(figure, panels[0, 2], view.residual, "residual (noise sigmas)", view, part, cmap="RdBu_r", symmetric=True)
    _whole(figure, panels[1, 0], a.chi2_map.values, "local reduced chi² (white: 1)", view, part, cmap="PuOr_r")
    _spectra(panels[1, 1], view)
    _words(panels[1, 2], a)
    for ax in (*panels[0], panels[1, 0]):
        ax.set_facecolor("lightsteelblue")
        ax.tick_params(labelsize=8)
        ax.set_xlabel("x (px of the observation)", fontsize=8)
    plt.close(figure)  # shown by who returns it, not a second time by the notebook
    return figure


def _whole(
    figure: Figure,
    ax: Axes,
    values: np.ndarray,
    title: str,
    view: View,
    part: tuple[int, int, int, int],
    *,
    cmap: str,
    symmetric: bool = False,
) -> None:
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Rectangle

    step = max(1, -(-max(values.shape) // _MAX_PX))
    shown = values[::step, ::step]
    if symmetric:
        spread = max(float(np.nanpercentile(np.abs(shown), 99.5)), 1e-12) if np.isfinite(shown).any() else 1.0
        norm: Any = Normalize(-spread, spread)
    else:
        top = max(4.0, float(np.nanmax(values)))
        norm = LogNorm(1.0 / top, top)
    drawn = ax.imshow(
        shown, cmap=cmap, norm=norm, extent=(0, values.shape[1], values.shape[0], 0), interpolation="nearest"
    )
    if view.observation.shape != values.shape:
        ax.add_patch(
            Rectangle((part[0], part[3]), part[1] - part[0], part[2] - part[3], fill=False, color="black", lw=1.0)
        )
    ax.set_title(title, fontsize=9)
    bar = figure.colorbar(drawn, ax=ax, shrink=0.8)
    bar.ax.tick_params(labelsize=8)


def _spectra(ax: Axes, view: View) -> None:
    for name, colour in (("observation", "black"), ("bicubic", "tab:blue"), ("result", "tab:red")):
        power = view.power[name]
        good = np.isfinite(power) & (power > 0)
        ax.loglog(view.frequency[good], power[good], color=colour, lw=1.4, label=name)
    both = np.concatenate([view.power[name] for name in ("observation", "result")])
    both = both[np.isfinite(both) & (both > 0)]
    ax.loglog(view.frequency, view.law, color="grey", lw=1.0, ls="--", label="fitted power law")
    ax.axvline(0.5, color="grey", lw=0.8, ls=":")
    ax.annotate(
        "Nyquist", (0.5, 0.98), xycoords=("data", "axes fraction"), fontsize=7, ha="right", va="top", rotation=90
    )
    if both.size:
        ax.set_ylim(both.min() / 3, both.max() * 3)
    ax.set_title("radial power spectra", fontsize=9)
    ax.set_xlabel("cycles per input pixel", fontsize=8)
    ax.tick_params(labelsize=8)
    ax.legend(fontsize=8, loc="lower left")


def _words(ax: Axes, a: Audit) -> None:
    from .verdict import findings

    ax.set_axis_off()
    y = 1.0
    title = f"{a.method}, factor {a.factor}, {a.instrument}: {'ok' if a.ok else 'not ok'}"
    ax.text(0, y, title, fontsize=10, weight="bold", va="top", transform=ax.transAxes)
    y -= 0.09
    for f in findings(a):
        lines = textwrap.wrap(f.text, 62)
        ax.text(
            0,
            y,
            "\n".join(lines),
            fontsize=8.5,
            va="top",
            color="black" if f.ok else "firebrick",
            transform=ax.transAxes,
        )
        y -= 0.042 * len(lines) + 0.03

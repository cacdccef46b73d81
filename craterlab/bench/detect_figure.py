"""The figure of `craterlab bench detect`, drawn from its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = ("8-10", "10-20", "20-50", ">50")


def figure(result: dict[str, Any]) -> Figure:
    """Precision against recall, F1 by diameter, reliability, and heat maps of the sweeps: a panel for each that is
    there.

    Parameters
    ----------
    result : dict
        As `bench_detect` gives it, or as read back from its JSON.

    Returns
    -------
    Figure
    """
    import matplotlib.pyplot as plt

    rows = result.get("sets", {}) | ({"simulated": result["simulated"]} if "simulated" in result else {})
    panels: list[Callable[[Figure, Axes], None]] = []
    if rows:
        panels += [lambda f, ax: _curves(ax, result, rows), lambda f, ax: _by_bin(ax, rows)]
    if result.get("calibration"):
        panels.append(lambda f, ax: _reliability(ax, result["calibration"]))
    if "sweeps" in result:
        part = result["sweeps"]
        panels.append(lambda f, ax: _heat(f, ax, part["sun"], "azimuth", "sun azimuth (°)"))
        panels.append(lambda f, ax: _heat(f, ax, part["instrument"], "instrument", ""))
        panels.append(lambda f, ax: _worse(ax, part))
    if result.get("annotators"):
        panels.append(lambda f, ax: _humans(ax, result["annotators"]))
    across = min(3, max(len(panels), 1))
    down = max(1, -(-len(panels) // across))
    made, axes = plt.subplots(down, across, figsize=(5.4 * across, 4.6 * down), layout="constrained", squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for panel, ax in zip(panels, axes.flat, strict=False):
        panel(made, ax)
    made.suptitle(
        f"{result['model']} ({result['weights_sha256'][:8]}), {result['split']}, threshold {result['threshold']:g}"
    )
    plt.close(made)  # shown by who returns it, not a second time by the notebook
    return made


def _colour(i: int) -> str:
    return f"C{i % 10}"


def _curves(ax: Axes, result: dict[str, Any], rows: dict[str, Any]) -> None:
    for i, (name, row) in enumerate(rows.items()):
        if row["curve"]:
            _, precision, recall = np.array(row["curve"]).T
            ax.plot(recall, precision, color=_colour(i), label=f"{name} (AP {row['ap'] or 0:.2f})")
            ax.plot(row["recall"], row["precision"], "o", color=_colour(i))
        elif row["recall"] is not None:
            ax.axvline(row["recall"], color=_colour(i), ls=":", label=f"{name} (sparse labels: recall alone)")
    for method, marker in (("hough", "x"), ("alt", "+")):
        for i, name in enumerate(rows):
            base = result.get("baselines", {}).get(method, {}).get(name)
            if base and base["precision"] is not None:
                ax.plot(base["recall"], base["precision"], marker, color=_colour(i), ls="")
    ax.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    ax.set_title("D ≥ 10 px; dot: at the threshold; x, +: Hough", fontsize=10)
    # Below the panel: the baselines lie in the one corner that the curves leave free.
    ax.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)


def _by_bin(ax: Axes, rows: dict[str, Any]) -> None:
    for i, (name, row) in enumerate(rows.items()):
        figures = [row["bins"][b] for b in _BINS]
        kind = "f1" if row["complete"] else "recall"
        value = np.array([np.nan if f[kind] is None else f[kind] for f in figures])
        span = np.array([f["intervals"].get(kind, [np.nan, np.nan]) for f in figures])
        # Too few craters to resample: the bar would not show what is not known.
        place = np.arange(len(_BINS)) + 0.07 * (i - len(rows) / 2)
        error = np.abs(span.T - value)
        style = "o" if row["complete"] else "s"
        label = name if row["complete"] else f"{name} (recall)"
        ax.errorbar(place, value, error, fmt=style, color=_colour(i), ms=4, lw=1, label=label)
    ax.set(xticks=range(len(_BINS)), xticklabels=_BINS, xlabel="diameter (px)", ylabel="F1", ylim=(0, 1))
    ax.set_title("F1 by diameter, 90 % intervals", fontsize=10)
    ax.legend(fontsize=7, loc="lower right")


def _reliability(ax: Axes, groups: dict[str, Any]) -> None:
    ax.plot([0, 1], [0, 1], color="grey", ls="--", lw=1)
    for i, (name, group) in enumerate(groups.items()):
        if group["bins"]:
            score, share, _ = np.array(group["bins"]).T
            strong: dict[str, Any] = {"color": "black", "lw": 2} if name == "all" else {"color": _colour(i), "lw": 1}
            ax.plot(score, share, "o-", ms=3, label=f"{name} (ECE {group['ece']:.3f})", **strong)
    ax.set(xlabel="score", ylabel="share with a label", xlim=(0, 1), ylim=(0, 1))
    ax.set_title("reliability, D ≥ 10 px", fontsize=10)
    ax.legend(fontsize=7, loc="upper left")


def _heat(made: Figure, ax: Axes, cells: list[dict[str, Any]], varied: str, label: str) -> None:
    """Recall by incidence and `varied`."""
    across = list(dict.fromkeys(c["incidence"] for c in cells))
    down = list(dict.fromkeys(c[varied] for c in cells))
    value = np.full((len(down), len(across)), np.nan)
    for c in cells:
        value[down.index(c[varied]), across.index(c["incidence"])] = c["recall"]
    drawn = ax.imshow(value, vmin=0, vmax=1, cmap="viridis", aspect="auto")
    for (i, j), v in np.ndenumerate(value):
        ax.text(j, i, f"{v:.2f}", ha="center", va="center", fontsize=7, color="white" if v < 0.6 else "black")
    ax.set(xticks=range(len(across)), xticklabels=across, yticks=range(len(down)), yticklabels=down)
    ax.set(xlabel="incidence (°)", ylabel=label)
    ax.tick_params(labelsize=8)
    ax.set_title(f"recall by incidence and {varied}, one ground", fontsize=10)
    made.colorbar(drawn, ax=ax, shrink=0.8)


def _worse(ax: Axes, part: dict[str, Any]) -> None:
    """Recall by incidence under haze and hard stretch."""
    plain = [c for c in part["instrument"] if c["instrument"] == "generic"]
    ax.plot([c["incidence"] for c in plain], [c["recall"] for c in plain], color="black", lw=2, label="neither")
    for name, style in (("haze", "-"), ("stretch", "--")):
        for i, value in enumerate(dict.fromkeys(c[name] for c in part[name])):
            cells = [c for c in part[name] if c[name] == value]
            x, y = [c["incidence"] for c in cells], [c["recall"] for c in cells]
            ax.plot(x, y, style, color=_colour(i), label=f"{name} {value:g}")
    ax.set(xlabel="incidence (°)", ylabel="recall", ylim=(0, 1))
    ax.set_title("haze over mean light; share stretched to black, to white", fontsize=9)
    ax.legend(fontsize=7, loc="lower left", ncols=2)


def _humans(ax: Axes, part: dict[str, Any]) -> None:
    """F1 of each annotator, the median, and the detector, on the same kind of consensus."""
    rows = sorted(part["annotators"], key=lambda r: r["f1"])
    ax.barh(range(len(rows)), [r["f1"] for r in rows], color="lightsteelblue")
    ax.set_yticks(range(len(rows)), [r["annotator"] for r in rows])
    ax.axvline(part["median"]["f1"], color="black", ls="--", label=f"median annotator {part['median']['f1']:.3f}")
    ax.axvline(part["model"]["f1"], color="C3", label=f"detector {part['model']['f1']:.3f}")
    ax.set(xlabel="F1 against the consensus of the five others", xlim=(0, 1))
    ax.set_title("mc11e: annotators", fontsize=10)
    ax.legend(fontsize=8, loc="lower left")

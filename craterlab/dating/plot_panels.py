"""Plots beside the size-frequency plot: the bar of epochs, ages on their chronology, their uncertainty, randomness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.errors import CraterlabError

from . import plot_parts as parts
from .curves import System
from .functions import epochs as epochs_of
from .functions import system as find_system
from .poisson import quantiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .randomness import Randomness
    from .result import Age

_MEASURES = {"m2cnd": "2nd neighbour", "sdaa": "adjacent area"}
_OLDEST_GA = 4.5


def plot_chronology(
    ages: Age | Sequence[Age] = (),
    ax: Axes | None = None,
    *,
    system: str | System | None = None,
    labels: Sequence[str] = (),
) -> Axes:
    """Draw N(1) against age: the chronology function, and where the measured densities meet it.

    Parameters
    ----------
    ages : Age or sequence of Age
    ax : matplotlib Axes, optional
        Default: a new figure.
    system : str or System, optional
        Default: that of the first age.
    labels : sequence of str
        Names of the ages; default their text.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    CraterlabError
        Neither ages nor a system, or an unknown system.
    """
    from .plot_recipes import remember

    ages = tuple(ages) if isinstance(ages, Sequence) else (ages,)
    if not ages and system is None:
        raise CraterlabError("nothing to draw: pass ages or system='Mars, Neukum-Ivanov (2001)' (or another)")
    s = find_system(system or ages[0].system)
    ax = _axes(ax, (6.4, 4.4))
    t = np.linspace(0.002, _OLDEST_GA, 800)
    _bands(ax, s)
    ax.plot(t, s.chronology.n1(t), color="black", lw=1.3, zorder=3)
    for number, a in enumerate(ages):
        colour = parts.take_colour(ax)
        text = labels[number] if number < len(labels) else parts.age_text(a)
        x, y = (a.hi_ga, a.n1_hi) if a.upper_limit else (a.age_ga, a.n1_per_km2)
        bars: dict[str, Any] = {"xuplims": True, "uplims": True, "xerr": 0.3 * x, "yerr": 0.4 * y}
        if not a.upper_limit:
            bars = {"xerr": [[x - a.lo_ga], [a.hi_ga - x]], "yerr": [[y - a.n1_lo], [a.n1_hi - y]]}
        ax.errorbar([x], [y], fmt="o", ms=5, color=colour, mfc="white", mew=1.3, lw=1.3, zorder=4, label=text, **bars)
        ax.plot([x, x, 0], [1e-12, y, y], color=colour, lw=0.7, ls=":", zorder=2)
    ax.set_yscale("log")
    low = min([float(s.chronology.n1(0.02)), *(a.n1_lo for a in ages if not a.upper_limit)])
    ax.set_ylim(parts.decades(low, float(s.chronology.n1(4.2))))
    ax.set_xlim(_OLDEST_GA, 0)
    ax.set_xlabel("Age [Ga]")
    ax.set_ylabel(r"Crater density $N(\geq 1$ km$)$ [km$^{-2}$]")
    ax.set_title(s.name, fontsize=9, loc="left", color="0.3")
    ax.tick_params(which="both", direction="in", top=True, right=True)
    if ages:
        ax.legend(loc="upper right", fontsize=8.5, framealpha=0.9, edgecolor="0.85", fancybox=False)
    remember(ax, "chronology", ages=ages, system=s, labels=tuple(labels))
    return ax


def plot_age(
    ages: Age | Sequence[Age], ax: Axes | None = None, *, system: System | None = None, labels: Sequence[str] = ()
) -> Axes:
    """Draw the uncertainty of ages: the posterior of each, with its median and 1-sigma bounds.

    Parameters
    ----------
    ages : Age or sequence of Age
        Poisson ages are drawn as their posterior, others as median and bounds alone.
    ax : matplotlib Axes, optional
    system : System, optional
        For ages by a system of your own, which cannot be found by name.
    labels : sequence of str

    Returns
    -------
    matplotlib Axes
        Each posterior has a height of 1 in its row.
    """
    from .plot_recipes import remember

    ages = tuple(ages) if isinstance(ages, Sequence) else (ages,)
    if not ages:
        raise CraterlabError("plot_age draws ages; pass at least one")
    ax = _axes(ax, (6.0, 1.1 + 0.75 * len(ages)))
    reach = min(1.15 * max(a.hi_ga for a in ages), _OLDEST_GA)
    for row, a in enumerate(ages):
        colour, base = parts.take_colour(ax), len(ages) - 1 - row
        t, density = posterior(a, parts.system_of(a, system))
        if t.size:
            ax.fill_between(t, base, base + 0.8 * density / density.max(), color=colour, alpha=0.3, lw=0, zorder=2)
            ax.plot(t, base + 0.8 * density / density.max(), color=colour, lw=1.2, zorder=3)
        if not a.upper_limit:
            ax.plot([a.lo_ga, a.hi_ga], [base, base], color=colour, lw=4, solid_capstyle="butt", zorder=4)
            ax.plot([a.age_ga], [base], "o", color=colour, mfc="white", ms=5, zorder=5)
        # On the side that the posterior leaves free; time runs to the left.
        x, side = (0.01, "left") if a.age_ga < reach / 2 else (0.99, "right")
        name = labels[row] if row < len(labels) else a.system
        ax.text(
            x, base + 0.4, f"{name}\n{parts.age_text(a)}", transform=ax.get_yaxis_transform(), fontsize=8, ha=side,
            va="center", zorder=6,
        )  # fmt: skip
    _bands(ax, parts.system_of(ages[0], system))
    ax.set_xlim(reach, 0)
    ax.set_ylim(-0.15, len(ages) + 0.1)
    ax.set_yticks([])
    ax.set_xlabel("Age [Ga]")
    remember(ax, "age", ages=ages, system=system, labels=tuple(labels))
    return ax


def posterior(a: Age, s: System) -> tuple[parts.Floats, parts.Floats]:
    """Ages (Ga) and the density of the posterior there; nothing for an age that is no Poisson age.

    From 400 quantiles of the posterior; where it meets the end of the chronology it stops.
    """
    if not np.isfinite(a.exposure):
        return np.zeros(0), np.zeros(0)
    q = np.concatenate([[0.0005], np.linspace(0.0015, 0.9985, 399), [0.9995]])
    t, _ = quantiles(np.asarray(a.n, float), a.exposure, s, q, a.prior)
    keep = np.append(np.diff(t) > 0, True)
    t, q = t[keep], q[keep]
    if t.size < 5:
        return np.zeros(0), np.zeros(0)
    return (t[1:] + t[:-1]) / 2, np.diff(q) / np.diff(t)


def plot_randomness(tests: Randomness | Sequence[Randomness], ax: Axes | None = None) -> Axes:
    """Draw how clustered craters are by diameter, in standard deviations of random points.

    Parameters
    ----------
    tests : Randomness or sequence of Randomness
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
        Above +3 sigma craters are clustered, below -3 evenly spread; between -1 and 1 (grey) random.
    """
    from .plot_recipes import remember

    tests = tuple(tests) if isinstance(tests, Sequence) else (tests,)
    ax = _axes(ax, (5.6, 2.4))
    parts.diameter_axis(ax)
    _sigmas(ax, tests)
    tested = [test.table.dropna() for test in tests]
    edges = [v for table in tested for v in (*table["lo_km"], *table["hi_km"])]
    ax.set_xlim(parts.decades(min(edges), max(edges)) if edges else (0.01, 100.0))
    remember(ax, "randomness", tests=tests)
    return ax


def randomness_panel(ax: Any, tests: Sequence[Randomness]) -> None:
    """The same below a size-frequency plot, sharing its diameters."""
    panel = ax.inset_axes((0, -0.27, 1, 0.22), sharex=ax)
    panel.tick_params(which="both", direction="in", top=True, right=True)
    panel.set_xlabel(ax.get_xlabel())
    ax.set_xlabel("")
    ax.tick_params(which="both", labelbottom=False)
    panel.grid(which="major", color="0.92", lw=0.6)
    _sigmas(panel, tests)


def _sigmas(ax: Any, tests: Sequence[Randomness]) -> None:
    ax.axhspan(-1, 1, color="0.9", lw=0, zorder=0)
    for level in (-3, 3):
        ax.axhline(level, color="0.6", lw=0.8, ls=(0, (4, 3)), zorder=1)
    top = 4.0
    for number, test in enumerate(tests):
        table = test.table.dropna()
        d = np.sqrt(table["lo_km"] * table["hi_km"])
        ax.plot(
            d, table["n_sigma"], marker=parts.MARKERS[number], ms=4.5, lw=0.9, color=parts.PALETTE[number], zorder=3,
            mfc="white", label=_MEASURES[test.measure],
        )  # fmt: skip
        top = max(top, float(np.abs(table["n_sigma"]).max()) * 1.15) if len(table) else top
    ax.set_ylim(-top, top)
    ax.set_ylabel("clustered [σ]")
    ax.legend(loc="upper right", fontsize=7.5, ncols=2, framealpha=0.9, edgecolor="0.85", fancybox=False)


def epoch_bar(ax: Any, s: System, ages: Sequence[Age], colours: Sequence[str]) -> None:
    """The body's periods above the axes, old to the left, with the ages on them; nothing where it has none."""
    found = parts.periods(epochs_of(s), _OLDEST_GA)
    if not found:
        return
    bar = ax.inset_axes((0, 1.03, 1, 0.06))
    _boxes(bar, found, ax.figure.get_size_inches()[0] - 1.0, y=0.7)
    bar.set_title(s.name, fontsize=9, loc="left", color="0.3")
    for a, colour in zip(ages, colours, strict=True):
        if a.upper_limit:
            bar.annotate("", (0, 0.24), (a.hi_ga, 0.24), arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.6})
            continue
        bar.plot([a.lo_ga, a.hi_ga], [0.24, 0.24], color=colour, lw=2.2, solid_capstyle="butt", zorder=4)
        bar.plot([a.age_ga], [0.24], "D", color=colour, mec="white", mew=0.7, ms=5, zorder=5)
    bar.set_xlim(_OLDEST_GA, 0)
    bar.set_ylim(0, 1)
    bar.set_yticks([])
    bar.xaxis.set_ticks_position("top")
    bar.set_xticks(range(5), [f"{t} Ga" if t == 4 else f"{t}" for t in range(5)])
    bar.tick_params(labelsize=7, length=2, pad=1)


def _boxes(ax: Any, found: Sequence[tuple[str, float, float]], inches: float, y: float = 0.5) -> None:
    for number, (name, end, start) in enumerate(found):
        ax.axvspan(end, start, color=parts.TINTS[number % len(parts.TINTS)], lw=0, zorder=0)
        if number:
            ax.axvline(end, color="white", lw=1, zorder=1)
        text = parts.fitting_text(name, (start - end) / _OLDEST_GA * inches, 7)
        ax.text((start + end) / 2, y, text, ha="center", va="center", fontsize=7, color="0.25", zorder=2,
                transform=ax.get_xaxis_transform(), clip_on=True)  # fmt: skip


def _bands(ax: Any, s: System) -> None:
    """The body's periods as tints behind a plot of time."""
    _boxes(ax, parts.periods(epochs_of(s), _OLDEST_GA), ax.figure.get_size_inches()[0] * 0.8, y=0.96)


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.figure(figsize=size, layout="constrained").add_subplot()

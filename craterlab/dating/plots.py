"""The size-frequency plot as the field draws it: log-log, equal decades, isochrons behind the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import plot_parts as parts
from .curves import Equilibrium, System
from .functions import equilibrium
from .functions import system as find_system

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .counting import SFD
    from .randomness import Randomness
    from .result import Age


def plot_sfd(
    sfd: SFD | Mapping[str, SFD],
    ax: Axes | None = None,
    *,
    age: Age | Sequence[Age] | Mapping[str, Age] = (),
    system: str | System | None = None,
    isochrons_ga: Sequence[float] | None = None,
    equilibrium_function: str | Equilibrium | None = None,
    epochs: bool = False,
    randomness: Randomness | Sequence[Randomness] = (),
    label: str | None = None,
    color: str | None = None,
    marker: str | None = None,
    source: Mapping[str, Any] | None = None,
) -> Axes:
    """Draw a size-frequency distribution with isochrons and fitted ages.

    Parameters
    ----------
    sfd : SFD or mapping of str to SFD
        Several counts by their names are drawn on one plot, each in its colour.
    ax : matplotlib Axes, optional
        Default: a new figure. Call again with the axes returned to overlay another count.
    age : Age, sequence of Age, or mapping of str to Age
        Drawn as the isochron of that age over the range counted, with the age beside it. For several counts by the
        names of these.
    system : str or System, optional
        Chronology system of the isochrons; default: that of the first age, else none are drawn.
    isochrons_ga : sequence of float, optional
        Ages of the thin grey isochrons, Ga; default 10 Ma to 4 Ga; `()` for none.
    equilibrium_function : str or Equilibrium, optional
        Drawn dashed, e.g. "Lunar equilibrium (Trask, 1966)".
    epochs : bool
        Add a bar of the body's periods above the plot, with the ages on it. Needs a system.
    randomness : Randomness or sequence of Randomness, optional
        Drawn in a panel below: how clustered the craters are, by diameter.
    label, color, marker : str, optional
        Of the points. Default: the first count on the axes in black, further ones in the next colour.
    source : mapping, optional
        Where the count comes from (file, hash ...), kept in the figure's `.toml`.

    Returns
    -------
    matplotlib Axes
        `craterlab.dating.save_figure` writes it with a `.toml` from which `replot` draws it again.

    Raises
    ------
    CraterlabError
        If a function's name is unknown.
    """
    if isinstance(sfd, Mapping):
        for number, (name, one) in enumerate(sfd.items()):
            its = age.get(name, ()) if isinstance(age, Mapping) else age if number == 0 else ()
            first: dict[str, Any] = {} if number else {"epochs": epochs, "randomness": randomness}
            ax = plot_sfd(
                one, ax, age=its, system=system, isochrons_ga=isochrons_ga if number == 0 else (), label=name,
                equilibrium_function=equilibrium_function if number == 0 else None, marker=marker, source=source,
                color=color or parts.PALETTE[number % len(parts.PALETTE)], **first,
            )  # fmt: skip
        if ax is None:
            raise ValueError("no counts to draw")
        return ax
    from .plot_panels import epoch_bar, randomness_panel
    from .plot_recipes import remember

    given = age.values() if isinstance(age, Mapping) else age if isinstance(age, Sequence) else (age,)
    ages = tuple(given)
    tests = tuple(randomness) if isinstance(randomness, Sequence) else (randomness,)
    shown = find_system(system or ages[0].system) if system or ages else None
    ax = _new_axes() if ax is None else ax
    fresh = not ax.has_data()
    if fresh or not ax.get_xlabel():
        parts.diameter_axis(ax)
        ax.set_yscale("log")
        ax.set_aspect("equal", adjustable="box")
        ax.set_ylabel(parts.LABELS[sfd.kind])
    x_limits, y_limits = _limits(ax, sfd, fresh)

    d: Any = np.geomspace(*x_limits, 400)
    if shown is not None:
        if fresh and not epochs:
            # A place of its own: to look for one, matplotlib measures all that is on the axes.
            ax.set_title(shown.name, fontsize=9, loc="left", color="0.3", y=1.0)
        for t in parts.ISOCHRONS_GA if isochrons_ga is None else isochrons_ga:
            y = parts.model_density(sfd.kind, shown, d, float(shown.chronology.n1(t)))
            ax.plot(d, y, color="0.72", lw=0.7, zorder=1)
            _name_isochron(ax, d, y, parts.time_text(t), x_limits, y_limits)
    if equilibrium_function is not None:
        e = equilibrium_function
        e = e if isinstance(e, Equilibrium) else equilibrium(e)
        y = parts.equilibrium_density(sfd.kind, e, d)
        ax.plot(d, y, color="0.45", lw=1.0, ls=(0, (6, 3)), zorder=1, label=e.name)

    points_colour = color or ("black" if fresh else parts.take_colour(ax))
    number_of = len(ax.containers)
    ax.errorbar(
        sfd.diameter_km, sfd.density, yerr=parts.error_bars(sfd), lw=0.9, capsize=0, zorder=4, color=points_colour,
        fmt=marker or parts.MARKERS[number_of % len(parts.MARKERS)], ms=4.2 if sfd.counts.size <= 60 else 2.4,
        mfc="white", mec=points_colour, mew=1.0, label=label or parts.count_label(sfd),
    )  # fmt: skip
    colours = [color or (points_colour if not fresh else parts.take_colour(ax)) for _ in ages]
    for a, colour in zip(ages, colours, strict=True):
        _fitted(ax, sfd.kind, a, parts.system_of(a, shown), colour)
    ax.set_xlim(x_limits)
    ax.set_ylim(y_limits)
    _resize(ax, panel=bool(tests))
    if epochs and shown is not None:
        epoch_bar(ax, shown, ages, colours)
    if tests:
        randomness_panel(ax, tests)
    # Where it hides fewest points: a steep count may fill the upper left down to the middle.
    ax.legend(loc="best", fontsize=8.5, handlelength=1.5, framealpha=0.9, edgecolor="0.85", fancybox=False)
    remember(
        ax, "sfd", sfd=sfd, age=ages, system=shown, isochrons_ga=isochrons_ga, epochs=epochs, randomness=tests,
        equilibrium_function=equilibrium_function, label=label, color=color, marker=marker, source=source,
    )  # fmt: skip
    return ax


def _new_axes() -> Axes:
    import matplotlib.pyplot as plt

    figure: Any = plt.figure(layout="constrained")
    figure._craterlab_own = True
    return figure.add_subplot()


def _resize(ax: Any, *, panel: bool) -> None:
    """A figure of our own is as large as its decades need."""
    if not getattr(ax.figure, "_craterlab_own", False):
        return
    wide, high = (np.log10(hi / lo) for lo, hi in (ax.get_xlim(), ax.get_ylim()))
    inches = min(5.4 / wide, 6.4 / high, 1.9)
    ax.figure.set_size_inches(max(wide * inches, 3.4) + 1.0, high * inches * (1.25 if panel else 1.0) + 0.8)


def _limits(ax: Axes, sfd: SFD, fresh: bool) -> tuple[tuple[float, float], tuple[float, float]]:
    """Whole decades around the points, and around what is there already."""
    x, y = parts.limits_of(sfd)
    if fresh:
        return x, y
    old_x, old_y = ax.get_xlim(), ax.get_ylim()
    if not sfd.counts.size:
        return old_x, old_y
    return (min(x[0], old_x[0]), max(x[1], old_x[1])), (min(y[0], old_y[0]), max(y[1], old_y[1]))


def _name_isochron(ax: Axes, d: Any, y: Any, text: str, x_limits: Any, y_limits: Any) -> None:
    """The age where the isochron enters the frame at the top or on the left, along the curve."""
    from matplotlib.patheffects import withStroke

    inside = np.flatnonzero((y > y_limits[0] * 1.6) & (y < y_limits[1] / 1.15) & (d > x_limits[0] * 1.05))
    if inside.size < 20:
        return
    i, after = inside[0], inside[12]
    angle = np.degrees(np.arctan2(np.log(y[after] / y[i]), np.log(d[after] / d[i])))
    ax.text(
        d[i], y[i], text, color="0.45", fontsize=7, rotation=angle, rotation_mode="anchor", ha="left", va="bottom",
        clip_on=True, zorder=2, path_effects=[withStroke(linewidth=2, foreground="white")],
    )  # fmt: skip


def _fitted(ax: Axes, kind: str, a: Age, s: System, color: str) -> None:
    """The isochron of a fitted age: bold where it was counted, thin beyond; the age as text."""
    beyond, y_beyond, counted, y, lo, hi = parts.age_curves(kind, a, s)
    ax.plot(beyond, y_beyond, color=color, lw=0.8, zorder=2)
    ax.plot(counted, y, color=color, lw=1.8, zorder=3, label=parts.age_label(a, s))
    if not a.upper_limit:
        ax.fill_between(counted, lo, hi, color=color, alpha=0.18, lw=0, zorder=1.5)

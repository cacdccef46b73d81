"""The size-frequency plot as the field draws it: log-log, equal decades, isochrons behind the points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .functions import Equilibrium, System, equilibrium
from .functions import system as find_system

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .ages import Age
    from .counting import SFD

_LABELS = {
    "cumulative": r"Cumulative crater density $N(\geq D)$ [km$^{-2}$]",
    "differential": r"Differential crater density d$N$/d$D$ [km$^{-3}$]",
    "R": r"Relative crater density $R$",
    "Hartmann": r"Crater density in $\sqrt{2}$ bins [km$^{-2}$]",
    "incremental": r"Crater density in each bin [km$^{-2}$]",
}
_ISOCHRONS_GA = (0.01, 0.1, 1.0, 3.5, 4.0)


def plot_sfd(
    sfd: SFD,
    ax: Axes | None = None,
    *,
    age: Age | Sequence[Age] = (),
    system: str | System | None = None,
    isochrons_ga: Sequence[float] | None = None,
    equilibrium_function: str | Equilibrium | None = None,
    label: str | None = None,
    color: str | None = None,
    marker: str = "s",
) -> Axes:
    """Draw a size-frequency distribution with isochrons and fitted ages.

    Parameters
    ----------
    sfd : SFD
    ax : matplotlib Axes, optional
        Default: a new figure. Call again with the axes returned to overlay another count.
    age : Age or sequence of Age
        Drawn as the isochron of that age over the range counted, with the age beside it.
    system : str or System, optional
        Chronology system of the isochrons; default: that of the first age, else none are drawn.
    isochrons_ga : sequence of float, optional
        Ages of the thin grey isochrons, Ga; default 10 Ma to 4 Ga; `()` for none.
    equilibrium_function : str or Equilibrium, optional
        Drawn dashed, e.g. "Lunar equilibrium (Trask, 1966)".
    label, color, marker : str, optional
        Of the points.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    CraterlabError
        If a function's name is unknown.
    """
    import matplotlib.pyplot as plt

    ages = tuple(age) if isinstance(age, Sequence) else (age,)
    shown = find_system(system or ages[0].system) if system or ages else None
    own = ax is None
    if ax is None:
        ax = plt.figure(layout="constrained").add_subplot()
    fresh = not ax.has_data()
    if fresh or not ax.get_xlabel():
        _frame(ax, sfd)
    x_limits, y_limits = _limits(ax, sfd, fresh)
    if own:
        wide, high = (np.log10(hi / lo) for lo, hi in (x_limits, y_limits))
        inches = min(5.4 / wide, 6.4 / high, 1.9)
        ax.figure.set_size_inches(max(wide * inches, 3.4) + 1.0, high * inches + 0.8)  # type: ignore[union-attr]

    d: Any = np.geomspace(*x_limits, 400)
    if shown is not None:
        if fresh:
            ax.set_title(shown.name, fontsize=9, loc="left", color="0.3")
        for t in _ISOCHRONS_GA if isochrons_ga is None else isochrons_ga:
            y = _curve(sfd.kind, shown, d, float(shown.chronology.n1(t)))
            ax.plot(d, y, color="0.72", lw=0.7, zorder=1)
            _name_isochron(ax, d, y, _age_text(t), x_limits, y_limits)
    if equilibrium_function is not None:
        e = equilibrium_function
        e = e if isinstance(e, Equilibrium) else equilibrium(e)
        y = e.cumulative(d)
        if sfd.kind != "cumulative":
            factor = {"differential": 1.0, "R": d**3}.get(sfd.kind, d * (2**0.25 - 2**-0.25))
            y = -e.coefficients[1] * y / d * factor
        ax.plot(d, y, color="0.45", lw=0.9, ls=(0, (6, 3)), zorder=1, label=e.name)

    bins = {"none": "unbinned", "as counted": "bins as counted"}.get(sfd.binning, f"{sfd.binning} bins")
    counted = f"{sfd.n:,} craters, {sfd.area_km2:,.5g} km$^2$, {bins}"
    size = 4.2 if sfd.counts.size <= 60 else 2.4
    points = ax.errorbar(
        sfd.diameter_km, sfd.density, yerr=_bars(sfd), fmt=marker, ms=size, lw=0.9, capsize=0, zorder=4,
        color=color or "black", mfc="white", mec=color or "black", mew=1.0, label=label or counted,
    )  # fmt: skip
    for number, a in enumerate(ages):
        _fitted(ax, sfd.kind, a, color or f"C{(3 + number) % 10}")
    ax.set_xlim(x_limits)
    ax.set_ylim(y_limits)
    if points.get_label() and (label or fresh):
        # Where it hides fewest points: a steep count may fill the upper left down to the middle.
        ax.legend(loc="best", fontsize=8.5, handlelength=1.5, framealpha=0.9, edgecolor="0.85", fancybox=False)
    return ax


def _frame(ax: Axes, sfd: SFD) -> None:
    from matplotlib.ticker import FuncFormatter

    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_aspect("equal", adjustable="box")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda d, _: f"{d:g} km" if d >= 1 else f"{d * 1000:g} m"))
    ax.set_xlabel("Diameter")
    ax.set_ylabel(_LABELS[sfd.kind])
    ax.tick_params(which="both", direction="in", top=True, right=True)
    ax.grid(which="major", color="0.92", lw=0.6)
    ax.set_axisbelow(True)


def _limits(ax: Axes, sfd: SFD, fresh: bool) -> tuple[tuple[float, float], tuple[float, float]]:
    """Whole decades around the points, and around what is there already."""
    if not sfd.counts.size:
        return ((0.01, 100.0), (1e-6, 1.0)) if fresh else (ax.get_xlim(), ax.get_ylim())
    lowest = sfd.density.min() / 2
    x = _decades(sfd.diameter_km.min() * 0.9, sfd.diameter_km.max() * 1.1)
    y = _decades(lowest, sfd.density.max() * 1.5)
    if fresh:
        return x, y
    old_x, old_y = ax.get_xlim(), ax.get_ylim()
    return (min(x[0], old_x[0]), max(x[1], old_x[1])), (min(y[0], old_y[0]), max(y[1], old_y[1]))


def _decades(lo: float, hi: float) -> tuple[float, float]:
    first, last = np.floor(np.log10(lo)), np.ceil(np.log10(hi))
    return float(10**first), float(10 ** max(last, first + 1))


def _curve(kind: str, s: System, d: Any, n1: float) -> Any:
    # counts by bin have no curve; that of bins a factor sqrt(2) wide is near
    return s.production.presented(d, "Hartmann" if kind == "incremental" else kind, n1)


def _bars(sfd: SFD) -> Any:
    # A bar to zero would run off a logarithmic axis.
    return np.stack([np.minimum(sfd.density - sfd.lo, sfd.density * (1 - 1e-3)), sfd.hi - sfd.density])


def _name_isochron(ax: Axes, d: Any, y: Any, text: str, x_limits: Any, y_limits: Any) -> None:
    """The age where the isochron leaves the frame at the bottom or on the right, along the curve."""
    from matplotlib.patheffects import withStroke

    inside = np.flatnonzero((y > y_limits[0] * 1.6) & (y < y_limits[1] / 1.3) & (d < x_limits[1] / 1.25))
    if inside.size < 20:
        return
    i = inside[-1]
    before = inside[-12]
    angle = np.degrees(np.arctan2(np.log(y[i] / y[before]), np.log(d[i] / d[before])))
    ax.text(
        d[i], y[i], text, color="0.5", fontsize=7, rotation=angle, rotation_mode="anchor", ha="right", va="bottom",
        clip_on=True, zorder=2, path_effects=[withStroke(linewidth=2, foreground="white")],
    )  # fmt: skip


def _age_text(t: float) -> str:
    return f"{t:g} Ga" if t >= 1 else f"{t * 1000:g} Ma" if t >= 1e-3 else f"{t * 1e6:g} ka"


def _fitted(ax: Axes, kind: str, a: Age, color: str) -> None:
    """The isochron of a fitted age: bold where it was counted, thin beyond; the age as text."""
    s = find_system(a.system)
    lo, hi = s.production.range_km
    n1 = a.n1_hi if a.upper_limit else a.n1_per_km2
    beyond = np.geomspace(max(lo, a.range_km[0] / 30), min(hi, a.range_km[1] * 30), 300)
    counted = np.geomspace(max(lo, a.range_km[0]), min(hi, a.range_km[1]), 200)
    ax.plot(beyond, _curve(kind, s, beyond, n1), color=color, lw=0.8, zorder=2)
    low, high = a.range_km
    counted_in = f"$D \\geq$ {_size(low)}" if high >= hi else f"{_size(low)} – {_size(high)}"
    name = f"{_written(a)}  ({a.n:,} craters, {counted_in})"
    ax.plot(counted, _curve(kind, s, counted, n1), color=color, lw=1.8, zorder=3, label=name)
    if not a.upper_limit:
        edges = [_curve(kind, s, counted, density) for density in (a.n1_lo, a.n1_hi)]
        ax.fill_between(counted, *edges, color=color, alpha=0.18, lw=0, zorder=1.5)


def _size(d_km: float) -> str:
    return f"{d_km:.3g} km" if d_km >= 1 else f"{d_km * 1000:.3g} m"


def _written(a: Age) -> str:
    """The age with its two errors, as a formula: $631^{+36}_{-35}$ Ma."""
    if a.upper_limit:
        return a.text
    factor, unit = a.unit
    plus, minus = (a.hi_ga - a.age_ga) * factor, (a.age_ga - a.lo_ga) * factor
    return rf"${a.age_ga * factor:.3g}^{{+{plus:.2g}}}_{{-{minus:.2g}}}$ {unit}"

"""The size-frequency plot for the screen: the same curves and points as in print, as a HoloViews overlay."""

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
    from .result import Age

_X, _Y = "Diameter [km]", "density"
# Options of the printed plot that the one on the screen has no use for.
_PRINT_ONLY = ("source", "epochs", "randomness", "marker")


def draw_sfd(sfd: SFD | Mapping[str, SFD], ax: Axes | None, *, backend: str | None, **options: Any) -> Any:
    """The plot of `craterlab.plot.sfd`: with HoloViews where it is installed and no axes are given, else in print."""
    from craterlab.plot_screen import on_screen

    from .plots import plot_sfd

    if on_screen(backend, ax, default="holoviews"):
        return screen_sfd(sfd, **{k: v for k, v in options.items() if k not in _PRINT_ONLY})
    return plot_sfd(sfd, ax, **options)


def screen_sfd(
    sfd: SFD | Mapping[str, SFD],
    *,
    age: Age | Sequence[Age] | Mapping[str, Age] = (),
    system: str | System | None = None,
    isochrons_ga: Sequence[float] | None = None,
    equilibrium_function: str | Equilibrium | None = None,
    label: str | None = None,
    color: str | None = None,
) -> Any:
    """Size-frequency distribution as an overlay of HoloViews elements, to zoom in and to read values off.

    Parameters
    ----------
    sfd, age, system, isochrons_ga, equilibrium_function, label, color
        As for `craterlab.dating.plot_sfd`.

    Returns
    -------
    holoviews.Overlay
        Of Curve, Area, ErrorBars and Scatter, with logarithmic axes; drawn by HoloViews' bokeh backend.

    Raises
    ------
    CraterlabError
        If a function's name is unknown.
    """
    from craterlab.plot_screen import holoviews

    hv = holoviews()
    counts = dict(sfd) if isinstance(sfd, Mapping) else {label or parts.count_label(sfd, mathtext=False): sfd}
    first = next(iter(counts.values()))
    by_name = age if isinstance(age, Mapping) else {next(iter(counts)): age}
    ages = {k: tuple(v) if isinstance(v, Sequence) else (v,) for k, v in by_name.items()}
    every = [a for its in ages.values() for a in its]
    shown = find_system(system or every[0].system) if system or every else None
    limits = [parts.limits_of(one) for one in counts.values()]
    x_limits, y_limits = ((min(p[i][0] for p in limits), max(p[i][1] for p in limits)) for i in (0, 1))
    d = np.geomspace(*x_limits, 400)

    def curve(x: Any, y: Any, name: str, **style: Any) -> Any:
        keep = np.isfinite(y)
        return hv.Curve((x[keep], y[keep]), _X, _Y, label=name).opts(**style)

    layers = []
    if shown is not None:
        for t in parts.ISOCHRONS_GA if isochrons_ga is None else isochrons_ga:
            y = parts.model_density(first.kind, shown, d, float(shown.chronology.n1(t)))
            layers.append(curve(d, y, "", color="#b8b8b8", line_width=1))
            inside = np.flatnonzero((y > y_limits[0] * 1.6) & (y < y_limits[1] / 1.15) & (d > x_limits[0] * 1.05))
            if inside.size:
                at = (d[inside[0]], y[inside[0]], parts.time_text(t))
                layers.append(hv.Text(*at, halign="left", fontsize=8).opts(color="#707070"))
    if equilibrium_function is not None:
        e = equilibrium_function
        e = e if isinstance(e, Equilibrium) else equilibrium(e)
        y = parts.equilibrium_density(first.kind, e, d)
        layers.append(curve(d, y, e.name, color="#737373", line_dash="dashed", line_width=1))
    for number, (name, one) in enumerate(counts.items()):
        several = len(counts) > 1
        colour = color or (parts.PALETTE[number % len(parts.PALETTE)] if several else "black")
        bars = parts.error_bars(one)
        layers.append(
            hv.ErrorBars((one.diameter_km, one.density, *bars), _X, [_Y, "down", "up"]).opts(line_color=colour)
        )
        points = hv.Scatter((one.diameter_km, one.density, one.counts), _X, [_Y, "craters"], label=name)
        layers.append(points.opts(marker="square", size=6, fill_color="white", line_color=colour, tools=["hover"]))
        for k, a in enumerate(ages.get(name, ())):
            hue = colour if several or color else parts.PALETTE[k % len(parts.PALETTE)]
            s = parts.system_of(a, shown)
            beyond, y_beyond, counted, y, lo, hi = parts.age_curves(one.kind, a, s)
            layers.append(curve(beyond, y_beyond, "", color=hue, line_width=1))
            layers.append(curve(counted, y, parts.age_label(a, s, mathtext=False), color=hue, line_width=3))
            if not a.upper_limit:
                band = hv.Area((counted, lo, hi), _X, [_Y, "upper"]).opts(color=hue, alpha=0.18, line_width=0)
                layers.append(band)
    wide, high = (np.log10(b / a) for a, b in (x_limits, y_limits))
    step = min(520 / wide, 560 / high)
    return hv.Overlay(layers).opts(
        logx=True, logy=True, xlim=x_limits, ylim=y_limits, xlabel=_X, ylabel=parts.PLAIN_LABELS[first.kind],
        title="" if shown is None else shown.name, legend_position="right", show_grid=True,
        frame_width=int(wide * step), frame_height=int(high * step),
    )  # fmt: skip

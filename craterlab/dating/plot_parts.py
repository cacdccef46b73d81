"""What every dating plot shares: the curves of models, the words on the axes, colours, whole decades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .curves import Epoch, Equilibrium, System
from .functions import system as find_system
from .result import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from .counting import SFD
    from .result import Age

Floats = NDArray[np.float64]

LABELS = {
    "cumulative": r"Cumulative crater density $N(\geq D)$ [km$^{-2}$]",
    "differential": r"Differential crater density d$N$/d$D$ [km$^{-3}$]",
    "R": r"Relative crater density $R$",
    "Hartmann": r"Crater density per $\sqrt{2}$ bin [km$^{-2}$]",
    "incremental": r"Crater density in each bin [km$^{-2}$]",
}
PLAIN_LABELS = {
    "cumulative": "Cumulative crater density N(≥D) [km⁻²]",
    "differential": "Differential crater density dN/dD [km⁻³]",
    "R": "Relative crater density R",
    "Hartmann": "Crater density per √2 bin [km⁻²]",
    "incremental": "Crater density in each bin [km⁻²]",
}
ISOCHRONS_GA = (0.01, 0.1, 1.0, 3.5, 4.0)
# Okabe and Ito's palette, told apart by colour-blind readers too.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("s", "o", "^", "D", "v", "P")
# Tints behind epochs, oldest last, dark enough to part and light enough to read on.
TINTS = ("#fdf3d8", "#f8dfb4", "#e9cfc0", "#d3cbe0", "#c3d4e6", "#b9c6cf", "#d9d9d9", "#c9c9c9")
_ROOT_2_WIDTH = 2**0.25 - 2**-0.25


def model_density(kind: str, s: System, d_km: Floats, n1_per_km2: float) -> Floats:
    """The production function as that kind of distribution shows it; NaN outside its range."""
    # Counts by bin have no curve of their own; that of bins a factor sqrt(2) wide is near.
    return s.production.presented(d_km, "Hartmann" if kind == "incremental" else kind, n1_per_km2)


def equilibrium_density(kind: str, e: Equilibrium, d_km: Floats) -> Floats:
    """The equilibrium function as that kind of distribution shows it."""
    y = e.cumulative(d_km)
    if kind == "cumulative":
        return y
    polynomial = np.polynomial.polynomial
    slope = polynomial.polyval(np.log10(d_km), polynomial.polyder(e.coefficients))
    weight: Any = {"differential": 1.0, "R": d_km**3}.get(kind, d_km * _ROOT_2_WIDTH)
    return -slope * y / d_km * weight


def system_of(a: Age, shown: System | None) -> System:
    """The chronology system of an age: the one shown, if it bears that name (it may be the user's own)."""
    return shown if shown is not None and shown.name == a.system else find_system(a.system)


def age_curves(kind: str, a: Age, s: System) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Diameters and density of an age's isochron far beyond its range, and in it: d, y, lo, hi."""
    lo, hi = s.production.range_km
    n1 = a.n1_hi if a.upper_limit else a.n1_per_km2
    beyond = np.geomspace(max(lo, a.range_km[0] / 30), min(hi, a.range_km[1] * 30), 300)
    counted = np.geomspace(max(lo, a.range_km[0]), min(hi, a.range_km[1]), 200)
    low, high = (model_density(kind, s, counted, density) for density in (a.n1_lo, a.n1_hi))
    return (beyond, model_density(kind, s, beyond, n1), counted, model_density(kind, s, counted, n1), low, high)


def age_label(a: Age, s: System, *, mathtext: bool = True) -> str:
    """The age with its two errors, the craters it rests on and their sizes."""
    low, high = a.range_km
    at_least = r"$D \geq$" if mathtext else "D ≥"
    sizes = (
        f"{at_least} {size_text(low)}" if high >= s.production.range_km[1] else f"{size_text(low)} – {size_text(high)}"
    )
    return f"{age_text(a) if mathtext else a.text}  ({a.n:,.6g} craters, {sizes})"


def age_text(a: Age) -> str:
    """The age with its two errors, as a formula: $631^{+36}_{-35}$ Ma."""
    if a.upper_limit:
        return a.text
    factor, unit = a.unit
    plus, minus = (figures(v * factor, 2) for v in (a.hi_ga - a.age_ga, a.age_ga - a.lo_ga))
    return rf"${figures(a.age_ga * factor, 3)}^{{+{plus}}}_{{-{minus}}}$ {unit}"


def time_text(t_ga: float) -> str:
    """A time in Ga, Ma or ka, whichever is short."""
    return f"{t_ga:g} Ga" if t_ga >= 1 else f"{t_ga * 1000:g} Ma" if t_ga >= 1e-3 else f"{t_ga * 1e6:g} ka"


def size_text(d_km: float) -> str:
    """A diameter in m or km."""
    return f"{d_km:.3g} km" if d_km >= 1 else f"{d_km * 1000:.3g} m"


def count_label(sfd: SFD, *, mathtext: bool = True) -> str:
    """Craters, area and bins of a count."""
    bins = {"none": "unbinned", "as counted": "bins as counted"}.get(sfd.binning, f"{sfd.binning} bins")
    km2 = "km$^2$" if mathtext else "km²"
    return f"{sfd.n:,} craters, {sfd.area_km2:,.5g} {km2}, {bins}"


def error_bars(sfd: SFD) -> Floats:
    """Lengths (2, bins) of the bars down and up; one to zero would run off a logarithmic axis."""
    return np.stack([np.minimum(sfd.density - sfd.lo, sfd.density * (1 - 1e-3)), sfd.hi - sfd.density])


def limits_of(sfd: SFD) -> tuple[tuple[float, float], tuple[float, float]]:
    """Whole decades around the points, two of diameter at least, so that the legend has room."""
    if not sfd.counts.size:
        return (0.01, 100.0), (1e-6, 1.0)
    x = decades(sfd.diameter_km.min() * 0.9, sfd.diameter_km.max() * 1.1)
    x = x[0], max(x[1], x[0] * 100)
    return x, decades(sfd.density.min() / 2, sfd.density.max() * 1.5)


def decades(lo: float, hi: float) -> tuple[float, float]:
    """The powers of ten around two numbers, at least one decade."""
    first, last = np.floor(np.log10(lo)), np.ceil(np.log10(hi))
    return float(10**first), float(10 ** max(last, first + 1))


def diameter_axis(ax: Axes) -> None:
    """Logarithmic diameters, in metres below a kilometre."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda d, _: f"{d:g} km" if d >= 1 else f"{d * 1000:g} m"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("Diameter")
    ax.tick_params(which="both", direction="in", top=True, right=True)
    ax.grid(which="major", color="0.92", lw=0.6)
    ax.set_axisbelow(True)


def periods(found: Sequence[Epoch], oldest_ga: float) -> list[tuple[str, float, float]]:
    """Epochs joined to periods by the last word of their names ("Early Imbrian" and "Late Imbrian"): name, ages."""
    out: list[tuple[str, float, float]] = []
    for epoch in found:
        name, end, start = epoch.name.split()[-1], epoch.end_ga, min(epoch.start_ga, oldest_ga)
        if end >= oldest_ga:
            continue
        if out and out[-1][0] == name:
            out[-1] = (name, out[-1][1], start)
        else:
            out.append((name, end, start))
    return out


def fitting_text(name: str, inches: float, points: float) -> str:
    """The name, its beginning or its initial, as fits in that width; nothing where none does."""
    shorter = ("Pre-N.", "pN") if name.startswith("Pre-N") else (f"{name[:4]}.", name[0])
    for text in (name, *shorter):
        if len(text) * points * 0.56 / 72 <= inches:
            return text
    return ""


def colours_used(ax: Any) -> int:
    """How many counts and ages on these axes have taken a colour of the palette."""
    return int(getattr(ax, "_craterlab_colours", 0))


def take_colour(ax: Any) -> str:
    """The next colour of the palette on these axes."""
    n = colours_used(ax)
    ax._craterlab_colours = n + 1
    return PALETTE[n % len(PALETTE)]

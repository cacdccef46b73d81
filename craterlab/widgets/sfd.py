"""Size-frequency distribution and age, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from ..dating.ages import age
from ..dating.counting import BINNINGS, edges_for, sfd
from ..dating.functions import default_system
from ..dating.functions import system as find_system
from ..dating.selection import resolve_area
from ..errors import CraterlabError
from .base import STATIC, Widget, finite
from .table import LIMITS, Limited, columns, kept

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import FigureBase

    from ..dating.curves import System
    from ..dating.result import Age

KINDS = ("cumulative", "differential", "R", "Hartmann")
ISOCHRONS_GA = (0.001, 0.01, 0.1, 1.0, 3.5, 4.0)
_CURVE_POINTS = 160
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class SFD(Limited, Widget):
    """Size-frequency distribution of craters and the age that follows, live.

    The diameters fitted are chosen with two handles; without them from the roll-over of the count. The points follow a
    linked `Thresholds` in the browser, the age comes from `craterlab.age` when a handle is let go.

    Parameters
    ----------
    craters : GeoDataFrame
        Crater table; rows whose `refused` is True do not count. May be empty: an upper limit.
    area_km2 : float, optional
        Counting area, km2; default: the one the table carries.
    system : str, Path or System, optional
        Chronology system; default: the usual one of the table's body.
    kind : {"cumulative", "differential", "R", "Hartmann"}
    range_km : (float, float), optional
        Diameters fitted, km.
    binning : str
        As for `craterlab.sfd`; not "none".
    **age_options
        As for `craterlab.age`: method, prior, fit_error, resurfacing.

    Attributes
    ----------
    result : craterlab.Age or None
        Of the craters and diameters chosen now; None where it could not be computed, `error` says why.
    selected : GeoDataFrame
        The craters within the limits.
    kind, range_km, score_min, diameter_min_m, diameter_max_m
        What is shown; set them, or observe them.

    Raises
    ------
    CraterlabError
        No crater table, no area, no system for the body, or what `craterlab.age` refuses.
    """

    _esm = STATIC / "sfd.js"
    _css = STATIC / "sfd.css"

    diameters_km = t.Bytes(b"").tag(sync=True)
    scores = t.Bytes(b"").tag(sync=True)
    edges_km = t.List(t.Float()).tag(sync=True)
    area_km2 = t.Float(1.0).tag(sync=True)
    system = t.Unicode("").tag(sync=True)
    kind = t.Enum(KINDS, "cumulative").tag(sync=True)
    range_km = t.Tuple(t.Float(), t.Float(), default_value=None, allow_none=True).tag(sync=True)
    age: Any = t.Dict(None, allow_none=True).tag(sync=True)
    curves = t.Dict().tag(sync=True)
    isochrons: t.List[Any] = t.List().tag(sync=True)

    def __init__(
        self,
        craters: pd.DataFrame,
        area_km2: float | None = None,
        system: str | Path | System | None = None,
        *,
        kind: str = "cumulative",
        range_km: tuple[float, float] | None = None,
        binning: str = "pseudo-log",
        **age_options: Any,
    ) -> None:
        if binning not in BINNINGS or binning == "none":
            raise CraterlabError(f"binning is {binning!r}; wanted one of {', '.join(map(repr, BINNINGS[:-1]))}")
        if kind not in KINDS:
            raise CraterlabError(f"kind is {kind!r}; wanted one of {', '.join(map(repr, KINDS))}")
        self._score, self._size = columns(craters)
        if "refused" in craters:
            counts = ~(craters["refused"].astype("object") == True).to_numpy()  # noqa: E712
            craters, self._score, self._size = craters[counts], self._score[counts], self._size[counts]
        self._craters = craters
        self._system = find_system(system if system is not None else default_system(_body_name(craters)))
        self._binning, self._options = binning, age_options
        told = {"secondaries", "ghosts", "partial"} & set(age_options)
        self._by_table = bool(told) or "fraction" in craters or age_options.get("method") == "b-poisson"
        self.result: Age | None = None
        d_km = self._size / 1000
        if not (d_km > 0).all():
            raise CraterlabError(
                f"{int((~(d_km > 0)).sum())} of {d_km.size} craters have no diameter in metres; open the scene with "
                "pixel_size=, or leave them out: craters[craters.diameter_m > 0]"
            )
        super().__init__(
            diameters_km=d_km.astype("<f8").tobytes(),
            scores=self._score.astype("<f8").tobytes(),
            edges_km=edges_for(d_km, binning).tolist() if d_km.size else [0.1, 1.0],
            area_km2=resolve_area(craters, area_km2),
            system=self._system.name,
            kind=kind,
            range_km=range_km,
            curves=_curves(self._system),
            isochrons=_isochrons(self._system),
        )
        self._compute()
        self.observe(self._refresh, [*LIMITS, "range_km"])

    @property
    def mask(self) -> np.ndarray:
        """Which craters keep the limits, bool, shape (n,); rows whose `refused` is True have no place in it."""
        return kept(self._score, self._size, *self.limits)

    @property
    def selected(self) -> pd.DataFrame:
        return self._craters[self.mask]

    def _refresh(self, _: Any = None) -> None:
        if self.age is not None and self.age["asked"] == self._asked():
            return
        self.result = None
        with self._telling():
            self._compute()
        if self.result is None:
            self.age = None

    def _asked(self) -> list[float | None]:
        return [*self.limits, *(self.range_km or (None, None))]

    def _compute(self) -> None:
        # Diameters alone are quicker than the table, and rows that are refused are out already.
        counted = self.selected if self._by_table else self._size[self.mask]
        self.result = found = age(
            counted, area_km2=self.area_km2, system=self._system, range_km=self.range_km, **self._options
        )
        lo, hi = found.range_km
        density = (
            f"N(1) = {found.n1_per_km2:.3g} per km²" if not found.upper_limit else f"N(1) < {found.n1_hi:.3g} per km²"
        )
        # Where the production function ends is of no interest when no crater is so large.
        beyond = self._asked()[-1] is None and not (self._size[self.mask] >= 1000 * hi).any()
        span = f"{lo:.4g} km and more" if beyond else f"{lo:.4g} to {hi:.4g} km"
        line = f"{density}; {found.n:,.6g} craters of {span}"
        self.age = {
            "text": " · ".join(filter(None, (found.text, found.epoch))),
            "n": float(found.n),
            "n1": finite(found.n1_per_km2),
            "n1_lo": finite(found.n1_lo),
            "n1_hi": finite(found.n1_hi),
            "upper_limit": bool(found.upper_limit),
            "range_km": [float(lo), float(min(hi, 1e6))],
            "line": line,
            "notes": [f"Range: {found.range_reason}", *found.notes],
            "asked": self._asked(),
        }

    def draw(self, figure: FigureBase) -> None:
        from ..dating.plots import plot_sfd

        points = sfd(self._size[self.mask], area_km2=self.area_km2, kind=self.kind, binning=self._binning)
        ax = figure.subplots(gridspec_kw={"left": 0.16, "right": 0.94, "bottom": 0.1, "top": 0.94})
        plot_sfd(points, ax, age=() if self.result is None else self.result, system=self._system)
        # Setting powers as formulas would take a third of the drawing.
        ax.yaxis.set_major_formatter(lambda n, _: power_of_ten(n))

    @property
    def inches(self) -> tuple[float, float]:
        return (5.5, 5.5)

    def __repr__(self) -> str:
        found = "no age" if self.result is None else self.result.text
        return (
            f"SFD({int(self.mask.sum())} craters, area_km2={self.area_km2:.6g}, {self.system!r}, {self.kind}: {found})"
        )


def power_of_ten(value: float) -> str:
    """10 with its raised power, of the nearest one."""
    power = round(np.log10(value))
    return "1" if power == 0 else "10" + str(power).translate(_RAISED)


def _body_name(craters: Any) -> str:
    from ..bodies import body_of

    if getattr(craters, "crs", None) is not None:
        return body_of(craters.crs).name
    if isinstance(craters.attrs.get("body"), str):
        return str(craters.attrs["body"])
    raise CraterlabError("the table does not say its body; name a chronology system: system='Moon, Neukum (1983)'")


def _curves(s: System) -> dict[str, list[float | None]]:
    """Production function of N(1) = 1 per km2 in every presentation, log10."""
    d = np.geomspace(*s.production.range_km, _CURVE_POINTS)
    out: dict[str, list[float | None]] = {"d_km": d.tolist()}
    for kind in KINDS:
        with np.errstate(divide="ignore", invalid="ignore"):
            out[kind] = [finite(v) for v in np.log10(s.production.presented(d, kind))]
    return out


def _isochrons(s: System) -> list[dict[str, Any]]:
    def text(t: float) -> str:
        return f"{t:g} Ga" if t >= 1 else f"{t * 1000:g} Ma"

    found = [(t, float(s.chronology.n1(t))) for t in ISOCHRONS_GA]
    return [{"text": text(t), "n1": n1} for t, n1 in found if np.isfinite(n1) and n1 > 0]

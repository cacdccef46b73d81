"""Histograms of score and diameter with limits one can drag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from .base import STATIC, Widget
from .table import Limited, columns, kept

if TYPE_CHECKING:
    import geopandas as gpd
    from matplotlib.figure import FigureBase


class Thresholds(Limited, Widget):
    """Choose craters by score and diameter.

    Limits are dragged, or moved by keys (arrows, page up and down, home, end). The browser filters while they move;
    Python gets the final values.

    Parameters
    ----------
    craters : GeoDataFrame
        Crater table. May be empty; a crater without a score passes only while no score is asked for.
    score_min : float
        Lowest score, 0 to 1.
    diameter_min_m, diameter_max_m : float, optional
        Lower <= D < upper, metres.

    Attributes
    ----------
    score_min, diameter_min_m, diameter_max_m
        The limits; set them, or observe them.
    selected : GeoDataFrame
        The craters within the limits.

    Raises
    ------
    CraterlabError
        No crater table, or scores that are no probabilities.
    """

    _esm = STATIC / "thresholds.js"
    _css = STATIC / "thresholds.css"

    scores = t.Bytes(b"").tag(sync=True)
    diameters_m = t.Bytes(b"").tag(sync=True)

    def __init__(
        self,
        craters: gpd.GeoDataFrame,
        *,
        score_min: float = 0.0,
        diameter_min_m: float | None = None,
        diameter_max_m: float | None = None,
        **options: Any,
    ) -> None:
        self._score, self._size = columns(craters)
        self._craters = craters
        super().__init__(
            scores=self._score.astype("<f8").tobytes(),
            diameters_m=self._size.astype("<f8").tobytes(),
            score_min=score_min,
            diameter_min_m=diameter_min_m,
            diameter_max_m=diameter_max_m,
            **options,
        )

    @property
    def mask(self) -> np.ndarray:
        """Which rows of the table keep the limits, bool, shape (n,)."""
        return kept(self._score, self._size, *self.limits)

    @property
    def selected(self) -> gpd.GeoDataFrame:
        return self._craters[self.mask]

    def draw(self, figure: FigureBase) -> None:
        mask = self.mask
        left, right = figure.subplots(
            1, 2, gridspec_kw={"left": 0.08, "right": 0.98, "bottom": 0.19, "top": 0.86, "wspace": 0.2}
        )
        figure.suptitle(f"{mask.sum():,} of {mask.size:,} craters kept", fontsize=11)
        size = self._size[self._size > 0]
        lo, hi = (size.min(), size.max()) if size.size else (1.0, 1000.0)
        for ax, values, edges in (
            (left, self._score, np.linspace(0, 1, 51)),
            (right, self._size, np.geomspace(lo, max(hi, lo * 1.01), 61)),
        ):
            for part, colour in ((values, "#8c8c8c"), (values[mask], "#0072b2")):
                ax.hist(part[np.isfinite(part)], edges, color=colour)
        left.set_xlabel("score (probability of a crater)")
        right.set(xlabel="diameter (m)", xscale="log")
        right.xaxis.set_minor_formatter(lambda *_: "")
        if mask.size and not size.size:
            right.clear()
            right.set_axis_off()
            right.text(0.5, 0.5, "diameters are not known in metres:\nthe image has no scale", ha="center", va="center")
        left.axvline(self.score_min, color="#0072b2")
        for limit in (self.diameter_min_m, self.diameter_max_m):
            if limit is not None:
                right.axvline(limit, color="#0072b2")

    @property
    def inches(self) -> tuple[float, float]:
        return (7.5, 2.6)

    def __repr__(self) -> str:
        low, high = self.diameter_min_m, self.diameter_max_m
        size = "" if low is None and high is None else f", diameter_min_m={low}, diameter_max_m={high}"
        return f"Thresholds({int(self.mask.sum())} of {self._score.size} craters, score_min={self.score_min:g}{size})"

"""A crater table as the widgets use it: scores, sizes, the limits on both, and circles in pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t
from numpy.typing import NDArray

from ..errors import CraterlabError
from ..overlay import circles_on

if TYPE_CHECKING:
    import pandas as pd

    from ..grid import Grid

Floats = NDArray[np.float64]
LIMITS = ("score_min", "diameter_min_m", "diameter_max_m")


class Limited(t.HasTraits):
    """Traits of a widget that shows the craters within limits."""

    score_min = t.Float(0.0, min=0.0, max=1.0).tag(sync=True)
    diameter_min_m = t.Float(None, allow_none=True).tag(sync=True)
    diameter_max_m = t.Float(None, allow_none=True).tag(sync=True)

    @property
    def limits(self) -> tuple[float, float | None, float | None]:
        return self.score_min, self.diameter_min_m, self.diameter_max_m


def columns(craters: Any) -> tuple[Floats, Floats]:
    """Scores and diameters in metres of a crater table, NaN where not known.

    Raises
    ------
    CraterlabError
        It is no crater table, or a score is no probability.
    """
    if not hasattr(craters, "columns") or "diameter_m" not in craters:
        got = (
            f"columns {', '.join(map(str, craters.columns))}" if hasattr(craters, "columns") else type(craters).__name__
        )
        raise CraterlabError(
            f"wanted a crater table with the column diameter_m, got {got}; detect, read_craters and "
            "craters_from_pixels give one"
        )
    size = np.asarray(craters["diameter_m"], float)
    score = np.asarray(craters["score"], float) if "score" in craters else np.full(size.shape, np.nan)
    score = np.where(np.isfinite(score), score, np.nan)
    if ((score < 0) | (score > 1)).any():
        raise CraterlabError(
            f"scores are probabilities from 0 to 1; this table has {np.nanmin(score):g} to {np.nanmax(score):g}. "
            "Divide them: craters['score'] = craters['score'] / craters['score'].max()"
        )
    return score, np.where(np.isfinite(size), size, np.nan)


def kept(
    score: Floats, size: Floats, score_min: float, diameter_min_m: float | None, diameter_max_m: float | None
) -> NDArray[np.bool_]:
    """Which craters keep the limits; one without score or size passes only where none is asked for."""
    with np.errstate(invalid="ignore"):
        mask = np.ones(score.shape, bool)
        if score_min > 0:
            mask &= score >= score_min
        if diameter_min_m is not None:
            mask &= size >= diameter_min_m
        if diameter_max_m is not None:
            mask &= size < diameter_max_m
    return mask


def rings(grid: Grid, craters: pd.DataFrame, other: Grid | None = None) -> NDArray[np.float32]:
    """Circles of a table on a grid.

    Parameters
    ----------
    grid : Grid
    craters : DataFrame
        Crater table; by lon and lat where the grid has a CRS, else by its pixels.
    other : Grid, optional
        A finer grid of the same ground, on which a table without a CRS may have been measured.

    Returns
    -------
    ndarray, shape (n, 5), float32
        x, y, width, height (px) and angle (degrees, clockwise on the screen); NaN where not known.

    Raises
    ------
    CraterlabError
        Columns are missing, or no crater lies on the grid: the table is of another scene.
    """
    out = circles_on(grid, craters, other)
    if len(out) and not _touch(out, grid.shape).any():
        raise CraterlabError(_elsewhere(grid, craters))
    return out.astype(np.float32)


def _touch(circles: Floats, shape: tuple[int, int]) -> NDArray[np.bool_]:
    x, y, reach = circles[:, 0], circles[:, 1], circles[:, 2] / 2
    return (x > -reach) & (x < shape[1] + reach) & (y > -reach) & (y < shape[0] + reach)


def _elsewhere(grid: Grid, craters: Any) -> str:
    if grid.crs is None:
        return (
            f"none of the {len(craters)} craters lies on this image of {grid.shape[0]} x {grid.shape[1]} pixels: is "
            "the table of another scene?"
        )
    rows, cols = grid.shape
    lon, lat = grid.lonlat(cols / 2, rows / 2)
    return (
        f"none of the {len(craters)} craters lies on this scene, whose middle is at lon {float(lon):.3f}, lat "
        f"{float(lat):.3f}; the table lies at lon {np.nanmin(craters['lon']):.3f} to {np.nanmax(craters['lon']):.3f}, "
        f"lat {np.nanmin(craters['lat']):.3f} to {np.nanmax(craters['lat']):.3f}: is it of another scene?"
    )

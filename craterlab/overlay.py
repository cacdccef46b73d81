"""What lies over a scene: a second image of the same ground, and craters as outlines in its pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .bodies import body, body_of
from .errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from .grid import Grid

# What is told of a crater, where the table has it.
FACTS = ("crater_id", "diameter_m", "score", "morphology", "depth_m", "erosion_class", "lon", "lat")


def place(grid: Grid, on: Grid) -> tuple[float, float, float, float]:
    """Scale and offset (x, y) from the pixels of `grid` to those of `on`, the same ground.

    Raises
    ------
    CraterlabError
        The two have different coordinate systems, are turned against each other, do not overlap, or, without a
        coordinate system, have different proportions.
    """
    if (grid.crs is None) != (on.crs is None):
        raise CraterlabError("one image has a CRS and the other has none, so they cannot be laid over each other")
    if grid.crs is None or on.crs is None:
        sy, sx = (a / b for a, b in zip(on.shape, grid.shape, strict=True))
        if abs(sx / sy - 1) > 0.02:
            raise CraterlabError(
                f"images of {on.shape} and {grid.shape} pixels do not show the same ground: their proportions differ"
            )
        return sx, sy, 0.0, 0.0
    if not grid.crs.equals(on.crs):
        raise CraterlabError(
            f"the images have two CRS, {on.crs.name!r} and {grid.crs.name!r}; lay one on the other first: "
            "b.rio.reproject_match(a)"
        )
    m = ~on.transform @ grid.transform
    if abs(m.b) > 1e-9 * abs(m.a) or abs(m.d) > 1e-9 * abs(m.e) or m.a <= 0 or m.e <= 0:
        raise CraterlabError("the images are turned against each other; lay one on the other: b.rio.reproject_match(a)")
    right, low = m.c + m.a * grid.shape[1], m.f + m.e * grid.shape[0]
    if right <= 0 or low <= 0 or m.c >= on.shape[1] or m.f >= on.shape[0]:
        raise CraterlabError("the two images show different ground: they do not overlap")
    return float(m.a), float(m.e), float(m.c), float(m.f)


def circles_on(grid: Grid, craters: pd.DataFrame, other: Grid | None = None) -> NDArray[np.float64]:
    """All craters of a table as ellipses in the pixels of a scene, wherever they lie.

    Parameters
    ----------
    grid : Grid
    craters : DataFrame
        As for `ellipses_on`.
    other : Grid, optional
        A finer grid of the same ground, on which a table without a CRS or a size in metres may have been measured.

    Returns
    -------
    ndarray, shape (n, 5)
        x, y, width, height (px), angle (degrees, clockwise on the screen); NaN where not known.

    Raises
    ------
    CraterlabError
        No crater table, columns are missing, or the craters are on another body.
    """
    from .plot import ellipses

    if not hasattr(craters, "columns"):
        raise CraterlabError(f"wanted a crater table, got {type(craters).__name__}; read_craters and detect give one")
    if not len(craters):
        return np.zeros((0, 5))
    _same_body(grid, craters)
    out = np.column_stack(ellipses(grid, craters))
    if grid.crs is None:
        out[:, :4] *= _onto(grid, other, craters)
    return out


def _onto(grid: Grid, other: Grid | None, craters: pd.DataFrame) -> float:
    """Pixels of `grid` for one of the grid that the table was measured on."""
    if grid.pixel_size_m is not None and "diameter_m" in craters:
        metres, pixels = (np.asarray(craters[c], float) for c in ("diameter_m", "diameter_px"))
        known = np.isfinite(metres) & (pixels > 0)
        return float(np.median(metres[known] / pixels[known]) / grid.pixel_size_m) if known.any() else 1.0
    if other is None:
        return 1.0
    far = max(np.nanmax(craters["x_px"]) / grid.shape[1], np.nanmax(craters["y_px"]) / grid.shape[0])
    return grid.shape[1] / other.shape[1] if far > 1 else 1.0


def ellipses_on(grid: Grid, craters: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Craters that touch a scene, as ellipses in its pixels.

    Parameters
    ----------
    grid : Grid
    craters : DataFrame
        Crater table: by lon, lat and diameter_m where the grid has a CRS, else by its pixels, which may be those of a
        sharpened image where both pixel sizes are known.

    Returns
    -------
    ellipses : ndarray, shape (n, 5)
        x, y, width, height (px), angle (degrees, clockwise on the screen), the largest first.
    index : ndarray, shape (n,)
        Rows of the table that they are; those without a place or a size are left out.

    Raises
    ------
    CraterlabError
        No crater table, columns are missing, the craters are on another body, or none lies on the scene.
    """
    out = circles_on(grid, craters)
    if not len(out):
        return out, np.zeros(0, np.intp)
    x, y, reach = out[:, 0], out[:, 1], out[:, 2:4].max(1) / 2
    rows, cols = grid.shape
    on = np.isfinite(out).all(1) & (x > -reach) & (x < cols + reach) & (y > -reach) & (y < rows + reach)
    if not on.any():
        raise CraterlabError(
            f"none of the {len(craters)} craters lies on this scene of {rows} x {cols} pixels: is the table of another "
            "scene?"
        )
    index = np.flatnonzero(on)
    index = index[np.argsort(-out[index, 2] * out[index, 3], kind="stable")]
    return out[index], index


def outlines(ellipses: NDArray[np.float64], vertices: int = 32) -> NDArray[np.float64]:
    """Closed rings (n, vertices + 1, 2) of ellipses (n, 5) as `ellipses_on` gives them."""
    t = np.linspace(0, 2 * np.pi, vertices + 1)
    x, y, width, height, angle = ellipses.T[:, :, None]
    along, across = width / 2 * np.cos(t), height / 2 * np.sin(t)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return np.stack([x + along * c - across * s, y + along * s + across * c], -1)


def facts(craters: pd.DataFrame, index: NDArray[np.intp]) -> pd.DataFrame:
    """What there is to say of these craters: the columns of `FACTS` that the table has."""
    import pandas as pd

    return pd.DataFrame({c: np.asarray(craters[c])[index] for c in FACTS if c in craters})


def _same_body(grid: Grid, craters: Any) -> None:
    if grid.body is None:
        return
    crs, said = getattr(craters, "crs", None), getattr(craters, "attrs", {}).get("body")
    theirs = body_of(crs) if crs is not None else body(said) if said else None
    if theirs is not None and theirs.name != grid.body.name:
        raise CraterlabError(
            f"the craters are on {theirs.name}, the scene is on {grid.body.name}: open the table of the scene's body"
        )

"""The corrected part of a scene as something to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CraterlabError
from ..nn.zoo import Model
from ..normalise import normalise, robust_range
from .sets import Source

ZOOM = (0.35, 1.05)  # of corrected windows; below, few craters are left that the network answers for
SMALLEST_SHARE = 0.05  # craters below this quantile of the table's diameters are taken to be corrected in part only


@dataclass
class Corrected:
    """What one scene teaches, its name, and how many craters are in it."""

    source: Source
    name: str
    craters: int


def corrected_part(model: Model, scene: Any, table: Any, within: Any) -> Corrected:
    """Cut the corrected part of a scene.

    Parameters
    ----------
    model : Model
        What it finds below the smallest corrected craters is not judged.
    scene : Dataset, DataArray or array
    table : DataFrame
        x_px, y_px, diameter_px, and perhaps `confirm` and `ignore`.
    within : (row0, row1, column0, column1), array of bool, or None

    Raises
    ------
    CraterlabError
        A table without craters in the part, or with craters outside the scene; a part that is none.
    """
    from ..detect import raw_circles
    from ..detect.frame import framed
    from ..grid import grid_of
    from ..inference import quick_precision
    from ..scene import as_scene

    ds = as_scene(scene)
    grid = grid_of(ds)
    pixels = np.asarray(ds["image"].transpose("y", "x").values, np.float32)
    # Brightness is scaled as `detect` scales it: without a black frame.
    image = framed(lambda w: pixels[w[0] : w[1], w[2] : w[3]], grid.shape)((0, grid.shape[0], 0, grid.shape[1]))
    image = normalise(image, *robust_range(image))
    (r0, r1, c0, c1), mask = _part(within, grid.shape)
    craters = _circles(table, grid.shape)

    low, _ = model.architecture.diameters_px
    smallest = float(np.quantile(craters[:, 2], SMALLEST_SHARE))
    if smallest > low:
        raw = raw_circles(ds["image"].transpose("y", "x"), grid, model, quick_precision(model.device), low)
        small = (raw["diameter_px"] < smallest) & (raw["logit"] > 0)
        found = np.column_stack([raw["x_px"], raw["y_px"], raw["diameter_px"], np.ones(len(small))])[small]
        known = craters[craters[:, 2] <= smallest]
        free = [np.hypot(*(known[:, :2] - f[:2]).T).min(initial=np.inf) > f[2] / 2 for f in found]
        craters = np.concatenate([craters, found[np.array(free, bool)]])

    x, y = craters[:, 0], craters[:, 1]
    inside = (x >= c0) & (x < c1) & (y >= r0) & (y < r1)
    inside[inside] = mask[y[inside].astype(int), x[inside].astype(int)]
    craters = craters[inside] - [c0, r0, 0, 0]
    count = int((craters[:, 3] == 0).sum())
    if not count:
        raise CraterlabError(
            f"no crater of the table lies in the corrected part (rows {r0} to {r1}, columns {c0} to {c1}); correct a "
            "part with craters in it, or name it with within=(row0, row1, column0, column1)"
        )
    stretch = 1.0
    if grid.crs is not None:
        g = grid.metric((c0 + c1) / 2, (r0 + r1) / 2)
        stretch = float(np.sqrt(g[1, 1] / g[0, 0])) if np.isfinite(g).all() else 1.0
        # A diameter in pixels is the mean of the two axes; windows are measured in rows.
        craters[:, 2] /= np.sqrt(stretch)
    taught = np.where(mask, image, 0)[r0:r1, c0:c1]
    source = Source(np.ascontiguousarray(taught), craters.astype(np.float32), ZOOM, x_stretch=stretch)
    return Corrected(source, str(ds.attrs.get("source", "")), count)


def _part(within: Any, shape: tuple[int, int]) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """The window that holds the corrected pixels, and which they are."""
    mask = np.ones(shape, bool)
    if within is None:
        return (0, shape[0], 0, shape[1]), mask
    given = np.asarray(within)
    if given.dtype == bool and given.shape == shape and given.any():
        rows, columns = np.flatnonzero(given.any(1)), np.flatnonzero(given.any(0))
        return (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1), given
    if given.shape == (4,) and given.dtype != bool:
        r0, r1, c0, c1 = (int(v) for v in given)
        if 0 <= r0 < r1 <= shape[0] and 0 <= c0 < c1 <= shape[1]:
            return (r0, r1, c0, c1), mask
    raise CraterlabError(
        f"within is no part of a scene of {shape[0]} x {shape[1]} pixels: wanted (row0, row1, column0, column1) inside "
        f"it, or a boolean array of that shape that is true somewhere; got {within!r:.80}"
    )


def _circles(table: Any, shape: tuple[int, int]) -> np.ndarray:
    """x_px, y_px, diameter_px and ignore (0 or 1) of the craters that a corrected table holds."""
    missing = [c for c in ("x_px", "y_px", "diameter_px") if c not in table]
    if missing:
        raise CraterlabError(
            f"the crater table has no column {', '.join(missing)}; craters_from_pixels, read_craters and detect give "
            "tables with x_px, y_px and diameter_px"
        )
    if "confirm" in table:
        # Missing is not refused: only rows that were said to be wrong are.
        table = table[~(table["confirm"].astype("object") == False)]  # noqa: E712
    ignore = table["ignore"].to_numpy(bool) if "ignore" in table else np.zeros(len(table), bool)
    craters = np.column_stack([table[c].to_numpy(float) for c in ("x_px", "y_px", "diameter_px")] + [ignore])
    if not len(craters):
        raise CraterlabError("the crater table is empty; finetune learns from corrected craters, some dozens of them")
    x, y, d = craters[:, :3].T
    bad = ~((x >= 0) & (x <= shape[1]) & (y >= 0) & (y <= shape[0]) & (d > 0))
    if bad.any():
        raise CraterlabError(
            f"{int(bad.sum())} of {len(bad)} craters lie outside their scene of {shape[0]} x {shape[1]} pixels or have "
            f"no positive diameter (first: row {int(np.argmax(bad))}); are scenes and tables in the same order?"
        )
    return craters

"""Detection on one pyramid level: tiles through the network, each keeping the craters it owns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..inference import run
from ..nn.zoo import Model
from ..normalise import normalise
from ..tiling import Reader, padded, tiles

FLOOR_LOGIT = -3.9  # raw heat 0.02: below this nothing survives calibration


def detect_level(
    read: Reader,
    shape: tuple[int, int],
    model: Model,
    median: float,
    scale: float,
    *,
    core: int,
    halo: int = 0,
    heights: Reader | None = None,
    precision: torch.dtype = torch.float32,
    on_tile: Callable[[int], object] = lambda n: None,
) -> dict[str, np.ndarray]:
    """All peaks of one level.

    Parameters
    ----------
    read : Reader
        Windows of the level, NaN for nodata.
    shape : (rows, columns)
    median, scale : float
        Of the scene's brightness.
    core, halo : int
        Tile geometry; the halo is never below the network's receptive field, so tiling cannot be seen in the result.
    heights : Reader, optional
        Windows of heights in the level's pixels, NaN where unknown, for a network that looks at the DEM.
    on_tile : callable
        Told the number of core pixels done after each tile.

    Returns
    -------
    dict of arrays
        x_px, y_px, diameter_px (level pixels), logit, and `valid`: the share of the disc that is not nodata, in the
        first layer that the network looks at.
    """
    reader, relief = padded(read, shape), None if heights is None else padded(heights, shape)
    found: list[dict[str, np.ndarray]] = []
    how = model.architecture
    for tile in tiles(shape, core, max(halo, how.halo), how.align):
        window = reader(tile.read)
        first, inputs = window, [normalise(window, median, scale)]
        if relief is not None:
            inputs.append(relief(tile.read))
            first = window if "image" in model.layers else inputs[-1]
        finite = np.isfinite(first)
        r0, r1, c0, c1 = tile.core
        if finite.any():
            part = how.decode(run(model, np.stack(inputs), precision), FLOOR_LOGIT)
            part["x_px"] += tile.read[2]
            part["y_px"] += tile.read[0]
            # A centre may fall a hair outside the image; it belongs to the tile at the edge.
            own = tile.owns(
                np.clip(part["x_px"], 0, np.nextafter(shape[1], 0)), np.clip(part["y_px"], 0, np.nextafter(shape[0], 0))
            )
            part = {k: v[own] for k, v in part.items()}
            part["valid"] = _valid_share(finite, tile.read, shape, part)
            found.append(part)
        on_tile((r1 - r0) * (c1 - c0))
    keys = ("x_px", "y_px", "diameter_px", "logit", "valid")
    return {k: np.concatenate([f[k] for f in found]) if found else np.empty(0) for k in keys}


def _valid_share(finite: np.ndarray, read: tuple[int, int, int, int], shape: tuple[int, int], part: dict) -> np.ndarray:
    """Share of each circle's bounding square, inside the image, that holds data."""
    sums = np.pad(finite.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32), ((1, 0), (1, 0)))
    half = part["diameter_px"] / 2
    r0, r1, c0, c1 = read
    rows, cols = min(r1, shape[0]) - r0, min(c1, shape[1]) - c0
    low = lambda c, origin, n: np.clip(np.floor(c - half - origin).astype(int), 0, n - 1)  # noqa: E731
    high = lambda c, origin, n: np.clip(np.ceil(c + half - origin).astype(int), 1, n)  # noqa: E731
    y0, y1 = low(part["y_px"], r0, rows), high(part["y_px"], r0, rows)
    x0, x1 = low(part["x_px"], c0, cols), high(part["x_px"], c0, cols)
    count = sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0]
    return count / np.maximum((y1 - y0) * (x1 - x0), 1)

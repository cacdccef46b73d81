"""Columns of the user's own: a function of each crater's chip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .polar import groups, sample_at

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from craterlab.grid import Grid

    from .polar import Places, Reader

_CHIP = 64


def extra_columns(
    extra: Mapping[str, Callable[[dict[str, Any]], Any]],
    scene: xr.Dataset,
    image: Reader,
    elevation: Reader | None,
    grid: Grid,
    where: Places,
    table: gpd.GeoDataFrame,
) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {name: [None] * len(table) for name in extra}
    across = np.linspace(-2, 2, _CHIP, endpoint=False) + 2 / _CHIP
    east, north = np.meshgrid(across, -across)
    sun = {k: float(scene.attrs.get(k, np.nan)) for k in ("sun_azimuth_deg", "incidence_deg")}
    for index, window in groups(where, grid.shape):
        blocks = (image(*window), elevation(*window) if elevation is not None else None)
        for i in index:
            x = where.x[i] + where.unit[i, 0, 0] * east + where.unit[i, 0, 1] * north
            y = where.y[i] + where.unit[i, 1, 0] * east + where.unit[i, 1, 1] * north
            chips = [None if b is None else sample_at(b, window, x, y).astype(np.float32) for b in blocks]
            chip = {"image": chips[0], "dem": chips[1], "row": table.iloc[i], **sun}
            chip |= {"radius_px": float(where.radius_px[i]), "radius_m": float(where.radius_m[i])}
            for name, function in extra.items():
                values[name][i] = function(chip)
    return values

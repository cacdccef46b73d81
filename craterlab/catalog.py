"""The crater table: its columns with their units, and the readers and writers of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["REQUIRED", "empty_craters"]

REQUIRED: tuple[str, ...] = ("crater_id", "x_px", "y_px", "diameter_px", "lon", "lat", "diameter_m", "score")


def empty_craters(crs: Any = None) -> gpd.GeoDataFrame:
    """A crater table without a row: the answer of a scene without craters.

    Parameters
    ----------
    crs : CRS or anything pyproj takes, optional
        CRS of the geometry.

    Returns
    -------
    GeoDataFrame
        The required columns (`crater_id` int64, the others float64) and an empty geometry.
    """
    import geopandas as gpd

    columns = {name: np.zeros(0, np.int64 if name == "crater_id" else np.float64) for name in REQUIRED}
    return gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries([], crs=crs))

"""The mask of `segment` as polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import CraterlabError

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from ..grid import Grid

_AT_ONCE = 1_000_000
_PROVENANCE = ("kind", "model", "weights_sha256", "threshold", "craterlab")


def segment_polygons(result: xr.Dataset, *, min_area_km2: float = 0.0) -> gpd.GeoDataFrame:
    """The landforms in a result of `segment`, one polygon for each connected part of the mask.

    Parameters
    ----------
    result : Dataset
        With `mask` and `probability`; loaded if it is lazy.
    min_area_km2 : float
        Smaller ones are left out; needs a scene whose scale is known.

    Returns
    -------
    GeoDataFrame
        `landform_id`, `kind`, `area_km2` (geodesic, of its pixels; NaN without CRS and pixel size), `probability` (mean
        over its pixels), largest first. Pixels that meet at a corner alone do not connect. Geometry along the edges of
        pixels, with holes, in the CRS of the scene; without one in pixels (y down) times the pixel size. attrs: `kind`,
        `model`, `weights_sha256`, `threshold`, `craterlab`. No landform is an empty table.

    Raises
    ------
    CraterlabError
        There is no mask, or an area is asked for where the scale is not known.
    """
    import geopandas as gpd
    import xarray as xr
    from affine import Affine
    from rasterio.features import shapes
    from scipy import ndimage
    from shapely.geometry import shape

    from ..grid import grid_of

    if not isinstance(result, xr.Dataset) or not {"mask", "probability"} <= set(result.data_vars):
        raise CraterlabError(
            "segment_polygons: wanted what segment gives, with 'mask' and 'probability'. Make it: "
            "segment_polygons(segment(scene))."
        )
    grid = grid_of(result)
    if min_area_km2 > 0 and grid.crs is None and grid.pixel_size_m is None:
        raise CraterlabError(
            "segment_polygons: min_area_km2 needs the scene's scale, and it has neither a CRS nor a pixel size. "
            "Give it, result.attrs['pixel_size_m'] = 232.0, or leave min_area_km2 out."
        )
    mask = np.asarray(result["mask"].transpose("y", "x").values, bool)
    probability = np.asarray(result["probability"].transpose("y", "x").values)
    label, count = ndimage.label(mask)
    number = np.arange(1, count + 1)
    transform = grid.transform if grid.crs is not None else Affine.scale(grid.pixel_size_m or 1.0)
    outline = {int(v): shape(g) for g, v in shapes(label.astype(np.int32), mask, connectivity=4, transform=transform)}
    table = gpd.GeoDataFrame(
        {
            "kind": np.full(count, str(result.attrs.get("kind", "")), object),
            "area_km2": _areas_km2(label, count, grid),
            "probability": np.asarray(ndimage.mean(probability, label, number), float).reshape(count),
        },
        geometry=gpd.GeoSeries([outline[n] for n in number], crs=grid.crs),
    )
    table = table[~(table["area_km2"] < min_area_km2)]
    table = table.sort_values("area_km2", ascending=False, kind="stable").reset_index(drop=True)
    table.insert(0, "landform_id", np.arange(len(table)))
    table.attrs.update({k: result.attrs[k] for k in _PROVENANCE if k in result.attrs})
    return table


def _areas_km2(label: np.ndarray, count: int, grid: Grid) -> np.ndarray:
    """Ground area of each label, summed over its pixels."""
    total = np.zeros(count + 1)
    y, x = np.nonzero(label)
    for first in range(0, len(x), _AT_ONCE):
        r, c = y[first : first + _AT_ONCE], x[first : first + _AT_ONCE]
        area = grid.metres_per_pixel(c + 0.5, r + 0.5) ** 2
        total += np.bincount(label[r, c], area, count + 1)
    return total[1:] / 1e6

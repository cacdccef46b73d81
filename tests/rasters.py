"""Small raster files for tests."""

from __future__ import annotations

import numpy as np
import rasterio
from affine import Affine


def write(path, array, crs=None, transform=None, **profile):
    """A GeoTIFF (or, by suffix, PNG) of one or more bands."""
    array = np.asarray(array)
    array = array[None] if array.ndim == 2 else array
    driver = profile.pop("driver", "PNG" if path.suffix == ".png" else "GTiff")
    scales, offsets, mask = (profile.pop(k, None) for k in ("scales", "offsets", "mask"))
    georeferenced = {} if transform is None else {"transform": transform}
    with rasterio.open(
        path,
        "w",
        driver=driver,
        count=array.shape[0],
        height=array.shape[1],
        width=array.shape[2],
        dtype=array.dtype,
        crs=crs,
        **georeferenced,
        **profile,
    ) as file:
        file.write(array)
        if scales:
            file.scales = scales
        if offsets:
            file.offsets = offsets
        if mask is not None:
            file.write_mask(mask)
    return path


def ramp(rows=60, columns=80, dtype="uint8"):
    return (np.arange(rows * columns).reshape(rows, columns) % 251).astype(dtype)


def degrees_grid(lon, lat, step=0.01):
    return Affine(step, 0, lon, 0, -step, lat)

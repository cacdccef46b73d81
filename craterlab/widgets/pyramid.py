"""Tiles of an image of any size: only what is looked at is read, and memory does not grow with the image."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..errors import CraterlabError

# Side of a tile, pixels; the front end has the same number.
TILE = 256
_OVERVIEW_PX = 2048
_STRIP_PX = 2**22
_PERCENTILES = (0.5, 99.5)


class Pyramid:
    """Views of an image at half, a quarter ... of its sampling.

    Parameters
    ----------
    image : DataArray (y, x)
        NumPy-, Dask- or file-backed, any real type; NaN and the value of attr ``_FillValue`` are no data.

    Attributes
    ----------
    shape : (rows, columns)
    levels : int
        Level 0 is the image, each next one has half its sampling; the last fits into one tile.
    side : int
        Rows and columns of the image for one of `overview`.
    """

    def __init__(self, image: xr.DataArray) -> None:
        if image.ndim == 3 and "band" in image.dims and image.sizes["band"] == 1:
            image = image.isel(band=0, drop=True)
        if set(image.dims) != {"y", "x"} or image.dtype.kind not in "fiub":
            raise CraterlabError(
                f"wanted an image of numbers with dimensions (y, x), got {image.dtype} with {tuple(image.dims)}"
            )
        self._image = image.transpose("y", "x")
        nodata = image.attrs.get("_FillValue")
        self._nodata = None if nodata is None or np.isnan(nodata) else nodata
        self.shape: tuple[int, int] = (image.sizes["y"], image.sizes["x"])
        self.levels = max(0, int(np.ceil(np.log2(max(self.shape) / TILE)))) + 1
        self._base = max(0, int(np.ceil(np.log2(max(self.shape) / _OVERVIEW_PX))))
        self.side = 2**self._base

    def read(self, top: int, bottom: int, left: int, right: int, thin: bool = False) -> NDArray[np.float32]:
        """A window as float32, NaN where there is no data; `thin`: the middle two of every four rows and columns."""
        window = self._image.isel(y=slice(top, bottom), x=slice(left, right)).values
        if thin:
            window = window.take(_middle(bottom - top), 0).take(_middle(right - left), 1)
        values = window.astype(np.float32)
        if self._nodata is not None:
            values[window == self._nodata] = np.nan
        return values

    @cached_property
    def overview(self) -> NDArray[np.float32]:
        """The whole image in at most 2048 x 2048 pixels, read in strips.

        Means of the valid pixels; from an eighth of the sampling on, of every second row and column, so chosen that the
        means stay where they are.
        """
        side = self.side
        if side == 1:
            return self.read(0, self.shape[0], 0, self.shape[1])
        thin = side >= 8
        rows, cols = self.shape
        high = side * max(1, _STRIP_PX // (cols * side))
        strips = [
            halved(self.read(top, min(top + high, rows), 0, cols, thin), side // (1 + thin))
            for top in range(0, rows, high)
        ]
        return np.concatenate(strips)

    def values(self, level: int, column: int, row: int) -> NDArray[np.float32]:
        """Pixels of a tile, at most 256 x 256; fewer at the lower and right edge."""
        if level >= self._base:
            side = 2 ** (level - self._base)
            source, rows, cols = self.overview, *self.overview.shape
        else:
            side = 2**level
            source, (rows, cols) = None, self.shape
        top, left = row * TILE * side, column * TILE * side
        bottom, right = min(top + TILE * side, rows), min(left + TILE * side, cols)
        if not (0 <= level < self.levels and 0 <= top < bottom and 0 <= left < right):
            raise CraterlabError(f"no tile {column}, {row} at level {level} of an image of {self.shape}")
        window = self.read(top, bottom, left, right) if source is None else source[top:bottom, left:right]
        return halved(window, side)

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Values shown black and white: percentiles 0.5 and 99.5; NaN where there is no data at all."""
        valid = self.overview[np.isfinite(self.overview)]
        if not valid.size:
            return np.nan, np.nan
        lo, hi = (float(v) for v in np.percentile(valid, _PERCENTILES))
        return lo, max(hi, lo + 1e-12)

    def names(self, level: int) -> list[tuple[int, int]]:
        """Column and row of every tile of a level."""
        side = TILE * 2**level
        return [(c, r) for r in range(-(-self.shape[0] // side)) for c in range(-(-self.shape[1] // side))]


def _middle(n: int) -> NDArray[np.int64]:
    """The second and third of every four numbers below n; at the end the last one instead."""
    return np.minimum(np.add.outer(np.arange(0, n, 4), (1, 2)).ravel(), n - 1)


def halved(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Means of the valid pixels of square blocks; blocks at the edges may be smaller."""
    if side == 1:
        return values
    valid = np.isfinite(values)
    whole = bool(valid.all())
    total = _sums(values if whole else np.where(valid, values, 0), side)
    if whole and values.shape[0] % side == 0 and values.shape[1] % side == 0:
        return total / np.float32(side * side)
    count = _sums(valid.astype(np.float32), side)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, total / count, np.nan).astype(np.float32)


def _sums(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    rows = np.add.reduceat(values, np.arange(0, values.shape[0], side), axis=0)
    return np.add.reduceat(rows, np.arange(0, values.shape[1], side), axis=1)


def eight_bit(values: NDArray[np.float32], lo: float, hi: float) -> bytes:
    """A tile as the front end takes it: 256 x 256 bytes, 1 to 255 from black to white, 0 for no data."""
    out = np.zeros((TILE, TILE), np.uint8)
    valid = np.isfinite(values)
    if np.isfinite(lo):
        scaled = (np.where(valid, values, lo) - lo) * (254 / (hi - lo))
        out[: values.shape[0], : values.shape[1]] = np.where(valid, np.clip(scaled, 0, 254) + 1.5, 0)
    return out.tobytes()


def image_of(obj: Any, layer: str = "image") -> xr.DataArray:
    """The layer of a scene, or the image itself.

    Raises
    ------
    CraterlabError
        Not a scene, DataArray or 2-D array, or it lacks the layer.
    """
    if isinstance(obj, xr.Dataset):
        if layer not in obj.data_vars:
            raise CraterlabError(f"the scene has no layer {layer!r}; it has {', '.join(map(str, obj.data_vars))}")
        return obj[layer]
    if isinstance(obj, xr.DataArray):
        return obj
    if isinstance(obj, np.ndarray) and obj.ndim == 2:
        return xr.DataArray(obj, dims=("y", "x"))
    got = f"an array of shape {obj.shape}" if isinstance(obj, np.ndarray) else type(obj).__name__
    raise CraterlabError(f"wanted a scene, DataArray or 2-D array, got {got}; files: craterlab.open_scene(path)")

"""Raster files read lazily, window by window, as float32 with NaN for every pixel without a value."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from .errors import CraterlabError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# Special pixels of ISIS cubes by data type: no data, and below or above what the instrument or the type can hold.
_ISIS_SPECIAL = {
    "uint8": (0, 255),
    "int16": (-32768, -32767, -32766, -32765, -32764),
    "uint16": (0, 1, 2, 65534, 65535),
}
_ISIS_FLOAT_LIMIT = -3.4e38
_BLOCK_ROWS = 1024


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn GDAL's complaints about a file into one clear line."""
    from rasterio.errors import RasterioError

    try:
        yield
    except (RasterioError, OSError, ValueError) as err:
        cause = str(err.__cause__ or err).strip().splitlines()
        raise CraterlabError(
            f"{str(path)!r} could not be read to its end: {cause[0] if cause else type(err).__name__}. "
            "The file is truncated or damaged: copy it again (gdalinfo -checksum tells whether it is whole)."
        ) from None


@dataclass
class Raster:
    """One band of an open-on-demand raster file.

    Attributes
    ----------
    path : str
    band : int
        From 1.
    shape : tuple of int
        Rows, columns.
    nodata : tuple of float
        Stored values that mean no data.
    below : float or None
        Stored values below this are no data (special pixels of ISIS float cubes).
    scale, offset : float
        Applied to the stored values.
    masked : bool
        The file carries a mask band (or alpha).
    """

    path: str
    band: int
    shape: tuple[int, int]
    nodata: tuple[float, ...] = ()
    below: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    masked: bool = False
    _local: Any = field(default_factory=threading.local, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _local=threading.local())

    def _file(self) -> Any:
        # A GDAL handle serves one thread; keeping it open keeps GDAL's block cache.
        if getattr(self._local, "file", None) is None:
            self._local.file = open_quietly(self.path)
        return self._local.file

    def read(self, top: int, bottom: int, left: int, right: int, shape: tuple[int, int] | None = None) -> NDArray[Any]:
        """A window of float32; `shape` reads it decimated (averaged).

        Raises
        ------
        CraterlabError
            The file is truncated or damaged.
        """
        from rasterio.enums import Resampling
        from rasterio.windows import Window

        window = Window(left, top, right - left, bottom - top)
        how = {} if shape is None else {"out_shape": shape, "resampling": Resampling.average}
        with reading(self.path):
            file = self._file()
            raw = file.read(self.band, window=window, **how)
            mask = file.read_masks(self.band, window=window, out_shape=shape) if self.masked else None
        if self.scale != 1 or self.offset != 0:
            values = (raw.astype(np.float64) * self.scale + self.offset).astype(np.float32)
        else:
            with np.errstate(over="ignore"):
                values = raw.astype(np.float32)
        if mask is not None:
            values[mask == 0] = np.nan
        for value in self.nodata:
            values[raw == np.asarray(value).astype(raw.dtype)] = np.nan
        if np.issubdtype(raw.dtype, np.floating):
            values[~np.isfinite(raw)] = np.nan
            if self.below is not None:
                values[raw < self.below] = np.nan
        return values


def open_quietly(path: str) -> Any:
    """`rasterio.open` without the warning that an image has no georeferencing."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(path)


class LazyRaster(BackendArray):
    """xarray's view of a window reader: reads on indexing, float32.

    Parameters
    ----------
    shape : tuple of int
        Rows, columns.
    read : callable
        ``read(top, bottom, left, right)`` -> float32 array of that window.
    """

    def __init__(self, shape: tuple[int, int], read: Callable[[int, int, int, int], NDArray[Any]]) -> None:
        self.shape = shape
        self.dtype = np.dtype(np.float32)
        self._read = read

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._window)

    def _window(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        rows, columns = (
            range(n)[k] if isinstance(k, slice) else range(k % n, k % n + 1)
            for k, n in zip(key, self.shape, strict=True)
        )
        if not rows or not columns:
            out = np.empty((len(rows), len(columns)), np.float32)
        else:
            left, right = min(columns[0], columns[-1]), max(columns[0], columns[-1]) + 1
            # A strided or reversed selection is read block by block, so that it costs no more memory than a window.
            per_block = max(1, _BLOCK_ROWS // abs(rows.step)) if abs(rows.step) > 1 else len(rows)
            parts = []
            for first in range(0, len(rows), per_block):
                part = rows[first : first + per_block]
                top, bottom = min(part[0], part[-1]), max(part[0], part[-1]) + 1
                window = self._read(top, bottom, left, right)
                parts.append(window[:: part.step, :: columns.step])
            out = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return out[tuple(0 if not isinstance(k, slice) else slice(None) for k in key)]


def raster_of(path: str, *, band: int | None = None, extra_nodata: tuple[float, ...] = ()) -> Raster:
    """How to read the one band of a file that a scene is made of.

    Parameters
    ----------
    path : str
    band : int, optional
        From 1. Without it the file must hold one band, or three or four of which the first three are equal.
    extra_nodata : tuple of float
        Further stored values that mean no data (from the label).

    Raises
    ------
    CraterlabError
        Several bands and no choice among them, no such band, or a complex data type.
    """
    from rasterio.enums import ColorInterp, MaskFlags

    with reading(path), open_quietly(path) as file:
        alpha = [i + 1 for i, c in enumerate(file.colorinterp) if c == ColorInterp.alpha]
        bands = [i for i in file.indexes if i not in alpha]
        band = _choose_band(file, path, bands, band)
        kind = file.dtypes[band - 1]
        if kind.startswith("complex"):
            raise CraterlabError(f"{path!r} holds {kind} values; wanted real ones.")
        nodata = list(extra_nodata)
        value = file.nodatavals[band - 1]
        if value is not None and np.isfinite(value):
            nodata.append(value)
        below = None
        if file.driver.startswith("ISIS"):
            nodata += _ISIS_SPECIAL.get(kind, ())
            below = _ISIS_FLOAT_LIMIT
        flags = file.mask_flag_enums[band - 1]
        whole = file.dtypes[band - 1].startswith(("int", "uint"))
        if whole:
            limits = np.iinfo(kind)
            nodata = [v for v in nodata if float(v).is_integer() and limits.min <= v <= limits.max]
        return Raster(
            path=path,
            band=band,
            shape=(file.height, file.width),
            nodata=tuple(dict.fromkeys(nodata)),
            below=below,
            scale=file.scales[band - 1],
            offset=file.offsets[band - 1],
            masked=MaskFlags.per_dataset in flags or MaskFlags.alpha in flags,
        )


def _choose_band(file: Any, path: str, bands: list[int], band: int | None) -> int:
    if band is not None:
        if band not in file.indexes:
            raise CraterlabError(f"{path!r} has bands 1 to {file.count}; band={band} is none of them.")
        return int(band)
    if not bands:
        raise CraterlabError(f"{path!r} has no image band.")
    if len(bands) == 1:
        return bands[0]
    if len(bands) == 3:
        scale = max(1, max(file.height, file.width) // 512)
        shape = (max(1, file.height // scale), max(1, file.width // scale))
        red, green, blue = (file.read(i, out_shape=shape) for i in bands)
        if np.array_equal(red, green) and np.array_equal(red, blue):
            return bands[0]
    raise CraterlabError(
        f"{path!r} has {len(bands)} bands that differ (a colour image?); one band is wanted. "
        f"Choose it: open_scene(path, band=1), or gdal_translate -b 1 {Path(path).name} one_band.tif."
    )

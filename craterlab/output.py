"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CraterlabError

if TYPE_CHECKING:
    import xarray as xr

_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_folder(out: Path) -> Path:
    """The folder as an absolute path, if something can be written there.

    Raises
    ------
    CraterlabError
        A file stands in its place, or neither it nor its parent can be written.
    """
    folder = out.expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise CraterlabError(f"{str(out)!r} is a file; --out wants a folder. Name another one.")
    with contextlib.ExitStack() as made:
        _new_part(folder, made)
    return folder


def _new_part(folder: Path, made: contextlib.ExitStack) -> Path:
    """A hidden folder on the same disk. Leaving `made` removes it, and parents made for it if nothing came of them."""
    try:
        for parent in [p for p in reversed(folder.parents) if not p.exists()]:
            parent.mkdir()
            made.callback(_rmdir_if_empty, parent)
        beside = folder.parent if os.access(folder.parent, os.W_OK) or not folder.exists() else folder
        part = beside / f".{folder.name}-part-{os.getpid()}-{secrets.token_hex(3)}"
        part.mkdir()
    except OSError as error:
        raise CraterlabError(
            f"cannot write to {str(folder)!r} ({error.strerror or error}). Name a folder you may write with --out DIR."
        ) from None
    made.callback(shutil.rmtree, part, ignore_errors=True)
    return part


def _rmdir_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def output_folder(folder: Path, ours: set[str]) -> Iterator[Path]:
    """A folder to write in that takes the place of `folder` when the block ends without an error.

    Parameters
    ----------
    folder : Path
        From `check_folder`.
    ours : set of str
        File names that an earlier run may have left. A folder that holds nothing else is replaced in one rename; in
        others these files are replaced or removed and the rest is left alone.

    Yields
    ------
    Path
        Beside `folder`, removed on an error or an interrupt.
    """
    with contextlib.ExitStack() as made:
        part = _new_part(folder, made)
        yield part
        with writing(folder), _uninterrupted():
            _publish(part, folder, ours)


def _publish(part: Path, folder: Path, ours: set[str]) -> None:
    if not folder.exists():
        part.rename(folder)
        return
    names = {p.name for p in folder.iterdir()} - {part.name}
    if names <= ours and part.parent != folder and folder != Path.cwd():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        try:
            folder.rename(old)
            part.rename(folder)
        except OSError:  # a mount point cannot be renamed; its files can
            if not folder.exists():
                old.rename(folder)
        else:
            shutil.rmtree(old, ignore_errors=True)
            return
        shutil.rmtree(old, ignore_errors=True)
    made = {p.name for p in part.iterdir()}
    for name in sorted(made):
        (part / name).replace(folder / name)
    for name in (names & ours) - made:
        (folder / name).unlink()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C back for the few renames that must not be half done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    # What was asked for is written: an interrupt that came now comes too late to undo it.


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn what the disk refuses into words.

    Raises
    ------
    CraterlabError
        For an OSError inside the block.
    """
    try:
        yield
    except (OSError, CraterlabError) as error:
        number = getattr(error, "errno", None)
        full = number in _FULL or "No space left" in str(error) or _no_room(target)
        if isinstance(error, CraterlabError) and not full:
            raise
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or ["unknown reason"])[0]
        raise CraterlabError(
            f"could not write {str(target)!r}: {'the disk is full' if full else reason}. "
            "Nothing was left there; make room or name another place."
        ) from None


def _no_room(target: Path) -> bool:
    """Whether the disk is full; the libraries that write rasters tell it in many words or none."""
    there = next((p for p in target.absolute().parents if p.exists()), None)
    return there is not None and shutil.disk_usage(there).free < 2**16


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write that takes the place of `path` in one rename when the block ends without an error.

    Raises
    ------
    CraterlabError
        The place cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing(path):
            yield part
            part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_json(path: Path, record: Any) -> None:
    """Write JSON (NaN and infinity as null) in one rename.

    Raises
    ------
    CraterlabError
        The place cannot be written.
    """
    text = json.dumps(_plain(record), indent=2, ensure_ascii=False) + "\n"
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def check_file(path: Path) -> None:
    """Find out before the work whether a file can be written.

    Raises
    ------
    CraterlabError
        A folder stands in its place, or its folder is missing or cannot be written.
    """
    if path.is_dir():
        raise CraterlabError(f"{str(path)!r} is a folder; wanted the name of a file.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise CraterlabError(f"cannot write {str(path)!r} ({error.strerror or error}). Name another place.") from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def write_geotiff(scene: xr.Dataset, path: Path, provenance: dict[str, Any] | None = None) -> None:
    """Write `image`, `std` and `data_share` of a scene, those it has, as bands of a float32 GeoTIFF.

    Parameters
    ----------
    scene : Dataset
        Read in strips; a lazy scene is never loaded whole.
    path : Path
    provenance : dict, optional
        Kept as JSON in the tag CRATERLAB.

    Raises
    ------
    OSError
        The disk refused.
    """
    import warnings

    import rasterio
    from rasterio.crs import CRS
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.windows import Window

    from .grid import grid_of

    bands = [name for name in ("image", "std", "data_share") if name in scene]
    grid = grid_of(scene)
    rows, cols = grid.shape
    profile: dict[str, Any] = {
        "driver": "GTiff", "dtype": "float32", "count": len(bands), "height": rows, "width": cols, "nodata": np.nan,
        "compress": "deflate", "predictor": 3, "zlevel": 1, "num_threads": "all_cpus", "bigtiff": "if_safer",
        "interleave": "band",
    }  # fmt: skip
    if min(rows, cols) >= 256:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    if grid.crs is not None:
        profile |= {"crs": CRS.from_wkt(grid.crs.to_wkt()), "transform": grid.transform}
    tags = {
        k: str(scene.attrs[k])
        for k in ("body", "instrument", "factor", "method", "chi2")
        if scene.attrs.get(k) is not None
    }
    if provenance is not None:
        tags["CRATERLAB"] = json.dumps(_plain(provenance))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as file:
            file.update_tags(**tags)
            for i, name in enumerate(bands, 1):
                file.set_band_description(i, name)
                layer = scene[name].transpose("y", "x")
                for top in range(0, rows, 1024):
                    strip = np.asarray(layer.isel(y=slice(top, top + 1024)).values, np.float32)
                    file.write(strip, i, window=Window(0, top, cols, strip.shape[0]))
        # On a full disk GDAL may only log what it could not flush: what was written last is read again.
        with rasterio.open(path) as file:
            for i in range(1, len(bands) + 1):
                file.read(i, window=Window(0, rows - 1, cols, 1))

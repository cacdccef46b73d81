"""The frames of a list of scenes, laid on the first one: from georeferences where there are some, then by
`craterlab.superres.register`. What does not belong is named and left out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from craterlab.errors import CraterlabError
from craterlab.grid import Grid, grid_of
from craterlab.tiling import Reader, Window, padded, tiles

from .register import IDENTITY, Registration, register

if TYPE_CHECKING:
    import xarray as xr

_WHOLE = 1536  # pixels: frames up to this side are registered whole, larger ones by windows
_WINDOW = 768
_SAME_PIXELS = 0.5  # pixels by which a georeferenced frame may deviate from a pure shift over the overlap
_EDGE = 1  # pixels along the first frame's edge that only the first frame has a say in


@dataclass(frozen=True)
class Aligned:
    """One frame on the pixel grid of the first."""

    name: str
    found: Registration
    read: Reader  # windows of the first frame's grid, in its brightness; NaN where this frame has no data

    @property
    def fraction(self) -> tuple[float, float]:
        """What is left of the shift when whole pixels are taken off."""
        dy, dx = (s - round(s) for s in self.found.shift_px)
        return dy, dx


def align(scenes: Sequence[xr.Dataset]) -> tuple[list[Aligned], dict[str, Registration]]:
    """Register scenes on the first of them.

    Parameters
    ----------
    scenes : sequence of Dataset
        With ``image (y, x)``. Sizes may differ; bodies may not.

    Returns
    -------
    accepted : list of Aligned
        The first frame and those that fit on it.
    rejected : dict
        Registration, with its reason, of each frame left out, by name. A warning names them too.

    Raises
    ------
    CraterlabError
        No scene, different bodies, or every other frame is of another place than the first. (Where some had nothing to
        be compared, being empty or constant, the first is kept alone.)
    """
    if not scenes:
        raise CraterlabError("superres: got an empty list of frames; give one or more, superres([scene1, scene2]).")
    names = _names(scenes)
    grids = [grid_of(s) for s in scenes]
    _check_bodies(grids, names)
    readers = [_reader(s) for s in scenes]
    accepted = [Aligned(names[0], IDENTITY, readers[0])]
    rejected: dict[str, Registration] = {}
    for name, grid, read in zip(names[1:], grids[1:], readers[1:], strict=True):
        found = _register(readers[0], grids[0], read, grid)
        if found.accepted:
            accepted.append(Aligned(name, found, _laid(read, grid.shape, found)))
        else:
            rejected[name] = found
    if rejected and len(accepted) == 1 and not any(np.isnan(f.correlation) for f in rejected.values()):
        told = "; ".join(f"{name}: {found.reason}" for name, found in rejected.items())
        raise CraterlabError(
            f"superres: frames of different places: none of the others fits on the first, {names[0]!r} ({told}). "
            "Give frames of one place and one light, put another one first, or sharpen the first alone: "
            "superres(scenes[0])."
        )
    for name, found in rejected.items():
        warnings.warn(f"superres: frame {name!r} is left out: {found.reason}.", UserWarning, stacklevel=3)
    return accepted, rejected


def values_of(accepted: Sequence[Aligned], window: Window, shape: tuple[int, int]) -> np.ndarray:
    """All frames in a window of the first frame's grid, (K, rows, columns) float32; NaN is no data.

    Along the edge of the first frame the others look at ground beyond it, which has no pixels in the result: there
    they count only where the first frame has no data.
    """
    out = np.stack([a.read(window) for a in accepted])
    r0, r1, c0, c1 = window
    y, x = np.arange(r0, r1), np.arange(c0, c1)
    edge_y, edge_x = ((v < _EDGE) | (v >= n - _EDGE) for v, n in ((y, shape[0]), (x, shape[1])))
    edge = (edge_y[:, None] | edge_x[None, :]) & np.isfinite(out[0])
    out[1:, edge] = np.nan
    return out


def _names(scenes: Sequence[xr.Dataset]) -> list[str]:
    """The scenes' sources, or their number in the list where a source says nothing or twice the same."""
    sources = [str(s.attrs.get("source") or "") for s in scenes]
    return [
        source if source not in ("", "array") and sources.count(source) == 1 else f"frame {i}"
        for i, source in enumerate(sources, 1)
    ]


def _check_bodies(grids: Sequence[Grid], names: Sequence[str]) -> None:
    known = [(g.body.name, name) for g, name in zip(grids, names, strict=True) if g.body is not None]
    for body, name in known[1:]:
        if body != known[0][0]:
            raise CraterlabError(
                f"superres: frames of different bodies: {known[0][1]!r} is on {known[0][0]}, {name!r} on {body}. "
                "Give frames of one place."
            )


def _reader(scene: xr.Dataset) -> Reader:
    image = scene["image"].transpose("y", "x")

    def read(window: Window) -> np.ndarray:
        r0, r1, c0, c1 = window
        return np.asarray(image[r0:r1, c0:c1].values, np.float32)

    return read


def _laid(read: Reader, shape: tuple[int, int], found: Registration) -> Reader:
    anywhere = padded(read, shape)
    dy, dx = (round(s) for s in found.shift_px)

    def read_laid(window: Window) -> np.ndarray:
        r0, r1, c0, c1 = window
        block = anywhere((r0 + dy, r1 + dy, c0 + dx, c1 + dx))
        return (block - np.float32(found.offset)) / np.float32(found.gain)

    return read_laid


def _register(read: Reader, grid: Grid, read_other: Reader, other: Grid) -> Registration:
    near: tuple[int, int] | None = None
    if grid.crs is not None and other.crs is not None:
        told = _shift_from_georeference(grid, other)
        if isinstance(told, str):
            return Registration((np.nan, np.nan), np.nan, 0.0, False, told)
        near = told
    elif grid.pixel_size_m and other.pixel_size_m and not np.isclose(other.pixel_size_m, grid.pixel_size_m, rtol=5e-3):
        told = f"its pixels are {other.pixel_size_m:g} m wide, those of the first frame {grid.pixel_size_m:g} m"
        return Registration((np.nan, np.nan), np.nan, 0.0, False, told)
    longest = max(*grid.shape, *other.shape)
    if longest <= _WHOLE:
        return register(_all(read, grid.shape), _all(read_other, other.shape), near)
    step = -(-2 * longest // _WHOLE)
    small = None if near is None else (round(near[0] / step), round(near[1] / step))
    rough = register(_shrunk(read, grid.shape, step), _shrunk(read_other, other.shape, step), small)
    if not rough.accepted:
        return replace(rough, shift_px=(rough.shift_px[0] * step, rough.shift_px[1] * step))
    return _register_windows(read, grid.shape, read_other, other.shape, rough, step)


def _register_windows(
    read: Reader, shape: tuple[int, int], read_other: Reader, other: tuple[int, int], rough: Registration, step: int
) -> Registration:
    """Large frames: the middle of the overlap gives the shift, its quarters must agree."""
    near = (round(rough.shift_px[0] * step), round(rough.shift_px[1] * step))
    (r0, r1), (c0, c1) = ((max(0, -s), min(n, m - s)) for s, n, m in zip(near, shape, other, strict=True))
    there = padded(read_other, other)
    found = []
    for at_y, at_x in ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)):
        size = (min(_WINDOW, r1 - r0), min(_WINDOW, c1 - c0))
        r, c = round(r0 + at_y * (r1 - r0 - size[0])), round(c0 + at_x * (c1 - c0 - size[1]))
        window = (r, r + size[0], c, c + size[1])
        moved = (r + near[0], r + size[0] + near[0], c + near[1], c + size[1] + near[1])
        found.append(register(read(window), there(moved), (0, 0), reach=2 * step + 2))
    fits = [f for f in found if f.accepted]
    if not fits:
        return found[0]
    best = found[0] if found[0].accepted else min(fits, key=lambda f: f.error_px)
    apart = max(np.hypot(*np.subtract(f.shift_px, best.shift_px)) for f in fits)
    shift = (best.shift_px[0] + near[0], best.shift_px[1] + near[1])
    if apart > 0.5 + 4 * max(f.error_px for f in fits):
        reason = f"turned, stretched or distorted against the first frame: shifts differ by {apart:.1f} pixels"
        return replace(best, shift_px=shift, accepted=False, reason=reason)
    return replace(best, shift_px=shift)


def _shift_from_georeference(grid: Grid, other: Grid) -> tuple[int, int] | str:
    """Whole-pixel shift in the middle of the overlap, or why there is none."""
    at = (np.arange(9) + 0.5) / 9
    y, x = (v.ravel() for v in np.meshgrid(at * grid.shape[0], at * grid.shape[1], indexing="ij"))
    x2, y2 = other.pixels(*grid.lonlat(x, y))
    inside = (x2 >= 0) & (x2 <= other.shape[1]) & (y2 >= 0) & (y2 <= other.shape[0])
    if not inside.any():
        return "by its georeference it does not overlap with the first frame"
    dy, dx = (y2 - y)[inside], (x2 - x)[inside]
    middle = (float(np.median(dy)), float(np.median(dx)))
    if max(np.abs(dy - middle[0]).max(), np.abs(dx - middle[1]).max()) > _SAME_PIXELS:
        return (
            "its pixels have another size or direction than those of the first frame; bring it on its grid: "
            "scene.rio.reproject_match(first)"
        )
    return round(middle[0]), round(middle[1])


def _all(read: Reader, shape: tuple[int, int]) -> np.ndarray:
    return read((0, shape[0], 0, shape[1]))


def _shrunk(read: Reader, shape: tuple[int, int], step: int) -> np.ndarray:
    """Means of step x step pixels, read in parts; NaN where one of them is."""
    rows, cols = (n // step for n in shape)
    out = np.empty((rows, cols), np.float32)
    for tile in tiles((rows, cols), 512, 0):
        r0, r1, c0, c1 = tile.core
        block = read((r0 * step, r1 * step, c0 * step, c1 * step))
        out[r0:r1, c0:c1] = block.reshape(r1 - r0, step, c1 - c0, step).mean((1, 3))
    return out

"""Chips: a small picture of each crater, north up, in which the crater always fills the same share.

Small craters are enlarged, large ones averaged down, so that a network sees craters of every size alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .polar import Places, Reader, groups

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float32]

CHIP = 96  # pixels on a side
HALF_WIDTH = 3.0  # crater radii from the centre to the border
RADIUS = CHIP / (2 * HALF_WIDTH)  # of the crater in chip pixels
_AXIS = (np.arange(CHIP) + 0.5) / CHIP * 2 * HALF_WIDTH - HALF_WIDTH
EAST, NORTH = np.meshgrid(_AXIS, -_AXIS)
RHO = np.hypot(EAST, NORTH)
_LIMIT = 4.0  # robust standard deviations
_DEEP = 10.0  # a fresh crater is about two units deep
_BRIGHT = 3.0  # times level ground
_LEAST_KNOWN = 0.02  # share of a chip below which it says nothing
LAYERS = 7


def chips(
    image: Reader, elevation: Reader | None, shape: tuple[int, int], where: Places
) -> Iterator[tuple[NDArray[np.intp], Floats, Floats | None]]:
    """Chips of craters, in groups of neighbours.

    Parameters
    ----------
    image, elevation : Reader
    shape : (rows, columns)
        Of the raster.
    where : Places

    Yields
    ------
    index : ndarray of int, (k,)
        Which craters; those outside the raster are in no group.
    image : ndarray (k, 96, 96) float32
        NaN for nodata and outside.
    elevation : ndarray (k, 96, 96) float32, or None
        Metres.
    """
    for index, window in groups(where, shape, HALF_WIDTH):
        part = where.take(index)
        picture = _cut(image(*window), window, part)
        yield index, picture, None if elevation is None else _cut(elevation(*window), window, part)


def _cut(block: np.ndarray, window: tuple[int, int, int, int, int], where: Places) -> Floats:
    r0, _, c0, _, step = window
    out = np.empty((len(where), CHIP, CHIP), np.float32)
    for i in range(len(where)):
        out[i] = cut(block, (where.x[i] - c0) / step, (where.y[i] - r0) / step, where.unit[i] / step)
    return out


def cut(block: np.ndarray, x: float, y: float, unit: np.ndarray, turn: float = 0.0) -> Floats:
    """One chip.

    Parameters
    ----------
    block : ndarray
        Pixels around the crater; NaN is nodata.
    x, y : float
        Of the crater's centre in pixels of the block.
    unit : ndarray (2, 2)
        Pixel steps (x, y) of one radius to the east and one to the north.
    turn : float
        Radians by which the ground is turned counter-clockwise.

    Returns
    -------
    ndarray (96, 96) float32
    """
    from scipy.ndimage import map_coordinates

    # Pixels much finer than the chip's are averaged first: samples between them would alias.
    reach = HALF_WIDTH * 1.5 * np.abs(unit).sum(0) + 2
    r0, c0 = max(0, int(y - reach[1])), max(0, int(x - reach[0]))
    block = block[r0 : int(y + reach[1]) + 1, c0 : int(x + reach[0]) + 1]
    by = int(max(1, np.sqrt(abs(np.linalg.det(unit))) / RADIUS))
    if by > 1:
        rows, cols = (s // by * by for s in block.shape)
        if rows == 0 or cols == 0:
            return np.full((CHIP, CHIP), np.nan, np.float32)
        block = block[:rows, :cols].reshape(rows // by, by, cols // by, by).mean((1, 3))
    if block.size == 0:
        return np.full((CHIP, CHIP), np.nan, np.float32)
    east, north = EAST, NORTH
    if turn:
        east, north = np.cos(turn) * EAST + np.sin(turn) * NORTH, np.cos(turn) * NORTH - np.sin(turn) * EAST
    row = (y - r0 + unit[0, 1] * east + unit[1, 1] * north) / by - 0.5
    col = (x - c0 + unit[0, 0] * east + unit[1, 0] * north) / by - 0.5
    inside = (row >= -0.5) & (row <= block.shape[0] - 0.5) & (col >= -0.5) & (col <= block.shape[1] - 0.5)
    at = np.stack([np.clip(row, 0, block.shape[0] - 1), np.clip(col, 0, block.shape[1] - 1)])
    out = map_coordinates(np.asarray(block, np.float32), at, order=1, mode="nearest")
    return np.where(inside, out, np.nan).astype(np.float32)


def layers(
    image: Floats,
    elevation_diameters: Floats | None,
    sun_azimuth_deg: NDArray[np.float64],
    black: ArrayLike,
    middle: ArrayLike,
) -> Floats:
    """What the network takes of chips.

    Parameters
    ----------
    image : ndarray (n, 96, 96)
        Any unit, NaN for nodata.
    elevation_diameters : ndarray (n, 96, 96) or None
        Elevation over the crater's diameter, NaN for nodata.
    sun_azimuth_deg : ndarray (n,)
        Clockwise from north; NaN where not known.
    black, middle : float or ndarray (n,)
        Brightness of what no light reaches, and of the ground, in the whole scene: slopes are known from how much
        brighter or darker than level ground they are.

    Returns
    -------
    ndarray (n, 7, 96, 96) float32
        Brightness in robust standard deviations about the median of the chip, where it is known, the elevation above
        the plane through the chip times 10, where it is known, the direction to the sun (east, north; 0 not known), and
        brightness above black over that of the ground, minus 1.
    """
    n = len(image)
    out = np.zeros((n, LAYERS, CHIP, CHIP), np.float32)
    known = np.isfinite(image)
    filled = np.where(known, image, np.nan).reshape(n, -1)
    some = known.mean((1, 2)) > _LEAST_KNOWN
    if some.any():
        low, centre, high = np.nanpercentile(filled[some][:, ::3], [16, 50, 84], axis=1)
        spread = np.where(high > low, (high - low) / 2, 1.0)
        scaled = (image[some] - centre[:, None, None]) / spread[:, None, None]
        out[some, 0] = np.clip(np.nan_to_num(scaled), -_LIMIT, _LIMIT)
    out[:, 1] = known
    if elevation_diameters is not None:
        seen = np.isfinite(elevation_diameters)
        out[:, 2] = np.clip(np.nan_to_num(_levelled(elevation_diameters, seen)) * _DEEP, -_LIMIT, _LIMIT)
        out[:, 3] = seen
    azimuth = np.radians(np.asarray(sun_azimuth_deg, float))
    out[:, 4] = np.nan_to_num(np.sin(azimuth))[:, None, None]
    out[:, 5] = np.nan_to_num(np.cos(azimuth))[:, None, None]
    dark = np.broadcast_to(np.asarray(black, float), n)[:, None, None]
    level = np.broadcast_to(np.asarray(middle, float), n)[:, None, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = (image - dark) / np.where(level > dark, level - dark, np.nan) - 1
    out[:, 6] = np.clip(np.nan_to_num(relative, nan=0.0), -1, _BRIGHT)
    return out


def _levelled(z: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Minus the plane through what lies outside the crater (through all where little of that is seen)."""
    weight = (seen & (RHO > 1.3)).astype(np.float64)
    little = weight.mean((1, 2)) < 0.1
    weight[little] = seen[little]
    design = np.stack([np.ones_like(EAST), EAST, NORTH]).reshape(3, -1)
    w, v = weight.reshape(len(z), -1), np.nan_to_num(z).reshape(len(z), -1).astype(np.float64)
    normal = np.einsum("nk,ik,jk->nij", w, design, design, optimize=True) + 1e-6 * np.eye(3)
    plane = np.linalg.solve(normal, np.einsum("nk,ik->ni", w * v, design)[..., None])[..., 0]
    return (z - (plane @ design).reshape(z.shape)).astype(np.float32)


def numbers(
    diameter_px: NDArray[np.float64],
    diameter_m: NDArray[np.float64],
    transition_m: ArrayLike,
    incidence_deg: NDArray[np.float64],
) -> Floats:
    """What the network takes besides pictures.

    Parameters
    ----------
    diameter_px, diameter_m : ndarray (n,)
        Metres are NaN without a scale.
    transition_m : float or ndarray (n,)
        Diameter at which craters of the body turn complex: larger ones are shallow from the start.
    incidence_deg : ndarray (n,)
        NaN where not known.

    Returns
    -------
    ndarray (n, 5) float32
        log2 of the diameter over 32 pixels (at most 128 pixels count), cosine of incidence, whether that is known, log2
        of the diameter over the transition, and whether that is known.
    """
    size = np.log2(np.clip(diameter_px, 4, 128) / 32)
    known = np.isfinite(incidence_deg)
    cosine = np.where(known, np.cos(np.radians(np.nan_to_num(incidence_deg))), 0.0)
    scale = np.isfinite(diameter_m) & (diameter_m > 0)
    octaves = np.clip(np.log2(np.where(scale, diameter_m, 1.0) / transition_m), -3, 3)
    return np.stack([size, cosine, known, np.where(scale, octaves, 0.0), scale], 1).astype(np.float32)

"""Longitude and latitude along the edges of a map, at round values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from .grid import Grid

_NICE = (1.0, 2.0, 5.0, 10.0)


def nice(value: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not above `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(n for n in _NICE if n * power <= value * (1 + 1e-9)) * power)


def ticks(ax: Axes, grid: Grid) -> None:
    """Longitude below and latitude beside the map where its edges run along them, else pixels and the middle."""
    rows, cols = grid.shape
    if grid.crs is None:
        ax.set_xlabel("x (px)")
        ax.set_ylabel("y (px)")
        return
    meridians, parallels = _crossings(grid, 0), _crossings(grid, 1)
    if meridians is None or parallels is None:
        lon, lat = (float(v) for v in grid.lonlat(cols / 2, rows / 2))
        ax.set_xlabel(f"x (px); middle of the image at {_degrees(lon, 'EW', 3)}, {_degrees(lat, 'NS', 3)}")
        ax.set_ylabel("y (px)")
        return
    ax.set_xticks(*meridians)
    ax.set_yticks(*parallels)
    ax.set_xlabel("planetocentric longitude")
    ax.set_ylabel("planetocentric latitude")
    for text in ax.get_yticklabels():
        text.set(rotation=90, va="center")


def _crossings(grid: Grid, axis: int) -> tuple[list[float], list[str]] | None:
    """Where round longitudes (0) cross the bottom edge, or latitudes (1) the left one; None where they run askew."""
    rows, cols = grid.shape
    n = 65
    x, y = np.linspace(0, cols, n), np.linspace(0, rows, n)
    near = grid.lonlat(*((x, np.full(n, rows)) if axis == 0 else (np.zeros(n), y)))[axis]
    far = grid.lonlat(*((x, np.zeros(n)) if axis == 0 else (np.full(n, cols), y)))[axis]
    if not (np.isfinite(near).all() and np.isfinite(far).all()):
        return None
    if axis == 0:
        near, far = near[0] + _turn(near - near[0]), near[0] + _turn(far - near[0])
    span = float(near[-1] - near[0])
    monotone = span != 0 and (np.diff(near) * np.sign(span) > 0).all()
    if not monotone or np.abs(near - far).max() > 0.05 * abs(span):
        return None
    step = nice(abs(span) / 3)
    digits = max(0, -int(np.floor(np.log10(step))))
    values = np.arange(np.ceil(min(near[0], near[-1]) / step), np.floor(max(near[0], near[-1]) / step) + 1) * step
    order = np.argsort(near)
    at = np.interp(values, near[order], (x if axis == 0 else y)[order])
    wrapped = _turn(values) if axis == 0 else values
    return at.tolist(), [_degrees(v, ("EW", "NS")[axis], digits) for v in wrapped]


def _turn(degrees: NDArray[Any]) -> NDArray[Any]:
    return (degrees + 180) % 360 - 180


def _degrees(value: float, letters: str, digits: int) -> str:
    value = round(float(value), digits)
    return f"{abs(value):.{digits}f}°" + ("" if value == 0 else f" {letters[value < 0]}")

"""Craters in a row: do the neighbours of a crater lie along one axis, and is a cluster drawn out in a line?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .voronoi import tangents

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

NEIGHBOURS = (6, 12, 20)
_ORDERS = np.arange(1, 9)
_WEIGHTS = 0.85**_ORDERS  # a kernel some 10 degrees wide on the axes' circle
FEWEST = 5  # members of a cluster whose shape is tested


def axes_of(points: Floats, neighbours: Ints, here: Ints, radius: float | None) -> Floats:
    """Directions from craters to their neighbours.

    Parameters
    ----------
    points : ndarray, (n, 3)
    neighbours : ndarray of int, (m, k)
        Rows of `points`.
    here : ndarray of int, (m,)
        Rows of `points`.
    radius : float or None
        Of the sphere; None for a plane.

    Returns
    -------
    ndarray, (m, k)
        Radians, from an arbitrary zero for each crater.
    """
    away = points[neighbours] - points[here][:, None]
    if radius is None:
        return np.arctan2(away[..., 1], away[..., 0])
    a, b = tangents(points[here] / radius)
    return np.arctan2(np.einsum("mki,mi->mk", away, b), np.einsum("mki,mi->mk", away, a))


def alignment(angles: Floats) -> Floats:
    """How many pairs of neighbours lie along one axis: a smooth count for the 6, 12 and 20 nearest.

    Parameters
    ----------
    angles : ndarray, (m, k)
        Of the neighbours in order of distance, radians.

    Returns
    -------
    ndarray, (m, levels)
        Sum over orders of the squared length of the mean axial vectors (a Rayleigh test with a narrow kernel: Mardia &
        Jupp 2000, section 6.3.7); of order 1, larger is more aligned. As many levels as k allows, at least one.
    """
    out = []
    for k in [k for k in NEIGHBOURS if k <= angles.shape[1]] or [angles.shape[1]]:
        total = np.zeros(len(angles))
        turn = np.exp(2j * angles[:, :k])
        power = np.ones_like(turn)
        for weight in _WEIGHTS:
            power = power * turn
            total += weight * np.abs(power.sum(1)) ** 2 / k
        out.append(total)
    return np.stack(out, axis=1)


def elongation(points: Floats) -> float:
    """Ratio of the standard deviations of a cluster across and along its longest axis, 0 (a line) .. 1 (round).

    Parameters
    ----------
    points : ndarray, (n, 3)
    """
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    return float(spread[1] / spread[0]) if spread[0] > 0 else 1.0


def round_clusters(sizes: Ints, trials: int, rng: np.random.Generator) -> dict[int, Floats]:
    """The same ratio of round random clusters, sorted, for each number of members asked for.

    Parameters
    ----------
    sizes : ndarray of int
    trials : int
    rng : Generator

    Returns
    -------
    dict
        Members to ndarray, (trials,). Above 200 members the ratios of 200 serve.
    """
    table: dict[int, Floats] = {}
    for n in sorted({min(int(s), 200) for s in sizes}):
        flat = rng.standard_normal((trials, n, 2))
        flat -= flat.mean(1, keepdims=True)
        value = np.linalg.eigvalsh(np.einsum("tni,tnj->tij", flat, flat))
        table[n] = np.sort(np.sqrt(np.maximum(value[:, 0], 0) / value[:, 1]))
    return table

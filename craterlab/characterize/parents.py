"""Large craters that could have thrown out small ones: do small craters crowd around them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LARGEST = 0.05  # of a secondary over its parent's diameter (Melosh 1989; McEwen & Bierhaus 2006)
_INNER, _OUTER, _BEYOND = 1.5, 5.0, 15.0  # parent radii: no secondaries below, the field, its surroundings


def parents(points: Floats, diameter: Floats, sample: Floats, area: float) -> Floats:
    """Crowding around the possible parents of every crater.

    Parameters
    ----------
    points : ndarray, (n, 3)
    diameter : ndarray, (n,)
        In the unit of `points`.
    sample : ndarray, (m, 3)
        Random points in the region of the catalogue.
    area : float
        Of the region.

    Returns
    -------
    ndarray, (n,)
        Standard deviations by which small craters within 1.5 to 5 radii of a possible parent exceed their density
        between 5 and 15 radii; the largest over the parents that have the crater within 5 radii, 0 for none.
    """
    from scipy.spatial import cKDTree

    excess = np.zeros(len(points))
    octave = np.floor(np.log2(diameter / diameter.min())).astype(int)
    ground = cKDTree(sample[: min(len(sample), 200_000)])
    density = ground.n / area
    for o in np.unique(octave):
        group = np.flatnonzero(octave == o)
        small = np.flatnonzero(diameter <= LARGEST * diameter[group].min())
        if not len(small):
            continue
        radius = diameter[group] / 2
        tree = cKDTree(points[small])

        def within(t: cKDTree, reach: float, at: Floats = points[group], r: Floats = radius) -> Floats:
            return np.asarray(t.query_ball_point(at, reach * r, return_length=True), float)

        field, around = (within(tree, b) - within(tree, a) for a, b in ((_INNER, _OUTER), (_OUTER, _BEYOND)))
        # Ground within each ring; where few random points sample it, that of a whole ring.
        rings = [np.pi * radius**2 * (b**2 - a**2) * density for a, b in ((_INNER, _OUTER), (_OUTER, _BEYOND))]
        sampled = [within(ground, b) - within(ground, a) for a, b in ((_INNER, _OUTER), (_OUTER, _BEYOND))]
        share = [(s + 10) / (r + 10) * r for s, r in zip(sampled, rings, strict=True)]
        ratio = share[0] / share[1]
        expected = around * ratio
        z = np.clip((field - expected) / np.sqrt(expected * (1 + ratio) + 1), 0, 10)
        for i in np.flatnonzero(z > 0.5):
            hit = small[tree.query_ball_point(points[group[i]], _OUTER * radius[i])]
            excess[hit] = np.maximum(excess[hit], z[i])
    return excess

"""Sizes, places and stated errors on simulated scenes, where the truth is exact."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..progress import progress_bar
from ..simulate import render
from ..train.evidence import labels_to_see
from .detect_metrics import MIN_DIAMETER_PX, errors, row
from .detect_outcomes import Outcomes, counted, outcomes
from .detect_sweeps import Detector

SCENES, SIZE = 32, 384
_BATCH = 8
_SEED = 50_000


def simulated(find: Detector, *, scenes: int = SCENES, size: int = SIZE, progress: bool = True) -> Outcomes:
    """Outcomes on scenes of any body, sun, surface and camera that the simulator draws."""
    images = []
    for first in progress_bar(range(0, scenes, _BATCH), show=progress, desc="simulated", unit="batch"):
        made = render(min(_BATCH, scenes - first), size, seed=_SEED + first)
        for image, craters in zip(made.image.numpy(), made.truth, strict=True):
            images.append((find(image), labels_to_see(craters), (size, size)))
    return outcomes(images)


def simulated_row(outcomes: Outcomes, threshold: float) -> dict[str, Any]:
    """The row of a set (``detect_metrics.row``) and `coverage`: how often the truth lies within one standard error.

    Returns
    -------
    dict
        Under `coverage`: `diameter` (share of |dD| below `diameter_std_px`), `position` (share of |dx| and of |dy|,
        both axes together, below `position_std_px`), `pairs`. 0.683 of Gaussian errors that are stated rightly; None
        where the model states none.
    """
    hit, _, _ = counted(outcomes.table, threshold, MIN_DIAMETER_PX)
    pairs = outcomes.table[hit]
    off = errors(pairs)
    size_std, place_std = pairs.diameter_std_px.to_numpy(), pairs.position_std_px.to_numpy()
    inside = {
        "diameter": (np.abs(off.d_diameter_px.to_numpy()) < size_std)[np.isfinite(size_std)],
        "position": (np.abs(off[["dx_px", "dy_px"]].to_numpy()) < place_std[:, None])[np.isfinite(place_std)],
    }
    coverage = {k: round(float(v.mean()), 4) if v.size else None for k, v in inside.items()}
    return row(outcomes, threshold, complete_px=0.0) | {"coverage": coverage | {"pairs": len(pairs)}}

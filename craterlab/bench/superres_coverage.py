"""Whether the error map tells the truth: how many pixels of it lie within 1.645 sigma of the estimate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .superres_images import camera, degrade, sharpen, truths

SIMULATED = "simulated"
SCENES = 16
UNCERTAINTY_CROP = 384  # fine pixels: posterior samples cost many solutions
_WITHIN = 1.645  # sigmas: 90 % of a Gaussian
_SMOOTH_PX = 4.0


def rough(truth: np.ndarray) -> np.ndarray:
    """The half of the pixels around which the truth is roughest (energy of its gradient, smoothed over 4 pixels)."""
    from scipy.ndimage import gaussian_filter

    down, across = np.gradient(truth.astype(np.float64))
    energy = gaussian_filter(down**2 + across**2, _SMOOTH_PX)
    return energy > np.median(energy)


def coverage(
    data: Path,
    sets: list[str],
    split: str,
    methods: list[str],
    *,
    factors: list[int],
    snr: float = 100.0,
    crop: int = 0,
    uncertainty: bool = False,
    scenes: int = SCENES,
    device: str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Share of pixels whose truth lies within 1.645 `std` of the estimate; 0.90 is right.

    Parameters
    ----------
    data, sets, split, methods, factors, snr, crop, device
        As in `craterlab.bench.superres.bench_superres`; the generic camera.
    uncertainty : bool
        Ask for posterior samples, on the central 384 fine pixels unless `crop` says otherwise.
    scenes : int
        Simulated scenes beside the real sets.

    Returns
    -------
    list of dict
        set (``"simulated"`` among them), factor, method, images, and the shares: all, smooth, rough (means over the
        images). A method without an error map has no row.
    """
    from ..progress import progress_bar

    crop = UNCERTAINTY_CROP if uncertainty and not crop else crop
    known = camera("generic")
    rows = []
    work = [(name, factor) for name in [*sets, SIMULATED] for factor in factors]
    with progress_bar(work, show=progress, desc="coverage", unit="set") as bar:
        for name, factor in bar:
            cells: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
            for truth in _truths(data, name, split, factor, crop, scenes):
                edge = rough(truth)
                seen = degrade(truth, factor, known, snr)
                for method in methods:
                    made = sharpen(seen, factor, method, known, uncertainty=uncertainty, device=device)
                    std = made["std"].values
                    if not np.isfinite(std).any():
                        continue
                    inside = np.abs(made["image"].values - truth) <= _WITHIN * std
                    cells[method].append(
                        (float(inside.mean()), float(inside[~edge].mean()), float(inside[edge].mean()))
                    )
            for method, values in cells.items():
                shares = np.mean(values, 0).round(4).tolist()
                rows.append(
                    {"set": name, "factor": factor, "method": method, "images": len(values)}
                    | dict(zip(("all", "smooth", "rough"), shares, strict=True))
                )
    return rows


def _truths(data: Path, name: str, split: str, factor: int, crop: int, scenes: int) -> Iterator[np.ndarray]:
    if name != SIMULATED:
        yield from (truth.values for truth in truths(data, name, split, factor, crop))
        return
    from .superres_invented import SIZE, terrains

    side = SIZE // factor * factor
    yield from (t[:side, :side] for t in terrains(scenes, craters=True))

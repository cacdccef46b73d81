"""Invented craters: what the detector finds on sharpened terrain that holds no crater at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .superres_images import camera, degrade, sharpen

if TYPE_CHECKING:
    from ..simulate import Law

SIZE = 256  # fine pixels
_BATCH = 8
# Roughness, pixels over the scene: from texture on a plain to hills, all with relief down to the pixel. Steeper ones
# are mostly shadow.
_RELIEF_PX = (0.5, 1.0, 2.0, 4.0)
_CRATERED_SHARE = 4  # one cratered terrain for so many without; rates are per area
_SEED = 20_000


def terrains(n: int, *, craters: bool, size: int = SIZE) -> Iterator[np.ndarray]:
    """Simulated images (size, size) float32 without noise, with the default crater law or with none."""
    from ..simulate import Law, render

    # No coverage is no crater: the number drawn is Poisson about a mean of 1e-10.
    law: Law = Law() if craters else Law(coverage=(1e-12, 1e-12), secondaries=0.0)
    for batch, first in enumerate(range(0, n, _BATCH)):
        scenes = render(
            min(_BATCH, n - first),
            size,
            seed=_SEED + 2 * batch + craters,
            law=law,
            relief_px=_RELIEF_PX[batch % len(_RELIEF_PX)],
            noise=0.0,
        )
        yield from scenes.image.numpy()


def invented(
    n: int,
    methods: list[str],
    *,
    factor: int = 2,
    snr: float = 100.0,
    threshold: float,
    model: str | Path = "craternet",
    device: str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Detections on crater-free terrain after super-resolution against those on the true image.

    Parameters
    ----------
    n : int
        Terrains of 256 x 256 fine pixels; a quarter as many cratered ones are sharpened beside them.
    methods : list of str
    factor, snr : int, float
        Of the degradation, with the generic camera.
    threshold : float
        Least score of a detection.

    Returns
    -------
    list of dict
        method, terrains, mpx, found and found_truth (detections), per_mpx, per_mpx_truth, p_value (of as many or more
        if both had one Poisson rate; one-sided, exact), not_above (p_value > 0.05), cratered_per_mpx (detections on
        sharpened cratered terrain), excess_share (per_mpx less per_mpx_truth, over cratered_per_mpx).

    Notes
    -----
    Two Poisson counts over equal areas: given their sum, one of them is binomial with p = 1/2 (Przyborowski &
    Wilenski 1940, Biometrika 31, 313).
    """
    from scipy.stats import binomtest

    from ..detect import detect
    from ..progress import progress_bar

    known = camera("generic")
    # Grounds with and without craters, counted for the truth and for each method.
    count = {craters: dict.fromkeys([_TRUTH, *methods], 0) for craters in (False, True)}
    number = {False: n, True: -(-n // _CRATERED_SHARE)}
    with progress_bar(show=progress, total=sum(number.values()), desc="invented craters", unit="terrain") as bar:
        for craters, many in number.items():
            for seed, truth in enumerate(terrains(many, craters=craters)):
                seen = degrade(truth, factor, known, snr, seed=seed)
                for name in count[craters]:
                    image = truth
                    if name != _TRUTH:
                        image = sharpen(seen, factor, name, known, device=device)["image"].values
                    found = detect(image, model=model, threshold=threshold, device=device, progress=False)
                    count[craters][name] += len(found)
                bar.update()
    mpx = {k: v * SIZE**2 / 1e6 for k, v in number.items()}
    empty, at_truth = count[False], count[False][_TRUTH]
    rows = []
    for method in methods:
        both = empty[method] + at_truth
        p = binomtest(empty[method], both, 0.5, alternative="greater").pvalue if both else 1.0
        cratered = count[True][method] / mpx[True]
        excess = (empty[method] - at_truth) / mpx[False]
        rows.append(
            {"method": method, "terrains": n, "mpx": round(mpx[False], 2)}
            | {"found": empty[method], "found_truth": at_truth}
            | {"per_mpx": round(empty[method] / mpx[False], 3), "per_mpx_truth": round(at_truth / mpx[False], 3)}
            | {"p_value": float(f"{p:.3g}"), "not_above": bool(p > 0.05), "cratered_per_mpx": round(cratered, 2)}
            | {"excess_share": round(excess / cratered, 4) if cratered else float("nan")}
        )
    return rows


_TRUTH = "true image"

"""How well images are sharpened, and whether anything is invented: `craterlab bench superres`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import CraterlabError
from .parts import measure_parts
from .sets import image_paths, known_names, sets_in
from .superres_images import LABELLED, SETS

PARTS = ("table", "yield", "invented", "coverage", "wrong", "times")
INSTRUMENTS = ("generic", "CTX", "LROC NAC")
FACTORS = (2, 4)
TERRAINS = 240


def bench_superres(
    data: Path,
    split: str = "dev",
    *,
    parts: list[str] | None = None,
    sets: list[str] | None = None,
    methods: list[str] | None = None,
    instruments: list[str] | None = None,
    factors: list[int] | None = None,
    crop: int = 0,
    terrains: int = TERRAINS,
    uncertainty: bool = False,
    model: str | Path = "craternet",
    device: str | None = None,
    progress: bool = True,
    on_part: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Measure super-resolution on images that are taken as the truth and degraded.

    Parameters
    ----------
    data : Path
        Folder that holds the sets.
    split : str
        As in each set's `images.csv`.
    parts : list of str, optional
        Of ``PARTS``; default all. ``table``: PSNR, SSIM and chi-square by camera, factor, noise, set and method;
        ``yield``: craters found at equal precision; ``invented``: detections on crater-free terrain, and those without
        a label on real images; ``coverage`` of the error map; ``wrong``: a PSF 30 % off; ``times``: of 1000 x 1000
        pixels.
    sets : list of str, optional
        Of ohrc, nac, hrsc, mc11e; default those that are there. Craters are counted on nac and hrsc.
    methods : list of str, optional
        Default: all of `craterlab.superres.METHODS`.
    instruments : list of str, optional
        Cameras of the table; default generic, CTX and LROC NAC. All other parts use the generic one.
    factors : list of int, optional
        Of ``table`` and ``coverage``; default 2 and 4. The other parts are at 2.
    crop : int
        Only the central square of each image, fine pixels; 0 is the whole image.
    terrains : int
        Crater-free terrains of ``invented``.
    uncertainty : bool
        Posterior samples in ``coverage``, on the central 384 fine pixels unless `crop` is given.
    model : str or Path
        Detector, at its own threshold.
    device : str, optional
        As for ``superres`` and ``detect``.
    progress : bool
    on_part : callable, optional
        Gets the result so far after each part, so that it can be kept.

    Returns
    -------
    dict
        The settings; under the name of each part a list of rows (for ``invented`` under `terrain` and `real`), see the
        function of each part; `seconds` of each part.

    Raises
    ------
    CraterlabError
        The folder, a set or the split is not there, or a part, method or camera is unknown.

    Notes
    -----
    Degradation: the camera's PSF, pixel integration, white noise of sigma = mean / SNR, seed 0; SNR 100, in the table
    40 too. Solvers know the camera, not the noise: what they need of it they find in the degraded image.
    """
    from ..inference import pick_device
    from ..instruments import instrument
    from ..nn.zoo import load

    parts = known_names("part", parts, PARTS)
    methods = known_names("method", methods, _methods())
    factors = list(factors or FACTORS)
    instruments = [instrument(name).name for name in instruments or INSTRUMENTS]
    if crop < 0 or 0 < crop < 64 or terrains < 1:
        raise CraterlabError(
            f"crop is {crop} and terrains {terrains}; wanted a crop of at least 64 fine pixels, or 0 for whole images, "
            "and at least one terrain."
        )
    sets = sets_in(data, sets, SETS, kind="") if set(parts) != {"times"} else []
    for name in sets:
        image_paths(data / name, split)  # a split that is not there is found out before the work
    labelled = [s for s in sets if s in LABELLED]
    net = load(model, pick_device(device))
    threshold = float(net.metadata.get("threshold", 0.5))
    result: dict[str, Any] = {"split": split, "sets": sets, "methods": methods, "crop": crop}
    result |= {"model": net.name, "weights_sha256": net.sha256, "threshold": threshold}
    common: dict[str, Any] = {"device": device, "progress": progress}
    cut: dict[str, Any] = {"crop": crop, "device": device, "progress": progress}
    found: list[Any] = []  # shared by two parts

    def on_labelled() -> list[Any]:
        from .superres_yield import detect_on_labelled

        if not found:
            found.extend(detect_on_labelled(data, labelled, split, methods, model=model, **cut))
        return found

    def run(part: str) -> Any:
        from . import superres_coverage, superres_invented, superres_likeness, superres_times, superres_yield

        if part == "table":
            return superres_likeness.likeness(
                data, sets, split, methods, instruments=instruments, factors=factors, **cut
            )
        if part == "wrong":
            return superres_likeness.wrong_instrument(data, sets, split, methods, **cut)
        if part == "coverage":
            return superres_coverage.coverage(
                data, sets, split, methods, factors=factors, uncertainty=uncertainty, **cut
            )
        if part == "yield":
            return superres_yield.crater_yield(on_labelled(), threshold)
        if part == "invented":
            return {
                "terrain": superres_invented.invented(terrains, methods, threshold=threshold, model=model, **common),
                "real": superres_yield.unmatched(on_labelled(), threshold),
            }
        return superres_times.times(methods, **common)

    return measure_parts(result, {part: partial(run, part) for part in PARTS}, parts, on_part)


def _methods() -> tuple[str, ...]:
    from ..superres import METHODS

    return tuple(METHODS)

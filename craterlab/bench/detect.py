"""How well the detector does on labelled images and simulated ones: `craterlab bench detect`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import CraterlabError
from .detect_calibration import calibration, scored
from .detect_metrics import MIN_DIAMETER_PX, measured, row
from .detect_outcomes import FLOOR, Finder, Outcomes, outcomes
from .sets import image_paths, known_names, labelled_images, sets_in

PARTS = ("sets", "baselines", "annotators", "simulated", "sweeps")
# Sets of labelled images, what to know when reading their figures, and the diameter from which on all craters are
# labelled. Below it, and everywhere in sets of infinity, a detection without a label may be right: what is left to
# score is recall and errors.
SETS = {
    "nac": ("Moon, LROC NAC", 8.0),
    "mc11e": ("Mars, CTX; labels of three annotators or more", 8.0),
    "hrsc": ("Mars, HRSC; never trained on", 8.0),
    "themis": ("Mars, THEMIS day IR; catalogue of 1 km and more, ghosts apart", 10.0),
    "lro_equator": ("Moon, LROC NAC, low sun; never trained on", 10.0),
    "wac_dem": ("Moon, LROC WAC; never trained on; labels sparse", np.inf),
    "sydney": ("Moon, LROC WAC; never trained on; labels sparse", np.inf),
}
MEAN_OF = ("nac", "mc11e", "hrsc")


def bench_detect(
    data: Path,
    split: str = "dev",
    *,
    sets: list[str] | None = None,
    model: str | Path = "craternet",
    threshold: float | None = None,
    parts: list[str] | None = None,
    progress: bool = True,
    on_part: Callable[[dict[str, Any]], None] | None = None,
    on_set: Callable[[str, Outcomes, list[Path]], None] | None = None,
) -> dict[str, Any]:
    """Measure a detector.

    Parameters
    ----------
    data : Path
        Folder that holds the sets.
    split : str
        As in each set's `images.csv`.
    sets : list of str, optional
        Default: all of ``SETS`` that are there.
    model, threshold
        As for ``detect``; one threshold for all sets.
    parts : list of str, optional
        Of ``PARTS``; default ``sets``. ``sets``: every labelled set; ``baselines``: two Hough transforms on the same;
        ``annotators``: the humans of `mc11e` against each other; ``simulated``: sizes, places and stated errors where
        the truth is exact; ``sweeps``: one ground under every sun and through every camera.
    progress : bool
    on_part : callable, optional
        Gets the result so far after each part, so that it can be kept.
    on_set : callable, optional
        Gets name, outcomes and image files of each labelled set, for ``detect_worst.worst_figure``.

    Returns
    -------
    dict
        `model`, `weights_sha256`, `threshold`, `split`, `min_diameter_px`, `seconds` of each part, and by part:
        `sets`: a row of each (``detect_metrics.row`` and about, seconds; for `themis` the recall of `ghosts`);
        `summary`: mean F1 over `nac`, `mc11e`, `hrsc`, with and without `nac`, whose dev images show ground that is
        in train too; `baselines`: by method, then set; `annotators`; `simulated`; `sweeps`; `calibration`: of the
        complete sets and of simulation (``detect_calibration.calibration``).

    Raises
    ------
    CraterlabError
        The folder, a set or the split is not there, a part is unknown, `threshold` is out of range, or a baseline lacks
        OpenCV.

    Notes
    -----
    Circle IoU >= 0.5, one to one, in order of score; labels of D >= 10 px. Labels that are cut by the border or of low
    confidence count neither way. AP runs over all detections of a score of 0.02 and more.
    """
    from ..detect import detect
    from ..inference import pick_device
    from ..nn.zoo import load
    from ..scene import open_scene

    parts = known_names("part", parts or ["sets"], PARTS)
    of_sets = [p for p in parts if p in ("sets", "baselines")]
    sets = sets_in(data, sets, SETS) if of_sets else []
    for name in [*sets, *(sets_in(data, ["mc11e"], SETS) if "annotators" in parts else [])]:
        image_paths(data / name, split)  # a split that is not there is found out before the work
    if threshold is not None and not 0 <= threshold <= 1:
        raise CraterlabError(
            f"threshold is a probability from 0 to 1; got {threshold}. Leave it out for the model's own."
        )
    net = load(model, pick_device(None))
    threshold = float(net.metadata.get("threshold", 0.5)) if threshold is None else threshold
    result: dict[str, Any] = {"model": net.name, "weights_sha256": net.sha256, "threshold": threshold, "split": split}
    result |= {"min_diameter_px": MIN_DIAMETER_PX, "sets": {}, "seconds": {}}
    scores: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def find_in(image: Any) -> pd.DataFrame:
        return detect(image, model=model, threshold=min(FLOOR, threshold), progress=False)

    @cache
    def find(path: Path) -> tuple[pd.DataFrame, tuple[int, int]]:
        scene = open_scene(path)
        return find_in(scene), (scene.sizes["y"], scene.sizes["x"])

    def run(part: str) -> Any:
        if part == "sets":
            rows = {}
            for name in sets:
                rows[name], of_set = _set(data, name, split, find, threshold, progress)
                if rows[name]["complete"]:
                    scores[name] = scored(of_set)
                if on_set is not None:
                    on_set(name, of_set, image_paths(data / name, split))
            return rows
        if part == "baselines":
            return _baselines(data, sets, split, progress)
        if part == "annotators":
            from .detect_annotators import annotators

            return annotators(data, split, find, threshold, progress=progress)
        if part == "simulated":
            from .detect_simulated import simulated, simulated_row

            made = simulated(find_in, progress=progress)
            scores["simulated"] = scored(made)
            return simulated_row(made, threshold)
        from .detect_sweeps import sweeps

        return sweeps(find_in, threshold, progress=progress)

    for part in parts:
        started = time.perf_counter()
        result[part] = run(part)
        result["seconds"][part] = round(time.perf_counter() - started, 1)
        if part == "sets":
            result["summary"] = _summary(result["sets"])
        if part in ("sets", "simulated"):
            result["calibration"] = calibration(scores, threshold)
        if on_part is not None:
            on_part(result)
    return result


def _set(
    data: Path, name: str, split: str, find: Finder, threshold: float, progress: bool
) -> tuple[dict[str, Any], Outcomes]:
    """Row of one set and what it is made of."""
    from ..progress import progress_bar

    started = time.perf_counter()
    images = progress_bar(list(labelled_images(data / name, split)), show=progress, desc=name)
    got = outcomes((found, labels, shape) for path, labels in images for found, shape in [find(path)])
    seconds = round(time.perf_counter() - started, 1)  # of finding and matching; resampling is not the detector's
    about, complete_px = SETS[name]
    out = {"about": about} | row(got, threshold, complete_px=complete_px)
    if got.table.ghost.any():
        alone = Outcomes(got.table.assign(ignore=~got.table.ghost), got.units, got.unit, got.images, got.mpx)
        ghosts = measured(alone, threshold, MIN_DIAMETER_PX, complete=False)
        out["ghosts"] = {"labels": ghosts["labels"], "recall": ghosts["recall"]}
    return out | {"seconds": seconds}, got


def _baselines(data: Path, sets: list[str], split: str, progress: bool) -> dict[str, Any]:
    """Rows of the Hough transforms, by method and set; every circle they give counts."""
    from ..scene import open_scene
    from .detect_baselines import METHODS, hough_circles

    def finder(method: str) -> Finder:
        def find(path: Path) -> tuple[pd.DataFrame, tuple[int, int]]:
            image = open_scene(path)["image"].transpose("y", "x").values
            return hough_circles(image, method), (image.shape[0], image.shape[1])

        return find

    return {m: {name: _set(data, name, split, finder(m), 0.0, progress)[0] for name in sets} for m in METHODS}


def _summary(rows: dict[str, Any]) -> dict[str, Any]:
    """Mean F1 over the sets of the target that were measured, and the same without `nac`."""
    f1 = {name: rows[name]["f1"] for name in MEAN_OF if name in rows}
    out: dict[str, Any] = {"of": list(f1)}
    for key, names in (("mean_f1", list(f1)), ("mean_f1_without_nac", [n for n in f1 if n != "nac"])):
        values = [f1[n] for n in names if f1[n] is not None]
        out[key] = round(float(np.mean(values)), 4) if values else None
    return out

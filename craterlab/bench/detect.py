"""How well the detector does on labelled images: `craterlab bench detect`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ..match import Scores, pool, scores
from .sets import labelled_images, sets_in

MIN_DIAMETER_PX = 10
# Sets of labelled images and what to know when reading their figures. Where small craters are not all labelled,
# a detection without a label may be right: such sets count for recall and errors only.
SETS = {
    "nac": ("Moon, LROC NAC", True),
    "mc11e": ("Mars, CTX; labels of three annotators or more", True),
    "hrsc": ("Mars, HRSC; never trained on", True),
    "themis": ("Mars, THEMIS day IR; catalogue of 1 km and more", True),
    "lro_equator": ("Moon, LROC NAC, low sun; never trained on", True),
    "wac_dem": ("Moon, LROC WAC; never trained on", True),
    "sydney": ("Moon, LROC WAC; never trained on; labels incomplete", False),
}


def bench_detect(
    data: Path,
    split: str = "dev",
    *,
    sets: list[str] | None = None,
    model: str | Path = "craternet",
    threshold: float | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Score a detector on the labelled sets found in a folder.

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

    Returns
    -------
    dict
        `model`, `weights_sha256`, `threshold`, `split`, and under `sets` for each: images, labels (counted), precision,
        recall, f1, ap, centre_error (median, over the radius), diameter_error (median of abs(dD) / D), seconds.

    Raises
    ------
    CraterlabError
        When the folder, a set or the split is not there.

    Notes
    -----
    Circle IoU >= 0.5, one to one, labels of D >= 10 px; labels cut by the border or of low confidence are ignored.
    AP runs over all detections of a score of 0.02 and more.
    """
    from ..detect import detect
    from ..inference import pick_device
    from ..nn.zoo import load
    from ..progress import progress_bar
    from ..scene import open_scene

    sets = sets_in(data, sets, SETS)
    net = load(model, pick_device(None))
    threshold = float(net.metadata.get("threshold", 0.5)) if threshold is None else threshold
    result: dict[str, Any] = {
        "model": net.name,
        "weights_sha256": net.sha256,
        "threshold": threshold,
        "split": split,
        "min_diameter_px": MIN_DIAMETER_PX,
        "sets": {},
    }
    for name in sets:
        images = list(labelled_images(data / name, split))
        started = time.perf_counter()
        every: list[Scores] = []
        kept: list[Scores] = []
        for path, truth in progress_bar(images, show=progress, desc=name):
            scene = open_scene(path)
            found = detect(scene, model=model, threshold=0.02, progress=False)
            shape = (scene.sizes["y"], scene.sizes["x"])
            every.append(scores(found, truth, min_diameter_px=MIN_DIAMETER_PX, shape=shape))
            kept.append(scores(found[found.score >= threshold], truth, min_diameter_px=MIN_DIAMETER_PX, shape=shape))
        s, all_scores = pool(kept), pool(every)
        about, complete = SETS[name]
        result["sets"][name] = {
            "about": about,
            "images": len(images),
            "labels": s.tp + s.fn,
            "precision": round(s.precision, 4) if complete else None,
            "recall": round(s.recall, 4),
            "f1": round(s.f1, 4) if complete else None,
            "ap": round(all_scores.ap, 4) if complete else None,
            "centre_error": round(s.centre_error, 4),
            "diameter_error": round(s.diameter_error, 4),
            "seconds": round(time.perf_counter() - started, 1),
        }
    return result


def format_table(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    columns = ("images", "labels", "precision", "recall", "f1", "ap", "centre_error", "diameter_error")
    show = lambda v: "–" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v)  # noqa: E731
    head = ("set", "images", "labels", "precision", "recall", "F1", "AP", "centre error / R", "abs(dD) / D")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, row in result["sets"].items():
        lines.append(f"| `{name}` ({row['about']}) | " + " | ".join(show(row[c]) for c in columns) + " |")
    return "\n".join(lines)

"""What `finetune` gains on a sensor and costs on the others: `craterlab bench finetune`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..match import Scores, pool, scores
from .detect_metrics import MIN_DIAMETER_PX
from .sets import labelled_images, sets_in
from .superres_report import markdown_table

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

TEACH = 400  # craters that a user may be asked to correct: left halves are taken until they hold as many
SENSORS = ("hrsc", "lro_equator")  # never trained on
KEPT = ("nac", "mc11e")  # what the shipped detector learned from


def bench_finetune(
    data: Path,
    split: str = "dev",
    *,
    sets: list[str] | None = None,
    model: str | Path = "craternet",
    minutes: float = 5.0,
    seed: int = 0,
    device: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Adapt a detector to one set after the other, each time from the same start, and score it before and after.

    Parameters
    ----------
    data : Path
        Folder that holds the sets.
    split : str
        As in each set's `images.csv`.
    sets : list of str, optional
        To adapt to; default those of ``SENSORS`` that are there.
    model, minutes, seed, device
        As for ``finetune``.

    Returns
    -------
    dict
        Under `sets` for each: `images` and `taught` (craters) of the left halves, `seconds`, and for `right_halves` and
        each kept set precision, recall and f1 `before` and `after`.

    Raises
    ------
    CraterlabError
        When the folder, a set or the split is not there.

    Notes
    -----
    The left halves of a set's images teach, in their order, until they hold ``TEACH`` craters; the right halves of the
    same images judge, and so do all images of the ``KEPT`` sets. Scored as in ``bench_detect`` at D >= 10 px with the
    model's own threshold. The adapted weights are thrown away, so sets that may not train shipped weights may be
    measured.
    """
    from ..nn.zoo import load
    from ..train.finetune import finetune

    wanted = sets_in(data, sets, dict.fromkeys((*SENSORS, *KEPT)) if sets else SENSORS)
    kept = sets_in(data, None, KEPT)
    start = load(model)
    result: dict[str, Any] = {
        "model": start.name,
        "weights_sha256": start.sha256,
        "split": split,
        "min_diameter_px": MIN_DIAMETER_PX,
        "sets": {},
    }
    held = {name: [(_open(path), truth) for path, truth in labelled_images(data / name, split)] for name in kept}
    before = {name: _figures(images, model, device) for name, images in held.items()}
    for name in wanted:
        lefts, rights = _halves(data / name, split)
        started = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="craterlab-") as folder:
            tuned = finetune(
                model,
                [scene for scene, _, _ in lefts],
                [truth for _, truth, _ in lefts],
                within=[part for _, _, part in lefts],
                minutes=minutes,
                seed=seed,
                out=Path(folder) / "tuned.safetensors",
                device=device,
                progress=progress,
            )
            seconds = time.perf_counter() - started
            row: dict[str, Any] = {
                "images": len(lefts),
                "taught": sum(_taught(truth, part) for _, truth, part in lefts),
                "seconds": round(seconds, 1),
                "right_halves": {
                    "before": _figures(rights, model, device),
                    "after": _figures(rights, tuned, device),
                },
            }
            for other in held:
                if other != name:
                    row[other] = {"before": before[other], "after": _figures(held[other], tuned, device)}
        result["sets"][name] = row
    return result


def _open(path: Path) -> xr.Dataset:
    from ..scene import open_scene

    return open_scene(path)


def _halves(folder: Path, split: str) -> tuple[list[Any], list[Any]]:
    """(scene, labels, left half) of the images that teach, and (right half, its labels) of the same images."""
    lefts, rights = [], []
    taught = 0
    for path, truth in labelled_images(folder, split):
        if taught >= TEACH:
            break
        scene = _open(path)
        rows, columns = scene.sizes["y"], scene.sizes["x"]
        middle = columns // 2
        part = (0, rows, 0, middle)
        lefts.append((scene, truth[truth.x_px.between(0, columns) & truth.y_px.between(0, rows)], part))
        right = truth[truth.x_px >= middle]
        rights.append((scene.isel(x=slice(middle, None)), right.assign(x_px=right.x_px - middle)))
        taught += _taught(truth, part)
    return lefts, rights


def _taught(truth: pd.DataFrame, part: tuple[int, int, int, int]) -> int:
    return int(((truth.x_px < part[3]) & ~truth.ignore).sum())


def _figures(images: list[Any], model: str | Path, device: str | None) -> dict[str, float]:
    from ..detect import detect

    parts: list[Scores] = []
    for scene, truth in images:
        found = detect(scene, model=model, device=device, progress=False)
        shape = (scene.sizes["y"], scene.sizes["x"])
        parts.append(scores(found, truth, min_diameter_px=MIN_DIAMETER_PX, shape=shape))
    s = pool(parts)
    return {"precision": round(s.precision, 4), "recall": round(s.recall, 4), "f1": round(s.f1, 4)}


def format_finetune(result: dict[str, Any]) -> str:
    """The result as a Markdown table."""
    head = ("adapted to", "craters taught", "seconds", "measured on", "F1 before", "F1 after", "precision", "recall")
    lines = []
    for name, row in result["sets"].items():
        for what in [k for k in row if isinstance(row[k], dict)]:
            b, a = row[what]["before"], row[what]["after"]
            cells = (
                f"`{name}`", str(row["taught"]), f"{row['seconds']:.0f}", what.replace("_", " "), f"{b['f1']:.3f}",
                f"{a['f1']:.3f}", f"{b['precision']:.3f} to {a['precision']:.3f}",
                f"{b['recall']:.3f} to {a['recall']:.3f}",
            )  # fmt: skip
            lines.append(cells)
    return markdown_table(head, lines)

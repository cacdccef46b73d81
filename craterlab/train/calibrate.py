"""Calibration of a trained detector: sizes without bias, scores that are probabilities, a threshold, an error model.

Only labelled images that the network did not learn from are used: held-out parts of the training sets and freshly
simulated scenes. The sets weigh the same, however many craters they hold. Bias and errors come from the simulated
scenes, since labels have errors of their own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..detect import calibrated, calibration_features, raw_circles, unique
from ..detect.errors import size_factor
from ..grid import Grid, grid_of
from ..inference import pick_device, quick_precision
from ..match import Scores, match, pool, scores
from ..nn.zoo import Model, load
from ..output import whole_file
from ..scene import as_scene
from .evidence import labels_to_see, shading_correlation
from .sets import load_set
from .simulated import sharpened
from .size_errors import error_model, size_bias

MIN_DIAMETER_PX = 10  # of the craters that the threshold counts
SIMULATED = "simulated"
SURE_LOGIT = -1.0  # peaks that any threshold keeps
THRESHOLDS = np.round(np.arange(0.02, 0.985, 0.01), 2)  # those that a count may be balanced at
UNBALANCED = 0.05  # share by which the count is off that is worth a word
_SCENES, _SIZE = 48, 384


@dataclass
class Labelled:
    """Raw circles found in one image beside its labels."""

    group: str
    raw: dict[str, np.ndarray]
    truth: pd.DataFrame
    scene: xr.Dataset

    @property
    def shape(self) -> tuple[int, int]:
        return self.scene.sizes["y"], self.scene.sizes["x"]


def labelled_images(data: Path | None, sets: list[str], seed: int) -> list[tuple[str, np.ndarray, pd.DataFrame]]:
    """Images that did not teach, each with the name of its group and its craters (x_px, y_px, diameter_px, ignore).

    Parameters
    ----------
    data : Path or None
        Folder of the labelled sets.
    sets : list of str
        Those the network was trained on.
    seed : int
        Of the simulated scenes.
    """
    from ..simulate import render

    out: list[tuple[str, np.ndarray, pd.DataFrame]] = []
    for landforms in (False, True):
        r = render(_SCENES // 2, _SIZE, seed=seed + 77_777 + landforms, oversample=2, landforms=landforms)
        for image, t, azimuth in zip(r.image.numpy(), r.truth, r.sun_azimuth_deg, strict=True):
            x, y, d = (t[c].to_numpy() for c in ("x_px", "y_px", "diameter_px"))
            shown = shading_correlation(image, x, y, d, float(azimuth))
            out.append((SIMULATED, image, labels_to_see(t, shown)))
    for _, image, t in list(out[::6]):
        twice = t.assign(x_px=t.x_px * 2, y_px=t.y_px * 2, diameter_px=t.diameter_px * 2)
        out.append((SIMULATED + ", sharpened", sharpened(image), twice))
    if data is None:
        return out
    for name in sets:
        for s in load_set(name, data, "calibrate"):
            t = pd.DataFrame(s.craters, columns=["x_px", "y_px", "diameter_px", "ignore"])
            out.append((name + ", sharpened" * s.sharp, s.image, t.assign(ignore=t.ignore > 0)))
    return out


def scored(raw: dict[str, np.ndarray], model: Model, grid: Grid) -> pd.DataFrame:
    """Circles of ``raw_circles`` with their `score`, one a crater, best first, of any score."""
    raw = raw | {"score": calibrated(raw, model)}
    index = unique(raw, grid)
    return pd.DataFrame({k: v[index] for k, v in raw.items()})


def _table(item: Labelled, model: Model) -> pd.DataFrame:
    return scored(item.raw, model, grid_of(item.scene))


def calibrate(
    weights: Path,
    data: Path | None,
    *,
    sets: list[str],
    seed: int = 1,
    device: str | None = None,
    images: Callable[..., Sequence[tuple[str, Any, pd.DataFrame]]] = labelled_images,
) -> dict[str, Any]:
    """Write calibration, threshold and error model into the metadata of a weights file.

    Parameters
    ----------
    weights : Path
        From ``train_detector``; rewritten in place.
    data : Path or None
        Folder of the labelled sets.
    sets : list of str
        Those the network was trained on.
    images : callable
        (data, sets, seed) -> what to calibrate on, as ``labelled_images``; a scene with a DEM is a Dataset.

    Returns
    -------
    dict
        What was written: `size_bias` and `errors` (see ``detect.errors``), `calibration` (weights of
        ``detect.calibration_features``), `threshold`, `count_ratio` (found over labelled at it), `held_out` (F1 by
        set).

    Warns
    -----
    UserWarning
        Where no threshold balances the count: the network finds fewer craters than are labelled, whatever their score.

    Notes
    -----
    Logistic regression (Platt 1999) of matched against unmatched circles of at least 6 px, or of the smallest that the
    network answers for. At the threshold as many
    craters of D >= 10 px are found as are labelled: the mean over the real sets of log(found / labelled) is nought.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    model = load(weights, pick_device(device))
    metadata = {k: v for k, v in model.metadata.items() if k not in ("calibration", "size_bias", "errors")}
    neutral = replace(model, metadata=metadata)
    least = max(6.0, neutral.architecture.diameters_px[0])
    items = []
    for group, image, truth in images(data, sets, seed):
        scene = as_scene(image)
        precision = quick_precision(model.device)
        raw = raw_circles(scene["image"], grid_of(scene), neutral, precision, least, dem=scene.get("dem"))
        items.append(Labelled(group, raw, truth, scene))
    result = _sizes(items, neutral)
    result["calibration"] = _scores(items, neutral)

    fitted = replace(neutral, metadata={**metadata, **result})
    threshold, ratio, f1 = _balanced([(_table(i, fitted), i) for i in items])
    result["threshold"], result["count_ratio"] = threshold, round(ratio, 3)
    if abs(np.log(ratio)) > UNBALANCED:
        warnings.warn(
            f"no threshold balances the count of {model.name}: at {threshold:g} it finds {ratio:.2f} times as many "
            "craters as are labelled; train it longer, or give detect a threshold of your own",
            stacklevel=2,
        )
    result["held_out"] = {k: round(v, 3) for k, v in f1.items()}

    with safe_open(weights, "pt") as f:
        metadata = f.metadata()
    metadata |= {k: json.dumps(v) for k, v in result.items()}
    with whole_file(weights) as part:
        save_file(load_file(weights), part, metadata=metadata)
    return result


def _sizes(items: list[Labelled], neutral: Model) -> dict[str, Any]:
    """`size_bias`, from which the circles of `items` are freed in place, and the `errors` that are left."""
    found, truth = _simulated_pairs(items, neutral)
    seen = found.level_diameter_px.to_numpy()
    result: dict[str, Any] = {}
    if bias := size_bias(seen, np.log(truth.diameter_px.to_numpy() / found.diameter_px.to_numpy())):
        result["size_bias"] = bias
        unbiased = replace(neutral, metadata={**neutral.metadata, **result})
        for item in items:
            item.raw["diameter_px"] = item.raw["diameter_px"] * size_factor(item.raw["level_diameter_px"], unbiased)
        found["diameter_px"] *= size_factor(seen, unbiased)
    columns, level = ["x_px", "y_px", "diameter_px"], found.diameter_px.to_numpy() / seen
    off = (found[columns].to_numpy() - truth[columns].to_numpy()) / level[:, None]
    logit = found.logit.to_numpy()
    result["errors"] = {
        "position": error_model(seen, logit, off[:, :2]),
        "diameter": error_model(seen, logit, off[:, 2]),
    }
    return result


def _scores(items: list[Labelled], neutral: Model) -> list[float]:
    """Weights of ``detect.calibration_features`` that make the scores of `items` probabilities."""
    from scipy.optimize import minimize

    rows = []
    for item in items:
        t = _table(item, neutral)
        label, _, _ = match(t, item.truth)
        doubtful = item.truth.ignore.to_numpy(bool)
        counted = (label < 0) | ~np.append(doubtful, False)[label]
        rows.append(t.assign(hit=label >= 0, group=item.group)[counted])
    table = pd.concat(rows)
    x = calibration_features({k: table[k].to_numpy() for k in ("logit", "diameter_px", "level_diameter_px")})
    y = table.hit.to_numpy(float)
    weight = 1 / table.groupby("group").hit.transform("size").to_numpy()

    def cost(w: np.ndarray) -> float:
        z = x @ w
        return float((weight * (np.logaddexp(0, z) - y * z)).sum() + 1e-4 * (w @ w))

    return [round(float(v), 4) for v in minimize(cost, [0.0, 1.0, 0.0, 0.0], method="BFGS").x]


def _balanced(tables: list[tuple[pd.DataFrame, Labelled]]) -> tuple[float, float, dict[str, float]]:
    """The threshold at which the groups together hold as many found craters as labelled ones, the ratio of these that
    is left, and each group's F1.

    Real images decide where there are any: what people would count is not all that a simulation holds.
    """
    # Matching goes in order of score, so what is matched above a threshold does not depend on what lies below it.
    pooled = {
        g: pool([scores(t, i.truth, min_diameter_px=MIN_DIAMETER_PX, shape=i.shape) for t, i in tables if i.group == g])
        for g in sorted({i.group for _, i in tables})
    }

    deciding = [s for g, s in pooled.items() if not g.startswith(SIMULATED)] or list(pooled.values())
    threshold, ratio = balance(deciding)
    f1 = {}
    for g, s in pooled.items():
        kept = s.score >= threshold
        f1[g] = 2 * float(s.hit[kept].sum()) / max(float(kept.sum() + s.tp + s.fn), 1.0)
    return threshold, ratio, f1


def balance(groups: Sequence[Scores]) -> tuple[float, float]:
    """The threshold of ``THRESHOLDS`` at which the count is balanced best.

    Parameters
    ----------
    groups : sequence of Scores
        Of detections of any score against labels; each group weighs the same.

    Returns
    -------
    threshold, ratio : float
        The ratio of found to labelled craters there, geometric mean over the groups; 1 where it can be balanced.
    """

    def off(threshold: float) -> float:
        return float(np.mean([np.log(((s.score >= threshold).sum() + 1) / (s.tp + s.fn + 1)) for s in groups]))

    threshold = float(min(THRESHOLDS, key=lambda t: abs(off(t))))
    return threshold, float(np.exp(off(threshold)))


def _simulated_pairs(items: list[Labelled], model: Model) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Circles that are surely craters of the simulated scenes, and those craters, row by row."""
    found, truth = [], []
    for i in items:
        if i.group == SIMULATED:
            t = _table(i, model)
            t = t[t.logit > SURE_LOGIT].reset_index(drop=True)
            s = scores(t, i.truth, min_diameter_px=6, shape=i.shape)
            found.append(t.iloc[s.pairs[:, 0]])
            truth.append(i.truth.iloc[s.pairs[:, 1]])
    return pd.concat(found, ignore_index=True), pd.concat(truth, ignore_index=True)

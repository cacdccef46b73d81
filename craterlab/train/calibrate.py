"""Calibration of a trained detector: scores that are probabilities, a threshold, and an error model.

Only labelled images that the network did not learn from are used: held-out parts of the training sets and freshly
simulated scenes. The sets weigh the same, however many craters they hold.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from ..detect import calibrated, calibration_features, raw_circles, unique
from ..grid import grid_of
from ..inference import pick_device, quick_precision
from ..match import match, scores
from ..nn.zoo import Model, load
from ..scene import as_scene
from .batches import HARDLY, SEEN
from .sets import load_set
from .simulated import sharpened

MIN_DIAMETER_PX = 10  # of the F1 that the threshold maximises


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
    r = render(24, 384, seed=seed + 77_777, oversample=2)
    for image, t in zip(r.image.numpy(), r.truth, strict=True):
        left = (t.visibility * (1 - t.erosion)).to_numpy()
        seen = left > HARDLY
        t = t[["x_px", "y_px", "diameter_px"]].assign(ignore=left < SEEN)[seen]
        out.append(("simulated", image, t))
    for _, image, t in list(out[::3]):
        twice = t.assign(x_px=t.x_px * 2, y_px=t.y_px * 2, diameter_px=t.diameter_px * 2)
        out.append(("simulated, sharpened", sharpened(image), twice))
    if data is None:
        return out
    for name in sets:
        for s in load_set(name, data, "calibrate"):
            t = pd.DataFrame(s.craters, columns=["x_px", "y_px", "diameter_px", "ignore"])
            out.append((name + ", sharpened" * s.sharp, s.image, t.assign(ignore=t.ignore > 0)))
    return out


def _table(item: Labelled, model: Model) -> pd.DataFrame:
    raw = dict(item.raw)
    raw["score"] = calibrated(raw, model)
    index = unique(raw, grid_of(item.scene))
    return pd.DataFrame({k: v[index] for k, v in raw.items()})


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
        What was written: `calibration` (weights of ``detect.calibration_features``), `threshold`,
        `errors` (for position and diameter: a floor in pixels and a share of D, 1-sigma), `held_out` (F1 by set).

    Notes
    -----
    Logistic regression (Platt 1999) of matched against unmatched circles of at least 6 px. The threshold maximises the
    mean F1 over the sets at D >= 10 px.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file
    from scipy.optimize import minimize

    model = load(weights, pick_device(device))
    neutral = replace(model, metadata={**model.metadata, "calibration": (0.0, 1.0, 0.0, 0.0)})
    items = []
    for group, image, truth in images(data, sets, seed):
        scene = as_scene(image)
        precision = quick_precision(model.device)
        raw = raw_circles(scene["image"], grid_of(scene), model, precision, 6, dem=scene.get("dem"))
        items.append(Labelled(group, raw, truth, scene))
    groups = sorted({i.group for i in items})

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

    w = minimize(cost, [0.0, 1.0, 0.0, 0.0], method="BFGS").x
    result: dict = {"calibration": [round(float(v), 4) for v in w]}

    fitted = replace(model, metadata={**model.metadata, **result})
    tables = [(_table(i, fitted), i) for i in items]
    best: tuple[float, float, dict[str, float]] = (-1.0, 0.5, {})
    for threshold in np.arange(0.1, 0.9, 0.02):
        by_group = {}
        for g in groups:
            tp = fp = fn = 0
            for t, i in tables:
                if i.group == g:
                    s = scores(t[t.score >= threshold], i.truth, min_diameter_px=MIN_DIAMETER_PX, shape=i.shape)
                    tp, fp, fn = tp + s.tp, fp + s.fp, fn + s.fn
            by_group[g] = 2 * tp / max(2 * tp + fp + fn, 1)
        mean = float(np.mean(list(by_group.values())))
        if mean > best[0]:
            best = (mean, float(threshold), by_group)
    result["threshold"] = round(best[1], 3)
    result["held_out"] = {k: round(v, 3) for k, v in best[2].items()}

    d, position, diameter = [], [], []
    for t, i in tables:
        s = scores(t[t.score >= best[1]], i.truth, min_diameter_px=6, shape=i.shape)
        kept = t[t.score >= best[1]].reset_index(drop=True).iloc[s.pairs[:, 0]]
        label = i.truth.reset_index(drop=True).iloc[s.pairs[:, 1]]
        d.append(label.diameter_px.to_numpy())
        position.append(np.concatenate([[kept.x_px.to_numpy() - label.x_px], [kept.y_px.to_numpy() - label.y_px]]))
        diameter.append(kept.diameter_px.to_numpy() - label.diameter_px.to_numpy())
    size_px = np.concatenate(d)
    # 1.4826 times the median of absolute errors is a standard deviation; position: the mean of the two axes.
    result["errors"] = {
        "position": _error_model(size_px, np.abs(np.concatenate(position, 1)).mean(0) * 1.4826),
        "diameter": _error_model(size_px, np.abs(np.concatenate(diameter)) * 1.4826),
    }

    with safe_open(weights, "pt") as f:
        metadata = f.metadata()
    metadata |= {k: json.dumps(v) for k, v in result.items()}
    part = weights.with_suffix(".part")
    save_file(load_file(weights), part, metadata=metadata)
    part.replace(weights)
    return result


def _error_model(diameter: np.ndarray, error: np.ndarray) -> list[float]:
    """Floor (px) and share of D of a 1-sigma error, by medians in bins of diameter; NaN below 32 craters."""
    if len(diameter) < 32:
        return [float("nan"), float("nan")]
    edges = np.quantile(diameter, np.linspace(0, 1, 9))
    bins = np.clip(np.searchsorted(edges, diameter) - 1, 0, 7)
    centre = np.array([np.median(diameter[bins == b]) for b in np.unique(bins)])
    sigma = np.array([np.median(error[bins == b]) for b in np.unique(bins)])
    from scipy.optimize import nnls

    squares, _ = nnls(np.column_stack([np.ones_like(centre), centre**2]), sigma**2)
    return [round(float(v), 4) for v in np.sqrt(squares)]

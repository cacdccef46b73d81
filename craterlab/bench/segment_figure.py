"""Six patches with what was mapped and what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def segment_figure(data: Path, split: str = "dev", model: str = "marslsnet", device: str | None = None) -> Any:
    """Patches at even ranks of their mean IoU, from the worst to the best of the published test region.

    Returns
    -------
    matplotlib.figure.Figure
        A column a patch: the grey image with the outline of what was mapped, the slope with the same, and the
        probability with both outlines. Landslides that were mapped are white, those found are red.
    """
    import torch
    from matplotlib.figure import Figure

    from ..inference import pick_device, quick_precision
    from ..segment.model import load_segmenter, probabilities
    from ..segment.scores import counts, scores
    from ..segment.standard import SLOPE_UNIT_DEG, standard
    from ..train.mmls import read_patches

    where = pick_device(device)
    segmenter = load_segmenter(model, where)
    patches = read_patches(data, split)
    if "partition" in patches.table and (patches.table["partition"] == "test").any():
        patches = patches.take((patches.table["partition"] == "test").to_numpy())
    centre, spread = zip(*segmenter.layers, strict=True)
    precision = quick_precision(torch.device(where))
    found = np.concatenate(
        [probabilities(segmenter, standard(p[None], centre, spread), precision) for p in patches.layers]
    )
    each = scores(counts(found >= segmenter.threshold, patches.mask)[:, None])
    ranked = np.argsort(each["miou"])
    columns = [int(ranked[i]) for i in np.linspace(0, len(ranked) - 1, 6).round().astype(int)]
    figure = Figure(figsize=(15, 8), layout="constrained")
    axes = figure.subplots(3, len(columns))
    for i, (top, middle, bottom) in zip(columns, axes.T, strict=True):
        truth = patches.mask[i]
        top.imshow(patches.layers[i, 6], cmap="gray")
        steep = middle.imshow(patches.layers[i, 5] * SLOPE_UNIT_DEG, cmap="magma", vmin=0, vmax=40)
        sure = bottom.imshow(found[i], cmap="cividis", vmin=0, vmax=1)
        for ax in (top, middle, bottom):
            ax.contour(truth, [0.5], colors="white", linewidths=1.2)
            ax.set_axis_off()
        for ax in (top, bottom):
            ax.contour(found[i] >= segmenter.threshold, [0.5], colors="red", linewidths=1.0)
        cell = patches.table.loc[i, ["row", "col"]]
        top.set_title(
            f"cell {cell['row']}, {cell['col']}\nmIoU {each['miou'][i]:.2f}, F1 {each['f1'][i]:.2f}", fontsize=10
        )
    figure.colorbar(steep, ax=axes[1].tolist(), label="slope, degrees", shrink=0.8)
    figure.colorbar(sure, ax=axes[2].tolist(), label="probability", shrink=0.8)
    return figure

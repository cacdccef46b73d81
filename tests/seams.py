"""Whether windows show in a result of `segment`."""

from __future__ import annotations

import numpy as np
import xarray as xr

import craterlab
from craterlab.segment import blend


def steps(scene: xr.Dataset, **options) -> tuple[float, float]:
    """Mean steps of probability across borders of windows, and at the same pixels where they lie inside windows.

    For the latter the scene is handed over without its first rows and columns, half a stride, and the windows lie
    elsewhere; all but the last one, which ends with the scene and does not count.
    """
    cut = blend.STRIDE // 2
    whole = craterlab.segment(scene, progress=False, **options)["probability"].values[cut:, cut:]
    part = craterlab.segment(scene.isel(y=slice(cut, None), x=slice(cut, None)), progress=False, **options)
    across, inside = [], []
    for axis, dim in enumerate(("y", "x")):
        size = scene.sizes[dim]
        starts = blend.starts(size)
        ends = [s + blend.PATCH for s in starts[:-1]]
        edges = np.array(sorted({*starts[1:], *ends} - {starts[-1], size})) - cut - 1
        for values, means in ((whole, across), (part["probability"].values, inside)):
            means.append(np.abs(np.diff(values, axis=axis)).swapaxes(0, axis)[edges].ravel())
    return float(np.nanmean(np.concatenate(across))), float(np.nanmean(np.concatenate(inside)))

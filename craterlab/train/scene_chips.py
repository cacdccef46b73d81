"""Craters of whole simulated scenes as chips: they teach rays and erosion among neighbours, as real ones lie.

Their classes are in the shares of nature, not of the network's training: ``simulate.chips`` alone teaches those.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..crater_profiles import OTHER_TRANSITION_M, TRANSITION_M
from ..simulate import Law, render
from .shards import read_shards, write_shards

SHARD, SIZE = 32, 256
_LEAST_PX, _LEAST_SEEN = 7.0, 0.5


def write_scenes(folder: Path, count: int, seed: int, device: str = "cpu", minutes: float | None = None) -> bool:
    """Render shards 0 .. count-1 of ``SHARD`` scenes into `folder`; those that are there are left as they are.

    Returns
    -------
    bool
        All are there; not so when the minutes were up before.
    """
    return write_shards(
        folder, "scenes", count, lambda i: _scenes(seed * 1_000_003 + i, device), minutes, "simulated scenes"
    )


def _scenes(seed: int, device: str) -> dict[str, np.ndarray]:
    law = Law(min_diameter_px=6 if seed % 2 else 9, coverage=(0.05, 0.5), rays=0.15)
    r = render(SHARD, SIZE, seed=seed, device=device, law=law, landforms=seed % 3 == 0)
    rows = []
    for i, t in enumerate(r.truth):
        keep = t[(t.diameter_px >= _LEAST_PX) & (t.visibility >= _LEAST_SEEN)]
        rows.append(
            keep[["x_px", "y_px", "diameter_px", "rays", "erosion"]].assign(
                scene=i,
                diameter_m=keep.diameter_px * r.pixel_size_m[i],
                transition_m=TRANSITION_M.get(r.body[i], OTHER_TRANSITION_M),
                sun_azimuth_deg=r.sun_azimuth_deg[i],
                incidence_deg=r.incidence_deg[i],
            )
        )
    table = pd.concat(rows, ignore_index=True)
    return {
        "image": r.image.cpu().numpy().astype(np.uint8),
        "dem": r.dem.cpu().numpy().astype(np.float16),
        **{c: table[c].to_numpy(np.float32) for c in table},
    }


def read_scenes(folder: Path) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Images (n, 256, 256) uint8, heights in pixels, and the craters of all shards; `scene` counts through."""
    images, dems, tables = zip(*read_shards(folder, "scenes"), strict=True)
    numbered = [t.assign(scene=t.scene.astype(int) + k * SHARD) for k, t in enumerate(tables)]
    return np.concatenate(images), np.concatenate(dems), pd.concat(numbered, ignore_index=True)

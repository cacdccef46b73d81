"""Craters of whole simulated scenes as chips: they teach rays and erosion among neighbours, as real ones lie.

Their classes are in the shares of nature, not of the network's training: ``simulate.chips`` alone teaches those.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

from ..crater_profiles import OTHER_TRANSITION_M, TRANSITION_M
from ..simulate import Law, render

SHARD, SIZE = 32, 256
_LEAST_PX, _LEAST_SEEN = 7.0, 0.5


def write_scenes(folder: Path, count: int, seed: int, device: str = "cpu", minutes: float | None = None) -> bool:
    """Render shards 0 .. count-1 of ``SHARD`` scenes into `folder`; those that are there are left as they are.

    Returns
    -------
    bool
        All are there; not so when the minutes were up before.
    """
    from ..progress import progress_bar

    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with progress_bar(total=count, desc="simulated scenes", unit="shard") as bar:
        for i in range(count):
            path = folder / f"scenes{i:05d}.npz"
            if not path.exists():
                if minutes and time.monotonic() - began > 60 * minutes:
                    return False
                _write(path, seed * 1_000_003 + i, device)
            bar.update()
    return True


def _write(path: Path, seed: int, device: str) -> None:
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
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part,
        image=r.image.cpu().numpy().astype(np.uint8),
        dem=r.dem.cpu().numpy().astype(np.float16),
        **{c: table[c].to_numpy(np.float32) for c in table},
    )
    part.replace(path)


def read_scenes(folder: Path) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Images (n, 256, 256) uint8, heights in pixels, and the craters of all shards; `scene` counts through."""
    images, dems, tables = [], [], []
    for k, path in enumerate(sorted(p for p in folder.glob("scenes*.npz") if not p.name.endswith(".part.npz"))):
        with np.load(path) as f:
            images.append(f["image"])
            dems.append(f["dem"])
            table = pd.DataFrame({c: f[c] for c in f.files if c not in ("image", "dem")})
        tables.append(table.assign(scene=table.scene.astype(int) + k * SHARD))
    return np.concatenate(images), np.concatenate(dems), pd.concat(tables, ignore_index=True)

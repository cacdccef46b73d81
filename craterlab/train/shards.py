"""Simulated craters on disk in numbered files, so that rendering can stop and go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def write_shards(
    folder: Path, name: str, count: int, make: Callable[[int], dict[str, Any]], minutes: float | None, desc: str
) -> bool:
    """Write ``{name}00000.npz`` .. of what `make(index)` gives; those that are there are left as they are.

    Returns
    -------
    bool
        All are there; not so when the minutes were up before.
    """
    from ..progress import progress_bar

    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with progress_bar(total=count, desc=desc, unit="shard") as bar:
        for i in range(count):
            path = folder / f"{name}{i:05d}.npz"
            if not path.exists():
                if minutes and time.monotonic() - began > 60 * minutes:
                    return False
                part = path.with_suffix(".part.npz")
                np.savez_compressed(part, **make(i))
                part.replace(path)
            bar.update()
    return True


def read_shards(folder: Path, name: str) -> Iterator[tuple[np.ndarray, np.ndarray, pd.DataFrame]]:
    """Images, elevations and table (all other arrays) of each file, in order."""
    for shard in shard_arrays(folder, name):
        image, dem = shard.pop("image"), shard.pop("dem")
        yield image, dem, pd.DataFrame(shard)


def shard_arrays(folder: Path, name: str) -> Iterator[dict[str, np.ndarray]]:
    """The arrays of each file, in order; what is still being written is left out."""
    for path in sorted(p for p in folder.glob(f"{name}*.npz") if not p.name.endswith(".part.npz")):
        with np.load(path) as f:
            yield dict(f)

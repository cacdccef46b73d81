"""How well craters are described: `craterlab bench characterize`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .sets import known_names

PARTS = ("depth", "geometry", "erosion", "shadows", "themis", "simulated", "secondaries", "times")


def bench_characterize(
    data: Path,
    split: str = "dev",
    *,
    parts: list[str] | None = None,
    seed: int = 1,
    on_part: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Measure what `characterize` and `secondaries` say.

    Parameters
    ----------
    data : Path
        Folder that holds gld100, themis and mars_catalogue.
    split : str
        Of gld100. The classes of themis and mars_catalogue teach nothing, so all of them judge.
    parts : list of str, optional
        Of ``PARTS``; default all. ``depth``: on GLD100 beside a published catalogue; ``geometry``: on simulated scenes
        with their elevation; ``erosion``: there with the elevation, and from the image alone; ``shadows``: depth
        without elevation; ``themis``: experts' classes; ``simulated``: classes and rays on simulated scenes;
        ``secondaries``: the Martian catalogue, and simulated ones; ``times``: craters a second.
    seed : int
        Of simulated scenes and of intervals.
    on_part : callable, optional
        Gets the result after each part.

    Returns
    -------
    dict
        One entry a part, and `seconds`.
    """
    from . import characterize_geometry as geometry
    from . import characterize_kinds as kinds
    from . import characterize_secondaries as secondaries

    measure: dict[str, Callable[[], Any]] = {
        "depth": lambda: geometry.depth_gld100(data, split),
        "geometry": lambda: geometry.geometry_simulated(seed),
        "erosion": lambda: {
            "elevation": geometry.erosion_simulated(seed),
            "image": geometry.erosion_simulated(seed, with_dem=False),
        },
        "shadows": lambda: geometry.shadows_simulated(seed),
        "themis": lambda: kinds.kinds_themis(data, seed=seed),
        "simulated": lambda: kinds.kinds_simulated(9000 + seed),
        "secondaries": lambda: {
            "mars_catalogue": secondaries.secondaries_mars(data, seed=seed),
            "simulated": secondaries.secondaries_simulated(seed, fields=20),
        },
        "times": lambda: {"geometry": geometry.speed(), "chips_per_second": round(kinds.chips_per_second(), 1)},
    }
    result: dict[str, Any] = {"split": split, "seed": seed, "seconds": {}}
    for part in known_names("part", parts, PARTS):
        began = time.perf_counter()
        result[part] = measure[part]()
        result["seconds"][part] = round(time.perf_counter() - began, 1)
        if on_part is not None:
            on_part(result)
    return result

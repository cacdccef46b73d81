"""How well craters are described: `craterlab bench characterize`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .parts import measure_parts


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
        Default all. ``depth``: on GLD100 beside a published catalogue; ``geometry``: on simulated scenes
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
    return measure_parts({"split": split, "seed": seed}, measure, parts, on_part)

"""A scene whose craters and age are known, sent through the same chain as any image: `craterlab demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .match import Scores
    from .pipeline import Result

__all__ = ["demo"]

SYSTEM = "Moon, Neukum et al. (2001)"
AGE_GA = 3.5
SIZE = 1024
PIXEL_SIZE_M = 50.0
MIN_DIAMETER_PX = 10.0
# Share of the fresh relief left to see (visibility times 1 - erosion) under which a crater is not asked for.
FAINT = 0.16


def simulate(seed: int = 0) -> tuple[Any, Any]:
    """The scene of the demo and its truth.

    Parameters
    ----------
    seed : int
        Which scene.

    Returns
    -------
    Dataset, GeoDataFrame
        The truth has a column `ignore`: too faint to be asked for.
    """
    from . import dating
    from .simulate import scenes
    from .simulate.population import Law

    system = dating.system(SYSTEM)
    n1 = float(system.chronology.n1(AGE_GA))
    law = Law(
        min_diameter_px=4.0,
        max_diameter_px=0.3 * SIZE,
        cumulative=lambda d_m: system.production.cumulative(np.asarray(d_m) / 1000, n1),
        erosion_scale_px=(1.0, 3.0),
        secondaries=0.0,
    )
    settings: dict[str, Any] = {
        "body": system.body,
        "pixel_size_m": PIXEL_SIZE_M,
        "incidence_deg": 65.0,
        "sun_azimuth_deg": 270.0,
        "relief_px": 2.0,
    }
    ((scene, truth),) = scenes(1, SIZE, seed=seed, law=law, **settings)
    truth["ignore"] = truth["visibility"] * (1 - truth["erosion"]) < FAINT
    scene.attrs["source"] = f"simulated scene, seed {seed}"
    return scene, truth


def demo(
    seed: int = 0, out: str | Path = "craterlab-demo", *, model: str | Path = "craternet", progress: bool = True
) -> tuple[Result, Scores]:
    """Simulate a scene, run the chain on it, and hold the result against the truth.

    Parameters
    ----------
    seed : int
        Which scene.
    out : path
        Folder, as of `pipeline.run`; the truth is in ``truth.parquet``.
    model, progress
        As for `pipeline.run`.

    Returns
    -------
    Result, Scores
        What was found, and how it agrees with the truth at D >= 10 px.
    """
    from .catalog import write_craters
    from .match import scores
    from .output import check_folder
    from .pipeline import run

    check_folder(Path(out))
    scene, truth = simulate(seed)
    result = run(
        scene, out=out, system=SYSTEM, model=model, progress=progress,
        extra=lambda result, folder: write_craters(truth, folder / "truth.parquet"),
    )  # fmt: skip
    return result, scores(result.craters, truth, min_diameter_px=MIN_DIAMETER_PX, shape=(SIZE, SIZE))


def comparison(result: Result, found: Scores) -> str:
    """The lines the shell prints."""
    from .report import span

    age = result.age
    floor_m = MIN_DIAMETER_PX * PIXEL_SIZE_M
    lines = [
        f"craters of D >= {MIN_DIAMETER_PX:g} px ({floor_m:g} m), circle IoU >= 0.5; not asked for are those",
        f"cut by the border and those with less than {FAINT:.0%} of their fresh relief left to see:",
        f"  recall     {found.recall:.3f}   ({found.tp} of {found.tp + found.fn} craters)",
        f"  precision  {found.precision:.3f}   ({found.fp} of {found.tp + found.fp} detections are not in the truth)",
        f"  age        {'none: ' + result.no_age if age is None else age.text}   (truth {AGE_GA:g} Ga, {SYSTEM})",
    ]
    if age is not None:
        lines.append(f"             {age.n} craters of {span(age)}; range: {age.range_reason}; prior {age.prior}")
    return "\n".join(lines)

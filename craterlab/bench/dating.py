"""How well surfaces are dated: `craterlab bench dating`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .lines import sections
from .parts import measure_parts

_TITLES = {
    "reference": "Ages, functions and plot points beside those of craterstats 3.6.11 (relative differences)",
    "spatial": "Randomness on random surfaces and on clusters, non-sparseness correction, areas, times",
    "speed": "Times on one core, CPU seconds",
}


def bench_dating(
    data: Path,
    *,
    parts: list[str] | None = None,
    surfaces: int = 500,
    seed: int = 0,
    on_part: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Measure ages, their error bars, and what is said of how craters lie.

    Parameters
    ----------
    data : Path
        Folder that holds `chronology`.
    parts : list of str, optional
        Default all. ``reference``: every case computed with craterstats; ``coverage``: how often the
        1-sigma interval holds the truth, with perfect counts and with a detector that loses and invents craters;
        ``spatial``: p-values of random surfaces, clusters found, bias of the non-sparseness correction; ``speed``.
    surfaces : int
        Simulated surfaces of ``coverage`` and of the p-values.
    seed : int
    on_part : callable, optional
        Gets the result after each part.

    Returns
    -------
    dict
        One entry a part, and `seconds`.
    """
    from . import dating_coverage, dating_reference, dating_spatial, dating_speed

    def spatial() -> dict[str, Any]:
        measures = ("m2cnd", "sdaa")
        return {
            "p_values": {m: dating_spatial.p_values(m, surfaces=surfaces, seed=seed) for m in measures},
            "power": {m: dating_spatial.power(m, seed=seed) for m in measures},
            "nonsparse": dating_spatial.nonsparse_bias(seed=seed),
            "areas": dating_spatial.areas(),
            "times": dating_spatial.times(seed=seed),
        }

    measure: dict[str, Callable[[], Any]] = {
        "reference": lambda: dating_reference.compare(data),
        "coverage": lambda: dating_coverage.coverage(surfaces, seed=seed),
        "spatial": spatial,
        "speed": lambda: dating_speed.dating_speed(seed=seed),
    }
    return measure_parts({"seed": seed}, measure, parts, on_part)


def format_dating(result: dict[str, Any]) -> str:
    """The result as text."""
    from .dating_coverage import format_coverage

    out = [sections(result, _TITLES)]
    if "coverage" in result:
        out.append(format_coverage(result["coverage"]))
    return "\n\n".join(part for part in out if part)

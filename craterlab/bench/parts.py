"""A bench of several parts: each is timed, and the result so far can be kept after each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .sets import known_names


def measure_parts(
    result: dict[str, Any],
    measure: Mapping[str, Callable[[], Any]],
    wanted: list[str] | None,
    on_part: Callable[[dict[str, Any]], None] | None,
) -> dict[str, Any]:
    """Fill `result` with the parts wanted (default all), in their order, and `seconds` with the time of each.

    Raises
    ------
    CraterlabError
        A part that is not known, before any is measured.
    """
    chosen = known_names("part", wanted, tuple(measure))
    result["seconds"] = {}
    for part in chosen:
        began = time.perf_counter()
        result[part] = measure[part]()
        result["seconds"][part] = round(time.perf_counter() - began, 1)
        if on_part is not None:
            on_part(result)
    return result

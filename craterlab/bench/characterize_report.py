"""The result of `craterlab bench characterize` as text: one line a figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_TITLES = {
    "depth": "Depth on GLD100 beside LU1319381 (D >= 5 km): value (95 % interval)",
    "geometry": "Depth, walls, floor and rim on simulated scenes with their elevation",
    "erosion": "Erosion on simulated scenes, with their elevation and from the image alone",
    "shadows": "Depth by shadows on simulated scenes without elevation",
    "themis": "Experts' classes on THEMIS day IR: AUC against valid, confusion, calibration",
    "simulated": "Classes and rays on simulated scenes",
    "secondaries": "Secondaries from the catalogue alone",
    "times": "Craters a second",
}
_LEFT_OUT = ("bins",)


def format_characterize(result: dict[str, Any]) -> str:
    """Lines `name: value (low to high)`, a heading for each part that was measured."""
    out: list[str] = []
    for part, title in _TITLES.items():
        if part in result:
            out += [f"## {title}", *_lines(result[part], ""), ""]
    return "\n".join(out).rstrip()


def _lines(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        if value and all(isinstance(v, int) for v in value.values()):
            yield f"- {name}: " + ", ".join(f"{k} {v}" for k, v in value.items())
            return
        for key, inner in value.items():
            if key not in _LEFT_OUT:
                yield from _lines(inner, f"{name}, {key}" if name else str(key))
    elif isinstance(value, (list, tuple)) and len(value) == 3:
        yield f"- {name}: {_number(value[0])} ({_number(value[1])} to {_number(value[2])})"
    elif isinstance(value, (list, tuple)):
        yield f"- {name}: " + ", ".join(map(_number, value))
    else:
        yield f"- {name}: {_number(value)}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

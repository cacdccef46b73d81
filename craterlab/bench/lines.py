"""A nested result as text: one line a figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_LEFT_OUT = ("bins",)


def sections(result: dict[str, Any], titles: dict[str, str]) -> str:
    """A heading for each part of `titles` that was measured, and its figures below."""
    out: list[str] = []
    for part, title in titles.items():
        if part in result:
            out += [f"## {title}", *lines(result[part]), ""]
    return "\n".join(out).rstrip()


def lines(value: Any, name: str = "") -> Iterator[str]:
    """Lines `- name, key: value`; three numbers are a value with its interval, a dict of counts is one line."""
    if isinstance(value, dict):
        if value and all(isinstance(v, int) for v in value.values()):
            yield f"- {name}: " + ", ".join(f"{k} {v}" for k, v in value.items())
            return
        for key, inner in value.items():
            if key not in _LEFT_OUT:
                yield from lines(inner, f"{name}, {key}" if name else str(key))
    elif isinstance(value, (list, tuple)) and len(value) == 3 and all(isinstance(v, (int, float)) for v in value):
        yield f"- {name}: {_number(value[0])} ({_number(value[1])} to {_number(value[2])})"
    elif isinstance(value, (list, tuple)):
        yield f"- {name}: " + "; ".join(map(_number, value))
    else:
        yield f"- {name}: {_number(value)}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Widgets for Jupyter: compare images, move thresholds, date, and correct craters by hand.

They need the extra `notebook`: `pip install "craterlab[notebook]"`. Importing this package loads none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import CraterlabError

if TYPE_CHECKING:
    from .box import Explore
    from .editor import Editor
    from .linking import link
    from .sfd import SFD
    from .swipe import Swipe
    from .thresholds import Thresholds

_HOME = {
    "SFD": "sfd",
    "Editor": "editor",
    "Explore": "box",
    "Swipe": "swipe",
    "Thresholds": "thresholds",
    "link": "linking",
}

__all__ = ["SFD", "Editor", "Explore", "Swipe", "Thresholds", "link"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'craterlab.widgets' has no attribute {name!r}")
    try:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name not in ("anywidget", "ipywidgets", "traitlets"):
            raise
        raise CraterlabError(
            f'craterlab.widgets.{name} needs {error.name}: pip install "craterlab[notebook]"'
        ) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

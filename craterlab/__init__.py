"""craterlab: find, sharpen, describe and date every impact crater in a planetary image.

Importing the package costs NumPy and xarray; every public name is loaded when it is first used (PEP 562).
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import accessor as _accessor  # noqa: F401  registers `.crater`
from ._version import __version__
from .errors import CraterlabError

if TYPE_CHECKING:
    from . import dating, match, plot, simulate, widgets
    from .bodies import Body, bodies, body
    from .catalog import read_counts, read_craters, write_craters
    from .characterize import characterize
    from .clipping import clip_craters
    from .completeness import Completeness, completeness
    from .dating import SFD, Age, age, sfd, systems
    from .detect import detect
    from .grid import area_km2, craters_from_pixels
    from .instruments import Instrument, instruments
    from .scene import open_scene
    from .superres import superres
    from .superres.audit import Audit, audit
    from .train.finetune import finetune
    from .widgets.explorer import explore

# public name -> module that holds it
_HOME = {
    "Age": "dating",
    "Audit": "superres.audit",
    "Body": "bodies",
    "Completeness": "completeness",
    "Instrument": "instruments",
    "SFD": "dating",
    "age": "dating",
    "area_km2": "grid",
    "audit": "superres.audit",
    "bodies": "bodies",
    "body": "bodies",
    "characterize": "characterize",
    "clip_craters": "clipping",
    "completeness": "completeness",
    "craters_from_pixels": "grid",
    "detect": "detect",
    "explore": "widgets.explorer",
    "finetune": "train.finetune",
    "instruments": "instruments",
    "open_scene": "scene",
    "read_counts": "catalog",
    "read_craters": "catalog",
    "sfd": "dating",
    "superres": "superres",
    "systems": "dating",
    "write_craters": "catalog",
}
_MODULES = ("dating", "match", "plot", "simulate", "widgets")

__all__ = [
    "SFD",
    "Age",
    "Audit",
    "Body",
    "Completeness",
    "CraterlabError",
    "Instrument",
    "__version__",
    "age",
    "area_km2",
    "audit",
    "bodies",
    "body",
    "characterize",
    "clip_craters",
    "completeness",
    "craters_from_pixels",
    "dating",
    "detect",
    "explore",
    "finetune",
    "instruments",
    "match",
    "open_scene",
    "plot",
    "read_counts",
    "read_craters",
    "sfd",
    "simulate",
    "superres",
    "systems",
    "widgets",
    "write_craters",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module 'craterlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(ModuleType):
    """Keeps `craterlab.detect` the function: the import system would bind the package `craterlab/detect` over it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

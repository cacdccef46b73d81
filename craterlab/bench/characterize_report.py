"""The result of `craterlab bench characterize` as text."""

from __future__ import annotations

from typing import Any

from .lines import sections

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


def format_characterize(result: dict[str, Any]) -> str:
    """A heading for each part that was measured, and a line a figure."""
    return sections(result, _TITLES)

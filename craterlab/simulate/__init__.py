"""Unlimited labelled scenes: terrain, craters, sunlight and camera, batched in torch."""

from .population import Law
from .scenes import Rendered, render, scenes

__all__ = ["Law", "Rendered", "render", "scenes"]

"""Unlimited labelled scenes: terrain, craters, sunlight and camera, batched in torch."""

from .fields import crater_field
from .population import Law
from .scenes import Rendered, render, scenes

__all__ = ["Law", "Rendered", "crater_field", "render", "scenes"]

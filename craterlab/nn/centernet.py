"""What the two CenterNets share: heads and decode of an anchor-free detector of boxes (Zhou et al. 2019).

As Zhang et al. (2025, National Remote Sensing Bulletin 29:429-441) use it for small lunar craters: a heat map for the
centres, an offset inside the cell and the box's width and height, all on a grid of a quarter of the image's resolution;
peaks of the heat map are the craters, without any suppression, so nested ones stay.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from ..errors import CraterlabError
from .peaks import peaks

STRIDE = 4  # of the output grid
MAPS = 5  # logit of a centre; offset x, y in cells; box width, height in pixels
# Two peaks are two or more cells apart, so touching craters below 8 px may share one; the published labels start at 10.
# 6 px, 1.5 cells, is the least that `detect` asks for, and lone craters of that size are seen. 64 px is the largest
# that a training window of 256 px shows whole with its surroundings.
DIAMETERS_PX = (6.0, 64.0)
# An inner level of the pyramid starts where a crater is five cells wide, and ends where the next one, which sees it
# half as wide, has begun.
LEVEL_PX = (20.0, 48.0)
FULL_WIDTH = 256
PUBLISHED_LOGIT = math.log(0.34 / 0.66)  # heat of 0.34, the published threshold


class Heads(nn.Module):
    """Two 1x1 convolutions for each of heat map, offset and size: (n, channels, r, c) -> (n, ``MAPS``, r, c)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 1), nn.ReLU(True), nn.Conv2d(channels, k, 1)) for k in (1, 2, 2)
        )
        # Start where an empty image and a mid-sized crater are: one centre in ten cells, mid-cell, 16 px.
        for head, value in zip(self.maps, (-2.19, 0.5, 16.0), strict=True):
            nn.init.constant_(head[-1].bias, value)  # type: ignore[index]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([head(x) for head in self.maps], 1)


def check_width(width: int) -> int:
    """The width itself.

    Raises
    ------
    CraterlabError
        When it cannot be divided into the narrow inner layers.
    """
    if width < 4 or width % 4:
        raise CraterlabError(f"the width of a CenterNet is a multiple of 4 ({FULL_WIDTH} as published); got {width}")
    return width


def decode(output: np.ndarray, floor_logit: float = PUBLISHED_LOGIT) -> dict[str, np.ndarray]:
    """Peaks of the heat map as circles; the diameter is the mean of the box's sides.

    Parameters
    ----------
    output : array (5, rows / 4, columns / 4)
        Maps as ``Heads`` gives them.
    floor_logit : float
        Peaks below this are left out; by default the published threshold. `detect` goes lower, since it calibrates the
        scores first.

    Returns
    -------
    dict of arrays
        x_px, y_px, diameter_px in window pixels, and `logit`.
    """
    iy, ix = peaks(output[0], floor_logit)
    ox, oy, width, height = (output[k, iy, ix].astype(float) for k in (1, 2, 3, 4))
    return {
        "x_px": (ix + ox) * STRIDE,
        "y_px": (iy + oy) * STRIDE,
        "diameter_px": np.maximum((width + height) / 2, 0.0),
        "logit": output[0, iy, ix].astype(float),
    }

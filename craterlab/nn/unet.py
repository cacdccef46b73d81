"""A U-Net (Ronneberger et al. 2015) of any small size: the peer of marslsnet in the same harness."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .blocks import conv_bn
from .marslsnet import LAYERS, parameter_count

_LEVELS = 4


class UNet(nn.Module):
    """Seven layers (n, 7, rows, columns) in 0..1 -> logit (n, 1, rows, columns); sides are multiples of 8.

    Four levels of two 3 x 3 convolutions with batch normalisation, channels doubling downwards; bilinear up-sampling.

    Parameters
    ----------
    width : int
        Channels of the finest level.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.settings = {"width": width}
        widths = [width * 2**i for i in range(_LEVELS)]
        self.down = nn.ModuleList([_pair(a, b) for a, b in zip([LAYERS, *widths], widths, strict=False)])
        self.up = nn.ModuleList([_pair(3 * w, w) for w in reversed(widths[:-1])])
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips: list[torch.Tensor] = []
        for i, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if i else x)
            skips.append(x)
        x = skips.pop()
        for block in self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skips.pop()], 1))
        return self.head(x)


def _pair(cin: int, cout: int) -> nn.Sequential:
    return nn.Sequential(conv_bn(cin, cout), conv_bn(cout, cout))


def width_of(parameters: int) -> int:
    """The width whose U-Net comes nearest to a number of parameters."""
    with torch.device("meta"):
        return min(range(4, 65), key=lambda w: abs(parameter_count(UNet(w)) - parameters))

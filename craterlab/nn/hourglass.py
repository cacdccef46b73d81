"""centernet-hourglass: CenterNet on two stacked hourglasses (Newell et al. 2016; Zhang et al. 2025).

The hourglasses are Newell's: four halvings, 256 channels, bottleneck blocks with one 3x3 convolution. CenterNet's own
Hourglass-104 halves five times and has blocks of two 3x3 convolutions, so its answers depend on ground thousands of
pixels away and a tile would be nearly all halo; here it is ``HALO``.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .blocks import Bottleneck, conv_bn
from .centernet import FULL_WIDTH, STRIDE, Heads, check_width

STACKS = 2
DEPTH = 4  # halvings inside an hourglass: from 1/4 to 1/64 of the image
ALIGN = STRIDE * 2**DEPTH
HALO = 456  # 448 px, the reach, and two cells for the peak test and for centres that lie outside their cell


class Hourglass(nn.Module):
    """Down by convolution and max-pooling, up by nearest neighbour, with a skip at every resolution.

    Rows and columns of the input are multiples of 2**depth; the output has the shape of the input.
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        block = lambda: Bottleneck(channels, channels // 2, channels)  # noqa: E731
        self.skip, self.down, self.up = block(), block(), block()
        self.inner: nn.Module = Hourglass(channels, depth - 1) if depth > 1 else block()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        low = self.inner(F.max_pool2d(self.down(x), 2))
        return self.up(self.skip(x) + F.interpolate(low, scale_factor=2, mode="nearest"))


class HourglassNet(nn.Module):
    """Stem to a quarter of the resolution, two hourglasses, heads on each.

    Input (n, 1, rows, columns): brightness normalised for the whole scene (median 0, robust standard deviation 1), rows
    and columns multiples of ``ALIGN``; nodata is 0. Output (n, 5, rows / 4, columns / 4) as ``centernet.Heads``; in
    training (n, 10, …), the maps of the first hourglass before those of the last, so that both are supervised.
    """

    def __init__(self, width: int = FULL_WIDTH) -> None:
        super().__init__()
        w = check_width(width)
        self.settings = {"width": w}
        self.stem = nn.Sequential(conv_bn(1, w // 2, 7, 2), Bottleneck(w // 2, w // 2, w, 2))
        self.stacks = nn.ModuleList(nn.Sequential(Hourglass(w, DEPTH), conv_bn(w, w)) for _ in range(STACKS))
        self.heads = nn.ModuleList(Heads(w) for _ in range(STACKS))
        # What an hourglass hands on besides its input: its features and its heat map.
        self.features = nn.ModuleList(nn.Conv2d(w, w, 1) for _ in range(STACKS - 1))
        self.heat = nn.ModuleList(nn.Conv2d(1, w, 1) for _ in range(STACKS - 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x.clamp(-5, 5))
        maps = []
        for i, (stack, head) in enumerate(zip(self.stacks, self.heads, strict=True)):
            y = stack(x)
            maps.append(head(y))
            if i + 1 < STACKS:
                x = x + self.features[i](y) + self.heat[i](maps[-1][:, :1])
        return torch.cat(maps, 1) if self.training else maps[-1]


def build(metadata: dict[str, Any]) -> HourglassNet:
    """The network that a weights file describes."""
    return HourglassNet(int(metadata["width"]))

"""centernet-resnet50: CenterNet on a ResNet-50 (He et al. 2016), the hourglass' twin in Zhang et al. (2025)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .blocks import Bottleneck, conv_bn
from .centernet import FULL_WIDTH, Heads, check_width

BLOCKS = (3, 4, 6, 3)
ALIGN = 32  # resolution of the last stage
HALO = 336  # 328 px, the reach, and two cells for the peak test and for centres that lie outside their cell


def resnet50(width: int = FULL_WIDTH) -> nn.Sequential:
    """ResNet-50 without its classifier, for one brightness channel: (n, 1, rows, columns) -> (n, 8 width, rows / 32,
    columns / 32). `width` is the first stage's output, 256 as published; a stage halves at its 3x3 convolution."""
    layers: list[nn.Module] = [conv_bn(1, width // 4, 7, 2), nn.MaxPool2d(3, 2, 1)]
    channels = width // 4
    for stage, blocks in enumerate(BLOCKS):
        middle, out = width // 4 * 2**stage, width * 2**stage
        for block in range(blocks):
            layers.append(Bottleneck(channels, middle, out, 2 if block == 0 and stage > 0 else 1))
            channels = out
    return nn.Sequential(*layers)


def up(cin: int, cout: int) -> nn.Sequential:
    """3x3 convolution and transposed convolution: twice the resolution."""
    return nn.Sequential(
        conv_bn(cin, cout), nn.ConvTranspose2d(cout, cout, 4, 2, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(True)
    )


class ResNetCenterNet(nn.Module):
    """ResNet-50, three up-sampling modules to a quarter of the resolution, heads.

    Input and output as ``hourglass.HourglassNet``, with one set of maps also in training.
    """

    def __init__(self, width: int = FULL_WIDTH) -> None:
        super().__init__()
        w = check_width(width)
        self.settings = {"width": w}
        self.backbone = resnet50(w)
        self.heads = nn.Sequential(up(8 * w, w), up(w, w), up(w, w), Heads(w))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.heads(self.backbone(x.clamp(-5, 5)))


def build(metadata: dict[str, Any]) -> ResNetCenterNet:
    """The network that a weights file describes."""
    return ResNetCenterNet(int(metadata["width"]))

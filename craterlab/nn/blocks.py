"""Small building blocks shared by the architectures."""

from __future__ import annotations

import torch
from torch import nn


def conv_bn(cin: int, cout: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU. Batch normalisation (not group or layer): at inference it is a fixed
    affine map, so a tile sees the same network as the whole image."""
    return nn.Sequential(
        nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(True),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions around an identity (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = conv_bn(channels, channels)
        self.b = nn.Sequential(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.b(self.a(x)))


class LargeKernels(nn.Module):
    """Depth-wise convolutions of several sizes, added up and mixed, around an identity: x + mix(x + sum_k DW_k(x)).

    The aggregation step of MFADM (Ge et al. 2025, Remote Sensing 17, 1994). It starts as the identity, so that it can
    be added to a trained network.
    """

    def __init__(self, channels: int, kernels: tuple[int, ...]) -> None:
        super().__init__()
        self.space = nn.ModuleList(
            [nn.Conv2d(channels, channels, k, 1, k // 2, groups=channels, bias=False) for k in kernels]
        )
        self.norm = nn.BatchNorm2d(channels)
        self.mix = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wide = x + sum(space(x) for space in self.space)
        return x + self.mix(torch.relu(self.norm(wide)))

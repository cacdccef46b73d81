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


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution around an identity, or around a 1x1 projection where shapes differ (He et al.
    2016). One 3x3 only: a deep stack of them sees far less ground than one of ``Residual``, and tiles need less halo.
    """

    def __init__(self, cin: int, middle: int, cout: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_bn(cin, middle, 1), conv_bn(middle, middle, 3, stride), conv_bn(middle, cout, 1)[:2]
        )
        # Every second pixel by a pool of one pixel, not by the projection's stride: on some processors the gradient of
        # a strided 1x1 convolution in bfloat16 writes beyond its memory (torch 2.13).
        project = nn.Sequential(nn.MaxPool2d(1, stride), conv_bn(cin, cout, 1)[:2])
        self.around: nn.Module = nn.Identity() if cin == cout and stride == 1 else project

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.around(x) + self.body(x))


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

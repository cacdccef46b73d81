"""Blocks by which maps are joined and gated: attention of patches, and squeeze and excitation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class PatchAttention(nn.Module):
    """Adds to a trunk what attention finds in another map: F1 + softmax(q k' / d_k) F2, by patches.

    Queries come from patches of the trunk, keys from patches of the other map, whose patches are the values without a
    projection (ADSNet, Lin et al. 2024, JAG 134:104215, eqs. 1 and 2: the division is by d_k, not by its root).

    Parameters
    ----------
    channels : int
        Of both maps.
    patch : int
        Side of a patch in pixels; the maps' sides are multiples of it.
    d_k : int
        Length of queries and keys.
    """

    def __init__(self, channels: int, patch: int, d_k: int = 64) -> None:
        super().__init__()
        self.patch, self.d_k = patch, d_k
        # A linear map of every patch is a convolution that steps by the patch's side.
        self.query = nn.Conv2d(channels, d_k, patch, patch, bias=False)
        self.key = nn.Conv2d(channels, d_k, patch, patch, bias=False)

    def forward(self, trunk: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Maps (n, channels, rows, columns) of one shape -> the trunk with the other map's patches added."""
        query = self.query(trunk).flatten(2).transpose(1, 2)
        weights = torch.softmax(query @ self.key(other).flatten(2) / self.d_k, -1)
        patches = F.pixel_unshuffle(other, self.patch)
        mixed = (weights @ patches.flatten(2).transpose(1, 2)).transpose(1, 2)
        return trunk + F.pixel_shuffle(mixed.reshape(patches.shape), self.patch)


class ScSE(nn.Module):
    """Concurrent squeeze and excitation of space and channels, added (Roy et al. 2018, arXiv 1803.02579).

    Channels are gated by two linear layers on their means over the map (half as many channels between them), pixels by
    a 1x1 convolution.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channel = nn.Sequential(
            nn.Linear(channels, channels // 2), nn.ReLU(True), nn.Linear(channels // 2, channels)
        )
        self.space = nn.Conv2d(channels, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        channel = torch.sigmoid(self.channel(x.mean((2, 3))))[:, :, None, None]
        return x * channel + x * torch.sigmoid(self.space(x))

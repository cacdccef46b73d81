"""adsnet: a mask of craters from an image and the slope of a DEM (ADSNet, Lin et al. 2024, JAG 134:104215).

Two encoders, fusion by attention at every level, a decoder with scSE gates. Where the paper leaves things open: patches
of 16, 8, 4, 2, 1 pixels at the five levels, so that each has 256 tokens; one head of d_k = 64; the bridge joins the
fused map and the slope's and goes to the decoder alone, not into the next encoder stage; the pool after the fifth unit
would feed nothing and is left out; bilinear up-sampling; the two gates of scSE are added.

Attention looks at the whole of a window, so what a pixel is depends on where the window lies. Windows therefore stand
on a fixed lattice: each cell of ``CELL`` pixels, counted from the image's corner, is seen in its own window of
``WINDOW`` pixels around it. A tile sees the windows that the whole image has, and so gives the same mask.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .blocks import conv_bn
from .fusion import PatchAttention, ScSE
from .mask_circles import mask_circles

WINDOW, CELL = 256, 128
CONTEXT = (WINDOW - CELL) // 2
# A circle is found from the mask within 100 px of it, in cells that look CONTEXT further.
HALO = CELL + CONTEXT
MIN_DIAMETER_PX, MAX_DIAMETER_PX = 5.0, 48.0  # sizes the mask shows, on the network's own grid
PATCHES = (16, 8, 4, 2, 1)
LAYERS = {
    "full": ("image", "dem"),
    "no-residual": ("image", "dem"),
    "no-dem": ("image",),
    "concat": ("image", "dem"),
    "no-scse": ("image", "dem"),
    "dem-only": ("dem",),
}
_WINDOWS_AT_ONCE = 4


def slope(height: torch.Tensor) -> torch.Tensor:
    """Slope in units of 10 degrees of heights in pixels (n, 1, rows, columns), by central differences.

    0 where a neighbour's height is not known (NaN), and on the border.
    """
    rise = F.pad(height[..., 1:-1, 2:] - height[..., 1:-1, :-2], (1, 1, 1, 1), value=torch.nan) / 2
    fall = F.pad(height[..., 2:, 1:-1] - height[..., :-2, 1:-1], (1, 1, 1, 1), value=torch.nan) / 2
    return torch.nan_to_num(torch.rad2deg(torch.atan(torch.hypot(rise, fall))) / 10, nan=0.0)


class Unit(nn.Module):
    """conv, BN, ReLU, conv, BN, and a projected shortcut around them unless it is the ablation without."""

    def __init__(self, cin: int, cout: int, *, residual: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(conv_bn(cin, cout), nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout))
        self.shortcut = nn.Conv2d(cin, cout, 1, bias=False) if residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        return y if self.shortcut is None else y + self.shortcut(x)


class Encoder(nn.Module):
    """One layer (n, 1, rows, columns) -> five maps, each of half the size of the one before."""

    def __init__(self, widths: tuple[int, ...], *, residual: bool) -> None:
        super().__init__()
        channels = (1, *widths)
        self.units = nn.ModuleList([Unit(a, b, residual=residual) for a, b in pairwise(channels)])

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        maps = []
        for i, unit in enumerate(self.units):
            x = unit(F.max_pool2d(x, 2) if i else x)
            maps.append(x)
        return maps


class AdsNet(nn.Module):
    """Image and heights -> logit of "crater" for each pixel.

    Input (n, layers, rows, columns), the layers of ``LAYERS[variant]``: brightness normalised for the whole scene
    (nodata is 0), and heights in pixels (NaN where unknown), of which the network's fixed first step makes the slope.
    Output (n, 1, rows, columns). In training rows and columns are ``WINDOW``; in evaluation they are multiples of
    ``CELL`` and each cell is seen in a window of its own. 15.7 M parameters at the width of 32 that the
    specification proposes, 1.4 M at 8.

    Parameters
    ----------
    width : int
        Channels of the first level; each further one has twice as many.
    variant : str
        "full", or an ablation: "no-residual" (no shortcuts), "no-dem" (image alone), "concat" (maps concatenated, no
        attention), "no-scse" (no gates), "dem-only" (slope alone).
    """

    def __init__(self, width: int = 8, variant: str = "full") -> None:
        super().__init__()
        self.settings = {"width": width, "variant": variant}
        self.layers = LAYERS[variant]
        widths = tuple(width * 2**i for i in range(5))
        residual = variant != "no-residual"
        self.encoders = nn.ModuleList([Encoder(widths, residual=residual) for _ in self.layers])
        attends = len(self.layers) == 2 and variant != "concat"
        self.attention = nn.ModuleList(
            [PatchAttention(w, p) for w, p in zip(widths, PATCHES, strict=True)] if attends else []
        )
        self.bridge = nn.ModuleList([nn.Conv2d(w * len(self.layers), w, 1) for w in widths])
        gate = nn.Identity if variant == "no-scse" else ScSE
        self.decoder = nn.ModuleList(
            [nn.Sequential(conv_bn(3 * w, w), conv_bn(w, w), gate(w)) for w in reversed(widths[:-1])]
        )
        self.head = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.head.bias, -2.0)  # type: ignore[arg-type]  # an eighth of the ground is crater

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.window(x) if self.training else self._cells(x)

    def window(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of whole windows (n, layers, ``WINDOW``, ``WINDOW``)."""
        # The last layer is the DEM where there is one, the first the image: a scene may hold both for a variant that
        # looks at one.
        given = {"image": torch.nan_to_num(x[:, :1]).clamp(-5, 5), "dem": slope(x[:, -1:])}
        maps = [encoder(given[layer]) for encoder, layer in zip(self.encoders, self.layers, strict=True)]
        skips = []
        for i, bridge in enumerate(self.bridge):
            level = [m[i] for m in maps]
            if self.attention:
                level[0] = self.attention[i](*level)
            skips.append(bridge(torch.cat(level, 1)))
        y = skips.pop()
        for block in self.decoder:
            y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)
            y = block(torch.cat([y, skips.pop()], 1))
        return self.head(y)

    def _cells(self, x: torch.Tensor) -> torch.Tensor:
        """Every cell from its own window; beyond the edge nothing is known."""
        rows, cols = x.shape[-2:]
        around = F.pad(x, (CONTEXT,) * 4, value=torch.nan)
        corners = [(r, c) for r in range(0, rows, CELL) for c in range(0, cols, CELL)]
        out = torch.empty_like(x[:, :1])
        inner = slice(CONTEXT, CONTEXT + CELL)
        for first in range(0, len(corners), _WINDOWS_AT_ONCE):
            some = corners[first : first + _WINDOWS_AT_ONCE]
            windows = torch.stack([around[..., r : r + WINDOW, c : c + WINDOW] for r, c in some], 1)
            logits = self.window(windows.flatten(0, 1)).unflatten(0, (len(x), len(some)))
            for i, (r, c) in enumerate(some):
                out[..., r : r + CELL, c : c + CELL] = logits[:, i, :, inner, inner]
        return out


def build(metadata: dict[str, Any]) -> AdsNet:
    """The network that a weights file describes."""
    return AdsNet(int(metadata["width"]), str(metadata["variant"]))


def layers(metadata: dict[str, Any]) -> tuple[str, ...]:
    """The scene's layers that the network of a weights file looks at."""
    return LAYERS[str(metadata["variant"])]


def decode(output: np.ndarray, floor_logit: float) -> dict[str, np.ndarray]:
    """Circles of the mask (1, rows, columns): x_px, y_px, diameter_px in window pixels, and `logit`, the mean over the
    circle's pixels. Those below `floor_logit` are left out."""
    found = mask_circles(output[0], MAX_DIAMETER_PX * 1.3 / 2)
    return {k: v[found["logit"] >= floor_logit] for k, v in found.items()}

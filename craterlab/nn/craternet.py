"""craternet: a small fully convolutional network that puts a peak on every crater centre.

In the manner of CenterNet (Zhou et al. 2019): no anchors; one heat map for the centres, a sub-cell offset and the
logarithm of the radius, all on a grid of half the image's resolution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .blocks import Residual, conv_bn
from .peaks import peaks

STRIDE = 2  # of the output grid
ALIGN = 16  # a window must start and end on multiples of this for its grid to line up with the whole image's
HALO = 192  # pixels beyond which nothing influences an output cell; the receptive field's half-width is below this
MIN_DIAMETER_PX, MAX_DIAMETER_PX = 5.0, 48.0  # sizes the network answers for, on its own grid
REFERENCE_RADIUS_PX = 6.0


def local_contrast(x: torch.Tensor) -> torch.Tensor:
    """Image minus its local mean over its local standard deviation, both over about 36 pixels, clipped to +-4.

    Computed on a grid four times coarser, so it is cheap, and by convolution only, so tiles agree with the whole.

    Parameters
    ----------
    x : tensor (n, 1, rows, columns)
        Rows and columns multiples of 4.
    """
    mean, square = F.avg_pool2d(x, 4), F.avg_pool2d(x * x, 4)
    box = lambda t: F.avg_pool2d(t, 9, 1, 4, count_include_pad=False)  # noqa: E731
    mean, square = box(mean), box(square)
    std = (square - mean * mean).clamp_min(0).sqrt()
    up = lambda t: F.interpolate(t, scale_factor=4, mode="nearest")  # noqa: E731
    return ((x - up(mean)) / (up(std) + 0.05)).clamp(-4, 4)


class CraterNet(nn.Module):
    """U-shaped network with a stride-2 stem; 1.5 M parameters at the default width.

    Input (n, 1, rows, columns): brightness normalised for the whole scene (median 0, robust standard deviation 1), rows
    and columns multiples of ``ALIGN``; nodata is 0. Output (n, 4, rows / 2, columns / 2): logit of a centre in a cell,
    offset of the centre from the cell's middle (x, y, in cells), log(radius / ``REFERENCE_RADIUS_PX``).
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.settings = {"width": width}
        w = (width, 2 * width, 4 * width, 5 * width)
        self.stem = nn.Sequential(conv_bn(2, w[0], 5, 2), Residual(w[0]))
        self.down = nn.ModuleList(
            [
                nn.Sequential(conv_bn(w[0], w[1], 3, 2), Residual(w[1])),
                nn.Sequential(conv_bn(w[1], w[2], 3, 2), Residual(w[2])),
                nn.Sequential(conv_bn(w[2], w[3], 3, 2), Residual(w[3]), Residual(w[3])),
            ]
        )
        self.lateral = nn.ModuleList([conv_bn(w[i + 1], w[i], 1) for i in range(3)])
        self.merge = nn.ModuleList([Residual(w[i]) for i in range(3)])
        last = nn.Conv2d(2 * w[0], 4, 1)
        self.head = nn.Sequential(conv_bn(w[0], 2 * w[0]), last)
        # A prior of about one centre in a hundred cells keeps the first steps calm (Lin et al. 2017).
        last.bias.data.copy_(torch.tensor([-4.6, 0.0, 0.0, 0.0]))  # type: ignore[union-attr]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([x.clamp(-5, 5), local_contrast(x)], 1)
        x = self.stem(x)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        for lateral, merge, skip in zip(reversed(self.lateral), reversed(self.merge), reversed(skips), strict=True):
            x = merge(F.interpolate(lateral(x), scale_factor=2, mode="nearest") + skip)
        return self.head(x)


def build(metadata: dict[str, Any]) -> CraterNet:
    """The network that a weights file describes."""
    return CraterNet(int(metadata["width"]))


def decode(output: np.ndarray, floor_logit: float) -> dict[str, np.ndarray]:
    """Peaks of the heat map as circles.

    Parameters
    ----------
    output : array (4, rows / 2, columns / 2)
        As ``CraterNet`` gives it.
    floor_logit : float
        Peaks below this are left out.

    Returns
    -------
    dict of arrays
        x_px, y_px, diameter_px in window pixels, and `logit`.
    """
    iy, ix = peaks(output[0], floor_logit)
    ox, oy, log_radius = (output[k, iy, ix].astype(float) for k in (1, 2, 3))
    return {
        "x_px": (ix + 0.5 + ox) * STRIDE,
        "y_px": (iy + 0.5 + oy) * STRIDE,
        "diameter_px": 2 * REFERENCE_RADIUS_PX * np.exp(log_radius),
        "logit": output[0, iy, ix].astype(float),
    }

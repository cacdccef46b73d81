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

from ..errors import CraterlabError
from .blocks import LargeKernels, Residual, conv_bn
from .peaks import peaks

STRIDE = 2  # of the output grid
ALIGN = 16  # a window must start and end on multiples of this for its grid to line up with the whole image's
HALO = 256  # pixels beyond which nothing influences an output cell; the receptive field's half-width is below this
MIN_DIAMETER_PX, MAX_DIAMETER_PX = 5.0, 48.0  # sizes the network answers for, on its own grid
REFERENCE_RADIUS_PX = 6.0
KERNELS = (5, 7, 9, 11)  # of the depth-wise convolutions on the coarsest grid


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
    """U-shaped network with a stride-2 stem; 1.2 M parameters at the default width.

    Input (n, 1, rows, columns): brightness normalised for the whole scene (median 0, robust standard deviation 1), rows
    and columns multiples of ``ALIGN``; nodata is 0. Output (n, 4, rows / 2, columns / 2): logit of a centre in a cell,
    offset of the centre from the cell's middle (x, y, in cells), log(radius / ``REFERENCE_RADIUS_PX``).
    """

    def __init__(self, width: int = 24, kernels: tuple[int, ...] = KERNELS) -> None:
        super().__init__()
        if any(k % 2 == 0 or k < 1 for k in kernels):
            raise CraterlabError(f"kernels are {list(kernels)}; wanted odd sizes, which have a middle")
        self.settings = {"width": width, "kernels": list(kernels)}
        w = (width, 2 * width, 4 * width, 5 * width)
        self.stem = nn.Sequential(conv_bn(2, w[0], 5, 2), Residual(w[0]))
        self.down = nn.ModuleList(
            [
                nn.Sequential(conv_bn(w[0], w[1], 3, 2), Residual(w[1])),
                nn.Sequential(conv_bn(w[1], w[2], 3, 2), Residual(w[2])),
                nn.Sequential(conv_bn(w[2], w[3], 3, 2), Residual(w[3]), Residual(w[3])),
            ]
        )
        # What lies around tells a pit from a hill: large kernels, where they are cheap.
        self.around = LargeKernels(w[3], kernels) if kernels else nn.Identity()
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
        x = self.around(x)
        for lateral, merge, skip in zip(reversed(self.lateral), reversed(self.merge), reversed(skips), strict=True):
            x = merge(F.interpolate(lateral(x), scale_factor=2, mode="nearest") + skip)
        return self.head(x)


def build(metadata: dict[str, Any]) -> CraterNet:
    """The network that a weights file describes."""
    return CraterNet(int(metadata["width"]), tuple(metadata.get("kernels", ())))


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
    x, y, log_radius = _agreed(output, iy, ix)
    return {
        "x_px": x * STRIDE,
        "y_px": y * STRIDE,
        "diameter_px": 2 * REFERENCE_RADIUS_PX * np.exp(log_radius),
        "logit": output[0, iy, ix].astype(float),
    }


def _agreed(output: np.ndarray, iy: np.ndarray, ix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre (x, y, in cells) and log radius of the crater whose peak is in cell (iy, ix).

    The eight cells around a peak say where its centre is too. The mean of the nine has less noise than the peak's word:
    weighted by the square of the heat, and by how near each puts the centre to where the peak puts it, so that the
    neighbours' other craters do not pull.
    """
    near, dy, dx = np.array([-1, 0, 1]), *np.divmod(np.arange(9), 3)
    rows, cols = output.shape[1:]
    cy, cx = iy[:, None] + near[dy], ix[:, None] + near[dx]
    inside = (cy >= 0) & (cy < rows) & (cx >= 0) & (cx < cols)
    heat, ox, oy, log_radius = output[:, cy.clip(0, rows - 1), cx.clip(0, cols - 1)].astype(float)
    x, y = cx + 0.5 + ox, cy + 0.5 + oy
    apart = (x - x[:, 4:5]) ** 2 + (y - y[:, 4:5]) ** 2
    weight = inside * np.exp(-apart / 0.5) / (1 + np.exp(-heat)) ** 2
    weight /= weight.sum(1, keepdims=True)
    return (weight * x).sum(1), (weight * y).sum(1), (weight * log_radius).sum(1)

"""The image prior: a small noise-conditioned denoiser without biases, in the manner of DRUNet (Zhang et al. 2021, IEEE
Trans. PAMI 44, 6360) with large depth-wise kernels.

Without biases and with rectifiers the network is homogeneous: scaled input and sigma give scaled output, at any noise
level (Mohan et al. 2020, ICLR), so that the brightness unit of a scene does not matter.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

UNIT_SCALES = 6.0  # robust standard deviations of a scene that make the unit of a prior, median at 0.5
MULTIPLE = 8  # sides the network works on: one unshuffling and two halvings


class SmoothRectifier(nn.Module):
    """A rectifier with a continuous slope that still takes 0 to 0: softplus, sharp, moved down."""

    def __init__(self, sharpness: float = 40.0) -> None:
        super().__init__()
        self.sharpness = sharpness

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.softplus(x, self.sharpness) - 0.6931471805599453 / self.sharpness


class Mix(nn.Module):
    """A depth-wise convolution of large kernel, then two 1x1 convolutions with a rectifier between, around an
    identity."""

    def __init__(self, channels: int, kernel: int, smooth: bool) -> None:
        super().__init__()
        self.space = nn.Conv2d(channels, channels, kernel, 1, kernel // 2, groups=channels, bias=False)
        self.widen = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.act = SmoothRectifier() if smooth else nn.ReLU(True)
        self.narrow = nn.Conv2d(2 * channels, channels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.narrow(self.act(self.widen(self.space(x))))


class Local(nn.Module):
    """Two 3x3 convolutions with a rectifier between, around an identity: DRUNet's block."""

    def __init__(self, channels: int, smooth: bool) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.act = SmoothRectifier() if smooth else nn.ReLU(True)
        self.b = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.b(self.act(self.a(x)))


class Denoiser(nn.Module):
    """A U-Net on 2x2-unshuffled pixels that takes the noise level as a channel.

    Parameters
    ----------
    width : tuple of int
        Channels on the half, quarter and eighth grid.
    kernels : tuple of int
        Depth-wise kernels there.
    smooth : bool
        Rectifiers with a continuous slope, as the gradient-step denoiser needs.

    Notes
    -----
    Called as ``denoiser(x, sigma)``, deepinv's contract: `x` (n, 1, rows, columns), about 0..1, any size;
    `sigma` a number or a tensor (n,) in the same unit; returns the denoised images.
    """

    def __init__(
        self,
        width: tuple[int, int, int] = (48, 96, 160),
        kernels: tuple[int, int, int] = (7, 7, 11),
        smooth: bool = False,
    ) -> None:
        super().__init__()
        w0, w1, w2 = width

        def body(channels: int, kernel: int, times: int = 1) -> nn.Sequential:
            pairs = [(Local(channels, smooth), Mix(channels, kernel, smooth)) for _ in range(times)]
            return nn.Sequential(*(block for pair in pairs for block in pair))

        self.head = nn.Conv2d(5, w0, 3, 1, 1, bias=False)
        self.down = nn.ModuleList([body(w0, kernels[0]), body(w1, kernels[1])])
        self.reduce = nn.ModuleList([nn.Conv2d(w0, w1, 2, 2, bias=False), nn.Conv2d(w1, w2, 2, 2, bias=False)])
        self.middle = body(w2, kernels[2], 2)
        self.enlarge = nn.ModuleList(
            [nn.ConvTranspose2d(w2, w1, 2, 2, bias=False), nn.ConvTranspose2d(w1, w0, 2, 2, bias=False)]
        )
        self.up = nn.ModuleList([body(w1, kernels[1]), body(w0, kernels[0])])
        self.tail = nn.Conv2d(w0, 4, 3, 1, 1, bias=False)
        self._start()

    def _start(self) -> None:
        # Every block starts near the identity, so that depth does not blow the signal up (there is no normalisation).
        for m in self.modules():
            if isinstance(m, Local):
                nn.init.kaiming_normal_(m.a.weight)
                m.b.weight.data.mul_(0.3)
            elif isinstance(m, Mix):
                nn.init.kaiming_normal_(m.widen.weight)
                m.narrow.weight.data.mul_(0.3)

    def forward(self, x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
        n, _, rows, cols = x.shape
        centred = _padded(x - 0.5, -rows % MULTIPLE, -cols % MULTIPLE)
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).reshape(-1, 1, 1, 1)
        z = F.pixel_unshuffle(centred, 2)
        z = torch.cat([z, level.expand(n, 1, *z.shape[2:])], 1).contiguous(memory_format=torch.channels_last)
        a = self.down[0](self.head(z))
        b = self.down[1](self.reduce[0](a))
        c = self.middle(self.reduce[1](b))
        b = self.up[0](b + self.enlarge[0](c))
        a = self.up[1](a + self.enlarge[1](b))
        noise = F.pixel_shuffle(self.tail(a), 2).to(x.dtype)
        return x - noise[..., :rows, :cols]


class GradientDenoiser(nn.Module):
    """A gradient step on an explicit potential: D(x) = x - grad g(x), g(x) = 1/2 |x - N(x)|^2 (Hurault et al. 2022,
    ICLR), so that plug-and-play with it minimises a function that can be written down.

    Parameters
    ----------
    net : Denoiser
        N, smooth.
    """

    def __init__(self, net: Denoiser) -> None:
        super().__init__()
        self.net = net

    def potential(self, x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
        """g(x), one value an image, (n,)."""
        return 0.5 * (x - self.net(x, sigma)).square().sum((1, 2, 3))

    def gradient(self, x: torch.Tensor, sigma: float | torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """g (n,) and its gradient at x."""
        with torch.enable_grad():
            at = x.detach().requires_grad_(True) if not self.training else x.requires_grad_(True)
            value = self.potential(at, sigma)
            (slope,) = torch.autograd.grad(value.sum(), at, create_graph=self.training)
        return (value, slope) if self.training else (value.detach(), slope.detach())

    def forward(self, x: torch.Tensor, sigma: float | torch.Tensor) -> torch.Tensor:
        return x - self.gradient(x, sigma)[1]


def _padded(x: torch.Tensor, below: int, right: int) -> torch.Tensor:
    if not below and not right:
        return x
    mode = "reflect" if min(x.shape[-2:]) > max(below, right) else "replicate"
    return F.pad(x, (0, right, 0, below), mode=mode)

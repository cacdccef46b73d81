"""marslsnet: landslides by pixel from seven layers (MarsLS-Net, Paheding et al. 2024, WACV), and its reading here.

Four PEN-Attention blocks in series at full resolution, and a head. A block is a convolution, two parallel ConvPE
branches whose maps are joined, and attention of all pixels to all others over them, with a skip around branches and
attention and a layer normalisation at the end.

What the paper leaves open is settled so that its nine parameter counts come out (they follow 16 k^2 f^2 + 7 k^2 f +
16 f^2 + 344 f + 100 for width f and kernel k, when batch statistics are counted):

- all convolutions are k x k: 7 to f channels in the first block, 2f to f in the others and in the head, f to f in the
  branches; a 1 x 1 convolution of the head's f channels gives the logit;
- attention has two heads, with keys of 8 channels and values of f / 2: W^V and W^O are the 4 f^2 of a block, W^Q and
  W^K the 64 f;
- the skip carries the block's first convolution, once for each branch, and has no weights. The joined maps go on beside
  what attention adds to them, so that fine detail need not pass through a weighted mean of many pixels;
- the expansion is the Maclaurin series of exp without its constant, for u = 2 terms x + x^2 / 2: on what ReLU leaves it
  grows with x, where those of sin or tanh turn back.

``attention="full"`` has each pixel attend to all 16,384 of a patch, as published. With "pooled", keys and values are
means over cells of ``POOL`` x ``POOL`` pixels, 64 of a patch: the same weights and queries, 256 times less work.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

PATCH = 128  # side of the patches it learns from and of the windows it is shown
LAYERS = 7
WIDTHS = {"S": 16, "M": 32, "L": 48}
POOL = 16
TERMS = 2
_HEADS, _KEY = 2, 8


class Expansion(nn.Module):
    """Progressive expansion: the first u terms x^n / n! of exp(x) - 1, added up; the identity for u = 1."""

    def __init__(self, terms: int) -> None:
        super().__init__()
        self.terms = terms

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for n in range(self.terms, 1, -1):  # Horner: x (1 + x/2 (1 + x/3 (…)))
            y = x + x * y / n
        return y


def conv_bn_relu(cin: int, cout: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    """Convolution that keeps rows and columns, even for an even kernel, batch normalisation, ReLU."""
    reach = (kernel - 1) * dilation
    before, after = reach // 2, reach - reach // 2
    pad = [nn.ZeroPad2d((before, after, before, after))] if before != after else []
    conv = nn.Conv2d(cin, cout, kernel, padding=0 if pad else before, dilation=dilation)
    return nn.Sequential(*pad, conv, nn.BatchNorm2d(cout), nn.ReLU(True))


class PixelAttention(nn.Module):
    """Multi-head attention over the pixels of a map (n, channels, rows, columns), with W^Q, W^K, W^V and W^O.

    Parameters
    ----------
    channels : int
    pool : int
        Keys and values are means over cells of this many pixels squared; 1 takes every pixel.
    """

    def __init__(self, channels: int, pool: int) -> None:
        super().__init__()
        self.pool, self.inner = pool, channels // 2
        self.query = nn.Conv2d(channels, _HEADS * _KEY, 1)
        self.key = nn.Conv2d(channels, _HEADS * _KEY, 1)
        self.value = nn.Conv2d(channels, self.inner, 1)
        self.out = nn.Conv2d(self.inner, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = F.avg_pool2d(x, self.pool) if self.pool > 1 else x
        width = max(16, self.inner // _HEADS)
        q, k, v = (_tokens(y, width) for y in (self.query(x), self.key(seen), self.value(seen)))
        if x.device.type == "cpu":  # where this kernel is faster in float32 than in bfloat16
            q, k, v = q.float(), k.float(), v.float()
        with torch.autocast(x.device.type, enabled=False):
            y = F.scaled_dot_product_attention(q, k, v, scale=_KEY**-0.5)[..., : self.inner // _HEADS]
        y = y.permute(0, 2, 1, 3).flatten(2).unflatten(1, x.shape[-2:])
        return self.out(y.permute(0, 3, 1, 2))


def _tokens(x: torch.Tensor, width: int) -> torch.Tensor:
    """(n, channels, rows, columns) -> (n, heads, pixels, width). Channels added are 0: they change no product, and the
    kernels that never hold all weights at once want queries and values of one width."""
    y = x.permute(0, 2, 3, 1).flatten(1, 2).unflatten(2, (_HEADS, -1)).permute(0, 2, 1, 3)
    return F.pad(y, (0, width - y.shape[-1]))


class Block(nn.Module):
    """PEN-Attention: (n, cin, rows, columns) -> (n, 2 width, rows, columns)."""

    def __init__(self, cin: int, width: int, kernel: int, terms: int, pool: int | None) -> None:
        super().__init__()
        self.first = conv_bn_relu(cin, width, kernel)
        self.branches = nn.ModuleList(
            [nn.Sequential(conv_bn_relu(width, width, kernel, dilation=2), Expansion(terms)) for _ in range(2)]
        )
        self.attention = None if pool is None else PixelAttention(2 * width, pool)
        self.norm = nn.LayerNorm(2 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        joined = torch.cat([branch(x) for branch in self.branches], 1)
        y = joined + torch.cat([x, x], 1)
        if self.attention is not None:
            y = y + self.attention(joined)
        return self.norm(y.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class MarsLsNet(nn.Module):
    """Seven layers (n, 7, rows, columns) in 0..1 -> logit of "landslide" (n, 1, rows, columns).

    Parameters
    ----------
    size : {"S", "M", "L"}
        Width f: 16, 32 or 48 channels.
    kernel : int
        3, 4 or 5; 5 with "L" is the paper's default, L-5.
    attention : {"full", "pooled"} or None
        What pixels attend to; None is the ablation without attention.
    pe : bool
        False is the ablation without progressive expansion.
    """

    def __init__(self, size: str = "L", kernel: int = 5, attention: str | None = "full", pe: bool = True) -> None:
        super().__init__()
        self.settings = {"size": size, "kernel": kernel, "attention": attention, "pe": pe}
        width, pool = WIDTHS[size], {"full": 1, "pooled": POOL, None: None}[attention]
        terms = TERMS if pe else 1
        self.blocks = nn.Sequential(
            *[Block(LAYERS if i == 0 else 2 * width, width, kernel, terms, pool) for i in range(4)]
        )
        self.head = nn.Sequential(conv_bn_relu(2 * width, width, kernel), nn.Conv2d(width, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(x))


def parameter_count(net: nn.Module) -> int:
    """Numbers that a network learns, batch statistics included (as Keras counts them)."""
    state = net.state_dict()
    return sum(v.numel() for v in state.values() if v.dtype.is_floating_point)

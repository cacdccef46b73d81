"""ChipNet: what kind of crater fills the middle of a chip, has it rays, how eroded is it.

Blocks of a large depth-wise and two point-wise convolutions (Liu et al. 2022, "A ConvNet for the 2020s") on three
grids. The maps are pooled apart over floor, rim, ejecta and surroundings, since a class is a matter of where things
are: a ghost has a floor like the plains, a layered crater an edge in its ejecta.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..catalog import MORPHOLOGIES
from ..errors import CraterlabError
from .weights import read_network, weights_path

_LAYERS, NUMBERS = 7, 5  # see characterize.chips
_HIDDEN, _OUTPUTS = 128, len(MORPHOLOGIES) + 3
DESCRIBED = _OUTPUTS + _HIDDEN + NUMBERS
_EROSION = slice(len(MORPHOLOGIES) + 1, len(MORPHOLOGIES) + 3)
_RINGS = ((0.0, 0.75), (0.75, 1.25), (1.25, 2.1), (2.1, 9.0))


class Block(nn.Module):
    """Depth-wise large kernel, then a two-layer perceptron at each pixel, around an identity."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, 1, kernel // 2, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.ReLU(True),
            nn.Conv2d(2 * channels, channels, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def _down(cin: int, cout: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(cin, cout, 2, 2, bias=False), nn.BatchNorm2d(cout))


class Among(nn.Module):
    """Corrects the erosion of each crater by what the other craters of its scene look like.

    How strong a slope looks depends on the light, the ground and the stretch of an image, so one chip cannot tell a
    worn crater from a flat picture. The fellows can: their contrast by size says what fresh looks like here. Each
    crater becomes a token, learned queries gather a few means over all tokens (attention pooling, Lee et al. 2019, "Set
    Transformer"; sets, Zaheer et al. 2017, "Deep sets"), and token and means together give the correction. The order
    of the craters is of no account, and the cost is linear in their number. Few fellows correct less; none, nothing.
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, given: int, token: int = 96, queries: int = 8, values: int = 24) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(given))
        self.register_buffer("spread", torch.ones(given))
        self.token = nn.Sequential(nn.Linear(given, token), nn.ReLU(True), nn.Dropout(0.1))
        self.key = nn.Linear(token, queries)
        self.value = nn.Linear(token, queries * values)
        last = nn.Linear(token, 2)
        self.out = nn.Sequential(nn.Linear(token + queries * values + 1, token), nn.ReLU(True), nn.Dropout(0.1), last)
        nn.init.zeros_(last.weight)  # untrained it changes nothing
        nn.init.zeros_(last.bias)

    def forward(self, described: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """(scenes, craters, given) and which of them are there (scenes, craters) to corrections (scenes, craters, 2).

        Those that are not there count for nobody; what is said of them means nothing unless they are seen well enough.
        """
        t = self.token((described - self.centre) / self.spread)
        k, n = self.key.out_features, t.shape[1]
        weight = self.key(t).masked_fill(~there[..., None], -1e9).softmax(1)
        means = torch.einsum("snk,snkv->skv", weight, self.value(t).unflatten(-1, (k, -1))).flatten(1)
        count = there.sum(1, keepdim=True).clamp_min(1).to(t.dtype)
        context = torch.cat([means, count.log()], 1)[:, None].expand(-1, n, -1)
        out: torch.Tensor = self.out(torch.cat([t, context], -1))
        return out * ((count - 1) / (count + 2))[..., None]


class ChipNet(nn.Module):
    """(n, 7, 96, 96) layers and (n, 5) numbers to (n, 7): logits of four classes and of rays, erosion and its spread.

    `forward` judges each chip alone. `describe` and `among` judge the erosion of the craters of one scene together.

    Parameters
    ----------
    width : int
        Channels on the finest grid; twice and four times as many on the next two.
    """

    def __init__(self, width: int = 20) -> None:
        super().__init__()
        self.settings = {"width": width}
        a, b, c = width, 2 * width, 4 * width
        self.body = nn.Sequential(
            nn.Conv2d(_LAYERS, a, 5, 2, 2, bias=False), nn.BatchNorm2d(a), Block(a, 7),
            _down(a, b), Block(b, 7), Block(b, 7), Block(b, 7),
            _down(b, c), Block(c, 7), Block(c, 7), Block(c, 7),
        )  # fmt: skip
        self.head = nn.Sequential(
            nn.Linear(c * (len(_RINGS) + 1) + NUMBERS, _HIDDEN),
            nn.ReLU(True),
            nn.Dropout(0.2),
            nn.Linear(_HIDDEN, _OUTPUTS),
        )
        self.fellows = Among(DESCRIBED)

    def forward(self, x: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self._pooled(x, numbers))
        return out

    def describe(self, x: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """(n, 140) of float32: what `forward` gives, behind it its hidden layer and the numbers."""
        hidden = self.head[1](self.head[0](self._pooled(x, numbers)))
        return torch.cat([v.float() for v in (self.head[3](self.head[2](hidden)), hidden, numbers)], 1)

    def among(self, described: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        """Outputs as of `forward`, with erosion judged among the craters of a scene.

        Parameters
        ----------
        described : tensor (scenes, craters, 140)
            From `describe`.
        there : tensor of bool (scenes, craters)
            Which count: not those that fill up a shorter scene, and not those that show too little.
        """
        out = described[..., :_OUTPUTS].clone()
        out[..., _EROSION] += self.fellows(described, there)
        return out

    def _pooled(self, x: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.body(x))
        side = maps.shape[-1]
        axis = (torch.arange(side, device=x.device) + 0.5) / side * 6 - 3
        rho = torch.hypot(axis[:, None], axis[None])
        # Nodata counts in no ring.
        known = nn.functional.avg_pool2d(x[:, 1:2], x.shape[-1] // side).to(maps.dtype)
        pooled = [maps.amax((2, 3))]
        for low, high in _RINGS:
            weight = known * ((rho >= low) & (rho < high)).to(maps.dtype)
            pooled.append((maps * weight).sum((2, 3)) / weight.sum((2, 3)).clamp_min(1e-3))
        return torch.cat([*pooled, numbers], 1)


@dataclass(frozen=True)
class Namer:
    """The network with what its weights file says beside: `metadata` holds the calibration."""

    net: ChipNet
    metadata: dict[str, Any]
    name: str
    sha256: str


def load_chipnet(model: str | Path = "chipnet", device: str = "cpu") -> Namer:
    """The network by name or from a weights file, once per process and device.

    Raises
    ------
    CraterlabError
        The file is not there, is damaged, or holds another network.
    """
    path = weights_path(model)
    if not path.exists():
        raise CraterlabError(
            f"characterize: no network {str(model)!r}; wanted 'chipnet' or the path of a .safetensors file "
            "(craterlab train characterize writes one)."
        )
    return _load(path, path.stat().st_mtime, device)


@lru_cache(maxsize=4)
def _load(path: Path, modified: float, device: str) -> Namer:
    net, metadata, sha256 = read_network(
        path, device, lambda about: ChipNet(int(about["width"])), ("chipnet",), verb="characterize"
    )
    return Namer(net, metadata, path.stem, sha256)

"""The learned priors of super-resolution: shipped ones by name, or any denoiser of deepinv's signature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from ..errors import CraterlabError
from .denoiser import Denoiser, GradientDenoiser
from .weights import read_network, weights_path

NAMES = ("prior", "prior-gs", "superres-net")


@dataclass(frozen=True)
class Prior:
    """A denoiser and where it comes from.

    Attributes
    ----------
    denoise : callable
        ``denoise(x, sigma)`` with x (n, 1, rows, columns) and sigma in one unit, about 0..1; same shape back.
    name, sha256 : str
        For provenance; the hash of a denoiser that was handed over is empty.
    """

    denoise: Callable[..., torch.Tensor]
    name: str
    sha256: str


def load_prior(prior: Any, default: str, device: str = "cpu") -> Prior:
    """A prior by name, from a weights file, or a denoiser as it is.

    Parameters
    ----------
    prior : None, str, Path or callable
        None is `default`. A callable follows deepinv's `Denoiser`: ``denoiser(x, sigma)``, x (n, 1, rows, columns)
        in 0..1, sigma a number in the same unit.
    default : str
        One of ``NAMES``.
    device : str

    Returns
    -------
    Prior

    Raises
    ------
    CraterlabError
        A name or file that is not there; weights of another architecture; a callable that does not give back images
        of the same shape, or not in the range it was given.
    """
    if callable(prior) and not isinstance(prior, (str, Path)):
        return _handed_over(prior, device)
    name = default if prior is None else prior
    path = weights_path(name)
    if not path.exists():
        raise CraterlabError(
            f"superres: no prior {str(name)!r}; known: {', '.join(repr(n) for n in NAMES)}, the path of a .safetensors "
            "file, or a denoiser called as denoiser(x, sigma)."
        )
    found = _load(path, path.stat().st_mtime, device)
    if (found.name == "prior-gs") != (default == "prior-gs"):
        raise CraterlabError(
            f"superres: the prior in {path.name} is a {found.name!r}; this method needs a {default!r}."
        )
    return found


@lru_cache(maxsize=8)
def _load(path: Path, modified: float, device: str) -> Prior:
    def build(about: dict[str, Any]) -> Denoiser:
        return Denoiser(kernels=tuple(about["kernels"]), smooth=about["architecture"] == "prior-gs")

    net, metadata, sha256 = read_network(path, device, build, NAMES, verb="superres", instead=", or leave out prior=")
    kind = metadata["architecture"]
    return Prior(GradientDenoiser(net).eval() if kind == "prior-gs" else net, kind, sha256)


def _handed_over(denoiser: Callable[..., torch.Tensor], device: str) -> Prior:
    """Try a denoiser once on a smooth ramp, which any denoiser of this range leaves nearly as it is."""
    ramp = torch.linspace(0.2, 0.8, 32, device=device).expand(1, 1, 32, 32)
    wanted = "wanted: denoiser(x, sigma) with x (n, 1, rows, columns) in 0..1, sigma a number, the same shape back"
    name = type(denoiser).__name__ if not hasattr(denoiser, "__name__") else str(denoiser.__name__)
    try:
        with torch.no_grad():
            out = denoiser(ramp, 0.05)
    except Exception as error:  # whatever a foreign network raises
        raise CraterlabError(f"superres: the prior {name} fails on a test image ({error}); {wanted}.") from error
    if not isinstance(out, torch.Tensor) or out.shape != ramp.shape:
        got = f"{tuple(out.shape)}" if isinstance(out, torch.Tensor) else type(out).__name__
        raise CraterlabError(f"superres: the prior {name} gives {got} for an image (1, 1, 32, 32); {wanted}.")
    if not float((out - ramp).abs().mean()) < 0.15:
        raise CraterlabError(
            f"superres: the prior {name} turns a smooth ramp from 0.2 to 0.8 into values of {float(out.min()):.3g} to "
            f"{float(out.max()):.3g}, so it seems made for another value range; {wanted}. Wrap it: "
            "prior=lambda x, sigma: denoiser(x * 255, sigma * 255) / 255."
        )
    return Prior(denoiser, name, "")

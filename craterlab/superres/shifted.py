"""Several frames of one scene as one linear operator on the cosine coefficients of its fine image.

Frame k saw the scene displaced by s_k: y_k = D h * (S_k x). Edges are reflective, as in `craterlab.superres.forward`:
the fine image continues as its own mirror image, so it is a cosine series, and a series can be evaluated anywhere. A
displacement, the integration over square pixels and the sampling are then one small matrix for each axis, its rows the
cosines at the displaced pixel centres; the PSF is a factor on the coefficients. Displacements are exact (no
interpolation kernel), the adjoint is the transposed matrices, and with s_k = 0 the operator is that of `forward`.

Shifts are in pixels of the frames, (dy, dx): what the first frame shows at r, frame k shows at r + s.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from craterlab.instruments import Instrument

from .forward import dct2, idct2

Shift = tuple[float, float]


@dataclass(frozen=True)
class Frames:
    """The operator of K frames of one size; made by `frames`."""

    shape: tuple[int, int]  # of a frame, (rows, columns)
    factor: int
    otf: torch.Tensor  # (f rows, f columns)
    rows: torch.Tensor  # (K, rows, f rows)
    cols: torch.Tensor  # (K, columns, f columns)

    @property
    def fine_shape(self) -> tuple[int, int]:
        return self.shape[0] * self.factor, self.shape[1] * self.factor


def frames(
    shape: tuple[int, int],
    factor: int,
    instrument: Instrument,
    shifts: Sequence[Shift],
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> Frames:
    """Operator of frames of one size.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of each frame.
    factor : int
        Fine pixels per pixel and axis.
    instrument : Instrument
        Its `otf` is in cycles per pixel of the frames.
    shifts : sequence of (float, float)
        (dy, dx) of each frame, in its pixels.

    Returns
    -------
    Frames
    """
    fy, fx = (np.arange(n * factor) / (2.0 * n) for n in shape)
    otf = torch.as_tensor(instrument.otf(fy[:, None], fx[None, :]), dtype=dtype, device=device)
    rows, cols = (
        torch.stack([torch.from_numpy(axis_matrix(n, factor, s[axis])) for s in shifts]).to(device, dtype)
        for axis, n in enumerate(shape)
    )
    return Frames((int(shape[0]), int(shape[1])), factor, otf, rows, cols)


@lru_cache(maxsize=64)
def axis_matrix(n: int, factor: int, shift: float) -> np.ndarray:
    """From the orthonormal DCT-II coefficients of factor * n fine samples to n pixel means, the content displaced by
    `shift` pixels; (n, factor * n) float64."""
    j = np.arange(factor * n)
    angle = math.pi * j / (2.0 * factor * n)
    with np.errstate(invalid="ignore", divide="ignore"):
        pixel = np.where(j == 0, 1.0, np.sin(factor * angle) / (factor * np.sin(angle)))  # mean of factor samples
    norm = np.where(j == 0, 1.0, math.sqrt(2.0)) / math.sqrt(factor * n)
    at = np.arange(n) + 0.5 - shift
    return pixel * norm * np.cos(math.pi / n * at[:, None] * j)


def observe(op: Frames, z: torch.Tensor) -> torch.Tensor:
    """All frames (K, rows, columns) of a fine image given by its DCT coefficients (f rows, f columns)."""
    return op.rows @ (op.otf * z) @ op.cols.mT


def gather(op: Frames, y: torch.Tensor) -> torch.Tensor:
    """Adjoint of `observe`: <observe(z), y> = <z, gather(y)> to rounding."""
    return op.otf * (op.rows.mT @ y @ op.cols).sum(0)


def diagonal(op: Frames, weight: torch.Tensor) -> torch.Tensor:
    """Diagonal of gather(weight * observe(.)), for one weight a frame, (K,); (f rows, f columns)."""
    rows, cols = op.rows.square().sum(1), op.cols.square().sum(1)
    return op.otf.square() * torch.einsum("k,ki,kj->ij", weight, rows, cols)


def shift(x: torch.Tensor, by: Shift) -> torch.Tensor:
    """An image displaced by (dy, dx) of its own pixels: out(r) = x(r - by), its mirror image coming in at the edges.

    Parameters
    ----------
    x : torch.Tensor, (rows, columns)
    by : (float, float)

    Returns
    -------
    torch.Tensor, (rows, columns)
        The cosine series of `x` at the displaced positions: exact, and exactly undone inside for a band-limited image.
    """
    rows, cols = _pair(x, by)
    return rows @ dct2(x) @ cols.mT


def shift_adjoint(x: torch.Tensor, by: Shift) -> torch.Tensor:
    """Adjoint of `shift`, which is not the shift back where the mirror image came in."""
    rows, cols = _pair(x, by)
    return idct2(rows.mT @ x @ cols)


def _pair(x: torch.Tensor, by: Shift) -> tuple[torch.Tensor, torch.Tensor]:
    rows, cols = (torch.from_numpy(axis_matrix(n, 1, s)).to(x) for n, s in zip(x.shape, by, strict=True))
    return rows, cols

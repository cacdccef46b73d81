"""The instrument as a linear operator: y = A x with A = (pixel integration and sampling) after (PSF convolution), and
its exact adjoint.

Edges are reflective: the image continues as its own mirror image (half-sample symmetric, `abcd|dcba`). A symmetric
PSF is then diagonal in the DCT-II basis of the fine grid, and averaging blocks of f x f fine pixels maps fine DCT
mode j onto the one coarse mode it aliases to, with a known gain. A, its adjoint and A S A^T for any S diagonal in the
fine DCT are therefore exact at any image size, with no padding and no truncated kernel. It is the reflective-edge
counterpart of the Fourier-domain closed form of Zhao et al. 2016 (IEEE Trans. Image Process. 25, 3683,
doi:10.1109/TIP.2016.2567075).

Pixels: f fine pixels subdivide one coarse pixel exactly, and values keep their unit (a constant image is mapped onto
the same constant).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from craterlab.errors import CraterlabError
from craterlab.instruments import Instrument


@dataclass(frozen=True)
class Operator:
    """A for one image size; made by `operator`.

    `gain[j]` is what fine DCT mode j contributes to the coarse mode it aliases to (signed, PSF included).
    """

    shape: tuple[int, int]  # of the coarse image, (rows, columns)
    factor: int
    gain: torch.Tensor  # (f * rows, f * columns)

    @property
    def fine_shape(self) -> tuple[int, int]:
        return self.shape[0] * self.factor, self.shape[1] * self.factor


def operator(
    shape: tuple[int, int],
    factor: int,
    instrument: Instrument,
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
) -> Operator:
    """Operator of an instrument for coarse images of one size.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the coarse image, each >= 1.
    factor : int
        Fine pixels per coarse pixel and axis: 1, 2, 3, 4 ...
    instrument : Instrument
        Its `otf` is in cycles per coarse pixel.

    Returns
    -------
    Operator
    """
    if factor < 1 or min(shape) < 1:
        raise CraterlabError(
            f"An operator needs factor >= 1 and a shape of at least 1 x 1, not {factor} and {tuple(shape)}."
        )
    rows, cols = (n * factor for n in shape)
    fy, fx = (np.arange(n) * factor / (2.0 * n) for n in (rows, cols))  # cycles per coarse pixel
    gain = instrument.otf(fy[:, None], fx[None, :])
    gain = gain * _block_mean_gain(shape[0], factor)[:, None] * _block_mean_gain(shape[1], factor)[None, :]
    return Operator((int(shape[0]), int(shape[1])), factor, torch.as_tensor(gain, dtype=dtype, device=device))


def forward(op: Operator, x: torch.Tensor) -> torch.Tensor:
    """A x: coarse image (..., rows, columns) of a fine image (..., f rows, f columns)."""
    return idct2(fold(op, op.gain * dct2(x)))


def adjoint(op: Operator, y: torch.Tensor) -> torch.Tensor:
    """A^T y: fine image from a coarse one; <A x, y> = <x, A^T y> to rounding."""
    return idct2(op.gain * unfold(op, dct2(y)))


def fold(op: Operator, z: torch.Tensor) -> torch.Tensor:
    """Sum of the fine DCT modes that alias to each coarse mode: (..., f rows, f columns) -> (..., rows, columns)."""
    z = _fold_last(z, op.shape[1], op.factor)
    return _fold_last(z.transpose(-1, -2), op.shape[0], op.factor).transpose(-1, -2)


def unfold(op: Operator, z: torch.Tensor) -> torch.Tensor:
    """Adjoint of `fold`: each fine mode gets the value of the coarse mode it aliases to, 0 where there is none."""
    z = _unfold_last(z.transpose(-1, -2), op.shape[0], op.factor).transpose(-1, -2)
    return _unfold_last(z, op.shape[1], op.factor)


# Fine mode j = s n + r (section s, 0 <= r < n) aliases to coarse mode r when s is even and to n - r when s is odd;
# r = 0 in an odd section samples a cosine at its zeros and reaches nothing.


def _fold_last(z: torch.Tensor, n: int, factor: int) -> torch.Tensor:
    sections = z.reshape(*z.shape[:-1], factor, n)
    out = sections[..., 0::2, :].sum(-2)
    if factor > 1:
        odd = sections[..., 1::2, 1:].sum(-2)
        out[..., 1:] += odd.flip(-1)
    return out


def _unfold_last(z: torch.Tensor, n: int, factor: int) -> torch.Tensor:
    out = z.new_empty(*z.shape[:-1], factor, n)
    out[..., 0::2, :] = z[..., None, :]
    if factor > 1:
        out[..., 1::2, 0] = 0.0
        out[..., 1::2, 1:] = z[..., 1:].flip(-1)[..., None, :]
    return out.reshape(*z.shape[:-1], factor * n)


def _block_mean_gain(n: int, factor: int) -> np.ndarray:
    """Gain of averaging `factor` samples, from orthonormal fine DCT-II modes to the coarse ones they alias to."""
    j = np.arange(factor * n)
    angle = math.pi * j / (2.0 * factor * n)
    with np.errstate(invalid="ignore", divide="ignore"):
        dirichlet = np.where(j == 0, 1.0, np.sin(factor * angle) / (factor * np.sin(angle)))
    section = j // n
    turns = (section + 1) // 2  # each full turn of the coarse cosine flips its sign at half-integer positions
    gain = np.where(turns % 2 == 0, 1.0, -1.0) * dirichlet / math.sqrt(factor)
    gain[(j % n == 0) & (j > 0)] = 0.0  # whole turns average out; half turns sample zeros
    return gain


def dct2(x: torch.Tensor) -> torch.Tensor:
    """Orthonormal DCT-II of the last two axes."""
    if x.device.type == "cpu":
        from scipy.fft import dctn

        return torch.from_numpy(dctn(x.numpy(), axes=(-2, -1), norm="ortho"))
    return _basis(x.shape[-2], x.dtype, x.device) @ x @ _basis(x.shape[-1], x.dtype, x.device).mT


def idct2(x: torch.Tensor) -> torch.Tensor:
    """Inverse of `dct2`."""
    if x.device.type == "cpu":
        from scipy.fft import idctn

        return torch.from_numpy(idctn(x.numpy(), axes=(-2, -1), norm="ortho"))
    return _basis(x.shape[-2], x.dtype, x.device).mT @ x @ _basis(x.shape[-1], x.dtype, x.device)


@lru_cache(maxsize=16)
def _basis(n: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    # On an accelerator a dense product beats an FFT-based DCT at block sizes of a few hundred, and needs no reordering.
    k = torch.arange(n, dtype=torch.float64, device=device)
    basis = torch.cos(math.pi / n * k[:, None] * (k[None, :] + 0.5)) * math.sqrt(2.0 / n)
    basis[0] /= math.sqrt(2.0)
    return basis.to(dtype)

"""The instrument as a linear operator: y = A x with A = (pixel integration and sampling) after (PSF convolution), and
its exact adjoint.

Edges are reflective: the image continues as its own mirror image (half-sample symmetric, `abcd|dcba`). A symmetric
PSF is then diagonal in the DCT-II basis of the fine grid, and averaging blocks of f x f fine pixels maps fine DCT
mode j onto the one coarse mode it aliases to, with a known gain. A, its adjoint and A S A^T for any S diagonal in the
fine DCT are therefore exact at any image size, with no padding and no truncated kernel. It is the reflective-edge
counterpart of the Fourier-domain closed form of Zhao et al. 2016 (IEEE Trans. Image Process. 25, 3683,
doi:10.1109/TIP.2016.2567075).

Pixels: for an integer factor f, f fine pixels subdivide one coarse pixel exactly and a coarse value is the mean of its
f x f block. For a rational factor p/q, p fine pixels span q coarse ones; fine pixels then straddle coarse ones, so the
fine image is taken as the band-limited function whose samples it holds (its cosine series), and a coarse value is the
integral of that function over the coarse pixel: a sinc in place of the block mean, everything else alike. Values keep
their unit (a constant image is mapped onto the same constant).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from craterlab.errors import CraterlabError
from craterlab.instruments import Instrument

Factor = int | Fraction
_DENOMINATOR = 4  # of a rational factor, at most


@dataclass(frozen=True)
class Operator:
    """A for one image size; made by `operator`.

    `gain[j]` is what fine DCT mode j contributes to the coarse mode it aliases to (signed, PSF included).
    """

    shape: tuple[int, int]  # of the coarse image, (rows, columns)
    factor: Factor  # an int where it is whole
    gain: torch.Tensor  # (f * rows, f * columns)

    @property
    def fine_shape(self) -> tuple[int, int]:
        return fine_shape(self.shape, self.factor)


def as_factor(value: Any) -> Factor:
    """A factor as a user types it (2, 1.5, Fraction(4, 3), 4 / 3) -> int, or Fraction with a denominator of 2, 3 or 4.

    Raises
    ------
    CraterlabError
        No finite number >= 1, or a fraction with another denominator.
    """
    try:
        given = Fraction(value) if not isinstance(value, (bool, str)) else None
    except (TypeError, ValueError, OverflowError):
        given = None
    if given is None or given < 1:
        raise CraterlabError(f"A factor is a number >= 1, such as 2 or 1.5, not {value!r}.")
    near = given.limit_denominator(_DENOMINATOR)
    if abs(near - given) > Fraction(1, 10**9):  # what rounding leaves of 4 / 3
        raise CraterlabError(
            f"Factor {value!r} is no fraction with a denominator of at most {_DENOMINATOR}; "
            f"the closest one is Fraction({near.numerator}, {near.denominator})."
        )
    return near.numerator if near.denominator == 1 else near


def fine_shape(shape: tuple[int, ...], factor: Factor) -> tuple[int, int]:
    """Shape of the fine image of a coarse one.

    Raises
    ------
    CraterlabError
        Rows or columns times a rational factor are no whole number.
    """
    fine = [n * Fraction(factor) for n in shape]
    if any(n.denominator != 1 for n in fine):
        q = Fraction(factor).denominator
        rows, cols = (n - n % q for n in shape)
        crop = f": crop the image to {rows} x {cols}, scene[:{rows}, :{cols}]" if min(rows, cols) > 0 else ""
        raise CraterlabError(
            f"Factor {factor} needs rows and columns that are multiples of {q}, not {shape[0]} x {shape[1]}{crop}, "
            f"or take factor {math.ceil(factor)}."
        )
    return int(fine[0]), int(fine[1])


def operator(
    shape: tuple[int, int],
    factor: float | Fraction,
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
    factor : int, float or fractions.Fraction
        Fine pixels per coarse pixel and axis: 1, 2, 3 ..., or a fraction >= 1 with a denominator of at most 4 (1.5,
        Fraction(4, 3)) that makes whole numbers of the shape.
    instrument : Instrument
        Its `otf` is in cycles per coarse pixel.

    Returns
    -------
    Operator

    Raises
    ------
    CraterlabError
        A factor or shape outside of this.
    """
    f = as_factor(factor)
    if min(shape) < 1:
        raise CraterlabError(f"An operator needs a shape of at least 1 x 1, not {tuple(shape)}.")
    (fy, fx), (gy, gx) = fine_frequencies(shape, f), (_pixel_gain(n, f) for n in shape)
    gain = instrument.otf(fy[:, None], fx[None, :]) * gy[:, None] * gx[None, :]
    return Operator((int(shape[0]), int(shape[1])), f, torch.as_tensor(gain, dtype=dtype, device=device))


def fine_frequencies(shape: tuple[int, ...], factor: Factor) -> tuple[np.ndarray, np.ndarray]:
    """Frequency of each fine DCT mode along rows and columns, in cycles per coarse pixel."""
    rows, cols = (np.arange(m) / (2.0 * n) for m, n in zip(fine_shape(shape, factor), shape, strict=True))
    return rows, cols


def forward(op: Operator, x: torch.Tensor) -> torch.Tensor:
    """A x: coarse image (..., rows, columns) of a fine image (..., f rows, f columns)."""
    return idct2(fold(op, op.gain * dct2(x)))


def adjoint(op: Operator, y: torch.Tensor) -> torch.Tensor:
    """A^T y: fine image from a coarse one; <A x, y> = <x, A^T y> to rounding."""
    return idct2(op.gain * unfold(op, dct2(y)))


def fold(op: Operator, z: torch.Tensor) -> torch.Tensor:
    """Sum of the fine DCT modes that alias to each coarse mode: (..., f rows, f columns) -> (..., rows, columns)."""
    z = _fold_last(z, op.shape[1])
    return _fold_last(z.transpose(-1, -2), op.shape[0]).transpose(-1, -2)


def unfold(op: Operator, z: torch.Tensor) -> torch.Tensor:
    """Adjoint of `fold`: each fine mode gets the value of the coarse mode it aliases to, 0 where there is none."""
    rows, cols = op.fine_shape
    z = _unfold_last(z.transpose(-1, -2), op.shape[0], rows).transpose(-1, -2)
    return _unfold_last(z, op.shape[1], cols)


# Fine mode j = s n + r (section s, 0 <= r < n) aliases to coarse mode r when s is even and to n - r when s is odd;
# r = 0 in an odd section samples a cosine at its zeros and reaches nothing. Of a rational factor the last section is
# short.


def _fold_last(z: torch.Tensor, n: int) -> torch.Tensor:
    count = -(-z.shape[-1] // n)
    if short := count * n - z.shape[-1]:
        z = torch.nn.functional.pad(z, (0, short))
    sections = z.reshape(*z.shape[:-1], count, n)
    out = sections[..., 0::2, :].sum(-2)
    if count > 1:
        odd = sections[..., 1::2, 1:].sum(-2)
        out[..., 1:] += odd.flip(-1)
    return out


def _unfold_last(z: torch.Tensor, n: int, fine: int) -> torch.Tensor:
    count = -(-fine // n)
    out = z.new_empty(*z.shape[:-1], count, n)
    out[..., 0::2, :] = z[..., None, :]
    if count > 1:
        out[..., 1::2, 0] = 0.0
        out[..., 1::2, 1:] = z[..., 1:].flip(-1)[..., None, :]
    return out.reshape(*z.shape[:-1], count * n)[..., :fine]


def _pixel_gain(n: int, factor: Factor) -> np.ndarray:
    """Gain of the coarse pixel, from orthonormal fine DCT-II modes to the coarse ones they alias to."""
    j = np.arange(int(n * factor))
    if isinstance(factor, int):
        angle = math.pi * j / (2.0 * factor * n)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(j == 0, 1.0, np.sin(factor * angle) / (factor * np.sin(angle)))
    else:
        mean = np.sinc(j / (2.0 * n))
    section = j // n
    turns = (section + 1) // 2  # each full turn of the coarse cosine flips its sign at half-integer positions
    gain = np.where(turns % 2 == 0, 1.0, -1.0) * mean / math.sqrt(factor)
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

"""Random terrain of known roughness: Gaussian fields with a power-law spectrum."""

from __future__ import annotations

import torch


def spectral_field(beta: torch.Tensor, shape: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """Gaussian random fields whose two-dimensional power spectral density falls as k**-beta.

    Parameters
    ----------
    beta : tensor (n,)
        Spectral exponents; 2 to 4 for planetary surfaces.
    shape : (rows, columns)
    generator : torch.Generator
        On the device wanted.

    Returns
    -------
    tensor (n, rows, columns)
        Zero mean, unit standard deviation.
    """
    rows, cols = shape
    device = beta.device
    white = torch.randn(len(beta), rows, cols, generator=generator, device=device)
    ky = torch.fft.fftfreq(rows, device=device)[:, None]
    kx = torch.fft.rfftfreq(cols, device=device)[None]
    k2 = ky**2 + kx**2
    k2[0, 0] = 1.0
    gain = k2 ** (-beta[:, None, None] / 4)
    gain[:, 0, 0] = 0.0
    field = torch.fft.irfft2(torch.fft.rfft2(white) * gain, s=shape)
    return field / field.std(dim=(1, 2), keepdim=True)

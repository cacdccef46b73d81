"""What the camera makes of brightness: point spread, pixel integration, noise, striping, stretch, quantisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def gaussian_blur(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Blur each image (n, rows, columns) by its own Gaussian of `sigma` (n,) pixels; reflective edges."""
    radius = max(1, int(torch.ceil(3 * sigma.max())))
    t = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    k = torch.exp(-0.5 * (t / sigma.clamp_min(1e-3)[:, None]) ** 2)
    k = k / k.sum(1, keepdim=True)
    n = x.shape[0]
    p = F.pad(x[None], (radius, radius, radius, radius), mode="reflect")
    p = F.conv2d(p, k[:, None, None, :], groups=n)
    return F.conv2d(p, k[:, None, :, None], groups=n)[0]


def observe(
    radiance: torch.Tensor,
    *,
    oversample: int,
    psf_sigma: torch.Tensor,
    noise: torch.Tensor,
    stripes: torch.Tensor,
    stretch: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """One 8-bit exposure of each scene.

    Parameters
    ----------
    radiance : tensor (n, rows * oversample, columns * oversample)
    psf_sigma : tensor (n,)
        Gaussian point spread function in detector pixels.
    noise : tensor (n, 2)
        Standard deviation of read noise, and of shot noise at mean signal, over the mean signal.
    stripes : tensor (n,)
        Column offsets (push-broom striping), standard deviation over the mean signal.
    stretch : tensor (n, 2)
        Quantiles taken to 0 and 255.

    Returns
    -------
    tensor (n, rows, columns)
        Integer-valued float32 in 0..255.
    """
    x = gaussian_blur(radiance, psf_sigma * oversample)
    if oversample > 1:
        x = F.avg_pool2d(x[:, None], oversample)[:, 0]
    mean = x.mean((1, 2), keepdim=True).clamp_min(1e-6)
    x = x / mean

    def normal(shape: tuple[int, ...]) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=x.device)

    shot = noise[:, 1, None, None] * x.clamp_min(0).sqrt() * normal(x.shape)
    read = noise[:, 0, None, None] * normal(x.shape)
    x = x + shot + read + stripes[:, None, None] * normal((x.shape[0], 1, x.shape[2]))
    flat = x.flatten(1)
    # Every seventh pixel is enough for a stretch and spares most of the sort.
    ordered = flat[:, ::7].sort(1).values
    index = (stretch * (ordered.shape[1] - 1)).long()
    lo, hi = ordered.gather(1, index[:, :1]), ordered.gather(1, index[:, 1:])
    x = (x - lo[:, :, None]) / (hi - lo).clamp_min(1e-3)[:, :, None]
    return (x * 255).round().clamp(0, 255)

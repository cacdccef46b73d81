"""Ground, its photographs and what is made of them, for tests of several frames."""

from __future__ import annotations

import numpy as np
import rioxarray  # noqa: F401  registers .rio
import torch
import xarray as xr
from scipy.ndimage import fourier_gaussian, fourier_shift

from craterlab import Instrument
from craterlab.superres.multiframe import reconstruct

torch.set_num_threads(1)

CAMERA = Instrument("camera", 5.0, psf_sigma_px=0.5)
MARS = "IAU_2015:49900"


def solve(*scenes_and_settings, **keywords):
    bands, attrs = reconstruct(*scenes_and_settings, **keywords)
    return bands[0], bands[1], attrs


def terrain(size: int, seed: int, slope: float = 3.0, pits: int = 60) -> np.ndarray:
    """Power-law texture with round shaded pits of sharp rims, mean about 100."""
    rng = np.random.default_rng(seed)
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    f[0, 0] = 1.0
    texture = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(size, size))) * f ** (-slope / 2), s=(size, size))
    out = 8 * texture / texture.std()
    y, x = np.mgrid[:size, :size]
    for _ in range(pits):
        cy, cx, r = *rng.uniform(0, size, 2), rng.uniform(3, 14)
        out += 30 * (x - cx) / r * ((y - cy) ** 2 + (x - cx) ** 2 < r**2)
    return out + 100


def photograph(ground: np.ndarray, shifts, snr: float, factor: int = 2, seed: int = 0) -> np.ndarray:
    """Frames cut out of the middle of a larger ground, so that new ground comes in at the edges as it does for a
    camera. An independent model: blur and displacement of the mirrored ground by scipy in the Fourier domain, then
    block means."""
    margin, n0 = 8 * factor, len(ground)
    rng = np.random.default_rng(seed)
    mirrored = np.block([[ground, ground[:, ::-1]], [ground[::-1], ground[::-1, ::-1]]])
    blurred = fourier_gaussian(np.fft.fft2(mirrored), 0.5 * factor)
    out = []
    for dy, dx in shifts:
        moved = np.fft.ifft2(fourier_shift(blurred, (dy * factor, dx * factor))).real[:n0, :n0]
        inner = moved[margin:-margin, margin:-margin]
        n = inner.shape[0] // factor
        y = inner.reshape(n, factor, n, factor).mean((1, 3))
        out.append(y + rng.normal(0, ground.mean() / snr, y.shape))
    return np.stack(out)


def inside(ground: np.ndarray, factor: int = 2) -> np.ndarray:
    return ground[8 * factor : -8 * factor, 8 * factor : -8 * factor]


def scene(image: np.ndarray, source: str = "", **attrs) -> xr.Dataset:
    return xr.Dataset({"image": (("y", "x"), image.astype(np.float32))}, attrs={"source": source, **attrs})


def placed(image: np.ndarray, lon: float, lat: float, crs: str = MARS, step: float = 0.001, **attrs) -> xr.Dataset:
    """A scene whose upper left corner lies at (lon, lat), `step` degrees a pixel."""
    rows, cols = image.shape
    out = scene(image, **attrs).assign_coords(
        y=lat - step * (np.arange(rows) + 0.5), x=lon + step * (np.arange(cols) + 0.5)
    )
    return out.rio.write_crs(crs)


def random_shifts(count: int, seed: int, reach: float = 3.0) -> list[tuple[float, float]]:
    rng = np.random.default_rng(seed)
    return [(0.0, 0.0)] + [tuple(rng.uniform(-reach, reach, 2).tolist()) for _ in range(count - 1)]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(np.ptp(b) ** 2 / np.mean((a - b) ** 2)))


def edge_keeping(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """A stand-in of deepinv's signature for the learned denoiser: a few steps of anisotropic diffusion (Perona & Malik
    1990), about as strong as the noise asks for."""
    z = x.clone()
    for _ in range(4):
        for axis in (-1, -2):
            d = torch.diff(z, dim=axis)
            flow = 0.2 * d * torch.exp(-((d / (2.5 * sigma)) ** 2))
            z.narrow(axis, 0, z.shape[axis] - 1).add_(flow)
            z.narrow(axis, 1, z.shape[axis] - 1).sub_(flow)
    return z

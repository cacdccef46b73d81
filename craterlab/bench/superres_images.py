"""What every part of the super-resolution benchmark stands on: truths, their degradation, and two measures of likeness.

A fine image is taken as the truth, seen through the instrument (`craterlab.superres.forward`: PSF, pixel integration,
sampling) with white noise of standard deviation mean / SNR, and handed to a solver that knows the instrument but
neither the noise nor the truth.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from ..errors import CraterlabError
from ..instruments import Instrument, instrument
from .sets import image_paths

SETS = ("ohrc", "nac", "hrsc", "mc11e")
LABELLED = ("nac", "hrsc")  # complete to small diameters, so that a detection without a label is a mistake
PEAK = 255.0  # of 8-bit images


@dataclass(frozen=True)
class Truth:
    """A fine image: values float32 (rows, columns), and where its first pixel lies in the file (row, column)."""

    set: str
    path: Path
    values: np.ndarray
    corner: tuple[int, int]


def truths(data: Path, name: str, split: str, factor: int, crop: int = 0) -> Iterator[Truth]:
    """Images of one set, whole or their central part, cut to whole coarse pixels.

    Parameters
    ----------
    data : Path
        Folder of the sets.
    name, split : str
    factor : int
        Rows and columns are multiples of it.
    crop : int
        Side of the central square, fine pixels; 0 is the whole image.

    Raises
    ------
    CraterlabError
        The split is not there, or an image holds nodata or no structure.
    """
    from ..scene import open_scene

    for path in image_paths(data / name, split):
        image = open_scene(path)["image"].transpose("y", "x")
        size = [(min(n, crop) if crop else n) // factor * factor for n in image.shape]
        r, c = ((n - m) // 2 for n, m in zip(image.shape, size, strict=True))
        values = np.asarray(image[r : r + size[0], c : c + size[1]].values, np.float32)
        if not values.size or not np.isfinite(values).all() or values.mean() <= 0:
            raise CraterlabError(
                f"{path} cannot be a truth: its {size[0]} x {size[1]} central pixels are nodata in part, or dark. "
                "Take another part with --crop N."
            )
        yield Truth(name, path, values, (r, c))


def camera(name: str) -> Instrument:
    """A camera of the table without its noise, which a solver has to find in the image."""
    return replace(instrument(name), noise_sigma=None, gain=None)


def off(given: Instrument, ratio: float) -> Instrument:
    """The same camera with a PSF `ratio` times as wide."""
    sigma = given.psf_sigma_px
    if sigma is None:
        raise CraterlabError(f"{given.name} has an MTF curve and no PSF width to be wrong about; name another camera.")
    return replace(given, name=f"{given.name} x {ratio:g}", psf_sigma_px=sigma * ratio, mtf=None)


def degrade(truth: np.ndarray, factor: int, seen_by: Instrument, snr: float, seed: int = 0) -> np.ndarray:
    """What the camera sees of a truth.

    Parameters
    ----------
    truth : ndarray, (rows, columns)
        Rows and columns multiples of `factor`.
    factor : int
        Fine pixels per pixel and axis.
    seen_by : Instrument
        Its PSF is in coarse pixels.
    snr : float
        Mean of the image over the standard deviation of its white noise.
    seed : int
        Of the noise.

    Returns
    -------
    ndarray of float32, (rows / factor, columns / factor)
    """
    import torch

    from ..superres.forward import forward, operator

    op = operator((truth.shape[0] // factor, truth.shape[1] // factor), factor, seen_by)
    y = forward(op, torch.from_numpy(truth)).numpy()
    noise = np.random.default_rng(seed).normal(0.0, float(truth.mean()) / snr, y.shape)
    return (y + noise).astype(np.float32)


def sharpen(
    seen: np.ndarray, factor: int, method: str, known: Instrument, *, uncertainty: bool = False, device: str | None
) -> xr.Dataset:
    """`superres` without its bar and its warnings: what it would warn of is what is measured here."""
    from ..superres import superres

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return superres(
            seen, factor, method=method, instrument=known, uncertainty=uncertainty, device=device, progress=False
        )


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 255."""
    return float(10 * np.log10(PEAK**2 / np.mean(np.square(image - truth, dtype=np.float64))))


def ssim(image: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity, mean over the image.

    Parameters
    ----------
    image, truth : ndarray, (rows, columns)
        At least 11 x 11, values about 0..255.

    Returns
    -------
    float
        At most 1, the same image.

    Notes
    -----
    Wang et al. 2004, IEEE Trans. Image Process. 13, 600: Gaussian window of sigma 1.5 in 11 x 11 pixels, K1 = 0.01,
    K2 = 0.03; the mean leaves out the border where the window reaches over the edge.
    """
    from scipy.ndimage import gaussian_filter

    def mean(v: np.ndarray) -> np.ndarray:
        return gaussian_filter(v, 1.5, truncate=3.5)[5:-5, 5:-5]

    a, b = image.astype(np.float64), truth.astype(np.float64)
    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    index = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return float(index.mean())

"""Craters of known size and state put into an image: its own light changed as a crater would change it.

The brightness of a place is black level + light. A crater multiplies the light by what its slopes and shadows reflect,
over what the ground reflected before, so around it the texture of the ground stays the scene's own. In its cavity the
old ground is gone; the noise of the image is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from ..crater_profiles import DIFFUSION, RHO_MAX, TRANSITION_M, degraded_depth, diffusion_row, kind_of, profile_table
from ..simulate.photometry import lit_fraction, reflectance
from ..simulate.sensor import gaussian_blur

REACH = 2.6  # radii; beyond, ejecta change no brightness
LAW = "lunar-lambert"
AMBIENT = 0.05  # sky light and interreflection over the mean reflectance; keeps old shadows from dividing by nought
_SHARP = 0.2  # a blur narrower than this is nothing beside the pixel
_HARMONICS = 4


@dataclass(frozen=True)
class Light:
    """The light of a scene, as far as an image shows it.

    Attributes
    ----------
    azimuth_deg : float
        Towards the sun, clockwise from up in the image.
    incidence_deg : float
        From the vertical.
    black : float
        Image value of no light.
    psf_sigma_px : float
        Gaussian blur of the scene's own pixels.
    whole : (float, float) or None
        Image values are whole numbers held within these limits.
    """

    azimuth_deg: float
    incidence_deg: float
    black: float
    psf_sigma_px: float
    whole: tuple[float, float] | None = None


@lru_cache(maxsize=8)
def _diffusion_by_erosion(kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Erosion (1 - depth / fresh depth), rising, and the kappa t / R**2 that makes it."""
    diffusion = np.concatenate([[0.0], np.geomspace(1e-4, DIFFUSION[-1], 400)])
    depth = degraded_depth(np.full(diffusion.size, kind), diffusion)
    return np.maximum.accumulate(1 - depth / depth[0]), diffusion


def profile(rho: np.ndarray, erosion: float, kind: int) -> np.ndarray:
    """Height over diameter at `rho` radii from the centre of a crater that has lost the share `erosion` of its depth.

    Parameters
    ----------
    rho : array
    erosion : float
        0 fresh .. 1 gone, by diffusion (``crater_profiles``).
    kind : int
        Row of the profile table: 0 simple, then ever shallower complex craters.
    """
    table = profile_table()[kind]
    row = float(diffusion_row(np.array(np.interp(erosion, *_diffusion_by_erosion(kind)))))
    low = min(int(row), len(table) - 2)
    section = table[low] * (1 - (row - low)) + table[low + 1] * (row - low)
    height = np.interp(rho, np.linspace(0, RHO_MAX, section.size), section)
    return height * np.clip((REACH - rho) / 0.6, 0, 1)  # no step at the end of the stamp


def crater_kind(diameter_m: float, body: str | None) -> int:
    """Row of the profile table for a crater of this size on this body; simple where either is unknown."""
    if not np.isfinite(diameter_m) or body not in TRANSITION_M:
        return 0
    return int(kind_of(np.array(diameter_m), TRANSITION_M[body]))


@dataclass(frozen=True)
class Stamp:
    """What one crater does to the image around it, on a fine grid centred on it.

    `ratio`: light after over light before; `rho`: distance in radii; `height`: the crater's own relief, round pixels;
    `fine`: samples to a round pixel.
    """

    ratio: np.ndarray
    rho: np.ndarray
    height: np.ndarray
    fine: int


def keeps(rho: np.ndarray) -> np.ndarray:
    """Share of the old ground that a crater leaves when it forms: little in the cavity, all beyond (as simulated)."""
    k = np.clip((rho - 0.75) / 0.55, 0, 1)
    return 0.08 + 0.92 * k * k * (3 - 2 * k)


def half_width(diameter_px: float) -> int:
    """Of a stamp, round pixels."""
    return int(np.ceil(REACH * diameter_px / 2)) + 3


def stamp(
    diameter_px: float,
    erosion: float,
    light: Light,
    rng: np.random.Generator,
    *,
    kind: int = 0,
    psf_sigma_px: float | None = None,
    ground: np.ndarray | None = None,
    round_only: bool = False,
) -> Stamp:
    """One crater under the scene's sun.

    Parameters
    ----------
    diameter_px : float
        On the grid that is injected into, round pixels.
    erosion : float
        0 fresh .. 1 gone.
    light : Light
    rng : Generator
        Of the outline: axis ratio about 1 - |N(0, 0.05)| and a low-order wobble, as simulated craters have.
    kind : int
        As of ``profile``.
    psf_sigma_px : float, optional
        Blur on this grid; default that of `light`.
    ground : array (side, side), optional
        Heights of the ground in round pixels on the grid of the stamp; level without.
    round_only : bool
        A perfect circle.
    """
    fine = fineness(diameter_px)
    half = half_width(diameter_px) * fine
    step = (np.arange(2 * half) + 0.5 - half) / fine
    x, y = step[None, :], step[:, None]
    ratio, tilt = max(1 - abs(rng.normal(0, 0.05)), 0.75), rng.uniform(0, np.pi)
    amplitude, phase = 0.035 * rng.normal(size=_HARMONICS), rng.uniform(0, 2 * np.pi, _HARMONICS)
    if round_only:
        ratio, amplitude = 1.0, np.zeros(_HARMONICS)
    a = (x * np.cos(tilt) + y * np.sin(tilt)) * np.sqrt(ratio)
    b = (y * np.cos(tilt) - x * np.sin(tilt)) / np.sqrt(ratio)
    theta, rim = np.arctan2(b, a), 1.0
    for i in range(_HARMONICS):
        rim = rim + amplitude[i] / (i + 2) ** 0.7 * np.cos((i + 2) * theta + phase[i])
    rho = np.hypot(a, b) / (diameter_px / 2 * rim)
    height = profile(rho, erosion, kind) * diameter_px
    before = np.zeros_like(height) if ground is None else ground
    keep = keeps(rho)
    cavity = rho < 1
    level = before[cavity].mean() if cavity.any() else 0.0
    after = level + (before - level) * keep + height

    heights = torch.from_numpy(np.stack([after, before] if ground is not None else [after]).astype(np.float32) * fine)
    azimuth, incidence = (torch.full((len(heights),), float(v)) for v in (light.azimuth_deg, light.incidence_deg))
    shade = reflectance(heights, azimuth, incidence, [LAW] * len(heights))
    if _steepest(heights) > np.tan(np.radians(90 - light.incidence_deg)):
        shade = shade * lit_fraction(heights, azimuth, incidence)
    flat = reflectance(torch.zeros(1, 3, 3), azimuth[:1], incidence[:1], [LAW])[0, 1, 1]
    shade = shade + AMBIENT * flat
    sigma = light.psf_sigma_px if psf_sigma_px is None else psf_sigma_px
    if sigma > _SHARP:
        shade = gaussian_blur(shade, torch.full((len(shade),), float(sigma * fine)))
    old = shade[1] if ground is not None else (1 + AMBIENT) * flat
    return Stamp((shade[0] / old).numpy(), rho, after - before, fine)


def _steepest(heights: torch.Tensor) -> float:
    """Largest slope along an axis times sqrt(2): where it is below the sun's elevation nothing casts a shadow."""
    steps = [heights.diff(dim=k).abs().max() for k in (1, 2)]
    return float(max(steps)) * 2**0.5


def fineness(diameter_px: float) -> int:
    """Samples to a round pixel that show the rim of a crater."""
    return max(1, int(np.ceil(40 / diameter_px)))


def put(
    image: np.ndarray,
    dem: np.ndarray | None,
    x_px: float,
    y_px: float,
    diameter_px: float,
    erosion: float,
    light: Light,
    rng: np.random.Generator,
    *,
    kind: int = 0,
    round_matrix: np.ndarray | None = None,
    metres_per_px: float = np.nan,
    psf_sigma_px: float | None = None,
    lit_by_dem: bool = True,
) -> None:
    """Put one crater into an image, and into the DEM where there is one, in place.

    Parameters
    ----------
    image : array (rows, columns) float32
        NaN is nodata and stays.
    dem : array (rows, columns) or None
        Metres. With `lit_by_dem` its slopes are lit before and after; else the ground before is level.
    x_px, y_px, diameter_px : float
        On the array's grid, the first pixel's centre at (0.5, 0.5).
    round_matrix : array (2, 2), optional
        Pixels to round pixels of the same area (see ``detect.isotropic``); default none.
    metres_per_px : float
        For the DEM.
    """
    from scipy.ndimage import map_coordinates

    m = np.eye(2) if round_matrix is None else round_matrix
    half = half_width(diameter_px)
    reach = np.abs(np.linalg.inv(m)) @ np.array([half, half])
    rows, cols = image.shape
    c0, c1 = max(int(x_px - reach[0]), 0), min(int(x_px + reach[0]) + 1, cols)
    r0, r1 = max(int(y_px - reach[1]), 0), min(int(y_px + reach[1]) + 1, rows)
    ground = None
    if dem is not None and lit_by_dem:
        ground = _ground(dem, x_px, y_px, diameter_px, m) / metres_per_px
        if not np.isfinite(ground).all():
            ground = None
    s = stamp(diameter_px, erosion, light, rng, kind=kind, psf_sigma_px=psf_sigma_px, ground=ground)

    # Pixel integration: the mean over a lattice of points in each pixel.
    lattice = (np.arange(s.fine) + 0.5) / s.fine
    y = (np.arange(r0, r1)[:, None] + lattice).ravel() - y_px
    x = (np.arange(c0, c1)[:, None] + lattice).ravel() - x_px
    u = m[0, 0] * x[None, :] + m[0, 1] * y[:, None]
    v = m[1, 0] * x[None, :] + m[1, 1] * y[:, None]
    middle = s.ratio.shape[0] / 2 - 0.5

    def sampled(field: np.ndarray, outside: float) -> np.ndarray:
        fine = map_coordinates(field, [v * s.fine + middle, u * s.fine + middle], order=1, cval=outside)
        return fine.reshape(r1 - r0, s.fine, c1 - c0, s.fine).mean((1, 3))

    ratio, rho = sampled(s.ratio, 1.0), sampled(s.rho, REACH)
    part = image[r0:r1, c0:c1]
    good = np.isfinite(part)
    cavity = good & (rho < 1)
    if ground is None and cavity.any():  # a DEM's own relief went with its shading
        level = float(part[cavity].mean())
        kept = keeps(rho)
        grain = rng.normal(0, noise_of(part), part.shape)
        part = level + (part - level) * kept + grain * np.sqrt(1 - kept**2)
    new = light.black + (part - light.black) * ratio
    if light.whole is not None:
        new = np.clip(np.round(new), *light.whole)
    image[r0:r1, c0:c1] = np.where(good, new, np.nan)
    if dem is not None:
        dem[r0:r1, c0:c1] += sampled(s.height, 0.0) * metres_per_px


def noise_of(part: np.ndarray) -> float:
    """Noise of an image, 1 sigma, by Immerkaer (1996, CVIU 64, 300): a filter blind to planes and ridges.

    The median instead of the mean, so that rims and shadows do not count; NaN is left out, 0 where nothing is left.
    """
    if min(part.shape) < 3:
        return 0.0
    rows = part[:-2] - 2 * part[1:-1] + part[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    both = np.abs(both[np.isfinite(both)])
    return float(np.median(both) / (6 * 0.6745)) if both.size else 0.0


def _ground(dem: np.ndarray, x_px: float, y_px: float, diameter_px: float, m: np.ndarray) -> np.ndarray:
    """Heights (metres) on the grid of a stamp; the edge's heights go on outside the array."""
    from scipy.ndimage import map_coordinates

    fine = fineness(diameter_px)
    half = half_width(diameter_px) * fine
    step = (np.arange(2 * half) + 0.5 - half) / fine
    inverse = np.linalg.inv(m)
    x = x_px + inverse[0, 0] * step[None, :] + inverse[0, 1] * step[:, None]
    y = y_px + inverse[1, 0] * step[None, :] + inverse[1, 1] * step[:, None]
    # Cubic: the facets of a bilinear surface would show in its slopes.
    order = 3 if np.isfinite(dem).all() else 1
    return np.asarray(map_coordinates(dem, [y - 0.5, x - 0.5], order=order, mode="nearest"), float)

"""From heights to brightness: reflectance laws and cast shadows.

Heights are in pixels. The sun azimuth is clockwise from north (image up); incidence is from the vertical. The camera
looks straight down, so the cosine of emission is that of the local slope.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

LAWS = ("lambert", "lommel-seeliger", "lunar-lambert", "hapke")


def _sun_vector(
    azimuth_deg: torch.Tensor, incidence_deg: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Unit vector towards the sun as (column, row, up) components, each (n, 1, 1)."""
    az, inc = torch.deg2rad(azimuth_deg)[:, None, None], torch.deg2rad(incidence_deg)[:, None, None]
    return torch.sin(az) * torch.sin(inc), -torch.cos(az) * torch.sin(inc), torch.cos(inc)


def _gradients(h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    p = F.pad(h[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    return (p[:, 1:-1, 2:] - p[:, 1:-1, :-2]) / 2, (p[:, 2:, 1:-1] - p[:, :-2, 1:-1]) / 2


def reflectance(
    h: torch.Tensor, azimuth_deg: torch.Tensor, incidence_deg: torch.Tensor, law: list[str], *, albedo: float = 0.3
) -> torch.Tensor:
    """Brightness of each facet without cast shadows.

    Parameters
    ----------
    h : tensor (n, rows, columns)
        Heights in pixels.
    azimuth_deg, incidence_deg : tensor (n,)
        Sun direction, clockwise from north and from the vertical.
    law : list of str
        One of ``LAWS`` for each scene. Lunar-Lambert mixes equal parts of the two (McEwen 1991); Hapke is the isotropic
        multiple-scattering form without opposition surge (Hapke 1981, eq. 16), of single-scattering albedo `albedo`.

    Returns
    -------
    tensor (n, rows, columns)
        Reflectance, zero where the facet looks away from the sun.
    """
    gx, gy = _gradients(h)
    sx, sy, sz = _sun_vector(azimuth_deg, incidence_deg)
    norm = torch.rsqrt(1 + gx**2 + gy**2)
    mu0 = ((sz - gx * sx - gy * sy) * norm).clamp_min(0)
    mu = norm
    out = torch.empty_like(h)
    for name in set(law):
        i = torch.tensor([j for j, x in enumerate(law) if x == name], device=h.device)
        m0, m = mu0[i], mu[i]
        if name == "lambert":
            r = m0
        elif name == "lommel-seeliger":
            r = m0 / (m0 + m)
        elif name == "lunar-lambert":
            r = 0.5 * 2 * m0 / (m0 + m) + 0.5 * m0
        elif name == "hapke":
            g = math.sqrt(1 - albedo)
            h0, h1 = (1 + 2 * m0) / (1 + 2 * g * m0), (1 + 2 * m) / (1 + 2 * g * m)
            r = albedo * m0 / (m0 + m) * h0 * h1 * 4
        else:
            raise ValueError(f"unknown photometric law {name!r}; use one of {', '.join(LAWS)}")
        out[i] = r
    return out


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, size: tuple[int, int], mode: str) -> torch.Tensor:
    """Sample `x` on a grid of `size` rotated about the common centre; `cos`, `sin` are (n,)."""
    rows, cols = size
    v = torch.arange(rows, device=x.device, dtype=x.dtype) - (rows - 1) / 2
    u = torch.arange(cols, device=x.device, dtype=x.dtype) - (cols - 1) / 2
    c, s = cos[:, None, None], sin[:, None, None]
    col = c * u[None, None, :] - s * v[None, :, None]
    row = s * u[None, None, :] + c * v[None, :, None]
    grid = torch.stack([col * 2 / x.shape[2], row * 2 / x.shape[1]], -1)
    return F.grid_sample(x[:, None], grid, mode=mode, padding_mode="border", align_corners=False)[:, 0]


def lit_fraction(h: torch.Tensor, azimuth_deg: torch.Tensor, incidence_deg: torch.Tensor) -> torch.Tensor:
    """1 where a point sees the sun, 0 in a cast shadow, with a penumbra of half a pixel.

    The heights are turned so that sunlight runs along the rows; there a point lies in shadow when some point up-sun
    stands above its ray, which is a running maximum.

    Parameters
    ----------
    h : tensor (n, rows, columns)
        Heights in pixels.
    azimuth_deg, incidence_deg : tensor (n,)

    Returns
    -------
    tensor (n, rows, columns) in [0, 1]
    """
    rows, cols = h.shape[1:]
    # Column axis of the turned grid points away from the sun: direction (-sin az, cos az) in (column, row).
    az = torch.deg2rad(azimuth_deg)
    cos, sin = -torch.sin(az), torch.cos(az)
    # An even number of pixels more, so that quarter turns fall on pixel centres; bicubic, as bilinear would wear crests
    # down and shorten their shadows.
    side = rows + 2 * math.ceil((math.hypot(rows, cols) - rows) / 2 + 1)
    turned = _rotate(h, cos, sin, (side, side), "bicubic")
    tan_elevation = 1 / torch.tan(torch.deg2rad(incidence_deg)).clamp_min(1e-3)
    along = torch.arange(side, device=h.device, dtype=h.dtype)
    ray = turned + along * tan_elevation[:, None, None]
    horizon = torch.cummax(ray, dim=2).values[:, :, :-1]
    # Pixels still to go to the shadow's end; negative in sunlight, where the ground up-sun lies below the ray.
    depth = F.pad((horizon - ray[:, :, 1:]) / tan_elevation[:, None, None], (1, 0), value=-1.0)
    lit = (0.5 - 2 * depth).clamp(0, 1)
    return _rotate(lit, cos, -sin, (rows, cols), "bilinear")


def radiance(
    h: torch.Tensor,
    albedo: torch.Tensor,
    azimuth_deg: torch.Tensor,
    incidence_deg: torch.Tensor,
    law: list[str],
    ambient: torch.Tensor,
) -> torch.Tensor:
    """Brightness of the ground with cast shadows, before any camera.

    Parameters
    ----------
    h, albedo : tensor (n, rows, columns)
        Heights in pixels, and albedo (1 is the mean; at least 0.2 is taken).
    azimuth_deg, incidence_deg, law
        As for ``reflectance``.
    ambient : tensor (n,)
        Sky light and interreflection, over the mean reflectance.

    Returns
    -------
    tensor (n, rows, columns)
    """
    shade = reflectance(h, azimuth_deg, incidence_deg, law)
    lit = lit_fraction(h, azimuth_deg, incidence_deg)
    return (shade * lit + ambient[:, None, None] * shade.mean((1, 2), keepdim=True)) * albedo.clamp_min(0.2)

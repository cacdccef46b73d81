"""Whole scenes: `render` makes tensors for training, `scenes` the contract's Datasets with their truth tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from .craters import Canvas, carve
from .landforms import OLD, YOUNG, add_landforms
from .photometry import LAWS, radiance
from .population import Law, draw_population
from .sensor import observe
from .terrain import spectral_field

if TYPE_CHECKING:
    import xarray as xr

    from ..bodies import Body
    from ..grid import Grid

BODIES = ("Moon", "Mars", "Mercury")


@dataclass
class Rendered:
    """A batch of simulated scenes.

    Attributes
    ----------
    image : tensor (n, rows, columns)
        8-bit values as float32.
    dem : tensor (n, rows, columns)
        Heights in pixels; times `pixel_size_m` they are metres.
    truth : list of DataFrame
        One row a crater, oldest first (see ``population.draw_population``), with `visibility` (0..1) and `age_order`.
    body, pixel_size_m, sun_azimuth_deg, incidence_deg
        One value a scene.
    """

    image: torch.Tensor
    dem: torch.Tensor
    truth: list[pd.DataFrame]
    body: list[str]
    pixel_size_m: np.ndarray
    sun_azimuth_deg: np.ndarray
    incidence_deg: np.ndarray


def render(
    n: int,
    size: int,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    law: Law | None = None,
    body: str | None = None,
    pixel_size_m: float | None = None,
    sun_azimuth_deg: float | None = None,
    incidence_deg: float | None = None,
    photometry: str | None = None,
    relief_px: float | None = None,
    oversample: int = 2,
    noise: float = 1.0,
    landforms: bool = False,
) -> Rendered:
    """Simulate `n` square scenes of `size` pixels; what is not given is drawn anew for each scene.

    Parameters
    ----------
    n, size : int
    seed : int
        Same seed, same scenes on one machine and device kind.
    law : Law, optional
        The crater population.
    body : {"Moon", "Mars", "Mercury"}, optional
    pixel_size_m : float, optional
        Metres a pixel (0.5 to 200 when drawn); decides which craters are complex.
    sun_azimuth_deg, incidence_deg : float, optional
        Clockwise from north, and from the vertical (25 to 82 when drawn).
    photometry : str, optional
        One of ``photometry.LAWS``.
    relief_px : float, optional
        Standard deviation of the background terrain in pixels over the scene.
    oversample : int
        Terrain samples per pixel and axis before the camera integrates them.
    noise : float
        Scales read and shot noise and striping; 0 is a perfect camera (still 8 bits).
    landforms : bool
        Add relief and markings that are no craters (``simulate.landforms``).

    Returns
    -------
    Rendered
    """
    rng = np.random.default_rng(seed)
    gen = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    device = torch.device(device)
    law = law or Law()
    bodies = [body or str(rng.choice(BODIES)) for _ in range(n)]
    pixel = np.full(n, pixel_size_m) if pixel_size_m else np.exp(rng.uniform(np.log(0.5), np.log(200), n))
    azimuth = np.full(n, sun_azimuth_deg) if sun_azimuth_deg is not None else rng.uniform(0, 360, n)
    incidence = np.full(n, incidence_deg) if incidence_deg is not None else rng.uniform(25, 82, n)
    laws = [photometry or str(rng.choice(LAWS)) for _ in range(n)]
    populations = [draw_population(law, size, float(pixel[i]), bodies[i], rng) for i in range(n)]

    # The sun reaches over the border, and craters may lie 12 pixels outside it.
    margin = oversample * max(16, size // 8)
    side = size * oversample + 2 * margin
    tensor = lambda x: torch.as_tensor(np.asarray(x, np.float32), device=device)  # noqa: E731
    beta = tensor(rng.uniform(2.4, 3.8, n))
    sigma = tensor(
        relief_px if relief_px is not None else np.exp(rng.uniform(np.log(0.3), np.log(4.0), n)) * size / 256
    )
    height = spectral_field(beta, (side, side), gen) * (sigma * oversample).reshape(-1, 1, 1)
    patchiness = tensor(np.exp(rng.uniform(np.log(0.005), np.log(0.15), n)))
    albedo = 1 + spectral_field(tensor(rng.uniform(2.0, 3.5, n)), (side, side), gen) * patchiness[:, None, None]
    canvas = Canvas(height, albedo, margin)
    # A generator of their own: the rest of a scene is the same with and without them.
    extra = np.random.default_rng([seed, 1])
    if landforms:
        add_landforms(canvas, OLD, size, oversample, extra)
    visibility = carve(canvas, populations, oversample, gen)
    if landforms:
        add_landforms(canvas, YOUNG, size, oversample, extra)

    h = canvas.height
    az, inc = tensor(azimuth), tensor(incidence)
    light = radiance(h, canvas.albedo, az, inc, laws, tensor(rng.uniform(0.0, 0.12, n)))
    inner = slice(margin, margin + size * oversample)
    image = observe(
        light[:, inner, inner],
        oversample=oversample,
        psf_sigma=tensor(rng.uniform(0.3, 1.0, n)),
        noise=tensor(noise * np.exp(rng.uniform(np.log(0.002), np.log(0.05), (n, 2)))),
        stripes=tensor(noise * np.where(rng.uniform(size=n) < 0.25, rng.uniform(0, 0.02, n), 0)),
        stretch=tensor(np.stack([rng.uniform(0, 0.01, n), rng.uniform(0.985, 1.0, n)], 1)),
        generator=gen,
    )
    dem = torch.nn.functional.avg_pool2d(h[:, None, inner, inner], oversample)[:, 0] / oversample
    truth = []
    for p, v in zip(populations, visibility, strict=True):
        p = p.assign(visibility=v, age_order=np.arange(len(p)))
        inside = p.x_px.between(0, size) & p.y_px.between(0, size)
        truth.append(p[inside].reset_index(drop=True))
    return Rendered(image, dem, truth, bodies, pixel, azimuth, incidence)


def scenes(
    n: int, size: int, *, seed: int, device: str = "cpu", **settings: Any
) -> list[tuple[xr.Dataset, pd.DataFrame]]:
    """Simulate `n` labelled scenes.

    Parameters
    ----------
    n : int
        How many.
    size : int
        Rows and columns.
    seed : int
        Same seed, same bytes on one machine.
    device : str
        Where to compute; the scenes come back in memory.
    **settings
        As for ``simulate.render``: `law`, `body`, `pixel_size_m`, `sun_azimuth_deg`, `incidence_deg`, `photometry`,
        `relief_px`, `oversample`, `noise`, `landforms`.

    Returns
    -------
    list of (Dataset, GeoDataFrame)
        Scenes per contract (`image` 8-bit float32, `dem` in metres, an equirectangular CRS of the body about 0 N 0 E)
        and the truth: the crater table with morphology, rays, erosion, depth_m, depth_diameter, ellipse axes, age
        (0 now .. 1 as old as the surface), age_order and visibility (0..1).
    """
    from ..bodies import body as find_body
    from ..grid import craters_from_pixels
    from ..scene import as_scene, on_grid

    r = render(n, size, seed=seed, device=device, **settings)
    out = []
    for i in range(n):
        ds = as_scene(r.image[i].cpu().numpy())
        ds["dem"] = (("y", "x"), r.dem[i].cpu().numpy() * np.float32(r.pixel_size_m[i]))
        ds = on_grid(ds, _grid(size, find_body(r.body[i]), float(r.pixel_size_m[i])))
        ds.attrs.update(
            body=r.body[i],
            instrument="generic",
            sun_azimuth_deg=float(r.sun_azimuth_deg[i]),
            incidence_deg=float(r.incidence_deg[i]),
            source=f"simulated, seed {seed}, scene {i}",
        )
        t = r.truth[i]
        ratio = np.sqrt(t.axis_ratio)
        t = t.assign(
            major_px=t.diameter_px / ratio,
            minor_px=t.diameter_px * ratio,
            angle_px=(90 + np.degrees(t.tilt)) % 180,  # clockwise from image up
            depth_m=t.depth_diameter * t.diameter_px * r.pixel_size_m[i],
        ).drop(columns=["axis_ratio", "tilt", "row", "kind"])
        out.append((ds, craters_from_pixels(t, ds)))
    return out


def _grid(size: int, body: Body, pixel_size_m: float) -> Grid:
    """A place on the body: equirectangular, centred on 0 N 0 E, where it is true to scale."""
    from affine import Affine
    from pyproj import CRS

    from ..grid import Grid

    crs = CRS.from_proj4(f"+proj=eqc +R={body.radius_m} +lon_0=0 +lat_ts=0 +units=m +no_defs")
    half = size / 2 * pixel_size_m
    return Grid((size, size), Affine(pixel_size_m, 0, -half, 0, -pixel_size_m, half), crs, body)

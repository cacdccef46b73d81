"""Single craters for training what names their kind: one crater in the middle of each small image, all truths known.

A chip is simulated on the grid of its camera, as coarse as the crater is small: reading it goes the way of real images
(``characterize.chips``), with all that it does to small craters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ..catalog import MORPHOLOGIES
from ..crater_profiles import TRANSITION_M, diffusion_row, kind_of
from . import morphologies as forms
from .craters import Canvas, carve
from .landforms import OLD, YOUNG, add_landforms
from .photometry import LAWS, radiance
from .population import Law, draw_population, worn
from .sensor import observe
from .terrain import spectral_field

SHARES = (0.4, 0.2, 0.2, 0.2)
SIDE = 112  # pixels, of the largest chips
RADIUS = 16  # of the crater there
_SCALE = 2  # canvas pixels a chip pixel
_MARGIN = 24  # canvas pixels


@dataclass
class Chips:
    """Simulated craters.

    Attributes
    ----------
    image : ndarray (n, 112, 112) uint8
        The first `side` rows and columns are the image.
    dem : ndarray (n, 112, 112) float16
        Heights in crater diameters on the same grid.
    table : DataFrame
        One row a chip: side, diameter_px, morphology, rays, erosion, depth_diameter, sun_azimuth_deg, incidence_deg,
        body, diameter_m. The crater is in the middle of its image.
    """

    image: np.ndarray
    dem: np.ndarray
    table: pd.DataFrame


def render_chips(n: int, *, seed: int, device: str | torch.device = "cpu") -> Chips:
    """Simulate `n` craters.

    Parameters
    ----------
    n : int
        At most some hundred at a time: they are rendered together.
    seed : int
        Same seed, same chips on one machine and device kind.

    Returns
    -------
    Chips
        Classes in shares of 0.4 valid, 0.2 ghost, 0.2 layered, 0.2 secondary; diameters 6 to 300 px, incidence 15 to
        80 degrees. A valid crater that diffusion has all but levelled (kappa t above 0.35 R**2) is called a ghost.
    """
    rng = np.random.default_rng(seed)
    gen = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    table = _draw(n, rng)
    canvas = _ground(n, gen, rng, torch.device(device))
    target = _as_population(table, rng)
    older, younger = _neighbours(table, rng)
    carve(canvas, older, _SCALE, gen)
    add_landforms(canvas, {k: 0.7 * v for k, v in OLD.items()}, SIDE, _SCALE, rng)
    before = canvas.height.clone()
    carve(canvas, target, _SCALE, gen)
    _shape(canvas, before, table, rng, gen)
    carve(canvas, younger, _SCALE, gen)
    add_landforms(canvas, {k: 0.7 * v for k, v in YOUNG.items()}, SIDE, _SCALE, rng)
    return _seen(canvas, table, rng, gen)


def _draw(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """What each chip shows."""
    kind_of_crater = rng.choice(MORPHOLOGIES, n, p=SHARES)
    valid, ghost, layered, secondary = (kind_of_crater == c for c in MORPHOLOGIES)
    body = np.where(layered, "Mars", rng.choice(["Moon", "Mars", "Mercury"], n))
    diameter_m = np.exp(rng.uniform(np.log(50), np.log(1e5), n))
    diameter_m[layered] = np.exp(rng.uniform(np.log(1.5e3), np.log(6e4), layered.sum()))
    transition = np.array([TRANSITION_M[b] for b in body])
    kind = kind_of(diameter_m / transition, 1.0)
    kind[secondary] = 2
    low = np.select([ghost, layered, secondary], [2e-4, 2e-4, 5e-4], 2e-4)
    high = np.select([ghost, layered, secondary], [0.2, 0.2, 0.5], 0.35)
    kappa_t = np.exp(rng.uniform(np.log(low), np.log(high)))
    kappa_t[valid & (rng.uniform(size=n) < 0.2)] = 1e-4
    fill = np.full(n, 1.0)
    fill[ghost] = rng.uniform(0.0, 0.015, ghost.sum())
    # Some ghosts are no pond of lava but a crater worn away.
    worn_away = ghost & (rng.uniform(size=n) < 0.25)
    fill[worn_away] = 1.0
    kappa_t[worn_away] = np.exp(rng.uniform(np.log(0.4), np.log(2.0), worn_away.sum()))
    partly = (valid | layered) & (rng.uniform(size=n) < 0.35)
    fill[partly] = rng.uniform(0.025, 0.12, partly.sum())
    depth, erosion = worn(kind, kappa_t, fill)
    return pd.DataFrame(
        {
            "morphology": kind_of_crater,
            "rays": (valid | layered) & (kappa_t < 0.02) & (rng.uniform(size=n) < 0.55),
            "erosion": erosion,
            "depth_diameter": depth,
            "kappa_t": kappa_t,
            "fill": fill,
            "kind": kind,
            "body": body,
            "diameter_m": diameter_m,
            "diameter_px": np.exp(rng.uniform(np.log(6), np.log(300), n)),
            "sun_azimuth_deg": rng.uniform(0, 360, n),
            "incidence_deg": rng.uniform(15, 80, n),
        }
    )


def _ground(n: int, gen: torch.Generator, rng: np.random.Generator, device: torch.device) -> Canvas:
    side = SIDE * _SCALE + 2 * _MARGIN
    draw = lambda a, b: torch.as_tensor(rng.uniform(a, b, n), dtype=torch.float32, device=device)  # noqa: E731
    relief = torch.exp(draw(np.log(0.06), np.log(1.5))) * _SCALE
    height = spectral_field(draw(2.5, 4.0), (side, side), gen) * relief[:, None, None]
    patchy = torch.exp(draw(np.log(0.005), np.log(0.15)))
    albedo = 1 + spectral_field(draw(2.0, 3.5), (side, side), gen) * patchy[:, None, None]
    return Canvas(height, albedo, _MARGIN)


def _as_population(table: pd.DataFrame, rng: np.random.Generator) -> list[pd.DataFrame]:
    """The crater of each chip, with the siblings that fell beside a secondary, as `carve` takes them."""
    out = []
    # Half of the layered craters and of the rays are those of `carve`, the others those of `morphologies`.
    plain = rng.uniform(size=len(table)) < 0.4
    for i, t in enumerate(table.itertuples()):
        secondary = t.morphology == "secondary"
        heading = rng.uniform(0, np.pi)
        ratio = rng.uniform(0.6, 0.95) if secondary else np.clip(1 - abs(rng.normal(0, 0.05)), 0.75, 1)
        rows = [(SIDE / 2, SIDE / 2, 2.0 * RADIUS, ratio)]
        if secondary and rng.uniform() < 0.75:
            for _ in range(rng.integers(1, 7)):
                far = rng.choice((-1, 1)) * RADIUS * rng.uniform(1.5, 7.0)
                off = RADIUS * rng.normal(0, 0.5)
                x = SIDE / 2 + far * np.cos(heading) - off * np.sin(heading)
                y = SIDE / 2 + far * np.sin(heading) + off * np.cos(heading)
                if -RADIUS < x < SIDE + RADIUS and -RADIUS < y < SIDE + RADIUS:
                    rows.insert(0, (x, y, 2 * RADIUS * rng.uniform(0.5, 1.3), rng.uniform(0.6, 0.95)))
        p = pd.DataFrame(rows, columns=["x_px", "y_px", "diameter_px", "axis_ratio"])
        out.append(
            p.assign(
                tilt=heading,
                row=float(diffusion_row(np.array(t.kappa_t))),
                kind=t.kind,
                fill=t.fill,
                rays=bool(t.rays and plain[i]),
                morphology="layered" if t.morphology == "layered" and plain[i] else "valid",
            )
        )
    table["plain"] = plain
    return out


def _neighbours(table: pd.DataFrame, rng: np.random.Generator) -> tuple[list[pd.DataFrame], list[pd.DataFrame]]:
    """Craters that were there before, of every size, and small ones that came after."""
    older, younger = [], []
    for t in table.itertuples():
        cover = (0.01, 0.5) if t.morphology != "secondary" else (0.01, 0.3)
        old = draw_population(
            Law(max_diameter_px=3 * RADIUS, coverage=cover, ghost=0.05, layered=0, rays=0, secondaries=0.15),
            SIDE, t.diameter_m / (2 * RADIUS), t.body, rng,
        )  # fmt: skip
        new = draw_population(
            Law(max_diameter_px=0.8 * RADIUS, coverage=(0.001, 0.06), ghost=0, layered=0, secondaries=0.05),
            SIDE, t.diameter_m / (2 * RADIUS), t.body, rng,
        )  # fmt: skip
        older.append(old)
        # A young neighbour may nick the rim but not wipe the crater out.
        far = np.hypot(new.x_px - SIDE / 2, new.y_px - SIDE / 2) > 0.4 * new.diameter_px
        younger.append(new[far | (new.diameter_px < 0.5 * RADIUS)])
    return older, younger


def _shape(
    canvas: Canvas, before: torch.Tensor, table: pd.DataFrame, rng: np.random.Generator, gen: torch.Generator
) -> None:
    """Lend every crater the marks of its class, in place."""
    side = canvas.height.shape[1]
    step = torch.arange(side, device=before.device) + 0.5 - side / 2
    y, x = (step / (RADIUS * _SCALE))[:, None], (step / (RADIUS * _SCALE))[None]
    rho, theta = torch.sqrt(x**2 + y**2)[None], torch.atan2(y, x)[None]
    diameter = 2.0 * RADIUS * _SCALE
    young = (table.kappa_t < 0.05).to_numpy()

    def chosen(mask: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(np.flatnonzero(mask), device=before.device)

    kinds, plain = table.morphology.to_numpy(), table.plain.to_numpy()
    i = chosen((kinds == "layered") & ~plain)
    fade = torch.as_tensor(1 / (1 + 20 * table.kappa_t.to_numpy()), dtype=torch.float32, device=before.device)
    canvas.height[i] += diameter * fade[i, None, None] * forms.layered_ejecta(rho, theta, rng, len(i))
    i = chosen((kinds == "valid") & young)
    canvas.height[i] += diameter * forms.continuous_ejecta(rho, theta, rng, len(i))
    i = chosen(
        np.isin(kinds, ("valid", "layered")) & (table.fill.to_numpy() > 0.02) & (rng.uniform(size=len(table)) < 0.6)
    )
    canvas.height[i] += diameter * fade[i, None, None] * forms.floor_forms(rho, theta, rng, len(i))
    ghosts = kinds == "ghost"
    i = chosen(ghosts & (rng.uniform(size=len(table)) < 0.5))
    canvas.height[i] = forms.flooded(canvas.height[i], rho, theta, diameter, rng)
    i = chosen(
        (ghosts & (rng.uniform(size=len(table)) < 0.6))
        | ((kinds == "valid") & (table.kappa_t > 0.05).to_numpy() & (rng.uniform(size=len(table)) < 0.15))
    )
    canvas.height[i] = forms.breached(canvas.height[i], before[i], rho, theta, rng)
    # Dust, wind and small impacts roughen floors, which a fresh cavity leaves bare, as they do the plains around.
    rough = torch.as_tensor(rng.uniform(2.0, 3.2, len(table)), dtype=torch.float32, device=before.device)
    amount = torch.as_tensor(np.exp(rng.uniform(np.log(0.02), np.log(0.5), len(table))), dtype=torch.float32)
    canvas.height += amount.to(before.device)[:, None, None] * spectral_field(rough, (side, side), gen)
    i = chosen(table.rays.to_numpy() & ~plain)
    canvas.albedo[i] += forms.bright_rays(rho, theta, rng, len(i))


def _seen(canvas: Canvas, table: pd.DataFrame, rng: np.random.Generator, gen: torch.Generator) -> Chips:
    """Light, camera, and the grid on which each crater has its diameter in pixels."""
    n = len(table)
    device = canvas.height.device
    tensor = lambda v: torch.tensor(np.asarray(v), dtype=torch.float32, device=device)  # noqa: E731
    # Infrared images by day are shaded like visible ones but have no black shadows.
    ambient = np.where(rng.uniform(size=n) < 0.3, rng.uniform(0.1, 0.6, n), rng.uniform(0.0, 0.12, n))
    laws = [str(rng.choice(LAWS)) for _ in range(n)]
    light = radiance(
        canvas.height, canvas.albedo, tensor(table.sun_azimuth_deg), tensor(table.incidence_deg), laws, tensor(ambient)
    )
    inner = slice(_MARGIN, _MARGIN + SIDE * _SCALE)
    light, ground = light[:, inner, inner], canvas.height[:, inner, inner] / (2.0 * RADIUS * _SCALE)
    ratio = np.minimum(1.0, table.diameter_px.to_numpy() / (2 * RADIUS))
    side = np.maximum(16, np.round(SIDE * ratio)).astype(int)
    image, dem = np.zeros((n, SIDE, SIDE), np.uint8), np.zeros((n, SIDE, SIDE), np.float16)
    psf = rng.uniform(0.3, 1.6, n) * np.minimum(1.0, 2 * RADIUS / table.diameter_px.to_numpy())
    for i in range(n):
        s = int(side[i])
        area = lambda v, s=s: torch.nn.functional.interpolate(v[None, None], (s, s), mode="area")[0]  # noqa: E731
        picture = observe(
            area(light[i]),
            oversample=1,
            psf_sigma=tensor([psf[i]]),
            noise=tensor(np.exp(rng.uniform(np.log(0.002), np.log(0.035), (1, 2)))),
            stripes=tensor([rng.uniform(0, 0.02) if rng.uniform() < 0.2 else 0.0]),
            stretch=tensor([[rng.uniform(0, 0.01), rng.uniform(0.985, 1.0)]]),
            generator=gen,
        )
        image[i, :s, :s] = picture[0].cpu().numpy()
        dem[i, :s, :s] = area(ground[i])[0].cpu().numpy()
    out = table.drop(columns=["plain", "kind", "fill"]).assign(side=side, diameter_px=2 * RADIUS * side / SIDE)
    # A crater larger than the chip's grid shows is one of that size through a finer camera.
    out["diameter_px"] = np.maximum(out.diameter_px, np.where(ratio >= 1, table.diameter_px, 0))
    return Chips(image, dem, out)

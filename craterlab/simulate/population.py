"""Which craters a scene holds: sizes from a production function, ages, states of erosion, kinds, secondaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..crater_profiles import (
    OTHER_TRANSITION_M,
    TRANSITION_M,
    degraded_depth,
    degraded_rim,
    diffusion_row,
    kind_of,
)


@dataclass(frozen=True)
class Law:
    """How to draw a population; ranges are (low, high).

    Attributes
    ----------
    min_diameter_px, max_diameter_px : float
        Diameters drawn, on the scene's grid.
    slope : (float, float)
        Cumulative exponent b of N(>=D) ~ D**-b, drawn per scene.
    coverage : (float, float)
        Crater area over scene area, drawn log-uniformly per scene.
    cumulative : callable, optional
        N(>=D) per km2 for D in metres: replaces slope and coverage by a Poisson draw from a real production function.
    erosion_scale_px : (float, float)
        Radius in pixels of a crater as old as the surface that diffusion has brought to kappa t / R**2 = 0.3.
    ghost, layered, rays, secondaries : float
        Shares of craters (or, for secondaries, of scenes with a cluster or chain).
    """

    min_diameter_px: float = 4.0
    max_diameter_px: float | None = None
    slope: tuple[float, float] = (1.8, 3.2)
    coverage: tuple[float, float] = (0.05, 0.8)
    cumulative: Callable[[np.ndarray], np.ndarray] | None = None
    erosion_scale_px: tuple[float, float] = (1.0, 14.0)
    ghost: float = 0.06
    layered: float = 0.06
    rays: float = 0.05
    secondaries: float = 0.25


def draw_diameters(law: Law, size: int, pixel_size_m: float, rng: np.random.Generator) -> np.ndarray:
    """Primary diameters in pixels for one square scene of `size` pixels."""
    dmin = law.min_diameter_px
    dmax = law.max_diameter_px or 0.6 * size
    if law.cumulative is not None:
        d = np.geomspace(dmin, dmax, 400)
        n = np.asarray(law.cumulative(d * pixel_size_m), float) * (size * pixel_size_m / 1000) ** 2
        count = rng.poisson(n[0] - n[-1])
        return np.interp(rng.uniform(n[-1], n[0], count), n[::-1], d[::-1])
    b = rng.uniform(*law.slope)
    u = rng.uniform(size=4096)
    d = (dmin**-b - u * (dmin**-b - dmax**-b)) ** (-1 / b)
    coverage = np.exp(rng.uniform(*np.log(law.coverage)))
    # The expected count for this coverage, so that the sizes kept are an unbiased sample of the law.
    mean_area = np.pi / 4 * np.mean(d**2)
    return d[: min(len(d), rng.poisson(coverage * size**2 / mean_area))]


def _secondary_field(size: int, margin: float, dmin: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A cluster, or a chain, of small shallow craters elongated away from a distant parent."""
    count = int(rng.integers(6, 45))
    centre = rng.uniform(-0.1 * size, 1.1 * size, 2)
    heading = rng.uniform(0, 2 * np.pi)
    chain = rng.uniform() < 0.5
    along = rng.normal(0, size * (0.22 if chain else 0.10), count)
    across = rng.normal(0, size * (0.012 if chain else 0.06), count)
    x = centre[0] + along * np.cos(heading) - across * np.sin(heading)
    y = centre[1] + along * np.sin(heading) + across * np.cos(heading)
    d = dmin * (1 - rng.uniform(0, 0.985, count)) ** (-1 / 3.5)
    keep = (x > -margin) & (x < size + margin) & (y > -margin) & (y < size + margin)
    return {
        "x_px": x[keep],
        "y_px": y[keep],
        "diameter_px": np.minimum(d, 24.0)[keep],
        "axis_ratio": rng.uniform(0.68, 0.95, count)[keep],
        "tilt": np.full(keep.sum(), heading),
    }


def worn(kind: np.ndarray, kappa_t: np.ndarray, fill: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What diffusion and filling leave of craters.

    Parameters
    ----------
    kind : ndarray of int
        Row of the profile table.
    kappa_t : ndarray
        Diffusion over R**2.
    fill : ndarray
        The floor is filled up to this depth below the surroundings, in diameters.

    Returns
    -------
    depth_diameter, erosion : ndarray
        Erosion is the share of the fresh depth that is gone, 0 fresh to 1.
    """
    depth = np.minimum(degraded_depth(kind, kappa_t), degraded_rim(kind, kappa_t) + fill)
    return depth, np.clip(1 - depth / degraded_depth(kind, np.zeros(len(kind))), 0, 1)


def draw_population(law: Law, size: int, pixel_size_m: float, body: str, rng: np.random.Generator) -> pd.DataFrame:
    """The craters of one scene in order of emplacement, oldest first.

    Returns
    -------
    DataFrame
        x_px, y_px, diameter_px, axis_ratio (minor/major), tilt (radians from the column axis towards rows),
        age (0 now .. 1 as old as the surface), kappa_t (over R**2), kind (row of the profile table), fill (floor
        filled up to this depth below the surroundings, in diameters), morphology, rays, erosion (0 fresh .. 1 gone),
        depth_diameter.
    """
    d = draw_diameters(law, size, pixel_size_m, rng)
    n = len(d)
    # Craters centred outside reach in with rim and ejecta, but only those that the border would cut are worth drawing.
    margin = 0.0 if law.cumulative is not None else 12.0
    table = {
        "x_px": rng.uniform(-margin, size + margin, n),
        "y_px": rng.uniform(-margin, size + margin, n),
        "diameter_px": d,
        "axis_ratio": np.clip(1 - np.abs(rng.normal(0, 0.05, n)), 0.75, 1.0),
        "tilt": rng.uniform(0, np.pi, n),
    }
    secondary = np.zeros(n, bool)
    if rng.uniform() < law.secondaries:
        field = _secondary_field(size, margin, law.min_diameter_px, rng)
        m = len(field["x_px"])
        table = {k: np.concatenate([v, field[k]]) for k, v in table.items()}
        secondary = np.concatenate([secondary, np.ones(m, bool)])
        n += m
    d, radius = table["diameter_px"], table["diameter_px"] / 2

    age = rng.uniform(0, 1, n)
    if secondary.any():
        age[secondary] = rng.uniform(0, 0.7)  # one event
    scale = np.exp(rng.uniform(*np.log(law.erosion_scale_px)))
    # Each crater also meets its own ground: softer or harder by a factor of about two.
    kappa_t = 0.3 * age * (scale / radius) ** 2 * np.exp(rng.normal(0, 0.5, n))
    kappa_t = np.minimum(kappa_t, 2.0)
    kind = kind_of(d * pixel_size_m, TRANSITION_M.get(body, OTHER_TRANSITION_M))
    kind[secondary] = 2  # shallow: d/D about 0.11 (McEwen & Bierhaus 2006)

    draw = rng.uniform(size=n)
    big = d > 2.5 * law.min_diameter_px
    ghost = ~secondary & big & (draw < law.ghost)
    layered = ~secondary & ~ghost & big & (draw < law.ghost + law.layered)
    fill = np.full(n, 1.0)
    fill[ghost] = rng.uniform(0.0, 0.012, ghost.sum())
    partly = ~ghost & ~secondary & (rng.uniform(size=n) < 0.25)
    fill[partly] = rng.uniform(0.03, 0.12, partly.sum())
    kappa_t[layered] *= 0.15
    morphology = np.select([ghost, layered, secondary], ["ghost", "layered", "secondary"], "valid")

    depth, erosion = worn(kind, kappa_t, fill)
    out = pd.DataFrame(table)
    out["age"] = age
    out["kappa_t"] = kappa_t
    out["row"] = diffusion_row(kappa_t)
    out["kind"] = kind
    out["fill"] = fill
    out["morphology"] = morphology
    out["rays"] = ~secondary & ~ghost & (kappa_t < 0.02) & (rng.uniform(size=n) < law.rays / 0.3)
    out["erosion"] = erosion
    out["depth_diameter"] = depth
    return out.sort_values("age", ascending=False, ignore_index=True)

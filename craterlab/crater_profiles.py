"""Radial crater profiles, fresh and degraded, as one lookup table.

Lengths are in crater diameters, `rho` is r / R. Fresh simple craters follow Fassett & Thomson (2014, JGR Planets 119,
2255), whose cavity runs 0.218 D from floor to rim; outside the rim the ejecta thins as rho**-3 (McGetchin et al. 1973).
Complex craters (flat floor, wall, central peak) shallow as (D / D_transition)**-0.699 (Pike 1977: d ~ D**0.301).
Degradation is linear topographic diffusion, whose solution is a Gaussian filter of variance 2 kappa t per axis.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

RIM_HEIGHT = 0.0368
SIMPLE_DEPTH = 0.2179  # floor to rim crest of the fresh simple profile below
RHO_MAX = 4.0
_N_RHO = 256
# kappa t / R**2; the first is fresh, at the last a crater keeps about 2 % of its depth.
DIFFUSION = np.concatenate([[0.0], np.geomspace(1e-3, 2.0, 23)])
COMPLEX_DEPTHS = (0.16, 0.11, 0.075, 0.05)
# Simple-to-complex transition diameters, metres (Pike 1988; Schenk 1991 for the icy and small bodies' scaling as 1/g).
TRANSITION_M = {"Moon": 15_000.0, "Mars": 6_000.0, "Mercury": 10_000.0}
OTHER_TRANSITION_M = 10_000.0


def _simple(rho: np.ndarray) -> np.ndarray:
    r = np.clip(rho, 0.2, 0.98)
    cavity = -0.228809953 + 0.227533882 * r + 0.083116795 * r**2 - 0.039499407 * r**3
    return np.where(rho < 0.98, cavity, np.minimum(RIM_HEIGHT, RIM_HEIGHT * np.maximum(rho, 1e-6) ** -3 / 1.02**-3))


def _complex(rho: np.ndarray, depth: float) -> np.ndarray:
    """Flat floor at `RIM_HEIGHT_c - depth`, concave wall, central peak growing as the crater gets relatively larger."""
    rim = RIM_HEIGHT * (0.4 + 0.6 * depth / SIMPLE_DEPTH)
    floor_radius = np.interp(depth, [0.05, 0.16], [0.72, 0.45])
    wall = np.clip((rho - floor_radius) / (0.98 - floor_radius), 0.0, 1.0)
    cavity = rim - depth + depth * wall**1.4
    peak = np.interp(depth, [0.05, 0.16], [0.022, 0.012]) * np.exp(-((rho / 0.14) ** 2))
    outside = np.minimum(rim, rim * np.maximum(rho, 1e-6) ** -3 / 1.02**-3)
    return np.where(rho < 0.98, cavity + peak, outside)


def fresh_profile(rho: np.ndarray, depth: float | None = None) -> np.ndarray:
    """Elevation over diameter of a fresh crater.

    Parameters
    ----------
    rho : array of float
        Distance from the centre in crater radii.
    depth : float, optional
        Rim-to-floor depth over diameter of a complex crater; without it the crater is simple.

    Returns
    -------
    array of float
        Elevation over diameter, zero on the surroundings far away.
    """
    rho = np.asarray(rho, float)
    return _simple(rho) if depth is None else _complex(rho, depth)


@lru_cache(maxsize=1)
def profile_table() -> np.ndarray:
    """Elevations over diameter, (kind, degradation, rho).

    Kind 0 is simple, then come the complex depths; degradation runs along `DIFFUSION`, rho evenly from 0 to `RHO_MAX`.
    Do not write into it: it is made once.
    """
    from scipy.special import j0

    # A Hankel transform pair on a grid that reaches far beyond the ejecta: diffusion is exp(-kappa t q**2) there.
    rho = (np.arange(900) + 0.5) * (12.0 / 900)
    q = (np.arange(900) + 0.5) * (75.0 / 900)
    kernel = j0(np.outer(q, rho))
    forward = kernel * rho * (rho[1] - rho[0])
    out_rho = np.linspace(0.0, RHO_MAX, _N_RHO)
    inverse = j0(np.outer(out_rho, q)) * q * (q[1] - q[0])
    table = np.empty((1 + len(COMPLEX_DEPTHS), len(DIFFUSION), _N_RHO), np.float32)
    for i, depth in enumerate((None, *COMPLEX_DEPTHS)):
        spectrum = forward @ fresh_profile(rho, depth)
        for j, kt in enumerate(DIFFUSION):
            table[i, j] = fresh_profile(out_rho, depth) if kt == 0 else inverse @ (spectrum * np.exp(-kt * q**2))
    return table


@lru_cache(maxsize=1)
def _rim_and_depth() -> np.ndarray:
    """(2, kind, degradation): rim crest above the surroundings and above the lowest floor, over diameter."""
    t = profile_table()
    return np.stack([t.max(-1), t.max(-1) - t.min(-1)])


def degraded_depth(kind: np.ndarray, diffusion: np.ndarray) -> np.ndarray:
    """Rim-to-floor depth over diameter after diffusion by `diffusion` = kappa t / R**2; a central peak is no floor."""
    return _along(_rim_and_depth()[1], kind, diffusion)


def degraded_rim(kind: np.ndarray, diffusion: np.ndarray) -> np.ndarray:
    """Height of the rim crest above the surroundings, over diameter, after diffusion."""
    return _along(_rim_and_depth()[0], kind, diffusion)


def _along(values: np.ndarray, kind: np.ndarray, diffusion: np.ndarray) -> np.ndarray:
    row = diffusion_row(diffusion)
    lo = np.minimum(row.astype(int), len(DIFFUSION) - 2)
    f = row - lo
    return values[kind, lo] * (1 - f) + values[kind, lo + 1] * f


def diffusion_row(diffusion: np.ndarray) -> np.ndarray:
    """Fractional row of the table for kappa t / R**2, linear in log beyond the first step."""
    d = np.asarray(diffusion, float)
    log = np.interp(np.log(np.maximum(d, 1e-9)), np.log(DIFFUSION[1:]), np.arange(1, len(DIFFUSION)))
    return np.where(d < DIFFUSION[1], d / DIFFUSION[1], log)


def kind_of(diameter_m: np.ndarray, transition_m: float) -> np.ndarray:
    """Row of the profile table: 0 below the simple-complex transition, then the nearest complex depth."""
    depth = SIMPLE_DEPTH * np.maximum(np.asarray(diameter_m, float) / transition_m, 1.0) ** -0.699
    choices = np.array([SIMPLE_DEPTH, *COMPLEX_DEPTHS])
    return np.abs(np.log(depth)[..., None] - np.log(choices)).argmin(-1)

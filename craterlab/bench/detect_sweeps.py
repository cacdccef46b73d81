"""The same simulated ground under every sun and through every camera: what light and sensor do to the detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..instruments import instrument, instruments
from ..progress import progress_bar
from ..simulate.craters import Canvas, carve
from ..simulate.photometry import radiance
from ..simulate.population import Law, draw_population
from ..simulate.sensor import observe
from ..simulate.terrain import spectral_field
from ..train.evidence import labels_to_see
from .detect_metrics import MIN_DIAMETER_PX, errors
from .detect_outcomes import counted, outcomes

TERRAINS, SIZE = 4, 384
AZIMUTHS_DEG = (0, 45, 90, 135, 180, 225, 270, 315)
INCIDENCES_DEG = (20, 30, 40, 50, 60, 70, 75, 80)
REFERENCE = "generic"
# Light scattered into the camera, over the mean light of the ground; it leaves the noise and takes the contrast.
HAZE = (0.5, 1.0, 2.0)
# Share of pixels that the 8-bit stretch drives into black, and as many into white.
STRETCH = (0.01, 0.05, 0.15)
_PLAIN = 0.002
_OVERSAMPLE = 2
_PIXEL_M, _BODY, _LAW = 10.0, "Moon", "lunar-lambert"
_SNR = 100.0  # of a camera whose table has none
_SEED = 40_000

Detector = Callable[[np.ndarray], pd.DataFrame]


@dataclass(frozen=True)
class Ground:
    """Heights and albedo with a margin (n, rows, columns), and the craters of each terrain: x_px, y_px, diameter_px,
    ignore."""

    height: torch.Tensor
    albedo: torch.Tensor
    margin: int
    size: int
    truth: list[pd.DataFrame]


def grounds(n: int = TERRAINS, size: int = SIZE, seed: int = _SEED) -> Ground:
    """Moderately cratered lunar terrains of 10 m pixels; the same seed gives the same ground on one machine."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    law = Law(min_diameter_px=6.0, slope=(1.8, 2.2), coverage=(0.3, 0.5), erosion_scale_px=(1.0, 6.0))
    populations = [draw_population(law, size, _PIXEL_M, _BODY, rng) for _ in range(n)]
    margin = _OVERSAMPLE * max(16, size // 8)
    side = (size * _OVERSAMPLE + 2 * margin,) * 2
    height = spectral_field(torch.full((n,), 3.0), side, generator) * (_OVERSAMPLE * size / 256)
    albedo = 1 + 0.03 * spectral_field(torch.full((n,), 2.5), side, generator)
    visibility = carve(Canvas(height, albedo, margin), populations, _OVERSAMPLE, generator)
    seen = [labels_to_see(p.assign(visibility=v)) for p, v in zip(populations, visibility, strict=True)]
    truth = [t[t.x_px.between(0, size) & t.y_px.between(0, size)].reset_index(drop=True) for t in seen]
    return Ground(height, albedo, margin, size, truth)


def lit(ground: Ground, azimuth_deg: float, incidence_deg: float) -> torch.Tensor:
    """Brightness (n, rows, columns) of the ground under one sun, twice as fine as the image, without camera.

    The lunar-Lambert law, cast shadows, and sky light of 4 % of the mean.
    """
    n = len(ground.truth)
    azimuth, incidence = (torch.full((n,), float(v)) for v in (azimuth_deg, incidence_deg))
    light = radiance(ground.height, ground.albedo, azimuth, incidence, [_LAW] * n, torch.full((n,), 0.04))
    inner = slice(ground.margin, ground.margin + ground.size * _OVERSAMPLE)
    return light[:, inner, inner]


def seen(light: torch.Tensor, camera: str, *, haze: float = 0.0, stretch: float = _PLAIN) -> np.ndarray:
    """8-bit images (n, rows, columns) of a brightness through a camera of the table.

    Its PSF in pixels, and white noise of mean / SNR (SNR 100 where the table has none); the noise has seed 0.
    """
    n = len(light)
    known = instrument(camera)
    hazy = light + haze * light.mean((1, 2), keepdim=True)
    image = observe(
        hazy,
        oversample=_OVERSAMPLE,
        psf_sigma=torch.full((n,), float(known.psf_sigma_px or 0.0)),
        noise=torch.tensor([[1 / (known.snr or _SNR), 0.0]]).expand(n, 2),
        stripes=torch.zeros(n),
        stretch=torch.tensor([[stretch, 1 - stretch]]).expand(n, 2),
        generator=torch.Generator().manual_seed(0),
    )
    return image.numpy()


def sweeps(
    find: Detector,
    threshold: float,
    *,
    terrains: int = TERRAINS,
    size: int = SIZE,
    progress: bool = True,
) -> dict[str, Any]:
    """Recall, false alarms and size by sun, camera, haze and stretch, on one ground.

    Parameters
    ----------
    find : callable
        From an image to its crater table with scores.
    threshold : float
    terrains, size : int
        How many, and their rows and columns.

    Returns
    -------
    dict
        Lists of cells `sun` (incidence by azimuth, generic camera), `instrument`, `haze` and `stretch` (each by
        incidence; there each terrain has a sun of its own, a quarter turn on from the last). A cell is incidence, what
        is varied, labels, recall, precision, false_per_mpx and diameter_bias (median of dD / D), for D >= 10 px.
        The generic camera under `instrument` is the one without haze and with a stretch that cuts 0.2 % at either end.
        `incidence`: the cells of `sun` by incidence alone; `recall_spread`: largest less smallest recall of those from
        30 to 75 degrees.

    Notes
    -----
    The signal-to-noise ratio of a camera is that of its table under every sun: exposures are taken to follow the
    light. Craters that lie wholly in a cast shadow count as labels too.
    """
    ground = grounds(terrains, size)

    def cell(images: np.ndarray, varied: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        found = [(find(i), t, (size, size)) for i, t in zip(images, ground.truth, strict=True)]
        return varied | _figures(found, threshold), found

    result: dict[str, Any] = {"sun": [], "incidence": [], "instrument": [], "haze": [], "stretch": []}
    for incidence in progress_bar(INCIDENCES_DEG, show=progress, desc="sweeps", unit="incidence"):
        at = {"incidence": incidence}
        under: list[Any] = []
        turned: dict[int, torch.Tensor] = {}
        for k, azimuth in enumerate(AZIMUTHS_DEG):
            light = lit(ground, azimuth, incidence)
            turned |= {i: light[i] for i in range(terrains) if k == 2 * i % len(AZIMUTHS_DEG)}
            row, found = cell(seen(light, REFERENCE), at | {"azimuth": azimuth})
            result["sun"].append(row)
            under += found
        result["incidence"].append(at | _figures(under, threshold))
        mixed = torch.stack([turned[i] for i in range(terrains)])
        for camera in instruments().index:
            result["instrument"].append(cell(seen(mixed, camera), at | {"instrument": camera})[0])
        for haze in HAZE:
            result["haze"].append(cell(seen(mixed, REFERENCE, haze=haze), at | {"haze": haze})[0])
        for stretch in STRETCH:
            result["stretch"].append(cell(seen(mixed, REFERENCE, stretch=stretch), at | {"stretch": stretch})[0])
    recall = [r["recall"] for r in result["incidence"] if 30 <= r["incidence"] <= 75]
    return result | {"recall_spread": round(max(recall) - min(recall), 4), "terrains": terrains, "size": size}


def _figures(found: list[tuple[pd.DataFrame, pd.DataFrame, tuple[int, int]]], threshold: float) -> dict[str, Any]:
    got = outcomes(found)
    hit, false, miss = counted(got.table, threshold, MIN_DIAMETER_PX)
    tp, fp, fn = int(hit.sum()), int(false.sum()), int(miss.sum())
    bias = errors(got.table[hit]).diameter_bias.median()
    return {
        "labels": tp + fn,
        "recall": round(tp / max(tp + fn, 1), 4),
        "precision": round(tp / max(tp + fp, 1), 4),
        "false_per_mpx": round(fp / got.mpx, 2),
        "diameter_bias": round(float(bias), 4) if tp else None,
    }

"""What kind of crater: class, rays and erosion from a network that looks at each crater's chip.

Erosion is then judged among the neighbours given: what fresh looks like in this image, its craters tell.

The network was trained with classes in fixed shares; here its probabilities meet what is known beforehand about a body
and a size (Bayes' rule): layered ejecta are Martian, begin at some kilometres and then surround a third of the craters
(Barlow & Bradley 1990; Barlow 2005), secondaries are small. Ghosts and secondaries have the simulator's shares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.catalog import MORPHOLOGIES

from .chips import RHO, chips, layers, numbers
from .polar import Places, Reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from craterlab.nn.chipnet import Namer

    from .measure import Setting

    Floats = NDArray[np.float64]

SMALLEST_PX = 8.0  # diameter
NEEDED = 0.6  # share of the crater's inside that must be seen
_TAUGHT = np.array([0.4, 0.2, 0.2, 0.2])  # shares of the classes in training
_GHOST, _LAYERED = 0.06, 0.30
SECONDARY_SHARE = 0.10
_LAYERED_FROM_M, _SECONDARY_TO_M = 4000.0, 3000.0
_BATCH = 64
_FELLOWS = 128


def beforehand(diameter_m: Floats, body: str | None) -> Floats:
    """Probability of each class before looking, (n, 4).

    Parameters
    ----------
    diameter_m : ndarray (n,)
        NaN where there is no scale.
    body : str or None
    """
    octaves = np.log2(np.where(diameter_m > 0, diameter_m, np.nan) / _LAYERED_FROM_M)
    layered = _LAYERED / (1 + np.exp(-octaves / 0.5)) * (body in ("Mars", None))
    secondary = SECONDARY_SHARE / (1 + np.exp(np.log2(diameter_m / _SECONDARY_TO_M) / 0.5))
    layered = np.where(np.isfinite(layered), layered, 0.05 * (body in ("Mars", None)))
    secondary = np.where(np.isfinite(secondary), secondary, SECONDARY_SHARE)
    ghost = np.full(len(layered), _GHOST)
    return np.stack([1 - ghost - layered - secondary, ghost, layered, secondary], 1)


def kinds_of(
    namer: Namer,
    image: Reader,
    elevation: Reader | None,
    shape: tuple[int, int],
    where: Places,
    setting: Setting,
    *,
    bar: Any = None,
) -> dict[str, np.ndarray]:
    """Class, rays and erosion of craters.

    Parameters
    ----------
    namer : Namer
        The network; it runs where its weights lie.
    image, elevation : Reader
        Elevation in metres; without a scale it is not used.
    shape : (rows, columns)
    where : Places, n craters
    setting : Setting
        Body, sun, and brightness of shadows and ground.
    bar : progress bar, optional

    Returns
    -------
    dict of ndarray (n,)
        p_valid, p_ghost, p_layered, p_secondary (sum to 1), morphology, p_rays, erosion, erosion_std. Craters smaller
        than 8 pixels, or seen to less than 0.6, are "unknown": their probabilities are those from beforehand, rays and
        erosion are NaN. Outside the image all are NaN. Class and rays of a crater are its own; its erosion depends on
        which others around it are given.
    """
    import torch

    from craterlab.crater_profiles import OTHER_TRANSITION_M, TRANSITION_M
    from craterlab.inference import autocast
    from craterlab.nn.chipnet import DESCRIBED

    transition = TRANSITION_M.get(setting.body or "", OTHER_TRANSITION_M)
    device = next(namer.net.parameters()).device
    described = np.full((len(where), DESCRIBED), np.nan, np.float32)
    seen = np.zeros(len(where))
    for index, picture, ground in chips(image, elevation, shape, where):
        seen[index] = np.isfinite(picture[:, RHO < 1]).mean(1)
        if ground is not None:
            ground = (ground / (2 * where.radius_m[index, None, None])).astype(np.float32)
        azimuth, incidence = (np.full(len(index), v) for v in setting.sun)
        maps = layers(picture, ground, azimuth, setting.black, setting.middle)
        values = numbers(2 * where.radius_px[index], 2 * where.radius_m[index], transition, incidence)
        for first in range(0, len(index), _BATCH):
            part = slice(first, first + _BATCH)
            x = torch.from_numpy(maps[part]).to(device).contiguous(memory_format=torch.channels_last)
            with torch.inference_mode(), autocast(device):
                told = namer.net.describe(x, torch.from_numpy(values[part]).to(device))
            described[index[part]] = told.cpu().numpy()
        if bar is not None:
            bar.update(len(index))
    known = (2 * where.radius_px >= SMALLEST_PX) & (seen >= NEEDED)
    out = np.full((len(where), len(MORPHOLOGIES) + 3), np.nan)
    for rows in fellows(where.x, where.y, np.flatnonzero(known)):
        with torch.inference_mode():
            one = torch.from_numpy(described[rows])[None].to(device)
            there = torch.ones(one.shape[:2], dtype=torch.bool, device=device)
            out[rows] = namer.net.among(one, there)[0].cpu().numpy()
    return _columns(out, known, seen, where, setting.body, namer.metadata)


def fellows(x: Floats, y: Floats, index: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Craters in sets of neighbours, at most 128 in each, as many as in the scenes that taught.

    Parameters
    ----------
    x, y : ndarray (n,)
    index : ndarray of int (k,)
        Those to divide.

    Returns
    -------
    list of ndarray of int
        Halved at the median of the wider axis until they are small enough.
    """
    if len(index) <= _FELLOWS:
        return [index] if len(index) else []
    wider = max((x, y), key=lambda v: float(np.ptp(v[index])))
    order = index[np.argsort(wider[index], kind="stable")]
    half = len(order) // 2
    return fellows(x, y, order[:half]) + fellows(x, y, order[half:])


def _columns(
    out: Floats, known: NDArray[np.bool_], seen: Floats, where: Places, body: str | None, calibration: dict[str, Any]
) -> dict[str, np.ndarray]:
    k = len(MORPHOLOGIES)
    prior = beforehand(2 * where.radius_m, body)
    logit = out[:, :k] / calibration["temperature"] + np.log(np.maximum(prior, 1e-9) / _TAUGHT)
    p = np.exp(logit - np.max(logit, 1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p = np.where(known[:, None], p, prior)
    p[seen == 0] = np.nan
    columns: dict[str, np.ndarray] = {f"p_{c}": p[:, i] for i, c in enumerate(MORPHOLOGIES)}
    best = np.array(MORPHOLOGIES, dtype=object)[np.argmax(np.nan_to_num(p), 1)]
    columns["morphology"] = np.where(known, best, "unknown")
    rays = 1 / (1 + np.exp(-out[:, k] / calibration["rays_temperature"]))
    erosion = 1 / (1 + np.exp(-out[:, k + 1]))
    spread = calibration["erosion_std_factor"] * np.exp(np.clip(out[:, k + 2], -4, 0))
    columns["p_rays"] = np.where(known, rays, np.nan)
    columns["erosion"] = np.where(known, erosion, np.nan)
    columns["erosion_std"] = np.where(known, spread, np.nan)
    return columns

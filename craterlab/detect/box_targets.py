"""What a CenterNet should say for a labelled window, and how wrong it is (Zhou et al. 2019; Zhang et al. 2025)."""

from __future__ import annotations

import numpy as np
import torch

from ..nn.centernet import DIAMETERS_PX, MAPS, STRIDE
from .targets import centre_map, focal

LEAST_IOU = 0.3  # of boxes whose corners are a radius off (Law & Deng 2018)


def gaussian_radius(width: np.ndarray, height: np.ndarray, iou: float = LEAST_IOU) -> np.ndarray:
    """How far both corners of a box may move, each along both axes, while it keeps an IoU with the true box.

    The least of three cases (Law & Deng 2018): the moved box lies inside the true one, holds it, or is shifted.

    Parameters
    ----------
    width, height : array
        Of the true box, in any unit.
    iou : float
        0..1.

    Returns
    -------
    array
        In the unit of the box.
    """
    half, area = (width + height) / 2, width * height
    inside = (half - np.sqrt(half**2 - (1 - iou) * area)) / 2  # (w - 2r)(h - 2r) = iou w h
    holding = (np.sqrt(half**2 + (1 / iou - 1) * area) - half) / 2  # w h = iou (w + 2r)(h + 2r)
    shifted = half - np.sqrt(half**2 - (1 - iou) / (1 + iou) * area)  # i = (w - r)(h - r), i = iou (2 w h - i)
    return np.minimum(np.minimum(inside, holding), shifted)


def encode(
    x_px: np.ndarray, y_px: np.ndarray, diameter_px: np.ndarray, ignore: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Targets of one window.

    Parameters
    ----------
    x_px, y_px, diameter_px, ignore, shape
        As in ``targets.encode``.

    Returns
    -------
    target : array (5, rows / 4, columns / 4) float32
        Heat in 0..1 with 1 at centres, offset x and y from the cell's corner in cells, box width and height in pixels.
    weight : array (rows / 4, columns / 4) float32
        0 where the heat map is not to be judged.
    """
    heat, weight, owner = centre_map(
        x_px,
        y_px,
        diameter_px,
        ignore,
        shape,
        stride=STRIDE,
        limits_px=DIAMETERS_PX,
        sigma=gaussian_radius(diameter_px, diameter_px) / STRIDE / 3,
    )
    target = np.concatenate([heat[None], np.zeros((MAPS - 1, *heat.shape), np.float32)])
    iy, ix = np.nonzero(heat == 1)
    i = owner[iy, ix]
    target[1, iy, ix], target[2, iy, ix] = x_px[i] / STRIDE - ix, y_px[i] / STRIDE - iy
    target[3:, iy, ix] = diameter_px[i]
    return target, weight


def loss(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Focal loss on the heat map + 0.1 L1 of the size + L1 of the offset, all by crater; the mean over the stacks.

    Parameters
    ----------
    output : tensor (n, 5 stacks, rows, columns)
    target, weight : tensor (n, 5, rows, columns), (n, rows, columns)
        From ``encode``; offsets and sizes that are NaN are not known and teach nothing.
    """
    centre, known = target[:, 0] == 1, target[:, 1].isfinite()
    target = target.nan_to_num()
    count = centre.sum().clamp_min(1)
    stacks = output.float().split(MAPS, 1)
    key = sum((focal(o[:, 0], target[:, 0]) * weight).sum() for o in stacks) / count / len(stacks)
    error = sum((o - target).abs() for o in stacks) * (centre & known)[:, None] / count / len(stacks)
    offset, size = error[:, 1:3].sum(), error[:, 3:].sum()
    return key + 0.1 * size + offset, {"focal": key.item(), "offset": offset.item(), "size": size.item()}

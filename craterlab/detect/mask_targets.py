"""What a network that paints craters should say for a labelled window, and how wrong it is."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..nn.adsnet import MAX_DIAMETER_PX, MIN_DIAMETER_PX


def encode_mask(
    x_px: np.ndarray, y_px: np.ndarray, diameter_px: np.ndarray, ignore: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Mask of one window.

    Parameters
    ----------
    x_px, y_px, diameter_px : array (m,)
        Craters in the window's pixels (first pixel's centre at 0.5, 0.5).
    ignore : array of bool (m,)
        Craters that should count neither for nor against.
    shape : (rows, columns)

    Returns
    -------
    target : array (1, rows, columns) float32
        1 where a pixel's centre lies in a crater of the sizes that the network answers for.
    weight : array (rows, columns) float32
        0 where the mask is not to be judged.

    Notes
    -----
    Larger craters are background, so that what lies in them can be seen; coarser levels of the pyramid show them.
    Within 40 % of the limits nothing is judged.
    """
    target, weight = np.zeros((1, *shape), np.float32), np.ones(shape, np.float32)
    ignore = ignore | (diameter_px < MIN_DIAMETER_PX) | (diameter_px > MAX_DIAMETER_PX)
    judged = (diameter_px >= 0.6 * MIN_DIAMETER_PX) & (diameter_px <= 1.4 * MAX_DIAMETER_PX)
    for wanted, out, value in ((ignore & judged, weight, 0), (~ignore, target[0], 1)):
        for x, y, r in zip(x_px[wanted], y_px[wanted], diameter_px[wanted] / 2, strict=True):
            y0, y1 = max(int(y - r), 0), max(int(np.ceil(y + r)), 0)
            x0, x1 = max(int(x - r), 0), max(int(np.ceil(x + r)), 0)
            view = out[y0:y1, x0:x1]
            gy, gx = np.mgrid[y0 : y0 + view.shape[0], x0 : x0 + view.shape[1]] + 0.5
            view[np.hypot(gx - x, gy - y) <= r] = value
    weight[target[0] == 1] = 1
    return target, weight


def mask_loss(
    output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
) -> tuple[torch.Tensor, dict[str, float]]:
    """Focal loss of gamma 1, both classes weighed the same (Lin et al. 2024, JAG 134:104215): -(1 - p_t) log p_t."""
    logit = torch.where(target > 0, output.float(), -output.float())[:, 0]  # of being right
    focal = (F.softplus(-logit) * torch.sigmoid(-logit) * weight).sum() / weight.sum().clamp_min(1)
    return focal, {"focal": focal.item()}

"""What the network should say for a labelled window, and how wrong it is."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..nn.craternet import MAX_DIAMETER_PX, MIN_DIAMETER_PX, REFERENCE_RADIUS_PX, STRIDE


def encode(
    x_px: np.ndarray, y_px: np.ndarray, diameter_px: np.ndarray, ignore: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Targets of one window.

    Parameters
    ----------
    x_px, y_px, diameter_px : array (m,)
        Craters in the window's pixels (first pixel's centre at 0.5, 0.5).
    ignore : array of bool (m,)
        Craters that should count neither for nor against.
    shape : (rows, columns)

    Returns
    -------
    target : array (4, rows / 2, columns / 2) float32
        Heat in 0..1 with 1 at centres; around them, where the heat is not 0, offset x and y, log radius.
    weight : array (rows / 2, columns / 2) float32
        0 where the heat map is not to be judged.

    Notes
    -----
    Craters smaller or larger than the network answers for are ignored within 40 % of its limits and background beyond.
    """
    rows, cols = shape[0] // STRIDE, shape[1] // STRIDE
    target = np.zeros((4, rows, cols), np.float32)
    weight = np.ones((rows, cols), np.float32)
    ignore = ignore | (diameter_px < MIN_DIAMETER_PX) | (diameter_px > MAX_DIAMETER_PX)
    ignore_floor, ignore_ceiling = MIN_DIAMETER_PX * 0.6, MAX_DIAMETER_PX * 1.4
    # Small craters last: a cell shared by two centres goes to the smaller, the harder to find otherwise.
    for i in np.argsort(-diameter_px):
        d = diameter_px[i]
        cx, cy = x_px[i] / STRIDE, y_px[i] / STRIDE
        sigma = max(0.6, 0.08 * d / STRIDE)
        reach = int(np.ceil(3 * sigma))
        ix, iy = int(np.floor(cx)), int(np.floor(cy))
        if ignore[i]:
            if not ignore_floor <= d <= ignore_ceiling:
                continue
            reach = max(1, int(0.3 * d / STRIDE))
        y0, y1 = max(iy - reach, 0), min(iy + reach + 1, rows)
        x0, x1 = max(ix - reach, 0), min(ix + reach + 1, cols)
        if y0 >= y1 or x0 >= x1:
            continue
        if ignore[i]:
            weight[y0:y1, x0:x1] = 0
            continue
        gy, gx = np.mgrid[y0:y1, x0:x1]
        g = np.exp(-((gx + 0.5 - cx) ** 2 + (gy + 0.5 - cy) ** 2) / (2 * sigma**2))
        view = target[:, y0:y1, x0:x1]
        # Cells around a centre know where it is too: the highest may be one of them.
        nearer = g > view[0]
        view[0][nearer] = np.minimum(g, 0.99)[nearer]
        view[1][nearer], view[2][nearer] = (cx - gx - 0.5)[nearer], (cy - gy - 0.5)[nearer]
        view[3][nearer] = np.log(d / 2 / REFERENCE_RADIUS_PX)
        if 0 <= ix < cols and 0 <= iy < rows:
            target[0, iy, ix] = 1
            target[1:, iy, ix] = cx - ix - 0.5, cy - iy - 0.5, np.log(d / 2 / REFERENCE_RADIUS_PX)
    weight[target[0] == 1] = 1
    return target, weight


def loss(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Focal loss on the heat map (alpha 2, beta 4: Law & Deng 2018), L1 on offset and log radius at the centres and,
    less so, in the eight cells around."""
    logit, heat = output[:, 0].float(), target[:, 0]
    p = torch.sigmoid(logit)
    centre = heat == 1
    positive = F.softplus(-logit) * (1 - p) ** 2
    negative = F.softplus(logit) * p**2 * (1 - heat) ** 4
    # Each window has its own denominator: a bare plain teaches as much as a crowded one.
    per_window = (torch.where(centre, positive, negative) * weight).sum((1, 2)) / (centre.sum((1, 2)) + 8)
    focal = per_window.mean()
    beside = F.max_pool2d(centre.float()[:, None], 3, 1, 1)[:, 0].bool() & ~centre
    near = centre + heat * beside / 8  # a large crater, warm all around, counts at most twice a small one
    share = near / near.sum().clamp_min(1)
    offset = ((output[:, 1:3].float() - target[:, 1:3]).abs().sum(1) * share).sum()
    radius = ((output[:, 3].float() - target[:, 3]).abs() * share).sum()
    total = focal + 0.5 * offset + 1.5 * radius
    return total, {"focal": focal.item(), "offset": offset.item(), "radius": radius.item()}

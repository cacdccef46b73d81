"""What the network should say for a labelled window, and how wrong it is."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ..nn.craternet import MAX_DIAMETER_PX, MIN_DIAMETER_PX, REFERENCE_RADIUS_PX, STRIDE


def centre_map(
    x_px: np.ndarray,
    y_px: np.ndarray,
    diameter_px: np.ndarray,
    ignore: np.ndarray,
    shape: tuple[int, int],
    *,
    stride: int,
    limits_px: tuple[float, float],
    sigma: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A Gaussian on the centre of every crater.

    Parameters
    ----------
    x_px, y_px, diameter_px, ignore, shape
        As in ``encode``.
    stride : int
        Pixels a cell of the map.
    limits_px : (float, float)
        Diameters the network answers for. Craters beyond them are ignored within 40 % and background beyond that.
    sigma : array (m,)
        Of the Gaussians, in cells.

    Returns
    -------
    heat : array (rows / stride, columns / stride) float32
        0..1, and 1 in cells with a centre.
    weight : array, same shape, float32
        0 where the heat map is not to be judged.
    owner : array, same shape, int
        Index of the crater whose heat is in the cell, -1 where there is none.
    """
    rows, cols = shape[0] // stride, shape[1] // stride
    heat, weight = np.zeros((rows, cols), np.float32), np.ones((rows, cols), np.float32)
    owner = np.full((rows, cols), -1)
    smallest, largest = limits_px
    ignore = ignore | (diameter_px < smallest) | (diameter_px > largest)
    # Small craters last: a cell shared by two centres goes to the smaller, the harder to find otherwise.
    for i in np.argsort(-diameter_px):
        d = diameter_px[i]
        cx, cy = x_px[i] / stride, y_px[i] / stride
        reach = int(np.ceil(3 * sigma[i]))
        ix, iy = int(np.floor(cx)), int(np.floor(cy))
        if ignore[i]:
            if not smallest * 0.6 <= d <= largest * 1.4:
                continue
            reach = max(1, int(0.3 * d / stride))
        y0, y1 = max(iy - reach, 0), min(iy + reach + 1, rows)
        x0, x1 = max(ix - reach, 0), min(ix + reach + 1, cols)
        if y0 >= y1 or x0 >= x1:
            continue
        if ignore[i]:
            weight[y0:y1, x0:x1] = 0
            continue
        gy, gx = np.mgrid[y0:y1, x0:x1]
        g = np.exp(-((gx + 0.5 - cx) ** 2 + (gy + 0.5 - cy) ** 2) / (2 * sigma[i] ** 2))
        view = heat[y0:y1, x0:x1]
        nearer = g > view
        view[nearer], owner[y0:y1, x0:x1][nearer] = np.minimum(g, 0.99)[nearer], i
        if 0 <= ix < cols and 0 <= iy < rows:
            heat[iy, ix], owner[iy, ix] = 1, i
    weight[heat == 1] = 1
    return heat, weight, owner


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
    """
    heat, weight, owner = centre_map(
        x_px,
        y_px,
        diameter_px,
        ignore,
        shape,
        stride=STRIDE,
        limits_px=(MIN_DIAMETER_PX, MAX_DIAMETER_PX),
        sigma=np.maximum(0.6, 0.08 * diameter_px / STRIDE),
    )
    target = np.concatenate([heat[None], np.zeros((3, *heat.shape), np.float32)])
    # Cells around a centre know where it is too: the highest may be one of them.
    iy, ix = np.nonzero(owner >= 0)
    i = owner[iy, ix]
    target[1, iy, ix], target[2, iy, ix] = x_px[i] / STRIDE - ix - 0.5, y_px[i] / STRIDE - iy - 0.5
    target[3, iy, ix] = np.log(diameter_px[i] / 2 / REFERENCE_RADIUS_PX)
    return target, weight


def focal(logit: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """Focal loss of every cell of a heat map, alpha 2 and beta 4 (Law & Deng 2018)."""
    p = torch.sigmoid(logit)
    positive = F.softplus(-logit) * (1 - p) ** 2
    negative = F.softplus(logit) * p**2 * (1 - heat) ** 4
    return torch.where(heat == 1, positive, negative)


def loss(output: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """Focal loss on the heat map, L1 on offset and log radius at the centres and, less so, in the cells beside them.

    Offsets and radii that are NaN in the target are not known and teach nothing.
    """
    heat, known = target[:, 0], target[:, 1].isfinite()
    target = target.nan_to_num()
    centre = heat == 1
    # Each window has its own denominator: a bare plain teaches as much as a crowded one.
    per_window = (focal(output[:, 0].float(), heat) * weight).sum((1, 2)) / (centre.sum((1, 2)) + 8)
    key = per_window.mean()
    beside = F.max_pool2d(centre.float()[:, None], 3, 1, 1)[:, 0].bool() & ~centre
    near = (centre + heat * beside / 4) * known  # a large crater, warm all around, counts up to three small ones
    share = near / near.sum().clamp_min(1)
    offset = ((output[:, 1:3].float() - target[:, 1:3]).abs().sum(1) * share).sum()
    radius = ((output[:, 3].float() - target[:, 3]).abs() * share).sum()
    total = key + 0.7 * offset + 2.0 * radius
    return total, {"focal": key.item(), "offset": offset.item(), "radius": radius.item()}

"""How near the truth: PSNR, SSIM and chi-square by method, set, factor, noise and camera; and with a wrong PSF."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..instruments import Instrument
from .superres_images import camera, degrade, off, psnr, sharpen, ssim, truths

WRONG = (0.7, 1.0, 1.3)  # width of the PSF given to the solver over that of the camera


def likeness(
    data: Path,
    sets: list[str],
    split: str,
    methods: list[str],
    *,
    instruments: list[str],
    factors: list[int],
    snrs: tuple[float, ...] = (100.0, 40.0),
    crop: int = 0,
    device: str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """The table: one row a camera, factor, SNR, set and method.

    Returns
    -------
    list of dict
        instrument, factor, snr, set, method, images, and means over the images: psnr (dB, peak 255), ssim, chi2
        (as `superres` says it, with the noise it found) with chi2_low and chi2_high, noise_ratio (noise found over
        noise put in). A method that projects its result on the data has a second row, its name with ``-raw``, of the
        image before. ``wiener`` has a second row too, ``wiener-flat``: see `textbook_wiener`.
    """
    from ..progress import progress_bar

    rows = []
    bar = progress_bar(show=progress, total=len(sets) * len(factors), desc="superres table", unit="set")
    with bar:
        for name in sets:
            for factor in factors:
                cells: dict[tuple[Any, ...], list[tuple[float, ...]]] = defaultdict(list)
                for truth in truths(data, name, split, factor, crop):
                    for seen_by in instruments:
                        for snr in snrs:
                            seen = degrade(truth.values, factor, camera(seen_by), snr)
                            for method in methods:
                                bar.set_postfix_str(f"{name} {truth.path.stem} x{factor} {method}")
                                made = sharpen(seen, factor, method, camera(seen_by), device=device)
                                key, noise = (seen_by, factor, snr, name, method), float(truth.values.mean()) / snr
                                cells[key].append(_measures(made, truth.values, noise))
                                if "raw" in made:
                                    again = _before_projection(made, seen, camera(seen_by))
                                    cells[*key[:-1], f"{method}-raw"].append(_measures(again, truth.values, noise))
                                if method == "wiener":
                                    flat = textbook_wiener(made, seen, camera(seen_by))
                                    cells[*key[:-1], "wiener-flat"].append(_measures(flat, truth.values, noise))
                rows += [_row(key, values) for key, values in cells.items()]
                bar.update()
    return sorted(rows, key=lambda r: (instruments.index(r["instrument"]), r["factor"], -r["snr"]))


def _before_projection(made: xr.Dataset, seen: np.ndarray, known: Instrument) -> xr.Dataset:
    """The result as it left the network, with the chi-square of that image on the same terms."""
    import torch

    from ..superres.forward import forward, operator

    factor, sigma = int(made.attrs["factor"]), float(made.attrs["noise_sigma"])
    raw = made["raw"].values
    again = forward(operator((seen.shape[0], seen.shape[1]), factor, known), torch.from_numpy(raw)).numpy()
    fit = float(np.square(again - seen, dtype=np.float64).mean()) / (sigma**2 * float(made.attrs["residual_dof"]))
    return made.assign(image=made["raw"]).assign_attrs(chi2=fit)


def textbook_wiener(made: xr.Dataset, seen: np.ndarray, known: Instrument) -> xr.Dataset:
    """The Wiener filter as it is mostly written down, with one number for noise over signal at all frequencies: the
    noise that `made` found, over the variance of the observation. What the spectrum is worth shows beside it."""
    import torch

    from ..superres.forward import forward, operator
    from ..superres.solvers import wiener, wiener_weights

    sigma = float(made.attrs["noise_sigma"])
    op = operator((seen.shape[0], seen.shape[1]), int(made.attrs["factor"]), known)
    white = torch.full(op.fine_shape, float(seen.var()), dtype=torch.float64)
    weights, left = wiener_weights(op, white, sigma)
    offset = float(seen.mean())
    y = torch.from_numpy(seen - np.float32(offset))
    x = wiener(op, y, weights)
    fit = float((forward(op, x) - y).square().mean()) / (sigma**2 * float(left.mean()))
    image = made["image"].copy(data=x.numpy() + np.float32(offset))
    return made.assign(image=image).assign_attrs(chi2=fit)


def _measures(made: xr.Dataset, truth: np.ndarray, noise: float) -> tuple[float, ...]:
    image = made["image"].values
    return psnr(image, truth), ssim(image, truth), float(made.attrs["chi2"]), float(made.attrs["noise_sigma"]) / noise


def _row(key: tuple[Any, ...], values: list[tuple[float, ...]]) -> dict[str, Any]:
    db, similar, fit, noise = np.array(values).T
    return dict(zip(("instrument", "factor", "snr", "set", "method"), key, strict=True)) | {
        "images": len(values),
        "psnr": round(float(db.mean()), 3),
        "ssim": round(float(similar.mean()), 4),
        "chi2": round(float(fit.mean()), 3),
        "chi2_low": round(float(fit.min()), 3),
        "chi2_high": round(float(fit.max()), 3),
        "noise_ratio": round(float(noise.mean()), 3),
    }


def wrong_instrument(
    data: Path,
    sets: list[str],
    split: str,
    methods: list[str],
    *,
    factor: int = 2,
    snr: float = 100.0,
    crop: int = 0,
    device: str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """What a PSF 30 % too narrow or too wide costs (the generic camera).

    Returns
    -------
    list of dict
        set, method, psf (width given over true width), psnr, ahead (dB over bicubic, which knows no PSF), chi2;
        means over the images.
    """
    from ..progress import progress_bar

    right = camera("generic")
    methods = [m for m in methods if m != "bicubic"]
    rows = []
    for name in progress_bar(sets, show=progress, desc="superres wrong PSF"):
        cells: dict[tuple[str, float], list[tuple[float, float, float]]] = defaultdict(list)
        for truth in truths(data, name, split, factor, crop):
            seen = degrade(truth.values, factor, right, snr)
            plain = psnr(sharpen(seen, factor, "bicubic", right, device=device)["image"].values, truth.values)
            for method in methods:
                for ratio in WRONG:
                    made = sharpen(seen, factor, method, off(right, ratio), device=device)
                    db = psnr(made["image"].values, truth.values)
                    cells[method, ratio].append((db, db - plain, float(made.attrs["chi2"])))
        for (method, ratio), values in cells.items():
            db, ahead, fit = np.mean(values, 0).tolist()
            rows.append(
                {"set": name, "method": method, "psf": ratio}
                | {"psnr": round(db, 3), "ahead": round(ahead, 3), "chi2": round(fit, 3)}
            )
    return rows

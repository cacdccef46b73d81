"""What is measured once for a scene, never for a block: its noise, its spectrum, how much to regularise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from craterlab.errors import CraterlabError
from craterlab.instruments import Instrument
from craterlab.nn.denoiser import UNIT_SCALES
from craterlab.normalise import robust_range
from craterlab.progress import progress_bar
from craterlab.tiling import Reader, tiles

from . import calibration, learned_block, solvers
from .estimate import noise_curve
from .forward import Operator, forward, operator
from .precision import Precision, precision
from .prior import WINDOW, Spectrum, fit_spectrum, prior_variance

_WINDOW_FINE = 256  # fine pixels of the windows in which a learned solver is measured
_MAX_WINDOWS = 12
_MORE_ROUNDS = 2  # in which the noise is moved to where the learned solution agrees with itself
_WELL_KNOWN = 0.15  # relative error of a noise curve that is preferred to the spectrum's noise


@dataclass(frozen=True)
class Plan:
    """Everything that belongs to the scene and is the same in every block."""

    factor: int
    instrument: Instrument
    method: str
    offset: float  # mean level, taken off before the transforms for the sake of float32
    spectrum: Spectrum
    precision: Precision
    tv_strength: float
    left: float  # degrees of freedom of the residual per pixel
    device: str
    learned: learned_block.Setting | None = None
    objective: tuple[float, ...] = ()  # of sample windows, where the method has one


def plan(
    read: Reader,
    shape: tuple[int, int],
    factor: int,
    instrument: Instrument,
    method: str,
    device: str,
    *,
    prior: Any = None,
    samples: int = 0,
    seed: int = 0,
    progress: bool = False,
) -> Plan:
    """Measure a scene: noise, spectrum, regularisation.

    Parameters
    ----------
    read : callable
        Window (row start, stop, column start, stop) -> float32 block, NaN for nodata.
    shape : (int, int)
    factor : int
    instrument : Instrument
    method : str
    device : str
    prior, samples, seed
        Of the learned methods: see `learned_block.Setting`.
    progress : bool
        Show a bar while a learned method is measured.

    Returns
    -------
    Plan

    Raises
    ------
    CraterlabError
        The scene has no finite pixel, or infinite ones.
    """
    windows = sample(read, shape)
    offset = float(np.mean([w.mean(dtype=np.float64) for w in windows]))
    told = instrument.noise_sigma is not None
    instrument, spectrum = _noise_and_spectrum(windows, instrument, offset)
    found = _linear(windows, factor, instrument, method, device, offset, spectrum)
    if method not in learned_block.DEFAULT_PRIOR:
        return found
    median, scale = robust_range(np.stack(windows))
    brightness = median - offset, UNIT_SCALES * scale
    parts = [torch.from_numpy(p - np.float32(offset)).to(device) for p in _parts(windows, factor)]

    def bench(linear: Plan) -> tuple[learned_block.Setting, calibration.Bench]:
        error = float((linear.precision.noise + linear.precision.model).mean().sqrt())
        setting = learned_block.Setting(
            method, prior, offset, *brightness, linear.spectrum.sigma, error, samples, seed, device, linear.instrument
        )
        op, weights = tools(linear, (parts[0].shape[0], parts[0].shape[1]))
        return setting, calibration.Bench(op, lambda y: solvers.wiener(op, y, weights), parts, bar.update)

    def with_noise(sigma: float) -> Plan:
        # Shot noise keeps its share.
        ratio = sigma / spectrum.sigma
        read_noise, gain = (instrument.noise_sigma or 0.0) * ratio, instrument.gain
        camera = replace(instrument, noise_sigma=sigma if gain is None else read_noise, gain=gain and gain / ratio**2)
        refitted = replace(fit_spectrum(windows, camera, offset), sigma_from="image")
        return _linear(windows, factor, camera, method, device, offset, refitted)

    finds = method == "pnp" and not told
    most = calibration.solutions(method, len(parts), 1 + finds * _MORE_ROUNDS, plain=finds)
    with progress_bar(total=most, show=progress, desc=f"{method}: noise and prior", unit="window", delay=2.0) as bar:
        if finds:
            # The learned prior tells texture from noise better than a power law does.
            chi2 = calibration.plain_chi2(*bench(found))
            found = with_noise(calibration.other_noise(spectrum.sigma, chi2, calibration.PLAIN_AIM))
        setting, share, chi2, objective = calibration.measure(*bench(found))
        for _ in range(finds * _MORE_ROUNDS):
            sigma = found.spectrum.sigma
            if (other := calibration.other_noise(sigma, chi2, calibration.AIM)) == sigma:
                break
            found = with_noise(other)
            setting, share, chi2, objective = calibration.measure(*bench(found))
    return replace(found, left=share, learned=setting, objective=objective)


def _linear(
    windows: list[np.ndarray],
    factor: int,
    instrument: Instrument,
    method: str,
    device: str,
    offset: float,
    spectrum: Spectrum,
) -> Plan:
    """What does not take a learned prior."""
    errors = precision(factor, instrument, spectrum, linear="bicubic" if method == "bicubic" else "wiener")
    op = operator(windows[0].shape, factor, instrument)
    _, left = solvers.wiener_weights(op, prior_variance(op, spectrum), spectrum.sigma)
    share = 1.0 if method == "bicubic" else float(left.mean())
    strength = _tv_strength(op, windows[:4], offset, spectrum, share) if method == "tv" else 0.0
    return Plan(factor, instrument, method, offset, spectrum, errors, strength, share, device)


def _parts(windows: list[np.ndarray], factor: int) -> list[np.ndarray]:
    """Up to four pieces of the windows, of one size, spread over them; float32."""
    rows, cols = windows[0].shape
    side = max(24, _WINDOW_FINE // factor)
    pieces = [
        w[r : r + side, c : c + side]
        for w in windows
        for r in range(0, max(rows - side, 0) + 1, side)
        for c in range(0, max(cols - side, 0) + 1, side)
    ]
    return [p.astype(np.float32) for p in pieces[:: max(1, len(pieces) // 4)][:4]]


def _noise_and_spectrum(
    windows: list[np.ndarray], instrument: Instrument, offset: float
) -> tuple[Instrument, Spectrum]:
    """The scene's spectrum and noise; the instrument with the noise it has where smooth ground shows it well.

    Of the two estimates the larger is taken: real spectra steepen towards the pixel, which the spectrum's noise takes
    for less noise; and a wrong PSF looks like more, which keeps the solution from amplifying what it should not.
    """
    spectrum = fit_spectrum(windows, instrument, offset)
    if instrument.noise_sigma is not None:
        return instrument, spectrum
    curve = noise_curve(windows)
    known = curve.read > 0 and curve.sigma_error < _WELL_KNOWN * curve.sigma
    if not known or curve.sigma <= spectrum.sigma:
        return instrument, spectrum
    measured = replace(instrument, noise_sigma=curve.read, gain=curve.gain)
    return measured, replace(fit_spectrum(windows, measured, offset), sigma_from="image")


def sample(read: Reader, shape: tuple[int, int]) -> list[np.ndarray]:
    """Windows of the scene, spread out, nodata filled."""
    size = tuple(min(WINDOW, n) for n in shape)
    starts = [
        np.unique(np.linspace(0, n - s, min(6, -(-n // s))).round().astype(int))
        for n, s in zip(shape, size, strict=True)
    ]
    places = [(r, c) for r in starts[0] for c in starts[1]]
    found = _valid(read, places, size)
    if not found:
        # Valid data may hide between the sample windows: look at all of it before giving up.
        found = _valid(read, [(t.core[0], t.core[2]) for t in tiles(shape, WINDOW, 0)], size, shape)
    if not found:
        raise CraterlabError(
            f"The image ({shape[0]} x {shape[1]} pixels) has no finite value: everything is nodata. "
            "Check the nodata value of the file."
        )
    found.sort(key=lambda item: -item[0])
    best = [w for share, w in found if share >= 0.999] or [w for share, w in found if share >= 0.5] or [found[0][1]]
    step = max(1, -(-len(best) // _MAX_WINDOWS))
    return [fill(w, ~np.isfinite(w)) for w in best[::step]]


def _valid(
    read: Reader, places: list[tuple[int, int]], size: tuple[int, ...], shape: tuple[int, int] | None = None
) -> list[tuple[float, np.ndarray]]:
    found = []
    for r, c in places:
        if shape is not None:
            r, c = min(r, shape[0] - size[0]), min(c, shape[1] - size[1])
        window = read((r, r + size[0], c, c + size[1]))
        if np.isinf(window).any():
            raise CraterlabError(
                "The image holds infinite values; set them to NaN (nodata): image.where(np.isfinite(image))."
            )
        if share := float(np.isfinite(window).mean()):
            found.append((share, window))
    return found


def fill(block: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Nodata filled from the nearest valid pixels and smoothed, so that the solver meets no step at its edge."""
    if not hole.any():
        return block
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    nearest = distance_transform_edt(hole, return_distances=False, return_indices=True)
    out = block[tuple(nearest)]
    for _ in range(3):
        out = np.where(hole, gaussian_filter(out, 1.5), out)
    return out


def tools(plan: Plan, shape: tuple[int, int]) -> tuple[Operator, torch.Tensor]:
    op = operator(shape, plan.factor, plan.instrument, device=plan.device)
    weights, _ = solvers.wiener_weights(op, prior_variance(op, plan.spectrum), plan.spectrum.sigma)
    return op, weights


def _tv_strength(op: Operator, windows: list[np.ndarray], offset: float, spectrum: Spectrum, left: float) -> float:
    """Weight of the total variation whose residual is as large as the Wiener solution's is expected to be.

    The discrepancy principle (residual = noise) smooths too much, because a fit also fits noise; the Wiener model
    knows how much.
    """
    weights, _ = solvers.wiener_weights(op, prior_variance(op, spectrum), spectrum.sigma)
    data = [torch.from_numpy(w.astype(np.float32) - np.float32(offset)) for w in windows]
    starts = [solvers.wiener(op, y, weights) for y in data]
    rough = float(np.mean([solvers.roughness(x) for x in starts]))
    scale = spectrum.sigma**2 / max(rough, 1e-2 * spectrum.sigma, 1e-30)
    low, high = 1e-3, 10.0
    for _ in range(7):
        middle = (low * high) ** 0.5
        residual = [
            float((forward(op, solvers.tv(op, y, middle * scale, x, iterations=25)) - y).square().mean())
            for y, x in zip(data, starts, strict=True)
        ]
        low, high = (middle, high) if np.mean(residual) < left * spectrum.sigma**2 else (low, middle)
    return (low * high) ** 0.5 * scale

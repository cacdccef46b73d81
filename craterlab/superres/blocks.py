"""Super-resolution of a scene block by block: what is measured once for the scene, the solution of one block, its
re-observation.

Blocks overlap by a halo much wider than the filters, and every output pixel is owned by one block: there is nothing
to blend, and memory does not grow with the image beyond the result itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from craterlab.errors import CraterlabError
from craterlab.instruments import Instrument
from craterlab.nn.denoiser import UNIT_SCALES
from craterlab.normalise import robust_range
from craterlab.tiling import Reader, Window, tiles

from . import calibration, learned_block, solvers
from .consistency import noise_ratio
from .estimate import noise_curve
from .forward import Operator, forward, operator
from .precision import Precision, maps, precision
from .prior import WINDOW, Spectrum, fit_spectrum, prior_variance

HALO = 32  # coarse pixels
_CORE_FINE = 512  # fine pixels
_WINDOW_FINE = 256  # fine pixels of the windows in which a learned solver is measured
_MAX_WINDOWS = 12
_WELL_KNOWN = 0.15  # relative error of a noise curve that is preferred to the spectrum's noise

Solver = Callable[[np.ndarray], np.ndarray]


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

    def tool(linear: Plan) -> tuple[learned_block.Setting, calibration.Bench]:
        error = float((linear.precision.noise + linear.precision.model).mean().sqrt())
        setting = learned_block.Setting(
            method, prior, offset, *brightness, linear.spectrum.sigma, error, samples, seed, device, linear.instrument
        )
        op, weights = _tools(linear, (parts[0].shape[0], parts[0].shape[1]))
        return setting, calibration.Bench(op, lambda y: solvers.wiener(op, y, weights), parts)

    def with_noise(sigma: float) -> Plan:
        # Shot noise keeps its share.
        ratio = sigma / spectrum.sigma
        read_noise, gain = (instrument.noise_sigma or 0.0) * ratio, instrument.gain
        camera = replace(instrument, noise_sigma=sigma if gain is None else read_noise, gain=gain and gain / ratio**2)
        refitted = replace(fit_spectrum(windows, camera, offset), sigma_from="image")
        return _linear(windows, factor, camera, method, device, offset, refitted)

    if finds := method == "pnp" and not told:
        # The learned prior tells texture from noise better than a power law does.
        chi2 = calibration.plain_chi2(*tool(found))
        found = with_noise(calibration.other_noise(spectrum.sigma, chi2, calibration.PLAIN_AIM))
    setting, share, chi2, objective = calibration.measure(*tool(found))
    for _ in range(2 if finds else 0):
        sigma = found.spectrum.sigma
        if (other := calibration.other_noise(sigma, chi2, calibration.AIM)) == sigma:
            break
        found = with_noise(other)
        setting, share, chi2, objective = calibration.measure(*tool(found))
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


def block_solver(plan: Plan) -> Solver:
    """The solution of one block: (rows, columns) with NaN -> (bands, f rows, f columns) float32, see `bands`."""
    tools = lru_cache(maxsize=16)(lambda shape: _tools(plan, shape))
    sharpen = learned_block.solver(plan.learned) if plan.learned else None
    names = bands(plan.method)

    def solve(block: np.ndarray) -> np.ndarray:
        hole = ~np.isfinite(block)
        if hole.all():
            return np.full((len(names), *(n * plan.factor for n in block.shape)), np.nan, np.float32)
        y = torch.from_numpy(fill(block, hole).astype(np.float32) - np.float32(plan.offset))
        op, weights = tools(block.shape)
        there = y.to(plan.device)
        errors, raw = None, []
        if plan.method == "bicubic":
            x = solvers.bicubic(y, plan.factor)
        else:
            x = solvers.wiener(op, there, weights)
            if plan.method == "tv":
                x = solvers.tv(op, there, plan.tv_strength, x)
            elif sharpen is not None:
                solution = sharpen(op, there, x)
                x = solution.image
                if solution.samples is not None:
                    errors = learned_block.sampled_maps(solution, y, plan.precision, plan.factor)
                if solution.raw is not None:
                    raw = [solution.raw + plan.offset]
        errors = maps(y, plan.precision, plan.factor) if errors is None else errors
        out = np.stack([t.cpu().numpy() for t in (x + plan.offset, *errors, *raw)])
        if hole.any():
            out[:, _enlarge(hole, plan.factor)] = np.nan
        return out

    return solve


def bands(method: str) -> tuple[str, ...]:
    """Names of what `block_solver` gives."""
    return ("image", "std", "data_share", *(("raw",) if method == "net" else ()))


def _tools(plan: Plan, shape: tuple[int, int]) -> tuple[Operator, torch.Tensor]:
    op = operator(shape, plan.factor, plan.instrument, device=plan.device)
    weights, _ = solvers.wiener_weights(op, prior_variance(op, plan.spectrum), plan.spectrum.sigma)
    return op, weights


def run(
    read: Reader, shape: tuple[int, int], factor: int, solve: Solver, bands: int, name: str, progress: bool
) -> np.ndarray:
    """All blocks of a scene -> (bands, f rows, f columns) float32."""
    from craterlab.progress import progress_bar

    out = np.empty((bands, shape[0] * factor, shape[1] * factor), np.float32)
    work = list(tiles(shape, core_size(factor), HALO))
    for tile in progress_bar(work, show=progress, desc=name, unit="block", delay=2.0):
        r0, r1, c0, c1 = (factor * n for n in tile.core)
        out[:, r0:r1, c0:c1] = owned(solve(read(tile.read)), tile.read, tile.core, factor)
    return out


def core_size(factor: int) -> int:
    """Side of a block's core in coarse pixels."""
    return max(64, _CORE_FINE // factor)


def owned(solution: np.ndarray, window: Window, core: Window, factor: int) -> np.ndarray:
    """The core of a block's solution."""
    r, c = factor * (core[0] - window[0]), factor * (core[2] - window[2])
    return solution[..., r : r + factor * (core[1] - core[0]), c : c + factor * (core[3] - core[2])]


def upsample(factor: int) -> Solver:
    """Bicubic interpolation of one block of a layer that no instrument model applies to, such as a DEM."""

    def solve(block: np.ndarray) -> np.ndarray:
        hole = ~np.isfinite(block)
        if hole.all():
            return np.full((1, *(n * factor for n in block.shape)), np.nan, np.float32)
        level = float(np.median(block[~hole]))
        y = torch.from_numpy((fill(block, hole).astype(np.float64) - level).astype(np.float32))
        out = solvers.bicubic(y, factor).numpy() + np.float32(level)
        out[_enlarge(hole, factor)] = np.nan
        return out[None]

    return solve


def chi2(
    read: Reader, read_fine: Reader, shape: tuple[int, int], plan: Plan, cores: list[Window] | None = None
) -> float:
    """Reduced chi-square of the re-observation, sum (A x - y)^2 / sigma^2 over the residual's degrees of freedom.

    Parameters
    ----------
    read, read_fine : callable
        Windows of the observation, and of the super-resolved image in fine pixels.
    shape : (int, int)
        Of the observation.
    plan : Plan
        `plan.left` degrees of freedom per pixel: 1 for an image that was not fitted to the data (bicubic); for wiener
        the trace of sigma^2 (A S A^T + sigma^2)^-1, since a fit to the data leaves less than the noise in the
        residual; tv is tuned to leave as much as wiener and is counted likewise.
    cores : list of windows, optional
        Only these parts of the observation.

    Returns
    -------
    float
        NaN when no pixel could be used. Pixels within 2 of nodata are left out.
    """
    from scipy.ndimage import binary_dilation

    f, margin = plan.factor, 12
    at = lru_cache(maxsize=16)(lambda s: operator(s, f, plan.instrument))
    total, count = 0.0, 0
    for r0, r1, c0, c1 in cores or [t.core for t in tiles(shape, core_size(f), 0)]:
        window = (max(r0 - margin, 0), min(r1 + margin, shape[0]), max(c0 - margin, 0), min(c1 + margin, shape[1]))
        y = read(window)
        hole = ~np.isfinite(y)
        if hole.all():
            continue
        x = read_fine((f * window[0], f * window[1], f * window[2], f * window[3]))
        sharp = torch.from_numpy(fill(x, ~np.isfinite(x)).astype(np.float32) - np.float32(plan.offset))
        again = forward(at(y.shape), sharp).numpy() + np.float32(plan.offset)
        use = ~binary_dilation(hole, iterations=2) if hole.any() else ~hole
        inner = np.zeros_like(use)
        inner[r0 - window[0] : r1 - window[0], c0 - window[2] : c1 - window[2]] = True
        use &= inner
        square = np.square(again - y, dtype=np.float64)
        if (ratio := noise_ratio(torch.from_numpy(np.nan_to_num(y)), plan.instrument, plan.offset)) is not None:
            square /= ratio.numpy()
        total += float(square[use].sum())
        count += int(use.sum())
    return total / (plan.spectrum.sigma**2 * plan.left * count) if count else float("nan")


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


def _enlarge(mask: np.ndarray, factor: int) -> np.ndarray:
    return mask.repeat(factor, 0).repeat(factor, 1)


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

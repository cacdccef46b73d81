"""One fine image from several frames of a place: y_k = D h * (S_k x) + n_k on the fine grid of the first frame.

Frames shifted by parts of a pixel see different aliases of the detail: together they determine what one frame leaves
open, and they average their noise. The scenes are registered, brightness differences are taken off, and the image is
solved block by block as for one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from craterlab.errors import CraterlabError
from craterlab.instruments import Instrument
from craterlab.nn.denoiser import UNIT_SCALES
from craterlab.normalise import robust_range
from craterlab.tiling import Window, tiles

from .alignment import Aligned, align, values_of
from .blocks import HALO, core_size, owned
from .consistency import noise_ratio
from .forward import dct2
from .joint import Denoise, Stack, btv_strength, farsiu, fuse, levels, roughness, stack
from .planning import Plan, fill, plan
from .precision import local_power
from .precision_frames import FramesPrecision, frames_precision
from .shifted import observe

if TYPE_CHECKING:
    import xarray as xr

Method = Literal["farsiu", "pnp"]
_SAMPLE, _SAMPLES = 96, 3  # side (pixels) and number of the windows in which `farsiu` is set


def reconstruct(
    scenes: Sequence[xr.Dataset],
    factor: int,
    instrument: Instrument,
    method: Method,
    denoise: Denoise | None = None,
    progress: bool = True,
    *,
    device: str = "cpu",
) -> tuple[np.ndarray, dict[str, Any]]:
    """Register frames and solve for the one fine image that all of them saw.

    Parameters
    ----------
    scenes : sequence of Dataset
        Frames of one place and one light, with ``image (y, x)``; the first gives the grid and the brightness. NaN is
        no data. They may differ in size, and by a shift, a gain and an offset.
    factor : int
        Fine pixels per pixel and axis.
    instrument : Instrument
        Of all frames.
    method : {"farsiu", "pnp"}
        ``farsiu``: least absolute residuals with bilateral total variation, robust to what moved between frames.
        ``pnp``: least squares with the learned prior, or with a power law where `denoise` is None.
    denoise : callable, optional
        ``denoise(x, sigma)``, deepinv's contract: x (1, 1, rows, columns), about 0..1.
    progress : bool
    device : str

    Returns
    -------
    bands : numpy.ndarray, (3, f rows, f columns) float32
        Image, its 1-sigma error and data_share, as `craterlab.superres` defines them. NaN only in the fine pixels of a
        pixel where no frame has data. The error is that of the linear estimate from the frames that have data there,
        scaled by the local roughness; it leaves the error of the shifts out.
    attrs : dict
        ``frames`` (names of those used), ``rejected`` (names), ``shifts_px`` (a (dy, dx) for each frame used),
        ``shift_error_px``, ``gains``, ``offsets``, ``chi2`` (reduced, of all re-observations together),
        ``chi2_frames`` (of each), ``residual_dof`` (of the first), ``noise_sigma`` (of the first), ``noise_from``
        (``"instrument"``, or ``"frames"``: measured by what they disagree in), ``spectrum_exponent``.

    Raises
    ------
    CraterlabError
        An unknown method; no frame of the place of the first; different bodies; a frame without finite values.

    Warns
    -----
    UserWarning
        Names each frame that is left out and says why.
    """
    if method not in ("farsiu", "pnp"):
        raise CraterlabError(f"superres of several frames: unknown method {method!r}; wanted 'pnp' or 'farsiu'.")
    accepted, rejected = align(scenes)
    scene = _measure(accepted, _shape(scenes[0]), factor, instrument, method, denoise, device)
    bands, chi2_frames, chi2 = _run(scene, progress)
    attrs = {
        "frames": [a.name for a in accepted],
        "rejected": list(rejected),
        "shifts_px": [a.found.shift_px for a in accepted],
        "shift_error_px": [a.found.error_px for a in accepted],
        "gains": [a.found.gain for a in accepted],
        "offsets": [a.found.offset for a in accepted],
        "chi2": chi2,
        "chi2_frames": chi2_frames,
        "residual_dof": scene.precision(tuple(range(len(accepted)))).left[0],
        "noise_sigma": scene.plan.spectrum.sigma,
        "noise_from": scene.plan.spectrum.sigma_from,
        "spectrum_exponent": scene.plan.spectrum.exponent,
    }
    return bands, attrs


@dataclass(frozen=True)
class _Scene:
    """Everything that is the same in every block."""

    accepted: list[Aligned]
    shape: tuple[int, int]
    factor: int
    plan: Plan  # of the first frame
    sigmas: tuple[float, ...]
    method: str
    farsiu: tuple[float, float]  # weight and scale of the bilateral total variation
    denoise: Denoise | None
    unit: tuple[float, float]

    def precision(self, used: tuple[int, ...]) -> FramesPrecision:
        """Error terms of the estimate from these frames."""
        shifts = tuple(self.accepted[k].fraction for k in used)
        sigmas = tuple(self.sigmas[k] for k in used)
        return frames_precision(self.factor, self.plan.instrument, self.plan.spectrum, shifts, sigmas)


def _shape(scene: xr.Dataset) -> tuple[int, int]:
    return scene.sizes["y"], scene.sizes["x"]


def _measure(
    accepted: list[Aligned],
    shape: tuple[int, int],
    factor: int,
    instrument: Instrument,
    method: str,
    denoise: Denoise | None,
    device: str,
) -> _Scene:
    first = plan(accepted[0].read, shape, factor, instrument, "wiener", device)
    sigmas = [first.spectrum.sigma] + [_noise(a, first, shape) for a in accepted[1:]]

    step = max(1, max(shape) // 1000)
    sample = np.concatenate([accepted[0].read((r, r + 1, 0, shape[1]))[0, ::step] for r in range(0, shape[0], step)])
    middle, scale = robust_range(sample)
    unit = (middle, UNIT_SCALES * scale)
    scene = _Scene(accepted, shape, factor, first, tuple(sigmas), method, (1.0, 1.0), denoise, unit)
    windows = _sample_windows(scene)
    if first.spectrum.sigma_from == "image" and len(accepted) > 1:
        scene = _noise_from_frames(scene, windows)
    return replace(scene, farsiu=_farsiu_setting(scene, windows)) if method == "farsiu" else scene


def _noise(frame: Aligned, first: Plan, shape: tuple[int, int]) -> float:
    """1-sigma noise of a frame in the first one's brightness, in which a fainter exposure is a noisier one."""
    gain, offset = frame.found.gain, frame.found.offset
    variance = first.instrument.noise_variance(gain * first.offset + offset)
    if variance is not None:
        return max(variance**0.5 / gain, 1e-3 * first.spectrum.sigma)
    return plan(frame.read, shape, first.factor, first.instrument, "wiener", first.device).spectrum.sigma


def _sample_windows(scene: _Scene) -> list[Window]:
    """A few windows with much data in all frames, spread over the scene."""
    parts: list[tuple[int, Window]] = []
    for tile in tiles(scene.shape, _SAMPLE, 0):
        parts.append((int(np.isfinite(values_of(scene.accepted, tile.core, scene.shape)).sum()), tile.core))
        if len(parts) > 8 * _SAMPLES:
            parts = parts[::2]
    most = max(n for n, _ in parts)
    parts = [p for p in parts if 2 * p[0] >= most]
    return [parts[i][1] for i in np.unique(np.linspace(0, len(parts) - 1, _SAMPLES).round().astype(int))]


def _noise_from_frames(scene: _Scene, windows: list[Window]) -> _Scene:
    """The noise by which the frames disagree about the one image they all saw, each its own.

    One image shows its noise only where terrain ends, and fine terrain hides it; several frames of the same terrain
    show it everywhere. The variance of each frame is set to its mean squared residual over its degrees of freedom, and
    again with the new weights.
    """
    for _ in range(3):
        squares, freedom = np.zeros(len(scene.sigmas)), np.zeros(len(scene.sigmas))
        for window in windows:
            s, used = _stack(scene, values_of(scene.accepted, window, scene.shape))
            x = dct2(fuse(s, scene.plan.spectrum) - s.level)
            squares[list(used)] += (s.weight * (observe(s.op, x) - s.data).square()).sum((1, 2)).cpu().numpy()
            count = (s.weight > 0).sum((1, 2)).cpu().numpy()
            freedom[list(used)] += count * np.array(scene.precision(used).left)
        ratio = np.clip(squares / np.maximum(freedom, 1e-30), 0.25, 4.0)
        sigmas = np.array(scene.sigmas) * np.where(freedom > _SAMPLE, ratio, 1.0) ** 0.5
        spectrum = replace(scene.plan.spectrum, sigma=float(sigmas[0]), sigma_from="frames")
        measured = replace(scene.plan, spectrum=spectrum, precision=replace(scene.plan.precision, spectrum=spectrum))
        scene = replace(scene, sigmas=tuple(sigmas.tolist()), plan=measured)
    return scene


def _farsiu_setting(scene: _Scene, windows: list[Window]) -> tuple[float, float]:
    """Weight and scale of the bilateral total variation, the same in every block."""
    stacks = [_stack(scene, values_of(scene.accepted, window, scene.shape))[0] for window in windows]
    scale = float(np.mean([roughness(s) for s in stacks]))
    strengths = [btv_strength(s, scene.plan.spectrum, scale) for s in stacks]
    return float(np.exp(np.mean(np.log(strengths)))), scale


def _stack(scene: _Scene, values: np.ndarray) -> tuple[Stack, tuple[int, ...]]:
    """The frames that have data in a block, ready for the solvers, and their numbers."""
    used = tuple(k for k, v in enumerate(values) if np.isfinite(v).any())
    shifts = [scene.accepted[k].fraction for k in used]
    sigmas = [scene.sigmas[k] for k in used]
    first = scene.plan
    values = values[list(used)]
    relative = None
    if first.instrument.gain is not None and first.instrument.noise_sigma is not None:
        relative = np.stack([_shot_noise(scene, k, v) for k, v in zip(used, values, strict=True)])
    s = stack(
        values,
        shifts,
        scene.factor,
        first.instrument,
        sigmas,
        relative=relative,
        level=first.offset,
        device=first.device,
    )
    return s, used


def _shot_noise(scene: _Scene, number: int, values: np.ndarray) -> np.ndarray:
    """Variance of a frame's noise over that at the mean level, pixel by pixel."""
    found, first = scene.accepted[number].found, scene.plan
    counts = found.gain * fill(values, ~np.isfinite(values)) + found.offset
    ratio = noise_ratio(torch.from_numpy(counts), first.instrument, found.gain * first.offset + found.offset)
    assert ratio is not None
    return ratio.numpy()


def _run(scene: _Scene, progress: bool) -> tuple[np.ndarray, list[float], float]:
    from craterlab.progress import progress_bar

    f, shape = scene.factor, scene.shape
    out = np.full((3, shape[0] * f, shape[1] * f), np.nan, np.float32)
    count = len(scene.accepted)
    squares, freedom = np.zeros(count), np.zeros(count)
    work = list(tiles(shape, core_size(f), HALO))
    name = f"superres {scene.method}, {count} frames"
    for tile in progress_bar(work, show=progress, desc=name, unit="block", delay=2.0):
        values = values_of(scene.accepted, tile.read, shape)
        there = np.isfinite(values)
        if not there.any():
            continue
        s, used = _stack(scene, values)
        x = _solve_block(scene, s, used)
        std, share = _maps(scene, values)
        bands = np.stack([x.cpu().numpy(), std, share])
        bands[:, (~there.any(0)).repeat(f, 0).repeat(f, 1)] = np.nan
        r0, r1, c0, c1 = (f * n for n in tile.core)
        out[:, r0:r1, c0:c1] = owned(bands, tile.read, tile.core, f)
        misfit = (s.weight * (observe(s.op, dct2(x - s.level)) - s.data).square()).cpu().numpy()
        r, c = tile.core[0] - tile.read[0], tile.core[2] - tile.read[2]
        core = (slice(None), slice(r, r + tile.core[1] - tile.core[0]), slice(c, c + tile.core[3] - tile.core[2]))
        squares[list(used)] += misfit[core].sum((1, 2), dtype=np.float64)
        freedom[list(used)] += there[list(used)][core].sum((1, 2)) * np.array(scene.precision(used).left)
    each = [float(a / b) if b > 0 else float("nan") for a, b in zip(squares, freedom, strict=True)]
    return out, each, float(squares.sum() / freedom.sum()) if freedom.sum() > 0 else float("nan")


def _solve_block(scene: _Scene, s: Stack, used: tuple[int, ...]) -> torch.Tensor:
    spectrum = scene.plan.spectrum
    if scene.method == "farsiu":
        strength, scale = scene.farsiu
        return farsiu(s, fuse(s, spectrum), strength, scale=scale)
    if scene.denoise is None:
        return fuse(s, spectrum)
    p = scene.precision(used)
    together = float(np.sum([scene.sigmas[k] ** -2.0 for k in used])) ** -0.5
    steps = levels((p.noise + p.model) ** 0.5, together, scene.unit[1])
    return fuse(s, spectrum, scene.denoise, sigmas=steps, unit=scene.unit)


def _maps(scene: _Scene, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1-sigma and data share of the fine pixels of a block, by the frames that have data in each pixel."""
    there = np.isfinite(values)
    # The first frame that has data there shows how rough the terrain is.
    shown = np.take_along_axis(values, there.argmax(0)[None], 0)[0]
    y = torch.from_numpy(fill(shown, ~there.any(0)).astype(np.float32) - np.float32(scene.plan.offset))
    power = local_power(y, scene.plan.precision, scene.factor)[None, None]
    power = torch.nn.functional.interpolate(power, scale_factor=scene.factor, mode="bilinear", align_corners=False)
    pattern = np.zeros(there.shape[1:], object if len(values) > 62 else np.int64)
    for k, mask in enumerate(there):
        pattern = pattern + mask * (1 << k)
    terms = np.zeros((5, *pattern.shape), np.float32)
    kinds, index = np.unique(pattern, return_inverse=True)
    index = index.reshape(pattern.shape)
    for i, kind in enumerate(kinds):
        if kind:
            p = scene.precision(tuple(k for k in range(len(values)) if int(kind) >> k & 1))
            row = (p.noise, p.model, p.detail_noise, p.detail_model, p.detail_prior)
            terms[:, index == i] = np.array(row, np.float32)[:, None]
    f = scene.factor
    noise, model, d_noise, d_model, d_prior = terms.repeat(f, 1).repeat(f, 2)
    local = power[0, 0].numpy()
    share = 1.0 - (d_noise + local * d_model) / np.maximum(local * d_prior, 1e-30)
    return np.sqrt(noise + local * model), np.clip(share, 0.0, 1.0)

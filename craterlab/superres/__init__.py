"""Super-resolution: the inverse problem of the instrument, solved with its error map and its re-observation."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.errors import CraterlabError
from craterlab.instruments import Instrument
from craterlab.instruments import instrument as find_instrument

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["METHODS", "superres"]

METHODS = ("bicubic", "wiener", "tv", "pnp", "pnp-gs", "net")
_LEARNED = ("pnp", "pnp-gs", "net")
_FACTORS = (2, 3, 4)
_CONSISTENT = (0.8, 1.25)


def superres(
    scene_or_scenes: Any,
    factor: int = 2,
    *,
    method: str = "pnp",
    instrument: str | Instrument | None = None,
    prior: Any = None,
    uncertainty: bool = False,
    device: str | None = None,
    seed: int = 0,
    fit_psf: bool = False,
    pixel_size: float | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Sharpen an image onto a finer grid by inverting its instrument.

    The model is y = D(h * x) + n: the point-spread function h of the instrument, integration over square pixels and
    sampling D, white noise n. A sharpened image that is observed again through this model gives the image back within
    the noise; `chi2` says so.

    Parameters
    ----------
    scene_or_scenes : Dataset, DataArray, array (rows, columns), or a list of them
        The observation; NumPy-backed, lazily read or Dask-backed. NaN is nodata. A list holds frames of one place: they
        are registered, and the fine image that all of them saw is solved for (see
        `craterlab.superres.multiframe.reconstruct`); the first gives the grid.
    factor : {2, 3, 4}
        Fine pixels per pixel and axis.
    method : {"pnp", "pnp-gs", "net", "tv", "wiener", "bicubic"}
        ``pnp``: plug-and-play, a learned denoiser as the prior and the camera in closed form, in turns (half-quadratic
        splitting). ``pnp-gs``: the same with a denoiser that is the gradient of a function, so that the objective is
        known and falls (attr ``objective``, of sample windows); slow. ``net``: one pass of a network over the Wiener
        solution, then projected onto the images that agree with the data; for comparison. ``wiener``: closed-form
        minimum mean-square estimate with a power-law prior fitted to the scene. ``tv``: total variation, which keeps
        edges and flattens texture; its weight is set so that the residual is as large as it should be. ``bicubic``:
        interpolation, which undoes no blur; the yardstick. For several frames ``"pnp"``, or ``"farsiu"``: least
        absolute residuals with bilateral total variation, robust to what moved.
    instrument : str or Instrument, optional
        Default: the scene's own (attr ``instrument``) where craterlab knows it, else ``"generic"``. The PSF is in
        pixels of this image, which is right at the sampling of the camera; pass an `Instrument` for a product that
        was resampled.
    prior : optional
        For the learned methods: the path of other weights, or a denoiser of deepinv's signature,
        ``denoiser(x, sigma)`` with x (n, 1, rows, columns) in 0..1.
    uncertainty : bool
        For the learned methods: `std` and `data_share` from posterior samples (about ten times the time). Else, and for
        the others always, they are analytic.
    device : str, optional
        Where the blocks are solved; default a GPU for the learned methods when there is one, else the processor.
    seed : int
        Of the posterior samples; nothing else is random.
    fit_psf : bool
        Measure the width of the PSF in the image (a Gaussian; attrs ``psf_sigma_px``, ``psf_error_px``) instead of
        taking the instrument's.
    pixel_size : float, optional
        Metres per pixel of a plain array.
    progress : bool
        A bar on long work.

    Returns
    -------
    Dataset
        On the finer grid, which subdivides the pixels exactly (transform x 1/factor), Dask-backed when the image is:

        image : (y, x) float32
            In the unit of the input; a constant stays that constant.
        std : (y, x) float32
            1-sigma of `image`, same unit: propagated noise plus what the prior leaves open, scaled by the local
            roughness. Exact for ``wiener`` and ``bicubic`` under the fitted spectrum; for the others, which have no
            closed form, that of ``wiener``, unless `uncertainty` draws samples.
        data_share : (y, x) float32
            0..1, part of the variance of the detail (shorter than four input pixels) that the estimate determines; see
            `craterlab.superres.precision`.
        raw : (y, x) float32
            For ``net``: its output before the projection.
        dem and other 2-D layers : (y, x) float32
            Bicubic, when the scene has them.

        NaN in an input pixel gives NaN in its factor x factor fine pixels, nowhere else. Attributes: those of the
        scene and ``factor``, ``instrument``, ``method``, ``chi2`` (reduced, see `craterlab.superres.blocks.chi2`;
        from sample blocks when Dask-backed), ``weights`` (empty: nothing learned), ``noise_sigma`` (image units),
        ``noise_from`` (``"instrument"`` or ``"image"``), ``spectrum_exponent``; ``pixel_size_m`` is divided by the
        factor.

    Raises
    ------
    CraterlabError
        A factor other than 2, 3, 4; an unknown method or instrument; frames of different places; a prior that does not
        fit; an image without a finite value, or too smooth to measure a PSF in.

    Warns
    -----
    UserWarning
        `chi2` is outside 0.8 to 1.25; a frame that does not fit the others is left out.

    Notes
    -----
    Noise: taken from the instrument when it gives one, else estimated with the spectrum (Whittle
    likelihood, bounded by the robust second-difference estimate after Immerkaer 1996). Edges are reflective. Sources:
    Zhao et al. 2016, IEEE Trans. Image Process. 25, 3683 (closed form with decimation); Rudin, Osher & Fatemi 1992,
    Physica D 60, 259 (total variation); Zhang et al. 2021, IEEE Trans. PAMI 44, 6360 (plug-and-play); Hurault et al.
    2022, ICLR (gradient step); Farsiu et al. 2004, IEEE Trans. Image Process. 13, 1327 (several frames).

    Examples
    --------
    >>> sharp = craterlab.superres(scene, 2, instrument="CTX")
    >>> sharp.attrs["chi2"]
    """
    from craterlab.scene import as_scene

    from . import blocks, planning
    from .learned_block import SAMPLES

    factor, method = _checked(factor, method, prior)
    if isinstance(scene_or_scenes, (list, tuple)):
        if len(scene_or_scenes) > 1:
            frames = [as_scene(s, pixel_size=pixel_size) for s in scene_or_scenes]
            return _several(frames, factor, method, instrument, prior, device, progress)
        (scene_or_scenes,) = scene_or_scenes or [None]
    if method == "farsiu":
        raise CraterlabError("superres: method 'farsiu' is for several frames: superres([scene1, scene2], ...).")
    scene = as_scene(scene_or_scenes, pixel_size=pixel_size)
    camera = _camera(instrument, scene.attrs.get("instrument"))
    image = scene["image"].transpose("y", "x")
    shape = (image.sizes["y"], image.sizes["x"])
    read = _reader(image)
    chosen = _device(device, method)
    psf_error = float("nan")
    if fit_psf:
        camera, psf_error = _fitted(read, shape, camera)
    samples = SAMPLES if uncertainty and method in _LEARNED else 0
    plan = planning.plan(
        read, shape, factor, camera, method, chosen, prior=prior, samples=samples, seed=seed, progress=progress
    )
    solve = blocks.block_solver(plan)
    names = blocks.bands(method)

    data: dict[Hashable, Any] = {}
    if image.chunks is None:
        values = blocks.run(read, shape, factor, solve, len(names), f"superres {method}", progress)
        fit = blocks.chi2(read, _array_reader(values[0]), shape, plan)
        data.update(zip(names, values, strict=True))
    else:
        from .lazy import lazy_chi2, lazy_run

        stack = lazy_run(image.data, factor, solve, len(names))
        fit = lazy_chi2(read, shape, plan, solve)
        data.update(zip(names, stack, strict=True))
    data |= _other_layers(scene, set(data), factor, progress)
    attrs: dict[str, Any] = {
        "factor": factor,
        "instrument": camera.name,
        "method": method,
        "chi2": fit,
        "weights": plan.learned.load().sha256 if plan.learned else "",
        "noise_sigma": plan.spectrum.sigma,
        "noise_from": plan.spectrum.sigma_from,
        "spectrum_exponent": plan.spectrum.exponent,
        "psf_sigma_px": camera.psf_sigma_px if camera.psf_sigma_px is not None else float("nan"),
        "residual_dof": plan.left,
    }
    if fit_psf:
        attrs["psf_error_px"] = psf_error
    if plan.instrument.gain is not None:
        attrs["gain"] = plan.instrument.gain
    if method == "pnp" and plan.learned:
        attrs |= {"prior_strength": plan.learned.strength, "prior_mix": plan.learned.mix}
    if plan.objective:
        attrs["objective"] = list(plan.objective)
    if not _CONSISTENT[0] <= fit <= _CONSISTENT[1] and method != "bicubic":
        warnings.warn(_disagreement(fit, camera), stacklevel=2)
    return _on_fine_grid(scene, data, factor, attrs)


def _checked(factor: Any, method: Any, prior: Any) -> tuple[int, str]:
    if isinstance(factor, bool) or factor not in _FACTORS:
        raise CraterlabError(f"superres: factor is {factor!r}; wanted 2, 3 or 4, for example superres(scene, 2).")
    if method not in (*METHODS, "farsiu"):
        raise CraterlabError(f"superres: unknown method {method!r}; wanted one of {', '.join(map(repr, METHODS))}.")
    if prior is not None and method not in _LEARNED:
        raise CraterlabError(
            f"superres: prior= belongs to the learned methods, not to {method!r}; leave it out or use method='pnp'."
        )
    return int(factor), str(method)


def _disagreement(fit: float, camera: Instrument) -> str:
    reads = "differs from the image by more than" if fit > 1 else "follows the image more closely than"
    return (
        f"superres: chi2 is {fit:.2f}: seen again through {camera.name!r} the result {reads} its noise allows "
        f"({_CONSISTENT[0]} to {_CONSISTENT[1]} is consistent). The noise or the instrument may be wrong: "
        "craterlab.audit(result, scene) says more."
    )


def _several(
    scenes: list[xr.Dataset],
    factor: int,
    method: str,
    instrument: str | Instrument | None,
    prior: Any,
    device: str | None,
    progress: bool,
) -> xr.Dataset:
    from .learned_block import quick_denoiser
    from .multiframe import reconstruct

    if method not in ("pnp", "farsiu"):
        raise CraterlabError(f"superres: several frames are solved by 'pnp' or 'farsiu', not by {method!r}.")
    camera = _camera(instrument, scenes[0].attrs.get("instrument"))
    chosen = _device(device, method)
    denoise, weights = quick_denoiser(prior, chosen) if method == "pnp" else (None, "")
    values, found = reconstruct(scenes, factor, camera, method, denoise, progress, device=chosen)  # type: ignore[arg-type]
    data: dict[Hashable, Any] = dict(zip(("image", "std", "data_share"), values, strict=True))
    data |= _other_layers(scenes[0], set(data), factor, progress)
    attrs = {"factor": factor, "instrument": camera.name, "method": method, "weights": weights, **found}
    attrs["psf_sigma_px"] = camera.psf_sigma_px if camera.psf_sigma_px is not None else float("nan")
    if not _CONSISTENT[0] <= attrs["chi2"] <= _CONSISTENT[1]:
        warnings.warn(_disagreement(attrs["chi2"], camera), stacklevel=3)
    return _on_fine_grid(scenes[0], data, factor, attrs)


def _fitted(read: Any, shape: tuple[int, int], camera: Instrument) -> tuple[Instrument, float]:
    from .estimate import fit_psf
    from .planning import sample

    fit = fit_psf(sample(read, shape), camera)
    return replace(camera, psf_sigma_px=fit.sigma_px, mtf=None), fit.error_px


def _camera(given: str | Instrument | None, of_scene: Any) -> Instrument:
    if given is not None:
        return find_instrument(given)
    if isinstance(of_scene, str) and of_scene:
        try:
            return find_instrument(of_scene)
        except CraterlabError:
            pass  # the label of a camera we have no numbers for: the generic one is as good a guess as any
    return find_instrument("generic")


def _device(device: str | None, method: str) -> str:
    if device is None and method not in _LEARNED:
        return "cpu"  # on which these methods are fast
    from craterlab.inference import pick_device

    return pick_device(device)


def _reader(image: xr.DataArray) -> Any:
    def read(window: tuple[int, int, int, int]) -> np.ndarray:
        r0, r1, c0, c1 = window
        return np.asarray(image[r0:r1, c0:c1].values, np.float32)

    return read


def _array_reader(array: np.ndarray) -> Any:
    return lambda w: array[w[0] : w[1], w[2] : w[3]]


def _other_layers(scene: xr.Dataset, made: set[Hashable], factor: int, progress: bool) -> dict[Hashable, Any]:
    """The scene's other 2-D numeric layers, such as a DEM, on the fine grid."""
    shape = (scene.sizes["y"], scene.sizes["x"])
    return {
        name: _resample(layer.transpose("y", "x"), shape, factor, progress)
        for name, layer in scene.data_vars.items()
        if name not in made and set(layer.dims) == {"y", "x"} and np.issubdtype(layer.dtype, np.number)
    }


def _resample(layer: xr.DataArray, shape: tuple[int, int], factor: int, progress: bool) -> Any:
    from . import blocks

    if layer.chunks is None:
        return blocks.run(
            _reader(layer), shape, factor, blocks.upsample(factor), 1, f"superres {layer.name}", progress
        )[0]
    from .lazy import lazy_run

    return lazy_run(layer.data, factor, blocks.upsample(factor), 1)[0]


def _on_fine_grid(scene: xr.Dataset, data: dict[Hashable, Any], factor: int, attrs: dict[str, Any]) -> xr.Dataset:
    import xarray as xr
    from affine import Affine

    from craterlab.grid import Grid, grid_of
    from craterlab.scene import on_grid

    grid = grid_of(scene)
    (rows, cols), t = grid.shape, grid.transform
    transform = Affine(t.a / factor, t.b / factor, t.c, t.d / factor, t.e / factor, t.f)
    fine = Grid((rows * factor, cols * factor), transform, grid.crs, grid.body)
    out = xr.Dataset({name: (("y", "x"), values, _layer_attrs(scene, name)) for name, values in data.items()})
    out = on_grid(out, fine)
    out.attrs = {**scene.attrs, **attrs}
    if (size := scene.attrs.get("pixel_size_m")) is not None:
        out.attrs["pixel_size_m"] = float(size) / factor
    return out


def _layer_attrs(scene: xr.Dataset, name: Hashable) -> dict[str, Any]:
    """What still holds on the new grid: names and units, not how the file stored the values."""
    if name == "data_share":
        return {"units": "1"}
    source = scene["image"] if name in ("image", "std", "raw") else scene[name]
    return {k: v for k, v in source.attrs.items() if k in ("units", "long_name", "standard_name")}

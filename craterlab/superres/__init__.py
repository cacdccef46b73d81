"""Super-resolution: the inverse problem of the instrument, solved with its error map and its re-observation."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
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
    pixel_size: float | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Sharpen an image onto a finer grid by inverting its instrument.

    The model is y = D(h * x) + n: the point-spread function h of the instrument, integration over square pixels and
    sampling D, white noise n. A sharpened image that is observed again through this model gives the image back within
    the noise; `chi2` says so.

    Parameters
    ----------
    scene_or_scenes : Dataset, DataArray, array (rows, columns), or a list of one of them
        The observation; NumPy-backed, lazily read or Dask-backed. NaN is nodata.
    factor : {2, 3, 4}
        Fine pixels per pixel and axis.
    method : {"wiener", "tv", "bicubic"}
        ``wiener``: closed-form minimum mean-square estimate with a power-law prior fitted to the scene. ``tv``: total
        variation, which keeps edges and flattens texture; its weight is set so that the residual is as large as it
        should be. ``bicubic``: interpolation, which undoes no blur; the yardstick.
    instrument : str or Instrument, optional
        Default: the scene's own (attr ``instrument``) where craterlab knows it, else ``"generic"``. The PSF is in
        pixels of this image, which is right at the sampling of the camera; pass an `Instrument` for a product that
        was resampled.
    prior : None
        Reserved for the learned prior.
    uncertainty : bool
        Accepted for all methods: the error map here is analytic and always computed.
    device : str, optional
        Where the blocks are solved; default the processor, on which these methods are fast.
    seed : int
        No effect on these methods, which draw nothing at random.
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
            roughness. Exact for ``wiener`` and ``bicubic`` under the fitted spectrum; for ``tv``, which has no closed
            form, that of ``wiener``.
        data_share : (y, x) float32
            0..1, part of the variance of the detail (shorter than four input pixels) that the estimate determines; see
            `craterlab.superres.precision`.
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
        A factor other than 2, 3, 4; an unknown method or instrument; several frames; a prior; an image without a
        finite value.

    Notes
    -----
    Noise: taken from the instrument when it gives one, else estimated with the spectrum (Whittle
    likelihood, bounded by the robust second-difference estimate after Immerkaer 1996). Edges are reflective. Sources:
    Zhao et al. 2016, IEEE Trans. Image Process. 25, 3683 (closed form with decimation); Rudin, Osher & Fatemi 1992,
    Physica D 60, 259 (total variation).

    Examples
    --------
    >>> sharp = craterlab.superres(scene, 2, instrument="CTX")
    >>> sharp.attrs["chi2"]
    """
    from craterlab.scene import as_scene

    from . import blocks
    from .learned_block import SAMPLES

    factor, method = _checked(factor, method, prior)
    scene = as_scene(_single(scene_or_scenes), pixel_size=pixel_size)
    camera = _camera(instrument, scene.attrs.get("instrument"))
    image = scene["image"].transpose("y", "x")
    shape = (image.sizes["y"], image.sizes["x"])
    read = _reader(image)
    chosen = _device(device)
    samples = SAMPLES if uncertainty and method in _LEARNED else 0
    plan = blocks.plan(read, shape, factor, camera, method, chosen, prior=prior, samples=samples, seed=seed)
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
    for name, layer in scene.data_vars.items():
        if name not in data and set(layer.dims) == {"y", "x"} and np.issubdtype(layer.dtype, np.number):
            data[name] = _resample(layer.transpose("y", "x"), shape, factor, progress)
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
    if plan.objective:
        attrs["objective"] = list(plan.objective)
    if not _CONSISTENT[0] <= fit <= _CONSISTENT[1] and method != "bicubic":
        warnings.warn(_disagreement(fit, camera), stacklevel=2)
    return _on_fine_grid(scene, data, factor, attrs)


def _checked(factor: Any, method: Any, prior: Any) -> tuple[int, str]:
    if isinstance(factor, bool) or factor not in _FACTORS:
        raise CraterlabError(f"superres: factor is {factor!r}; wanted 2, 3 or 4, for example superres(scene, 2).")
    if method not in METHODS:
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


def _single(scenes: Any) -> Any:
    if isinstance(scenes, (list, tuple)):
        if len(scenes) != 1:
            raise CraterlabError(
                f"superres: got {len(scenes)} frames; one is wanted (several are not available yet): "
                "superres(scenes[0])."
            )
        return scenes[0]
    return scenes


def _camera(given: str | Instrument | None, of_scene: Any) -> Instrument:
    if given is not None:
        return find_instrument(given)
    if isinstance(of_scene, str) and of_scene:
        try:
            return find_instrument(of_scene)
        except CraterlabError:
            pass  # the label of a camera we have no numbers for: the generic one is as good a guess as any
    return find_instrument("generic")


def _device(device: str | None) -> str:
    if device is None:
        return "cpu"
    from craterlab.inference import pick_device

    return pick_device(device)


def _reader(image: xr.DataArray) -> Any:
    def read(window: tuple[int, int, int, int]) -> np.ndarray:
        r0, r1, c0, c1 = window
        return np.asarray(image[r0:r1, c0:c1].values, np.float32)

    return read


def _array_reader(array: np.ndarray) -> Any:
    return lambda w: array[w[0] : w[1], w[2] : w[3]]


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

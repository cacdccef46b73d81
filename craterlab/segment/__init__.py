"""Landforms by pixel: `segment` lays overlapping windows over a scene's layers and blends what the network says."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CraterlabError
from .polygons import segment_polygons

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["segment", "segment_polygons"]

KINDS = {"landslide": "marslsnet"}  # the weights of each kind of landform
_PIXEL_M = 231.5  # of the training set


def segment(
    scene: xr.Dataset,
    *,
    kind: str = "landslide",
    device: str | None = None,
    model: str | Path | None = None,
    threshold: float | None = None,
    scaled: bool = False,
    progress: bool | None = None,
) -> xr.Dataset:
    """Probability, pixel by pixel, that the ground belongs to a landform.

    Parameters
    ----------
    scene : Dataset
        On one grid: `rgb (band, y, x)`, three bands of a colour mosaic; `dem`, metres above the areoid;
        `thermal_inertia`; `image`, the grey image; and `slope`, degrees, which is made from the DEM where it is not
        there. Other layers are left alone. NumPy-, Dask- or file-backed; NaN is nodata.
    kind : {"landslide"}
        The landform.
    device : str, optional
        As torch names it; a GPU when there is one.
    model : str or Path, optional
        Weights of your own (`craterlab train segment`); by default those of the package.
    threshold : float, optional
        Least probability of the mask; by default the model's own, where the mean IoU was highest on held-out ground.
    scaled : bool
        The layers are 0..1 as the training set publishes them, not in units of their own.
    progress : bool, optional
        A bar; default for scenes above 1 Mpx.

    Returns
    -------
    Dataset
        The scene with `probability (y, x)` float32, 0..1, NaN where a layer is, and `mask (y, x)` bool; attrs `kind`,
        `model`, `weights_sha256`, `threshold`, `craterlab`. Where a layer is Dask-backed both are lazy.

    Raises
    ------
    CraterlabError
        An unknown kind, model or device; a layer that is missing, on another grid, without any data or of the wrong
        number of bands; a flat DEM; a slope to be made without a scale; a body other than Mars.

    Notes
    -----
    Made for about 230 m per pixel, the sampling of the training set (MMLS, Paheding et al. 2024); scenes twice as fine
    or coarse are done with a warning. The layers of that set are 0..1. What this means for heights was found by laying
    its patches on MOLA: 0 is -5720 m and 1 is 6930 m; slopes are in units of 64 degrees. So heights and slopes are
    taken as they are. The units of the other layers are not known: each is brought to the middle and the spread of the
    training set by its own median and 16-84 % range over the whole scene, and gain and offset do not matter. A layer
    that is the same everywhere counts as that middle, and so do pixels without data in the eyes of their neighbours.

    Windows of 128 x 128 pixels, each half over its neighbours, are averaged with weights that fall to their edges.
    Probabilities are calibrated by logistic regression (Platt 1999) on blocks of the training map that taught nothing.

    Examples
    --------
    >>> found = craterlab.segment(scene)
    >>> landslides = craterlab.segment_polygons(found, min_area_km2=1)
    """
    import torch

    from .._version import __version__
    from ..inference import pick_device, quick_precision
    from .blend import blended, lazily_blended
    from .layers import Layers
    from .model import Predictor, load_segmenter

    if kind not in KINDS:
        raise CraterlabError(f"segment: unknown kind {kind!r}; known: {', '.join(map(repr, KINDS))}")
    if threshold is not None and not 0 <= threshold <= 1:
        raise CraterlabError(f"segment: threshold is a probability from 0 to 1; got {threshold}")
    where = pick_device(device)
    name = str(model or KINDS[kind])
    segmenter = load_segmenter(name, where)
    layers = Layers(scene, segmenter.layers, scaled=scaled)
    if layers.pixel_m > 2 * _PIXEL_M or layers.pixel_m < _PIXEL_M / 2:
        warnings.warn(
            f"segment: the scene has {layers.pixel_m:.3g} m per pixel, and the network learned at {_PIXEL_M:.0f}; "
            "resample the scene to about that.",
            stacklevel=2,
        )
    precision = str(quick_precision(torch.device(where))).removeprefix("torch.")
    predict = Predictor(name, where, precision, layers.standardiser)
    rows, cols = layers.shape
    if layers.lazy:
        probability = lazily_blended(layers.stacked(), predict)
    else:
        show = rows * cols > 1_000_000 if progress is None else progress
        probability = blended(layers.read, layers.shape, (0, rows, 0, cols), predict, show=show)
    threshold = segmenter.threshold if threshold is None else float(threshold)
    out = scene.assign(
        probability=(("y", "x"), probability, {"units": "1", "long_name": f"probability of {kind}"}),
        mask=(("y", "x"), probability >= threshold, {"long_name": kind}),
    )
    return out.assign_attrs(
        kind=kind,
        model=segmenter.name,
        weights_sha256=segmenter.sha256,
        threshold=threshold,
        craterlab=__version__,
    )

"""Find craters: `detect` walks the pyramid, level by level, tile by tile, and gives the crater table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CraterlabError

if TYPE_CHECKING:
    import geopandas as gpd
    import torch
    import xarray as xr

    from ..grid import Grid
    from ..nn.zoo import Model
    from ..tiling import Reader

__all__ = ["detect"]


def detect(
    scene: xr.Dataset | xr.DataArray | np.ndarray,
    *,
    model: str | Path = "craternet",
    threshold: float | None = None,
    min_diameter_px: float = 6,
    backend: str = "torch",
    device: str | None = None,
    pixel_size: float | None = None,
    precision: str | None = None,
    tile: int = 2048,
    halo: int = 0,
    progress: bool | None = None,
) -> gpd.GeoDataFrame:
    """Find the craters of a scene, from `min_diameter_px` up to half its size.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
        NumPy-, Dask- or file-backed; NaN is nodata, where nothing is found, and so is a black frame (edge rows and
        columns that are wholly 0). Grids on which round craters are not round are seen through locally round frames. A
        Dataset may hold `dem` (metres, on the image's grid) for the models that look at one; its gaps are level ground
        to them.
    model : str or Path
        Name in the zoo, or a weights file.
    threshold : float, optional
        Least score (calibrated probability, 0..1) to keep; by default the model's own.
    min_diameter_px : float
        Smallest diameter to report, in scene pixels (at least 5).
    backend : {"torch", "openvino"}
        What runs the network. OpenVINO (`pip install "craterlab[openvino]"`) is the fastest on a processor; the circles
        are the same to the rounding of bfloat16.
    device : str, optional
        As torch names it; a GPU when there is one.
    pixel_size : float, optional
        Metres per pixel of a plain array.
    precision : {"float32", "bfloat16"}, optional
        Default: bfloat16 where the hardware multiplies it. float32 makes the tiling invisible to 0.01 px.
    tile, halo : int
        Side of the tiles' cores, and what is read around them (never less than the network sees).
    progress : bool, optional
        A bar; default for scenes above 4 Mpx.

    Returns
    -------
    GeoDataFrame
        The crater table, best score first: crater_id, x_px, y_px, diameter_px, lon, lat, diameter_m, score,
        diameter_std_px, diameter_std_m, position_std_px, position_std_m (1 sigma) and the rim circle as geometry in
        the scene's CRS; attrs hold the provenance. Circles alone: `characterize` refines them to ellipses (major_m,
        minor_m, angle_deg). No crater is an empty table.

    Raises
    ------
    CraterlabError
        For an image without any data, an unknown model, backend or device, a threshold outside 0..1, or a model that
        looks at a DEM where the scene has none, has it on another grid or has no scale.

    Notes
    -----
    Centre heat map, offset and radius after CenterNet (Zhou et al. 2019). Scores are calibrated by logistic regression
    (Platt 1999) on simulated scenes and on parts of the training sets that the network did not see; the default
    threshold is where as many craters are found there as are labelled. Diameters are freed of their median bias on
    simulated craters, whose 68 % errors the standard errors are.
    """
    from ..grid import craters_from_pixels, grid_of
    from ..inference import pick_device, quick_precision
    from ..nn.zoo import load
    from ..scene import as_scene
    from .errors import standard_errors
    from .relief import dem_for

    if backend not in ("torch", "openvino"):
        raise CraterlabError(f"unknown backend {backend!r}; use 'torch' or 'openvino'")
    if threshold is not None and not 0 <= threshold <= 1:
        raise CraterlabError(f"threshold is a probability from 0 to 1; got {threshold}")
    if precision not in (None, "float32", "bfloat16"):
        raise CraterlabError(f"unknown precision {precision!r}; use 'float32' or 'bfloat16'")
    import torch

    ds = as_scene(scene, pixel_size=pixel_size)
    net = load(model, "cpu" if backend == "openvino" and device is None else pick_device(device))
    dtype = getattr(torch, precision) if precision else quick_precision(net.device)
    if backend == "openvino":
        from ..inference_openvino import with_openvino

        net, dtype = with_openvino(net, dtype), torch.float32
    threshold = float(net.metadata.get("threshold", 0.5)) if threshold is None else float(threshold)
    grid = grid_of(ds)
    if progress is None:
        progress = grid.shape[0] * grid.shape[1] > 4_000_000
    raw = raw_circles(
        ds["image"].transpose("y", "x"),
        grid,
        net,
        dtype,
        min_diameter_px,
        dem=dem_for(net, ds),
        tile=tile,
        halo=halo,
        progress=progress,
    )
    raw["score"] = calibrated(raw, net)
    keep = raw["score"] >= threshold
    raw = {k: v[keep] for k, v in raw.items()}
    order = unique(raw, grid)
    raw = {k: v[order] for k, v in raw.items()}

    import pandas as pd

    table = pd.DataFrame({k: raw[k] for k in ("x_px", "y_px", "diameter_px", "score")} | standard_errors(raw, net))
    craters = craters_from_pixels(table, ds)
    craters.attrs.update(_provenance(ds, net, threshold, min_diameter_px))
    return craters


def raw_circles(
    image: xr.DataArray,
    grid: Grid,
    model: Model,
    precision: torch.dtype,
    min_diameter_px: float,
    *,
    dem: xr.DataArray | None = None,
    tile: int = 2048,
    halo: int = 0,
    progress: bool = False,
    brightness: tuple[float, float] | None = None,
) -> dict[str, np.ndarray]:
    """Every circle of every level above the network's floor, before calibration and merging.

    `dem` is in metres, for a network that looks at it. One scale (that of the grid's middle, or of each block of a
    stretched grid) makes its heights pixels. `brightness` is the median and scale of the scene that `image` is a part
    of; by default its own.

    Returns
    -------
    dict of arrays
        x_px, y_px, diameter_px (scene pixels, freed of bias), logit, level_diameter_px (as seen, on the level's grid).
    """
    from ..normalise import robust_range
    from ..progress import progress_bar
    from ..tiling import Pyramid, inside, padded
    from .errors import size_factor
    from .frame import framed
    from .isotropic import blocks, is_isotropic
    from .levels import detect_level
    from .relief import check_scale, heights

    smallest, largest = model.architecture.diameters_px
    level_low, level_high = model.architecture.level_px
    if min_diameter_px < smallest:
        raise CraterlabError(
            f"min_diameter_px is at least {smallest:g}, below which the network is blind; "
            f"got {min_diameter_px}. Sharpen the scene first: scene.crater.superres(factor=2).crater.detect()."
        )

    def reader_of(layer: xr.DataArray) -> Reader:
        return lambda w: np.asarray(layer[w[0] : w[1], w[2] : w[3]].values, np.float32)

    shape = grid.shape
    read = framed(reader_of(image), shape)
    # The largest crater asked for is half the image; on the coarsest level it is no larger than a level answers for.
    levels = 1 + max(0, int(np.ceil(np.log2(max(shape) / 2 / level_high))))
    median, scale = brightness or robust_range(sample_of(read, shape))
    read_dem, datum = None, 0.0
    if dem is not None:
        check_scale(grid)
        read_dem = reader_of(dem)
        datum, _ = robust_range(sample_of(read_dem, shape))

    def relief(source: Reader, x: float, y: float, zoom: float) -> Reader:
        return heights(source, float(grid.metres_per_pixel(x * zoom, y * zoom)) * zoom, datum)

    known = grid.crs is not None
    found: list[dict[str, np.ndarray]] = []
    total = sum(-(-shape[0] // 2**k) * -(-shape[1] // 2**k) for k in range(levels))
    bar = progress_bar(show=progress, total=total, desc="detect", unit="px", unit_scale=True)
    # Levels are made when they are read, so the second pyramid costs nothing without a DEM.
    with Pyramid(read, shape, levels) as pyramid, Pyramid(read_dem or read, shape, levels) as dem_pyramid, bar:
        for k in range(levels):
            dem_reader = None if dem is None else dem_pyramid.reader(k)
            reader, level_shape, zoom = pyramid.reader(k), pyramid.shapes[k], 2.0**k
            # Level 0 answers from the smallest wanted, the coarsest up to the largest the network knows.
            low = min_diameter_px if k == 0 else level_low
            high = largest * 1.3 if k == levels - 1 else level_high

            def metric(x: np.ndarray, y: np.ndarray, zoom: float = zoom) -> np.ndarray:
                return grid.metric(x * zoom, y * zoom) * zoom**2

            options: dict[str, Any] = {"core": tile, "halo": halo, "precision": precision}
            if not known or is_isotropic(level_shape, metric):
                if dem_reader is not None:
                    options["heights"] = relief(dem_reader, level_shape[1] / 2, level_shape[0] / 2, zoom)
                parts = [detect_level(reader, level_shape, model, median, scale, on_tile=bar.update, **options)]
            else:
                parts = []
                for block in blocks(level_shape, metric, model.architecture.halo):
                    source = block.reader(padded(reader, level_shape))
                    if dem_reader is not None:
                        options["heights"] = relief(
                            block.reader(padded(dem_reader, level_shape)), block.centre[0], block.centre[1], zoom
                        )
                    part = detect_level(source, block.shape, model, median, scale, **options)
                    part["x_px"], part["y_px"] = block.to_grid(part["x_px"], part["y_px"])
                    own = inside(block.core, part["x_px"], part["y_px"])
                    r0, r1, c0, c1 = block.core
                    parts.append({n: v[own] for n, v in part.items()})
                    bar.update((r1 - r0) * (c1 - c0))
            for part in parts:
                part["level_diameter_px"] = part["diameter_px"]
                d = part["diameter_px"] = part["diameter_px"] * size_factor(part["diameter_px"], model)
                ok = (d >= low) & (d < high) & (part["valid"] >= 0.5)
                for name in ("x_px", "y_px", "diameter_px"):
                    part[name] = part[name] * zoom
                found.append({n: v[ok] for n, v in part.items()})
        rows, cols = pyramid.shapes[-1]
        if not np.isfinite(pyramid.reader(levels - 1)((0, rows, 0, cols))).any():
            raise CraterlabError("the image holds no data: every pixel is NaN. Check its nodata value and band.")
    keys = ("x_px", "y_px", "diameter_px", "logit", "level_diameter_px")
    return {key: np.concatenate([f[key] for f in found]) for key in keys}


def calibration_features(raw: dict[str, np.ndarray]) -> np.ndarray:
    """What tells a crater from a mistake, one row a circle: 1, the network's logit, log of the size at which it was
    seen, and the pyramid level, since coarser views hold fewer craters and other shapes."""
    seen = np.maximum(raw["level_diameter_px"], 1e-6)
    level = np.round(np.log2(np.maximum(raw["diameter_px"], 1e-6) / seen))
    return np.column_stack([np.ones(len(seen)), raw["logit"], np.log(seen / 12), level])


def calibrated(raw: dict[str, np.ndarray], model: Model) -> np.ndarray:
    """Probability that a circle is a crater (logistic regression, coefficients in the weights file)."""
    weights = np.asarray(model.metadata.get("calibration", (0.0, 1.0, 0.0, 0.0)), float)
    return 1 / (1 + np.exp(-(calibration_features(raw) @ weights)))


def unique(raw: dict[str, np.ndarray], grid: Grid) -> np.ndarray:
    """One circle a crater, best first; compared on the ground where there is one, so that stretch does not matter."""
    from .merge import keep_best

    points, diameter = np.column_stack([raw["x_px"], raw["y_px"]]), raw["diameter_px"]
    if grid.crs is not None and grid.body is not None:
        points = grid.body.radius_m * grid.direction(*points.T)
        diameter = diameter * grid.metres_per_pixel(raw["x_px"], raw["y_px"])
        on_map = np.flatnonzero(np.isfinite(points).all(1) & np.isfinite(diameter))
        return on_map[keep_best(points[on_map], diameter[on_map], raw["score"][on_map])]
    return keep_best(points, diameter, raw["score"])


def sample_of(read: Reader, shape: tuple[int, int], windows: int = 12, side: int = 96) -> np.ndarray:
    """Pixels that stand for the whole image: all of a small one, a lattice of windows of a large one."""
    rows, cols = shape
    if rows * cols <= 2_000_000:
        return read((0, rows, 0, cols))
    r = np.linspace(0, max(rows - side, 0), windows).astype(int)
    c = np.linspace(0, max(cols - side, 0), windows).astype(int)
    return np.concatenate([read((i, min(i + side, rows), j, min(j + side, cols))).ravel() for i in r for j in c])


def _provenance(ds: xr.Dataset, model: Model, threshold: float, min_diameter_px: float) -> dict[str, Any]:
    from .._version import __version__

    return {
        "scene": str(ds.attrs.get("source", "")),
        "model": model.name,
        "weights_sha256": model.sha256,
        "config": {"threshold": threshold, "min_diameter_px": float(min_diameter_px)},
        "craterlab": __version__,
    }

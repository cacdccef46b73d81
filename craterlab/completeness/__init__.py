"""How complete a catalogue is: craters of known size put into the user's own scene, and found again or not."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CraterlabError
from .result import Completeness

if TYPE_CHECKING:
    import xarray as xr

    from ..grid import Grid

__all__ = ["Completeness", "completeness"]

_KEPT = 16  # results
_cache: OrderedDict[str, Completeness] = OrderedDict()


def completeness(
    scene: xr.Dataset | xr.DataArray | np.ndarray,
    *,
    model: str | Path = "craternet",
    n: int = 2000,
    seed: int = 0,
    threshold: float | None = None,
    min_diameter_px: float = 6,
    max_diameter_px: float | None = None,
    erosion: tuple[float, float] = (0.0, 0.8),
    black: float | None = None,
    pixel_size: float | None = None,
    device: str | None = None,
    progress: bool = True,
) -> Completeness:
    """Measure with which probability `detect` finds a crater in this scene, against its diameter and erosion.

    Craters of known size and state are put into the image in passes of some dozen, and looked for again.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
        As for `detect`. attrs `sun_azimuth_deg` and `incidence_deg` light the craters; where they are NaN the azimuth
        is read from the shading of the scene's own craters, and an incidence of 60 deg is assumed (`notes` says so).
        With `dem` (metres) the craters are carved into it and its slopes are lit before and after.
    model, threshold, device, pixel_size
        As for `detect`.
    n : int
        Craters to inject. 2,000 give the probability to about 0.03 in each of a dozen bins.
    seed : int
        Same seed, same result on one machine.
    min_diameter_px, max_diameter_px : float
        Diameters, log-uniform, in scene pixels; the upper end is a third of the scene's shorter side by default.
    erosion : (float, float)
        Erosion (share of the fresh depth that is lost; 0 fresh, 1 gone), uniform. By default up to 0.8: with less than
        a fifth of its relief left a crater is a ghost.
    black : float, optional
        Image value where no light falls: 0 in calibrated radiance. Default: such that the freshest twentieth
        of the scene's own sure craters is shaded as fresh craters are; 0 where it has too few. With a DEM that the
        image looks like, from the two together.
    progress : bool
        Show a bar.

    Returns
    -------
    Completeness
        Kept for this process: the same scene and settings are not measured twice.

    Raises
    ------
    CraterlabError
        As `detect`; and for ranges that are none, or a scene in which no crater finds room.

    Notes
    -----
    An injected crater has the simulated ones' radial profile (`craterlab.simulate`), outline, cast shadow and
    reflectance (lunar-Lambert). The light of the image (above `black`) is multiplied by reflectance after over before,
    blurred as the image is. The old ground in the cavity gives way to level ground with the noise of the image; on a
    real surface old floors have grown texture again, so worn craters may be harder to find than here. A crater is
    found when a detection's circle has an IoU of 0.5 with it. Injections keep clear of craters already found of the
    same size and place.
    """
    from ..detect import detect, sample_of
    from ..detect.frame import framed
    from ..detect.relief import check_scale, dem_for
    from ..grid import area_km2, grid_of
    from ..inference import pick_device, quick_precision
    from ..nn.zoo import load
    from ..normalise import robust_range
    from ..progress import progress_bar
    from ..scene import as_scene
    from ..tiling import Pyramid, Window
    from .light import light_of
    from .passes import Subject, draw, inject, levels_of

    ds = as_scene(scene, pixel_size=pixel_size)
    grid = grid_of(ds)
    limits = _limits(grid, min_diameter_px, max_diameter_px)
    _check(n, erosion)
    net = load(model, pick_device(device))
    key = _digest(ds, grid, (net.sha256, n, seed, threshold, limits, tuple(map(float, erosion)), black))
    if key in _cache:
        _cache.move_to_end(key)
        return _cache[key]
    found = detect(
        ds, model=model, threshold=threshold, min_diameter_px=min_diameter_px, device=device, progress=progress or None
    )
    known_dem = dem_for(net, ds) if "dem" in net.layers else (ds["dem"].transpose("y", "x") if "dem" in ds else None)
    if known_dem is not None:
        check_scale(grid)
    image = ds["image"].transpose("y", "x")

    def read(w: Window) -> np.ndarray:
        return np.asarray(image[w[0] : w[1], w[2] : w[3]].values, np.float32)

    def read_dem(w: Window) -> np.ndarray:
        assert known_dem is not None
        return np.asarray(known_dem[w[0] : w[1], w[2] : w[3]].values, np.float32)

    whole = framed(read, grid.shape)
    lit = light_of(ds, grid, whole, found, black=black, dem=None if known_dem is None else read_dem)
    rng = np.random.default_rng(seed)
    wanted = draw(n, limits, erosion, rng)
    levels = 1 + int(levels_of(wanted[:, 0], grid.shape, net.architecture.level_px[0]).max())
    bar = progress_bar(show=progress, total=n, desc="completeness", unit="crater")
    with (
        Pyramid(whole, grid.shape, levels) as pyramid,
        Pyramid(read_dem, grid.shape, levels) as dem_pyramid,
        bar,
    ):
        subject = Subject(
            grid,
            pyramid,
            None if known_dem is None else dem_pyramid,
            lit.light,
            found[["x_px", "y_px", "diameter_px"]].to_numpy(float),
            net,
            quick_precision(net.device),
            robust_range(sample_of(whole, grid.shape)),
            float(found.attrs["config"]["threshold"]),
            float(min_diameter_px),
        )
        rows = inject(subject, wanted, rng, bar.update)
    if not len(rows):
        raise CraterlabError(
            "no place for a crater in this scene: too little of it holds data. Check its nodata value, or give a "
            "smaller max_diameter_px="
        )
    notes = list(lit.notes)
    if len(rows) < n:
        notes.append(f"{n - len(rows)} of {n} craters found no room")
    try:
        area = area_km2(ds)
    except CraterlabError:
        area = float("nan")
    result = Completeness(
        diameter_px=rows[:, 0],
        erosion=rows[:, 1],
        metres_per_px=rows[:, 2],
        found_px=rows[:, 3],
        score=rows[:, 4],
        catalogue_px=found["diameter_px"].to_numpy(float),
        catalogue_score=found["score"].to_numpy(float),
        limits_px=limits,
        erosion_range=(float(erosion[0]), float(erosion[1])),
        area_km2=float(area),
        body=grid.body.name if grid.body is not None else "",
        source=str(ds.attrs.get("source", "")),
        model=net.name,
        weights_sha256=net.sha256,
        threshold=subject.threshold,
        seed=seed,
        sun_azimuth_deg=lit.light.azimuth_deg,
        incidence_deg=lit.light.incidence_deg,
        black=lit.light.black,
        notes=tuple(notes),
    )
    _cache[key] = result
    while len(_cache) > _KEPT:
        _cache.popitem(last=False)
    return result


def _limits(grid: Grid, low: float, high: float | None) -> tuple[float, float]:
    third = min(grid.shape) / 3
    top = third if high is None else float(high)
    if not 0 < low < top:
        raise CraterlabError(
            f"diameters from {low:g} to {top:g} px are no range; a scene of {grid.shape[0]} x {grid.shape[1]} pixels "
            f"holds craters up to {third:.0f} px here: give min_diameter_px= and max_diameter_px= below that"
        )
    if top > min(grid.shape) / 2:
        raise CraterlabError(f"max_diameter_px is at most half the scene, {min(grid.shape) / 2:g} px; got {top:g}")
    return float(low), top


def _check(n: int, erosion: tuple[float, float]) -> None:
    if not (isinstance(n, (int, np.integer)) and n >= 1):
        raise CraterlabError(f"n is a number of craters to inject, at least 1; got {n!r}")
    try:
        low, high = map(float, erosion)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not 0 <= low <= high <= 1:
        raise CraterlabError(f"erosion is a range within 0 (fresh) to 1 (gone), e.g. (0, 0.8); got {erosion!r}")


def _digest(scene: xr.Dataset, grid: Grid, settings: tuple[Any, ...]) -> str:
    """Of what a scene holds and how it is measured; the layers are read in strips."""
    h = hashlib.blake2b(digest_size=16)
    known = ("sun_azimuth_deg", "incidence_deg", "instrument", "psf_sigma_px", "source")
    attrs = [str(scene.attrs.get(k)) for k in known]
    place = [list(grid.shape), list(grid.transform), grid.crs.to_wkt() if grid.crs else None, grid.pixel_size_m]
    body = None if grid.body is None else grid.body.name
    h.update(json.dumps([attrs, place, body, settings], default=str).encode())
    step = max(1, 4_000_000 // grid.shape[1])
    for name in ("image", "dem"):
        if name in scene:
            layer = scene[name].transpose("y", "x")
            for r in range(0, grid.shape[0], step):
                h.update(np.asarray(layer[r : r + step].values, np.float32).tobytes())
    return h.hexdigest()

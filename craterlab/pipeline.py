"""From image to age: the chain of verbs behind `craterlab run`, and the folder it leaves."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CraterlabError
from .output import check_folder, output_folder, writing

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from .dating import Age, System

__all__ = ["Result", "analyse", "run"]

# Smallest diameter, on the grid detected on, down to which a scene without craters is taken to be searched.
SUPERRES = "wiener"  # what the detector was trained on, besides plain images
_SEARCHED_PX = 10.0
# What a run may leave; of these the report and the clean-up of an earlier run know.
FILES = {
    "sharp.tif": "sharpened image: bands image, std (1 sigma) and data_share (0..1), as far as the method gives them",
    "craters.parquet": "crater table (GeoParquet); pixel columns are on the grid of the input image",
    "craters.scc": "crater count for craterstats and CSFD Tools",
    "craters.diam": "diameters and area for craterstats (the body is not known, which a .scc must name)",
    "map.png": "craters on the image",
    "sfd.png": "size-frequency distribution",
    "age.json": "model age and how it came about",
    "report.html": "this report",
    "truth.parquet": "the simulated craters",
}


@dataclass(frozen=True, eq=False)
class Result:
    """What a run found.

    Attributes
    ----------
    scene : Dataset
        The input image.
    sharp : Dataset or None
        The sharpened scene; None where it was not asked for.
    craters : GeoDataFrame
        Crater table; pixel columns on the grid of `scene`.
    area_km2 : float or None
        Area of the valid pixels; None where the scale is not known.
    age : Age or None
    system : str or None
        Chronology system of the age.
    no_age : str
        Why there is no age; empty where there is one.
    config : dict
        Settings that decide the result.
    folder : Path or None
        Where it was written.
    """

    scene: xr.Dataset
    sharp: xr.Dataset | None
    craters: gpd.GeoDataFrame
    area_km2: float | None
    age: Age | None
    system: str | None
    no_age: str
    config: dict[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def provenance(self) -> dict[str, Any]:
        """Scene, weights, settings and version, as they stand in every file of the run."""
        attrs = self.craters.attrs
        return {
            "scene": str(self.scene.attrs.get("source", "")),
            "model": attrs.get("model"),
            "weights_sha256": attrs.get("weights_sha256"),
            "config": self.config,
            "craterlab": attrs.get("craterlab"),
        }

    def age_record(self) -> dict[str, Any]:
        """The age, or why there is none, with its provenance: what age.json holds."""
        names = (
            "age_ga",
            "lo_ga",
            "hi_ga",
            "n1_per_km2",
            "n1_lo",
            "n1_hi",
            "range_km",
            "range_reason",
            "prior",
            "text",
        )
        found = dict.fromkeys(names) | {"system": self.system} if self.age is None else self.age.to_dict()
        return found | {
            "upper_limit": None if self.age is None else self.age.upper_limit,
            "reason": self.no_age or None,
            "craters": len(self.craters),
            "area_km2": self.area_km2,
            "provenance": self.provenance(),
        }


def analyse(
    scene: xr.Dataset,
    *,
    superres: str | bool = SUPERRES,
    factor: int = 2,
    system: str | None = None,
    threshold: float | None = None,
    min_diameter_px: float = 6,
    model: str | Path = "craternet",
    device: str | None = None,
    step: Callable[[str], None] | None = None,
    progress: bool | None = None,
) -> Result:
    """Sharpen a scene, find and describe its craters, and date its surface.

    Parameters
    ----------
    scene : Dataset
        As `open_scene` gives it.
    superres : str or bool
        Method of `craterlab.superres` for the scene that is detected on; False for the image as it is, True for the
        default. That is ``"wiener"``: the detector was trained on such images, and it takes seconds.
    factor : int
        Of super-resolution.
    system : str, optional
        Chronology system; default that of the body (`dating.default_system`).
    threshold, min_diameter_px, model, device
        As for `detect`; `min_diameter_px` is on the grid detected on, the sharpened one unless `superres` is False.
    step : callable, optional
        Told the name of each step as it begins.
    progress : bool, optional
        As for `detect`.

    Returns
    -------
    Result
        Without a scale (neither CRS nor pixel size) or a chronology for the body it has no age and says why.

    Raises
    ------
    CraterlabError
        Unknown system, model or device, a setting out of range, an image without data.
    """
    from .characterize import characterize
    from .detect import detect
    from .grid import area_km2, grid_of
    from .superres import superres as sharpen

    tell = step or (lambda name: None)
    _check(threshold, min_diameter_px, factor, model, device)
    grid = grid_of(scene)
    chronology, no_age = _chronology(system, scene.attrs.get("body"))
    scaled = grid.crs is not None or grid.pixel_size_m is not None

    tell("sharpen")
    method = SUPERRES if superres is True else superres
    sharp = sharpen(scene, factor, method=method, device=device, progress=progress is not False) if method else None
    fine = scene if sharp is None else sharp
    tell("detect")
    craters = detect(
        fine, model=model, threshold=threshold, min_diameter_px=min_diameter_px, device=device, progress=progress
    )
    config: dict[str, Any] = dict(craters.attrs.get("config", {}))
    config |= {
        "superres": None if sharp is None else {"factor": factor, "method": sharp.attrs.get("method")},
        "instrument": scene.attrs.get("instrument"),
    }
    tell("characterize")
    craters = characterize(fine, craters, progress=progress is not False)
    if sharp is not None:
        craters = on_input_grid(craters, scene, factor)
    craters.attrs.update(scene=str(scene.attrs.get("source", "")), config=config)
    if scene.attrs.get("body"):
        craters.attrs["body"] = scene.attrs["body"]
    tell("date")
    area = area_km2(scene) if scaled else None
    if area is None:
        chronology, no_age = None, (
            "sizes are in pixels, so no age can be given: the image has neither a CRS nor a pixel size. "
            "Run again with --pixel-size M (metres per pixel)"
        )  # fmt: skip
    else:
        craters.attrs["area_km2"] = area
    if scene.attrs.get("body"):
        craters.attrs["body"] = scene.attrs["body"]
    age = None
    if chronology is not None and area is not None:
        finest = float(np.nanmedian(_metres_per_pixel(fine)))
        try:
            age = _age(craters, area, chronology, max(_SEARCHED_PX, min_diameter_px) * finest / 1000)
        except CraterlabError as error:
            # Sizes outside the production function are a property of the image, not wrong input.
            no_age = str(error)
    return Result(scene, sharp, craters, area, age, None if chronology is None else chronology.name, no_age, config)


def run(
    image: str | Path | xr.Dataset,
    dem: str | Path | None = None,
    *,
    body: str | None = None,
    pixel_size: float | None = None,
    instrument: str | None = None,
    sun_azimuth_deg: float | None = None,
    incidence_deg: float | None = None,
    out: str | Path | None = None,
    system: str | None = None,
    superres: str | bool = SUPERRES,
    threshold: float | None = None,
    min_diameter_px: float = 6,
    model: str | Path = "craternet",
    device: str | None = None,
    progress: bool = True,
    extra: Callable[[Result, Path], object] | None = None,
) -> Result:
    """From an image to a sharpened image, a crater catalogue, a map, a size-frequency plot, an age and a report.

    Parameters
    ----------
    image, dem, body, pixel_size, instrument, sun_azimuth_deg, incidence_deg
        As for `open_scene`.
    out : path, optional
        Folder to write; default ``NAME-craters`` in the working folder, NAME being the image's. It appears whole or not
        at all. An earlier run's folder is replaced; other files in it are left alone.
    system, superres, threshold, min_diameter_px, model, device
        As for `analyse`.
    progress : bool
        Show a bar.
    extra : callable, optional
        Called with the result and the folder while it is being written, to add files of its own.

    Returns
    -------
    Result

    Raises
    ------
    CraterlabError
        As `open_scene` and `analyse`; the folder cannot be written (found out before the work begins) or the disk is
        full. Nothing is left behind then.
    """
    from .progress import progress_bar
    from .scene import open_scene

    options: dict[str, Any] = {"body": body, "pixel_size": pixel_size, "instrument": instrument}
    options |= {"sun_azimuth_deg": sun_azimuth_deg, "incidence_deg": incidence_deg}
    scene = open_scene(image, dem, **options)
    if out is None:
        out = Path(f"{Path(image).stem if isinstance(image, (str, Path)) else 'scene'}-craters")
    _check(threshold, min_diameter_px, 2, model, device)
    _chronology(system, scene.attrs.get("body"))
    folder = check_folder(Path(out))
    with output_folder(folder, set(FILES)) as part:
        shape = "{desc:<14}|{bar:30}| {n_fmt}/{total_fmt} steps, {elapsed}"
        with progress_bar(show=progress, total=6, bar_format=shape) as bar:
            begun = False

            def step(name: str) -> None:
                nonlocal begun
                bar.update(int(begun))
                bar.set_description_str(name)
                begun = True

            result = analyse(
                scene,
                superres=superres,
                system=system,
                threshold=threshold,
                min_diameter_px=min_diameter_px,
                model=model,
                device=device,
                step=step,
                progress=progress,
            )
            result = replace(result, folder=folder)
            step("write")
            with writing(folder):
                _write(result, part, extra, lambda: step("report"))
            step("done")
    return result


def on_input_grid(craters: gpd.GeoDataFrame, scene: xr.Dataset, factor: int) -> gpd.GeoDataFrame:
    """Craters found on the sharpened grid, with their pixel columns on the grid of the input image.

    Parameters
    ----------
    craters : GeoDataFrame
    scene : Dataset
        The input image.
    factor : int
        Pixels of the sharpened grid per pixel of the input, along each axis.

    Returns
    -------
    GeoDataFrame
        Every column ending in ``_px`` divided by `factor`; geometry and metres as they follow from it.
    """
    from .grid import craters_from_pixels

    table = craters.copy()
    for column in table.columns:
        if str(column).endswith("_px"):
            table[column] = table[column] / factor
    table.attrs = dict(craters.attrs)
    return craters_from_pixels(table, scene)


def _check(threshold: float | None, min_diameter_px: float, factor: int, model: str | Path, device: str | None) -> None:
    """What `detect` would refuse only after the sharpening."""
    from .inference import pick_device
    from .nn.zoo import load

    if threshold is not None and not 0 <= threshold <= 1:
        raise CraterlabError(f"threshold is a probability from 0 to 1; got {threshold}")
    smallest, _ = load(model, pick_device(device)).architecture.diameters_px
    if not min_diameter_px >= smallest:
        raise CraterlabError(f"min_diameter_px is at least {smallest:g}, on the sharpened grid; got {min_diameter_px}")
    if factor < 1:
        raise CraterlabError(f"factor is a whole number, 1 or more; got {factor}")


def _chronology(name: str | None, body: str | None) -> tuple[System | None, str]:
    """The chronology system asked for or the body's own, else why there is none."""
    from . import dating

    if name is not None:
        return dating.system(name), ""
    if not body:
        return (
            None,
            "the body is not known, so there is no chronology: name it with --body, or a chronology with --system",
        )
    try:
        return dating.system(dating.default_system(body)), ""
    except CraterlabError as error:
        return None, str(error)


def _metres_per_pixel(scene: xr.Dataset) -> Any:
    from .grid import grid_of

    grid = grid_of(scene)
    rows, cols = grid.shape
    x, y = np.meshgrid(np.linspace(0, cols, 9), np.linspace(0, rows, 9))
    return grid.metres_per_pixel(x, y)


def _age(craters: gpd.GeoDataFrame, area: float, system: System, searched_km: float) -> Age:
    """The age by the default range; without a crater the upper limit that the sizes searched for allow."""
    from . import dating

    if len(craters):
        return dating.age(craters, area_km2=area, system=system)
    start = max(searched_km, system.production.range_km[0])
    found = dating.age(craters, area_km2=area, system=system, range_km=(start, math.inf))
    return replace(
        found, range_reason=f"no crater found; from {start:.3g} km, the smallest size searched for with confidence"
    )


def _write(
    result: Result, folder: Path, extra: Callable[[Result, Path], object] | None, report: Callable[[], None]
) -> None:
    from .catalog import write_craters
    from .output import write_geotiff, write_json
    from .report import write_map, write_report, write_sfd

    if result.sharp is not None:
        write_geotiff(result.sharp, folder / "sharp.tif", result.provenance())
    write_craters(result.craters, folder / "craters.parquet")
    if result.area_km2 is not None:
        named = "body" in result.craters.attrs or result.craters.crs is not None
        write_craters(result.craters, folder / ("craters.scc" if named else "craters.diam"))
    write_json(folder / "age.json", result.age_record())
    report()
    write_map(result, folder / "map.png")
    write_sfd(result, folder / "sfd.png")
    if extra is not None:
        extra(result, folder)
    write_report(result, folder)

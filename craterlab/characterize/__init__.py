"""Characterization: the shape of each crater's rim, its depth, how far it has worn down, and what kind it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.errors import CraterlabError

from .radial import profiles

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr

    from .measure import Setting
    from .polar import Places, Reader

__all__ = ["characterize", "profiles"]


def characterize(
    scene: xr.Dataset | xr.DataArray | np.ndarray,
    craters: pd.DataFrame,
    dem: str | Path | xr.DataArray | np.ndarray | None = None,
    *,
    extra: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None,
    device: str | None = None,
    pixel_size: float | None = None,
    dem_resolution_m: float | None = None,
    kinds: bool = True,
    progress: bool = True,
) -> gpd.GeoDataFrame:
    """Measure the rim of every crater, its depth and erosion, and say what kind it is.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
        The image, with ``dem`` where there is one. NaN is nodata. Its ``sun_azimuth_deg`` (clockwise from north) and
        ``incidence_deg`` are needed for depths from shadows.
    craters : GeoDataFrame
        Crater table. Where scene and table are georeferenced the craters are placed by lon, lat and diameter_m (so a
        table made on another grid of the same ground works, and a catalogue without pixel columns too), else by x_px,
        y_px, diameter_px.
    dem : path, DataArray or array, optional
        Elevation in metres instead of the scene's own ``dem``: a file is laid on the grid of the image, an array must
        have its shape.
    extra : mapping of name to function, optional
        Columns of your own: each function gets a dict for one crater and gives its value. ``image`` and ``dem`` (None
        without one) are (64, 64) float32, north up, 4 crater radii wide, NaN for nodata; ``row`` the crater's row;
        ``radius_px``, ``radius_m``, ``sun_azimuth_deg``, ``incidence_deg`` numbers.
    device : str, optional
        Where the network runs, as torch names it; default a GPU where there is one. The measurements run on the
        processor.
    pixel_size : float, optional
        Metres per pixel of a plain array.
    dem_resolution_m : float, optional
        Real resolution of the elevation model: the full width at half maximum of its point spread. Stereo models
        resolve less than their posting says (GLD100: 474 m a pixel here, 1 to 1.5 km real detail). Without it the model
        counts as sharp to its pixels. Depth, rim height, walls and erosion are corrected for it.
    kinds : bool
        False leaves out what the network says (class, rays, erosion where there is no elevation model) and secondaries.
    progress : bool
        A bar above 1,000 craters; above 200 where the network looks at them.

    Returns
    -------
    GeoDataFrame
        A copy of the table, same rows and ``attrs``, with the columns

        major_m, minor_m : float
            Axes (diameters) of the rim ellipse on the ground, metres, with ``major_std_m``, ``minor_std_m``.
            Noise bends circles into ellipses: the axis ratio leans to 1 (a prior of scale 1.08 with a long tail) where
            the rim points leave it open.
        angle_deg : float
            Of the major axis, clockwise from north, 0..180; NaN for a circle.
        ellipse_from : str
            ``"dem"`` (crest of the elevation profiles), ``"image"`` (steepest change of brightness), or ``"circle"``:
            too few rim points, or smaller than 8 pixels; then both axes are the given diameter, with its own
            ``diameter_std_m`` or 15 % as 1-sigma. Empty where the crater lies outside the scene (axes NaN).
        depth_m, depth_std_m : float
            Mean crest of the rim above the 3rd percentile of the inside, metres, after the regional slope is taken
            off; or by the length of the rim's shadow.
        depth_from, depth_why : str
            ``"dem"``, ``"shadow"`` or ``""``, and in the last case why there is no depth: no sun geometry, no shadow,
            it reaches the far wall, crater too small (12 pixels), cut by border or nodata (more than a tenth of the
            rim or the inside), no scale, outside the scene.
        depth_diameter, depth_diameter_std : float
            depth_m / diameter_m. NaN without a scale.
        rim_height_m, rim_height_std_m : float
            Crest above the ground at 1.8 to 2.2 radii. This and all below: NaN without an elevation model.
        floor_width_m, wall_slope_deg : float
            Floor's diameter and mean slope of the wall between a quarter and three quarters of its height, with
            ``floor_width_std_m``, ``wall_slope_std_deg``.
        erosion, erosion_std : float
            0 fresh .. 1 gone: 1 - depth / depth of a fresh crater of this size on this body.
        erosion_class : float
            1 fresh .. 4 nearly gone, in steps of 0.25 of ``erosion``.
        kappa_t_m2, kappa_t_std_m2 : float
            Diffusion since the crater formed, m2 (Fassett & Thomson 2014).
        erosion_from : str
            ``"dem"``, ``"image"`` (the network's estimate, which holds a crater against its neighbours in the table:
            give all craters of a scene together; a lone one is judged by its chip) or ``""``.
        p_valid, p_ghost, p_layered, p_secondary : float
            Probabilities of the classes (sum 1): a plain crater; one buried or worn to a trace; one with layered
            ejecta; one made by the ejecta of another impact.
        morphology : str
            The likeliest class; ``"unknown"`` where the crater is smaller than 8 pixels or seen to less than 60 %: the
            probabilities are then those from body and size alone. Ghosts, layered craters and secondaries are rare
            beforehand (``characterize.kinds``), so few are likeliest; to miss fewer, choose them by a lower limit of
            your own: ``craters[craters.p_ghost > 0.2]``.
        secondary, secondary_probability : bool, float
            Chip and clustering together (``craterlab.secondaries``), with ``cluster_id``, ``chain`` and the evidence.
        confirm : bool
            Yours: True or False on whether a crater is a secondary overrides ``secondary`` when the table is given
            again.
        p_rays, rays : float, bool
            Probability of bright rays, and whether it is 0.5 or more; NaN and <NA> where the class is unknown.

    Raises
    ------
    CraterlabError
        No table, or one without places and sizes; diameters that are zero, negative or NaN (the rows are named); a
        table on another body; an elevation model that does not fit, or a resolution of it that is not above 0.

    Notes
    -----
    Standard errors hold what differs around the crater and how well the profile decides; not an elevation model that
    is wrong as a whole. Erosion knows one family of fresh craters: one that formed shallow (a secondary) counts as
    worn.

    The ellipse is the rim that is there now. Diffusion moves it outward: in an image by 2 % where half of the depth is
    gone and by 14 % where two thirds are (the fresh profile of Fassett & Thomson 2014, diffused). ``diameter_m`` stays
    as it was given, and is what a count takes.

    Examples
    --------
    >>> measured = craterlab.characterize(scene, craters, dem="dtm.tif")
    >>> measured[["diameter_m", "depth_m", "depth_diameter", "erosion"]]
    """
    from craterlab.grid import grid_of
    from craterlab.scene import as_scene

    from .extra import extra_columns
    from .inputs import brightness_levels, crater_table, dem_reader, image_reader, number_in, places_of
    from .measure import Setting, measure_all

    if dem_resolution_m is not None and not 0 < dem_resolution_m < np.inf:
        raise CraterlabError(
            f"characterize: dem_resolution_m is {dem_resolution_m}; wanted metres above 0, or leave it out."
        )
    scene = as_scene(scene, pixel_size=pixel_size)
    grid = grid_of(scene)
    out = crater_table(craters, grid)
    where = places_of(out, grid)
    image = image_reader(scene["image"])
    elevation, spacing = dem_reader(scene, dem, grid)
    black, middle = brightness_levels(image, grid.shape)
    setting = Setting(
        body=grid.body.name if grid.body is not None else scene.attrs.get("body"),
        sun=(number_in(scene, "sun_azimuth_deg"), number_in(scene, "incidence_deg")),
        black=black,
        middle=middle,
        dem_spacing_m=spacing,
        dem_resolution_m=np.nan if dem_resolution_m is None else float(dem_resolution_m),
    )
    given_std = np.asarray(out["diameter_std_m"], float) if "diameter_std_m" in out else np.full(len(out), np.nan)
    columns = measure_all(where, given_std, image, elevation, grid.shape, setting, progress)
    attrs = dict(out.attrs)
    if kinds:
        named, network = _named(where, image, elevation, grid.shape, setting, device, progress)
        columns |= _one_erosion(columns, named) | named
        attrs["kinds_by"] = network
    columns |= _derived(columns, 2 * where.radius_m, given_std)
    out = out.assign(**columns)
    if kinds:
        out, attrs["secondaries"] = _with_secondaries(out)
    if extra:
        out = out.assign(**extra_columns(extra, scene, image, elevation, grid, where, out))
    out.attrs.update(attrs)
    return out


def _named(
    where: Places,
    image: Reader,
    elevation: Reader | None,
    shape: tuple[int, int],
    setting: Setting,
    device: str | None,
    progress: bool,
) -> tuple[dict[str, Any], str]:
    """Columns of the network, and which network it was."""
    import pandas as pd

    from craterlab.inference import pick_device
    from craterlab.nn.chipnet import load_chipnet
    from craterlab.progress import progress_bar

    from .kinds import kinds_of

    namer = load_chipnet(device=pick_device(device))
    with progress_bar(show=progress and len(where) > 200, total=len(where), desc="kinds", unit="crater") as bar:
        named: dict[str, Any] = kinds_of(namer, image, elevation, shape, where, setting, bar=bar)
    rays = pd.array(named["p_rays"] >= 0.5, dtype="boolean")
    rays[np.isnan(named["p_rays"])] = pd.NA
    return named | {"rays": rays}, f"{namer.name} {namer.sha256}"


def _with_secondaries(table: gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, dict[str, Any]]:
    """Where the craters lie speaks for secondaries too; in a scene with few of them only their looks do."""
    import warnings

    from .kinds import SECONDARY_SHARE
    from .secondaries import secondaries

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # small populations: said in the attrs
        judged = secondaries(table, chip_prior=SECONDARY_SHARE, progress=False)
    return judged, judged.attrs["secondaries"]


def _one_erosion(columns: dict[str, np.ndarray], named: dict[str, Any]) -> dict[str, np.ndarray]:
    """Erosion from the elevation model, and where that says nothing, from the image; taken out of `named`."""
    seen, spread = named.pop("erosion"), named.pop("erosion_std")
    take = np.isnan(columns["erosion"]) & np.isfinite(seen)
    return {
        "erosion": np.where(take, seen, columns["erosion"]),
        "erosion_std": np.where(take, spread, columns["erosion_std"]),
        "erosion_from": np.where(take, "image", columns["erosion_from"]),
    }


def _derived(columns: dict[str, np.ndarray], diameter: np.ndarray, given_std: np.ndarray) -> dict[str, np.ndarray]:
    """What follows from the measured columns."""
    from .erosion import classes

    spread = np.where(np.isfinite(given_std), given_std, 0.25 * (columns["major_std_m"] + columns["minor_std_m"]))
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.hypot(columns["depth_std_m"] / columns["depth_m"], np.nan_to_num(spread) / diameter)
        ratio = columns["depth_m"] / diameter
    return {
        "depth_diameter": ratio,
        "depth_diameter_std": np.abs(ratio) * relative,
        "erosion_class": classes(columns["erosion"]),
    }

"""Radial profiles of craters and their ejecta: elevation and brightness against distance in crater radii."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from craterlab.errors import CraterlabError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import ArrayLike, NDArray

    from .measure import Group
    from .polar import Places

    Floats = NDArray[np.float64]

_RADII = np.round(np.arange(0, 101) * 0.05, 2)
_LARGEST_PX = 128  # radius in pixels above which a crater is read at a coarser step
_NEEDED = 0.5  # share of the azimuths that must be known
_PARTS = {"": 50.0, "_p16": 16.0, "_p84": 84.0}


def profiles(
    scene: xr.Dataset | xr.DataArray | np.ndarray,
    craters: pd.DataFrame,
    dem: str | Path | xr.DataArray | np.ndarray | None = None,
    *,
    radii: ArrayLike | None = None,
    pixel_size: float | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Radial profiles of every crater: what lies inside, the rim, and the ejecta around it.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
        The image, with ``dem`` where there is one. NaN is nodata.
    craters : GeoDataFrame
        Crater table, placed as by ``characterize``.
    dem : path, DataArray or array, optional
        As for ``characterize``.
    radii : array_like, (m,), optional
        Distances in crater radii, 0 or more and rising; by default 0 to 5 in steps of 0.05.
    pixel_size : float, optional
        Metres per pixel of a plain array.
    progress : bool
        A bar above 1,000 craters.

    Returns
    -------
    Dataset (crater, radius)
        Medians over azimuth with the 16th and 84th percentiles (``_p16``, ``_p84``): ``brightness`` in the unit of the
        image and, with an elevation model, ``elevation`` in metres above the ground at 1.8 to 2.2 radii, the regional
        slope taken off. Radius 1 is the rim: the ellipse that ``characterize`` finds, or the given circle where it
        finds none. NaN outside the scene, in nodata, where less than half of the azimuths are known, and all elevations
        of a crater whose surroundings are not. ``crater`` is the table's index.

    Raises
    ------
    CraterlabError
        As ``characterize``, and for radii that are no rising numbers from 0 up.

    Examples
    --------
    >>> p = craterlab.profiles(scene, craters)
    >>> p.elevation.sel(crater=12).plot()
    """
    import xarray as xr

    from craterlab.grid import grid_of
    from craterlab.progress import progress_bar
    from craterlab.scene import as_scene

    from .inputs import crater_table, dem_reader, image_reader, places_of
    from .measure import groups_of, plain_setting, side_by_side

    at = _RADII if radii is None else np.atleast_1d(np.asarray(radii, float))
    if at.ndim != 1 or not at.size or not np.isfinite(at).all() or at[0] < 0 or (np.diff(at) <= 0).any():
        raise CraterlabError(
            "profiles: radii must be numbers from 0 up, rising, in crater radii: numpy.arange(0, 5, 0.1)."
        )
    scene = as_scene(scene, pixel_size=pixel_size)
    grid = grid_of(scene)
    table = crater_table(craters, grid)
    where = places_of(table, grid)
    elevation, _ = dem_reader(scene, dem, grid)
    names = ["brightness"] + (["elevation"] if elevation is not None else [])
    out: dict[str, Any] = {n + p: np.full((len(where), at.size), np.nan) for n in names for p in _PARTS}
    parts = groups_of(
        where,
        np.full(len(where), np.nan),
        image_reader(scene["image"]),
        elevation,
        grid.shape,
        plain_setting(),
        reach_radii=1.6 * max(2.4, float(at[-1])),  # an ellipse reaches farther than its circle
        largest_px=_LARGEST_PX,
    )
    with progress_bar(show=progress and len(where) > 1000, total=len(where), desc="profiles", unit="crater") as bar:
        for index, values in side_by_side(parts, lambda group: _profiles(group, at)):
            for name, value in values.items():
                out[name][index] = value
            bar.update(len(index))
    coords = {"crater": np.asarray(table.index), "radius": at}
    units = {"brightness": {}, "elevation": {"units": "m"}}
    return xr.Dataset(
        {name: (("crater", "radius"), value, units[name.partition("_")[0]]) for name, value in out.items()},
        coords=coords,
        attrs={"radius_unit": "crater radii, 1 is the rim"},
    )


def _profiles(group: Group, radii: Floats) -> dict[str, np.ndarray]:
    from .measure import trace_rims
    from .polar import on_ellipses, sample

    rim = on_ellipses(group.where, trace_rims(group)[1])
    out = _percentiles("brightness", sample(group.image, group.window, rim, radii))
    if group.dem is not None:
        out |= _percentiles("elevation", _elevation(group, rim, radii))
    return out


def _elevation(group: Group, rim: Places, radii: Floats) -> Floats:
    """Elevation above the levelled ground around."""
    from . import depth
    from .polar import percentile_of, sample

    assert group.dem is not None
    known = sample(group.dem, group.window, rim, depth.SHAPE_RADII)
    slope = depth.regional_slope(known, depth.SHAPE_RADII)
    ground = (known - depth.plane(slope, depth.SHAPE_RADII))[..., depth.GROUND].reshape(len(rim), -1)
    level = np.where(np.isfinite(ground).mean(1) >= _NEEDED, percentile_of(ground, 50.0), np.nan)
    z = sample(group.dem, group.window, rim, radii) - depth.plane(slope, radii)
    return np.asarray(z - level[:, None, None])


def _percentiles(name: str, values: Floats) -> dict[str, np.ndarray]:
    from .polar import percentile_of

    n, azimuths, m = values.shape
    flat = values.transpose(0, 2, 1).reshape(n * m, azimuths)
    known = np.isfinite(flat).mean(1) >= _NEEDED
    return {
        name + part: np.where(known, percentile_of(flat, percentile), np.nan).reshape(n, m)
        for part, percentile in _PARTS.items()
    }

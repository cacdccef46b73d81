"""Images, thresholds, size-frequency distribution and age in one view."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CraterlabError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

    from .box import Explore


def explore(
    scene: xr.Dataset | xr.DataArray | np.ndarray,
    sharp: xr.Dataset | xr.DataArray | None = None,
    craters: pd.DataFrame | None = None,
    *,
    area_km2: float | None = None,
    system: str | Path | None = None,
    range_km: tuple[float, float] | None = None,
    height: int = 420,
    **age_options: Any,
) -> Explore:
    """Look at a scene, its super-resolved form and its craters; move a threshold and see count and age follow.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
        Read tile by tile as it comes into view, however large.
    sharp : Dataset or DataArray, optional
        The super-resolved scene, or any other image of the same ground.
    craters : GeoDataFrame, optional
        Crater table. With it come the histograms and, where body and pixel size are known, the age.
    area_km2 : float, optional
        Counting area, km2; default: the one the table carries, else that of the scene's valid pixels.
    system : str or Path, optional
        Chronology system; default: the usual one of the body.
    range_km : (float, float), optional
        Diameters fitted, km; default: from the roll-over of the count upwards.
    height : int
        Of the picture, CSS pixels.
    **age_options
        As for `craterlab.age`: method, prior, fit_error, resurfacing.

    Returns
    -------
    Explore
        A widget with the parts `.swipe`, `.thresholds` and `.sfd`, the craters chosen as `.selected`, their age as
        `.age`, and `.save("view.html")`.

    Raises
    ------
    CraterlabError
        The images are not of the same ground, the craters are of another scene, or the extra `notebook` is missing.
    """
    try:
        from .box import Explore
    except ModuleNotFoundError as error:
        if error.name not in ("anywidget", "ipywidgets", "traitlets"):
            raise
        raise CraterlabError(f'craterlab.explore needs {error.name}: pip install "craterlab[notebook]"') from None
    from .swipe import Swipe

    swipe = Swipe(scene, sharp, craters, height=height)
    if craters is None:
        return Explore(swipe)
    from .linking import link
    from .thresholds import Thresholds

    thresholds = Thresholds(craters)
    sfd = None
    try:
        sfd = _dated(scene, craters, area_km2, system, range_km, age_options)
    except CraterlabError as error:
        if system is not None or area_km2 is not None or range_km is not None or age_options:
            raise
        # A view without an age is still a view; it says why.
        thresholds.error = f"No age: {error}"
    link(thresholds, swipe, *(() if sfd is None else (sfd,)))
    return Explore(swipe, thresholds, sfd)


def _dated(scene: Any, craters: Any, area_km2: Any, system: Any, range_km: Any, options: dict[str, Any]) -> Any:
    from ..grid import area_km2 as area_of
    from .sfd import SFD

    if area_km2 is None and "area_km2" not in craters.attrs:
        area_km2 = area_of(scene)
    if system is None and getattr(craters, "crs", None) is None:
        from ..dating.functions import default_system

        body = getattr(scene, "attrs", {}).get("body") or craters.attrs.get("body")
        if body is not None:
            system = default_system(body)
    return SFD(craters, area_km2, system, range_km=range_km, **options)

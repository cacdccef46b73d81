"""The DEM of a scene, for networks that look at it: is it there, and how high is it in pixels?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import CraterlabError
from ..tiling import Reader, Window

if TYPE_CHECKING:
    import xarray as xr

    from ..grid import Grid
    from ..nn.zoo import Model


def dem_for(model: Model, scene: xr.Dataset) -> xr.DataArray | None:
    """The scene's DEM where the model looks at one, else None.

    Raises
    ------
    CraterlabError
        The scene has no DEM, or has it on another grid than the image.
    """
    if "dem" not in model.layers:
        return None
    if "dem" not in scene:
        raise CraterlabError(
            f"model {model.name!r} needs a DEM, and the scene has none: open_scene(image, dem='dem.tif'), or choose a "
            "model that looks at the image alone: detect(scene, model='craternet')"
        )
    dem, image = scene["dem"], scene["image"]
    if dem.ndim != 2 or set(dem.dims) != {"y", "x"}:
        held, wanted = dict(dem.sizes), dict(image.sizes)
        raise CraterlabError(
            f"the scene's DEM is on another grid ({held}) than its image ({wanted}). Lay it on the image: "
            "open_scene('image.tif', dem='dem.tif')"
        )
    return dem.transpose("y", "x")


def check_scale(grid: Grid) -> None:
    """Raise where the scale is not known, so that metres of height are no slope.

    Raises
    ------
    CraterlabError
    """
    if grid.crs is None and grid.pixel_size_m is None:
        raise CraterlabError(
            "the slope of a DEM needs the image's scale, and this scene has no CRS: detect(scene, pixel_size=METRES)"
        )


def heights(read: Reader, metres: float, datum: float) -> Reader:
    """Windows of a DEM in metres as heights above `datum` in pixels of `metres`."""

    def read_heights(window: Window) -> np.ndarray:
        return ((read(window) - datum) / metres).astype(np.float32)

    return read_heights

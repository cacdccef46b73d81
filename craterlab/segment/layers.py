"""The layers of a scene, checked, and how they become what the networks of `segment` take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CraterlabError
from ..grid import grid_of
from ..normalise import robust_range
from ..tiling import Window
from .standard import DEM_UNIT_M, DEM_ZERO_M, SLOPE_UNIT_DEG, Standardiser

if TYPE_CHECKING:
    import xarray as xr

_BANDS = {"rgb": 3, "dem": 1, "thermal_inertia": 1, "slope": 1, "image": 1}
_ORDER = ("red", "green", "blue", "dem", "thermal_inertia", "slope", "image")
_NEEDED = {
    "rgb": "a colour mosaic (band=3, y, x)",
    "dem": "heights in metres (y, x)",
    "thermal_inertia": "(y, x)",
    "image": "the grey image (y, x)",
}


class Layers:
    """The known layers of a scene, checked.

    Parameters
    ----------
    scene : Dataset
    trained : sequence of (centre, spread)
        Of the seven layers over the training set, 0..1 as published.
    scaled : bool
        The scene's layers are on that scale too.

    Attributes
    ----------
    shape : (rows, columns)
    lazy : bool
        A layer is Dask-backed.
    pixel_m : float
        Metres per pixel in the middle of the scene; NaN where that is not known.
    standardiser : Standardiser
        Of the raw bands that `read` and `stacked` give.

    Raises
    ------
    CraterlabError
        See ``segment``.
    """

    def __init__(self, scene: xr.Dataset, trained: tuple[tuple[float, float], ...], *, scaled: bool) -> None:
        self._arrays = _known(scene)
        if not scene.sizes["y"] * scene.sizes["x"]:
            raise CraterlabError(f"segment: the scene has no pixels, {scene.sizes['y']} x {scene.sizes['x']}.")
        self.shape = (scene.sizes["y"], scene.sizes["x"])
        self.lazy = any(a.chunks is not None for a in self._arrays.values())
        grid = grid_of(scene)
        if grid.body is not None and grid.body.name != "Mars":
            raise CraterlabError(
                f"segment: the scene is on {grid.body.name}, and the network learned landslides on Mars. To try it all "
                "the same, hand over the bare arrays: a Dataset without attrs['body'] and CRS."
            )
        self.pixel_m = float(grid.metres_per_pixel(self.shape[1] / 2, self.shape[0] / 2))
        derived = "slope" not in self._arrays
        if derived and grid.crs is None and grid.pixel_size_m is None:
            raise CraterlabError(
                "segment: the slope of the DEM needs the scene's scale, and it has neither a CRS nor a pixel size. "
                "Give it, scene.attrs['pixel_size_m'] = 232.0, or a layer 'slope' in degrees."
            )
        sample = self._sample()
        _check_relief(sample)
        units = dict(zip(_ORDER, trained, strict=True))
        metres = (DEM_UNIT_M, DEM_ZERO_M)
        if not scaled:
            units |= {k: robust_range(v) for k, v in sample.items() if k not in ("dem", "slope")}
            centre, spread = units["dem"]
            units["dem"] = (centre * DEM_UNIT_M + DEM_ZERO_M, spread * DEM_UNIT_M)
            metres = (1.0, 0.0)
        if derived or not scaled:
            centre, spread = units["slope"]
            units["slope"] = (centre * SLOPE_UNIT_DEG, spread * SLOPE_UNIT_DEG)
        centres, spreads = zip(*(units[k] for k in _ORDER), strict=True)
        self.standardiser = Standardiser(centres, spreads, grid if derived else None, metres)

    def read(self, window: Window) -> np.ndarray:
        """Raw bands (6 or, with a slope, 7, rows, columns) of a window inside the scene."""
        r0, r1, c0, c1 = window
        parts = [np.asarray(a[..., r0:r1, c0:c1].values, np.float32) for a in self._arrays.values()]
        return np.concatenate([p.reshape(-1, r1 - r0, c1 - c0) for p in parts])

    def stacked(self) -> Any:
        """All raw bands as one Dask array."""
        import dask.array as da

        parts = [da.asarray(a.data).astype(np.float32) for a in self._arrays.values()]
        return da.concatenate([p if p.ndim == 3 else p[None] for p in parts])

    def _sample(self, windows: int = 8, side: int = 128) -> dict[str, np.ndarray]:
        """Pixels that stand for the whole scene, by band: a lattice of windows of a large one."""
        rows, cols = self.shape
        if rows * cols <= (windows * side) ** 2:
            bands = self.read((0, rows, 0, cols)).reshape(-1, rows * cols)
        else:
            at = [np.linspace(0, max(n - side, 0), windows).astype(int) for n in self.shape]
            parts = [self.read((i, min(i + side, rows), j, min(j + side, cols))) for i in at[0] for j in at[1]]
            bands = np.concatenate([p.reshape(len(p), -1) for p in parts], 1)
        names = [k for k in _ORDER if k != "slope" or "slope" in self._arrays]
        return dict(zip(names, bands, strict=True))


def _known(scene: xr.Dataset) -> dict[str, xr.DataArray]:
    """The layers that the network takes, in its order, as (y, x) or (band, y, x)."""
    import xarray as xr

    if not isinstance(scene, xr.Dataset):
        raise CraterlabError(
            f"segment: wanted a Dataset with the layers {', '.join(_NEEDED)}; got {type(scene).__name__}. Build one: "
            "xarray.Dataset({'image': image, 'rgb': rgb, 'dem': dem, 'thermal_inertia': ti})."
        )
    if missing := [name for name in _NEEDED if name not in scene]:
        held = ", ".join(map(str, scene.data_vars)) or "nothing"
        wanted = "; ".join(f"{name!r}, {_NEEDED[name]}" for name in missing)
        raise CraterlabError(f"segment: the scene lacks {wanted}. It holds {held}. Add it: scene['{missing[0]}'] = …")
    out = {}
    for name, bands in _BANDS.items():
        if name not in scene:
            continue
        layer = scene[name]
        others = [d for d in layer.dims if d not in ("y", "x")]
        if not {"y", "x"} <= set(layer.dims) or len(others) > 1:
            raise CraterlabError(
                f"segment: layer {name!r} is on another grid, {dict(layer.sizes)}, than (y, x) of "
                f"{scene.sizes.get('y')} x {scene.sizes.get('x')}. Lay it on the image: "
                f"scene['{name}'] = layer.rio.reproject_match(scene['image'])."
            )
        got = layer.sizes[others[0]] if others else 1
        if got != bands:
            raise CraterlabError(f"segment: layer {name!r} has {got} band{'s' * (got != 1)}; wanted {bands}.")
        if layer.dtype.kind not in "iuf":
            raise CraterlabError(f"segment: layer {name!r} holds {layer.dtype}; wanted numbers.")
        out[name] = layer.transpose(*others, "y", "x")
    return out


def _check_relief(sample: dict[str, np.ndarray]) -> None:
    for name, values in sample.items():
        good = values[np.isfinite(values)]
        if not good.size:
            raise CraterlabError(
                f"segment: layer {name!r} holds no data, every pixel is NaN. Check its nodata value, and that it has "
                "the coordinates of the image: a layer with others, even by half a pixel, is laid on it with "
                "layer.rio.reproject_match(scene['image'])."
            )
        if name == "dem" and np.ptp(good) == 0:
            raise CraterlabError(
                f"segment: the DEM is flat, every height is {good[0]:g}. Landslides are told by relief: lay a DEM of "
                "the place on the image, open_scene('image.tif', dem='dem.tif')."
            )
    if not np.isfinite(list(sample.values())).all(0).any():
        raise CraterlabError(
            "segment: each layer holds data, but no pixel has them all. Layers on different grids that xarray joined "
            "by their coordinates look so: lay each on the image, layer.rio.reproject_match(image), before they become "
            "one Dataset."
        )

"""Two images of one ground: swipe, side by side, flicker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t
import xarray as xr

from ..errors import CraterlabError
from ..overlay import place
from .base import STATIC, Widget
from .picture import draw_view
from .pyramid import Pyramid, image_of
from .table import Limited, columns, kept, rings
from .told import told
from .viewed import Viewed, grid_under, ground_by_row, layer_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import FigureBase

MODES = ("swipe", "side", "flicker")


class Swipe(Viewed, Limited, Widget):
    """Compare two images of the same ground, with craters over them.

    Drag or arrow keys move, wheel or + and - zoom, 0 shows all; the divider is dragged or moved by keys ([ and ]).
    Images are read tile by tile as they come into view.

    Parameters
    ----------
    a : Dataset, DataArray or array (rows, columns)
        Left image; its pixels are the widget's.
    b : Dataset, DataArray or array, optional
        Right image, of any sampling: in the same CRS or, without one, of the same outline. Its layer ``std``, if it
        has one, can be laid over it. Without it `a` alone is shown.
    craters : GeoDataFrame, optional
        Crater table, drawn as circles.
    labels : (str, str), optional
        Of the two images.
    layer : str
        Which layer of Datasets is shown.
    same_stretch : bool, optional
        Show both with the black and white of `a`; default: where `b` is on the same scale as `a`.
    mode : {"swipe", "side", "flicker"}
    height : int
        Of the picture, CSS pixels.

    Attributes
    ----------
    mode, divider, view, show_craters, show_std
        What is shown; `view` is [x, y, zoom], the pixel of `a` in the middle and CSS pixels for one of them.
    picked : int
        Row of the crater that was clicked, -1 for none; what its table says of it is told below the picture.
    selected : GeoDataFrame
        The craters within the limits.

    Raises
    ------
    CraterlabError
        The images are none, or not of the same ground; the craters are of another scene.
    """

    _esm = STATIC / "swipe.js"
    _css = STATIC / "swipe.css"

    mode = t.Enum(MODES, "swipe").tag(sync=True)
    divider = t.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    rings = t.Bytes(b"").tag(sync=True)
    scores = t.Bytes(b"").tag(sync=True)
    diameters_m = t.Bytes(b"").tag(sync=True)
    show_craters = t.Bool(True).tag(sync=True)
    show_std = t.Bool(False).tag(sync=True)
    picked = t.Int(-1).tag(sync=True)
    about = t.Dict().tag(sync=True)  # row and words on the crater picked

    def __init__(
        self,
        a: xr.Dataset | xr.DataArray | np.ndarray,
        b: xr.Dataset | xr.DataArray | np.ndarray | None = None,
        craters: pd.DataFrame | None = None,
        *,
        labels: tuple[str, str] | None = None,
        layer: str = "image",
        same_stretch: bool | None = None,
        mode: str = "swipe",
        height: int = 420,
    ) -> None:
        if mode not in MODES:
            raise CraterlabError(f"mode is {mode!r}; wanted one of {', '.join(map(repr, MODES))}")
        image = image_of(a, layer)
        grid = grid_under(a, image)
        left = Pyramid(image)
        self._pyramids, self._limits = {"a": left}, {"a": left.limits}
        names = labels or _labels(b)
        shown = [layer_of("a", names[0], left, (1.0, 1.0, 0.0, 0.0), left.limits)]
        other = None
        if b is not None:
            finer = image_of(b, layer)
            other = grid_under(b, finer)
            where = place(other, grid)
            shown.append(self._second(finer, names[1], where, same_stretch))
            if isinstance(b, xr.Dataset) and "std" in b and b["std"].shape == finer.shape:
                error = Pyramid(b["std"])
                self._pyramids["std"], self._limits["std"] = error, error.limits
                shown.append(layer_of("std", "1σ", error, where, error.limits, "cividis"))
        self._grids = grid, other
        self._craters = craters
        self._score, self._size = (np.zeros(0), np.zeros(0)) if craters is None else columns(craters)
        super().__init__(
            layers=shown,
            rows=grid.shape[0],
            cols=grid.shape[1],
            ground=ground_by_row(grid),
            height=height,
            mode=mode,
            rings=b"" if craters is None else rings(grid, craters, other).astype("<f4").tobytes(),
            scores=self._score.astype("<f8").tobytes(),
            diameters_m=self._size.astype("<f8").tobytes(),
        )
        if all(np.isnan(lo) for lo, _ in self._limits.values()):
            self.error = "Every pixel is NaN: there is nothing to show. Check the nodata value of the image."
        self.observe(self._answer, "request")
        self.observe(self._tell, "picked")

    def _second(self, image: xr.DataArray, label: str, where: Any, same: bool | None) -> dict[str, Any]:
        right = Pyramid(image)
        limits, base = right.limits, self._limits["a"]
        if same is None:
            overlap = min(limits[1], base[1]) - max(limits[0], base[0])
            same = bool(overlap > 0.5 * max(limits[1] - limits[0], base[1] - base[0]))
        if same and not np.isnan(base[0]) and not np.isnan(limits[0]):
            limits = base
        self._pyramids["b"], self._limits["b"] = right, limits
        return layer_of("b", label, right, where, limits)

    def lay(self, craters: pd.DataFrame) -> None:
        """Show another crater table in place of the one shown.

        Raises
        ------
        CraterlabError
            It is none, or of another scene.
        """
        circles = rings(self._grids[0], craters, self._grids[1])
        self._score, self._size = columns(craters)
        self._craters = craters
        # All at once for the browser, the number of rings being that of scores.
        with self.hold_trait_notifications():
            self.rings = circles.astype("<f4").tobytes()
            self.scores = self._score.astype("<f8").tobytes()
            self.diameters_m = self._size.astype("<f8").tobytes()
            self.picked = -1

    def _tell(self, _: Any = None) -> None:
        row, table = self.picked, self._craters
        self.about = {} if table is None or not 0 <= row < len(table) else {"row": row, "text": told(table.iloc[row])}

    @property
    def selected(self) -> pd.DataFrame | None:
        if self._craters is None:
            return None
        return self._craters[kept(self._score, self._size, *self.limits)]

    def draw(self, figure: FigureBase) -> None:
        mask = kept(self._score, self._size, *self.limits) & self.show_craters
        circles = np.frombuffer(self.rings, "<f4").reshape(-1, 5)[mask]
        draw_view(figure, self, self._pyramids, self._limits, circles, self.divider)

    @property
    def inches(self) -> tuple[float, float]:
        return (6.5, float(np.clip(6.5 * self.rows / self.cols, 2.0, 7.0)))

    def __repr__(self) -> str:
        sizes = " | ".join(f"{each['rows']} x {each['cols']}" for each in self.layers if each["name"] != "std")
        n = "" if self._craters is None else f", {self._score.size} craters"
        return f"Swipe({sizes}{n}, mode={self.mode!r})"


def _labels(b: Any) -> tuple[str, str]:
    factor = getattr(b, "attrs", {}).get("factor")
    return ("observed", f"super-resolved ×{factor:g}") if factor else ("a", "b") if b is not None else ("", "")

"""Correct craters by hand."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from ..errors import CraterlabError
from .base import STATIC, Widget
from .edits import CLASSES, Edits, do
from .picture import draw_view
from .pyramid import Pyramid, image_of
from .table import rings
from .viewed import Viewed, grid_under, ground_by_row, layer_of

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr
    from matplotlib.figure import FigureBase


class Editor(Viewed, Widget):
    """Add, move, resize, delete, classify and confirm craters on their image.

    A click chooses a crater; drag its inside to move it, its rim to resize it. With the tool Add, drag from the middle
    of a new crater to its rim. Keys: n and p choose the next and previous one, i j k l move it by a pixel, comma and
    full stop resize it, Delete deletes it, a switches the tool, Ctrl+Z and Ctrl+Y undo and redo.

    Parameters
    ----------
    scene : Dataset, DataArray or array (rows, columns)
    craters : GeoDataFrame, optional
        What to start from; default no crater.
    by : str, optional
        Who corrects; default the name of the account.
    layer : str
        Which layer of a Dataset is shown.
    height : int
        Of the picture, CSS pixels.

    Attributes
    ----------
    craters : GeoDataFrame
        The corrected table on the pixels of `scene`, with `edited_by`, `edit` (added, moved, resized, deleted,
        classified, confirmed, refused, reopened; empty where nothing was done), `edited_at` (UTC) and `refused`:
        True for what is no crater, False for what was confirmed. Deleted craters stay in it as refused: ages leave them
        out and `craterlab.finetune` learns from them.
        What was measured on a circle that was changed (ellipse, depth, erosion) is NaN.
    edits : Edits
        The same corrections from Python: `add`, `change`, `delete`, `classify`, `confirm`, `undo`, `redo`; call
        `refresh()` then.

    Raises
    ------
    CraterlabError
        The scene is none, or the craters are of another scene.
    """

    _esm = STATIC / "editor.js"
    _css = STATIC / "editor.css"

    rings = t.Bytes(b"").tag(sync=True)
    ids: t.List[int] = t.List().tag(sync=True)
    classes: t.List[str] = t.List().tag(sync=True)
    confirmed: t.List[str] = t.List().tag(sync=True)
    options = t.List(list(CLASSES)).tag(sync=True)
    revision = t.Int(0).tag(sync=True)
    asked: t.List[Any] = t.List().tag(sync=True, echo_update=False)
    done = t.Int(0).tag(sync=True)
    can_undo = t.Bool(False).tag(sync=True)
    can_redo = t.Bool(False).tag(sync=True)
    picked = t.Int(-1).tag(sync=True)

    def __init__(
        self,
        scene: xr.Dataset | xr.DataArray | np.ndarray,
        craters: gpd.GeoDataFrame | None = None,
        *,
        by: str | None = None,
        layer: str = "image",
        height: int = 480,
    ) -> None:
        from ..catalog import empty_craters

        image = image_of(scene, layer)
        grid = grid_under(scene, image)
        if craters is None:
            craters = empty_craters(grid.crs)
        if not hasattr(craters, "columns"):
            raise CraterlabError(f"wanted a crater table, got {type(craters).__name__}")
        rings(grid, craters)  # refuses a table of another scene
        self.edits = Edits(grid, craters, by or _account())
        pyramid = Pyramid(image)
        self._pyramids, self._limits = {"a": pyramid}, {"a": pyramid.limits}
        super().__init__(
            layers=[layer_of("a", "", pyramid, (1.0, 1.0, 0.0, 0.0), pyramid.limits)],
            rows=grid.shape[0],
            cols=grid.shape[1],
            ground=ground_by_row(grid),
            height=height,
        )
        if np.isnan(pyramid.limits[0]):
            self.error = "Every pixel is NaN: there is nothing to show. Check the nodata value of the image."
        self.refresh()
        self.observe(self._answer, "request")
        self.observe(self._apply, "asked")

    @property
    def craters(self) -> gpd.GeoDataFrame:
        return self.edits.table()

    def refresh(self) -> None:
        """Show what `edits` holds now."""
        shown = self.edits.shown
        values = np.array([[r.x, r.y, r.diameter, r.diameter, 0.0] for r in shown.values()], "<f4")
        said = {True: "yes", False: "no", None: "open"}
        with self.hold_sync():
            self.ids = list(shown)
            self.classes = [r.morphology for r in shown.values()]
            self.confirmed = [said[r.confirm] for r in shown.values()]
            self.can_undo, self.can_redo = self.edits.can_undo, self.edits.can_redo
            if self.picked not in shown:
                self.picked = -1
            self.rings = values.tobytes()
            self.revision = self.edits.revision

    def _apply(self, change: Any) -> None:
        """Do what the view asked for, each edit once and in order."""
        with self._telling():
            for edit in sorted(change["new"], key=lambda e: e["seq"]):
                if edit["seq"] <= self.done:
                    continue
                # Done even where it fails, so that it is not tried again.
                self.done = int(edit["seq"])
                chosen = do(self.edits, edit)
                if chosen is not None:
                    self.picked = chosen
        self.refresh()

    def draw(self, figure: FigureBase) -> None:
        circles = np.frombuffer(self.rings, "<f4").reshape(-1, 5)
        draw_view(figure, self, self._pyramids, self._limits, circles, 1.0)

    @property
    def inches(self) -> tuple[float, float]:
        return (6.5, float(np.clip(6.5 * self.rows / self.cols, 2.0, 7.0)))

    def __repr__(self) -> str:
        done = sum(bool(r.edit) for r in self.edits.rows.values())
        return f"Editor({self.rows} x {self.cols}, {len(self.ids)} craters, {done} edited)"


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""

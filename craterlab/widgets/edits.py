"""Corrections of a crater table: applied one by one, undone and redone, with who, what and when."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from ..catalog import MORPHOLOGIES
from ..errors import CraterlabError
from ..grid import Grid, craters_from_pixels
from .table import circles_on

if TYPE_CHECKING:
    import geopandas as gpd

CLASSES = ("unknown", *MORPHOLOGIES)
CONFIRM = {"yes": True, "no": False, "open": None}
SMALLEST_PX = 2.0
# Ellipses, depths and the like belong to the circle that was measured, not to a corrected one.
_MEASURED = ("major_", "minor_", "angle_", "depth_", "rim_height_", "diameter_std", "position_std", "erosion")


@dataclass(frozen=True)
class Row:
    """One crater as it is now; `source` is its row in the table it came from, None for an added one."""

    x: float
    y: float
    diameter: float
    morphology: str = "unknown"
    confirm: bool | None = None
    source: int | None = None
    moved: bool = False
    deleted: bool = False
    by: str = ""
    edit: str = ""
    at: str = ""
    revision: int = 0
    view: int = 0


class Edits:
    """The craters of a scene under correction.

    Parameters
    ----------
    grid : Grid
        Of the scene; places and sizes are in its pixels.
    craters : GeoDataFrame
        What to start from; may be empty. Craters without a place or size are left out.
    by : str
        Who corrects.
    """

    def __init__(self, grid: Grid, craters: gpd.GeoDataFrame, by: str) -> None:
        self.grid, self.by, self._table = grid, by, craters
        self.revision = 0
        self._done: list[tuple[int, Row | None]] = []
        self._undone: list[tuple[int, Row | None]] = []
        circles = circles_on(grid, craters)
        n = len(craters)
        kind = list(craters["morphology"]) if "morphology" in craters else ["unknown"] * n
        refused = list(craters["refused"].astype(object)) if "refused" in craters else [None] * n
        self.rows: dict[int, Row] = {}
        for i in map(int, np.flatnonzero(np.isfinite(circles).all(1))):
            x, y, width, height, _ = circles[i].tolist()
            morphology = kind[i] if kind[i] in CLASSES else "unknown"
            said = not refused[i] if refused[i] in (True, False) else None
            self.rows[i] = Row(x, y, (width * height) ** 0.5, morphology, said, i)
        self._next = n

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        return bool(self._undone)

    @property
    def shown(self) -> dict[int, Row]:
        """The craters that are not deleted, by number."""
        return {i: row for i, row in self.rows.items() if not row.deleted}

    def add(self, x: float, y: float, diameter: float, *, view: int = 0) -> int:
        """A new crater (px); returns its number."""
        self._check(x, y, diameter)
        number = self._next
        self._next += 1
        self._set(number, Row(x, y, diameter, confirm=True), "added", view)
        return number

    def change(
        self, number: int, x: float, y: float, diameter: float, *, seen: int | None = None, view: int = 0
    ) -> None:
        """Another place or size (px)."""
        row = self._row(number, seen, view)
        self._check(x, y, diameter)
        what = "resized" if abs(diameter - row.diameter) > 1e-6 * row.diameter else "moved"
        self._set(number, replace(row, x=x, y=y, diameter=diameter, moved=True), what, view)

    def delete(self, number: int, *, seen: int | None = None, view: int = 0) -> None:
        """No crater, or none to count."""
        row = self._row(number, seen, view)
        self._set(number, replace(row, deleted=True, confirm=False), "deleted", view)

    def classify(self, number: int, morphology: str, *, seen: int | None = None, view: int = 0) -> None:
        """unknown, valid, ghost, layered or secondary."""
        if morphology not in CLASSES:
            raise CraterlabError(f"no class {morphology!r}; there are {', '.join(CLASSES)}")
        row = self._row(number, seen, view)
        self._set(number, replace(row, morphology=morphology), "classified", view)

    def confirm(self, number: int, value: bool | None, *, seen: int | None = None, view: int = 0) -> None:
        """True: a crater; False: none; None: not said."""
        row = self._row(number, seen, view)
        what = {True: "confirmed", False: "refused", None: "reopened"}[value]
        self._set(number, replace(row, confirm=value), what, view)

    def undo(self) -> None:
        self._back(self._done, self._undone)

    def redo(self) -> None:
        self._back(self._undone, self._done)

    def table(self) -> gpd.GeoDataFrame:
        """The corrected table; see `Editor.craters`."""
        import pandas as pd

        rows = [r for r in self.rows.values() if not (r.deleted and r.source is None)]
        rows.sort(key=lambda r: (r.source is None, r.source or 0))
        old = [r.source for r in rows if r.source is not None]
        held = pd.DataFrame(self._table.drop(columns="geometry", errors="ignore")).iloc[old].reset_index(drop=True)
        # An added crater has a place, a size and what is set below; all else of it is not known.
        out = held.reindex(range(len(rows)))
        ids = [held["crater_id"].iloc[i] if "crater_id" in held else i for i in range(len(held))]
        first = max((int(i) for i in ids if isinstance(i, (int, np.integer))), default=-1) + 1
        out["crater_id"] = [*ids, *range(first, first + len(rows) - len(held))]
        place = np.array([[r.x, r.y, r.diameter] for r in rows], float).reshape(-1, 3)
        pixels = ["x_px", "y_px", "diameter_px"]
        if set(pixels) <= set(out):
            # What was not touched keeps its digits.
            given = out[pixels].to_numpy(float)
            place = np.where(np.abs(place - given) < 0.01, given, place)
        out[pixels] = place
        new = np.array([r.source is None for r in rows], bool)
        out["score"] = np.where(new, 1.0, out["score"].to_numpy(float) if "score" in out else np.nan)
        changed = new | np.array([r.moved for r in rows], bool)
        for column in out:
            if str(column).startswith(_MEASURED):
                out[column] = out[column].mask(changed)
        out["morphology"] = [r.morphology for r in rows]
        out["refused"] = pd.Series([None if r.confirm is None else not r.confirm for r in rows], dtype=object)
        for column, name in (("edited_by", "by"), ("edit", "edit"), ("edited_at", "at")):
            out[column] = pd.Series([getattr(r, name) for r in rows], dtype=object)
        made = craters_from_pixels(out, self.grid)
        made.attrs.update({**self._table.attrs, "edited_by": self.by})
        return made

    def _row(self, number: int, seen: int | None, view: int) -> Row:
        row = self.rows.get(number)
        if row is None or row.deleted:
            raise CraterlabError(f"there is no crater {number}: it was deleted, or undone")
        if seen is not None and row.revision > seen and row.view != view:
            raise CraterlabError(f"crater {number} was changed in another view meanwhile; look at it and edit it again")
        return row

    def _check(self, x: float, y: float, diameter: float) -> None:
        rows, cols = self.grid.shape
        largest = 2 * max(rows, cols)
        if not (np.isfinite([x, y, diameter]).all() and SMALLEST_PX <= diameter <= largest):
            raise CraterlabError(f"a crater is {SMALLEST_PX:g} to {largest} px wide here; got {diameter:g}")
        if not (0 <= x <= cols and 0 <= y <= rows):
            raise CraterlabError(f"the middle at {x:.1f}, {y:.1f} lies outside the image of {rows} x {cols} pixels")

    def _set(self, number: int, row: Row, edit: str, view: int) -> None:
        self.revision += 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._done.append((number, self.rows.get(number)))
        self._undone.clear()
        self.rows[number] = replace(row, by=self.by, edit=edit, at=now, revision=self.revision, view=view)

    def _back(self, taken: list[tuple[int, Row | None]], given: list[tuple[int, Row | None]]) -> None:
        if not taken:
            return
        self.revision += 1
        number, row = taken.pop()
        given.append((number, self.rows.get(number)))
        if row is None:
            del self.rows[number]
        else:
            self.rows[number] = replace(row, revision=self.revision)


def do(edits: Edits, edit: dict[str, Any]) -> int | None:
    """Do what the front end says; returns the crater that is to be chosen then, None where that stays."""
    kind, number, view = edit["kind"], int(edit.get("id", -1)), int(edit.get("view", 0))
    seen = int(edit["seen"])
    if kind in ("add", "change"):
        place = float(edit["x"]), float(edit["y"]), float(edit["diameter"])
        if kind == "add":
            return edits.add(*place, view=view)
        edits.change(number, *place, seen=seen, view=view)
    elif kind == "delete":
        edits.delete(number, seen=seen, view=view)
        return -1
    elif kind == "classify":
        edits.classify(number, str(edit["value"]), seen=seen, view=view)
    elif kind == "confirm":
        edits.confirm(number, CONFIRM[edit["value"]], seen=seen, view=view)
    elif kind == "undo":
        edits.undo()
    elif kind == "redo":
        edits.redo()
    else:
        raise CraterlabError(f"the view asks for {kind!r}, which this version does not know: reload the page")
    return None

"""Craters corrected by hand in a session, and saved into the catalogue that the dashboard was started with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CraterlabError
from ..widgets import Editor
from .scenes import inside
from .state import Session, View, silent

if TYPE_CHECKING:
    import geopandas as gpd


def begin(session: Session, by: str = "") -> None:
    """Lay the craters of a session out for correction.

    Parameters
    ----------
    session : Session
    by : str
        Who corrects, for the column `edited_by`.

    Raises
    ------
    CraterlabError
        No scene is open, something runs, or the craters are of another scene.
    """
    if not session.can or session.scene is None or session.swipe is None:
        raise CraterlabError("craters cannot be corrected now: open a scene, and wait for what is running")
    session.editor = silent(Editor(session.scene, session.craters, by=by or "dashboard"))
    session.editor.view = session.swipe.view


def end(session: Session) -> None:
    """Count and date what was corrected."""
    if session.editor is None or session.swipe is None:
        return
    editor, session.editor = session.editor, None
    session.swipe.view = editor.view
    if not any(row.edit for row in editor.edits.rows.values()):
        return
    view = session.view
    session.own[session.name] = editor.craters
    # Limits stay; those of diameters hold for the craters that were there.
    session.show(session.own[session.name], View(session.name, view.threshold, view.smallest_m, view.largest_m))


def can_save(session: Session) -> bool:
    """Whether this scene's craters are the whole of the catalogue and were corrected here."""
    from ..grid import grid_of

    table = session.scenes.craters
    return (
        session.scenes.may_save
        and session.editor is None
        and session.name in session.own
        and "edited_by" in session.own[session.name]
        and session.scene is not None
        and table is not None
        and bool(inside(grid_of(session.scene), table).all())
    )


def save(session: Session) -> str:
    """Write the corrected craters into the catalogue's file; returns its name.

    Raises
    ------
    CraterlabError
        They may not be saved, or somebody else changed the file since this session read it: then nothing is written.
    """
    from .. import catalog_guard
    from ..catalog import write_craters

    file = session.scenes.craters_file
    if file is None or not can_save(session):
        raise CraterlabError("these craters cannot be saved here: correct them first, or download them")
    mine: gpd.GeoDataFrame = session.own[session.name].copy()
    # Craters detected here were not read from the file, but the session has seen what it held.
    mine.attrs[catalog_guard.MARK] = session.marks[session.name]
    with catalog_guard.writing:
        if catalog_guard.changed(mine.attrs, file):
            raise CraterlabError(
                f"{file.name} was changed by somebody else since you opened it; nothing was saved. Download your "
                "craters to keep them, then reload the page to see theirs"
            )
        write_craters(mine, file)
    return file.name

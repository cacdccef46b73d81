"""Whether a catalogue's file is still as it was read, so that of two who edit it the last one does not win unseen.

A table that was read carries a mark in `attrs`, which pandas hands on to what is made of it. What files looked like
under that mark is kept in this process alone; the mark itself is never written.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

from .errors import CraterlabError

MARK = "reading"
Stamp = tuple[int, int, int]

# Between the look at a file and its replacement no other thread of this process may replace it.
writing = threading.RLock()
# By mark and file; "" stands for tables that were never read but written here.
_seen: dict[tuple[str, Path], Stamp] = {}


def stamp_of(file: Path) -> Stamp | None:
    """Time, size and place of a file; None where there is none. A file that is replaced gets another place."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def note(attrs: MutableMapping[Any, Any], file: Path, stamp: Stamp | None) -> None:
    """Mark a table as read from a file that had this stamp before it was read."""
    attrs[MARK] = uuid.uuid4().hex
    if stamp is not None:
        _seen[attrs[MARK], file.resolve()] = stamp


def note_again(attrs: MutableMapping[Any, Any], file: Path) -> None:
    """A mark of its own for a copy, as if it had been read at the same time by somebody else."""
    note(attrs, file, _seen.get((str(attrs.get(MARK, "")), file.resolve())))


def written(attrs: Mapping[Any, Any], file: Path) -> None:
    """The file is now what the table with these attrs is."""
    stamp = stamp_of(file)
    if stamp is not None:
        for mark in {"", str(attrs.get(MARK, ""))}:
            _seen[mark, file.resolve()] = stamp


def changed(attrs: Mapping[Any, Any], file: Path) -> bool:
    """Whether somebody else replaced or changed the file since the table was read from or written to it."""
    before = _seen.get((str(attrs.get(MARK, "")), file.resolve()))
    now = stamp_of(file)
    return before is not None and now is not None and now != before


def check(attrs: Mapping[Any, Any], file: Path) -> None:
    """Refuse to write over what somebody else wrote.

    Raises
    ------
    CraterlabError
        The file was changed since.
    """
    stamp = stamp_of(file)
    if stamp is None or not changed(attrs, file):
        return
    at = datetime.fromtimestamp(stamp[0] / 1e9).isoformat(sep=" ", timespec="seconds")
    other = file.with_name(f"{file.stem}-mine{file.suffix}")
    raise CraterlabError(
        f"{file.name} was changed by somebody else since you read it (at {at}); nothing was written. Keep yours beside "
        f"it: write_craters(craters, {str(other)!r}); see theirs: read_craters({str(file)!r}); "
        "or replace theirs: overwrite=True"
    )

"""Which files the dashboard may open: those it was started with, by name, and no path ever comes from a browser."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CraterlabError

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from ..grid import Grid

# No .vrt: it may name any other file. A .img or .qub without its label is no image, so labels are listed.
SUFFIXES = (".tif", ".tiff", ".cub", ".lbl", ".xml", ".jp2", ".png", ".vic", ".fits", ".fit")


class Scenes:
    """The images of a dashboard and its crater table.

    Parameters
    ----------
    paths : sequence of path
        Images, and folders of images (not of folders).
    craters : path, optional
        Crater table.
    body, pixel_size
        As for `open_scene`.
    save : bool
        Whether sessions may write corrected craters into the table's file.

    Raises
    ------
    CraterlabError
        Nothing is given, a path is missing, a folder holds no image, or the table cannot be read.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        craters: str | Path | None = None,
        *,
        body: str | None = None,
        pixel_size: float | None = None,
        save: bool = False,
    ) -> None:
        from ..catalog import read_craters

        if not paths:
            raise CraterlabError("name an image or a folder of images: craterlab serve scene.tif")
        self.known: dict[str, Any] = {k: v for k, v in (("body", body), ("pixel_size", pixel_size)) if v is not None}
        self._files: dict[str, Path] = {}
        for path in paths:
            for file in _images(Path(path)):
                self._files.setdefault(self._name(file), file)
        if save and craters is None:
            raise CraterlabError("there is nothing to save into; name the catalogue too: --craters FILE --save")
        self.may_save = save
        self.craters_file = None if craters is None else Path(craters).resolve()
        self._table = None if craters is None else read_craters(craters, body=body)
        self._areas: dict[str, float | None] = {}
        self._lock = threading.Lock()

    def _name(self, file: Path) -> str:
        """The file's name; with the folder's where another file has it already."""
        taken = self._files.get(file.name)
        return file.name if taken in (None, file) else f"{file.parent.name}/{file.name}"

    @property
    def craters(self) -> gpd.GeoDataFrame | None:
        """The crater table as its file is now; the last one that could be read where it is gone or broken."""
        from .. import catalog_guard
        from ..catalog import read_craters

        if self.craters_file is None or self._table is None:
            return None
        with self._lock:
            if catalog_guard.changed(self._table.attrs, self.craters_file):
                with contextlib.suppress(CraterlabError):
                    self._table = read_craters(self.craters_file, body=self.known.get("body"))
            return self._table

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def path(self, name: str) -> Path:
        """The file of a name out of `names`.

        Raises
        ------
        CraterlabError
            Any other name, so also every path.
        """
        if name not in self._files:
            raise CraterlabError(f"there is no scene {str(name)[:80]!r} here; there are {', '.join(self.names)}")
        return self._files[name]

    def open(self, name: str) -> xr.Dataset:
        """The scene of a name, read as it is needed; `source` is the name."""
        from ..scene import open_scene

        path = self.path(name)
        try:
            scene = open_scene(path, **self.known)
        except CraterlabError as error:
            # Where files lie on the server is nobody's business.
            raise CraterlabError(str(error).replace(str(path), name)) from None
        scene.attrs["source"] = name
        return scene

    def area_km2(self, name: str, scene: xr.Dataset) -> float | None:
        """Area of a scene's valid pixels, km2, computed once for all sessions; None without a scale."""
        from ..grid import area_km2, grid_of

        with self._lock:
            if name not in self._areas:
                grid = grid_of(scene)
                scaled = grid.crs is not None or grid.pixel_size_m is not None
                self._areas[name] = area_km2(scene) if scaled else None
            return self._areas[name]

    def craters_on(self, name: str, scene: xr.Dataset) -> gpd.GeoDataFrame | None:
        """The craters of the table whose centre is on a scene, with the scene's area.

        A table that lies on the scene as a whole keeps the area it carries.

        Raises
        ------
        CraterlabError
            None of them is on the scene.
        """
        from .. import catalog_guard
        from ..grid import grid_of

        table = self.craters
        if table is None or self.craters_file is None:
            return None
        grid = grid_of(scene)
        here = inside(grid, table)
        on = table[here].reset_index(drop=True)
        on.attrs = dict(table.attrs)
        catalog_guard.note_again(on.attrs, self.craters_file)  # each session edits its own copy
        if not here.all() or "area_km2" not in on.attrs:
            on.attrs.pop("boundary", None)
            on.attrs["area_km2"] = self.area_km2(name, scene)
        return on


def inside(grid: Grid, table: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """Which craters have their centre on the pixels of a grid, shape (n,).

    Raises
    ------
    CraterlabError
        None of them, so that the table is of another scene.
    """
    from ..widgets.table import rings

    x, y = rings(grid, table)[:, :2].T if len(table) else np.zeros((2, 0))
    return (x >= 0) & (x < grid.shape[1]) & (y >= 0) & (y < grid.shape[0])


def _images(path: Path) -> list[Path]:
    if path.is_file():
        return [path.resolve()]
    if not path.is_dir():
        raise CraterlabError(f"there is no image or folder {str(path)!r}; name what is to be served")
    root = path.resolve()
    found = sorted(f for f in root.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file())
    # A link may lead out of the folder, and what it leads to was not given.
    kept = [f for f in found if f.resolve().parent == root]
    if not kept:
        raise CraterlabError(f"the folder {str(path)!r} holds no image ({', '.join(SUFFIXES)})")
    return kept


def read_users(path: str | Path) -> dict[str, str]:
    """Who may use a dashboard.

    Parameters
    ----------
    path : path
        JSON ``{"user": "password"}``, or a line ``user:password`` for each; lines that begin with # do not count.

    Returns
    -------
    dict
        Password by user.

    Raises
    ------
    CraterlabError
        The file is missing or holds something else. The message never repeats what is in it.
    """
    file = Path(path)
    wanted = 'wanted lines user:password, or JSON {"user": "password"}'
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CraterlabError(f"there is no file {str(file)!r}; {wanted}") from None
    except (OSError, UnicodeDecodeError):
        raise CraterlabError(f"{str(file)!r} cannot be read as text; {wanted}") from None
    if text.lstrip().startswith("{"):
        try:
            users = json.loads(text)
        except json.JSONDecodeError as error:
            raise CraterlabError(f"{file.name}, line {error.lineno}: this is no JSON; {wanted}") from None
        if not all(isinstance(v, str) for v in users.values()):
            raise CraterlabError(f"{file.name}: a password is no text; {wanted}")
    else:
        users = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            user, colon, password = line.partition(":")
            if not colon:
                raise CraterlabError(f"{file.name}, line {number}: there is no colon; {wanted}")
            users[user.strip()] = password.strip()
    if not users:
        raise CraterlabError(f"{file.name} names nobody; {wanted}")
    if not all(user and password for user, password in users.items()):
        raise CraterlabError(f"{file.name}: an empty name or password; {wanted}")
    return users

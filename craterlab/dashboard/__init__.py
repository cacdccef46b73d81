"""The dashboard: scenes, craters and ages in a browser, for collaborators who have no Python.

It needs the extra `dashboard`. Importing this package loads none of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import CraterlabError

__all__ = ["page", "serve"]

NEEDED = ("panel", "param", "bokeh", "anywidget", "ipywidgets", "traitlets")


def serve(
    scenes: list[str | Path],
    *,
    craters: str | Path | None = None,
    port: int = 0,
    address: str = "127.0.0.1",
    auth_file: str | Path | None = None,
    body: str | None = None,
    pixel_size: float | None = None,
    save: bool = False,
    patience_s: float = 15.0,
) -> None:
    """Serve the dashboard until it is interrupted.

    Parameters
    ----------
    scenes : list of path
        Images, and folders of images. Collaborators can open these and no other file.
    craters : path, optional
        Crater table, shown on each scene that it lies on.
    port : int
        0 for any that is free; it is printed.
    address : str
        To listen on. The default is seen from this machine alone.
    auth_file : path, optional
        Who may come in: JSON ``{"user": "password"}``, or a line ``user:password`` for each. Without it, everybody.
    body, pixel_size
        As for `open_scene`, for images that do not say.
    save : bool
        Whether collaborators may save corrected craters into `craters`. What somebody else saved meanwhile is never
        overwritten. Without it they can download theirs.
    patience_s : float
        How long the work of a browser that is gone is kept, s.

    Raises
    ------
    CraterlabError
        Panel is not installed, a file is missing, the port is taken.
    """
    _server().run(
        scenes,
        craters,
        port=port,
        address=address,
        auth_file=auth_file,
        patience_s=patience_s,
        body=body,
        pixel_size=pixel_size,
        save=save,
    )


def page(
    scenes: list[str | Path],
    *,
    craters: str | Path | None = None,
    body: str | None = None,
    pixel_size: float | None = None,
    save: bool = False,
) -> Any:
    """The dashboard as a page for `panel serve`, with its options for hosts, passwords and processes.

    A file of two lines is served by ``panel serve dashboard.py``::

        from craterlab.dashboard import page
        page(["scene.tif", "folder"], craters="craters.parquet").servable(title="craterlab")

    Parameters
    ----------
    scenes, craters, body, pixel_size, save
        As for `serve`. Sessions that ask for the same share one queue of work.

    Returns
    -------
    panel.Row
        For one browser tab; its work ends with the session.

    Raises
    ------
    CraterlabError
        Panel is not installed, or a file is missing.
    """
    return _server().shared_page(scenes, craters, body=body, pixel_size=pixel_size, save=save)


def _server() -> Any:
    try:
        from . import server
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        raise CraterlabError(f'craterlab serve needs {error.name}: pip install "craterlab[dashboard]"') from None
    return server

"""What one browser tab looks at: its scene, craters, limits and jobs. Nothing here is shared between sessions."""

from __future__ import annotations

import math
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np

from .. import catalog_guard
from ..errors import CraterlabError
from ..widgets import SFD, Editor, Swipe, Thresholds, link
from . import verbs
from .scenes import Scenes
from .work import Job, Queue

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

CATALOGUES = (".parquet", ".scc", ".csv")
FIGURES = (".png", ".svg")
_NUMBERS = {"threshold": 1.0, "smallest_m": math.inf, "largest_m": math.inf, "from_km": math.inf, "to_km": math.inf}


@dataclass(frozen=True)
class View:
    """What a link restores. None is no limit; `threshold` None is the usual one.

    Diameters are in metres, the range fitted in km.
    """

    scene: str = ""
    threshold: float | None = None
    smallest_m: float | None = None
    largest_m: float | None = None
    from_km: float | None = None
    to_km: float | None = None

    def query(self) -> str:
        """The view as the query of a URL, with its question mark."""
        said = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in vars(self).items() if v not in (None, "")}
        return f"?{urlencode(said)}"

    @property
    def range_km(self) -> tuple[float, float] | None:
        return None if self.from_km is None or self.to_km is None else (self.from_km, self.to_km)


def view_of(query: Mapping[str, list[bytes]]) -> View:
    """The view that a URL asks for.

    Raises
    ------
    CraterlabError
        A number is none, or out of its range.
    """
    given = {name: values[-1].decode("utf-8", "replace") for name, values in query.items() if values}
    numbers: dict[str, float] = {}
    for name, top in _NUMBERS.items():
        if name not in given:
            continue
        try:
            numbers[name] = float(given[name])
        except ValueError:
            numbers[name] = math.nan
        if not (0 <= numbers[name] <= top and math.isfinite(numbers[name])):
            wanted = "0 to 1" if top == 1 else "0 or more"
            raise CraterlabError(f"the link says {name}={given[name][:40]!r}; wanted a number, {wanted}")
    view = View(scene=given.get("scene", ""), **numbers)
    if view.range_km is not None and not view.range_km[0] < view.range_km[1]:
        raise CraterlabError("the link says from_km and to_km; wanted the smaller one first")
    return view


class Session:
    """One browser tab.

    Parameters
    ----------
    scenes : Scenes
        What may be opened; shared and not changed.
    queue : Queue
        Where work is done; shared.

    Attributes
    ----------
    swipe, thresholds, sfd
        The widgets that hold what is seen; None where there is nothing to show.
    editor : Editor or None
        While craters are corrected; see `corrections`.
    note : str
        What the user should know of the scene.
    job : Job or None
        The last one.
    """

    def __init__(self, scenes: Scenes, queue: Queue) -> None:
        self.id = uuid.uuid4().hex
        self.scenes, self.queue = scenes, queue
        self.name = ""
        self.scene: xr.Dataset | None = None
        self.sharp: Path | None = None
        self.craters: gpd.GeoDataFrame | None = None
        self.swipe: Swipe | None = None
        self.thresholds: Thresholds | None = None
        self.sfd: SFD | None = None
        self.editor: Editor | None = None
        self.own: dict[str, gpd.GeoDataFrame] = {}  # found or corrected here, by scene
        self.marks: dict[str, str] = {}  # of the catalogue as this session read it, by scene
        self.note = ""
        self.job: Job | None = None
        self.closed = False
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files = 0

    def open(self, view: View) -> None:
        """Show a scene, with the craters that the dashboard was started with.

        Raises
        ------
        CraterlabError
            No such scene, or it cannot be read. What was shown before stays.
        """
        name = view.scene or self.scenes.names[0]
        scene = self.scenes.open(name)
        note, craters = "", None
        try:
            if name in self.own:
                craters = self.own[name]
            else:
                craters = self.scenes.craters_on(name, scene)
                self.marks[name] = "" if craters is None else craters.attrs[catalog_guard.MARK]
        except CraterlabError as error:
            note = str(error)
        swipe = silent(Swipe(scene))
        self.queue.cancel_all(self.id)
        self.name, self.scene, self.sharp, self.job, self.note = name, scene, None, None, note
        self.swipe, self.editor = swipe, None
        self.show(craters, view)

    def show(self, craters: gpd.GeoDataFrame | None, view: View) -> None:
        """Lay craters on the image, with their thresholds and their age."""
        from ..widgets.table import columns

        assert self.scene is not None and self.swipe is not None
        self.craters, self.thresholds, self.sfd = craters, None, None
        if craters is None:
            return
        if "refused" in craters:
            # By hand; they stay in the table for those who teach a detector.
            craters = craters[craters["refused"].astype(object).map(lambda v: v is not True)]
        score, _ = columns(craters)
        unscored = int((~np.isfinite(score)).sum())
        if unscored and not self.note:
            self.note = f"{unscored:,} craters have no finite score: they count only while no lowest score is set."
        self.swipe.lay(craters)
        self.thresholds = silent(
            Thresholds(
                craters,
                score_min=view.threshold or 0.0,
                diameter_min_m=view.smallest_m,
                diameter_max_m=view.largest_m,
            )
        )
        try:
            craters.attrs["area_km2"] = self._area()
            self.sfd = silent(SFD(craters, craters.attrs["area_km2"], self._system(), range_km=view.range_km))
        except CraterlabError as error:
            self.thresholds.error = f"No age: {error}"
        link(self.thresholds, self.swipe, *(() if self.sfd is None else (self.sfd,)))

    def _area(self) -> float | None:
        assert self.craters is not None and self.scene is not None
        if self.craters.attrs.get("area_km2") is None:
            area = self.scenes.area_km2(self.name, self.scene)
            if area is None:
                raise CraterlabError(
                    "the image has no scale; start the dashboard with --pixel-size M (metres per pixel)"
                )
            self.craters.attrs["area_km2"] = area
        return float(self.craters.attrs["area_km2"])

    def _system(self) -> str:
        from ..bodies import body_of
        from ..dating.functions import default_system

        assert self.craters is not None and self.scene is not None
        crs = getattr(self.craters, "crs", None)
        name = self.scene.attrs.get("body") or (
            body_of(crs).name if crs is not None else self.craters.attrs.get("body")
        )
        if not name:
            raise CraterlabError("the body is not known; start the dashboard with --body NAME")
        return default_system(str(name))

    @property
    def view(self) -> View:
        """What a link to here says."""
        if self.thresholds is None:
            return View(self.name)
        score, low, high = self.thresholds.limits
        fitted = (None, None) if self.sfd is None or self.sfd.range_km is None else self.sfd.range_km
        return View(self.name, score, low, high, *fitted)

    @property
    def can(self) -> tuple[str, ...]:
        """Verbs that make sense now."""
        if self.scene is None or self.editor is not None or (self.job is not None and not self.job.over):
            return ()
        some = self.craters is not None and len(self.craters) > 0
        return ("superres", "detect", *(("characterize",) if some else ()))

    def ask(self, verb: str) -> Job:
        """Put one of the verbs in the queue for the scene that is shown.

        Raises
        ------
        CraterlabError
            It makes no sense now.
        """
        if verb not in self.can:
            raise CraterlabError(f"{verb} cannot start now: open a scene, and wait for what is running")
        options: dict[str, Any] = {"scene": str(self.scenes.path(self.name)), "known": self.scenes.known}
        if verb == "superres":
            options["out"] = self._file(".tif")
        else:
            options["out"] = self._file(".parquet")
        if verb == "detect":
            options["sharp"] = None if self.sharp is None else str(self.sharp)
        if verb == "characterize":
            from ..catalog import write_craters

            options["craters"] = self._file(".parquet")
            write_craters(self.craters, options["craters"])
        self.job = self.queue.submit(self.id, getattr(verbs, verb), **options)
        return self.job

    def take(self, job: Job) -> None:
        """Show what a job of this session has made.

        Raises
        ------
        CraterlabError
            Its file cannot be read.
        """
        from ..catalog import read_craters

        if job.state != "done" or job is not self.job or self.closed:
            return
        view = self.view
        if job.function is verbs.superres:
            self._sharpened(Path(job.result["path"]), view)
            return
        craters = self.own[self.name] = read_craters(job.result["path"])
        if job.function is verbs.detect:
            # A new catalogue begins with the threshold of its network; old limits may be of another.
            view = View(self.name, job.result["threshold"])
        self.show(craters, view)

    def _sharpened(self, path: Path, view: View) -> None:
        assert self.scene is not None and self.swipe is not None
        where = self.swipe.view
        self.swipe = silent(Swipe(self.scene, verbs.open_sharp(path, self.scene)))
        self.swipe.view = where
        self.sharp = path
        self.show(self.craters, view)

    def catalogue(self, suffix: str) -> BytesIO:
        """The craters within the limits, as a file.

        Raises
        ------
        CraterlabError
            There are none to write, or the format wants what is not known.
        """
        from ..catalog import write_craters

        self._check_open()
        if self.thresholds is None or suffix not in CATALOGUES:
            raise CraterlabError("there are no craters yet: detect them first")
        table = self.thresholds.selected
        table.attrs = dict(self.thresholds.selected.attrs)
        view = self.view
        table.attrs["limits"] = {k: v for k, v in vars(view).items() if v is not None}
        path = write_craters(table, self._file(suffix))
        try:
            return BytesIO(path.read_bytes())
        finally:
            path.unlink()

    def figure(self, suffix: str) -> BytesIO:
        """The size-frequency distribution and the age, as they are seen.

        Raises
        ------
        CraterlabError
            There is none.
        """
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._check_open()
        if self.sfd is None or suffix not in FIGURES:
            raise CraterlabError("there is no size-frequency distribution: craters and a scale are needed")
        figure = Figure(figsize=self.sfd.inches, layout="constrained")
        FigureCanvasAgg(figure)
        self.sfd.draw(figure)
        out = BytesIO()
        figure.savefig(out, format=suffix[1:], dpi=200)
        out.seek(0)
        return out

    def filename(self, suffix: str, what: str = "craters") -> str:
        """What a download is called."""
        return f"{Path(self.name).stem or 'scene'}-{what}{suffix}"

    def _check_open(self) -> None:
        if self.closed:
            raise CraterlabError("this session has ended: reload the page")

    def _file(self, suffix: str) -> str:
        self._check_open()
        if self._folder is None:
            # It also goes when the server is stopped.
            self._folder = tempfile.TemporaryDirectory(prefix="craterlab-", ignore_cleanup_errors=True)
        self._files += 1
        return str(Path(self._folder.name) / f"{self._files}{suffix}")

    def close(self) -> None:
        """End its jobs, let go of what it shows, and remove its files."""
        self.closed = True
        self.queue.cancel_all(self.id)
        self.scene = self.craters = self.job = None
        self.swipe = self.thresholds = self.sfd = self.editor = None
        self.own.clear()
        if self._folder is not None:
            self._folder.cleanup()


def silent(widget: Any) -> Any:
    """The widget without its line to a notebook, which nobody listens to here; its traits work as before."""
    widget.close()
    # anywidget lets the files of a front end tell every widget when they change, and so keeps each for ever.
    for each in (vars(kind).get(name) for kind in type(widget).__mro__ for name in ("_esm", "_css")):
        if each is not None and hasattr(each, "changed"):
            each.changed.disconnect()
    return widget


def with_scene(view: View, name: str) -> View:
    """The view of another scene: limits in metres of one mean nothing on the next."""
    return replace(View(), scene=name, threshold=view.threshold)

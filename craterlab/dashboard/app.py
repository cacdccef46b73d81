"""The page of the dashboard: what one browser tab sees."""

from __future__ import annotations

import asyncio
import contextlib
import html
from dataclasses import dataclass
from functools import partial
from typing import Any

import panel as pn  # noqa: TID253  only `serve` imports this file
from panel.io.resources import LOCAL_DIST  # noqa: TID253

from ..catalog import empty_craters
from ..errors import CraterlabError
from ..grid import grid_of
from . import corrections
from . import state as states
from .components import mirror
from .scenes import Scenes
from .work import Job, Queue

_POLL_MS = 200
_VERBS = {"superres": "Sharpen ×2", "detect": "Detect craters", "characterize": "Describe craters"}
_LIMITS = ["score_min", "diameter_min_m", "diameter_max_m"]
_CORRECT, _CORRECTED = "Correct by hand", "Done correcting"


class Page:
    """What one browser tab sees of its session.

    Parameters
    ----------
    scenes : Scenes
    queue : Queue
    """

    def __init__(self, scenes: Scenes, queue: Queue) -> None:
        self.session = states.Session(scenes, queue)
        self._polling: Any = None
        self._opening = False
        self.scene = pn.widgets.Select(name="Scene", options=scenes.names, sizing_mode="stretch_width")
        self.buttons = {
            verb: pn.widgets.Button(name=text, button_type="primary", disabled=True, sizing_mode="stretch_width")
            for verb, text in _VERBS.items()
        }
        self.cancel = pn.widgets.Button(name="Cancel", disabled=True, sizing_mode="stretch_width")
        self.correct = pn.widgets.Button(name=_CORRECT, disabled=True, sizing_mode="stretch_width")
        file = scenes.craters_file
        self.save = pn.widgets.Button(
            name=f"Save into {'' if file is None else file.name}", visible=scenes.may_save, disabled=True,
            sizing_mode="stretch_width",
        )  # fmt: skip
        self.status = pn.pane.HTML("", sizing_mode="stretch_width")
        self.bar = pn.indicators.Progress(value=0, max=100, visible=False, sizing_mode="stretch_width", height=10)
        self.downloads = [
            *(self._download(suffix, "craters", self.session.catalogue) for suffix in states.CATALOGUES),
            *(self._download(suffix, "sfd", self.session.figure) for suffix in states.FIGURES),
        ]
        self.image = pn.Column(sizing_mode="stretch_width")
        self.limits = pn.Column(sizing_mode="stretch_width")
        self.age = pn.Column(sizing_mode="stretch_width")
        self.scene.param.watch(self._chosen, "value")
        for verb, button in self.buttons.items():
            button.on_click(partial(self._ask, verb))
        self.cancel.on_click(self._cancel)
        self.correct.on_click(self._correct)
        self.save.on_click(self._save)

    def layout(self) -> Any:
        """The page."""
        side = pn.Column(
            pn.pane.HTML("<h1 style='margin:0;font-size:20px'>craterlab</h1>"),
            self.scene,
            *self.buttons.values(),
            self.cancel,
            self.bar,
            self.status,
            self.correct,
            self.save,
            pn.pane.HTML("<h2 style='margin:8px 0 0;font-size:15px'>Download</h2>"),
            *self.downloads,
            width=230,
        )
        main = pn.Column(self.image, self.limits, sizing_mode="stretch_width", styles={"flex": "3 1 480px"})
        right = pn.Column(self.age, sizing_mode="stretch_width", styles={"flex": "2 1 380px"})
        views = pn.FlexBox(main, right, sizing_mode="stretch_width", align_items="flex-start")
        return pn.Row(side, views, sizing_mode="stretch_width")

    def close(self) -> None:
        """The tab is gone. Panel may keep the page for a while, so it lets go of images and tables itself."""
        if self._polling is not None:
            self._polling.stop()
            self._polling = None
        self.session.close()
        for each in (self.image, self.limits, self.age):
            each.objects = []

    async def start(self) -> None:
        """Show what the link asks for; without one, the first scene."""
        try:
            view = states.view_of(pn.state.session_args)
            self.session.scenes.path(view.scene or self.session.scenes.names[0])
            problem = ""
        except CraterlabError as error:
            view, problem = states.View(), str(error)
        await self.show(view)
        if problem:
            self.say(problem, alarm=True)

    async def show(self, view: states.View) -> None:
        """Open the scene of a view without keeping other sessions waiting."""
        self._opening = True
        self._refresh()
        self.say("Opening …")
        try:
            await asyncio.to_thread(self.session.open, view)
            self.say(self.session.note or "Ready.")
        except CraterlabError as error:
            self.say(str(error), alarm=True)
        finally:
            self._opening = False
        if self.session.name:
            self.scene.value = self.session.name
        self._fill()
        self._refresh()

    def say(self, text: str, alarm: bool = False) -> None:
        """A line for the user."""
        colour = "#a3260a" if alarm else "#1b1b1b"
        role = "alert" if alarm else "status"
        self.status.object = f"<div role='{role}' style='color:{colour}'>{html.escape(text)}</div>"

    def _fill(self) -> None:
        """Put the session's widgets on the page."""
        session = self.session
        shown = session.editor or session.swipe
        self.image[:] = [] if shown is None else [mirror(shown)]
        self._fill_counts()

    def _fill_counts(self) -> None:
        session = self.session
        if session.thresholds is None:
            self.limits[:] = [pn.pane.HTML("No craters yet: press “Detect craters”.")]
            self.age[:] = [pn.pane.HTML("Size-frequency distribution and age appear here.")]
        else:
            self.limits[:] = [mirror(session.thresholds)]
            session.thresholds.observe(self._link, _LIMITS)
            self.age[:] = [] if session.sfd is None else [mirror(session.sfd)]
            if session.sfd is not None:
                session.sfd.observe(self._link, "range_km")
        self._link()

    def _link(self, _: Any = None) -> None:
        """Let the address bar say what is seen."""
        if pn.state.location is not None:
            pn.state.location.search = self.session.view.query()

    async def _chosen(self, event: Any) -> None:
        if event.new != self.session.name and not self._opening:
            await self.show(states.with_scene(self.session.view, event.new))

    def _ask(self, verb: str, _: Any) -> None:
        try:
            self.session.ask(verb)
        except CraterlabError as error:
            self.say(str(error), alarm=True)
            return
        if self._polling is None:
            poll: Any = self._poll
            self._polling = pn.state.add_periodic_callback(poll, _POLL_MS)
        self._refresh()

    def _cancel(self, _: Any) -> None:
        if self.session.job is not None:
            self.session.queue.cancel(self.session.job)

    def _correct(self, _: Any) -> None:
        """Craters are laid out for correction, or what was corrected is counted."""
        try:
            if self.session.editor is None:
                corrections.begin(self.session, pn.state.user or "")
                self.say("Correct craters in the image; count and age follow when you are done.")
            else:
                corrections.end(self.session)
                self.say("Ready.")
        except CraterlabError as error:
            self.say(str(error), alarm=True)
        self._fill()
        self._refresh()

    def _save(self, _: Any) -> None:
        try:
            self.say(f"Saved into {corrections.save(self.session)}.")
        except CraterlabError as error:
            self.say(str(error), alarm=True)

    async def _poll(self) -> None:
        job = self.session.job
        if job is None or job.over:
            if self._polling is not None:
                self._polling.stop()
                self._polling = None
            if job is not None:
                await self._done(job)
        else:
            self._tell(job)
        self._refresh()

    def _tell(self, job: Job) -> None:
        verb = _VERBS[job.function.__name__]
        if job.state == "waiting":
            ahead = self.session.queue.ahead(job)
            self.say(f"{verb}: waiting, {ahead} job{'s' * (ahead != 1)} ahead of you.")
        else:
            share = f", {job.share:.0%}" if job.share else ""
            self.say(f"{verb}: {job.step}{share} …")
        self.bar.value = round(100 * job.share) if job.state == "running" else 0

    async def _done(self, job: Job) -> None:
        verb = _VERBS[job.function.__name__]
        if job.state == "done":
            try:
                await asyncio.to_thread(self.session.take, job)
            except CraterlabError as error:
                self.say(f"{verb}: {error}", alarm=True)
                return
            if job.function is states.verbs.superres:
                self._fill()
            else:
                self._fill_counts()
            found = f": {job.result['craters']:,} craters" if "craters" in job.result else ""
            read = " Click one to read what it is." if job.function is states.verbs.characterize else ""
            self.say(f"{verb}: done{found}.{read}")
        elif job.state == "failed":
            self.say(f"{verb}: {job.error}", alarm=True)
        else:
            self.say(f"{verb}: cancelled.")

    def _refresh(self) -> None:
        """What can be pressed now."""
        session = self.session
        for verb, button in self.buttons.items():
            button.disabled = self._opening or verb not in session.can
        running = session.job is not None and not session.job.over
        self.cancel.disabled = not running
        self.correct.name = _CORRECT if session.editor is None else _CORRECTED
        self.correct.disabled = self._opening or (session.editor is None and not session.can)
        self.save.disabled = not corrections.can_save(session)
        self.bar.visible = running
        for each in self.downloads:
            has = session.thresholds if each.label.startswith("craters") else session.sfd
            each.disabled = has is None

    def _download(self, suffix: str, what: str, make: Any) -> Any:
        button: Any = pn.widgets.FileDownload(
            label=f"{what} {suffix}", filename=f"{what}{suffix}", disabled=True, icon=None, sizing_mode="stretch_width"
        )

        def give() -> Any:
            try:
                button.filename = self.session.filename(suffix, what)
                return make(suffix)
            except CraterlabError as error:
                self.say(str(error), alarm=True)
                return None

        button.callback = give
        return button


@dataclass
class Shared:
    """What all sessions of a server have in common."""

    scenes: Scenes
    queue: Queue


def page(shared: Shared) -> Any:
    """A page for a new browser tab, whose work ends with it."""
    made = Page(shared.scenes, shared.queue)
    if pn.state.curdoc is not None:
        # Panel sets this as it writes a page. A tab that comes back after a break gets a session without a page, and
        # would fetch its style sheets from elsewhere.
        pn.state.curdoc.template_variables["dist_url"] = LOCAL_DIST
        pn.state.on_session_destroyed(lambda _: made.close())
    pn.state.onload(made.start)
    return made.layout()


def warm(shared: Shared) -> None:
    """Load what the first visitor would wait for: rasters, tables, ages, the area of the first scene."""
    session = states.Session(shared.scenes, shared.queue)
    with contextlib.suppress(CraterlabError):  # told to those who open it
        session.open(states.View())
        craters = session.craters
        if craters is None and session.scene is not None:
            session.show(empty_craters(grid_of(session.scene).crs), states.View(session.name))
    session.close()

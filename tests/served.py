"""A dashboard in a process of its own, for the tests in a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE_S = 3.0
AGE = ".craterlab-age"
FRESH = ".craterlab-sfd[data-stale=false]"
ADDRESS = r"(http://127\.0\.0\.1:\d+)"
COUNT = """
import gc, signal
def count(*_):
    from craterlab.widgets import Swipe
    gc.collect()
    print("images:", sum(isinstance(each, Swipe) for each in gc.get_objects()), flush=True)
signal.signal(signal.SIGUSR1, count)
"""


class Served:
    """A dashboard in a process of its own."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        save: bool = False,
        command: list[str] | None = None,
        pattern: str = ADDRESS,
    ) -> None:
        code = COUNT + (
            "import sys; from craterlab.dashboard import serve; users = (sys.argv[1:] or [None])[0]\n"
            "scenes = ['scenes/scene0.tif', 'scenes']\n"
            f"serve(scenes, craters='craters.parquet', patience_s={PATIENCE_S}, auth_file=users, save={save})"
        )
        self.log = (folder / f"log{time.monotonic_ns()}").open("w+")
        self.process = subprocess.Popen(
            command or [sys.executable, "-c", code, *arguments],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.url = self._wait_for(pattern)

    def said(self) -> str:
        return Path(self.log.name).read_text()

    def _wait_for(self, pattern: str) -> str:
        for _ in range(600):
            found = re.search(pattern, self.said())
            if found:
                return found[1]
            assert self.process.poll() is None, self.said()
            time.sleep(0.1)
        raise AssertionError(self.said())

    @property
    def workers(self) -> list[int]:
        """Process ids of its children that run verbs, without Python's own tracker of resources."""
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        every = [int(p) for task in pids.parent.parent.iterdir() for p in (task / "children").read_text().split()]
        return [p for p in every if "spawn_main" in Path(f"/proc/{p}/cmdline").read_text()]

    @property
    def images(self) -> int:
        """How many sessions' images it holds in memory, each with what is shown beside it."""
        before = self.said().count("images:")
        self.process.send_signal(signal.SIGUSR1)
        until(lambda: self.said().count("images:") > before)
        return int(self.said().rsplit("images: ", 1)[1].split()[0])

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(15)
        self.log.close()


def button(page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def says(page, pattern: str) -> None:
    page.get_by_text(re.compile(pattern)).wait_for()


def until(what, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


# Panel's components live in shadow roots, which querySelector does not enter.
FIND = """
window.craterlabFind = (what, from = document) => {
  const found = from.querySelector(what);
  if (found) return found;
  for (const each of from.querySelectorAll('*')) {
    const inside = each.shadowRoot && window.craterlabFind(what, each.shadowRoot);
    if (inside) return inside;
  }
  return null;
};
"""


def answer_ms(page) -> float:
    """From a key on the threshold to the age that Python gives for it."""
    before = page.get_attribute(".craterlab-sfd", "data-n")
    start = time.perf_counter()
    page.get_by_role("slider", name="Lowest score").press("PageUp")
    page.wait_for_function(
        "n => { const d = craterlabFind('.craterlab-sfd').dataset; return d.n !== n && d.stale === 'false' }",
        arg=before,
        polling=10,
    )
    return 1000 * (time.perf_counter() - start)

"""The dashboard's queue: one worker, one job after another, each of which can be ended."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
import xarray as xr
from served import until

pytest.importorskip("panel", reason="panel is not installed")
pytest.importorskip("anywidget", reason="anywidget is not installed")

from craterlab.dashboard.scenes import Scenes
from craterlab.dashboard.state import Session, View
from craterlab.dashboard.work import Queue
from craterlab.errors import CraterlabError
from craterlab.output import write_geotiff

NAPS = """
import time
from craterlab.errors import CraterlabError
from craterlab.progress import progress_bar

def nap(tell, seconds=0.0, fail="", out=None):
    tell("napping", 0.5)
    time.sleep(seconds)
    if fail:
        raise CraterlabError(fail)
    if out:
        with open(out, "a") as file:
            file.write("x")
    return {"slept": seconds}

def bar(tell):
    for _ in progress_bar(range(4), desc="counting", mininterval=0):
        time.sleep(0.15)
    return {}

def die(tell):
    import os
    os._exit(3)
"""


@pytest.fixture
def naps(tmp_path, monkeypatch):
    (tmp_path / "naps.py").write_text(NAPS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "naps", raising=False)
    import naps

    return naps


@pytest.fixture
def queue():
    made = Queue()
    yield made
    made.close()


def test_jobs_run_one_by_one_in_their_order(queue, naps, tmp_path):
    jobs = [queue.submit(owner, naps.nap, seconds=0.2) for owner in "abc"]
    until(lambda: jobs[0].state == "running", seconds=60)
    assert [queue.ahead(job) for job in jobs] == [0, 1, 2]
    order = []
    while not all(job.over for job in jobs):
        order.append(tuple(job.state for job in jobs).count("running"))
        time.sleep(0.01)
    assert max(order) == 1
    assert [job.result for job in jobs] == [{"slept": 0.2}] * 3
    pid = queue.worker_pid
    failed = queue.submit("a", naps.nap, fail="no such thing; type another")
    counted = queue.submit("a", naps.bar)
    seen = set()
    while not counted.over:
        seen.add((counted.step, counted.share))
        time.sleep(0.01)
    assert (failed.state, failed.error) == ("failed", "no such thing; type another")
    assert {("counting", 0.5), ("counting", 0.75)} <= seen
    assert queue.worker_pid == pid, "one worker did it all"


def test_cancelled_and_abandoned_jobs_end(queue, naps, tmp_path):
    out = tmp_path / "done"
    running = queue.submit("a", naps.nap, seconds=60, out=str(out))
    waiting = queue.submit("a", naps.nap, out=str(out))
    others = queue.submit("b", naps.nap)
    until(lambda: running.step == "napping", seconds=60)
    worker = queue.worker_pid
    queue.cancel_all("a")
    assert running.state == waiting.state == "cancelled"
    until(lambda: others.over, seconds=60)
    assert others.state == "done"
    assert queue.worker_pid != worker
    assert not out.exists()
    assert not queue.busy
    dead = queue.submit("b", naps.die)
    after = queue.submit("b", naps.nap)
    until(lambda: after.over, seconds=60)
    assert dead.state == "failed"
    assert "unexpectedly" in dead.error
    assert after.state == "done"


def test_a_session_that_ends_takes_its_job_along(queue, naps, tmp_path):
    scene = xr.Dataset({"image": (("y", "x"), np.full((64, 64), 60.0, np.float32))})
    write_geotiff(scene, tmp_path / "one.tif")
    session = Session(Scenes([tmp_path / "one.tif"]), queue)
    session.open(View("one.tif"))
    job = session.job = queue.submit(session.id, naps.nap, seconds=60)
    assert session.can == ()
    with pytest.raises(CraterlabError, match="cannot start now"):
        session.ask("detect")
    session.close()
    assert job.state == "cancelled"
    until(lambda: queue.worker_pid is None and not queue.busy, seconds=60)

"""One worker process for all sessions: jobs wait in a queue, one runs at a time, an abandoned one ends at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from ..errors import CraterlabError

_POLL_S = 0.05


@dataclass(eq=False)
class Job:
    """Work that a session asked for.

    Attributes
    ----------
    owner : str
        The session.
    state : {"waiting", "running", "done", "failed", "cancelled"}
    step, share : str, float
        What it does now, and how much of that is done, 0 to 1.
    result : dict
        What the function gave, once it is done.
    error : str
        Why it failed.
    """

    owner: str
    function: Callable[..., dict[str, Any]]
    options: dict[str, Any]
    state: str = "waiting"
    step: str = ""
    share: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


class Queue:
    """Jobs in the order they came, run one by one in one process that keeps its models.

    The process starts with the first job. It is not this one, so that clicks are answered while it works, and it can be
    ended in the middle of a computation, as nothing else can.
    """

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._process: Any = None
        self._pipe: Any = None
        self._thread: threading.Thread | None = None

    def submit(self, owner: str, function: Callable[..., dict[str, Any]], **options: Any) -> Job:
        """Put a job at the end of the queue.

        Parameters
        ----------
        owner : str
            Whose it is.
        function : callable
            Of a module that the worker can import; called as ``function(tell, **options)`` with
            ``tell(step, share)``, gives a dict.
        **options
            What can be pickled.

        Raises
        ------
        CraterlabError
            The queue is closed.
        """
        job = Job(owner, function, options)
        with self._changed:
            if self._closed:
                raise CraterlabError("the dashboard is shutting down")
            self._waiting.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="craterlab-queue", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return job

    def ahead(self, job: Job) -> int:
        """How many jobs come before this one; 0 when it runs or is next."""
        with self._changed:
            if job not in self._waiting:
                return 0
            return list(self._waiting).index(job) + (self._running is not None)

    def cancel(self, job: Job) -> None:
        """Take a job out of the queue, or end it if it runs; nothing if it is over."""
        with self._changed:
            if job.over:
                return
            job.state = "cancelled"
            with contextlib.suppress(ValueError):
                self._waiting.remove(job)
            self._changed.notify_all()

    def cancel_all(self, owner: str) -> None:
        """Cancel what a session has asked for."""
        with self._changed:
            theirs = [j for j in (*self._waiting, self._running) if j is not None and j.owner == owner]
            for job in theirs:
                self.cancel(job)

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        with self._changed:
            return self._running is not None or bool(self._waiting)

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker; None while there is none."""
        process = self._process
        return process.pid if process is not None and process.is_alive() else None

    def close(self) -> None:
        """Cancel everything and end the worker."""
        with self._changed:
            self._closed = True
            for job in [*self._waiting, *([self._running] if self._running else [])]:
                self.cancel(job)
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(10)
        self._end_worker()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                job = self._waiting.popleft()
                job.state, job.step = "running", "starting"
                self._running = job
            try:
                self._run(job)
            except Exception as error:  # whatever it is, the next job must get its turn
                self._end_worker()
                self._finish(job, "failed", error=f"{type(error).__name__}: {error}")
            finally:
                with self._changed:
                    self._running = None
                    self._changed.notify_all()

    def _run(self, job: Job) -> None:
        if self._process is None or not self._process.is_alive():
            self._start_worker()
        try:
            self._pipe.send((job.function, job.options))
            while job.state == "running":
                if not self._pipe.poll(_POLL_S):
                    continue
                kind, *said = self._pipe.recv()
                if kind == "progress":
                    job.step, job.share = said
                elif kind == "done":
                    self._finish(job, "done", result=said[0])
                else:
                    self._finish(job, "failed", error=said[0])
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._finish(job, "failed", error="the worker ended unexpectedly; it may have run out of memory")
            self._end_worker()
        if job.state == "cancelled":
            self._end_worker()

    def _finish(self, job: Job, state: str, result: dict[str, Any] | None = None, error: str = "") -> None:
        with self._changed:
            if job.state != "cancelled":
                job.result, job.error = result or {}, error
                job.state = state

    def _start_worker(self) -> None:
        context = get_context("spawn")  # a forked process would share locks of torch and of the server
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_worker, args=(theirs,), name="craterlab-worker", daemon=True)
        self._process.start()
        theirs.close()

    def _end_worker(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        self._pipe.close()
        process.terminate()
        process.join(2)
        if process.is_alive():
            process.kill()
            process.join()


def _worker(pipe: Any) -> None:
    """Run what comes through the pipe until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(os, "nice"):
        os.nice(10)  # the clicks of others come first
    from ..progress import progress_told_to

    def tell(step: str, share: float) -> None:
        pipe.send(("progress", step, share))

    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            function, options = pipe.recv()
            try:
                with progress_told_to(tell):
                    answer = ("done", function(tell, **options))
            except CraterlabError as error:
                answer = ("failed", str(error))
            except (BrokenPipeError, ConnectionResetError):
                return
            except Exception as error:
                import traceback

                traceback.print_exc()
                answer = ("failed", f"{type(error).__name__}: {error}. This is a fault of craterlab; the log has more.")
            pipe.send(answer)

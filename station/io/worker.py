"""Lanes of a real station: named threads that may block, so that the core need not."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")
Job = Callable[[], Any]
OnDone = Callable[[Any], Any]
Post = Callable[..., None]
"""`Reactor.post`: a callable and its arguments, to be run by the core."""

FIRST_BACK_OFF_S, LAST_BACK_OFF_S = 0.1, 10.0


class LaneStoppedError(Exception):
    """The job came after the lane was stopped, and was not run."""


class ThreadLane:
    """One thread and its queue; jobs run one after another in the order of `submit`."""

    def __init__(
        self, name: str, post: Post, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._post, self._monotonic = post, monotonic
        self._jobs: queue.SimpleQueue[tuple[Job, OnDone] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self.busy_since: float | None = None
        """When the present job began; None while there is none (for the watchdog)."""

    def submit(self, job: Callable[[], T], on_done: Callable[[T | BaseException], Any]) -> None:
        if self._stopped.is_set():
            self._post(on_done, LaneStoppedError(self.name))
            return
        self._jobs.put((job, on_done))
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Take no more jobs, and end after those that are queued; returns at once."""
        self._stopped.set()
        self._jobs.put(None)

    def stop(self, timeout_s: float) -> bool:
        self.end()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def depth(self) -> int:
        """Jobs that wait."""
        return self._jobs.qsize()

    def _run(self) -> None:
        back_off_s = FIRST_BACK_OFF_S
        while True:
            try:
                self._work()
            except BaseException:
                log.exception("lane %s failed; it goes on in %.1f s", self.name, back_off_s)
                self.busy_since = None
                self._stopped.wait(back_off_s)
                back_off_s = min(2 * back_off_s, LAST_BACK_OFF_S)
            else:
                return

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, on_done = item
            self.busy_since = self._monotonic()
            result = _outcome(job)
            self.busy_since = None
            self._post(on_done, result)
            del item, job, on_done, result  # an idle lane keeps nothing alive


class ThreadLanes:
    """The lanes of one station by name, each made when it is first asked for."""

    def __init__(self, post: Post, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._post, self._monotonic = post, monotonic
        self._lanes: dict[str, ThreadLane] = {}

    def __call__(self, name: str) -> ThreadLane:
        if name not in self._lanes:
            self._lanes[name] = ThreadLane(name, self._post, monotonic=self._monotonic)
        return self._lanes[name]

    def stop(self, timeout_s: float) -> bool:
        """Stop all within one time limit; True when each finished its queue."""
        due_at = self._monotonic() + timeout_s
        for lane in self._lanes.values():
            lane.end()
        stopped = [lane.stop(max(0.0, due_at - self._monotonic())) for lane in self._lanes.values()]
        return all(stopped)

    def oldest_busy_s(self) -> float:
        """For how long the slowest present job has run; 0 when no lane works."""
        now = self._monotonic()
        since = [lane.busy_since for lane in self._lanes.values()]
        return max((now - began for began in since if began is not None), default=0.0)


def _outcome(job: Job) -> Any:
    try:
        return job()
    except BaseException as error:  # noqa: BLE001 - whatever a job raises is its result
        return error

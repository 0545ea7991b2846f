"""The core: an inbox, a heap of timers, and turns that run to completion one after another.

Theory of operation. Lanes call `post` from their threads; everything else here
belongs to the core thread alone. A turn is one inbox item or one timer. When it
returns, the turn keeper commits what it wrote and releases its effects; when it
raises, the keeper undoes it and the failure goes to `on_failure` with the turn's
source, so that one block's bug does not take the station down.
"""

import heapq
import logging
import queue
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct

log = logging.getLogger(__name__)

Job = Callable[..., Any]

LATE_S = 0.5
"""A loop this late withholds permission to charge (safety rule: see charging.permission)."""

SLOW_S = 0.05
"""A turn longer than this is named in the log."""


class TurnKeeper(Protocol):
    """Ends turns: makes what they wrote durable, or undoes it."""

    def commit(self) -> None: ...
    def abandon(self) -> None: ...


class NoTurns:
    """A keeper for reactors without a store."""

    def commit(self) -> None:
        return

    def abandon(self) -> None:
        return


class Timer(Struct, eq=False):
    """A job that is due once; `cancel` may be called at any time, also after it ran."""

    due_at: float
    job: Job | None
    args: tuple[Any, ...]
    source: str

    def cancel(self) -> None:
        self.job = None
        self.args = ()

    @property
    def active(self) -> bool:
        return self.job is not None


class Reactor:
    """Runs turns on the thread that calls `run`."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._inbox: queue.SimpleQueue[tuple[bool, str, Job, tuple[Any, ...]] | None] = (
            queue.SimpleQueue()
        )
        self._urgent: deque[tuple[bool, str, Job, tuple[Any, ...]]] = deque()
        self._normal: deque[tuple[bool, str, Job, tuple[Any, ...]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = 0
        self._stopped = False
        self.keeper: TurnKeeper = NoTurns()
        self.on_failure: Callable[[str, Exception], None] = log_failure
        self.on_turn: Callable[[str, float, float], None] | None = None
        """Told the source, the lateness and the duration in seconds of every turn."""
        self.source = ""
        """The source of the turn that runs now."""
        self.lateness_s = 0.0
        """How late the last timer turn began."""

    def now(self) -> float:
        return self._monotonic()

    def post(self, job: Job, *args: Any, source: str = "", urgent: bool = False) -> None:
        """Hand a fact to the core, from any thread; *urgent* (hardware) goes ahead of frames."""
        self._inbox.put((urgent, source, job, args))

    def call_at(self, due_at: float, job: Job, *args: Any, source: str | None = None) -> Timer:
        return self._arm(due_at, job, args, source)

    def call_later(self, delay_s: float, job: Job, *args: Any, source: str | None = None) -> Timer:
        return self._arm(self._monotonic() + delay_s, job, args, source)

    def run(self) -> None:
        """Run turns until `stop`."""
        while not self._stopped:
            self._drain(self._wait_s())
            self.run_ready()

    def stop(self) -> None:
        """End `run` after the present turn; from the core or from a signal handler."""
        self._stopped = True
        self._inbox.put(None)

    @property
    def is_stopped(self) -> bool:
        return self._stopped

    def run_ready(self) -> None:
        """Run every turn that is ready now, urgent facts first, and the timers that are due."""
        inbox = self._inbox
        now = self._monotonic()
        while not self._stopped:
            if not inbox.empty():
                self._drain(0.0)
            if self._urgent:
                now = self._run_posted(self._urgent.popleft(), now)
            elif (timer := self._due(now)) is not None:
                job, args = timer.job, timer.args
                timer.job, timer.args = None, ()
                assert job is not None
                now = self._turn(timer.source, job, args, now, self.lateness_s)
            elif self._normal:
                now = self._run_posted(self._normal.popleft(), now)
            else:
                return

    def next_due(self) -> float | None:
        """When the earliest timer is due; None when there is none."""
        timers = self._timers
        while timers:
            due_at, _, timer = timers[0]
            if timer.job is not None:
                return due_at
            heapq.heappop(timers)
        return None

    @property
    def inbox_depth(self) -> int:
        return self._inbox.qsize() + len(self._urgent) + len(self._normal)

    def _arm(self, due_at: float, job: Job, args: tuple[Any, ...], source: str | None) -> Timer:
        self._order += 1
        timer = Timer(due_at, job, args, self.source if source is None else source)
        heapq.heappush(self._timers, (due_at, self._order, timer))
        return timer

    def _wait_s(self) -> float | None:
        if self._urgent or self._normal:
            return 0.0
        due_at = self.next_due()
        return None if due_at is None else max(0.0, due_at - self._monotonic())

    def _drain(self, wait_s: float | None) -> None:
        inbox = self._inbox
        try:
            item = inbox.get(timeout=wait_s) if wait_s != 0.0 else inbox.get_nowait()
            while True:
                if item is not None:
                    (self._urgent if item[0] else self._normal).append(item)
                item = inbox.get_nowait()
        except queue.Empty:
            return

    def _due(self, now: float) -> Timer | None:
        """Take the earliest timer that is due and not cancelled."""
        timers = self._timers
        while timers:
            due_at, _, timer = timers[0]
            if timer.job is None:
                heapq.heappop(timers)
            elif due_at > now:
                return None
            else:
                self.lateness_s = now - due_at
                return heapq.heappop(timers)[2]
        return None

    def _run_posted(self, item: tuple[bool, str, Job, tuple[Any, ...]], now: float) -> float:
        return self._turn(item[1], item[2], item[3], now, 0.0)

    def _turn(
        self, source: str, job: Job, args: tuple[Any, ...], began: float, late_s: float
    ) -> float:
        """One turn, begun now; returns when it ended."""
        self.source = source
        try:
            job(*args)
        except Exception as error:  # noqa: BLE001 - the one place where a turn is contained
            self.keeper.abandon()
            self.on_failure(source, error)
        self.keeper.commit()
        ended = self._monotonic()
        took_s = ended - began
        if took_s > SLOW_S:
            log.warning("a turn of %s took %.0f ms", source or "the core", took_s * 1000)
        if self.on_turn is not None:
            self.on_turn(source, late_s, took_s)
        return ended


def log_failure(source: str, error: Exception) -> None:
    log.error("a turn of %s failed", source or "the core", exc_info=error)

"""The store lane of virtual time: inline, durable after a seeded latency, faults at will."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from station.reactor import Reactor, Timer
from station.store.backend import Blob, Disk, Opening, Reports
from station.store.units import Unit
from station.store.writer import Writer


class FaultyDisk:
    """A disk that refuses while it is told to."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.error: Exception | None = None

    def open(self) -> Opening:
        return self._disk.open()

    def apply(self, unit: Unit) -> None:
        self._refuse()
        self._disk.apply(unit)

    def read(self, queue: str, ids: Sequence[int]) -> list[Blob]:
        self._refuse()
        return self._disk.read(queue, ids)

    def replace(self) -> str:
        return self._disk.replace()

    def close(self) -> None:
        self._disk.close()

    @property
    def is_low(self) -> bool:
        return self._disk.is_low

    def _refuse(self) -> None:
        if self.error is not None:
            raise self.error


class InlineStore:
    """Implements `backend.Backend` on timers of a virtual reactor.

    The *disk* outlives the process: after `kill` it holds exactly the units that
    were durable.
    """

    def __init__(
        self,
        reactor: Reactor,
        rng: random.Random,
        disk: Disk,
        latency_s: tuple[float, float] = (0.001, 0.005),
    ) -> None:
        self._reactor, self._rng = reactor, rng
        self._latency_s = latency_s
        self._disk = FaultyDisk(disk)
        self._writer = Writer(self._disk)
        self._waiting: deque[tuple[int, Unit, bool]] = deque()
        self._timer: Timer | None = None
        self._commit_at = 0.0
        self._stalled_until = 0.0
        self._dead = False
        self._kill_serial = 0
        self._kill_applied = False
        self.on_kill: Callable[[], Any] | None = None
        """Told when `kill_at` has struck: the harness ends the process."""

    def start(self, reports: Reports) -> Opening:
        opening = self._writer.open(reports)
        self._arm()
        return opening

    def write(self, serial: int, unit: Unit, *, whole: bool = False) -> None:
        self._waiting.append((serial, unit, whole))
        self._arm()

    def read(
        self, queue: str, ids: Sequence[int], on_rows: Callable[[list[Blob] | None], Any]
    ) -> None:
        wait_s = self._rng.uniform(*self._latency_s)
        self._reactor.call_later(wait_s, self._read, queue, ids, on_rows, source="store")

    def stop(self, timeout_s: float) -> bool:  # noqa: ARG002 - virtual time does not wait
        """Finish at once what was handed over."""
        if not self._dead:
            self._take()
            if self._writer.has_work:
                self._writer.commit()
        self._dead = True
        return self._writer.close()

    @property
    def is_low(self) -> bool:
        return self._writer.is_low

    def stall_until(self, until: float) -> None:
        """Nothing becomes durable before reactor time *until*."""
        self._stalled_until = until
        if self._timer is not None:
            self._timer.cancel()
            self._set_timer()

    def fail_with(self, error: Exception | None) -> None:
        """Every commit and read fails with *error*, until None."""
        self._disk.error = error

    def kill(self) -> None:
        """SIGKILL: what is not durable is lost, and nothing is reported any more."""
        self._dead = True
        self._disk.close()

    def kill_at(self, serial: int, *, applied: bool) -> None:
        """Kill when unit *serial* is about to become durable, or just after, unreported."""
        self._kill_serial, self._kill_applied = serial, applied

    def _arm(self) -> None:
        if self._timer is None and (self._waiting or self._writer.has_work or self._writer.retry_s):
            wait_s = self._writer.retry_s or self._rng.uniform(*self._latency_s)
            self._commit_at = self._reactor.now() + wait_s
            self._set_timer()

    def _set_timer(self) -> None:
        due_at = max(self._commit_at, self._stalled_until)
        self._timer = self._reactor.call_at(due_at, self._commit, source="store")

    def _commit(self) -> None:
        if self._dead:
            return
        self._timer = None
        killed = self._take()
        if self._writer.has_work or self._writer.retry_s:
            report, argument = self._writer.commit()
            if not killed:
                report(argument)
        if killed:
            self.kill()
            if self.on_kill is not None:
                self.on_kill()
        else:
            self._arm()

    def _take(self) -> bool:
        """Take what waits; True when that reached the unit at which the process dies."""
        while self._waiting:
            dies = 0 < self._kill_serial <= self._waiting[0][0]
            if dies and not self._kill_applied:
                return True
            self._writer.take(*self._waiting.popleft())
            if dies:
                return True
        return False

    def _read(
        self, queue: str, ids: Sequence[int], on_rows: Callable[[list[Blob] | None], Any]
    ) -> None:
        if not self._dead:
            self._take()
            on_rows(self._writer.read(queue, ids))
            self._arm()

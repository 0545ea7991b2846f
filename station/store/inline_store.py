"""The store lane of virtual time: inline, durable after a seeded latency, faults at will."""

import random
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from station.reactor import Reactor, Timer
from station.records import StoreHealth
from station.store.backend import Blob, Disk, Opening, Reports, overlay
from station.store.units import Unit

RETRY_FIRST_S = 1.0
RETRY_LAST_S = 60.0


class InlineStore:
    """Implements `backend.Backend` on timers of a virtual reactor.

    As the writer thread does, it works on one group at a time, and what is handed
    over meanwhile is the next one. The *disk* outlives the process: after `kill`
    it holds exactly the groups that were durable.
    """

    def __init__(
        self,
        reactor: Reactor,
        rng: random.Random,
        disk: Disk,
        latency_s: tuple[float, float] = (0.001, 0.005),
    ) -> None:
        self._reactor, self._rng, self._disk = reactor, rng, disk
        self._latency_s = latency_s
        self._reports: Reports | None = None
        self._pending: Unit = {}
        self._serial = 0
        self._group: Unit = {}
        self._group_serial = 0
        self._busy = False
        self._commit: Timer | None = None
        self._commit_at = 0.0
        self._dead = False
        self._retry_s = 0.0
        self._stalled_until = 0.0
        self._error: sqlite3.Error | None = None
        self._kill_serial = 0
        self._kill_applied = False
        self.on_kill: Callable[[], Any] | None = None

    def start(self, reports: Reports) -> Opening:
        self._reports = reports
        opening = self._disk.open()
        if opening.health is StoreHealth.VOLATILE:
            self._back_off()
        return opening

    def write(self, serial: int, unit: Unit) -> None:
        if self._dead:
            return
        if self._pending:
            self._pending.update(unit)
        else:
            self._pending = unit
        self._serial = serial
        if not self._busy:
            self._begin()

    def read(
        self, queue: str, ids: Sequence[int], on_rows: Callable[[list[Blob] | None], Any]
    ) -> None:
        self._later(self._rng.uniform(*self._latency_s), self._read, queue, ids, on_rows)

    def stop(self, timeout_s: float) -> bool:  # noqa: ARG002 - virtual time does not wait
        """Finish at once what was handed over."""
        if self._dead:
            return True
        self._merge()
        try:
            if self._error is not None:
                raise self._error
            self._disk.apply(self._group)
        except sqlite3.Error:
            return False
        finally:
            self._dead = True
            self._disk.close()
        return True

    def stall_until(self, until: float) -> None:
        """Nothing becomes durable before reactor time *until*."""
        self._stalled_until = until
        if self._commit is not None and self._commit.active:
            self._commit.cancel()
            self._arm()

    def fail_with(self, error: sqlite3.Error | None) -> None:
        """Every commit and read fails with *error*, until None."""
        self._error = error

    def kill(self) -> None:
        """SIGKILL: what is not durable is lost, and nothing is reported any more."""
        if not self._dead:
            self._dead = True
            self._disk.close()
            if self.on_kill is not None:
                self.on_kill()

    def kill_at(self, serial: int, *, applied: bool) -> None:
        """Kill when unit *serial* is about to become durable, or just after, unreported."""
        self._kill_serial, self._kill_applied = serial, applied

    def _begin(self) -> None:
        self._busy = True
        self._merge()
        self._commit_at = self._reactor.now() + self._rng.uniform(*self._latency_s)
        self._arm()

    def _arm(self) -> None:
        due_at = max(self._commit_at, self._stalled_until)
        self._commit = self._reactor.call_at(due_at, self._finish, source="store")

    def _merge(self) -> None:
        if self._group:
            self._group.update(self._pending)
        else:
            self._group = self._pending
        self._pending = {}
        self._group_serial = self._serial

    def _finish(self) -> None:
        assert self._reports is not None
        if self._dead or self._dies_now(applied=False):
            return
        try:
            if self._error is not None:
                raise self._error
            self._disk.apply(self._group)
        except sqlite3.Error as error:
            self._back_off()
            self._reports.on_failed(str(error))
            return
        self._group = {}
        self._retry_s = 0.0
        if self._dies_now(applied=True):
            return
        self._busy = False
        self._reports.on_durable(self._group_serial)
        if self._pending:
            self._begin()

    def _dies_now(self, *, applied: bool) -> bool:
        if self._kill_applied is applied and 0 < self._kill_serial <= self._group_serial:
            self.kill()
        return self._dead

    def _back_off(self) -> None:
        self._busy = True
        self._retry_s = min(self._retry_s * 2 or RETRY_FIRST_S, RETRY_LAST_S)
        self._later(self._retry_s, self._retry)

    def _retry(self) -> None:
        if not self._dead:
            self._begin()

    def _read(
        self, queue: str, ids: Sequence[int], on_rows: Callable[[list[Blob] | None], Any]
    ) -> None:
        if self._dead:
            return
        try:
            if self._error is not None:
                raise self._error
            stored = self._disk.read(queue, ids)
        except sqlite3.Error:
            on_rows(None)
            return
        on_rows(overlay(self._group | self._pending, queue, ids, stored))

    def _later(self, delay_s: float, job: Callable[..., Any], *args: Any) -> None:
        self._reactor.call_later(delay_s, job, *args, source="store")

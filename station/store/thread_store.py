"""The store lane of production: one writer thread that commits in groups."""

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from station.store.backend import Blob, Disk, Opening, Reports
from station.store.units import Unit
from station.store.writer import RETRY_FIRST_S, Report, Writer

OnRows = Callable[[list[Blob] | None], Any]


class _Write(Struct, frozen=True):
    serial: int
    unit: Unit
    whole: bool


class _Read(Struct, frozen=True):
    queue: str
    ids: Sequence[int]
    on_rows: OnRows


class _Stop(Struct, frozen=True):
    """Finish what was handed over."""


_Item = _Write | _Read | _Stop


class ThreadStore:
    """Implements `backend.Backend`: whatever waits when a commit ends is the next group."""

    def __init__(
        self,
        disk: Disk,
        post: Callable[..., Any],
        monotonic: Callable[[], float],
        *,
        retry_first_s: float = RETRY_FIRST_S,
    ) -> None:
        self._post, self._monotonic = post, monotonic
        self._inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._writer = Writer(disk, retry_first_s)
        self._retry_at = 0.0
        self._lost = False
        self.busy_since: float | None = None
        """When the present group was begun; None while idle (watchdog)."""

    def start(self, reports: Reports) -> Opening:
        opening = self._writer.open(reports)
        self._retry_at = self._monotonic() + self._writer.retry_s
        self._thread.start()
        return opening

    def write(self, serial: int, unit: Unit, *, whole: bool = False) -> None:
        self._inbox.put(_Write(serial, unit, whole))

    def read(self, queue: str, ids: Sequence[int], on_rows: OnRows) -> None:
        self._inbox.put(_Read(queue, ids, on_rows))

    def stop(self, timeout_s: float) -> bool:
        self._inbox.put(_Stop())
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and not self._lost

    @property
    def is_low(self) -> bool:
        return self._writer.is_low

    @property
    def groups(self) -> int:
        """Transactions that succeeded (metrics)."""
        return self._writer.groups

    def _run(self) -> None:
        stopping = False
        while not stopping:
            items = self._next_items()
            self.busy_since = self._monotonic()
            for item in items:
                if isinstance(item, _Write):
                    self._writer.take(item.serial, item.unit, item.whole)
                stopping = stopping or isinstance(item, _Stop)
            if self._is_due(stopping):
                self._tell(self._writer.commit())
            for item in items:
                if isinstance(item, _Read):
                    self._tell((item.on_rows, self._writer.read(item.queue, item.ids)))
            self.busy_since = None
        self._lost = not self._writer.close()

    def _next_items(self) -> list[_Item]:
        """Wait for one item, or until a retry is due; then whatever else is there."""
        items: list[_Item] = []
        try:
            items.append(self._inbox.get(timeout=self._wait_s()))
            while True:
                items.append(self._inbox.get_nowait())
        except queue.Empty:
            return items

    def _wait_s(self) -> float | None:
        if self._writer.retry_s:
            return max(0.0, self._retry_at - self._monotonic())
        return 0.0 if self._writer.has_work else None

    def _is_due(self, stopping: bool) -> bool:
        if self._writer.retry_s:
            return stopping or self._monotonic() >= self._retry_at
        return self._writer.has_work

    def _tell(self, report: Report) -> None:
        if self._writer.retry_s:
            self._retry_at = self._monotonic() + self._writer.retry_s
        self._post(*report, source="store")

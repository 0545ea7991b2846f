"""The store lane of production: one writer thread that commits in groups."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from station.records import StoreHealth
from station.store.backend import Blob, Disk, Opening, Reports, overlay
from station.store.units import Unit

log = logging.getLogger(__name__)

RETRY_FIRST_S = 1.0
RETRY_LAST_S = 60.0

Post = Callable[..., Any]
OnRows = Callable[[list[Blob] | None], Any]


@dataclass(frozen=True)
class _Read:
    queue: str
    ids: Sequence[int]
    on_rows: OnRows


_STOP = object()


class ThreadStore:
    """Implements `backend.Backend`: whatever waits when a commit ends is the next group.

    A group that the disk refuses is kept, takes up what follows, and is tried again
    with back-off: one merged unit, as large as what changed, however long it lasts.
    """

    def __init__(
        self,
        disk: Disk,
        post: Post,
        monotonic: Callable[[], float],
        *,
        retry_first_s: float = RETRY_FIRST_S,
    ) -> None:
        self._disk, self._post, self._monotonic = disk, post, monotonic
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._pending: Unit = {}
        self._serial = 0
        self._retry_first_s = retry_first_s
        self._retry_s = 0.0
        self._retry_at = 0.0
        self._reports: Reports | None = None
        self.busy_since: float | None = None
        """When the present group was begun; None while idle (watchdog)."""
        self.groups = 0
        """Transactions that succeeded (metrics)."""

    def start(self, reports: Reports) -> Opening:
        self._reports = reports
        opening = self._disk.open()
        if opening.health is StoreHealth.VOLATILE:
            self._retry_s = self._retry_first_s
            self._retry_at = self._monotonic() + self._retry_s
        self._thread.start()
        return opening

    def write(self, serial: int, unit: Unit) -> None:
        self._inbox.put((serial, unit))

    def read(self, queue: str, ids: Sequence[int], on_rows: OnRows) -> None:
        self._inbox.put(_Read(queue, ids, on_rows))

    def stop(self, timeout_s: float) -> bool:
        self._inbox.put(_STOP)
        self._thread.join(timeout_s)
        return not self._thread.is_alive() and not self._pending

    def _run(self) -> None:
        stopping = False
        while not stopping:
            items = self._next_items()
            self.busy_since = self._monotonic()
            stopping = _STOP in items
            reads = self._take(items)
            if stopping or self._is_due():
                self._commit()
            for read in reads:
                self._read(read)
            self.busy_since = None
        self._disk.close()

    def _next_items(self) -> list[Any]:
        """Wait for one item, or until a retry is due; then whatever else is there."""
        items: list[Any] = []
        wait_s = max(0.0, self._retry_at - self._monotonic()) if self._retry_s else None
        try:
            items.append(self._inbox.get(timeout=wait_s))
            while True:
                items.append(self._inbox.get_nowait())
        except queue.Empty:
            return items

    def _take(self, items: list[Any]) -> list[_Read]:
        reads = []
        for item in items:
            if isinstance(item, tuple):
                self._serial, unit = item
                self._pending.update(unit)
            elif isinstance(item, _Read):
                reads.append(item)
        return reads

    def _is_due(self) -> bool:
        if self._retry_s:
            return self._monotonic() >= self._retry_at
        return bool(self._pending)

    def _commit(self) -> None:
        assert self._reports is not None
        try:
            self._disk.apply(self._pending)
        except Exception as error:  # noqa: BLE001 - whatever it is, the station goes on from memory
            self._fail(error)
        else:
            self._pending = {}
            self._retry_s = 0.0
            self.groups += 1
            self._post(self._reports.on_durable, self._serial, source="store")

    def _fail(self, error: Exception) -> None:
        assert self._reports is not None
        if not self._retry_s:
            log.error("the store takes nothing: %s", error)
        self._disk.close()
        self._retry_s = min(self._retry_s * 2 or self._retry_first_s, RETRY_LAST_S)
        self._retry_at = self._monotonic() + self._retry_s
        self._post(self._reports.on_failed, str(error), source="store")

    def _read(self, read: _Read) -> None:
        try:
            stored = self._disk.read(read.queue, read.ids)
        except Exception as error:  # noqa: BLE001 - the caller is told and asks again
            log.warning("the store cannot be read: %s", error)
            self._post(read.on_rows, None, source="store")
        else:
            rows = overlay(self._pending, read.queue, read.ids, stored)
            self._post(read.on_rows, rows, source="store")

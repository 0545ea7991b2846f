"""How long the queue may become, and what happens when it is longer (E04.FR.07 and others).

Theory of operation. Appending only looks whether the quota is passed. If so, turns of their own
drop a batch each until it no longer is: every turn one unit, with the list of what it dropped.
Queueing goes on meanwhile, and when nothing may go any more it still does.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from station.records import Record, StoreHealth, Table
from station.store.backend import Entry
from station.store.core_store import CoreStore
from station.store.dropped import Dropped
from station.store.thinning import Thinning

log = logging.getLogger(__name__)

BATCH = 64
"""Messages that one turn drops: 3 ms here, under 20 ms on a Raspberry Pi 4."""
SHARE = 32
"""No turn drops more than a so-manieth part of the queue, however short that is."""
SCARCE_ROWS = 5_000
"""By so many the queue may still grow once the disk takes nothing, or is almost full."""
RELAXED = 0.8
"""Below this part of its quota a queue that was full no longer is."""


class OutboxState(Record, frozen=True, kw_only=True):
    """What must not be forgotten when the outbox is empty."""

    reserved_id: int = 0
    """No id above it was ever given."""
    offline_id: int = 0
    """Every message up to it waited while offline (E11.FR.07)."""
    dropped: int = 0
    """Messages that were dropped for want of room, or lost with a disk, ever."""
    full: bool = False
    """The quota was reached, and somebody was told."""


class Quota(Struct, frozen=True, kw_only=True):
    """How long the queue may become before it is thinned."""

    rows: int = 100_000
    size_bytes: int = 200_000_000


STATE = Table("outbox_state", OutboxState, key=lambda _: "")
_NO_STATE = OutboxState()


class Queue(Protocol):
    """What is to be kept short."""

    def __len__(self) -> int: ...

    @property
    def total_bytes(self) -> int: ...

    def remove(self, row_id: int) -> None: ...


class Room:
    """Only from the core; writes belong to the unit of the present turn."""

    def __init__(
        self,
        store: CoreStore,
        queue: Queue,
        index: Mapping[int, Entry],
        is_queued: Callable[[str], bool],
    ) -> None:
        self._store, self._queue, self._index = store, queue, index
        self._states = store.table(STATE)
        self.dropped = Dropped(store, is_queued)
        self.thinning = Thinning(self.dropped, index)
        self.on_full: Callable[[str], Any] = _nothing
        """Told, with a line for a person, when thinning begins; again after room was found."""
        self._quota = Quota()
        self._scarce_rows: int | None = None
        self._pinned: set[int] = set()
        self._posted = False

    @property
    def state(self) -> OutboxState:
        return self._states.get("") or _NO_STATE

    def limit(self, *, rows: int, size_bytes: int) -> None:
        """From now on the queue is thinned when it is longer than that."""
        self._quota = Quota(rows=rows, size_bytes=size_bytes)
        self.look()

    def pin(self, row_id: int) -> None:
        """This message is not to be dropped: it is in flight, or waits for more to say."""
        self._pinned.add(row_id)

    def unpin(self, row_id: int) -> None:
        self._pinned.discard(row_id)

    def is_pinned(self, row_id: int) -> bool:
        return row_id in self._pinned

    def look(self) -> None:
        """The queue has become longer."""
        if not self._posted and self._is_over():
            self._posted = True
            self._store.reactor.post(self._thin, source="outbox")

    def relax(self) -> None:
        """The queue has become shorter."""
        if self.state.full and len(self._queue) < RELAXED * self._rows_allowed():
            if self._queue.total_bytes < RELAXED * self._quota.size_bytes:
                self._states.put(replace(self.state, full=False))

    def count(self, dropped: int) -> None:
        """So many messages were dropped in this turn."""
        self.dropped.forget_old()
        self._states.put(replace(self.state, dropped=self.state.dropped + dropped))

    def _is_over(self) -> bool:
        too_many = len(self._queue) > self._rows_allowed()
        return too_many or self._queue.total_bytes > self._quota.size_bytes

    def _rows_allowed(self) -> int:
        """While the disk takes nothing, what is new is in memory alone: it must not be much."""
        if self._store.health is not StoreHealth.VOLATILE and not self._store.backend.is_low:
            self._scarce_rows = None
            return self._quota.rows
        if self._scarce_rows is None:
            self._scarce_rows = len(self._queue) + SCARCE_ROWS
        return min(self._quota.rows, self._scarce_rows)

    def _thin(self) -> None:
        """E04.FR.07, E11.FR.04, E12.FR.04, J02.FR.12"""
        self._posted = False
        if not self._is_over():
            return
        batch = left = max(1, min(BATCH, len(self._queue) // SHARE))
        piece = None
        while left > 0 and (piece := self.thinning.choose(left, self._pinned)) is not None:
            seq_nos = [self._index[row_id].seq_no for row_id in piece.ids]
            for row_id in piece.ids:
                self._queue.remove(row_id)
            self.dropped.note(piece.transaction_id, seq_nos, {piece.worth: piece.sweep})
            left -= len(piece.ids)
            if not piece.ids:  # it took long to find none: go on in another turn
                break
        if left < batch:
            self.count(batch - left)
            self._tell("transaction updates are thinned")
        elif piece is None:
            self._tell("nothing of it may be dropped")
        if piece is not None:
            self.look()

    def _tell(self, consequence: str) -> None:
        if not self.state.full:
            told = f"{len(self._queue)} messages, {self._queue.total_bytes} bytes are queued"
            log.warning("%s: %s", told, consequence)
            self._states.put(replace(self.state, full=True))
            self.on_full(told)


def _nothing(_: str) -> None:
    return

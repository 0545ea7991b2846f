"""Messages owed to the CSMS: durable with the state they report, in order, never lost silently.

Theory of operation. Memory holds an index of every message and, of a bounded window
(`backend.WINDOW`), the whole row; a month offline costs the index only. A sender looks at
`ids`, takes a row with `get`, and when that is None lets `fetch` bring a batch.
Ids are reserved in steps, so that none returns after a restart and appending costs
no second row. "Everything queued so far is offline" is one number.
When the queue is longer than its quota, turns of their own thin it, `BATCH` messages each
(`thinning`), and `dropped` lists which; nothing else ever leaves it unsent, but for what was
given up (`undelivered`).
"""

import logging
from bisect import bisect_left, insort
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from station.records import OutboxRow, SendClass, Worth
from station.store.backend import WINDOW, Blob, Entry
from station.store.core_store import CoreStore
from station.store.lines import TransactionLines, following
from station.store.room import STATE, OutboxState, Room
from station.store.undelivered import Undelivered
from station.store.units import OUTBOX, QUARANTINE

log = logging.getLogger(__name__)

IDS_RESERVED = 256
FETCH_AGAIN_S = 5.0
FETCH_BATCH = 200
LIVE_WINDOW = 500
"""Rows beyond `WINDOW` that are held whole when they are written while there is a link."""
MAX_EVENTS = 10_000
"""Messages of class EVENT; beyond it the oldest goes."""

_NO_ROW = OutboxRow(id=0, send_class=SendClass.EVENT, action="", payload=msgspec.Raw(b"{}"))
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(OutboxRow).decode


class Outbox:
    """Only from the core; writes belong to the unit of the present turn."""

    def __init__(self, store: CoreStore) -> None:
        self._store = store
        self._turn = store.turn
        self._states = store.table(STATE)
        opening = store.opening
        self._index = opening.outbox
        self._classes: dict[SendClass, list[int]] = {each: [] for each in SendClass}
        """Ids of each class, sorted: taking the first of 100,000 moves 0.8 MB, 20 µs."""
        self._blobs = opening.window
        self._total_bytes = 0
        self._lines = TransactionLines(self._index, self._classes[SendClass.TRANSACTION])
        self.room = Room(store, self, self._index, self._lines.has)
        self._undelivered = Undelivered(store, self.room.dropped)
        self._last_id = self._state.reserved_id
        self._decoded: tuple[bytes, OutboxRow] = b"", _NO_ROW
        self._fetching = False
        self.on_fetched: Callable[[], Any] = _nothing
        """Told when a head that was not in memory has arrived."""
        self._load(opening.damaged)
        store.rewriters.append(self._rewrite)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def total_bytes(self) -> int:
        """Of the queued rows as they are stored."""
        return self._total_bytes

    @property
    def whole(self) -> int:
        """Messages that memory holds as a whole; of the others it knows only the index."""
        return len(self._blobs)

    @property
    def undelivered(self) -> int:
        """Messages given up so far and kept."""
        return len(self._undelivered)

    @property
    def dropped(self) -> int:
        """Messages dropped for want of room, or lost with a disk, ever."""
        return self._state.dropped

    def counts(self) -> dict[SendClass, int]:
        return {each: len(ids) for each, ids in self._classes.items()}

    def ids(self, send_class: SendClass, count: int | None = None) -> list[int]:
        """The first *count* messages of a class, in order."""
        return self._classes[send_class][:count]

    def first(self, send_class: SendClass) -> int | None:
        ids = self._classes[send_class]
        return ids[0] if ids else None

    def head(self, send_class: SendClass, held: Container[int] = ()) -> OutboxRow | None:
        """The message of a class to send next; None when there is none or it is being fetched.

        BACKLOG is what class TRANSACTION holds from before the last link change; a live
        event waits while its own transaction still has such a past, or a message in *held*.
        """
        self._lines.split_at(self._state.offline_id)
        if send_class is SendClass.BACKLOG:
            row_id = self._lines.first_backlog(held)
        elif send_class is SendClass.TRANSACTION:
            row_id = self._lines.first_live(held)
        else:
            row_id = self.first(send_class)
        if row_id is None:
            return None
        row = self.get(row_id)
        if row is None and row_id in self._index and not self._fetching:
            self._fetching = True
            ids = self._classes[self._index[row_id].send_class]
            self.fetch(following(ids, row_id, FETCH_BATCH), self._on_heads)
        return row

    def has_transaction(self, transaction_id: str) -> bool:
        """Whether events of this transaction are queued."""
        return self._lines.has(transaction_id)

    @property
    def transaction_rows(self) -> int:
        """How many transaction events are queued."""
        return len(self._lines)

    @property
    def last_id(self) -> int:
        """The id of the newest message ever appended."""
        return self._last_id

    def entry(self, row_id: int) -> Entry | None:
        """Class, transaction, seqNo and size of a queued message, whole or not."""
        return self._index.get(row_id)

    def entries(self) -> Iterator[tuple[int, Entry]]:
        """Every queued message in order."""
        return ((row_id, self._index[row_id]) for row_id in sorted(self._index))

    def get(self, row_id: int) -> OutboxRow | None:
        """The whole message; None when it is not queued, or must be fetched first."""
        blob = self._blobs.get(row_id)
        if blob is None:
            return None
        if blob is not self._decoded[0]:  # a head is looked at several times before it leaves
            try:
                self._decoded = blob, _decode(blob)
            except (msgspec.MsgspecError, ValueError) as error:
                self._set_aside(row_id, blob, error)
                return None
        row = self._decoded[1]
        if row.offline or row_id > self._state.offline_id:
            return row
        return replace(row, offline=True)

    def fetch(self, ids: Sequence[int], on_rows: Callable[[list[OutboxRow]], Any]) -> None:
        """Bring whole messages into memory; *on_rows* gets those still queued, in a later turn."""
        missing = [row_id for row_id in ids if row_id in self._index and row_id not in self._blobs]
        if missing:
            self._store.backend.read(
                OUTBOX, missing, lambda found: self._on_fetched(ids, missing, found, on_rows)
            )
        else:
            self._store.reactor.call_later(0.0, self._hand_over, ids, on_rows)

    def append(self, row: OutboxRow) -> OutboxRow:
        """Queue *row* under a new id; its own id is ignored."""
        row_id = self._last_id = self._last_id + 1
        if row_id > self._state.reserved_id:
            self._states.put(replace(self._state, reserved_id=row_id + IDS_RESERVED - 1))
        row = replace(row, id=row_id)
        blob = _encode(row)
        room = len(self._blobs) < (WINDOW if row.offline else WINDOW + LIVE_WINDOW)
        self._insert(row_id, _index_of(row, blob), blob if room else None)
        self._turn.write(OUTBOX, row_id, (0, blob), self._drop, row_id)
        if row.send_class is SendClass.EVENT:
            self._bound_events()
        self.room.look()
        return row

    def update(self, row: OutboxRow) -> None:
        """Replace a queued message (attempts, timestamp); it keeps its place."""
        entry, before = self._index[row.id], self._blobs.get(row.id)
        blob = _encode(row)
        self._replace(row.id, _index_of(row, blob), blob)
        self._turn.write(OUTBOX, row.id, (0, blob), self._replace, row.id, entry, before)

    def remove(self, row_id: int) -> None:
        """The CSMS has it; nothing happens when it is not queued."""
        entry = self._index.get(row_id)
        if entry is not None:
            blob = self._blobs.get(row_id)
            self._drop(row_id)
            self._turn.write(OUTBOX, row_id, None, self._insert, row_id, entry, blob)
            self.room.relax()

    def to_undelivered(self, row_id: int, reason: str) -> None:
        """Give a message up after its last attempt (E13.FR.04): kept, no longer queued."""
        row = self.get(row_id)
        if row is None:
            raise LookupError(f"message {row_id} is not queued, or not in memory: fetch it first")
        forgotten = self._undelivered.add(row, reason)
        if forgotten:
            self.room.count(forgotten)
        self.remove(row_id)

    def mark_all_offline(self) -> None:
        """Everything queued now waited while offline; one write, however many they are."""
        newest = self._newest()
        if newest > self._state.offline_id:
            self._states.put(replace(self._state, offline_id=newest))

    def _bound_events(self) -> None:
        ids = self._classes[SendClass.EVENT]
        if len(ids) > MAX_EVENTS:
            oldest = next((row_id for row_id in ids if not self.room.is_pinned(row_id)), None)
            if oldest is not None:
                self.remove(oldest)
                self.room.count(1)

    @property
    def _state(self) -> OutboxState:
        return self.room.state

    def _newest(self) -> int:
        return max((ids[-1] for ids in self._classes.values() if ids), default=0)

    def _load(self, damaged: dict[int, bytes]) -> None:
        for row_id, entry in self._index.items():
            self._classes[entry.send_class].append(row_id)
            self._total_bytes += entry.size
            if entry.send_class is SendClass.TRANSACTION:
                self._lines.add(row_id, entry.transaction_id)
                self.room.thinning.add(row_id, entry)
        self._last_id = max(self._last_id, self._newest())
        for row_id, blob in damaged.items():
            self._quarantine(row_id, blob)

    def _rewrite(self) -> None:
        """The disk has lost everything; so have we what was only there."""
        lost = [row_id for row_id in self._index if row_id not in self._blobs]
        seq_nos: dict[str, list[int]] = {}
        for row_id in lost:
            entry = self._index[row_id]
            if entry.transaction_id:
                seq_nos.setdefault(entry.transaction_id, []).append(entry.seq_no)
            self._drop(row_id)
            self._turn.unit[OUTBOX, row_id] = None
        if lost:
            log.error("%d queued messages were lost with the disk", len(lost))
            for transaction_id, gone in seq_nos.items():
                self.room.dropped.note(transaction_id, gone)
            self.room.count(len(lost))
        for row_id, blob in self._blobs.items():
            self._turn.unit[OUTBOX, row_id] = (0, blob)
        self._undelivered.clear()

    def _insert(self, row_id: int, entry: Entry, blob: bytes | None) -> None:
        insort(self._classes[entry.send_class], row_id)
        self._index[row_id] = entry
        if entry.send_class is SendClass.TRANSACTION:
            self._lines.add(row_id, entry.transaction_id)
            self.room.thinning.add(row_id, entry)
        if blob is not None:
            self._blobs[row_id] = blob
        self._total_bytes += entry.size

    def _drop(self, row_id: int) -> None:
        entry = self._index.pop(row_id)
        ids = self._classes[entry.send_class]
        del ids[bisect_left(ids, row_id)]
        if entry.send_class is SendClass.TRANSACTION:
            self._lines.drop(row_id, entry.transaction_id)
            self.room.thinning.remove(row_id, entry)
        self._blobs.pop(row_id, None)
        self._total_bytes -= entry.size

    def _replace(self, row_id: int, entry: Entry, blob: bytes | None) -> None:
        before = self._index[row_id]
        if _place(entry) == _place(before):
            self._index[row_id] = entry
            self._total_bytes += entry.size - before.size
            self._blobs.pop(row_id, None)
            if blob is not None:
                self._blobs[row_id] = blob
        else:
            self._drop(row_id)
            self._insert(row_id, entry, blob)

    def _on_fetched(
        self,
        ids: Sequence[int],
        missing: list[int],
        found: list[Blob] | None,
        on_rows: Callable[[list[OutboxRow]], Any],
    ) -> None:
        if found is None:
            self._store.reactor.call_later(FETCH_AGAIN_S, self.fetch, ids, on_rows)
            return
        blobs = dict(found)
        for row_id in missing:
            if row_id in self._index and row_id not in self._blobs:
                if row_id in blobs:
                    self._blobs[row_id] = blobs[row_id]
                else:
                    log.error("message %d is no longer on the disk", row_id)
                    self.remove(row_id)
        self._hand_over(ids, on_rows)

    def _hand_over(self, ids: Sequence[int], on_rows: Callable[[list[OutboxRow]], Any]) -> None:
        rows = (self.get(row_id) for row_id in ids)
        on_rows([row for row in rows if row is not None])

    def _on_heads(self, _: list[OutboxRow]) -> None:
        self._fetching = False
        self.on_fetched()

    def _set_aside(self, row_id: int, blob: bytes, error: Exception) -> None:
        log.error("message %d no longer loads and is set aside: %s", row_id, error)
        self.remove(row_id)
        self._quarantine(row_id, blob)

    def _quarantine(self, row_id: int, blob: bytes) -> None:
        self._turn.unit[OUTBOX, row_id] = None
        self._turn.unit[QUARANTINE, f"outbox/{row_id}"] = (row_id, blob)


def _index_of(row: OutboxRow, blob: bytes) -> Entry:
    return Entry(row.send_class, row.transaction_id, row.seq_no, row.worth, len(blob))


def _place(entry: Entry) -> tuple[SendClass, str, Worth]:
    return entry.send_class, entry.transaction_id, entry.worth


def _nothing() -> None:
    return

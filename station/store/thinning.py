"""Chooses what goes when the queue is full: of a transaction every second Updated.

Theory of operation. A *sweep* over a transaction goes from its first to its last message that may
go and drops the 1st, the 3rd, the 5th …, and of what was queued meanwhile too. The next sweep
leaves one of every four, by their seqNos, the one after that one of eight. So a transaction keeps
its whole course, evenly, at half the resolution each time; halving again and again what is there
would wear its beginning away. Sweeps are done in pieces; `Dropped` remembers where they go on,
over a restart too.

First come the transactions with most such messages, by powers of two. Meter values go first;
what tells of a change only when there are none left. What is FULL or OWED is not known here.
Nothing here takes longer when the queue is longer.

E04.FR.07, E04.FR.08, E11.FR.04, E11.FR.05, E12.FR.04, E12.FR.05, J02.FR.12, J02.FR.13
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Container, Iterator, Mapping
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from station.records import Sweep, Worth
from station.store.backend import Entry
from station.store.dropped import Dropped

ORDER = (Worth.SAMPLE, Worth.CHANGE)
LOOKED_AT = 4096
"""Messages that are looked at for one piece."""


class Piece(Struct, frozen=True):
    """Messages of one transaction to drop now, and how far its sweep has come by that."""

    transaction_id: str
    worth: Worth
    ids: list[int]
    sweep: Sweep


class Thinning:
    """Knows every message that may go; the outbox drops what it chooses."""

    def __init__(self, dropped: Dropped, index: Mapping[int, Entry]) -> None:
        self._dropped, self._index = dropped, index
        self._tiers = {worth: _Tier() for worth in ORDER}

    def add(self, row_id: int, entry: Entry) -> None:
        tier = self._tiers.get(entry.worth)
        if tier is not None:
            tier.add(row_id, entry.transaction_id)

    def remove(self, row_id: int, entry: Entry) -> None:
        tier = self._tiers.get(entry.worth)
        if tier is not None:
            tier.remove(row_id, entry.transaction_id)

    def choose(self, count: int, kept: Container[int]) -> Piece | None:
        """Up to *count* messages of one transaction, none of *kept*; None: nothing may go."""
        for worth, tier in self._tiers.items():
            for bucket in reversed(tier.buckets):
                for name in bucket:
                    if not all(row_id in kept for row_id in tier.ids[name]):
                        return self._sweep(name, worth, count, kept)
        return None

    def _sweep(self, name: str, worth: Worth, count: int, kept: Container[int]) -> Piece:
        ids = self._tiers[worth].ids[name]
        sweep = self._dropped.sweep(name, worth)
        if sweep is None:
            sweep = Sweep(origin=self._index[ids[0]].seq_no - 1)
        at = bisect_right(ids, sweep.up_to_id)
        if at == len(ids):
            at, sweep = 0, replace(sweep, stride=sweep.stride * 2, up_to_id=0)
        judged = self._every_second if sweep.stride == 2 else self._one_of_several
        chosen: list[int] = []
        looked_at = 0
        for row_id, goes in islice(judged(ids, at, sweep), LOOKED_AT):
            looked_at = row_id
            if goes and row_id not in kept:
                chosen.append(row_id)
                if len(chosen) == count:
                    break
        return Piece(name, worth, chosen, replace(sweep, up_to_id=looked_at))

    def _every_second(self, ids: list[int], at: int, sweep: Sweep) -> Iterator[tuple[int, bool]]:
        stayed = at > 0 and ids[at - 1] == sweep.up_to_id
        goes = stayed or not sweep.up_to_id
        for place in range(at, len(ids)):
            yield ids[place], goes
            goes = not goes

    def _one_of_several(self, ids: list[int], at: int, sweep: Sweep) -> Iterator[tuple[int, bool]]:
        """Of each block of numbers the first one that there is stays."""
        last = self._block(ids[at - 1], sweep) if at else 0
        for place in range(at, len(ids)):
            block = self._block(ids[place], sweep)
            yield ids[place], block == last
            last = block

    def _block(self, row_id: int, sweep: Sweep) -> int:
        return (self._index[row_id].seq_no - sweep.origin) // sweep.stride


class _Tier:
    """What there is of one worth, by transaction; transactions by how much they have."""

    def __init__(self) -> None:
        self.ids: dict[str, list[int]] = {}
        self.buckets: list[dict[str, None]] = []
        """Names of transactions; a bucket holds those with twice as many as the one before."""

    def add(self, row_id: int, name: str) -> None:
        ids = self.ids.setdefault(name, [])
        insort(ids, row_id)
        self._move(name, len(ids) - 1, len(ids))

    def remove(self, row_id: int, name: str) -> None:
        ids = self.ids[name]
        del ids[bisect_left(ids, row_id)]
        self._move(name, len(ids) + 1, len(ids))
        if not ids:
            del self.ids[name]

    def _move(self, name: str, before: int, now: int) -> None:
        if before.bit_length() == now.bit_length():
            return
        if before:
            del self.buckets[before.bit_length() - 1][name]
        if now:
            while len(self.buckets) < now.bit_length():
                self.buckets.append({})
            self.buckets[now.bit_length() - 1][name] = None

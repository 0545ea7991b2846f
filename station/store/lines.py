"""Transaction events in two lines: what waited while offline, and what is live."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Container, Mapping

from station.store.backend import Entry


class TransactionLines:
    """Ids up to `offline_id` are the backlog, later ones are live; both in one sorted list.

    A live event waits while its own transaction still has a past in the backlog.
    """

    def __init__(self, index: Mapping[int, Entry], ids: list[int]) -> None:
        self._index, self._ids = index, ids
        self._offline_id = 0
        self._queued: Counter[str] = Counter()
        self._past: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._ids)

    def has(self, transaction_id: str) -> bool:
        return transaction_id in self._queued

    def add(self, row_id: int, transaction_id: str) -> None:
        self._queued[transaction_id] += 1
        if row_id <= self._offline_id:
            self._past[transaction_id] += 1

    def drop(self, row_id: int, transaction_id: str) -> None:
        _decrease(self._queued, transaction_id)
        if row_id <= self._offline_id:
            _decrease(self._past, transaction_id)

    def split_at(self, offline_id: int) -> None:
        """The link has changed, or a turn in which it had was undone."""
        if offline_id > self._offline_id:
            for row_id in self._between(self._offline_id, offline_id):
                self._past[self._index[row_id].transaction_id] += 1
        elif offline_id < self._offline_id:
            for row_id in self._between(offline_id, self._offline_id):
                _decrease(self._past, self._index[row_id].transaction_id)
        self._offline_id = offline_id

    def _between(self, above_id: int, up_to_id: int) -> list[int]:
        ids = self._ids
        return ids[bisect_right(ids, above_id) : bisect_right(ids, up_to_id)]

    def first_backlog(self, held: Container[int] = ()) -> int | None:
        return self._first(0, bisect_right(self._ids, self._offline_id), held, {})

    def first_live(self, held: Container[int] = ()) -> int | None:
        begin = bisect_right(self._ids, self._offline_id)
        return self._first(begin, len(self._ids), held, self._past)

    def _first(
        self, begin: int, end: int, held: Container[int], past: Mapping[str, int]
    ) -> int | None:
        """The first that is not held, of a transaction in which nothing before it waits."""
        waiting: set[str] = set()
        for position in range(begin, end):
            row_id = self._ids[position]
            transaction_id = self._index[row_id].transaction_id
            if row_id in held:
                waiting.add(transaction_id)
            elif transaction_id not in past and transaction_id not in waiting:
                return row_id
        return None


def following(ids: list[int], row_id: int, count: int) -> list[int]:
    """*row_id* and what comes after it."""
    position = bisect_left(ids, row_id)
    return ids[position : position + count]


def _decrease(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if counter[name] <= 0:
        del counter[name]

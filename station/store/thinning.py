"""Chooses what goes when the queue is full: of a transaction every second Updated.

Theory of operation. A *pass* over a transaction takes its 1st, 3rd, 5th … message that may go
and halves what it has to say evenly; it is done in pieces, and remembered in `Dropped` so that
the next piece goes on where the last one ended. A *round* passes over every transaction that
has more than half as many of them as the one that has most: these are the ones that would be
chosen next if each pass began with the transaction that has most. Meter values go first; what
tells of a change only when there are none left. What is FULL or OWED is not known here at all.

E04.FR.07, E04.FR.08, E11.FR.04, E11.FR.05, E12.FR.04, E12.FR.05, J02.FR.12, J02.FR.13
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Container

from msgspec import Struct, field

from station.records import Worth
from station.store.backend import Entry
from station.store.dropped import Dropped

ORDER = (Worth.SAMPLE, Worth.CHANGE)


class Piece(Struct, frozen=True):
    """Messages of one transaction to drop now, and where its pass goes on."""

    transaction_id: str
    ids: list[int]
    up_to_id: int


class _Tier(Struct):
    """What there is of one worth."""

    ids: dict[str, list[int]] = field(default_factory=dict)
    """By transaction, in order."""
    round: list[str] = field(default_factory=list)
    """Transactions that this round still passes over, the next one last."""


class Thinning:
    """Knows every message that may go; the outbox drops what it chooses."""

    def __init__(self, dropped: Dropped) -> None:
        self._dropped = dropped
        self._tiers = {worth: _Tier() for worth in ORDER}

    def add(self, row_id: int, entry: Entry) -> None:
        tier = self._tiers.get(entry.worth)
        if tier is not None:
            insort(tier.ids.setdefault(entry.transaction_id, []), row_id)

    def remove(self, row_id: int, entry: Entry) -> None:
        tier = self._tiers.get(entry.worth)
        if tier is not None:
            ids = tier.ids[entry.transaction_id]
            del ids[bisect_left(ids, row_id)]
            if not ids:
                del tier.ids[entry.transaction_id]

    def choose(self, count: int, kept: Container[int]) -> Piece | None:
        """Up to *count* messages of one transaction, none of *kept*; None: nothing may go."""
        for tier in self._tiers.values():
            for _ in range(2):  # what is left of this round, then a new one
                while tier.round:
                    piece = self._pass_on(tier, tier.round[-1], count, kept)
                    if piece.ids:
                        return piece
                tier.round = _round_of(tier.ids)
        return None

    def _pass_on(self, tier: _Tier, name: str, count: int, kept: Container[int]) -> Piece:
        ids = tier.ids.get(name, [])
        at = bisect_right(ids, self._dropped.up_to_id(name))
        if at >= len(ids):
            at = 0
        chosen: list[int] = []
        while at < len(ids) and len(chosen) < count:
            if ids[at] not in kept:
                chosen.append(ids[at])
            at += 2
        if at < len(ids):
            return Piece(name, chosen, ids[at - 1])
        tier.round.pop()  # the pass has ended
        return Piece(name, chosen, 0)


def _round_of(ids: dict[str, list[int]]) -> list[str]:
    most = max(map(len, ids.values()), default=0)
    names = [name for name, mine in ids.items() if len(mine) * 2 > most]
    return sorted(names, key=lambda name: (len(ids[name]), -ids[name][0]))

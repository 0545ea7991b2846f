"""Whose turn it is among the network slots (B10).

Theory of operation. A round goes through the slots in the order of priority, each with
NetworkProfileConnectionAttempts attempts (B10.FR.03). After a lost connection it begins with
the slot that was in use. When a round has failed, the profile that worked last has its turn
(B10.FR.07), then a new round begins, for ever (B10.FR.08, B10.FR.09).
"""

from collections.abc import Callable
from typing import Any

from station.blocks.connection.profiles import NetworkRow, Profiles


class Turns:
    def __init__(
        self,
        profiles: Profiles,
        attempts: Callable[[], int],
        on_round_failed: Callable[[], Any],
    ) -> None:
        self._profiles, self._attempts = profiles, attempts
        self._on_round_failed = on_round_failed
        self._waiting: list[NetworkRow] = []
        self._tried = 0
        self._in_round = False

    def next(self) -> NetworkRow | None:
        """The slot for the next attempt; None while there is none to try."""
        if self._waiting and self._tried >= self._attempts():
            del self._waiting[0]
            self._tried = 0
        if not self._waiting:
            self._refill()
        return self._waiting[0] if self._waiting else None

    def failed(self) -> None:
        self._tried += 1

    def lost(self, active: NetworkRow) -> None:
        """A connection through *active* has ended: what it was made with is tried first.

        B09, remarks: what was set for its slot since then waits for a restart.
        """
        order = self._profiles.order()
        others = [row for row in order if row.slot != active.slot]
        self._waiting = others if len(others) == len(order) else [active, *others]
        self._tried, self._in_round = 0, True

    def _refill(self) -> None:
        if self._in_round:
            self._on_round_failed()
            last = self._profiles.last_working()
            if last is not None:
                self._waiting, self._in_round = [last], False
                return
        self._waiting, self._in_round = self._profiles.order(), True

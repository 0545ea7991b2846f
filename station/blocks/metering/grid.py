"""Samples on a transaction's own clock: every so often from its start."""

from collections.abc import Callable
from typing import Any

from station.reactor import Reactor, Timer

SOURCE = "metering"


class Grid:
    """Calls *job(transaction_id)* at every multiple of an interval, for each transaction."""

    def __init__(self, reactor: Reactor, job: Callable[[str], Any]) -> None:
        self._reactor, self._job = reactor, job
        self._timers: dict[str, Timer] = {}

    def arm(self, transaction_id: str, interval_s: float, passed_s: float = 0.0) -> None:
        """From now on; *passed_s* after its start. An interval of 0 ends it."""
        self.cancel(transaction_id)
        if interval_s > 0:
            wait_s = interval_s - passed_s % interval_s
            self._call_at(transaction_id, interval_s, self._reactor.now() + wait_s)

    def cancel(self, transaction_id: str) -> None:
        timer = self._timers.pop(transaction_id, None)
        if timer is not None:
            timer.cancel()

    def _call_at(self, transaction_id: str, interval_s: float, due_at: float) -> None:
        self._timers[transaction_id] = self._reactor.call_at(
            due_at, self._ring, transaction_id, interval_s, due_at, source=SOURCE
        )

    def _ring(self, transaction_id: str, interval_s: float, due_at: float) -> None:
        """However late this one is: the next is on the grid, and none is made up for."""
        missed = (self._reactor.now() - due_at) // interval_s
        self._call_at(transaction_id, interval_s, due_at + (missed + 1) * interval_s)
        self._job(transaction_id)

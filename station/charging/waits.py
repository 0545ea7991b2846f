"""Waits that end with what they wait for, or when they have lasted too long."""

from collections.abc import Callable
from typing import Any

from station.reactor import Reactor, Timer


class Waits:
    """One wait for each name, all of the same length in seconds."""

    def __init__(
        self, reactor: Reactor, longest_s: float, on_overdue: Callable[[str], Any]
    ) -> None:
        self._reactor, self._longest_s, self._on_overdue = reactor, longest_s, on_overdue
        self._timers: dict[str, Timer] = {}

    def begin(self, name: str) -> None:
        self.cancel(name)
        self._timers[name] = self._reactor.call_later(
            self._longest_s, self._overdue, name, source="transactions"
        )

    def cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _overdue(self, name: str) -> None:
        self._timers.pop(name, None)
        self._on_overdue(name)

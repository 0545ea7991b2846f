"""The one seam to time, chance and threads: production and virtual time differ only here."""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Lane(Protocol):
    """A place where work may block: a thread in production, an inline job in virtual time."""

    def submit(self, job: Callable[[], T], on_done: Callable[[T | BaseException], Any]) -> None:
        """Run *job* elsewhere; *on_done* is posted to the reactor with its result or exception."""
        ...

    def stop(self, timeout_s: float) -> bool:
        """Finish what is queued; True when that succeeded in time."""
        ...


class Env(Struct, frozen=True):
    """Everything nondeterministic that the station may use."""

    monotonic: Callable[[], float]
    """Seconds that never step; the same clock for every process of one kernel boot."""
    utc: Callable[[], datetime]
    """The operating system's wall clock, aware UTC; `clock` says how far to trust it."""
    rng: random.Random
    new_id: Callable[[], str]
    """A fresh UUID (RFC 4122) as text: transaction ids, message ids."""
    boot_id: str
    """Identifies the kernel boot, so that a power cut can be told from a crashed process."""
    lane: Callable[[str], Lane]
    """A named lane; the same name gives the same lane."""

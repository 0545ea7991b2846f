"""Which CALL goes out next: classes in order of urgency, one in flight, each class its own retries.

Pure: time and message ids come in as arguments. A class is a line of its own: while one
waits for a retry the others go on, and nothing overtakes within a class.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct


class Failure(Enum):
    """Why a CALL got no CALLRESULT."""

    ERROR = "error"  # the CSMS answered with a CALLERROR
    TIMEOUT = "timeout"
    LOST = "lost"  # the connection went down before an answer


class CallFailed(Struct, frozen=True):
    """A CALL that was not answered as the schema has it."""

    failure: Failure
    code: str = ""
    description: str = ""


Outcome = dict[str, Any] | CallFailed


class Outgoing(Struct, eq=False):
    """One CALL that waits for its turn or its answer."""

    send_class: int
    action: str
    render: Callable[[], bytes]
    """The payload, made at the moment of sending."""
    on_outcome: Callable[[Outcome], None]
    asked_for: bool = False
    """Caused by TriggerMessage, GetBaseReport or GetReport (B02.FR.02)."""
    ready: Callable[[], bool] | None = None
    """Holds the call back while it returns False."""
    message_id: str = ""


class Line(Protocol):
    """One class's calls in order; durable classes read theirs from the outbox."""

    def head(self) -> Outgoing | None: ...

    def sent(self, outgoing: Outgoing) -> None:
        """*outgoing*, which was the head, is in flight: it must not be offered again."""
        ...


class MemoryLine:
    """Calls that live as long as the process."""

    def __init__(self) -> None:
        self.waiting: deque[Outgoing] = deque()

    def head(self) -> Outgoing | None:
        return self.waiting[0] if self.waiting else None

    def sent(self, outgoing: Outgoing) -> None:
        self.waiting.remove(outgoing)


class Scheduler:
    """Chooses the next CALL and matches answers to the one in flight."""

    def __init__(self) -> None:
        self._lines: dict[int, Line] = {}
        self._held_until: dict[int, float] = {}
        self.in_flight: Outgoing | None = None

    def add_line(self, send_class: int, line: Line) -> None:
        self._lines[send_class] = line
        self._lines = dict(sorted(self._lines.items()))

    def line(self, send_class: int) -> Line:
        return self._lines[send_class]

    def hold(self, send_class: int, until: float) -> None:
        """Nothing of this class goes out before *until* (monotonic seconds)."""
        self._held_until[send_class] = until

    def release(self, send_class: int) -> None:
        self._held_until.pop(send_class, None)

    def is_held(self, send_class: int, now: float) -> bool:
        return self._held_until.get(send_class, now) > now

    def next_hold_end(self, now: float) -> float | None:
        """When the first held class with something to send may go on."""
        ends = [
            until
            for send_class, until in self._held_until.items()
            if until > now and self._lines[send_class].head() is not None
        ]
        return min(ends, default=None)

    def next(self, now: float, may_send: Callable[[Outgoing], bool]) -> Outgoing | None:
        """The CALL to send now, or None; it stays in its line until `sent`."""
        if self.in_flight is not None:  # FR.01: one at a time
            return None
        for send_class, line in self._lines.items():
            if self.is_held(send_class, now):
                continue
            head = line.head()
            if head is None or not may_send(head):
                continue
            if head.ready is None or head.ready():
                return head
        return None

    def sent(self, outgoing: Outgoing, message_id: str) -> None:
        outgoing.message_id = message_id
        self._lines[outgoing.send_class].sent(outgoing)
        self.in_flight = outgoing

    def answered(self, message_id: str) -> Outgoing | None:
        """The CALL that *message_id* answers; None for a late or unknown one."""
        outgoing = self.in_flight
        if outgoing is None or outgoing.message_id != message_id:
            return None
        self.in_flight = None
        return outgoing

    def give_up(self) -> Outgoing | None:
        """Take the CALL in flight out: it timed out or the connection went."""
        outgoing, self.in_flight = self.in_flight, None
        return outgoing

"""Frozen rows and values that store, events and charging share."""

from collections.abc import Callable
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Generic, TypeVar

import msgspec

Row = TypeVar("Row", bound="Record")


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A persisted row. New fields need a default, so that an older row still loads."""


class Table(Generic[Row]):
    """Declares where a block keeps rows of one type; keys are text and unique."""

    def __init__(self, name: str, row_type: type[Row], key: Callable[[Row], str]) -> None:
        self.name, self.row_type, self.key = name, row_type, key

    def __repr__(self) -> str:
        return f"Table({self.name!r})"


class StoreHealth(StrEnum):
    """How far the store can be relied on."""

    OK = "OK"
    STALLED = "Stalled"  # no commit for 10 s; effects wait
    VOLATILE = "Volatile"  # full, read-only or EIO; effects no longer wait
    REPLACED = "Replaced"  # was corrupt; kept aside, begun anew


class SendClass(IntEnum):
    """Order in which outgoing calls are sent; each class keeps its own order and retries."""

    BOOT = 0
    PROMPT = 1  # Authorize and triggered messages
    STATUS = 2  # connector status, latest only
    TRANSACTION = 3  # live transaction events
    SECURITY = 4
    EVENT = 5  # other durable events
    BACKLOG = 6  # transaction events that waited for a link
    REPORT = 7
    HEARTBEAT = 8


class Worth(IntEnum):
    """What would be lost with a message: when the queue is full, samples go first."""

    FULL = 0  # Started, Ended, and whatever is no TransactionEvent: never dropped from the queue
    SAMPLE = 1  # an Updated with meter values and nothing else
    CHANGE = 2  # an Updated that tells of a change; goes only when there are no samples left
    OWED = 3  # an Updated with what no other event will say: never dropped from the queue


class OutboxRow(Record, frozen=True, kw_only=True):
    """One message that is owed to the CSMS, in the order of `id`."""

    id: int
    send_class: SendClass
    action: str
    payload: msgspec.Raw
    """The request as JSON; the flag `offline` is added when it is sent."""
    boot_id: str = ""
    clock_offset_s: float | None = None
    """UTC minus monotonic time when it was written, if that clock was not to be trusted yet:
    its timestamps are shifted by the difference when it is sent. None: they stand."""
    true_times: tuple[datetime, ...] = ()
    """Timestamps in it that stand all the same: taken when the time was known."""
    transaction_id: str = ""
    seq_no: int = 0
    attempts: int = 0
    offline: bool = False
    worth: Worth = Worth.FULL


class UndeliveredRow(Record, frozen=True, kw_only=True):
    """A message given up after its last attempt (E13.FR.04): kept, countable, visible."""

    id: int
    action: str
    payload: msgspec.Raw
    transaction_id: str
    seq_no: int
    reason: str
    worth: Worth = Worth.FULL


Run = tuple[int, int, int]
"""Numbers from a first to a last one, both included, by a step."""


class Sweep(Record, frozen=True, kw_only=True):
    """How far thinning of a transaction has come."""

    origin: int
    """The seqNo before the first that might go."""
    stride: int = 2
    """Of so many numbers one stays."""
    up_to_id: int = 0
    """It goes on behind this message."""


class DroppedRow(Record, frozen=True, kw_only=True):
    """Events of one transaction that the CSMS will never get: why its seqNos have gaps."""

    transaction_id: str
    part: int = 0
    """Counts the rows of the same transaction; the last one holds the sweeps."""
    runs: tuple[Run, ...] = ()
    """Their seqNos, in the order in which they were dropped."""
    sweeps: dict[Worth, Sweep] = {}

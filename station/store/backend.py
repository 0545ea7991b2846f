"""The seam below the core's store: lanes that commit units, and disks that hold them."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct, field

from station.records import SendClass, StoreHealth, Worth
from station.store.units import Unit

Blob = tuple[int, bytes]
"""The id and the JSON of one row of a queue."""

WINDOW = 2000
"""Rows of the outbox that are held in memory as a whole; of the others only the index."""


class Entry(msgspec.Struct, gc=False):
    """What memory keeps of every queued message: a month offline is 100,000 of them."""

    send_class: SendClass
    transaction_id: str = ""
    seq_no: int = 0
    worth: Worth = Worth.FULL
    size: int = 0


class Kept(msgspec.Struct, gc=False):
    """What memory keeps of every message that was given up."""

    transaction_id: str = ""
    seq_no: int = 0
    worth: Worth = Worth.FULL


class Opening(Struct, frozen=True):
    """What was found on the disk."""

    health: StoreHealth = StoreHealth.OK
    tables: dict[str, list[tuple[str, int, bytes]]] = field(default_factory=dict)
    """Rows (key, order, JSON) by SQL table, in order."""
    outbox: dict[int, Entry] = field(default_factory=dict)
    """Every queued message by id, in order."""
    window: dict[int, bytes] = field(default_factory=dict)
    """The JSON of the first `WINDOW` of them."""
    damaged: dict[int, bytes] = field(default_factory=dict)
    """Queued messages that no longer decode."""
    undelivered: dict[int, Kept] = field(default_factory=dict)
    """Every message given up, by id, in order."""
    blind: bool = False
    """Nothing could be read: once the disk works again, what it holds is set aside."""
    detail: str = ""
    """What went wrong, for a person; empty when nothing did."""


class Disk(Protocol):
    """Holds units; used by one lane at a time, and may outlive the process in simulation."""

    def open(self) -> Opening:
        """Never fails for want of a working disk; raises StoreTooNewError only."""
        ...

    def apply(self, unit: Unit) -> None:
        """Make *unit* durable as a whole, or raise and leave everything as it was."""
        ...

    def read(self, queue: str, ids: Sequence[int]) -> list[Blob]: ...

    def replace(self) -> str:
        """Set a damaged file aside; the next use begins anew. Returns a line for a person."""
        ...

    def close(self) -> None: ...

    @property
    def is_low(self) -> bool:
        """There is hardly any space left, as of the last look; cheap, from any thread."""
        ...


class Reports(Protocol):
    """What a lane tells the core, always as a turn of its own."""

    def on_durable(self, serial: int) -> None:
        """Every unit up to *serial* is durable."""
        ...

    def on_failed(self, problem: str) -> None:
        """The disk takes nothing; what was handed over is kept and tried again."""
        ...

    def on_replaced(self, problem: str) -> None:
        """The file was damaged and set aside: hand over everything you remember."""
        ...


class Backend(Protocol):
    """A lane that makes units durable in the order in which they are handed over."""

    def start(self, reports: Reports) -> Opening: ...

    def write(self, serial: int, unit: Unit, *, whole: bool = False) -> None:
        """Hand *unit* over for good; *whole* when it holds every row there is."""
        ...

    def read(
        self, queue: str, ids: Sequence[int], on_rows: Callable[[list[Blob] | None], Any]
    ) -> None:
        """Rows with what was handed over before; None when the disk cannot be read."""
        ...

    def stop(self, timeout_s: float) -> bool:
        """Finish what was handed over and close; True when that succeeded in time."""
        ...

    @property
    def is_low(self) -> bool:
        """The disk has hardly any space left."""
        ...

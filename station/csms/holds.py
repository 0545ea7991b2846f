"""Messages that stand in the outbox and wait for more to say, before they are sent at all.

Nothing here lasts: after a restart nothing is held. A message that was offered to the line once
is out of reach, so that every copy the CSMS may get of it is the same.
"""

import logging
from typing import Any

import msgspec
from msgspec.structs import replace

from station.csms.worth import worth_of
from station.ocpp import codec
from station.ocpp.types import Request
from station.ports import Outbox
from station.reactor import Reactor, Timer
from station.records import OutboxRow

log = logging.getLogger(__name__)

LONGEST_S = 30.0
"""Whoever holds a message lets go long before; should that fail, it is sent all the same."""


class Holds:
    """Which messages wait, and as what they were queued."""

    def __init__(self, reactor: Reactor, outbox: Outbox) -> None:
        self._reactor, self._outbox = reactor, outbox
        self._rows: dict[int, OutboxRow] = {}
        self._timers: dict[int, Timer] = {}

    def __contains__(self, row_id: object) -> bool:
        return row_id in self._rows

    def hold(self, row: OutboxRow) -> None:
        """Not to be sent before `release`."""
        self._rows[row.id] = row
        self._outbox.room.pin(row.id)
        self._timers[row.id] = self._reactor.call_later(
            LONGEST_S, self._overdue, row.id, source="csms"
        )

    def amend(self, row_id: int, request: Request[Any]) -> bool:
        """Replace what a held message says; False: it is not held any more, or not queued."""
        row = self._rows.get(row_id)
        if row is None:
            return False
        payload = msgspec.Raw(codec.encode(request))
        try:
            self._outbox.update(replace(row, payload=payload, worth=worth_of(request)))
        except LookupError:
            log.warning("message %d went with the disk before it was complete", row_id)
            return False
        return True

    def release(self, row_id: int) -> None:
        """It may be sent: call it when what it says is durable."""
        if self._rows.pop(row_id, None) is not None:
            self._outbox.room.unpin(row_id)
            self._timers.pop(row_id).cancel()

    def _overdue(self, row_id: int) -> None:
        if self._outbox.get(row_id) is not None:  # else its turn was undone
            log.error("message %d was held for %g s; it is sent as it is", row_id, LONGEST_S)
        self.release(row_id)

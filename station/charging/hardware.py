"""What the board reports, in the order in which the station must hear of it.

Within one fact: a connector becomes Occupied (or Faulted) before its transaction starts, and
a transaction ends before its connector becomes Available.
"""

import logging
from collections.abc import Iterable

from hal.api import ButtonPressed, Change, EvseReport, Fault, TokenPresented
from station.charging.evses import Evse, Evses
from station.charging.faults import MEANINGS, Consequence
from station.charging.rows import Cause
from station.charging.visits import Visits
from station.clock import Clock
from station.events import (
    ButtonShown,
    ConnectorStatusChanged,
    EventBus,
    EvseChanged,
    FaultCleared,
    FaultRaised,
    TokenShown,
)
from station.ocpp.messages.availability import ConnectorStatus
from station.ocpp.messages.transactions import TriggerReason
from station.reactor import Reactor

log = logging.getLogger(__name__)


class Hardware:
    """Takes changes from the board to the core and follows them."""

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        events: EventBus,
        evses: Evses,
        visits: Visits,
    ) -> None:
        self._reactor, self._clock, self._events = reactor, clock, events
        self._evses, self._visits = evses, visits
        self._statuses: dict[tuple[int, int], ConnectorStatus] = {}

    def start(self) -> None:
        for evse in self._evses:
            for connector in evse.description.connectors:
                self._statuses[evse.id, connector.id] = evse.connector_status(connector.id)
        self._evses.board.start(self.on_change)

    def on_change(self, change: Change) -> None:
        """From any thread: hand the change to the core, ahead of frames."""
        source = f"evse:{change.evse}" if change.evse else "hardware"
        self._reactor.post(self._take, change, source=source, urgent=True)

    def status(self, evse_id: int, connector_id: int) -> ConnectorStatus:
        """As last reported to the bus."""
        return self._statuses[evse_id, connector_id]

    def refresh_status(self) -> None:
        """Something other than hardware (availability, reservation) may have changed it."""
        for evse in self._evses:
            self._tell_status(evse, self._changed(evse))

    def _take(self, change: Change) -> None:
        if isinstance(change, EvseReport):
            self._report(change)
        elif isinstance(change, TokenPresented):
            self._events.publish(TokenShown(change))
        elif isinstance(change, ButtonPressed):
            self._events.publish(ButtonShown(change))
        else:
            self._events.publish(change)

    def _report(self, report: EvseReport) -> None:
        evse = self._evses.find(report.evse)
        if evse is None:
            log.error("the board reports EVSE %d, which it did not describe", report.evse)
            return
        before, known, statuses = evse.report, evse.seen, dict(self._statuses)
        evse.took_report(report)
        try:
            self._follow(evse, before, known=known)
        except BaseException:
            self._statuses = statuses  # nobody has heard of the new ones
            raise

    def reconsider(self, evse: Evse) -> None:
        """A turn of this EVSE was undone: whatever holds now counts as new."""
        self._tell_status(evse, self._changed(evse))
        self._visits.reconsider(evse, _consequence(sorted(evse.report.faults)))

    def _follow(self, evse: Evse, before: EvseReport, *, known: bool) -> None:
        first = {c: s for c, s in self._changed(evse).items() if s in BEFORE_TRANSACTION}
        self._tell_status(evse, first)
        if not known:
            self._visits.first_seen(evse)
        self._visits.evse_changed(evse, self._faults(evse, before))
        self._tell_status(evse, self._changed(evse))
        self._events.publish(EvseChanged(before, evse.report))

    def _changed(self, evse: Evse) -> dict[int, ConnectorStatus]:
        now = {each.id: evse.connector_status(each.id) for each in evse.description.connectors}
        return {c: s for c, s in now.items() if self._statuses[evse.id, c] is not s}

    def _tell_status(self, evse: Evse, changed: dict[int, ConnectorStatus]) -> None:
        for connector_id, status in changed.items():
            self._statuses[evse.id, connector_id] = status
            self._events.publish(
                ConnectorStatusChanged(evse.id, connector_id, status, self._clock.utc())
            )

    def _faults(self, evse: Evse, before: EvseReport) -> Cause | None:
        """Tell what was raised and cleared; what it does to a transaction, if anything."""
        raised = sorted(evse.report.faults - before.faults)
        for fault in raised:
            log.warning("EVSE %d: %s (%s)", evse.id, fault.name, fault.device)
            self._events.publish(FaultRaised(evse.id, fault.name))
        for fault in sorted(before.faults - evse.report.faults):
            log.info("EVSE %d: %s is over", evse.id, fault.name)
            self._events.publish(FaultCleared(evse.id, fault.name))
        return _consequence(raised)


def _consequence(faults: Iterable[Fault]) -> Cause | None:
    """What these faults do to a transaction, the gravest first."""
    meanings = [MEANINGS[fault.name] for fault in faults]
    for consequence in (Consequence.ENDS, Consequence.SUSPENDS):
        for meaning in meanings:
            if meaning.consequence is consequence:  # E06.FR.16
                return Cause(
                    trigger=TriggerReason.ABNORMAL_CONDITION,
                    reason=meaning.stopped_reason,
                    forced=consequence is Consequence.ENDS,
                )
    return None


BEFORE_TRANSACTION = frozenset(
    {ConnectorStatus.OCCUPIED, ConnectorStatus.FAULTED, ConnectorStatus.UNAVAILABLE}
)


def is_held_by_fault(evse: Evse) -> bool:
    """Whether a fault keeps energy from this EVSE (it may resume by itself)."""
    return any(
        MEANINGS[fault.name].consequence is not Consequence.NONE for fault in evse.report.faults
    )

"""Tells when an EV begins to use another number of phases (E02.FR.19, E03.FR.14)."""

from station.charging.evses import Evses
from station.charging.ledger import Ledger
from station.charging.progress import Progress
from station.charging.steps import TransactionStep
from station.events import EventBus
from station.reactor import Reactor

LOOK_S = 30.0
"""How often the meter is looked at while energy flows; two looks must agree."""


class PhaseWatch:
    """Looks at EVSEs with a charge: a meter is read, and tells nothing by itself."""

    def __init__(
        self,
        reactor: Reactor,
        events: EventBus,
        evses: Evses,
        ledger: Ledger,
        progress: Progress,
    ) -> None:
        self._reactor, self._evses = reactor, evses
        self._ledger, self._progress = ledger, progress
        self._seen: dict[int, int | None] = {}
        """Of each EVSE that is watched, what the last look saw."""
        events.subscribe(TransactionStep, self._on_step)

    def _on_step(self, step: TransactionStep) -> None:
        evse_id = step.row.evse_id
        if evse_id is not None and step.row.facts.drawing and evse_id not in self._seen:
            self._seen[evse_id] = step.row.phases
            self._look_later(evse_id)

    def _look_later(self, evse_id: int) -> None:
        self._reactor.call_later(LOOK_S, self._look, evse_id, source=f"evse:{evse_id}")

    def _look(self, evse_id: int) -> None:
        last = self._seen.pop(evse_id, None)
        row, evse = self._ledger.on_evse(evse_id), self._evses.get(evse_id)
        if row is None or row.stop is not None or not row.facts.drawing:
            return
        self._look_later(evse_id)
        phases = self._seen[evse_id] = self._ledger.phases(evse, row, row.facts)
        if phases == last != row.phases:
            self._progress.evaluate(evse, None)

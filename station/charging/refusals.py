"""A token that the CSMS refuses after its transaction has begun (E05, C15).

StopTxOnInvalidId true: the authorisation ends, whatever energy is left. False: energy flows on
until the transaction has taken MaxEnergyOnInvalidId watt-hours, counted from its start, so that
a refusal that comes late finds the amount used up. What is left is looked at again at the
earliest moment at which it can be gone, by the greatest power of the EVSE.
"""

from msgspec.structs import replace

from hal.api import FaultName
from station.charging.endings import Endings
from station.charging.evses import Evse, Evses
from station.charging.grants import Grants
from station.charging.ledger import Ledger
from station.charging.policy import Policy
from station.charging.progress import Progress
from station.charging.rows import Cause, TokenRow, TransactionRow
from station.charging.steps import TransactionStep
from station.charging.transaction import TxPoint
from station.events import EventBus
from station.ocpp.messages.transactions import Reason, TransactionEvent, TriggerReason
from station.reactor import Reactor, Timer

ENDING_POINTS = frozenset({TxPoint.AUTHORIZED, TxPoint.POWER_PATH_CLOSED, TxPoint.ENERGY_TRANSFER})
SHORTEST_LOOK_S = 1.0
"""Meters are read no faster."""
LONGEST_LOOK_S = 60.0
"""So late at most is a limit noticed that the CSMS has lowered."""
STALE_S = 10.0
"""What may have flowed since a reading that is older counts too, at full power."""
OVERVOLTAGE = 1.1
"""The mains may be so much above its nominal voltage (EN 50160)."""


class Refusals:
    """Withdraws the authorisation, limits the energy, or withholds it."""

    def __init__(
        self,
        *,
        reactor: Reactor,
        events: EventBus,
        evses: Evses,
        grants: Grants,
        ledger: Ledger,
        policy: Policy,
        progress: Progress,
        endings: Endings,
    ) -> None:
        self._reactor, self._evses, self._grants, self._ledger = reactor, evses, grants, ledger
        self._policy, self._progress, self._endings = policy, progress, endings
        self._looks: dict[str, Timer] = {}
        events.subscribe(TransactionStep, self._on_step)
        for row in ledger.all():
            self._watch(row, SHORTEST_LOOK_S)

    def refused(self, row: TransactionRow, token: TokenRow | None) -> None:
        """The CSMS did not accept *token*; None: that of the transaction."""
        grant = self._grants.of(row.evse_id)
        if row.stop is not None or grant is None or token not in (None, grant.token):
            return  # ended meanwhile, or authorised anew by somebody else
        if self._policy.stop_on_invalid_id():
            cause = Cause(trigger=TriggerReason.DEAUTHORIZED, reason=Reason.DE_AUTHORIZED)
            if self._policy.stop_points() & ENDING_POINTS:  # E05.FR.10, E06.FR.04, C15.FR.04
                self._endings.end(row, cause)
            else:  # E05.FR.09, C15.FR.03
                self._endings.stop(grant, cause)
            return
        row = replace(row, refused=True)
        self._ledger.put(row)
        if self._left_wh(row) > 0:  # E05.FR.03, C15.FR.07
            self._watch(row, SHORTEST_LOOK_S)
        else:
            self._withhold(row, TriggerReason.DEAUTHORIZED)

    def accepted(self, row: TransactionRow) -> None:
        """The CSMS accepts the token of this transaction, perhaps after it had refused it."""
        if row.refused and row.stop is None:
            self._ledger.put(replace(row, refused=False, suspended=False))
            self._evaluate(row)

    def _withhold(self, row: TransactionRow, trigger: TriggerReason) -> None:
        """E05.FR.02, C15.FR.06: no energy, or with stop point EnergyTransfer no transaction."""
        if TxPoint.ENERGY_TRANSFER in self._policy.stop_points():
            self._endings.end(row, Cause(trigger=trigger, reason=Reason.DE_AUTHORIZED))
        else:
            self._ledger.put(replace(row, suspended=True))
            self._evaluate(row)

    def _evaluate(self, row: TransactionRow) -> None:
        if row.evse_id is not None:
            self._progress.evaluate(self._evses.get(row.evse_id), None)

    # -- what is left

    def _on_step(self, step: TransactionStep) -> None:
        if step.kind is TransactionEvent.ENDED:
            self._forget(step.row.id)
        elif step.row.id not in self._looks:
            self._watch(step.row, SHORTEST_LOOK_S)

    def _watch(self, row: TransactionRow, wait_s: float) -> None:
        """Look in *wait_s* seconds, if there is anything to look at."""
        self._forget(row.id)
        if row.refused and not row.suspended and row.facts.drawing:
            self._looks[row.id] = self._reactor.call_later(
                wait_s, self._look, row.id, source=f"evse:{row.evse_id}"
            )

    def _forget(self, transaction_id: str) -> None:
        timer = self._looks.pop(transaction_id, None)
        if timer is not None:
            timer.cancel()

    def _look(self, transaction_id: str) -> None:
        self._looks.pop(transaction_id, None)
        row = self._ledger.find(transaction_id)
        if row is None or row.stop is not None or row.evse_id is None:
            return
        left_wh = self._left_wh(row)
        if left_wh > 0:
            power_w = _greatest_power_w(self._evses.get(row.evse_id))
            wait_s = left_wh * 3600 / power_w
            self._watch(row, min(max(wait_s, SHORTEST_LOOK_S), LONGEST_LOOK_S))
        elif row.refused and not row.suspended:
            self._withhold(row, TriggerReason.ENERGY_LIMIT_REACHED)

    def _left_wh(self, row: TransactionRow) -> float:
        """What this transaction may still take: nothing if nobody can tell what it took."""
        allowed_wh = float(self._policy.max_energy_on_invalid_id())
        if row.evse_id is None:
            return allowed_wh
        evse, reading = self._evses.get(row.evse_id), self._evses.board.reading(row.evse_id)
        taken_wh = self._evses.taken_wh(row.id)
        if reading is None or taken_wh is None:
            silent = any(fault.name is FaultName.METER_SILENT for fault in evse.report.faults)
            return 0.0 if silent or not evse.description.has_meter else allowed_wh
        age_s = self._reactor.now() - reading.at
        unseen_wh = _greatest_power_w(evse) * age_s / 3600 if age_s > STALE_S else 0.0
        return allowed_wh - taken_wh - unseen_wh


def _greatest_power_w(evse: Evse) -> float:
    return evse.description.max_power_w * OVERVOLTAGE

"""Start point DataSigned: the transaction begins when the meter has signed its begin (E01.FR.04).

Until then there is no transaction and no energy. A meter that does not sign is asked a few times;
then the authorisation ends, and the driver is told that nothing came of it.
"""

import logging

from hal.api import SignedReading
from station.blocks.metering.sessions import SessionRow
from station.blocks.metering.signatures import identification
from station.blocks.metering.signed import SignedValues
from station.blocks.metering.signing_queue import SOURCE
from station.charging.rows import Cause, GrantRow
from station.context import Context
from station.events import EvseChanged, SignatureWanted, TokenAnswered, TransactionEnded
from station.ocpp.messages.common import AuthorizationStatus
from station.ocpp.messages.transactions import Reason, TriggerReason
from station.reactor import Timer

log = logging.getLogger(__name__)

ATTEMPTS = 3
AGAIN_S = 5.0


class DataSigned:
    def __init__(self, context: Context, signed: SignedValues) -> None:
        self._context, self._signed = context, signed
        self._failures: dict[int, tuple[str, int]] = {}
        """By EVSE: for which authorisation the meter did not sign, and how often."""
        self._again: dict[int, Timer] = {}
        self._served: set[int] = set()
        """Whose EV has had its transaction: without a driver who wants more there is no other."""
        signed.on_begin = self._on_begin
        context.events.subscribe(SignatureWanted, self._on_wanted)
        context.events.subscribe(EvseChanged, self._on_changed)
        context.events.subscribe(TransactionEnded, self._on_ended)

    def _on_wanted(self, event: SignatureWanted) -> None:
        evse_id, grant = event.evse_id, self._grant(event.evse_id)
        if not self._signed.signs(evse_id) or self._signed.sessions.is_open(evse_id):
            return
        if not self._signed.choice.signs_transactions:
            log.warning("TxStartPoint is DataSigned, and SampledDataCtrlr.SignReadings is false")
            return
        if evse_id in self._again or self._failed(evse_id) >= ATTEMPTS:
            return
        if grant is None and evse_id in self._served:
            return
        who = identification(None if grant is None else grant.token)
        self._signed.sessions.begin_first(evse_id, _id(grant), who)

    def _on_begin(self, session: SessionRow, signed: SignedReading | None) -> None:
        evse_id = session.evse_id
        same = session.grant_id == _id(self._grant(evse_id))
        if signed is not None and same and self._is_free(evse_id):
            self._failures.pop(evse_id, None)
            self._context.transactions.note_signed(evse_id)  # E01.FR.04
        if self._signed.sessions.find(session.id) is not None:  # no transaction came of it
            self._signed.sessions.close(session.id)
            self._context.transactions.forget_signed(evse_id)
        if signed is None and same:
            self._failed_again(evse_id, session.grant_id)
        elif not same:
            self._look(evse_id)

    def _is_free(self, evse_id: int) -> bool:
        evse = self._context.evses.get(evse_id)
        return evse.is_connected and self._context.transactions.on_evse(evse_id) is None

    def _failed_again(self, evse_id: int, grant_id: str) -> None:
        failures = self._failed(evse_id) + 1
        self._failures[evse_id] = grant_id, failures
        log.warning("EVSE %d: its meter did not sign the begin (%d)", evse_id, failures)
        if failures < ATTEMPTS:
            self._again[evse_id] = self._context.reactor.call_later(
                AGAIN_S, self._look, evse_id, source=SOURCE
            )
            return
        grant = self._grant(evse_id)
        if grant is not None:
            cause = Cause(trigger=TriggerReason.ABNORMAL_CONDITION, reason=Reason.OTHER)
            self._context.transactions.stop(grant, cause)
        # The token is good; nothing could be done with it.
        told = TokenAnswered(evse_id, accepted=False, status=AuthorizationStatus.ACCEPTED)
        self._context.events.publish(told)

    def _failed(self, evse_id: int) -> int:
        grant_id, failures = self._failures.get(evse_id, ("", 0))
        return failures if grant_id == _id(self._grant(evse_id)) else 0

    def _look(self, evse_id: int) -> None:
        """If it is still wanted, it is asked for again."""
        self._again.pop(evse_id, None)
        self._context.transactions.visits.evse_changed(self._context.evses.get(evse_id))

    def _on_changed(self, event: EvseChanged) -> None:
        evse_id = event.now.evse
        if not self._context.evses.get(evse_id).is_connected:  # the next driver begins anew
            self._failures.pop(evse_id, None)
            self._served.discard(evse_id)
            timer = self._again.pop(evse_id, None)
            if timer is not None:
                timer.cancel()

    def _on_ended(self, event: TransactionEnded) -> None:
        if event.evse_id is not None:
            self._served.add(event.evse_id)

    def _grant(self, evse_id: int) -> GrantRow | None:
        return self._context.transactions.grants.of(evse_id)


def _id(grant: GrantRow | None) -> str:
    return "" if grant is None else grant.id

"""Functional block F, Remote Control: F01 and F02 start, F03 stop, F06 trigger."""

from msgspec import UNSET

from station.charging.evses import Evse
from station.charging.rows import Cause, TokenRow
from station.context import Context
from station.events import RemoteStartAccepted
from station.ocpp.messages.availability import ConnectorStatus
from station.ocpp.messages.common import StatusInfo
from station.ocpp.messages.remote_control import (
    MessageTrigger,
    RequestStartStopStatus,
    RequestStartTransactionRequest,
    RequestStartTransactionResponse,
    RequestStopTransactionRequest,
    RequestStopTransactionResponse,
    TriggerMessageRequest,
    TriggerMessageResponse,
    TriggerMessageStatus,
)
from station.ocpp.messages.transactions import Reason, TriggerReason
from station.ocpp.registration import Registration


class RemoteControl:
    """Lets the CSMS start and stop, and ask for messages."""

    def __init__(self, context: Context) -> None:
        self._context = context
        csms = context.csms
        csms.answer(RequestStartTransactionRequest, self.request_start_transaction)
        csms.answer(RequestStopTransactionRequest, self.request_stop_transaction)
        csms.answer(TriggerMessageRequest, self.trigger_message)

    def request_start_transaction(
        self, request: RequestStartTransactionRequest
    ) -> RequestStartTransactionResponse:
        if self._context.csms.registration is not Registration.ACCEPTED:  # B02.FR.05
            return _start_rejected("CSNotAccepted")
        # F01.FR.04, F02.FR.12
        token = TokenRow(id_token=request.id_token.id_token, type=request.id_token.type)
        evse, reason_code = self._choose(None if request.evse_id is UNSET else request.evse_id)
        if evse is None:
            return _start_rejected(reason_code)
        refusal = self._context.queries.may_start.ask(evse.id, request.id_token)
        if refusal is not None:  # F01.FR.21, F01.FR.22
            return _start_rejected(refusal.reason_code)
        row = self._context.transactions.on_evse(evse.id)  # before it is authorised
        # Without smart charging nobody looks at the charging profile: F01.FR.12, F02.FR.20
        self._context.queries.authorize_remotely.ask(token, evse.id, request.remote_start_id)
        self._context.events.publish(RemoteStartAccepted(evse.id, token.id_token, token.type))
        return RequestStartTransactionResponse(
            status=RequestStartStopStatus.ACCEPTED,
            transaction_id=UNSET if row is None else row.id,  # F01.FR.13
        )

    def request_stop_transaction(
        self, request: RequestStopTransactionRequest
    ) -> RequestStopTransactionResponse:
        transactions = self._context.transactions
        if self._context.csms.registration is not Registration.ACCEPTED:  # B02.FR.05
            return _stop_rejected("CSNotAccepted")
        row = transactions.find(request.transaction_id)
        if row is None:  # F03.FR.08
            return _stop_rejected("TxNotFound")
        cause = Cause(trigger=TriggerReason.REMOTE_STOP, reason=Reason.REMOTE)
        grant = transactions.grants.of(row.evse_id)
        if row.stop is None and grant is not None:
            transactions.stop(grant, cause)  # F03.FR.02, F03.FR.03
        elif row.stop is None:
            transactions.update(row.id, TriggerReason.REMOTE_STOP)
        return RequestStopTransactionResponse(
            status=RequestStartStopStatus.ACCEPTED  # F03.FR.07
        )

    def trigger_message(self, request: TriggerMessageRequest) -> TriggerMessageResponse:
        """F06: the answer leaves first, then what was asked for."""
        trigger = self._context.queries.triggers.get(request.requested_message)
        if trigger is None:  # F06.FR.08
            return TriggerMessageResponse(status=TriggerMessageStatus.NOT_IMPLEMENTED)
        accepted = self._context.csms.registration is Registration.ACCEPTED
        if not accepted and request.requested_message not in BEFORE_ACCEPTED:
            return _trigger_rejected("CSNotAccepted")
        evse_id: int | None = None
        connector_id: int | None = None
        if request.evse is not UNSET and request.requested_message in OF_AN_EVSE:  # F06.FR.03
            evse_id = request.evse.id
            connector_id = None if request.evse.connector_id is UNSET else request.evse.connector_id
            if evse_id and self._context.evses.find(evse_id) is None:
                return _trigger_rejected("UnknownEvse")
        if not trigger(evse_id or None, connector_id):  # F06.FR.05
            return _trigger_rejected("UnsupportedRequest")
        # F06.FR.10: it is in its line by now
        return TriggerMessageResponse(status=TriggerMessageStatus.ACCEPTED)

    def _choose(self, evse_id: int | None) -> tuple[Evse | None, str]:
        """The EVSE to start on, or why there is none.

        F01.FR.20, F01.FR.23, F01.FR.24; F02.FR.22, F02.FR.25, F02.FR.26
        """
        if evse_id is not None:
            evse = self._context.evses.find(evse_id)
            if evse is None:
                return None, "UnknownEvse"
            return (evse, "") if self._can_start(evse) else (None, "TxInProgress")
        waiting = self._context.transactions.candidate()
        if waiting is not None and self._can_start(waiting):
            return waiting, ""
        free = (evse for evse in self._context.evses if self._can_start(evse))
        evse = next(free, None)
        return evse, "TxInProgress"

    def _can_start(self, evse: Evse) -> bool:
        statuses = [evse.connector_status(c.id) for c in evse.description.connectors]
        if all(status in OUT_OF_SERVICE for status in statuses):
            return False
        return evse.accepts_transactions and self._context.transactions.grants.of(evse.id) is None


OUT_OF_SERVICE = frozenset({ConnectorStatus.UNAVAILABLE, ConnectorStatus.FAULTED})
OF_AN_EVSE = frozenset(
    {
        MessageTrigger.METER_VALUES,
        MessageTrigger.STATUS_NOTIFICATION,
        MessageTrigger.TRANSACTION_EVENT,
    }
)
"""To every other message an EVSE in the request means nothing."""
BEFORE_ACCEPTED = frozenset(
    {
        MessageTrigger.BOOT_NOTIFICATION,
        MessageTrigger.HEARTBEAT,
        MessageTrigger.STATUS_NOTIFICATION,
        MessageTrigger.METER_VALUES,
    }
)


def _start_rejected(reason_code: str) -> RequestStartTransactionResponse:
    return RequestStartTransactionResponse(
        status=RequestStartStopStatus.REJECTED, status_info=StatusInfo(reason_code=reason_code)
    )


def _stop_rejected(reason_code: str) -> RequestStopTransactionResponse:
    return RequestStopTransactionResponse(
        status=RequestStartStopStatus.REJECTED, status_info=StatusInfo(reason_code=reason_code)
    )


def _trigger_rejected(reason_code: str) -> TriggerMessageResponse:
    return TriggerMessageResponse(
        status=TriggerMessageStatus.REJECTED, status_info=StatusInfo(reason_code=reason_code)
    )

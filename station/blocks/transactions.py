"""Functional block E, Transactions: steps become TransactionEvents, answers have effects."""

from typing import TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from station.charging.rows import TokenRow
from station.charging.steps import TransactionStep
from station.context import Context
from station.events import IdTokenInfoReceived
from station.ocpp.messages.common import (
    EVSE,
    AuthorizationStatus,
    IdToken,
    IdTokenInfo,
    MeterValue,
)
from station.ocpp.messages.transactions import (
    ChargingState,
    GetTransactionStatusRequest,
    GetTransactionStatusResponse,
    Transaction,
    TransactionEvent,
    TransactionEventRequest,
    TransactionEventResponse,
)
from station.records import OutboxRow, SendClass

T = TypeVar("T")


class Carried(Struct, rename="camel"):
    """What is read again of an event that was sent."""

    id_token: IdToken | UnsetType = UNSET


def to_id_token(row: TokenRow) -> IdToken:
    return IdToken(id_token=row.id_token, type=row.type)


class TransactionEvents:
    """Owes the CSMS an event for every step, in the unit that commits the step."""

    def __init__(self, context: Context) -> None:
        self._context = context
        context.events.subscribe(TransactionStep, self._on_step)
        context.csms.on_owed_result(TransactionEventRequest, self._on_event_result)
        context.csms.answer(GetTransactionStatusRequest, self.get_transaction_status)

    def get_transaction_status(
        self, request: GetTransactionStatusRequest
    ) -> GetTransactionStatusResponse:
        outbox = self._context.outbox
        if request.transaction_id is UNSET:  # E14.FR.06, E14.FR.07, E14.FR.08
            return GetTransactionStatusResponse(messages_in_queue=outbox.transaction_rows > 0)
        ongoing = self._context.transactions.find(request.transaction_id) is not None
        return GetTransactionStatusResponse(
            ongoing_indicator=ongoing,  # E14.FR.01, E14.FR.02, E14.FR.03
            # E14.FR.04, E14.FR.05
            messages_in_queue=outbox.has_transaction(request.transaction_id),
        )

    def _on_step(self, step: TransactionStep) -> None:
        row = step.row
        request = TransactionEventRequest(
            event_type=step.kind,
            timestamp=step.at,
            trigger_reason=step.trigger,
            seq_no=step.seq_no,
            transaction_info=_transaction(step),
            meter_value=self._meter_values(step) or UNSET,
            number_of_phases_used=_or_unset(step.phases),
            cable_max_current=self._cable_max_current(step),
            reservation_id=_or_unset(step.reservation_id),
            evse=_evse(step.evse),
            id_token=UNSET if step.token is None else to_id_token(step.token),
        )
        signatures, to_tell = self._context.queries.signatures, None
        if signatures is not None:
            request, to_tell = signatures.sign(row, request)
        row_id = self._context.csms.owe(
            request,
            send_class=SendClass.TRANSACTION,
            transaction_id=row.id,
            seq_no=step.seq_no,
            held=to_tell is not None,
        )
        if to_tell is not None:
            to_tell(row_id)

    def _meter_values(self, step: TransactionStep) -> list[MeterValue]:
        values = list(step.meter_values)  # J02.FR.10: sampled for this very event
        meter, evse_id = self._context.queries.meter, step.row.evse_id
        if meter is None or evse_id is None:
            return values
        # E01.FR.09, E02.FR.09, E03.FR.07, E04.FR.05, E05.FR.05, F01.FR.14, F02.FR.02
        if step.begin:
            values.extend(meter.begin(evse_id, step.at))
        if step.kind is TransactionEvent.UPDATED:
            values.extend(meter.owed(step.row.id, evse_id, step.at))
        # E06.FR.11, E07.FR.08, E08.FR.09, E09.FR.05, E10.FR.04, E12.FR.07, E15.FR.01, F03.FR.04
        if step.kind is TransactionEvent.ENDED:
            values.extend(meter.end(step.row.id, evse_id, step.at))
        return values

    def _cable_max_current(self, step: TransactionStep) -> int | UnsetType:
        """Told with the EVSE: once, when the cable is known."""
        if step.evse is None:
            return UNSET
        limit_a = self._context.evses.get(step.evse[0]).report.cable_max_a
        return UNSET if limit_a is None else int(limit_a)

    def _on_event_result(self, sent: OutboxRow, response: TransactionEventResponse) -> None:
        """E05: the CSMS may refuse the token of a transaction that runs."""
        info = response.id_token_info
        if info is UNSET:
            return
        token = _carried_token(sent)
        row = self._context.transactions.find(sent.transaction_id)
        if row is not None:
            if info.status is not AuthorizationStatus.ACCEPTED:
                self._context.transactions.refusals.refused(row, token)
            elif token in (None, row.token):  # not of one that stopped it
                self._context.transactions.refusals.accepted(row)
                self._learn_group(sent.transaction_id, info)
        if token is not None:  # C10.FR.05, C12.FR.06: news, even if the transaction has ended
            self._context.events.publish(IdTokenInfoReceived(token.id_token, token.type, info))

    def _learn_group(self, transaction_id: str, info: IdTokenInfo) -> None:
        row = self._context.transactions.find(transaction_id)
        if row is not None and info.group_id_token is not UNSET:
            self._context.transactions.set_group(row, info.group_id_token.id_token)


def _carried_token(sent: OutboxRow) -> TokenRow | None:
    token = msgspec.json.decode(sent.payload, type=Carried).id_token
    return None if token is UNSET else TokenRow(id_token=token.id_token, type=token.type)


def _transaction(step: TransactionStep) -> Transaction:
    state: ChargingState | UnsetType = UNSET
    if step.charging_state is not None:
        state = step.charging_state
    return Transaction(
        transaction_id=step.row.id,
        charging_state=state,
        time_spent_charging=step.charged_s if step.kind is TransactionEvent.ENDED else UNSET,
        stopped_reason=_or_unset(step.stopped_reason),
        remote_start_id=_or_unset(step.remote_start_id),
    )


def _evse(place: tuple[int, int | None] | None) -> EVSE | UnsetType:
    if place is None:
        return UNSET
    return EVSE(id=place[0], connector_id=_or_unset(place[1]))


def _or_unset(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value

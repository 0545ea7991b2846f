"""How much would be lost with a message, should the queue have no room for everything.

The standard allows to drop any TransactionEvent(Updated). We go by what it says, not by its kind:
a sample is like the one after it; a change of state is followed by the next; but a token, an id,
the EVSE or a signed value is told once, and the CSMS may need it for the bill.
"""

from msgspec import UNSET

from station.ocpp.messages.common import MeterValue, ReadingContext
from station.ocpp.messages.transactions import (
    TransactionEvent,
    TransactionEventRequest,
    TriggerReason,
)
from station.ocpp.types import Request
from station.records import Worth

SAMPLED = frozenset({TriggerReason.METER_VALUE_PERIODIC, TriggerReason.METER_VALUE_CLOCK})
BOUNDS = frozenset({ReadingContext.TRANSACTION_BEGIN, ReadingContext.TRANSACTION_END})


def worth_of(request: Request[object]) -> Worth:  # type: ignore[type-var]
    """E04.FR.07, E11.FR.04, E12.FR.04, J02.FR.12: only Updated events may ever be dropped."""
    if not isinstance(request, TransactionEventRequest):
        return Worth.FULL
    if request.event_type is not TransactionEvent.UPDATED:
        return Worth.FULL
    if _is_owed(request):
        return Worth.OWED
    info = request.transaction_info
    changed = info.charging_state is not UNSET or request.number_of_phases_used is not UNSET
    if changed or request.trigger_reason not in SAMPLED:
        return Worth.CHANGE
    return Worth.SAMPLE


def _is_owed(event: TransactionEventRequest) -> bool:
    told_once = (
        event.id_token,
        event.evse,
        event.reservation_id,
        event.cable_max_current,
        event.custom_data,
        event.transaction_info.remote_start_id,
        event.transaction_info.custom_data,
    )
    if any(value is not UNSET for value in told_once):
        return True
    return event.meter_value is not UNSET and any(map(_is_for_the_bill, event.meter_value))


def _is_for_the_bill(value: MeterValue) -> bool:
    return any(
        sample.signed_meter_value is not UNSET or sample.context in BOUNDS
        for sample in value.sampled_value
    )

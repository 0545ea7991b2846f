"""What may be dropped when the queue is full, and in which order: by what an event says."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from station.csms.worth import worth_of
from station.ocpp.messages.availability import HeartbeatRequest
from station.ocpp.messages.common import (
    EVSE,
    IdToken,
    IdTokenType,
    MeterValue,
    ReadingContext,
    SampledValue,
    SignedMeterValue,
)
from station.ocpp.messages.transactions import (
    ChargingState,
    Transaction,
    TransactionEvent,
    TransactionEventRequest,
    TriggerReason,
)
from station.ocpp.types import CustomData
from station.records import Worth

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SIGNED = SignedMeterValue(
    signed_meter_data="x", signing_method="", encoding_method="OCMF", public_key=""
)


def value(**fields: Any) -> MeterValue:
    return MeterValue(timestamp=NOW, sampled_value=[SampledValue(value=1.0, **fields)])


SAMPLED = TransactionEventRequest(
    event_type=TransactionEvent.UPDATED,
    timestamp=NOW,
    trigger_reason=TriggerReason.METER_VALUE_PERIODIC,
    seq_no=4,
    transaction_info=Transaction(transaction_id="t"),
    meter_value=[value(context=ReadingContext.SAMPLE_PERIODIC)],
)


def info(**fields: Any) -> Transaction:
    return Transaction(transaction_id="t", **fields)


@pytest.mark.parametrize(
    "trigger", [TriggerReason.METER_VALUE_PERIODIC, TriggerReason.METER_VALUE_CLOCK]
)
def test_meter_values_and_nothing_else_are_a_sample(trigger: TriggerReason) -> None:
    assert worth_of(replace(SAMPLED, trigger_reason=trigger)) is Worth.SAMPLE


@pytest.mark.parametrize("kind", [TransactionEvent.STARTED, TransactionEvent.ENDED])
def test_begin_and_end_of_a_transaction_are_never_dropped(kind: TransactionEvent) -> None:
    """E04.FR.07, E11.FR.04, E12.FR.04, J02.FR.12"""
    assert worth_of(replace(SAMPLED, event_type=kind)) is Worth.FULL


def test_only_transaction_events_are_ever_dropped() -> None:
    assert worth_of(HeartbeatRequest()) is Worth.FULL


@pytest.mark.parametrize(
    "fields",
    [
        {"trigger_reason": TriggerReason.TRIGGER},
        {"trigger_reason": TriggerReason.CHARGING_STATE_CHANGED},
        {"transaction_info": info(charging_state=ChargingState.CHARGING)},
        {"number_of_phases_used": 3},
    ],
)
def test_what_tells_of_a_change_is_worth_more_than_a_sample(fields: dict[str, Any]) -> None:
    assert worth_of(replace(SAMPLED, **fields)) is Worth.CHANGE


@pytest.mark.parametrize(
    "fields",
    [
        {"id_token": IdToken(id_token="04A1B2C3", type=IdTokenType.ISO14443)},
        {"evse": EVSE(id=1)},
        {"reservation_id": 1},
        {"cable_max_current": 32},
        {"custom_data": CustomData(vendorId="v")},
        {"transaction_info": info(remote_start_id=1)},
        {"transaction_info": info(custom_data=CustomData(vendorId="v"))},
        {"meter_value": [value(signed_meter_value=SIGNED)]},
        {"meter_value": [value(context=ReadingContext.TRANSACTION_BEGIN)]},
        {"meter_value": [value(), value(context=ReadingContext.TRANSACTION_END)]},
    ],
)
def test_what_is_told_once_is_never_dropped(fields: dict[str, Any]) -> None:
    assert worth_of(replace(SAMPLED, **fields)) is Worth.OWED
    changed = {"trigger_reason": TriggerReason.AUTHORIZED, **fields}
    assert worth_of(replace(SAMPLED, **changed)) is Worth.OWED

"""One step of a transaction: what the next event says, and what is then no longer owed."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from station.charging.rows import Cause, TokenRow, TransactionRow
from station.charging.transaction import Facts
from station.ocpp.messages.common import MeterValue
from station.ocpp.messages.transactions import (
    ChargingState,
    Reason,
    TransactionEvent,
    TriggerReason,
)

STATE_TOLD = frozenset(
    {TriggerReason.CHARGING_STATE_CHANGED, TriggerReason.DEAUTHORIZED, TriggerReason.TRIGGER}
)
"""With these triggers an event tells the charging state, changed or not (F06.FR.07, E05.FR.09)."""


class TransactionStep(Struct, frozen=True):
    """One event of a transaction, before functional block E makes a message of it."""

    kind: TransactionEvent
    trigger: TriggerReason
    at: datetime
    row: TransactionRow
    seq_no: int
    charging_state: ChargingState | None
    evse: tuple[int, int | None] | None = None
    token: TokenRow | None = None
    remote_start_id: int | None = None
    reservation_id: int | None = None
    stopped_reason: Reason | None = None
    phases: int | None = None
    begin: bool = False
    """Carries the values for context Transaction.Begin."""
    meter_values: Sequence[MeterValue] = ()
    charged_s: int = 0
    """For how long energy has flowed so far."""


class Change(Struct, frozen=True):
    """What an event is about, besides what its transaction owes."""

    kind: TransactionEvent
    trigger: TriggerReason
    phases: int | None = None
    """Told because it is new."""
    meter_values: Sequence[MeterValue] = ()
    begin: bool = False
    """Charging starts: the values for context Transaction.Begin are due."""
    reason: Reason | None = None


def take_step(
    row: TransactionRow, change: Change, now: Facts, at: datetime, charged_s: float
) -> TransactionStep:
    """Number the event and pay what is owed; the row of the step is the one to keep.

    Numbered from 0 without a gap, whatever the event is: E01.FR.07, E02.FR.07, E03.FR.06,
    E04.FR.04, E05.FR.04, E06.FR.14, E07.FR.11, E08.FR.08, E09.FR.04, E10.FR.03.
    """
    trigger, state = change.trigger, now.charging_state
    if row.remote_start_owed is not None and change.kind is not TransactionEvent.ENDED:
        trigger = TriggerReason.REMOTE_START  # F01.FR.19, F02.FR.21
    asked = trigger is TriggerReason.TRIGGER  # one event for each EVSE: say whose it is
    tell_evse = (row.evse_owed or asked) and row.evse_id is not None  # E01.FR.16
    first = change.kind is TransactionEvent.STARTED
    # E01.FR.18, E02.FR.13
    tell_state = first or str(state) != row.state or trigger in STATE_TOLD
    begin = change.begin and row.evse_id is not None
    paid = replace(
        row,
        next_seq=row.next_seq + 1,
        facts=now,
        state=str(state),
        token_owed=None,
        remote_start_owed=None,
        reservation_owed=None,
        evse_owed=row.evse_owed and not tell_evse,
        begin_owed=(row.begin_owed or first) and not begin,
    )
    return TransactionStep(
        kind=change.kind,
        trigger=trigger,
        at=at,
        row=paid,
        seq_no=row.next_seq,
        charging_state=state if tell_state else None,
        evse=(row.evse_id, row.connector_id) if tell_evse and row.evse_id else None,
        token=row.token_owed,  # E01.FR.10, F01.FR.03, F02.FR.05, F02.FR.11
        remote_start_id=row.remote_start_owed,
        reservation_id=row.reservation_owed,
        stopped_reason=change.reason,
        phases=change.phases,
        # Told once the EVSE is known, and again when charging starts:
        # E01.FR.17, E02.FR.21, E03.FR.11, E04.FR.11, E05.FR.08
        begin=begin or (row.begin_owed and row.evse_owed and row.evse_id is not None),
        meter_values=change.meter_values,
        charged_s=int(charged_s),
    )


def trigger_of(before: Facts, now: Facts, cause: Cause | None) -> TriggerReason | None:
    """The most specific reason for what changed; None if only the state did.

    E01.FR.15, E02.FR.15, E02.FR.17, E03.FR.12, E06.FR.15, F01.FR.17, F03.FR.09
    """
    if now.connected and not before.connected:
        return TriggerReason.CABLE_PLUGGED_IN
    if before.connected and not now.connected:
        return TriggerReason.EV_COMMUNICATION_LOST
    if cause is not None and (now.authorized != before.authorized or cause.forced):
        return cause.trigger
    if now.bay and not before.bay:
        return TriggerReason.EV_DETECTED
    if before.bay and not now.bay:
        return TriggerReason.EV_DEPARTED
    if now.signed and not before.signed:
        return TriggerReason.SIGNED_DATA_RECEIVED
    if cause is not None and now.charging_state != before.charging_state:
        return cause.trigger
    return None


def reason_of(before: Facts, now: Facts) -> Reason:
    """Why a transaction ended when nobody asked for it (E07.FR.06)."""
    if (before.connected and not now.connected) or (before.bay and not now.bay):
        return Reason.EV_DISCONNECTED
    if before.drawing and not now.drawing:
        return Reason.STOPPED_BY_EV if now.offered else Reason.OTHER
    return Reason.LOCAL

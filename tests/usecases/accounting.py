"""Holds a virtual station to what may never break: the invariants checked after any run.

Everything is judged from outside: frames on the wire, what the CSMS received, the disk,
the meter of the simulated world.
"""

from collections import defaultdict
from collections.abc import Container
from datetime import datetime, timedelta
from typing import Any

import msgspec
import orjson

from station.bench.virtual import VirtualStation
from station.csms.session import MESSAGE_TIMEOUT
from station.records import DroppedRow, SendClass, UndeliveredRow
from station.store.dropped import DROPPED, numbers
from station.store.units import UNDELIVERED, to_sql_name

Event = dict[str, Any]
REGISTER = "Energy.Active.Import.Register"


def assert_in_order(station: VirtualStation) -> None:
    """Everything that must hold at the end of a run that has come to rest."""
    station.assert_safe()
    assert_at_rest(station)
    assert_nothing_lost(station)
    assert_wire_rules(station)


def assert_at_rest(station: VirtualStation) -> None:
    """I14: nothing waits to be sent, nothing charges, both sides agree about the connectors."""
    core = station.station
    assert len(core.outbox) == 0, core.outbox.counts()
    assert core.transactions.all() == []
    assert core.transactions.grants.all() == []
    told = {
        (status["evseId"], status["connectorId"]): status["connectorStatus"]
        for status in station.csms.of("StatusNotification")
    }
    for evse in core.evses:
        assert not station.world.evses[evse.id].place.closed
        for connector in evse.description.connectors:
            place = (evse.id, connector.id)
            assert told.get(place, "Available") == evse.connector_status(connector.id)


def assert_nothing_lost(station: VirtualStation) -> None:
    """I1, I2, I3, I5: every event told or kept, in order, once in effect."""
    undelivered, dropped = undelivered_events(station), dropped_numbers(station)
    told_by_id = told_events(station)
    for transaction_id in sorted({*told_by_id, *undelivered, *dropped}):
        events = first_copies(told_by_id.get(transaction_id, []))
        told = [event["seqNo"] for event in events]
        assert told == sorted(told), f"{transaction_id}: first told in the order {told}"
        kept = {event["seqNo"]: event for event in undelivered.get(transaction_id, [])}
        gone = dropped.get(transaction_id, frozenset())
        every = sorted({*told, *kept, *gone})
        assert every == list(range(len(every))), f"{transaction_id}: told {told} of {every}"
        kinds = {number: event["eventType"] for number, event in kept.items()}
        kinds |= {event["seqNo"]: event["eventType"] for event in events}
        in_order = [kinds.get(n, "dropped") for n in every]
        assert in_order[0] == "Started", f"{transaction_id}: {in_order}"
        assert in_order[-1] == "Ended", f"{transaction_id}: {in_order}"
        assert set(in_order[1:-1]) <= {"Updated", "dropped"}, f"{transaction_id}: {in_order}"
        times = [datetime.fromisoformat(event["timestamp"]) for event in events]
        assert times == sorted(times), f"{transaction_id}: {times}"


def assert_dated_right(station: VirtualStation, began: datetime) -> None:
    """F17: whatever the clock said at the time, an event is told with a time of this life."""
    second = timedelta(seconds=1)
    for event in station.csms.events():
        at = datetime.fromisoformat(event["timestamp"])
        assert began - second <= at <= station.utc + second, event


def told_events(station: VirtualStation) -> dict[str, list[Event]]:
    """Every copy of every TransactionEvent that the CSMS has received, by transaction."""
    told: dict[str, list[Event]] = defaultdict(list)
    for event in station.csms.events():
        told[event["transactionInfo"]["transactionId"]].append(event)
    return told


def first_copies(copies: list[Event]) -> list[Event]:
    """The first copy of each event, in the order received; all copies must say the same."""
    seen: dict[int, Event] = {}
    for event in copies:
        first = seen.setdefault(event["seqNo"], event)
        assert {**event, "offline": None} == {**first, "offline": None}
    return list(seen.values())


def undelivered_events(station: VirtualStation) -> dict[str, list[Event]]:
    """What the station has given up and keeps, by transaction."""
    kept: dict[str, list[Event]] = defaultdict(list)
    for _, blob in station.disk.tables.get(UNDELIVERED, {}).values():  # type: ignore[attr-defined]
        row = msgspec.json.decode(blob, type=UndeliveredRow)
        if row.action == "TransactionEvent":
            kept[row.transaction_id].append(msgspec.json.decode(row.payload))
    return kept


def dropped_numbers(station: VirtualStation) -> dict[str, frozenset[int]]:
    """The seqNos that were dropped for want of room, as the station lists them."""
    listed: dict[str, set[int]] = defaultdict(set)
    rows = station.disk.tables.get(to_sql_name(DROPPED.name), {})  # type: ignore[attr-defined]
    for _, blob in rows.values():
        row = msgspec.json.decode(blob, type=DroppedRow)
        listed[row.transaction_id].update(numbers(row.runs))
    return {name: frozenset(found) for name, found in listed.items()}


def assert_wire_rules(station: VirtualStation) -> None:
    """I6, I7: ids are never used again, one CALL is open at a time, each CALL has one answer."""
    timeout_s = station.station.variables[MESSAGE_TIMEOUT]
    links = iter([*station.csms.links, (len(station.csms.frames) + 1, False)])
    changed_at, _ = next(links)
    used: set[str] = set()
    answers: dict[str, int] = {}
    asked: list[str] = []
    open_id, open_since = "", 0.0
    for index, (at, direction, text) in enumerate(station.csms.frames):
        while index >= changed_at:
            changed_at, _ = next(links)
            open_id = ""
            asked.clear()  # no answer finds its way back over a new connection
        frame = orjson.loads(text)
        if direction == ">" and frame[0] == 2:
            late = at - open_since >= timeout_s - 0.01
            assert not open_id or late, f"{frame[1]} while {open_id} is open"
            assert frame[1] not in used, f"message id {frame[1]} used again"
            used.add(frame[1])
            open_id, open_since = frame[1], at
        elif direction == ">":
            assert frame[1] in asked, f"{frame[1]} was not asked for on this connection"
            answers[frame[1]] = answers.get(frame[1], 0) + 1
            asked.remove(frame[1])
        elif frame[0] == 2:
            asked.append(frame[1])
        elif frame[1] == open_id:
            open_id = ""
    assert asked == [], "CALLs of the CSMS were left without an answer"
    twice = [message_id for message_id, count in answers.items() if count > 1]
    assert twice == [], "CALLs of the CSMS were answered more than once"


def register_wh(station: VirtualStation) -> dict[int, int]:
    """What the meters show, in whole Wh."""
    return {evse_id: int(world.place.register_wh) for evse_id, world in station.world.evses.items()}


def assert_energy_conserved(
    station: VirtualStation,
    before: dict[int, int],
    unattributed_wh: float = 0.0,
    not_of: Container[int | None] = (),
) -> None:
    """I4: what the transactions say adds up to what the meters counted, to the watt-hour.

    *unattributed_wh* bounds what may have flowed outside transactions, per gap between two;
    *not_of* are EVSEs whose meters have shown something else than what flowed.
    """
    spans: dict[int, list[tuple[int, int]]] = defaultdict(list)
    told, kept = told_events(station), undelivered_events(station)
    for transaction_id in {**told, **kept}:
        events = first_copies(told.get(transaction_id, [])) + kept.get(transaction_id, [])
        evse_id, span = _span(events)
        if evse_id is not None and span is not None:
            spans[evse_id].append(span)
    for evse_id, after_wh in register_wh(station).items():
        if evse_id in not_of:
            continue
        mark = before[evse_id]
        for begin_wh, end_wh in sorted(spans[evse_id]):
            assert begin_wh <= end_wh
            gap_wh = begin_wh - mark
            assert 0 <= gap_wh <= unattributed_wh, f"EVSE {evse_id}: {gap_wh} Wh unattributed"
            mark = end_wh
        assert 0 <= after_wh - mark <= unattributed_wh, f"EVSE {evse_id} ends {mark} {after_wh}"


def _span(events: list[Event]) -> tuple[int | None, tuple[int, int] | None]:
    """The EVSE of a transaction, and its first and last register in whole Wh."""
    evse_id = next((event["evse"]["id"] for event in events if "evse" in event), None)
    values = {
        sample.get("context"): int(sample["value"])
        for event in events
        for meter_value in event.get("meterValue", ())
        for sample in meter_value["sampledValue"]
        if sample.get("measurand") == REGISTER
    }
    begin, end = values.get("Transaction.Begin"), values.get("Transaction.End")
    return evse_id, None if begin is None or end is None else (begin, end)


def queued(station: VirtualStation) -> int:
    return len(station.station.outbox.ids(SendClass.TRANSACTION))

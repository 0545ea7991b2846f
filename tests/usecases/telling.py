"""What a virtual station has told its CSMS, in a form that tests can compare."""

from typing import Any

import orjson

from station.bench.csms_schema import Schemas
from station.bench.virtual import VirtualStation
from tests.conformance.frames import broken_frames
from tests.conformance.states import check_events

Event = dict[str, Any]

METER_TRIGGERS = ("MeterValuePeriodic", "MeterValueClock")


def told(station: VirtualStation, transaction_id: str | None = None) -> list[str]:
    """Events but for meter values, a line each: kind, trigger, charging state, stopped reason."""
    return [
        line(event)
        for event in station.csms.events(transaction_id)
        if event["triggerReason"] not in METER_TRIGGERS
    ]


def line(event: Event) -> str:
    """ "Ended StopAuthorized EVConnected Local"; what an event does not say is a dash."""
    info = event["transactionInfo"]
    words = [event["eventType"], event["triggerReason"], info.get("chargingState", "-")]
    if event["eventType"] == "Ended":
        words.append(info.get("stoppedReason", "-"))
    return " ".join(words)


def forget(station: VirtualStation) -> None:
    """Let `told` begin anew; `check` looks at the frames and forgets nothing."""
    station.csms.received.clear()


def statuses(station: VirtualStation, evse: int = 1) -> list[str]:
    """Every status of a connector that was told, in order."""
    told_statuses = station.csms.of("StatusNotification")
    return [each["connectorStatus"] for each in told_statuses if each["evseId"] == evse]


def transaction_ids(station: VirtualStation) -> list[str]:
    """In the order in which they began."""
    ids = [event["transactionInfo"]["transactionId"] for event in station.csms.events()]
    return list(dict.fromkeys(ids))


def is_closed(station: VirtualStation, evse: int = 1) -> bool:
    return station.world.evses[evse].place.closed


def is_locked(station: VirtualStation, evse: int = 1) -> bool:
    return station.world.evses[evse].place.locked


def check(station: VirtualStation, schemas: Schemas) -> None:
    """Gapless events, begun once and ended at most once; sound frames; a safe contactor."""
    events: dict[str, dict[int, Event]] = {}
    for _, direction, text in station.csms.frames:
        frame = orjson.loads(text)
        if direction == ">" and frame[0] == 2 and frame[2] == "TransactionEvent":
            event = frame[3]
            mine = events.setdefault(event["transactionInfo"]["transactionId"], {})
            mine[event["seqNo"]] = event
    for numbered in events.values():
        check_events([numbered[number] for number in sorted(numbered)])
    assert broken_frames(station.csms.frames, schemas) == []
    station.assert_safe()

"""The live state of a station, as the local API shows it."""

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from station import advice
from station.charging.evses import Evse
from station.charging.rows import TransactionRow
from station.control import Snapshot
from station.ocpp.codec import format_timestamp
from station.ocpp.registration import Registration

if TYPE_CHECKING:
    from station.main import Station


def take_snapshot(station: "Station") -> Snapshot:
    link = station.connection.state
    outbox = station.outbox
    return Snapshot(
        evses=[_evse(station, evse) for evse in station.evses],
        transactions=[_transaction(station, row) for row in station.transactions.all()],
        link={
            "state": link.state,
            "since": format_timestamp(station.clock.utc_at(link.since)),
            "address": link.address,
            "slot": link.slot,
            "next_attempt": None
            if link.next_attempt_at is None
            else format_timestamp(station.clock.utc_at(link.next_attempt_at)),
            "last_error": link.last_error,
            "findings": _findings(station),
        },
        registration=str(station.session.registration),
        queue={
            "depth": len(outbox),
            "transaction_events": outbox.transaction_rows,
            "undelivered": outbox.undelivered,
            "dropped": outbox.dropped,
            "bytes": outbox.total_bytes,
        },
        limits={str(evse.id): evse.limit_a() for evse in station.evses},
        station={
            "identity": station.context.identity.identity,
            "boot_reason": str(station.boot_reason),
            "time": format_timestamp(station.clock.utc()),
            "clock": station.clock.trust.name,
            "store": str(station.store.health),
            "safe_mode": station.safe_mode,
            "contained_failures": station.contained.count + station.store.effect_failures,
            "metrics": station.metrics.told(),
            "readers": station.token_readers.told(),
            "driver": _driver(station, None),
        },
    )


BOOT_ADVICE = {
    Registration.PENDING: ("the CSMS has answered Pending", advice.BOOT_PENDING),
    Registration.REJECTED: ("the CSMS has answered Rejected", advice.BOOT_REJECTED),
}


def _findings(station: "Station") -> list[dict[str, Any]]:
    """What is wrong with each network slot that is not in use, and what to do about it."""
    connection = station.connection
    link = connection.state
    up = link.state == "up"
    findings = []
    for found in connection.findings.values():
        diagnosis = advice.diagnose(found.down)
        if diagnosis is None or (up and found.slot == link.slot):
            continue
        about = {"slot": found.slot, "at": format_timestamp(station.clock.utc_at(found.at))}
        findings.append({**about, **_told(diagnosis)})
    if not connection.profiles.order():
        findings.append(_told(advice.NO_SLOT))
    registration = station.session.registration
    if up and registration in BOOT_ADVICE:
        problem, what_to_do = BOOT_ADVICE[registration]
        findings.append(_told(advice.Diagnosis(advice.Step.BOOT, problem, what_to_do)))
    return findings


def _told(diagnosis: advice.Diagnosis) -> dict[str, str]:
    return {
        "step": str(diagnosis.step),
        "problem": diagnosis.problem,
        "advice": diagnosis.advice,
    }


def _evse(station: "Station", evse: Evse) -> dict[str, Any]:
    report, reading = evse.report, station.ports.board.reading(evse.id)
    row = station.transactions.on_evse(evse.id)
    return {
        "id": evse.id,
        "pilot": str(report.pilot),
        "contactor_closed": report.contactor_closed,
        "locked": report.locked,
        "offered_a": report.limit_a,
        "drawing": report.drawing,
        "current_a": [] if reading is None else list(reading.current_a),
        "power_w": None if reading is None else reading.power_w,
        "energy_wh": None if reading is None else reading.energy_wh,
        "soc_percent": None if reading is None else reading.soc_percent,
        "bay_occupied": report.bay_occupied,
        "faults": sorted(str(fault.name) for fault in report.faults),
        "authorized": station.transactions.grants.of(evse.id) is not None,
        "transaction_id": None if row is None else row.id,
        "driver": _driver(station, evse.id),
        "connectors": [
            {
                "id": connector.id,
                "type": connector.type,
                "status": str(evse.connector_status(connector.id)),
                "plugged": report.plugged and report.connector == connector.id,
            }
            for connector in evse.description.connectors
        ],
    }


def _driver(station: "Station", evse_id: int | None) -> dict[str, Any] | None:
    """What the driver who showed a token here is told; in whose language, if that is known."""
    answer = station.driver_answers.at(evse_id)
    if answer is None:
        return None
    message = answer.message
    return {
        "accepted": answer.accepted,
        "status": None if answer.status is None else str(answer.status),
        "languages": [each for each in (answer.language1, answer.language2) if each],
        "message": None
        if message is None
        else {
            "content": message.content,
            "format": str(message.format),
            "language": None if message.language is UNSET else message.language,
        },
        "remaining_s": round(station.driver_answers.remaining_s(evse_id), 1),
    }


def _transaction(station: "Station", row: TransactionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "evse": row.evse_id,
        "connector": row.connector_id,
        "charging_state": row.state,
        "next_seq_no": row.next_seq,
        "started_at": format_timestamp(row.started_at),
        "energy_wh": station.evses.taken_wh(row.id),
        "stopping": row.stop is not None,
    }

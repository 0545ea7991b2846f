"""What the bench CSMS heard of the station under test, and whether it adds up."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from station.bench.csms import BenchCsms
from station.bench.csms_ledger import REGISTER, TransactionRecord
from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.rig import IDENTITY, WAIT_S, Sim


class Heard(Protocol):
    """A bench CSMS, on its own thread or on this one."""

    def received(
        self, station: str, action: str | None = None
    ) -> list[tuple[str, dict[str, Any]]]: ...


def wait(csms: BenchCsmsThread, fact: Callable[[BenchCsms], Any]) -> Any:
    """What *fact* returns as soon as that is true; asked at each message."""
    return csms.wait_for(fact, WAIT_S)


def messages(csms: Heard, action: str) -> list[dict[str, Any]]:
    """Of the station under test, oldest first, repeats too."""
    return [payload for _, payload in csms.received(IDENTITY, action)]


def events(csms: Heard) -> list[dict[str, Any]]:
    return messages(csms, "TransactionEvent")


def wait_for_boot(csms: BenchCsmsThread, number: int = 1) -> str:
    """The reason that the boot of this number gave."""
    wait(csms, lambda seen: len(messages(seen, "BootNotification")) >= number)
    return str(messages(csms, "BootNotification")[number - 1]["reason"])


def wait_for_end(csms: BenchCsmsThread) -> TransactionRecord:
    """Of the only transaction there is."""
    wait(csms, lambda seen: len(seen.ledger) and not seen.ledger.open())
    return the_record(csms)


def the_record(csms: BenchCsmsThread) -> TransactionRecord:
    (record,) = csms.ledger
    return record


def assert_accounted(csms: BenchCsmsThread, sim: Sim, evse: int = 1) -> TransactionRecord:
    """The only transaction has ended; every event and every watt-hour of it was told once."""
    record = wait_for_end(csms)
    assert_complete(record)
    idle = sim.until(lambda state: not state["transactions"])
    # The meter of every simulated world begins at 0.
    assert record.energy_wh == idle["evses"][evse - 1]["energy_wh"]
    return record


def assert_complete(record: TransactionRecord) -> None:
    """From Started to Ended, in order, with a register that never steps back."""
    assert record.complete, record.summary()
    assert record.late == [], record.summary()
    in_order = [record.events[number] for number in range(len(record.events))]
    times = [datetime.fromisoformat(event["timestamp"]) for event in in_order]
    assert times == sorted(times), times
    readings = [energy_wh(event) for event in in_order]
    told = [reading for reading in readings if reading is not None]
    assert told == sorted(told)
    assert record.energy_wh == told[-1] - told[0]


def assert_offline_from_some_point(record: TransactionRecord) -> None:
    """The end and what came before it were told late, and said so."""
    flags = [record.events[number]["offline"] for number in sorted(record.events)]
    assert flags == sorted(flags)
    assert flags[0] is False
    assert flags[-1] is True


def sampled(event: Mapping[str, Any]) -> dict[str, float]:
    """Measurand and value of what an event carries, phases aside."""
    return {
        sample.get("measurand", REGISTER): sample["value"]
        for entry in event.get("meterValue", ())
        for sample in entry["sampledValue"]
        if "phase" not in sample
    }


def energy_wh(event: Mapping[str, Any]) -> float | None:
    return sampled(event).get(REGISTER)


def statuses(csms: Heard, evse: int) -> list[str]:
    """What was told of connector 1, without repeats."""
    told = [
        str(status["connectorStatus"])
        for status in messages(csms, "StatusNotification")
        if status["evseId"] == evse
    ]
    return [status for at, status in enumerate(told) if told[at - 1 : at] != [status]]


def last_status(csms: Heard, evse: int) -> str:
    """Of connector 1; empty before the first."""
    return (statuses(csms, evse) or [""])[-1]

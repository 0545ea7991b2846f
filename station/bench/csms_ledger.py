"""What the bench CSMS knows of every transaction: events by number, gaps, repeats, energy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

Payload = Mapping[str, Any]

REGISTER = "Energy.Active.Import.Register"
LISTED_GAPS = 1000


@dataclass
class TransactionRecord:
    """One transaction as its events tell it."""

    station: str
    transaction_id: str
    events: dict[int, Payload] = field(default_factory=dict)
    duplicates: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)  # repeats that tell another story
    late: list[int] = field(default_factory=list)
    registers_wh: list[tuple[datetime, float]] = field(default_factory=list)

    @property
    def started(self) -> bool:
        return any(event["eventType"] == "Started" for event in self.events.values())

    @property
    def ended(self) -> bool:
        return any(event["eventType"] == "Ended" for event in self.events.values())

    @property
    def stopped_reason(self) -> str | None:
        """Why it ended, as told; Local where nothing was said (the standard's default)."""
        for event in self.events.values():
            if event["eventType"] == "Ended":
                return str(event["transactionInfo"].get("stoppedReason", "Local"))
        return None

    @property
    def missing(self) -> int:
        """How many numbers are missing between the first and the last event."""
        return max(self.events) - min(self.events) + 1 - len(self.events) if self.events else 0

    @property
    def gaps(self) -> list[int]:
        """The missing numbers; only the first thousand, for a station may jump by any amount."""
        if not self.events:
            return []
        numbers = range(min(self.events), max(self.events))
        return list(islice((n for n in numbers if n not in self.events), LISTED_GAPS))

    @property
    def offline_events(self) -> int:
        return sum(bool(event.get("offline")) for event in self.events.values())

    @property
    def energy_wh(self) -> float | None:
        """What the meter register moved by, or None while fewer than two readings are known."""
        if len(self.registers_wh) < 2:
            return None
        in_time = sorted(self.registers_wh, key=lambda reading: reading[0])
        return in_time[-1][1] - in_time[0][1]

    @property
    def complete(self) -> bool:
        return self.started and self.ended and not self.missing and not self.conflicts

    def add(self, payload: Payload) -> None:
        number = int(payload["seqNo"])
        if number in self.events:
            self.duplicates.append(number)
            if _told(payload) != _told(self.events[number]):
                self.conflicts.append(number)
            return
        if self.events and number < max(self.events):
            self.late.append(number)
        self.events[number] = payload
        self.registers_wh.extend(registers(payload.get("meterValue", [])))

    def summary(self) -> str:
        """One line for people: `tx=1f2e… ended (Local) 7 events 1234 Wh complete`."""
        state = f"ended ({self.stopped_reason})" if self.ended else "open"
        energy = "no energy" if self.energy_wh is None else f"{self.energy_wh:.0f} Wh"
        parts = [f"tx={self.transaction_id[:8]}", state, f"{len(self.events)} events", energy]
        if self.offline_events:
            parts.append(f"{self.offline_events} offline")
        oddities = {
            "missing": self.gaps,
            "repeated": self.duplicates,
            "repeated with other content": self.conflicts,
            "out of order": self.late,
        }
        parts += [f"{name} seqNo {listed(them)}" for name, them in oddities.items() if them]
        if not self.started:
            parts.append("its start was never reported")
        return " ".join([*parts, "complete"] if self.complete else parts)


class Ledger:
    """Transactions of every station, in the order in which they were first heard of."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], TransactionRecord] = {}

    def __iter__(self) -> Iterator[TransactionRecord]:
        return iter(self._records.values())

    def __len__(self) -> int:
        return len(self._records)

    def record(self, station: str, payload: Payload) -> TransactionRecord:
        """Enter one TransactionEvent request, which must obey its schema."""
        transaction_id = str(payload["transactionInfo"]["transactionId"])
        key = (station, transaction_id)
        if key not in self._records:
            self._records[key] = TransactionRecord(station, transaction_id)
        self._records[key].add(payload)
        return self._records[key]

    def find(self, station: str, transaction_id: str) -> TransactionRecord | None:
        return self._records.get((station, transaction_id))

    def of(self, station: str) -> list[TransactionRecord]:
        return [record for record in self if record.station == station]

    def open(self, station: str | None = None) -> list[TransactionRecord]:
        return [r for r in self if not r.ended and station in (None, r.station)]

    @property
    def gaps(self) -> int:
        """How many event numbers are missing over all transactions."""
        return sum(record.missing for record in self)

    @property
    def duplicates(self) -> int:
        return sum(len(record.duplicates) for record in self)

    @property
    def energy_wh(self) -> float:
        return sum(record.energy_wh or 0 for record in self)


def _told(payload: Payload) -> dict[str, Any]:
    """A repeat may differ from the first in `offline` alone: the link can drop between them."""
    return {key: value for key, value in payload.items() if key != "offline"}


def registers(meter_values: Any) -> list[tuple[datetime, float]]:
    """(timestamp, Wh) of every total reading of the import register in *meter_values*."""
    return [
        (datetime.fromisoformat(entry["timestamp"]), watt_hours(sample))
        for entry in meter_values
        for sample in entry["sampledValue"]
        if sample.get("measurand", REGISTER) == REGISTER and "phase" not in sample
        if sample.get("location", "Outlet") == "Outlet"
    ]


def watt_hours(sample: Payload) -> float:
    unit = sample.get("unitOfMeasure", {})
    factor = 1000.0 if unit.get("unit", "Wh") == "kWh" else 1.0
    exponent = max(-30, min(30, int(unit.get("multiplier", 0))))  # the schema has no limit
    return float(sample["value"]) * factor * 10.0**exponent


def listed(numbers: list[int]) -> str:
    """Numbers for people, a long list cut short: `3, 4, 5 … (20 in all)`."""
    if len(numbers) <= 8:
        return ", ".join(map(str, numbers))
    at_least = "at least " if len(numbers) == LISTED_GAPS else ""
    return f"{', '.join(map(str, numbers[:5]))} … ({at_least}{len(numbers)} in all)"

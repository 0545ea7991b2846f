"""What a long outage costs: to start with 100,000 events, to tell them, to thin them."""

import time
from pathlib import Path

import msgspec
import orjson

from station.bench.figures_events import TRANSACTION, EventRun, event_row
from station.bench.figures_measure import Effort, Figure
from station.bench.figures_peer import TinyCsms
from station.bench.figures_process import StationProcess
from station.io.state_dir import DATABASE
from station.store.database import Database
from station.store.units import OUTBOX, Unit

OF_EACH = 3000
"""Events of one transaction."""
UNIT = 1000
UNTHROTTLED = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "BacklogMessageRate"},
    "value": "0",
}


def long_queue(effort: Effort, directory: Path) -> list[Figure]:
    """A station starts with a month of events on its disk, and tells them."""
    events, told = min(100_000, effort.events * 20), min(20_000, effort.events * 4)
    presets = directory / "variables.json"
    presets.write_bytes(orjson.dumps([UNTHROTTLED]))
    options = "--variables", str(presets)
    csms = TinyCsms()
    with StationProcess(csms, directory / "empty", *options) as station:
        station.peer.serve(1.0)
        empty_boot_s, empty_mb = station.boot_s, station.rss_mb()
    fill(directory / "queue" / DATABASE, events)
    with StationProcess(csms, directory / "queue", *options) as station:
        boot_s, boot_mb = station.boot_s, station.rss_mb()
        passed_s, used_s = hear(station, told)
        mb = station.rss_mb()
    csms.close()
    return [
        Figure(
            f"start with {events:,} events queued",
            boot_s,
            "s",
            3.0,
            note=f"to the BootNotification; {empty_boot_s:.3f} s without them",
        ),
        Figure(
            "memory (RSS) with them",
            boot_mb,
            "MB",
            120.0,
            note=f"{mb:.0f} MB after {told:,} were told, {empty_mb:.0f} MB without them",
        ),
        Figure(
            "events told to the CSMS",
            told / passed_s,
            "/s",
            note=f"unthrottled, one after another over the loopback, each deleted durably; "
            f"CPU {used_s / told * 1e6:.0f} µs each",
        ),
    ]


def hear(station: StationProcess, events: int) -> tuple[float, float]:
    """How long the station takes to tell so many, by the clock and of its CPU."""
    station.peer.wait_for("TransactionEvent")
    began, before_s = time.perf_counter(), station.cpu_s()
    for _ in range(events):
        station.peer.wait_for("TransactionEvent")
    return time.perf_counter() - began, station.cpu_s() - before_s


def full_queue(effort: Effort, directory: Path) -> list[Figure]:
    """Events made durable while as many have to go."""
    run = EventRun(directory / "full" / "station.db", effort.events, quota=effort.events // 5)
    return [
        Figure(
            "TransactionEvents made durable, full",
            run.burst(),
            "/s",
            1500.0,
            more_is_better=True,
            note="the queue is thinned meanwhile, and what went is listed",
        )
    ]


def fill(path: Path, events: int) -> None:
    """A database on whose queue so many events stand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = Database(path)
    database.open()
    for first in range(0, events, UNIT):
        unit: Unit = {}
        for number in range(first, min(first + UNIT, events)):
            name = TRANSACTION[:-4] + f"{number // OF_EACH:04}"
            row = event_row(number + 1, name, number % OF_EACH)
            unit[OUTBOX, row.id] = (0, msgspec.json.encode(row))
        database.apply(unit)
    database.close()

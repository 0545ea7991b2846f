"""The measurements behind `make bench`, one function each; every one returns its figures."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from station.bench.figures_events import PAYLOAD, EventRun, bytes_written
from station.bench.figures_peer import Payload, TinyCsms
from station.bench.figures_process import StationProcess, compile_all

CHARGERS = (("04A1B2C3", 1), ("04A1B2C4", 2))


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    starts: int = 9
    settle_s: float = 10.0
    idle_s: float = 20.0
    charge_s: float = 20.0
    calls: int = 4000
    events: int = 5000
    rounds: int = 5


QUICK = Effort(starts=3, settle_s=2.0, idle_s=5.0, charge_s=5.0, calls=500, events=1000, rounds=1)


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    name: str
    value: float
    unit: str
    target: float | None = None
    more_is_better: bool = False
    others: str = ""
    """What others measure on such a machine."""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """None when there is no target."""
        if self.target is None:
            return None
        return self.value >= self.target if self.more_is_better else self.value <= self.target


def cold_start(effort: Effort, directory: Path) -> list[Figure]:
    """From exec to the BootNotification at its receiver: first start ever, and a later one."""
    others = "bare websocket-client loop 0.10, station on PyPI ocpp 0.39, shiv3 0.63, SAP 7.3"
    fresh: list[tuple[float, float]] = []
    later: list[tuple[float, float]] = []
    compile_all()
    csms = TinyCsms()
    for number in range(effort.starts + 1):
        for starts in (fresh, later):
            with StationProcess(csms, directory / f"start-{number}") as station:
                if number:  # the first round fills the page cache
                    starts.append((station.boot_s, station.boot_cpu_s))
    csms.close()
    return [
        Figure(
            f"BootNotification, {name}",
            statistics.median(wall_s for wall_s, _ in starts),
            "s",
            0.35,
            others=others,
            note=f"from exec, median of {len(starts)}; best {min(starts)[0]:.3f}, "
            f"worst {max(starts)[0]:.3f}; CPU {statistics.median(cpu for _, cpu in starts):.3f} s",
        )
        for name, starts in (("first start", fresh), ("later start", later))
    ]


def at_rest(effort: Effort, directory: Path) -> list[Figure]:
    """Memory and CPU time of a connected station with two EVSEs and nothing to do."""
    csms = TinyCsms()
    with StationProcess(csms, directory / "rest") as station:
        station.peer.serve(effort.settle_s)
        before_s, began = station.cpu_s(), time.perf_counter()
        station.peer.serve(effort.idle_s)
        used_s, passed_s = station.cpu_s() - before_s, time.perf_counter() - began
        rss_mb = station.rss_mb()
    csms.close()
    after = f"after {effort.settle_s + effort.idle_s:.0f} s, two EVSEs"
    return [
        Figure(
            "memory (RSS) at rest",
            rss_mb,
            "MB",
            45.0,
            others="bare imports 32, shiv3 82, SAP 491",
            note=after,
        ),
        Figure(
            "CPU at rest",
            used_s / passed_s * 100,
            "%",
            0.5,
            note=f"over {passed_s:.0f} s, connected",
        ),
    ]


def charging(effort: Effort, directory: Path) -> list[Figure]:
    """Memory and CPU time with the web API on while two cars charge; for information."""
    csms = TinyCsms()
    with StationProcess(csms, directory / "charge", "--web", "127.0.0.1:0") as station:
        station.peer.serve(1.0)
        for token, evse in CHARGERS:
            station.post(f"/api/sim/evses/{evse}/plug", current_a=16)
            station.peer.serve(1.0)
            station.post("/api/sim/token", id_token=token, evse=evse)
            station.peer.wait_for("TransactionEvent", partial(_charges, evse))
        station.peer.serve(1.0)
        before_s, began = station.cpu_s(), time.perf_counter()
        station.peer.serve(effort.charge_s)
        used_s, passed_s = station.cpu_s() - before_s, time.perf_counter() - began
        rss_mb = station.rss_mb()
    csms.close()
    note = "two cars charge, web API on"
    return [
        Figure("memory (RSS) charging", rss_mb, "MB", note=note),
        Figure("CPU charging", used_s / passed_s * 100, "%", note=note),
    ]


def get_variables(effort: Effort, directory: Path) -> list[Figure]:
    """Round trips of a GetVariables with one variable, one after another, over the loopback."""
    data = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    request = {"getVariableData": [data]}
    csms = TinyCsms()
    with StationProcess(csms, directory / "calls") as station:
        peer = station.peer
        peer.serve(1.5)
        for _ in range(effort.calls // 10):
            peer.call("GetVariables", request)
        before_s, began = station.cpu_s(), time.perf_counter()
        times_ms = []
        for _ in range(effort.calls):
            at = time.perf_counter()
            peer.call("GetVariables", request)
            times_ms.append((time.perf_counter() - at) * 1000)
        passed_s, used_s = time.perf_counter() - began, station.cpu_s() - before_s
    csms.close()
    times_ms.sort()
    p99 = times_ms[int(len(times_ms) * 0.99)]
    return [
        Figure(
            "GetVariables, p50",
            statistics.median(times_ms),
            "ms",
            0.5,
            others="bare loop 0.26, SAP 0.6, station on PyPI ocpp 1.3-1.5",
            note=f"p99 {p99:.2f} ms; {effort.calls / passed_s:.0f} calls/s; "
            f"CPU {used_s / effort.calls * 1000:.2f} ms per call",
        )
    ]


def durable_events(effort: Effort, directory: Path) -> list[Figure]:
    """TransactionEvents made durable with the state they report, each a turn of its own."""
    rates, groups = [], 1
    for number in range(effort.rounds):
        run = EventRun(directory / f"burst-{number}" / "station.db", effort.events)
        rates.append(run.burst())
        groups = run.groups
    single = EventRun(directory / "single" / "station.db", effort.events // 5)
    before = bytes_written()
    single_rate = single.one_by_one()
    written = bytes_written() - before
    return [
        Figure(
            "TransactionEvents made durable",
            max(rates),
            "/s",
            1500.0,
            more_is_better=True,
            others="one SQLite WAL/FULL commit each 2,700",
            note=f"best of {len(rates)}; {effort.events} turns, {groups} commits",
        ),
        Figure(
            "… each before the next begins",
            single_rate,
            "/s",
            note=f"{single.groups} commits",
        ),
        Figure(
            "written to the disk per event",
            written / single.events / 1000,
            "kB",
            note=f"one commit each, checkpoints included; {len(PAYLOAD)} bytes of payload",
        ),
    ]


def virtual_days(effort: Effort, directory: Path) -> list[Figure]:  # noqa: ARG001 - no disk
    """Days of two EVSEs with three 3-hour transactions each, per second of one core."""
    from station.bench.day import day_station, run_day

    rates = []
    for _ in range(effort.rounds):
        station = day_station()
        began_s = time.process_time()
        run_day(station)
        rates.append(1 / (time.process_time() - began_s))
    return [
        Figure(
            "virtual station-days",
            max(rates),
            "/s",
            2.0,
            more_is_better=True,
            note=f"best of {len(rates)}, by CPU time; {len(station.csms.events())} "
            "TransactionEvents a day",
        )
    ]


def _charges(evse: int, event: Payload) -> bool:
    state = event["transactionInfo"].get("chargingState")
    return bool(state == "Charging" and event.get("evse", {}).get("id", evse) == evse)


MEASUREMENTS: tuple[Callable[[Effort, Path], list[Figure]], ...] = (
    cold_start,
    at_rest,
    charging,
    get_variables,
    durable_events,
    virtual_days,
)


def measure(effort: Effort, measurement: Callable[[Effort, Path], list[Figure]]) -> list[Figure]:
    """One measurement in a folder of its own, on the disk that holds temporary files."""
    with TemporaryDirectory(prefix="joulepost-bench-") as directory:
        return measurement(effort, Path(directory))

"""The station on its real threads, in this process: a disk that stalls and a core that hangs."""

import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hal.api import LEASE_S
from hal.sim.board import sim_board_description
from station.bench.csms_ledger import TransactionRecord
from station.bench.csms_thread import BenchCsmsThread
from station.bench.fake_transfers import FakeTransfers
from station.bench.memory_keys import MemoryKeys
from station.config import NetworkSection, Secret, StationConfig, StationSection
from station.env import Env
from station.io.worker import ThreadLanes
from station.main import Ports, Station
from station.presets import preset_from_key
from station.reactor import Reactor
from station.simulator import simulated_hardware
from station.store.backend import Blob, Disk, Opening
from station.store.database import Database
from station.store.thread_store import ThreadStore
from station.store.units import Unit
from tests.e2e.heard import assert_complete, events, messages, sampled, wait, wait_for_end
from tests.e2e.rig import IDENTITY, PASSWORD, QUICK, TOKEN, WAIT_S, until

STALL_S = 5.0
FREEZE_S = 3.0
LAG_S = 0.1
TICK_S = 0.01


class StallingDisk:
    """A disk of which one commit takes STALL_S, as an SD card's may; else the one it wraps."""

    def __init__(self, inner: Disk) -> None:
        self._inner = inner
        self.due, self.begun, self.over = (threading.Event() for _ in range(3))

    @property
    def is_low(self) -> bool:
        return self._inner.is_low

    def open(self) -> Opening:
        return self._inner.open()

    def apply(self, unit: Unit) -> None:
        if self.due.is_set() and not self.begun.is_set():
            self.begun.set()
            time.sleep(STALL_S)
            self.over.set()
        self._inner.apply(unit)

    def read(self, queue: str, ids: Sequence[int]) -> list[Blob]:
        return self._inner.read(queue, ids)

    def replace(self) -> str:
        return self._inner.replace()

    def close(self) -> None:
        self._inner.close()


class ThreadedStation:
    """What `station.process` builds, without signals, and with a disk of our own."""

    def __init__(self, folder: Path, csms_url: str) -> None:
        self.reactor = Reactor(time.monotonic)
        config = StationConfig(
            station=StationSection(identity=IDENTITY, model="simulator"),
            network=NetworkSection(url=csms_url, security_profile=1),
            password=Secret(PASSWORD),
            presets=tuple(map(preset_from_key, QUICK, QUICK.values())),
        )
        self.around = simulated_hardware(sim_board_description(1), folder, "boot")
        self.disk = StallingDisk(Database(folder / "station.db"))
        self.lanes = ThreadLanes(self.reactor.post)
        env = Env(
            monotonic=time.monotonic,
            utc=lambda: datetime.now(UTC),
            rng=random.Random(1),
            new_id=lambda: str(uuid.uuid4()),
            boot_id="boot",
            lane=self.lanes,
        )
        store = ThreadStore(self.disk, self.reactor.post, time.monotonic)
        ports = Ports(
            board=self.around.board,
            link=self.around.link,
            backend=store,
            keys=MemoryKeys(),
            transfers=FakeTransfers(),
        )
        self.station = Station(config, env, ports, self.reactor)
        self.core = threading.Thread(target=self.station.run, name="core", daemon=True)

    def start(self) -> None:
        self.station.start()
        self.core.start()

    def stop(self) -> None:
        self.station.stop()
        self.core.join(WAIT_S)
        assert not self.core.is_alive()
        assert self.around.link.stop(1.0)
        self.lanes.stop(1.0)
        assert self.station.store.stop(WAIT_S)
        assert self.around.board.violations == []  # type: ignore[attr-defined]

    @property
    def sim(self) -> Any:
        return self.around.controls

    @property
    def contactor_closed(self) -> bool:
        """The simulated contactor itself, whatever anybody has been told of it."""
        return bool(self.around.board.world.evses[1].place.closed)  # type: ignore[attr-defined]

    def charge(self, csms: BenchCsmsThread) -> None:
        """Returns when the CSMS has seen energy flow."""
        wait(csms, lambda seen: messages(seen, "StatusNotification"))
        self.sim.plug(1, current_a=32.0, ready_after_s=0.1)
        self.sim.token(TOKEN, evse=1)
        wait(csms, lambda seen: any(map(draws, events(seen))))

    def finish(self, csms: BenchCsmsThread) -> TransactionRecord:
        self.sim.token(TOKEN, evse=1)
        record = wait_for_end(csms)
        assert_complete(record)
        return record


@pytest.fixture
def threaded(tmp_path: Path, csms: BenchCsmsThread) -> Iterator[ThreadedStation]:
    threaded = ThreadedStation(tmp_path, csms.url)
    threaded.start()
    yield threaded
    threaded.stop()


def test_a_store_that_stalls_for_five_seconds_delays_messages_and_nothing_else(
    threaded: ThreadedStation, csms: BenchCsmsThread
) -> None:
    threaded.charge(csms)
    threaded.disk.due.set()
    assert threaded.disk.begun.wait(WAIT_S)
    told = len(events(csms))
    core = Ticks(threaded)
    plain = PlainTicks()
    assert threaded.disk.over.wait(STALL_S + WAIT_S)
    late_s, machine_late_s = core.stop(), plain.stop()
    assert len(core.at) > STALL_S / TICK_S / 2
    assert late_s < LAG_S + machine_late_s

    assert len(events(csms)) <= told + 1  # one was on its way when the stall began
    assert all(core.closed)
    wait(csms, lambda heard: len(events(heard)) >= told + int(STALL_S) - 1)
    record = threaded.finish(csms)
    assert record.offline_events == 0


def test_a_core_that_hangs_leads_to_an_open_contactor_and_charges_again_afterwards(
    threaded: ThreadedStation, csms: BenchCsmsThread
) -> None:
    threaded.charge(csms)
    hangs, ends = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        time.sleep(FREEZE_S)
        ends.set()

    threaded.reactor.post(hang)
    assert hangs.wait(WAIT_S)
    hung_at = time.monotonic()
    until(lambda: not threaded.contactor_closed, lambda: "the contactor stays closed")
    assert time.monotonic() - hung_at < LEASE_S + 0.5
    assert not ends.is_set()

    assert ends.wait(WAIT_S)
    so_far = len(events(csms))
    until(lambda: threaded.contactor_closed, lambda: "the contactor stays open")
    wait(csms, lambda seen: any(map(draws, events(seen)[so_far:])))
    threaded.finish(csms)


class Ticks:
    """A timer of the core: when it ran, and how the contactor was."""

    def __init__(self, threaded: ThreadedStation) -> None:
        self._threaded = threaded
        self._stopped = False
        self.at = [time.monotonic()]
        self.closed: list[bool] = []
        threaded.reactor.post(self._tick, source="ticks")

    def stop(self) -> float:
        """How late the latest of them was."""
        self._stopped = True
        return worst_gap(self.at)

    def _tick(self) -> None:
        self.at.append(time.monotonic())
        self.closed.append(self._threaded.contactor_closed)
        if not self._stopped:
            self._threaded.reactor.call_later(TICK_S, self._tick, source="ticks")


class PlainTicks:
    """The same on a thread that does nothing else: what this machine does to everybody."""

    def __init__(self) -> None:
        self.at = [time.monotonic()]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._stopped.set()
        self._thread.join(WAIT_S)
        return worst_gap(self.at)

    def _run(self) -> None:
        while not self._stopped.wait(TICK_S):
            self.at.append(time.monotonic())


def worst_gap(moments: list[float]) -> float:
    moments = [*moments, time.monotonic()]
    return max(b - a for a, b in pairwise(moments)) - TICK_S


def draws(event: dict[str, Any]) -> bool:
    return sampled(event).get("Power.Active.Import", 0) > 0

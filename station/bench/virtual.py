"""Whole stations in virtual time: the real core over a virtual reactor, hardware and CSMS.

`VirtualStation` is the station of production; only its environment differs: time jumps from
due timer to due timer, lanes work inline, the disk is a dictionary, the CSMS is a `FakeCsms`.
The disk and the simulated world outlive the process, so a test can kill it at any moment.
"""

import hashlib
import random
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import orjson

from hal.api import BoardDescription
from hal.sim.board import SimBoard, sim_board_description
from hal.sim.hardware import SimHardware
from hal.sim.world import World
from station.bench.fake_csms import FakeCsms
from station.bench.fake_transfers import FakeTransfers
from station.bench.memory_keys import MemoryKeys
from station.config import ChargingSection, NetworkSection, Secret, StationConfig, StationSection
from station.device_model import Notice
from station.env import Env
from station.life import Ending
from station.main import Ports, Station
from station.presets import VariablePreset
from station.reactor import Reactor, Timer
from station.store.backend import Disk
from station.store.inline_store import InlineStore
from station.store.memory_disk import MemoryDisk

T = TypeVar("T")

EPOCH = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning: when virtual stations begin unless told otherwise."""

FIRST_PASSWORD = "virtual-station-password"  # noqa: S105 - of stations that do not exist
OUTSIDE = frozenset({"board", "wire"})
"""Sources of timers that stand for other threads and machines: they run while the core hangs."""


class VirtualReactor(Reactor):
    """The real reactor on a clock that jumps."""

    def __init__(self, start: float = 1000.0) -> None:
        self.at = start
        self.on_stopped: Callable[[], Any] | None = None
        """Called when the process has ended by itself; it may begin the next one."""
        self.on_moment: Callable[[], Any] | None = None
        """Called at every moment at which something was due, after it has happened."""
        super().__init__(lambda: self.at)

    def advance(self, duration_s: float) -> None:
        """Live through *duration_s*, turn by turn."""
        self.advance_to(self.at + duration_s)

    def advance_to(self, until: float) -> None:
        while True:
            self.run_ready()
            if self.on_moment is not None:
                self.on_moment()
            if self._stopped:
                if self.on_stopped is None:
                    break
                self.on_stopped()
            elif (due_at := self.next_due()) is None or due_at > until:
                break
            elif due_at > self.at:
                self.at = due_at
        self.at = max(self.at, until)

    def clear(self) -> None:
        """The process is dead: none of its timers and posts will ever run."""
        self._timers.clear()
        self._urgent.clear()
        self._normal.clear()
        self._drain(0.0)
        self._urgent.clear()
        self._normal.clear()
        self._stopped = False

    def freeze(self, duration_s: float) -> None:
        """The core hangs for so long; what is outside it goes on, and its posts wait."""
        until = self.at + duration_s
        while (timer := self._next_outside(until)) is not None:
            self.at = max(self.at, timer.due_at)
            job, args = timer.job, timer.args
            timer.cancel()
            assert job is not None
            job(*args)
            if self.on_moment is not None:
                self.on_moment()
        self.at = until

    def _next_outside(self, until: float) -> Timer | None:
        """The earliest timer up to *until* of a source that does not need the core."""
        outside = (
            entry
            for entry in self._timers
            if entry[2].active and entry[2].source in OUTSIDE and entry[0] <= until
        )
        return min(outside, default=(0.0, 0, None))[2]


class InlineLane:
    """A lane that works at once and reports after a seeded latency."""

    def __init__(
        self, reactor: Reactor, rng: random.Random, latency_s: tuple[float, float] = (0.0005, 0.005)
    ) -> None:
        self._reactor, self._rng, self._latency_s = reactor, rng, latency_s

    def submit(self, job: Callable[[], T], on_done: Callable[[T | BaseException], Any]) -> None:
        try:
            result: T | BaseException = job()
        except Exception as error:  # noqa: BLE001 - a lane hands every failure to its caller
            result = error
        self._reactor.call_later(self._rng.uniform(*self._latency_s), on_done, result)

    def stop(self, timeout_s: float) -> bool:
        return True


class VirtualStation:
    """A station, its hardware, its disk and its CSMS; restarts itself when it is reset."""

    def __init__(
        self,
        *,
        identity: str = "CS001",
        evses: int = 2,
        connectors: int = 1,
        cable: str = "fixed",
        signing: bool = False,
        seed: int = 1,
        variables: dict[str, str] | None = None,
        description: BoardDescription | None = None,
        disk: Disk | None = None,
        master_pass: str = "stop-all",  # noqa: S107 - no password
        clock_error_s: float = 0.0,
        disk_latency_s: tuple[float, float] = (0.001, 0.005),
        begin: datetime = EPOCH,
        url: str = "ws://csms.example/ocpp",
        security_profile: int = 1,
        password: str = FIRST_PASSWORD,
        configured: dict[str, str] | None = None,
        access: Callable[[bytes], Any] | None = None,
        config: StationConfig | None = None,
        on_notice: Callable[[Notice], Any] | None = None,
        start: bool = True,
    ) -> None:
        self.reactor = VirtualReactor()
        self.rng = random.Random(seed)
        self.description = description or sim_board_description(
            evses, connectors, cable, signs=signing
        )
        self.world = World(self.description, self.reactor.at)
        self.disk = disk or MemoryDisk()
        self.keys = MemoryKeys()
        self.transfers = FakeTransfers()
        self.lane_latency_s = 0.0005, 0.005
        self.csms = FakeCsms(self.reactor, self.rng, lambda: self.utc)
        self.identity = identity
        self._charging = ChargingSection(master_pass=master_pass)  # type: ignore[arg-type]
        self._variables = tuple(_preset(key, value) for key, value in (variables or {}).items())
        self.configured = configured or {}
        """The installer's `[variables]`; what is changed here counts at the next start."""
        self.network = NetworkSection(url=url, security_profile=security_profile)
        """As `configured`, of `[network]`."""
        self.password, self.access = password, access
        self._config, self._on_notice = config, on_notice
        self._begin, self._begin_at = begin, self.reactor.at
        self.clock_error_s = clock_error_s
        """How wrong the clock of the board is; what is changed here counts at the next start."""
        self._disk_latency_s = disk_latency_s
        self._boots = 1
        self.restarts = 0
        self.ended: Ending | None = None
        self.violations: list[str] = []
        self.station: Station
        self.board: SimBoard
        self.backend: InlineStore
        if start:
            self.power_up()

    # -- the process

    def power_up(self) -> None:
        """Start the process on the disk and the world as they are."""
        board = SimBoard(
            self.description,
            self.world,
            lambda: self.reactor.at,
            lambda due_at, job: self.reactor.call_at(due_at, job, source="board"),
            utc=lambda: self.utc,
        )
        self.board, self.sim = board, SimHardware(board, lambda: self.reactor.at)
        self.backend = InlineStore(
            self.reactor, self.rng, self.disk, latency_s=self._disk_latency_s
        )
        env = Env(
            monotonic=lambda: self.reactor.at,
            utc=lambda: self.utc + timedelta(seconds=self.clock_error_s),
            rng=self.rng,
            new_id=lambda: str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            boot_id=f"boot-{self._boots}",
            lane=lambda _: InlineLane(self.reactor, self.rng, self.lane_latency_s),
        )
        config = self._config or StationConfig(
            station=StationSection(
                identity=self.identity, model="virtual", serial_number=self.identity[:25]
            ),
            network=self.network,
            charging=self._charging,
            variables=tuple(_preset(key, value) for key, value in self.configured.items()),
            presets=self._variables,
            password=Secret(self.password),
        )
        self.csms.detach()
        ports = Ports(
            board=board,
            link=self.csms.link(),
            backend=self.backend,
            keys=self.keys,
            on_notice=self._on_notice,
            access=self.access,
            transfers=self.transfers,
        )
        self.station = Station(config, env, ports, self.reactor)
        self.station.on_ended = self._on_ended
        self.station.start()

    def kill(self, *, power_cut: bool = False) -> None:
        """SIGKILL: whatever is not durable is gone, the hardware is left to itself."""
        self.backend.kill()
        self.board.halt()
        self.violations += self.board.violations
        self.csms.receive_the_last()
        self.csms.cut()
        self.reactor.clear()
        if power_cut:
            self._boots += 1

    def restart(self, *, after_s: float = 3.0, power_cut: bool = False) -> None:
        """Kill the process and start it again *after_s* later."""
        self.kill(power_cut=power_cut)
        self.reactor.at += after_s
        self.world.survive(self.reactor.at)
        self.power_up()
        self.settle()

    def _on_ended(self, ending: Ending) -> None:
        """The process has ended by itself: a reset is started again at once."""
        if ending is not Ending.STOP:
            self.reactor.on_stopped = partial(self._begin_anew, ending)

    def _begin_anew(self, ending: Ending) -> None:
        self.reactor.on_stopped = None
        self.restarts += 1
        self.ended = ending
        self.kill()
        self.reactor.at += 1.0
        self.world.survive(self.reactor.at)
        self.power_up()

    # -- time

    @property
    def utc(self) -> datetime:
        """True time, whatever the station believes."""
        return self._begin + timedelta(seconds=self.reactor.at - self._begin_at)

    def in_seconds(self, duration_s: float) -> str:
        """A timestamp, so far from now, as OCPP writes it."""
        moment = self.utc + timedelta(seconds=duration_s)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def advance(self, duration_s: float) -> None:
        self.reactor.advance(duration_s)

    def settle(self) -> None:
        """Two seconds: everything that was caused has happened, nothing periodic has."""
        self.advance(2.0)

    def boot(self) -> "VirtualStation":
        """Connect, register, report every connector; then forget what was received."""
        self.settle()
        self.csms.received.clear()
        return self

    # -- what tests look at

    def variable(self, component: str, name: str, value: str | None = None, **place: Any) -> str:
        """Get (or first set) a variable through the CSMS; the value as text."""
        address: dict[str, Any] = {"component": {"name": component}, "variable": {"name": name}}
        if "instance" in place:
            address["variable"]["instance"] = place["instance"]
        if "evse" in place:
            address["component"]["evse"] = {"id": place["evse"]}
        if value is not None:
            data = [{**address, "attributeValue": value}]
            answer = self.csms.call("SetVariables", {"setVariableData": data})
            status = answer["setVariableResult"][0]["attributeStatus"]
            assert status in ("Accepted", "RebootRequired"), answer
        answer = self.csms.call("GetVariables", {"getVariableData": [address]})
        return str(answer["getVariableResult"][0].get("attributeValue"))

    def assert_safe(self) -> None:
        """The simulated board has seen no rule of the interlock broken."""
        assert self.violations + self.board.violations == []

    def trace(self) -> str:
        """A digest of every frame on the wire, both ways, in order."""
        return hashlib.sha256(orjson.dumps(self.csms.frames)).hexdigest()


def advance_together(stations: Sequence[VirtualStation], duration_s: float) -> None:
    """Live through *duration_s* with all of *stations*: whoever is due first has its turn."""
    ends = [station.reactor.at + duration_s for station in stations]
    while True:
        for station in stations:
            station.advance(0.0)
        due = [
            (due_at - end, index)
            for index, (station, end) in enumerate(zip(stations, ends, strict=True))
            if (due_at := station.reactor.next_due()) is not None and due_at <= end
        ]
        if not due:
            break
        first = stations[min(due)[1]].reactor
        first.advance_to(first.next_due() or first.at)
    for station, end in zip(stations, ends, strict=True):
        station.reactor.advance_to(end)


def _preset(key: str, value: str) -> VariablePreset:
    """ "TxCtrlr.TxStartPoint" or "OCPPCommCtrlr.MessageAttempts[TransactionEvent]"."""
    name, _, instance = key.partition("[")
    component, _, variable = name.partition(".")
    return VariablePreset(
        component=component, variable=variable, instance=instance.rstrip("]") or None, value=value
    )

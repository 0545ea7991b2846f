"""Fakes for tests of hal: virtual time, GPIO lines, and a bench with one simulated board."""

import heapq
from collections.abc import Callable

from hal.api import (
    BoardDescription,
    Change,
    CommandResult,
    EvseReport,
    EvseSetpoint,
    FaultName,
    Power,
)
from hal.gpio import Pull
from hal.sim.board import SimBoard, sim_board_description
from hal.sim.hardware import SimHardware
from hal.sim.world import World


class FakeTimer:
    def __init__(self, job: Callable[[], None]) -> None:
        self.job: Callable[[], None] | None = job

    def cancel(self) -> None:
        self.job = None


class VirtualTime:
    def __init__(self, now: float = 0.0) -> None:
        self.now, self._order = now, 0
        self._heap: list[tuple[float, int, FakeTimer]] = []

    def monotonic(self) -> float:
        return self.now

    def call_at(self, due: float, job: Callable[[], None]) -> FakeTimer:
        self._order += 1
        timer = FakeTimer(job)
        heapq.heappush(self._heap, (due, self._order, timer))
        return timer

    def advance(self, duration_s: float) -> None:
        end = self.now + duration_s
        while self._heap and self._heap[0][0] <= end:
            due, _, timer = heapq.heappop(self._heap)
            if timer.job is not None:
                self.now = max(self.now, due)
                timer.job()
        self.now = end


class SimBench:
    """One simulated board in virtual time, with a core that only applies and renews."""

    def __init__(
        self,
        description: BoardDescription | None = None,
        *,
        time: VirtualTime | None = None,
        world: World | None = None,
    ) -> None:
        self.time = time or VirtualTime()
        self.description = description or sim_board_description()
        self.world = world or World(self.description, self.time.now)
        self.board = SimBoard(self.description, self.world, self.time.monotonic, self.time.call_at)
        self.hardware = SimHardware(self.board, self.time.monotonic)
        self.changes: list[Change] = []
        self.results: list[CommandResult] = []
        self.commands = 0
        self.seq = 0
        self.board.start(self.changes.append)

    def offer(self, evse: int = 1, limit_a: float = 16.0, **fields: object) -> None:
        self.set(evse, Power.OFFER, limit_a=limit_a, **fields)

    def set(self, evse: int, power: Power, **fields: object) -> None:
        self.seq += 1
        values = {"limit_a": 16.0, "lock": True, "permit_until": self.time.now + 2.0, **fields}
        self.board.apply(EvseSetpoint(evse, self.seq, power=power, **values))  # type: ignore[arg-type]

    def run(self, duration_s: float, evse: int = 1) -> None:
        """Pass time while the core renews the lease."""
        end = self.time.now + duration_s
        while self.time.now < end:
            self.board.renew(evse, self.time.now + 2.0)
            self.time.advance(min(1.5, end - self.time.now))
        self.board.renew(evse, self.time.now + 2.0)

    def report(self, evse: int = 1) -> EvseReport:
        """The last one that the core has heard of this EVSE."""
        heard = [c for c in self.changes if isinstance(c, EvseReport) and c.evse == evse]
        return heard[-1]

    def faults(self, evse: int = 1) -> list[FaultName]:
        return sorted(fault.name for fault in self.report(evse).faults)

    def charging(self, **car: object) -> "SimBench":
        """Have a car charge at EVSE 1 for 10 s."""
        self.hardware.plug(1, **car)  # type: ignore[arg-type]
        self.offer()
        self.run(10)
        assert self.report().drawing
        return self


class FakeGpio:
    """GPIO lines in a dict; a line in `broken` raises when it is touched."""

    def __init__(self) -> None:
        self.levels: dict[int, bool] = {}
        self.outputs: set[int] = set()
        self.pulls: dict[int, Pull] = {}
        self.broken: set[int] = set()
        self.follow: dict[int, tuple[int, bool]] = {}
        """Input -> the output that it follows, and whether inverted."""

    def setup_output(self, pin: int, *, high: bool) -> None:
        self._touch(pin)
        self.outputs.add(pin)
        self.levels[pin] = high

    def setup_input(self, pin: int, pull: Pull) -> None:
        self._touch(pin)
        self.pulls[pin] = pull
        self.levels.setdefault(pin, pull is Pull.UP)

    def output(self, pin: int, *, high: bool) -> None:
        self._touch(pin)
        assert pin in self.outputs
        self.levels[pin] = high

    def input(self, pin: int) -> bool:
        self._touch(pin)
        if pin in self.follow:
            output, inverted = self.follow[pin]
            return self.levels.get(output, False) is not inverted
        return self.levels[pin]

    def cleanup(self, pins: list[int]) -> None:
        for pin in pins:
            self.outputs.discard(pin)

    def _touch(self, pin: int) -> None:
        if pin in self.broken:
            raise OSError(5, f"line {pin} does not answer")

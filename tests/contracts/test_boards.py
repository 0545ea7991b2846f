"""Boards on threads, in real time: the simulated one and the one on devices."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hal.api import (
    Board,
    BoardDescription,
    CableKind,
    Change,
    CommandKind,
    CommandResult,
    ConnectorDescription,
    EvseDescription,
    EvseReport,
    EvseSetpoint,
    FaultName,
    MeterReading,
    Power,
    ReaderDescription,
    TokenPresented,
)
from hal.devices import EvseDevices
from hal.drivers import gpio_contactor, gpio_pilot
from hal.drivers.gpio_contactor import GpioContactor
from hal.drivers.gpio_pilot import GpioPilot
from hal.errors import HardwareFault
from hal.make_safe import OutputsFile, read_lines
from hal.sim.board import sim_board_description
from hal.sim.hardware import SimHardware
from hal.sim.thread import SimBoardThread
from hal.sim.world import World
from hal.thread_board import ThreadBoard
from tests.unit.hal_fakes import FakeGpio

now = time.monotonic


class Rig:
    """A board with a way to connect an EV that is ready at once."""

    def __init__(self, board: Board, connect: Callable[[], None]) -> None:
        self.board, self.connect = board, connect
        self.changes: list[Change] = []

    def reports(self, evse: int = 1) -> list[EvseReport]:
        return [c for c in list(self.changes) if isinstance(c, EvseReport) and c.evse == evse]

    def wait(self, true: Callable[[], bool]) -> None:
        deadline = now() + 5.0
        while not true():
            assert now() < deadline
            time.sleep(0.002)

    def is_closed(self) -> bool:
        reports = self.reports()
        return bool(reports) and reports[-1].contactor_closed

    def offer(self, lease_s: float) -> None:
        setpoint = EvseSetpoint(1, 1, 16.0, power=Power.OFFER, permit_until=now() + lease_s)
        self.board.apply(setpoint)


def simulated(_: Path) -> Rig:
    description = sim_board_description(cable="fixed")
    board = SimBoardThread(description, World(description, now()), now)
    hardware = SimHardware(board, now)
    return Rig(board, lambda: hardware.plug(1, ready_after_s=0.0))


def on_devices(tmp_path: Path) -> Rig:
    gpio = FakeGpio()
    devices, lines = {}, []
    for evse in (1, 2):
        pin = 10 * evse
        contactor = GpioContactor(gpio, gpio_contactor.Options(coil_pin=pin, mirror_pin=pin + 1))
        gpio.follow[pin + 1] = (pin, False)
        pilot = GpioPilot(
            gpio,
            gpio_pilot.Options(connected_pin=pin + 2, ready_pin=pin + 3, offer_pin=pin + 4),
        )
        devices[evse] = EvseDevices(contactor, pilot)
        lines.append(contactor.line(evse))
    cable = ConnectorDescription(1, "cType2", CableKind.FIXED, has_lock=False)
    description = BoardDescription(
        tuple(EvseDescription(evse, (cable,), max_current_a=16.0, phases=3) for evse in (1, 2))
    )
    outputs = OutputsFile(tmp_path / "outputs.json", tuple(lines))
    board = ThreadBoard(description, devices, now, outputs=outputs)
    return Rig(board, lambda: gpio.levels.update({12: True, 13: True}))


@pytest.fixture(params=[simulated, on_devices])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    made: Rig = request.param(tmp_path)
    made.board.start(made.changes.append)
    yield made
    made.board.stop()


def test_a_frozen_core_leads_to_an_open_contactor(rig: Rig) -> None:
    """Permission lapses without any help of the core."""
    rig.wait(lambda: bool(rig.reports(1) and rig.reports(2)))
    rig.connect()
    lapse = now() + 0.25
    rig.offer(0.25)
    rig.wait(rig.is_closed)
    rig.wait(lambda: not rig.is_closed())
    assert 0.0 <= rig.reports()[-1].at - lapse < 0.5


def test_a_renewed_lease_keeps_the_contactor_closed_and_stop_opens_it(rig: Rig) -> None:
    rig.connect()
    rig.offer(0.2)
    rig.wait(rig.is_closed)
    for _ in range(6):
        rig.board.renew(1, now() + 0.2)
        time.sleep(0.05)
    assert rig.is_closed()
    assert now() - rig.board.polled_at(1) < 0.5
    assert rig.board.stop()
    assert not rig.is_closed()


@pytest.mark.parametrize("kind", [simulated, on_devices])
def test_a_board_that_hangs_is_told_from_one_that_lives(
    kind: Callable[[Path], Rig], tmp_path: Path
) -> None:
    """By this the watchdog knows: a thread that hangs opens nothing any more."""
    rig, hung, go_on = kind(tmp_path), threading.Event(), threading.Event()

    def hang(_: Change) -> None:
        hung.set()
        go_on.wait(5.0)

    rig.board.start(hang)
    assert hung.wait(5.0)
    rig.board.renew(1, now())
    time.sleep(0.3)
    assert now() - rig.board.alive_at() > 0.2
    go_on.set()
    rig.wait(lambda: now() - rig.board.alive_at() < 0.2)
    rig.board.stop()


def test_commands_are_answered_once(rig: Rig) -> None:
    results: list[CommandResult] = []
    rig.board.command(CommandKind.RESET_FAULTS, 1, None, results.append)
    rig.board.command(CommandKind.UNLOCK, 1, 1, results.append)
    rig.wait(lambda: len(results) == 2)
    assert results == [CommandResult.DONE, CommandResult.UNSUPPORTED]


def test_the_other_evse_is_left_alone(tmp_path: Path) -> None:
    rig = on_devices(tmp_path)
    rig.board.start(rig.changes.append)
    rig.connect()
    rig.offer(2.0)
    rig.wait(rig.is_closed)
    assert isinstance(rig.board, ThreadBoard)

    def fail() -> bool:
        raise OSError("gone")

    rig.board.units[2].devices.contactor.is_closed = fail  # type: ignore[method-assign]
    rig.wait(lambda: bool(rig.reports(2)[-1].faults))
    assert [fault.name for fault in rig.reports(2)[-1].faults] == [FaultName.BOARD_SILENT]
    assert rig.is_closed()
    assert not rig.board.stop()  # that one cannot be confirmed


def test_what_opens_the_contactors_is_written_down_when_the_board_starts(tmp_path: Path) -> None:
    rig = on_devices(tmp_path)
    assert not (tmp_path / "outputs.json").exists()
    rig.board.start(rig.changes.append)
    assert [line.pin for line in read_lines(tmp_path / "outputs.json")] == [10, 20]
    assert rig.board.stop()


class FlakyMeter:
    """Fails at first, as a bus does after power-up."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, at: float) -> MeterReading:
        self.reads += 1
        if self.reads == 1:
            raise HardwareFault("ElectricalMeter", "no answer")
        return MeterReading(1, at, 1000 + self.reads, 0.0, (0.0,), (230.0,))


class LyingToken:
    def read(self) -> str | None:
        return "04A1B2C3"


def test_devices_on_buses_have_their_own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hal.thread_board.METER_PERIOD_S", 0.01)
    gpio, changes, beats = FakeGpio(), [], []
    contactor = GpioContactor(gpio, gpio_contactor.Options(coil_pin=1, mirror_pin=2))
    pilot = GpioPilot(gpio, gpio_pilot.Options(connected_pin=3, ready_pin=4, offer_pin=5))
    cable = ConnectorDescription(1, "cType2", CableKind.FIXED, has_lock=False)
    description = BoardDescription(
        (EvseDescription(1, (cable,), max_current_a=16.0, phases=1),),
        (ReaderDescription("door", None),),
    )
    board = ThreadBoard(
        description,
        {1: EvseDevices(contactor, pilot, meter=FlakyMeter())},
        now,
        readers={"door": LyingToken()},
        heartbeat=lambda: beats.append(now()),
    )
    rig = Rig(board, lambda: None)
    board.start(changes.append)
    rig.wait(lambda: board.reading(1) is not None and len(beats) > 1)
    rig.wait(lambda: any(isinstance(change, TokenPresented) for change in changes))
    time.sleep(0.15)
    assert board.stop()
    tokens = [change for change in changes if isinstance(change, TokenPresented)]
    assert [(token.reader, token.evse, token.id_token) for token in tokens] == [
        ("door", None, "04A1B2C3")
    ]

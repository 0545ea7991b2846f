"""The control law of one EVSE, and the unit that runs it on devices, without a thread."""

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from hal.api import (
    FAULTS,
    CableKind,
    CommandKind,
    CommandResult,
    ConnectorDescription,
    EvseDescription,
    EvseSetpoint,
    Fault,
    FaultName,
    MeterReading,
    PilotState,
    Power,
    ReaderDescription,
    TokenPresented,
)
from hal.board import INTERRUPTION_S, LOCK_TIME_S, EvseState, EvseUnit, step
from hal.devices import EvseDevices
from hal.errors import HardwareFault
from hal.interlock import Inputs
from hal.meters import METER_SILENT_S, MeterSlot
from hal.pollers import ReaderPoller
from hal.registers import Doubt
from hal.thread_board import DeviceUnit
from tests.unit.hal_fakes import VirtualTime

SOCKET = ConnectorDescription(1, "sType2", CableKind.SOCKET, has_lock=True)
EVSE = EvseDescription(1, (SOCKET,), max_current_a=32.0, phases=3)
IDLE = Inputs(PilotState.A, mirror_closed=False, locked=False)
PLUGGED = Inputs(
    PilotState.B,
    mirror_closed=False,
    plugged=True,
    connector=1,
    cable_max_a=20.0,
    locked=True,
)
OFFER = EvseSetpoint(1, 7, 32.0, power=Power.OFFER, lock=True, permit_until=2.0)


def look(seen: Inputs, setpoint: EvseSetpoint = OFFER, now: float = 0.0):  # type: ignore[no-untyped-def]
    return step(now, seen, setpoint, EvseState(), EVSE)


def test_offer_is_capped_by_the_cable_and_reported() -> None:
    taken = look(PLUGGED)
    assert taken.outputs.offer_a == 20.0
    assert taken.report.limit_a == 20.0
    assert taken.report.offering
    assert taken.report.applied_seq == 7
    assert look(replace(PLUGGED, cable_max_a=None)).outputs.offer_a == 32.0


def test_nothing_is_offered_to_an_empty_socket_or_after_the_lease() -> None:
    assert look(IDLE).outputs.offer_a == 0.0
    assert look(PLUGGED, now=2.0).outputs.offer_a == 0.0


def test_phases_are_those_of_the_evse_at_most() -> None:
    single = replace(EVSE, phases=1)
    assert step(0.0, PLUGGED, OFFER, EvseState(), single).outputs.phases == 1


def test_drawing_needs_a_closed_contactor_and_is_assumed_where_nothing_measures() -> None:
    ready = replace(PLUGGED, pilot=PilotState.C)
    assert not look(replace(ready, drawing=True)).report.drawing
    assert look(replace(ready, mirror_closed=True)).report.drawing
    assert not look(replace(ready, mirror_closed=True, drawing=False)).report.drawing
    assert not look(replace(PLUGGED, mirror_closed=True)).report.drawing


def test_lock_holds_the_plug_until_the_contactor_is_open() -> None:
    unlock = EvseSetpoint(1)
    assert look(replace(PLUGGED, mirror_closed=True), unlock).outputs.lock
    assert not look(PLUGGED, unlock).outputs.lock


def test_lock_does_not_move_into_an_empty_socket() -> None:
    assert not look(IDLE).outputs.lock


def test_lock_that_does_not_move_is_reported_and_clears_when_it_does() -> None:
    unit = EvseUnit(EVSE)
    unit.apply(OFFER)
    loose = replace(PLUGGED, locked=False)
    assert unit.look(0.0, loose).rest_due == LOCK_TIME_S
    assert unit.look(LOCK_TIME_S, loose).report.faults == {FAULTS[FaultName.LOCK_STUCK]}
    assert unit.look(1.5, PLUGGED).report.faults == frozenset()


def test_only_changes_are_news() -> None:
    unit = EvseUnit(EVSE)
    assert unit.news(unit.look(0.0, IDLE).report) is not None
    assert unit.news(unit.look(1.0, IDLE).report) is None
    assert unit.news(unit.look(2.0, PLUGGED).report) is not None


def test_renewing_moves_the_lease_of_the_setpoint_in_force() -> None:
    unit = EvseUnit(EVSE)
    unit.apply(OFFER)
    unit.look(0.0, PLUGGED)
    unit.renew(3.0)
    assert unit.look(1.5, PLUGGED).lease_due == 3.0
    assert unit.setpoint.seq == 7


def command(unit: EvseUnit, kind: CommandKind, seen: Inputs, now: float) -> list[CommandResult]:
    results: list[CommandResult] = []
    unit.command(kind, seen, now, results.append)
    return results


def test_unlock_opens_the_lock_until_the_plug_or_the_wish_for_it_has_gone() -> None:
    unit = EvseUnit(EVSE)
    unit.apply(OFFER)
    results = command(unit, CommandKind.UNLOCK, PLUGGED, 0.0)
    assert not unit.look(0.0, PLUGGED).outputs.lock
    assert results == []
    assert not unit.look(0.1, replace(PLUGGED, locked=False)).outputs.lock
    assert results == [CommandResult.DONE]
    unit.look(0.2, IDLE)
    assert unit.look(0.3, replace(PLUGGED, locked=False)).outputs.lock


def test_unlock_fails_when_the_lock_does_not_move() -> None:
    unit = EvseUnit(EVSE)
    unit.apply(OFFER)
    results = command(unit, CommandKind.UNLOCK, PLUGGED, 0.0)
    assert unit.look(0.0, PLUGGED).rest_due == LOCK_TIME_S
    unit.look(LOCK_TIME_S, PLUGGED)
    assert results == [CommandResult.FAILED]


def test_unlock_is_refused_under_voltage_and_unsupported_without_a_lock() -> None:
    live = replace(PLUGGED, mirror_closed=True)
    assert command(EvseUnit(EVSE), CommandKind.UNLOCK, live, 0.0) == [CommandResult.FAILED]
    fixed = replace(PLUGGED, locked=None)
    assert command(EvseUnit(EVSE), CommandKind.UNLOCK, fixed, 0.0) == [CommandResult.UNSUPPORTED]


def test_self_test_is_done_only_by_boards_that_can() -> None:
    kind = CommandKind.SELF_TEST
    assert command(EvseUnit(EVSE), kind, IDLE, 0.0) == [CommandResult.UNSUPPORTED]
    assert command(EvseUnit(EVSE, can_self_test=True), kind, IDLE, 0.0) == [CommandResult.DONE]


def test_interrupted_pilot_offers_nothing_and_comes_back_by_itself() -> None:
    unit = EvseUnit(EVSE, can_interrupt=True)
    unit.apply(replace(OFFER, permit_until=100.0))
    results = command(unit, CommandKind.INTERRUPT_PILOT, PLUGGED, 0.0)
    taken = unit.look(0.0, PLUGGED)
    assert taken.outputs.interrupt
    assert taken.outputs.offer_a == 0.0
    assert taken.rest_due == INTERRUPTION_S
    unit.renew(5.0)
    assert not unit.look(INTERRUPTION_S, PLUGGED).outputs.interrupt
    assert results == [CommandResult.DONE]


def test_pilot_is_not_interrupted_where_the_hardware_cannot() -> None:
    kind = CommandKind.INTERRUPT_PILOT
    assert command(EvseUnit(EVSE), kind, IDLE, 0.0) == [CommandResult.UNSUPPORTED]


def test_fault_reset_lets_go_of_latched_faults_only() -> None:
    unit = EvseUnit(EVSE)
    unit.apply(replace(OFFER, permit_until=1.0))
    ready = replace(PLUGGED, pilot=PilotState.C)
    unit.look(0.0, ready)
    unit.look(0.1, ready)
    assert unit.look(0.5, ready).report.faults == {FAULTS[FaultName.CONTACTOR_STUCK_OPEN]}
    assert unit.look(0.9, IDLE).report.faults == {FAULTS[FaultName.CONTACTOR_STUCK_OPEN]}
    assert command(unit, CommandKind.RESET_FAULTS, IDLE, 1.0) == [CommandResult.DONE]
    assert unit.look(1.0, IDLE).report.faults == frozenset()


def test_stopping_fails_the_commands_under_way() -> None:
    unit = EvseUnit(EVSE)
    unit.apply(OFFER)
    results = command(unit, CommandKind.UNLOCK, PLUGGED, 0.0)
    unit.fail_pulses()
    assert results == [CommandResult.FAILED]


@dataclass
class FakeDevice:
    """Contactor, pilot, proximity, lock, sensor, bay and meter at once; `fails` by name."""

    state: PilotState = PilotState.A
    closed: bool = False
    locked: bool = False
    cable_a: float | None = None
    current_a: float = 0.0
    energy_wh: int = 100
    tripped: frozenset[Fault] = frozenset()
    fails: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def _do(self, name: str) -> None:
        if name in self.fails:
            raise HardwareFault("Device", name)

    def switch(self, *, closed: bool) -> None:
        self._do("switch")
        self.closed = closed
        self.log.append("close" if closed else "open")

    def is_closed(self) -> bool:
        self._do("mirror")
        return self.closed

    def read(self, at: float | None = None):  # type: ignore[no-untyped-def]
        if at is None:
            self._do("pilot")
            return self.state
        self._do("meter")
        return MeterReading(1, at, self.energy_wh, 0.0, (self.current_a,) * 3, (230.0,) * 3)

    def offer(self, current_a: float) -> None:
        self._do("offer")
        self.log.append(f"offer {current_a:g}")

    def cable_max_a(self) -> float | None:
        self._do("proximity")
        return self.cable_a

    def move(self, *, locked: bool) -> None:
        self.locked = locked
        self.log.append("lock" if locked else "unlock")

    def is_locked(self) -> bool:
        return self.locked

    def faults(self) -> frozenset[Fault]:
        self._do("sensor")
        return self.tripped

    def is_occupied(self) -> bool:
        self._do("bay")
        return True


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def unit(device: FakeDevice, time: VirtualTime) -> DeviceUnit:
    devices = EvseDevices(device, device, device, device, (device,), device, device)
    return DeviceUnit(EVSE, devices, time.monotonic)


def charge(unit: DeviceUnit, device: FakeDevice) -> None:
    """Have an EV charge at 0.2 s."""
    device.state, device.cable_a = PilotState.C, 32.0
    unit.apply(OFFER)
    for tick in range(11):
        unit.poll(tick * 0.02)
    assert device.closed


def test_devices_are_driven_in_the_order_lock_then_close(
    unit: DeviceUnit, device: FakeDevice
) -> None:
    charge(unit, device)
    assert device.log.index("lock") < device.log.index("close")
    report = unit.poll(0.3)
    assert report.contactor_closed
    assert report.bay_occupied
    assert report.connector == 1


@pytest.mark.parametrize("name", ["pilot", "mirror", "sensor", "proximity"])
def test_an_evse_whose_device_fails_opens_and_recovers(
    unit: DeviceUnit, device: FakeDevice, name: str
) -> None:
    charge(unit, device)
    device.fails.add(name)
    report = unit.poll(0.3)
    assert not device.closed
    assert report.faults == {FAULTS[FaultName.BOARD_SILENT]}
    assert unit.polled_at == pytest.approx(0.2)
    assert unit.poll(1.0).faults == {FAULTS[FaultName.BOARD_SILENT]}  # and not "welded"
    device.fails.clear()
    unit.poll(1.1)
    assert unit.poll(1.2).faults == frozenset()
    assert device.closed


def test_a_pilot_that_takes_no_offer_opens_the_evse(unit: DeviceUnit, device: FakeDevice) -> None:
    charge(unit, device)
    device.fails.add("offer")
    unit.apply(replace(OFFER, limit_a=10.0))
    assert unit.poll(0.3).faults == {FAULTS[FaultName.BOARD_SILENT]}
    assert not device.closed


def test_a_contactor_that_cannot_be_told_to_open_is_told_again(
    unit: DeviceUnit, device: FakeDevice
) -> None:
    charge(unit, device)
    device.fails.add("switch")
    unit.apply(EvseSetpoint(1))
    unit.poll(0.3)
    assert not unit.is_open
    device.fails.clear()
    unit.poll(0.4)
    unit.poll(0.5)
    assert not device.closed
    assert unit.is_open


def test_a_silent_bay_sensor_opens_nothing(unit: DeviceUnit, device: FakeDevice) -> None:
    charge(unit, device)
    device.fails.add("bay")
    assert unit.poll(0.3).faults == {FAULTS[FaultName.DEVICE_SILENT]}
    assert device.closed


def test_a_silent_meter_is_reported_and_opens_nothing(
    unit: DeviceUnit, device: FakeDevice, time: VirtualTime
) -> None:
    charge(unit, device)
    time.advance(METER_SILENT_S + 1)
    unit.apply(replace(OFFER, permit_until=time.now + 2))
    assert unit.poll(time.now).faults == {FAULTS[FaultName.METER_SILENT]}
    assert device.closed
    assert unit.meter is not None
    unit.meter.poll()
    assert unit.poll(time.now).faults == frozenset()


def test_the_meter_tells_whether_the_ev_draws(
    unit: DeviceUnit, device: FakeDevice, time: VirtualTime
) -> None:
    charge(unit, device)
    assert unit.meter is not None
    unit.meter.poll()
    assert not unit.poll(0.3).drawing
    device.current_a = 16.0
    unit.meter.poll()
    assert unit.poll(0.4).drawing


def test_the_board_polls_fast_only_while_something_may_happen(
    unit: DeviceUnit, device: FakeDevice
) -> None:
    unit.poll(0.0)
    assert not unit.is_busy
    device.state = PilotState.B
    unit.poll(0.1)
    assert unit.is_busy


def test_without_a_proximity_pilot_the_control_pilot_tells_what_is_plugged(
    device: FakeDevice, time: VirtualTime
) -> None:
    unit = DeviceUnit(EVSE, EvseDevices(device, device), time.monotonic)
    assert not unit.poll(0.0).plugged
    device.state = PilotState.B
    assert unit.poll(0.1).plugged


def test_a_lock_found_locked_stays_so_until_the_core_says_otherwise(
    unit: DeviceUnit, device: FakeDevice
) -> None:
    device.locked, device.cable_a = True, 32.0
    unit.poll(0.0)
    assert device.locked
    unit.apply(EvseSetpoint(1))
    unit.poll(0.1)
    assert not device.locked


def a_slot(device: FakeDevice, time: VirtualTime) -> MeterSlot:
    return MeterSlot(1, device, time.monotonic, max_power_w=EVSE.max_power_w)


def test_a_register_that_falls_is_not_believed(device: FakeDevice, time: VirtualTime) -> None:
    """J02.FR.16"""
    slot = a_slot(device, time)
    slot.poll()
    device.energy_wh, device.current_a = 0, 6.0
    time.advance(1.0)
    slot.poll()
    assert slot.reading is not None
    assert (slot.reading.energy_wh, slot.reading.at) == (100, 0.0)
    assert slot.rejected == {Doubt.ZERO: 1}
    assert slot.current_a(time.now) == 6.0  # what it says of the present may be true


def test_a_meter_that_goes_on_lying_is_silent(device: FakeDevice, time: VirtualTime) -> None:
    slot = a_slot(device, time)
    slot.poll()
    device.energy_wh = 5_000_000
    for _ in range(int(METER_SILENT_S)):
        time.advance(1.0)
        slot.poll()
        assert not slot.is_silent(time.now)
    time.advance(1.0)
    slot.poll()
    assert slot.is_silent(time.now)
    device.energy_wh = 101
    slot.poll()
    assert not slot.is_silent(time.now)


def test_what_a_meter_lies_about_is_told_once_a_minute(
    device: FakeDevice, time: VirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    slot = a_slot(device, time)
    slot.poll()
    for second in range(100):
        device.energy_wh = second * 7919 % 50
        time.advance(1.0)
        slot.poll()
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == ("the meter of EVSE 1 says 0 Wh after 100 Wh: zero; not believed (so far: 1)")
    assert ["zero" in line for line in told].count(True) == 1
    assert ["fall" in line for line in told].count(True) == 2


def test_an_exchanged_meter_is_in_the_log(
    device: FakeDevice, time: VirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    slot = a_slot(device, time)
    slot.poll()
    device.energy_wh = 7_000
    for _ in range(40):
        time.advance(1.0)
        slot.poll()
    assert "its register began anew: 100 -> 7000 (jump)" in caplog.text
    assert slot.reading is not None
    assert (slot.reading.energy_wh, slot.reading.counted[0]) == (7_000, 100)


def test_a_reading_that_is_too_old_does_not_tell_the_current(
    device: FakeDevice, time: VirtualTime
) -> None:
    slot = a_slot(device, time)
    assert slot.current_a(0.0) is None
    slot.poll()
    assert slot.current_a(1.0) == 0.0
    assert slot.current_a(3.0) is None


class FakeReader:
    def __init__(self) -> None:
        self.token: str | None = None

    def read(self) -> str | None:
        return self.token


def test_a_token_left_on_the_reader_is_presented_once(time: VirtualTime) -> None:
    reader, presented = FakeReader(), []
    where = ReaderDescription("door", 2)
    poller = ReaderPoller(where, reader, time.monotonic, presented.append)
    poller.poll()
    reader.token = "04A1"
    for _ in range(30):
        time.advance(0.1)
        poller.poll()
    reader.token = "04b2"
    for _ in range(10):  # until the first one has been away for a second
        time.advance(0.1)
        poller.poll()
    assert presented == [
        TokenPresented(0.1, "door", 2, "04A1", "ISO14443"),
        TokenPresented(time.now, "door", 2, "04B2", "ISO14443"),
    ]
    reader.token = None
    time.advance(3.0)
    poller.poll()
    reader.token = "04B2"
    poller.poll()
    assert len(presented) == 3

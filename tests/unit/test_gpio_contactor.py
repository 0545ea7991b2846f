"""Drivers on GPIO: through a fake RPi.GPIO below the port, and fake lines behind it."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from hal.api import FAULTS, FaultName, PilotState
from hal.drivers import _blueprint, gpio_contactor, gpio_fault, gpio_pilot
from hal.drivers._blueprint import BlueprintBay
from hal.drivers.gpio_contactor import GpioContactor
from hal.drivers.gpio_fault import GpioFault
from hal.drivers.gpio_pilot import GpioPilot
from hal.errors import BoardError, HardwareFault
from hal.gpio import Pull, open_gpio
from hal.make_safe import ContactorLine
from tests.unit.hal_fakes import FakeGpio

COIL, MIRROR = 17, 27


class FakeRpiGpio:
    """What RPi.GPIO does, as far as it is used: a coil line that a mirror contact follows."""

    BCM, IN, OUT, LOW, HIGH = 11, 1, 0, 0, 1
    PUD_OFF, PUD_DOWN, PUD_UP = 20, 21, 22

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.levels: dict[int, int] = {}

    def setwarnings(self, flag: bool) -> None:
        self.calls.append(("setwarnings", flag))

    def setmode(self, mode: int) -> None:
        self.calls.append(("setmode", mode))

    def setup(self, pin: int, direction: int, **options: int) -> None:
        self.calls.append(("setup", pin, direction, options))
        if "initial" in options:
            self.levels[pin] = options["initial"]

    def output(self, pin: int, level: int) -> None:
        self.levels[pin] = level

    def input(self, pin: int) -> int:
        return self.levels.get(COIL, 0) if pin == MIRROR else self.levels.get(pin, 0)

    def cleanup(self, pins: list[int]) -> None:
        self.calls.append(("cleanup", pins))


@pytest.fixture
def rpi(monkeypatch: pytest.MonkeyPatch) -> FakeRpiGpio:
    fake = FakeRpiGpio()
    package = ModuleType("RPi")
    monkeypatch.setitem(sys.modules, "RPi", package)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", fake)
    return fake


def test_contactor_on_rpi_gpio_follows_commands_and_reads_its_mirror(rpi: FakeRpiGpio) -> None:
    options = gpio_contactor.Options(coil_pin=COIL, mirror_pin=MIRROR, mirror_pull=Pull.DOWN)
    contactor = GpioContactor(open_gpio(), options)
    assert rpi.calls == [
        ("setwarnings", False),
        ("setmode", rpi.BCM),
        ("setup", COIL, rpi.OUT, {"initial": rpi.LOW}),
        ("setup", MIRROR, rpi.IN, {"pull_up_down": rpi.PUD_DOWN}),
    ]
    assert not contactor.is_closed()
    contactor.switch(closed=True)
    assert rpi.levels[COIL] == rpi.HIGH
    assert contactor.is_closed()
    contactor.switch(closed=False)
    assert rpi.levels[COIL] == rpi.LOW
    assert not contactor.is_closed()


def test_lines_are_given_back_on_request(rpi: FakeRpiGpio) -> None:
    open_gpio().cleanup([5])
    assert rpi.calls[-1] == ("cleanup", [5])


def test_a_machine_without_gpio_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "RPi", None)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", None)
    with pytest.raises(BoardError, match=r"joulepost\[rpi\].*rpi-lgpio"):
        open_gpio()


def test_a_module_that_refuses_the_machine_is_told_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: str) -> None:
        raise RuntimeError("This module can only be run on a Raspberry Pi!")

    monkeypatch.setattr("hal.gpio.importlib", SimpleNamespace(import_module=refuse))
    with pytest.raises(BoardError, match="can only be run on a Raspberry Pi"):
        open_gpio()


@pytest.mark.parametrize("coil_low", [True, False])
@pytest.mark.parametrize("mirror_low", [True, False])
def test_either_level_may_mean_closed(coil_low: bool, mirror_low: bool) -> None:
    gpio = FakeGpio()
    options = gpio_contactor.Options(
        coil_pin=1, mirror_pin=2, coil_active_low=coil_low, mirror_active_low=mirror_low
    )
    gpio.follow[2] = (1, coil_low is not mirror_low)
    contactor = GpioContactor(gpio, options)
    assert gpio.levels[1] is coil_low
    assert not contactor.is_closed()
    contactor.switch(closed=True)
    assert gpio.levels[1] is not coil_low
    assert contactor.is_closed()
    assert contactor.line(3) == ContactorLine(3, 1, coil_low, 2, not mirror_low, Pull.NONE)


def test_lines_that_do_not_answer_are_hardware_faults() -> None:
    gpio = FakeGpio()
    options = gpio_contactor.Options(coil_pin=1, mirror_pin=2)
    contactor = GpioContactor(gpio, options)
    gpio.broken = {1, 2}
    with pytest.raises(HardwareFault, match=r"PowerContactor: coil: .*line 1") as raised:
        contactor.switch(closed=True)
    assert raised.value.component == "PowerContactor"
    with pytest.raises(HardwareFault, match="mirror contact"):
        contactor.is_closed()
    with pytest.raises(HardwareFault, match="lines"):
        GpioContactor(gpio, options)


@pytest.mark.parametrize(
    ("connected", "ready", "state"),
    [
        (False, False, PilotState.A),
        (True, False, PilotState.B),
        (True, True, PilotState.C),
        (False, True, PilotState.E),
    ],
)
@pytest.mark.parametrize("active_low", [True, False])
def test_pilot_controller_tells_the_state_on_two_lines(
    connected: bool, ready: bool, state: PilotState, active_low: bool
) -> None:
    gpio = FakeGpio()
    options = gpio_pilot.Options(
        connected_pin=1, ready_pin=2, offer_pin=3, inputs_active_low=active_low
    )
    pilot = GpioPilot(gpio, options)
    gpio.levels.update({1: connected is not active_low, 2: ready is not active_low})
    assert pilot.read() is state


@pytest.mark.parametrize("active_low", [True, False])
def test_pilot_controller_is_told_to_offer(active_low: bool) -> None:
    gpio = FakeGpio()
    options = gpio_pilot.Options(
        connected_pin=1, ready_pin=2, offer_pin=3, offer_active_low=active_low
    )
    pilot = GpioPilot(gpio, options)
    assert gpio.levels[3] is active_low
    pilot.offer(16.0)
    assert gpio.levels[3] is not active_low
    pilot.offer(0.0)
    assert gpio.levels[3] is active_low


def test_pilot_lines_that_do_not_answer_are_hardware_faults() -> None:
    gpio = FakeGpio()
    options = gpio_pilot.Options(connected_pin=1, ready_pin=2, offer_pin=3)
    pilot = GpioPilot(gpio, options)
    gpio.broken = {2, 3}
    with pytest.raises(HardwareFault, match="ControlPilot: inputs"):
        pilot.read()
    with pytest.raises(HardwareFault, match="ControlPilot: offer"):
        pilot.offer(6.0)
    with pytest.raises(HardwareFault, match="ControlPilot: lines"):
        GpioPilot(gpio, options)


def test_fault_contact_trips_on_a_broken_wire_by_default() -> None:
    gpio = FakeGpio()
    options = gpio_fault.Options(input_pin=4, fault=FaultName.RESIDUAL_CURRENT)
    sensor = GpioFault(gpio, options)
    assert gpio.pulls[4] is Pull.DOWN
    assert sensor.faults() == {FAULTS[FaultName.RESIDUAL_CURRENT]}
    gpio.levels[4] = True
    assert sensor.faults() == frozenset()
    gpio.broken.add(4)
    with pytest.raises(HardwareFault, match="ResidualCurrentDevice: input"):
        sensor.faults()
    with pytest.raises(HardwareFault, match="ResidualCurrentDevice: line"):
        GpioFault(gpio, options)


def test_the_blueprint_is_a_driver_that_works() -> None:
    gpio = FakeGpio()
    bay = BlueprintBay(gpio, _blueprint.Options(input_pin=6, active_low=True))
    assert bay.is_occupied()
    gpio.levels[6] = True
    assert not bay.is_occupied()
    gpio.broken.add(6)
    with pytest.raises(HardwareFault, match="input"):
        bay.is_occupied()
    with pytest.raises(HardwareFault, match="line"):
        BlueprintBay(gpio, _blueprint.Options(input_pin=6))

"""Board files: what is read from them, and how a mistake is told."""

import threading
import time
from pathlib import Path

import pytest

from hal.api import (
    CableKind,
    Change,
    ConnectorDescription,
    EvseDescription,
    EvseSetpoint,
    FaultName,
    MeterDescription,
    MeterReading,
    PilotState,
    Power,
    Quantity,
    ReaderDescription,
    TokenPresented,
)
from hal.build import PLAIN_METER, build_board, heartbeat, read_board
from hal.errors import BoardError
from hal.gpio import Gpio
from hal.options import DriverOptions
from hal.registry import DRIVERS, Driver
from hal.sim.board import sim_board_description
from tests.unit.hal_fakes import FakeGpio, VirtualTime

CONFIG = Path(__file__).parents[2] / "config" / "boards"

BOARD = """
model = "test"
opens_without_us = "RCD"
heartbeat_pin = 5
{more}
[[evse]]
max_current_a = 16
min_current_a = 16
phases = 3
{evse}
[[evse.connector]]
type = "cType2"
cable = "fixed"
{connector}
[evse.contactor]
driver = "gpio_contactor"
coil_pin = 17
mirror_pin = 27
mirror_active_low = true
{contactor}
[evse.pilot]
driver = "gpio_pilot"
connected_pin = 22
ready_pin = 23
offer_pin = 24
{pilot}
{end}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "board.toml"


def write(path: Path, **parts: str) -> Path:
    blank = dict.fromkeys(("more", "evse", "connector", "contactor", "pilot", "end"), "")
    path.write_text(BOARD.format(**blank | parts))
    return path


def test_the_packaged_simulator_describes_two_sockets() -> None:
    plan = read_board(CONFIG / "simulator.toml")
    assert plan.is_simulated
    assert [evse.id for evse in plan.description.evses] == [1, 2]
    assert plan.description.evses[1] == EvseDescription(
        id=2,
        connectors=(ConnectorDescription(1, "sType2", CableKind.SOCKET, has_lock=True),),
        max_current_a=32.0,
        phases=3,
        signs=True,
        has_bay_sensor=True,
        has_start_button=True,
    )
    simulated = sim_board_description(cable="socket")
    assert plan.description.readers == simulated.readers
    assert plan.description.terminals == simulated.terminals


def test_a_simulated_board_cannot_be_built_from_devices() -> None:
    plan = read_board(CONFIG / "simulator.toml")
    with pytest.raises(BoardError, match='"simulator" is no hardware'):
        build_board(plan, lambda: 0.0, gpio=FakeGpio())


def test_the_example_board_charges_through_its_lines() -> None:
    gpio, time = FakeGpio(), VirtualTime()
    gpio.follow[27] = (17, True)
    plan = read_board(CONFIG / "gpio_contactor.toml")
    board = build_board(plan, time.monotonic, gpio=gpio)
    gpio.levels.update({22: True, 23: True, 25: True, 12: True})
    unit = board.units[1]
    unit.apply(EvseSetpoint(1, 1, 16.0, power=Power.OFFER, permit_until=2.0))
    unit.poll(0.0)
    assert gpio.levels[17] is True
    assert gpio.levels[24] is True
    report = unit.poll(0.02)
    assert report.contactor_closed
    assert report.drawing
    assert report.pilot is PilotState.C
    gpio.levels[25] = False
    assert [fault.name for fault in unit.poll(0.04).faults] == [FaultName.RESIDUAL_CURRENT]
    assert gpio.levels[17] is False


def test_the_heartbeat_turns_its_line_over_at_every_beat(path: Path) -> None:
    gpio = FakeGpio()
    beat = heartbeat(gpio, 5)
    levels = []
    for _ in range(4):
        beat()
        levels.append(gpio.levels[5])
    assert levels == [True, False, True, False]
    gpio.broken.add(5)
    with pytest.raises(BoardError, match="heartbeat_pin: line 5"):
        heartbeat(gpio, 5)


def test_one_current_above_the_offer_of_the_pilot_controller_is_needed(path: Path) -> None:
    plan = read_board(write(path))
    gpio = FakeGpio()
    board = build_board(plan, VirtualTime().monotonic, gpio=gpio)
    gpio.levels.update({22: True, 27: True})
    unit = board.units[1]
    unit.apply(EvseSetpoint(1, 1, 10.0, power=Power.OFFER, permit_until=2.0))
    assert not unit.poll(0.0).offering
    unit.apply(EvseSetpoint(1, 2, 32.0, power=Power.OFFER, permit_until=2.0))
    assert unit.poll(0.1).limit_a == 16.0


READER = """
[[reader]]
id = "a"
"""


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"more": "colour = 1"}, "the file: Object contains unknown field `colour`"),
        ({"more": "serial_number = 5"}, "the file: serial_number: Expected `str`, got `int`"),
        ({"more": 'board = "toy"'}, 'the file: board: "devices" or "simulator"'),
        ({"evse": "volts = 230"}, "[[evse]] 1: Object contains unknown field `volts`"),
        ({"evse": "nominal_voltage_v = 12"}, "[[evse]] 1: nominal_voltage_v: Expected `float` >="),
        ({"evse": "has_bay_sensor = true"}, "[[evse]] 1: has_bay_sensor: on real devices"),
        ({"evse": "signs = true"}, "[[evse]] 1: signs: on real devices, the driver of the meter"),
        ({"connector": "lock = true"}, "[[evse]] 1 [[evse.connector]] 1: lock: a fixed cable"),
        ({"connector": "plug = 2"}, "[[evse.connector]] 1: Object contains unknown field `plug`"),
        ({"contactor": "coil = 2"}, "[evse.contactor]: Object contains unknown field `coil`"),
        (
            {"contactor": 'mirror_pull = "left"'},
            "[[evse]] 1 [evse.contactor]: mirror_pull: Invalid enum value 'left'",
        ),
        (
            {"end": '[evse.meter]\ndriver = "abacus"'},
            "[[evse]] 1 [evse.meter]: driver: one of none yet, not 'abacus'",
        ),
        (
            {"end": '[[evse.sensor]]\ndriver = "gpio_contactor"'},
            "[[evse.sensor]] 1: driver: one of gpio_fault, not 'gpio_contactor'",
        ),
        (
            {"end": '[[evse.sensor]]\ndriver = "gpio_fault"\ninput_pin = 4\nfault = "bad luck"'},
            "[[evse.sensor]] 1: fault: Invalid enum value 'bad luck'",
        ),
        (
            {"end": '[[evse.sensor]]\ndriver = "gpio_fault"\ninput_pin = 99\nfault = "x"'},
            "[[evse.sensor]] 1: input_pin: Expected `int` <= 53",
        ),
        (
            {
                "end": '[[evse.sensor]]\ndriver = "gpio_fault"\ninput_pin = 27\n'
                'fault = "ground_fault"'
            },
            "[[evse]] 1 [[evse.sensor]] 1: input_pin: line 27 is claimed by "
            "[[evse]] 1 [evse.contactor] mirror_pin already",
        ),
        ({"end": READER}, "[[reader]] 1: driver: only and always on a board of real devices"),
        ({"end": '[[terminal]]\nid = "a"'}, "[[terminal]] 1: driver: only and always on a board"),
        (
            {"end": '[[terminal]]\nid = "a"\n[terminal.driver]\ndriver = "gpio_pilot"'},
            "[[terminal]] 1 [terminal.driver]: driver: one of none yet, not 'gpio_pilot'",
        ),
    ],
)
def test_a_mistake_names_file_table_key_and_rule(
    path: Path, parts: dict[str, str], message: str
) -> None:
    with pytest.raises(BoardError) as raised:
        read_board(write(path, **parts))
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('opens_without_us = "RCD"', "", "opens_without_us: a board on plain GPIO must say"),
        ('opens_without_us = "RCD"', 'opens_without_us = " "', "opens_without_us: a board on"),
        ("heartbeat_pin = 5", "heartbeat_pin = 22", "connected_pin: line 22 is claimed by the"),
        ("min_current_a = 16", "min_current_a = 6", "min_current_a: gpio_pilot offers one"),
        ("min_current_a = 16", "min_current_a = 20", "min_current_a: at most max_current_a, 16"),
        ("max_current_a = 16", "max_current_a = 100", "max_current_a: Expected `float` <= 80"),
        ("coil_pin = 17", "", "[evse.contactor]: Object missing required field `coil_pin`"),
        ("coil_pin = 17", "coil_pin = true", "coil_pin: Expected `int`, got `bool`"),
        ('driver = "gpio_contactor"', "", "one of gpio_contactor, not None"),
        ("phases = 3", "phases = 3\n[[evse.connector]]", "connector"),
        ("[evse.contactor]", "[evse.sensors]", "[[evse]] 1: Object contains unknown field"),
        ("model", "[model", "board.toml: "),
    ],
)
def test_a_key_that_is_wrong_or_missing_is_named(
    path: Path, old: str, new: str, message: str
) -> None:
    text = write(path).read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BoardError) as raised:
        read_board(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


def test_a_file_that_is_missing_is_named(path: Path) -> None:
    with pytest.raises(BoardError, match=r"board\.toml"):
        read_board(path)


def test_an_evse_needs_contactor_and_pilot(path: Path) -> None:
    text = write(path).read_text()
    path.write_text(text[: text.index("[evse.pilot]")])
    with pytest.raises(BoardError, match=r"pilot: an EVSE needs a \[evse.pilot\] table"):
        read_board(path)


def test_a_socket_that_locks_needs_the_driver_of_its_lock(path: Path) -> None:
    text = write(path, connector="lock = true").read_text()
    path.write_text(text.replace('"fixed"', '"socket"'))
    with pytest.raises(BoardError, match=r"lock: a connector with lock = true"):
        read_board(path)


SIMULATED = """
board = "simulator"
model = "s"
[[evse]]
max_current_a = 32
phases = 3
[[evse.connector]]
type = "sType2"
cable = "socket"
"""


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ('[[reader]]\nid = "a"\nevse = 2', "[[reader]] 1: evse: 1 to 1, or absent"),
        ('[[reader]]\nid = "a"\n[[reader]]\nid = "a"', "[[reader]] 2: id: 'a' is taken"),
        ('[[reader]]\nid = ""', "[[reader]] 1: id: Expected `str` of length >= 1"),
        ('[[reader]]\nid = "a"\n[reader.driver]\ndriver = "x"', "[[reader]] 1: driver: only"),
        (
            '[[reader]]\nid = "a"\ntoken_type = "RFID"',
            "[[reader]] 1: token_type: 'RFID' is not one of eMAID, ISO14443,",
        ),
        (
            '[[reader]]\nid = "a"\nmore_types = ["Central"]',
            "[[reader]] 1: more_types: 'Central' is not one of",
        ),
        (
            '[[reader]]\nid = "a"\nnormalise = "hex"',
            "[[reader]] 1: normalise: 'hex' is not one of as-is, hex-upper, ",
        ),
        (
            '[[reader]]\nid = "a"\nnormalise = ["hex-upper", "decimal-to-hex:40"]',
            "[[reader]] 1: normalise: 'decimal-to-hex:40' is not one of",
        ),
        ('[[reader]]\nid = "a"\nnormalise = 4', "[[reader]] 1: normalise: Expected `str | array`"),
        ('[[terminal]]\nid = "a"\nevse = 2', "[[terminal]] 1: evse: 1 to 1, or absent"),
        ('[[terminal]]\nid = "a"\n[[terminal]]\nid = "a"', "[[terminal]] 2: id: 'a' is taken by"),
        ('[[terminal]]\nid = "a"\nbank = "b"', "[[terminal]] 1: Object contains unknown field"),
        ("[[terminal]]\nevse = 1", "[[terminal]] 1: Object missing required field `id`"),
        (
            '[[terminal]]\nid = "a"\n[terminal.driver]\ndriver = "x"',
            "[[terminal]] 1: driver: only and always on a board of real devices",
        ),
    ],
)
def test_readers_and_terminals_are_checked(path: Path, end: str, message: str) -> None:
    path.write_text(SIMULATED + end)
    with pytest.raises(BoardError) as raised:
        read_board(path)
    assert message in str(raised.value)


class TypedDecimal:
    """A keyboard reader that types the UID as a number, the last byte first."""

    class Options(DriverOptions, frozen=True, kw_only=True):
        device: str

    def __init__(self, gpio: Gpio, options: "TypedDecimal.Options") -> None:
        self.device = options.device

    def read(self) -> str | None:
        return "0000263851"


def test_a_readers_table_says_how_its_tokens_are_normalised(path: Path) -> None:
    drivers = {**DRIVERS, "typed": Driver("reader", TypedDecimal.Options, TypedDecimal)}
    steps = '["decimal-to-hex:4", "reverse-bytes"]'
    reader = f'[[reader]]\nid = "door"\nevse = 1\nnormalise = {steps}\n'
    driver = '[reader.driver]\ndriver = "typed"\ndevice = "/dev/input/event0"'
    plan = read_board(write(path, end=reader + driver), drivers)
    where = ReaderDescription("door", 1, normalise=("decimal-to-hex:4", "reverse-bytes"))
    assert plan.description.readers == (where,)
    board, told = build_board(plan, VirtualTime().monotonic, gpio=FakeGpio()), list[Change]()
    heard = threading.Event()

    def hear(change: Change) -> None:
        told.append(change)
        if isinstance(change, TokenPresented):
            heard.set()

    board.start(hear)
    assert heard.wait(5.0)
    board.stop()
    tokens = [change.id_token for change in told if isinstance(change, TokenPresented)]
    assert tokens == ["AB060400"]
    with pytest.raises(BoardError, match=r"\[\[reader\]\] 1: more_types: only on a simulated"):
        read_board(write(path, end=reader + 'more_types = ["Local"]\n' + driver), drivers)


class CountingMeter:
    """Counts 1 Wh at each reading."""

    class Options(DriverOptions, frozen=True, kw_only=True):
        unit: int
        imports_only: bool = True

    def __init__(self, gpio: Gpio, options: "CountingMeter.Options") -> None:
        self.energy_wh = options.unit * 1000

    def read(self, at: float) -> MeterReading:
        self.energy_wh += 1
        return MeterReading(9, at, self.energy_wh, 0.0, (0.0,), (230.0,))


def described(options: CountingMeter.Options) -> MeterDescription:
    more = frozenset() if options.imports_only else frozenset({Quantity.EXPORT})
    return MeterDescription(frozenset({Quantity.IMPORT}) | more, resolution_wh=100)


MAIN = """
[main_meter]
phases = 3
max_current_a = 63
[main_meter.driver]
driver = "counting"
unit = 7
"""
METER = """
[evse.meter]
driver = "counting"
unit = 1
imports_only = false
"""


def test_a_board_may_have_a_main_meter(path: Path) -> None:
    """J01.FR.03, J01.FR.04"""
    driver = Driver("meter", CountingMeter.Options, CountingMeter, described)
    plan = read_board(write(path, end=METER + MAIN), {**DRIVERS, "counting": driver})
    main = plan.description.main_meter
    assert main is not None
    assert (main.phases, main.max_power_w) == (3, 63 * 230 * 3)
    assert main.meter == MeterDescription(frozenset({Quantity.IMPORT}), 100)
    told = frozenset({Quantity.IMPORT, Quantity.EXPORT})
    assert plan.description.evses[0].meter == MeterDescription(told, 100)
    board = build_board(plan, time.monotonic, gpio=FakeGpio())
    assert (board.reading(0), board.reading(1)) == (None, None)
    board.start(lambda _: None)
    until = time.monotonic() + 5.0
    while (board.reading(0) is None or board.reading(1) is None) and time.monotonic() < until:
        threading.Event().wait(0.01)
    board.stop()
    readings = board.reading(0), board.reading(1)
    assert [each and each.energy_wh // 1000 for each in readings] == [7, 1]
    assert [each and each.evse for each in readings] == [0, 1]


def test_a_meter_that_nobody_describes_tells_what_a_reading_must_have(path: Path) -> None:
    driver = Driver("meter", CountingMeter.Options, CountingMeter)
    plan = read_board(write(path, end=METER), {**DRIVERS, "counting": driver})
    assert plan.description.evses[0].meter == PLAIN_METER
    assert plan.description.main_meter is None


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("phases = 4\nmax_current_a = 63", "[main_meter]: phases: Expected `int` <= 3"),
        ("phases = 3", "[main_meter]: Object missing required field `max_current_a`"),
        ("phases = 3\nmax_current_a = 0", "[main_meter]: max_current_a: Expected `float` > 0.0"),
        (
            'phases = 3\nmax_current_a = 63\n[main_meter.driver]\ndriver = "x"',
            "[main_meter]: driver: only and always on a board of real devices",
        ),
    ],
)
def test_a_main_meter_is_checked(path: Path, table: str, message: str) -> None:
    path.write_text(SIMULATED + "[main_meter]\n" + table)
    with pytest.raises(BoardError) as raised:
        read_board(path)
    assert message in str(raised.value)


def test_a_driver_that_cannot_open_its_lines_is_named(path: Path) -> None:
    gpio = FakeGpio()
    gpio.broken.add(17)
    with pytest.raises(BoardError, match=r"\[\[evse\]\] 1 \[evse.contactor\]: PowerContactor"):
        build_board(read_board(write(path)), VirtualTime().monotonic, gpio=gpio)

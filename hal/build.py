"""Reads a board file: what it describes, which lines it claims, which drivers it needs.

Every mistake is a BoardError that names file, table, key and rule, found
before any line is touched.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from hal.api import (
    BoardDescription,
    CableKind,
    ConnectorDescription,
    EvseDescription,
    MainMeterDescription,
    MeterDescription,
    Quantity,
    ReaderDescription,
)
from hal.board_keys import (
    BoardKeys,
    ConnectorKeys,
    EvseKeys,
    MainMeterKeys,
    ReaderKeys,
    Table,
    TerminalKeys,
)
from hal.devices import EvseDevices
from hal.drivers.gpio_contactor import GpioContactor
from hal.drivers.gpio_pilot import Options as PilotOptions
from hal.errors import BoardError, HardwareFault
from hal.gpio import Gpio, open_gpio
from hal.make_safe import OutputsFile
from hal.options import DriverOptions
from hal.payment import TerminalDescription
from hal.registry import DRIVERS, Driver
from hal.thread_board import ThreadBoard
from hal.tokens import READABLE, StepError, find_step

T = TypeVar("T")

SINGLE = ("contactor", "pilot", "proximity", "lock", "bay", "meter")
"""Devices of which an EVSE has at most one; of the first two it has exactly one."""


PLAIN_METER = MeterDescription(
    frozenset({Quantity.IMPORT, Quantity.POWER, Quantity.CURRENT, Quantity.VOLTAGE}),
    resolution_wh=10,
)
"""What a meter tells whose driver does not describe it: all that a reading must have."""


@dataclass(frozen=True)
class DevicePlan:
    """One driver to construct."""

    table: str
    driver: Driver
    options: DriverOptions


@dataclass(frozen=True)
class EvsePlan:
    devices: Mapping[str, DevicePlan]
    sensors: tuple[DevicePlan, ...]


@dataclass(frozen=True)
class BoardPlan:
    """A board file that has been found right; nothing has been opened yet."""

    path: Path
    description: BoardDescription
    is_simulated: bool
    evses: tuple[EvsePlan, ...] = ()
    readers: Mapping[str, DevicePlan] = field(default_factory=dict)
    terminals: Mapping[str, DevicePlan] = field(default_factory=dict)
    heartbeat_pin: int | None = None
    main_meter: DevicePlan | None = None


def read_board(path: Path, drivers: Mapping[str, Driver] = DRIVERS) -> BoardPlan:
    """Parse and check the board file *path*."""
    return _Reading(path, drivers).plan()


def build_board(
    plan: BoardPlan,
    monotonic: Callable[[], float],
    *,
    outputs_path: Path | None = None,
    gpio: Gpio | None = None,
) -> ThreadBoard:
    """Open the lines and construct the drivers of a board on devices; all contactors open."""
    if plan.is_simulated:
        raise BoardError(f'{plan.path}: the file: board: "simulator" is no hardware')
    gpio = open_gpio() if gpio is None else gpio
    devices = {
        evse.id: _devices(plan, each, gpio)
        for evse, each in zip(plan.description.evses, plan.evses, strict=True)
    }
    lines = tuple(
        each.contactor.line(evse)
        for evse, each in devices.items()
        if isinstance(each.contactor, GpioContactor)
    )
    return ThreadBoard(
        plan.description,
        devices,
        monotonic,
        readers={id: _create(plan, device, gpio) for id, device in plan.readers.items()},
        terminals={id: _create(plan, device, gpio) for id, device in plan.terminals.items()},
        main_meter=None if plan.main_meter is None else _create(plan, plan.main_meter, gpio),
        outputs=None if outputs_path is None else OutputsFile(outputs_path, lines),
        heartbeat=None if plan.heartbeat_pin is None else heartbeat(gpio, plan.heartbeat_pin),
    )


def _devices(plan: BoardPlan, evse: EvsePlan, gpio: Gpio) -> EvseDevices:
    created = {kind: _create(plan, device, gpio) for kind, device in evse.devices.items()}
    sensors = tuple(_create(plan, device, gpio) for device in evse.sensors)
    return EvseDevices(**created, sensors=sensors)


def _meter(device: DevicePlan | None) -> MeterDescription:
    """What a meter tells; a simulated one, everything."""
    if device is None:
        return MeterDescription()
    describe = device.driver.describe
    return PLAIN_METER if describe is None else describe(device.options)


def _create(plan: BoardPlan, device: DevicePlan, gpio: Gpio) -> Any:
    try:
        return device.driver.create(gpio, device.options)
    except HardwareFault as error:
        raise BoardError(f"{plan.path}: {device.table}: {error}") from error


def heartbeat(gpio: Gpio, pin: int) -> Callable[[], None]:
    """Turns the line over at each call, for a monostable that opens when it rests."""
    try:
        gpio.setup_output(pin, high=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise BoardError(f"heartbeat_pin: line {pin} cannot be driven: {error}") from error
    level = False

    def beat() -> None:
        nonlocal level
        level = not level
        gpio.output(pin, high=level)

    return beat


class _Reading:
    """One board file being checked, with the lines claimed so far."""

    def __init__(self, path: Path, drivers: Mapping[str, Driver]) -> None:
        self._path, self._drivers = path, drivers
        self._claims: dict[int, str] = {}

    def plan(self) -> BoardPlan:
        keys = self._convert("the file", self._load(), BoardKeys)
        if keys.board not in ("devices", "simulator"):
            self._fail("the file", "board", '"devices" or "simulator"')
        simulated = keys.board == "simulator"
        if not simulated and not keys.opens_without_us.strip():
            self._fail(
                "the file",
                "opens_without_us",
                "a board on plain GPIO must say which hardware opens the contactors "
                "when this software cannot",
            )
        if keys.heartbeat_pin is not None:
            self._claim("the file", "heartbeat_pin", keys.heartbeat_pin)
        evses = [self._evse(i, table, simulated) for i, table in enumerate(keys.evse, start=1)]
        readers = [
            self._reader(f"[[reader]] {number}", table, len(evses), simulated)
            for number, table in enumerate(keys.reader, start=1)
        ]
        self._check_ids("reader", [each.id for each, _ in readers])
        terminals = [
            self._terminal(f"[[terminal]] {number}", table, len(evses), simulated)
            for number, table in enumerate(keys.terminal, start=1)
        ]
        self._check_ids("terminal", [each.id for each, _ in terminals])
        main_meter, main_device = self._main_meter(keys.main_meter, simulated)
        return BoardPlan(
            path=self._path,
            description=BoardDescription(
                evses=tuple(description for description, _ in evses),
                readers=tuple(description for description, _ in readers),
                terminals=tuple(description for description, _ in terminals),
                vendor=keys.vendor,
                model=keys.model,
                serial_number=keys.serial_number,
                main_meter=main_meter,
            ),
            is_simulated=simulated,
            evses=tuple(plan for _, plan in evses),
            readers={d.id: device for d, device in readers if device is not None},
            terminals={d.id: device for d, device in terminals if device is not None},
            heartbeat_pin=keys.heartbeat_pin,
            main_meter=main_device,
        )

    def _load(self) -> Table:
        try:
            return tomllib.loads(self._path.read_text())
        except OSError as error:
            raise BoardError(f"{self._path}: {error.strerror}") from error
        except ValueError as error:
            raise BoardError(f"{self._path}: {error}") from error

    def _evse(self, id: int, table: Table, simulated: bool) -> tuple[EvseDescription, EvsePlan]:
        name = f"[[evse]] {id}"
        keys = self._convert(name, table, EvseKeys)
        if keys.min_current_a > keys.max_current_a:
            self._fail(name, "min_current_a", f"at most max_current_a, {keys.max_current_a:g}")
        connectors = tuple(
            self._connector(f"{name} [[evse.connector]] {number}", number, each)
            for number, each in enumerate(keys.connector, start=1)
        )
        plan = EvsePlan({}, ()) if simulated else self._drivers_of(name, keys)
        meter = _meter(plan.devices.get("meter"))
        description = EvseDescription(
            id=id,
            connectors=connectors,
            max_current_a=keys.max_current_a,
            phases=keys.phases,
            min_current_a=keys.min_current_a,
            nominal_voltage_v=keys.nominal_voltage_v,
            has_meter=simulated or "meter" in plan.devices,
            meter=meter,
            signs=keys.signs if simulated else meter.signs,
            has_bay_sensor=keys.has_bay_sensor if simulated else "bay" in plan.devices,
            allows_ventilation=keys.allows_ventilation,
            has_start_button=simulated,
        )
        return description, plan

    def _connector(self, name: str, id: int, table: Table) -> ConnectorDescription:
        keys = self._convert(name, table, ConnectorKeys)
        if keys.lock and keys.cable is CableKind.FIXED:
            self._fail(name, "lock", "a fixed cable has no lock")
        return ConnectorDescription(id, keys.type, keys.cable, keys.lock)

    def _drivers_of(self, name: str, keys: EvseKeys) -> EvsePlan:
        if len(keys.connector) > 1:
            self._fail(name, "connector", "a board on devices has one connector per EVSE")
        if keys.has_bay_sensor:
            self._fail(name, "has_bay_sensor", "on real devices, a [evse.bay] table says so")
        if keys.signs:
            self._fail(name, "signs", "on real devices, the driver of the meter knows it")
        devices = {}
        for kind in SINGLE:
            table = getattr(keys, kind)
            if table is not None:
                devices[kind] = self._device(f"{name} [evse.{kind}]", kind, table)
            elif kind in ("contactor", "pilot"):
                self._fail(name, kind, f"an EVSE needs a [evse.{kind}] table with a driver")
        if ("lock" in devices) is not any(bool(each.get("lock")) for each in keys.connector):
            self._fail(name, "lock", "a connector with lock = true and a [evse.lock] go together")
        one_current = isinstance(devices["pilot"].options, PilotOptions)
        if one_current and keys.min_current_a != keys.max_current_a:
            self._fail(name, "min_current_a", "gpio_pilot offers one current: max_current_a too")
        sensors = tuple(
            self._device(f"{name} [[evse.sensor]] {number}", "sensor", table)
            for number, table in enumerate(keys.sensor, start=1)
        )
        return EvsePlan(devices, sensors)

    def _reader(
        self, name: str, table: Table, evses: int, simulated: bool
    ) -> tuple[ReaderDescription, DevicePlan | None]:
        keys = self._convert(name, table, ReaderKeys)
        device = self._placed(name, "reader", keys, evses, simulated)
        if keys.more_types and not simulated:
            self._fail(name, "more_types", "only on a simulated board")
        for key, types in (("token_type", [keys.token_type]), ("more_types", keys.more_types)):
            for type in types:
                if type not in READABLE:
                    self._fail(name, key, f"{type!r} is not one of {', '.join(READABLE)}")
        return ReaderDescription(
            id=keys.id,
            evse=keys.evse,
            token_type=keys.token_type,
            more_types=tuple(keys.more_types),
            normalise=self._steps(name, keys.normalise),
        ), device

    def _terminal(
        self, name: str, table: Table, evses: int, simulated: bool
    ) -> tuple[TerminalDescription, DevicePlan | None]:
        keys = self._convert(name, table, TerminalKeys)
        device = self._placed(name, "terminal", keys, evses, simulated)
        return TerminalDescription(keys.id, keys.evse), device

    def _placed(
        self, name: str, kind: str, keys: ReaderKeys | TerminalKeys, evses: int, simulated: bool
    ) -> DevicePlan | None:
        """The device of a table that belongs to one EVSE or to the whole station."""
        if keys.evse is not None and not 1 <= keys.evse <= evses:
            self._fail(name, "evse", f"1 to {evses}, or absent for the whole station")
        if simulated is not (keys.driver is None):
            self._fail(name, "driver", "only and always on a board of real devices")
        if keys.driver is None:
            return None
        return self._device(f"{name} [{kind}.driver]", kind, keys.driver)

    def _steps(self, name: str, given: str | list[str]) -> tuple[str, ...]:
        steps = (given,) if isinstance(given, str) else tuple(given)
        for step in steps:
            try:
                find_step(step)
            except StepError as error:
                self._fail(name, "normalise", str(error))
        return steps

    def _main_meter(
        self, table: Table | None, simulated: bool
    ) -> tuple[MainMeterDescription | None, DevicePlan | None]:
        if table is None:
            return None, None
        name = "[main_meter]"
        keys = self._convert(name, table, MainMeterKeys)
        if simulated is not (keys.driver is None):
            self._fail(name, "driver", "only and always on a board of real devices")
        device = None
        if keys.driver is not None:
            device = self._device(f"{name[:-1]}.driver]", "meter", keys.driver)
        described = MainMeterDescription(
            phases=keys.phases,
            max_current_a=keys.max_current_a,
            nominal_voltage_v=keys.nominal_voltage_v,
            meter=_meter(device),
        )
        return described, device

    def _check_ids(self, table: str, ids: list[str]) -> None:
        for number, id in enumerate(ids, start=1):
            if id in ids[: number - 1]:
                self._fail(f"[[{table}]] {number}", "id", f"{id!r} is taken by another {table}")

    def _device(self, name: str, kind: str, table: Table) -> DevicePlan:
        wanted = table.get("driver")
        known = [driver for driver, each in self._drivers.items() if each.kind == kind]
        if wanted not in known:
            self._fail(name, "driver", f"one of {', '.join(known) or 'none yet'}, not {wanted!r}")
        driver = self._drivers[str(wanted)]
        rest = {key: value for key, value in table.items() if key != "driver"}
        options = self._convert(name, rest, driver.options)
        for key in driver.options.__struct_fields__:
            pin = getattr(options, key)
            if key.endswith("_pin") and pin is not None:
                self._claim(name, key, pin)
        return DevicePlan(name, driver, options)

    def _claim(self, name: str, key: str, pin: int) -> None:
        if pin in self._claims:
            self._fail(name, key, f"line {pin} is claimed by {self._claims[pin]} already")
        self._claims[pin] = f"{name} {key}"

    def _convert(self, name: str, table: Table, keys: type[T]) -> T:
        try:
            return msgspec.convert(table, keys)
        except msgspec.ValidationError as error:
            rule, _, where = str(error).partition(" - at `$.")
            text = f"{where.rstrip('`')}: {rule}" if where else rule
            raise BoardError(f"{self._path}: {name}: {text}") from error

    def _fail(self, name: str, key: str, rule: str) -> NoReturn:
        raise BoardError(f"{self._path}: {name}: {key}: {rule}")

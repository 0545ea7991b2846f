"""What can be measured, and a look at a meter in the words of OCPP: pure functions."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import UNSET, Struct, UnsetType

from hal.api import BoardDescription, MeterReading, Quantity, Registers
from station.ocpp.messages.common import (
    Location,
    Measurand,
    Phase,
    ReadingContext,
    SampledValue,
    UnitOfMeasure,
)

Measurands = tuple[Measurand, ...]
Found = Iterable[tuple[float | None, Phase | None]]
"""Values with the phase that each belongs to; None: all phases together."""

LINES = (Phase.L1, Phase.L2, Phase.L3)
TO_NEUTRAL = (Phase.L1_N, Phase.L2_N, Phase.L3_N)
IMPORT, EXPORT, REACTIVE_IMPORT, REACTIVE_EXPORT, FIRST_PHASE = range(5)
"""Where a register stands in `hal.api.Registers`."""
DECIMALS = 3


class Sight(Struct, frozen=True):
    """What is known of one EVSE, or of the station's connection, at one moment."""

    reading: MeterReading | None
    """None: there is no meter, or it tells nothing of the present."""
    registers: Registers | None
    """As they are told; None: nothing is known of them."""
    moved: Registers = ()
    """What they have counted since the sample before."""
    phases: int = 3
    """Connected ones; a meter may have more inputs."""
    offered_a: float | None = None
    offered_w: float | None = None
    is_main: bool = False
    totals_only: bool = False
    """Of registers, the total alone (RegisterValuesWithoutPhases)."""


def _register(index: int) -> Callable[[Sight], Found]:
    return lambda sight: [] if sight.registers is None else _counted(sight, sight.registers, index)


def _interval(index: int) -> Callable[[Sight], Found]:
    return lambda sight: _counted(sight, sight.moved, index)


def _counted(sight: Sight, registers: Registers, index: int) -> Found:
    found: list[tuple[float | None, Phase | None]] = [*_at(registers, index)]
    if index == IMPORT and not sight.totals_only:
        by_phase = registers[FIRST_PHASE : FIRST_PHASE + sight.phases]
        found += zip(by_phase, LINES, strict=False)
    return found


def _at(registers: Registers, index: int) -> Found:
    return [(registers[index], None)] if index < len(registers) else []


def _net(plus: int, minus: int) -> Callable[[Sight], Found]:
    def net(sight: Sight) -> Found:
        registers = sight.registers or ()
        if len(registers) <= max(plus, minus):
            return []
        taken, given = registers[plus], registers[minus]
        return [] if taken is None or given is None else [(taken - given, None)]

    return net


def _power(sign: int) -> Callable[[Sight], Found]:
    def power(sight: Sight) -> Found:
        reading = sight.reading
        if reading is None:
            return []
        by_phase = [max(0.0, each * sign) for each in reading.power_by_phase_w[: sight.phases]]
        return [(max(0.0, reading.power_w * sign), None), *zip(by_phase, LINES, strict=False)]

    return power


def _current(sign: int) -> Callable[[Sight], Found]:
    """L1 is what the meter calls so (J01.FR.11, J02.FR.07); no total makes sense."""

    def current(sight: Sight) -> Found:
        reading = sight.reading
        if reading is None:
            return []
        currents = reading.current_a[: sight.phases]
        powers = reading.power_by_phase_w or (reading.power_w,) * len(currents)
        signed = [
            each if (1 if power >= 0 else -1) == sign else 0.0
            for each, power in zip(currents, powers, strict=False)
        ]
        return zip(signed, LINES, strict=False)

    return current


def _reactive(sign: int) -> Callable[[Sight], Found]:
    def reactive(sight: Sight) -> Found:
        var = None if sight.reading is None else sight.reading.reactive_power_var
        return [] if var is None else [(max(0.0, var * sign), None)]

    return reactive


def _plain(name: str) -> Callable[[Sight], Found]:
    return lambda sight: [] if sight.reading is None else [(getattr(sight.reading, name), None)]


def _voltage(sight: Sight) -> Found:
    if sight.reading is None:
        return []
    return zip(sight.reading.voltage_v[: sight.phases], TO_NEUTRAL, strict=False)


class Measure(Struct, frozen=True):
    """How one measurand is taken."""

    find: Callable[[Sight], Found]
    unit: str
    needs: frozenset[Quantity]
    """What the meter must tell."""
    is_register: bool = False
    """Also known when the meter is silent: what it said last."""


def _energy(find: Callable[[Sight], Found], unit: str, *needs: Quantity) -> Measure:
    return Measure(find, unit, frozenset(needs), is_register=True)


def _present(find: Callable[[Sight], Found], unit: str, *needs: Quantity) -> Measure:
    return Measure(find, unit, frozenset(needs))


MEASURES: dict[Measurand, Measure] = {
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: _energy(_register(IMPORT), "Wh", Quantity.IMPORT),
    Measurand.ENERGY_ACTIVE_EXPORT_REGISTER: _energy(_register(EXPORT), "Wh", Quantity.EXPORT),
    Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL: _energy(_interval(IMPORT), "Wh", Quantity.IMPORT),
    Measurand.ENERGY_ACTIVE_EXPORT_INTERVAL: _energy(_interval(EXPORT), "Wh", Quantity.EXPORT),
    Measurand.ENERGY_ACTIVE_NET: _energy(
        _net(IMPORT, EXPORT), "Wh", Quantity.IMPORT, Quantity.EXPORT
    ),
    Measurand.ENERGY_REACTIVE_IMPORT_REGISTER: _energy(
        _register(REACTIVE_IMPORT), "varh", Quantity.REACTIVE_ENERGY
    ),
    Measurand.ENERGY_REACTIVE_EXPORT_REGISTER: _energy(
        _register(REACTIVE_EXPORT), "varh", Quantity.REACTIVE_ENERGY
    ),
    Measurand.ENERGY_REACTIVE_IMPORT_INTERVAL: _energy(
        _interval(REACTIVE_IMPORT), "varh", Quantity.REACTIVE_ENERGY
    ),
    Measurand.ENERGY_REACTIVE_EXPORT_INTERVAL: _energy(
        _interval(REACTIVE_EXPORT), "varh", Quantity.REACTIVE_ENERGY
    ),
    Measurand.ENERGY_REACTIVE_NET: _energy(
        _net(REACTIVE_IMPORT, REACTIVE_EXPORT), "varh", Quantity.REACTIVE_ENERGY
    ),
    Measurand.POWER_ACTIVE_IMPORT: _present(_power(1), "W", Quantity.POWER),
    Measurand.POWER_ACTIVE_EXPORT: _present(_power(-1), "W", Quantity.POWER, Quantity.EXPORT),
    Measurand.POWER_REACTIVE_IMPORT: _present(_reactive(1), "var", Quantity.REACTIVE_POWER),
    Measurand.POWER_REACTIVE_EXPORT: _present(_reactive(-1), "var", Quantity.REACTIVE_POWER),
    Measurand.POWER_FACTOR: _present(_plain("power_factor"), "", Quantity.POWER_FACTOR),
    Measurand.POWER_OFFERED: _present(lambda sight: [(sight.offered_w, None)], "W"),
    Measurand.CURRENT_IMPORT: _present(_current(1), "A", Quantity.CURRENT),
    Measurand.CURRENT_EXPORT: _present(_current(-1), "A", Quantity.CURRENT, Quantity.EXPORT),
    Measurand.CURRENT_OFFERED: _present(lambda sight: [(sight.offered_a, None)], "A"),
    Measurand.VOLTAGE: _present(_voltage, "V", Quantity.VOLTAGE),
    Measurand.FREQUENCY: _present(_plain("frequency_hz"), "Hz", Quantity.FREQUENCY),
    Measurand.SOC: _present(_plain("soc_percent"), "Percent", Quantity.SOC),
}
"""Every measurand but the apparent energies, which none of our readings has."""
MEASURABLE: Measurands = tuple(MEASURES)
INTERVALS = frozenset(each for each in MEASURABLE if each.endswith(".Interval"))


def measurable_on(board: BoardDescription) -> Measurands:
    """What at least one meter of this board tells: nothing else can be configured."""
    meters = [evse.meter.quantities for evse in board.evses if evse.has_meter]
    if board.main_meter is not None:
        meters.append(board.main_meter.meter.quantities - {Quantity.SOC})
    return tuple(
        measurand
        for measurand, measure in MEASURES.items()
        if not measure.needs or any(measure.needs <= quantities for quantities in meters)
    )


def sampled_values(
    measurands: Sequence[Measurand], sight: Sight, context: ReadingContext
) -> list[SampledValue]:
    """Everything that *sight* holds of *measurands*: the total and every connected phase.

    J01.FR.06, J01.FR.07, J01.FR.08, J01.FR.09, J01.FR.10, J02.FR.03, J02.FR.04, J02.FR.05,
    J02.FR.06, J02.FR.17
    """
    return [
        SampledValue(
            value=value if isinstance(value, int) else round(value, DECIMALS) + 0.0,
            measurand=measurand,
            context=context,
            phase=UNSET if phase is None else phase,
            location=location_of(measurand, is_main=sight.is_main),
            unit_of_measure=unit_of(measurand),
        )
        for measurand in measurands
        for value, phase in MEASURES[measurand].find(sight)
        if value is not None
    ]


def location_of(measurand: Measurand, *, is_main: bool) -> Location | UnsetType:
    """Unset is the outlet, where the driver's meter is."""
    if is_main:
        return Location.INLET
    return Location.EV if measurand is Measurand.SOC else UNSET


def unit_of(measurand: Measurand) -> UnitOfMeasure | UnsetType:
    """Always without multiplier."""
    unit = MEASURES[measurand].unit
    return UNITS[unit] if unit else UNSET


UNITS = {measure.unit: UnitOfMeasure(unit=measure.unit) for measure in MEASURES.values()}

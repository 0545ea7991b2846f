"""A reading in the words of OCPP: pure functions from MeterReading to SampledValue."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType

from hal.api import MeterReading
from station.ocpp.messages.common import (
    Measurand,
    Phase,
    ReadingContext,
    SampledValue,
    UnitOfMeasure,
)

PHASES = (Phase.L1, Phase.L2, Phase.L3)
TO_NEUTRAL = (Phase.L1_N, Phase.L2_N, Phase.L3_N)
UNITS = {
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: UnitOfMeasure(unit="Wh"),
    Measurand.POWER_ACTIVE_IMPORT: UnitOfMeasure(unit="W"),
    Measurand.POWER_OFFERED: UnitOfMeasure(unit="W"),
    Measurand.CURRENT_IMPORT: UnitOfMeasure(unit="A"),
    Measurand.CURRENT_OFFERED: UnitOfMeasure(unit="A"),
    Measurand.VOLTAGE: UnitOfMeasure(unit="V"),
    Measurand.FREQUENCY: UnitOfMeasure(unit="Hz"),
    Measurand.SOC: UnitOfMeasure(unit="Percent"),
}


def sampled_values(
    measurand: Measurand, reading: MeterReading, context: ReadingContext, offered_a: float
) -> list[SampledValue]:
    match measurand:
        case Measurand.ENERGY_ACTIVE_IMPORT_REGISTER:
            # J02.FR.17: as the meter counts
            found = [_value(reading.energy_wh, measurand, context)]
        case Measurand.POWER_ACTIVE_IMPORT:
            found = [_value(reading.power_w, measurand, context)]
        case Measurand.CURRENT_IMPORT:
            found = _by_phase(reading.current_a, PHASES, measurand, context)
        case Measurand.VOLTAGE:
            found = _by_phase(reading.voltage_v, TO_NEUTRAL, measurand, context)
        case Measurand.CURRENT_OFFERED:
            found = [_value(offered_a, measurand, context)]
        case Measurand.POWER_OFFERED:
            found = [_value(offered_a * sum(reading.voltage_v), measurand, context)]
        case Measurand.FREQUENCY if reading.frequency_hz is not None:
            found = [_value(reading.frequency_hz, measurand, context)]
        case Measurand.SOC if reading.soc_percent is not None:
            found = [_value(reading.soc_percent, measurand, context)]
        case _:
            found = []
    return found


def _by_phase(
    values: Sequence[float],
    phases: Sequence[Phase],
    measurand: Measurand,
    context: ReadingContext,
) -> list[SampledValue]:
    """L1 is what the meter calls so: J01.FR.11, J02.FR.07."""
    return [
        _value(value, measurand, context, phase)
        for value, phase in zip(values, phases, strict=False)
    ]


def _value(
    value: float,
    measurand: Measurand,
    context: ReadingContext,
    phase: Phase | UnsetType = UNSET,
) -> SampledValue:
    return SampledValue(
        value=round(value, 3),
        measurand=measurand,
        context=context,
        phase=phase,
        unit_of_measure=UNITS[measurand],
    )

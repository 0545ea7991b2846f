"""A reading in the words of OCPP: every measurand, phase, unit and place."""

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from hal.api import (
    BoardDescription,
    EvseDescription,
    MainMeterDescription,
    MeterDescription,
    MeterReading,
    Quantity,
)
from hal.sim.board import sim_board_description
from station.blocks.metering.samples import (
    MEASURABLE,
    MEASURES,
    Sight,
    measurable_on,
    sampled_values,
)
from station.device_model import MAX_VALUE
from station.ocpp.messages.common import Location, Measurand, Phase, ReadingContext

READING = MeterReading(
    evse=1,
    at=0.0,
    energy_wh=123_456,
    power_w=7360.0,
    current_a=(16.0, 16.004, 0.0),
    voltage_v=(230.1, 229.9, 231.23456),
    frequency_hz=50.02,
    soc_percent=61.5,
    export_wh=56,
    energy_by_phase_wh=(60_000, 63_000, 456),
    power_by_phase_w=(3680.0, 3680.0, 0.0),
    reactive_import_varh=700,
    reactive_export_varh=7,
    reactive_power_var=-300.0,
    power_factor=0.98,
)
SIGHT = Sight(
    READING,
    READING.registers,
    (10, 0, 3, 1, 4, 5, 1),
    offered_a=16.0,
    offered_w=11_040.0,
)
L1, L2, L3 = Phase.L1, Phase.L2, Phase.L3
ALL: dict[str, tuple[str, dict[str | None, float]]] = {
    "Current.Export": ("A", {"L1": 0.0, "L2": 0.0, "L3": 0.0}),
    "Current.Import": ("A", {"L1": 16.0, "L2": 16.004, "L3": 0.0}),
    "Current.Offered": ("A", {None: 16.0}),
    "Energy.Active.Export.Register": ("Wh", {None: 56}),
    "Energy.Active.Import.Register": (
        "Wh",
        {None: 123_456, "L1": 60_000, "L2": 63_000, "L3": 456},
    ),
    "Energy.Reactive.Export.Register": ("varh", {None: 7}),
    "Energy.Reactive.Import.Register": ("varh", {None: 700}),
    "Energy.Active.Export.Interval": ("Wh", {None: 0}),
    "Energy.Active.Import.Interval": ("Wh", {None: 10, "L1": 4, "L2": 5, "L3": 1}),
    "Energy.Active.Net": ("Wh", {None: 123_400}),
    "Energy.Reactive.Export.Interval": ("varh", {None: 1}),
    "Energy.Reactive.Import.Interval": ("varh", {None: 3}),
    "Energy.Reactive.Net": ("varh", {None: 693}),
    "Frequency": ("Hz", {None: 50.02}),
    "Power.Active.Export": ("W", {None: 0.0, "L1": 0.0, "L2": 0.0, "L3": 0.0}),
    "Power.Active.Import": ("W", {None: 7360.0, "L1": 3680.0, "L2": 3680.0, "L3": 0.0}),
    "Power.Factor": ("", {None: 0.98}),
    "Power.Offered": ("W", {None: 11_040.0}),
    "Power.Reactive.Export": ("var", {None: 300.0}),
    "Power.Reactive.Import": ("var", {None: 0.0}),
    "SoC": ("Percent", {None: 61.5}),
    "Voltage": ("V", {"L1-N": 230.1, "L2-N": 229.9, "L3-N": 231.235}),
}
APPARENT = {"Energy.Apparent.Net", "Energy.Apparent.Import", "Energy.Apparent.Export"}


def told(measurand: Measurand, sight: Sight = SIGHT) -> dict[str | None, float]:
    values = sampled_values([measurand], sight, ReadingContext.SAMPLE_PERIODIC)
    return {None if each.phase is UNSET else str(each.phase): each.value for each in values}


def test_every_measurand_of_the_standard_is_known_but_apparent_energy() -> None:
    assert {*ALL} == {*Measurand} - APPARENT == {*MEASURABLE}


@pytest.mark.parametrize("measurand", MEASURABLE)
def test_a_measurand_is_told_in_total_and_of_each_phase(measurand: Measurand) -> None:
    """J01.FR.07, J01.FR.08, J01.FR.10, J02.FR.03, J02.FR.04, J02.FR.06"""
    unit, expected = ALL[measurand]
    assert told(measurand) == expected
    for sample in sampled_values([measurand], SIGHT, ReadingContext.TRIGGER):
        assert (sample.measurand, sample.context) == (measurand, ReadingContext.TRIGGER)
        assert sample.signed_meter_value is UNSET
        if unit:
            assert sample.unit_of_measure is not UNSET
            assert (sample.unit_of_measure.unit, sample.unit_of_measure.multiplier) == (unit, UNSET)
        else:
            assert sample.unit_of_measure is UNSET


def test_registers_stay_whole_numbers() -> None:
    """J02.FR.17: as the meter counts"""
    values = sampled_values(
        [Measurand.ENERGY_ACTIVE_IMPORT_REGISTER], SIGHT, ReadingContext.TRIGGER
    )
    assert all(type(sample.value) is int for sample in values)


def test_what_flows_back_is_told_as_export() -> None:
    back = replace(
        READING,
        power_w=-1500.0,
        power_by_phase_w=(-2000.0, 500.0, 0.0),
        current_a=(9.0, 2.0, 0.0),
        reactive_power_var=20.0,
    )
    sight = replace(SIGHT, reading=back)
    assert told(Measurand.POWER_ACTIVE_IMPORT, sight) == {None: 0, "L1": 0, "L2": 500, "L3": 0}
    assert told(Measurand.POWER_ACTIVE_EXPORT, sight) == {None: 1500, "L1": 2000, "L2": 0, "L3": 0}
    assert told(Measurand.CURRENT_IMPORT, sight) == {"L1": 0.0, "L2": 2.0, "L3": 0.0}
    assert told(Measurand.CURRENT_EXPORT, sight) == {"L1": 9.0, "L2": 0.0, "L3": 0.0}
    assert told(Measurand.POWER_REACTIVE_IMPORT, sight) == {None: 20.0}
    assert told(Measurand.POWER_REACTIVE_EXPORT, sight) == {None: 0.0}


def test_without_power_by_phase_the_total_tells_the_direction_of_the_currents() -> None:
    sight = replace(SIGHT, reading=replace(READING, power_by_phase_w=(), power_w=-1.0))
    assert set(told(Measurand.CURRENT_IMPORT, sight).values()) == {0.0}
    assert told(Measurand.CURRENT_EXPORT, sight)["L1"] == 16.0
    assert told(Measurand.POWER_ACTIVE_EXPORT, sight) == {None: 1.0}


def test_only_connected_phases_are_told() -> None:
    """J01.FR.10, J02.FR.06"""
    sight = replace(SIGHT, phases=1)
    assert [*told(Measurand.CURRENT_IMPORT, sight)] == ["L1"]
    assert [*told(Measurand.VOLTAGE, sight)] == ["L1-N"]
    assert [*told(Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, sight)] == [None, "L1"]
    assert [*told(Measurand.POWER_ACTIVE_IMPORT, sight)] == [None, "L1"]


def test_registers_can_be_told_without_phases() -> None:
    sight = replace(SIGHT, totals_only=True)
    assert told(Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, sight) == {None: 123_456}
    assert told(Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL, sight) == {None: 10}
    assert len(told(Measurand.POWER_ACTIVE_IMPORT, sight)) == 4


@pytest.mark.parametrize("measurand", MEASURABLE)
def test_the_place_is_told_where_it_is_not_the_outlet(measurand: Measurand) -> None:
    """J01.FR.09, J02.FR.05; errata 6.2.58: EV only with SoC"""
    places = {
        each.location for each in sampled_values([measurand], SIGHT, ReadingContext.SAMPLE_CLOCK)
    }
    assert places == {Location.EV if measurand is Measurand.SOC else UNSET}
    main = replace(SIGHT, is_main=True)
    places = {
        each.location for each in sampled_values([measurand], main, ReadingContext.SAMPLE_CLOCK)
    }
    assert places == {Location.INLET}


def test_what_a_meter_does_not_tell_is_left_out() -> None:
    bare = MeterReading(1, 0.0, 5, 1.0, (), ())
    sight = Sight(bare, bare.registers, bare.registers)
    found = {measurand for measurand in MEASURABLE if told(measurand, sight)}
    assert found == {
        "Energy.Active.Import.Register",
        "Energy.Active.Import.Interval",
        "Power.Active.Import",
        "Power.Active.Export",
    }


def test_a_silent_meter_tells_nothing_of_the_present() -> None:
    sight = replace(SIGHT, reading=None)
    found = {measurand for measurand in MEASURABLE if told(measurand, sight)}
    registers = {measurand for measurand, measure in MEASURES.items() if measure.unit[-1:] == "h"}
    assert found == registers | {"Current.Offered", "Power.Offered"}


def test_a_small_negative_zero_is_none() -> None:
    sight = replace(SIGHT, reading=replace(READING, power_w=-1e-9, power_factor=-0.0))
    assert str(told(Measurand.POWER_FACTOR, sight)[None]) == "0.0"
    assert str(told(Measurand.POWER_ACTIVE_EXPORT, sight)[None]) == "0.0"


# -- what may be configured


def board(*meters: frozenset[Quantity] | None, main: Any = None) -> BoardDescription:
    template = sim_board_description(evses=1).evses[0]
    evses: list[EvseDescription] = []
    for index, quantities in enumerate(meters, start=1):
        described = MeterDescription(quantities or frozenset())
        evses.append(replace(template, id=index, has_meter=quantities is not None, meter=described))
    meter = None if main is None else MainMeterDescription(3, 63.0, meter=MeterDescription(main))
    return BoardDescription(tuple(evses), main_meter=meter)


def test_the_simulated_meter_tells_everything() -> None:
    assert measurable_on(sim_board_description()) == MEASURABLE


def test_the_list_of_all_measurands_can_be_reported() -> None:
    assert len(",".join(MEASURABLE)) <= MAX_VALUE


def test_without_a_meter_only_the_offer_is_known() -> None:
    assert measurable_on(board(None)) == ("Power.Offered", "Current.Offered")


def test_what_one_of_several_meters_tells_can_be_configured() -> None:
    simple = frozenset({Quantity.IMPORT})
    assert {*measurable_on(board(simple, frozenset({Quantity.VOLTAGE})))} == {
        "Energy.Active.Import.Register",
        "Energy.Active.Import.Interval",
        "Voltage",
        "Power.Offered",
        "Current.Offered",
    }
    assert "Energy.Active.Net" not in measurable_on(board(simple, frozenset({Quantity.EXPORT})))
    assert "Energy.Active.Net" in measurable_on(board(simple | {Quantity.EXPORT}))


def test_a_main_meter_counts_too_but_knows_no_car() -> None:
    found = measurable_on(board(None, main=frozenset({Quantity.FREQUENCY, Quantity.SOC})))
    assert {*found} == {"Frequency", "Power.Offered", "Current.Offered"}

"""Part 2, ReadingContextEnumType: values of the moment at which a restart interrupts a charge."""

from datetime import timedelta
from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.charges import REGISTER, by_token, cable_first, ended, moment
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import is_closed, told
from tests.usecases.test_time import DECEMBER

INTERVAL_S = 60
Value = dict[str, Any]
each_cut = pytest.mark.parametrize("power_cut", [False, True], ids=["restart", "power cut"])


def charging(make_station: MakeStation, **variables: str) -> VirtualStation:
    presets = {
        "SampledDataCtrlr.TxUpdatedInterval": str(INTERVAL_S),
        "SampledDataCtrlr.TxUpdatedMeasurands": f"{REGISTER},Voltage",
        "SampledDataCtrlr.TxEndedMeasurands": f"{REGISTER},SoC",
        "AlignedDataCtrlr.Interval": "0",
        **variables,
    }
    station: VirtualStation = make_station(variables=presets, begin=DECEMBER)
    cable_first(station)
    station.advance(1000.0)
    assert is_closed(station)
    return station


def values_with(event: dict[str, Any], context: str) -> list[Value]:
    return [
        value
        for value in event.get("meterValue", ())
        if value["sampledValue"][0]["context"] == context
    ]


def of(value: Value, measurand: str) -> float:
    (sample,) = (each for each in value["sampledValue"] if each["measurand"] == measurand)
    return float(sample["value"])


def measurands(value: Value) -> set[str]:
    return {each["measurand"] for each in value["sampledValue"]}


@each_cut
def test_both_ends_of_an_interruption_are_told(make_station: MakeStation, power_cut: bool) -> None:
    """J02.FR.10: the event after it tells the present, the Ended event both"""
    station = charging(make_station)
    before = station.csms.events()
    (last,) = before[-1]["meterValue"]
    cut_at = station.utc
    station.csms.received.clear()
    station.restart(power_cut=power_cut, after_s=600.0)
    station.advance(30.0)
    first = station.csms.events()[0]
    assert first["triggerReason"] == "AbnormalCondition"
    (end,) = first["meterValue"]
    assert measurands(end) == {REGISTER, "Voltage"}
    assert {each["context"] for each in end["sampledValue"]} == {"Interruption.End"}
    assert end["timestamp"] == first["timestamp"]
    flowed = station.world.evses[1].flow
    assert of(end, REGISTER) >= of(last, REGISTER)
    assert of(end, REGISTER) <= int(flowed.register_wh + flowed.energy_until(station.reactor.at))
    station.advance(1000.0)
    again = [event for event in station.csms.events()[1:] if values_with(event, "Interruption.End")]
    assert again == []  # once
    final = ended(station, by_token)
    contexts = [value["sampledValue"][0]["context"] for value in final["meterValue"]]
    assert contexts == [
        "Transaction.Begin",
        "Interruption.Begin",
        "Interruption.End",
        "Transaction.End",
    ]
    begin, end = final["meterValue"][1:3]
    assert begin["timestamp"] == last["timestamp"]  # what was last told is what is known
    assert of(begin, REGISTER) == of(last, REGISTER)
    assert measurands(begin) == {REGISTER}  # nothing else of then is known
    assert measurands(end) == {REGISTER, "SoC"}
    assert moment(end["timestamp"]) - cut_at >= timedelta(seconds=600)
    told_wh = [of(value, REGISTER) for value in final["meterValue"]]
    assert told_wh == sorted(told_wh)


@each_cut
def test_every_interruption_has_its_own(make_station: MakeStation, power_cut: bool) -> None:
    station = charging(make_station)
    for _ in range(3):
        station.restart(power_cut=power_cut, after_s=20.0)
        station.advance(200.0)
    final = ended(station, by_token)
    contexts = [value["sampledValue"][0]["context"] for value in final["meterValue"]]
    assert contexts[1:-1] == ["Interruption.Begin", "Interruption.End"] * 3
    registers = [of(value, REGISTER) for value in final["meterValue"]]
    assert registers == sorted(registers)


def test_what_was_last_kept_is_at_most_five_minutes_old(make_station: MakeStation) -> None:
    """Nothing is sampled, and yet the begin of the interruption is known."""
    station = charging(make_station, **{"SampledDataCtrlr.TxUpdatedInterval": "0"})
    station.advance(3600.0)
    cut_at = station.utc
    station.restart(power_cut=True, after_s=600.0)
    station.advance(100.0)
    final = ended(station, by_token)
    (begin,) = values_with(final, "Interruption.Begin")
    assert timedelta(0) <= cut_at - moment(begin["timestamp"]) <= timedelta(seconds=300)
    (end,) = values_with(final, "Interruption.End")
    assert 0 <= of(end, REGISTER) - of(begin, REGISTER) <= 11_040 / 12 + 10


def test_a_transaction_that_ends_with_the_restart_was_not_interrupted(
    make_station: MakeStation,
) -> None:
    station = charging(make_station, **{"TxCtrlr.TxResumption": "End"})
    station.restart(power_cut=True, after_s=600.0)
    station.advance(30.0)
    (final,) = (event for event in station.csms.events() if event["eventType"] == "Ended")
    contexts = [value["sampledValue"][0]["context"] for value in final["meterValue"]]
    assert contexts == ["Transaction.Begin", "Transaction.End"]


def test_nothing_is_added_where_nothing_is_sampled(make_station: MakeStation) -> None:
    station = charging(make_station)
    station.variable("SampledDataCtrlr", "Enabled", "false")
    station.csms.received.clear()
    station.restart()
    station.advance(100.0)
    assert told(station)[0] == "Updated AbnormalCondition SuspendedEVSE"
    assert [event for event in station.csms.events() if "meterValue" in event] == []


def test_a_transaction_that_waits_for_nothing_tells_of_it_only_soon(
    make_station: MakeStation,
) -> None:
    """Without energy there is no event after the restart; a later one is about something else."""
    presets = {"SampledDataCtrlr.TxUpdatedInterval": "0", "AlignedDataCtrlr.Interval": "0"}
    station: VirtualStation = make_station("EVConnected", "EVConnected", variables=presets)
    station.sim.plug(1)
    station.advance(10.0)
    station.restart()
    station.advance(120.0)
    station.csms.received.clear()
    station.sim.token("04A1B2C3", evse=1)
    station.advance(30.0)
    assert station.csms.events()
    assert [e for e in station.csms.events() if values_with(e, "Interruption.End")] == []
    station.sim.unplug(1)
    station.advance(10.0)
    final = station.csms.events()[-1]
    assert final["eventType"] == "Ended"
    assert len(values_with(final, "Interruption.Begin")) == 1
    assert len(values_with(final, "Interruption.End")) == 1


@each_cut
def test_samples_stay_on_the_grid_of_the_transaction(
    make_station: MakeStation, power_cut: bool
) -> None:
    """Sample.Periodic: relative to the start of the transaction"""
    station = charging(make_station)
    station.restart(power_cut=power_cut, after_s=17.0)
    station.advance(400.0)
    events = station.csms.events()
    began = moment(events[0]["timestamp"])
    sampled = [event for event in events if event["triggerReason"] == "MeterValuePeriodic"]
    off = {
        round((moment(event["timestamp"]) - began).total_seconds(), 1) % INTERVAL_S
        for event in sampled
    }
    assert len(sampled) >= 22
    assert all(each < 0.6 or each > INTERVAL_S - 0.6 for each in off), off


@each_cut
def test_intervals_lose_nothing_to_an_interruption(
    make_station: MakeStation, power_cut: bool
) -> None:
    interval = "Energy.Active.Import.Interval"
    station = charging(
        make_station,
        **{
            "SampledDataCtrlr.TxUpdatedInterval": "600",
            "SampledDataCtrlr.TxUpdatedMeasurands": f"{REGISTER},{interval}",
        },
    )
    for _ in range(3):
        station.restart(power_cut=power_cut, after_s=20.0)
        station.advance(1000.0)
    events = station.csms.events()
    (begin,) = events[0]["meterValue"]
    sampled = [
        value
        for event in events
        if event["triggerReason"] == "MeterValuePeriodic"
        for value in event["meterValue"]
    ]
    assert len(sampled) >= 6
    total = of(sampled[-1], REGISTER) - of(begin, REGISTER)
    assert sum(of(value, interval) for value in sampled) == total

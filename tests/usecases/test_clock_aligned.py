"""J01: meter values by the wall clock, idle and busy, online and off, whatever the clock does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.charges import REGISTER, back, by_token, cable_first, ended, moment
from tests.usecases.conftest import MakeStation
from tests.usecases.test_time import DECEMBER, FIFTY_YEARS_S, tell_time

SOON_BACK = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "4",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
}
SHORTLY_BEFORE = datetime(2026, 12, 1, 8, 59, 30, tzinfo=UTC)


def make(make_station: MakeStation, interval_s: int = 60, **more: Any) -> VirtualStation:
    variables = {
        "SampledDataCtrlr.TxUpdatedInterval": "0",
        "AlignedDataCtrlr.Interval": str(interval_s),
        **SOON_BACK,
        **more.pop("variables", {}),
    }
    begin = more.pop("begin", DECEMBER)
    station: VirtualStation = make_station(variables=variables, begin=begin, **more)
    return station


def moments(station: VirtualStation, evse: int) -> list[str]:
    """When the values of idle EVSEs were taken, as they say."""
    return [
        f"{moment(value['timestamp']):%H:%M:%S}"
        for each in station.csms.of("MeterValues")
        if each["evseId"] == evse
        for value in each["meterValue"]
    ]


def test_all_evses_and_the_grid_are_measured_at_the_same_moment(make_station: MakeStation) -> None:
    """J01.FR.14, J01.FR.17; TC_J_01: the timestamps are all the same"""
    station = make(make_station, interval_s=900, begin=SHORTLY_BEFORE, evses=3)
    station.advance(1800.0)
    for evse in range(4):
        assert moments(station, evse) == ["09:00:00", "09:15:00"]
    assert all(
        moment(value["timestamp"]).microsecond == 0
        for each in station.csms.of("MeterValues")
        for value in each["meterValue"]
    )


def test_an_interval_that_does_not_divide_the_day_begins_anew_at_midnight(
    make_station: MakeStation,
) -> None:
    station = make(make_station, 7000, begin=datetime(2026, 12, 1, 23, 0, tzinfo=UTC))
    station.advance(3 * 7000.0)
    # 23:20:00 is the twelfth multiple of that day
    assert moments(station, 1) == ["23:20:00", "00:00:00", "01:56:40", "03:53:20"]


def test_what_is_idle_while_offline_is_not_told_later(make_station: MakeStation) -> None:
    """J01.FR.14: idle meter values are of the moment; those of transactions are queued (J02)"""
    station = make(make_station)
    cable_first(station)
    station.csms.go_offline()
    station.advance(600.0)
    began = station.utc
    events = back(station)
    station.advance(100.0)
    clocked = [event for event in events if event["triggerReason"] == "MeterValueClock"]
    assert len([event for event in clocked if event["offline"]]) >= 9
    told = [
        moment(value["timestamp"])
        for each in station.csms.of("MeterValues")
        for value in each["meterValue"]
        if moment(value["timestamp"]) < began - timedelta(seconds=60)
    ]
    assert [at for at in told if at > began - timedelta(seconds=590)] == []


@pytest.mark.parametrize("switch", ["Enabled", "Interval", "Measurands"])
def test_it_can_be_switched_off(make_station: MakeStation, switch: str) -> None:
    station = make(make_station)
    off = {"Enabled": "false", "Interval": "0", "Measurands": ""}[switch]
    station.variable("AlignedDataCtrlr", switch, off)
    station.csms.received.clear()
    station.advance(300.0)
    assert station.csms.of("MeterValues") == []


def test_the_grid_is_quiet_too_where_idle_means_the_whole_station(
    make_station: MakeStation,
) -> None:
    """J01.FR.20"""
    station = make(make_station)
    station.variable("AlignedDataCtrlr", "SendDuringIdle", "true")
    cable_first(station)
    station.csms.received.clear()
    station.advance(300.0)
    assert station.csms.of("MeterValues") == []
    station.sim.token("04A1B2C3", evse=1)
    station.advance(60.0)
    station.csms.received.clear()
    station.advance(300.0)
    assert {each["evseId"] for each in station.csms.of("MeterValues")} == {0, 1, 2}


@pytest.mark.parametrize("where", [None, 1, 2])
def test_idle_means_idle_for_what_the_end_collects_too(
    make_station: MakeStation, where: int | None
) -> None:
    """J01.FR.19, J01.FR.20: clock-aligned values of a transaction are not wanted at all"""
    variables = {"AlignedDataCtrlr.TxEndedInterval": "30"}
    station = make(make_station, variables=variables)
    place = {} if where is None else {"evse": where}
    station.variable("AlignedDataCtrlr", "SendDuringIdle", "true", **place)
    cable_first(station)
    station.advance(300.0)
    values = ended(station, by_token)["meterValue"]
    contexts = {each["context"] for value in values for each in value["sampledValue"]}
    assert ("Sample.Clock" in contexts) is (where == 2)


def test_the_values_of_a_transaction_are_those_of_its_evse(make_station: MakeStation) -> None:
    """J01.FR.22, J02.FR.22"""
    station = make(make_station)
    cable_first(station)
    station.sim.plug(2, current_a=6.0)
    station.advance(3.0)
    station.sim.token("04FFEE02", evse=2)
    station.advance(600.0)
    registers: dict[str, list[float]] = {}
    for event in station.csms.events():
        if event["triggerReason"] == "MeterValueClock":
            assert event["eventType"] == "Updated"
            (value,) = event["meterValue"]
            (sample,) = value["sampledValue"]
            assert (sample["measurand"], sample["context"]) == (REGISTER, "Sample.Clock")
            mine = registers.setdefault(event["transactionInfo"]["transactionId"], [])
            mine.append(sample["value"])
    fast, slow = sorted(registers.values(), key=lambda told: -told[-1])
    assert len(fast) == len(slow) == 10
    assert fast[-1] > 2 * slow[-1] > 0


# -- the clock


def test_a_clock_that_is_set_forward_leaves_out_what_it_jumps_over(
    make_station: MakeStation,
) -> None:
    station = make(make_station, interval_s=300, begin=SHORTLY_BEFORE)
    station.advance(400.0)
    tell_time(station, timedelta(hours=2))
    station.advance(300.0)
    assert moments(station, 1) == ["09:00:00", "09:05:00", "11:10:00"]


@pytest.mark.parametrize(
    ("back_s", "then"), [(10.0, ["09:10:00", "09:15:00"]), (7200.0, ["07:10:00", "07:15:00"])]
)
def test_a_clock_that_is_set_back_repeats_nothing_within_an_interval(
    make_station: MakeStation, back_s: float, then: list[str]
) -> None:
    station = make(make_station, interval_s=300, begin=SHORTLY_BEFORE)
    station.advance(331.0)  # 09:05:00 has just been told
    tell_time(station, timedelta(seconds=-back_s))
    station.advance(610.0)
    assert moments(station, 1) == ["09:00:00", "09:05:00", *then]


def test_nothing_is_aligned_to_a_clock_that_nobody_has_set(make_station: MakeStation) -> None:
    station = VirtualStation(
        clock_error_s=-FIFTY_YEARS_S,
        start=False,
        variables={
            **SOON_BACK,
            "AlignedDataCtrlr.Interval": "60",
            "AlignedDataCtrlr.TxEndedInterval": "60",
            "SampledDataCtrlr.TxEndedInterval": "60",
        },
    )
    station.csms.reachable = False
    station.power_up()
    station.advance(5.0)
    station.sim.plug(1)
    station.advance(5.0)
    began = station.utc
    station.sim.button(1, "start")
    station.advance(600.0)
    known_from = station.utc
    station.csms.go_online()
    station.advance(600.0)
    station.sim.button(1, "stop")
    station.advance(20.0)
    events = station.csms.events()
    clocked = [event for event in events if event["triggerReason"] == "MeterValueClock"]
    assert len(clocked) >= 9
    assert min(moment(event["timestamp"]) for event in clocked) > known_from
    values = events[-1]["meterValue"]
    by_context: dict[str, list[datetime]] = {}
    for value in values:
        context = value["sampledValue"][0]["context"]
        by_context.setdefault(context, []).append(moment(value["timestamp"]))
    assert min(by_context["Sample.Clock"]) > known_from
    # What was sampled meanwhile on the transaction's own clock is dated right in the end.
    periodic = by_context["Sample.Periodic"]
    assert len(periodic) in (19, 20)
    assert periodic == sorted(periodic)
    assert abs(periodic[0] - began - timedelta(seconds=60)) < timedelta(seconds=5)

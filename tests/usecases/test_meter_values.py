"""J01, J02 and what E and F say of them: values of the start, and those told meanwhile."""

from datetime import timedelta
from itertools import pairwise

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.charges import (
    INTERVAL_S,
    STARTED,
    UPDATED,
    Act,
    back,
    cable_first,
    carried,
    charged,
    each_begin,
    make,
    moment,
    plug,
    refused_later,
    token,
    token_first,
    values_of,
)
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import is_closed

# -- Started


@each_begin
def test_event_that_starts_carries_the_values_of_the_start(
    make_station: MakeStation, begin: Act
) -> None:
    """E01.FR.09, E02.FR.09, E03.FR.07, E04.FR.05, F01.FR.14, F02.FR.02"""
    station = make(make_station, "EVConnected", TxUpdatedInterval="0")
    started, *later = charged(station, begin, 10.0)
    assert started["eventType"] == "Started"
    assert values_of(started) == [carried("Transaction.Begin", STARTED)]
    assert [each for event in later for each in values_of(event)] == []


def test_token_that_is_refused_later_changes_nothing_about_that(make_station: MakeStation) -> None:
    """E05.FR.05"""
    station = make(make_station)
    refused_later(station)
    station.advance(10.0)
    assert not is_closed(station)
    assert values_of(station.csms.events()[0]) == [carried("Transaction.Begin", STARTED)]


def test_nothing_is_measured_for_an_empty_list(make_station: MakeStation) -> None:
    """E01.FR.09"""
    station = make(make_station, TxStartedMeasurands="", TxUpdatedMeasurands="")
    assert all(values_of(event) == [] for event in charged(station, cable_first, 100.0))


def test_nothing_is_sampled_when_that_is_switched_off(make_station: MakeStation) -> None:
    station = make(make_station, "PowerPathClosed", "Authorized")
    station.variable("SampledDataCtrlr", "Enabled", "false")
    charged(station, cable_first, 100.0)
    token(station)
    station.advance(8.0)
    events = station.csms.events()
    assert events[-1]["eventType"] == "Ended"
    assert all(values_of(event) == [] for event in events)


def at_the_stations_reader(station: VirtualStation) -> None:
    token(station, None)
    plug(station)


def at_the_stations_reader_offline(station: VirtualStation) -> None:
    station.csms.go_offline()
    at_the_stations_reader(station)


@pytest.mark.parametrize("begin", [at_the_stations_reader, at_the_stations_reader_offline])
def test_values_of_the_start_are_told_once_the_evse_is_known_and_charging_starts(
    make_station: MakeStation, begin: Act
) -> None:
    """E01.FR.17, E02.FR.21, E03.FR.11, E04.FR.11"""
    station = make(make_station, "Authorized", TxUpdatedInterval="0")
    started, *_, charging = charged(station, begin, 10.0)
    assert "evse" not in started
    assert values_of(started) == []
    assert charging["transactionInfo"]["chargingState"] == "Charging"
    assert values_of(charging) == [carried("Transaction.Begin", STARTED)]


def test_they_are_also_told_of_a_charge_that_is_refused_then(make_station: MakeStation) -> None:
    """E05.FR.08"""
    station = make(make_station, "Authorized")
    station.csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": {"status": "Invalid"}}
        if event["transactionInfo"].get("chargingState") == "Charging"
        else {}
    )
    at_the_stations_reader(station)
    station.advance(10.0)
    (charging,) = (
        event
        for event in station.csms.events()
        if event["transactionInfo"].get("chargingState") == "Charging"
    )
    assert values_of(charging) == [carried("Transaction.Begin", STARTED)]
    assert not is_closed(station)


# -- Updated


@each_begin
def test_values_are_sampled_at_the_interval_of_the_transaction(
    make_station: MakeStation, begin: Act
) -> None:
    """E02.FR.10, E03.FR.08, E04.FR.06, E11.FR.03, E12.FR.03, F01.FR.15, F02.FR.03, J02.FR.11"""
    station = make(make_station, "EVConnected")
    events = charged(station, begin, 5.5 * INTERVAL_S)
    sampled = [event for event in events if event["triggerReason"] == "MeterValuePeriodic"]
    assert len(sampled) in (5, 6)
    for event in sampled:
        assert event["eventType"] == "Updated"
        assert values_of(event) == [carried("Sample.Periodic", UPDATED)]
    times = [moment(event["timestamp"]) for event in [events[0], *sampled]]
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(seconds=30)}
    others = [event for event in events[1:] if event not in sampled]
    assert [each for event in others for each in values_of(event)] == []


def test_link_that_breaks_in_mid_charge_costs_no_sample(make_station: MakeStation) -> None:
    """E11.FR.01, E11.FR.02, E11.FR.03"""
    station = make(make_station)
    cable_first(station)
    station.advance(2.5 * INTERVAL_S)
    station.csms.go_offline()
    station.advance(3.0 * INTERVAL_S)
    events = back(station)
    sampled = [event for event in events if event["triggerReason"] == "MeterValuePeriodic"]
    assert [event["offline"] for event in sampled[:5]] == [False, False, True, True, True]
    times = [moment(event["timestamp"]) for event in sampled]
    assert {later - earlier for earlier, later in pairwise(times)} == {timedelta(seconds=30)}


def test_operator_sets_the_interval_while_it_charges(make_station: MakeStation) -> None:
    """J01.FR.01, J02.FR.01"""
    station = make(make_station, TxUpdatedInterval="0")
    assert len(charged(station, cable_first, 300.0)) == 2
    station.variable("SampledDataCtrlr", "TxUpdatedInterval", "10")
    station.variable("AlignedDataCtrlr", "Interval", "20")
    station.advance(61.0)
    triggers = [event["triggerReason"] for event in station.csms.events()[2:]]
    assert triggers.count("MeterValuePeriodic") == 6
    assert triggers.count("MeterValueClock") == 3


def test_values_belong_to_the_interval_of_their_event(make_station: MakeStation) -> None:
    """J01.FR.05, J01.FR.17, J02.FR.10, J02.FR.18"""
    station = make(make_station)
    station.variable("AlignedDataCtrlr", "Interval", "20")
    events = charged(station, cable_first, 600.0)
    found = 0
    for event in events:
        at = moment(event["timestamp"])
        for value in event.get("meterValue", ()):
            taken_at = moment(value["timestamp"])
            assert at - timedelta(seconds=INTERVAL_S) < taken_at <= at
            found += 1
    assert found > 50


def test_number_of_phases_is_told_again_when_the_car_uses_fewer(make_station: MakeStation) -> None:
    """E02.FR.18, E02.FR.19, E03.FR.13, E03.FR.14"""
    station = make(make_station)
    charged(station, token_first, 100.0)
    car = station.world.evses[1].place.car
    assert car is not None
    car.phases = 1
    station.sim.ev(1, "C")  # it draws as before, on one phase
    station.advance(100.0)
    phases = [event.get("numberOfPhasesUsed") for event in station.csms.events()]
    assert [each for each in phases if each is not None] == [3, 1]


# -- outside transactions, and by the wall clock


def test_phases_are_named_as_the_meter_names_them(make_station: MakeStation) -> None:
    """J01.FR.11, J02.FR.07"""
    station = make(make_station, TxUpdatedMeasurands="Current.Import,Voltage")
    station.sim.plug(1, phases=1)
    station.advance(3.0)
    token(station)
    station.advance(35.0)
    (event,) = (e for e in station.csms.events() if e["triggerReason"] == "MeterValuePeriodic")
    samples = {
        (each["measurand"], each["phase"]): each["value"]
        for each in event["meterValue"][0]["sampledValue"]
    }
    assert samples == {
        ("Current.Import", "L1"): 16.0,
        ("Current.Import", "L2"): 0.0,
        ("Current.Import", "L3"): 0.0,
        ("Voltage", "L1-N"): 230.0,
        ("Voltage", "L2-N"): 230.0,
        ("Voltage", "L3-N"): 230.0,
    }


@pytest.mark.parametrize("where", ["nowhere", "EVSE 1", "EVSE 2", "station"])
def test_clock_aligned_values_are_sent_while_idle_where_that_is_set(
    make_station: MakeStation, where: str
) -> None:
    """J01.FR.14, J01.FR.19, J01.FR.20, J01.FR.22"""
    station = make(make_station, TxUpdatedInterval="0")
    station.variable("AlignedDataCtrlr", "Interval", "60")
    if where == "station":
        station.variable("AlignedDataCtrlr", "SendDuringIdle", "true")
    elif where != "nowhere":
        evse = int(where.removeprefix("EVSE "))
        station.variable("AlignedDataCtrlr", "SendDuringIdle", "true", evse=evse)

    def heard(duration_s: float) -> tuple[int, int, int]:
        """MeterValues of EVSE 1 and of EVSE 2, and aligned values of the transaction."""
        station.csms.received.clear()
        station.advance(duration_s)
        places = [each["evseId"] for each in station.csms.of("MeterValues")]
        aligned = [e for e in station.csms.events() if e["triggerReason"] == "MeterValueClock"]
        return places.count(1), places.count(2), len(aligned)

    assert heard(240.0) == (4, 4, 0)
    cable_first(station)
    expected = {"nowhere": (0, 4, 4), "EVSE 1": (0, 4, 0), "EVSE 2": (0, 4, 4)}
    assert heard(240.0) == expected.get(where, (0, 0, 0))
    token(station)
    station.advance(8.0)
    station.sim.unplug(1)
    station.advance(3.0)
    assert heard(240.0) == (4, 4, 0)

"""TxResumption: what a restart or a power cut does to a transaction that runs."""

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, is_closed, told, transaction_ids
from tests.usecases.test_time import DECEMBER, FIFTY_YEARS_S

TOKEN = "04A1B2C3"
STOPS = ("ParkingBayOccupancy", "EVConnected", "Authorized", "PowerPathClosed")
each_stop = pytest.mark.parametrize("stop", STOPS)
each_cut = pytest.mark.parametrize("power_cut", [False, True], ids=["restart", "power cut"])


def make(make_station: MakeStation, stop: str, **tx_variables: str) -> VirtualStation:
    variables = {f"TxCtrlr.{name}": value for name, value in tx_variables.items()}
    station: VirtualStation = make_station(
        "PowerPathClosed", stop, variables=variables, begin=DECEMBER
    )
    return station


def charging(make_station: MakeStation, stop: str, **tx_variables: str) -> VirtualStation:
    station = make(make_station, stop, **tx_variables)
    station.sim.bay(1, occupied=True)
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert is_closed(station)
    forget(station)
    return station


def reason(power_cut: bool) -> str:
    return "PowerLoss" if power_cut else "Reboot"


@each_cut
@each_stop
def test_charge_goes_on_if_the_car_is_still_there(
    make_station: MakeStation, stop: str, power_cut: bool
) -> None:
    """E02.FR.17: the interruption is what triggers the first event"""
    station = charging(make_station, stop)
    (row,) = station.station.transactions.all()
    station.restart(power_cut=power_cut, after_s=600.0)
    station.advance(10.0)
    assert told(station) == [
        "Updated AbnormalCondition SuspendedEVSE",
        "Updated ChargingStateChanged Charging",
    ]
    assert transaction_ids(station) == [row.id]
    assert is_closed(station)


@each_cut
@each_stop
def test_it_ends_if_that_is_wanted(make_station: MakeStation, stop: str, power_cut: bool) -> None:
    """E06.FR.08"""
    station = charging(make_station, stop, TxResumption="End")
    station.restart(power_cut=power_cut)
    station.advance(20.0)
    assert told(station) == [f"Ended AbnormalCondition EVConnected {reason(power_cut)}"]
    assert not is_closed(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert is_closed(station)


@each_cut
def test_energy_that_stopped_ends_a_transaction_of_energy_transfer(
    make_station: MakeStation, power_cut: bool
) -> None:
    """E06.FR.07"""
    station = charging(make_station, "EnergyTransfer")
    station.restart(power_cut=power_cut)
    station.advance(20.0)
    assert told(station) == [f"Ended AbnormalCondition EVConnected {reason(power_cut)}"]
    assert not is_closed(station)


@each_stop
def test_car_that_left_meanwhile_ends_it(make_station: MakeStation, stop: str) -> None:
    """E06.FR.01, E06.FR.02"""
    station = charging(make_station, stop)
    station.kill(power_cut=True)
    station.reactor.at += 60.0
    station.world.survive(station.reactor.at)
    world = station.world.evses[1]
    world.unplug(side="both")
    world.set_bay(occupied=False)
    station.power_up()
    station.advance(20.0)
    assert told(station) == ["Ended EVCommunicationLost Idle EVDisconnected"]
    assert not is_closed(station)


def test_ev_that_had_suspended_is_offered_energy_again(make_station: MakeStation) -> None:
    station = charging(make_station, "EVConnected")
    station.sim.ev(1, "B")
    station.advance(10.0)
    forget(station)
    station.restart()
    station.advance(20.0)
    assert told(station) == [
        "Updated AbnormalCondition SuspendedEVSE",
        "Updated ChargingStateChanged SuspendedEV",
    ]


def test_transaction_without_energy_has_nothing_to_tell(make_station: MakeStation) -> None:
    station: VirtualStation = make_station("EVConnected", "EVConnected")
    station.sim.plug(1)
    station.advance(5.0)
    forget(station)
    station.restart(power_cut=True)
    station.advance(20.0)
    assert told(station) == []


def test_stop_that_was_under_way_keeps_its_reason(make_station: MakeStation) -> None:
    """E07.FR.05"""
    station = charging(make_station, "Authorized", TxResumption="End")
    station.sim.token(TOKEN, evse=1)
    while not any(row.stop for row in station.station.transactions.all()):
        station.advance(0.01)
    station.advance(0.05)  # it is durable, but the contactor is still closed
    station.restart()
    station.advance(20.0)
    assert told(station) == ["Ended StopAuthorized EVConnected Local"]


@pytest.mark.parametrize(("resumption", "last"), [("End", "Reboot"), ("Resume", "Timeout")])
def test_transaction_that_waits_for_a_cable_follows_the_same_rule(
    make_station: MakeStation, resumption: str, last: str
) -> None:
    variables = {"TxCtrlr.TxResumption": resumption}
    station: VirtualStation = make_station("Authorized", "EVConnected", variables=variables)
    station.sim.token(TOKEN)
    station.advance(2.0)
    station.restart(after_s=1.0)
    station.advance(40.0)
    assert told(station)[-1].startswith("Ended")
    assert told(station)[-1].endswith(last)


# -- the time bound


@each_cut
@pytest.mark.parametrize(("outage_s", "goes_on"), [(30.0, True), (200.0, False)])
def test_outage_that_is_too_long_ends_it(
    make_station: MakeStation, power_cut: bool, outage_s: float, goes_on: bool
) -> None:
    station = charging(make_station, "EVConnected", TxResumptionTimeout="120")
    station.advance(3600.0)
    forget(station)
    station.restart(power_cut=power_cut, after_s=outage_s)
    station.advance(20.0)
    assert is_closed(station) is goes_on
    if not goes_on:
        assert told(station) == [f"Ended AbnormalCondition EVConnected {reason(power_cut)}"]


def test_signs_of_life_do_not_depend_on_events(make_station: MakeStation) -> None:
    """Nothing is sampled and nothing happens for an hour: the outage is still a minute."""
    station = charging(make_station, "EVConnected", TxResumptionTimeout="130")
    station.variable("SampledDataCtrlr", "TxUpdatedInterval", "0")
    station.variable("AlignedDataCtrlr", "Interval", "0")
    station.advance(3600.0)
    station.restart(power_cut=True, after_s=60.0)
    station.advance(20.0)
    assert is_closed(station)


@each_cut
def test_without_a_clock_only_a_restart_of_the_program_has_a_known_length(
    make_station: MakeStation, power_cut: bool
) -> None:
    variables = {"TxCtrlr.TxResumptionTimeout": "120"}
    station: VirtualStation = make_station(
        stop="EVConnected", variables=variables, clock_error_s=-FIFTY_YEARS_S
    )
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    station.csms.go_offline()
    station.restart(power_cut=power_cut, after_s=20.0)
    station.advance(20.0)
    assert is_closed(station) is not power_cut


def test_energy_time_of_a_charge_outlives_power_cuts(make_station: MakeStation) -> None:
    """timeSpentCharging loses at most what flowed since the last event"""
    station = charging(make_station, "Authorized")
    station.advance(1800.0)
    station.restart(power_cut=True)
    station.advance(1800.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    (ended,) = (each for each in station.csms.events() if each["eventType"] == "Ended")
    assert 3500 < ended["transactionInfo"]["timeSpentCharging"] <= 3620

"""E05 and C15: a refused token with StopTxOnInvalidId false, and MaxEnergyOnInvalidId."""

from typing import Any

import pytest
from msgspec.structs import replace

from hal.api import FaultName
from hal.sim.board import sim_board_description
from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import Event, forget, is_closed, told

TOKEN = "04A1B2C3"
ALLOWED_WH = 500
POWER_W = 3 * 16 * 230
"""What the EV of these tests draws."""
ALMOST_WH = POWER_W / 3600 * 4
"""The meter is looked at every second, and a contactor needs its time to open."""


def answer(station: VirtualStation, status: str) -> None:
    """From now on that is said of every token that an event carries."""

    def say(event: Event) -> dict[str, Any]:
        return {"idTokenInfo": {"status": status}} if "idToken" in event else {}

    station.csms.answers["TransactionEvent"] = say


def say_at_next_event(station: VirtualStation, status: str) -> None:
    """The answer to the next event says that of the token, though the event carries none."""
    station.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": status}}
    station.csms.call("TriggerMessage", {"requestedMessage": "TransactionEvent"})
    station.advance(2.0)
    station.csms.answers.clear()


def plug_and_authorise(station: VirtualStation) -> None:
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)


def make(
    make_station: MakeStation, stop: str = "EVConnected", allowed: int = ALLOWED_WH, **more: str
) -> VirtualStation:
    variables = {
        "TxCtrlr.StopTxOnInvalidId": "false",
        "TxCtrlr.MaxEnergyOnInvalidId": str(allowed),
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    return make_station(stop=stop, variables=variables)


def refused(make_station: MakeStation, stop: str = "EVConnected", **more: Any) -> VirtualStation:
    """A charge that has just begun, with a token that was refused."""
    station = make(make_station, stop, **more)
    answer(station, "Invalid")
    plug_and_authorise(station)
    station.advance(20.0)
    station.csms.answers.clear()
    return station


def taken_wh(station: VirtualStation) -> int:
    reading = station.board.reading(1)
    assert reading is not None
    return reading.energy_wh


@pytest.mark.parametrize("stop", ["EVConnected", "Authorized", "PowerPathClosed"])
def test_energy_flows_until_the_amount_is_used_up(make_station: MakeStation, stop: str) -> None:
    """E05.FR.03, E05.FR.02, C15.FR.06"""
    station = refused(make_station, stop)
    assert is_closed(station)
    station.advance(ALLOWED_WH / POWER_W * 3600 - 30.0)
    assert is_closed(station)
    assert taken_wh(station) > 0.7 * ALLOWED_WH
    forget(station)
    station.advance(60.0)
    assert told(station) == ["Updated ChargingStateChanged SuspendedEVSE"]
    assert not is_closed(station)
    assert ALLOWED_WH <= taken_wh(station) < ALLOWED_WH + ALMOST_WH
    station.advance(3600.0)
    assert not is_closed(station)


def test_stop_point_energy_transfer_ends_the_transaction_when_it_is_used_up(
    make_station: MakeStation,
) -> None:
    """E05.FR.02: then the end of the energy is the end of the transaction"""
    station = refused(make_station, "EnergyTransfer")
    assert is_closed(station)
    station.advance(300.0)
    assert told(station)[-1] == "Ended EnergyLimitReached EVConnected DeAuthorized"
    assert ALLOWED_WH <= taken_wh(station) < ALLOWED_WH + ALMOST_WH


def test_what_flowed_before_the_refusal_counts(make_station: MakeStation) -> None:
    """E05.FR.02: the amount is that of the transaction, and may be exceeded already"""
    station = make(make_station)
    plug_and_authorise(station)
    station.advance(400.0)
    assert taken_wh(station) > ALLOWED_WH
    forget(station)
    say_at_next_event(station, "Blocked")
    assert told(station)[1:] == ["Updated ChargingStateChanged SuspendedEVSE"]


def test_refusal_after_a_while_leaves_the_rest(make_station: MakeStation) -> None:
    """E05.FR.03"""
    station = make(make_station)
    plug_and_authorise(station)
    station.advance(100.0)
    say_at_next_event(station, "Blocked")
    assert is_closed(station)
    station.advance(200.0)
    assert ALLOWED_WH <= taken_wh(station) < ALLOWED_WH + ALMOST_WH


@pytest.mark.parametrize(
    ("stop", "last"),
    [
        ("EVConnected", "Updated Deauthorized EVConnected"),
        ("Authorized", "Ended Deauthorized EVConnected DeAuthorized"),
    ],
)
def test_with_stop_on_invalid_id_there_is_no_allowance(
    make_station: MakeStation, stop: str, last: str
) -> None:
    """E05.FR.09, E05.FR.10, C15.FR.03"""
    station = refused(make_station, stop, TxCtrlr__StopTxOnInvalidId="true")
    assert told(station)[-1] == last
    assert not is_closed(station)


def test_offline_start_of_an_unknown_token_has_its_allowance_too(
    make_station: MakeStation,
) -> None:
    """C15.FR.07, C15.FR.02"""
    station = make(make_station, AuthCtrlr__OfflineTxForUnknownIdEnabled="true")
    answer(station, "Invalid")
    station.csms.go_offline()
    plug_and_authorise(station)
    station.advance(30.0)
    station.csms.go_online()
    station.advance(90.0)
    assert told(station)[0].startswith("Started Authorized")
    assert is_closed(station)
    station.advance(200.0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    assert ALLOWED_WH <= taken_wh(station) < ALLOWED_WH + ALMOST_WH


@pytest.mark.parametrize("power_cut", [False, True])
def test_restart_forgets_neither_the_refusal_nor_what_was_taken(
    make_station: MakeStation, power_cut: bool
) -> None:
    """E05.FR.03"""
    station = refused(make_station)
    for _ in range(5):
        station.advance(20.0)
        station.restart(power_cut=power_cut)
    assert is_closed(station)
    station.advance(120.0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    assert ALLOWED_WH <= taken_wh(station) < ALLOWED_WH + ALMOST_WH
    station.restart(power_cut=power_cut)
    station.advance(30.0)
    assert not is_closed(station)


def test_pause_of_the_ev_neither_ends_nor_resets_it(make_station: MakeStation) -> None:
    """E05.FR.03"""
    station = refused(make_station)
    station.sim.ev(1, "B")
    station.advance(3600.0)
    station.sim.ev(1, "C")
    station.advance(10.0)
    assert is_closed(station)
    station.advance(180.0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    assert ALLOWED_WH <= taken_wh(station) < ALLOWED_WH + ALMOST_WH


def test_limit_that_the_csms_lowers_holds_within_a_minute(make_station: MakeStation) -> None:
    station = refused(make_station, allowed=100_000)
    station.advance(600.0)
    assert is_closed(station)
    station.variable("TxCtrlr", "MaxEnergyOnInvalidId", "0")
    station.advance(65.0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEVSE"


def test_energy_that_nobody_can_count_is_counted_at_full_power(make_station: MakeStation) -> None:
    station = refused(make_station)
    station.sim.fault(1, FaultName.METER_SILENT, active=True)
    station.advance(300.0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    station.sim.fault(1, FaultName.METER_SILENT, active=False)
    station.advance(2.0)
    assert 0.4 * ALLOWED_WH < taken_wh(station) < ALLOWED_WH


def test_token_that_is_accepted_after_all_gets_its_energy(make_station: MakeStation) -> None:
    """E05.FR.02 holds no longer: the authorisation was never withdrawn"""
    station = refused(make_station, allowed=0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    forget(station)
    say_at_next_event(station, "Accepted")
    station.advance(10.0)
    assert told(station) == [
        "Updated Trigger SuspendedEVSE",
        "Updated ChargingStateChanged Charging",
    ]
    station.advance(600.0)
    assert is_closed(station)


def test_driver_who_is_authorised_anew_gets_energy_without_limit(
    make_station: MakeStation,
) -> None:
    """E02.FR.01: the first presentation ends the authorisation, the second is a new one"""
    station = refused(make_station)
    station.advance(600.0)
    assert not is_closed(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(5.0)
    assert told(station)[-1] == "Updated StopAuthorized EVConnected"
    station.sim.token(TOKEN, evse=1)
    station.advance(900.0)
    assert is_closed(station)
    assert taken_wh(station) > 3 * ALLOWED_WH


def test_refusal_of_a_token_that_only_stopped_means_nothing(make_station: MakeStation) -> None:
    station = make(make_station, allowed=0)
    plug_and_authorise(station)
    station.advance(10.0)
    answer(station, "Invalid")
    station.csms.latency_s = (5.0, 5.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(30.0)
    assert told(station)[-1] == "Updated ChargingStateChanged EVConnected"


def test_station_without_meters_has_no_such_variable_and_no_allowance() -> None:
    """E05.FR.02: not implemented"""
    with_meters = sim_board_description(1, 1, "fixed")
    evses = tuple(replace(evse, has_meter=False) for evse in with_meters.evses)
    station = VirtualStation(
        description=replace(with_meters, evses=evses),
        variables={
            "TxCtrlr.StopTxOnInvalidId": "false",
            "TxCtrlr.TxStopPoint": "EVConnected",
            "TxCtrlr.MaxEnergyOnInvalidId": str(ALLOWED_WH),
        },
    ).boot()
    answer(station, "Invalid")
    plug_and_authorise(station)
    station.advance(10.0)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEVSE"
    request = {"component": {"name": "TxCtrlr"}, "variable": {"name": "MaxEnergyOnInvalidId"}}
    (result,) = station.csms.call("GetVariables", {"getVariableData": [request]})[
        "getVariableResult"
    ]
    assert result["attributeStatus"] == "UnknownVariable"

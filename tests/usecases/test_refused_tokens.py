"""E05: the CSMS refuses a token after its transaction has begun."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import Event, forget, is_closed, is_locked, told

TOKEN, OTHER = "04A1B2C3", "04FFEE01"
ENDING = ("Authorized", "PowerPathClosed", "EnergyTransfer")
LASTING = ("EVConnected", "ParkingBayOccupancy")


def refuse(station: VirtualStation, state: str | None, status: str = "Invalid") -> None:
    """Refuse in answer to the event that says *state*; None: to the one with the token."""

    def answer(event: Event) -> dict[str, Any]:
        said = event["transactionInfo"].get("chargingState")
        meant = "idToken" in event if state is None else said == state
        return {"idTokenInfo": {"status": status}} if meant else {}

    station.csms.answers["TransactionEvent"] = answer


def begin(
    make_station: MakeStation, stop: str, *, stops: bool, state: str | None
) -> VirtualStation:
    """A session whose token is refused; *state* as in `refuse`."""
    stop_on_invalid = {"TxCtrlr.StopTxOnInvalidId": "true" if stops else "false"}
    station: VirtualStation = make_station(stop=stop, variables=stop_on_invalid, cable="socket")
    refuse(station, state)
    station.sim.bay(1, occupied=True)
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(15.0)
    station.csms.answers.clear()
    assert not is_closed(station)
    return station


early_or_late = pytest.mark.parametrize("state", [None, "Charging"], ids=["early", "late"])


@early_or_late
@pytest.mark.parametrize("stop", ENDING)
def test_refused_token_ends_the_transaction_and_keeps_the_cable(
    make_station: MakeStation, stop: str, state: str | None
) -> None:
    """E05.FR.10, E05.FR.11, E06.FR.04, E05.FR.04"""
    station = begin(make_station, stop, stops=True, state=state)
    assert told(station)[-1] == "Ended Deauthorized EVConnected DeAuthorized"
    assert is_locked(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(3.0)
    assert not is_locked(station)


@early_or_late
@pytest.mark.parametrize("stop", LASTING)
def test_refused_token_stops_energy_and_the_transaction_waits_for_its_stop_point(
    make_station: MakeStation, stop: str, state: str | None
) -> None:
    """E05.FR.09"""
    station = begin(make_station, stop, stops=True, state=state)
    assert told(station)[-1] == "Updated Deauthorized EVConnected"
    forget(station)
    station.sim.unplug(1)
    station.advance(3.0)
    station.sim.bay(1, occupied=False)
    station.advance(3.0)
    assert told(station)[-1].startswith("Ended")
    assert told(station)[-1].endswith("DeAuthorized")


@early_or_late
@pytest.mark.parametrize("stop", ["Authorized", "PowerPathClosed", *LASTING])
def test_refused_token_suspends_when_the_operator_wants_that(
    make_station: MakeStation, stop: str, state: str | None
) -> None:
    """E05.FR.02"""
    station = begin(make_station, stop, stops=False, state=state)
    assert told(station)[-1] == "Updated ChargingStateChanged SuspendedEVSE"


@early_or_late
def test_refused_token_that_stops_energy_ends_a_transaction_of_energy_transfer(
    make_station: MakeStation, state: str | None
) -> None:
    """E05.FR.02"""
    station = begin(make_station, "EnergyTransfer", stops=False, state=state)
    last = station.csms.events()[-1]
    assert last["eventType"] == "Ended"
    assert last["transactionInfo"]["stoppedReason"] == "DeAuthorized"


def test_owner_may_end_a_suspended_transaction(make_station: MakeStation) -> None:
    """E07.FR.01"""
    station = begin(make_station, "Authorized", stops=False, state=None)
    station.sim.token(TOKEN, evse=1)
    station.advance(3.0)
    assert told(station)[-1] == "Ended StopAuthorized EVConnected Local"
    assert not is_locked(station)


@pytest.mark.parametrize("stops", [True, False])
def test_another_token_does_not_take_over_the_transaction(
    make_station: MakeStation, stops: bool
) -> None:
    """C01.FR.23"""
    station = begin(make_station, "EVConnected", stops=stops, state=None)
    forget(station)
    station.sim.token(OTHER, evse=1)
    station.advance(10.0)
    assert told(station) == []
    assert not is_closed(station)


def test_same_token_accepted_again_resumes_the_transaction(make_station: MakeStation) -> None:
    """E02.FR.01"""
    station = begin(make_station, "EVConnected", stops=True, state=None)
    forget(station)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert told(station) == ["Updated Authorized -", "Updated ChargingStateChanged Charging"]
    assert is_closed(station)


@pytest.mark.parametrize(
    "status",
    ["Blocked", "ConcurrentTx", "Expired", "NoCredit", "NotAllowedTypeEVSE", "NotAtThisLocation"],
)
def test_every_status_but_accepted_refuses(make_station: MakeStation, status: str) -> None:
    """E05.FR.10"""
    station = make_station(stop="Authorized")
    refuse(station, None, status)
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    assert told(station)[-1].startswith("Ended Deauthorized")


def test_refusal_that_comes_after_the_end_changes_nothing(make_station: MakeStation) -> None:
    station = make_station(stop="Authorized")
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(10.0)
    refuse(station, None)
    station.sim.token(TOKEN, evse=1)  # the token is told again with the stop
    station.advance(10.0)
    assert told(station)[-1] == "Ended StopAuthorized EVConnected Local"
    station.sim.token(OTHER, evse=1)
    station.advance(1.0)
    assert len(station.csms.of("Authorize")) == 2


def test_refusal_while_offline_reaches_the_transaction_once_online(
    make_station: MakeStation,
) -> None:
    """C15.FR.04"""
    unknown = {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
    station = make_station(stop="Authorized", variables=unknown)
    refuse(station, None)
    station.csms.go_offline()
    station.sim.plug(1)
    station.advance(2.0)
    station.sim.token(TOKEN, evse=1)
    station.advance(30.0)
    assert is_closed(station)
    station.csms.go_online()
    station.advance(90.0)
    assert told(station)[-1] == "Ended Deauthorized EVConnected DeAuthorized"
    assert not is_closed(station)

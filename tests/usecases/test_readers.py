"""C01, E03, F01, F02: readers: who gets which EVSE, what is no token, what drivers are told."""

from typing import Any

import pytest
from msgspec.structs import replace

from hal.api import BoardDescription, ReaderDescription, ReaderStatus
from hal.sim.board import sim_board_description
from hal.sim.hardware import SimError
from station.bench.virtual import VirtualStation
from station.events import DriverAnswerChanged
from tests.usecases.conftest import MakeStation
from tests.usecases.telling import forget, is_closed, statuses, told, transaction_ids

FIRST, SECOND = "04A1B2C3", "04FFEE01"


def events_of(station: VirtualStation, token: str) -> list[dict[str, Any]]:
    """Of the transaction that *token* authorised."""
    first = next(e for e in station.csms.events() if e.get("idToken", {}).get("idToken") == token)
    return station.csms.events(first["transactionInfo"]["transactionId"])


def place_of(station: VirtualStation, token: str) -> int:
    return next(int(e["evse"]["id"]) for e in events_of(station, token) if "evse" in e)


# -- one reader, two EVSEs


def test_token_at_the_stations_reader_begins_without_an_evse_and_gets_the_cable_that_comes(
    make_station: MakeStation,
) -> None:
    """E03.FR.01, E01.FR.16"""
    station = make_station("Authorized")
    station.sim.token(FIRST)
    station.advance(5.0)
    assert told(station) == ["Started Authorized Idle"]
    assert "evse" not in station.csms.events()[0]
    station.sim.plug(2)
    station.advance(10.0)
    assert told(station)[1:] == [
        "Updated CablePluggedIn EVConnected",
        "Updated ChargingStateChanged Charging",
    ]
    assert place_of(station, FIRST) == 2
    assert is_closed(station, 2)
    contexts = [
        sample["context"]
        for event in station.csms.events()
        for value in event.get("meterValue", ())
        for sample in value["sampledValue"]
    ]
    assert "Transaction.Begin" in contexts  # E03.FR.11: when charging starts


def test_second_driver_waits_until_the_first_has_plugged_in(make_station: MakeStation) -> None:
    station = make_station("Authorized")
    station.sim.token(FIRST)
    station.advance(3.0)
    station.sim.token(SECOND)
    station.advance(3.0)
    assert len(transaction_ids(station)) == 1
    station.sim.plug(1)
    station.advance(8.0)
    station.sim.token(SECOND)
    station.advance(3.0)
    station.sim.plug(2)
    station.advance(8.0)
    assert (place_of(station, FIRST), place_of(station, SECOND)) == (1, 2)


@pytest.mark.parametrize("start", ["EVConnected", "PowerPathClosed", "EnergyTransfer"])
def test_two_drivers_who_plugged_in_first_are_served_the_last_one_first(
    make_station: MakeStation, start: str
) -> None:
    station = make_station(start)
    station.sim.plug(2)
    station.advance(3.0)
    station.sim.plug(1)
    station.advance(3.0)
    station.sim.token(FIRST)
    station.advance(8.0)
    station.sim.token(SECOND)
    station.advance(8.0)
    assert (place_of(station, FIRST), place_of(station, SECOND)) == (1, 2)
    assert is_closed(station, 1)
    assert is_closed(station, 2)


def test_each_driver_ends_the_own_charge_at_the_stations_reader(
    make_station: MakeStation,
) -> None:
    """E07.FR.01"""
    station = make_station(stop="Authorized")
    for evse, token in ((1, FIRST), (2, SECOND)):
        station.sim.plug(evse)
        station.advance(2.0)
        station.sim.token(token)
        station.advance(8.0)
    station.sim.token(FIRST)
    station.advance(8.0)
    assert not is_closed(station, 1)
    assert is_closed(station, 2)
    station.sim.token(SECOND)
    station.advance(8.0)
    assert not is_closed(station, 2)


def test_third_driver_changes_nothing_when_every_evse_is_in_use(
    make_station: MakeStation,
) -> None:
    """The CSMS is asked all the same: the token might be of a group that may stop (C09.FR.05)."""
    station = make_station()
    for evse, token in ((1, FIRST), (2, SECOND)):
        station.sim.plug(evse)
        station.advance(2.0)
        station.sim.token(token)
        station.advance(8.0)
    forget(station)
    station.sim.token("04333333")
    station.advance(8.0)
    assert len(station.csms.of("Authorize")) == 1
    assert told(station) == []
    assert is_closed(station, 1)
    assert is_closed(station, 2)


def test_driver_who_does_not_plug_in_gives_the_reader_back(make_station: MakeStation) -> None:
    """C01.FR.26, E03.FR.05"""
    station = make_station("Authorized")
    station.sim.token(FIRST)
    station.advance(31.0)
    assert told(station)[-1] == "Ended EVConnectTimeout - Timeout"
    station.sim.plug(1)
    station.advance(5.0)
    assert not is_closed(station)
    station.sim.token(SECOND)
    station.advance(8.0)
    assert place_of(station, SECOND) == 1


def test_token_shown_again_before_the_cable_ends_its_authorisation(
    make_station: MakeStation,
) -> None:
    """E07.FR.01"""
    station = make_station("Authorized")
    station.sim.token(FIRST)
    station.advance(5.0)
    station.sim.token(FIRST)
    station.advance(5.0)
    assert told(station) == ["Started Authorized Idle", "Ended StopAuthorized - Local"]
    station.sim.plug(1)
    station.advance(10.0)
    assert not is_closed(station)


@pytest.mark.parametrize("plugged", [(), (1,), (2,), (1, 2), (2, 1)])
def test_token_with_a_list_of_evses_charges_nowhere_else(
    make_station: MakeStation, plugged: tuple[int, ...]
) -> None:
    """C01.FR.21"""
    station = make_station("Authorized")
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Accepted", "evseId": [2]}}
    for evse in plugged:
        station.sim.plug(evse)
        station.advance(2.0)
    station.sim.token(FIRST)
    station.advance(5.0)
    for evse in {1, 2} - set(plugged):
        station.sim.plug(evse)
        station.advance(2.0)
    station.advance(8.0)
    assert place_of(station, FIRST) == 2
    assert is_closed(station, 2)
    assert not is_closed(station, 1)


def test_evse_out_of_service_takes_no_authorisation(make_station: MakeStation) -> None:
    """F01.FR.23"""
    station = make_station("Authorized")
    station.sim.fault(1, "ground_fault", active=True)
    station.advance(1.0)
    assert statuses(station, 1) == ["Faulted"]
    station.sim.token(FIRST, evse=1)
    station.advance(3.0)
    assert station.csms.of("Authorize") == []
    station.sim.token(FIRST)
    station.advance(3.0)
    station.sim.plug(1)
    station.advance(3.0)
    station.sim.plug(2)
    station.advance(8.0)
    assert place_of(station, FIRST) == 2


# -- remote start


def start(station: VirtualStation, token: str, number: int, **fields: Any) -> dict[str, Any]:
    request = {
        "idToken": {"idToken": token, "type": "Central"},
        "remoteStartId": number,
        **fields,
    }
    return station.csms.call("RequestStartTransaction", request)


def test_remote_start_without_an_evse_takes_the_one_with_a_car(make_station: MakeStation) -> None:
    """F01.FR.13, F01.FR.20, F01.FR.25"""
    station = make_station("EVConnected")
    station.sim.plug(2)
    station.advance(3.0)
    answer = start(station, FIRST, 7)
    assert answer == {"status": "Accepted", "transactionId": transaction_ids(station)[0]}
    station.advance(8.0)
    authorised = station.csms.events()[1]
    assert authorised["triggerReason"] == "RemoteStart"
    assert authorised["transactionInfo"]["remoteStartId"] == 7
    assert is_closed(station, 2)


def test_remote_starts_without_an_evse_fill_the_station(make_station: MakeStation) -> None:
    """F02.FR.22, F02.FR.26"""
    station = make_station("Authorized")
    assert start(station, FIRST, 1)["status"] == "Accepted"
    assert start(station, SECOND, 2)["status"] == "Accepted"
    assert start(station, "04333333", 3)["status"] == "Rejected"
    station.advance(3.0)
    assert (place_of(station, FIRST), place_of(station, SECOND)) == (1, 2)
    for evse in (2, 1):
        station.sim.plug(evse)
        station.advance(8.0)
        assert is_closed(station, evse)
    told_ids = [e["transactionInfo"].get("remoteStartId") for e in station.csms.events()]
    assert sorted(number for number in told_ids if number is not None) == [1, 2]


@pytest.mark.parametrize("start_point", ["EVConnected", "PowerPathClosed", "EnergyTransfer"])
def test_remote_start_before_the_cable_is_told_as_such(
    make_station: MakeStation, start_point: str
) -> None:
    """F02.FR.01, F02.FR.21"""
    station = make_station(start_point)
    assert start(station, FIRST, 7, evseId=1)["status"] == "Accepted"
    station.advance(5.0)
    assert told(station) == []
    station.sim.plug(1)
    station.advance(10.0)
    first = station.csms.events()[0]
    assert first["triggerReason"] == "RemoteStart"
    assert first["transactionInfo"]["remoteStartId"] == 7
    assert first["idToken"]["idToken"] == FIRST


def test_remote_start_of_an_evse_that_is_not_there_or_taken_is_rejected(
    make_station: MakeStation,
) -> None:
    """F01.FR.24"""
    station = make_station()
    assert start(station, FIRST, 1, evseId=3)["status"] == "Rejected"
    assert start(station, FIRST, 2, evseId=1)["status"] == "Accepted"
    assert start(station, SECOND, 3, evseId=1)["status"] == "Rejected"


@pytest.mark.parametrize("status", ["Accepted", "Invalid"])
def test_remote_start_asks_first_when_the_operator_wants_that(
    make_station: MakeStation, status: str
) -> None:
    """F01.FR.01, F02.FR.09"""
    station = make_station("Authorized", variables={"AuthCtrlr.AuthorizeRemoteStart": "true"})
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": status}}
    request = {"idToken": {"idToken": FIRST, "type": "ISO14443"}, "remoteStartId": 1, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"
    station.advance(3.0)
    assert len(station.csms.of("Authorize")) == 1
    assert told(station) == (["Started RemoteStart Idle"] if status == "Accepted" else [])


def test_local_token_ends_what_the_same_token_began_remotely(make_station: MakeStation) -> None:
    """E07.FR.01"""
    station = make_station(stop="Authorized")
    request = {"idToken": {"idToken": FIRST, "type": "ISO14443"}, "remoteStartId": 1, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"
    station.sim.plug(1)
    station.advance(10.0)
    station.sim.token(FIRST, evse=1)
    station.advance(8.0)
    assert told(station)[-1] == "Ended StopAuthorized EVConnected Local"


# -- what a reader cannot read, and what it does twice


def test_a_card_shown_twenty_times_in_a_row_has_one_effect(make_station: MakeStation) -> None:
    """F27"""
    station = make_station("Authorized", stop="Authorized")
    for _ in range(20):
        station.sim.token(FIRST, evse=1)
        station.advance(0.1)
    station.advance(5.0)
    assert len(station.csms.of("Authorize")) == 1
    assert told(station) == ["Started Authorized Idle"]


def test_two_cards_at_once_authorise_the_first(make_station: MakeStation) -> None:
    station = make_station("Authorized", stop="Authorized")
    for _ in range(20):
        station.sim.token(FIRST, evse=1)
        station.sim.token(SECOND, evse=1)
        station.advance(0.1)
    station.advance(5.0)
    assert [each["idToken"]["idToken"] for each in station.csms.of("Authorize")] == [FIRST]
    assert told(station) == ["Started Authorized Idle"]


@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.1, 1.0, 3.0])
def test_a_card_during_a_reset_has_at_most_one_effect(
    make_station: MakeStation, kind: str, after_s: float
) -> None:
    """F27"""
    station = make_station("Authorized", stop="Authorized")
    assert station.csms.call("Reset", {"type": kind})["status"] == "Accepted"
    station.advance(after_s)
    station.sim.token(FIRST, evse=1)
    station.advance(60.0)
    assert station.restarts == 1
    assert len(station.csms.of("Authorize")) <= 1
    assert len(transaction_ids(station)) <= 1
    assert told(station)[1:] in ([], ["Ended EVConnectTimeout - Timeout"])
    station.sim.plug(1)
    station.advance(3.0)
    station.sim.token(FIRST, evse=1)
    station.advance(8.0)
    assert is_closed(station), "the next try works"


RUBBISH = ["x" * 37, "04A1\x00B2", "04 A1", "\u043a\u043b\u044e\u0447", ""]


@pytest.mark.parametrize("text", RUBBISH)
def test_what_is_no_token_is_counted_and_named_without_its_text(
    make_station: MakeStation, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    station = make_station("Authorized")
    for _ in range(30):
        with pytest.raises(SimError, match="cannot make a token"):
            station.sim.token(text, evse=1)
        station.advance(1.0)
    assert station.csms.of("Authorize") == []
    readers = {each["id"]: each for each in station.station.snapshot().station["readers"]}
    assert readers["evse1"]["unreadable"] == 30
    assert readers["station"]["unreadable"] == 0
    lines = [each for each in caplog.messages if "no token" in each]
    assert len(lines) == 1, "not a line for each"
    assert not text or text not in caplog.text
    station.sim.token(FIRST, evse=1)
    station.advance(3.0)
    assert len(station.csms.of("Authorize")) == 1


def test_a_reader_that_does_not_answer_is_shown_until_it_does(make_station: MakeStation) -> None:
    station = make_station()

    def problem() -> str:
        readers = station.station.snapshot().station["readers"]
        return str(next(each["problem"] for each in readers if each["id"] == "evse1"))

    assert problem() == ""
    station.board.emit(ReaderStatus(station.reactor.at, "evse1", 1, "no such device"))
    station.advance(1.0)
    assert problem() == "no such device"
    station.board.emit(ReaderStatus(station.reactor.at, "evse1", 1, ""))
    station.advance(1.0)
    assert problem() == ""


def test_a_token_is_the_same_in_another_spelling_and_sent_in_its_own(
    make_station: MakeStation,
) -> None:
    """C01.FR.25, E07.FR.01"""
    station = make_station(stop="Authorized")
    request = {"idToken": {"idToken": "04a1b2c3", "type": "ISO14443"}, "remoteStartId": 1}
    assert station.csms.call("RequestStartTransaction", {**request, "evseId": 1})["status"] == (
        "Accepted"
    )
    station.sim.plug(1)
    station.advance(10.0)
    station.sim.token("04A1B2C3", evse=1)
    station.advance(8.0)
    assert station.csms.of("Authorize") == []
    assert told(station)[-1] == "Ended StopAuthorized EVConnected Local"
    tokens = [each["idToken"]["idToken"] for each in station.csms.events() if "idToken" in each]
    assert tokens == ["04a1b2c3", "04A1B2C3"]


# -- what can be read here


def types_of(station: VirtualStation) -> str:
    return station.variable("AuthCtrlr", "SupportedIdTokenTypes")


def test_the_token_types_are_those_of_the_hardware(make_station: MakeStation) -> None:
    """Errata 2025-01, 2.63."""
    simulated = "Central,ISO14443,ISO15693,KeyCode,Local,MacAddress,NoAuthorization"
    assert types_of(make_station()) == simulated
    board = sim_board_description(evses=1)
    plain = BoardDescription(
        evses=tuple(replace(evse, has_start_button=False) for evse in board.evses),
        readers=(ReaderDescription("keypad", None, "KeyCode"),),
    )
    station = make_station(description=plain)
    assert types_of(station) == "Central,KeyCode"
    request = {"idToken": {"idToken": FIRST, "type": "ISO14443"}, "remoteStartId": 1, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"


def test_nobody_can_change_which_types_there_are(make_station: MakeStation) -> None:
    station = make_station()
    data = {
        "component": {"name": "AuthCtrlr"},
        "variable": {"name": "SupportedIdTokenTypes"},
        "attributeValue": "Central",
    }
    answer = station.csms.call("SetVariables", {"setVariableData": [data]})
    assert answer["setVariableResult"][0]["attributeStatus"] == "Rejected"


# -- what the driver is told


MESSAGE = {"format": "UTF8", "language": "de", "content": "canary: Ihr Guthaben reicht noch"}


def driver(station: VirtualStation, evse: int | None) -> Any:
    shot = station.station.snapshot()
    return shot.station["driver"] if evse is None else shot.evses[evse - 1]["driver"]


def test_the_driver_is_told_the_answer_for_half_a_minute_and_the_log_nothing(
    make_station: MakeStation, caplog: pytest.LogCaptureFixture
) -> None:
    """The language is handed on with it: C01.FR.17."""
    caplog.set_level("DEBUG")
    station = make_station("Authorized")
    info = {"status": "Blocked", "language1": "de-AT", "language2": "en-GB"}
    station.csms.answers["Authorize"] = {"idTokenInfo": {**info, "personalMessage": MESSAGE}}
    heard: list[int | None] = []
    station.station.events.subscribe(DriverAnswerChanged, lambda each: heard.append(each.evse_id))
    assert driver(station, 1) is None
    station.sim.token(FIRST, evse=1)
    station.advance(2.0)
    answer = driver(station, 1)
    assert 27.0 < answer.pop("remaining_s") <= 30.0
    assert answer == {
        "accepted": False,
        "status": "Blocked",
        "languages": ["de-AT", "en-GB"],
        "message": {
            "content": MESSAGE["content"],
            "format": "UTF8",
            "language": "de",
        },
    }
    assert driver(station, 2) is None
    station.advance(30.0)
    assert driver(station, 1) is None
    assert heard == [1, 1]
    assert "canary" not in caplog.text
    assert FIRST not in caplog.text


def test_a_newer_answer_takes_the_place_of_the_last_and_stands_its_own_time(
    make_station: MakeStation,
) -> None:
    station = make_station("Authorized")
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Expired"}}
    station.sim.token(FIRST, evse=2)
    station.advance(20.0)
    assert driver(station, 2)["status"] == "Expired"
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Accepted"}}
    station.sim.token(SECOND, evse=2)
    station.advance(20.0)
    assert driver(station, 2)["accepted"] is True
    station.advance(15.0)
    assert driver(station, 2) is None

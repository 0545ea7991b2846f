"""One effect for each token that is shown, whatever happens while the CSMS is asked about it."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from station.charging.queries import Refusal
from tests.usecases.conftest import MakeStation
from tests.usecases.linking import BACK_OFF
from tests.usecases.telling import forget, is_closed, told, transaction_ids
from tests.usecases.tokens import (
    ACCEPTED,
    CARD,
    LIFTED_S,
    OTHER,
    answers,
    asked,
    listed,
    of_group,
    show,
    token_of,
)

SLOW_S = 4.0
"""The way to a slow CSMS; an answer takes twice as long."""
OURS = of_group("FAMILY-7")


def slow(station: VirtualStation) -> None:
    station.csms.latency_s = SLOW_S, SLOW_S


def plug(station: VirtualStation, evse: int = 1) -> None:
    station.sim.plug(evse)
    station.advance(2.0)
    forget(station)


def answer_each(station: VirtualStation, **infos: dict[str, Any]) -> None:
    """What the CSMS says of each token, by its name here."""
    names = {"CARD": CARD, "OTHER": OTHER}
    by_token = {names[name]: info for name, info in infos.items()}
    station.csms.answers["Authorize"] = lambda request: {
        "idTokenInfo": by_token[request["idToken"]["idToken"]]
    }


@pytest.mark.parametrize("stop", ["Authorized", "EVConnected"])
def test_card_shown_again_while_it_is_asked_about_starts_once_and_ends_nothing(
    make_station: MakeStation, stop: str
) -> None:
    """C01.FR.02"""
    station: VirtualStation = make_station(stop=stop)
    plug(station)
    slow(station)
    station.sim.token(CARD, evse=1)
    station.advance(3.0)
    station.sim.token(CARD, evse=1)
    station.advance(20.0)
    assert asked(station) == [CARD]
    assert told(station)[0] == "Started Authorized EVConnected"
    assert is_closed(station)


def test_card_shown_at_two_readers_starts_at_both(make_station: MakeStation) -> None:
    """Each reader of an EVSE is a wish of its own."""
    station: VirtualStation = make_station()
    plug(station, 1)
    plug(station, 2)
    slow(station)
    station.sim.token(CARD, evse=1)
    station.sim.token(CARD, evse=2)
    station.advance(60.0)
    assert is_closed(station, 1)
    assert is_closed(station, 2)
    assert len(transaction_ids(station)) == 2


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize("reader", [1, None])
def test_of_two_cards_that_are_asked_about_together_the_first_one_charges(
    make_station: MakeStation, reader: int | None, group: bool
) -> None:
    """C01.FR.03: the second one was shown to start, and so it does not stop the first"""
    station: VirtualStation = make_station(stop="Authorized", evses=1)
    info = OURS if group else ACCEPTED
    answer_each(station, CARD=info, OTHER=info)
    plug(station)
    slow(station)
    heard = answers(station)
    station.sim.token(CARD, evse=1)
    station.advance(1.5)
    station.sim.token(OTHER, evse=reader)
    station.advance(40.0)
    assert asked(station) == [CARD, OTHER]
    assert told(station)[0] == "Started Authorized EVConnected"
    assert station.csms.events()[0]["idToken"] == token_of(CARD)
    assert is_closed(station)
    assert [(each.accepted, each.status) for each in heard] == [
        (True, "Accepted"),
        (False, "Accepted"),
    ]


def test_answer_that_comes_after_the_end_of_the_charge_starts_no_other(
    make_station: MakeStation,
) -> None:
    """C09.FR.03: it was shown to stop"""
    station: VirtualStation = make_station(stop="Authorized")
    answer_each(station, CARD=OURS, OTHER=OURS)
    plug(station)
    show(station, CARD)
    slow(station)
    station.sim.token(OTHER, evse=1)
    station.advance(1.0)
    station.sim.token(CARD, evse=1)
    station.advance(30.0)
    assert [line for line in told(station) if "Authorized" in line] == [
        "Started Authorized EVConnected",
        "Ended StopAuthorized EVConnected Local",
    ]
    assert not is_closed(station)


def test_answer_that_comes_after_the_end_of_the_charge_does_not_stop_the_next_one(
    make_station: MakeStation,
) -> None:
    """C09.FR.03: that one it was not shown to stop"""
    station: VirtualStation = make_station(stop="Authorized")
    answer_each(station, CARD=OURS, OTHER=OURS)
    plug(station)
    show(station, CARD)
    slow(station)
    station.sim.token(OTHER, evse=1)
    station.advance(1.0)
    station.sim.button(1, "stop")
    station.advance(1.0)
    station.sim.unplug(1)
    station.advance(1.0)
    station.sim.plug(1)
    station.sim.button(1, "start")
    station.advance(30.0)
    assert is_closed(station)
    assert len(transaction_ids(station)) == 2


def test_answer_does_not_start_where_somebody_else_has_meanwhile(
    make_station: MakeStation,
) -> None:
    station: VirtualStation = make_station()
    plug(station)
    slow(station)
    station.sim.token(CARD, evse=1)
    station.advance(1.0)
    station.sim.button(1, "start")
    station.advance(30.0)
    tokens = [event["idToken"]["type"] for event in station.csms.events() if "idToken" in event]
    assert tokens == ["NoAuthorization"]
    assert is_closed(station)


def test_answer_does_not_start_on_an_evse_that_has_failed_meanwhile(
    make_station: MakeStation,
) -> None:
    station: VirtualStation = make_station("Authorized")
    heard = answers(station)
    slow(station)
    station.sim.token(CARD, evse=1)
    station.advance(1.0)
    station.sim.fault(1, "ground_fault", active=True)
    station.advance(30.0)
    assert told(station) == []
    assert [each.accepted for each in heard] == [False]


@pytest.mark.parametrize("start", ["PowerPathClosed", "Authorized", "EnergyTransfer"])
def test_second_card_waits_until_the_first_has_plugged_in_or_given_up(
    make_station: MakeStation, start: str
) -> None:
    """C01.FR.26"""
    station: VirtualStation = make_station(start)
    heard = answers(station)
    show(station, CARD)
    show(station, OTHER)
    assert [each.accepted for each in heard] == [True, False]
    station.advance(30.0)  # the first has not come
    show(station, OTHER)
    station.sim.plug(1)
    station.advance(8.0)
    assert is_closed(station)
    (row,) = station.station.transactions.all()
    assert row.token is not None
    assert row.token.id_token == OTHER


@pytest.mark.parametrize("reader", [1, None])
@pytest.mark.parametrize("online", [True, False])
def test_card_to_which_somebody_objects_starts_nothing(
    make_station: MakeStation, reader: int | None, online: bool
) -> None:
    """H01, H03: a reservation is such an objection, and whoever else has one is heard as well."""
    station: VirtualStation = make_station(variables=BACK_OFF)
    listed(station, (CARD, ACCEPTED))
    station.station.queries.may_start.register(
        lambda evse_id, id_token: Refusal("Reserved", f"EVSE {evse_id} is kept for another")
    )
    heard = answers(station)
    plug(station)
    if not online:
        station.csms.go_offline()
    show(station, CARD, reader)
    assert not is_closed(station)
    assert [(each.accepted, each.status) for each in heard] == [(False, "Accepted")]


def test_card_at_the_stations_reader_does_not_mean_the_car_of_another(
    make_station: MakeStation,
) -> None:
    """C01.FR.23"""
    station: VirtualStation = make_station(stop="EVConnected")
    plug(station)
    show(station, CARD)
    station.sim.button(1, "stop")
    station.advance(8.0)
    show(station, OTHER, None)
    station.sim.plug(2)
    station.advance(8.0)
    assert not is_closed(station, 1)
    assert is_closed(station, 2)


@pytest.mark.parametrize("how", ["inoperative", "fault", "reset"])
def test_card_at_a_reader_whose_evse_takes_nobody_is_refused_and_ends_what_it_began(
    make_station: MakeStation, how: str
) -> None:
    station: VirtualStation = make_station(stop="Authorized", variables=BACK_OFF)
    heard = answers(station)
    plug(station, 2)
    show(station, CARD, 2)
    assert is_closed(station, 2)
    if how == "fault":
        station.sim.fault(1, "ground_fault", active=True)
    elif how == "reset":
        assert station.csms.call("Reset", {"type": "OnIdle"}) == {"status": "Scheduled"}
    else:
        change = {"operationalStatus": "Inoperative", "evse": {"id": 1}}
        assert station.csms.call("ChangeAvailability", change)["status"] == "Accepted"
    station.advance(3.0)
    for id_token in (CARD, OTHER):
        show(station, id_token, 1)
    assert asked(station) == [CARD]
    assert [each.accepted for each in heard] == [True, False, False]
    assert is_closed(station, 2)
    show(station, CARD, 2, then_s=4.0)
    assert not is_closed(station, 2)


def test_card_shown_while_a_reset_ends_everything_starts_nothing(
    make_station: MakeStation,
) -> None:
    station: VirtualStation = make_station(stop="Authorized")
    plug(station)
    show(station, CARD)
    forget(station)
    assert station.csms.call("Reset", {"type": "Immediate"}) == {"status": "Accepted"}
    station.sim.token(OTHER, evse=2)
    station.sim.token(CARD, evse=1)
    station.advance(60.0)
    assert station.restarts == 1
    assert len(transaction_ids(station)) == 1
    assert not is_closed(station, 1)
    assert not is_closed(station, 2)


def test_card_shown_while_its_own_stop_is_under_way_changes_nothing(
    make_station: MakeStation,
) -> None:
    """E07.FR.01"""
    station: VirtualStation = make_station(stop="Authorized")
    plug(station)
    show(station, CARD)
    forget(station)
    station.sim.button(1, "stop")
    station.advance(0.2)
    assert is_closed(station)  # the car takes its time to let go
    station.sim.token(CARD, evse=1)
    station.advance(30.0)
    assert told(station) == ["Ended StopAuthorized EVConnected Local"]
    assert len(station.csms.events()) == 1
    assert not is_closed(station)


@pytest.mark.parametrize("by", ["button", "card"])
def test_who_has_ended_a_charge_first_is_the_one_who_ended_it(
    make_station: MakeStation, by: str
) -> None:
    """E07.FR.05, F03.FR.02"""
    station: VirtualStation = make_station(stop="Authorized")
    plug(station)
    show(station, CARD)
    (row,) = station.station.transactions.all()
    forget(station)
    station.csms.send_call("RequestStopTransaction", {"transactionId": row.id})
    station.advance(0.2)
    assert is_closed(station)
    if by == "button":
        station.sim.button(1, "stop")
    else:
        station.sim.token(CARD, evse=1)
    station.advance(30.0)
    assert told(station) == ["Ended RemoteStop EVConnected Remote"]


@pytest.mark.parametrize("known", [True, False])
def test_link_that_comes_back_while_the_driver_waits_changes_nothing_any_more(
    make_station: MakeStation, known: bool
) -> None:
    """C13.FR.02, C15.FR.08: what was decided without a link stays decided"""
    station: VirtualStation = make_station(variables=BACK_OFF)
    if known:
        listed(station, (CARD, ACCEPTED))
    plug(station)
    station.csms.go_offline()
    show(station, CARD, then_s=1.0)
    station.csms.go_online()
    station.advance(60.0)
    assert asked(station) == []
    assert is_closed(station) is known
    show(station, CARD)
    assert is_closed(station) is not known


def test_settings_that_change_while_the_csms_is_asked_count_as_they_are_then(
    make_station: MakeStation,
) -> None:
    """C16.FR.03"""
    station: VirtualStation = make_station(stop="Authorized")
    station.csms.answers["Authorize"] = {"idTokenInfo": of_group("POLICE")}
    plug(station)
    slow(station)
    station.advance(LIFTED_S)
    station.sim.token(CARD, evse=1)
    station.advance(1.0)
    address = {"component": {"name": "AuthCtrlr"}, "variable": {"name": "MasterPassGroupId"}}
    data = {"setVariableData": [{**address, "attributeValue": "POLICE"}]}
    station.csms.send_call("SetVariables", data)
    station.advance(30.0)
    assert told(station) == []
    assert not is_closed(station)

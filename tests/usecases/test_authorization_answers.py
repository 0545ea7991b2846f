"""C01: what the driver who has shown a token is told, by status and in which language."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from station.events import TokenAnswered
from station.ocpp.messages.common import AuthorizationStatus, MessageContent, MessageFormat
from tests.usecases.conftest import MakeStation
from tests.usecases.linking import BACK_OFF
from tests.usecases.telling import forget, is_closed, told
from tests.usecases.tokens import (
    ACCEPTED,
    CARD,
    OTHER,
    answers,
    cached,
    listed,
    of_group,
    show,
    token_of,
)

STATUSES = tuple(AuthorizationStatus)
WORDS: dict[str, Any] = {
    "language1": "de-CH",
    "language2": "fr",
    "personalMessage": {"format": "UTF8", "content": "Grüezi", "language": "de-CH"},
}
GREETING = MessageContent(format=MessageFormat.UTF8, content="Grüezi", language="de-CH")


def made(make_station: MakeStation, **variables: str) -> VirtualStation:
    named = {name.replace("__", "."): value for name, value in variables.items()}
    station: VirtualStation = make_station(stop="Authorized", variables={**BACK_OFF, **named})
    return station


@pytest.mark.parametrize("reader", [1, None])
@pytest.mark.parametrize("status", STATUSES)
def test_every_status_of_the_csms_is_told_in_the_drivers_language(
    make_station: MakeStation, status: AuthorizationStatus, reader: int | None
) -> None:
    """C01.FR.02, C01.FR.08, C01.FR.09, C01.FR.17"""
    station = made(make_station)
    heard = answers(station)
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": status.value, **WORDS}}
    station.sim.plug(1)
    show(station, CARD, reader)
    welcome = status is AuthorizationStatus.ACCEPTED
    assert is_closed(station) is welcome
    evse_id = 1 if welcome else reader
    assert heard == [TokenAnswered(evse_id, welcome, status, "de-CH", "fr", GREETING)]


def test_token_that_the_station_knows_is_answered_with_what_it_knows(
    make_station: MakeStation,
) -> None:
    """C01.FR.08, C14.FR.02"""
    station = made(make_station, AuthCtrlr__LocalPreAuthorize="true")
    listed(station, (CARD, {**ACCEPTED, **WORDS}), (OTHER, {"status": "Blocked", **WORDS}))
    station.sim.plug(1)
    station.csms.go_offline()
    heard = answers(station)
    show(station, OTHER)
    show(station, CARD)
    assert [(each.accepted, each.status, each.language1) for each in heard] == [
        (False, "Blocked", "de-CH"),
        (True, "Accepted", "de-CH"),
    ]


def test_cache_remembers_the_language_but_no_personal_message(make_station: MakeStation) -> None:
    """C01.FR.08, C10.FR.12"""
    station = made(make_station, AuthCtrlr__LocalPreAuthorize="true")
    cached(station, (CARD, {**ACCEPTED, **WORDS}))
    station.sim.plug(1)
    heard = answers(station)
    show(station, CARD)
    assert heard == [
        TokenAnswered(1, True, AuthorizationStatus.ACCEPTED, "de-CH", "fr", message=None)
    ]


def test_nobody_could_be_asked(make_station: MakeStation) -> None:
    station = made(make_station)
    station.csms.go_offline()
    heard = answers(station)
    show(station, CARD)
    assert heard == [TokenAnswered(1, accepted=False, status=None)]


@pytest.mark.parametrize("reader", [1, None])
def test_driver_who_ends_the_own_charge_is_told_where(
    make_station: MakeStation, reader: int | None
) -> None:
    """E07.FR.01"""
    station = made(make_station, AuthCacheCtrlr__Enabled="false")
    station.sim.plug(1)
    show(station, CARD)
    heard = answers(station)
    show(station, CARD, reader)
    assert heard == [TokenAnswered(1, accepted=True, status=None)]


def test_driver_who_ends_the_charge_of_the_group_is_told_where(make_station: MakeStation) -> None:
    """C09.FR.03"""
    station = made(make_station)
    station.csms.answers["Authorize"] = {"idTokenInfo": {**of_group("FAMILY-7"), **WORDS}}
    station.sim.plug(2)
    show(station, CARD, 2)
    heard = answers(station)
    show(station, OTHER, None)
    assert heard == [TokenAnswered(2, True, AuthorizationStatus.ACCEPTED, "de-CH", "fr", GREETING)]


def test_good_token_of_which_nothing_can_come_is_told_so(make_station: MakeStation) -> None:
    """C01.FR.21"""
    station = made(make_station)
    station.csms.answers["Authorize"] = {"idTokenInfo": {**ACCEPTED, "evseId": [2]}}
    heard = answers(station)
    show(station, CARD, 1)
    assert heard == [TokenAnswered(1, False, AuthorizationStatus.ACCEPTED)]


def test_key_code_that_is_not_looked_at_is_answered(make_station: MakeStation) -> None:
    """C04.FR.06"""
    station = made(make_station)
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Invalid"}}
    for code in ("1", "2", "3"):
        show(station, code, type="KeyCode", then_s=1.0)
    heard = answers(station)
    show(station, "4", type="KeyCode", then_s=1.0)
    assert heard == [TokenAnswered(1, accepted=False, status=None)]


def test_start_of_the_csms_is_no_answer_to_anybody(make_station: MakeStation) -> None:
    station = made(make_station, AuthCtrlr__AuthorizeRemoteStart="true")
    heard = answers(station)
    station.sim.plug(1)
    request = {"idToken": token_of(CARD), "remoteStartId": 1, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Accepted"
    station.advance(8.0)
    assert is_closed(station)
    assert heard == []


# -- start and stop buttons


def test_start_button_is_named_and_nobody_is_asked(make_station: MakeStation) -> None:
    """C02.FR.01, C02.FR.03"""
    station = made(make_station)
    station.sim.plug(1)
    station.advance(2.0)
    heard = answers(station)
    station.sim.button(1, "start")
    station.advance(8.0)
    named = [event["idToken"] for event in station.csms.events() if "idToken" in event]
    assert named == [{"idToken": "", "type": "NoAuthorization"}]
    assert station.csms.of("Authorize") == []
    assert heard == [TokenAnswered(1, accepted=True, status=None)]
    assert dict(station.disk.tables.get("authorization_cache", {})) == {}  # type: ignore[attr-defined]
    forget(station)
    station.sim.button(1, "stop")
    station.advance(8.0)
    assert told(station) == ["Ended StopAuthorized EVConnected Local"]


def test_start_button_starts_nothing_where_somebody_charges(make_station: MakeStation) -> None:
    """C02.FR.01"""
    station = made(make_station)
    station.sim.plug(1)
    show(station, CARD)
    forget(station)
    heard = answers(station)
    station.sim.button(1, "start")
    station.advance(8.0)
    assert told(station) == []
    assert heard == []


# -- key codes


@pytest.mark.parametrize("link", ["online", "offline"])
def test_guesses_at_one_keypad_do_not_hold_up_another(make_station: MakeStation, link: str) -> None:
    """C04.FR.06"""
    station = made(make_station)
    listed(station, ("4711", ACCEPTED), type="KeyCode")
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Invalid"}}
    station.sim.plug(1)
    station.sim.plug(2)
    if link == "offline":
        station.csms.go_offline()
    for number in range(10):
        show(station, str(number), type="KeyCode", then_s=1.0)
    station.csms.answers.clear()
    show(station, "4711", 1, type="KeyCode")
    assert not is_closed(station, 1)
    show(station, "4711", 2, type="KeyCode")
    assert is_closed(station, 2)
    station.advance(700.0)
    show(station, "4711", 1, type="KeyCode")
    assert is_closed(station, 1)


def test_right_key_code_is_remembered_and_never_logged(
    make_station: MakeStation, caplog: pytest.LogCaptureFixture
) -> None:
    """C04.FR.03, C04.FR.04, C12.FR.02"""
    caplog.set_level("DEBUG")
    station = made(make_station, AuthCtrlr__LocalPreAuthorize="true")
    cached(station, ("47110815", ACCEPTED), type="KeyCode")
    station.sim.plug(1)
    show(station, "47110815", type="KeyCode")
    assert station.csms.of("Authorize") == []
    assert is_closed(station)
    assert "47110815" not in caplog.text
    assert "KeyCode" in repr(station.station.transactions.grants.all())
    assert "47110815" not in repr(station.station.transactions.grants.all())


def test_guesses_do_not_end_what_a_key_code_began(make_station: MakeStation) -> None:
    """C04.FR.06"""
    station = made(make_station)
    station.sim.plug(1)
    show(station, "57", type="KeyCode")
    assert is_closed(station)
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Invalid"}}
    for code in range(50, 58):
        show(station, str(code), type="KeyCode", then_s=1.0)
    assert is_closed(station)
    station.advance(700.0)
    show(station, "57", type="KeyCode")
    assert not is_closed(station)

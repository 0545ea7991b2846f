"""C12 to C15, C06: what the station knows itself decides, when it may, and when nobody answers."""

from collections.abc import Callable
from typing import Any

import pytest

from station.bench.fake_csms import Refusal
from station.bench.virtual import VirtualStation
from station.charging.rows import TokenRow
from station.ocpp.messages.common import IdTokenType
from tests.usecases.conftest import MakeStation
from tests.usecases.linking import BACK_OFF
from tests.usecases.telling import forget, is_closed, told
from tests.usecases.tokens import (
    ACCEPTED,
    CARD,
    OTHER,
    Info,
    asked,
    cached,
    listed,
    of_group,
    show,
    started_with,
    token_of,
)

Remember = Callable[..., None]
PRE_AUTHORIZE = {"AuthCtrlr.LocalPreAuthorize": "true"}
NOT_ACCEPTED = (
    "Blocked",
    "ConcurrentTx",
    "Expired",
    "Invalid",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
    "Unknown",
)
each_memory = pytest.mark.parametrize("remember", [listed, cached], ids=["list", "cache"])


def made(make_station: MakeStation, **variables: str) -> VirtualStation:
    """A station with these variables: AuthCtrlr__Enabled="false"."""
    named = {name.replace("__", "."): value for name, value in variables.items()}
    station: VirtualStation = make_station("PowerPathClosed", variables={**BACK_OFF, **named})
    return station


def plug(station: VirtualStation) -> None:
    station.sim.plug(1)
    station.advance(2.0)
    forget(station)


# -- online


@each_memory
def test_known_token_starts_at_once_when_the_operator_wants_that(
    make_station: MakeStation, remember: Remember
) -> None:
    """C12.FR.02, C12.FR.04, C14.FR.02, C14.FR.04, C13.FR.03"""
    station = made(make_station, AuthCtrlr__LocalPreAuthorize="true")
    remember(station, (CARD, {**ACCEPTED, "cacheExpiryDateTime": station.in_seconds(3600)}))
    plug(station)
    show(station, CARD)
    assert asked(station) == []
    assert started_with(station) == [f"{CARD} Authorized"]
    assert is_closed(station)


@each_memory
def test_known_token_is_asked_about_all_the_same_otherwise(
    make_station: MakeStation, remember: Remember
) -> None:
    """C01.FR.05"""
    station = made(make_station)
    remember(station, (CARD, ACCEPTED))
    plug(station)
    show(station, CARD)
    assert asked(station) == [CARD]
    assert is_closed(station)


@each_memory
@pytest.mark.parametrize("status", NOT_ACCEPTED)
@pytest.mark.parametrize("now_accepted", [True, False])
def test_token_that_is_known_not_to_be_accepted_is_asked_about(
    make_station: MakeStation, remember: Remember, status: str, now_accepted: bool
) -> None:
    """C12.FR.05, C14.FR.03"""
    station = made(make_station, AuthCtrlr__LocalPreAuthorize="true")
    remember(station, (CARD, {"status": status}))
    plug(station)
    info = {"status": "Accepted" if now_accepted else status}
    station.csms.answers["Authorize"] = {"idTokenInfo": info}
    show(station, CARD)
    assert asked(station) == [CARD]
    assert is_closed(station) is now_accepted


@pytest.mark.parametrize(
    ("variable", "remember"),
    [("LocalAuthListCtrlr", listed), ("AuthCacheCtrlr", cached)],
)
@pytest.mark.parametrize("pre_authorize", ["true", "false"])
def test_operator_may_want_that_nobody_asks_again(
    make_station: MakeStation, variable: str, remember: Remember, pre_authorize: str
) -> None:
    """C12.FR.05, C14.FR.03"""
    station = made(
        make_station,
        AuthCtrlr__LocalPreAuthorize=pre_authorize,
        **{f"{variable}__DisablePostAuthorize": "true"},
    )
    remember(station, (CARD, {"status": "Invalid"}))
    plug(station)
    show(station, CARD)
    assert asked(station) == []
    assert told(station) == []
    assert not is_closed(station)


def test_listed_token_that_has_expired_is_asked_about(make_station: MakeStation) -> None:
    """C14.FR.05"""
    station = made(make_station, AuthCtrlr__LocalPreAuthorize="true")
    listed(station, (CARD, {**ACCEPTED, "cacheExpiryDateTime": station.in_seconds(60)}))
    plug(station)
    station.advance(61.0)
    show(station, CARD)
    assert asked(station) == [CARD]


def test_list_is_believed_before_the_cache(make_station: MakeStation) -> None:
    """C13.FR.01, C14.FR.01"""
    station = made(make_station, AuthCtrlr__LocalPreAuthorize="true")
    cached(station, (CARD, {"status": "Blocked"}))
    listed(station, (CARD, ACCEPTED))
    plug(station)
    show(station, CARD)
    assert asked(station) == []
    assert is_closed(station)


@each_memory
@pytest.mark.parametrize("online", [True, False])
def test_known_token_charges_on_its_evses_only(
    make_station: MakeStation, remember: Remember, online: bool
) -> None:
    """C01.FR.21"""
    station = made(make_station, AuthCtrlr__LocalPreAuthorize="true")
    remember(station, (CARD, {**ACCEPTED, "evseId": [2]}))
    if not online:
        station.csms.go_offline()
    station.sim.plug(1)
    show(station, CARD, 1)
    assert not is_closed(station, 1)
    station.sim.plug(2)
    show(station, CARD, None)
    assert is_closed(station, 2)
    assert not is_closed(station, 1)


def test_token_whose_evses_are_taken_is_refused_at_once(make_station: MakeStation) -> None:
    """C01.FR.21"""
    station: VirtualStation = make_station("Authorized", variables=PRE_AUTHORIZE)
    listed(station, (CARD, {**ACCEPTED, "evseId": [2]}), (OTHER, ACCEPTED))
    station.sim.plug(2)
    show(station, OTHER, 2)
    forget(station)
    show(station, CARD, None)
    assert told(station) == []
    station.sim.plug(1)
    station.advance(8.0)
    assert not is_closed(station, 1)


# -- parking tickets


def test_parking_ticket_is_asked_about_though_it_was_good_before(
    make_station: MakeStation,
) -> None:
    """C06.FR.01, C06.FR.02, C06.FR.03"""
    station = made(make_station, AuthCtrlr__LocalPreAuthorize="true")
    cached(station, ("T-17", ACCEPTED), type="Local")
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Invalid"}}
    plug(station)
    show(station, "T-17", type="Local")
    assert asked(station) == ["T-17"]
    assert not is_closed(station)
    station.csms.answers.clear()
    show(station, "T-18", type="Local")
    assert station.csms.of("Authorize")[1:] == [{"idToken": token_of("T-18", "Local")}]
    assert is_closed(station)


# -- never ask


@pytest.mark.parametrize("link", ["online", "offline"])
def test_csms_is_never_asked_when_the_operator_forbids_it(
    make_station: MakeStation, link: str
) -> None:
    """C01.FR.02, C01.FR.05; AuthCtrlr.DisableRemoteAuthorization overrules both"""
    station = made(make_station, AuthCtrlr__DisableRemoteAuthorization="true")
    listed(station, (CARD, {"status": "Blocked"}))
    plug(station)
    if link == "offline":
        station.csms.go_offline()
    show(station, CARD)
    show(station, OTHER)
    assert not is_closed(station)
    station.csms.go_online()
    station.advance(60.0)
    listed(station, (CARD, ACCEPTED))
    if link == "offline":
        station.csms.go_offline()
    show(station, CARD)
    assert is_closed(station)
    assert asked(station) == []


# -- offline


OFFLINE = [  # (what is listed, an unknown token may start, expiry counts) -> it starts
    (ACCEPTED, False, False, True),  # C13.FR.02
    ({"status": "Blocked"}, False, False, False),
    ("expired", False, False, True),
    (None, False, False, False),
    (ACCEPTED, True, False, True),  # C13.FR.04
    ({"status": "Blocked"}, True, False, False),
    ("expired", True, False, True),
    (None, True, False, True),
    (ACCEPTED, False, True, True),  # C13.FR.05
    ({"status": "Blocked"}, False, True, False),
    ("expired", False, True, False),
    (None, False, True, False),
    (ACCEPTED, True, True, True),  # C13.FR.06
    ({"status": "Blocked"}, True, True, False),
    ("expired", True, True, False),
    (None, True, True, True),
]


@pytest.mark.parametrize(("info", "unknown", "expires", "starts"), OFFLINE)
def test_who_may_start_without_a_link(
    make_station: MakeStation, info: Any, unknown: bool, expires: bool, starts: bool
) -> None:
    """C13.FR.02, C13.FR.04, C13.FR.05, C13.FR.06, C15.FR.08"""
    station = made(
        make_station,
        AuthCtrlr__OfflineTxForUnknownIdEnabled="true" if unknown else "false",
        LocalAuthListCtrlr__SupportsExpiryDateTime="true" if expires else "false",
    )
    moment = station.in_seconds(30)
    known = {**ACCEPTED, "cacheExpiryDateTime": moment} if info == "expired" else info
    if known is not None:
        listed(station, (CARD, known))
    station.advance(31.0)
    plug(station)
    station.csms.go_offline()
    show(station, CARD)
    assert is_closed(station) is starts


@pytest.mark.parametrize("unknown", [True, False])
def test_operator_may_want_that_known_tokens_do_not_start_without_a_link(
    make_station: MakeStation, unknown: bool
) -> None:
    """C15.FR.08: the one setting is about known tokens, the other about unknown ones"""
    station = made(
        make_station,
        AuthCtrlr__LocalAuthorizeOffline="false",
        AuthCtrlr__OfflineTxForUnknownIdEnabled="true" if unknown else "false",
    )
    listed(station, (CARD, ACCEPTED))
    plug(station)
    station.csms.go_offline()
    show(station, CARD)
    assert not is_closed(station)
    show(station, OTHER)
    assert is_closed(station) is unknown


def test_unknown_token_that_started_without_a_link_is_told_and_not_remembered(
    make_station: MakeStation,
) -> None:
    """C15.FR.01, C15.FR.02"""
    station = made(make_station, AuthCtrlr__OfflineTxForUnknownIdEnabled="true")
    plug(station)
    station.csms.go_offline()
    show(station, CARD)
    assert is_closed(station)
    row = TokenRow(id_token=CARD, type=IdTokenType.ISO14443)
    assert station.station.queries.known_token.ask(row) is None
    station.csms.go_online()
    station.advance(60.0)
    first = station.csms.events()[0]
    assert first["idToken"] == token_of(CARD)
    assert first["offline"] is True


# -- nobody answers


FAILURES = {"silence": None, "a CALLERROR": Refusal("InternalError"), "rubbish": {"x": 1}}


@pytest.mark.parametrize("failure", sorted(FAILURES))
@pytest.mark.parametrize("info", [ACCEPTED, {"status": "Blocked"}, None], ids=str)
@pytest.mark.parametrize("unknown", [True, False])
def test_without_an_answer_the_station_decides_by_itself(
    make_station: MakeStation, failure: str, info: Info | None, unknown: bool
) -> None:
    """C13.FR.03; a CSMS that is there, but cannot answer, makes nobody welcome it does not know"""
    station = made(
        make_station, AuthCtrlr__OfflineTxForUnknownIdEnabled="true" if unknown else "false"
    )
    if info is not None:
        listed(station, (CARD, info))
    plug(station)
    station.csms.answers["Authorize"] = FAILURES[failure]
    show(station, CARD)
    station.advance(35.0)
    assert asked(station) == [CARD]
    welcome = unknown and failure == "silence" if info is None else info == ACCEPTED
    assert is_closed(station) is welcome


@pytest.mark.parametrize("info", [ACCEPTED, None], ids=["listed", "unknown"])
def test_link_that_breaks_while_the_csms_is_asked(
    make_station: MakeStation, info: Info | None
) -> None:
    """C13.FR.04, C15.FR.08"""
    station = made(make_station, AuthCtrlr__OfflineTxForUnknownIdEnabled="true")
    if info is not None:
        listed(station, (CARD, info))
    plug(station)
    station.csms.answers["Authorize"] = None
    show(station, CARD, then_s=3.0)
    assert not is_closed(station)
    station.csms.cut()
    station.advance(8.0)
    assert is_closed(station)
    station.advance(60.0)
    assert [line.split()[0] for line in told(station)].count("Started") == 1


# -- no authorisation at all


@pytest.mark.parametrize("start", ["PowerPathClosed", "EVConnected", "EnergyTransfer"])
def test_where_nobody_needs_authorisation_events_say_so(
    make_station: MakeStation, start: str
) -> None:
    """C01.FR.01"""
    station: VirtualStation = make_station(start, variables={"AuthCtrlr.Enabled": "false"})
    station.sim.plug(1)
    station.advance(8.0)
    assert is_closed(station)
    assert station.csms.events()[0]["idToken"] == {"idToken": "", "type": "NoAuthorization"}


@pytest.mark.parametrize("stop", ["EVConnected", "Authorized", "PowerPathClosed"])
def test_token_that_nobody_asked_for_is_named_and_ends_what_it_began(
    make_station: MakeStation, stop: str
) -> None:
    station: VirtualStation = make_station(stop=stop, variables={"AuthCtrlr.Enabled": "false"})
    show(station, CARD)
    station.sim.plug(1)
    station.advance(8.0)
    assert is_closed(station)
    assert station.csms.events()[0]["idToken"] == token_of(CARD)
    show(station, OTHER)
    assert is_closed(station)
    show(station, CARD)
    assert asked(station) == []
    ended = "Ended StopAuthorized EVConnected Local"
    stopped = "Updated ChargingStateChanged EVConnected"
    assert told(station)[-1] == (stopped if stop == "EVConnected" else ended)
    assert not is_closed(station)
    station.advance(30.0)
    assert not is_closed(station)


def test_stop_button_ends_what_nobody_had_to_authorise(make_station: MakeStation) -> None:
    station: VirtualStation = make_station(variables={"AuthCtrlr.Enabled": "false"})
    station.sim.plug(1)
    station.advance(8.0)
    station.sim.button(1, "stop")
    station.advance(8.0)
    assert told(station)[-1] == "Ended StopAuthorized EVConnected Local"
    assert not is_closed(station)


# -- the CSMS starts


REMOTE = {**PRE_AUTHORIZE, "AuthCtrlr.AuthorizeRemoteStart": "true"}


def start(station: VirtualStation, id_token: str = CARD, type: str = "ISO14443") -> str:
    request = {"idToken": token_of(id_token, type), "remoteStartId": 7, "evseId": 1}
    answer = station.csms.call("RequestStartTransaction", request)
    station.advance(8.0)
    return str(answer["status"])


@pytest.mark.parametrize(
    ("info", "asks", "starts"),
    [
        (ACCEPTED, False, True),
        ({"status": "Blocked"}, True, False),
        (None, True, False),
    ],
    ids=str,
)
def test_remote_start_is_looked_up_like_a_local_one(
    make_station: MakeStation, info: Info | None, asks: bool, starts: bool
) -> None:
    """F01.FR.01, F02.FR.09, C14.FR.02, C14.FR.03"""
    station: VirtualStation = make_station(variables=REMOTE)
    if info is not None:
        listed(station, (CARD, info))
    plug(station)
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": "Blocked"}}
    assert start(station) == "Accepted"
    assert asked(station) == ([CARD] if asks else [])
    assert is_closed(station) is starts


@pytest.mark.parametrize("type", ["Central", "NoAuthorization"])
@pytest.mark.parametrize("forbidden", ["true", "false"])
def test_token_that_the_csms_made_up_is_never_asked_about(
    make_station: MakeStation, type: str, forbidden: str
) -> None:
    """C03.FR.01, C05.FR.01, C05.FR.03, C05.FR.05"""
    variables = {**REMOTE, "AuthCtrlr.DisableRemoteAuthorization": forbidden}
    station: VirtualStation = make_station(variables=variables)
    plug(station)
    text = "" if type == "NoAuthorization" else "made-up-1"
    assert start(station, text, type) == "Accepted"
    assert asked(station) == []
    first = station.csms.events()[0]
    assert first["idToken"] == token_of(text, type)
    assert first["transactionInfo"]["remoteStartId"] == 7
    assert is_closed(station)


def test_remote_start_of_an_unknown_token_is_refused_where_nobody_may_be_asked(
    make_station: MakeStation,
) -> None:
    """F01.FR.01"""
    station: VirtualStation = make_station(
        variables={**REMOTE, "AuthCtrlr.DisableRemoteAuthorization": "true"}
    )
    plug(station)
    assert start(station) == "Accepted"
    assert asked(station) == []
    assert not is_closed(station)


@pytest.mark.parametrize("asks", ["true", "false"])
def test_csms_may_not_start_with_a_token_that_is_known_as_a_master_pass(
    make_station: MakeStation, asks: str
) -> None:
    """C16.FR.03, C16.FR.05"""
    station: VirtualStation = make_station(
        variables={"AuthCtrlr.MasterPassGroupId": "POLICE", "AuthCtrlr.AuthorizeRemoteStart": asks}
    )
    listed(station, (CARD, of_group("police")))
    plug(station)
    assert start(station) == "Rejected"
    assert told(station) == []

"""C01.FR.03, C09, E08: who else may end a charge, and who gets a cable that was kept."""

from collections.abc import Callable

import pytest

from station.bench.virtual import VirtualStation
from tests.usecases.conftest import MakeStation
from tests.usecases.linking import BACK_OFF
from tests.usecases.telling import forget, is_closed, is_locked, told
from tests.usecases.tokens import (
    ACCEPTED,
    CARD,
    OTHER,
    THIRD,
    answer_with,
    asked,
    cached,
    listed,
    of_group,
    show,
    token_of,
)

GROUP = "FAMILY-7"
OURS = of_group(GROUP)
THEIRS = of_group("OTHERS-9")
ENDED = "Ended StopAuthorized EVConnected Local"
WITH_CACHE = {**BACK_OFF, "AuthCtrlr.LocalPreAuthorize": "true"}
each_link = pytest.mark.parametrize("online", [True, False], ids=["online", "offline"])


def begin(station: VirtualStation, id_token: str = CARD, evse: int = 1) -> None:
    station.sim.plug(evse)
    station.advance(2.0)
    show(station, id_token, evse)
    assert is_closed(station, evse)
    forget(station)


def go(station: VirtualStation, *, online: bool) -> None:
    if not online:
        station.csms.go_offline()


# -- how the station came to know the group of the token that began

Begin = Callable[[VirtualStation], None]


def from_list(station: VirtualStation) -> None:
    listed(station, (CARD, OURS), (OTHER, OURS))
    begin(station)


def from_cache(station: VirtualStation) -> None:
    cached(station, (CARD, OURS))
    answer_with(station, OURS)
    begin(station)


def from_authorize(station: VirtualStation) -> None:
    station.csms.answers["Authorize"] = {"idTokenInfo": OURS}
    station.csms.answers["TransactionEvent"] = {}
    begin(station)


def from_transaction_event(station: VirtualStation) -> None:
    answer_with(station, OURS)
    station.csms.answers["Authorize"] = {"idTokenInfo": ACCEPTED}
    begin(station)


def from_list_later(station: VirtualStation) -> None:
    """Nobody has told it yet when the CSMS starts the charge without a check."""
    station.csms.answers["TransactionEvent"] = {}
    station.sim.plug(1)
    request = {"idToken": token_of(CARD), "remoteStartId": 1, "evseId": 1}
    station.csms.call("RequestStartTransaction", request)
    station.advance(8.0)
    listed(station, (CARD, OURS), (OTHER, OURS))
    assert is_closed(station)
    forget(station)


each_begin = pytest.mark.parametrize(
    "begins", [from_list, from_cache, from_authorize, from_transaction_event, from_list_later]
)


@each_link
@each_begin
@pytest.mark.parametrize("remember", [listed, cached], ids=["list", "cache"])
def test_another_token_of_the_group_that_the_station_knows_ends_without_asking(
    make_station: MakeStation, begins: Begin, remember: Callable[..., None], online: bool
) -> None:
    """C01.FR.03, C09.FR.03, C09.FR.04, C09.FR.07, E07.FR.01, E08.FR.02, E08.FR.03"""
    station = make_station(stop="Authorized", variables=WITH_CACHE, cable="socket")
    if remember is cached:
        cached(station, (OTHER, OURS))
    begins(station)
    if remember is listed and begins is not from_list_later:
        listed(station, (CARD, OURS), (OTHER, OURS))
    assert is_locked(station)
    go(station, online=online)
    show(station, OTHER)
    assert not is_closed(station)
    assert not is_locked(station)
    assert asked(station) == []
    station.csms.go_online()
    station.advance(60.0)
    assert told(station) == [ENDED]
    assert station.csms.events()[-1]["idToken"] == token_of(OTHER)


@pytest.mark.parametrize("local_rules", [True, False])
def test_settings_about_starting_do_not_keep_the_group_from_stopping(
    make_station: MakeStation, local_rules: bool
) -> None:
    """C01.FR.03"""
    value = "true" if local_rules else "false"
    variables = {
        **BACK_OFF,
        "AuthCtrlr.LocalPreAuthorize": value,
        "AuthCtrlr.LocalAuthorizeOffline": value,
    }
    station = make_station(stop="Authorized", variables=variables)
    from_authorize(station)
    listed(station, (OTHER, OURS))
    station.csms.go_offline()
    show(station, OTHER)
    assert not is_closed(station)


def test_token_whose_group_nobody_has_told_is_asked_about(make_station: MakeStation) -> None:
    """C09.FR.05, C09.FR.03"""
    station = make_station(stop="Authorized", variables=WITH_CACHE)
    from_authorize(station)
    listed(station, (THIRD, OURS))
    show(station, OTHER)
    assert asked(station) == [OTHER]
    assert told(station) == [ENDED]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "NoCredit", "Unknown"])
def test_token_of_the_group_that_is_not_accepted_ends_nothing(
    make_station: MakeStation, status: str, known: bool
) -> None:
    """C09.FR.11"""
    station = make_station(stop="Authorized", variables=WITH_CACHE)
    from_authorize(station)
    if known:
        listed(station, (OTHER, of_group(GROUP, status)))
    station.csms.answers["Authorize"] = {"idTokenInfo": of_group(GROUP, status)}
    show(station, OTHER)
    assert asked(station) == [OTHER]
    assert told(station) == []
    assert is_closed(station)


def test_token_of_the_group_that_is_not_accepted_any_more_may_have_become_it_again(
    make_station: MakeStation,
) -> None:
    """C09.FR.03, C14.FR.03"""
    station = make_station(stop="Authorized", variables=WITH_CACHE)
    from_authorize(station)
    listed(station, (OTHER, of_group(GROUP, "Blocked")))
    show(station, OTHER)
    assert asked(station) == [OTHER]
    assert told(station) == [ENDED]


def test_nobody_asks_again_about_a_token_of_the_group_if_that_is_not_wanted(
    make_station: MakeStation,
) -> None:
    """C14.FR.03, C09.FR.11"""
    variables = {**WITH_CACHE, "LocalAuthListCtrlr.DisablePostAuthorize": "true"}
    station = make_station(stop="Authorized", variables=variables)
    from_authorize(station)
    listed(station, (OTHER, of_group(GROUP, "Blocked")))
    show(station, OTHER)
    assert asked(station) == []
    assert is_closed(station)


@pytest.mark.parametrize("info", [THEIRS, ACCEPTED], ids=["another group", "no group"])
@pytest.mark.parametrize("mine", [OURS, ACCEPTED], ids=["grouped", "alone"])
@pytest.mark.parametrize("known", [True, False])
@each_link
def test_stranger_ends_nothing(
    make_station: MakeStation, mine: object, info: dict[str, object], known: bool, online: bool
) -> None:
    """C01.FR.03, C09.FR.03; two tokens without a group are not of the same one"""
    station = make_station(stop="Authorized", variables=WITH_CACHE)
    station.csms.answers["Authorize"] = {"idTokenInfo": mine}
    station.csms.answers["TransactionEvent"] = {}
    begin(station)
    if known:
        listed(station, (OTHER, info))
    station.csms.answers["Authorize"] = {"idTokenInfo": info}
    go(station, online=online)
    show(station, OTHER)
    assert is_closed(station)
    station.csms.go_online()
    station.advance(60.0)
    assert [line for line in told(station) if "Authorized" in line] == []


@pytest.mark.parametrize("type", ["Central", "ISO14443", "KeyCode"])
@pytest.mark.parametrize("spelling", [GROUP, GROUP.lower()])
def test_group_is_the_same_in_every_spelling_and_of_every_type(
    make_station: MakeStation, spelling: str, type: str
) -> None:
    """C09.FR.02, C09.FR.13: a type other than Central is the CSMS's affair"""
    station = make_station(stop="Authorized", variables=WITH_CACHE)
    from_authorize(station)
    listed(station, (OTHER, {**ACCEPTED, "groupIdToken": token_of(spelling, type)}))
    show(station, OTHER)
    assert told(station) == [ENDED]


def test_group_that_the_csms_has_changed_counts_as_it_is_now(make_station: MakeStation) -> None:
    """C09.FR.03"""
    station = make_station(stop="Authorized", variables=WITH_CACHE)
    answer_with(station, THEIRS)
    station.csms.answers["Authorize"] = {"idTokenInfo": OURS}
    begin(station)
    listed(station, (OTHER, OURS), (THIRD, THEIRS))
    show(station, OTHER)
    assert is_closed(station)
    show(station, THIRD)
    assert told(station) == [ENDED]


def test_group_of_whoever_ended_is_not_that_of_the_transaction(make_station: MakeStation) -> None:
    """The answer to the event of the stop tells of the token that stopped (C16.FR.02)."""
    variables = {**WITH_CACHE, "AuthCtrlr.MasterPassGroupId": "POLICE"}
    station = make_station(stop="EVConnected", variables=variables)
    from_authorize(station)
    answer_with(station, of_group("POLICE"))
    show(station, OTHER)
    assert told(station)[0] == "Updated StopAuthorized -"
    (row,) = station.station.transactions.all()
    assert row.group_id_token == GROUP


# -- one reader for all


def test_at_the_stations_reader_the_group_ends_what_runs(make_station: MakeStation) -> None:
    """C09.FR.03: though another EVSE is free"""
    station = make_station(stop="Authorized", variables=WITH_CACHE)
    from_authorize(station)
    show(station, OTHER, None)
    assert told(station) == [ENDED]


def test_at_the_stations_reader_a_waiting_car_is_meant_first(make_station: MakeStation) -> None:
    station = make_station(stop="Authorized", variables=WITH_CACHE)
    from_authorize(station)
    station.sim.plug(2)
    station.advance(2.0)
    show(station, OTHER, None)
    assert is_closed(station, 1)
    assert is_closed(station, 2)


def test_at_the_reader_of_an_evse_that_one_is_meant_whoever_waits_elsewhere(
    make_station: MakeStation,
) -> None:
    """C09.FR.03"""
    station = make_station(stop="Authorized", variables=WITH_CACHE)
    from_authorize(station)
    station.sim.plug(2)
    station.advance(2.0)
    show(station, OTHER, 1)
    assert told(station) == [ENDED]
    assert not is_closed(station, 2)


def test_at_the_stations_reader_the_newest_charge_of_the_group_is_meant(
    make_station: MakeStation,
) -> None:
    station = make_station(stop="Authorized", variables=WITH_CACHE, evses=3)
    from_authorize(station)
    begin(station, OTHER, 2)
    show(station, THIRD, None)
    assert is_closed(station, 1)
    assert not is_closed(station, 2)


def test_at_the_stations_reader_somebody_else_may_start(make_station: MakeStation) -> None:
    station = make_station("Authorized", "Authorized", variables=WITH_CACHE)
    from_authorize(station)
    station.csms.answers["Authorize"] = {"idTokenInfo": THEIRS}
    show(station, OTHER, None)
    assert told(station) == ["Started Authorized Idle"]
    station.sim.plug(2)
    station.advance(8.0)
    assert is_closed(station, 1)
    assert is_closed(station, 2)


# -- cables that were kept

KEEPING = {
    **WITH_CACHE,
    "OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false",
    "TxCtrlr.StopTxOnEVSideDisconnect": "true",
}


def with_kept_cable(make_station: MakeStation, *, refused: bool) -> VirtualStation:
    """The charge is over, its cable is locked: pulled out of the car, or (*refused*) still in."""
    station: VirtualStation = make_station(stop="Authorized", variables=KEEPING, cable="socket")
    from_authorize(station)
    if refused:
        station.csms.answers["TransactionEvent"] = {"idTokenInfo": {"status": "Invalid"}}
        station.csms.call("TriggerMessage", {"requestedMessage": "TransactionEvent"})
        station.advance(15.0)
        station.csms.answers["TransactionEvent"] = {}
    else:
        station.sim.unplug(1, side="ev")
        station.advance(5.0)
    assert station.station.transactions.all() == []
    assert is_locked(station)
    forget(station)
    return station


@pytest.mark.parametrize("reader", [1, None])
@pytest.mark.parametrize("refused", [True, False])
def test_owner_gets_a_kept_cable_without_a_question(
    make_station: MakeStation, refused: bool, reader: int | None
) -> None:
    """E09.FR.03, E05.FR.11, C15.FR.05"""
    station = with_kept_cable(make_station, refused=refused)
    show(station, CARD, reader)
    assert asked(station) == []
    assert not is_locked(station)
    assert told(station) == []


def test_group_of_who_left_the_cable_may_be_learnt_from_the_list(
    make_station: MakeStation,
) -> None:
    """E09.FR.03"""
    station: VirtualStation = make_station(stop="Authorized", variables=KEEPING, cable="socket")
    from_list_later(station)
    station.sim.unplug(1, side="ev")
    station.advance(5.0)
    assert is_locked(station)
    show(station, OTHER)
    assert not is_locked(station)


def test_owner_who_charges_elsewhere_gets_the_cable_first(make_station: MakeStation) -> None:
    """E09.FR.03"""
    station = with_kept_cable(make_station, refused=False)
    begin(station, CARD, 2)
    show(station, CARD, None)
    assert not is_locked(station, 1)
    assert is_closed(station, 2)
    show(station, CARD, None)
    assert not is_closed(station, 2)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("refused", [True, False])
def test_group_gets_a_cable_that_was_pulled_out_but_not_one_of_a_refused_token(
    make_station: MakeStation, refused: bool, known: bool
) -> None:
    """E09.FR.03: who is authorised; E05.FR.11, C15.FR.05: its owner"""
    station = with_kept_cable(make_station, refused=refused)
    if known:
        listed(station, (OTHER, OURS))
    show(station, OTHER)
    assert asked(station) == ([] if known or refused else [OTHER])
    assert is_locked(station) is refused
    assert told(station) == []


@pytest.mark.parametrize("known", [True, False])
def test_stranger_gets_no_cable_and_no_charge(make_station: MakeStation, known: bool) -> None:
    """E09.FR.03"""
    station = with_kept_cable(make_station, refused=False)
    if known:
        listed(station, (OTHER, THEIRS))
    station.csms.answers["Authorize"] = {"idTokenInfo": THEIRS}
    show(station, OTHER)
    assert is_locked(station)
    assert told(station) == []
    request = {"idToken": token_of(OTHER), "remoteStartId": 1, "evseId": 1}
    assert station.csms.call("RequestStartTransaction", request)["status"] == "Rejected"


@pytest.mark.parametrize("refused", [True, False])
def test_kept_cable_outlives_a_restart_and_so_does_who_may_have_it(
    make_station: MakeStation, refused: bool
) -> None:
    """E05.FR.11, E09.FR.03"""
    station = with_kept_cable(make_station, refused=refused)
    station.restart(power_cut=True)
    station.advance(20.0)
    listed(station, (OTHER, OURS))
    show(station, OTHER)
    assert is_locked(station) is refused
    if refused:
        show(station, CARD)
        assert not is_locked(station)

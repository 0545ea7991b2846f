"""C10, C11: what the cache remembers of tokens, for how long, and what goes when it is full."""

from datetime import timedelta
from typing import Any

import pytest

from hal.api import TokenPresented
from station.bench.virtual import VirtualStation
from station.charging.queries import KnownToken
from station.charging.rows import TokenRow
from station.events import IdTokenInfoReceived, TokenShown
from station.ocpp.codec import decode_response, to_payload
from station.ocpp.messages.common import IdTokenInfo, IdTokenType
from station.records import StoreHealth
from tests.contracts.stores import FULL
from tests.usecases.conftest import MakeStation
from tests.usecases.linking import BACK_OFF

Payload = dict[str, Any]

CARD, OTHER, THIRD = "04A1B2C3", "04FFEE01", "04FFEE02"
CACHE = "AuthCacheCtrlr"
ROWS = "t_authorization_cache"
ACCEPTED = {"status": "Accepted"}
YEAR_S = 365 * 86400.0
ONE_ROW_B = 200
"""More than one entry takes, and less than two."""


def tell(
    station: VirtualStation, id_token: str, info: Payload = ACCEPTED, type: str = "ISO14443"
) -> None:
    """The CSMS says that of a token, in some answer."""
    decoded = decode_response(IdTokenInfo, info)
    news = IdTokenInfoReceived(id_token=id_token, type=IdTokenType(type), info=decoded)
    station.reactor.post(station.station.events.publish, news)
    station.advance(0.1)


def show(station: VirtualStation, id_token: str) -> None:
    """A reader sees a token; nobody does anything about it but the cache."""
    token = TokenPresented(station.reactor.at, "nobody's", 1, id_token, "ISO14443")
    cache = station.station.authorization_cache
    station.reactor.post(cache._on_token_shown, TokenShown(token))
    station.advance(0.1)


def ask(station: VirtualStation, id_token: str, type: str = "ISO14443") -> KnownToken | None:
    """What the station itself knows of a token."""
    token = TokenRow(id_token=id_token, type=IdTokenType(type))
    found: list[KnownToken | None] = []
    station.reactor.post(lambda: found.append(station.station.queries.known_token.ask(token)))
    station.advance(0.0)
    return found[0]


def known(station: VirtualStation, *id_tokens: str) -> list[str]:
    return [each for each in id_tokens if ask(station, each) is not None]


def status(station: VirtualStation, id_token: str) -> str:
    found = ask(station, id_token)
    return "" if found is None else str(found.info.status)


def rows(station: VirtualStation) -> dict[str, tuple[int, bytes]]:
    """What the disk holds of the cache."""
    tables: dict[str, Any] = station.disk.tables  # type: ignore[attr-defined]
    found: dict[str, tuple[int, bytes]] = tables.get(ROWS, {})
    return found


@pytest.fixture
def station(make_station: MakeStation) -> VirtualStation:
    made: VirtualStation = make_station(variables=BACK_OFF)
    return made


# -- what is remembered


@pytest.mark.parametrize("answer", ["Accepted", "Blocked", "Expired", "Invalid", "Unknown"])
def test_what_the_csms_answers_to_authorize_is_remembered_whatever_it_is(
    station: VirtualStation, answer: str
) -> None:
    """C10.FR.01, C10.FR.04"""
    station.csms.answers["Authorize"] = {"idTokenInfo": {"status": answer}}
    station.sim.token(CARD, evse=1)
    station.settle()
    assert status(station, CARD) == answer


def test_what_the_csms_answers_to_a_transaction_event_is_remembered(
    station: VirtualStation,
) -> None:
    """C10.FR.05, C12.FR.06"""
    told = {"idTokenInfo": {"status": "Blocked"}}
    station.csms.answers["TransactionEvent"] = lambda event: told if "idToken" in event else {}
    station.sim.plug(1)
    station.settle()
    station.sim.token(CARD, evse=1)
    station.settle()
    assert status(station, CARD) == "Blocked"


def test_the_last_word_counts_and_tokens_are_told_apart_by_type(station: VirtualStation) -> None:
    """C10.FR.04, C12.FR.06, C01.FR.25"""
    tell(station, CARD)
    tell(station, CARD, {"status": "Blocked"}, "KeyCode")
    assert status(station, CARD) == "Accepted"
    tell(station, CARD.lower(), {"status": "Invalid"})
    assert status(station, CARD) == "Invalid"
    assert len(rows(station)) == 2


@pytest.mark.parametrize("type", ["Central", "NoAuthorization"])
def test_tokens_that_no_driver_has_are_never_remembered(station: VirtualStation, type: str) -> None:
    """C02.FR.03, C03.FR.02, C05.FR.02"""
    tell(station, "anything", ACCEPTED, type)
    assert ask(station, "anything", type) is None
    assert rows(station) == {}


def test_a_token_that_nobody_has_answered_for_is_not_remembered(make_station: MakeStation) -> None:
    """C15.FR.01"""
    unknown = {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true", **BACK_OFF}
    station = make_station(variables=unknown)
    station.csms.go_offline()
    station.sim.plug(1)
    station.settle()
    station.sim.token(CARD, evse=1)
    station.advance(20)
    assert station.world.evses[1].place.closed
    assert rows(station) == {}


MUCH: Payload = {
    "status": "Accepted",
    "cacheExpiryDateTime": "2031-05-06T07:08:09Z",
    "chargingPriority": -3,
    "language1": "de-CH",
    "evseId": [1, 2],
    "groupIdToken": {"idToken": "Fleet-7", "type": "Central"},
    "language2": "fr",
}
PRIVATE: Payload = {
    "personalMessage": {"format": "UTF8", "content": "0.42 per kWh", "language": "en"},
    "customData": {"vendorId": "com.example", "tariff": "0.42 per kWh"},
}


def test_neither_tokens_nor_texts_nor_tariffs_stand_on_the_disk(station: VirtualStation) -> None:
    """C10.FR.02, C10.FR.09, C10.FR.12"""
    tell(station, CARD, {**MUCH, **PRIVATE})
    for _ in range(2):
        found = ask(station, CARD)
        assert found is not None
        assert to_payload(found.info) == MUCH
        [(key, (_, blob))] = rows(station).items()
        for text in (key, blob.decode()):
            assert CARD.lower() not in text.lower()
            assert "kWh" not in text
        station.restart(power_cut=True)


def test_two_stations_keep_the_same_token_under_different_keys() -> None:
    """C10.FR.12"""
    first, second = (VirtualStation(seed=seed).boot() for seed in (1, 2))
    for each in (first, second):
        tell(each, CARD)
    assert rows(first).keys() != rows(second).keys()


def test_the_cache_outlives_a_power_cut(station: VirtualStation) -> None:
    """C10.FR.02"""
    tell(station, CARD)
    tell(station, OTHER, {"status": "Blocked"})
    station.restart(power_cut=True)
    assert (status(station, CARD), status(station, OTHER)) == ("Accepted", "Blocked")


# -- what the station makes of it


@pytest.mark.parametrize("post", ["false", "true"])
def test_a_token_that_is_not_accepted_is_asked_about_unless_that_is_switched_off(
    make_station: MakeStation, post: str
) -> None:
    """C10.FR.03, C12.FR.05"""
    station = make_station(variables={f"{CACHE}.DisablePostAuthorize": post})
    tell(station, CARD)
    tell(station, OTHER, {"status": "Blocked"})
    found = ask(station, CARD)
    assert found is not None
    assert (found.valid, found.recheck, found.listed) == (True, False, False)
    found = ask(station, OTHER)
    assert found is not None
    assert (found.valid, found.recheck, found.listed) == (False, post == "false", False)


def test_a_disabled_cache_knows_nothing_takes_nothing_new_and_forgets_nothing(
    station: VirtualStation,
) -> None:
    """C10.FR.11; part 2, 2.4.1: to change the variable does not alter the content."""
    tell(station, CARD)
    tell(station, OTHER)
    station.variable(CACHE, "Enabled", "false")
    assert known(station, CARD, OTHER) == []
    tell(station, THIRD)
    tell(station, OTHER, {"status": "Blocked"})
    station.variable(CACHE, "Enabled", "true")
    assert known(station, CARD, OTHER, THIRD) == [CARD, OTHER]
    assert status(station, OTHER) == "Blocked", "what is kept must not become untrue"


# -- for how long


def test_without_a_life_time_entries_do_not_age(station: VirtualStation) -> None:
    """C10.FR.08"""
    assert station.variable(CACHE, "LifeTime") == ""
    tell(station, CARD)
    station.advance(2 * 86400.0)
    assert known(station, CARD) == [CARD]


def test_an_entry_lives_for_its_life_time_since_the_last_update(station: VirtualStation) -> None:
    """C10.FR.08, C10.FR.10"""
    station.variable(CACHE, "LifeTime", "600")
    tell(station, CARD)
    tell(station, OTHER)
    station.advance(590)
    show(station, OTHER)
    tell(station, CARD)
    station.advance(20)
    assert known(station, CARD, OTHER) == [CARD]
    station.advance(600)
    assert known(station, CARD, OTHER) == []
    station.settle()
    assert rows(station) == {}


def test_a_shorter_life_time_counts_for_what_is_there(station: VirtualStation) -> None:
    """C10.FR.08, C10.FR.10"""
    tell(station, CARD)
    station.advance(60)
    station.variable(CACHE, "LifeTime", "120")
    assert known(station, CARD) == [CARD]
    station.variable(CACHE, "LifeTime", "30")
    assert known(station, CARD) == []


def test_the_life_time_goes_on_over_a_restart(station: VirtualStation) -> None:
    """C10.FR.10"""
    station.variable(CACHE, "LifeTime", "600")
    tell(station, CARD)
    station.advance(400)
    station.restart(after_s=100)
    station.advance(50)
    assert known(station, CARD) == [CARD]
    station.restart(after_s=100)
    assert known(station, CARD) == []


def expiring(station: VirtualStation, in_s: float) -> Payload:
    return {**ACCEPTED, "cacheExpiryDateTime": station.in_seconds(in_s)}


def test_an_entry_with_a_moment_of_its_own_lives_until_then(station: VirtualStation) -> None:
    """C10.FR.13"""
    station.variable(CACHE, "LifeTime", "30")
    tell(station, CARD, expiring(station, 600))
    station.advance(598)
    assert known(station, CARD) == [CARD]
    station.advance(3)
    assert known(station, CARD) == []
    station.settle()
    assert rows(station) == {}


def test_a_moment_in_the_past_keeps_a_token_out_and_removes_it(station: VirtualStation) -> None:
    """C10.FR.10: the note of its erratum."""
    tell(station, CARD, expiring(station, -1))
    assert known(station, CARD) == []
    tell(station, CARD)
    assert known(station, CARD) == [CARD]
    tell(station, CARD, expiring(station, -1))
    assert known(station, CARD) == []
    station.settle()
    assert rows(station) == {}


def test_what_has_expired_is_removed_though_nobody_asks(station: VirtualStation) -> None:
    """C10.FR.10, C10.FR.13"""
    station.variable(CACHE, "LifeTime", "600")
    for number in range(250):
        tell(station, f"A{number}")
    tell(station, CARD, expiring(station, 9000))
    tell(station, OTHER, expiring(station, 20))
    station.advance(2 * 3600)
    assert len(rows(station)) == 1
    station.advance(2 * 3600)
    assert rows(station) == {}


def without_clock(station: VirtualStation, error_s: float) -> None:
    """Started again offline; the board's clock says something that nobody can believe."""
    station.csms.go_offline()
    station.clock_error_s = error_s
    station.restart(power_cut=True)


@pytest.mark.parametrize("error_s", [-50 * YEAR_S, 50 * YEAR_S])
def test_without_a_trusted_clock_nothing_expires(station: VirtualStation, error_s: float) -> None:
    """C10.FR.10, C10.FR.13 need the time; drivers are served meanwhile."""
    station.variable(CACHE, "LifeTime", "600")
    tell(station, CARD)
    tell(station, OTHER, expiring(station, 600))
    without_clock(station, error_s)
    station.advance(700)
    assert known(station, CARD, OTHER) == [CARD, OTHER]
    station.csms.go_online()
    station.advance(120)
    assert known(station, CARD, OTHER) == []


def test_what_was_told_at_an_unknown_time_ages_from_when_the_time_is_known(
    station: VirtualStation,
) -> None:
    """C10.FR.10"""
    station.variable(CACHE, "LifeTime", "7200")
    without_clock(station, -50 * YEAR_S)
    tell(station, CARD)
    station.advance(10_000)
    station.csms.go_online()
    station.advance(4000)
    assert known(station, CARD) == [CARD]
    station.advance(7300)
    assert known(station, CARD) == []


def test_what_was_told_by_a_clock_that_ran_ahead_ages_all_the_same(
    station: VirtualStation,
) -> None:
    """C10.FR.10"""
    station.variable(CACHE, "LifeTime", "7200")
    station.csms.answers["Heartbeat"] = lambda _: {
        "currentTime": (station.utc + timedelta(days=400)).isoformat()
    }
    station.csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    station.settle()
    tell(station, CARD)
    station.csms.answers.clear()
    station.csms.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    station.advance(3600)
    assert known(station, CARD) == [CARD]
    station.advance(7300)
    assert known(station, CARD) == []


# -- how much


def used(station: VirtualStation) -> int:
    return int(station.variable(CACHE, "Storage"))


def test_storage_tells_how_much_is_kept_and_how_much_could_be(station: VirtualStation) -> None:
    """C10.FR.07"""
    assert used(station) == 0
    tell(station, CARD)
    one = used(station)
    assert 0 < one < ONE_ROW_B
    tell(station, OTHER)
    assert one < used(station) <= 2 * one + 2
    station.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    station.settle()
    lines = {
        line["variable"]["name"]: line
        for part in station.csms.of("NotifyReport")
        for line in part["reportData"]
        if line["component"]["name"] == CACHE
    }
    assert lines["Storage"]["variableCharacteristics"]["maxLimit"] == 500_000
    assert lines["Policy"]["variableCharacteristics"]["valuesList"] == "LRU,LFU,FIFO,CUSTOM"
    read_only = {
        name
        for name, line in lines.items()
        if line["variableAttribute"][0]["mutability"] == "ReadOnly"
    }
    assert read_only == {"Available", "Storage"}


@pytest.fixture
def small(make_station: MakeStation, monkeypatch: pytest.MonkeyPatch) -> VirtualStation:
    """A station whose cache has room for three tokens."""
    monkeypatch.setattr("station.blocks.authorization_cache.MAX_STORAGE_B", 3 * ONE_ROW_B)
    made: VirtualStation = make_station(variables=BACK_OFF)
    tell(made, "probe")
    room = 3 * used(made) + 30
    made.csms.call("ClearCache", {})
    monkeypatch.setattr("station.blocks.authorization_cache.MAX_STORAGE_B", room)
    return made


@pytest.mark.parametrize(
    ("policy", "victim"), [("LRU", "b"), ("LFU", "c"), ("FIFO", "a"), ("CUSTOM", "c")]
)
@pytest.mark.parametrize("restarts", [False, True])
def test_when_it_is_full_the_policy_says_what_goes(
    small: VirtualStation, policy: str, victim: str, restarts: bool
) -> None:
    """C10.FR.07: CUSTOM, the default, follows its note."""
    assert small.variable(CACHE, "Policy") == "CUSTOM"
    small.variable(CACHE, "Policy", policy)
    tell(small, "a")  # the first
    tell(small, "b")  # used twice, long ago
    show(small, "b")
    show(small, "b")
    tell(small, "c", {"status": "Invalid"})  # used once, and not accepted
    show(small, "a")
    show(small, "a")
    show(small, "c")
    if restarts:
        small.advance(3700)
        for name in ("b", "a", "c"):
            show(small, name)
        small.restart(power_cut=True)
    tell(small, "d")
    assert known(small, "a", "b", "c", "d") == sorted({"a", "b", "c", "d"} - {victim})


def test_what_is_told_after_a_restart_is_newer_than_all_before(small: VirtualStation) -> None:
    """C10.FR.02, C10.FR.07"""
    for name in ("a", "b", "c"):
        tell(small, name)
    small.restart(power_cut=True)
    tell(small, "d")
    tell(small, "e")
    assert known(small, "a", "b", "c", "d", "e") == ["c", "d", "e"]


def test_what_has_expired_goes_first(small: VirtualStation) -> None:
    """C10.FR.07"""
    small.variable(CACHE, "Policy", "FIFO")
    tell(small, "a")
    tell(small, "b", expiring(small, 20))
    small.advance(30)
    tell(small, "c")
    tell(small, "d")
    assert known(small, "a", "b", "c", "d") == ["a", "c", "d"]


def test_strangers_cannot_push_out_accepted_tokens(small: VirtualStation) -> None:
    """C10.FR.07: any number of unknown cards costs no driver the entry."""
    tell(small, "a")
    tell(small, "b")
    for number in range(20):
        tell(small, f"x{number}", {"status": "Unknown"})
    assert known(small, "a", "b", "x18", "x19") == ["a", "b", "x19"]


def test_a_longer_info_makes_room_for_itself(small: VirtualStation) -> None:
    """C10.FR.07, C12.FR.06"""
    for name in ("a", "b", "c"):
        tell(small, name)
    tell(small, "b", MUCH)
    assert known(small, "a", "b", "c") in (["b", "c"], ["b"])
    assert used(small) <= 3 * ONE_ROW_B


def test_the_use_of_an_entry_is_written_once_an_hour_at_most(station: VirtualStation) -> None:
    tell(station, CARD)
    before = dict(rows(station))
    for _ in range(50):
        show(station, CARD)
    station.advance(3000)
    show(station, CARD)
    station.settle()
    assert rows(station) == before
    station.advance(700)
    show(station, CARD)
    station.settle()
    assert rows(station) != before


# -- clearing


def test_clear_cache_forgets_everybody(station: VirtualStation) -> None:
    """C11.FR.01, C11.FR.02, C11.FR.03"""
    for number in range(250):
        tell(station, f"A{number}")
    assert station.csms.call("ClearCache", {}) == {"status": "Accepted"}
    assert known(station, "A0", "A249") == []
    assert rows(station) == {}
    assert used(station) == 0
    station.restart(power_cut=True)
    assert known(station, "A0", "A249") == []


def test_an_empty_cache_can_be_cleared(station: VirtualStation) -> None:
    """C11.FR.03"""
    assert station.csms.call("ClearCache", {}) == {"status": "Accepted"}


def test_after_clearing_hashes_are_made_anew(station: VirtualStation) -> None:
    """C10.FR.12"""
    tell(station, CARD)
    before = set(rows(station))
    station.csms.call("ClearCache", {})
    tell(station, CARD)
    assert len(rows(station)) == 1
    assert not before & set(rows(station))


def test_a_disabled_cache_is_not_cleared(station: VirtualStation) -> None:
    """C11.FR.02, C11.FR.04"""
    tell(station, CARD)
    station.variable(CACHE, "Enabled", "false")
    answer = station.csms.call("ClearCache", {})
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "NotEnabled")
    station.variable(CACHE, "Enabled", "true")
    assert known(station, CARD) == [CARD]


def test_a_cache_that_cannot_be_cleared_for_good_is_not_said_to_be(
    station: VirtualStation,
) -> None:
    """C11.FR.02, C11.FR.05: the disk takes nothing, and would bring the entries back."""
    tell(station, CARD)
    station.settle()
    station.backend.fail_with(FULL)
    tell(station, OTHER)
    station.settle()
    assert station.station.store.health is StoreHealth.VOLATILE
    answer = station.csms.call("ClearCache", {})
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InternalError")
    assert known(station, CARD, OTHER) == []
    station.restart()
    assert known(station, CARD, OTHER) == [CARD]


# -- for customer information (N09, N10)


def test_one_token_can_be_looked_up_and_forgotten(station: VirtualStation) -> None:
    cache = station.station.authorization_cache
    token = TokenRow(id_token=CARD.lower(), type=IdTokenType.ISO14443)
    assert cache.find(token) is None
    assert cache.about(token) == []
    tell(station, CARD)
    tell(station, OTHER)
    station.variable(CACHE, "Enabled", "false")
    info = cache.find(token)
    assert info is not None
    assert to_payload(info) == ACCEPTED
    station.reactor.post(cache.forget, token)
    station.settle()
    assert cache.find(token) is None
    assert len(rows(station)) == 1

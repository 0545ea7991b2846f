"""D01, D02: the local authorisation list, as the CSMS sends it and as the station uses it."""

from typing import Any

import pytest

from station.bench.virtual import VirtualStation
from station.charging.queries import KnownToken
from station.charging.rows import TokenRow
from station.events import IdTokenInfoReceived
from station.ocpp.codec import to_payload
from station.ocpp.messages.common import AuthorizationStatus, IdTokenInfo, IdTokenType
from tests.usecases.conftest import MakeStation

Payload = dict[str, Any]

CARD, OTHER, THIRD = "04A1B2C3", "04FFEE01", "04FFEE02"
SHARDS = "t_local_list_shard"
FIFTY_YEARS_S = 50 * 365 * 86400.0
ADDED = {"status": "Accepted"}


def entry(id_token: str, info: Payload | None = None, type: str = "ISO14443") -> Payload:
    """An entry; without *info* it is to be removed."""
    token: Payload = {"idToken": {"idToken": id_token, "type": type}}
    return token if info is None else {**token, "idTokenInfo": info}


def send(station: VirtualStation, update_type: str, version: int, *entries: Payload) -> Payload:
    """SendLocalList; the answer of the station."""
    request: Payload = {"updateType": update_type, "versionNumber": version}
    if entries:
        request["localAuthorizationList"] = list(entries)
    return station.csms.call("SendLocalList", request)


def fill(station: VirtualStation, version: int, *id_tokens: str) -> None:
    answer = send(station, "Full", version, *(entry(each, ADDED) for each in id_tokens))
    assert answer == {"status": "Accepted"}


def version_of(station: VirtualStation) -> int:
    return int(station.csms.call("GetLocalListVersion", {})["versionNumber"])


def count(station: VirtualStation) -> int:
    return int(station.variable("LocalAuthListCtrlr", "Entries"))


def ask(station: VirtualStation, id_token: str, type: str = "ISO14443") -> KnownToken | None:
    """What the station itself knows of a token."""
    token = TokenRow(id_token=id_token, type=IdTokenType(type))
    return station.station.queries.known_token.ask(token)


def is_listed(station: VirtualStation, id_token: str) -> bool:
    known = ask(station, id_token)
    return known is not None and known.listed


def listed(station: VirtualStation, *id_tokens: str) -> list[str]:
    """Those of *id_tokens* that are in the list."""
    return [each for each in id_tokens if is_listed(station, each)]


@pytest.fixture
def station(make_station: MakeStation) -> VirtualStation:
    made: VirtualStation = make_station()
    return made


# -- what an update does


def test_a_station_that_was_never_sent_a_list_has_version_0(station: VirtualStation) -> None:
    """D02.FR.02"""
    assert version_of(station) == 0
    assert count(station) == 0


def test_a_full_update_replaces_everything(station: VirtualStation) -> None:
    """D01.FR.01, D01.FR.02, D01.FR.15, D02.FR.01"""
    fill(station, 4, CARD, OTHER)
    fill(station, 9, OTHER, THIRD)
    assert listed(station, CARD, OTHER, THIRD) == [OTHER, THIRD]
    assert (version_of(station), count(station)) == (9, 2)


def test_a_full_update_may_go_back_to_a_lower_version(station: VirtualStation) -> None:
    """D01.FR.15"""
    fill(station, 9, CARD)
    fill(station, 2, OTHER)
    assert listed(station, CARD, OTHER) == [OTHER]
    assert version_of(station) == 2


def test_a_full_update_without_entries_empties_the_list_and_sets_its_version(
    station: VirtualStation,
) -> None:
    """D01.FR.04"""
    fill(station, 4, CARD)
    assert send(station, "Full", 5) == {"status": "Accepted"}
    assert not is_listed(station, CARD)
    assert (version_of(station), count(station)) == (5, 0)
    station.restart()
    assert (version_of(station), count(station)) == (5, 0)


def test_a_differential_update_without_entries_only_sets_the_version(
    station: VirtualStation,
) -> None:
    """D01.FR.05"""
    fill(station, 4, CARD)
    assert send(station, "Differential", 5) == {"status": "Accepted"}
    assert is_listed(station, CARD)
    assert (version_of(station), count(station)) == (5, 1)


def test_a_differential_update_adds_changes_and_removes(station: VirtualStation) -> None:
    """D01.FR.01, D01.FR.16, D01.FR.17"""
    fill(station, 4, CARD, OTHER)
    changed = entry(OTHER, {"status": "Blocked"})
    answer = send(station, "Differential", 6, entry(CARD), changed, entry(THIRD, ADDED))
    assert answer == {"status": "Accepted"}
    assert listed(station, CARD, OTHER, THIRD) == [OTHER, THIRD]
    known = ask(station, OTHER)
    assert known is not None
    assert known.info.status is AuthorizationStatus.BLOCKED
    assert (version_of(station), count(station)) == (6, 2)


def test_removing_what_is_not_there_changes_only_the_version(station: VirtualStation) -> None:
    """D01.FR.17"""
    fill(station, 4, CARD)
    assert send(station, "Differential", 5, entry(OTHER)) == {"status": "Accepted"}
    assert (version_of(station), count(station)) == (5, 1)
    assert send(station, "Differential", 6, entry(CARD)) == {"status": "Accepted"}
    station.settle()
    assert rows(station) == {}


def test_the_first_update_may_be_a_differential_one(station: VirtualStation) -> None:
    """D01.FR.16"""
    assert send(station, "Differential", 1, entry(CARD, ADDED)) == {"status": "Accepted"}
    assert is_listed(station, CARD)
    assert version_of(station) == 1


def test_case_of_an_id_token_does_not_matter_but_its_type_does(station: VirtualStation) -> None:
    """C01.FR.25"""
    fill(station, 1, CARD)
    assert is_listed(station, CARD.lower())
    assert ask(station, CARD, "ISO15693") is None
    assert send(station, "Differential", 2, entry(CARD.lower())) == {"status": "Accepted"}
    assert count(station) == 0


# -- what is refused


def assert_refused(station: VirtualStation, answer: Payload, status: str, reason: str) -> None:
    """The list of `fill(station, 4, CARD)` is as it was."""
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == (status, reason)
    assert listed(station, CARD, OTHER) == [CARD]
    assert (version_of(station), count(station)) == (4, 1)


@pytest.mark.parametrize("version", [-1, 0, 3, 4])
@pytest.mark.parametrize("entries", [(), (entry(OTHER, ADDED),), (entry(CARD),)])
def test_a_differential_update_that_is_not_newer_is_a_version_mismatch(
    station: VirtualStation, version: int, entries: tuple[Payload, ...]
) -> None:
    """D01.FR.02, D01.FR.19"""
    fill(station, 4, CARD)
    answer = send(station, "Differential", version, *entries)
    assert_refused(station, answer, "VersionMismatch", "ValueTooLow")


@pytest.mark.parametrize("version", [-1, 0])
def test_no_list_can_have_a_version_that_says_that_there_is_none(
    station: VirtualStation, version: int
) -> None:
    """D01.FR.18"""
    fill(station, 4, CARD)
    answer = send(station, "Full", version, entry(OTHER, ADDED))
    assert_refused(station, answer, "Failed", "ValuePositiveOnly")


TWICE = [
    (entry(OTHER, ADDED), entry(OTHER, ADDED)),
    (entry("04ffee01", ADDED), entry("04FFEE01", {"status": "Blocked"})),
    (entry(OTHER, ADDED), entry(THIRD, ADDED), entry(OTHER)),
]


@pytest.mark.parametrize("update_type", ["Full", "Differential"])
@pytest.mark.parametrize("entries", TWICE)
def test_a_token_that_is_in_a_request_twice_makes_it_fail_as_a_whole(
    station: VirtualStation, update_type: str, entries: tuple[Payload, ...]
) -> None:
    """D01.FR.02, D01.FR.06"""
    fill(station, 4, CARD)
    answer = send(station, update_type, 5, *entries)
    assert_refused(station, answer, "Failed", "InvalidValue")


def test_the_same_text_with_another_type_is_another_token(station: VirtualStation) -> None:
    """D01.FR.06, C01.FR.25"""
    entries = (entry(CARD, ADDED), entry(CARD, {"status": "Blocked"}, "ISO15693"))
    assert send(station, "Full", 1, *entries) == {"status": "Accepted"}
    assert count(station) == 2


def test_a_full_list_needs_the_info_of_every_entry(station: VirtualStation) -> None:
    """D01.FR.15: idTokenInfo is required when updateType is Full."""
    fill(station, 4, CARD)
    answer = send(station, "Full", 5, entry(OTHER, ADDED), entry(THIRD))
    assert_refused(station, answer, "Failed", "MissingParam")


@pytest.mark.parametrize("update_type", ["Full", "Differential"])
def test_a_request_with_too_many_entries_is_refused(
    station: VirtualStation, update_type: str
) -> None:
    """D01.FR.11"""
    fill(station, 4, CARD)
    most = int(station.variable("LocalAuthListCtrlr", "ItemsPerMessage"))
    entries = [entry(f"A{number}", ADDED) for number in range(most + 1)]
    answer = send(station, update_type, 5, *entries)
    assert_refused(station, answer, "Failed", "TooManyElements")
    assert send(station, update_type, 5, *entries[:most]) == {"status": "Accepted"}


def test_a_request_with_too_many_bytes_is_refused(station: VirtualStation) -> None:
    """D01.FR.11"""
    fill(station, 4, CARD)
    text = {"format": "UTF8", "content": "x" * 512, "language": "de"}
    long = {"status": "Accepted", "personalMessage": text}
    entries = [entry(f"A{number}", long) for number in range(230)]
    most = int(station.variable("LocalAuthListCtrlr", "BytesPerMessage"))
    assert most < 262_144, "what the frames of OCPP-J are limited to here"
    answer = send(station, "Full", 5, *entries)
    assert_refused(station, answer, "Failed", "TooLargeElement")
    assert send(station, "Full", 5, *entries[:180]) == {"status": "Accepted"}


def test_a_list_has_room_for_so_many_entries(
    make_station: MakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D01.FR.02, D01.FR.12"""
    monkeypatch.setattr("station.blocks.local_list.MAX_ENTRIES", 3)
    station = make_station()
    fill(station, 4, CARD)
    more = [entry(f"A{number}", ADDED) for number in range(3)]
    assert_refused(station, send(station, "Differential", 5, *more), "Failed", "TooManyElements")
    replaced = send(station, "Differential", 5, *more, entry(CARD))
    assert replaced == {"status": "Accepted"}
    assert count(station) == 3


def test_a_list_has_room_for_so_many_bytes(
    make_station: MakeStation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.blocks.local_list.MAX_STORAGE_B", 80)
    station = make_station()
    fill(station, 4, CARD)
    one = '{"ISO14443:04a1b2c3":{"status":"Accepted"}}'
    assert station.variable("LocalAuthListCtrlr", "Storage") == str(len(one))
    more = [entry(f"A{number}", ADDED) for number in range(3)]
    assert_refused(station, send(station, "Full", 5, *more), "Failed", "OutOfStorage")


# -- switching it off


def test_a_list_that_is_disabled_is_not_used_not_changed_and_has_no_version(
    station: VirtualStation,
) -> None:
    """D01.FR.13, D02.FR.03"""
    fill(station, 4, CARD)
    station.variable("LocalAuthListCtrlr", "Enabled", "false")
    assert ask(station, CARD) is None
    assert version_of(station) == 0
    answer = send(station, "Full", 5, entry(OTHER, ADDED))
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Failed", "NotEnabled")
    station.variable("LocalAuthListCtrlr", "Enabled", "true")
    assert listed(station, CARD, OTHER) == [CARD]
    assert version_of(station) == 4


def test_what_the_list_can_hold_is_reported(station: VirtualStation) -> None:
    """D01.FR.12"""
    station.csms.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    station.settle()
    lines = {
        line["variable"]["name"]: line
        for part in station.csms.of("NotifyReport")
        for line in part["reportData"]
        if line["component"]["name"] == "LocalAuthListCtrlr"
    }
    assert lines["Entries"]["variableCharacteristics"]["maxLimit"] == 100_000
    assert lines["Storage"]["variableCharacteristics"]["maxLimit"] >= 100_000 * 200
    assert lines["Available"]["variableAttribute"][0]["value"] == "true"
    read_only = {
        name
        for name, line in lines.items()
        if line["variableAttribute"][0]["mutability"] == "ReadOnly"
    }
    assert set(lines) - read_only == {"Enabled", "DisablePostAuthorize"}


# -- what is kept


FULL_INFO = {
    "status": "Accepted",
    "cacheExpiryDateTime": "2031-05-06T07:08:09Z",
    "chargingPriority": -3,
    "language1": "de-CH",
    "evseId": [1, 2],
    "groupIdToken": {
        "idToken": "Fleet-7",
        "type": "Central",
        "additionalInfo": [{"additionalIdToken": "x", "type": "y"}],
    },
    "language2": "fr",
    "personalMessage": {"format": "UTF8", "content": "Grüezi", "language": "de"},
    "customData": {"vendorId": "com.example", "tier": [1, {"gold": True}]},
}


def test_everything_that_was_said_of_a_token_is_kept_over_a_restart(
    station: VirtualStation,
) -> None:
    """D01.FR.10"""
    send(station, "Full", 1, entry(CARD, FULL_INFO))
    for _ in range(2):
        known = ask(station, CARD)
        assert known is not None
        assert to_payload(known.info) == FULL_INFO
        station.restart(power_cut=True)
    assert version_of(station) == 1


def test_nothing_but_the_csms_changes_the_list(station: VirtualStation) -> None:
    """D01.FR.09: news of a token, its expiry and a cleared cache leave its entry alone."""
    send(station, "Full", 1, entry(CARD, {**ADDED, "cacheExpiryDateTime": station.in_seconds(60)}))
    before = ask(station, CARD)
    assert before is not None
    blocked = IdTokenInfo(status=AuthorizationStatus.BLOCKED)
    news = IdTokenInfoReceived(id_token=CARD, type=IdTokenType.ISO14443, info=blocked)
    station.reactor.post(station.station.events.publish, news)
    station.csms.call("ClearCache", {})
    station.advance(7200)
    after = ask(station, CARD)
    assert after is not None
    assert after.info == before.info
    assert count(station) == 1


def test_what_a_full_update_has_replaced_is_removed_from_the_disk(
    station: VirtualStation,
) -> None:
    """D01.FR.04, D01.FR.15"""
    fill(station, 1, *(f"A{number}" for number in range(250)))
    fill(station, 2, *(f"B{number}" for number in range(250)))
    fill(station, 3, CARD)
    station.settle()
    assert len(rows(station)) == 1
    station.advance(60)
    assert send(station, "Full", 4) == {"status": "Accepted"}
    station.settle()
    assert rows(station) == {}


def rows(station: VirtualStation) -> Payload:
    """What the disk holds of the list."""
    tables: Payload = station.disk.tables  # type: ignore[attr-defined]
    found: Payload = tables.get(SHARDS, {})
    return found


def test_a_restart_in_the_midst_of_removing_goes_on_with_it(station: VirtualStation) -> None:
    fill(station, 1, *(f"A{number}" for number in range(250)))
    fill(station, 2, *(f"B{number}" for number in range(250)))
    while len(rows(station)) > 400:
        station.advance(0.01)
    station.kill()
    assert len(rows(station)) > 250
    station.power_up()
    station.advance(10)
    assert len(rows(station)) <= 250
    assert listed(station, "A1", "B1") == ["B1"]
    assert count(station) == 250


# -- what the station makes of it


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "NoCredit", "Unknown"])
@pytest.mark.parametrize("post", ["false", "true"])
def test_a_listed_token_that_is_not_accepted_is_asked_about_unless_that_is_switched_off(
    make_station: MakeStation, status: str, post: str
) -> None:
    """C14.FR.03"""
    station = make_station(variables={"LocalAuthListCtrlr.DisablePostAuthorize": post})
    send(station, "Full", 1, entry(CARD, {"status": status}))
    known = ask(station, CARD)
    assert known is not None
    assert (known.valid, known.recheck, known.listed) == (False, post == "false", True)


def test_a_listed_token_that_is_accepted_is_valid(station: VirtualStation) -> None:
    """C14.FR.02, C14.FR.04: without cacheExpiryDateTime it never expires."""
    fill(station, 1, CARD)
    station.advance(2 * 86400.0)
    known = ask(station, CARD)
    assert known is not None
    assert (known.valid, known.recheck, known.listed) == (True, False, True)


def expiring(station: VirtualStation, in_s: float) -> None:
    send(
        station, "Full", 1, entry(CARD, {**ADDED, "cacheExpiryDateTime": station.in_seconds(in_s)})
    )


@pytest.mark.parametrize("post", ["false", "true"])
def test_a_listed_token_is_no_longer_valid_when_it_has_expired(
    make_station: MakeStation, post: str
) -> None:
    """C13.FR.05, C13.FR.06, C14.FR.04, C14.FR.05"""
    station = make_station(variables={"LocalAuthListCtrlr.DisablePostAuthorize": post})
    expiring(station, 60)
    known = ask(station, CARD)
    assert known is not None
    assert known.valid
    station.advance(61)
    known = ask(station, CARD)
    assert known is not None
    assert (known.valid, known.recheck, known.listed) == (False, True, True)


def test_a_station_that_says_so_ignores_the_expiry_of_listed_tokens(
    make_station: MakeStation,
) -> None:
    """C13.FR.02, C13.FR.04, C14.FR.02"""
    station = make_station(variables={"LocalAuthListCtrlr.SupportsExpiryDateTime": "false"})
    expiring(station, -60)
    known = ask(station, CARD)
    assert known is not None
    assert known.valid


def test_without_a_trusted_clock_a_listed_token_does_not_expire(station: VirtualStation) -> None:
    expiring(station, 60)
    station.advance(61)
    station.csms.go_offline()
    station.clock_error_s = FIFTY_YEARS_S
    station.restart(power_cut=True)
    known = ask(station, CARD)
    assert known is not None
    assert known.valid
    station.csms.go_online()
    station.advance(120)
    known = ask(station, CARD)
    assert known is not None
    assert not known.valid


def test_the_list_is_asked_before_the_cache(station: VirtualStation) -> None:
    """C13.FR.01, C14.FR.01"""
    blocked = IdTokenInfo(status=AuthorizationStatus.BLOCKED)
    news = IdTokenInfoReceived(id_token=CARD, type=IdTokenType.ISO14443, info=blocked)
    station.reactor.post(station.station.events.publish, news)
    station.settle()
    known = ask(station, CARD)
    assert known is not None
    assert not known.listed
    fill(station, 1, CARD)
    known = ask(station, CARD)
    assert known is not None
    assert known.listed
    assert known.valid

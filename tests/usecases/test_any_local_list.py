"""D01, D02: any order of updates, restarts and kills, against a list that is a dictionary."""

from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.bench.virtual import VirtualStation
from station.charging.rows import token_key
from station.ocpp.codec import to_payload
from station.ocpp.messages.local_auth_list import GetLocalListVersionRequest
from tests.usecases.test_durability import KillSwitch, MortalStation
from tests.usecases.test_local_list import (
    ADDED,
    Payload,
    ask,
    count,
    entry,
    fill,
    listed,
    rows,
    send,
    version_of,
)

OLD = [f"A{number}" for number in range(12)]
NEW = [f"B{number}" for number in range(12)]


def replaced(kill_at: int) -> MortalStation:
    """A list is replaced and then changed, and the process dies at some moment of that."""
    switch = KillSwitch(0)
    station = MortalStation(switch, evses=1)
    station.advance(2)
    fill(station, 1, *OLD)
    station.settle()
    switch.count, switch.at = 0, kill_at
    steps = [("Full", 2, NEW), ("Differential", 3, ["B12"]), ("Differential", 4, ["B13", "B14"])]
    for update_type, version, names in steps:
        request = {
            "updateType": update_type,
            "versionNumber": version,
            "localAuthorizationList": [entry(name, ADDED) for name in names],
        }
        if station.csms.connected and present(station) == version - 1:
            station.csms.send_call("SendLocalList", request)
        station.live(1.0)
    return station


def present(station: VirtualStation) -> int:
    """The version of the list, without a word to the station that could die of it."""
    request = GetLocalListVersionRequest()
    return station.station.local_list.get_local_list_version(request).version_number


EXPECTED = {1: OLD, 2: NEW, 3: [*NEW, "B12"], 4: [*NEW, "B12", "B13", "B14"]}


def test_a_kill_at_any_moment_of_an_update_leaves_the_old_list_or_the_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D01.FR.10"""
    monkeypatch.setattr("station.blocks.local_list.SHARDS", 5)
    monkeypatch.setattr("station.blocks.local_list.SWEEP_ROWS", 2)
    everybody = [*OLD, *EXPECTED[4]]
    moments = replaced(0).switch.count
    assert moments > 10
    ends = set()
    for kill_at in range(1, moments + 1):
        station = replaced(kill_at)
        station.advance(10)
        assert station.kills == 1, kill_at
        version = version_of(station)
        assert listed(station, *everybody) == EXPECTED[version], kill_at
        assert count(station) == len(EXPECTED[version]), kill_at
        assert len(rows(station)) <= 5, "older generations are swept away"
        ends.add(version)
    assert ends == {1, 2, 3, 4}


NAMES = ("a1", "A1", "b2", "B2", "c3", "d4", "e5")
TYPES = ("ISO14443", "KeyCode")
INFOS = (None, {"status": "Accepted"}, {"status": "Blocked"})
ENTRY = st.builds(entry, st.sampled_from(NAMES), st.sampled_from(INFOS), st.sampled_from(TYPES))
UPDATE = st.tuples(
    st.sampled_from(["Full", "Differential", "Differential", "Differential"]),
    st.integers(-1, 3),
    st.lists(ENTRY, max_size=5),
)
STEP = st.one_of(UPDATE, st.sampled_from(["restart", "kill", "wait", "off", "on"]))


class Model:
    """The list as a dictionary, by the words of D01."""

    def __init__(self) -> None:
        self.version, self.enabled = 0, True
        self.infos: dict[str, Payload] = {}

    def send(self, update_type: str, version: int, entries: list[Payload]) -> str:
        keys = [token_key(e["idToken"]["idToken"], e["idToken"]["type"]) for e in entries]
        full = update_type == "Full"
        if not self.enabled:
            return "Failed"
        if not full and version <= self.version:
            return "VersionMismatch"
        if version <= 0 or len(set(keys)) < len(keys):
            return "Failed"
        if full and any("idTokenInfo" not in each for each in entries):
            return "Failed"
        self.version = version
        if full:
            self.infos.clear()
        for key, each in zip(keys, entries, strict=True):
            self.infos.pop(key, None)
            if "idTokenInfo" in each:
                self.infos[key] = each["idTokenInfo"]
        return "Accepted"


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Few rows and a slow sweep, so that everything meets everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("station.blocks.local_list.SHARDS", 3)
        patch.setattr("station.blocks.local_list.SWEEP_ROWS", 1)
        yield


@pytest.mark.usefixtures("small")
@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=14))
def test_the_list_is_what_the_updates_have_made_of_it(
    steps: list[tuple[str, int, list[Payload]] | str],
) -> None:
    """D01.FR.01, D01.FR.04, D01.FR.05, D01.FR.06, D01.FR.10, D01.FR.15, D01.FR.16, D01.FR.17,
    D01.FR.19, D02.FR.01, D02.FR.02, D02.FR.03
    """
    station, model = VirtualStation(evses=1).boot(), Model()
    for step in steps:
        take(station, model, step)
        assert version_of(station) == (model.version if model.enabled else 0)
        for name in NAMES:
            for type in TYPES:
                known = ask(station, name, type)
                wanted = model.infos.get(token_key(name, type)) if model.enabled else None
                assert (None if known is None else to_payload(known.info)) == wanted
        assert count(station) == len(model.infos)
        assert int(station.variable("LocalAuthListCtrlr", "Storage")) == kept_bytes(station)


def kept_bytes(station: VirtualStation) -> int:
    """Of the entries that count, as the disk holds them."""
    heads = station.disk.tables.get("t_local_list", {})  # type: ignore[attr-defined]
    current = [orjson.loads(blob).get("generation", 0) for _, blob in heads.values()]
    kept = [orjson.loads(blob) for _, blob in rows(station).values()]
    return sum(len(orjson.dumps(row["infos"])) for row in kept if [row["generation"]] == current)


def take(station: VirtualStation, model: Model, step: tuple[str, int, list[Payload]] | str) -> None:
    if not isinstance(step, str):
        update_type, ahead, entries = step
        version = model.version + ahead
        answer = send(station, update_type, version, *entries)
        assert answer["status"] == model.send(update_type, version, entries)
    elif step == "restart":
        station.csms.call("Reset", {"type": "Immediate"})
        station.advance(10)
    elif step == "kill":
        station.restart()
    elif step == "wait":
        station.advance(0.15)
    else:
        model.enabled = step == "on"
        station.variable("LocalAuthListCtrlr", "Enabled", str(model.enabled).lower())

"""C10, C11: any order of news, uses, waits and restarts, against a cache that is a dictionary."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.bench.virtual import VirtualStation
from tests.usecases.test_authorization_cache import (
    CACHE,
    Payload,
    expiring,
    known,
    rows,
    show,
    status,
    tell,
)

NAMES = tuple("abcdef")
LIFE_S = 300
ROOM = 3
STEP = st.one_of(
    st.tuples(
        st.just("tell"),
        st.sampled_from(NAMES),
        st.sampled_from(["Accepted", "Blocked"]),
        st.sampled_from([None, None, None, 50, 500, -5]),
    ),
    st.tuples(st.just("show"), st.sampled_from(NAMES), st.just(""), st.none()),
    st.sampled_from([("wait", "", "", 40), ("wait", "", "", 4000), ("restart", "", "", None)]),
    st.sampled_from([("clear", "", "", None), ("off", "", "", None), ("on", "", "", None)]),
)


@dataclass
class Entry:
    """What the model keeps of a token; *kept* is what a restart leaves of its use."""

    status: str
    expires_at: float
    used: int
    uses: int
    kept: tuple[int, int]
    kept_at: float


class Model:
    """The cache as a dictionary in the order in which tokens were first told of."""

    def __init__(self, policy: str) -> None:
        self.policy, self.enabled, self.clock = policy, True, 0
        self.entries: dict[str, Entry] = {}

    def tell(self, name: str, status: str, in_s: float | None, now: float) -> None:
        if name in self.entries and now > self.entries[name].expires_at:
            del self.entries[name]
        old = self.entries.get(name)
        if old is None and not self.enabled:
            return
        if in_s is not None and in_s < 0:
            self.entries.pop(name, None)
            return
        self.clock += 1
        use = self.clock, 1 + (old.uses if old else 0)
        if old is None and len(self.entries) == ROOM:
            del self.entries[min(self.entries, key=lambda each: self.worth(each, now))]
        expires_at = now + (LIFE_S if in_s is None else in_s)
        self.entries[name] = Entry(status, expires_at, *use, use, now)

    def worth(self, name: str, now: float) -> tuple[int, ...]:
        entry = self.entries[name]
        if now > entry.expires_at:
            return (0,)
        return {
            "LRU": (1, entry.used),
            "LFU": (1, entry.uses, entry.used),
            "FIFO": (1,),
            "CUSTOM": (1, int(entry.status == "Accepted"), entry.used),
        }[self.policy]

    def show(self, name: str, now: float) -> None:
        entry = self.entries.get(name)
        if entry is None or not self.enabled:
            return
        self.clock += 1
        entry.used, entry.uses = self.clock, entry.uses + 1
        if now - entry.kept_at >= 3600:
            entry.kept, entry.kept_at = (entry.used, entry.uses), now

    def restart(self, now: float) -> None:
        for entry in self.entries.values():
            (entry.used, entry.uses), entry.kept_at = entry.kept, now
        self.clock = max((entry.used for entry in self.entries.values()), default=0)

    def drop(self, now: float) -> None:
        """Whatever has expired was asked for."""
        for name in [each for each in self.entries if now > self.entries[each].expires_at]:
            del self.entries[name]


@pytest.fixture(scope="module")
def three() -> Iterator[None]:
    """Room for three tokens: each takes 165 to 215 bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("station.blocks.authorization_cache.MAX_STORAGE_B", ROOM * 215)
        yield


@pytest.mark.usefixtures("three")
@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["LRU", "LFU", "FIFO", "CUSTOM"]), st.lists(STEP, max_size=25))
def test_the_cache_is_what_was_told_and_used(
    policy: str, steps: list[tuple[str, str, str, float | None]]
) -> None:
    """C10.FR.01, C10.FR.02, C10.FR.07, C10.FR.10, C10.FR.11, C10.FR.13, C11.FR.03, C11.FR.04"""
    variables = {f"{CACHE}.Policy": policy, f"{CACHE}.LifeTime": str(LIFE_S)}
    station, model = VirtualStation(evses=1, variables=variables).boot(), Model(policy)
    for step in steps:
        take(station, model, *step)
        if not model.enabled:
            assert known(station, *NAMES) == []
            continue
        model.drop(station.reactor.at)
        for name in NAMES:
            entry = model.entries.get(name)
            assert status(station, name) == (entry.status if entry else "")
        assert all(165 <= len(blob) <= 215 for _, blob in rows(station).values())


def take(
    station: VirtualStation, model: Model, what: str, name: str, info: str, in_s: float | None
) -> None:
    at = station.reactor.at
    if what == "tell":
        model.tell(name, info, in_s, at)
        padding: Payload = {"language1": "de-CH", "evseId": [11, 12, 13, 14]}
        more = padding if in_s is None else expiring(station, in_s)
        tell(station, name, {**more, "status": info})
    elif what == "show":
        model.show(name, at)
        show(station, name)
    elif what == "wait":
        station.advance(in_s or 0.0)
    elif what == "restart":
        station.restart(after_s=1.0)
        model.restart(at + 1.0)
    elif what == "clear":
        answer = station.csms.call("ClearCache", {})["status"]
        assert answer == ("Accepted" if model.enabled else "Rejected")
        if model.enabled:
            model.entries.clear()
    else:
        model.enabled = what == "on"
        station.variable(CACHE, "Enabled", str(model.enabled).lower())

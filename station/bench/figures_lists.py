"""What it costs to know tokens: a local authorisation list of 100,000, and a full cache."""

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from station.bench.figures_measure import Effort, Figure
from station.bench.figures_peer import Conversation, Payload, TinyCsms
from station.bench.figures_process import StationProcess
from station.bench.virtual import VirtualStation
from station.charging.rows import TokenRow
from station.events import IdTokenInfoReceived
from station.ocpp.messages.common import AuthorizationStatus, IdToken, IdTokenInfo, IdTokenType
from station.reactor import Reactor

PER_MESSAGE = 250
"""Entries of one SendLocalList: what the station allows."""
SETTLE_S = 3.0
GROUP = "FLEET-7"
LOOKS = 20_000
SOURCES = frozenset({"link", "local-list"})
"""Of the turns that a list causes."""


def local_list(effort: Effort, directory: Path) -> list[Figure]:
    """A list is sent, the station starts with it, and the whole list is replaced."""
    tokens, settle_s = min(100_000, effort.events * 20), min(SETTLE_S, effort.settle_s)
    csms = TinyCsms()
    options = "--web", "127.0.0.1:0"
    with StationProcess(csms, directory / "list", *options) as station:
        station.peer.serve(settle_s)
        empty_boot_s, empty_mb = station.boot_s, station.rss_mb()
        fill_s = _fill(station.peer, tokens, 1)
        worst_ms = station.metrics()["turn"]["worst_ms"]
    with StationProcess(csms, directory / "list", *options) as station:
        station.peer.serve(settle_s)
        boot_s, full_mb = station.boot_s, station.rss_mb()
        replace_s = _fill(station.peer, tokens, 10**6)
        station.peer.serve(settle_s)
        worst_ms = max(worst_ms, station.metrics()["turn"]["worst_ms"])
        replaced_mb = station.rss_mb()
    csms.close()
    return [
        Figure(
            f"start with a list of {tokens:,}",
            boot_s,
            "s",
            note=f"to the BootNotification; {empty_boot_s:.3f} s without one",
        ),
        Figure(
            "memory for each listed token",
            max(0.0, full_mb - empty_mb) * 1e6 / tokens,  # noise, for a short list
            "B",
            300.0,
            note=f"RSS {full_mb:.0f} MB after the start, {replaced_mb:.0f} MB after a "
            f"replacement, {empty_mb:.0f} MB without a list",
        ),
        Figure(
            f"{tokens:,} tokens replaced",
            replace_s,
            "s",
            note=f"a full update and {tokens // PER_MESSAGE - 1} differential ones, each durable "
            f"before its answer; the first time {fill_s:.1f} s; longest turn {worst_ms:.0f} ms "
            "by the clock on the wall",
        ),
    ]


def look_ups(effort: Effort, directory: Path) -> list[Figure]:  # noqa: ARG001 - no disk
    """What the core pays to take a list up, and to ask what the station knows of a token."""
    tokens = min(100_000, effort.events * 20)
    virtual = VirtualStation().boot()
    gc.freeze()  # as a station does once it has started
    station, turns = virtual.station, Turns(virtual.reactor)
    uids: list[str] = []
    for version in (1, 10**6):
        chance = random.Random(version)
        uids = _uids(chance, tokens)
        for number, request in enumerate(_requests(chance, uids)):
            virtual.csms.call("SendLocalList", {**request, "versionNumber": version + number})
            virtual.csms.frames.clear()
    virtual.reactor.on_turn = None
    gc.unfreeze()
    listed = [TokenRow(id_token=uid, type=IdTokenType.ISO14443) for uid in uids[:LOOKS]]
    in_list_us = _median_us(station.queries.known_token.ask, listed)
    cached, insert_ms = _fill_cache(station.events.publish, station.store.turn.take_unit)
    in_cache_us = _median_us(station.authorization_cache.known_token, cached)
    return [
        Figure(
            "longest turn for a list",
            max(turns.times_ms),
            "ms",
            20.0,
            note=f"CPU time of the core, frames of {PER_MESSAGE} tokens; mean "
            f"{statistics.mean(turns.times_ms):.1f} ms, {len(turns.times_ms)} turns; "
            f"{tokens:,} tokens, and then as many others in their place",
        ),
        Figure(f"look-up in a list of {tokens:,}", in_list_us, "µs", 50.0),
        Figure(
            "look-up in a full cache",
            in_cache_us,
            "µs",
            50.0,
            note=f"one more token takes the place of another in {insert_ms:.1f} ms",
        ),
    ]


class Turns:
    """CPU time of the turns in which frames are handled and old rows are swept away, or others.

    Whatever the reactor does between two turns counts with the later one.
    """

    def __init__(self, reactor: Reactor, sources: frozenset[str] = SOURCES) -> None:
        self._sources = sources
        self.times_ms: list[float] = []
        self._ended_at = time.thread_time()
        reactor.on_turn = self._on_turn

    def _on_turn(self, source: str, late_s: float, took_s: float) -> None:
        now = time.thread_time()
        if source in self._sources:
            self.times_ms.append((now - self._ended_at) * 1000)
        self._ended_at = now


def _fill_cache(
    publish: Callable[[object], object], end_unit: Callable[[], object]
) -> tuple[list[TokenRow], float]:
    """More tokens than there is room for; the last ones, and how long one took at the end."""
    info = IdTokenInfo(
        status=AuthorizationStatus.ACCEPTED,
        group_id_token=IdToken(id_token=GROUP, type=IdTokenType.CENTRAL),
        language1="de",
    )
    rows, times_ms = [], []
    for number in range(4000):
        uid = f"{number:014X}"
        began = time.perf_counter()
        publish(IdTokenInfoReceived(uid, IdTokenType.ISO14443, info))
        times_ms.append((time.perf_counter() - began) * 1000)
        end_unit()
        rows.append(TokenRow(id_token=uid, type=IdTokenType.ISO14443))
    return rows[-2000:], statistics.median(times_ms[-200:])


def _median_us(ask: Callable[[TokenRow], object], tokens: list[TokenRow]) -> float:
    times_us = []
    for token in tokens:
        began = time.perf_counter()
        known = ask(token)
        times_us.append((time.perf_counter() - began) * 1e6)
        if known is None:
            raise LookupError("a token that was told of is not known")
    return statistics.median(times_us)


def _fill(peer: Conversation, tokens: int, version: int) -> float:
    """Send a list of so many tokens; how long that took."""
    chance = random.Random(version)
    spent_s = 0.0
    for number, request in enumerate(_requests(chance, _uids(chance, tokens))):
        began = time.perf_counter()
        answer = peer.call("SendLocalList", {**request, "versionNumber": version + number})
        spent_s += time.perf_counter() - began
        if answer["status"] != "Accepted":
            raise ValueError(f"SendLocalList was answered with {answer}")
    return spent_s


def _uids(chance: random.Random, tokens: int) -> list[str]:
    return [f"{chance.getrandbits(56):014X}" for _ in range(tokens)]


def _requests(chance: random.Random, uids: list[str]) -> Iterator[Payload]:
    """A full update and differential ones; infos as operators of fleets send them."""
    for begin in range(0, len(uids), PER_MESSAGE):
        yield {
            "updateType": "Differential" if begin else "Full",
            "localAuthorizationList": [
                _entry(chance, uid) for uid in uids[begin : begin + PER_MESSAGE]
            ],
        }


def _entry(chance: random.Random, uid: str) -> Payload:
    group = {"idToken": f"FLEET-{chance.randrange(500)}", "type": "Central"}
    return {
        "idToken": {"idToken": uid, "type": "ISO14443"},
        "idTokenInfo": {
            "status": "Accepted",
            "groupIdToken": group,
            "cacheExpiryDateTime": f"2031-{chance.randrange(1, 13):02}-01T00:00:00Z",
        },
    }

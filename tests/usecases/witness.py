"""Watches a virtual station from outside: what the hardware did, when, and what people did to it.

Nothing here asks the station what it thinks. The one look inside is at the outbox: a message
that appears there was made at that moment, whatever its timestamp says.
"""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from hal.api import FaultName
from hal.sim.place import CABLE_A, DRAWS_A, EvseWorld
from station.bench.virtual import VirtualStation
from station.records import OutboxRow, SendClass

FALSIFIES = frozenset({FaultName.CONTACTOR_WELDED, FaultName.METER_SILENT})
"""With these, energy flows that no transaction can know of."""


ARRIVES_S = 0.05
"""A frame has arrived so long after it was sent, or never will."""


class View(NamedTuple):
    """What there is to see at an EVSE."""

    connected: bool = False
    closed: bool = False
    drawing: bool = False
    offer_a: float = 0.0
    cable_a: float = float("inf")
    faults: tuple[FaultName, ...] = ()


class Seen(NamedTuple):
    """A view, from this moment on."""

    at: float
    view: View


@dataclass(frozen=True)
class Act:
    """Something that somebody did to the station."""

    at: float
    kind: str
    """token, start, stop, or a disturbance."""
    evse: int | None = None
    token: str = ""
    """Or which glitch."""


class Born(NamedTuple):
    """An event of a transaction was made."""

    at: float
    timestamp: str
    offline: bool


@dataclass
class Witness:
    """Looks at every moment at which something was due."""

    station: VirtualStation
    views: dict[int, list[Seen]] = field(default_factory=dict)
    registers: dict[int, list[tuple[float, int]]] = field(default_factory=dict)
    """In whole Wh, whenever a register has changed."""
    links: list[tuple[float, bool]] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    """From when to when nobody could act: the process was dead, or its core hung."""
    born: dict[tuple[str, int], list[Born]] = field(default_factory=lambda: defaultdict(list))
    acts: list[Act] = field(default_factory=list)
    deaths: list[float] = field(default_factory=list)
    """When the process died, one way or another."""
    stalls: list[tuple[float, float]] = field(default_factory=list)
    """From when to when the disk took nothing: what is offered waits for it."""

    def __post_init__(self) -> None:
        self._process: Any = None
        self._rows: set[tuple[int, str]] = set()
        self._last_id = -1
        self._flows: dict[int, Any] = {}
        self._at = self.station.reactor.at
        for evse in self.station.world.evses:
            self.views[evse] = [Seen(self._at, View())]
            self.registers[evse] = [(self._at, self._register_wh(evse))]
        self.station.reactor.on_moment = self.look
        self.look()

    # -- looking

    def look(self) -> None:
        """Take note of whatever has changed."""
        now, station = self.station.reactor.at, self.station
        if station.station is not self._process:
            if self._process is not None:
                self.gaps.append((self._at, now))
                self.deaths.append(self._at)
            self._process, self._last_id = station.station, -1
        self._at = now
        up = station.csms.connected
        if not self.links or self.links[-1][1] is not up:
            self.links.append((now, up))
        for evse, world in station.world.evses.items():
            if world.flow is not self._flows.get(evse):  # nothing changes without a new flow
                self._flows[evse] = world.flow
                self._look_at(evse, world, now)
            elif world.flow.current_a > 0.0:
                self._look_at_meter(evse, now)
        if station.station.outbox.last_id != self._last_id:
            self._look_for_news(now)

    def _look_at(self, evse: int, world: EvseWorld, now: float) -> None:
        place = world.place
        view = View(
            world.connected,
            place.closed,
            world.flow.current_a >= DRAWS_A,
            place.offer_a,
            float("inf") if world.is_fixed else CABLE_A,
            tuple(place.injected),
        )
        if view != self.views[evse][-1].view:
            self.views[evse].append(Seen(now, view))
        self._look_at_meter(evse, now)

    def _look_at_meter(self, evse: int, now: float) -> None:
        register_wh = self._register_wh(evse)
        if register_wh != self.registers[evse][-1][1]:
            self.registers[evse].append((now, register_wh))

    def did(self, kind: str, evse: int | None = None, token: str = "") -> None:
        self.acts.append(Act(self.station.reactor.at, kind, evse, token))

    def froze(self, duration_s: float) -> None:
        """The core hangs from now on for so long."""
        now = self.station.reactor.at
        self.gaps.append((now, now + duration_s))

    def _look_for_news(self, now: float) -> None:
        outbox = self.station.station.outbox
        for row_id in outbox.ids(SendClass.TRANSACTION):
            if row_id > self._last_id and (row := outbox.get(row_id)) is not None:
                self._note(now, row)
        self._last_id = outbox.last_id

    def _note(self, now: float, row: OutboxRow) -> None:
        if row.action != "TransactionEvent":
            return
        timestamp = str(msgspec.json.decode(row.payload)["timestamp"])
        key = (row.id, timestamp)  # an id may come back after a crash, a timestamp with it not
        if key not in self._rows:
            self._rows.add(key)
            self.born[row.transaction_id, row.seq_no].append(Born(now, timestamp, row.offline))

    def _register_wh(self, evse: int) -> int:
        world = self.station.world.evses[evse]
        return int(world.place.register_wh + world.flow.energy_until(self.station.reactor.at))

    # -- what was, afterwards

    def at_of(self, moment: datetime | str) -> float:
        """A timestamp on the clock of the reactor, if it was true."""
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        return self.station.reactor.at + (moment - self.station.utc).total_seconds()

    def view(self, evse: int, at: float) -> View:
        """What there was to see just after *at*."""
        seen = self.views[evse]
        return seen[max(0, bisect_right(seen, at, key=lambda each: each.at) - 1)].view

    def register(self, evse: int, at: float) -> int:
        readings = self.registers[evse]
        return readings[max(0, bisect_right(readings, at, key=lambda each: each[0]) - 1)][1]

    def closed(self, evse: int) -> list[tuple[float, float]]:
        """From when to when the contactor was closed."""
        return self._spans(evse, lambda view: view.closed)

    def connected(self, evse: int) -> list[tuple[float, float]]:
        return self._spans(evse, lambda view: view.connected)

    def drawing(self, evse: int) -> list[tuple[float, float]]:
        return self._spans(evse, lambda view: view.drawing)

    def slow(self, begin: float, end: float) -> bool:
        """Whether the disk was slow at any time between."""
        return any(start <= end and begin <= until for start, until in self.stalls)

    def up_since(self, at: float) -> float | None:
        """Since when the link is up at *at*; None while it is down."""
        index = bisect_right(self.links, (at, True)) - 1
        return self.links[index][0] if index >= 0 and self.links[index][1] else None

    def acted(self, begin: float, end: float) -> bool:
        """Whether anybody could act all the time from *begin* to *end*."""
        return not any(start < end and begin < until for start, until in self.gaps)

    def undisturbed(self, asked_at: float, answered_at: float) -> bool:
        """Whether the answer that the CSMS sent has certainly reached the core."""
        until = answered_at + ARRIVES_S
        troubles = any(act.kind == "trouble" and asked_at <= act.at <= until for act in self.acts)
        return (
            not troubles
            and self.acted(asked_at, until)
            and self.up_since(asked_at) is not None
            and self.up_since(asked_at) == self.up_since(until)
        )

    def falsified(self, evse: int, begin: float, end: float) -> bool:
        """Whether the contactor or the meter was broken at any time between."""
        begin -= 5.0  # a meter that works again has to be read first
        before = [self.view(evse, begin)]
        between = [seen.view for seen in self.views[evse] if begin <= seen.at <= end]
        return any(FALSIFIES & {*view.faults} for view in before + between)

    def lied(self, evse: int, until: float, how: str = "") -> bool:
        """Whether the meter has ever shown something else than what had flowed."""
        lies = [act for act in self.acts if act.kind == "glitch" and act.evse == evse]
        return any(act.at <= until and how in ("", act.token) for act in lies)

    def _spans(self, evse: int, holds: Any) -> list[tuple[float, float]]:
        spans: list[tuple[float, float]] = []
        since: float | None = None
        for at, view in self.views[evse]:
            if holds(view) and since is None:
                since = at
            elif not holds(view) and since is not None:
                spans.append((since, at))
                since = None
        if since is not None:
            spans.append((since, self.station.reactor.at))
        return spans

"""The connection to the CSMS: which address, when to try again, is it still alive.

OCPP-J Part 4, section 5 (URL, pings, back-off) and use case B10. Durations run on the
monotonic clock; the lane only dials, reads and writes.
"""

import hashlib
import logging
from typing import Protocol
from urllib.parse import quote

from msgspec import Struct

from station.context import Context
from station.device_model import (
    Integer,
    Mutability,
    SequenceList,
    Variable,
)
from station.link import FrameIn, Link, LinkDown, LinkFact, LinkProblem, LinkTarget, LinkUp
from station.reactor import Timer
from station.records import Record, Table

log = logging.getLogger(__name__)


def _seconds(name: str, default: int, *, least: int = 0) -> Variable[int]:
    kind = Integer(unit="s", min=least, max=86400)
    return Variable("OCPPCommCtrlr", name, kind, default=default)


WAIT_MINIMUM = _seconds("RetryBackOffWaitMinimum", 10, least=1)
RANDOM_RANGE = _seconds("RetryBackOffRandomRange", 20)
REPEAT_TIMES = Variable(
    "OCPPCommCtrlr", "RetryBackOffRepeatTimes", Integer(min=0, max=20), default=5
)
PING_INTERVAL = _seconds("WebSocketPingInterval", 60)
CONNECTION_ATTEMPTS = Variable(
    "OCPPCommCtrlr", "NetworkProfileConnectionAttempts", Integer(min=1, max=100), default=3
)
SLOTS = ("1", "2", "3")
PRIORITY: Variable[tuple[str, ...]] = Variable(
    "OCPPCommCtrlr",
    "NetworkConfigurationPriority",
    SequenceList(SLOTS),
    default=("1",),
    reboot_required=True,
)
ACTIVE_PROFILE = Variable(
    "OCPPCommCtrlr",
    "ActiveNetworkProfile",
    Integer(min=0),
    default=0,
    mutability=Mutability.READ_ONLY,
    measured=True,
)
SECURITY_PROFILE = Variable(
    "SecurityCtrlr",
    "SecurityProfile",
    Integer(min=1, max=3),
    default=1,
    mutability=Mutability.READ_ONLY,
    measured=True,
)

PONG_TIMEOUT_S = 10.0
DIAL_DEADLINE_S = 30.0


class NetworkRow(Record, frozen=True, kw_only=True):
    """One network slot."""

    slot: str
    url: str
    password: str = ""
    security_profile: int = 1
    message_timeout_s: int | None = None
    """Of the profile; None leaves the variable as it is."""
    configured_hash: str = ""
    """Of what the installer's configuration said when it was written."""

    def __repr__(self) -> str:
        return f"NetworkRow({self.slot}, {self.url}, profile {self.security_profile})"


NETWORK = Table("network", NetworkRow, lambda row: row.slot)


class LinkListener(Protocol):
    """The session, as the connection feeds it."""

    message_timeout_s: int

    def link_up(self, generation: int) -> None: ...
    def link_down(self) -> None: ...
    def frame(self, fact: FrameIn) -> None: ...


class LinkState(Struct, frozen=True):
    """What the API and the log tell about the connection."""

    state: str
    since: float
    address: str
    last_error: str


class Connection:
    """Keeps the station connected: dials, backs off, pings, never gives up (B10.FR.07)."""

    def __init__(self, context: Context, link: Link, session: LinkListener) -> None:
        self._context, self._link, self._session = context, link, session
        self._rows = context.store.table(NETWORK)
        self._generation = 0
        self._timer: Timer | None = None
        self._pings: list[Timer] = []
        self._up = False
        self._stopped = False
        self._failures = 0
        self._slot_index = 0
        self._slot_failures = 0
        self._wait_s = 0.0
        self._heard_at = float("-inf")
        self.state = LinkState("down", context.reactor.now(), "", "")
        for variable in (
            WAIT_MINIMUM,
            RANDOM_RANGE,
            REPEAT_TIMES,
            PING_INTERVAL,
            CONNECTION_ATTEMPTS,
            ACTIVE_PROFILE,
            SECURITY_PROFILE,
        ):
            context.variables.declare(variable)
        context.variables.declare(PRIORITY)
        context.variables.watch(PING_INTERVAL, lambda *_: self._arm_ping())

    def configure(self, url: str, password: str, security_profile: int) -> None:
        """Fill slot 1 at the first start, or when the installer has changed what he wrote."""
        text = f"{url} {security_profile} {password}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        row = self._rows.get("1")
        if url and (row is None or (row.configured_hash and row.configured_hash != digest)):
            self._rows.put(
                NetworkRow(
                    slot="1",
                    url=url,
                    password=password,
                    security_profile=security_profile,
                    configured_hash=digest,
                )
            )

    def start(self) -> None:
        self._link.start(
            lambda fact: self._context.reactor.post(self._on_fact, fact, source="link")
        )
        self._dial()

    def stop(self) -> None:
        """Close politely after what is queued was sent; no further attempt."""
        self._stopped = True
        self._cancel()
        self._link.close(self._generation)

    def cut(self, problem: LinkProblem) -> None:
        """Drop the connection as if the network had; it is dialled again as ever."""
        self._link.abort(self._generation, problem)

    # -- attempts

    def _dial(self) -> None:
        self._timer = None
        row = self._next_slot()
        if row is None:
            log.error("no network slot is filled: set [network] url, or SetNetworkProfile")
            return
        self._generation += 1
        identity = self._context.identity.identity
        target = LinkTarget(
            url=f"{row.url.rstrip('/')}/{quote(identity, safe='')}",
            user=identity,
            password=row.password,
            deadline_s=DIAL_DEADLINE_S,
        )
        self._tell("connecting", row.url)
        self._link.open(target, self._generation)

    def _next_slot(self) -> NetworkRow | None:
        """B10.FR.03: each slot gets its attempts, then the next one, round and round."""
        slots = [
            row
            for slot in self._context.variables[PRIORITY]
            if (row := self._rows.get(slot)) is not None
        ]
        if not slots:
            return self._rows.get("1")
        if self._slot_failures >= self._context.variables[CONNECTION_ATTEMPTS]:
            self._slot_failures = 0
            self._slot_index += 1
        return slots[self._slot_index % len(slots)]

    def _on_fact(self, fact: LinkFact) -> None:
        if fact.generation != self._generation:
            return
        if isinstance(fact, FrameIn):
            self._heard_at = self._context.reactor.now()
            self._session.frame(fact)
        elif isinstance(fact, LinkUp):
            self._on_up(fact)
        elif isinstance(fact, LinkDown):
            self._on_down(fact)
        else:
            self._arm_ping()

    def _on_up(self, fact: LinkUp) -> None:
        self._up = True
        self._failures = self._slot_failures = 0
        self._wait_s = 0.0
        self._tell("up", fact.address)
        log.info("connected to %s", fact.address)
        row = self._next_slot()
        if row is not None:
            self._context.variables.update(ACTIVE_PROFILE, int(row.slot))
            self._context.variables.update(SECURITY_PROFILE, row.security_profile)
            if row.message_timeout_s is not None:
                self._session.message_timeout_s = row.message_timeout_s
        self._arm_ping()
        self._session.link_up(fact.generation)

    def _on_down(self, fact: LinkDown) -> None:
        was_up, self._up = self._up, False
        self._cancel_pings()
        why = fact.problem.value + (f": {fact.detail}" if fact.detail else "")
        if was_up:
            self._session.link_down()
        else:
            self._failures += 1
            self._slot_failures += 1
        if self._stopped:
            self._tell("stopped", "", why)
            return
        wait_s = self._back_off()
        if fact.retry_after_s is not None:
            wait_s = max(wait_s, min(fact.retry_after_s, 3600.0))
        self._tell("down", "", why)
        lost = "connection lost" if was_up else "cannot connect"
        log.warning("%s (%s); next attempt in %.0f s", lost, why, wait_s)
        self._timer = self._context.reactor.call_later(wait_s, self._dial, source="connection")

    def _back_off(self) -> float:
        """Part 4, section 5.3: the minimum, then doubled RepeatTimes times, each with chance."""
        variables = self._context.variables
        chance_s = self._context.rng.random() * variables[RANDOM_RANGE]
        if self._wait_s == 0.0:
            self._wait_s = variables[WAIT_MINIMUM] + chance_s
        elif self._failures <= variables[REPEAT_TIMES]:
            self._wait_s = self._wait_s * 2 + chance_s
        return self._wait_s

    # -- pings

    def _arm_ping(self) -> None:
        self._cancel_pings()
        interval_s = self._context.variables[PING_INTERVAL]
        if self._up and interval_s > 0:
            timer = self._context.reactor.call_later(interval_s, self._ping, source="connection")
            self._pings.append(timer)

    def _ping(self) -> None:
        self._link.ping(self._generation)
        self._pings = [
            self._context.reactor.call_later(PONG_TIMEOUT_S, self._no_pong, source="connection")
        ]

    def _no_pong(self) -> None:
        """No pong, but frames: it lives, and a busy station may have kept the pong waiting."""
        if self._heard_at > self._context.reactor.now() - PONG_TIMEOUT_S:
            self._arm_ping()
            return
        self._link.abort(self._generation, LinkProblem.PONG_TIMEOUT)

    def _cancel_pings(self) -> None:
        for timer in self._pings:
            timer.cancel()
        self._pings.clear()

    def _cancel(self) -> None:
        self._cancel_pings()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self, state: str, address: str, error: str = "") -> None:
        now = self._context.reactor.now()
        self.state = LinkState(state, now, address, error or self.state.last_error)

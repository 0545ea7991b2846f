"""When to try which network slot, and whether the connection is still alive.

Durations run on the monotonic clock; the link lane only dials, reads and writes.
Theory of operation: attempts go through the slots in the order of priority, each
NetworkProfileConnectionAttempts times; when all have failed, the one that worked last gets
its turn, then the list begins anew, for ever (B10.FR.03, FR.07 to FR.09). The wait between
attempts grows over all of them and starts anew with every success (Part 4, section 5.3).
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import quote

from msgspec import Struct

from station.blocks.connection.credentials import Credentials
from station.blocks.connection.profiles import NetworkRow, Profiles
from station.blocks.connection.tls import Tls
from station.context import Context
from station.device_model import Integer, Variable
from station.events import AllProfilesFailed, SecurityHappened, StationCertificateChanged
from station.link import FrameIn, Link, LinkDown, LinkFact, LinkProblem, LinkTarget, LinkUp
from station.ocpp.registration import Input
from station.reactor import Timer

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

PONG_TIMEOUT_S = 10.0
DIAL_DEADLINE_S = 30.0
LONGEST_RETRY_AFTER_S = 3600.0


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
    """Keeps the station connected: dials, backs off, pings, never gives up (B10.FR.09)."""

    def __init__(self, context: Context, link: Link, session: LinkListener) -> None:
        self._context, self._link, self._session = context, link, session
        self.profiles = Profiles(context, takes_access=False)
        self.credentials = Credentials(context, self._begin_anew)
        self._tls = Tls(context, self._begin_anew)
        self._generation = 0
        self._timer: Timer | None = None
        self._pings: list[Timer] = []
        self._up = False
        self._stopped = False
        self._doubled = 0
        self._row: NetworkRow | None = None
        self._attempts = 0
        self._falling_back = False
        self._wait_s = 0.0
        self._heard_at = float("-inf")
        self._registered_at: tuple[str, int] | None = None
        self._told: set[str] = set()
        """Security events of this series of failures (A00.FR.316: once each)."""
        self.state = LinkState("down", context.reactor.now(), "", "")
        for variable in (
            WAIT_MINIMUM,
            RANDOM_RANGE,
            REPEAT_TIMES,
            PING_INTERVAL,
            CONNECTION_ATTEMPTS,
        ):
            context.variables.declare(variable)
        context.variables.watch(PING_INTERVAL, lambda *_: self._arm_ping())
        context.events.subscribe(StationCertificateChanged, lambda _: self._begin_anew())

    def configure(
        self, url: str, password: str, security_profile: int, *, first_only: bool
    ) -> None:
        """What installer or command line say of slot 1."""
        self.profiles.configure(url, security_profile, first_only=first_only)
        self.credentials.configure(password, first_only=first_only)

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

    # -- attempts

    def _begin_anew(self) -> None:
        """Reconnect with what has changed, once the answer that told of it is on its way."""
        self._context.store.after_commit(self._post, self._close_and_dial)

    def _post(self, job: Callable[[], Any]) -> None:
        self._context.reactor.post(job, source="connection")

    def _close_and_dial(self) -> None:
        if self._up:
            self._link.close(self._generation)

    def _dial(self) -> None:
        self._timer = None
        row = self._row = self._choose()
        if row is None:
            log.error("no network slot is filled: set [network] url, or SetNetworkProfile")
            return
        self._generation += 1
        identity = self._context.identity.identity
        last = self.profiles.last_working()
        basic = row.security_profile < 3  # A00.FR.401: profile 3 has the certificate instead
        target = LinkTarget(
            url=f"{row.url.rstrip('/')}/{quote(identity, safe='')}",
            user=identity if basic else "",
            password=self.credentials.next_password() if basic else "",
            deadline_s=DIAL_DEADLINE_S,
            tls=self._tls.settings(
                row.security_profile, migrating=last is not None and last.slot != row.slot
            ),
        )
        self._tell("connecting", row.url)
        self._link.open(target, self._generation)

    def _choose(self) -> NetworkRow | None:
        """B10.FR.03 and B10.FR.07: the slot whose turn it is."""
        order = self.profiles.order()
        current = self._row and self.profiles.get(self._row.slot)
        if current is None or (current not in order and not self._falling_back):
            self._attempts = 0
            return order[0] if order else None
        if self._attempts < self._context.variables[CONNECTION_ATTEMPTS]:
            return current
        self._attempts = 0
        return self._after(current, order)

    def _after(self, row: NetworkRow, order: list[NetworkRow]) -> NetworkRow | None:
        if self._falling_back:
            self._falling_back = False
            return order[0]
        position = order.index(row) + 1
        if position < len(order):
            return order[position]
        self._context.events.publish(AllProfilesFailed())
        last = self.profiles.last_working()
        self._falling_back = last is not None
        return last or order[0]

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
        row = self._row
        assert row is not None, "an attempt has a slot"
        self._up, self._falling_back = True, False
        self._attempts = 0
        self._wait_s = 0.0
        self._told.clear()
        self._tell("up", fact.address)
        log.info("connected to %s", fact.address)
        self.profiles.worked(row)
        self.credentials.worked()
        self._tls.established(fact.peer)
        if row.message_timeout_s is not None:
            self._session.message_timeout_s = row.message_timeout_s
        if self._registered_at not in (None, row.endpoint):  # B10.FR.10
            self._context.csms.happened(Input.CSMS_CHANGED)
        self._registered_at = row.endpoint
        self._arm_ping()
        self._session.link_up(fact.generation)

    def _on_down(self, fact: LinkDown) -> None:
        was_up, self._up = self._up, False
        self._cancel_pings()
        why = fact.problem.value + (f": {fact.detail}" if fact.detail else "")
        if was_up:
            self._tls.lost()
            self._session.link_down()
        else:
            self._attempts += 1
            self._tell_security(fact)
        if self._stopped:
            self._tell("stopped", "", why)
            return
        by_us = was_up and fact.problem is LinkProblem.LOCAL
        wait_s = 0.0 if by_us else self._back_off()
        if fact.retry_after_s is not None:
            wait_s = max(wait_s, min(fact.retry_after_s, LONGEST_RETRY_AFTER_S))
        self._tell("down", "", why)
        lost = "connection lost" if was_up else "cannot connect"
        log.warning("%s (%s); next attempt in %.0f s", lost, why, wait_s)
        self._timer = self._context.reactor.call_later(wait_s, self._dial, source="connection")

    def _tell_security(self, fact: LinkDown) -> None:
        """Once in a series of failures, which ends with a success (A00.FR.316)."""
        if fact.problem is LinkProblem.UNAUTHORIZED:
            self.credentials.denied()
        event = self._tls.event_of(fact)
        if event and event not in self._told:
            self._told.add(event)
            self._context.events.publish(SecurityHappened(event, fact.detail))

    def _back_off(self) -> float:
        """Part 4, section 5.3: the minimum, then doubled RepeatTimes times, each with chance."""
        variables = self._context.variables
        chance_s = self._context.rng.random() * variables[RANDOM_RANGE]
        if self._wait_s == 0.0:
            self._wait_s, self._doubled = variables[WAIT_MINIMUM] + chance_s, 0
        elif self._doubled < variables[REPEAT_TIMES]:
            self._wait_s, self._doubled = self._wait_s * 2 + chance_s, self._doubled + 1
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

"""Dialling: one attempt after another, and what follows from how each ended.

Durations run on the monotonic clock; the link lane only dials, reads and writes. `turns` says
through which slot the next attempt goes, `back_off` how long to wait for it, and `pings`
whether the connection is still alive.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from station.blocks.connection.access import Access, Command
from station.blocks.connection.back_off import BackOff
from station.blocks.connection.credentials import Credentials
from station.blocks.connection.pings import Pings
from station.blocks.connection.profiles import NetworkRow, Profiles
from station.blocks.connection.tls import Tls
from station.blocks.connection.turns import Turns
from station.context import Context
from station.device_model import Integer, Variable
from station.events import AllProfilesFailed, SecurityHappened, StationCertificateChanged
from station.link import FrameIn, Link, LinkDown, LinkFact, LinkProblem, LinkTarget, LinkUp
from station.ocpp.registration import Input
from station.reactor import Timer

log = logging.getLogger(__name__)

CONNECTION_ATTEMPTS = Variable(
    "OCPPCommCtrlr", "NetworkProfileConnectionAttempts", Integer(min=1, max=100), default=3
)
DIAL_DEADLINE_S = 30.0
LONGEST_RETRY_AFTER_S = 3600.0


class LinkListener(Protocol):
    """The session, as the connection feeds it."""

    message_timeout_s: int
    on_deaf: Callable[[], Any]
    """Told when nothing is answered although the connection is up."""

    def link_up(self, generation: int) -> None: ...
    def link_down(self) -> None: ...
    def frame(self, fact: FrameIn) -> None: ...


class Finding(Struct, frozen=True):
    """What was wrong the last time that a slot failed, or that its connection ended."""

    slot: str
    url: str
    at: float
    down: LinkDown
    attempts: int
    """Failed in a row; 0 for a connection that was up."""

    @property
    def line(self) -> str:
        return self.down.problem.value + (f": {self.down.detail}" if self.down.detail else "")


class LinkState(Struct, frozen=True):
    """What the API and the log tell about the connection."""

    state: str
    since: float
    address: str
    last_error: str
    slot: str = ""
    next_attempt_at: float | None = None


class Connection:
    """Keeps the station connected: dials, backs off, pings, never gives up (B10.FR.09)."""

    def __init__(
        self, context: Context, link: Link, session: LinkListener, access: Command | None = None
    ) -> None:
        self._context, self._link, self._session = context, link, session
        variables = context.variables
        self.profiles = Profiles(context, takes_access=access is not None)
        self.credentials = Credentials(context, self._password_changed)
        self._tls = Tls(context, self._leave_false_csms)
        self._access = Access(context, access)
        self._back_off = BackOff(variables, context.rng.random)
        self._pings = Pings(
            context,
            lambda: link.ping(self._generation),
            lambda: link.abort(self._generation, LinkProblem.PONG_TIMEOUT),
        )
        variables.declare(CONNECTION_ATTEMPTS)
        self._turns = Turns(
            self.profiles,
            lambda: variables[CONNECTION_ATTEMPTS],
            lambda: context.events.publish(AllProfilesFailed()),
        )
        session.on_deaf = lambda: link.abort(self._generation, LinkProblem.SILENT)
        self._generation = 0
        self._timer: Timer | None = None
        self._up = False
        self._stopped = False
        self._row: NetworkRow | None = None
        self._target: LinkTarget | None = None
        self._registered_at: NetworkRow | None = None
        self._usual_timeout_s = 0
        self._told: set[str] = set()
        """Security events of this series of failures (A00.FR.316: once each)."""
        self.state = LinkState("down", context.reactor.now(), "", "")
        self.findings: dict[str, Finding] = {}
        """The last one of each slot."""
        context.events.subscribe(StationCertificateChanged, lambda _: self._begin_anew())

    def configure(
        self, url: str, password: str, security_profile: int, *, first_only: bool
    ) -> None:
        """What installer or command line say of slot 1."""
        self.profiles.configure(url, security_profile, first_only=first_only)
        self.credentials.configure(password, first_only=first_only)

    def start(self) -> None:
        self._usual_timeout_s = self._session.message_timeout_s
        self._link.start(
            lambda fact: self._context.reactor.post(self._on_fact, fact, source="link")
        )
        self._dial()

    def stop(self) -> None:
        """Close politely after what is queued was sent; no further attempt."""
        self._stopped = True
        self._pings.end()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._link.close(self._generation)

    # -- attempts

    def _password_changed(self) -> None:
        if self._row is not None and self._row.security_profile < 3:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Reconnect with what has changed, once the answer that told of it is on its way."""
        self._context.store.after_commit(self._post, self._close_and_dial)

    def _leave_false_csms(self, event: str) -> None:
        """The event was told; the series of failures that begins now need not tell it again."""
        self._told.add(event)
        self._begin_anew()

    def _post(self, job: Callable[[], Any]) -> None:
        self._context.reactor.post(job, source="connection")

    def _close_and_dial(self) -> None:
        if self._up:
            self._link.close(self._generation)

    def _dial(self) -> None:
        self._timer = None
        row = self._row = self._turns.next()
        if row is None:
            log.error("no network slot is filled: set [network] url, or SetNetworkProfile")
            return
        self._generation += 1
        self._back_off.attempted(self._context.reactor.now())
        self._tell("connecting", row.url)
        self._access.prepare(row.slot, row.access, partial(self._open, row, self._generation))

    def _open(self, row: NetworkRow, generation: int, failed: str) -> None:
        if self._stopped or generation != self._generation:
            return
        if failed:
            self._on_down(LinkDown(generation, LinkProblem.UNREACHABLE, failed))
            return
        self._target = self._target_of(row)
        self._link.open(self._target, generation)

    def targets(self) -> list[tuple[NetworkRow, LinkTarget]]:
        """What would be dialled now, in the order of priority."""
        return [(row, self._target_of(row)) for row in self.profiles.order()]

    def _target_of(self, row: NetworkRow) -> LinkTarget:
        identity = self._context.identity.identity
        # A00.FR.001: the profile of the slot alone decides. A00.FR.202, A00.FR.203, A00.FR.301,
        # A00.FR.302, A00.FR.303: a password in 1 and 2; A00.FR.401: none in 3
        basic = row.security_profile < 3
        migrating = self.profiles.is_other_than_last(row)
        return LinkTarget(
            url=f"{row.url.rstrip('/')}/{quote(identity, safe='')}",
            user=identity if basic else "",
            password=self.credentials.next_password(row.slot) if basic else "",
            deadline_s=DIAL_DEADLINE_S,
            tls=self._tls.settings(row.security_profile, migrating=migrating),
        )

    def _on_fact(self, fact: LinkFact) -> None:
        if fact.generation != self._generation:
            return
        if isinstance(fact, FrameIn):
            self._pings.heard()
            self._session.frame(fact)
        elif isinstance(fact, LinkUp):
            self._on_up(fact)
        elif isinstance(fact, LinkDown):
            self._on_down(fact)
        else:
            self._pings.pong()

    def _on_up(self, fact: LinkUp) -> None:
        row, target = self._row, self._target
        assert row is not None, "an attempt has a slot"
        assert target is not None, "an attempt has a target"
        self._up = True
        self._back_off.succeeded()
        self._told.clear()
        self._tell("up", fact.address)
        log.info("connected to %s through slot %s", fact.address, row.slot)
        self.profiles.worked(row)
        if target.user:
            self.credentials.worked(target.password)
        mutual = target.tls is not None and bool(target.tls.certificate_chain)
        self._tls.established(fact.peer, mutual=mutual)
        self._session.message_timeout_s = row.message_timeout_s or self._usual_timeout_s
        if self._registered_at is not None and not self._registered_at.is_same_as(row):
            self._context.csms.happened(Input.CSMS_CHANGED)  # B10.FR.10
        self._registered_at = row
        self._pings.begin()
        self._session.link_up(fact.generation)

    def _on_down(self, fact: LinkDown) -> None:
        row = self._row
        assert row is not None, "an attempt has a slot"
        was_up, self._up = self._up, False
        self._pings.end()
        finding = self._find(row, fact, was_up=was_up)
        if was_up:
            self._turns.lost(row)
            self._tls.lost()
            self._session.link_down()
        else:
            self._turns.failed()
            self._tell_security(row, fact)
        if self._stopped:
            self._tell("stopped", "", finding.line)
            return
        wait_s = self._wait_s(fact, was_up=was_up)
        self._tell("down", "", finding.line)
        lost = "connection lost" if was_up else "cannot connect"
        log.warning(
            "%s (slot %s, %s); next attempt in %.0f s", lost, row.slot, finding.line, wait_s
        )
        # B10.FR.06: the next attempt begins when the connection before it has ended
        self._timer = self._context.reactor.call_later(wait_s, self._dial, source="connection")
        self.state = replace(self.state, next_attempt_at=self._timer.due_at)

    def _wait_s(self, fact: LinkDown, *, was_up: bool) -> float:
        """Retry-After and the ration lengthen the wait, they never shorten it."""
        by_us = was_up and fact.problem is LinkProblem.LOCAL
        wait_s = 0.0 if by_us else self._back_off.next_wait_s()
        asked_s = min(fact.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
        return max(wait_s, asked_s, self._back_off.ration_s(self._context.reactor.now()))

    def _find(self, row: NetworkRow, fact: LinkDown, *, was_up: bool) -> Finding:
        before = self.findings.get(row.slot)
        finding = self.findings[row.slot] = Finding(
            slot=row.slot,
            url=row.url,
            at=self._context.reactor.now(),
            down=fact,
            attempts=0 if was_up else (before.attempts if before is not None else 0) + 1,
        )
        return finding

    def _tell_security(self, row: NetworkRow, fact: LinkDown) -> None:
        """Once in a series of failures, which ends with a success (A00.FR.316)."""
        if fact.problem is LinkProblem.UNAUTHORIZED and row.security_profile < 3:
            self.credentials.denied(row.slot)
        event = self._tls.event_of(fact)
        if event and event not in self._told:
            self._told.add(event)
            self._context.events.publish(SecurityHappened(event, fact.detail))

    def _tell(self, state: str, address: str, error: str = "") -> None:
        now = self._context.reactor.now()
        slot = "" if self._row is None else self._row.slot
        self.state = LinkState(state, now, address, error or self.state.last_error, slot)

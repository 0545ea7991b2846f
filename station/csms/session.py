"""One conversation with one CSMS: link facts in, frames out, answers to whom they belong."""

import logging
from collections.abc import Callable
from typing import Any

from station.clock import Clock
from station.clock_fixes import ClockFixes
from station.csms.durable import Durable
from station.csms.inbound import Inbound
from station.csms.recent import RecentFrames
from station.device_model import DeviceModel, Integer, Mutability, Variable
from station.events import (
    BackOnline,
    CsmsConnected,
    CsmsLost,
    EventBus,
    RegistrationAccepted,
    SecurityHappened,
)
from station.link import FrameIn, Link
from station.metrics import Metrics
from station.ocpp import codec, frames, signed
from station.ocpp.errors import ErrorCode, RpcError
from station.ocpp.registration import Input, Registration, may_send, next_state
from station.ocpp.rpc import CallFailed, Failure, MemoryLine, Outcome, Outgoing, Scheduler
from station.ocpp.types import Message, Request
from station.ports import Outbox, Pending, Q, R, Store
from station.reactor import Reactor, Timer
from station.records import OutboxRow, SendClass

log = logging.getLogger(__name__)

MESSAGE_TIMEOUT = Variable(
    "OCPPCommCtrlr",
    "MessageTimeout",
    Integer(unit="s", min=1, max=3600),
    instance="Default",
    default=30,
    mutability=Mutability.READ_ONLY,
)
DEAF_S = 600.0
"""A CALL is not answered, nor was anything heard for so long: a new connection may find a CSMS that
lives. Longer than a certification case keeps silent (TC_E_41_CS)."""
MEMORY_CLASSES = (
    SendClass.BOOT,
    SendClass.PROMPT,
    SendClass.STATUS,
    SendClass.REPORT,
    SendClass.HEARTBEAT,
)


class CsmsSession:
    """Implements `context.Csms`; the connection block tells it when the link is up or down."""

    def __init__(
        self,
        *,
        reactor: Reactor,
        clock: Clock,
        new_id: Callable[[], str],
        boot_id: str,
        store: Store,
        outbox: Outbox,
        variables: DeviceModel,
        events: EventBus,
        link: Link,
        metrics: Metrics,
        fixes: ClockFixes,
    ) -> None:
        self._metrics = metrics
        self._reactor, self._clock, self._new_id, self._store = reactor, clock, new_id, store
        self._variables, self._events, self._link, self._outbox = variables, events, link, outbox
        variables.declare(MESSAGE_TIMEOUT)
        self._scheduler = Scheduler()
        for send_class in MEMORY_CLASSES:
            self._scheduler.add_line(send_class, MemoryLine())
        self._durable = Durable(reactor, clock, outbox, variables, self._scheduler, fixes, boot_id)
        outbox.room.on_full = self._queue_is_full
        self._inbound = Inbound(reactor, events, self._send_answer)
        self._latest: dict[str, _Latest] = {}
        self._generation: int | None = None
        self._timeout: Timer | None = None
        self._wake: Timer | None = None
        self._pump_posted = False
        self._connected_before = False
        self._handling: str | None = None
        self._offline_since: float | None = reactor.now()
        self._flushed: Callable[[], Any] | None = None
        self._registration = Registration.NONE
        self.last_heard_at = reactor.now()
        self._last_sent_at = float("-inf")
        self.recent_frames = RecentFrames()
        self.on_deaf: Callable[[], Any] = lambda: None

    # -- what blocks use (context.Csms)

    @property
    def connected(self) -> bool:
        return self._generation is not None

    @property
    def registration(self) -> Registration:
        return self._registration

    @property
    def last_sent_at(self) -> float:
        """Heartbeats are counted from here (G02.FR.05)."""
        return self._last_sent_at

    @property
    def message_timeout_s(self) -> int:
        """Of the network profile in use (SetNetworkProfile, messageTimeout)."""
        return self._variables[MESSAGE_TIMEOUT]

    @message_timeout_s.setter
    def message_timeout_s(self, seconds: int) -> None:
        self._variables.update(MESSAGE_TIMEOUT, seconds)

    @property
    def online(self) -> bool:
        return self.connected and self.registration is Registration.ACCEPTED

    def answer(self, request_type: type[Q], handler: Callable[[Q], Message | Pending[Any]]) -> None:
        self._inbound.answer(request_type, handler)

    def call(
        self,
        request: Request[R],
        on_result: Callable[[R | CallFailed], Any],
        *,
        send_class: SendClass = SendClass.PROMPT,
        asked_for: bool = False,
    ) -> None:
        outgoing = Outgoing(
            send_class,
            request.action_name,
            render=lambda: codec.encode(request),
            on_outcome=lambda outcome: on_result(_decoded(request, outcome)),
            asked_for=asked_for,
        )
        self._store.after_commit(self._enqueue, outgoing)

    def latest(
        self,
        key: str,
        build: Callable[[], Request[Any]],
        *,
        asked_for: bool = False,
        on_settled: Callable[[], Any] | None = None,
    ) -> None:
        after = self._outbox.last_id  # Occupied before Started, Ended before Available
        entry = _Latest(build, after, on_settled)
        self._store.after_commit(self._enqueue_latest, key, entry, asked_for)

    def owe(
        self,
        request: Request[Any],
        *,
        send_class: SendClass,
        transaction_id: str = "",
        seq_no: int = 0,
        held: bool = False,
    ) -> int:
        row_id = self._durable.owe(
            request,
            send_class=send_class,
            transaction_id=transaction_id,
            seq_no=seq_no,
            offline=not self.connected,
            held=held,
        )
        self._store.after_commit(self._owed, row_id)
        return row_id

    def amend(self, row_id: int, request: Request[Any]) -> bool:
        return self._durable.holds.amend(row_id, request)

    def release(self, row_id: int) -> None:
        self._store.after_commit(self._released, row_id)

    def _released(self, row_id: int) -> None:
        self._durable.holds.release(row_id)
        self.pump()

    def recall(self, row_id: int) -> Request[Any] | None:
        return self._durable.recall(row_id)

    def _owed(self, row_id: int) -> None:
        self._durable.may_send(row_id)
        self.pump()

    def on_owed_result(
        self, request_type: type[Request[R]], handler: Callable[[OutboxRow, R], Any]
    ) -> None:
        self._durable.on_result(request_type, handler)

    # -- what the connection and boot blocks use

    def link_up(self, generation: int) -> None:
        self._generation = generation
        self._inbound.forget()
        self._durable.link_changed()
        self.last_heard_at = self._reactor.now()
        first, self._connected_before = not self._connected_before, True
        self._events.publish(CsmsConnected(first=first))
        if self.registration is Registration.ACCEPTED:
            self._back_online()
        self.pump()  # C15.FR.02, E04.FR.02, E08.FR.06, E11.FR.02, E12.FR.02

    def link_down(self) -> None:
        """The connection is gone: what was in flight is lost, what is owed becomes offline."""
        if self._generation is None:
            return
        self._generation = None
        self._offline_since = self._reactor.now()
        self._cancel_timeout()
        self._durable.link_changed()
        lost = self._scheduler.give_up()
        if lost is not None:
            lost.on_outcome(CallFailed(Failure.LOST))
        self._fail_online_only()
        self._events.publish(CsmsLost())
        self._check_flushed()

    def happened(self, happened: Input) -> None:
        """Move the registration, and tell what follows from it."""
        before = self._registration
        self._registration = next_state(before, happened)
        if happened is Input.BOOT_ACCEPTED:
            self._events.publish(RegistrationAccepted())
            if before is not Registration.ACCEPTED or self._offline_since is not None:
                self._back_online()
        self._store.after_commit(self.pump)  # the clock may have been set: first that lasts

    def frame(self, fact: FrameIn) -> None:
        """One message of the CSMS; whatever it holds, the next one is handled as ever."""
        if fact.generation != self._generation:
            return
        self.last_heard_at = self._reactor.now()
        self._metrics.bytes_received += len(fact.text)
        self.recent_frames.note(self._clock.utc(), "<", fact.text)
        self._store.after_commit(self._link.handled, fact.generation)
        message = frames.parse(fact.text)
        if isinstance(message, frames.Call):
            self._handling = message.message_id
            self._inbound.take(message, self.registration)
            self._handling = None
        elif isinstance(message, frames.CallResult):
            self._settle(message.message_id, self._unwrapped(message.payload))
        elif isinstance(message, frames.CallError):
            failed = CallFailed(Failure.ERROR, message.code, message.description)
            self._settle(message.message_id, failed)
        else:
            log.warning("a frame of the CSMS is not valid: %s", message.reason)
            self._events.publish(SecurityHappened("InvalidMessages", message.reason))
            if message.answers is not None:
                failed = CallFailed(Failure.ERROR, ErrorCode.FORMAT_VIOLATION, message.reason)
                self._settle(message.answers, failed)
            if message.reply is not None:
                self._store.after_commit(self._send_text, self._generation, message.reply)

    def _unwrapped(self, payload: dict[str, Any]) -> Outcome:
        try:
            return signed.unwrap_result(payload)
        except RpcError as error:
            return CallFailed(Failure.ERROR, error.code, error.description)

    def turn_failed(self) -> None:
        """The turn that handled a frame was undone: the CSMS is told, and reading goes on."""
        handling, self._handling = self._handling, None
        self._durable.turn_failed()
        self._store.after_commit(self.pump)
        if self._generation is not None:
            self._store.after_commit(self._link.handled, self._generation)
        if handling is not None:
            self._inbound.refuse(handling, ErrorCode.INTERNAL_ERROR, "the handler failed")

    def when_flushed(self, job: Callable[[], Any]) -> None:
        """Run *job* once nothing is in flight and no transaction event is waiting to be sent."""
        self._flushed = job
        self._store.after_commit(self._check_flushed)

    # -- sending

    def pump(self) -> None:
        """Send the next CALL soon: after the answers that this turn may still give (F06.FR.04)."""
        if not self._pump_posted:
            self._pump_posted = True
            self._reactor.post(self._pump, source="csms")

    def _pump(self) -> None:
        self._pump_posted = False
        if self._generation is None:
            return
        now = self._reactor.now()
        outgoing = self._scheduler.next(now, self._may_send)
        if outgoing is None:
            self._wake_at(self._scheduler.next_hold_end(now))
            self._check_flushed()
            return
        message_id = self._new_id()  # never reused, not even on a retry
        payload = outgoing.render()
        self._scheduler.sent(outgoing, message_id)
        text = frames.call(message_id, outgoing.action, payload)
        self._send(self._generation, text)
        self._last_sent_at = now
        self._timeout = self._reactor.call_later(
            self.message_timeout_s, self._timed_out, source="csms"
        )

    def _may_send(self, outgoing: Outgoing) -> bool:
        return may_send(self.registration, outgoing.action, asked_for=outgoing.asked_for)

    def _wake_at(self, due_at: float | None) -> None:
        if self._wake is not None:
            self._wake.cancel()
        if due_at is not None:
            self._wake = self._reactor.call_at(due_at, self.pump, source="csms")

    def _enqueue(self, outgoing: Outgoing) -> None:
        if self._generation is None and outgoing.send_class is not SendClass.BOOT:
            self._reactor.post(outgoing.on_outcome, CallFailed(Failure.LOST), source="csms")
            return
        line = self._scheduler.line(outgoing.send_class)
        assert isinstance(line, MemoryLine)
        line.waiting.append(outgoing)
        self.pump()

    def _enqueue_latest(self, key: str, entry: "_Latest", asked_for: bool) -> None:
        waiting = self._latest.get(key)
        if waiting is not None:  # not sent yet, or sent and to be sent again
            waiting.build, waiting.after = entry.build, entry.after
            waiting.on_settled = entry.on_settled
            waiting.changed = True
            return
        self._latest[key] = entry
        line = self._scheduler.line(SendClass.STATUS)
        assert isinstance(line, MemoryLine)
        line.waiting.append(self._latest_outgoing(key, entry, asked_for=asked_for))
        self.pump()

    def _latest_outgoing(self, key: str, entry: "_Latest", *, asked_for: bool) -> Outgoing:
        def render() -> bytes:
            entry.changed = False
            return codec.encode(entry.build())

        def ready() -> bool:
            """A status waits for the live events that came before it."""
            head = self._outbox.head(SendClass.TRANSACTION)
            held = self._scheduler.is_held(SendClass.TRANSACTION, self._reactor.now())
            return head is None or head.id > entry.after or held

        return Outgoing(
            SendClass.STATUS,
            entry.build().action_name,
            render=render,
            on_outcome=lambda outcome: self._latest_outcome(key, outcome),
            asked_for=asked_for,
            ready=ready,
        )

    def _latest_outcome(self, key: str, outcome: Outcome) -> None:
        entry = self._latest.pop(key)
        lost = isinstance(outcome, CallFailed) and outcome.failure is not Failure.ERROR
        if lost or entry.changed:
            self._enqueue_latest(key, entry, False)
        elif entry.on_settled is not None:
            entry.on_settled()

    # -- outcomes

    def _settle(self, message_id: str, outcome: Outcome) -> None:
        outgoing = self._scheduler.answered(message_id)
        if outgoing is None:
            log.warning("an answer of the CSMS came late or to no call; ignored")
            return
        self._cancel_timeout()
        try:
            outgoing.on_outcome(outcome)
        finally:
            self._store.after_commit(self.pump)

    def _timed_out(self) -> None:
        outgoing = self._scheduler.give_up()
        if outgoing is None:
            return
        log.warning("%s was not answered in time", outgoing.action)
        outgoing.on_outcome(CallFailed(Failure.TIMEOUT))
        self._store.after_commit(self.pump)
        if self._reactor.now() - self.last_heard_at >= DEAF_S:
            self.on_deaf()

    def _cancel_timeout(self) -> None:
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def _fail_online_only(self) -> None:
        for send_class in (SendClass.BOOT, SendClass.PROMPT, SendClass.REPORT, SendClass.HEARTBEAT):
            line = self._scheduler.line(send_class)
            assert isinstance(line, MemoryLine)
            while line.waiting:
                line.waiting.popleft().on_outcome(CallFailed(Failure.LOST))

    def _back_online(self) -> None:
        since, self._offline_since = self._offline_since, None
        self._events.publish(BackOnline(0.0 if since is None else self._reactor.now() - since))

    def _send_answer(self, message_id: str, text: str) -> None:  # noqa: ARG002
        self._store.after_commit(self._send_text, self._generation, text)

    def _send_text(self, generation: int | None, text: str) -> None:
        """Over the connection on which it was asked for, or not at all."""
        if generation is not None and generation == self._generation:
            self._send(generation, text)

    def _send(self, generation: int, text: str) -> None:
        self._metrics.bytes_sent += len(text)
        self.recent_frames.note(self._clock.utc(), ">", text)
        self._link.send(generation, text)

    def _queue_is_full(self, told: str) -> None:
        self._events.publish(SecurityHappened("MemoryExhaustion", told))

    def _check_flushed(self) -> None:
        if self._flushed is None:
            return
        waiting = self.online and self._outbox.transaction_rows > 0
        if self._scheduler.in_flight is None and not waiting:
            job, self._flushed = self._flushed, None
            self._reactor.post(job)


class _Latest:
    """A message of which only the newest version matters."""

    __slots__ = ("after", "build", "changed", "on_settled")

    def __init__(
        self,
        build: Callable[[], Request[Any]],
        after: int,
        on_settled: Callable[[], Any] | None,
    ) -> None:
        self.build, self.after, self.on_settled = build, after, on_settled
        self.changed = False


def _decoded(request: Request[R], outcome: Outcome) -> R | CallFailed:
    if isinstance(outcome, CallFailed):
        return outcome
    try:
        return codec.decode_response(type(request).response_type, outcome)
    except RpcError as error:
        log.warning("the answer to %s is not valid: %s", request.action_name, error.description)
        return CallFailed(Failure.ERROR, error.code, error.description)

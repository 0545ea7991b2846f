"""Messages that the station owes the CSMS: from the outbox to the line, retries, giving up."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from station.clock import Clock, Trust
from station.clock_fixes import ClockFixes
from station.csms.holds import Holds
from station.csms.pace import Pace
from station.csms.worth import worth_of
from station.device_model import DeviceModel, Integer, Variable
from station.ocpp import codec
from station.ocpp.errors import RpcError
from station.ocpp.messages import ACTIONS
from station.ocpp.rpc import CallFailed, Failure, Outcome, Outgoing, Scheduler
from station.ocpp.types import Message, Request
from station.ports import Outbox, R
from station.reactor import Reactor
from station.records import OutboxRow, SendClass

log = logging.getLogger(__name__)

# E13.FR.01
MESSAGE_ATTEMPTS = Variable(
    "OCPPCommCtrlr",
    "MessageAttempts",
    Integer(min=1, max=100),
    instance="TransactionEvent",
    default=5,
)
MESSAGE_ATTEMPT_INTERVAL = Variable(
    "OCPPCommCtrlr",
    "MessageAttemptInterval",
    Integer(unit="s", min=0, max=86400),
    instance="TransactionEvent",
    default=60,
)

DURABLE_CLASSES = (
    SendClass.TRANSACTION,
    SendClass.SECURITY,
    SendClass.EVENT,
    SendClass.BACKLOG,
)
LONGEST_HOLD_S = 3600.0
"""A message that is never given up (A04.FR.02) is tried at least once an hour."""


class Delivery(Struct, frozen=True):
    """How the answer to one kind of owed message is handled."""

    request_type: type[Request[Any]]
    handler: Callable[[OutboxRow, Any], Any]


class Durable:
    """Lines of the scheduler that read the outbox."""

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        outbox: Outbox,
        variables: DeviceModel,
        scheduler: Scheduler,
        fixes: ClockFixes,
        boot_id: str,
    ) -> None:
        self._fixes, self._boot_id = fixes, boot_id
        self._reactor, self._clock, self._outbox = reactor, clock, outbox
        self._variables, self._scheduler = variables, scheduler
        self._deliveries: dict[str, Delivery] = {}
        self.last_durable_id = outbox.last_id
        """Nothing newer may leave yet: whatever else makes the line move."""
        self._delivering: int | None = None
        self._pace = Pace(variables, outbox.room)
        self.holds = Holds(reactor, outbox)
        for variable in (MESSAGE_ATTEMPTS, MESSAGE_ATTEMPT_INTERVAL):
            variables.declare(variable)
        for send_class in DURABLE_CLASSES:
            scheduler.add_line(send_class, _OutboxLine(self, outbox, send_class))

    def owe(
        self,
        request: Request[Any],
        *,
        send_class: SendClass,
        transaction_id: str,
        seq_no: int,
        offline: bool,
        held: bool = False,
    ) -> int:
        """Queue it, whether or not there is a link: E04.FR.01, E08.FR.05, E11.FR.01, E12.FR.01."""
        untrusted = self._clock.trust is Trust.NONE
        row = self._outbox.append(
            OutboxRow(
                id=0,
                send_class=send_class,
                action=request.action_name,
                payload=msgspec.Raw(codec.encode(request)),
                transaction_id=transaction_id,
                seq_no=seq_no,
                boot_id=self._boot_id,
                clock_offset_s=self._clock.offset_s if untrusted else None,
                true_times=self._true_times(request) if untrusted else (),
                offline=offline,
                worth=worth_of(request),
            )
        )
        if held:
            self.holds.hold(row)
        return row.id

    def _true_times(self, request: Request[Any]) -> tuple[datetime, ...]:
        """What stands as it is in a message that is dated when it is sent."""
        return tuple(at for at in codec.times_of(request) if self._fixes.is_true(at))

    def recall(self, row_id: int) -> Request[Any] | None:
        """Hold a message that no line was offered since the process began, and tell what it says.

        None: it is not queued any more, or not in memory.
        """
        row = self._outbox.get(row_id)
        if row is None:
            return None
        self.holds.hold(row)
        return codec.decode_request(ACTIONS[row.action], msgspec.json.decode(row.payload))

    def may_send(self, row_id: int) -> None:
        """The message has become durable."""
        self.last_durable_id = max(self.last_durable_id, row_id)

    def on_result(
        self, request_type: type[Request[R]], handler: Callable[[OutboxRow, R], Any]
    ) -> None:
        self._deliveries[request_type.action_name] = Delivery(request_type, handler)

    def link_changed(self) -> None:
        """Up or down: whatever is queued waited while offline; no class waits.

        E04.FR.03, E08.FR.07, E11.FR.07
        """
        self._outbox.mark_all_offline()
        for send_class in DURABLE_CLASSES:
            self._scheduler.release(send_class)
        self._scheduler.hold(SendClass.BACKLOG, self._pace.free_at)

    def sent(self, row_id: int, send_class: SendClass) -> None:
        """The message is in flight: it is not dropped now, and the backlog keeps its pace."""
        self._outbox.room.pin(row_id)
        if send_class is SendClass.BACKLOG:
            self._pace.take(self._reactor.now())
            self._scheduler.hold(SendClass.BACKLOG, self._pace.free_at)

    def render(self, row: OutboxRow) -> bytes:
        """The payload as it leaves: right timestamps, and `offline` said explicitly."""
        payload = bytes(row.payload)
        offset_s = None if row.clock_offset_s is None else self._fixes.offset_s(row.boot_id)
        if offset_s is not None and row.clock_offset_s is not None:
            shift = timedelta(seconds=offset_s - row.clock_offset_s)
            request = codec.decode_request(ACTIONS[row.action], msgspec.json.decode(payload))
            payload = codec.encode(codec.shift_times(request, shift, row.true_times))
        if row.action != "TransactionEvent":
            return payload
        return payload[:-1] + (b',"offline":true}' if row.offline else b',"offline":false}')

    def outcome(self, row_id: int, send_class: SendClass, outcome: Outcome) -> None:
        self._outbox.room.unpin(row_id)
        row = self._outbox.get(row_id)
        if row is None:
            return
        if isinstance(outcome, CallFailed):
            self._failed(row, send_class, outcome)
        else:
            self._delivered(row, outcome)

    def _delivered(self, row: OutboxRow, payload: dict[str, Any]) -> None:
        self._outbox.remove(row.id)
        delivery = self._deliveries.get(row.action)
        if delivery is None:
            return
        try:
            response: Message = codec.decode_response(delivery.request_type.response_type, payload)
        except RpcError as error:
            log.warning("the answer to %s is not valid: %s", row.action, error.description)
            return
        self._delivering = row.id
        delivery.handler(row, response)
        self._delivering = None

    def turn_failed(self) -> None:
        """The turn that handled an answer was undone: the CSMS has the message all the same."""
        row_id, self._delivering = self._delivering, None
        if row_id is not None:
            self._outbox.remove(row_id)

    def _failed(self, row: OutboxRow, send_class: SendClass, failed: CallFailed) -> None:
        if failed.failure is Failure.LOST:
            return  # a lost connection is not an attempt
        attempts = row.attempts + 1
        guaranteed = row.send_class is SendClass.SECURITY  # A04.FR.02
        if attempts >= self._variables[MESSAGE_ATTEMPTS] and not guaranteed:
            log.warning(
                "%s %s of transaction %s given up after %d attempts: %s",
                row.action,
                row.seq_no,
                row.transaction_id,
                attempts,
                failed.code or failed.failure.value,
            )
            self._outbox.to_undelivered(row.id, failed.code or failed.failure.value)  # E13.FR.04
            return
        self._outbox.update(msgspec.structs.replace(row, attempts=attempts))  # E13.FR.02
        # E13.FR.03: the interval times the number of preceding transmissions
        wait_s: float = self._variables[MESSAGE_ATTEMPT_INTERVAL] * attempts
        if guaranteed:
            wait_s = min(wait_s, LONGEST_HOLD_S)
        held_until = self._reactor.now() + wait_s
        if send_class is SendClass.BACKLOG:
            held_until = max(held_until, self._pace.free_at)
        self._scheduler.hold(send_class, held_until)


class _OutboxLine:
    """Offers the oldest row of one class."""

    def __init__(self, durable: Durable, outbox: Outbox, send_class: SendClass) -> None:
        self._durable, self._outbox, self._send_class = durable, outbox, send_class

    def head(self) -> Outgoing | None:
        row = self._outbox.head(self._send_class, self._durable.holds)
        if row is None or row.id > self._durable.last_durable_id:
            return None
        durable, send_class = self._durable, self._send_class
        return _Owed(
            send_class,
            row.action,
            render=lambda: durable.render(row),
            on_outcome=lambda outcome: durable.outcome(row.id, send_class, outcome),
            row_id=row.id,
        )

    def sent(self, outgoing: Outgoing) -> None:
        """The row stays until it is answered; one CALL is in flight, so it is not offered again."""
        assert isinstance(outgoing, _Owed)
        self._durable.sent(outgoing.row_id, self._send_class)


class _Owed(Outgoing, eq=False):
    """A CALL that stands in the outbox."""

    row_id: int = 0

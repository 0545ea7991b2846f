"""CALLs of the CSMS: which handler answers, what is said to the hopeless, and repeats."""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from station.events import EventBus, SecurityHappened
from station.ocpp import codec, frames, signed
from station.ocpp.errors import ErrorCode, RpcError
from station.ocpp.messages import ACTIONS
from station.ocpp.registration import Registration
from station.ocpp.types import Message, Request
from station.ports import Pending, Q
from station.reactor import Reactor, Timer

log = logging.getLogger(__name__)

Handler = Callable[[Any], Message | Pending[Any]]

REMEMBERED = 256
"""So many message ids of the CSMS are remembered, to tell a repeat from a new CALL."""
REMEMBERED_CHARS = 1_000_000
"""So much of the answers to them: a CSMS may ask for large ones as often as it likes."""


INVALID = frozenset(
    {
        ErrorCode.FORMAT_VIOLATION,
        ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
        ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
        ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    }
)
"""What makes a CALL an invalid message (security event InvalidMessages)."""


class AnswerSender(Protocol):
    """How an answer leaves: when the turn that made it is durable."""

    def __call__(self, message_id: str, text: str) -> None: ...


class Inbound:
    """Answers every CALL once, whatever it holds."""

    def __init__(self, reactor: Reactor, events: EventBus, send_answer: AnswerSender) -> None:
        self._reactor, self._events, self._send_answer = reactor, events, send_answer
        self._handlers: dict[str, tuple[type[Request[Any]], Handler]] = {}
        self._seen: dict[str, tuple[int, str | None]] = {}
        self._chars = 0
        self._connection = 0

    def answer(self, request_type: type[Q], handler: Callable[[Q], Message | Pending[Any]]) -> None:
        self._handlers[request_type.action_name] = (request_type, handler)

    def forget(self) -> None:
        """A new connection begins: message ids start anew."""
        self._seen.clear()
        self._chars = 0
        self._connection += 1

    def take(self, call: frames.Call, registration: Registration) -> None:
        """Answer *call*, or see that it will be answered. A bug in a handler raises."""
        content = hash((call.action, str(call.payload)))
        if call.message_id in self._seen:
            self._repeated(call.message_id, content)
            return
        self._remember(call.message_id, content)
        try:
            self._dispatch(call, registration)
        except RpcError as error:
            if error.code in INVALID:
                self._events.publish(SecurityHappened("InvalidMessages", error.description))
            self.refuse(call.message_id, error.code, error.description)

    def refuse(self, message_id: str, code: ErrorCode, description: str) -> None:
        self._done(message_id, frames.call_error(message_id, code, description))

    def _dispatch(self, call: frames.Call, registration: Registration) -> None:
        # While Pending everything is answered: B02.FR.01
        if registration is Registration.REJECTED:  # B03.FR.08
            raise RpcError(ErrorCode.SECURITY_ERROR, "the station was rejected")
        action, payload = signed.unwrap_call(call.action, call.payload)
        known = self._handlers.get(action)
        if known is None:
            if action in ACTIONS:
                raise RpcError(ErrorCode.NOT_SUPPORTED, "this station does not support the action")
            raise RpcError(ErrorCode.NOT_IMPLEMENTED, "unknown action")
        request_type, handler = known
        answer = handler(codec.decode_request(request_type, payload))
        if isinstance(answer, Pending):
            timer = self._reactor.call_later(answer.deadline_s, answer.resolve, answer.late)
            connection = self._connection
            answer.on_resolved(
                lambda given: self._resolved(call.message_id, connection, timer, given)
            )
        else:
            self._result(call.message_id, answer)

    def _resolved(self, message_id: str, connection: int, timer: Timer, answer: Message) -> None:
        timer.cancel()
        if connection == self._connection:  # whoever asked is gone with the old one
            self._result(message_id, answer)

    def _result(self, message_id: str, answer: Message) -> None:
        self._done(message_id, frames.call_result(message_id, codec.encode(answer)))

    def _done(self, message_id: str, text: str) -> None:
        seen = self._seen.get(message_id)
        if seen is not None:
            self._seen[message_id] = (seen[0], text)
            self._chars += len(text) - len(seen[1] or "")
            while self._chars > REMEMBERED_CHARS:
                self._forget_oldest()
        self._send_answer(message_id, text)

    def _remember(self, message_id: str, content: int) -> None:
        self._seen[message_id] = (content, None)
        if len(self._seen) > REMEMBERED:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, text = self._seen.pop(next(iter(self._seen)))
        self._chars -= len(text or "")

    def _repeated(self, message_id: str, content: int) -> None:
        """Erratum 4.6 lets a retry reuse its id: one effect, the remembered answer."""
        known, text = self._seen[message_id]
        if known == content and text is not None:
            self._send_answer(message_id, text)
            return
        log.warning("the CSMS used a message id again; refused")
        description = "still being handled"
        if known != content:
            description = "message id used before"
            self._events.publish(SecurityHappened("AttemptedReplayAttacks"))
        self._send_answer(
            message_id, frames.call_error(message_id, ErrorCode.RPC_FRAMEWORK_ERROR, description)
        )

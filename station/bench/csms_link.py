"""One station's connection to the bench CSMS: OCPP-J frames in, checked answers and calls out."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from station.bench.csms_answers import Answers, Delay, Payload, Raw, Refuse, Reply, Silence
from station.bench.csms_lines import clip
from station.bench.csms_record import Record, unreadable
from station.bench.csms_redact import redact
from station.bench.csms_schema import FROM_STATION, Schemas, Violation, actions, unknown_call

ERROR_CODES = frozenset(
    {
        "FormatViolation",
        "GenericError",
        "InternalError",
        "MessageTypeNotSupported",
        "NotImplemented",
        "NotSupported",
        "OccurrenceConstraintViolation",
        "PropertyConstraintViolation",
        "ProtocolError",
        "RpcFrameworkError",
        "SecurityError",
        "TypeConstraintViolation",
    }
)
# What a TriggerMessage asks for, where its name is not the action's.
TRIGGERED = {
    "SignChargingStationCertificate": "SignCertificate",
    "SignV2GCertificate": "SignCertificate",
    "SignCombinedCertificate": "SignCertificate",
}
UNREADABLE_ID = "-1"
ACTIONS = frozenset(actions())
KEPT_IDS = 100_000


class CsmsError(Exception):
    """A call that was wanted of the bench CSMS brought no result."""


class BadCallError(CsmsError):
    """The call was not sent: no such action, or a payload that breaks its schema."""


class NotConnectedError(CsmsError):
    """The station is not there, or went away before it answered."""


class CallTimeoutError(CsmsError):
    """The station did not answer in time."""


class CallRefusedError(CsmsError):
    """The station answered with a CALLERROR."""

    def __init__(self, code: str, description: str, details: Any) -> None:
        super().__init__(f"CALLERROR {code}: {description}" if description else f"CALLERROR {code}")
        self.code, self.description, self.details = code, description, details


@dataclass(frozen=True)
class Answered:
    payload: Payload
    violation: Violation | None


class StationLink:
    """Reads one socket until it closes; calls to the station go out one at a time."""

    def __init__(
        self,
        station: str,
        socket: ServerConnection,
        record: Record,
        answers: Answers,
        schemas: Schemas,
    ) -> None:
        self.station, self.socket = station, socket
        self._record, self._answers, self._schemas = record, answers, schemas
        self._file = record.station(station)
        self._pending: dict[str, tuple[str, asyncio.Future[Answered]]] = {}
        self._given_up: dict[str, str] = {}
        self._seen_ids: dict[str, None] = {}
        self._turn = asyncio.Lock()
        self._delayed: set[asyncio.Task[None]] = set()
        self._sent_raw = False

    async def serve(self) -> None:
        try:
            async for text in self.socket:
                with suppress(ConnectionClosed):  # no answer any more; what it said still counts
                    await self._on_text(text)
        finally:
            for task in self._delayed:
                task.cancel()
            for _, future in self._pending.values():
                if not future.done():
                    future.set_exception(NotConnectedError(f"{self.station} went away"))

    async def call(
        self, action: str, payload: Payload, *, timeout_s: float, check: bool = True
    ) -> Answered:
        unknown = unknown_call(action)
        problem = unknown or self._schemas.problem_of_call(action, payload)
        if problem is not None and (check or unknown):
            raise BadCallError(problem)
        async with self._turn:  # OCPP-J: one CALL in flight per direction
            if problem is not None:
                self._violation("csms", action, "sent unchecked", problem)
            message_id = str(uuid4())
            future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
            future.add_done_callback(_seen)
            self._pending[message_id] = (action, future)
            self._remember_asked(action, payload)
            try:
                self._record.call(self.station, action, payload, inbound=False)
                async with asyncio.timeout(timeout_s):
                    await self._send([2, message_id, action, payload])
                    return await future
            except TimeoutError:
                self._given_up[message_id] = action
                raise CallTimeoutError(f"no answer to {action} within {timeout_s:g} s") from None
            except ConnectionClosed:
                raise NotConnectedError(f"{self.station} went away") from None
            finally:
                del self._pending[message_id]

    async def send_text(self, text: str) -> None:
        """Send *text* as it is, for tests of what a station does with broken frames."""
        self._record.frame(self.station, inbound=False, text=text)
        self._record.note(
            self.station, f"←  {len(text)} characters as told: {unreadable(text)[:80]}"
        )
        self._sent_raw = True
        await self.socket.send(text)

    async def _on_text(self, text: str | bytes) -> None:
        if isinstance(text, bytes):
            self._record.frame(self.station, inbound=True, text=f"binary, {len(text)} bytes")
            await self._bad_frame(UNREADABLE_ID, "a binary frame; OCPP-J is text")
            return
        try:
            frame = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            self._record.frame(self.station, inbound=True, text=text)
            await self._bad_frame(UNREADABLE_ID, f"not JSON: {error}")
            return
        self._record.frame(self.station, inbound=True, frame=frame)
        if self._is_unmatched(frame):
            self._on_unmatched(frame)
        else:
            await self._on_frame(frame)
        self._record.touch()

    async def _on_frame(self, frame: Any) -> None:
        match frame:
            case [2, str(message_id), str(action), payload] if 0 < len(message_id) <= 36:
                await self._on_call(message_id, action, payload)
            case [3, str(message_id), payload]:
                self._on_result(message_id, payload)
            case [4, str(message_id), str(code), str(description), details]:
                self._on_error(message_id, code, description, details)
            case [2, str(message_id), *_] if 0 < len(message_id) <= 36:
                await self._bad_frame(message_id, "a CALL is [2, id, action, payload]")
            case [2 | 3 | 4 as kind, *_]:
                await self._bad_frame(UNREADABLE_ID if kind == 2 else None, "malformed frame")
            case [int(kind), *_]:  # OCPP-J: the payload of an unknown message type is ignored
                await self._bad_frame(None, f"unknown message type {kind}")
            case _:
                await self._bad_frame(UNREADABLE_ID, "not an array that begins with a type")

    async def _bad_frame(self, message_id: str | None, problem: str) -> None:
        self._violation("station", "frame", "RpcFrameworkError", problem)
        if message_id is not None:
            await self._send_error(message_id, "frame", "RpcFrameworkError", problem)

    async def _on_call(self, message_id: str, action: str, payload: Any) -> None:
        self._record.call(self.station, action, payload, inbound=True)
        refusal = self._refusal(message_id, action, payload)
        self._remember_id(message_id)
        if refusal is not None:
            code, problem = refusal
            self._violation("station", action, code, problem)
            await self._send_error(message_id, action, code, problem)
            return
        if self._delayed:  # OCPP-J: a station waits for the answer or for its own timeout
            self._record.overlaps += 1
            self._record.note(self.station, "-- another CALL before the delayed answer was sent")
        self._file.received.append((action, payload))
        reply = self._answers.reply(self.station, action, payload)
        news = self._enter(payload) if action == "TransactionEvent" else None
        if isinstance(reply, Delay):
            self._reply_later(message_id, action, reply)
        else:
            await self._reply(message_id, action, reply)
        if news is not None:
            self._record.note(self.station, news)

    def _refusal(self, message_id: str, action: str, payload: Any) -> tuple[str, str] | None:
        if message_id in self._seen_ids:
            return "RpcFrameworkError", f"message id {message_id} was used before"
        if action not in ACTIONS:
            return "NotImplemented", "no action of OCPP 2.0.1"
        if action not in FROM_STATION:
            return "NotSupported", "not for a CSMS"
        if not self._may_speak(action):
            return "SecurityError", f"not allowed while {self._file.registration}"
        return self._schemas.check(action, payload, response=False)

    def _remember_id(self, message_id: str) -> None:
        self._seen_ids[message_id] = None
        if len(self._seen_ids) > KEPT_IDS:
            del self._seen_ids[next(iter(self._seen_ids))]

    def _may_speak(self, action: str) -> bool:
        if action == "BootNotification" or self._file.registration in (None, "Accepted"):
            return True
        asked = action in self._file.asked_for
        return asked and self._file.registration == "Pending"  # B02.FR.09, B03.FR.07

    def _remember_asked(self, action: str, payload: Payload) -> None:
        if action == "TriggerMessage":
            wanted = str(payload.get("requestedMessage"))
            self._file.asked_for.append(TRIGGERED.get(wanted, wanted))
        elif action in ("GetBaseReport", "GetReport"):
            self._file.asked_for.append("NotifyReport")

    def _enter(self, payload: Payload) -> str | None:
        """The ledger's line if this event completes what is known of an ended transaction."""
        record = self._record.ledger.record(self.station, payload)
        repeated = payload["seqNo"] in record.duplicates
        return f"== {record.summary()}" if record.ended and not repeated else None

    def _reply_later(self, message_id: str, action: str, delay: Delay) -> None:
        async def later() -> None:
            await asyncio.sleep(delay.seconds)
            assert delay.then is not None  # Answers has filled it in
            with suppress(ConnectionClosed):
                await self._reply(message_id, action, delay.then)

        task = asyncio.create_task(later())
        self._delayed.add(task)
        task.add_done_callback(self._delayed.discard)

    async def _reply(self, message_id: str, action: str, reply: Reply) -> None:
        match reply:
            case Silence():
                self._record.note(self.station, f"   (no answer to {action}, as told)")
            case Raw(text):
                await self.send_text(text.replace("{id}", message_id))
            case Refuse(code, description):
                await self._send_error(message_id, action, code, description)
            case Delay():
                self._reply_later(message_id, action, reply)
            case payload:
                await self._send_result(message_id, action, payload)

    async def _send_result(self, message_id: str, action: str, payload: Payload) -> None:
        problem = self._schemas.check(action, payload, response=True)
        if problem is not None:
            self._violation("csms", f"{action} answer", *problem)
            text = f"this CSMS had no valid answer: {problem[1]}"
            await self._send_error(message_id, action, "InternalError", text)
            return
        if action == "BootNotification":
            self._file.registration = payload["status"]
            self._file.asked_for.clear()
        self._record.answer(self.station, action, payload, inbound=False)
        await self._send([3, message_id, payload])

    async def _send_error(self, message_id: str, action: str, code: str, description: str) -> None:
        text = f"{code}: {description}" if description else code
        self._record.error(self.station, action, text, inbound=False)
        await self._send([4, message_id, code, description[:255], {}])

    async def _send(self, frame: list[Any]) -> None:
        self._record.frame(self.station, inbound=False, frame=frame)
        await self.socket.send(orjson.dumps(frame).decode())

    def _is_unmatched(self, frame: Any) -> bool:
        match frame:
            case [3 | 4, str(message_id), *_]:
                return message_id not in self._pending
        return False

    def _on_unmatched(self, frame: list[Any]) -> None:
        """An answer to no open CALL: too late, to a frame that was sent as it was, or wrong."""
        self._file.unmatched.append(frame)
        action = self._given_up.pop(frame[1], None)
        if action is not None:
            self._record.note(self.station, f"→ … {action} answered too late")
        elif self._sent_raw:
            self._record.note(self.station, f"→ … {clip(str(redact(frame)))}")
        else:
            self._violation("station", "answer", "RpcFrameworkError", "no CALL has this id")

    def _on_result(self, message_id: str, payload: Any) -> None:
        action, future = self._pending[message_id]
        self._record.answer(self.station, action, payload, inbound=True)
        found = self._schemas.check(action, payload, response=True)
        violation = None
        if found is not None:
            violation = self._violation("station", f"{action} answer", *found)
        if not future.done():
            future.set_result(Answered(payload, violation))

    def _on_error(self, message_id: str, code: str, description: str, details: Any) -> None:
        action, future = self._pending[message_id]
        text = f"{code}: {description}" if description else code
        self._record.error(self.station, action, text, inbound=True)
        if code not in ERROR_CODES or len(description) > 255 or not isinstance(details, dict):
            self._violation("station", f"{action} CALLERROR", code, "not as OCPP-J has it")
        if not future.done():
            future.set_exception(CallRefusedError(code, description, details))

    def _violation(self, sender: str, message: str, code: str, problem: str) -> Violation:
        violation = Violation(self.station, sender, message, code, problem)
        self._record.violation(violation)
        return violation


def _seen(future: asyncio.Future[Answered]) -> None:
    """Keeps asyncio from complaining of a failure whose caller has gone."""
    if not future.cancelled():
        future.exception()

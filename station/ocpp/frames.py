"""OCPP-J frames: text of the WebSocket to CALL, CALLRESULT and CALLERROR, and back.

`parse` is total: whatever is received, it returns. Before the JSON is decoded one linear pass
bounds its size, its depth and its integers, so no text is expensive. A CALL that cannot be read
is answered with its own id where the JSON is sound, and with "-1" where it is not; an answer that
cannot be read is never answered.
"""

import re
from itertools import accumulate
from typing import Any

import orjson
from msgspec import Struct

from station.ocpp.errors import MAX_DESCRIPTION, ErrorCode

MAX_FRAME_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_INTEGER_DIGITS = 18
MAX_MESSAGE_ID = 36
UNREADABLE_ID = "-1"  # OCPP-J 4.2.3

CALL, CALL_RESULT, CALL_ERROR = 2, 3, 4
ARITY: dict[float, int] = {CALL: 4, CALL_RESULT: 3, CALL_ERROR: 5}
ANSWERS = (CALL_RESULT, CALL_ERROR)

LONG_INTEGER = re.compile(rb"[\[,:\s]-?[0-9]{%d}" % (MAX_INTEGER_DIGITS + 1))
# Each bracket becomes its step in depth plus one; everything else goes.
STEPS = bytes.maketrans(b"[{]}", b"\x02\x02\x00\x00")
NOT_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))
# Message type and plain id, for texts that are not decoded.
HEADER = re.compile(rb'\s*\[\s*([0-9]{1,3})\s*,\s*"([ !#-\[\]-~]{0,%d})"' % MAX_MESSAGE_ID)
HEADER_BYTES = 256


class Call(Struct, frozen=True):
    message_id: str
    action: str
    payload: dict[str, Any]


class CallResult(Struct, frozen=True):
    message_id: str
    payload: dict[str, Any]


class CallError(Struct, frozen=True):
    """*code* is what the other side wrote, which need not be an ErrorCode."""

    message_id: str
    code: str
    description: str
    details: dict[str, Any]


class Malformed(Struct, frozen=True):
    """A frame that is no message; *reply* is the CALLERROR to send, None for silence.

    *answers* is the id of an unusable CALLRESULT or CALLERROR, so that the CALL it was meant for
    can fail now instead of timing out.
    """

    reply: str | None
    reason: str
    answers: str | None = None


Frame = Call | CallResult | CallError | Malformed


def parse(data: str | bytes) -> Frame:
    """The message in *data*; never raises."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if excess := _find_excess(raw):
        return _refuse_unread(raw, excess)
    try:
        frame = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "infinity" in error.msg:  # 1e400: sound JSON, but no number that can be used
            return _refuse_unread(raw, "number too large")
        kind, answers = _read_header(raw)
        message_id = answers if kind in ANSWERS else None
        return _refuse(kind, message_id, ErrorCode.RPC_FRAMEWORK_ERROR, "not JSON in UTF-8")
    if not isinstance(frame, list) or not frame:
        return _refuse(None, None, ErrorCode.RPC_FRAMEWORK_ERROR, "not an array with elements")
    return _read(frame)


def parse_object(raw: bytes) -> dict[str, Any] | None:
    """A JSON object under the limits of a frame; None for anything else."""
    if _find_excess(raw):
        return None
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def call(message_id: str, action: str, payload: bytes) -> str:
    return f"[2,{_quote(message_id)},{_quote(action)},{payload.decode()}]"


def call_result(message_id: str, payload: bytes) -> str:
    return f"[3,{_quote(message_id)},{payload.decode()}]"


def call_error(message_id: str, code: ErrorCode, description: str = "") -> str:
    return f"[4,{_quote(message_id)},{_quote(code)},{_quote(description[:MAX_DESCRIPTION])},{{}}]"


def _quote(text: str) -> str:
    return orjson.dumps(text).decode()


def _refuse(kind: object, message_id: str | None, code: ErrorCode, reason: str) -> Malformed:
    if kind in ANSWERS:
        return Malformed(None, reason, message_id)
    if message_id is None:
        message_id = UNREADABLE_ID
    return Malformed(call_error(message_id, code, reason), reason)


def _refuse_unread(raw: bytes, reason: str) -> Malformed:
    """Refuses what is sound JSON, as far as anyone can tell, but is not decoded here."""
    kind, message_id = _read_header(raw)
    readable = message_id is not None
    code = ErrorCode.FORMAT_VIOLATION if readable else ErrorCode.RPC_FRAMEWORK_ERROR
    return _refuse(kind, message_id, code, reason)


def _find_excess(raw: bytes) -> str | None:
    """What makes decoding *raw* too expensive; looks at each byte a fixed number of times.

    Up to its first syntax error a text has backslashes only inside strings, so escaped quotes can
    be dropped and every second piece between quotes is outside a string. Past that error this may
    be wrong, but there the decoder has stopped.
    """
    if len(raw) > MAX_FRAME_BYTES:
        return "frame too large"
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(unescaped.split(b'"')[::2])
    if LONG_INTEGER.search(outside):
        return "integer too long"
    if outside.count(b"[") + outside.count(b"{") > MAX_DEPTH:
        steps = outside.translate(STEPS, NOT_BRACKETS)
        if max(accumulate(step - 1 for step in steps)) > MAX_DEPTH:
            return "nested too deeply"
    return None


def _read_header(raw: bytes) -> tuple[int | None, str | None]:
    """Message type and id of a text that cannot or may not be decoded, as far as they show."""
    found = HEADER.match(raw[:HEADER_BYTES])
    return (int(found[1]), found[2].decode()) if found else (None, None)


def _read(frame: list[Any]) -> Frame:
    kind = frame[0]
    message_id = _read_id(frame)
    if isinstance(kind, bool) or not isinstance(kind, int | float):
        return _refuse(None, message_id, ErrorCode.RPC_FRAMEWORK_ERROR, "no message type")
    if kind not in ARITY:  # OCPP-J 4.4
        reason = "unknown message type"
        return _refuse(None, message_id, ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED, reason)
    if len(frame) != ARITY[kind]:
        return _refuse(kind, message_id, ErrorCode.RPC_FRAMEWORK_ERROR, "wrong number of elements")
    if message_id is None:
        return _refuse(kind, None, ErrorCode.RPC_FRAMEWORK_ERROR, "no usable message id")
    if kind == CALL:
        return _read_call(message_id, *frame[2:])
    if kind == CALL_RESULT:
        return _read_call_result(message_id, *frame[2:])
    return _read_call_error(message_id, *frame[2:])


def _read_id(frame: list[Any]) -> str | None:
    """The id, unless it is none that a CALLERROR could hold (OCPP-J 4.1.4)."""
    if len(frame) > 1 and isinstance(frame[1], str) and len(frame[1]) <= MAX_MESSAGE_ID:
        return frame[1]
    return None


def _read_call(message_id: str, action: Any, payload: Any) -> Frame:
    if not isinstance(action, str):
        return _refuse(CALL, message_id, ErrorCode.RPC_FRAMEWORK_ERROR, "action is no string")
    if payload is None:  # OCPP-J 4.1.5: another way to write {}
        payload = {}
    if not isinstance(payload, dict):
        return _refuse(CALL, message_id, ErrorCode.FORMAT_VIOLATION, "payload is no object")
    return Call(message_id, action, payload)


def _read_call_result(message_id: str, payload: Any) -> Frame:
    if payload is None:  # OCPP-J 4.1.5
        payload = {}
    if not isinstance(payload, dict):
        return Malformed(None, "payload is no object", message_id)
    return CallResult(message_id, payload)


def _read_call_error(message_id: str, code: Any, description: Any, details: Any) -> Frame:
    if not isinstance(code, str):
        return Malformed(None, "error code is no string", message_id)
    if not isinstance(description, str | None) or not isinstance(details, dict | None):
        return Malformed(None, "error description or details of a wrong type", message_id)
    description = (description or "")[:MAX_DESCRIPTION]
    return CallError(message_id, code[:MAX_DESCRIPTION], description, details or {})

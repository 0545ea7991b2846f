"""Between JSON payloads and typed messages: strict towards requests, forgiving towards answers.

msgspec decodes and checks. A walk over the payload, guided by the types, mends what msgspec sees
differently: it reads timestamps, makes `5.0` an integer (JSON Schema does) and, in an answer, drops
fields that the standard does not know. It runs first where a message can hold a timestamp, and
otherwise only after a refusal.
"""

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec
import orjson
from msgspec import UnsetType, ValidationError

from station.ocpp.errors import ErrorCode, RpcError
from station.ocpp.types import CustomData, Message, Request

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Request[Any])
Mend = Callable[[Any], Any]

MAX_VENDOR_ID = 255
MAX_EXACT_FLOAT = 2**53  # above it a float no longer tells one whole number from the next

TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})"
    r"(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
NO_TIMESTAMP = ""  # what a bad timestamp becomes: msgspec refuses it and says where it was

OCCURRENCE = ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION
PROPERTY = ErrorCode.PROPERTY_CONSTRAINT_VIOLATION
REFUSALS = (
    # How a refusal by msgspec begins, and what the CSMS is told. The first that fits counts.
    ("Object missing required field", OCCURRENCE, "is missing"),
    ("Object contains unknown field", OCCURRENCE, "has an unknown field"),
    ("Expected `array` of length", OCCURRENCE, "has too few or too many items"),
    ("Expected `str` of length", PROPERTY, "is too long"),
    ("Expected `int` ", PROPERTY, "is out of range"),
    ("Invalid enum value", PROPERTY, "is none of the allowed values"),
    ("Invalid RFC3339 encoded datetime", PROPERTY, "is no RFC 3339 timestamp"),
    ("Expected ", ErrorCode.TYPE_CONSTRAINT_VIOLATION, "has the wrong type"),
)
MISSING = re.compile(r"Object missing required field `([A-Za-z0-9]+)`")
PLACE = re.compile(r".* - at `\$((?:\.[A-Za-z0-9]+|\[[0-9]{1,4}\])+)`", re.DOTALL)


def decode_request(request_type: type[R], payload: dict[str, Any]) -> R:
    """The payload of a CALL; raises RpcError for whatever its schema does not allow."""
    return _decode(request_type, payload, prune=False)


def decode_response(response_type: type[M], payload: dict[str, Any]) -> M:
    """The payload of a CALLRESULT; raises RpcError, but not for fields of another standard."""
    return _decode(response_type, payload, prune=True)


def encode(message: Message) -> bytes:
    """The payload as JSON, ready for `frames`."""
    return orjson.dumps(
        msgspec.to_builtins(message, builtin_types=(datetime,)),
        default=format_timestamp,
        option=orjson.OPT_PASSTHROUGH_DATETIME,
    )


def to_payload(message: Message) -> dict[str, Any]:
    """The payload as the JSON object that the other side will read."""
    payload: dict[str, Any] = orjson.loads(encode(message))
    return payload


def format_timestamp(when: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds only where there are any."""
    if when.tzinfo is None:
        raise ValueError("a timestamp without a time zone")
    spec = "milliseconds" if when.microsecond >= 1000 else "seconds"
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def shift_times(value: Any, shift: timedelta, but_for: Container[datetime] = ()) -> Any:
    """A copy of a message with every timestamp in it moved by *shift*, but for these."""
    if isinstance(value, datetime):
        return value if value in but_for else value + shift
    if isinstance(value, list | tuple):
        return [shift_times(item, shift, but_for) for item in value]
    if isinstance(value, Message):
        moved = {
            name: shift_times(getattr(value, name), shift, but_for)
            for name in value.__struct_fields__
        }
        return type(value)(**moved)
    return value


def times_of(value: Any) -> Iterator[datetime]:
    """Every timestamp in a message."""
    if isinstance(value, datetime):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from times_of(item)
    elif isinstance(value, Message):
        for name in value.__struct_fields__:
            yield from times_of(getattr(value, name))


def parse_timestamp(text: str) -> datetime | None:
    """RFC 3339 to UTC, cut to milliseconds; no offset is read as UTC, anything else is None."""
    found = TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    date, clock, second, fraction, offset = found.groups()
    leap = timedelta(seconds=second == "60")  # RFC 3339 5.6 allows a leap second
    milliseconds = (fraction or "")[:3].ljust(3, "0")
    plain = f"{date}T{clock}:{'59' if leap else second}.{milliseconds}{(offset or 'Z').upper()}"
    try:
        return datetime.fromisoformat(plain).astimezone(UTC) + leap
    except (ValueError, OverflowError):
        return None


def _decode(message_type: type[M], payload: dict[str, Any], *, prune: bool) -> M:
    mend = _mend_for(message_type, prune)
    if _has_timestamps(message_type):
        payload = mend(payload)
    try:
        return msgspec.convert(payload, message_type, dec_hook=_custom_data)
    except ValidationError:
        pass  # what can be mended is, below; the rest is refused again
    try:
        return msgspec.convert(mend(payload), message_type, dec_hook=_custom_data)
    except ValidationError as refusal:
        # The refusal quotes what was received: neither the answer nor a log may hold it.
        raise _explain(message_type, str(refusal)) from None


def _custom_data(_: type[CustomData], value: Any) -> CustomData:
    """Checks what OCPP-J 9 asks of customData, in msgspec's words."""
    if not isinstance(value, dict):
        raise TypeError("Expected `object`")
    if "vendorId" not in value:
        raise ValueError("Object missing required field `vendorId`")
    if not isinstance(value["vendorId"], str):
        raise TypeError("Expected `str`")
    if len(value["vendorId"]) > MAX_VENDOR_ID:
        raise ValueError("Expected `str` of length <= 255")
    return CustomData(value)


def _bare(annotation: Any) -> Any:
    """The type itself, without limits and without "or absent"."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    parts = [part for part in get_args(annotation) if part is not UnsetType]
    if UnsetType in get_args(annotation):
        return _bare(parts[0])
    return annotation


@cache
def _fields(message_type: type[Message]) -> Mapping[str, Any]:
    """The bare type of each field by its JSON name."""
    return {field.encode_name: _bare(field.type) for field in msgspec.structs.fields(message_type)}


def _item_type(kind: Any) -> Any:
    """The bare type of a list's items, or None for what is not a list."""
    return _bare(get_args(kind)[0]) if get_origin(kind) is Sequence else None


def _is_message(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Message)


@cache
def _has_timestamps(kind: Any) -> bool:
    if item := _item_type(kind):
        return _has_timestamps(item)
    if _is_message(kind):
        return any(_has_timestamps(inner) for inner in _fields(kind).values())
    return kind is datetime


@cache
def _mend_for(kind: Any, prune: bool) -> Mend:
    if item := _item_type(kind):
        return partial(_mend_items, _mend_for(item, prune))
    if _is_message(kind):
        mends = {name: _mend_for(inner, prune) for name, inner in _fields(kind).items()}
        return partial(_mend_object, mends, prune)
    return SCALARS.get(kind, _as_it_is)


def _mend_object(mends: Mapping[str, Mend], prune: bool, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {
        name: mends.get(name, _as_it_is)(inner)
        for name, inner in value.items()
        if not prune or name in mends
    }


def _mend_items(mend: Mend, value: Any) -> Any:
    return [mend(item) for item in value] if isinstance(value, list) else value


def _mend_integer(value: Any) -> Any:
    whole = isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT_FLOAT
    return int(value) if whole else value


def _mend_timestamp(value: Any) -> Any:
    return parse_timestamp(value) or NO_TIMESTAMP if isinstance(value, str) else value


def _as_it_is(value: Any) -> Any:
    return value


SCALARS: Mapping[Any, Mend] = {int: _mend_integer, datetime: _mend_timestamp}


def _explain(message_type: type[Message], refusal: str) -> RpcError:
    """What the CSMS is told: our words and our field names, nothing of what it sent."""
    place = _place(message_type, refusal)
    if missing := MISSING.match(refusal):
        place = f"{place}.{missing[1]}" if place else missing[1]
    for beginning, code, text in REFUSALS:
        if refusal.startswith(beginning):
            return RpcError(code, f"{place or 'payload'} {text}")
    return RpcError(ErrorCode.FORMAT_VIOLATION, f"{place or 'payload'} is malformed")


def _place(message_type: type[Message], refusal: str) -> str:
    """Where the fault is; "" for the payload itself, or if a received key imitates a place."""
    found = PLACE.fullmatch(refusal)
    if found is None:
        return ""
    kind: Any = message_type
    for name in re.findall(r"\.(\w+)", found[1]):
        kind = _item_type(kind) or kind
        if not _is_message(kind) or name not in _fields(kind):
            return ""
        kind = _fields(kind)[name]
    return found[1].removeprefix(".")

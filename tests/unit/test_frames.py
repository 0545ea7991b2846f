"""What becomes of every text that can come over the WebSocket."""

import itertools
import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.ocpp import frames
from station.ocpp.errors import ErrorCode
from station.ocpp.frames import (
    MAX_DEPTH,
    MAX_FRAME_BYTES,
    Call,
    CallError,
    CallResult,
    Malformed,
    call,
    call_error,
    call_result,
    parse,
)

UUID = "5f2c2c0e-6c57-4ac1-9c0e-0d2f0d1c8a11"


def refused(message_id: str, code: ErrorCode, reason: str) -> Malformed:
    return Malformed(f'[4,"{message_id}","{code}","{reason}",{{}}]', reason)


def silent(reason: str, answers: str | None = None) -> Malformed:
    return Malformed(None, reason, answers)


def unreadable(reason: str) -> Malformed:
    return refused("-1", ErrorCode.RPC_FRAMEWORK_ERROR, reason)


NOT_JSON = unreadable("not JSON in UTF-8")
NOT_ARRAY = unreadable("not an array with elements")


# --- messages ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'[2,"{UUID}","Reset",{{"type":"OnIdle"}}]', Call(UUID, "Reset", {"type": "OnIdle"})),
        ('[2,"","",{}]', Call("", "", {})),
        ('[2,"a","NoSuchAction",{}]', Call("a", "NoSuchAction", {})),
        (' [ 2.0 ,\t"a", "Reset",\r\n{} ] ', Call("a", "Reset", {})),
        ('[2,"a","ClearCache",null]', Call("a", "ClearCache", {})),
        ('[2,"a","B",{"x":1,"x":2}]', Call("a", "B", {"x": 2})),
        (r'[2,"\u0061\"","B",{}]', Call('a"', "B", {})),
        ('[2,"é","B",{"x":"\\ud83d\\ude00"}]', Call("é", "B", {"x": "\U0001f600"})),
        ('[3,"a",{"status":"Accepted"}]', CallResult("a", {"status": "Accepted"})),
        ('[3,"a",null]', CallResult("a", {})),
        (
            '[4,"a","NotSupported","no",{"why":1}]',
            CallError("a", "NotSupported", "no", {"why": 1}),
        ),
        ('[4,"-1","Whatever",null,null]', CallError("-1", "Whatever", "", {})),
    ],
)
def test_a_message_is_read_from_text_and_from_bytes(text: str, message: frames.Frame) -> None:
    assert parse(text) == message
    assert parse(text.encode()) == message


def test_an_error_from_the_other_side_is_cut_to_a_length_that_can_be_logged() -> None:
    error = parse(json.dumps([4, "a", "C" * 9999, "D" * 9999, {}]))
    assert error == CallError("a", "C" * 255, "D" * 255, {})


# --- malformed frames -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("", NOT_JSON),
        (b"", NOT_JSON),
        (" \n", NOT_JSON),
        ("hello", NOT_JSON),
        ('[2,"a","B",{}', NOT_JSON),
        ('[2,"a","B",{}]]', NOT_JSON),
        ('[2,"a","B",{},]', NOT_JSON),
        ("[2,'a','B',{}]", NOT_JSON),
        ('\ufeff[2,"a","B",{}]', NOT_JSON),
        ('[2,"a","B",{"x":NaN}]', NOT_JSON),
        ('[2,"a","B",{"x":Infinity}]', NOT_JSON),
        ('[2,"a","B",{"x":-Infinity}]', NOT_JSON),
        ('[2,"a","B",{"x":01}]', NOT_JSON),
        ('[2,"a\x00","B",{}]', NOT_JSON),
        (b'[2,"a","B",{"x":"\xff"}]', NOT_JSON),
        (b'[2,"a","B",{"x":"\xed\xa0\x80"}]', NOT_JSON),
        (b"\x00\x01\x02", NOT_JSON),
        ('[2,"a","B",{"x":"\ud800"}]', NOT_JSON),
        (r'[2,"a","B",{"x":"\ud800"}]', NOT_JSON),
        (r'[2,"a","B",{"x":"\udc00\ud800"}]', NOT_JSON),
        ("null", NOT_ARRAY),
        ("2", NOT_ARRAY),
        ('"[2]"', NOT_ARRAY),
        ("{}", NOT_ARRAY),
        ('{"0":2,"1":"a"}', NOT_ARRAY),
        ("[]", NOT_ARRAY),
    ],
)
def test_what_is_no_json_array_is_answered_without_an_id(
    data: str | bytes, expected: Malformed
) -> None:
    """OCPP-J 4.2.3"""
    assert parse(data) == expected


FRAMEWORK, TYPE_UNKNOWN = ErrorCode.RPC_FRAMEWORK_ERROR, ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED
ARITY, NO_ID = "wrong number of elements", "no usable message id"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[2]", refused("-1", FRAMEWORK, ARITY)),
        ('[2,"a"]', refused("a", FRAMEWORK, ARITY)),
        ('[2,"","B"]', refused("", FRAMEWORK, ARITY)),
        ('[2,"a","B"]', refused("a", FRAMEWORK, ARITY)),
        ('[2,"a","B",{},{}]', refused("a", FRAMEWORK, ARITY)),
        ('[2,5,"B",{}]', refused("-1", FRAMEWORK, NO_ID)),
        ('[2,null,"B",{}]', refused("-1", FRAMEWORK, NO_ID)),
        ('[2,["a"],"B",{}]', refused("-1", FRAMEWORK, NO_ID)),
        (f'[2,"{UUID}x","B",{{}}]', refused("-1", FRAMEWORK, NO_ID)),
        ('[2,"a",5,{}]', refused("a", FRAMEWORK, "action is no string")),
        ('[2,"a",null,{}]', refused("a", FRAMEWORK, "action is no string")),
        ('[2,"a","B",[]]', refused("a", ErrorCode.FORMAT_VIOLATION, "payload is no object")),
        ('[2,"a","B","{}"]', refused("a", ErrorCode.FORMAT_VIOLATION, "payload is no object")),
        ('[2,"a","B",0]', refused("a", ErrorCode.FORMAT_VIOLATION, "payload is no object")),
        ('[5,"a","B",{}]', refused("a", TYPE_UNKNOWN, "unknown message type")),
        ('[1,"a"]', refused("a", TYPE_UNKNOWN, "unknown message type")),
        ("[0]", refused("-1", TYPE_UNKNOWN, "unknown message type")),
        ("[-2,7]", refused("-1", TYPE_UNKNOWN, "unknown message type")),
        ('[2.5,"a","B",{}]', refused("a", TYPE_UNKNOWN, "unknown message type")),
        ('["2","a","B",{}]', refused("a", FRAMEWORK, "no message type")),
        ('[true,"a","B",{}]', refused("a", FRAMEWORK, "no message type")),
        ('[null,"a","B",{}]', refused("a", FRAMEWORK, "no message type")),
        ('[[2],"a","B",{}]', refused("a", FRAMEWORK, "no message type")),
        ('[[2,"a","B",{}]]', refused("-1", FRAMEWORK, "no message type")),
    ],
)
def test_a_wrong_message_is_answered_with_its_id_where_that_can_be_read(
    text: str, expected: Malformed
) -> None:
    """OCPP-J 4.2.3, 4.4"""
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("[3]", silent(ARITY)),
        ('[3,"a"]', silent(ARITY, "a")),
        ('[3,"a",{},{}]', silent(ARITY, "a")),
        ("[3,5,{}]", silent(NO_ID)),
        ('[3,"a",[]]', silent("payload is no object", "a")),
        ('[3,"a",{"x":NaN}]', silent("not JSON in UTF-8", "a")),
        ('[3,"a",{', silent("not JSON in UTF-8", "a")),
        (b'[3,"\xff",{}]', NOT_JSON),
        ('[3,"a",{"x":1e400}]', silent("number too large", "a")),
        ('[3,"a",{"x":' + "9" * 19 + "}]", silent("integer too long", "a")),
        ('[3,"a","' + "x" * MAX_FRAME_BYTES + '"]', silent("frame too large", "a")),
        ('[4,"a","GenericError",""]', silent(ARITY, "a")),
        ('[4,"a",5,"",{}]', silent("error code is no string", "a")),
        ('[4,"a","X",5,{}]', silent("error description or details of a wrong type", "a")),
        ('[4,"a","X","",[]]', silent("error description or details of a wrong type", "a")),
        ("[4,5,6,7,8]", silent(NO_ID)),
    ],
)
def test_a_wrong_answer_is_never_answered(data: str | bytes, expected: Malformed) -> None:
    assert parse(data) == expected


# --- costly frames ----------------------------------------------------------------------------

FORMAT = ErrorCode.FORMAT_VIOLATION


def nested(depth: int) -> str:
    """A CALL of this depth; the frame and its payload are two levels."""
    return '[2,"a","B",{"x":' + "[" * (depth - 2) + "]" * (depth - 2) + "}]"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("[" * 100_000, unreadable("nested too deeply")),
        (b"[" * 100_000, unreadable("nested too deeply")),
        ('{"":' * 50_000, unreadable("nested too deeply")),
        (nested(MAX_DEPTH + 1), refused("a", FORMAT, "nested too deeply")),
        (nested(90_000), refused("a", FORMAT, "nested too deeply")),
        ('[2,"a","B",{"x":' + "7" * 5000 + "}]", refused("a", FORMAT, "integer too long")),
        ('[2,"a","B",{"x":-' + "7" * 5000 + "}]", refused("a", FORMAT, "integer too long")),
        ('[2,"a","B",[1, ' + "7" * 19 + "]]", refused("a", FORMAT, "integer too long")),
        ("[" + "2" * 5000 + ',"a","B",{}]', unreadable("integer too long")),
        ('[2,"a","B",{"x":1e400}]', refused("a", FORMAT, "number too large")),
        ('[2,"a","B",{"x":-1e400}]', refused("a", FORMAT, "number too large")),
        ('[2,"a","' + "B" * 1_000_000 + '",{}]', refused("a", FORMAT, "frame too large")),
        ('[2,"' + "a" * 1_000_000 + '","B",{}]', unreadable("frame too large")),
        ("[2,5," + "5" * 1_000_000, unreadable("frame too large")),
        (" " * (MAX_FRAME_BYTES + 1), unreadable("frame too large")),
        ("7" * 5000, unreadable("number too large")),
        ('"' * MAX_FRAME_BYTES, NOT_JSON),
        ('\\"' * (MAX_FRAME_BYTES // 2), NOT_JSON),
        ("\\" * MAX_FRAME_BYTES, NOT_JSON),
        (" " * MAX_FRAME_BYTES, NOT_JSON),
        ("[]" * (MAX_FRAME_BYTES // 2), NOT_JSON),
    ],
    ids=itertools.count(),
)
def test_a_frame_that_would_be_costly_is_refused_before_it_is_decoded(
    data: str | bytes, expected: Malformed
) -> None:
    assert parse(data) == expected


def test_what_is_just_within_the_limits_is_read() -> None:
    assert isinstance(parse(nested(MAX_DEPTH)), Call)
    digits = '[2,"a","B",{"x":[' + "9" * 18 + ",-" + "9" * 18 + ",0." + "3" * 60 + ",1e300]}]"
    assert parse(digits) == Call("a", "B", {"x": [10**18 - 1, 1 - 10**18, 1 / 3, 1e300]})
    frame = call("a", "B", b'{"x":""}')
    full = frame.replace('""', '"' + "x" * (MAX_FRAME_BYTES - len(frame)) + '"')
    assert isinstance(parse(full), Call)
    assert isinstance(parse(full + " "), Malformed)
    accents = '[2,"a","B",{"x":"' + "é" * (MAX_FRAME_BYTES // 2) + '"}]'
    assert isinstance(parse(accents), Malformed), "the limit counts bytes"
    wide = orjson.dumps([2, "a", "B", {"x": [[{}]] * 1000}])
    assert isinstance(parse(wide), Call)


@pytest.mark.parametrize(
    "text",
    ["[" * 99, "9" * 99, ',"' + "[" * 99, "\\" + "[" * 99, '\\"' + "9" * 99, "\\\\" * 5 + '"'],
)
def test_the_limits_do_not_apply_inside_strings(text: str) -> None:
    payload = {text: text, "x": [text]}
    assert parse(orjson.dumps([2, "a", "B", payload])) == Call("a", "B", payload)


def test_a_string_does_not_hide_what_follows_it() -> None:
    for text in ("\\", '"', '\\"', '"\\', "\\\\", "[", "]]]"):
        quoted = json.dumps(text)
        deep = f'[2,"a","B",{{{quoted}:{"[" * 99}{"]" * 99}}}]'
        assert parse(deep) == refused("a", FORMAT, "nested too deeply")
        long = f'[2,"a","B",{{{quoted}:{"9" * 19}}}]'
        assert parse(long) == refused("a", FORMAT, "integer too long")


# --- everything else --------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
almost_frames = st.tuples(
    st.sampled_from([2, 3, 4, 5, "2", None]),
    st.text(max_size=40) | st.integers(),
    json_values,
    json_values,
).map(list)


@st.composite
def mutated_frames(draw: st.DrawFn) -> bytes:
    raw = bytearray(json.dumps([2, UUID, "Reset", draw(json_values)]).encode())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        raw[start : start + draw(st.integers(0, 3))] = draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"\\", b"[", b"]", b"{", b",", b"1e999"])
        )
    return bytes(raw)


@settings(max_examples=400)
@given(
    st.text()
    | st.binary()
    | mutated_frames()
    | almost_frames.map(json.dumps)
    | json_values.map(json.dumps)
)
def test_whatever_is_received_is_read_or_gets_a_callerror_that_can_be_sent(
    data: str | bytes,
) -> None:
    frame = parse(data)
    if isinstance(frame, Malformed):
        assert frame.reason.isascii()
        if frame.reply is not None:
            answer = parse(frame.reply)
            assert isinstance(answer, CallError)
            assert answer.code in set(ErrorCode)
            assert (answer.description, answer.details) == (frame.reason, {})


@given(st.text(max_size=36), st.text(), st.dictionaries(st.text(), json_values, max_size=3))
def test_what_is_built_is_read_back(message_id: str, action: str, payload: dict[str, Any]) -> None:
    raw = orjson.dumps(payload)
    payload = orjson.loads(raw)  # orjson writes NaN as null
    assert parse(call(message_id, action, raw)) == Call(message_id, action, payload)
    assert parse(call_result(message_id, raw)) == CallResult(message_id, payload)


def test_frames_are_built_without_superfluous_bytes() -> None:
    assert call("a", "Heartbeat", b"{}") == '[2,"a","Heartbeat",{}]'
    assert call_result("a", b'{"x":1}') == '[3,"a",{"x":1}]'
    assert call_error("a", ErrorCode.NOT_SUPPORTED) == '[4,"a","NotSupported","",{}]'
    assert call_error('"', ErrorCode.GENERIC_ERROR, "é") == r'[4,"\"","GenericError","é",{}]'


def test_a_description_is_cut_to_what_a_callerror_may_hold() -> None:
    assert parse(call_error("a", ErrorCode.GENERIC_ERROR, "x" * 300)) == CallError(
        "a", "GenericError", "x" * 255, {}
    )

"""Signed messages: what is inside, and which envelopes are none."""

import base64
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.ocpp import signed
from station.ocpp.errors import ErrorCode, RpcError

Payload = dict[str, Any]


def part(content: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(content)).decode().rstrip("=")


def sign(action: str, payload: Payload, **header: Any) -> Payload:
    """A flattened JWS as a CSMS makes it; nobody looks at the signature."""
    protected = {"alg": "ES256", "OCPPAction": action, "OCPPMessageTypeId": 2, **header}
    return {"payload": part(payload), "protected": part(protected), "signature": "c2lnbmVk"}


def test_the_message_inside_is_what_counts() -> None:
    payload = {"type": "OnIdle", "text": "ünïcødé ?>~"}
    assert signed.unwrap_call("Reset-Signed", sign("Reset", payload)) == ("Reset", payload)
    assert signed.unwrap_result(sign("Reset", payload)) == payload


def test_what_is_not_signed_stays_as_it_is() -> None:
    for payload in ({}, {"payload": "e30"}, {"payload": {}, "protected": "", "signature": ""}):
        assert signed.unwrap_call("Reset", payload) == ("Reset", payload)
        assert signed.unwrap_result(payload) == payload


def test_an_envelope_under_a_plain_action_is_an_ordinary_payload() -> None:
    envelope = sign("Reset", {})
    assert signed.unwrap_call("Reset", envelope) == ("Reset", envelope)


def test_padding_and_further_members_do_no_harm() -> None:
    envelope = sign("Reset", {"type": "OnIdle"})
    envelope["payload"] += "=" * (-len(envelope["payload"]) % 4)
    envelope["header"] = {"kid": "1"}
    assert signed.unwrap_call("Reset-Signed", envelope) == ("Reset", {"type": "OnIdle"})


def test_a_header_that_names_no_action_is_believed_for_any() -> None:
    envelope = {**sign("Reset", {}), "protected": part({"alg": "ES256"})}
    assert signed.unwrap_call("Reset-Signed", envelope) == ("Reset", {})


BROKEN = {
    "no members": {},
    "payload is an object": {**sign("Reset", {}), "payload": {}},
    "not base64": {**sign("Reset", {}), "payload": "a"},
    "plain base64": {**sign("Reset", {}), "payload": "+/+/"},
    "not ascii": {**sign("Reset", {}), "payload": "ä"},
    "not JSON": {**sign("Reset", {}), "payload": part(1)[:-1] + "_"},
    "a list": {**sign("Reset", {}), "payload": part([])},
    "empty header": {**sign("Reset", {}), "protected": ""},
    "too deep": {**sign("Reset", {}), "payload": base64.urlsafe_b64encode(b"[" * 400).decode()},
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_envelope_is_a_format_violation(name: str) -> None:
    with pytest.raises(RpcError) as refused:
        signed.unwrap_call("Reset-Signed", BROKEN[name])
    assert refused.value.code is ErrorCode.FORMAT_VIOLATION


def test_a_message_signed_for_another_action_is_refused() -> None:
    with pytest.raises(RpcError) as refused:
        signed.unwrap_call("Reset-Signed", sign("ClearCache", {}))
    assert refused.value.code is ErrorCode.SECURITY_ERROR


@given(st.dictionaries(st.sampled_from(("payload", "protected", "signature", "x")), st.text()))
def test_no_envelope_does_more_than_be_refused(envelope: Payload) -> None:
    unwraps: list[Callable[[], object]] = [
        lambda: signed.unwrap_result(envelope),
        lambda: signed.unwrap_call("Reset-Signed", envelope),
    ]
    for unwrap in unwraps:
        with suppress(RpcError):
            unwrap()

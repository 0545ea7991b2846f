"""Signed messages (OCPP-J Part 4, section 7): the message inside, its signature not judged.

A signed message is the normal one as the payload of a flattened JWS (RFC 7515), its action
named `…-Signed`. The receiver takes the normal message out and handles it as ever; a secure
connection already says who sent it, so checking the signature once more is optional there.
"""

import base64
import binascii
from typing import Any

from station.ocpp import frames
from station.ocpp.errors import ErrorCode, RpcError

SUFFIX = "-Signed"
MEMBERS = {"payload", "protected", "signature"}


def unwrap_call(action: str, payload: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The action and payload that are meant; raises RpcError for a broken envelope."""
    if not action.endswith(SUFFIX):
        return action, payload
    meant = action.removesuffix(SUFFIX)
    if not is_signed(payload):
        raise RpcError(ErrorCode.FORMAT_VIOLATION, "not a flattened JWS")
    header = _part(payload["protected"])
    if header.get("OCPPAction", meant) != meant:
        raise RpcError(ErrorCode.SECURITY_ERROR, "signed for another action")
    return meant, _part(payload["payload"])


def unwrap_result(payload: dict[str, Any]) -> dict[str, Any]:
    """The answer that is meant; what is not signed is returned as it is."""
    return _part(payload["payload"]) if is_signed(payload) else payload


def is_signed(payload: dict[str, Any]) -> bool:
    return payload.keys() >= MEMBERS and all(isinstance(payload[each], str) for each in MEMBERS)


def _part(text: str) -> dict[str, Any]:
    """One Base64url part of a JWS, under the limits of any frame."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise RpcError(ErrorCode.FORMAT_VIOLATION, "a part is not Base64url") from error
    part = frames.parse_object(raw)
    if part is None:
        raise RpcError(ErrorCode.FORMAT_VIOLATION, "a part is not a JSON object")
    return part

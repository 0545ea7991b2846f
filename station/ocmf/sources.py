"""Where data sets come from: plain text, logs of OCPP messages, files of the S.A.F.E. software.

Pure: text in, what was found out of it. What looks like a data set and cannot be got at is an
OcmfError that names the line; anything else around it is passed over.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from msgspec import Struct

from station.ocmf.data_set import HEADER, OcmfError, end_of

MAX_DEPTH = 40
SIGNED = "signedMeterData"


class Found(Struct, frozen=True):
    """The text of one data set, and what came with it."""

    text: str
    where: str
    key: str = ""
    """The public key as it stood there; empty if none did."""
    transaction: str = ""
    """The transaction that the source says it belongs to."""


def find(text: str) -> list[Found]:
    """Every data set in the text of a file, in order."""
    text = text.lstrip("\ufeff")
    start = text.lstrip()[:1]
    if start == "<":
        return list(_in_xml(text))
    if start in ("{", "[") and (document := _json(text)) is not None:
        return list(_in_json(document, "the document"))
    found: list[Found] = []
    plain: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if SIGNED in line:
            found += _in_log_line(line, number)
            line = ""  # noqa: PLW2901 - what is left is looked at as plain text
        plain.append(line)
    return found + list(_in_plain("\n".join(plain)))


def _in_log_line(line: str, number: int) -> Iterator[Found]:
    """One message in one line, with anything before it."""
    for bracket in re.finditer(r"[\[{]", line):
        document = _json(line[bracket.start() :])
        if document is not None:
            return _in_json(document, f"line {number}")
    raise OcmfError(f"line {number}: the message is no whole JSON")


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None


def _in_json(document: Any, where: str) -> Iterator[Found]:
    yield from _walk(document, where, "", MAX_DEPTH)


def _walk(value: Any, where: str, transaction: str, depth: int) -> Iterator[Found]:
    if depth <= 0:
        raise OcmfError(f"{where}: nested too deeply")
    if isinstance(value, list):
        for each in value:
            yield from _walk(each, where, transaction, depth - 1)
    elif isinstance(value, dict):
        info = value.get("transactionInfo")
        if isinstance(info, dict) and isinstance(info.get("transactionId"), str):
            transaction = info["transactionId"]
        if isinstance(value.get(SIGNED), str) and value[SIGNED]:
            yield _from_signed_value(value, where, transaction)
        for key, each in value.items():
            if key != SIGNED:
                yield from _walk(each, where, transaction, depth - 1)
    elif isinstance(value, str) and value.startswith(HEADER):
        yield Found(value, where, transaction=transaction)


def _from_signed_value(value: dict[str, Any], where: str, transaction: str) -> Found:
    """SignedMeterValueType of OCPP 2.x: data and key are Base64."""
    key = value.get("publicKey")
    text: str = value[SIGNED]
    if not text.startswith(HEADER):
        text = _from_base64(text, where)
    return Found(text, where, key if isinstance(key, str) else "", transaction)


def _from_base64(text: str, where: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise OcmfError(f"{where}: {SIGNED} is not Base64 of a text") from error


def _in_plain(text: str) -> Iterator[Found]:
    at = text.find(HEADER)
    while at >= 0:
        where = f"line {text.count(chr(10), 0, at) + 1}"
        try:
            end = end_of(text, at)
        except OcmfError as error:
            raise OcmfError(f"{where}: {error}") from error
        yield Found(text[at:end], where)
        at = text.find(HEADER, end)


def _in_xml(text: str) -> Iterator[Found]:
    """Values of the S.A.F.E. transparency software; entities are not needed there."""
    if "<!" in re.sub(r"<!--.*?-->|<!\[CDATA\[", "", text, flags=re.DOTALL):
        raise OcmfError("the XML declares types or entities, which no such file needs")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without entities, see above
    except (ElementTree.ParseError, ValueError) as error:
        raise OcmfError(f"not XML: {error}") from error
    for number, value in enumerate(root.iter("value"), start=1):
        signed = value.find("signedData")
        if signed is None or not (signed.text or "").strip():
            continue
        where = f"value {number}"
        yield Found(
            _decoded(signed.text or "", signed.get("encoding", "plain"), where),
            where,
            key=(value.findtext("publicKey") or "").strip(),
            transaction=value.get("transactionId", ""),
        )


def _decoded(text: str, encoding: str, where: str) -> str:
    text = text.strip()
    if text.startswith(HEADER) or encoding == "plain":
        return text
    try:
        if encoding == "hex":
            return bytes.fromhex(text).decode()
        if encoding == "base64":
            return base64.b64decode("".join(text.split()), validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise OcmfError(f"{where}: signedData is not {encoding}") from error
    raise OcmfError(f"{where}: signedData has the encoding {encoding[:20]!r}")

"""One data set of the Open Charge Metering Format, taken apart; what was signed stays as it was.

`OCMF|<payload>|<signature>`: the signature is over the bytes of the payload between the
bars, so these are kept, and nothing here writes JSON again. Source: OCMF 1.2, S.A.F.E. e.V.
"""

import base64
import binascii
import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

from msgspec import Struct

HEADER = "OCMF|"
DEFAULT_ALGORITHM = "ECDSA-secp256r1-SHA256"
MAX_CHARS = 100_000
MAX_DIGITS = 18
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)[,.](\d{1,6})([+-]\d\d:?\d\d|Z) ?([UISR]?)")
PAGE = re.compile(r"([TF])(\d{1,18})")
NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,12})?")
WH = {"Wh": Decimal(1), "kWh": Decimal(1000)}
BEGINS = frozenset("B")
ENDS = frozenset("ELRAP")


class OcmfError(ValueError):
    """The text cannot be used; what is wrong with it, in one line."""


class Reading(Struct, frozen=True):
    """One entry of RD; what it leaves out, it has from the entry before."""

    at: datetime
    clock: str
    """U, I, S or R of the format's table of time states; empty when left out."""
    reason: str
    """TX; empty outside of a transaction."""
    value: Decimal | None
    obis: str
    unit: str
    errors: str
    """EF: the quantities that must not be billed any more, of `E` and `t`."""
    status: str
    """ST: `G` when the meter was well."""

    @property
    def energy_wh(self) -> Decimal | None:
        """None when no energy was read."""
        factor = WH.get(self.unit)
        return None if self.value is None or factor is None else self.value * factor


class DataSet(Struct, frozen=True):
    """What is in one signed data set; whether the signature is good is for `signature` to say."""

    text: str
    payload: str
    """Exactly what was signed."""
    context: str
    """T: of a transaction; F: fiscal, outside of one."""
    page: int
    meter: str
    """Serial number of the meter, or of the gateway that signs for it."""
    identification: str
    """Who charged; empty when the meter was not told."""
    readings: tuple[Reading, ...]
    algorithm: str
    signature: bytes

    @property
    def begin(self) -> Reading | None:
        return next((each for each in self.readings if each.reason in BEGINS), None)

    @property
    def end(self) -> Reading | None:
        return next((each for each in self.readings if each.reason in ENDS), None)


def parse(text: str) -> DataSet:
    """Take *text* apart; OcmfError says what it lacks."""
    text = text.strip()
    if len(text) > MAX_CHARS:
        _fail(f"longer than {MAX_CHARS} characters")
    if not text.startswith(HEADER):
        _fail(f"does not begin with {HEADER}")
    sections = text.split("|")
    if len(sections) != 3:
        _fail(f"has {len(sections)} sections between bars instead of 3")
    payload = _object(sections[1], "the payload")
    signature = _object(sections[2], "the signature section")
    context, page = _page(payload)
    return DataSet(
        text=text,
        payload=sections[1],
        context=context,
        page=page,
        meter=_text(payload, "MS") or _text(payload, "GS"),
        identification=_text(payload, "ID"),
        readings=_readings(payload),
        algorithm=_text(signature, "SA", DEFAULT_ALGORITHM),
        signature=_signature(signature),
    )


def end_of(text: str, start: int) -> int:
    """Where the data set that begins at *start* of a longer text ends; OcmfError if it does not."""
    first = text.find("|", start)
    second = text.find("|", first + 1)
    if second < 0:
        _fail("has no signature section")
    brace = text.find("{", second)
    if brace < 0 or text[second + 1 : brace].strip():
        _fail("the signature section is no JSON object")
    try:
        _, end = _DECODER.raw_decode(text, brace)
    except (ValueError, RecursionError):
        _fail("the signature section is no JSON object")
    return end


def _object(text: str, what: str) -> dict[str, Any]:
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, OcmfError | json.JSONDecodeError) else "too deep"
        _fail(f"{what} is not JSON: {reason}")
    if not isinstance(found, dict):
        _fail(f"{what} is no JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A field given twice could be read in two ways, and only one of them would be billed."""
    found = dict(pairs)
    if len(found) != len(pairs):
        _fail("a field is given twice")
    return found


def _no_constant(text: str) -> NoReturn:
    _fail(f"{text} is no number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=str, parse_int=str, parse_constant=_no_constant
)
"""Numbers stay text until it is known that they are short."""


def _text(section: dict[str, Any], key: str, default: str = "") -> str:
    value = section.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        _fail(f"{key} is no text")
    return value


def _page(payload: dict[str, Any]) -> tuple[str, int]:
    found = PAGE.fullmatch(_text(payload, "PG"))
    if found is None:
        _fail("PG is not T or F and a number")
    return found[1], int(found[2])


def _readings(payload: dict[str, Any]) -> tuple[Reading, ...]:
    entries = payload.get("RD")
    if not isinstance(entries, list) or not entries:
        _fail("RD is no list of readings")
    found: list[Reading] = []
    entire: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            _fail("an entry of RD is no JSON object")
        entire = {**entire, **entry}
        found.append(_reading(entire))
    return tuple(found)


def _reading(entry: dict[str, Any]) -> Reading:
    time = TIME.fullmatch(_text(entry, "TM"))
    try:
        if time is None:
            raise ValueError
        zone = "+00:00" if time[3] == "Z" else time[3]
        at = datetime.fromisoformat(f"{time[1]}.{time[2]:0<6}{zone}")
    except ValueError:
        _fail("TM is no time as 2026-03-02T09:00:00,000+0100 S")
    return Reading(
        at=at,
        clock=time[4],
        reason=_text(entry, "TX"),
        value=_number(entry.get("RV")),
        obis=_text(entry, "RI"),
        unit=_text(entry, "RU"),
        errors=_text(entry, "EF"),
        status=_text(entry, "ST"),
    )


def _number(value: Any) -> Decimal | None:
    """RV is a number; some meters write it as text."""
    if value is None:
        return None
    if not isinstance(value, str) or NUMBER.fullmatch(value) is None:
        _fail(f"RV is no number of at most {MAX_DIGITS} digits")
    return Decimal(value)


def _signature(section: dict[str, Any]) -> bytes:
    data, encoding = _text(section, "SD"), _text(section, "SE", "hex")
    if not data:
        _fail("SD, the signature, is missing")
    if encoding not in ("hex", "base64"):
        _fail(f"SE is neither hex nor base64 but {encoding[:20]!r}")
    try:
        if encoding == "hex":
            return bytes.fromhex(data)
        return base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        _fail(f"SD is not {encoding}")


def _fail(problem: str) -> NoReturn:
    raise OcmfError(problem)

"""Checks payloads against the OCPP 2.0.1 schemas of the `ocpp` package, for the bench CSMS."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import ocpp.v201
from jsonschema import Draft6Validator, FormatChecker  # type: ignore[import-untyped]
from ocpp.messages import MessageType, get_validator

FROM_STATION = frozenset(
    {
        "Authorize",
        "BootNotification",
        "ClearedChargingLimit",
        "DataTransfer",
        "FirmwareStatusNotification",
        "Get15118EVCertificate",
        "GetCertificateStatus",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "NotifyChargingLimit",
        "NotifyCustomerInformation",
        "NotifyDisplayMessages",
        "NotifyEVChargingNeeds",
        "NotifyEVChargingSchedule",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyReport",
        "PublishFirmwareStatusNotification",
        "ReportChargingProfiles",
        "ReservationStatusUpdate",
        "SecurityEventNotification",
        "SignCertificate",
        "StatusNotification",
        "TransactionEvent",
    }
)

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z")

# The error codes of OCPP-J for a payload that breaks its schema, by the keyword it breaks.
CODES: Mapping[str, str] = {
    "type": "TypeConstraintViolation",
    "required": "OccurrenceConstraintViolation",
    "minItems": "OccurrenceConstraintViolation",
    "maxItems": "OccurrenceConstraintViolation",
    "additionalProperties": "FormatViolation",
}
DEFAULT_CODE = "PropertyConstraintViolation"


@dataclass(frozen=True)
class Violation:
    """One message that broke a rule: whose, where, and the CALLERROR code that says so."""

    station: str
    sender: str  # "station" or "csms"
    message: str
    code: str
    problem: str

    def __str__(self) -> str:
        return f"{self.message} sent by the {self.sender}: {self.problem} [{self.code}]"


@cache
def actions() -> tuple[str, ...]:
    """Every action of OCPP 2.0.1, sorted."""
    folder = Path(ocpp.v201.__file__).parent / "schemas"
    names = (path.stem for path in folder.glob("*Request.json"))
    return tuple(sorted(name.removesuffix("Request") for name in names))


@cache
def calls_to_station() -> tuple[str, ...]:
    """The actions that a CSMS may call, sorted."""
    return tuple(name for name in actions() if name not in FROM_STATION or name == "DataTransfer")


def near_matches(action: str) -> list[str]:
    """Actions a CSMS may call whose names resemble *action*, the most alike first."""
    by_lower = {name.lower(): name for name in calls_to_station()}
    within = [name for low, name in by_lower.items() if action and action.lower() in low]
    alike = get_close_matches(action.lower(), by_lower, n=3, cutoff=0.5)
    return list(dict.fromkeys([*(by_lower[low] for low in alike), *within]))[:5]


class Schemas:
    """The 128 payload schemas, each loaded when first needed."""

    def __init__(self) -> None:
        self._validators: dict[tuple[str, bool], Any] = {}
        self._formats = FormatChecker(formats=())
        self._formats.checks("date-time")(_is_timestamp)

    def check(self, action: str, payload: object, *, response: bool) -> tuple[str, str] | None:
        """The CALLERROR code and what is wrong, or None when *payload* obeys its schema."""
        validator = self._validator(action, response)
        errors = sorted(
            validator.iter_errors(payload), key=lambda error: list(map(str, error.path))
        )
        if not errors:
            return None
        first = errors[0]
        where = ".".join(map(str, first.absolute_path)) or "payload"
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        problem = f"{where}: {_shortened(first.message)}{more}"
        return CODES.get(first.validator, DEFAULT_CODE), problem

    def problem_of_call(self, action: str, payload: object) -> str | None:
        """How a call to a station that exists breaks its schema, or None."""
        found = self.check(action, payload, response=False)
        return None if found is None else f"{action} breaks its schema: {found[1]}"

    def _validator(self, action: str, response: bool) -> Any:
        key = (action, response)
        if key not in self._validators:
            kind = MessageType.CallResult if response else MessageType.Call
            # The package reads them as draft 4, in which 5.0 is no integer; they are draft 6.
            schema = get_validator(kind, action, "2.0.1").schema
            self._validators[key] = Draft6Validator(schema, format_checker=self._formats)
        return self._validators[key]


def unknown_call(action: str) -> str | None:
    """Why *action* is nothing that a CSMS can call, with names that resemble it, or None."""
    if action in calls_to_station():
        return None
    alike = near_matches(action)
    hint = f"; did you mean {', '.join(alike)}?" if alike else ""
    sent_by_stations = action in FROM_STATION
    what = "is sent by stations, not to them" if sent_by_stations else "is no OCPP 2.0.1 action"
    return f"{action} {what}{hint}"


def json_problem(text: str) -> str | None:
    """Where *text* stops being a JSON object, or None."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError) as error:
        return f"not usable as JSON: {error}"
    return None if isinstance(value, dict) else "the payload must be a JSON object, like '{}'"


def _is_timestamp(value: object) -> bool:
    if not isinstance(value, str):
        return True  # the type keyword speaks about that
    if not RFC_3339.match(value):
        return False
    try:
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:120]} … {text[-70:]}"

"""The line that the bench CSMS prints for each message: aligned, short, without secrets."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from station.bench.csms_ledger import registers

Summary = Callable[[Any], str]

ACTION_WIDTH = 18
MAX_SUMMARY = 160


def clip(text: str, width: int = MAX_SUMMARY) -> str:
    """*text* on one line, nothing that a terminal would obey, cut at *width*."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def at(value: Any, *path: str | int) -> Any:
    """What is at *path* in a payload that may be anything at all, or None."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def items(value: Any, *path: str | int) -> list[Any]:
    found = at(value, *path)
    return found if isinstance(found, list) else []


def joined(*words: object) -> str:
    return " ".join(str(word) for word in words if word not in (None, "", False))


def named(name: str, value: Any) -> str:
    return "" if value is None else f"{name}={value}"


def transaction_event(payload: Any) -> str:
    info = at(payload, "transactionInfo")
    words = joined(
        at(payload, "eventType"),
        named("seq", at(payload, "seqNo")),
        f"tx={str(at(info, 'transactionId'))[:8]}…",
        place(at(payload, "evse")),
        at(payload, "triggerReason"),
        at(info, "chargingState"),
        at(info, "stoppedReason"),
        named("token", token(at(payload, "idToken"))),
        "offline" if at(payload, "offline") is True else "",
    )
    energy = last_register(items(payload, "meterValue"))
    return f"{words}  {energy}" if energy else words


def place(evse: Any) -> str:
    if at(evse, "id") is None:
        return ""
    connector = at(evse, "connectorId")
    return f"evse {at(evse, 'id')}" + ("" if connector is None else f".{connector}")


def token(id_token: Any) -> str | None:
    """The token, a PIN hidden, a token without text (NoAuthorization) as its type."""
    if id_token is None:
        return None
    kind = at(id_token, "type")
    return "*** (KeyCode)" if kind == "KeyCode" else str(at(id_token, "idToken") or kind)


def last_register(meter_values: list[Any]) -> str:
    try:
        readings = registers(meter_values)
    except (KeyError, TypeError, ValueError, AttributeError):
        return "unreadable meter values"
    return f"{readings[-1][1]:.0f} Wh" if readings else ""


def boot(payload: Any) -> str:
    maker = at(payload, "chargingStation")
    return joined(
        at(payload, "reason"),
        at(maker, "vendorName"),
        at(maker, "model"),
        named("serial", at(maker, "serialNumber")),
        named("firmware", at(maker, "firmwareVersion")),
    )


def status(payload: Any) -> str:
    where = f"evse {at(payload, 'evseId')}.{at(payload, 'connectorId')}"
    return joined(where, at(payload, "connectorStatus"))


def meter_values(payload: Any) -> str:
    values = items(payload, "meterValue")
    samples = sum(len(items(entry, "sampledValue")) for entry in values)
    return joined(f"evse {at(payload, 'evseId')}", f"{samples} values", last_register(values))


def variable(entry: Any) -> str:
    where = joined(at(entry, "component", "name"), place(at(entry, "component", "evse")))
    instance = at(entry, "variable", "instance")
    name = str(at(entry, "variable", "name"))
    return f"{where}.{name}" + (f"[{instance}]" if instance is not None else "")


def events(payload: Any) -> str:
    shown = [
        joined(f"{variable(entry)}={at(entry, 'actualValue')}", at(entry, "trigger"))
        for entry in items(payload, "eventData")
    ]
    return ", ".join(shown)


def report(payload: Any) -> str:
    data = items(payload, "reportData") or items(payload, "monitor")
    more = "more follow" if at(payload, "tbc") is True else "last part"
    words = (f"request {at(payload, 'requestId')}", f"part {at(payload, 'seqNo')}")
    return joined(*words, f"{len(data)} entries,", more)


def variables_set(payload: Any) -> str:
    entries = items(payload, "setVariableData")
    return ", ".join(f"{variable(entry)}={at(entry, 'attributeValue')}" for entry in entries)


def variables_set_answer(payload: Any) -> str:
    entries = items(payload, "setVariableResult")
    return ", ".join(f"{variable(entry)} {at(entry, 'attributeStatus')}" for entry in entries)


def variables_asked(payload: Any) -> str:
    return ", ".join(variable(entry) for entry in items(payload, "getVariableData"))


def variables_asked_answer(payload: Any) -> str:
    return ", ".join(
        f"{variable(entry)}={at(entry, 'attributeValue')}"
        if at(entry, "attributeStatus") == "Accepted"
        else f"{variable(entry)} {at(entry, 'attributeStatus')}"
        for entry in items(payload, "getVariableResult")
    )


def remote_start(payload: Any) -> str:
    return joined(
        f"remote start {at(payload, 'remoteStartId')}",
        named("evse", at(payload, "evseId")),
        named("token", token(at(payload, "idToken"))),
    )


def generic(payload: Any) -> str:
    """Scalars as they are, objects by their own scalars, lists by their length."""
    if not isinstance(payload, dict):
        return f"(not an object: {type(payload).__name__})"
    return " ".join(f"{key}={_value(value)}" for key, value in payload.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + generic(value) + "}"
    return f"[{len(value)}]" if isinstance(value, list) else str(value)


def answer(payload: Any) -> str:
    """Most responses are a status, its reason, and perhaps something more."""
    if not isinstance(payload, dict):
        return generic(payload)
    first = at(payload, "status") or at(payload, "idTokenInfo", "status") or ""
    reason = joined(
        at(payload, "statusInfo", "reasonCode"), at(payload, "statusInfo", "additionalInfo")
    )
    rest = {k: v for k, v in payload.items() if k not in ("status", "idTokenInfo", "statusInfo")}
    return joined(first, f"({reason})" if reason else "", generic(rest)) or "ok"


REQUESTS: Mapping[str, Summary] = {
    "Authorize": lambda payload: joined("token", token(at(payload, "idToken"))),
    "BootNotification": boot,
    "GetVariables": variables_asked,
    "Heartbeat": lambda _: "",
    "MeterValues": meter_values,
    "NotifyEvent": events,
    "NotifyMonitoringReport": report,
    "NotifyReport": report,
    "RequestStartTransaction": remote_start,
    "SecurityEventNotification": lambda payload: joined(
        at(payload, "type"), at(payload, "techInfo")
    ),
    "SetVariables": variables_set,
    "StatusNotification": status,
    "TransactionEvent": transaction_event,
}
RESPONSES: Mapping[str, Summary] = {
    "GetVariables": variables_asked_answer,
    "SetVariables": variables_set_answer,
}


def request_summary(action: str, payload: Any) -> str:
    """*payload* must have been redacted."""
    return clip(REQUESTS.get(action, generic)(payload))


def response_summary(action: str, payload: Any) -> str:
    """*payload* must have been redacted."""
    return clip(RESPONSES.get(action, answer)(payload))


def clock_text(now: datetime) -> str:
    return f"{now:%H:%M:%S}.{now.microsecond // 1000:03d}"


def line(now: datetime, station: str, arrow: str, action: str, summary: str, width: int) -> str:
    """One row of the table that the CSMS prints; *arrow* points to the CSMS for →."""
    head = f"{clock_text(now)} {station:<{width}} {arrow} {action:<{ACTION_WIDTH}}"
    return f"{head} {summary}".rstrip()

"""Takes secrets out of frames before the bench CSMS writes them anywhere."""

import re
from typing import Any

HIDDEN = "***"

# What holds a variable's value, wherever in a message a variable is named.
VALUES = frozenset({"attributeValue", "value", "actualValue"})
PIN_FIELDS = frozenset({"idToken", "additionalIdToken"})
PRIVATE_KEY = "PRIVATE KEY-----"
PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*:)[^/\s@]+@")


def redact(value: Any) -> Any:
    """A copy of a decoded frame without passwords, keys and PIN codes."""
    if isinstance(value, dict):
        return _redact_object(value)
    if isinstance(value, list):
        return [redact(item) for item in value]
    if isinstance(value, str):
        if PRIVATE_KEY in value:
            return HIDDEN
        return PASSWORD_IN_URL.sub(rf"\1{HIDDEN}@", value)
    return value


def _redact_object(entry: dict[str, Any]) -> dict[str, Any]:
    names_password = _is_secret_name(_variable_name(entry))
    is_pin = entry.get("type") == "KeyCode"
    is_vpn = "server" in entry and "user" in entry
    copy: dict[str, Any] = {}
    for key, value in entry.items():
        hide = _is_secret_name(key) and isinstance(value, str | int)
        hide = hide or (is_pin and key in PIN_FIELDS) or (is_vpn and key == "key")
        if hide or (names_password and key in VALUES):
            copy[key] = HIDDEN
        else:
            copy[key] = _hide_values(redact(value)) if names_password else redact(value)
    return copy


def _hide_values(value: Any) -> Any:
    """Everything below the name of a secret variable: its attributes in a report, its monitors."""
    if isinstance(value, list):
        return [_hide_values(item) for item in value]
    if isinstance(value, dict):
        return {k: HIDDEN if k in VALUES else _hide_values(v) for k, v in value.items()}
    return value


def _variable_name(entry: dict[str, Any]) -> str:
    variable = entry.get("variable")
    name = variable.get("name") if isinstance(variable, dict) else None
    return name if isinstance(name, str) else ""


def _is_secret_name(name: str) -> bool:
    return "password" in name.lower() or name == "simPin"

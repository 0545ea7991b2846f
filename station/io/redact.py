"""Takes secrets out of text before it reaches a log: pure, linear, and careful when in doubt.

A text that ends in a JSON value (a frame of the CSMS, with or without words before it)
is decoded and only its secret values are blanked. Where nothing decodes and a word that
goes with secrets appears, everything behind it is hidden.
"""

import re
from typing import Any

import orjson

HIDDEN = "***"
MAX_DEPTH = 64

# Without one of these in it (case ignored) a text needs no second look; a backslash
# may spell any of them in JSON.
MARKERS = (
    "passw", "secret", "keycode", "key_code", "authorization", "pin", "private", "@", "\\u", "vpn",
    "personalmessage", "location",
)  # fmt: skip
SECRET_WORDS = ("passw", "secret")
PIN_WORDS = ("keycode", "key_code")  # C04.FR.04
FOR_ONE_DRIVER = "personalmessage"

# What may be told of a variable that holds a secret; any other value beside it is hidden.
KEPT_BESIDE_SECRET = frozenset({
    "component", "variable", "attributeType", "attributeStatus", "reasonCode", "type",
    "mutability", "persistent", "constant", "dataType", "supportsMonitoring", "vendorId",
    "messageId", "eventId", "timestamp", "trigger", "cleared", "eventNotificationType",
})  # fmt: skip

UPLOAD_PLACES = ("remoteLocation", "location")
"""URLs of file transfers: their queries often hold a signature that is as good as a password."""

USER_INFO = re.compile(r"://[^/\s]*@")
AFTER_WORD = re.compile(
    r"(passw(?:or)?d|secret|authorization|(?:\b|sim)pin)[\"']?\s{0,4}[:=]", re.IGNORECASE
)
AFTER_TOKEN = re.compile(r"id_?token[\"']?\s{0,4}[:=]", re.IGNORECASE)
PRIVATE_KEY = re.compile(r"BEGIN [A-Z ]{0,20}PRIVATE KEY", re.IGNORECASE)


def redact(text: str) -> str:
    """*text* without passwords, PIN codes, credentials and private keys."""
    return _redact(text, MAX_DEPTH)


def _redact(text: str, depth: int) -> str:
    lowered = text.lower()
    if not any(marker in lowered for marker in MARKERS):
        return text
    start = _json_start(text)
    if start < 0:
        return _redact_words(text)
    try:
        value = orjson.loads(text[start:])
    except orjson.JSONDecodeError:
        return _redact_undecodable(text, lowered)
    before = _redact_words(text[:start])
    if before != text[:start]:
        return before + HIDDEN  # "password: [...]" hides a value, whatever its shape
    clean = _clean(value, depth)
    if clean == value and not any(word in lowered for word in SECRET_WORDS):
        return text  # verbatim: numbers and spaces as they were sent
    return before + orjson.dumps(clean).decode()


def _json_start(text: str) -> int:
    """Where the first array or object begins; -1 when there is none."""
    found = [at for at in (text.find("["), text.find("{")) if at >= 0]
    return min(found, default=-1)


def _redact_undecodable(text: str, lowered: str) -> str:
    """What looks like JSON and is none: names and values cannot be told apart any more."""
    hidden = (*SECRET_WORDS, *PIN_WORDS, FOR_ONE_DRIVER, "simpin", "\\u")
    if not any(word in lowered for word in hidden):
        return _redact_words(text)
    text = USER_INFO.sub(f"://{HIDDEN}@", text)
    start = max(0, _json_start(text))
    before = _redact_words(text[:start], has_pin=any(word in lowered for word in PIN_WORDS))
    return f"{before}{HIDDEN} ({len(text) - start} characters, maybe secret)"


def _redact_words(text: str, *, has_pin: bool = False) -> str:
    """Plain text, line by line: hides what follows a word that goes with secrets."""
    if PRIVATE_KEY.search(text):
        return f"{HIDDEN} (a private key)"
    return "\n".join(_redact_line(line, has_pin=has_pin) for line in text.split("\n"))


def _redact_line(line: str, *, has_pin: bool) -> str:
    line = USER_INFO.sub(f"://{HIDDEN}@", line)
    found = [AFTER_WORD.search(line)]
    if has_pin or any(word in line.lower() for word in PIN_WORDS):
        found.append(AFTER_TOKEN.search(line))
    ends = [match.end() for match in found if match is not None]
    return f"{line[: min(ends)]} {HIDDEN}" if ends else line


def _clean(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _redact(value, depth - 8) if depth > 0 else HIDDEN
    if depth <= 0:
        return HIDDEN
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value]
    if isinstance(value, dict):
        return _clean_object(value, depth)
    return value


def _clean_object(entry: dict[str, Any], depth: int) -> dict[str, Any]:
    if _concerns_secret(entry):
        return {
            key: _clean(value, depth - 1) if key in KEPT_BESIDE_SECRET else _blank(value, depth - 1)
            for key, value in entry.items()
        }
    holds_pin = str(entry.get("type", "")).lower() == "keycode"
    holds_vpn = "server" in entry and "user" in entry
    clean: dict[str, Any] = {}
    for key, value in entry.items():
        hide = (
            is_secret_key(key)
            or (holds_pin and key in ("idToken", "additionalInfo", "additionalIdToken"))
            or (holds_vpn and key == "key")
            or FOR_ONE_DRIVER in key.lower()
        )
        if key in UPLOAD_PLACES and isinstance(value, str) and "?" in value:
            value = value.partition("?")[0] + "?" + HIDDEN  # noqa: PLW2901 - the rest as ever
        clean[key] = _blank(value, depth - 1) if hide else _clean(value, depth - 1)
    return clean


def _blank(value: Any, depth: int) -> Any:
    """The same shape without values; the list of a variable's attributes keeps their types."""
    if isinstance(value, list):
        return [_blank(item, depth - 1) for item in value] if depth > 0 else HIDDEN
    if isinstance(value, dict) and depth > 0:
        return {
            key: item if key in KEPT_BESIDE_SECRET and _is_plain(item) else _blank(item, depth - 1)
            for key, item in value.items()
        }
    return value if value is None or isinstance(value, bool) else HIDDEN


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | bool)


def _concerns_secret(entry: dict[str, Any]) -> bool:
    """Whether the values in *entry* belong to a variable or a vendor message named as a secret."""
    variable = entry.get("variable")
    names = [entry.get("messageId")]
    if isinstance(variable, dict):
        names += [variable.get("name"), variable.get("instance")]
    return any(isinstance(name, str) and is_secret_key(name) for name in names)


def is_secret_key(name: str) -> bool:
    """Whether a field or variable of this name holds a secret."""
    lowered = name.lower()
    if any(word in lowered for word in SECRET_WORDS):
        return True
    return lowered in ("authorization", "pin", "privatekey") or name.endswith(("Pin", "PIN"))

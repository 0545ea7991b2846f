"""How the text of a reader becomes a token: steps that a board file names, pure and total.

A reader that gives rubbish causes a Rubbish, never an exception, and what it gave never gets
into a text: tokens are personal data.
"""

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

MAX_TOKEN = 36
TOKEN_TYPES = (
    "Central",
    "eMAID",
    "ISO14443",
    "ISO15693",
    "KeyCode",
    "Local",
    "MacAddress",
    "NoAuthorization",
)
"""IdTokenEnum of OCPP 2.0.1."""

READABLE = tuple(each for each in TOKEN_TYPES if each not in ("Central", "NoAuthorization"))
"""What a reader can read: the CSMS makes up Central, and NoAuthorization is a button."""

CARDS = ("ISO14443", "ISO15693")
BY_TYPE: dict[str, tuple[str, ...]] = {
    # Byte 0 of the UID first, two digits a byte, so that leading zeros stay (C, 1.1).
    "ISO14443": ("hex-upper",),
    "ISO15693": ("hex-upper",),
    # As Appendix 3 writes an EVCCID: hexbinary, which has upper case and no separators.
    "MacAddress": ("strip-separators", "hex-upper"),
}
"""For a reader whose table says nothing; the text of every other type stays as it is."""

LONGEST_INPUT = 256
IDENTIFIER = re.compile(r"[A-Za-z0-9*\-_=:+|@.]{1,36}")  # identifierString of OCPP
HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){1,128}")
DECIMAL = re.compile(r"[0-9]{1,48}")
SEPARATORS = re.compile(r"[\s:.\-]")
DECIMAL_STEP = re.compile(r"decimal-to-hex:([1-9]|1[0-8])")


class Rubbish(Struct, frozen=True):
    """A text that cannot be a token, and why not."""

    why: str


class StepError(ValueError):
    """A board file names a step that there is not; the text says which there are."""


Step = Callable[[str], str | Rubbish]


def normalise(text: str, type: str, steps: Sequence[str] = ()) -> str | Rubbish:
    """The token of *type* that *text* stands for, by *steps* or else by those of its type."""
    if type == "NoAuthorization":
        return text if text == "" else Rubbish("a token of type NoAuthorization has no text")
    if len(text) > LONGEST_INPUT:
        return Rubbish(f"it has {len(text)} characters")
    for name in steps or BY_TYPE.get(type, ()):
        done = find_step(name)(text)
        if isinstance(done, Rubbish):
            return done
        text = done
    if not 0 < len(text) <= MAX_TOKEN:
        return Rubbish(f"it has {len(text)} characters, and a token has 1 to {MAX_TOKEN}")
    if IDENTIFIER.fullmatch(text) is None:
        return Rubbish("it has characters that OCPP does not allow in a token")
    return text


def steps_for(type: str, own_type: str, steps: Sequence[str]) -> Sequence[str]:
    """What a reader's *steps* mean for a token of *type*: they are for cards and its own type."""
    return steps if type == own_type or type in CARDS else ()


def find_step(name: str) -> Step:
    """Raises StepError."""
    decimal = DECIMAL_STEP.fullmatch(name)
    if decimal is not None:
        length = int(decimal[1])
        return lambda text: decimal_to_hex(text, length)
    step = STEPS.get(name)
    if step is None:
        known = ", ".join((*STEPS, "decimal-to-hex:BYTES"))
        raise StepError(f"{name!r} is not one of {known} (BYTES is 1 to 18)")
    return step


def as_is(text: str) -> str:
    return text


def upper_case(text: str) -> str:
    return text.upper() if text.isascii() else text


def hex_upper(text: str) -> str | Rubbish:
    return text.upper() if HEX.fullmatch(text) else _not_hex()


def reverse_bytes(text: str) -> str | Rubbish:
    """The UID of a reader that gives its last byte first."""
    if HEX.fullmatch(text) is None:
        return _not_hex()
    return "".join(text[at : at + 2] for at in range(len(text) - 2, -1, -2))


def strip_separators(text: str) -> str:
    """Without white space, colons, dots and hyphens."""
    return SEPARATORS.sub("", text)


def decimal_to_hex(text: str, length: int) -> str | Rubbish:
    """A UID of *length* bytes that a reader types as one decimal number."""
    if DECIMAL.fullmatch(text) is None:
        return Rubbish("it is not a decimal number")
    number = int(text)
    if number >= 256**length:
        return Rubbish(f"its number does not fit into {length} bytes")
    return f"{number:0{2 * length}X}"


STEPS: dict[str, Step] = {
    "as-is": as_is,
    "hex-upper": hex_upper,
    "upper-case": upper_case,
    "reverse-bytes": reverse_bytes,
    "strip-separators": strip_separators,
}


def _not_hex() -> Rubbish:
    return Rubbish("it is not hexadecimal, two digits for each byte")


class OneCard:
    """What lies on a reader is one showing: a card that stays, and others that lie beside it.

    A reader sees a card again and again, and of two cards now one, now the other. The first
    one counts; another one counts when that has been away for AWAY_S, and the same one again
    when nothing was seen of it for SAME_S.
    """

    SAME_S = 2.0
    AWAY_S = 1.0

    def __init__(self) -> None:
        self._token: tuple[str, str] = ("", "")
        self._seen_at = float("-inf")

    def is_new(self, id_token: str, type: str, now: float) -> bool:
        same = (type, id_token) == self._token
        away_s = now - self._seen_at
        if same:
            self._seen_at = now
            return away_s > self.SAME_S
        if away_s < self.AWAY_S:
            return False
        self._token, self._seen_at = (type, id_token), now
        return True

"""What values a variable can take: parsing, formatting and limits of each OCPP data type."""

import decimal
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from msgspec import UNSET, Struct

from station.ocpp.codec import format_timestamp, parse_timestamp
from station.ocpp.messages.provisioning import Data, VariableCharacteristics

T = TypeVar("T")
S = TypeVar("S", bound=str)

INVALID_VALUE = "InvalidValue"
VALUE_OUT_OF_RANGE = "ValueOutOfRange"
TOO_LARGE_ELEMENT = "TooLargeElement"
READ_ONLY = "ReadOnly"
WRITE_ONLY = "WriteOnly"

MAX_VALUE = 1000
"""Longest value that SetVariables can carry, and longest valuesList."""

# Part 2, 2.1.4: no plus sign, no leading zeros. Bounded, so that int() stays cheap.
INTEGER = re.compile(r"0|-?[1-9][0-9]{0,9}")
DECIMAL = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
INTEGER_LIMIT = 2**31


class ValueRefused(Exception):  # noqa: N818 - a normal outcome: SetVariables answers Rejected
    """The value does not fit; *reason_code* and *text* become the statusInfo, never the value."""

    def __init__(self, reason_code: str, text: str) -> None:
        super().__init__(text)
        self.reason_code, self.text = reason_code, text


class Kind(Protocol[T]):
    """A data type with its limits. What `format` writes, `parse` reads back as the same value."""

    def parse(self, text: str) -> T:
        """Raises ValueRefused."""
        ...

    def format(self, value: T) -> str: ...

    def characteristics(self, *, supports_monitoring: bool = False) -> VariableCharacteristics: ...


class Text(Struct, frozen=True):
    max_length: int = MAX_VALUE
    min_length: int = 0

    def parse(self, text: str) -> str:
        if not self.min_length <= len(text) <= self.max_length:
            raise ValueRefused(
                VALUE_OUT_OF_RANGE, f"length must be {self.min_length} to {self.max_length}"
            )
        return text

    def format(self, value: str) -> str:
        return str(value)

    def characteristics(self, *, supports_monitoring: bool = False) -> VariableCharacteristics:
        return VariableCharacteristics(
            data_type=Data.STRING,
            supports_monitoring=supports_monitoring,
            min_limit=self.min_length or UNSET,
            max_limit=self.max_length,
        )


class Integer(Struct, frozen=True):
    unit: str = ""
    min: int | None = None
    max: int | None = None

    def parse(self, text: str) -> int:
        if INTEGER.fullmatch(text) is None:
            raise ValueRefused(INVALID_VALUE, "must be an integer")
        value = int(text)
        if not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
            raise ValueRefused(INVALID_VALUE, "must be an integer of 32 bits")
        _check_range(value, self.min, self.max)
        return value

    def format(self, value: int) -> str:
        return str(int(value))

    def characteristics(self, *, supports_monitoring: bool = False) -> VariableCharacteristics:
        return _numeric(Data.INTEGER, self.unit, self.min, self.max, supports_monitoring)


class Decimal(Struct, frozen=True):
    unit: str = ""
    min: float | None = None
    max: float | None = None

    def parse(self, text: str) -> float:
        if DECIMAL.fullmatch(text) is None:
            raise ValueRefused(INVALID_VALUE, "must be a decimal number")
        value = float(text)
        _check_range(value, self.min, self.max)
        return value

    def format(self, value: float) -> str:
        return format(decimal.Decimal(repr(float(value))), "f")  # full resolution, no exponent

    def characteristics(self, *, supports_monitoring: bool = False) -> VariableCharacteristics:
        return _numeric(Data.DECIMAL, self.unit, self.min, self.max, supports_monitoring)


class Boolean(Struct, frozen=True):
    def parse(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueRefused(INVALID_VALUE, "must be true or false")
        return text == "true"

    def format(self, value: bool) -> str:
        return "true" if value else "false"

    def characteristics(self, *, supports_monitoring: bool = False) -> VariableCharacteristics:
        return VariableCharacteristics(
            data_type=Data.BOOLEAN, supports_monitoring=supports_monitoring
        )


class DateTime(Struct, frozen=True):
    """Aware UTC, to the millisecond."""

    def parse(self, text: str) -> datetime:
        value = parse_timestamp(text)
        if value is None:
            raise ValueRefused(INVALID_VALUE, "must be an RFC 3339 timestamp")
        return value

    def format(self, value: datetime) -> str:
        return format_timestamp(value)

    def characteristics(self, *, supports_monitoring: bool = False) -> VariableCharacteristics:
        return VariableCharacteristics(
            data_type=Data.DATE_TIME, supports_monitoring=supports_monitoring
        )


class OptionList(Struct, Generic[S], frozen=True):
    """One of *values*; with a StrEnum's members as values the value is a member."""

    values: tuple[S, ...]

    def __post_init__(self) -> None:
        _check_values(self.values)

    def parse(self, text: str) -> S:
        for value in self.values:
            if value == text:
                return value
        raise ValueRefused(INVALID_VALUE, "is not in the values list")

    def format(self, value: S) -> str:
        return str(value)

    def characteristics(self, *, supports_monitoring: bool = False) -> VariableCharacteristics:
        longest = max(map(len, self.values), default=0)
        return _listed(Data.OPTION_LIST, self.values, longest, supports_monitoring)


class MemberList(Struct, Generic[S], frozen=True):
    """Any of *values*; their order says nothing."""

    values: tuple[S, ...]
    max_items: int | None = None
    data_type = Data.MEMBER_LIST

    def __post_init__(self) -> None:
        _check_values(self.values)

    def parse(self, text: str) -> tuple[S, ...]:
        known = {str(value): value for value in self.values}
        items = tuple(dict.fromkeys(item.strip() for item in text.split(","))) if text else ()
        if any(item not in known for item in items):
            raise ValueRefused(INVALID_VALUE, "has an item that is not in the values list")
        if self.max_items is not None and len(items) > self.max_items:
            raise ValueRefused(VALUE_OUT_OF_RANGE, f"has more than {self.max_items} items")
        return tuple(known[item] for item in items)

    def format(self, value: tuple[S, ...]) -> str:
        return ",".join(value)

    def characteristics(self, *, supports_monitoring: bool = False) -> VariableCharacteristics:
        longest = len(",".join(self.values))
        return _listed(self.data_type, self.values, longest, supports_monitoring)


class SequenceList(MemberList[S], Generic[S], frozen=True):
    """Any of *values*, in an order that counts."""

    data_type = Data.SEQUENCE_LIST


def _check_range(value: float, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        raise ValueRefused(VALUE_OUT_OF_RANGE, f"must not be below {low}")  # B05.FR.08
    if high is not None and value > high:
        raise ValueRefused(VALUE_OUT_OF_RANGE, f"must not be above {high}")  # B05.FR.08


def _check_values(values: Iterable[str]) -> None:
    joined = ",".join(values)
    if len(joined) > MAX_VALUE:
        raise ValueError(f"a values list of {len(joined)} characters cannot be reported")


def _numeric(
    data_type: Data, unit: str, low: float | None, high: float | None, supports_monitoring: bool
) -> VariableCharacteristics:
    return VariableCharacteristics(
        data_type=data_type,
        supports_monitoring=supports_monitoring,
        unit=unit or UNSET,
        min_limit=UNSET if low is None else low,
        max_limit=UNSET if high is None else high,
    )


def _listed(
    data_type: Data, values: Iterable[str], longest: int, supports_monitoring: bool
) -> VariableCharacteristics:
    return VariableCharacteristics(
        data_type=data_type,
        supports_monitoring=supports_monitoring,
        max_limit=longest,
        values_list=",".join(values),
    )

"""What a monitor makes of a value: pure, so that every case can be tried.

Crossings count, and each of them: noise is a matter of where a variable is measured, so that
its value, reports and monitors agree.
"""

from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from station.blocks.monitoring.rows import MonitorRow
from station.device_model import Decimal, Integer
from station.ocpp.messages.diagnostics import Monitor

NUMERIC = (Integer, Decimal)
THRESHOLDS = (Monitor.UPPER_THRESHOLD, Monitor.LOWER_THRESHOLD)
PERIODIC = (Monitor.PERIODIC, Monitor.PERIODIC_CLOCK_ALIGNED)


class Happened(Enum):
    """What the CSMS is to be told."""

    NOTHING = "nothing"
    EXCEEDED = "exceeded"
    CLEARED = "cleared"
    CHANGED = "changed"


class Verdict(Struct, frozen=True):
    row: MonitorRow
    """As it is to be kept from now on."""
    happened: Happened = Happened.NOTHING


def judge(row: MonitorRow, text: str, *, numeric: bool) -> Verdict:
    """Look at a value; an empty one is unknown, and changes nothing."""
    if text == "" or row.type in PERIODIC:
        return Verdict(row)
    if row.type is Monitor.DELTA:
        return _delta(row, text, numeric=numeric)
    exceeded = _is_exceeded(row, float(text))
    if exceeded == row.exceeded:
        return Verdict(row)
    happened = Happened.EXCEEDED if exceeded else Happened.CLEARED  # N07.FR.02
    return Verdict(replace(row, exceeded=exceeded), happened)


def _is_exceeded(row: MonitorRow, value: float) -> bool:
    if row.type is Monitor.UPPER_THRESHOLD:
        return value > row.value  # N07.FR.16: not on the threshold
    return value < row.value  # N07.FR.17


def _delta(row: MonitorRow, text: str, *, numeric: bool) -> Verdict:
    if row.seen is None or row.seen == "":
        return Verdict(replace(row, seen=text))
    moved = text != row.seen  # N07.FR.19
    if numeric:  # N07.FR.18
        moved = abs(float(text) - float(row.seen)) > row.value
    return Verdict(replace(row, seen=text), Happened.CHANGED) if moved else Verdict(row)

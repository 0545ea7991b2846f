"""Keeps what a meter says honest: no register falls, leaps or stands still unnoticed.

Theory of operation. Each register of a reading is followed on its own line (`Line`). A value is
good if it is not below the last good one and no higher than the energy that could have flowed
since then. Such an allowance is a bucket: it fills with the most that the meter's place in the
circuit can deliver, so that many small glitches cannot add up to more than that. A register that
stood still while the meter told power may catch up with that.

Any other value is a *doubt*. If values keep agreeing with one another for long enough, they are
believed in the end: the meter was exchanged, or its register rolled over. Then only the register
begins anew; what was counted before is *carried*, and so `MeterReading.counted` never falls, and
never rises by more than what could have flowed. What is lost is the energy between the last good
value and the first of the new ones (nothing, after a roll-over).

Everything is immutable but one reference, so that a reading taken on one thread while another
takes one as well costs a reading at worst.
"""

import math
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from hal.api import MeterReading


class Doubt(StrEnum):
    """Why a value is not believed (yet)."""

    INVALID = "invalid"  # no number, negative, or all bits set
    ZERO = "zero"
    FALL = "fall"
    JUMP = "jump"  # more than could have flowed
    UNIT = "unit"  # a thousand times more or less, as kWh and Wh are
    ROLLOVER = "rollover"
    FROZEN = "frozen"  # power flows, and the register does not count it


HOLD_S = {Doubt.ROLLOVER: 3.0, Doubt.FALL: 30.0, Doubt.JUMP: 30.0, Doubt.ZERO: 300.0}
"""How long values must agree before they are believed. UNIT and INVALID never are: a meter
that restarts can say 0 or garbage for minutes, a wrong scale for ever."""
HOLD_READINGS = 3
FIRST_ZERO_S = 3.0
"""A first reading of 0 may be that of a meter that is still starting."""

HEADROOM = 1.25
"""Meters and mains are not exact: so much more than the nominal power is believed."""
MARGIN_WH = 20.0

ALL_BITS = (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFFF)
NO_VALUE = frozenset(bits * scale for bits in ALL_BITS for scale in (1, 10, 100, 1000))
"""What an unread register looks like, in whatever unit the meter counts."""
LIMITS = (
    *(2**bits * scale for bits in (31, 32) for scale in (1, 10, 100, 1000)),
    *(10**digits for digits in range(8, 13)),
)
"""Where registers begin anew: 31 or 32 bits, or digits, of Wh, 10 Wh, 100 Wh, kWh."""
THOUSAND = 1000
UNIT_TOLERANCE = 0.01

FROZEN_WH = 250.0
"""So much must flow by the meter's own power before a register that does not count it is called
frozen; it counts again once it owes no more than a fifth of that."""
COUNTS_AGAIN = 0.2
COUNTED_SHARE = 0.5
"""Power and register of a meter agree far better than that, if it is well."""
LEAST_W = 100.0
"""What a meter says it measures below this may be less than its register starts with."""
STEADY_S = 10.0
"""Of the power between readings further apart than this nothing is known."""

LARGEST_V = 1000.0
LARGEST_HZ = 1000.0


class Verdict(NamedTuple):
    """What became of one reading."""

    reading: MeterReading | None
    """What to publish: this reading if it is good, with the last good registers if one of them
    was not; None while nothing good is known, or when the reading as a whole is not believed."""
    doubt: Doubt | None = None
    """The first reason for which something of it was not believed."""
    began_anew: str = ""
    """For the log: which register was taken over by other values."""


class Candidate(Struct, frozen=True):
    """Values that are not believed yet, but agree with one another."""

    doubt: Doubt
    gap: int
    """What flowed between the last good value and the first of these."""
    first: int
    value: int
    since: float
    at: float
    allowance_wh: float
    readings: int = 1


class Line(Struct, frozen=True):
    """One register."""

    value: int
    at: float
    allowance_wh: float
    carried: int = 0
    candidate: Candidate | None = None


class Course(Struct, frozen=True):
    """Whether the import register counts what flows by the meter's own power."""

    at: float
    power_w: float
    counted: int
    owed_wh: float = 0.0
    """A share (COUNTED_SHARE) of what has flowed, as far as the register has not counted it."""
    is_frozen: bool = False


class State(Struct, frozen=True):
    lines: tuple[Line | None, ...] = ()
    course: Course | None = None
    zero_since: float | None = None
    last: MeterReading | None = None


class MeterFilter:
    """The last word on what one meter says; knows nothing of clocks, buses or OCPP."""

    def __init__(self, max_power_w: float, resolution_wh: int = 1) -> None:
        self._max_power_w = max_power_w
        self._rate_w = max_power_w * HEADROOM
        self._margin_wh = MARGIN_WH + 2 * resolution_wh
        self._frozen_wh = max(FROZEN_WH, 2.5 * resolution_wh)
        self._state = State()

    @property
    def is_frozen(self) -> bool:
        course = self._state.course
        return course is not None and course.is_frozen

    @property
    def is_doubting(self) -> bool:
        """Values wait to be believed, or the register stands still."""
        lines = self._state.lines
        return self.is_frozen or any(line is not None and line.candidate for line in lines)

    def trust(self, raw: MeterReading) -> None:
        """Begin with *raw* whatever it says; what was counted before is carried."""
        before = self._state
        lines = []
        for index, value in enumerate(raw.registers):
            old = before.lines[index] if before.lines else None
            lines.append(None if value is None else self._began(old, value, raw.at))
        self._state = State(tuple(lines), None, None, self._published(raw, tuple(lines)))

    def take(self, raw: MeterReading) -> Verdict:
        """Judge a reading that was taken at `raw.at`; readings come in the order of time."""
        raw = _cleaned(raw)
        if not (_is_register(raw.energy_wh) and is_plausible(raw, self._max_power_w)):
            return Verdict(None, Doubt.INVALID)
        state = self._state
        if not state.lines:
            return self._first(raw)
        owed_wh = 0.0 if state.course is None else state.course.owed_wh / COUNTED_SHARE
        followed = [
            self._follow(line, value, raw.at, owed_wh * HEADROOM)
            for line, value in zip(state.lines, raw.registers, strict=True)
        ]
        lines = tuple(line for line, _, _ in followed)
        doubts = [doubt for _, doubt, _ in followed if doubt is not None]
        began_anew = ", ".join(text for _, _, text in followed if text)
        if followed[0][1] is not None:  # without the import register it is not one reading
            self._state = replace(state, lines=lines)
            return Verdict(None, doubts[0], began_anew)
        reading = self._published(raw, lines)
        course = self._watch(state.course, reading)
        self._state = State(lines, course, None, reading)
        if course.is_frozen:
            doubts.append(Doubt.FROZEN)
        return Verdict(reading, doubts[0] if doubts else None, began_anew)

    # -- one register

    def _follow(
        self, line: Line | None, value: int | None, now: float, owed_wh: float
    ) -> tuple[Line | None, Doubt | None, str]:
        """The line after *value*; why the value is not believed; whether it began anew."""
        if value is None:
            return line, None, ""
        if line is None:
            return self._began(None, value, now), None, ""
        allowance = self._allowance(line.allowance_wh, line.at, now)
        if line.value - self._margin_wh <= value <= line.value + allowance + owed_wh:
            gained = max(0, value - line.value)  # below: it trembles, and will be back
            left = min(self._margin_wh, max(0.0, allowance - gained))
            return Line(line.value + gained, now, left, line.carried), None, ""
        doubt, gap = _doubt(line.value, value, allowance)
        if doubt not in HOLD_S:
            return line, doubt, ""
        candidate = self._candidate(line.candidate, doubt, gap, value, now)
        if candidate.readings < HOLD_READINGS or now - candidate.since < _hold_s(candidate):
            return replace(line, candidate=candidate), doubt, ""
        carried = line.carried + line.value + candidate.gap - candidate.first
        text = f"{line.value} -> {value} ({candidate.doubt})"
        return Line(value, now, candidate.allowance_wh, carried), None, text

    def _candidate(
        self, candidate: Candidate | None, doubt: Doubt, gap: int, value: int, now: float
    ) -> Candidate:
        if candidate is not None:
            allowance = self._allowance(candidate.allowance_wh, candidate.at, now)
            gained = value - candidate.value
            if 0 <= gained <= allowance:
                return replace(
                    candidate,
                    value=value,
                    at=now,
                    allowance_wh=min(self._margin_wh, allowance - gained),
                    readings=candidate.readings + 1,
                )
        return Candidate(doubt, gap, value, value, now, now, self._margin_wh)

    def _began(self, old: Line | None, value: int, now: float) -> Line:
        carried = 0 if old is None else old.carried + old.value - value
        return Line(value, now, self._margin_wh, carried)

    def _allowance(self, left_wh: float, at: float, now: float) -> float:
        return left_wh + self._rate_w * max(0.0, now - at) / 3600.0

    # -- the reading as a whole

    def _first(self, raw: MeterReading) -> Verdict:
        since = self._state.zero_since
        if raw.energy_wh in NO_VALUE:
            return Verdict(None, Doubt.INVALID)
        if raw.energy_wh == 0:
            since = raw.at if since is None else since
            if raw.at - since < FIRST_ZERO_S:
                self._state = State(zero_since=since)
                return Verdict(None, Doubt.ZERO)
        self.trust(raw)
        return Verdict(self._state.last)

    def _published(self, raw: MeterReading, lines: tuple[Line | None, ...]) -> MeterReading:
        """*raw* with the last good value of each register."""
        values = tuple(None if line is None else line.value for line in lines)
        carried = tuple(0 if line is None else line.carried for line in lines)
        return replace(
            raw,
            energy_wh=values[0],
            export_wh=None if raw.export_wh is None else values[1],
            reactive_import_varh=None if raw.reactive_import_varh is None else values[2],
            reactive_export_varh=None if raw.reactive_export_varh is None else values[3],
            energy_by_phase_wh=values[4 : 4 + len(raw.energy_by_phase_wh)],
            carried=carried if any(carried) else (),
        )

    def _watch(self, course: Course | None, reading: MeterReading) -> Course:
        """Hold what flows by the power against what the register counts."""
        counted = reading.counted[0] or 0
        power_w = min(reading.power_w, self._rate_w) if reading.power_w >= LEAST_W else 0.0
        if course is None:
            return Course(reading.at, power_w, counted)
        passed_s = reading.at - course.at
        flowed_wh = course.power_w * passed_s / 3600.0 if 0.0 <= passed_s <= STEADY_S else 0.0
        owed_wh = course.owed_wh + flowed_wh * COUNTED_SHARE - (counted - course.counted)
        limit_wh = self._frozen_wh * COUNTED_SHARE * (COUNTS_AGAIN if course.is_frozen else 1.0)
        return Course(reading.at, power_w, counted, max(0.0, owed_wh), owed_wh >= limit_wh)


def is_plausible(raw: MeterReading, max_power_w: float) -> bool:
    """Nothing of the present is beyond what a meter there could ever measure."""
    most_w = 4 * max_power_w + 1000.0
    most_a = most_w / 100.0
    return (
        all(_is_number(each) and abs(each) <= most_w for each in _powers(raw))
        and all(_is_number(each) and abs(each) <= most_a for each in raw.current_a)
        and all(_is_number(each) and 0.0 <= each <= LARGEST_V for each in raw.voltage_v)
    )


def _doubt(last: int, value: int, allowance: float) -> tuple[Doubt, int]:
    """What is wrong with *value*, and what flowed up to it as far as that is known."""
    if value in NO_VALUE:
        return Doubt.INVALID, 0
    for limit in LIMITS:
        if value < last < limit and limit - last + value <= allowance:
            return Doubt.ROLLOVER, limit - last + value
    if value == 0:
        return Doubt.ZERO, 0
    small, large = sorted((last, value))
    if abs(large - small * THOUSAND) <= small * THOUSAND * UNIT_TOLERANCE:
        return Doubt.UNIT, 0
    return (Doubt.FALL if value < last else Doubt.JUMP), 0


def _hold_s(candidate: Candidate) -> float:
    """A register that counts on from 0 is that of a new meter, not of one that is starting."""
    counts = candidate.value > candidate.first
    return (
        HOLD_S[Doubt.FALL] if counts and candidate.doubt is Doubt.ZERO else HOLD_S[candidate.doubt]
    )


def _powers(raw: MeterReading) -> tuple[float, ...]:
    return (raw.power_w, *raw.power_by_phase_w)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _is_register(value: Any) -> bool:
    return _is_number(value) and value >= 0


def _cleaned(raw: MeterReading) -> MeterReading:
    """Whole registers, and None for what is optional and cannot be."""
    return replace(
        raw,
        energy_wh=_whole(raw.energy_wh, raw.energy_wh),
        export_wh=_whole(raw.export_wh),
        energy_by_phase_wh=_wholes(raw.energy_by_phase_wh),
        reactive_import_varh=_whole(raw.reactive_import_varh),
        reactive_export_varh=_whole(raw.reactive_export_varh),
        current_a=tuple(abs(each) if _is_number(each) else each for each in raw.current_a),
        frequency_hz=_within(raw.frequency_hz, 0.0, LARGEST_HZ),
        soc_percent=_within(raw.soc_percent, 0.0, 100.0),
        reactive_power_var=_within(raw.reactive_power_var, -math.inf, math.inf),
        power_factor=_within(raw.power_factor, -1.0, 1.0),
    )


def _whole(value: float | None, otherwise: Any = None) -> Any:
    return int(value) if value is not None and _is_register(value) else otherwise


def _wholes(values: tuple[float, ...]) -> tuple[int, ...]:
    wholes = tuple(_whole(value) for value in values)
    return () if None in wholes else wholes


def _within(value: float | None, low: float, high: float) -> float | None:
    if value is None or not _is_number(value):
        return None
    return value if low <= value <= high else None

"""One meter as a board keeps it: the latest reading that can be true, and how long it is silent."""

import logging
from collections import Counter
from collections.abc import Callable

from msgspec.structs import replace

from hal.api import MeterDescription, MeterReading
from hal.devices import Meter
from hal.registers import Doubt, MeterFilter, Verdict, is_plausible

log = logging.getLogger(__name__)

METER_PERIOD_S = 1.0
METER_SILENT_S = 5.0
TELL_AGAIN_S = 60.0
"""A meter that goes on saying what cannot be is in the log once a minute, for each reason."""


class MeterSlot:
    """Written by whoever polls the meter, read by anyone."""

    def __init__(
        self,
        evse: int,
        meter: Meter,
        monotonic: Callable[[], float],
        *,
        max_power_w: float,
        description: MeterDescription | None = None,
    ) -> None:
        described = description or MeterDescription()
        self._evse, self._meter, self._monotonic = evse, meter, monotonic
        self._name = f"the meter of EVSE {evse}" if evse else "the main meter"
        self._max_power_w = max_power_w
        self.filter = MeterFilter(max_power_w, described.resolution_wh)
        self.reading: MeterReading | None = None
        self.rejected: Counter[Doubt] = Counter()
        """Readings that were not believed since the process began, by the reason."""
        self._answered_at = monotonic()
        self._told_at: dict[Doubt, float] = {}
        self._current: tuple[float, float | None] = (float("-inf"), None)

    def poll(self) -> None:
        """Read the meter once; raises whatever its driver does."""
        self.take(replace(self._meter.read(self._monotonic()), evse=self._evse))

    def take(self, raw: MeterReading) -> None:
        """Judge a reading of this meter, and publish it if it can be true."""
        if is_plausible(raw, self._max_power_w):  # the register may be wrong and this is not
            self._current = raw.at, max(map(abs, raw.current_a), default=None)
        verdict = self.filter.take(raw)
        if verdict.reading is not None:
            self.reading = verdict.reading
            self._answered_at = raw.at
        self._tell(verdict, raw)

    def is_silent(self, now: float) -> bool:
        """It says nothing that can be true, or does not count what flows."""
        return now - self._answered_at > METER_SILENT_S or self.filter.is_frozen

    def current_a(self, now: float) -> float | None:
        """The highest phase current; None when the last reading is too old to tell."""
        at, current_a = self._current
        return current_a if now - at <= 2 * METER_PERIOD_S else None

    def _tell(self, verdict: Verdict, raw: MeterReading) -> None:
        if verdict.began_anew:
            log.warning("%s: its register began anew: %s", self._name, verdict.began_anew)
        if verdict.doubt is None:
            return
        self.rejected[verdict.doubt] += 1
        if raw.at - self._told_at.get(verdict.doubt, float("-inf")) >= TELL_AGAIN_S:
            self._told_at[verdict.doubt] = raw.at
            good = None if self.reading is None else self.reading.energy_wh
            log.warning(
                "%s says %r Wh after %s Wh: %s; not believed (so far: %d)",
                self._name,
                raw.energy_wh,
                good,
                verdict.doubt,
                self.rejected.total(),
            )

"""Moments by the wall clock: evenly spread over the day, counted from midnight UTC."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from station.clock import Alarm, Clock, Trust

LATE_S = 5.0
"""A moment that is served no later than this is told as it was meant."""
DAY_S = 86400.0


def next_aligned(now: datetime, interval_s: int) -> datetime:
    """The next multiple of *interval_s* counted from midnight UTC; midnight is always one.

    The standard says midnight and not whose. All its timestamps are UTC, and a station need not
    know its time zone; where the interval divides an hour, every midnight is the same.
    """
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
    passed_s = (now - midnight).total_seconds()
    ahead_s = (passed_s // interval_s + 1) * interval_s
    return midnight + timedelta(seconds=min(ahead_s, DAY_S))


class AlignedTimer:
    """Calls *job(moment)* at every multiple of an interval, whatever the clock does.

    A moment that the clock jumps over is left out. A clock that is set back by less than an
    interval does not bring the last moment again; one that is set back further does, as
    otherwise nothing would be heard for as long. Nothing is aligned before the time is known.
    """

    def __init__(self, clock: Clock, job: Callable[[datetime], Any]) -> None:
        self._clock, self._job = clock, job
        self._alarm: Alarm | None = None
        self._interval_s = 0
        self._last: datetime | None = None

    def arm(self, interval_s: int) -> None:
        """From now on at this interval; 0 ends it."""
        self._interval_s = interval_s
        self._next()

    def _next(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._interval_s <= 0 or self._clock.trust is Trust.NONE:
            return
        now, interval = self._clock.utc(), timedelta(seconds=self._interval_s)
        moment = next_aligned(now, self._interval_s)
        if self._last is not None and timedelta(0) <= self._last - moment < interval:
            moment = next_aligned(self._last, self._interval_s)
        self._alarm = self._clock.call_at(moment, self._ring, moment)

    def _ring(self, moment: datetime) -> None:
        self._last = moment
        late = self._clock.utc() - moment
        self._next()
        if late < timedelta(seconds=self._interval_s):
            self._job(moment if late <= timedelta(seconds=LATE_S) else self._clock.utc())

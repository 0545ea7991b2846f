"""UTC as corrected by the CSMS and how far it is trusted; deadlines that re-arm when it steps."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from station.env import Env
from station.reactor import Reactor, Timer

BUILD_TIME = datetime(2026, 11, 1, tzinfo=UTC)
"""No honest clock shows an earlier time than the release of this software."""

PLAUSIBLE = timedelta(days=20 * 365)
"""A local clock further ahead than this is broken, not right."""


class Trust(IntEnum):
    """How far the present UTC can be believed."""

    NONE = 0  # nothing better than the operating system of a board without a clock
    LOCAL = 1  # a plausible local clock (NTP or a real-time clock, as configured)
    CSMS = 2  # set by the CSMS


class Clock:
    """Monotonic time plus an offset; the only source of timestamps in the station."""

    def __init__(self, env: Env, reactor: Reactor) -> None:
        self._env, self._reactor = env, reactor
        self._offset = env.utc() - _EPOCH - timedelta(seconds=env.monotonic())
        self._alarms: dict[int, Alarm] = {}
        self._serial = 0
        plausible = BUILD_TIME <= env.utc() < BUILD_TIME + PLAUSIBLE
        self.trust = Trust.LOCAL if plausible else Trust.NONE

    def monotonic(self) -> float:
        return self._env.monotonic()

    @property
    def offset_s(self) -> float:
        """UTC (seconds since 1970) minus monotonic time, as corrected."""
        return self._offset.total_seconds()

    def utc(self) -> datetime:
        """Now, in whole milliseconds."""
        return self.utc_at(self._env.monotonic())

    def utc_at(self, monotonic_at: float) -> datetime:
        """What UTC was at *monotonic_at* of this kernel boot, by the present correction."""
        moment = _EPOCH + self._offset + timedelta(seconds=monotonic_at)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    def monotonic_at(self, moment: datetime) -> float:
        return (moment - _EPOCH - self._offset).total_seconds()

    def set_utc(self, moment: datetime, trust: Trust) -> float:
        """Correct UTC; returns the step in seconds. Alarms re-arm, durations are not touched."""
        step = moment - self.utc()
        self._offset += step
        self.trust = max(self.trust, trust)
        for alarm in list(self._alarms.values()):
            alarm.arm()
        return step.total_seconds()

    def call_at(self, moment: datetime, job: Callable[..., Any], *args: Any) -> "Alarm":
        """Run *job* once when UTC reaches *moment*, wherever the clock steps meanwhile."""
        self._serial += 1
        alarm = Alarm(self, self._reactor, self._serial, moment, job, args)
        self._alarms[self._serial] = alarm
        alarm.arm()
        return alarm

    def forget(self, serial: int) -> None:
        self._alarms.pop(serial, None)


class Alarm:
    """A job due at a moment of UTC."""

    def __init__(
        self,
        clock: Clock,
        reactor: Reactor,
        serial: int,
        moment: datetime,
        job: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        self._clock, self._reactor, self._serial = clock, reactor, serial
        self._moment, self._job, self._args = moment, job, args
        self._source = reactor.source
        self._timer: Timer | None = None

    def arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due_at = self._clock.monotonic_at(self._moment)
        self._timer = self._reactor.call_at(due_at, self._ring, source=self._source)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._clock.forget(self._serial)

    def _ring(self) -> None:
        self._clock.forget(self._serial)
        self._job(*self._args)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

"""Moments by the wall clock, whatever the clock does; samples on a grid, however late."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.bench.virtual import VirtualReactor
from station.blocks.metering.aligned import LATE_S, AlignedTimer, next_aligned
from station.blocks.metering.grid import Grid
from station.clock import Clock, Trust
from tests.unit.test_clock import env

DAY_S = 86_400
MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC)
moments = st.integers(0, 4 * 365 * DAY_S * 1000).map(
    lambda passed_ms: MIDNIGHT + timedelta(milliseconds=passed_ms)
)
intervals = st.one_of(st.integers(1, DAY_S), st.sampled_from([7, 60, 900, 3600, 7001, DAY_S]))


def since_midnight_s(moment: datetime) -> float:
    return moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6


@given(moments, intervals)
def test_the_next_moment_is_the_first_multiple_after_now(now: datetime, interval_s: int) -> None:
    """J01.FR.14"""
    moment = next_aligned(now, interval_s)
    assert timedelta(0) < moment - now <= timedelta(seconds=interval_s)
    assert since_midnight_s(moment) % interval_s == 0
    assert moment.date() in (now.date(), now.date() + timedelta(days=1))


@given(moments, intervals)
def test_every_day_begins_anew(now: datetime, interval_s: int) -> None:
    """Also with an interval that does not divide a day."""
    seen, moment = [now], now
    while len(seen) < 40:
        moment = next_aligned(moment, interval_s)
        seen.append(moment)
    days = {moment.date() for moment in seen[1:]} - {seen[1].date()}
    assert all(datetime(day.year, day.month, day.day, tzinfo=UTC) in seen for day in days)
    for earlier, later in pairwise(seen[1:]):
        step = later - earlier
        assert step == timedelta(seconds=interval_s) or since_midnight_s(later) == 0


class Bench:
    def __init__(self, begin: datetime = MIDNIGHT, *, known: bool = True) -> None:
        self.reactor = VirtualReactor()
        self.clock = Clock(env(self.reactor, lambda: begin), self.reactor)
        self.clock.trust = Trust.LOCAL if known else Trust.NONE
        self.moments: list[datetime] = []
        self.timer = AlignedTimer(self.clock, self.moments.append)
        self.interval_s = 0

    def arm(self, interval_s: int) -> None:
        self.interval_s = interval_s
        self.timer.arm(interval_s)

    def step(self, by_s: float) -> None:
        """The CSMS tells the time; the block arms the timer again."""
        self.clock.set_utc(self.clock.utc() + timedelta(seconds=by_s), Trust.CSMS)
        self.timer.arm(self.interval_s)

    def told(self) -> list[str]:
        return [f"{moment:%H:%M:%S}" for moment in self.moments]


def test_moments_follow_one_another() -> None:
    """J01.FR.14"""
    bench = Bench()
    bench.arm(900)
    bench.reactor.advance(3600)
    assert bench.told() == ["00:15:00", "00:30:00", "00:45:00", "01:00:00"]
    bench.arm(0)
    bench.reactor.advance(3600)
    assert len(bench.moments) == 4


def test_what_the_clock_jumps_over_is_left_out() -> None:
    bench = Bench()
    bench.arm(900)
    bench.reactor.advance(1000)
    bench.step(7200 + 100)
    bench.reactor.advance(900)
    assert bench.told() == ["00:15:00", "02:30:00"]


def test_a_small_step_back_brings_no_moment_again() -> None:
    bench = Bench()
    bench.arm(900)
    bench.reactor.advance(901)
    bench.step(-2.0)
    bench.reactor.advance(900)
    bench.step(-800.0)
    bench.reactor.advance(1800)
    assert bench.told() == ["00:15:00", "00:30:00", "00:45:00"]


def test_a_large_step_back_does_not_silence_the_station() -> None:
    bench = Bench()
    bench.arm(900)
    bench.reactor.advance(7200)
    bench.step(-3600.0)
    bench.reactor.advance(1800)
    assert bench.told()[-3:] == ["02:00:00", "01:15:00", "01:30:00"]


def test_nothing_is_aligned_before_the_time_is_known() -> None:
    bench = Bench(known=False)
    bench.arm(60)
    bench.reactor.advance(600)
    assert bench.moments == []
    bench.step(0.0)
    bench.reactor.advance(60)
    assert bench.told() == ["00:11:00"]


@pytest.mark.parametrize(
    ("late_s", "told"), [(2.0, ["00:15:00"]), (100.0, ["00:16:40"]), (2000.0, [])]
)
def test_a_late_moment_is_told_as_what_it_is(late_s: float, told: list[str]) -> None:
    bench = Bench()
    bench.arm(900)
    bench.reactor.advance(899.9)
    bench.reactor.freeze(late_s + 0.1)
    bench.reactor.advance(0.0)
    assert bench.told() == told
    assert LATE_S < 100


@given(
    intervals.filter(lambda each: each >= 60),
    st.lists(
        st.tuples(st.floats(0.0, 5000.0), st.floats(-5000.0, 5000.0)), min_size=1, max_size=12
    ),
)
def test_however_the_clock_steps_moments_are_on_the_grid_and_apart(
    interval_s: int, steps: list[tuple[float, float]]
) -> None:
    """Never two within one life of the clock that are closer than the grid allows."""
    bench = Bench()
    bench.arm(interval_s)
    for live_s, step_s in steps:
        before = len(bench.moments)
        bench.reactor.advance(live_s)
        fresh = bench.moments[before:]
        assert len(fresh) <= live_s / interval_s + 2  # one at the seam, one at midnight
        assert all(later > earlier for earlier, later in pairwise(fresh))
        bench.step(step_s)
    assert all(since_midnight_s(moment) % interval_s == 0 for moment in bench.moments)
    assert all(later != earlier for earlier, later in pairwise(bench.moments))


# -- the transaction's own clock


class Rings:
    def __init__(self) -> None:
        self.reactor = VirtualReactor()
        self.begin = self.reactor.at
        self.at: list[float] = []
        self.grid = Grid(self.reactor, lambda _: self.at.append(self.reactor.at - self.begin))


def test_the_grid_begins_with_the_transaction() -> None:
    rings = Rings()
    rings.grid.arm("t", 60.0)
    rings.reactor.advance(200.0)
    assert rings.at == [60.0, 120.0, 180.0]


def test_the_grid_goes_on_after_a_restart() -> None:
    """Sample.Periodic: relative to the start of the transaction"""
    rings = Rings()
    rings.grid.arm("t", 60.0, passed_s=130.0)
    rings.reactor.advance(120.0)
    assert rings.at == [50.0, 110.0]


def test_what_a_hanging_core_has_missed_is_not_made_up_for() -> None:
    rings = Rings()
    rings.grid.arm("t", 60.0)
    rings.reactor.advance(59.0)
    rings.reactor.freeze(200.0)
    rings.reactor.advance(120.0)
    assert rings.at == [259.0, 300.0, 360.0]


def test_each_transaction_has_its_own_and_can_be_cancelled() -> None:
    rings = Rings()
    rings.grid.arm("a", 60.0)
    rings.grid.arm("b", 25.0)
    rings.grid.arm("a", 40.0)
    rings.reactor.advance(45.0)
    rings.grid.cancel("b")
    rings.grid.arm("a", 0.0)
    rings.reactor.advance(100.0)
    assert rings.at == [25.0, 40.0]

"""The clock: UTC from monotonic time and a correction; alarms that follow its steps."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.bench.virtual import VirtualReactor
from station.clock import BUILD_TIME, Clock, Trust
from station.env import Env

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)


def build(os_time: datetime = NOON) -> tuple[VirtualReactor, Clock]:
    reactor = VirtualReactor(start=500.0)
    return reactor, Clock(env(reactor, lambda: os_time), reactor)


def env(reactor: VirtualReactor, os_time: Callable[[], datetime]) -> Env:
    return Env(
        monotonic=reactor.now,
        utc=os_time,
        rng=random.Random(1),
        new_id=lambda: "id",
        boot_id="boot",
        lane=lambda name: pytest.fail("the clock needs no lane"),
    )


def test_utc_runs_with_monotonic_time_in_whole_milliseconds() -> None:
    reactor, clock = build()
    assert clock.utc() == NOON
    reactor.advance(1.2345678)
    assert clock.utc() == NOON + timedelta(milliseconds=1234)
    assert clock.monotonic() == pytest.approx(501.2345678)


def test_the_operating_system_stepping_its_clock_moves_nothing() -> None:
    reactor = VirtualReactor()
    system = [NOON]
    clock = Clock(env(reactor, lambda: system[0]), reactor)
    system[0] = NOON - timedelta(days=20000)
    assert clock.utc() == NOON


@pytest.mark.parametrize(
    ("os_time", "trust"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), Trust.NONE),
        (BUILD_TIME - timedelta(seconds=1), Trust.NONE),
        (BUILD_TIME, Trust.LOCAL),
        (NOON, Trust.LOCAL),
    ],
)
def test_a_time_before_this_software_was_made_is_not_believed(
    os_time: datetime, trust: Trust
) -> None:
    assert build(os_time)[1].trust is trust


def test_a_correction_gives_the_step_and_never_lowers_the_trust() -> None:
    reactor, clock = build(datetime(1970, 1, 1, tzinfo=UTC))
    reactor.advance(10.0)
    step_s = clock.set_utc(NOON, Trust.CSMS)
    assert clock.utc() == NOON
    assert step_s == (NOON - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() - 10.0
    clock.set_utc(NOON - timedelta(hours=1), Trust.LOCAL)
    assert clock.trust is Trust.CSMS
    assert clock.utc() == NOON - timedelta(hours=1)


@given(st.floats(0, 1e7), st.integers(-(10**10), 10**10))
def test_monotonic_time_and_utc_convert_both_ways(later_s: float, step_ms: int) -> None:
    _, clock = build()
    clock.set_utc(NOON + timedelta(milliseconds=step_ms), Trust.CSMS)
    moment = clock.utc_at(500.0 + later_s)
    assert clock.monotonic_at(moment) == pytest.approx(500.0 + later_s, abs=0.0011)


def test_an_alarm_rings_once_when_utc_reaches_its_moment() -> None:
    reactor, clock = build()
    rung: list[tuple[str, datetime]] = []
    clock.call_at(NOON + timedelta(hours=1), lambda what: rung.append((what, clock.utc())), "ring")
    reactor.advance(3599.0)
    assert rung == []
    reactor.advance(3600.0)
    assert rung == [("ring", NOON + timedelta(hours=1))]


def test_an_alarm_follows_the_clock_forward_and_back() -> None:
    reactor, clock = build()
    rung: list[datetime] = []
    clock.call_at(NOON + timedelta(hours=1), lambda: rung.append(clock.utc()))
    clock.set_utc(NOON - timedelta(hours=1), Trust.CSMS)
    reactor.advance(3700.0)
    assert rung == []
    clock.set_utc(NOON + timedelta(hours=5), Trust.CSMS)
    reactor.advance(0.0)
    assert rung == [NOON + timedelta(hours=5)]


def test_an_alarm_that_has_rung_does_not_ring_again_when_the_clock_steps_back() -> None:
    reactor, clock = build()
    rung: list[int] = []
    clock.call_at(NOON + timedelta(seconds=10), rung.append, 1)
    reactor.advance(20.0)
    clock.set_utc(NOON, Trust.CSMS)
    reactor.advance(20.0)
    assert rung == [1]


def test_a_cancelled_alarm_stays_silent_wherever_the_clock_steps() -> None:
    reactor, clock = build()
    alarm = clock.call_at(NOON + timedelta(seconds=10), lambda: pytest.fail("it rang"))
    alarm.cancel()
    clock.set_utc(NOON + timedelta(days=1), Trust.CSMS)
    reactor.advance(100.0)


def test_durations_do_not_notice_the_clock_stepping() -> None:
    reactor, clock = build()
    rung: list[float] = []
    reactor.call_later(60.0, lambda: rung.append(reactor.now()))
    clock.set_utc(NOON - timedelta(days=1), Trust.CSMS)
    reactor.advance(30.0)
    clock.set_utc(NOON + timedelta(days=1), Trust.CSMS)
    reactor.advance(30.0)
    assert rung == [560.0]


def test_an_alarm_may_set_the_next_one_while_the_clock_steps() -> None:
    reactor, clock = build()
    rung: list[int] = []

    def ring(number: int) -> None:
        rung.append(number)
        if number < 3:
            clock.call_at(clock.utc() + timedelta(seconds=10), ring, number + 1)

    clock.call_at(NOON + timedelta(seconds=10), ring, 1)
    reactor.advance(15.0)
    clock.set_utc(NOON + timedelta(hours=1), Trust.CSMS)
    reactor.advance(100.0)
    assert rung == [1, 2, 3]

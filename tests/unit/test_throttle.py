"""The pace of a backlog: a burst, then a rate, whatever the link does meanwhile."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.csms.throttle import Throttle


def leave(throttle: Throttle, now: float, rate: float, burst: int) -> float:
    """When the next message leaves that wants to leave *now*."""
    now = max(now, throttle.free_at)
    throttle.take(now, rate, burst)
    return now


def test_a_burst_leaves_at_once_and_the_rest_at_the_rate() -> None:
    throttle = Throttle()
    moments = [leave(throttle, 100.0, 10, 3) for _ in range(6)]
    assert moments == pytest.approx([100.0, 100.0, 100.0, 100.1, 100.2, 100.3])


def test_silence_fills_the_burst_up_again_and_no_more() -> None:
    throttle = Throttle()
    for _ in range(50):
        leave(throttle, 0.0, 10, 3)
    assert [leave(throttle, 60.0, 10, 3) for _ in range(4)] == pytest.approx([60, 60, 60, 60.1])


def test_a_rate_of_zero_is_no_limit_and_leaves_no_debt() -> None:
    throttle = Throttle()
    for _ in range(50):
        leave(throttle, 0.0, 1, 1)
    throttle.take(50.0, 0, 1)
    assert throttle.free_at < 50.0
    assert leave(throttle, 50.0, 1, 1) == 50.0


@settings(max_examples=100, deadline=None, database=None)
@given(
    waits=st.lists(st.floats(0, 5), min_size=1, max_size=60),
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 30),
)
def test_no_stretch_of_time_has_more_than_its_share(
    waits: list[float], rate: float, burst: int
) -> None:
    throttle, now = Throttle(), 0.0
    moments = []
    for wait in waits:
        now = leave(throttle, now + wait, rate, burst)
        moments.append(now)
    for first in range(len(moments)):
        for last in range(first, len(moments)):
            passed = moments[last] - moments[first]
            assert last - first + 1 <= burst + rate * passed + 1e-6

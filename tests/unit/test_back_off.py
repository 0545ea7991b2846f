"""The back-off of OCPP-J Part 4, section 5.3: how a station, and a thousand of them, come back."""

import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from station.blocks.connection.back_off import (
    BURST,
    LONGEST_WAIT_S,
    RANDOM_RANGE,
    REPEAT_TIMES,
    WAIT_MINIMUM,
    BackOff,
)
from station.device_model import VARIABLES, DeviceModel, Variable
from tests.memory_rows import MemoryRows

STATIONS = 1000
HOUR_S = 3600.0
Outcome = Callable[[float], float | None]
"""How long a connection that is made at that moment lasts; None: it is not made."""


def make(seed: int = 1, **values: int) -> BackOff:
    variables = DeviceModel(MemoryRows(VARIABLES))
    back_off = BackOff(variables, random.Random(seed).random)
    known: dict[str, Variable[int]] = {
        each.name: each for each in (WAIT_MINIMUM, RANDOM_RANGE, REPEAT_TIMES)
    }
    for name, value in values.items():
        variables.update(known[f"RetryBackOff{name}"], value)
    return back_off


def attempts(back_off: BackOff, until: float, outcome: Outcome) -> list[float]:
    """When a station that has just lost its connection tries to get it back."""
    now = 0.0
    tried: list[float] = []
    while True:
        now += max(back_off.next_wait_s(), back_off.ration_s(now))
        if now > until:
            return tried
        tried.append(now)
        back_off.attempted(now)
        lasts_s = outcome(now)
        if lasts_s is not None:
            back_off.succeeded()
            now += lasts_s


def most_in_an_hour(tried: list[float]) -> int:
    return max(bisect_right(tried, at + HOUR_S) - index for index, at in enumerate(tried))


def never(_: float) -> float | None:
    return None


# -- one station


def test_the_schedule_is_the_one_of_the_standard() -> None:
    back_off = make(WaitMinimum=3, RandomRange=0, RepeatTimes=2)
    assert [back_off.next_wait_s() for _ in range(5)] == [3, 6, 12, 12, 12]
    back_off.succeeded()
    assert [back_off.next_wait_s() for _ in range(2)] == [3, 6]


def test_without_doublings_the_wait_stays() -> None:
    back_off = make(WaitMinimum=3, RandomRange=0, RepeatTimes=0)
    assert [back_off.next_wait_s() for _ in range(3)] == [3, 3, 3]


def test_chance_is_added_to_each_doubling_and_to_nothing_else() -> None:
    for seed in range(50):
        back_off = make(seed, WaitMinimum=5, RandomRange=4, RepeatTimes=3)
        waits = [back_off.next_wait_s() for _ in range(6)]
        assert 5 <= waits[0] <= 9
        assert all(2 * a <= b <= 2 * a + 4 for a, b in pairwise(waits[:4]))
        assert waits[3] == waits[4] == waits[5]


def test_no_values_make_a_station_wait_longer_than_a_day() -> None:
    back_off = make(WaitMinimum=86400, RandomRange=86400, RepeatTimes=20)
    assert max(back_off.next_wait_s() for _ in range(50)) == LONGEST_WAIT_S


FLAPS: dict[str, Outcome] = {
    "nobody answers": never,
    "dropped at once": lambda _: 0.0,
    "dropped after 1 s": lambda _: 1.0,
    "dropped after 30 s": lambda _: 30.0,
    "every second attempt": lambda now: 5.0 if int(now) % 2 else None,
    "an hour of peace, then flapping": lambda now: HOUR_S if now < HOUR_S else 1.0,
}


@pytest.mark.parametrize("flap", FLAPS)
def test_with_the_values_as_shipped_there_are_never_more_than_60_attempts_in_an_hour(
    flap: str,
) -> None:
    """Fault F8 of the campaign, six hours of it."""
    for seed in range(20):
        tried = attempts(make(seed), 6 * HOUR_S, FLAPS[flap])
        assert most_in_an_hour(tried) <= 60
        assert len(tried) >= 6 * 8, "the station must not give up either"


def test_the_ration_does_not_show_before_the_tenth_attempt() -> None:
    back_off = make()
    for _ in range(BURST - 1):
        back_off.attempted(0.0)
        assert back_off.ration_s(0.0) == 0.0
    back_off.attempted(0.0)
    assert back_off.ration_s(0.0) > 60.0


@pytest.mark.parametrize(
    "values", [{"WaitMinimum": 1}, {"RandomRange": 0}, {"RepeatTimes": 0}], ids=str
)
def test_a_schedule_that_somebody_chose_has_no_ration(values: dict[str, int]) -> None:
    """TC_B_57: exactly the standard's, then."""
    back_off = make(**values)
    for _ in range(1000):
        back_off.attempted(0.0)
        assert back_off.ration_s(0.0) == 0.0


# -- a thousand (fault F7: the CSMS restarts)


def herd(down_s: float) -> list[list[float]]:
    """When each of a thousand stations tries, of which the last attempt succeeds."""

    def outcome(now: float) -> float | None:
        return 1e9 if now >= down_s else None

    return [attempts(make(seed), 1e6, outcome) for seed in range(STATIONS)]


def peak(moments: list[float]) -> int:
    return max(Counter(int(moment) for moment in moments).values())


def test_after_a_restart_of_the_csms_a_thousand_stations_come_back_evenly() -> None:
    """Fault F7"""
    moments = sorted(moment for tried in herd(5.0) for moment in tried)
    assert len(moments) == STATIONS
    mean = STATIONS / (moments[-1] - moments[0])
    assert peak(moments) <= 2 * mean


@pytest.mark.parametrize("down_s", [15, 60, 300, 1800])
def test_no_outage_makes_a_greater_rush_than_the_first_wave(down_s: float) -> None:
    tried = herd(down_s)
    first_wave = STATIONS / RANDOM_RANGE.default if RANDOM_RANGE.default else 0.0
    assert peak([moment for each in tried for moment in each]) <= 2 * first_wave
    assert max(map(most_in_an_hour, tried)) <= 60
    assert max(each[-1] for each in tried) <= down_s + 400.0

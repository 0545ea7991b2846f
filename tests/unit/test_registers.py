"""F25: what a meter says is believed only as far as it can be true."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hal.api import MeterReading, minus, plus
from hal.registers import (
    FIRST_ZERO_S,
    FROZEN_WH,
    HEADROOM,
    HOLD_S,
    LIMITS,
    MARGIN_WH,
    NO_VALUE,
    Doubt,
    MeterFilter,
    Verdict,
)

MAX_W = 22_080.0
RATE_W = MAX_W * HEADROOM
STEP_WH = MAX_W / 3600
"""What flows in a second at full power."""
START_WH = 1_234_567


def reading(at: float, energy_wh: Any, **more: Any) -> MeterReading:
    told = {"power_w": 0.0, "current_a": (0.0,) * 3, "voltage_v": (230.0,) * 3} | more
    return MeterReading(evse=1, at=at, energy_wh=energy_wh, **told)


@dataclass
class Bench:
    """One filter, a reading each second, and what was published."""

    filter: MeterFilter = field(default_factory=lambda: MeterFilter(MAX_W))
    now: float = 0.0
    published: MeterReading | None = None
    doubts: list[Doubt] = field(default_factory=list)
    anew: list[str] = field(default_factory=list)

    def take(self, energy_wh: Any, *, after_s: float = 1.0, **more: Any) -> Verdict:
        self.now += after_s
        verdict = self.filter.take(reading(self.now, energy_wh, **more))
        self.published = verdict.reading or self.published
        self.doubts += [] if verdict.doubt is None else [verdict.doubt]
        self.anew += [verdict.began_anew] if verdict.began_anew else []
        return verdict

    @property
    def energy_wh(self) -> int:
        assert self.published is not None
        return self.published.energy_wh

    @property
    def counted_wh(self) -> int:
        assert self.published is not None
        return self.published.counted[0] or 0


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.take(START_WH)
    return bench


def test_a_register_that_counts_what_can_flow_is_published_as_it_is(bench: Bench) -> None:
    """J02.FR.17"""
    for second in range(600):
        bench.take(START_WH + int(second * STEP_WH))
        assert bench.energy_wh == START_WH + int(second * STEP_WH)
    assert bench.published is not None
    assert bench.published.carried == ()
    assert bench.doubts == []


@pytest.mark.parametrize(
    ("value", "doubt"),
    [
        (0, Doubt.ZERO),
        (START_WH - 500, Doubt.FALL),
        (START_WH + 1000, Doubt.JUMP),
        (START_WH * 1000, Doubt.UNIT),
        (START_WH // 1000, Doubt.UNIT),
        (0xFFFFFFFF, Doubt.INVALID),
        (0xFFFFFFFF * 10, Doubt.INVALID),
        (0x80000000, Doubt.INVALID),
        (-5, Doubt.INVALID),
        (math.nan, Doubt.INVALID),
        (math.inf, Doubt.INVALID),
        (None, Doubt.INVALID),
    ],
)
def test_a_value_that_cannot_be_is_not_published_and_the_next_good_one_is(
    bench: Bench, value: Any, doubt: Doubt
) -> None:
    """J02.FR.16"""
    verdict = bench.take(value)
    assert verdict == (None, doubt, "")
    assert bench.take(START_WH + 3).doubt is None
    assert bench.energy_wh == bench.counted_wh == START_WH + 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"power_w": math.nan},
        {"power_w": 1e6},
        {"power_by_phase_w": (0.0, math.inf, 0.0)},
        {"current_a": (65535.0, 0.0, 0.0)},
        {"voltage_v": (-1.0, 230.0, 230.0)},
        {"voltage_v": (math.nan,) * 3},
    ],
)
def test_a_reading_with_an_impossible_quantity_is_not_believed_at_all(
    bench: Bench, wrong: dict[str, Any]
) -> None:
    assert bench.take(START_WH + 1, **wrong) == (None, Doubt.INVALID, "")


def test_what_is_optional_is_left_out_when_it_cannot_be(bench: Bench) -> None:
    bench.take(
        START_WH + 1,
        frequency_hz=math.nan,
        soc_percent=255.0,
        power_factor=12.0,
        reactive_power_var=math.inf,
        export_wh=-1,
        energy_by_phase_wh=(1, math.nan, 3),
    )
    told = bench.published
    assert told is not None
    assert (told.frequency_hz, told.soc_percent, told.power_factor) == (None, None, None)
    assert (told.reactive_power_var, told.export_wh, told.energy_by_phase_wh) == (None, None, ())


def test_a_current_has_no_sign(bench: Bench) -> None:
    bench.take(START_WH + 1, power_w=-1000.0, current_a=(-4.0, 0.0, 1.0))
    assert bench.published is not None
    assert bench.published.current_a == (4.0, 0.0, 1.0)


def test_a_first_zero_waits_for_what_comes_next() -> None:
    bench = Bench()
    assert bench.take(0) == (None, Doubt.ZERO, "")
    bench.take(START_WH)
    assert bench.energy_wh == START_WH


def test_a_meter_that_has_never_counted_is_believed_after_a_while() -> None:
    bench = Bench()
    while bench.published is None:
        bench.take(0)
    assert bench.now == pytest.approx(1 + FIRST_ZERO_S)
    assert bench.energy_wh == 0


def test_a_first_reading_with_all_bits_set_is_none() -> None:
    bench = Bench()
    assert bench.take(0xFFFFFFFF).doubt is Doubt.INVALID
    assert bench.published is None


def test_small_steps_back_are_held_until_the_register_is_there_again(bench: Bench) -> None:
    """J02.FR.16"""
    told = []
    for value in (3, 2, 1, 3, 4):
        bench.take(START_WH + value)
        told.append(bench.energy_wh - START_WH)
    assert told == [3, 3, 3, 3, 4]
    assert bench.doubts == []


def hold(bench: Bench, values: Iterable[Any]) -> float:
    """Seconds until the first of *values* is published."""
    begin, before = bench.now, bench.published
    for value in values:
        bench.take(value)
        if bench.published is not before:
            return bench.now - begin
    raise AssertionError("never published")


def test_an_exchanged_meter_is_believed_once_it_has_counted_on_for_a_while(bench: Bench) -> None:
    """J02.FR.16, J02.FR.17"""
    waited_s = hold(bench, (77 + second * 6 for second in range(100)))
    assert waited_s == pytest.approx(HOLD_S[Doubt.FALL] + 1)
    assert len(bench.anew) == 1
    assert bench.energy_wh == 77 + 30 * 6  # as it counts
    assert bench.counted_wh == START_WH + 30 * 6  # what flowed meanwhile is not lost


def test_a_register_that_leapt_for_good_invents_no_energy(bench: Bench) -> None:
    hold(bench, (START_WH + 5_000_000 + second for second in range(100)))
    assert bench.energy_wh == START_WH + 5_000_030
    assert bench.counted_wh == START_WH + 30


def test_zeros_are_believed_later_than_another_register(bench: Bench) -> None:
    assert hold(bench, [0] * 400) == pytest.approx(HOLD_S[Doubt.ZERO] + 1)
    assert bench.counted_wh == START_WH


def test_a_register_that_counts_on_from_zero_is_a_meter(bench: Bench) -> None:
    assert hold(bench, range(400)) == pytest.approx(HOLD_S[Doubt.FALL] + 1)


@pytest.mark.parametrize("factor", [1000, 0.001])
def test_another_unit_is_never_believed(bench: Bench, factor: float) -> None:
    for second in range(3600):
        bench.take(int((START_WH + second) * factor))
    assert bench.energy_wh == START_WH
    assert set(bench.doubts) == {Doubt.UNIT}


def test_values_that_do_not_agree_are_never_believed(bench: Bench) -> None:
    for second in range(3600):
        bench.take(100 + second * 7919 % 500_000)
    assert bench.counted_wh == START_WH


@pytest.mark.parametrize("limit", LIMITS)
def test_a_register_that_rolls_over_loses_nothing(limit: int) -> None:
    """J02.FR.16"""
    bench = Bench()
    bench.take(limit - 9)
    for counted in range(0, 120, 4):
        bench.take((limit - 9 + counted) % limit)
    assert bench.energy_wh == 107
    assert bench.counted_wh == limit + 107
    assert set(bench.doubts) == {Doubt.ROLLOVER}
    assert len(bench.doubts) <= 4


def test_a_register_that_stands_still_while_power_flows_is_frozen(bench: Bench) -> None:
    power_w = 11_000.0
    needed_s = FROZEN_WH / power_w * 3600
    while not bench.filter.is_frozen:
        bench.take(START_WH, power_w=power_w)
    assert bench.now == pytest.approx(needed_s, abs=4)
    assert bench.published is not None  # what it says of the present is published all the same
    assert bench.published.at == bench.now
    flowed_wh = int(bench.now * power_w / 3600)
    assert bench.take(START_WH + flowed_wh, power_w=power_w).doubt is None  # it has caught up
    assert bench.counted_wh == START_WH + flowed_wh
    assert not bench.filter.is_frozen


def test_a_register_that_counts_a_thousandth_of_what_flows_is_frozen(bench: Bench) -> None:
    for second in range(200):
        bench.take(START_WH + second // 360, power_w=11_000.0)
    assert bench.filter.is_frozen
    for second in range(200):
        bench.take(START_WH + 3 * second, power_w=11_000.0)
    assert not bench.filter.is_frozen


def test_a_meter_whose_power_is_a_little_high_is_not_frozen(bench: Bench) -> None:
    for second in range(20_000):
        bench.take(START_WH + int(second * 9_000 / 3600), power_w=11_000.0)
    assert not bench.filter.is_frozen


@pytest.mark.parametrize("power_w", [0.0, 50.0])
def test_a_meter_that_measures_nothing_much_is_not_frozen(bench: Bench, power_w: float) -> None:
    for _ in range(8_000):
        bench.take(START_WH, power_w=power_w, after_s=5.0)
    assert not bench.filter.is_frozen


@pytest.mark.parametrize("resolution_wh", [10, 100, 1000])
def test_a_register_that_counts_in_large_steps_is_neither_frozen_nor_leaping(
    resolution_wh: int,
) -> None:
    bench = Bench(MeterFilter(MAX_W, resolution_wh))
    bench.take(START_WH // resolution_wh * resolution_wh)
    flowed = 0.0
    for _ in range(3600):
        flowed += STEP_WH
        steps = START_WH // resolution_wh + int(flowed / resolution_wh)
        bench.take(steps * resolution_wh, power_w=MAX_W)
    assert bench.doubts == []
    begin_wh = START_WH // resolution_wh * resolution_wh
    assert bench.counted_wh - begin_wh == pytest.approx(MAX_W, abs=resolution_wh)


def test_other_registers_are_followed_on_their_own(bench: Bench) -> None:
    """J02.FR.16"""
    bench.take(START_WH + 1, export_wh=500, energy_by_phase_wh=(100, 200, 300))
    bench.take(START_WH + 2, export_wh=0, energy_by_phase_wh=(101, 9, 301))
    told = bench.published
    assert told is not None
    assert (told.energy_wh, told.export_wh) == (START_WH + 2, 500)
    assert told.energy_by_phase_wh == (101, 200, 301)
    assert bench.doubts == [Doubt.ZERO]


def test_registers_are_added_and_subtracted_one_by_one() -> None:
    assert plus((5, None, 3), ()) == (5, None, 3)
    assert plus((5, None, 3), (1, 1, 1)) == (6, None, 4)
    assert minus((5, None, 3), (1, 1, None)) == (4, None, 3)


def test_the_filter_can_be_told_to_begin_with_a_value(bench: Bench) -> None:
    bench.filter.trust(reading(bench.now, 12))
    bench.take(15)
    assert (bench.energy_wh, bench.counted_wh) == (15, START_WH + 3)


# -- whatever happens

GLITCHES: dict[str, Any] = {
    "zero": lambda true: 0,
    "ffff": lambda true: 0xFFFFFFFF,
    "nan": lambda true: math.nan,
    "none": lambda true: None,
    "fall": lambda true: true // 2,
    "jump": lambda true: true + 777_777,
    "kilo": lambda true: true * 1000,
    "milli": lambda true: true // 1000,
}
a_glitch = st.tuples(st.sampled_from(sorted(GLITCHES)), st.integers(1, 25))
"""Kind and number of readings: shorter than what is believed in the end."""
a_stretch = st.tuples(st.integers(2, 60), st.floats(0.0, 1.0))
"""Good readings, and the share of full power that flows meanwhile."""


@settings(deadline=None)
@given(st.lists(st.tuples(a_stretch, a_glitch), max_size=8))
def test_glitches_cost_no_energy_and_add_none(
    parts: Sequence[tuple[tuple[int, float], tuple[str, int]]],
) -> None:
    """Energy is conserved over any sequence of glitches; nothing ever falls. J02.FR.16"""
    bench, true, last = Bench(), float(START_WH), 0
    bench.take(START_WH)
    for (good, share), (kind, bad) in parts:
        for index in range(good + bad):
            true += STEP_WH * share
            bench.take(int(true) if index < good else GLITCHES[kind](int(true)))
            assert last <= bench.counted_wh <= int(true)
            last = bench.counted_wh
    bench.take(int(true))
    assert bench.counted_wh == bench.energy_wh == int(true)
    assert bench.anew == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000_000), st.floats(0.1, 400.0)), max_size=60))
def test_no_garbage_makes_more_energy_than_could_have_flowed(
    values: Sequence[tuple[int, float]],
) -> None:
    bench, last = Bench(), START_WH
    bench.take(START_WH)
    begin = bench.now
    for value, after_s in values:
        bench.take(value, after_s=after_s)
        assert last <= bench.counted_wh
        last = bench.counted_wh
        most = RATE_W * (bench.now - begin) / 3600 + 2 * MARGIN_WH * (1 + len(bench.anew))
        assert bench.counted_wh - START_WH <= most + 4


@settings(deadline=None)
@given(
    st.integers(0, 4_000_000),
    st.lists(st.sampled_from(["nan", "none", "ffff"]), max_size=5),
    st.floats(0.05, 1.0),
)
def test_any_new_register_is_believed_in_time(
    begin_wh: int, bad: Sequence[str], share: float
) -> None:
    """The delay is bounded even when some of the readings fail."""
    bench = Bench()
    bench.take(START_WH)
    failing = {3 * index + 2: kind for index, kind in enumerate(bad)}
    for second in range(330):
        true = begin_wh + int(second * STEP_WH * share)
        bench.take(GLITCHES[failing[second]](true) if second in failing else true)
    unit = abs(begin_wh - START_WH // 1000) < 400
    assert unit or bench.energy_wh == true
    assert bench.counted_wh <= START_WH + int(330 * STEP_WH * share) + 1


@settings(deadline=None)
@given(st.sampled_from(LIMITS), st.integers(1, 400), st.floats(0.05, 1.0))
def test_any_roll_over_is_exact(limit: int, before_wh: int, share: float) -> None:
    assume(limit - before_wh not in NO_VALUE)
    bench = Bench()
    bench.take(limit - before_wh)
    flowed = 0.0
    while int(flowed) < before_wh + 30:
        flowed += STEP_WH * share
        bench.take((limit - before_wh + int(flowed)) % limit)
    assert bench.counted_wh == limit - before_wh + int(flowed)

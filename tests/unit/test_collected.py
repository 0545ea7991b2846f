"""Values for the Ended event: what stays, what is thinned, what is written."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.blocks.metering.collected import (
    COLLECTED,
    FLUSH_S,
    MAX_BYTES,
    MAX_SAMPLES,
    PAGES,
    SERIES,
    Collected,
)
from station.clock_fixes import ClockFixes, Doubt
from station.ocpp.messages.common import Location, Measurand, MeterValue, Phase, ReadingContext
from station.ocpp.messages.common import SampledValue as Sampled
from station.ocpp.messages.common import UnitOfMeasure as Unit
from station.ports import Store
from station.records import Table
from tests.memory_rows import MemoryRows

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
PERIODIC, CLOCK = ReadingContext.SAMPLE_PERIODIC, ReadingContext.SAMPLE_CLOCK
BEGIN, END = ReadingContext.TRANSACTION_BEGIN, ReadingContext.TRANSACTION_END


class CodedRows(MemoryRows[Any]):
    """Rows as they come back from the disk."""

    def __init__(self, table: Table[Any]) -> None:
        super().__init__(table)
        self.row_type, self.bytes = table.row_type, 0

    def put(self, row: Any) -> None:
        blob = msgspec.json.encode(row)
        self.bytes += len(blob)
        super().put(msgspec.json.decode(blob, type=self.row_type))


class MemoryStore:
    def __init__(self) -> None:
        self.tables: dict[str, CodedRows] = {}

    def table(self, table: Table[Any]) -> CodedRows:
        return self.tables.setdefault(table.name, CodedRows(table))

    @property
    def rows(self) -> int:
        return sum(map(len, self.tables.values()))

    @property
    def bytes(self) -> int:
        return sum(table.bytes for table in self.tables.values())


class Fixes:
    """A clock that nobody trusts, until it is known to have been wrong by *error*."""

    def __init__(self) -> None:
        self.doubted: Doubt | None = None
        self.error = timedelta(0)

    def doubt(self) -> Doubt | None:
        return self.doubted

    def moment(self, at: datetime, doubt: Doubt | None) -> datetime:
        return at if doubt is None else at + self.error

    def is_true(self, at: datetime) -> bool:
        return False


class Bench:
    def __init__(self) -> None:
        self.store, self.fixes = MemoryStore(), Fixes()
        self.restart()

    def restart(self) -> None:
        self.collected = Collected(cast(Store, self.store), cast(ClockFixes, self.fixes))

    def sample(self, second: float, context: ReadingContext = PERIODIC, words: int = 2) -> None:
        self.collected.sample("t", context, value(second, context, words), 1000.0 + second)

    def take(self) -> list[MeterValue]:
        return self.collected.take("t", [value(1e6, END)])


def value(second: float, context: ReadingContext, words: int = 2) -> MeterValue:
    phases = (Phase.L1, Phase.L2, Phase.L3)
    more = [
        Sampled(
            value=16.123,
            measurand=Measurand.CURRENT_IMPORT,
            context=context,
            phase=phases[number % 3],
            unit_of_measure=Unit(unit="A"),
        )
        for number in range(words - 1)
    ]
    register = Sampled(
        value=int(second),
        measurand=Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
        context=context,
        unit_of_measure=Unit(unit="Wh"),
    )
    return MeterValue(timestamp=NOON + timedelta(seconds=second), sampled_value=[register, *more])


def seconds(values: list[MeterValue]) -> list[float]:
    return [(each.timestamp - NOON).total_seconds() for each in values]


def size(values: list[MeterValue]) -> int:
    return len(msgspec.json.encode(values))


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.collected.keep("t", [value(0, BEGIN)])
    return bench


def test_samples_come_back_as_they_were(bench: Bench) -> None:
    soc = Sampled(
        value=55.5,
        measurand=Measurand.SOC,
        context=CLOCK,
        location=Location.EV,
        unit_of_measure=Unit(unit="Percent"),
    )
    factor = Sampled(value=1.0, measurand=Measurand.POWER_FACTOR, context=CLOCK)
    given_values = [
        value(0, BEGIN),
        value(10, PERIODIC, words=7),
        MeterValue(timestamp=NOON + timedelta(seconds=15), sampled_value=[soc, factor]),
        value(20, PERIODIC, words=4),  # other measurands are configured now
        value(30, PERIODIC, words=7),
    ]
    for each in given_values[1:]:
        (context,) = {sample.context for sample in each.sampled_value}
        assert isinstance(context, ReadingContext)
        bench.collected.sample("t", context, each, 1000.0)
    assert bench.take() == [*given_values, value(1e6, END)]


def test_nothing_is_left_behind(bench: Bench) -> None:
    for second in range(200):
        bench.sample(second)
        bench.sample(second, CLOCK)
    bench.take()
    assert bench.store.rows == 0
    assert bench.collected.take("t", []) == []


def test_transactions_are_kept_apart(bench: Bench) -> None:
    bench.sample(1)
    bench.collected.sample("u", PERIODIC, value(2, PERIODIC), 1002.0)
    assert seconds(bench.collected.take("u", [])) == [2]
    assert seconds(bench.take()) == [0, 1, 1e6]


def test_samples_outlive_the_process_but_for_the_last_minute(bench: Bench) -> None:
    for second in range(300):
        bench.sample(second, words=1)
    bench.restart()
    for second in range(400, 403):
        bench.sample(second, words=1)
    kept = seconds(bench.take())[1:-1]
    assert kept == [*range(241), 400, 401, 402]
    assert FLUSH_S == 60


@settings(deadline=None)
@given(st.integers(1, 6000), st.sampled_from([1, 2, 3, 13]))
def test_begin_and_end_stay_and_the_rest_is_even(count: int, words: int) -> None:
    """J02.FR.20, E06.FR.13"""
    bench = Bench()
    bench.collected.keep("t", [value(-1, BEGIN)])
    for second in range(count):
        bench.sample(second, words=words)
    values = bench.take()
    first, *between, last = seconds(values)
    assert (first, last) == (-1, 1e6)
    assert len(between) <= MAX_SAMPLES
    assert size(values) <= MAX_BYTES + 2
    gaps = {later - earlier for earlier, later in pairwise(between)}
    assert len(gaps) <= 1
    assert all(float(gap).is_integer() and int(gap).bit_count() == 1 for gap in gaps)
    assert between[0] == 0  # the 2nd, 4th … go
    if gaps:
        (gap,) = gaps
        assert count - between[-1] <= gap


def test_both_series_are_thinned_alike_when_there_is_no_room(bench: Bench) -> None:
    for second in range(400):
        bench.sample(second, words=4)
        bench.sample(second + 0.5, CLOCK, words=4)
    values = bench.take()
    assert size(values) <= MAX_BYTES + 2
    periodic = [each for each in values if each.sampled_value[0].context is PERIODIC]
    clock = [each for each in values if each.sampled_value[0].context is CLOCK]
    assert len(periodic) == len(clock) > 20
    assert seconds(values) == sorted(seconds(values))


def test_what_must_stay_stays_even_where_nothing_else_has_room(bench: Bench) -> None:
    """Interruptions are part of the bill."""
    interruptions = [
        value(number, ReadingContext.INTERRUPTION_BEGIN, words=400) for number in range(3)
    ]
    bench.collected.keep("t", interruptions)
    for second in range(100):
        bench.sample(second)
    values = bench.take()
    assert size(values) > MAX_BYTES
    assert [each for each in values if len(each.sampled_value) == 400] == interruptions
    assert len(values) == 5


def test_a_long_transaction_writes_less_and_less() -> None:
    """A sample a second with thirteen values each, for a day."""
    bench, written = Bench(), []
    for hour in range(24):
        for second in range(3600):
            bench.sample(hour * 3600 + second, words=13)
        written.append(bench.store.bytes)
    assert written[0] / 3600 < 200  # bytes a second, of what would be 2,000
    assert written[-1] / (24 * 3600) < 20
    assert bench.store.rows < 80


def test_what_was_dated_by_a_wrong_clock_is_dated_right_in_the_end(bench: Bench) -> None:
    bench.fixes.doubted = Doubt(boot_id="b", offset_s=0.0)
    bench.collected.keep("t", [value(1, ReadingContext.INTERRUPTION_END)])
    bench.sample(2)
    bench.sample(3)
    bench.fixes.doubted, bench.fixes.error = None, timedelta(seconds=500)
    bench.sample(504)
    bench.restart()
    assert seconds(bench.take()) == [0, 501, 502, 503, 504, 1e6]


def test_an_older_version_has_kept_every_sample_as_a_row(bench: Bench) -> None:
    bench.collected.keep("t", [value(second, PERIODIC) for second in range(1, 4)])
    assert seconds(bench.take()) == [0, 1, 2, 3, 1e6]


def test_tables_are_told_apart() -> None:
    assert len({table.name for table in (COLLECTED, SERIES, PAGES)}) == 3

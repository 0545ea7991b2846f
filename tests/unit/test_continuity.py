"""What a transaction tells of its registers, whatever becomes of the meter and of the process."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.api import MeterReading, Registers
from station.blocks.metering.continuity import (
    HEADROOM,
    KEEP_S,
    LIVED_ON_S,
    MARGIN_WH,
    Continuity,
    MeteredRow,
)
from station.ports import Store
from station.records import Table
from tests.memory_rows import MemoryRows

NOW = datetime(2026, 12, 1, tzinfo=UTC)
MAX_W = 22_080.0
MOST_WH = MAX_W * HEADROOM * (KEEP_S + LIVED_ON_S) / 3600 + MARGIN_WH


class MemoryStore:
    """What outlives the process."""

    def __init__(self) -> None:
        self.tables: dict[str, MemoryRows[Any]] = {}

    def table(self, table: Table[Any]) -> MemoryRows[Any]:
        return self.tables.setdefault(table.name, MemoryRows(table))


def reading(energy_wh: int, *, carried_wh: int = 0, **more: Any) -> MeterReading:
    carried = (carried_wh, 0, 0, 0, 0, 0, 0) if carried_wh else ()
    return MeterReading(1, 0.0, energy_wh, 0.0, (), (), carried=carried, **more)


@dataclass
class Bench:
    """One transaction; `restart` is another process on the same disk."""

    store: MemoryStore = field(default_factory=MemoryStore)
    continuity: Continuity = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.continuity = Continuity(cast(Store, self.store))

    def tell(self, now: MeterReading) -> Registers:
        """Told and kept, as a sample is."""
        told = self.continuity.told("t", now, MAX_W)
        known = self.continuity.find("t")
        begin = told if known is None else known.begin
        row = MeteredRow(transaction_id="t", at=NOW, counted=now.registers, told=told, begin=begin)
        self.continuity.keep(row)
        return told

    def tell_wh(self, energy_wh: int, carried_wh: int = 0) -> int:
        return self.tell(reading(energy_wh, carried_wh=carried_wh))[0] or 0


def test_registers_are_told_as_the_meter_counts() -> None:
    """J02.FR.17"""
    bench = Bench()
    assert [bench.tell_wh(each) for each in (700, 701, 950)] == [700, 701, 950]


def test_it_begins_with_what_the_meter_shows_whatever_was_carried_before() -> None:
    """J02.FR.17: another meter hung there before this transaction"""
    bench = Bench()
    assert bench.tell_wh(12, carried_wh=5_000_000) == 12
    assert bench.tell_wh(30, carried_wh=5_000_000) == 30


@pytest.mark.parametrize(("before", "after", "carried"), [(9_000, 3, 8_997), (50, 7_000, -6_950)])
def test_a_meter_that_is_exchanged_meanwhile_changes_nothing_of_what_is_told(
    before: int, after: int, carried: int
) -> None:
    """J02.FR.16"""
    bench = Bench()
    bench.tell_wh(before)
    assert bench.tell_wh(after, carried) == before
    assert bench.tell_wh(after + 40, carried) == before + 40


def test_it_goes_on_after_a_restart() -> None:
    bench = Bench()
    bench.tell_wh(1_000)
    bench.restart()
    assert bench.tell_wh(1_005) == 1_005
    bench.restart()
    assert bench.tell_wh(1_003) == 1_005  # never less


def test_what_was_carried_is_carried_over_a_restart() -> None:
    """The new process knows nothing of the meter that hung there before."""
    bench = Bench()
    bench.tell_wh(9_000)
    bench.tell_wh(10, carried_wh=8_995)
    bench.restart()
    assert bench.tell_wh(20) == 9_015


@pytest.mark.parametrize("shown", [0, 3, 500_000, 10**8])
def test_another_meter_after_a_restart_makes_no_energy(
    shown: int, caplog: pytest.LogCaptureFixture
) -> None:
    """J02.FR.16: exchanged while the power was off, or its first reading is nonsense"""
    bench = Bench()
    bench.tell_wh(9_000)
    bench.restart()
    assert bench.tell_wh(shown) == 9_000
    assert bench.tell_wh(shown + 25) == 9_025
    assert "that is not its energy" in caplog.text


def test_what_the_contactor_let_through_before_it_opened_is_told() -> None:
    bench = Bench()
    bench.tell_wh(9_000)
    bench.restart()
    assert bench.tell_wh(9_000 + int(MOST_WH)) == 9_000 + int(MOST_WH)


def test_every_register_is_followed_on_its_own() -> None:
    """J02.FR.16"""
    bench = Bench()
    bench.tell(reading(100, export_wh=50, energy_by_phase_wh=(30, 30, 40)))
    bench.restart()
    told = bench.tell(reading(5, export_wh=51, energy_by_phase_wh=(1, 2, 40)))
    assert told == (100, 51, None, None, 30, 30, 40)
    told = bench.tell(reading(6, export_wh=52, energy_by_phase_wh=(2, 2, 40)))
    assert told == (101, 52, None, None, 31, 30, 40)


def test_a_register_that_appears_or_disappears_disturbs_nobody() -> None:
    bench = Bench()
    bench.tell(reading(100, export_wh=7))
    assert bench.tell(reading(101))[1] is None
    bench.restart()
    assert bench.tell(reading(102, export_wh=8))[:2] == (102, 8)


def test_the_next_transaction_begins_anew() -> None:
    bench = Bench()
    bench.tell_wh(9_000)
    bench.tell_wh(10, carried_wh=8_990)
    bench.continuity.forget("t")
    assert bench.continuity.find("t") is None
    assert bench.tell_wh(11, carried_wh=8_990) == 11


def test_the_begin_stays() -> None:
    bench = Bench()
    for each in (5, 6, 7):
        bench.tell_wh(each)
        bench.restart()
    known = bench.continuity.find("t")
    assert known is not None
    assert (known.begin[0], known.told[0]) == (5, 7)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 500),  # what flows
            st.sampled_from(["on", "on", "restart", "exchange", "exchange while off"]),
            st.integers(0, 10**7),  # what another meter shows
        ),
        max_size=40,
    )
)
def test_energy_is_told_once_whatever_happens(steps: list[tuple[int, str, int]]) -> None:
    """J02.FR.16: never less, and never more than what flowed"""
    bench, shown, carried, flowed, last = Bench(), 1_000_000, 0, 0, 1_000_000
    bench.tell_wh(shown)
    lost = 0.0
    for wh, what, other in steps:
        if what == "exchange":
            carried += shown - other
            shown = other
        elif what != "on":
            bench.restart()
            carried = 0
            if what == "exchange while off":
                shown = other
                lost += wh + MARGIN_WH  # of a register that is almost the same nobody can tell
        shown, flowed = shown + wh, flowed + wh
        told = bench.tell_wh(shown, carried)
        assert last <= told
        last = told
    assert 1_000_000 + flowed - lost <= last <= 1_000_000 + flowed + MOST_WH * len(steps)

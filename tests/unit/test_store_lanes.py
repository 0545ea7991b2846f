"""What is particular to a lane: seeded latency and kills in virtual time, groups on the thread."""

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from station.ports import Store
from station.records import StoreHealth
from station.store.core_store import CoreStore
from station.store.database import MEMORY, Database
from station.store.inline_store import InlineStore
from station.store.memory_disk import MemoryDisk
from station.store.thread_store import ThreadStore
from station.store.units import Unit
from station.store.writer import RETRY_LAST_S, Writer
from tests.contracts.stores import (
    FULL,
    NOTES,
    PATIENCE_S,
    GatedDisk,
    Note,
    SteppedReactor,
    ThreadHarness,
    VirtualHarness,
    damaged,
)


@pytest.fixture
def virtual() -> VirtualHarness:
    return VirtualHarness(MemoryDisk())


@pytest.fixture
def threaded() -> Iterator[ThreadHarness]:
    made = ThreadHarness(RecordingDisk())
    yield made
    made.close()


class RecordingDisk(MemoryDisk):
    """Remembers the groups in which units arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[Unit] = []

    def apply(self, unit: Unit) -> None:
        self.groups.append(dict(unit))
        super().apply(unit)


def test_the_core_store_is_what_blocks_are_given(virtual: VirtualHarness) -> None:
    store: Store = virtual.store
    assert store.table(NOTES).all() == []


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("serial", [1, 2, 3])
def test_a_kill_strikes_exactly_at_the_chosen_unit(
    virtual: VirtualHarness, serial: int, applied: bool
) -> None:
    seen: list[int] = []
    killed: list[bool] = []
    virtual.lane.kill_at(serial, applied=applied)
    virtual.lane.on_kill = lambda: killed.append(True)
    for number in (1, 2, 3):
        virtual.put(f"n{number}", "", seen.append, number)
    virtual.pass_time(60.0)
    assert killed == [True]
    assert serial not in seen
    virtual.kill()
    durable = serial if applied else serial - 1
    assert [key for key, _ in virtual.rows()] == [f"n{n}" for n in range(1, durable + 1)]


def test_one_seed_gives_one_sequence_of_latencies() -> None:
    def run(seed: int) -> list[float]:
        reactor = SteppedReactor()
        store = CoreStore(reactor, InlineStore(reactor, random.Random(seed), MemoryDisk()))
        notes, durable_at = store.table(NOTES), []

        def write() -> None:
            notes.put(Note(id="a"))
            store.after_commit(lambda: durable_at.append(reactor.now()))

        for second in range(20):
            reactor.call_at(float(second), write)
        reactor.advance(30.0)
        return durable_at

    assert run(1) == run(1)
    assert run(1) != run(2)
    assert all(0.001 <= at - number <= 0.005 for number, at in enumerate(run(1)))


def test_a_stall_ends_by_itself_at_its_time(virtual: VirtualHarness) -> None:
    seen: list[float] = []
    virtual.lane.stall_until(5.0)
    virtual.put("a", "", lambda: seen.append(virtual.reactor.now()))
    virtual.pass_time(20.0)
    assert seen == [5.0]


def test_a_disk_that_stays_full_is_tried_ever_less_often(virtual: VirtualHarness) -> None:
    attempts: list[float] = []

    class AttemptError(sqlite3.Error):
        """Counted when it is made text."""

        def __str__(self) -> str:
            attempts.append(virtual.reactor.now())
            return "full"

    virtual.fail_with(AttemptError())
    virtual.put("a")
    virtual.pass_time(600.0)
    moments = sorted(set(attempts))
    waits = [round(b - a) for a, b in pairwise(moments)]
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(waits[7:]) == {RETRY_LAST_S}


def test_stopping_on_a_full_disk_tells_that_something_is_lost(virtual: VirtualHarness) -> None:
    virtual.fail_with(FULL)
    virtual.put("a")
    assert not virtual.store.stop(1.0)


def test_units_that_wait_for_the_thread_become_one_group(threaded: ThreadHarness) -> None:
    recorder = threaded.disk.disk
    assert isinstance(recorder, RecordingDisk)
    threaded.block()
    seen: list[str] = []
    for key in "abcd":
        threaded.put(key, "1", seen.append, key)
    threaded.put("a", "2", seen.append, "a again")
    threaded.unblock()
    threaded.settle()
    assert seen == ["a", "b", "c", "d", "a again"]
    keys = [key for group in recorder.groups for _, key in group]
    assert sorted(set(keys)) == ["a", "b", "c", "d"]
    assert len(recorder.groups) <= 3
    assert len(recorder.groups) == threaded.store.backend.groups  # type: ignore[attr-defined]


def test_a_turn_writes_each_row_once(threaded: ThreadHarness) -> None:
    recorder = threaded.disk.disk
    assert isinstance(recorder, RecordingDisk)

    def job() -> None:
        for text in "123":
            threaded.notes.put(Note(id="a", text=text))

    threaded.turn(job)
    threaded.settle()
    assert recorder.groups == [{("t_note", "a"): (1, b'{"id":"a","text":"3"}')}]


def test_the_core_does_not_wait_for_a_disk_that_hangs(threaded: ThreadHarness) -> None:
    threaded.block()
    began = time.monotonic()
    threaded.put("a")
    threaded.turn(threaded.notes.get, "a")
    assert time.monotonic() - began < PATIENCE_S / 2
    assert not threaded.store.stop(0.0)
    threaded.unblock()
    assert threaded.store.stop(PATIENCE_S)


def busy(lane: ThreadStore) -> bool:
    return lane.busy_since is not None


def test_the_watchdog_can_tell_a_hanging_lane_from_an_idle_one() -> None:
    database = Database(MEMORY)
    disk = GatedDisk(database)
    reactor = SteppedReactor()
    lane = ThreadStore(disk, reactor.post, time.monotonic)
    store = CoreStore(reactor, lane)
    assert not busy(lane)
    disk.gate.clear()
    entered = threading.Event()
    disk.on_apply = entered.set
    reactor.post(store.table(NOTES).put, Note(id="a"))
    reactor.run_ready()
    assert entered.wait(PATIENCE_S)
    assert busy(lane)
    disk.gate.set()
    assert store.stop(PATIENCE_S)
    assert not busy(lane)
    database.discard()


def test_recovery_waits_for_what_was_handed_over_meanwhile(virtual: VirtualHarness) -> None:
    seen: list[str] = []
    virtual.fail_with(FULL)
    virtual.put("a")
    virtual.wait_for(lambda: virtual.store.health is StoreHealth.VOLATILE)
    virtual.fail_with(None)
    virtual.store.on_durable(0)  # an attempt without anything new: as after a boot from memory
    virtual.turn(virtual.store.after_commit, seen.append, "after")
    assert (virtual.store.health, virtual.store.outstanding, seen) == (StoreHealth.OK, 1, [])
    virtual.settle()
    assert seen == ["after"]


def test_every_unit_tells_how_long_it_took(virtual: VirtualHarness) -> None:
    latencies: list[float] = []
    virtual.store.on_latency = latencies.append
    virtual.lane.stall_until(2.0)
    virtual.put("a")
    virtual.put("b")
    virtual.settle()
    assert latencies == [2.0, 2.0]


def test_rows_of_tables_nobody_declared_survive_a_damaged_disk() -> None:
    disk = MemoryDisk()
    disk.apply({("t_later", "x"): (1, b"{}")})
    virtual = VirtualHarness(disk)
    virtual.fail_with(damaged())
    virtual.put("a")
    virtual.wait_for(lambda: virtual.store.health is StoreHealth.VOLATILE)
    virtual.fail_with(None)
    virtual.wait_for(lambda: virtual.store.health is StoreHealth.REPLACED)
    virtual.settle()
    assert disk.tables["t_later"] == {"x": (1, b"{}")}


def test_a_read_of_a_killed_process_is_not_answered(virtual: VirtualHarness) -> None:
    answers: list[object] = []
    virtual.lane.read("q_outbox", [1], answers.append)
    virtual.lane.kill()
    virtual.pass_time(1.0)
    assert answers == []


def test_a_new_file_takes_nothing_until_it_gets_everything() -> None:
    disk = RecordingDisk()
    reports = CoreStore(SteppedReactor(), InlineStore(SteppedReactor(), random.Random(1), disk))
    gated = GatedDisk(disk)
    writer = Writer(gated)
    writer.open(reports)
    gated.error = damaged()
    writer.take(1, {("t_note", "a"): (1, b"1")}, False)
    assert writer.commit()[0] == reports.on_failed
    gated.error = None
    assert writer.commit()[0] == reports.on_replaced
    has_work = []
    for serial, whole in ((2, False), (3, True)):
        writer.take(serial, {("t_note", f"n{serial}"): (1, b"1")}, whole)
        has_work.append(writer.has_work)
    assert has_work == [False, True]
    assert writer.commit() == (reports.on_durable, 3)
    assert [key for group in disk.groups for _, key in group] == ["a", "n2", "n3"]


def test_stopping_tries_once_more_what_the_disk_refused() -> None:
    reactor, recorder = SteppedReactor(), RecordingDisk()
    disk = GatedDisk(recorder)
    disk.error = FULL
    store = CoreStore(reactor, ThreadStore(disk, reactor.post, time.monotonic))
    reactor.post(store.table(NOTES).put, Note(id="a"))
    reactor.posted.clear()
    reactor.run_ready()
    assert reactor.posted.wait(PATIENCE_S)
    disk.error = None
    assert store.stop(PATIENCE_S)
    assert len(recorder.groups) == 1

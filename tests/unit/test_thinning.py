"""What goes when the queue is full: every second Updated, evenly, remembered, and nothing else."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.records import DroppedRow, OutboxRow, SendClass, StoreHealth, Worth
from station.store import room, undelivered
from station.store.dropped import DROPPED, MAX_ROWS, RUNS, extended, numbers
from station.store.memory_disk import MemoryDisk
from station.store.outbox import MAX_EVENTS, Outbox
from tests.contracts.stores import FULL as NO_SPACE
from tests.contracts.stores import VirtualHarness

FULL, SAMPLE, CHANGE, OWED = Worth.FULL, Worth.SAMPLE, Worth.CHANGE, Worth.OWED
PLENTY = 10**9


class Queue:
    """An outbox on a virtual store whose quota is so many messages."""

    def __init__(self, rows: int = PLENTY, size_bytes: int = PLENTY) -> None:
        self.rows, self.size_bytes = rows, size_bytes
        self.harness = VirtualHarness(MemoryDisk())
        self.seq_nos: dict[str, int] = {}
        self.told: list[str] = []
        self._open()

    def _open(self) -> None:
        self.outbox = Outbox(self.harness.store)
        self.outbox.room.on_full = self.told.append
        self.limit(self.rows)

    def limit(self, rows: int) -> None:
        self.rows = rows
        self.turn(lambda: self.outbox.room.limit(rows=rows, size_bytes=self.size_bytes))

    def turn(self, job: Callable[[], Any]) -> None:
        self.harness.turn(job)
        assert self.harness.reactor.failures == []

    def append(self, name: str, worth: Worth = SAMPLE, payload: bytes = b"{}") -> int:
        seq_no = self.seq_nos.get(name, -1) + 1
        self.seq_nos[name] = seq_no
        row = OutboxRow(
            id=0,
            send_class=SendClass.TRANSACTION,
            action="TransactionEvent",
            payload=msgspec.Raw(payload),
            transaction_id=name,
            seq_no=seq_no,
            worth=worth,
            offline=True,
        )
        self.turn(lambda: self.outbox.append(row))
        return self.outbox.last_id

    def transaction(self, name: str, samples: int) -> None:
        """One that has begun, told so much, and ended."""
        for worth in (FULL, *[SAMPLE] * samples, FULL):
            self.append(name, worth)

    def queued(self, name: str) -> list[int]:
        """The seqNos that are still to be sent."""
        entries = (entry for _, entry in self.outbox.entries())
        return [entry.seq_no for entry in entries if entry.transaction_id == name]

    def dropped(self, name: str) -> list[int]:
        """The seqNos of which the station says that nobody will get them."""
        rows = self.harness.store.table(DROPPED).all()
        runs = [run for row in rows if row.transaction_id == name for run in row.runs]
        return sorted(numbers(runs))

    def restart(self, *, kill: bool = False) -> None:
        if kill:
            self.harness.kill()
        else:
            self.harness.restart()
        self._open()


def test_every_second_update_goes_and_the_first_and_the_last_event_stay() -> None:
    """E04.FR.07, E04.FR.08, E11.FR.04, E11.FR.05, E12.FR.04, E12.FR.05, J02.FR.12, J02.FR.13"""
    queue = Queue()
    queue.transaction("a", 9)
    queue.limit(6)
    assert queue.queued("a") == [0, 2, 4, 6, 8, 10]
    assert queue.dropped("a") == [1, 3, 5, 7, 9]
    assert queue.outbox.dropped == 5


def test_a_second_pass_halves_what_the_first_has_left() -> None:
    """E04.FR.08, E11.FR.05, E12.FR.05, J02.FR.13"""
    queue = Queue()
    queue.transaction("a", 16)
    queue.limit(10)
    assert queue.queued("a") == [0, *range(2, 17, 2), 17]
    queue.limit(6)
    assert queue.queued("a") == [0, 4, 8, 12, 16, 17]


def test_queueing_goes_on_and_a_pass_goes_on_where_it_ended() -> None:
    """E04.FR.08: neither is the start lost, nor the end."""
    queue = Queue(rows=40)
    for _ in range(400):
        queue.append("a")
    left = queue.queued("a")
    assert 36 <= len(left) <= 40
    assert left[-1] == 399
    gaps = [later - earlier for earlier, later in pairwise([0, *left])]
    assert max(gaps) <= 16, "the gaps are of the same order everywhere: 10 on the average"
    assert sorted(left + queue.dropped("a")) == list(range(400))


@pytest.mark.parametrize("kill", [False, True])
def test_a_pass_goes_on_after_a_restart(kill: bool) -> None:
    once, twice = Queue(), Queue()
    for queue in (once, twice):
        queue.transaction("a", 100)
        queue.limit(90)
    twice.harness.settle()
    twice.restart(kill=kill)
    for queue in (once, twice):
        queue.limit(70)
    assert once.queued("a") == twice.queued("a")
    gone = once.dropped("a")
    assert gone == twice.dropped("a") == list(range(1, 2 * len(gone), 2))


def test_the_transaction_with_most_updates_is_thinned_first() -> None:
    queue = Queue()
    queue.transaction("short", 10)
    queue.transaction("long", 100)
    queue.transaction("middle", 30)
    queue.limit(110)
    assert [bool(queue.dropped(name)) for name in ("short", "long", "middle")] == [0, 1, 0]
    queue.limit(50)
    assert len(queue.queued("short")) >= 6
    left = [len(queue.queued(name)) for name in ("long", "middle")]
    assert max(left) <= 2 * min(left)


def test_what_tells_of_a_change_goes_only_when_there_are_no_samples_left() -> None:
    queue = Queue()
    for worth in (FULL, CHANGE, SAMPLE, CHANGE, SAMPLE, OWED, CHANGE, CHANGE, FULL):
        queue.append("a", worth)
    queue.limit(7)
    assert queue.dropped("a") == [2, 4]
    queue.limit(5)
    assert queue.dropped("a") == [1, 2, 4, 6]


def test_updates_are_counted_as_such_whatever_stands_between_them() -> None:
    """E04.FR.08, E11.FR.05, E12.FR.05, J02.FR.13: the 1st, the 3rd, the 5th."""
    queue = Queue()
    for worth in (FULL, SAMPLE, OWED, SAMPLE, OWED, OWED, SAMPLE, SAMPLE, OWED, SAMPLE, FULL):
        queue.append("a", worth)
    queue.limit(8)
    assert queue.dropped("a") == [1, 6, 9]


def test_what_is_told_once_never_goes_and_queueing_goes_on_all_the_same() -> None:
    """E04.FR.08: the station does not stop adding messages."""
    queue = Queue(rows=10)
    for _ in range(3):
        for worth in (FULL, OWED, CHANGE, SAMPLE, FULL):
            queue.append("a", worth)
    for number in range(10):
        queue.append(f"t{number}", FULL)
    assert len(queue.outbox) > 10
    worths = {entry.worth for _, entry in queue.outbox.entries()}
    assert worths == {FULL, OWED}
    assert len(queue.outbox) == 19
    assert len(queue.told) == 1


def test_somebody_is_told_even_if_nothing_may_go(caplog: pytest.LogCaptureFixture) -> None:
    queue = Queue(rows=3)
    for _ in range(6):
        queue.append("a", FULL)
    assert len(queue.told) == 1
    assert queue.told[0].startswith("4 messages, ")
    assert "nothing of it may be dropped" in caplog.text
    assert (len(queue.outbox), queue.outbox.dropped) == (6, 0)


def test_the_message_in_flight_is_never_dropped() -> None:
    queue = Queue()
    first = queue.append("a")
    queue.outbox.room.pin(first)
    for _ in range(6):
        queue.append("a")
    queue.limit(0)
    assert [row_id for row_id, _ in queue.outbox.entries()] == [first]
    queue.outbox.room.unpin(first)
    queue.limit(0)
    assert len(queue.outbox) == 0


def test_a_queue_can_be_full_by_size_too() -> None:
    queue = Queue(size_bytes=20_000)
    for _ in range(60):
        queue.append("a", payload=b'"' + b"x" * 1000 + b'"')
    assert queue.outbox.total_bytes <= 20_000
    assert len(queue.queued("a")) >= 10


def test_each_turn_drops_a_batch_in_one_unit_with_the_list_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The work is done in small turns, and a kill between them finds no gap unexplained."""
    queue = Queue()
    queue.transaction("a", 500)
    queue.harness.settle()
    before = len(queue.outbox)
    monkeypatch.setattr(room, "BATCH", 8)
    queue.harness.block()
    sizes: list[int] = []
    queue.harness.reactor.on_turn = lambda *_: sizes.append(len(queue.outbox))
    queue.limit(470)
    steps = [earlier - later for earlier, later in pairwise([before, *sizes])]
    assert max(steps) == 8
    queue.restart(kill=True)
    assert len(queue.outbox) <= 470, "it is thinned anew, at the same places"
    assert sorted(queue.queued("a") + queue.dropped("a")) == list(range(502))


def test_somebody_is_told_once_until_there_is_room_again() -> None:
    queue = Queue(rows=50)
    for _ in range(200):
        queue.append("a")
    assert len(queue.told) == 1
    queue.harness.settle()
    queue.restart()
    for _ in range(20):
        queue.append("a")
    assert len(queue.told) == 1, "a restart is no news"
    for row_id, _ in list(queue.outbox.entries())[:20]:
        queue.turn(lambda gone=row_id: queue.outbox.remove(gone))
    for _ in range(40):
        queue.append("a")
    assert len(queue.told) == 2


def test_a_turn_that_fails_drops_nothing() -> None:
    queue = Queue()
    queue.transaction("a", 40)

    def job() -> None:
        queue.outbox.room.limit(rows=10, size_bytes=PLENTY)
        queue.outbox.room._thin()
        assert len(queue.outbox) < 42
        raise ValueError("half done")

    queue.harness.turn(job)
    queue.harness.reactor.failures.clear()
    assert len(queue.queued("a")) <= 10, "the turn that was posted has done it"
    assert sorted(queue.queued("a") + queue.dropped("a")) == list(range(42))
    assert queue.outbox.dropped == len(queue.dropped("a"))


# -- a disk that is full, or almost


def test_a_queue_grows_only_so_far_while_the_disk_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """E04.FR.07: what is new is in memory alone; Started and Ended stay."""
    monkeypatch.setattr(room, "SCARCE_ROWS", 50)
    queue = Queue()
    queue.transaction("old", 100)
    queue.harness.settle()
    queue.harness.fail_with(NO_SPACE)
    queue.append("new", FULL)
    queue.harness.wait_for(lambda: queue.harness.store.health is StoreHealth.VOLATILE)
    for number in range(30):
        queue.transaction(f"new-{number}", 20)
    assert len(queue.outbox) <= 103 + 50 + 1
    for number in range(30):
        left = queue.queued(f"new-{number}")
        assert (left[0], left[-1]) == (0, 21)
    queue.harness.fail_with(None)
    queue.harness.wait_for(lambda: queue.harness.store.health is StoreHealth.OK)
    queue.harness.settle()
    expected = [row_id for row_id, _ in queue.outbox.entries()]
    queue.restart(kill=True)
    assert [row_id for row_id, _ in queue.outbox.entries()] == expected


def test_what_was_queued_while_the_disk_took_nothing_can_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("station.store.outbox.WINDOW", 0)
    queue = Queue()
    queue.harness.fail_with(NO_SPACE)
    row_id = queue.append("a", FULL)
    queue.harness.wait_for(lambda: queue.harness.store.health is StoreHealth.VOLATILE)
    fetched: list[OutboxRow] = []
    queue.turn(lambda: queue.outbox.fetch([row_id], fetched.extend))
    queue.harness.pass_time(1.0)
    assert [row.id for row in fetched] == [row_id]


def test_a_queue_stops_growing_when_the_disk_is_almost_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "SCARCE_ROWS", 10)
    queue = Queue()
    queue.transaction("a", 60)
    assert isinstance(queue.harness.disk, MemoryDisk)
    queue.harness.disk.is_low = True
    queue.transaction("b", 60)
    assert len(queue.outbox) <= 63 + 10
    queue.harness.disk.is_low = False
    queue.transaction("c", 60)
    assert len(queue.queued("c")) == 62


# -- the list of what was dropped


@given(st.lists(st.integers(0, 300), unique=True))
@settings(max_examples=200, deadline=None, database=None)
def test_any_numbers_are_remembered_as_runs(given_numbers: list[int]) -> None:
    runs: tuple[tuple[int, int, int], ...] = ()
    for number in given_numbers:
        runs = extended(runs, number)
    assert list(numbers(runs)) == given_numbers


def test_a_pass_over_a_long_transaction_is_one_run() -> None:
    queue = Queue()
    queue.transaction("a", 2000)
    queue.limit(1050)
    (row,) = queue.harness.store.table(DROPPED).all()
    ((first, last, step),) = row.runs
    assert (first, step) == (1, 2)
    assert last > 1800


def test_a_list_that_becomes_long_goes_on_in_another_row() -> None:
    queue = Queue()
    dropped = queue.outbox.room.dropped
    gone = [n * n for n in range(3 * RUNS)]
    for number in gone:
        queue.turn(lambda one=number: dropped.note("a", [one]))
    rows = queue.harness.store.table(DROPPED).all()
    assert max(len(row.runs) for row in rows) == RUNS
    assert queue.dropped("a") == gone
    queue.harness.settle()
    queue.restart()
    queue.turn(lambda: queue.outbox.room.dropped.note("a", [10**6]))
    assert queue.dropped("a") == [*gone, 10**6]


def test_the_list_is_bounded_and_keeps_what_is_still_queued() -> None:
    queue = Queue()
    queue.append("queued")
    rows = queue.harness.store.table(DROPPED)

    def note() -> None:
        rows.put(DroppedRow(transaction_id="queued", runs=((1, 1, 1),)))
        for number in range(MAX_ROWS + 10):
            rows.put(DroppedRow(transaction_id=f"t{number}", runs=((1, 1, 1),)))
        queue.outbox.room.count(1)

    queue.turn(note)
    names = [row.transaction_id for row in rows.all()]
    assert len(names) == MAX_ROWS
    assert names[:2] == ["queued", "t11"]


# -- what was given up, and other classes


def give_up(queue: Queue, name: str, worth: Worth) -> int:
    row_id = queue.append(name, worth)
    queue.turn(lambda: queue.outbox.to_undelivered(row_id, "no answer"))
    return row_id


def test_of_what_was_given_up_the_oldest_updates_go_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(undelivered, "MAX_UNDELIVERED", 3)
    queue = Queue()
    for worth in (FULL, SAMPLE, OWED, CHANGE):
        give_up(queue, "a", worth)
    assert queue.dropped("a") == [1]
    queue.harness.settle()
    queue.restart()
    give_up(queue, "a", FULL)
    give_up(queue, "a", FULL)
    assert queue.dropped("a") == [1, 2, 3]
    give_up(queue, "a", FULL)
    assert queue.dropped("a") == [0, 1, 2, 3]
    assert (queue.outbox.undelivered, queue.outbox.dropped) == (3, 4)
    queue.harness.settle()
    assert isinstance(queue.harness.disk, MemoryDisk)
    assert len(queue.harness.disk.tables["q_undelivered"]) == 3


def test_other_messages_have_a_bound_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.store.outbox.MAX_EVENTS", 2)
    assert MAX_EVENTS == 10_000
    queue = Queue()
    row = OutboxRow(
        id=0, send_class=SendClass.EVENT, action="NotifyEvent", payload=msgspec.Raw(b"{}")
    )
    for _ in range(4):
        queue.turn(lambda: queue.outbox.append(row))
    assert queue.outbox.ids(SendClass.EVENT) == [3, 4]
    queue.outbox.room.pin(3)
    queue.turn(lambda: queue.outbox.append(row))
    assert queue.outbox.ids(SendClass.EVENT) == [3, 5]


# -- any sequence


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["sample", "sample", "sample", "change", "full", "remove", "kill"]),
        st.sampled_from("abc"),
        st.integers(0, 99),
    ),
    max_size=120,
)


@settings(max_examples=60, deadline=None, database=None)
@given(steps=STEPS, rows=st.integers(1, 30))
def test_whatever_happens_each_event_is_queued_or_sent_or_listed(
    steps: list[tuple[str, str, int]], rows: int
) -> None:
    queue = Queue(rows)
    sent: dict[str, list[int]] = {name: [] for name in "abc"}
    full: dict[str, list[int]] = {name: [] for name in "abc"}
    worths = {"sample": SAMPLE, "change": CHANGE, "full": FULL}
    for what, name, number in steps:
        if what in worths:
            queue.append(name, worths[what])
            if what == "full":
                full[name].append(queue.seq_nos[name])
        elif what == "kill":
            queue.harness.settle()
            queue.restart(kill=True)
        elif queue.outbox.ids(SendClass.TRANSACTION):
            ids = queue.outbox.ids(SendClass.TRANSACTION)
            row_id = ids[number % len(ids)]
            entry = queue.outbox.entry(row_id)
            assert entry is not None
            queue.turn(lambda gone=row_id: queue.outbox.remove(gone))
            sent[entry.transaction_id].append(entry.seq_no)
        for each in "abc":
            here = queue.queued(each) + queue.dropped(each) + sent[each]
            assert sorted(here) == list(range(queue.seq_nos.get(each, -1) + 1))
            assert set(full[each]) <= {*queue.queued(each), *sent[each]}
        droppable = [e for _, e in queue.outbox.entries() if e.worth in (SAMPLE, CHANGE)]
        assert len(queue.outbox) <= rows or not droppable

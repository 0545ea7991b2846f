"""Lines of the outbox: the head of each class, the past of a transaction, and what memory holds."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.ports import Outbox as OutboxPort
from station.records import OutboxRow, SendClass
from station.store.memory_disk import MemoryDisk
from station.store.outbox import IDS_RESERVED, Outbox
from tests.contracts.stores import VirtualHarness

TRANSACTION, BACKLOG = SendClass.TRANSACTION, SendClass.BACKLOG


class Queue:
    """An outbox on a virtual store, each call a turn of its own."""

    def __init__(self) -> None:
        self.harness = VirtualHarness(MemoryDisk())
        self.outbox = Outbox(self.harness.store)

    def append(self, transaction_id: str, send_class: SendClass = TRANSACTION) -> int:
        row = OutboxRow(
            id=0,
            send_class=send_class,
            action="TransactionEvent",
            payload=msgspec.Raw(b"{}"),
            transaction_id=transaction_id,
        )
        self.harness.turn(self.outbox.append, row)
        return self.outbox.last_id

    def turn(self, job: Any, *args: Any) -> None:
        self.harness.turn(job, *args)

    def heads(self) -> tuple[int | None, int | None]:
        """Of the backlog and of the live line."""
        rows = [self.outbox.head(each) for each in (BACKLOG, TRANSACTION)]
        return rows[0].id if rows[0] else None, rows[1].id if rows[1] else None

    def restart(self) -> None:
        self.harness.restart()
        self.outbox = Outbox(self.harness.store)


@pytest.fixture
def queue() -> Queue:
    return Queue()


def test_the_outbox_is_what_the_core_is_given(queue: Queue) -> None:
    port: OutboxPort = queue.outbox
    assert (len(port), port.last_id) == (0, 0)


def test_what_waited_while_offline_is_the_backlog_and_later_events_are_live(queue: Queue) -> None:
    old = queue.append("a")
    assert queue.heads() == (None, old)
    queue.turn(queue.outbox.mark_all_offline)
    new = queue.append("b")
    assert queue.heads() == (old, new)
    assert queue.outbox.transaction_rows == 2


def test_a_live_event_waits_for_the_past_of_its_own_transaction_only(queue: Queue) -> None:
    past = [queue.append("a"), queue.append("a")]
    queue.turn(queue.outbox.mark_all_offline)
    live_a, live_b = queue.append("a"), queue.append("b")
    assert queue.heads() == (past[0], live_b)
    queue.turn(queue.outbox.remove, past[0])
    queue.turn(queue.outbox.remove, live_b)
    assert queue.heads() == (past[1], None)
    queue.turn(queue.outbox.remove, past[1])
    assert queue.heads() == (None, live_a)


def test_every_other_class_is_in_order(queue: Queue) -> None:
    ids = [queue.append("", SendClass.SECURITY) for _ in range(3)]
    queue.turn(queue.outbox.mark_all_offline)
    head = queue.outbox.head(SendClass.SECURITY)
    assert head is not None
    assert (head.id, head.offline) == (ids[0], True)
    assert queue.outbox.counts()[SendClass.SECURITY] == 3


def test_whether_a_transaction_is_queued_is_known_until_its_last_event_is_gone(
    queue: Queue,
) -> None:
    first, second = queue.append("a"), queue.append("a")
    queue.append("", SendClass.SECURITY)
    queue.turn(queue.outbox.remove, first)
    queue.restart()
    assert queue.outbox.has_transaction("a")
    assert not queue.outbox.has_transaction("b")
    queue.turn(queue.outbox.to_undelivered, second, "no answer")
    assert not queue.outbox.has_transaction("a")


def test_a_removal_that_is_undone_keeps_its_place(queue: Queue) -> None:
    ids = [queue.append(name) for name in "aab"]
    queue.turn(queue.outbox.mark_all_offline)

    def job() -> None:
        queue.outbox.remove(ids[0])
        queue.outbox.remove(ids[2])
        assert queue.heads() == (ids[1], None)
        raise ValueError("half done")

    queue.turn(job)
    assert queue.heads() == (ids[0], None)
    assert queue.outbox.ids(TRANSACTION) == ids
    assert queue.outbox.has_transaction("b")


def test_going_offline_in_a_turn_that_fails_leaves_events_live(queue: Queue) -> None:
    event = queue.append("a")

    def job() -> None:
        queue.outbox.mark_all_offline()
        assert queue.heads() == (event, None)
        raise ValueError("half done")

    queue.turn(job)
    assert queue.heads() == (None, event)


def test_a_head_beyond_the_window_is_fetched_and_announced(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.store.outbox.WINDOW", 1)
    monkeypatch.setattr("station.store.outbox.LIVE_WINDOW", 0)
    monkeypatch.setattr("station.store.outbox.FETCH_BATCH", 2)
    backlog = [queue.append("a") for _ in range(4)]
    queue.turn(queue.outbox.mark_all_offline)
    live = queue.append("b")
    announced: list[tuple[int | None, int | None]] = []
    queue.outbox.on_fetched = lambda: announced.append(queue.heads())
    assert queue.heads() == (backlog[0], None)
    queue.harness.pass_time(1.0)
    assert announced == [(backlog[0], live)]
    for row_id in backlog:
        if queue.heads()[0] is None:
            queue.harness.pass_time(1.0)
        assert queue.heads()[0] == row_id
        queue.turn(queue.outbox.remove, row_id)


def test_messages_moved_to_another_class_are_sorted_in(queue: Queue) -> None:
    ids = [queue.append("a"), queue.append("", SendClass.EVENT), queue.append("a")]
    row = queue.outbox.get(ids[2])
    assert row is not None
    queue.turn(queue.outbox.update, msgspec.structs.replace(row, send_class=SendClass.EVENT))
    first = queue.outbox.get(ids[0])
    assert first is not None
    queue.turn(queue.outbox.update, msgspec.structs.replace(first, send_class=SendClass.EVENT))
    assert queue.outbox.ids(SendClass.EVENT) == ids
    assert (queue.outbox.transaction_rows, queue.outbox.has_transaction("a")) == (0, False)


def test_attempts_are_remembered_over_a_restart_and_undone_with_their_turn(queue: Queue) -> None:
    """E13.FR.02"""
    ids = [queue.append("a"), queue.append("a")]

    def count(row_id: int, *, fail: bool) -> None:
        row = queue.outbox.get(row_id)
        assert row is not None
        queue.outbox.update(msgspec.structs.replace(row, attempts=row.attempts + 1))
        if fail:
            raise ValueError("half done")

    size = queue.outbox.total_bytes
    queue.turn(lambda: count(ids[0], fail=False))
    queue.turn(lambda: count(ids[1], fail=True))
    assert queue.outbox.total_bytes > size
    for _ in range(2):
        rows = [queue.outbox.get(row_id) for row_id in ids]
        assert [row.attempts for row in rows if row is not None] == [1, 0]
        assert queue.heads() == (None, ids[0])
        queue.restart()


def test_a_message_may_be_bound_to_another_transaction(queue: Queue) -> None:
    row_id = queue.append("a")
    row = queue.outbox.get(row_id)
    assert row is not None
    queue.turn(queue.outbox.update, msgspec.structs.replace(row, transaction_id="b"))
    assert not queue.outbox.has_transaction("a")
    assert queue.outbox.has_transaction("b")


def test_ids_are_reserved_in_steps(queue: Queue) -> None:
    reserved = []
    for _ in range(IDS_RESERVED + 2):
        queue.append("a")
        queue.harness.settle()
        assert isinstance(queue.harness.disk, MemoryDisk)
        reserved.append(queue.harness.disk.tables["t_outbox_state"][""][1])
    assert len(set(reserved)) == 2


def test_only_a_message_in_memory_can_be_given_up(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.store.outbox.WINDOW", 0)
    monkeypatch.setattr("station.store.outbox.LIVE_WINDOW", 0)
    row_id = queue.append("a")
    queue.turn(queue.outbox.to_undelivered, row_id, "no answer")
    assert isinstance(queue.harness.reactor.failures[0], LookupError)
    assert (len(queue.outbox), queue.outbox.undelivered) == (1, 0)


def test_a_message_that_vanished_from_the_disk_is_forgotten_with_a_line_in_the_log(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("station.store.outbox.WINDOW", 0)
    monkeypatch.setattr("station.store.outbox.LIVE_WINDOW", 0)
    gone, there = queue.append("a"), queue.append("a")
    queue.harness.settle()
    assert isinstance(queue.harness.disk, MemoryDisk)
    del queue.harness.disk.tables["q_outbox"][gone]
    assert queue.heads() == (None, None)
    queue.harness.pass_time(1.0)
    assert queue.heads() == (None, there)
    assert f"message {gone} is no longer on the disk" in caplog.text


def test_messages_in_memory_are_handed_over_in_a_later_turn(queue: Queue) -> None:
    ids = [queue.append("a"), queue.append("b")]
    fetched: list[OutboxRow] = []
    queue.outbox.fetch([*ids, 99], fetched.extend)
    assert fetched == []
    queue.harness.pass_time(0.0)
    assert [row.transaction_id for row in fetched] == ["a", "b"]


def test_the_index_tells_of_a_message_what_is_not_its_payload(queue: Queue) -> None:
    row_id = queue.append("a")
    entry = queue.outbox.entry(row_id)
    assert entry is not None
    assert (entry.transaction_id, entry.size) == ("a", queue.outbox.total_bytes)
    assert queue.outbox.entry(row_id + 1) is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "remove", "offline", "undone", "restart", "give up"]),
        st.integers(0, 9),
        st.sampled_from("abc"),
    ),
    max_size=30,
)


@settings(max_examples=80, deadline=None, database=None)
@given(steps=STEPS)
def test_any_sequence_keeps_the_lines_of_a_plain_list(
    steps: list[tuple[str, int, str]],
) -> None:
    queue = Queue()
    model: list[tuple[int, str]] = []
    offline_id = 0
    for action, number, name in steps:
        if action == "append":
            model.append((queue.append(name), name))
        elif action == "offline":
            queue.turn(queue.outbox.mark_all_offline)
            offline_id = max([offline_id, *(row_id for row_id, _ in model)])
        elif action == "restart":
            queue.restart()
        elif model:
            row_id, _ = model[number % len(model)]
            if action == "undone":
                queue.turn(_remove_and_fail, queue.outbox, row_id)
            else:
                giving_up = action == "give up"
                remove = (queue.outbox.to_undelivered, row_id, "") if giving_up else ()
                queue.turn(*(remove or (queue.outbox.remove, row_id)))
                model.remove(model[number % len(model)])
        assert queue.heads() == expected_heads(model, offline_id)
        assert queue.outbox.ids(TRANSACTION) == [row_id for row_id, _ in model]
        assert [n for n in "abc" if queue.outbox.has_transaction(n)] == sorted(
            {name for _, name in model}
        )


def _remove_and_fail(outbox: Outbox, row_id: int) -> None:
    outbox.remove(row_id)
    outbox.mark_all_offline()
    raise ValueError("half done")


def expected_heads(model: list[tuple[int, str]], offline_id: int) -> tuple[int | None, int | None]:
    past = [name for row_id, name in model if row_id <= offline_id]
    backlog = [row_id for row_id, _ in model if row_id <= offline_id]
    live = [row_id for row_id, name in model if row_id > offline_id and name not in past]
    return next(iter(backlog), None), next(iter(live), None)

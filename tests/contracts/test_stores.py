"""What every store promises, whatever lane and disk are below it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.records import OutboxRow, SendClass, StoreHealth
from station.store.database import Database
from station.store.dropped import DROPPED
from station.store.outbox import Outbox
from tests.contracts.stores import FULL, KINDS, NOTES, Harness, Note, VirtualHarness, damaged


@pytest.fixture(params=KINDS)
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    made = KINDS[request.param](tmp_path)
    yield made
    made.close()


def test_an_effect_runs_at_the_end_of_a_turn_that_wrote_nothing(harness: Harness) -> None:
    seen: list[str] = []

    def job() -> None:
        harness.store.after_commit(seen.append, "effect")
        seen.append("turn")

    harness.turn(job)
    assert seen == ["turn", "effect"]


def test_no_effect_is_released_before_its_unit_is_durable(harness: Harness) -> None:
    seen: list[str] = []
    harness.block()
    harness.put("a", "1", seen.append, "a")
    harness.pass_time(1.0)
    assert seen == []
    harness.unblock()
    harness.settle()
    assert seen == ["a"]


def test_effects_keep_their_order_also_those_of_turns_without_writes(harness: Harness) -> None:
    seen: list[str] = []
    harness.block()
    harness.put("a", "1", seen.append, "first")
    harness.turn(harness.store.after_commit, seen.append, "second")
    harness.put("b", "1", seen.append, "third")
    harness.turn(harness.store.after_commit, seen.append, "fourth")
    assert seen == []
    harness.unblock()
    harness.settle()
    assert seen == ["first", "second", "third", "fourth"]


def test_an_effect_that_raises_is_counted_and_the_rest_still_run(harness: Harness) -> None:
    seen: list[str] = []

    def job() -> None:
        harness.store.after_commit(seen.append, "before")
        harness.store.after_commit(seen.index, "nothing of the kind")
        harness.store.after_commit(seen.append, "after")

    harness.turn(job)
    assert (seen, harness.store.effect_failures) == (["before", "after"], 1)


def test_what_an_effect_writes_is_a_unit_of_its_own(harness: Harness) -> None:
    seen: list[str] = []

    def effect() -> None:
        harness.notes.put(Note(id="b"))
        harness.store.after_commit(seen.append, "b is durable")

    harness.put("a", "", effect)
    harness.settle()
    assert seen == ["b is durable"]
    harness.kill()
    assert harness.rows() == [("a", ""), ("b", "")]


def test_what_a_failing_effect_wrote_is_undone(harness: Harness) -> None:
    def effect() -> None:
        harness.notes.put(Note(id="b"))
        raise ValueError("half done")

    harness.put("a", "", effect)
    harness.settle()
    assert harness.rows() == [("a", "")]
    harness.kill()
    assert harness.rows() == [("a", "")]


def test_effects_run_under_the_source_of_their_turn(harness: Harness) -> None:
    seen: list[str] = []
    harness.put("a", "", lambda: seen.append(harness.reactor.source))
    harness.settle()
    assert seen == ["test"]


def test_a_failed_turn_undoes_its_rows_and_drops_its_effects(harness: Harness) -> None:
    seen: list[str] = []
    for key in "abc":
        harness.put(key, "old")
    harness.settle()

    def job() -> None:
        harness.store.after_commit(seen.append, "effect")
        harness.notes.delete("b")
        harness.notes.put(Note(id="d", text="new"))
        harness.notes.put(Note(id="a", text="new"))
        harness.notes.put(Note(id="b", text="new"))
        harness.notes.delete("d")
        raise ValueError("half done")

    harness.turn(job)
    expected = [("a", "old"), ("b", "old"), ("c", "old")]
    assert harness.rows() == expected
    harness.restart()
    assert (harness.rows(), seen) == (expected, [])


def test_what_the_failure_handler_writes_is_kept(harness: Harness) -> None:
    harness.reactor.on_failure = lambda *_: harness.notes.put(Note(id="failure"))
    harness.turn(harness.notes.get, "too", "many")
    harness.settle()
    harness.kill()
    assert harness.rows() == [("failure", "")]


def test_a_reopened_store_has_the_same_rows_in_the_same_order(harness: Harness) -> None:
    for key in ("z", "a", "m", "b"):
        harness.put(key, "1")
    harness.put("a", "2")
    harness.delete("z")
    harness.put("z", "3")
    before = harness.rows()
    assert before == [("a", "2"), ("m", "1"), ("b", "1"), ("z", "3")]
    harness.restart()
    assert harness.rows() == before
    harness.put("c")
    harness.restart()
    assert harness.rows() == [*before, ("c", "")]


def test_stop_makes_durable_what_was_committed(harness: Harness) -> None:
    harness.put("a", "1")
    harness.restart()
    assert harness.rows() == [("a", "1")]


@pytest.mark.parametrize("durable", range(6))
def test_a_kill_at_any_unit_boundary_keeps_a_prefix(harness: Harness, durable: int) -> None:
    acknowledged: list[int] = []
    for number in range(5):
        if number == durable:
            harness.settle()
            harness.block()
        harness.put(f"n{number}", "x", acknowledged.append, number)
        harness.put("last", str(number))
    if durable == 5:
        harness.settle()
    harness.kill()
    expected = [(f"n{number}", "x") for number in range(durable)]
    kept = [row for row in harness.rows() if row[0] != "last"]
    assert (kept, acknowledged) == (expected, list(range(durable)))
    if durable:
        assert harness.rows()[1] == ("last", str(durable - 1))


def test_the_same_name_is_the_same_repository(harness: Harness) -> None:
    assert harness.store.table(NOTES) is harness.notes


def test_a_stall_is_told_after_ten_seconds_and_so_is_its_end(harness: Harness) -> None:
    seen: list[str] = []
    harness.block()
    harness.put("a", "", seen.append, "a")
    harness.pass_time(9.9)
    assert harness.health == []
    harness.pass_time(0.2)
    assert harness.health == [StoreHealth.STALLED]
    assert seen == []
    harness.unblock()
    harness.settle()
    harness.wait_for(lambda: harness.store.health is StoreHealth.OK)
    assert (harness.health, seen) == ([StoreHealth.STALLED, StoreHealth.OK], ["a"])


def test_a_store_that_is_only_slow_is_not_stalled(harness: Harness) -> None:
    for number in range(5):
        harness.block()
        harness.put("a", str(number))
        harness.pass_time(6.0)
        harness.unblock()
        harness.settle()
    assert harness.health == []


def test_a_full_disk_releases_effects_goes_on_from_memory_and_recovers(harness: Harness) -> None:
    seen: list[str] = []
    harness.put("before", "1")
    harness.settle()
    harness.fail_with(FULL)
    harness.put("a", "1", seen.append, "a")
    harness.wait_for(lambda: harness.store.health is StoreHealth.VOLATILE)
    assert seen == ["a"]
    assert "full" in harness.store.last_problem
    harness.put("b", "1", seen.append, "b")
    harness.put("a", "2", seen.append, "c")
    harness.delete("before")
    assert seen == ["a", "b", "c"]
    harness.fail_with(None)
    harness.wait_for(lambda: harness.store.health is StoreHealth.OK)
    harness.settle()
    assert harness.health == [StoreHealth.VOLATILE, StoreHealth.OK]
    harness.kill()
    assert harness.rows() == [("a", "2"), ("b", "1")]


def test_effects_wait_again_once_the_disk_has_recovered(harness: Harness) -> None:
    seen: list[str] = []
    harness.fail_with(FULL)
    harness.put("a")
    harness.wait_for(lambda: harness.store.health is StoreHealth.VOLATILE)
    harness.fail_with(None)
    harness.wait_for(lambda: harness.store.health is StoreHealth.OK)
    harness.settle()
    harness.block()
    harness.put("b", "", seen.append, "b")
    assert seen == []
    harness.unblock()
    harness.settle()
    assert seen == ["b"]


def test_health_listeners_may_write(harness: Harness) -> None:
    harness.store.on_health(lambda health: harness.notes.put(Note(id=health)))
    harness.fail_with(FULL)
    harness.put("a")
    harness.wait_for(lambda: harness.store.health is StoreHealth.VOLATILE)
    harness.fail_with(None)
    harness.wait_for(lambda: harness.store.health is StoreHealth.OK)
    harness.settle()
    harness.kill()
    assert harness.rows() == [("a", ""), ("Volatile", ""), ("OK", "")]


def test_a_file_damaged_at_run_time_is_replaced_from_memory(harness: Harness) -> None:
    outbox = Outbox(harness.store)
    queued = append(harness, outbox, message(1))
    for key in "ba":
        harness.put(key, "1")
    harness.settle()
    harness.fail_with(damaged())
    seen: list[str] = []
    harness.put("c", "1", seen.append, "c")
    harness.wait_for(lambda: harness.store.health is StoreHealth.VOLATILE)
    assert seen == ["c"]
    harness.fail_with(None)
    harness.wait_for(lambda: harness.store.health is StoreHealth.REPLACED)
    harness.put("d", "1", seen.append, "d")
    assert seen == ["c"]
    harness.settle()
    assert seen == ["c", "d"]
    harness.kill()
    assert harness.rows() == [("b", "1"), ("a", "1"), ("c", "1"), ("d", "1")]
    outbox = Outbox(harness.store)
    assert outbox.ids(SendClass.TRANSACTION) == queued
    assert append(harness, outbox, message(2))[0] > queued[0]


def test_messages_that_were_only_on_a_damaged_disk_are_forgotten(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("station.store.outbox.WINDOW", 1)
    monkeypatch.setattr("station.store.outbox.LIVE_WINDOW", 0)
    outbox = Outbox(harness.store)
    rows = [message(number, transaction_id="t") for number in (1, 2)]
    ids = append(harness, outbox, *rows)
    harness.settle()
    fetched: list[OutboxRow] = []
    harness.fail_with(damaged())
    harness.turn(outbox.fetch, ids, fetched.extend)
    harness.wait_for(lambda: harness.store.health is not StoreHealth.OK)
    harness.fail_with(None)
    harness.wait_for(lambda: harness.store.health is StoreHealth.REPLACED)
    harness.settle()
    assert outbox.ids(SendClass.TRANSACTION) == ids[:1]
    assert "1 queued messages were lost" in caplog.text
    assert outbox.dropped == 1
    (row,) = harness.store.table(DROPPED).all()
    assert row.runs == ((2, 2, 1),), "the gap is explained"


PAYLOAD = msgspec.Raw(b'{"eventType":"Updated"}')


def message(seq_no: int = 0, **fields: Any) -> OutboxRow:
    fields.setdefault("send_class", SendClass.TRANSACTION)
    return OutboxRow(id=0, action="TransactionEvent", payload=PAYLOAD, seq_no=seq_no, **fields)


def append(harness: Harness, outbox: Outbox, *rows: OutboxRow) -> list[int]:
    ids: list[int] = []
    harness.turn(lambda: ids.extend(outbox.append(row).id for row in rows))
    return ids


def test_a_queued_message_survives_with_everything_it_says(harness: Harness) -> None:
    row = message(4, transaction_id="t", attempts=2, boot_id="boot", clock_offset_s=1.5)
    [row_id] = append(harness, Outbox(harness.store), row)
    harness.settle()
    harness.kill()
    outbox = Outbox(harness.store)
    assert outbox.ids(SendClass.TRANSACTION) == [row_id]
    assert outbox.get(row_id) == msgspec.structs.replace(row, id=row_id)


def test_an_id_is_never_given_again_even_when_the_outbox_was_empty(harness: Harness) -> None:
    given_ids: list[int] = []
    for end in (harness.restart, harness.kill, harness.restart):
        outbox = Outbox(harness.store)
        ids = append(harness, outbox, message(), message())
        for row_id in ids:
            harness.turn(outbox.remove, row_id)
        harness.settle()
        given_ids += ids
        end()
    assert given_ids == sorted(set(given_ids))


def test_a_message_given_up_moves_to_undelivered_in_one_unit(harness: Harness) -> None:
    """E13.FR.04"""
    outbox = Outbox(harness.store)
    [first, second] = append(harness, outbox, message(1), message(2))
    harness.settle()
    harness.block()
    harness.turn(outbox.to_undelivered, first, "no answer")
    harness.kill()
    outbox = Outbox(harness.store)
    assert (outbox.ids(SendClass.TRANSACTION), outbox.undelivered) == ([first, second], 0)
    harness.turn(outbox.to_undelivered, first, "no answer")
    harness.restart()
    outbox = Outbox(harness.store)
    assert (outbox.ids(SendClass.TRANSACTION), outbox.undelivered) == ([second], 1)


def test_everything_queued_becomes_offline_with_one_write(harness: Harness) -> None:
    """E11.FR.07"""
    outbox = Outbox(harness.store)
    ids = append(harness, outbox, *(message(number) for number in range(3)))
    harness.turn(outbox.mark_all_offline)
    ids += append(harness, outbox, message(3))
    harness.restart()
    outbox = Outbox(harness.store)
    rows = [outbox.get(row_id) for row_id in ids]
    assert [row is not None and row.offline for row in rows] == [True, True, True, False]


def test_a_failed_turn_leaves_the_outbox_as_it_was(harness: Harness) -> None:
    outbox = Outbox(harness.store)
    ids = append(harness, outbox, *(message(number) for number in range(4)))
    size = outbox.total_bytes

    def job() -> None:
        outbox.remove(ids[1])
        outbox.append(message(9))
        row = outbox.get(ids[0])
        assert row is not None
        outbox.update(msgspec.structs.replace(row, attempts=7, send_class=SendClass.BACKLOG))
        outbox.to_undelivered(ids[2], "no answer")
        outbox.mark_all_offline()
        raise ValueError("half done")

    harness.turn(job)
    for _ in range(2):
        assert outbox.ids(SendClass.TRANSACTION) == ids
        assert [row_id for row_id, _ in outbox.entries()] == ids
        assert (outbox.total_bytes, outbox.undelivered) == (size, 0)
        row = outbox.get(ids[0])
        assert row is not None
        assert (row.attempts, row.offline) == (0, False)
        harness.restart()
        outbox = Outbox(harness.store)


def test_messages_beyond_the_window_are_fetched(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.store.outbox.WINDOW", 2)
    monkeypatch.setattr("station.store.outbox.LIVE_WINDOW", 0)
    monkeypatch.setattr("station.store.loading.WINDOW", 2)
    outbox = Outbox(harness.store)
    ids = append(harness, outbox, *(message(number) for number in range(6)))
    for _ in range(2):
        assert [row_id for row_id in ids if outbox.get(row_id) is None] == ids[2:]
        fetched: list[OutboxRow] = []
        harness.turn(outbox.fetch, ids[1:5], fetched.extend)
        harness.wait_for(fetched.__len__)
        assert [row.seq_no for row in fetched] == [1, 2, 3, 4]
        assert outbox.get(ids[4]) is not None
        assert outbox.get(ids[5]) is None
        harness.restart()
        outbox = Outbox(harness.store)


def test_fetching_waits_for_the_disk_and_knows_what_is_not_written_yet(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.store.outbox.WINDOW", 0)
    monkeypatch.setattr("station.store.outbox.LIVE_WINDOW", 0)
    monkeypatch.setattr("station.store.outbox.FETCH_AGAIN_S", 0.0)
    outbox = Outbox(harness.store)
    harness.fail_with(FULL)
    ids = append(harness, outbox, message(1), message(2))
    harness.wait_for(lambda: harness.store.health is StoreHealth.VOLATILE)
    fetched: list[OutboxRow] = []
    harness.fail_with(None)
    harness.turn(outbox.remove, ids[0])
    harness.turn(outbox.fetch, ids, fetched.extend)
    harness.wait_for(fetched.__len__)
    assert [row.seq_no for row in fetched] == [2]


def test_a_process_killed_at_full_speed_leaves_a_prefix_with_all_it_acknowledged(
    tmp_path: Path,
) -> None:
    path = tmp_path / "station.db"
    command = [sys.executable, "-m", "tests.contracts.store_victim", str(path)]
    total = 0
    for lines in (1, 40, 400):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
            assert victim.stdout is not None
            acknowledged = [int(victim.stdout.readline()) for _ in range(lines)]
            victim.kill()
            acknowledged += [int(line) for line in victim.stdout if line.endswith("\n")]
        assert acknowledged == list(range(total + 1, total + 1 + len(acknowledged)))
        harness = VirtualHarness(Database(path))
        rows = dict(harness.rows())
        total = int(rows.pop("total"))
        outbox = Outbox(harness.store)
        entries = [entry.seq_no for _, entry in outbox.entries()]
        harness.close()
        assert total >= acknowledged[-1]
        assert list(rows) == [f"n{number}" for number in range(1, total + 1)]
        assert entries == list(range(1, total + 1))


KEYS = st.sampled_from("abcd")
WRITES = st.tuples(st.sampled_from(["put", "delete"]), KEYS, st.integers(0, 9))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), st.lists(WRITES, max_size=5)),
        st.tuples(st.just("failed turn"), st.lists(WRITES, max_size=5)),
        st.tuples(st.sampled_from(["settle", "kill", "restart", "full", "mended"]), st.just([])),
    ),
    max_size=25,
)


def write_model(model: dict[str, str], writes: list[tuple[str, str, int]]) -> None:
    for action, key, value in writes:
        if action == "put":
            model[key] = str(value)
        else:
            model.pop(key, None)


def write_rows(harness: Harness, writes: list[tuple[str, str, int]], *, fail: bool) -> None:
    for action, key, value in writes:
        if action == "put":
            harness.notes.put(Note(id=key, text=str(value)))
        else:
            harness.notes.delete(key)
    if fail:
        raise ValueError("half done")


@pytest.mark.parametrize("kind", ["inline-sql", "inline-memory", "thread"])
def test_any_sequence_of_turns_failures_and_kills_equals_a_model(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    examples = 15 if kind == "thread" else 60

    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(steps=STEPS)
    def check(steps: list[tuple[str, list[tuple[str, str, int]]]]) -> None:
        harness = KINDS[kind](tmp_path_factory.mktemp("model"))
        try:
            run_against_model(harness, steps)
        finally:
            harness.close()

    check()


def run_against_model(
    harness: Harness, steps: list[tuple[str, list[tuple[str, str, int]]]]
) -> None:
    model: dict[str, str] = {}
    possible: list[dict[str, str]] = [{}]  # what a kill may leave: any state since the last settle
    for step, writes in steps:
        if step == "turn":
            harness.turn(lambda todo=writes: write_rows(harness, todo, fail=False))
            write_model(model, writes)
            possible.append(dict(model))
        elif step == "failed turn":
            harness.turn(lambda todo=writes: write_rows(harness, todo, fail=True))
        elif step == "full":
            harness.fail_with(FULL)
        elif step in ("mended", "settle"):
            harness.fail_with(None)
            harness.wait_for(lambda: harness.store.health is StoreHealth.OK)
            harness.settle()
            if harness.store.health is StoreHealth.OK:
                possible = [dict(model)]
        elif step == "restart":
            harness.fail_with(None)
            harness.wait_for(lambda: harness.store.health is StoreHealth.OK)
            harness.restart()
            possible = [dict(model)]
        else:
            harness.kill()
            found = dict(harness.rows())
            assert found in possible
            model = found
            possible = [dict(model)]
        assert list(harness.rows()) == list(model.items())

"""The reactor: order of turns, timers, containment, and the virtual one's jumps and hangs."""

import threading

import pytest

from station.bench.virtual import VirtualReactor
from station.reactor import Reactor, Timer


class Notes:
    """A turn keeper that writes down what it is asked for."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def commit(self) -> None:
        self.said.append("commit")

    def abandon(self) -> None:
        self.said.append("abandon")


@pytest.fixture
def reactor() -> VirtualReactor:
    return VirtualReactor(start=100.0)


def test_facts_run_in_the_order_posted(reactor: VirtualReactor) -> None:
    said: list[int] = []
    for number in range(5):
        reactor.post(said.append, number)
    reactor.run_ready()
    assert said == [0, 1, 2, 3, 4]


def test_hardware_goes_ahead_of_timers_and_timers_ahead_of_frames(reactor: VirtualReactor) -> None:
    said: list[str] = []
    reactor.post(said.append, "frame")
    reactor.call_later(0.0, said.append, "timer")
    reactor.post(said.append, "hardware", urgent=True)
    reactor.run_ready()
    assert said == ["hardware", "timer", "frame"]


def test_timers_run_when_due_and_in_the_order_asked_for_at_the_same_moment(
    reactor: VirtualReactor,
) -> None:
    said: list[tuple[str, float]] = []
    for name, delay_s in (("late", 3.0), ("first", 1.0), ("second", 1.0)):
        reactor.call_later(delay_s, lambda name=name: said.append((name, reactor.now())))
    reactor.advance(0.999)
    assert said == []
    reactor.advance(10.0)
    assert said == [("first", 101.0), ("second", 101.0), ("late", 103.0)]
    assert reactor.now() == 110.999


def test_a_timer_asked_for_in_a_turn_runs_within_the_same_advance(reactor: VirtualReactor) -> None:
    said: list[float] = []

    def again() -> None:
        said.append(reactor.now())
        reactor.call_later(1.0, again)

    again()
    reactor.advance(3.5)
    assert said == [100.0, 101.0, 102.0, 103.0]


def test_a_cancelled_timer_never_runs_and_may_be_cancelled_at_any_time(
    reactor: VirtualReactor,
) -> None:
    said: list[str] = []
    timer = reactor.call_later(1.0, said.append, "cancelled")
    timer.cancel()
    timer.cancel()
    assert not timer.active
    assert reactor.next_due() is None
    ran = reactor.call_later(1.0, said.append, "ran")
    assert ran.active
    reactor.advance(2.0)
    assert not ran.active
    ran.cancel()
    assert said == ["ran"]


def test_a_timer_cancelled_by_another_due_at_the_same_moment_does_not_run(
    reactor: VirtualReactor,
) -> None:
    said: list[str] = []
    timers: list[Timer] = []

    def cancel_the_other() -> None:
        timers[0].cancel()

    reactor.call_later(1.0, cancel_the_other)
    timers.append(reactor.call_later(1.0, said.append, "other"))
    reactor.advance(2.0)
    assert said == []


def test_a_moment_that_has_passed_is_due_at_once(reactor: VirtualReactor) -> None:
    said: list[str] = []
    reactor.call_at(reactor.now() - 50.0, said.append, "late")
    reactor.run_ready()
    assert said == ["late"]


def test_a_timer_belongs_to_the_source_that_asked_for_it(reactor: VirtualReactor) -> None:
    sources: list[str] = []

    def ask() -> None:
        reactor.call_later(1.0, lambda: sources.append(reactor.source))
        reactor.call_later(1.0, lambda: sources.append(reactor.source), source="own")

    reactor.post(ask, source="evse:1")
    reactor.advance(2.0)
    assert sources == ["evse:1", "own"]


def test_every_turn_is_committed(reactor: VirtualReactor) -> None:
    reactor.keeper = notes = Notes()
    reactor.post(notes.said.append, "turn")
    reactor.call_later(1.0, notes.said.append, "timer")
    reactor.advance(1.0)
    assert notes.said == ["turn", "commit", "timer", "commit"]


def test_a_turn_that_fails_is_undone_and_its_source_is_told(reactor: VirtualReactor) -> None:
    reactor.keeper = notes = Notes()
    failed: list[tuple[str, str]] = []
    reactor.on_failure = lambda source, error: failed.append((source, str(error)))

    def broken() -> None:
        raise LookupError("no such row")

    reactor.post(broken, source="reservation")
    reactor.post(notes.said.append, "next")
    reactor.run_ready()
    assert failed == [("reservation", "no such row")]
    assert notes.said == ["abandon", "commit", "next", "commit"]


def test_a_failure_nobody_listens_to_is_logged(
    reactor: VirtualReactor, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise LookupError("no such row")

    reactor.post(broken)
    reactor.run_ready()
    assert "a turn of the core failed" in caplog.text
    assert "no such row" in caplog.text


def test_the_end_of_the_process_is_no_failure_of_a_turn(reactor: VirtualReactor) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    reactor.on_failure = lambda source, error: pytest.fail("contained")
    reactor.post(interrupted)
    with pytest.raises(KeyboardInterrupt):
        reactor.run_ready()


def test_lateness_is_told_of_timers_and_is_that_of_the_last_one(reactor: VirtualReactor) -> None:
    told: list[tuple[str, float]] = []
    reactor.on_turn = lambda source, late_s, took_s: told.append((source, late_s))
    reactor.call_later(1.0, lambda: None, source="a")
    reactor.call_later(1.5, lambda: None, source="b")
    reactor.freeze(2.0)
    reactor.run_ready()
    assert told == [("a", 1.0), ("b", 0.5)]
    assert reactor.lateness_s == 0.5


def test_stop_ends_run_after_the_present_turn() -> None:
    reactor = Reactor(lambda: 0.0)
    said: list[str] = []

    def stop() -> None:
        reactor.stop()
        said.append("present")

    reactor.post(stop)
    reactor.post(said.append, "next")
    reactor.run()
    assert said == ["present"]
    assert reactor.is_stopped


def test_posts_of_another_thread_wake_a_core_that_waits() -> None:
    reactor = Reactor(lambda: 0.0)
    said: list[str] = []

    def lane() -> None:
        reactor.post(said.append, "fact")
        reactor.post(reactor.stop)

    thread = threading.Timer(0.02, lane)
    thread.start()
    reactor.run()
    thread.join()
    assert said == ["fact"]


def test_the_depth_of_the_inbox_counts_what_waits(reactor: VirtualReactor) -> None:
    seen: list[int] = []
    for _ in range(3):
        reactor.post(lambda: seen.append(reactor.inbox_depth))
    assert reactor.inbox_depth == 3
    reactor.run_ready()
    assert seen == [2, 1, 0]


def test_while_the_core_hangs_the_board_and_the_wire_go_on(reactor: VirtualReactor) -> None:
    said: list[tuple[str, float]] = []

    def say(name: str) -> None:
        said.append((name, reactor.now()))

    reactor.call_later(1.0, say, "board", source="board")
    reactor.call_later(2.0, lambda: reactor.post(say, "fact"), source="wire")
    reactor.call_later(3.0, say, "core")
    reactor.call_later(9.0, say, "board later", source="board")
    reactor.freeze(5.0)
    assert said == [("board", 101.0)]
    reactor.advance(0.0)
    assert said == [("board", 101.0), ("core", 105.0), ("fact", 105.0)]
    reactor.advance(10.0)
    assert said[-1] == ("board later", 109.0)


def test_a_dead_process_runs_nothing_any_more(reactor: VirtualReactor) -> None:
    said: list[str] = []
    reactor.post(said.append, "fact")
    reactor.post(said.append, "hardware", urgent=True)
    reactor.call_later(1.0, said.append, "timer")
    reactor.clear()
    reactor.advance(5.0)
    assert said == []
    assert reactor.next_due() is None


def test_an_ended_process_lives_no_further_unless_somebody_begins_anew(
    reactor: VirtualReactor,
) -> None:
    said: list[str] = []
    reactor.call_later(1.0, reactor.stop)
    reactor.call_later(2.0, said.append, "after the end")
    reactor.advance(5.0)
    assert said == []
    assert reactor.now() == 105.0

    def begin_anew() -> None:
        reactor.on_stopped = None
        reactor.clear()
        reactor.call_later(1.0, said.append, "the next process")

    reactor.on_stopped = begin_anew
    reactor.advance(5.0)
    assert said == ["the next process"]

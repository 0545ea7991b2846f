"""The scheduler of calls: one in flight, classes in order of urgency, retries apart."""

from collections.abc import Callable

import pytest

from station.ocpp.rpc import MemoryLine, Outgoing, Scheduler

URGENT, USUAL, IDLE = 0, 3, 8


def anything(outgoing: Outgoing) -> bool:
    return True


def build() -> Scheduler:
    scheduler = Scheduler()
    for send_class in (IDLE, URGENT, USUAL):  # the order of urgency is not that of declaring
        scheduler.add_line(send_class, MemoryLine())
    return scheduler


@pytest.fixture
def scheduler() -> Scheduler:
    return build()


def put(
    scheduler: Scheduler,
    send_class: int,
    action: str,
    *,
    asked_for: bool = False,
    ready: Callable[[], bool] | None = None,
) -> Outgoing:
    outgoing = Outgoing(
        send_class, action, lambda: b"{}", lambda outcome: None, asked_for=asked_for, ready=ready
    )
    line = scheduler.line(send_class)
    assert isinstance(line, MemoryLine)
    line.waiting.append(outgoing)
    return outgoing


def send(scheduler: Scheduler, now: float = 0.0, message_id: str = "1") -> str | None:
    """The action of the call that goes out now."""
    outgoing = scheduler.next(now, anything)
    if outgoing is None:
        return None
    scheduler.sent(outgoing, message_id)
    return outgoing.action


def test_with_nothing_to_say_nothing_is_sent(scheduler: Scheduler) -> None:
    assert send(scheduler) is None


def test_one_call_is_in_flight_at_a_time(scheduler: Scheduler) -> None:
    """Part 4, 4.1.1"""
    put(scheduler, USUAL, "first")
    put(scheduler, URGENT, "urgent")
    assert send(scheduler) == "urgent"
    assert send(scheduler) is None
    assert scheduler.answered("1") is not None
    assert send(scheduler) == "first"


def test_the_more_urgent_class_goes_first_and_each_keeps_its_order(scheduler: Scheduler) -> None:
    for send_class, action in ((IDLE, "i"), (USUAL, "u1"), (USUAL, "u2"), (URGENT, "b")):
        put(scheduler, send_class, action)
    sent = []
    for number in range(4):
        sent.append(send(scheduler, message_id=str(number)))
        scheduler.answered(str(number))
    assert sent == ["b", "u1", "u2", "i"]


def test_a_class_that_waits_for_a_retry_lets_the_others_pass(scheduler: Scheduler) -> None:
    put(scheduler, USUAL, "held")
    put(scheduler, IDLE, "idle")
    scheduler.hold(USUAL, 10.0)
    assert scheduler.is_held(USUAL, 9.999)
    assert scheduler.next_hold_end(0.0) == 10.0
    assert send(scheduler, now=9.999) == "idle"
    scheduler.answered("1")
    assert send(scheduler, now=9.999) is None
    assert not scheduler.is_held(USUAL, 10.0)
    assert scheduler.next_hold_end(10.0) is None
    assert send(scheduler, now=10.0) == "held"


def test_a_hold_can_be_lifted(scheduler: Scheduler) -> None:
    put(scheduler, USUAL, "held")
    scheduler.hold(USUAL, 10.0)
    scheduler.release(USUAL)
    scheduler.release(USUAL)
    assert send(scheduler) == "held"


def test_only_a_class_that_has_something_to_send_is_waited_for(scheduler: Scheduler) -> None:
    scheduler.hold(USUAL, 5.0)
    scheduler.hold(IDLE, 7.0)
    assert scheduler.next_hold_end(0.0) is None
    put(scheduler, IDLE, "idle")
    assert scheduler.next_hold_end(0.0) == 7.0


def test_what_may_not_be_sent_stays_and_holds_back_its_own_class_only(
    scheduler: Scheduler,
) -> None:
    put(scheduler, URGENT, "forbidden")
    put(scheduler, USUAL, "asked for", asked_for=True)
    allowed = scheduler.next(0.0, lambda outgoing: outgoing.asked_for)
    assert allowed is not None
    assert allowed.action == "asked for"
    assert send(scheduler) == "forbidden"


def test_a_call_that_is_not_ready_waits_without_holding_up_other_classes(
    scheduler: Scheduler,
) -> None:
    ready = [False]
    put(scheduler, URGENT, "status", ready=lambda: ready[0])
    put(scheduler, USUAL, "event")
    assert send(scheduler) == "event"
    scheduler.answered("1")
    assert send(scheduler) is None
    ready[0] = True
    assert send(scheduler) == "status"


def test_an_answer_belongs_to_the_call_in_flight_or_to_none(scheduler: Scheduler) -> None:
    sent = put(scheduler, USUAL, "call")
    assert scheduler.answered("1") is None
    send(scheduler, message_id="7")
    assert scheduler.answered("6") is None
    assert scheduler.answered("7") is sent
    assert scheduler.answered("7") is None


def test_a_call_given_up_is_in_flight_no_longer_and_its_answer_is_late(
    scheduler: Scheduler,
) -> None:
    sent = put(scheduler, USUAL, "call")
    send(scheduler, message_id="7")
    assert scheduler.give_up() is sent
    assert scheduler.give_up() is None
    assert scheduler.answered("7") is None
    assert scheduler.in_flight is None

"""Thread lanes: jobs in order, every result delivered, no failure that ends a lane."""

import queue
import threading
from typing import Any

import pytest

from station.io.worker import LaneStoppedError, ThreadLane, ThreadLanes

WAIT_S = 5.0


class Core:
    """Collects what is posted."""

    def __init__(self) -> None:
        self.posted: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()

    def post(self, job: Any, *args: Any) -> None:
        self.posted.put((job, *args))

    def result(self) -> Any:
        job, value = self.posted.get(timeout=WAIT_S)
        return job(value)


def same(value: Any) -> Any:
    return value


def test_results_are_posted_in_the_order_of_the_jobs() -> None:
    core = Core()
    lane = ThreadLane("store", core.post)
    for number in range(50):
        lane.submit(lambda number=number: number * 2, same)  # type: ignore[misc]
    assert [core.result() for _ in range(50)] == [number * 2 for number in range(50)]
    assert lane.stop(WAIT_S)


def test_jobs_run_on_one_named_daemon_thread() -> None:
    core = Core()
    lane = ThreadLane("bus-1", core.post)
    for _ in range(3):
        lane.submit(threading.current_thread, same)
    threads = [core.result() for _ in range(3)]
    assert {thread.name for thread in threads} == {"bus-1"}
    assert len({thread.ident for thread in threads}) == 1
    assert threads[0].daemon
    assert lane.stop(WAIT_S)


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt()])
def test_whatever_a_job_raises_is_its_result(error: BaseException) -> None:
    core = Core()
    lane = ThreadLane("files", core.post)

    def fail() -> None:
        raise error

    lane.submit(fail, same)
    lane.submit(lambda: "next", same)
    assert core.result() is error
    assert core.result() == "next"
    assert lane.stop(WAIT_S)


def test_a_lane_goes_on_when_its_own_work_fails(caplog: pytest.LogCaptureFixture) -> None:
    core = Core()
    refusals = [RuntimeError("the core is not there yet")]

    def post(job: Any, *args: Any) -> None:
        if refusals:
            raise refusals.pop()
        core.post(job, *args)

    lane = ThreadLane("reader", post)
    lane.submit(lambda: "lost", same)
    lane.submit(lambda: "kept", same)
    assert core.result() == "kept"
    assert "lane reader failed" in caplog.text
    assert lane.stop(WAIT_S)


def test_a_lane_tells_since_when_it_is_busy() -> None:
    core = Core()
    begun, go_on = threading.Event(), threading.Event()
    lanes = ThreadLanes(core.post, monotonic=iter(range(100, 200)).__next__)
    lane = lanes("meter")
    assert lane.busy_since is None
    assert lanes.oldest_busy_s() == 0

    def work() -> bool:
        begun.set()
        return go_on.wait(WAIT_S)

    lane.submit(work, same)
    assert begun.wait(WAIT_S)
    assert lane.busy_since == 101
    assert lanes.oldest_busy_s() == 1
    go_on.set()
    assert core.result() is True
    assert lane.busy_since is None
    assert lane.stop(WAIT_S)


def test_stop_finishes_what_is_queued_and_refuses_what_comes_later() -> None:
    core = Core()
    lane = ThreadLane("store", core.post)
    for number in range(20):
        lane.submit(lambda number=number: number, same)  # type: ignore[misc]
    assert lane.stop(WAIT_S)
    assert [core.result() for _ in range(20)] == list(range(20))
    lane.submit(lambda: "late", same)
    assert isinstance(core.result(), LaneStoppedError)


def test_stop_says_when_a_job_takes_too_long() -> None:
    core = Core()
    go_on = threading.Event()
    lane = ThreadLane("stuck", core.post)
    lane.submit(lambda: go_on.wait(WAIT_S), same)
    assert not lane.stop(0.01)
    go_on.set()
    assert lane.stop(WAIT_S)


def test_a_lane_that_was_never_used_stops_at_once() -> None:
    assert ThreadLane("idle", Core().post).stop(0)


def test_the_same_name_gives_the_same_lane_and_all_stop_together() -> None:
    core = Core()
    lanes = ThreadLanes(core.post)
    assert lanes("a") is lanes("a")
    assert lanes("a") is not lanes("b")
    lanes("a").submit(lambda: 1, same)
    lanes("b").submit(lambda: 2, same)
    assert lanes.stop(WAIT_S)
    assert sorted([core.result(), core.result()]) == [1, 2]

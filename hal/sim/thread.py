"""The simulated board of a real process: the same board, on a thread of its own.

The thread needs nothing of the core, so that a frozen core leads to an open
contactor as it would on real hardware.
"""

import heapq
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from hal.api import (
    BoardDescription,
    Change,
    CommandKind,
    CommandResult,
    EvseSetpoint,
    MeterReading,
    SignedReading,
    SignMoment,
)
from hal.board import EvseUnit
from hal.payment import PaymentNews
from hal.sim.board import SimBoard
from hal.sim.place import EvseWorld
from hal.sim.world import World

log = logging.getLogger(__name__)

LATE_S = 0.2
"""The operating system may wake the thread this late without the judge complaining."""


class Due:
    """One job of the alarm thread."""

    __slots__ = ("due", "job", "order")

    def __init__(self, due: float, order: int, job: Callable[[], None] | None) -> None:
        self.due, self.order, self.job = due, order, job

    def __lt__(self, other: "Due") -> bool:
        return (self.due, self.order) < (other.due, other.order)

    def cancel(self) -> None:
        self.job = None


class AlarmThread:
    """Runs jobs when they are due, one after another, on one thread."""

    def __init__(self, monotonic: Callable[[], float], name: str) -> None:
        self._monotonic = monotonic
        self._jobs: list[Due] = []
        self._order = 0
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def call_at(self, due: float, job: Callable[[], None]) -> Due:
        with self._changed:
            self._order += 1
            entry = Due(due, self._order, job)
            heapq.heappush(self._jobs, entry)
            if self._jobs[0] is entry:
                self._changed.notify()
        return entry

    def post(self, job: Callable[[], None]) -> None:
        """Run *job* soon; from any thread."""
        self.call_at(self._monotonic(), job)

    def awake_at(self) -> float:
        """When the thread was last known to be alive: now, unless a job is overdue."""
        now = self._monotonic()
        with self._changed:
            self._drop_cancelled()
            overdue = self._jobs[0].due if self._jobs else now
        return min(now, overdue)

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive() and not self._stopped

    def stop(self, timeout_s: float) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except Exception:
                log.exception("the simulated board failed in a job")

    def _drop_cancelled(self) -> None:
        while self._jobs and self._jobs[0].job is None:
            heapq.heappop(self._jobs)

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._stopped:
                self._drop_cancelled()
                wait_s = self._jobs[0].due - self._monotonic() if self._jobs else None
                if wait_s is not None and wait_s <= 0.0:
                    return heapq.heappop(self._jobs).job
                self._changed.wait(wait_s)
        return None


class SimBoardThread:
    """Implements hal.api.Board; its methods may be called from any thread."""

    def __init__(
        self, description: BoardDescription, world: World, monotonic: Callable[[], float]
    ) -> None:
        self.description = description
        self.world = world
        self._alarm = AlarmThread(monotonic, "simulated board")
        self._board = SimBoard(
            description,
            world,
            monotonic,
            self._alarm.call_at,
            tolerance_s=LATE_S,
            utc=lambda: datetime.now(UTC),
        )

    @property
    def violations(self) -> list[str]:
        return self._board.violations

    def start(self, on_change: Callable[[Change], None]) -> None:
        self._alarm.start()
        self._alarm.post(lambda: self._board.start(on_change))

    def apply(self, setpoint: EvseSetpoint) -> None:
        self._alarm.post(lambda: self._board.apply(setpoint))

    def renew(self, evse: int, permit_until: float) -> None:
        self._alarm.post(lambda: self._board.renew(evse, permit_until))

    def polled_at(self, evse: int) -> float:
        return min(self._alarm.awake_at(), self._board.polled_at(evse))

    def alive_at(self) -> float:
        return self._alarm.awake_at()

    def reading(self, evse: int) -> MeterReading | None:
        return self._board.reading(evse)

    def sign(
        self,
        evse: int,
        moment: SignMoment,
        identification: str,
        on_result: Callable[[SignedReading | None], None],
    ) -> None:
        self._alarm.post(lambda: self._board.sign(evse, moment, identification, on_result))

    def command(
        self,
        kind: CommandKind,
        evse: int,
        connector: int | None,
        on_result: Callable[[CommandResult], None],
    ) -> None:
        self._alarm.post(lambda: self._board.command(kind, evse, connector, on_result))

    def show_payable(self, terminal: str, evses: tuple[int, ...]) -> None:
        self._alarm.post(lambda: self._board.show_payable(terminal, evses))

    def tell_payment(self, news: PaymentNews, on_result: Callable[[bool], None]) -> None:
        self._alarm.post(lambda: self._board.tell_payment(news, on_result))

    def stop(self) -> bool:
        """Open every contactor and end the thread; True when all are open within 1 s."""
        if not self._alarm.is_running:
            return self._board.stop()
        opened: list[bool] = []
        done = threading.Event()

        def stop_board() -> None:
            opened.append(self._board.stop())
            done.set()

        self._alarm.post(stop_board)
        done.wait(1.0)
        self._alarm.stop(1.0)
        return opened == [True]

    def do(self, evse: int, action: Callable[[EvseUnit, EvseWorld], None]) -> None:
        self._alarm.post(lambda: self._board.do(evse, action))

    def emit(self, change: Change) -> None:
        self._board.emit(change)

"""Asks meters to sign: one request at a time for each meter, in the order of what happened.

A meter signs for one transaction after another. So the END of one is asked, and answered, before
the BEGIN of the next is, and only once the contactor is open: what was signed is what was drawn.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import Struct, field

from hal.api import SIGNING_S, FaultName, SignedReading, SignMoment
from station.context import Context
from station.events import EvseChanged
from station.reactor import Timer

GUARD_S = SIGNING_S + 2.0
"""A board that has not answered by then never will."""

Listener = Callable[[SignedReading | None], Any]


class Request(Struct, eq=False):
    """One signature that is wanted, and who waits for it."""

    moment: SignMoment
    identification: str
    asked_at: float
    listeners: list[Listener] = field(default_factory=list)

    def is_as_good_as(self, other: "Request") -> bool:
        """One reading serves both: of the same moment, in the course of a transaction."""
        updates = {self.moment, other.moment} == {SignMoment.UPDATE}
        return updates and self.asked_at == other.asked_at


class SigningQueue:
    """Requests wait in memory: after a restart nobody waits."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: dict[int, deque[Request]] = {}
        self._asked: dict[int, tuple[Request, Timer]] = {}
        context.events.subscribe(EvseChanged, lambda event: self._next(event.now.evse))

    def ask(
        self, evse_id: int, moment: SignMoment, identification: str, listener: Listener
    ) -> None:
        """*listener* is called once, in a turn of its own; None: the meter did not sign.

        Nothing is asked before this turn is durable: of a turn that is undone no meter hears.
        """
        request = Request(moment, identification, self._context.reactor.now(), [listener])
        self._context.store.after_commit(self._enqueue, evse_id, request)

    def _enqueue(self, evse_id: int, request: Request) -> None:
        waiting = self._waiting.setdefault(evse_id, deque())
        last = self._last(evse_id)
        if last is not None and last.is_as_good_as(request):
            last.listeners += request.listeners
        else:
            waiting.append(request)
        self._next(evse_id)

    def _last(self, evse_id: int) -> Request | None:
        waiting, asked = self._waiting[evse_id], self._asked.get(evse_id)
        if waiting:
            return waiting[-1]
        return None if asked is None else asked[0]

    def _next(self, evse_id: int) -> None:
        waiting = self._waiting.get(evse_id)
        if not waiting or evse_id in self._asked or not self._may_ask(evse_id, waiting[0].moment):
            return
        request = waiting.popleft()
        reactor = self._context.reactor
        guard = reactor.call_later(GUARD_S, self._answered, evse_id, request, None, source=SOURCE)
        self._asked[evse_id] = request, guard
        answer = partial(self._from_board, evse_id, request)
        late = reactor.now() - request.asked_at >= SIGNING_S
        if self._is_silent(evse_id) or (late and request.moment is SignMoment.UPDATE):
            answer(None)  # nobody waits for it any more, or it would take its full time to fail
        else:
            self._context.board.sign(evse_id, request.moment, request.identification, answer)

    def _may_ask(self, evse_id: int, moment: SignMoment) -> bool:
        evse = self._context.evses.get(evse_id)
        return moment is not SignMoment.END or (evse.seen and not evse.report.contactor_closed)

    def _is_silent(self, evse_id: int) -> bool:
        faults = self._context.evses.get(evse_id).report.faults
        return any(fault.name is FaultName.METER_SILENT for fault in faults)

    def _from_board(self, evse_id: int, request: Request, signed: SignedReading | None) -> None:
        """From any thread."""
        self._context.reactor.post(self._answered, evse_id, request, signed, source=SOURCE)

    def _answered(self, evse_id: int, request: Request, signed: SignedReading | None) -> None:
        asked = self._asked.get(evse_id)
        if asked is None or asked[0] is not request:
            return  # it came after all
        del self._asked[evse_id]
        asked[1].cancel()
        # Posted first: should a listener fail, the queue goes on.
        self._context.reactor.post(self._next, evse_id, source=SOURCE)
        for listener in request.listeners:
            listener(signed)


SOURCE = "metering"

"""Functional block C, Authorization: what the driver who showed a token is told, for a while.

A screen subscribes to DriverAnswerChanged and shows `at`; the driver's languages come with it.
Nothing of it is kept, and nothing of it is logged.
"""

from msgspec import Struct

from station.context import Context
from station.events import DriverAnswerChanged, TokenAnswered
from station.reactor import Timer

TOLD_S = 30.0
"""So long an answer stands unless another one takes its place."""


class Told(Struct, frozen=True):
    answer: TokenAnswered
    over_at: float
    timer: Timer


class DriverAnswers:
    """The last answer at each EVSE, and at the station's own reader."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told: dict[int | None, Told] = {}
        context.events.subscribe(TokenAnswered, self._on_answered)

    def at(self, evse_id: int | None) -> TokenAnswered | None:
        """What stands at this EVSE; None: at the station's own reader."""
        told = self._told.get(evse_id)
        return None if told is None else told.answer

    def remaining_s(self, evse_id: int | None) -> float:
        told = self._told.get(evse_id)
        return 0.0 if told is None else max(0.0, told.over_at - self._context.reactor.now())

    def _on_answered(self, answer: TokenAnswered) -> None:
        before = self._told.get(answer.evse_id)
        if before is not None:
            before.timer.cancel()
        reactor = self._context.reactor
        stands_s = max(TOLD_S, answer.choice_s)
        timer = reactor.call_later(stands_s, self._over, answer.evse_id, source="driver")
        self._told[answer.evse_id] = Told(answer, reactor.now() + stands_s, timer)
        self._context.events.publish(DriverAnswerChanged(answer.evse_id))

    def _over(self, evse_id: int | None) -> None:
        self._told.pop(evse_id, None)
        self._context.events.publish(DriverAnswerChanged(evse_id))

"""Functional block G, Availability: heartbeats (G02), kept back while other messages flow."""

from station.context import Context
from station.device_model import Integer, Variable
from station.events import (
    BackOnline,
    ClockSynchronised,
    CsmsLost,
    CsmsTimeTold,
    HeartbeatIntervalGiven,
)
from station.ocpp.messages.availability import HeartbeatRequest, HeartbeatResponse
from station.ocpp.messages.remote_control import MessageTrigger
from station.ocpp.rpc import CallFailed
from station.reactor import Timer
from station.records import SendClass

HEARTBEAT_INTERVAL = Variable(
    "OCPPCommCtrlr", "HeartbeatInterval", Integer(unit="s", min=1, max=604800), default=300
)
MOST_TRIES = 3
"""So often in a row the time is asked for again at once."""
DAY_S = 86400.0
"""The clock is compared at least once in 24 h, whatever else is sent (G02.FR.07)."""


class Heartbeat:
    """Sends a Heartbeat when nothing was sent for HeartbeatInterval."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._timer: Timer | None = None
        self._asked_again = 0
        self._last_heartbeat_at = context.reactor.now()
        context.variables.declare(HEARTBEAT_INTERVAL)
        context.variables.watch(HEARTBEAT_INTERVAL, lambda *_: self._arm())
        context.events.subscribe(BackOnline, lambda _: self._arm())
        context.events.subscribe(CsmsLost, lambda _: self._disarm())
        context.events.subscribe(HeartbeatIntervalGiven, self._on_interval_given)
        context.events.subscribe(ClockSynchronised, self._on_clock_synchronised)
        context.queries.triggers[MessageTrigger.HEARTBEAT] = self._triggered

    def _on_interval_given(self, event: HeartbeatIntervalGiven) -> None:
        if event.interval_s > 0:  # B01.FR.04, G02.FR.01
            self._context.variables.update(HEARTBEAT_INTERVAL, event.interval_s, persist=True)

    def _on_clock_synchronised(self, event: ClockSynchronised) -> None:
        """An answer that was long on its way tells the time badly: ask anew, but not for ever."""
        if event.doubt_s == 0.0:
            self._asked_again = 0
        elif self._asked_again < MOST_TRIES:
            self._asked_again += 1
            self._send(asked_for=False)

    def _due_at(self) -> float:
        quiet = self._context.csms.last_sent_at + self._context.variables[HEARTBEAT_INTERVAL]
        return min(quiet, self._last_heartbeat_at + DAY_S)

    def _arm(self) -> None:
        self._disarm()
        if self._context.csms.online:
            due_at = max(self._due_at(), self._context.reactor.now())
            self._timer = self._context.reactor.call_at(due_at, self._due, source="heartbeat")

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        """Other messages may have gone meanwhile: they count as life (G02.FR.05)."""
        self._timer = None
        if self._context.reactor.now() < self._due_at():
            self._arm()
        else:
            self._send(asked_for=False)  # G02.FR.02

    def _triggered(self, evse_id: int | None, connector_id: int | None) -> bool:  # noqa: ARG002
        self._send(asked_for=True)
        return True

    def _send(self, *, asked_for: bool) -> None:
        self._last_heartbeat_at = self._context.reactor.now()
        send_class = SendClass.PROMPT if asked_for else SendClass.HEARTBEAT
        self._context.csms.call(
            HeartbeatRequest(),
            self._on_heartbeat_result,
            send_class=send_class,
            asked_for=asked_for,
        )

    def _on_heartbeat_result(self, answer: HeartbeatResponse | CallFailed) -> None:
        if isinstance(answer, HeartbeatResponse):
            self._context.events.publish(CsmsTimeTold(answer.current_time))
        self._arm()

"""Whether the connection is still alive: WebSocket pings (OCPP-J Part 4, section 5.2)."""

from collections.abc import Callable
from typing import Any

from station.context import Context
from station.device_model import Decimal, Integer, Mutability, Variable
from station.reactor import Timer

PING_INTERVAL = Variable(
    "OCPPCommCtrlr", "WebSocketPingInterval", Integer(unit="s", min=0, max=86400), default=60
)
PONG_TIMEOUT = Variable(
    "OCPPCommCtrlr", "WebSocketPongTimeout", Integer(unit="s", min=1, max=600), default=10
)
"""A vendor's: how long a pong may take; a satellite needs longer than a cable."""
ROUND_TRIP = Variable(
    "OCPPCommCtrlr",
    "RoundTripTime",
    Decimal(unit="s", min=0.0),
    mutability=Mutability.READ_ONLY,
    measured=True,
    description="from the last ping that was answered to its pong; empty before the first",
)


class Pings:
    """Sends one every WebSocketPingInterval while it runs; 0 means never."""

    def __init__(
        self, context: Context, send: Callable[[], Any], on_silence: Callable[[], Any]
    ) -> None:
        self._context, self._send, self._on_silence = context, send, on_silence
        self._timer: Timer | None = None
        self._running = False
        self._heard_at = float("-inf")
        self._pinged_at: float | None = None
        self._round_trip_s: float | None = None
        context.variables.declare(PING_INTERVAL)
        context.variables.declare(PONG_TIMEOUT)
        context.variables.declare(ROUND_TRIP)
        context.variables.provide(ROUND_TRIP, lambda: self._round_trip_s, announced=True)
        context.variables.watch(PING_INTERVAL, self._on_interval)

    def begin(self) -> None:
        """The connection is up, or has just answered: the interval begins anew."""
        self.end()
        self._running = True
        interval_s = self._context.variables[PING_INTERVAL]
        if interval_s > 0:
            self._arm(interval_s, self._ping)

    def end(self) -> None:
        self._running = False
        self._pinged_at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pong(self) -> None:
        """The answer to a ping came."""
        if self._pinged_at is not None:
            self._round_trip_s = round(self._context.reactor.now() - self._pinged_at, 3)
            self._context.variables.touch(ROUND_TRIP)
        self.begin()

    def heard(self) -> None:
        """A message came."""
        self._heard_at = self._context.reactor.now()

    def _on_interval(self, _: int | None, __: int) -> None:
        if self._running:
            self.begin()

    def _ping(self) -> None:
        self._pinged_at = self._context.reactor.now()
        self._send()
        self._arm(self._context.variables[PONG_TIMEOUT], self._no_pong)

    def _no_pong(self) -> None:
        """No pong, but frames: it lives, and a busy station may have kept the pong waiting."""
        timeout_s = self._context.variables[PONG_TIMEOUT]
        if self._heard_at > self._context.reactor.now() - timeout_s:
            self.begin()
        else:
            self._on_silence()

    def _arm(self, delay_s: float, job: Callable[[], None]) -> None:
        self._timer = self._context.reactor.call_later(delay_s, job, source="connection")

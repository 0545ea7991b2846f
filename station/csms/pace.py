"""How long the queue may become and how fast a backlog is sent: settings of the operator."""

from station.csms.throttle import Throttle
from station.device_model import Decimal, DeviceModel, Integer, Variable
from station.ports import Room

QUEUE_MAX_MESSAGES = Variable(
    "OCPPCommCtrlr", "QueueMaxMessages", Integer(min=100, max=1_000_000), default=100_000
)
"""A vendor's: beyond it transaction updates are thinned. 100,000: two EVSEs, a month, 60 s."""
QUEUE_MAX_SIZE = Variable(
    "OCPPCommCtrlr", "QueueMaxSize", Integer(unit="MB", min=1, max=10_000), default=200
)
"""A vendor's: the same by size; an event with the default measurands takes 1.3 kB."""
BACKLOG_RATE = Variable(
    "OCPPCommCtrlr", "BacklogMessageRate", Decimal(unit="1/s", min=0, max=1000), default=20.0
)
"""A vendor's: messages a second of what has waited while offline; 0: as fast as they are answered.

20: a backlog of 10,000 takes 8 minutes, and the CSMS sees one station, not an attack.
"""
BACKLOG_BURST = Variable("OCPPCommCtrlr", "BacklogBurst", Integer(min=1, max=1000), default=20)
"""A vendor's: so many of them may leave at once after a silence."""


class Pace:
    """Reads the settings, tells the queue its quota, and counts what leaves."""

    def __init__(self, variables: DeviceModel, room: Room) -> None:
        self._variables, self._room = variables, room
        self._throttle = Throttle()
        for variable in (QUEUE_MAX_MESSAGES, QUEUE_MAX_SIZE):
            variables.declare(variable)
            variables.watch(variable, lambda *_: self._limit())
        variables.declare(BACKLOG_RATE)
        variables.declare(BACKLOG_BURST)
        self._limit()

    @property
    def free_at(self) -> float:
        """When the next message of the backlog may leave; no new connection brings it forward."""
        return self._throttle.free_at

    def take(self, now: float) -> None:
        """A message of the backlog leaves."""
        self._throttle.take(now, self._variables[BACKLOG_RATE], self._variables[BACKLOG_BURST])

    def _limit(self) -> None:
        self._room.limit(
            rows=self._variables[QUEUE_MAX_MESSAGES],
            size_bytes=self._variables[QUEUE_MAX_SIZE] * 1_000_000,
        )

"""Facts the core tells itself, past tense, and the bus that delivers them.

Events are delivered inside the turn that publishes them, in the order in which
handlers subscribed; an event published while another is delivered waits its turn.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from hal.api import ButtonPressed, EvseReport, FaultName, TokenPresented

E = TypeVar("E")


@dataclass(frozen=True)
class CsmsConnected:
    """The socket is up; messages may still have to wait for registration."""

    first: bool
    """Since the process began."""


@dataclass(frozen=True)
class CsmsLost:
    """The socket went down."""


@dataclass(frozen=True)
class RegistrationAccepted:
    """BootNotification was answered with Accepted, for the first time or again."""


@dataclass(frozen=True)
class BackOnline:
    """Connected and registered again after an outage that lasted *offline_s*."""

    offline_s: float


@dataclass(frozen=True)
class EvseChanged:
    """Hardware reported a change; the status and the transaction have already followed it."""

    before: EvseReport
    now: EvseReport


@dataclass(frozen=True)
class ConnectorStatusChanged:
    evse_id: int
    connector_id: int
    status: str
    at: datetime


@dataclass(frozen=True)
class FaultRaised:
    evse_id: int
    fault: FaultName


@dataclass(frozen=True)
class FaultCleared:
    evse_id: int
    fault: FaultName


@dataclass(frozen=True)
class TransactionStarted:
    transaction_id: str
    evse_id: int | None


@dataclass(frozen=True)
class TransactionEnded:
    transaction_id: str
    evse_id: int | None
    stopped_reason: str


@dataclass(frozen=True)
class EvseFreed:
    """No transaction and no authorisation is left on this EVSE."""

    evse_id: int


@dataclass(frozen=True)
class ClockSynchronised:
    """UTC was set by a trusted source; *step_s* is how far it moved."""

    source: str
    step_s: float


@dataclass(frozen=True)
class CsmsTimeTold:
    """The CSMS said what time it is (Heartbeat)."""

    moment: datetime


@dataclass(frozen=True)
class HeartbeatIntervalGiven:
    """The CSMS accepted the station and named its interval; 0 leaves the one in force."""

    interval_s: int


@dataclass(frozen=True)
class SecurityHappened:
    """A security event, by its name in the standard's list."""

    type: str


@dataclass(frozen=True)
class TokenShown:
    token: TokenPresented


@dataclass(frozen=True)
class ButtonShown:
    button: ButtonPressed


class EventBus:
    """Typed publish and subscribe within the core."""

    def __init__(self) -> None:
        self._handlers: dict[type[Any], list[Callable[[Any], Any]]] = {}
        self._waiting: deque[object] = deque()
        self._delivering = False

    def subscribe(self, event_type: type[E], handler: Callable[[E], Any]) -> None:
        self._handlers.setdefault(event_type, []).append(handler)

    def publish(self, event: object) -> None:
        self._waiting.append(event)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._waiting:
                fact = self._waiting.popleft()
                for handler in self._handlers.get(type(fact), ()):
                    handler(fact)
        finally:
            self._delivering = False
            self._waiting.clear()

"""Facts the core tells itself, past tense, and the bus that delivers them.

Events are delivered inside the turn that publishes them, in the order in which
handlers subscribed; an event published while another is delivered waits its turn.
What a reader or a terminal reports is published as it comes: TokenUnreadable, ReaderStatus.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from msgspec import Struct

from hal.api import ButtonPressed, EvseReport, FaultName, TokenPresented
from station.ocpp.messages.common import (
    AuthorizationStatus,
    IdTokenInfo,
    IdTokenType,
    MessageContent,
)

E = TypeVar("E")


class CsmsConnected(Struct, frozen=True):
    """The socket is up; messages may still have to wait for registration."""

    first: bool
    """Since the process began."""


class CsmsLost(Struct, frozen=True):
    """The socket went down."""


class RegistrationAccepted(Struct, frozen=True):
    """BootNotification was answered with Accepted, for the first time or again."""


class BackOnline(Struct, frozen=True):
    """Connected and registered again after an outage that lasted *offline_s*."""

    offline_s: float


class EvseChanged(Struct, frozen=True):
    """Hardware reported a change; the status and the transaction have already followed it."""

    before: EvseReport
    now: EvseReport


class ConnectorStatusChanged(Struct, frozen=True):
    evse_id: int
    connector_id: int
    status: str
    at: datetime


class FaultRaised(Struct, frozen=True):
    evse_id: int
    fault: FaultName


class FaultCleared(Struct, frozen=True):
    evse_id: int
    fault: FaultName


class TransactionStarted(Struct, frozen=True):
    transaction_id: str
    evse_id: int | None


class TransactionEnded(Struct, frozen=True):
    transaction_id: str
    evse_id: int | None
    stopped_reason: str


class EvseFreed(Struct, frozen=True):
    """A transaction or an authorisation has ended, and no other is left on this EVSE."""

    evse_id: int | None
    """None: the authorisation waited for a cable."""


class StationFreed(Struct, frozen=True):
    """What kept the station as a whole from being idle (`queries.busy`) may have ended."""


class ClockSynchronised(Struct, frozen=True):
    """UTC was set by a trusted source; *step_s* is how far it moved."""

    source: str
    step_s: float
    doubt_s: float = 0.0
    """How wrong it may be still: the source took so long to answer."""


class CsmsTimeTold(Struct, frozen=True):
    """The CSMS said what time it is (Heartbeat)."""

    moment: datetime


class HeartbeatIntervalGiven(Struct, frozen=True):
    """The CSMS accepted the station and named its interval; 0 leaves the one in force."""

    interval_s: int


class SecurityHappened(Struct, frozen=True):
    """A security event, by its name in the standard's list."""

    type: str
    tech_info: str = ""
    """More for a technician; never a secret."""


class StationCertificateChanged(Struct, frozen=True):
    """Another client certificate is to be used: the connection begins anew with it."""


class AllProfilesFailed(Struct, frozen=True):
    """Every network slot has had its attempts in vain; the round begins again."""


class TlsEstablished(Struct, frozen=True):
    """A TLS connection to the CSMS is up, and the CSMS accepted who we are."""

    fallback_root: bool
    """Its certificate led to a root that was kept only as a fallback (M05.FR.14)."""
    mutual: bool = False
    """The client certificate that `Trust.station_certificate` names was presented (profile 3)."""


class TokenShown(Struct, frozen=True):
    token: TokenPresented


class ButtonShown(Struct, frozen=True):
    button: ButtonPressed


class RemoteStartAccepted(Struct, frozen=True):
    """The CSMS may start here with this token (F01, F02); whether it did, the grants tell."""

    evse_id: int
    id_token: str
    type: IdTokenType

    def __repr__(self) -> str:
        return f"RemoteStartAccepted(EVSE {self.evse_id}, {self.type.value}, redacted)"


class IdTokenInfoReceived(Struct, frozen=True):
    """The CSMS has told the status of a token, in whatever message (C10.FR.01, C12.FR.06)."""

    id_token: str
    type: IdTokenType
    info: IdTokenInfo


class TokenAnswered(Struct, frozen=True):
    """A token that a driver has shown was accepted or not; what a display tells about it.

    Accepted: something began or ended by it. Not accepted with status Accepted: it is good, but
    nothing could be done with it here and now.
    """

    evse_id: int | None
    """None: shown at the station's own reader, and no EVSE follows from it."""
    accepted: bool
    status: AuthorizationStatus | None
    """None: nobody was asked or could be, and the station knows nothing of the token."""
    language1: str = ""
    """RFC 5646, e.g. "de-DE"; the driver's own, empty when unknown (C01.FR.17)."""
    language2: str = ""
    message: MessageContent | None = None
    """The CSMS's personalMessage for this driver."""
    choice_s: float = 0.0
    """A master pass: for so long its holder may choose what to end (C16.FR.01). 0: it is done."""


class DriverAnswerChanged(Struct, frozen=True):
    """What a screen tells the driver has changed, or is over (`DriverAnswers.at`)."""

    evse_id: int | None
    """None: at the station's own reader."""


class SignatureWanted(Struct, frozen=True):
    """Driver and EV are there; the transaction begins when the meter has signed (E01.FR.04)."""

    evse_id: int


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

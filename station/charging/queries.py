"""Questions of one block to others: each a typed point at which blocks register answers.

main registers the blocks in a fixed order; the first answer that is not None (or False)
decides, as each point says.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, ParamSpec, Protocol, TypeVar

from msgspec import Struct

from station.charging.rows import TokenRow, TransactionRow
from station.ocpp.messages.common import IdToken, IdTokenInfo, MeterValue
from station.ocpp.messages.transactions import TransactionEventRequest

P = ParamSpec("P")
A = TypeVar("A")


class QueryPoint(Generic[P, A]):
    """Keeps who answers, in order of registration."""

    def __init__(self) -> None:
        self._answerers: list[Callable[P, A | None]] = []

    def register(self, answerer: Callable[P, A | None]) -> None:
        self._answerers.append(answerer)


class FirstAnswer(QueryPoint[P, A]):
    """The first answer other than None counts."""

    def ask(self, *args: P.args, **kwargs: P.kwargs) -> A | None:
        for answerer in self._answerers:
            answer = answerer(*args, **kwargs)
            if answer is not None:
                return answer
        return None


class AllAnswers(QueryPoint[P, A]):
    """Everybody is asked; the answers that are not None."""

    def ask(self, *args: P.args, **kwargs: P.kwargs) -> list[A]:
        answers = [answerer(*args, **kwargs) for answerer in self._answerers]
        return [answer for answer in answers if answer is not None]


class TransactionMeter(Protocol):
    """Functional block J, as transactions see it."""

    def begin(self, evse_id: int, at: datetime) -> Sequence[MeterValue]:
        """Values for context Transaction.Begin."""
        ...

    def energy_wh(self, transaction_id: str) -> int | None:
        """What it has taken, whatever became of its meter; None while that has told nothing.

        Of one that has ended it is known until the next begins on its EVSE.
        """
        ...

    def owed(self, transaction_id: str, evse_id: int, at: datetime) -> Sequence[MeterValue]:
        """Values for context Interruption.End, if a restart has interrupted it; once."""
        ...

    def end(self, transaction_id: str, evse_id: int, at: datetime) -> Sequence[MeterValue]:
        """Values for context Transaction.End, the collected samples before them."""
        ...


class Signatures(Protocol):
    """The signing meters, as transactions see them."""

    def sign(
        self, row: TransactionRow, request: TransactionEventRequest
    ) -> tuple[TransactionEventRequest, Callable[[int], None] | None]:
        """The event with what is signed already; not None: hold it, and tell its outbox id here."""
        ...


class Trust(Protocol):
    """Functional blocks A and M, as the connection to the CSMS sees them."""

    def roots(self) -> Sequence[str]:
        """CSMS root certificates as PEM."""
        ...

    def fallback_roots(self) -> Sequence[str]:
        """Tried when the CSMS's certificate does not lead to any of `roots` (M05.FR.14)."""
        ...

    def station_certificate(self) -> tuple[str, str] | None:
        """The client certificate to present now: its chain as PEM, and the file of its key."""
        ...


class PersonalData(Protocol):
    """Somebody who keeps what a driver's token leads to (N09, N10)."""

    def about(self, token: TokenRow) -> Sequence[str]:
        """What is kept, in lines for a person that do not hold the token."""
        ...

    def forget(self, token: TokenRow) -> Sequence[str]:
        """Remove it for good; the lines tell what has to stay, and why."""
        ...


class Refusal(Struct, frozen=True):
    """Why something may not be done now."""

    reason_code: str
    text: str


class KnownToken(Struct, frozen=True):
    """What the station itself knows of a token: from the local list, or else from the cache."""

    info: IdTokenInfo
    valid: bool
    """Accepted, and not expired."""
    recheck: bool
    """Not valid here, but the CSMS may be asked (DisablePostAuthorize is false)."""
    listed: bool
    """From the local authorisation list; else from the cache."""


class Queries:
    """Every query point of the station."""

    def __init__(self) -> None:
        self.limit_a: AllAnswers[[int], float] = AllAnswers()
        """Upper limits of the current of an EVSE; the least of them holds."""
        self.may_start: FirstAnswer[[int | None, IdToken], Refusal] = FirstAnswer()
        """Why this token may not start here; None when nobody objects."""
        self.inoperative: FirstAnswer[[int, int], bool] = FirstAnswer()
        """True when somebody keeps this connector Unavailable."""
        self.reserved: FirstAnswer[[int, int], bool] = FirstAnswer()
        """True when this connector is reserved."""
        self.busy: FirstAnswer[[int | None], str] = FirstAnswer()
        """What else keeps this EVSE (None: the station) from being idle; a word for the log."""
        self.authorize_remotely: FirstAnswer[[TokenRow, int | None, int], bool] = FirstAnswer()
        """Start for this token, on this EVSE or any, with this remoteStartId (F01, F02)."""
        self.triggers: dict[str, Callable[[int | None, int | None], bool]] = {}
        """What TriggerMessage can ask for (F06), by MessageTrigger value; False: not for these."""
        self.trust: Trust | None = None
        """Whom the connection may trust, and what it presents."""
        self.last_root_needed: FirstAnswer[[], bool] = FirstAnswer()
        """True while a network slot with TLS is configured: the last CSMS root must stay."""
        self.known_token: FirstAnswer[[TokenRow], KnownToken] = FirstAnswer()
        """Local list first, then cache (C13.FR.01, C14.FR.01); None: unknown, or both are off."""
        self.personal_data: list[PersonalData] = []
        """Everybody who keeps personal data, in the order in which they are asked."""
        self.meter: TransactionMeter | None = None
        self.signatures: Signatures | None = None
        """None: no meter of this station signs."""

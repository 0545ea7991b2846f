"""Durable rows of charging: authorisations that were granted, and transactions that run."""

from datetime import datetime

from station.charging.transaction import Facts
from station.ocpp.messages.common import IdTokenType
from station.ocpp.messages.transactions import Reason, TriggerReason
from station.records import Record, Table


def token_key(id_token: str, type: IdTokenType | str = "") -> str:
    """Text that two tokens share exactly when they are the same: for keys and for comparing.

    idToken is an identifierString, whose case does not matter; *type* does (C01.FR.25).
    Without *type* it compares groups, of which only the text is kept.
    """
    return f"{type}:{id_token.lower()}"


class TokenRow(Record, frozen=True, kw_only=True):
    """A token, spelled as it was presented; equal to every spelling of the same one.

    C01.FR.25
    """

    id_token: str
    type: IdTokenType

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TokenRow):
            return NotImplemented
        return token_key(self.id_token, self.type) == token_key(other.id_token, other.type)

    def __hash__(self) -> int:
        return hash(token_key(self.id_token, self.type))

    def __repr__(self) -> str:
        return f"TokenRow(type={self.type}, redacted)"


class Cause(Record, frozen=True, kw_only=True):
    """Why an authorisation comes or goes, in the words of the standard."""

    trigger: TriggerReason
    reason: Reason = Reason.LOCAL
    token: TokenRow | None = None
    forced: bool = False
    """Ends the transaction whatever its stop points are."""


class GrantRow(Record, frozen=True, kw_only=True):
    """An authorisation in force: for an EVSE, or still waiting for a cable."""

    id: str
    token: TokenRow
    at: datetime
    group_id_token: str = ""
    evse_id: int | None = None
    remote_start_id: int | None = None
    evse_ids: tuple[int, ...] = ()
    """The EVSEs for which it holds; empty: all (C01.FR.21)."""
    untimed: bool = False
    """The EV has left the cable, which waits locked: however long it takes (E10.FR.01)."""


class TransactionRow(Record, frozen=True, kw_only=True):
    """A transaction that has not ended."""

    id: str
    started_at: datetime
    evse_id: int | None = None
    connector_id: int | None = None
    next_seq: int = 0
    facts: Facts = Facts()
    """As of the last event."""
    state: str = ""
    """The charging state last reported."""
    token: TokenRow | None = None
    """The one that authorised it first."""
    group_id_token: str = ""
    phases: int | None = None
    stop: Cause | None = None
    """It is about to end for this cause, once the contactor is open."""
    reason: Reason | None = None
    """Why its authorisation was withdrawn: what began its end, whenever that comes."""
    refused: bool = False
    """Its token was refused afterwards: energy up to MaxEnergyOnInvalidId (E05.FR.03)."""
    suspended: bool = False
    """That is used up, and energy is withheld (E05.FR.02)."""
    token_owed: TokenRow | None = None
    remote_start_owed: int | None = None
    reservation_owed: int | None = None
    evse_owed: bool = False
    begin_owed: bool = False
    charged_s: float = 0.0
    """Seconds of energy flow, up to the last event or the last time that it stopped."""


class KeptLockRow(Record, frozen=True, kw_only=True):
    """A cable kept locked after its transaction, until its owner presents a token."""

    evse_id: int
    token: TokenRow
    group_id_token: str = ""
    owner_only: bool = False
    """Not even another token of the group gets it (E05.FR.11)."""


class IdleRow(Record, frozen=True, kw_only=True):
    """The facts of an EVSE without a transaction, so that a restart finds nothing new in them."""

    evse_id: int
    facts: Facts
    waiting: Facts = Facts()
    """What of that came while no transaction could begin: it may begin one yet."""


GRANTS = Table("grant", GrantRow, lambda row: row.id)
TRANSACTIONS = Table("transaction", TransactionRow, lambda row: row.id)
IDLE = Table("idle", IdleRow, lambda row: str(row.evse_id))
KEPT_LOCKS = Table("kept_lock", KeptLockRow, lambda row: str(row.evse_id))

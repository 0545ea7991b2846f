"""What a transaction is to its meter: BEGIN was asked, and what it signed; END is not answered yet.

Rows, so that no restart forgets which meter still has a transaction open.
"""

from collections.abc import Callable

from msgspec.structs import replace

from hal.api import SignedReading, SignMoment
from station.blocks.metering.signatures import identification
from station.charging.rows import TransactionRow
from station.context import Context
from station.records import Record, Table


class SessionRow(Record, frozen=True, kw_only=True):
    """One transaction as its meter knows it, from the moment that BEGIN is asked."""

    id: str
    """Of the transaction; one of its own while `waits_to_start`."""
    evse_id: int
    identification: str = ""
    waits_to_start: bool = False
    """The transaction begins when this BEGIN is signed (start point DataSigned)."""
    grant_id: str = ""
    """Whose start it is then."""
    begin: SignedReading | None = None
    key_told: bool = False
    ended: bool = False
    """END is to be asked, and the meter is nobody else's before it was answered."""
    owed: int = 0
    """The queued message that is held for END; 0: none, or it may have been sent."""
    unanswered: bool = False
    """The meter did not answer to END: it may think that the transaction goes on."""
    asked_again: bool = False
    """Because of that END was asked once more, before the next BEGIN."""


SESSIONS = Table("meter_session", SessionRow, lambda row: row.id)

Ask = Callable[[SessionRow, SignMoment], None]


class Sessions:
    """At most one for each meter is open."""

    def __init__(self, context: Context, ask: Ask) -> None:
        self._context, self._ask = context, ask
        self._rows = context.store.table(SESSIONS)

    def all(self) -> list[SessionRow]:
        return self._rows.all()

    def find(self, id: str) -> SessionRow | None:
        return self._rows.get(id)

    def is_open(self, evse_id: int) -> bool:
        """A transaction runs on this meter, or will once its BEGIN is signed."""
        return any(not row.ended for row in self._of(evse_id))

    def is_ending(self, evse_id: int) -> bool:
        """END was not answered yet: what flows now would count for the transaction before."""
        return any(row.ended and not row.unanswered for row in self._of(evse_id))

    # -- begin

    def begin(self, transaction: TransactionRow) -> None:
        """Transaction and EVSE are known; a second time this does nothing."""
        if transaction.evse_id is None or self.find(transaction.id) is not None:
            return
        mine = SessionRow(
            id=transaction.id,
            evse_id=transaction.evse_id,
            identification=identification(transaction.token),
        )
        for before in self._of(mine.evse_id):
            if before.waits_to_start and before.begin is not None and not before.ended:
                self._rows.delete(before.id)
                self._rows.put(replace(mine, begin=before.begin))
                return
        self._open(mine)

    def begin_first(self, evse_id: int, grant_id: str, who: str) -> None:
        """Have the BEGIN signed of a transaction that shall begin by it."""
        self._open(
            SessionRow(
                id=self._context.new_id(),
                evse_id=evse_id,
                identification=who,
                waits_to_start=True,
                grant_id=grant_id,
            )
        )

    def begun(self, id: str, signed: SignedReading | None) -> SessionRow | None:
        """The meter has answered to BEGIN; the row as it is now."""
        row = self.find(id)
        if row is not None:
            row = replace(row, begin=signed)
            self._rows.put(row)
        return row

    def _open(self, row: SessionRow) -> None:
        for before in self._of(row.evse_id):
            if before.unanswered:  # it may not have heard: once more, and then it must do
                again = replace(before, unanswered=False, asked_again=True)
                self._rows.put(again)
                self._ask(again, SignMoment.END)
            else:
                self.close(before.id)
        self._rows.put(row)
        self._ask(row, SignMoment.BEGIN)

    # -- end

    def end(self, transaction: TransactionRow) -> None:
        row = self.find(transaction.id)
        if row is not None and not row.ended:
            who = identification(transaction.token)
            self._end(replace(row, identification=who))

    def close(self, id: str) -> None:
        """No transaction came of it, or it is gone: the meter is told END, for nobody."""
        row = self.find(id)
        if row is not None and not row.ended:
            self._end(row)

    def closed(self, id: str, signed: SignedReading | None) -> None:
        """The meter has answered to END, or has not."""
        row = self.find(id)
        if row is None:
            return
        if signed is None and not row.asked_again:
            self._rows.put(replace(row, unanswered=True, owed=0))
        else:
            self._rows.delete(id)
        self._context.refresh()

    def owe(self, id: str, row_id: int) -> None:
        """This message waits for END."""
        row = self.find(id)
        if row is not None and row.ended:
            self._rows.put(replace(row, owed=row_id))

    def settle(self, id: str, row_id: int) -> None:
        """This message waits no more: from now on it may have been sent."""
        row = self.find(id)
        if row is not None and row.owed == row_id:
            self._rows.put(replace(row, owed=0))

    def _end(self, row: SessionRow) -> None:
        row = replace(row, ended=True)
        self._rows.put(row)
        self._ask(row, SignMoment.END)

    # -- the key

    def tell_key(self, id: str) -> bool:
        """Whether the public key was not told yet in this transaction; now it is."""
        row = self.find(id)
        if row is None or row.key_told:
            return False
        self._rows.put(replace(row, key_told=True))
        return True

    def _of(self, evse_id: int) -> list[SessionRow]:
        return [row for row in self._rows.all() if row.evse_id == evse_id]

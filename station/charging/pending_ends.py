"""Transactions that are about to end: energy first, so that the last meter value is true."""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from station.charging.evses import Evse
from station.charging.grants import Grants
from station.charging.ledger import Ledger
from station.charging.policy import Policy
from station.charging.rows import Cause, TransactionRow
from station.charging.transaction import ends_with_authorization
from station.charging.waits import Waits
from station.ocpp.messages.transactions import TriggerReason
from station.reactor import Reactor

OPEN_WAIT_S = 10.0
"""Longest wait for the contactor to open before a stopped transaction ends all the same."""


class PendingEnds:
    """Keeps the cause in the row and waits for the contactor to open, but not for ever."""

    def __init__(
        self,
        reactor: Reactor,
        ledger: Ledger,
        grants: Grants,
        policy: Policy,
        on_overdue: Callable[[str], Any],
    ) -> None:
        self._ledger, self._grants, self._policy = ledger, grants, policy
        self._waits = Waits(reactor, OPEN_WAIT_S, on_overdue)

    def is_needed(self, evse: Evse, row: TransactionRow, cause: Cause) -> bool:
        """Whether withdrawing the authorisation must wait until the contactor is open."""
        if not evse.report.contactor_closed:
            return False
        if cause.forced or cause.trigger is TriggerReason.DEAUTHORIZED:
            return True  # E05.FR.09: told with the charging state that follows from it
        return ends_with_authorization(row.facts, self._policy.stop_points())

    def begin(self, row: TransactionRow, cause: Cause) -> None:
        self._ledger.put(replace(row, stop=cause))
        self._waits.begin(row.id)

    def wait_again(self, row: TransactionRow) -> None:
        """After a restart: the wait begins anew."""
        self._waits.begin(row.id)

    def complete(self, row: TransactionRow) -> tuple[Cause | None, TransactionRow]:
        """Waited long enough: the authorisation ends too; the cause, and the row without it."""
        cause = row.stop
        self._waits.cancel(row.id)
        row = replace(row, stop=None)
        self._ledger.put(row)
        self._grants.drop(self._grants.of(row.evse_id))
        return cause, row

    def forget(self, row: TransactionRow) -> None:
        self._waits.cancel(row.id)

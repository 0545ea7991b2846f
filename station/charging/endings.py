"""How somebody ends an authorisation or a transaction, on an EVSE or still waiting for one."""

from station.charging.evses import Evses
from station.charging.floating import Floating
from station.charging.grants import Grants
from station.charging.ledger import Ledger
from station.charging.permission import Permission
from station.charging.progress import Progress
from station.charging.rows import Cause, GrantRow, TransactionRow
from station.events import EventBus, EvseFreed


class Endings:
    """Energy first, then the authorisation, then the transaction if that ends it."""

    def __init__(
        self,
        *,
        events: EventBus,
        evses: Evses,
        grants: Grants,
        ledger: Ledger,
        permission: Permission,
        progress: Progress,
        floating: Floating,
    ) -> None:
        self._events, self._evses, self._grants, self._ledger = events, evses, grants, ledger
        self._permission, self._progress, self._floating = permission, progress, floating

    def stop(self, grant: GrantRow, cause: Cause) -> None:
        """End an authorisation; the stop points decide what that means to the transaction."""
        row = None if grant.evse_id is None else self._ledger.on_evse(grant.evse_id)
        if grant.evse_id is not None and row is not None:
            evse = self._evses.get(grant.evse_id)
            if self._progress.pending.is_needed(evse, row, cause):
                self._progress.pending.begin(row, cause)
                self._permission.derive(evse)
                return
        self.withdraw(grant, cause)

    def end(self, row: TransactionRow, cause: Cause) -> None:
        """End a transaction whatever its stop points: reset, fault, time-out."""
        if row.evse_id is None:
            self._floating.finish(row, cause)
        else:
            self._progress.end(self._evses.get(row.evse_id), row, cause)

    def withdraw(self, grant: GrantRow, cause: Cause) -> None:
        """The authorisation ends, here and now; its EVSE may be free by that."""
        self._grants.drop(grant)
        if grant.evse_id is None:
            self._floating.evaluate(cause)
        else:
            self._progress.evaluate(self._evses.get(grant.evse_id), cause)
        if grant.evse_id is None or self._ledger.on_evse(grant.evse_id) is None:
            self._events.publish(EvseFreed(grant.evse_id))

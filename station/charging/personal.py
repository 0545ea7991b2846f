"""What charging itself knows of a driver: authorisations, transactions, cables that are kept.

All of it is in use: it goes by itself when the driver leaves, and cannot be forgotten before.
"""

from collections.abc import Sequence

from station.charging.rows import TokenRow
from station.charging.transactions import Transactions


class InUse:
    """Answers for `queries.personal_data` (N09, N10)."""

    def __init__(self, transactions: Transactions, evse_ids: Sequence[int]) -> None:
        self._transactions, self._evse_ids = transactions, tuple(evse_ids)

    def about(self, token: TokenRow) -> list[str]:
        return [
            *(
                f"transaction {row.id}, begun {row.started_at:%Y-%m-%d %H:%M} UTC, running"
                for row in self._transactions.all()
                if row.token == token
            ),
            *(
                f"authorisation in force since {grant.at:%Y-%m-%d %H:%M} UTC"
                for grant in self._transactions.grants.all()
                if grant.token == token
            ),
            *(
                f"cable kept locked at EVSE {evse_id}"
                for evse_id in self._evse_ids
                if self._keeps_cable_of(token, evse_id)
            ),
        ]

    def forget(self, token: TokenRow) -> list[str]:
        return [f"kept as long as it lasts: {line}" for line in self.about(token)]

    def _keeps_cable_of(self, token: TokenRow, evse_id: int) -> bool:
        kept = self._transactions.grants.kept_lock(evse_id)
        return kept is not None and kept.token == token

"""What an EVSE is told to do: offer energy or not, hold the cable or let go."""

from collections.abc import Callable

from station.charging.evses import Evse, Evses
from station.charging.grants import Grants
from station.charging.ledger import Ledger
from station.charging.policy import Policy
from station.charging.transaction import TxPoint


class Permission:
    """Derives it from authorisation, transaction, fault and kept cable; keeps nothing itself."""

    def __init__(self, evses: Evses, grants: Grants, ledger: Ledger, policy: Policy) -> None:
        self._evses, self._grants, self._ledger, self._policy = evses, grants, ledger, policy
        self.held: Callable[[Evse], bool] = lambda _evse: False
        """True while a fault keeps energy from an EVSE."""

    def derive(self, evse: Evse, *, stepping: bool = False) -> None:
        """Tell the EVSE; *stepping*: the step that follows may yet decide to keep the cable."""
        row = self._ledger.on_evse(evse.id)
        allowed = self._grants.of(evse.id) is not None  # C01.FR.01, C06.FR.01
        reaching = (
            row is None
            and self._policy.may_begin()
            and TxPoint.ENERGY_TRANSFER in self._policy.start_points()
            and evse.accepts_transactions
        )
        going = row is not None and row.stop is None and not row.suspended
        evse.wants_energy = allowed and (going or reaching) and not self.held(evse)
        in_use = evse.is_occupied and allowed and (row is None or row.stop is None)
        # E06.FR.10, E07.FR.07, E08.FR.03: let go once the energy is off
        evse.holds_lock = (
            in_use
            or evse.report.contactor_closed
            or self._grants.kept_lock(evse.id) is not None
            or (stepping and evse.holds_lock)
        )
        evse.derive()
        self._evses.keep_renewing()

    def derive_again(self) -> None:
        """A turn was undone, and with it perhaps what an EVSE was about to be told."""
        for evse in self._evses:
            self.derive(evse)
            evse.derive(again=True)

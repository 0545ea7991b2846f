"""Authorisations in force, the cables kept for their owners, and EVConnectionTimeOut."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from station.charging.rows import (
    GRANTS,
    KEPT_LOCKS,
    GrantRow,
    KeptLockRow,
    TokenRow,
    TransactionRow,
)
from station.clock import Clock
from station.ocpp.messages.common import IdTokenType
from station.ports import Store
from station.reactor import Reactor, Timer

DAY_S = 86400.0
NEVER_SHOWN = frozenset({IdTokenType.CENTRAL, IdTokenType.NO_AUTHORIZATION})
"""Nobody can show such a token to get a cable back: none is kept for it."""
NOBODY = TokenRow(id_token="", type=IdTokenType.NO_AUTHORIZATION)
"""Who is authorised where nobody needs to be (AuthCtrlr.Enabled)."""


class Grants:
    """Keeps the rows and the timers; what an authorisation leads to is decided elsewhere."""

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        store: Store,
        timeout_s: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._reactor, self._clock, self._timeout_s = reactor, clock, timeout_s
        self._new_id = new_id
        self._rows = store.table(GRANTS)
        self._kept_locks = store.table(KEPT_LOCKS)
        self._timers: dict[str, Timer] = {}
        self.on_timeout: Callable[[GrantRow], Any] = lambda _: None
        """Told when EVConnectionTimeOut has passed; the grant is still there."""
        for grant in self._rows.all():
            if not grant.untimed:
                self.arm(grant)

    def all(self) -> list[GrantRow]:
        return self._rows.all()

    def get(self, grant_id: str) -> GrantRow | None:
        return self._rows.get(grant_id)

    def of(self, evse_id: int | None) -> GrantRow | None:
        """The authorisation of an EVSE; of None: the one that waits for a cable."""
        return next((grant for grant in self._rows.all() if grant.evse_id == evse_id), None)

    def new(
        self,
        token: TokenRow,
        *,
        evse_id: int | None,
        group_id_token: str = "",
        evse_ids: tuple[int, ...] = (),
        remote_start_id: int | None = None,
    ) -> GrantRow:
        """An authorisation as of now, kept."""
        grant = GrantRow(
            id=self._new_id(),
            token=token,
            at=self._clock.utc(),
            group_id_token=group_id_token,
            evse_id=evse_id,
            remote_start_id=remote_start_id,
            evse_ids=evse_ids,
        )
        self._rows.put(grant)
        return grant

    def put(self, grant: GrantRow) -> None:
        self._rows.put(grant)

    def drop(self, grant: GrantRow | None) -> None:
        if grant is not None:
            self.disarm(grant)
            self._rows.delete(grant.id)

    def is_open_to_anyone(self, evse_id: int) -> bool:
        """Nobody is authorised here, and nobody's cable is kept."""
        return self.of(evse_id) is None and self.kept_lock(evse_id) is None

    # -- cables kept for their owners

    def kept_lock(self, evse_id: int) -> KeptLockRow | None:
        return self._kept_locks.get(str(evse_id))

    def keep_lock(self, evse_id: int, row: TransactionRow, *, owner_only: bool) -> None:
        if row.token is not None and row.token.type not in NEVER_SHOWN:
            self._kept_locks.put(
                KeptLockRow(
                    evse_id=evse_id,
                    token=row.token,
                    group_id_token=row.group_id_token,
                    owner_only=owner_only,
                )
            )

    def release_lock(self, evse_id: int) -> None:
        self._kept_locks.delete(str(evse_id))

    # -- EVConnectionTimeOut

    def count_from_now(self, grant: GrantRow) -> None:
        """The EV has gone: the time-out counts from here on."""
        grant = replace(grant, at=self._clock.utc(), untimed=False)
        self._rows.put(grant)
        self.arm(grant)

    def untime(self, grant: GrantRow) -> None:
        """No time-out, also after a restart, until `count_from_now`."""
        self._rows.put(replace(grant, untimed=True))
        self.disarm(grant)

    def arm(self, grant: GrantRow) -> None:
        """EVConnectionTimeOut counts from the grant (C01.FR.26, E03.FR.05)."""
        elapsed = (self._clock.utc() - grant.at) / timedelta(seconds=1)
        self.arm_in(grant, self._timeout_s() - min(max(0.0, elapsed), DAY_S))

    def arm_in(self, grant: GrantRow, wait_s: float) -> None:
        self.disarm(grant)
        self._timers[grant.id] = self._reactor.call_later(
            max(0.0, wait_s), self._due, grant.id, source="transactions"
        )

    def disarm(self, grant: GrantRow | None) -> None:
        timer = self._timers.pop(grant.id, None) if grant is not None else None
        if timer is not None:
            timer.cancel()

    def _due(self, grant_id: str) -> None:
        self._timers.pop(grant_id, None)
        grant = self._rows.get(grant_id)
        if grant is not None:
            self.on_timeout(grant)

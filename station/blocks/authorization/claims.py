"""What a token could end: authorisations in force, and cables that are kept for somebody."""

from msgspec import Struct

from station.blocks.authorization.decision import group_of
from station.charging.rows import Cause, GrantRow, KeptLockRow, TokenRow
from station.context import Context
from station.ocpp.messages.transactions import Reason, TriggerReason


class Claim(Struct, frozen=True):
    """Something that a token holds: an authorisation, or a cable that is kept for it."""

    token: TokenRow
    group: str
    """Of its token, as far as anybody has told."""
    grant_id: str | None
    """None: a kept cable."""
    evse_id: int | None
    owner_only: bool = False
    """Nobody else of the group may end it."""

    def is_the_same(self, other: "Claim") -> bool:
        """Whatever is known of the group by now."""
        mine = (self.token, self.grant_id, self.evse_id)
        return mine == (other.token, other.grant_id, other.evse_id)


class Claims:
    """Finds them, and ends them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def all(self) -> list[Claim]:
        """Kept cables first, then authorisations, the newest last."""
        grants = self._context.transactions.grants
        kept = [grants.kept_lock(evse.id) for evse in self._context.evses]
        cables = [self._of_cable(row) for row in kept if row is not None]
        return cables + [self._of_grant(row) for row in grants.all()]

    def at(self, evse_id: int | None) -> list[Claim]:
        """Those that a reader can mean: of its EVSE, or (None) of the whole station."""
        return [claim for claim in self.all() if evse_id in (None, claim.evse_id)]

    def own(self, token: TokenRow, evse_id: int | None) -> Claim | None:
        """What this very token holds here: its cable, or what it began last."""
        mine = [
            claim
            for claim in self.all()
            if claim.token == token and (evse_id is None or claim.evse_id in (None, evse_id))
        ]
        cables = [claim for claim in mine if claim.grant_id is None]
        return next(iter(cables), mine[-1] if mine else None)

    def end(self, claim: Claim, token: TokenRow | None, reason: Reason = Reason.LOCAL) -> None:
        """End it as a driver would, at the station; what is ending already is left alone."""
        transactions = self._context.transactions
        if claim.grant_id is None:
            if claim.evse_id is not None:
                transactions.release_lock(claim.evse_id)
            return
        grant = transactions.grants.get(claim.grant_id)
        row = None if claim.evse_id is None else transactions.on_evse(claim.evse_id)
        if grant is None or (row is not None and row.stop is not None):
            return
        # E07.FR.02, E07.FR.05, C16.FR.07
        cause = Cause(trigger=TriggerReason.STOP_AUTHORIZED, reason=reason, token=token)
        transactions.stop(grant, cause)

    def _of_grant(self, grant: GrantRow) -> Claim:
        row = None if grant.evse_id is None else self._context.transactions.on_evse(grant.evse_id)
        told = (row.group_id_token if row is not None else "") or grant.group_id_token
        return Claim(grant.token, told or self._known_group(grant.token), grant.id, grant.evse_id)

    def _of_cable(self, row: KeptLockRow) -> Claim:
        group = row.group_id_token or self._known_group(row.token)
        return Claim(row.token, group, None, row.evse_id, row.owner_only)

    def _known_group(self, token: TokenRow) -> str:
        known = self._context.queries.known_token.ask(token)
        return "" if known is None else group_of(known.info)

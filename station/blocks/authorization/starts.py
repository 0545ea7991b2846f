"""Where an authorisation belongs, and what stands against it."""

from msgspec import UNSET

from station.blocks.authorization.decision import group_of, is_master
from station.blocks.authorization.settings import read_rules
from station.blocks.authorization.tokens import Shown
from station.charging.evses import Evse
from station.charging.queries import Refusal
from station.charging.rows import Cause, TokenRow
from station.context import Context
from station.ocpp.messages.common import IdToken, IdTokenInfo
from station.ocpp.messages.transactions import TriggerReason
from station.ocpp.registration import Registration


class Starts:
    """Turns tokens that were accepted into authorisations."""

    def __init__(self, context: Context) -> None:
        self._context = context
        context.queries.may_start.register(self._may_start)

    def refusal(self, shown: Shown) -> str | None:
        """Why nothing can start here now, whatever the token is worth."""
        if not self._context.charging.before_accepted and (
            self._context.csms.registration is not Registration.ACCEPTED  # B02.FR.03, B03.FR.01
        ):
            return "the CSMS has not accepted the station"
        if shown.evse_id is None:
            return self._refusal_anywhere(shown.token)
        return self._refusal_here(shown.evse_id, shown.token)

    def grant(self, shown: Shown, info: IdTokenInfo | None) -> tuple[int | None, str | None]:
        """Authorise the token; on which EVSE, and why not if it was not.

        *info* is what is known of the token; None: nothing, and it is welcome all the same.
        """
        evse_ids = () if info is None or info.evse_id is UNSET else tuple(info.evse_id)
        evse = self._target(shown, evse_ids)
        evse_id = None if evse is None else evse.id
        refusal = self.refusal(shown) or self._refusal_of(shown.token, evse_id, evse_ids)
        if refusal is None:
            remote = shown.remote_start_id is not None
            trigger = TriggerReason.REMOTE_START if remote else TriggerReason.AUTHORIZED
            self._context.transactions.grant(
                shown.token,
                Cause(trigger=trigger, token=shown.token),
                evse_id=evse_id,
                group_id_token="" if info is None else group_of(info),
                evse_ids=evse_ids,
                remote_start_id=shown.remote_start_id,
            )
        return evse_id if evse_id is not None else shown.evse_id, refusal

    def _refusal_anywhere(self, token: TokenRow) -> str | None:
        transactions = self._context.transactions
        if transactions.candidate(token=token) is not None:
            return None
        if transactions.grants.of(None) is not None:
            return "another driver is asked to plug in"
        free = any(self._is_free(evse) for evse in self._context.evses)
        return None if free else "every EVSE is in use"

    def _refusal_here(self, evse_id: int, token: TokenRow) -> str | None:
        transactions = self._context.transactions
        if not self._context.evses.get(evse_id).accepts_transactions:
            return f"EVSE {evse_id} is out of service"
        if transactions.grants.of(evse_id) is not None:
            return f"EVSE {evse_id} is in use"
        kept = transactions.grants.kept_lock(evse_id)
        if kept is not None and kept.token != token:  # E09.FR.03: only its owner gets it
            return f"EVSE {evse_id} keeps the cable of another driver"
        row = transactions.on_evse(evse_id)
        if row is not None and row.token is not None and row.token != token:  # C01.FR.23
            return f"EVSE {evse_id} belongs to another driver's transaction"
        return None

    def _refusal_of(
        self, token: TokenRow, evse_id: int | None, evse_ids: tuple[int, ...]
    ) -> str | None:
        """Why this token may not start where it would."""
        if evse_ids and evse_id is not None and evse_id not in evse_ids:  # C01.FR.21
            return f"the token is not for EVSE {evse_id}"
        if evse_ids and evse_id is None:
            evses = (evse for evse in self._context.evses if evse.id in evse_ids)
            if not any(self._is_free(evse) for evse in evses):
                return "no EVSE that the token is for is free"
        id_token = IdToken(id_token=token.id_token, type=token.type)
        objection = self._context.queries.may_start.ask(evse_id, id_token)
        return None if objection is None else objection.text

    def _may_start(self, evse_id: int | None, id_token: IdToken) -> Refusal | None:
        """Also what the CSMS may not start."""
        token = TokenRow(id_token=id_token.id_token, type=id_token.type)
        known = self._context.queries.known_token.ask(token)
        if known is not None and is_master(known.info, read_rules(self._context)):  # C16.FR.03
            return Refusal("InvalidIdToken", "a master pass starts nothing")
        text = None if evse_id is None else self._refusal_here(evse_id, token)
        return None if text is None else Refusal("TxInProgress", text)

    def _target(self, shown: Shown, allowed: tuple[int, ...]) -> Evse | None:
        """The EVSE that is meant; None while only a cable can tell."""
        if shown.evse_id is not None:
            return self._context.evses.get(shown.evse_id)
        if len(self._context.evses) == 1:
            return next(iter(self._context.evses))
        return self._context.transactions.candidate(allowed, shown.token)

    def _is_free(self, evse: Evse) -> bool:
        return evse.accepts_transactions and self._context.transactions.is_free(evse.id)

"""Functional block C, Authorization: who may charge, and who may stop.

C01 (token reader), C02 (start button), C04 (PIN) come through one door: a token is shown.
Tokens are the same if idToken and type are (C01.FR.25).
"""

import logging
import math

from msgspec import UNSET, Struct

from hal.api import ButtonKind, TokenPresented
from station.charging.evses import Evse
from station.charging.rows import Cause, GrantRow, TokenRow
from station.context import Context
from station.device_model import Boolean, Variable
from station.events import ButtonShown, TokenShown
from station.ocpp.messages.authorization import AuthorizeRequest, AuthorizeResponse
from station.ocpp.messages.common import AuthorizationStatus, IdToken, IdTokenInfo, IdTokenType
from station.ocpp.messages.transactions import Reason, TriggerReason
from station.ocpp.registration import Registration
from station.ocpp.rpc import CallFailed

log = logging.getLogger(__name__)

AUTHORIZE_REMOTE_START = Variable("AuthCtrlr", "AuthorizeRemoteStart", Boolean(), default=False)
LOCAL_AUTHORIZE_OFFLINE = Variable("AuthCtrlr", "LocalAuthorizeOffline", Boolean(), default=True)
LOCAL_PRE_AUTHORIZE = Variable("AuthCtrlr", "LocalPreAuthorize", Boolean(), default=False)
OFFLINE_TX_FOR_UNKNOWN = Variable(
    "AuthCtrlr", "OfflineTxForUnknownIdEnabled", Boolean(), default=False
)

WRONG_CODES = 3
"""So many wrong key codes in a row are answered as fast as any; then each doubles the wait."""
CODE_WAIT_S = 10.0
LONGEST_CODE_WAIT_S = 640.0
ASKED_S = 30.0
"""For so long the same token at the same reader does not ask again."""


class Shown(Struct, frozen=True):
    """A token and where it was shown; *evse_id* None: the station's own reader."""

    token: TokenRow
    evse_id: int | None
    remote_start_id: int | None = None


class Authorization:
    """Turns tokens into grants and stops."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asking: dict[tuple[TokenRow, int | None], float] = {}
        """When the CSMS was asked; a turn that fails takes the question along, not this."""
        self._wrong_codes, self._next_code_at = 0, 0.0
        for variable in (
            AUTHORIZE_REMOTE_START,
            LOCAL_AUTHORIZE_OFFLINE,
            LOCAL_PRE_AUTHORIZE,
            OFFLINE_TX_FOR_UNKNOWN,
        ):
            context.variables.declare(variable)
        context.events.subscribe(TokenShown, self._on_token_shown)
        context.events.subscribe(ButtonShown, self._on_button_shown)
        context.queries.authorize_remotely.register(self.start_remotely)

    # -- doors

    def _on_token_shown(self, event: TokenShown) -> None:
        token = to_token(event.token)
        if token is not None:
            self._shown(Shown(token, event.token.evse))

    def _on_button_shown(self, event: ButtonShown) -> None:
        """C02: a start button is a token of type NoAuthorization, without text (C02.FR.01)."""
        evse_id = event.button.evse
        token = TokenRow(id_token="", type=IdTokenType.NO_AUTHORIZATION)
        grant = self._context.transactions.grants.of(evse_id)
        if event.button.kind is ButtonKind.STOP:
            if grant is not None:
                self._stop(grant, Reason.LOCAL, None)
        elif event.button.kind is ButtonKind.START and grant is None:
            shown = Shown(token, evse_id)
            if self._is_welcome(shown):
                self._grant(shown)

    def start_remotely(self, token: TokenRow, evse_id: int | None, remote_start_id: int) -> bool:
        """As if the token had been shown there; whether the CSMS is asked first is a setting.

        F01.FR.01, F01.FR.02, F01.FR.05; F02.FR.09, F02.FR.10, F02.FR.13
        """
        shown = Shown(token, evse_id, remote_start_id)
        central = token.type in (IdTokenType.CENTRAL, IdTokenType.NO_AUTHORIZATION)
        if self._context.variables[AUTHORIZE_REMOTE_START] and not central:
            self._context.store.after_commit(self._ask, shown, None)
        else:
            self._grant(shown)
        return True

    # -- deciding

    def _shown(self, shown: Shown) -> None:
        kept = self._kept_lock(shown)
        if kept is not None:
            self._context.transactions.release_lock(kept)
            return
        grant = self._running(shown)
        if grant is not None and grant.token == shown.token:
            # C01.FR.03 (a), E07.FR.01 (a), E08.FR.01
            self._stop(grant, Reason.LOCAL, shown.token)
        elif grant is not None:
            self._ask(shown, grant)  # C09: the same group may stop
        elif self._is_welcome(shown):
            self._ask(shown, None)

    def _running(self, shown: Shown) -> GrantRow | None:
        """The authorisation that this token may want to end."""
        transactions = self._context.transactions
        same = [grant for grant in transactions.grants.all() if grant.token == shown.token]
        if shown.evse_id is not None:
            here = transactions.grants.of(shown.evse_id)
            floating = [grant for grant in same if grant.evse_id is None]
            return here or next(iter(floating), None)
        if same:
            return same[-1]
        if transactions.candidate() is not None or self._has_free_evse():
            return None
        running = transactions.grants.all()
        return running[0] if len(running) == 1 else None

    def _is_welcome(self, shown: Shown) -> bool:
        refusal = self._refusal(shown)
        if refusal is not None:
            log.debug("a token was not accepted: %s", refusal)
        return refusal is None

    def _refusal(self, shown: Shown) -> str | None:
        """Why nothing can start now, before anybody is asked."""
        transactions = self._context.transactions
        if not self._context.charging.before_accepted and (
            self._context.csms.registration is not Registration.ACCEPTED  # B02.FR.03, B03.FR.01
        ):
            return "the CSMS has not accepted the station"
        if shown.evse_id is None:
            if transactions.candidate() is None and transactions.grants.of(None) is not None:
                return "another driver is asked to plug in"
            if not self._has_free_evse() and transactions.candidate() is None:
                return "every EVSE is in use"
            return None
        evse = self._context.evses.get(shown.evse_id)
        if not evse.accepts_transactions:
            return f"EVSE {evse.id} is out of service"
        if transactions.grants.kept_lock(evse.id) is not None:  # E09.FR.03: only its owner gets it
            return f"EVSE {evse.id} keeps the cable of another driver"
        row = transactions.on_evse(evse.id)
        if row is not None and row.token is not None and row.token != shown.token:  # C01.FR.23
            return f"EVSE {evse.id} belongs to another driver's transaction"
        return None

    def _ask(self, shown: Shown, running: GrantRow | None) -> None:
        """C01.FR.02, C01.FR.04; a token that is asked about already has one effect at each EVSE."""
        now, key = self._context.reactor.now(), (shown.token, shown.evse_id)
        if now - self._asking.get(key, -math.inf) < ASKED_S:
            return
        code = shown.token.type is IdTokenType.KEY_CODE
        if code and self._context.reactor.now() < self._next_code_at:
            log.debug("a key code was not looked at: too many wrong ones before it")
            return
        if not self._context.csms.online:
            self._offline(shown, running)
            return
        self._asking[key] = now
        token = IdToken(id_token=shown.token.id_token, type=shown.token.type)
        self._context.csms.call(
            AuthorizeRequest(id_token=token),
            lambda answer: self._on_authorize_result(shown, running, answer),
        )

    def _on_authorize_result(
        self, shown: Shown, running: GrantRow | None, answer: AuthorizeResponse | CallFailed
    ) -> None:
        self._asking.pop((shown.token, shown.evse_id), None)
        if isinstance(answer, CallFailed):
            self._offline(shown, running)
            return
        info = answer.id_token_info
        if shown.token.type is IdTokenType.KEY_CODE:
            self._note_code(right=info.status is AuthorizationStatus.ACCEPTED)
        if info.status is not AuthorizationStatus.ACCEPTED:
            log.debug("the CSMS does not accept the token: %s", info.status)
        elif running is not None:
            self._stop_by_group(shown, running, info)
        else:
            self._accepted(shown, info)

    def _note_code(self, *, right: bool) -> None:
        """C04.FR.06: guessing takes ever longer."""
        self._wrong_codes = 0 if right else self._wrong_codes + 1
        if self._wrong_codes >= WRONG_CODES:
            wait_s = CODE_WAIT_S * 2 ** min(self._wrong_codes - WRONG_CODES, 16)
            self._next_code_at = self._context.reactor.now() + min(wait_s, LONGEST_CODE_WAIT_S)

    def _offline(self, shown: Shown, running: GrantRow | None) -> None:
        """C15: an unknown token may start, if the operator wants that."""
        variables = self._context.variables
        allowed = variables[LOCAL_AUTHORIZE_OFFLINE] and variables[OFFLINE_TX_FOR_UNKNOWN]
        if running is None and allowed:
            self._accepted(shown, None)
        else:
            log.debug("a token cannot be checked while offline")

    def _stop_by_group(self, shown: Shown, running: GrantRow, info: IdTokenInfo) -> None:
        current = next(
            (each for each in self._context.transactions.grants.all() if each.id == running.id),
            None,
        )
        group = "" if info.group_id_token is UNSET else info.group_id_token.id_token
        if current is not None and group and group == self._group(current):
            self._stop(current, Reason.LOCAL, shown.token)
        else:
            log.debug("the token may not stop the transaction of another")

    def _group(self, grant: GrantRow) -> str:
        row = self._context.transactions.on_evse(grant.evse_id) if grant.evse_id else None
        return grant.group_id_token or (row.group_id_token if row else "")

    def _accepted(self, shown: Shown, info: IdTokenInfo | None) -> None:
        if self._refusal(shown) is not None:
            return  # the EVSE was taken while the CSMS was asked
        group = ""
        evse_ids: tuple[int, ...] = ()
        if info is not None:
            group = "" if info.group_id_token is UNSET else info.group_id_token.id_token
            evse_ids = () if info.evse_id is UNSET else tuple(info.evse_id)
        self._grant(shown, group, evse_ids)

    def _grant(self, shown: Shown, group: str = "", evse_ids: tuple[int, ...] = ()) -> None:
        evse = self._target(shown, evse_ids)
        if evse_ids and evse is not None and evse.id not in evse_ids:  # C01.FR.21
            log.debug("the token is not allowed on EVSE %d", evse.id)
            return
        if evse is not None and self._context.transactions.grants.of(evse.id) is not None:
            return
        remote = shown.remote_start_id is not None
        trigger = TriggerReason.REMOTE_START if remote else TriggerReason.AUTHORIZED
        self._context.transactions.grant(
            shown.token,
            Cause(trigger=trigger, token=shown.token),
            evse_id=None if evse is None else evse.id,
            group_id_token=group,
            evse_ids=evse_ids,
            remote_start_id=shown.remote_start_id,
        )

    def _target(self, shown: Shown, allowed: tuple[int, ...]) -> Evse | None:
        """The EVSE that is meant; None while only a cable can tell."""
        if shown.evse_id is not None:
            return self._context.evses.get(shown.evse_id)
        if len(self._context.evses) == 1:
            return next(iter(self._context.evses))
        return self._context.transactions.candidate(allowed)

    def _stop(self, grant: GrantRow, reason: Reason, token: TokenRow | None) -> None:
        # E07.FR.02, E07.FR.05
        cause = Cause(trigger=TriggerReason.STOP_AUTHORIZED, reason=reason, token=token)
        self._context.transactions.stop(grant, cause)

    def _has_free_evse(self) -> bool:
        transactions = self._context.transactions
        return any(
            evse.accepts_transactions and transactions.is_free(evse.id)
            for evse in self._context.evses
        )

    def _kept_lock(self, shown: Shown) -> int | None:
        """The EVSE whose cable was kept for the owner of this token."""
        for evse in self._context.evses:
            kept = self._context.transactions.grants.kept_lock(evse.id)
            here = shown.evse_id in (None, evse.id)
            if kept is not None and here and kept.token == shown.token:
                return evse.id
        return None


def to_token(presented: TokenPresented) -> TokenRow | None:
    """The token as OCPP knows it; None, with a log line, when it cannot be one."""
    try:
        kind = IdTokenType(presented.type)
    except ValueError:
        log.warning("reader %s gave a token of unknown type %s", presented.reader, presented.type)
        return None
    if not 0 < len(presented.id_token) <= 36:
        log.warning("reader %s gave a token of impossible length", presented.reader)
        return None
    return TokenRow(id_token=presented.id_token, type=kind)

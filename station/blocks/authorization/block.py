"""The doors: a token is shown, a button is pressed, the CSMS starts something, the CSMS answers.

C01 (token reader), C02 (start button), C04 (key code), C05 (CSMS) and C06 (parking ticket)
lead to one decision, which `decision` makes; here it is carried out. A token that is asked
about keeps what it could do when it was shown: the answer may end what ran then and runs still,
or start what could start then and can still, but never does another thing.
"""

import logging
import math

from msgspec import UNSET, Struct
from msgspec.structs import replace

from hal.api import ButtonKind
from station.blocks.authorization import decision
from station.blocks.authorization.claims import Claim, Claims
from station.blocks.authorization.decision import Case, Rules, Step
from station.blocks.authorization.key_codes import KeyCodes
from station.blocks.authorization.master_pass import MasterPass, Mode
from station.blocks.authorization.settings import AUTHORIZE_REMOTE_START, declare, read_rules
from station.blocks.authorization.starts import Starts
from station.blocks.authorization.tokens import Shown, to_token
from station.charging.queries import KnownToken
from station.charging.rows import Cause, TokenRow
from station.context import Context
from station.events import ButtonShown, IdTokenInfoReceived, TokenAnswered, TokenShown
from station.ocpp.messages.authorization import AuthorizeRequest, AuthorizeResponse
from station.ocpp.messages.common import AuthorizationStatus, IdToken, IdTokenInfo, IdTokenType
from station.ocpp.messages.transactions import Reason, TriggerReason
from station.ocpp.rpc import CallFailed, Failure
from station.ocpp.types import or_default

log = logging.getLogger(__name__)

ASKED_S = 30.0
"""For so long the same token at the same reader does not ask again."""
START_BUTTON = TokenRow(id_token="", type=IdTokenType.NO_AUTHORIZATION)
"""C02.FR.01: a start button is a token without text."""


class Question(Struct, frozen=True):
    """A token that was shown, and what it could do at that moment."""

    shown: Shown
    claims: tuple[Claim, ...] = ()
    """What it could end as another token of the same group."""
    may_start: bool = False
    own: Claim | None = None


class Authorization:
    """Turns tokens into authorisations and ends."""

    def __init__(self, context: Context, master_pass: Mode) -> None:
        self._context = context
        declare(context)
        self._claims, self._starts = Claims(context), Starts(context)
        self._master = MasterPass(context, self._claims, master_pass)
        self._codes = KeyCodes(context.reactor.now)
        self._asking: dict[tuple[TokenRow, int | None], float] = {}
        """When the CSMS was asked; a turn that fails takes the question along, not this."""
        context.events.subscribe(TokenShown, self._on_token_shown)
        context.events.subscribe(ButtonShown, self._on_button_shown)
        context.events.subscribe(IdTokenInfoReceived, self._on_id_token_info)
        context.queries.authorize_remotely.register(self.start_remotely)

    # -- doors

    def _on_token_shown(self, event: TokenShown) -> None:
        token = to_token(event.token)
        if token is None:
            return
        shown = Shown(token, event.token.evse)
        if token.type is IdTokenType.KEY_CODE and self._codes.must_wait(shown.evse_id):
            self._refuse(shown, None, "too many wrong key codes came before it")
        elif self._master.is_choosing(token):
            self._choose(shown)
        else:
            self._present(shown)

    def _on_button_shown(self, event: ButtonShown) -> None:
        evse_id = event.button.evse
        grant = self._context.transactions.grants.of(evse_id)
        if event.button.kind is ButtonKind.STOP:
            self._stop_button(evse_id)
        elif event.button.kind is ButtonKind.START and grant is None:
            self._start(Shown(START_BUTTON, evse_id), None)

    def start_remotely(self, token: TokenRow, evse_id: int | None, remote_start_id: int) -> bool:
        """As if the token had been shown there; whether it is checked first is a setting.

        F01.FR.01, F01.FR.02, F01.FR.05; F02.FR.09, F02.FR.10, F02.FR.13
        """
        shown = Shown(token, evse_id, remote_start_id)
        asks = self._context.variables[AUTHORIZE_REMOTE_START]
        if decision.needs_check(token.type, authorize_remote_start=asks):
            self._consider(Question(shown, may_start=True), read_rules(self._context))
        else:
            self._start(shown, None)
        return True

    # -- a token was shown

    def _present(self, shown: Shown) -> None:
        own = self._claims.own(shown.token, shown.evse_id)
        refusal = self._starts.refusal(shown)
        claims = [] if self._is_awaited(shown) else self._claims.at(shown.evse_id)
        question = Question(
            shown,
            claims=tuple(claim for claim in claims if not claim.owner_only),
            may_start=refusal is None,
            own=own,
        )
        log.debug("a token was shown; against a start: %s", refusal)
        self._consider(question, read_rules(self._context))

    def _is_awaited(self, shown: Shown) -> bool:
        """A car waits for somebody to be authorised: at the station's reader, that is meant."""
        waiting = self._context.transactions.candidate(token=shown.token)
        return shown.evse_id is None and waiting is not None

    def _consider(self, question: Question, rules: Rules) -> None:
        token = question.shown.token
        known = self._context.queries.known_token.ask(token) if rules.enabled else None
        step = decision.decide(self._case(question), known, rules)
        if step is Step.ASK:
            self._ask(question)
            return
        if known is not None or question.own is not None or not rules.online or rules.never_ask:
            good = step is not Step.REFUSE or (known is not None and known.valid)
            self._note_code(question.shown, right=good)
        self._take(question, step, _worth(known, step))

    def _case(self, question: Question) -> Case:
        """Nothing that could not be done when the token was shown, or can be done no more."""
        return Case(
            type=question.shown.token.type,
            own=question.own is not None,
            groups=tuple(claim.group for claim in self._still_held(question)),
            may_start=question.may_start,  # whoever starts it looks again whether it still can
            in_use=bool(self._claims.all()),
        )

    def _still_held(self, question: Question) -> list[Claim]:
        return [
            claim
            for claim in self._claims.at(question.shown.evse_id)
            if any(claim.is_the_same(then) for then in question.claims)
        ]

    def _take(self, question: Question, step: Step, info: IdTokenInfo | None) -> None:
        shown = question.shown
        if step is Step.START:
            self._start(shown, info)
        elif step is Step.END_OWN and question.own is not None:
            self._claims.end(question.own, shown.token)
            self._answer(shown, question.own.evse_id, info, accepted=True)
        elif step is Step.END_OF_GROUP and info is not None:
            self._end_of_group(question, info)
        elif step is Step.MASTER_PASS:
            self._master_pass(shown, info)
        else:
            self._refuse(shown, info, "it is not accepted, or of no use here")

    def _end_of_group(self, question: Question, info: IdTokenInfo) -> None:
        group = decision.group_of(info)
        mine = [
            claim
            for claim in self._still_held(question)
            if decision.is_same_group(group, claim.group)
        ]
        self._claims.end(mine[-1], question.shown.token)
        self._answer(question.shown, mine[-1].evse_id, info, accepted=True)

    def _start(self, shown: Shown, info: IdTokenInfo | None) -> None:
        evse_id, refusal = self._starts.grant(shown, info)
        if refusal is None:
            self._answer(shown, evse_id, info, accepted=True)
        else:
            self._refuse(shown, info, refusal)

    # -- a master pass, and buttons

    def _master_pass(self, shown: Shown, info: IdTokenInfo | None) -> None:
        if not self._claims.all():
            self._refuse(shown, info, "a master pass, and nothing runs")
            return
        choice_s = self._master.shown(shown.token)
        self._answer(shown, shown.evse_id, info, accepted=True, choice_s=choice_s)

    def _choose(self, shown: Shown) -> None:
        """The pass again, within the time for a choice: nobody is asked a second time."""
        ended = self._master.choose(shown.evse_id)
        self._answer(shown, shown.evse_id, None, accepted=ended)

    def _stop_button(self, evse_id: int) -> None:
        if self._master.is_choosing():
            self._master.choose(evse_id)
            return
        transactions = self._context.transactions
        row, grant = transactions.on_evse(evse_id), transactions.grants.of(evse_id)
        cause = Cause(trigger=TriggerReason.STOP_AUTHORIZED, reason=Reason.LOCAL)
        if row is not None and row.stop is not None:
            return  # it is ending already
        if grant is not None:
            transactions.stop(grant, cause)

    # -- asking the CSMS

    def _ask(self, question: Question) -> None:
        """A token that is asked about already has one effect at each reader."""
        shown, now = question.shown, self._context.reactor.now()
        key = (shown.token, shown.evse_id)
        if now - self._asking.get(key, -math.inf) < ASKED_S:
            return
        self._asking[key] = now
        token = IdToken(id_token=shown.token.id_token, type=shown.token.type)
        self._context.csms.call(
            AuthorizeRequest(id_token=token),
            lambda answer: self._on_authorize_result(question, answer),
        )

    def _on_authorize_result(
        self, question: Question, answer: AuthorizeResponse | CallFailed
    ) -> None:
        shown, token = question.shown, question.shown.token
        self._asking.pop((token, shown.evse_id), None)
        if isinstance(answer, CallFailed):
            self._unanswered(question, answer)
            return
        info = answer.id_token_info
        self._context.events.publish(IdTokenInfoReceived(token.id_token, token.type, info))
        self._note_code(shown, right=info.status is AuthorizationStatus.ACCEPTED)
        step = decision.settle(self._case(question), info, read_rules(self._context))
        self._take(question, step, info)

    def _unanswered(self, question: Question, failed: CallFailed) -> None:
        """As if there were no link (C13.FR.03); but a CSMS that is there need not be replaced.

        A token that nobody knows starts only when nothing came back.
        """
        rules = read_rules(self._context)
        unknown = rules.unknown_offline and failed.failure is not Failure.ERROR
        self._consider(question, replace(rules, online=False, unknown_offline=unknown))

    def _on_id_token_info(self, event: IdTokenInfoReceived) -> None:
        """What was started unchecked turns out to belong to a master pass (C16.FR.03)."""
        if not decision.is_master(event.info, read_rules(self._context)):
            return
        token = TokenRow(id_token=event.id_token, type=event.type)
        cause = Cause(trigger=TriggerReason.DEAUTHORIZED, reason=Reason.DE_AUTHORIZED)
        for grant in self._context.transactions.grants.all():
            if grant.token == token:
                self._context.transactions.stop(grant, cause)

    def _note_code(self, shown: Shown, *, right: bool) -> None:
        if shown.token.type is IdTokenType.KEY_CODE and shown.remote_start_id is None:
            self._codes.note(shown.evse_id, right=right)

    # -- the driver is told

    def _refuse(self, shown: Shown, info: IdTokenInfo | None, why: str) -> None:
        log.debug("a token was not accepted: %s", why)
        self._answer(shown, shown.evse_id, info, accepted=False)

    def _answer(
        self,
        shown: Shown,
        evse_id: int | None,
        info: IdTokenInfo | None,
        *,
        accepted: bool,
        choice_s: float = 0.0,
    ) -> None:
        if shown.remote_start_id is not None:
            return  # nobody stands before the reader
        told = TokenAnswered(evse_id, accepted, None, choice_s=choice_s)
        if info is not None:
            message = info.personal_message
            told = replace(
                told,
                status=info.status,
                language1=or_default(info.language1, ""),
                language2=or_default(info.language2, ""),
                message=None if message is UNSET else message,
            )
        self._context.events.publish(told)


def _worth(known: KnownToken | None, step: Step) -> IdTokenInfo | None:
    """What the station knows of a token; it may always end its own, however bad it has become."""
    if known is None or (step is Step.END_OWN and not known.valid):
        return None
    return known.info

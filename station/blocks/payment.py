"""Functional block C, Authorization: C03, a credit or debit card at a terminal of ours.

The terminal has an amount authorised by its own back office; that tells the CSMS, and the CSMS
starts a transaction here with a token that it has made up (type Central). This block remembers
each payment until the terminal knows how it ended: it is somebody's money.
"""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from hal.payment import CardDeclined, CardPresented, PaymentNews, PaymentStage
from station.charging.evses import Evse
from station.charging.queries import Refusal
from station.charging.rows import Cause, GrantRow, TokenRow, TransactionRow
from station.context import Context
from station.events import (
    BackOnline,
    ConnectorStatusChanged,
    CsmsLost,
    EvseFreed,
    RegistrationAccepted,
    RemoteStartAccepted,
    TokenAnswered,
    TransactionEnded,
    TransactionStarted,
)
from station.ocpp.messages.availability import ConnectorStatus
from station.ocpp.messages.common import IdToken, IdTokenType
from station.ocpp.messages.transactions import Reason, TriggerReason
from station.reactor import Timer
from station.records import Record, Table

log = logging.getLogger(__name__)

START_S = 60.0
"""So long a payment waits for the CSMS to start something; then the amount is released."""
AGAIN_S = 10.0
LONGEST_AGAIN_S = 600.0
"""A terminal that does not take its news is told again after this time, doubled each time."""
BOOT_S = 1.0
"""After the start of the process: the EVSEs have been seen by then."""

WAITING, GRANTED = "waiting", "granted"
STARTED, ENDED, RELEASED = (
    stage.value for stage in (PaymentStage.STARTED, PaymentStage.ENDED, PaymentStage.RELEASED)
)
NEWS = {WAITING: PaymentStage.NOTED, GRANTED: PaymentStage.NOTED}
"""What the terminal is told of a stage that is none of its own."""
FINAL = frozenset({ENDED, RELEASED})
NOT_TO_BE_HAD = frozenset(
    {ConnectorStatus.UNAVAILABLE, ConnectorStatus.FAULTED, ConnectorStatus.RESERVED}
)


class PaymentRow(Record, frozen=True, kw_only=True):
    """A payment of which the terminal does not know the end yet."""

    terminal: str
    reference: str
    evse_id: int
    at: datetime
    stage: str = WAITING
    """waiting for the CSMS, granted, or a PaymentStage that the terminal is told."""
    told: bool = False
    """The terminal knows `news`."""
    token: TokenRow | None = None
    transaction_id: str = ""
    begin_at: datetime | None = None
    energy_wh: int | None = None
    duration_s: int = 0

    @property
    def key(self) -> str:
        return f"{self.terminal}/{self.reference}"

    @property
    def news(self) -> PaymentStage:
        return NEWS.get(self.stage) or PaymentStage(self.stage)

    def __repr__(self) -> str:
        return f"PaymentRow(EVSE {self.evse_id}, {self.stage}, redacted)"


PAYMENTS = Table("payment", PaymentRow, lambda row: row.key)


class Payments:
    """Follows each payment to its end, and says for which EVSEs a card can be taken."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rows = context.store.table(PAYMENTS)
        self._terminals = {each.id: each for each in context.board.description.terminals}
        self._teller = Teller(context, self._rows.get, self._on_told)
        self._timers: dict[str, Timer] = {}
        self._shown: dict[str, tuple[int, ...]] = {}
        self._given_up: dict[int, float] = {}
        """By EVSE: until when a start may come for a payment that is over."""
        if not self._terminals and not self._rows.all():
            return
        subscribe = context.events.subscribe
        subscribe(CardPresented, self._on_card)
        subscribe(CardDeclined, self._on_declined)
        subscribe(RemoteStartAccepted, self._on_remote_start)
        subscribe(TransactionEnded, self._on_ended)
        for event in MAY_CHANGE_SOMETHING:
            subscribe(event, lambda _: self._look())
        context.queries.may_start.register(self._object)
        context.queries.personal_data.append(self)
        context.reactor.call_later(BOOT_S, self._take_up, source="payment")

    def about(self, token: TokenRow) -> list[str]:
        """N09.FR.05"""
        mine = [row for row in self._rows.all() if row.token == token]
        return [f"payment at terminal {row.terminal}: {row.stage}" for row in mine]

    def forget(self, token: TokenRow) -> list[str]:
        """N10.FR.03: what the terminal must still hear of goes by itself once it has."""
        return [f"kept until the terminal has settled it: {line}" for line in self.about(token)]

    # -- what happens

    def _on_card(self, event: CardPresented) -> None:
        row = PaymentRow(
            terminal=event.terminal,
            reference=event.reference,
            evse_id=event.evse,
            at=self._context.clock.utc(),
        )
        known = self._rows.get(row.key)
        if known is not None:
            if known.told:  # the terminal has forgotten
                self._teller.tell(known)
            return
        evse, early = self._context.evses.find(event.evse), self._early_start(event.evse)
        if early is not None:
            self._put(replace(row, stage=GRANTED, token=early.token))
        elif evse is None or not self._is_usable(evse):
            log.warning("EVSE %d was paid for, but cannot be used: it is released", event.evse)
            self._put(replace(row, stage=RELEASED))
        else:
            self._put(row)
            self._arm(row)
        self._look()

    def _on_declined(self, event: CardDeclined) -> None:
        """The driver has cancelled: what the payment allowed is over."""
        row = self._rows.get(f"{event.terminal}/{event.reference}")
        if row is None:
            return
        if row.stage == WAITING:
            self._disarm(row)
            self._teller.forget(row)
            self._rows.delete(row.key)
            self._give_up(row.evse_id)
        elif row.stage in (GRANTED, STARTED):
            grant = self._context.transactions.grants.of(row.evse_id)
            if grant is not None and grant.token == row.token:
                cause = Cause(trigger=TriggerReason.STOP_AUTHORIZED, reason=Reason.LOCAL)
                self._context.transactions.stop(grant, cause)
        self._look()

    def _on_remote_start(self, event: RemoteStartAccepted) -> None:
        """The CSMS has heard of the payment: the next Central token for its EVSE is for it."""
        row = next(self._of(event.evse_id, WAITING), None)
        token = TokenRow(id_token=event.id_token, type=event.type)
        grant = self._context.transactions.grants.of(event.evse_id)
        is_for_it = token.type is IdTokenType.CENTRAL and grant is not None and grant.token == token
        if row is not None and is_for_it:
            self._disarm(row)
            self._rows.put(replace(row, stage=GRANTED, token=token))
        self._look()

    def _early_start(self, evse_id: int) -> GrantRow | None:
        """The back office and the CSMS may be faster than the terminal's own line to us."""
        grant = self._context.transactions.grants.of(evse_id)
        if grant is None or grant.token.type is not IdTokenType.CENTRAL:
            return None
        if any(row.token == grant.token for row in self._rows.all()):
            return None  # of another payment
        age_s = (self._context.clock.utc() - grant.at) / timedelta(seconds=1)
        return grant if age_s < START_S else None

    def _on_ended(self, event: TransactionEnded) -> None:
        for row in self._rows.all():
            if row.stage == STARTED and row.transaction_id == event.transaction_id:
                self._end(row)
        self._look()

    def _on_too_late(self, key: str) -> None:
        row = self._rows.get(key)
        if row is not None and row.stage == WAITING:
            log.warning("EVSE %d was paid for, and the CSMS started nothing", row.evse_id)
            self._give_up(row.evse_id)
            self._put(replace(row, stage=RELEASED))
            self._look()

    def _give_up(self, evse_id: int) -> None:
        self._given_up[evse_id] = self._context.reactor.now() + START_S

    def _object(self, evse_id: int | None, id_token: IdToken) -> Refusal | None:
        """A start that was on its way when its payment ended would charge for nothing."""
        if evse_id is None or id_token.type is not IdTokenType.CENTRAL:
            return None
        if next(self._of(evse_id, WAITING), None) is not None:
            return None
        until = self._given_up.pop(evse_id, 0.0)  # once: the next start has another reason
        if self._context.reactor.now() >= until:
            return None
        return Refusal("InvalidIdToken", "the payment for it is over")

    # -- what follows

    def _take_up(self) -> None:
        """A new process: what waited waits on, and what was not told is told."""
        for row in self._rows.all():
            if row.stage == WAITING:
                self._arm(row)
            lost = self._context.transactions.find(row.transaction_id) is None
            if row.stage == STARTED and lost:  # its row was damaged
                self._end(row)
            elif not row.told:
                self._teller.tell(row)
        self._look()

    def _look(self) -> None:
        """Bring every payment to where its transaction is, and the terminals up to date."""
        for row in self._rows.all():
            if row.stage == GRANTED:
                self._follow_grant(row)
        self._show()

    def _follow_grant(self, row: PaymentRow) -> None:
        transactions = self._context.transactions
        transaction, grant = transactions.on_evse(row.evse_id), transactions.grants.of(row.evse_id)
        if transaction is not None and transaction.token == row.token:
            self._begin(row, transaction)
        elif grant is None or grant.token != row.token:  # EVConnectionTimeOut, a remote stop
            log.warning("EVSE %d was paid for, and nobody plugged in", row.evse_id)
            self._put(replace(row, stage=RELEASED))

    def _begin(self, row: PaymentRow, transaction: TransactionRow) -> None:
        self._put(
            replace(
                row,
                stage=STARTED,
                transaction_id=transaction.id,
                begin_at=self._context.clock.utc(),
            )
        )

    def _end(self, row: PaymentRow) -> None:
        begin_at, meter = row.begin_at or row.at, self._context.queries.meter
        energy_wh = None if meter is None else meter.energy_wh(row.transaction_id)
        duration = self._context.clock.utc() - begin_at
        duration_s = max(0, int(duration / timedelta(seconds=1)))
        self._put(replace(row, stage=ENDED, energy_wh=energy_wh, duration_s=duration_s))

    def _put(self, row: PaymentRow) -> None:
        """A stage that the terminal is to hear of."""
        self._disarm(row)
        row = replace(row, told=False)
        self._rows.put(row)
        self._teller.tell(row)

    def _on_told(self, row: PaymentRow) -> None:
        if row.stage in FINAL:
            self._rows.delete(row.key)
        else:
            self._rows.put(replace(row, told=True))

    def _of(self, evse_id: int, *stages: str) -> Iterator[PaymentRow]:
        return (row for row in self._rows.all() if row.evse_id == evse_id and row.stage in stages)

    # -- what can be paid for

    def _show(self) -> None:
        online = self._context.csms.online
        payable = [evse.id for evse in self._context.evses if online and self._is_usable(evse)]
        for terminal in self._terminals.values():
            mine = tuple(each for each in payable if terminal.evse in (None, each))
            if self._shown.get(terminal.id) != mine:
                self._shown[terminal.id] = mine
                self._context.board.show_payable(terminal.id, mine)

    def _is_usable(self, evse: Evse) -> bool:
        """Somebody could charge here, if the CSMS said so."""
        transactions = self._context.transactions
        transaction = transactions.on_evse(evse.id)
        statuses = {evse.connector_status(each.id) for each in evse.description.connectors}
        return (
            evse.accepts_transactions
            and not statuses <= NOT_TO_BE_HAD
            and transactions.grants.is_open_to_anyone(evse.id)
            and (transaction is None or transaction.token is None)
            and next(self._of(evse.id, WAITING, GRANTED), None) is None
        )

    # -- the wait for the CSMS

    def _arm(self, row: PaymentRow) -> None:
        waited_s = (self._context.clock.utc() - row.at) / timedelta(seconds=1)
        wait_s = START_S - min(max(0.0, waited_s), START_S)
        self._timers[row.key] = self._context.reactor.call_later(
            wait_s, self._on_too_late, row.key, source="payment"
        )

    def _disarm(self, row: PaymentRow) -> None:
        timer = self._timers.pop(row.key, None)
        if timer is not None:
            timer.cancel()


class Teller:
    """Tells terminals the stages of payments, once they are durable and until they are taken."""

    def __init__(
        self,
        context: Context,
        find: Callable[[str], PaymentRow | None],
        on_told: Callable[[PaymentRow], None],
    ) -> None:
        self._context, self._find, self._on_told = context, find, on_told
        self._known = {each.id for each in context.board.description.terminals}
        self._again: dict[str, Timer] = {}

    def tell(self, row: PaymentRow, again_s: float = AGAIN_S) -> None:
        if row.terminal not in self._known:
            log.error("terminal %s is gone, and a payment of it stays open", row.terminal)
            return
        news = PaymentNews(
            terminal=row.terminal,
            reference=row.reference,
            stage=row.news,
            evse=row.evse_id,
            energy_wh=row.energy_wh,
            duration_s=row.duration_s,
        )
        self._cancel(row.key)
        # Whatever becomes of the answer, silence included, it is told again.
        self._again[row.key] = self._context.reactor.call_later(
            again_s, self._tell_again, row.key, row.news, again_s, source="payment"
        )
        answer = partial(
            self._context.reactor.post, self._answered, row.key, row.news, source="payment"
        )
        self._context.store.after_commit(self._context.board.tell_payment, news, answer)

    def forget(self, row: PaymentRow) -> None:
        """It is not to be told any more."""
        self._cancel(row.key)

    def _answered(self, key: str, news: PaymentStage, taken: bool) -> None:
        row = self._find(key)
        if taken and row is not None and row.news is news:
            self._cancel(key)
            self._on_told(row)

    def _tell_again(self, key: str, news: PaymentStage, waited_s: float) -> None:
        row = self._find(key)
        if row is not None and row.news is news:
            log.warning("terminal %s has not taken what became of a payment", row.terminal)
            self.tell(row, min(2 * waited_s, LONGEST_AGAIN_S))

    def _cancel(self, key: str) -> None:
        timer = self._again.pop(key, None)
        if timer is not None:
            timer.cancel()


MAY_CHANGE_SOMETHING = (
    TransactionStarted,
    EvseFreed,
    ConnectorStatusChanged,
    TokenAnswered,
    CsmsLost,
    RegistrationAccepted,
    BackOnline,
)

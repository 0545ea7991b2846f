"""Signed meter values: who waits for which signature, and how it comes into what is told.

Theory of operation. An event that wants a signature is queued at once, at its place, and held: it
is sent when it is complete, or as it is when its meter takes too long. `signing_queue` asks the
meters, `sessions` knows what a transaction is to its meter, `sample_signatures` keeps what the
Ended event will tell again. The begin is kept with the session and told twice, byte by byte.
After a restart only the END of what had ended is asked again, and only its event is held again.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from itertools import count

from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from hal.api import SIGNING_S, SignedReading, SignMoment
from station.blocks.metering.sample_signatures import SampleSignatures, fitting
from station.blocks.metering.sessions import SessionRow, Sessions
from station.blocks.metering.sign_choice import SignChoice
from station.blocks.metering.sign_settings import PROBLEM, PUBLIC_KEY, declare
from station.blocks.metering.signatures import (
    Place,
    filled,
    identification,
    to_base64,
    unsigned,
)
from station.blocks.metering.signing_queue import SOURCE, SigningQueue
from station.charging.rows import TransactionRow
from station.context import Context
from station.events import TransactionEnded, TransactionStarted
from station.ocpp.messages.common import MeterValue, ReadingContext
from station.ocpp.messages.metering import MeterValuesRequest
from station.ocpp.messages.transactions import TransactionEvent, TransactionEventRequest
from station.reactor import Timer

log = logging.getLogger(__name__)

ENDED = TransactionEvent.ENDED
BEGIN, END = Place(ReadingContext.TRANSACTION_BEGIN), Place(ReadingContext.TRANSACTION_END)
PLACES = {SignMoment.BEGIN: BEGIN, SignMoment.END: END}


class Wait(Struct, eq=False):
    """A queued event that is held for signatures."""

    request: TransactionEventRequest
    evse_id: int
    missing: set[str]
    row_id: int = 0
    timer: Timer | None = None


class Asked(Struct, eq=False):
    """The signatures of one transaction that are on their way, by name, and who waits for them."""

    places: dict[str, Place] = field(default_factory=dict)
    samples: set[str] = field(default_factory=set)
    """Those that wait for the Ended event."""
    waits: list[Wait] = field(default_factory=list)


class SignedValues:
    """Signs what blocks E and J tell; registered as `queries.signatures`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        signing = [evse for evse in context.board.description.evses if evse.signs]
        self._evses = frozenset(evse.id for evse in signing)
        self._queue = SigningQueue(context)
        self.sessions = Sessions(context, self._ask_for)
        self.choice = SignChoice(context.variables, self.sessions)
        self._samples = SampleSignatures(context.store, context.fixes)
        self._asked: dict[str, Asked] = {}
        self._numbers = count(1)
        self.on_begin: Callable[[SessionRow, SignedReading | None], None] = _nobody
        """The BEGIN of a session that waits to start is here, or will not come."""
        if signing:
            declare(context.variables, signing)
            context.queries.signatures = self
            context.queries.limit_a.register(self._limit_a)
            context.events.subscribe(TransactionStarted, self._on_started)
            context.events.subscribe(TransactionEnded, self._on_ended)

    def start(self) -> None:
        """Ask for the END of whatever had ended when the process did."""
        for row in self.sessions.all():
            if not row.ended and self._context.transactions.find(row.id) is None:
                self.sessions.close(row.id)
            elif not row.ended and row.begin is None:
                self._miss(row.id, row.evse_id, BEGIN)  # the answer went with the process
            elif row.ended and not row.unanswered:
                self._ask_for(row, SignMoment.END)
                request = self._context.csms.recall(row.owed) if row.owed else None
                if isinstance(request, TransactionEventRequest):
                    self._wait(row.id, Wait(request, row.evse_id, {str(SignMoment.END)}), row.owed)

    def signs(self, evse_id: int | None) -> bool:
        """Its meter can."""
        return evse_id in self._evses

    # -- what blocks E and J ask (charging.queries.Signatures)

    def sign(
        self, row: TransactionRow, request: TransactionEventRequest
    ) -> tuple[TransactionEventRequest, Callable[[int], None] | None]:
        """The event with what is signed already, and whom to tell its id if it must be held."""
        evse_id = row.evse_id
        if evse_id is None or not self.signs(evse_id):
            return request, None
        if request.event_type is TransactionEvent.STARTED:
            self._begin(row)
        elif request.event_type is ENDED:
            self.sessions.end(row)
        request = self._with_known(row.id, request)
        for place in self._to_ask(row.id, request):
            name = self._ask_update(row.id, evse_id, identification(row.token), place)
            if place.context is ReadingContext.INTERRUPTION_END:  # Ended tells it again
                self._asked[row.id].samples.add(name)
        missing = self._missing(row.id, request)
        if not missing:
            return self._fitting(request), None
        return request, partial(self._wait, row.id, Wait(request, evse_id, missing))

    def collect(self, row: TransactionRow, context: ReadingContext, at: datetime) -> None:
        """A sample was taken at this moment, which the Ended event will tell."""
        if row.evse_id is None or not self.signs(row.evse_id):
            return
        if self.choice.inside(ENDED)(context) and self._samples.takes(row.id, context):
            who = identification(row.token)
            name = self._ask_update(row.id, row.evse_id, who, Place(context, at))
            self._asked[row.id].samples.add(name)

    def outside(
        self, request: MeterValuesRequest, call: Callable[[MeterValuesRequest], None]
    ) -> None:
        """*call* with readings outside of transactions: at once, or when they are signed."""
        evse_id, choice = request.evse_id, self.choice
        places = [*unsigned(request.meter_value, choice.outside)] if self.signs(evse_id) else []
        if not places:
            call(request)
            return

        def answered(signed: SignedReading | None) -> None:
            values = request.meter_value
            if signed is None:
                self._miss("no transaction", evse_id, places[0])
            else:
                self._learn(signed)
                tell = choice.tell_outside(signed)
                for place in places:
                    values = filled(values, place, choice.outside, signed, tell)
            call(replace(request, meter_value=values))

        self._queue.ask(evse_id, SignMoment.UPDATE, "", answered)

    # -- transactions

    def _on_started(self, event: TransactionStarted) -> None:
        """A transaction that waited for its cable has found its EVSE."""
        row = self._context.transactions.find(event.transaction_id)
        if row is not None and self.signs(row.evse_id):
            self._begin(row)

    def _begin(self, row: TransactionRow) -> None:
        """What is wanted now holds for the whole transaction: a meter cannot begin late."""
        if self.choice.signs_transactions:
            self.sessions.begin(row)

    def _on_ended(self, event: TransactionEnded) -> None:
        self._samples.forget(event.transaction_id)
        self.choice.forget(event.transaction_id)

    def _limit_a(self, evse_id: int) -> float | None:
        """No energy for the next transaction before the END of the last one was signed."""
        return 0.0 if self.sessions.is_ending(evse_id) else None

    # -- asking

    def _ask_for(self, row: SessionRow, moment: SignMoment) -> None:
        self._ask(row.id, row.evse_id, moment, row.identification, str(moment), PLACES[moment])

    def _ask_update(self, id: str, evse_id: int, who: str, place: Place) -> str:
        name = str(next(self._numbers))
        self._ask(id, evse_id, SignMoment.UPDATE, who, name, place)
        return name

    def _ask(
        self, id: str, evse_id: int, moment: SignMoment, who: str, name: str, place: Place
    ) -> None:
        self._asked.setdefault(id, Asked()).places[name] = place
        self._queue.ask(evse_id, moment, who, partial(self._answered, id, evse_id, name))

    def _to_ask(self, id: str, request: TransactionEventRequest) -> dict[Place, None]:
        """Moments of which this event tells the register, and nobody has asked for yet.

        Of the begin there is one signature, and samples for the Ended event were asked for when
        they were taken. A meter that knows nothing of the transaction can still sign its end.
        """
        missed = self._left(request)
        if request.event_type is ENDED:
            known = self.sessions.find(id) is not None
            missed = [] if known else [place for place in missed if END.holds(place)]
        return dict.fromkeys(place for place in missed if not BEGIN.holds(place))

    def _missing(self, id: str, request: TransactionEventRequest) -> set[str]:
        """The names of the signatures on their way that belong into this event."""
        asked, left = self._asked.get(id), self._left(request)
        if asked is None:
            return set()
        places = asked.places.items()
        return {name for name, place in places if any(place.holds(each) for each in left)}

    def _left(self, request: TransactionEventRequest) -> list[Place]:
        return [*unsigned(_values(request), self.choice.inside(request.event_type))]

    # -- answers

    def _answered(self, id: str, evse_id: int, name: str, signed: SignedReading | None) -> None:
        asked = self._asked.get(id)
        if asked is None or (place := asked.places.pop(name, None)) is None:
            return
        row = self.sessions.begun(id, signed) if place == BEGIN else None
        if signed is None:
            self._miss(id, evse_id, place)
        else:
            self._learn(signed)
            for wait in asked.waits:
                wait.request = self._filled(id, wait.request, place, signed)
            if name in asked.samples and self._context.transactions.find(id) is not None:
                self._samples.put(id, place, signed)
        asked.samples.discard(name)
        if place == END:
            self.sessions.closed(id, signed)
        for wait in [each for each in asked.waits if name in each.missing]:
            wait.missing.discard(name)
            if not wait.missing:
                self._finish(id, wait)
        self._tidy(id)
        if row is not None and row.waits_to_start and not row.ended:
            self.on_begin(row, signed)

    def _miss(self, id: str, evse_id: int, place: Place) -> None:
        log.warning("EVSE %d: its meter did not sign (%s, %s)", evse_id, place.context, id)
        self._context.variables.update(PROBLEM, True, evse_id)

    def _learn(self, signed: SignedReading) -> None:
        """The meter has signed: it works, and its key is known."""
        self._context.variables.update(PROBLEM, False, signed.evse)
        self._context.variables.update(PUBLIC_KEY, to_base64(signed.public_key), signed.evse)

    # -- events that are held

    def _wait(self, id: str, wait: Wait, row_id: int) -> None:
        wait.row_id = row_id
        wait.timer = self._context.reactor.call_later(
            SIGNING_S, self._overdue, id, wait, source=SOURCE
        )
        self._asked.setdefault(id, Asked()).waits.append(wait)
        if wait.request.event_type is ENDED:
            self.sessions.owe(id, row_id)

    def _overdue(self, id: str, wait: Wait) -> None:
        what = "EVSE %d: event %d of transaction %s is told without a signature: it took too long"
        log.warning(what, wait.evse_id, wait.request.seq_no, id)
        self._finish(id, wait)
        self._tidy(id)

    def _finish(self, id: str, wait: Wait) -> None:
        """Let it go with whatever was signed; from now on it is never changed again."""
        if wait.timer is not None:
            wait.timer.cancel()
        self._asked[id].waits.remove(wait)
        self.sessions.settle(id, wait.row_id)
        self._context.csms.amend(wait.row_id, self._fitting(wait.request))
        self._context.csms.release(wait.row_id)

    def _tidy(self, id: str) -> None:
        asked = self._asked.get(id)
        if asked is not None and not asked.places and not asked.waits:
            del self._asked[id]

    # -- what an event tells

    def _with_known(self, id: str, request: TransactionEventRequest) -> TransactionEventRequest:
        """What was signed before: the begin and, for the Ended event, what was collected."""
        session = self.sessions.find(id)
        if session is not None and session.begin is not None:
            request = self._filled(id, request, BEGIN, session.begin)
        if request.event_type is ENDED:
            for place, signed in self._samples.take(id):
                request = self._filled(id, request, place, signed)
        return request

    def _filled(
        self, id: str, request: TransactionEventRequest, place: Place, signed: SignedReading
    ) -> TransactionEventRequest:
        values = _values(request)
        if not values:
            return request
        wanted, tell = self.choice.inside(request.event_type), self.choice.tell(id, signed)
        return replace(request, meter_value=filled(values, place, wanted, signed, tell))

    def _fitting(self, request: TransactionEventRequest) -> TransactionEventRequest:
        values = _values(request)
        if request.event_type is not ENDED or not values:
            return request
        return replace(request, meter_value=fitting(values, self.choice.inside(ENDED)))


def _values(request: TransactionEventRequest) -> list[MeterValue]:
    return [] if request.meter_value is UNSET else list(request.meter_value)


def _nobody(_: SessionRow, __: SignedReading | None) -> None:
    return

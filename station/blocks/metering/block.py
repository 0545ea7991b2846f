"""When meters are read: on the transaction's clock, on the wall's, and when asked."""

from collections.abc import Callable, Sequence
from datetime import datetime

from station.blocks.metering.aligned import AlignedTimer
from station.blocks.metering.collected import Collected
from station.blocks.metering.continuity import KEEP_S
from station.blocks.metering.data_signed import DataSigned
from station.blocks.metering.grid import SOURCE, Grid
from station.blocks.metering.intervals import OF_TRANSACTION, Chain
from station.blocks.metering.looks import Looks
from station.blocks.metering.samples import INTERVALS, Measurands
from station.blocks.metering.settings import (
    ALIGNED_ENABLED,
    ALIGNED_ENDED_INTERVAL,
    ALIGNED_ENDED_MEASURANDS,
    ALIGNED_INTERVAL,
    ALIGNED_MEASURANDS,
    ENDED_INTERVAL,
    ENDED_MEASURANDS,
    SAMPLED_ENABLED,
    SEND_DURING_IDLE,
    STARTED_MEASURANDS,
    UPDATED_INTERVAL,
    UPDATED_MEASURANDS,
    declare,
)
from station.blocks.metering.signed import SignedValues
from station.charging.rows import TransactionRow
from station.context import Context
from station.device_model import Variable
from station.events import (
    ClockSynchronised,
    RegistrationAccepted,
    TransactionEnded,
    TransactionStarted,
)
from station.ocpp.messages.common import MeterValue, ReadingContext
from station.ocpp.messages.metering import MeterValuesRequest
from station.ocpp.messages.remote_control import MessageTrigger
from station.ocpp.messages.transactions import TriggerReason
from station.ocpp.rpc import CallFailed
from station.ocpp.types import Message
from station.records import SendClass

LOOK_AGAIN_S = 1.0
"""How often is looked whether hardware and meter are there, when the process has just begun."""
RESUMED_S = 60.0
"""An event so long after a restart is not that of the interruption any more."""


class Metering:
    """Samples meters on the transaction's clock and on the wall's, and answers block E."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._variables = context.variables
        self._looks = Looks(context)
        self._collected = Collected(context.store, context.fixes)
        self._updated = Grid(context.reactor, self._periodic)
        self._ended = Grid(context.reactor, self._collect)
        self._kept = Grid(context.reactor, self._keep_again)
        self._aligned = AlignedTimer(context.clock, self._on_aligned)
        self._aligned_ended = AlignedTimer(context.clock, self._on_aligned_ended)
        self._interrupted: dict[str, float] = {}
        """Transactions that a restart interrupted, and until when an event may tell of it."""
        self._unnoted: dict[str, None] = {}
        """Those of which the Ended event does not know it yet."""
        self._declare()
        self._signed = SignedValues(context)
        DataSigned(context, self._signed)
        context.queries.meter = self
        context.queries.triggers[MessageTrigger.METER_VALUES] = self._triggered_values
        context.queries.triggers[MessageTrigger.TRANSACTION_EVENT] = self._triggered_event
        context.events.subscribe(TransactionStarted, self._on_started)
        context.events.subscribe(TransactionEnded, self._on_ended)
        context.events.subscribe(RegistrationAccepted, self._align)
        context.events.subscribe(ClockSynchronised, self._align)

    def start(self) -> None:
        """Take up what ran before the restart, and the wall clock."""
        self._signed.start()
        now = self._context.reactor.now()
        for row in self._context.transactions.all():
            self._arm(row, passed=True)
            if self._looks.is_kept(row.id):
                self._interrupted[row.id] = now + RESUMED_S
                self._unnoted[row.id] = None
                self._later(self._look_again, row.id)
        self._align()

    # -- what block E asks (charging.queries.TransactionMeter)

    def begin(self, evse_id: int, at: datetime) -> Sequence[MeterValue]:
        row = self._context.transactions.on_evse(evse_id)
        if row is not None:
            self._looks.keep(row.id, evse_id, at)
        measurands = self._sampled(STARTED_MEASURANDS)
        return self._looks.measure(evse_id, measurands, ReadingContext.TRANSACTION_BEGIN, at)

    def energy_wh(self, transaction_id: str) -> int | None:
        row = self._context.transactions.find(transaction_id)
        return self._looks.energy_wh(transaction_id, None if row is None else row.evse_id)

    def owed(self, transaction_id: str, evse_id: int, at: datetime) -> Sequence[MeterValue]:
        until = self._interrupted.get(transaction_id)
        if until is None:
            return ()
        values: Sequence[MeterValue] = ()
        if self._context.reactor.now() <= until:
            measurands, context = self._sampled(UPDATED_MEASURANDS), INTERRUPTION_END
            values = self._looks.measure(evse_id, measurands, context, at)
        if values or self._context.reactor.now() > until:
            del self._interrupted[transaction_id]
        if values:
            self._note_interruption(transaction_id, evse_id)
        return values

    def end(self, transaction_id: str, evse_id: int, at: datetime) -> Sequence[MeterValue]:
        if transaction_id in self._unnoted:
            self._looks.take_up_chains(transaction_id, evse_id)
        measurands = self._sampled(ENDED_MEASURANDS)
        last = self._looks.measure_end(transaction_id, evse_id, measurands, at)
        return self._collected.take(transaction_id, last)

    def _sampled(self, listed: Variable[Measurands]) -> Measurands:
        return self._variables[listed] if self._variables[SAMPLED_ENABLED] else ()

    # -- what TriggerMessage may ask for

    def _triggered_values(self, evse_id: int | None, connector_id: int | None) -> bool:  # noqa: ARG002
        """F06.FR.06, F06.FR.11: of this EVSE, or of each and of the main meter."""
        requests = [
            MeterValuesRequest(evse_id=place, meter_value=values)
            for place in self._looks.places()
            if evse_id in (None, place)
            and (values := self._triggered(place, ALIGNED_MEASURANDS, Chain.ALIGNED))
        ]
        for request in requests:
            self._signed.outside(request, self._send_triggered)
        return bool(requests)

    def _triggered_event(self, evse_id: int | None, connector_id: int | None) -> bool:  # noqa: ARG002
        """F06.FR.07, F06.FR.11: of the transaction on this EVSE, or of every one."""
        transactions = self._context.transactions
        rows = [row for row in transactions.all() if evse_id in (None, row.evse_id)]
        for row in rows:
            values: Sequence[MeterValue] = ()
            if row.evse_id is not None:
                values = self._triggered(row.evse_id, UPDATED_MEASURANDS, Chain.UPDATED)
            transactions.update(row.id, TriggerReason.TRIGGER, values)
        return bool(rows)

    def _triggered(
        self, evse_id: int, listed: Variable[Measurands], chain: Chain
    ) -> list[MeterValue]:
        now, context = self._context.clock.utc(), ReadingContext.TRIGGER
        return self._looks.measure(evse_id, self._variables[listed], context, now, chain)

    # -- on the transaction's clock

    def _on_started(self, event: TransactionStarted) -> None:
        row = self._context.transactions.find(event.transaction_id)
        if row is not None and row.evse_id is not None:
            self._arm(row)
            self._begin(row.id)

    def _begin(self, transaction_id: str) -> None:
        """As soon as the meter has told something, which is long ago unless we have just begun."""
        row = self._context.transactions.find(transaction_id)
        if row is None or row.evse_id is None:
            return
        if self._context.board.reading(row.evse_id) is None:
            self._later(self._begin, transaction_id)
            return
        self._looks.keep(row.id, row.evse_id, self._context.clock.utc())
        self._looks.begin_chains(row.evse_id, OF_TRANSACTION)
        # The Ended event tells the values of both ends (part 2, SampledDataTxEndedInterval).
        self._collect_for_good(row.id, row.evse_id, ReadingContext.TRANSACTION_BEGIN)

    def _on_ended(self, event: TransactionEnded) -> None:
        for grid in (self._updated, self._ended, self._kept):
            grid.cancel(event.transaction_id)
        self._looks.forget(event.transaction_id, event.evse_id)
        self._collected.forget(event.transaction_id)
        self._interrupted.pop(event.transaction_id, None)
        self._unnoted.pop(event.transaction_id, None)

    def _arm(self, row: TransactionRow, *, passed: bool = False) -> None:
        """*passed*: on the grid that began with the transaction, as far as that is known."""
        passed_s = 0.0
        if passed and self._context.fixes.doubt() is None:
            passed_s = max(0.0, (self._context.clock.utc() - row.started_at).total_seconds())
        enabled = self._variables[SAMPLED_ENABLED]
        for grid, variable in ((self._updated, UPDATED_INTERVAL), (self._ended, ENDED_INTERVAL)):
            grid.arm(row.id, self._variables[variable] if enabled else 0, passed_s)
        self._kept.arm(row.id, KEEP_S)

    def _periodic(self, transaction_id: str) -> None:
        """J02.FR.11, and what says the same of Updated events where it happens.

        E02.FR.10, E03.FR.08, E04.FR.06, E11.FR.03, E12.FR.03, F01.FR.15, F02.FR.03
        """
        row = self._context.transactions.find(transaction_id)
        if row is not None and row.evse_id is not None:
            trigger = TriggerReason.METER_VALUE_PERIODIC
            self._tell(row, UPDATED_MEASURANDS, trigger, Chain.UPDATED, self._context.clock.utc())

    def _tell(
        self,
        row: TransactionRow,
        listed: Variable[Measurands],
        trigger: TriggerReason,
        chain: Chain,
        at: datetime,
    ) -> None:
        """An Updated event with what is measured on the EVSE of its transaction (J02.FR.22)."""
        evse_id, measurands = row.evse_id or 0, self._variables[listed]
        values = self._looks.measure(evse_id, measurands, CONTEXTS[trigger], at, chain)
        if values:
            self._context.transactions.update(row.id, trigger, values)
            anchored = not INTERVALS.isdisjoint(measurands)
            self._looks.keep(row.id, evse_id, at, chain, anchored=anchored)

    def _collect(self, transaction_id: str) -> None:
        row = self._context.transactions.find(transaction_id)
        if row is not None:
            context, now = ReadingContext.SAMPLE_PERIODIC, self._context.clock.utc()
            self._collect_sample(row, ENDED_MEASURANDS, context, Chain.ENDED, now)

    def _collect_sample(
        self,
        row: TransactionRow,
        listed: Variable[Measurands],
        context: ReadingContext,
        chain: Chain,
        at: datetime,
    ) -> None:
        if row.evse_id is None:
            return
        measurands = self._variables[listed]
        for value in self._looks.measure(row.evse_id, measurands, context, at, chain):
            self._collected.sample(row.id, context, value, self._context.reactor.now())
            self._signed.collect(row, context, at)
            self._looks.begin_chains(row.evse_id, (chain,))

    def _collect_for_good(self, id: str, evse_id: int, context: ReadingContext) -> None:
        """A value that the Ended event carries whatever else it has to leave out."""
        now, measurands = self._context.clock.utc(), self._sampled(ENDED_MEASURANDS)
        self._collected.keep(id, self._looks.measure(evse_id, measurands, context, now))

    def _keep_again(self, transaction_id: str) -> None:
        row = self._context.transactions.find(transaction_id)
        if row is not None and row.evse_id is not None:
            self._looks.keep_if_moved(row.id, row.evse_id)

    # -- a transaction that a restart interrupted

    def _later(self, job: Callable[[str], None], transaction_id: str) -> None:
        self._context.reactor.call_later(LOOK_AGAIN_S, job, transaction_id, source=SOURCE)

    def _look_again(self, transaction_id: str) -> None:
        """Until the hardware has been seen and the meter has said something."""
        row = self._context.transactions.find(transaction_id)
        if row is None or row.evse_id is None or transaction_id not in self._unnoted:
            return
        reading = self._context.board.reading(row.evse_id)
        if reading is None or row.stop or not self._context.evses.get(row.evse_id).seen:
            self._later(self._look_again, transaction_id)
        else:
            self._note_interruption(row.id, row.evse_id)

    def _note_interruption(self, transaction_id: str, evse_id: int) -> None:
        """What the registers were when it was interrupted, and what they are now.

        The first may be older than a sampling interval (J02.FR.10), and waits for the Ended
        event, where values of any age may stand. The second stands there too; besides, the event
        that tells of the interruption carries it (`owed`).
        """
        if transaction_id not in self._unnoted:
            return
        del self._unnoted[transaction_id]
        self._looks.take_up_chains(transaction_id, evse_id)
        measurands, begin = self._sampled(ENDED_MEASURANDS), ReadingContext.INTERRUPTION_BEGIN
        self._collected.keep(
            transaction_id, self._looks.last_known(transaction_id, measurands, begin)
        )
        self._collect_for_good(transaction_id, evse_id, INTERRUPTION_END)
        self._looks.keep(transaction_id, evse_id, self._context.clock.utc())

    # -- on the wall's clock

    def _align(self, *_: object) -> None:
        enabled = self._variables[ALIGNED_ENABLED]
        self._aligned.arm(self._variables[ALIGNED_INTERVAL] if enabled else 0)
        self._aligned_ended.arm(self._variables[ALIGNED_ENDED_INTERVAL] if enabled else 0)
        for place in self._looks.places():
            self._looks.begin_chain_once(place, Chain.ALIGNED)

    def _on_aligned_ended(self, moment: datetime) -> None:
        context, chain = ReadingContext.SAMPLE_CLOCK, Chain.ALIGNED_ENDED
        for row in self._context.transactions.all():
            if row.evse_id is not None and not self._is_quiet(row.evse_id, station_busy=True):
                self._collect_sample(row, ALIGNED_ENDED_MEASURANDS, context, chain, moment)

    def _on_aligned(self, moment: datetime) -> None:
        """J01.FR.14, J01.FR.22: of each EVSE, and of the whole station."""
        busy = bool(self._context.transactions.all())
        for place in self._looks.places():
            if not self._is_quiet(place, station_busy=busy):
                self._send_aligned(place, moment)

    def _send_aligned(self, evse_id: int, moment: datetime) -> None:
        row = self._context.transactions.on_evse(evse_id) if evse_id else None
        if row is not None:  # J01.FR.22
            trigger = TriggerReason.METER_VALUE_CLOCK
            self._tell(row, ALIGNED_MEASURANDS, trigger, Chain.ALIGNED, moment)
            return
        measurands, context = self._variables[ALIGNED_MEASURANDS], ReadingContext.SAMPLE_CLOCK
        values = self._looks.measure(evse_id, measurands, context, moment, Chain.ALIGNED)
        if values and self._context.csms.online:  # J01.FR.02, J01.FR.03, J01.FR.14
            self._looks.begin_chains(evse_id, (Chain.ALIGNED,))
            request = MeterValuesRequest(evse_id=evse_id, meter_value=values)
            self._signed.outside(request, self._send)

    def _send(self, request: MeterValuesRequest) -> None:
        self._context.csms.call(request, _sent, send_class=SendClass.REPORT)

    def _send_triggered(self, request: MeterValuesRequest) -> None:
        self._context.csms.call(request, _sent, asked_for=True)

    def _is_quiet(self, evse_id: int, *, station_busy: bool) -> bool:
        busy = bool(evse_id) and self._context.transactions.on_evse(evse_id) is not None
        if busy and self._variables.get(SEND_DURING_IDLE, evse_id):  # J01.FR.19
            return True
        return self._variables[SEND_DURING_IDLE] and station_busy  # J01.FR.20

    # -- variables

    def _declare(self) -> None:
        declare(self._context)
        for interval in (UPDATED_INTERVAL, ENDED_INTERVAL):
            self._variables.watch(interval, self._rearm)  # J01.FR.01, J02.FR.01
        self._variables.watch(SAMPLED_ENABLED, self._rearm)
        for aligned in (ALIGNED_INTERVAL, ALIGNED_ENDED_INTERVAL):
            self._variables.watch(aligned, self._align)
        self._variables.watch(ALIGNED_ENABLED, self._align)

    def _rearm(self, *_: object) -> None:
        for row in self._context.transactions.all():
            if row.evse_id is not None:
                self._arm(row)


INTERRUPTION_END = ReadingContext.INTERRUPTION_END
CONTEXTS = {
    TriggerReason.METER_VALUE_PERIODIC: ReadingContext.SAMPLE_PERIODIC,
    TriggerReason.METER_VALUE_CLOCK: ReadingContext.SAMPLE_CLOCK,
}


def _sent(_: Message | CallFailed) -> None:
    """MeterValues outside a transaction are not repeated: the next ones are due soon."""

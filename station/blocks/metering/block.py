"""When meters are read: on the transaction's clock, on the wall's, and when asked."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from station.blocks.metering.collected import Collected
from station.blocks.metering.samples import sampled_values
from station.blocks.metering.settings import (
    ALIGNED_AVAILABLE,
    ALIGNED_ENABLED,
    ALIGNED_ENDED_INTERVAL,
    ALIGNED_ENDED_MEASURANDS,
    ALIGNED_INTERVAL,
    ALIGNED_MEASURANDS,
    ENDED_INTERVAL,
    ENDED_MEASURANDS,
    SAMPLED_AVAILABLE,
    SAMPLED_ENABLED,
    SEND_DURING_IDLE,
    STARTED_MEASURANDS,
    UPDATED_INTERVAL,
    UPDATED_MEASURANDS,
    Measurands,
)
from station.charging.rows import TransactionRow
from station.clock import Alarm
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
from station.reactor import Timer
from station.records import SendClass


class Metering:
    """Samples meters on the transaction's clock and on the wall's, and answers block E."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._variables = context.variables
        self._collected = Collected(context.store, context.fixes)
        self._timers: dict[str, list[Timer]] = {}
        self._aligned: dict[str, Alarm] = {}
        self._declare()
        context.queries.meter = self
        context.queries.triggers[MessageTrigger.METER_VALUES] = self._triggered_values
        context.queries.triggers[MessageTrigger.TRANSACTION_EVENT] = self._triggered_event
        context.events.subscribe(TransactionStarted, self._on_started)
        context.events.subscribe(TransactionEnded, self._on_ended)
        context.events.subscribe(RegistrationAccepted, lambda _: self._align())
        context.events.subscribe(ClockSynchronised, lambda _: self._align())

    def start(self) -> None:
        """Take up what ran before the restart, and the wall clock."""
        for row in self._context.transactions.all():
            self._arm(row.id)
        self._align()

    # -- what block E asks (charging.queries.TransactionMeter)

    def begin(self, evse_id: int, at: datetime) -> Sequence[MeterValue]:
        measurands = self._sampled(STARTED_MEASURANDS)
        return self._sample(evse_id, measurands, ReadingContext.TRANSACTION_BEGIN, at)

    def end(self, transaction_id: str, evse_id: int, at: datetime) -> Sequence[MeterValue]:
        collected = self._collected.take(transaction_id)
        measurands = self._sampled(ENDED_MEASURANDS)
        last = self._sample(evse_id, measurands, ReadingContext.TRANSACTION_END, at)
        return [*collected, *last]

    def _sampled(self, listed: Variable[Measurands]) -> Measurands:
        return self._variables[listed] if self._variables[SAMPLED_ENABLED] else ()

    # -- what TriggerMessage may ask for

    def _triggered_values(self, evse_id: int | None, connector_id: int | None) -> bool:  # noqa: ARG002
        """F06.FR.06, F06.FR.11: of this EVSE, or of each."""
        requests = [
            MeterValuesRequest(evse_id=evse.id, meter_value=values)
            for evse in self._context.evses
            if evse_id in (None, evse.id)
            and (values := self._triggered(evse.id, self._variables[ALIGNED_MEASURANDS]))
        ]
        for request in requests:
            self._context.csms.call(request, _sent, asked_for=True)
        return bool(requests)

    def _triggered_event(self, evse_id: int | None, connector_id: int | None) -> bool:  # noqa: ARG002
        """F06.FR.07, F06.FR.11: of the transaction on this EVSE, or of every one."""
        transactions = self._context.transactions
        rows = [row for row in transactions.all() if evse_id in (None, row.evse_id)]
        for row in rows:
            values: Sequence[MeterValue] = ()
            if row.evse_id is not None:
                values = self._triggered(row.evse_id, self._variables[UPDATED_MEASURANDS])
            transactions.update(row.id, TriggerReason.TRIGGER, values)
        return bool(rows)

    def _triggered(self, evse_id: int, measurands: Measurands) -> list[MeterValue]:
        return self._sample(evse_id, measurands, ReadingContext.TRIGGER, self._context.clock.utc())

    # -- on the transaction's clock

    def _on_started(self, event: TransactionStarted) -> None:
        row = self._bound(event.transaction_id)
        if row is not None:
            # The Ended event tells the values of both ends (part 2, SampledDataTxEndedInterval).
            self._keep(row, self._sampled(ENDED_MEASURANDS), ReadingContext.TRANSACTION_BEGIN)
            self._arm(row.id)

    def _on_ended(self, event: TransactionEnded) -> None:
        for timer in self._timers.pop(event.transaction_id, []):
            timer.cancel()
        self._collected.forget(event.transaction_id)

    def _arm(self, transaction_id: str) -> None:
        for timer in self._timers.pop(transaction_id, []):
            timer.cancel()
        timers: list[Timer] = []
        due_at = self._context.reactor.now()
        for variable, job in (
            (UPDATED_INTERVAL, self._periodic),
            (ENDED_INTERVAL, self._collect),
        ):
            interval_s = self._variables[variable]
            if interval_s > 0 and self._variables[SAMPLED_ENABLED]:
                timers.append(
                    self._context.reactor.call_at(
                        due_at + interval_s,
                        job,
                        transaction_id,
                        due_at + interval_s,
                        source="metering",
                    )
                )
        self._timers[transaction_id] = timers

    def _again(
        self,
        variable: Variable[int],
        job: Callable[[str, float], None],
        transaction_id: str,
        due_at: float,
    ) -> None:
        """The next one on the same grid, however late this one was."""
        interval_s = self._variables[variable]
        timers = self._timers.get(transaction_id)
        if timers is None or interval_s <= 0:
            return
        timers[:] = [timer for timer in timers if timer.active]
        due_at = max(due_at + interval_s, self._context.reactor.now())
        timers.append(
            self._context.reactor.call_at(due_at, job, transaction_id, due_at, source="metering")
        )

    def _periodic(self, transaction_id: str, due_at: float) -> None:
        """J02.FR.11, and what says the same of Updated events where it happens.

        E02.FR.10, E03.FR.08, E04.FR.06, E11.FR.03, E12.FR.03, F01.FR.15, F02.FR.03
        """
        self._again(UPDATED_INTERVAL, self._periodic, transaction_id, due_at)
        row = self._bound(transaction_id)
        if row is None or row.evse_id is None:
            return
        measurands = self._variables[UPDATED_MEASURANDS]
        now = self._context.clock.utc()
        # J02.FR.22
        values = self._sample(row.evse_id, measurands, ReadingContext.SAMPLE_PERIODIC, now)
        if values:
            self._context.transactions.update(row.id, TriggerReason.METER_VALUE_PERIODIC, values)

    def _collect(self, transaction_id: str, due_at: float) -> None:
        self._again(ENDED_INTERVAL, self._collect, transaction_id, due_at)
        row = self._bound(transaction_id)
        if row is not None:
            self._keep(row, self._variables[ENDED_MEASURANDS], ReadingContext.SAMPLE_PERIODIC)

    def _keep(self, row: TransactionRow, measurands: Measurands, context: ReadingContext) -> None:
        if row.evse_id is None:
            return
        now = self._context.clock.utc()
        self._collected.keep(row.id, self._sample(row.evse_id, measurands, context, now))

    def _bound(self, transaction_id: str) -> TransactionRow | None:
        row = self._context.transactions.find(transaction_id)
        return row if row is not None and row.evse_id is not None else None

    # -- on the wall's clock

    def _align(self, *_: object) -> None:
        for alarm in self._aligned.values():
            alarm.cancel()
        self._aligned.clear()
        self._arm_aligned("sent", ALIGNED_INTERVAL)
        self._arm_aligned("collected", ALIGNED_ENDED_INTERVAL)

    def _arm_aligned(self, what: str, variable: Variable[int]) -> None:
        interval_s = self._variables[variable]
        if interval_s <= 0 or not self._variables[ALIGNED_ENABLED]:
            self._aligned.pop(what, None)
            return
        moment = next_aligned(self._context.clock.utc(), interval_s)
        self._aligned[what] = self._context.clock.call_at(moment, self._on_aligned, what, moment)

    def _on_aligned(self, what: str, moment: datetime) -> None:
        if what == "collected":
            self._arm_aligned(what, ALIGNED_ENDED_INTERVAL)
            for row in self._context.transactions.all():
                self._keep(
                    row, self._variables[ALIGNED_ENDED_MEASURANDS], ReadingContext.SAMPLE_CLOCK
                )
            return
        self._arm_aligned(what, ALIGNED_INTERVAL)
        busy = bool(self._context.transactions.all())
        for evse in self._context.evses:
            self._send_aligned(evse.id, moment, station_busy=busy)

    def _send_aligned(self, evse_id: int, moment: datetime, *, station_busy: bool) -> None:
        measurands = self._variables[ALIGNED_MEASURANDS]
        values = self._sample(evse_id, measurands, ReadingContext.SAMPLE_CLOCK, moment)
        row = self._context.transactions.on_evse(evse_id)
        if not values or self._is_quiet(evse_id, station_busy=station_busy, busy=row is not None):
            return
        if row is not None:  # J01.FR.22
            self._context.transactions.update(row.id, TriggerReason.METER_VALUE_CLOCK, values)
        elif self._context.csms.online:  # J01.FR.02, J01.FR.14
            request = MeterValuesRequest(evse_id=evse_id, meter_value=values)
            self._context.csms.call(request, _sent, send_class=SendClass.REPORT)

    def _is_quiet(self, evse_id: int, *, station_busy: bool, busy: bool) -> bool:
        if self._variables.get(SEND_DURING_IDLE, evse_id) and busy:  # J01.FR.19
            return True
        return self._variables[SEND_DURING_IDLE] and station_busy  # J01.FR.20

    # -- readings in the words of OCPP

    def _sample(
        self, evse_id: int, measurands: Measurands, context: ReadingContext, at: datetime
    ) -> list[MeterValue]:
        reading = self._context.board.reading(evse_id)
        if reading is None or not measurands:
            return []
        offered_a = self._context.evses.get(evse_id).report.limit_a
        values = [
            value
            for measurand in measurands
            for value in sampled_values(measurand, reading, context, offered_a)
        ]
        # J01.FR.05, J01.FR.06, J01.FR.17, J02.FR.02, J02.FR.18
        return [MeterValue(timestamp=at, sampled_value=values)] if values else []

    def _declare(self) -> None:
        for listed in (
            STARTED_MEASURANDS,
            UPDATED_MEASURANDS,
            ENDED_MEASURANDS,
            ALIGNED_MEASURANDS,
            ALIGNED_ENDED_MEASURANDS,
        ):
            self._variables.declare(listed)
        for interval in (UPDATED_INTERVAL, ENDED_INTERVAL):
            self._variables.declare(interval)
            self._variables.watch(interval, self._rearm)  # J01.FR.01, J02.FR.01
        for flag in (SAMPLED_AVAILABLE, ALIGNED_AVAILABLE, SAMPLED_ENABLED, ALIGNED_ENABLED):
            self._variables.declare(flag)
        for aligned in (ALIGNED_INTERVAL, ALIGNED_ENDED_INTERVAL):
            self._variables.declare(aligned)
            self._variables.watch(aligned, self._align)
        for evse_id in (None, *(evse.id for evse in self._context.evses)):
            self._variables.declare(SEND_DURING_IDLE, evse_id)
        self._variables.watch(SAMPLED_ENABLED, self._rearm)
        self._variables.watch(ALIGNED_ENABLED, self._align)

    def _rearm(self, *_: object) -> None:
        for transaction_id in list(self._timers):
            self._arm(transaction_id)


def next_aligned(now: datetime, interval_s: int) -> datetime:
    """The next multiple of *interval_s* counted from midnight UTC; midnight is always one."""
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
    passed_s = (now - midnight).total_seconds()
    ahead_s = (passed_s // interval_s + 1) * interval_s
    return midnight + timedelta(seconds=min(ahead_s, 86400.0))


def _sent(_: Message | CallFailed) -> None:
    """MeterValues outside a transaction are not repeated: the next ones are due soon."""

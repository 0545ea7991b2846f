"""Monitors at work: values seen, periods passed, and the events that go to the CSMS."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from station.blocks.monitoring.engine import NUMERIC, PERIODIC, Happened, judge
from station.blocks.monitoring.factory import mrec_of
from station.blocks.monitoring.keeper import Keeper
from station.blocks.monitoring.rows import MonitorRow
from station.blocks.monitoring.settings import ENABLED, OFFLINE_QUEUING_SEVERITY
from station.clock import Alarm
from station.context import Context
from station.device_model import Address, Attribute, Entry, Slot, to_component
from station.events import (
    ClockSynchronised,
    RegistrationAccepted,
    TransactionEnded,
    TransactionStarted,
)
from station.ocpp.messages.common import Variable
from station.ocpp.messages.diagnostics import (
    EventData,
    EventNotification,
    EventTrigger,
    Monitor,
    NotifyEventRequest,
)
from station.ocpp.messages.provisioning import Mutability
from station.reactor import Timer
from station.records import SendClass

SAMPLE_S = 1.0
"""How often a variable is read that nobody tells of, while a monitor watches it."""
LATELY_S = 5.0
"""What still belongs to a transaction that has ended: the power that its end took away."""


class MonitorEvents:
    """Looks at variables for the monitors on them, and owes the CSMS the events."""

    def __init__(self, context: Context, keeper: Keeper) -> None:
        self._context, self._keeper = context, keeper
        self._variables = context.variables
        self._slots: dict[str, Slot[Any]] = {}
        """Of the watched variables, by the key of their address."""
        self._watched: dict[str, list[int]] = {}
        """Ids of the monitors in force, by the key of their variable."""
        self._periods: dict[int, Timer | Alarm] = {}
        self._sampling: Timer | None = None
        self._ended: dict[int, tuple[float, str]] = {}
        """The last transaction of each EVSE, and when it ended."""

    def start(self) -> None:
        """Everything is declared: take up the monitors that lasted (N07.FR.13)."""
        self._variables.watch_all(self._on_shown)
        events = self._context.events
        events.subscribe(TransactionStarted, lambda _: self._look_for_transactions())
        events.subscribe(TransactionEnded, self._on_ended)
        events.subscribe(RegistrationAccepted, lambda _: self.look_at_all())
        events.subscribe(ClockSynchronised, lambda _: self.arm_periods())
        self._variables.watch(ENABLED, lambda _, __: self.monitors_changed())
        self.monitors_changed()

    def monitors_changed(self) -> None:
        """Monitors were set, cleared, switched on or off."""
        self._slots, self._watched = {}, {}
        for row in self._keeper.all():
            slot = self._find(row)
            if slot is not None:
                self._slots[row.address.key] = slot
                self._watched.setdefault(row.address.key, []).append(row.id)
        self.arm_periods()
        self._arm_sampling()
        self.look_at_all()

    def look_at_all(self) -> None:
        """After a restart too: what has cleared meanwhile is told (N07.FR.14)."""
        for key in list(self._watched):
            self._look(key)

    def _find(self, row: MonitorRow) -> Slot[Any] | None:
        entry = self._variables.find_at(row.address)
        return entry.slots.get(Attribute.ACTUAL) if isinstance(entry, Entry) else None

    # -- values

    def _on_shown(self, slot: Slot[Any]) -> None:
        key = slot.address.key
        if key in self._watched:
            self._look(key, touched=True)

    def _look(self, key: str, *, touched: bool = False) -> None:
        slot = self._slots[key]
        if not self._variables[ENABLED]:
            return
        hidden = slot.mutability is Mutability.WRITE_ONLY
        text = "" if hidden else slot.text()
        for monitor_id in list(self._watched[key]):
            row = self._keeper.find(monitor_id)
            if row is None or not self._is_active(row):
                continue
            if hidden:  # N07.FR.10: nobody can compare what nobody may read
                if touched and row.type is Monitor.DELTA:
                    self._tell(row, "", EventTrigger.DELTA)
                continue
            verdict = judge(row, text, numeric=isinstance(slot.kind, NUMERIC))
            if verdict.row != row:
                self._keeper.put(verdict.row)
            self._act(verdict.row, text, verdict.happened)

    def _act(self, row: MonitorRow, text: str, happened: Happened) -> None:
        if happened is Happened.CHANGED:
            self._tell(row, text, EventTrigger.DELTA)
        elif happened is Happened.EXCEEDED:
            transaction_id = self._transaction_of(row)
            self._keeper.put(replace(row, transaction_id=transaction_id))
            self._tell(row, text, EventTrigger.ALERTING)
        elif happened is Happened.CLEARED:
            self._tell(row, text, EventTrigger.ALERTING, cleared=True)

    # -- periods

    def arm_periods(self) -> None:
        for timer in self._periods.values():
            timer.cancel()
        self._periods.clear()
        for row in self._keeper.all():
            if row.type in PERIODIC:
                self._arm_period(row)

    def _arm_period(self, row: MonitorRow) -> None:
        reactor, clock = self._context.reactor, self._context.clock
        if row.type is Monitor.PERIODIC:  # N08.FR.06
            self._periods[row.id] = reactor.call_later(
                row.value, self._on_period, row.id, source="monitoring"
            )
        else:  # N08.FR.07
            moment = next_aligned(clock.utc(), row.value)
            self._periods[row.id] = clock.call_at(moment, self._on_period, row.id)

    def _on_period(self, monitor_id: int) -> None:
        row = self._keeper.find(monitor_id)
        if row is None:
            return
        self._arm_period(row)
        slot = self._slots.get(row.address.key)
        if slot is not None and self._variables[ENABLED] and self._is_active(row):
            text = "" if slot.mutability is Mutability.WRITE_ONLY else slot.text()
            self._tell(row, text, EventTrigger.PERIODIC)  # N08.FR.05

    # -- variables that nobody tells of

    def _arm_sampling(self) -> None:
        if self._sampling is not None:
            self._sampling.cancel()
            self._sampling = None
        if self._sampled():
            self._sampling = self._context.reactor.call_later(
                SAMPLE_S, self._sample, source="monitoring"
            )

    def _sampled(self) -> list[str]:
        keys = []
        for key, slot in self._slots.items():
            if slot.getter is None or slot.announced:
                continue
            rows = (self._keeper.find(monitor_id) for monitor_id in self._watched[key])
            if any(row is not None and row.type not in PERIODIC for row in rows):
                keys.append(key)
        return keys

    def _sample(self) -> None:
        for key in self._sampled():
            self._look(key)
        self._arm_sampling()

    # -- transactions

    def _is_active(self, row: MonitorRow) -> bool:
        return not row.transaction or self._transaction_of(row) != ""

    def _transaction_of(self, row: MonitorRow) -> str:
        """The transaction that concerns the component of a monitor; "" for none."""
        rows = self._context.transactions.all()
        evse_id = row.address.evse_id
        mine = [each.id for each in rows if evse_id in (0, each.evse_id)]
        if len(mine) == 1 or (mine and evse_id):
            return mine[0]
        if mine:
            return mine[0] if row.transaction else ""
        at, lately = self._ended.get(evse_id, (float("-inf"), ""))
        return lately if self._context.reactor.now() - at < LATELY_S else ""

    def _on_ended(self, event: TransactionEnded) -> None:
        self._ended[event.evse_id or 0] = (self._context.reactor.now(), event.transaction_id)

    def _look_for_transactions(self) -> None:
        """Monitors that wait for a transaction look at once when one begins."""
        for key, ids in self._watched.items():
            rows = (self._keeper.find(monitor_id) for monitor_id in ids)
            if any(row is not None and row.transaction for row in rows):
                self._look(key)

    # -- telling

    def _tell(
        self,
        row: MonitorRow,
        text: str,
        trigger: EventTrigger,
        *,
        cleared: bool = False,
    ) -> None:
        """One NotifyEvent: N07.FR.06, N07.FR.07, N08.FR.04.

        What is graver than the level counts (N05.FR.03, N07.FR.15); offline, only what is grave
        enough waits (N07.FR.04, N08.FR.03).
        """
        if row.severity > self._keeper.state.level:
            return
        queues = row.severity <= self._variables[OFFLINE_QUEUING_SEVERITY]
        if not self._context.csms.online and not queues:
            return
        transaction_id = row.transaction_id if cleared else self._transaction_of(row)
        self._owe(
            row.address,
            text,
            trigger=trigger,
            event_notification_type=row.kind,
            cleared=True if cleared else UNSET,
            transaction_id=transaction_id or UNSET,
            variable_monitoring_id=row.id,
        )

    def notify(self, address: Address, text: str) -> None:
        """A fault that is told of whatever is monitored; queued while offline."""
        kind = EventNotification.HARD_WIRED_NOTIFICATION
        self._owe(address, text, trigger=EventTrigger.ALERTING, event_notification_type=kind)

    def _owe(self, address: Address, text: str, **about: Any) -> None:
        now = self._context.clock.utc()
        data = EventData(
            event_id=self._keeper.next_event_id(),
            timestamp=now,
            actual_value=text,
            component=to_component(address),
            variable=Variable(name=address.variable, instance=address.instance or UNSET),
            tech_code=self._mrec(address, text) or UNSET,
            **about,
        )
        self._context.csms.owe(
            NotifyEventRequest(generated_at=now, seq_no=0, event_data=[data]),
            send_class=SendClass.EVENT,
        )

    def _mrec(self, address: Address, text: str) -> str:
        evse = self._context.evses.find(address.evse_id)
        if evse is None or text != "true":
            return ""
        active = sorted(fault.name for fault in evse.report.faults)
        return mrec_of(address.component, address.variable, active)


def next_aligned(now: datetime, period_s: float) -> datetime:
    """The next multiple of *period_s* counted from midnight UTC."""
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
    passed_s = (now - midnight).total_seconds()
    return midnight + timedelta(seconds=min((passed_s // period_s + 1) * period_s, 86400.0))

"""Keeps the monitors: which there are, which are in force, and what the CSMS may change."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from station.blocks.monitoring.engine import NUMERIC, PERIODIC, THRESHOLDS
from station.blocks.monitoring.factory import Brought
from station.blocks.monitoring.rows import MONITORS, STATE, MonitoringRow, MonitorRow
from station.context import Context
from station.device_model import Attribute, Entry, Slot
from station.ocpp.messages.diagnostics import (
    ClearMonitoringStatus,
    Monitor,
    MonitoringBase,
    SetMonitoringData,
    SetMonitoringStatus,
)
from station.ocpp.messages.provisioning import GetVariableStatus, Mutability

MAX_MONITORS = 1000
"""Custom ones; each costs a row, and a look at its variable."""
MIN_PERIOD_S = 1.0
MAX_VALUE = 1e15


class Refused(Exception):  # noqa: N818 - a normal outcome
    """Why a monitor is not set: for the CSMS."""

    def __init__(self, status: SetMonitoringStatus, reason_code: str, text: str = "") -> None:
        super().__init__(text)
        self.status, self.reason_code, self.text = status, reason_code, text


class Keeper:
    """Rows by id, and by the variable that they watch."""

    def __init__(self, context: Context, brought: Sequence[Brought]) -> None:
        self._variables = context.variables
        self._rows = context.store.table(MONITORS)
        self._states = context.store.table(STATE)
        self._brought = {each.origin: each for each in brought}
        for row in self._rows.all():
            if row.origin and row.origin not in self._brought:
                self._rows.delete(MONITORS.key(row))  # of hardware that is no longer there
        known = {row.origin for row in self._rows.all()}
        for each in brought:
            if each.origin not in known:
                self.put(_as_brought(each, self._next_id()))

    @property
    def state(self) -> MonitoringRow:
        return self._states.get("monitoring") or MonitoringRow()

    def set_state(self, **changes: Any) -> None:
        self._states.put(replace(self.state, **changes))

    def next_event_id(self) -> int:
        number = self.state.last_event_id + 1
        self.set_state(last_event_id=number)
        return number

    def all(self) -> list[MonitorRow]:
        """Those in force."""
        return [row for row in self._rows.all() if self._is_in_force(row)]

    def find(self, monitor_id: int) -> MonitorRow | None:
        row = self._rows.get(str(monitor_id))
        return row if row is not None and self._is_in_force(row) else None

    def at(self, slot: Slot[Any]) -> list[MonitorRow]:
        """Those in force on a variable."""
        return [row for row in self.all() if row.address.key == slot.address.key]

    def put(self, row: MonitorRow) -> None:
        self._rows.put(row)

    def _is_in_force(self, row: MonitorRow) -> bool:
        if row.hard_wired or row.is_custom:
            return True
        return not row.cleared and self.state.base is not MonitoringBase.HARD_WIRED_ONLY

    def _next_id(self) -> int:
        number = self.state.last_monitor_id + 1
        self.set_state(last_monitor_id=number)
        return number

    # -- what the CSMS changes

    def set_base(self, base: MonitoringBase) -> None:
        """N03.FR.03, N03.FR.04 as the erratum has it, N03.FR.05"""
        keeps_custom = base is MonitoringBase.ALL
        for row in self._rows.all():
            if row.is_custom and not keeps_custom:
                self._rows.delete(MONITORS.key(row))
                brought = self._brought.get(row.origin)
                if brought is not None:
                    self.put(_as_brought(brought, row.id))
            elif row.cleared:
                self.put(replace(row, cleared=False))
        self.set_state(base=base)

    def clear(self, monitor_id: int) -> ClearMonitoringStatus:
        row = self.find(monitor_id)
        if row is None:  # N06.FR.02
            return ClearMonitoringStatus.NOT_FOUND
        if row.hard_wired:  # N06.FR.03
            return ClearMonitoringStatus.REJECTED
        brought = self._brought.get(row.origin)
        if brought is None:  # N06.FR.01
            self._rows.delete(MONITORS.key(row))
        else:
            self.put(replace(_as_brought(brought, row.id), cleared=True))
        return ClearMonitoringStatus.ACCEPTED

    def set(self, wanted: SetMonitoringData) -> MonitorRow:
        """A new monitor, or one in place of an old one; raises Refused."""
        old = self._replaced(wanted)
        slot = self._slot(wanted)
        self._check_value(wanted, slot)
        for row in self.at(slot):
            same = (row.type, row.severity) == (wanted.type, wanted.severity)
            if same and (old is None or row.id != old.id):  # N04.FR.10
                text = f"monitor {row.id} has this type and severity"
                raise Refused(SetMonitoringStatus.DUPLICATE, "InvalidValue", text)
        if old is None and len(self._rows) >= MAX_MONITORS:
            raise _rejected("OutOfMemory", f"no more than {MAX_MONITORS} monitors")
        transaction = False if wanted.transaction is not True else wanted.transaction
        if old is None:
            row = MonitorRow(
                id=self._next_id(),  # N04.FR.11
                address=slot.address,
                type=wanted.type,
                value=wanted.value,
                severity=wanted.severity,
                transaction=transaction,
            )
        else:  # N04.FR.12, N04.FR.15
            row = replace(
                old,
                type=wanted.type,
                value=wanted.value,
                severity=wanted.severity,
                transaction=transaction,
                changed=True,
                exceeded=old.exceeded and old.type is wanted.type,  # N07.FR.11
                seen=None,
            )
        if row.type is Monitor.DELTA:
            row = replace(row, seen=_text(slot))
        self.put(row)
        return row

    def _slot(self, wanted: SetMonitoringData) -> Slot[Any]:
        entry = self._variables.find_entry(wanted.component, wanted.variable)
        if entry is GetVariableStatus.UNKNOWN_COMPONENT:  # N04.FR.03
            raise Refused(SetMonitoringStatus.UNKNOWN_COMPONENT, "NotFound")
        slot = entry.slots.get(Attribute.ACTUAL) if isinstance(entry, Entry) else None
        if slot is None:  # N04.FR.04
            raise Refused(SetMonitoringStatus.UNKNOWN_VARIABLE, "NotFound")
        if wanted.type in THRESHOLDS and not isinstance(slot.kind, NUMERIC):  # N04.FR.05
            raise Refused(
                SetMonitoringStatus.UNSUPPORTED_MONITOR_TYPE,
                "UnsupportedParam",
                "only a number has thresholds",
            )
        if slot.variable.constant:  # N04.FR.05
            raise Refused(
                SetMonitoringStatus.UNSUPPORTED_MONITOR_TYPE, "UnsupportedParam", "it never changes"
            )
        return slot

    def _check_value(self, wanted: SetMonitoringData, slot: Slot[Any]) -> None:
        if not 0 <= wanted.severity <= 9:
            raise _rejected("ValueOutOfRange", "severity is 0 to 9")
        if abs(wanted.value) > MAX_VALUE:
            raise _rejected("ValueOutOfRange", "value is too large")
        if wanted.type is Monitor.DELTA and wanted.value < 0:  # N04.FR.14
            raise _rejected("ValueOutOfRange", "a difference is not negative")
        if wanted.type in PERIODIC and wanted.value < MIN_PERIOD_S:
            raise _rejected("ValueOutOfRange", f"a period is at least {MIN_PERIOD_S:g} s")
        if wanted.type in THRESHOLDS:  # N04.FR.06
            least, most = getattr(slot.kind, "min", None), getattr(slot.kind, "max", None)
            if (least is not None and wanted.value < least) or (
                most is not None and wanted.value > most
            ):
                raise _rejected(
                    "ValueOutOfRange", f"the variable has the limits {least} and {most}"
                )

    def _replaced(self, wanted: SetMonitoringData) -> MonitorRow | None:
        """The monitor that *wanted* names; None when it names none."""
        if wanted.id is UNSET:
            return None
        old = self.find(wanted.id)
        if old is None:  # N04.FR.13
            raise _rejected("NotFound", "there is no monitor with this id")
        if old.hard_wired:  # N04.FR.18
            raise _rejected("UnsupportedRequest", "a hard-wired monitor cannot be changed")
        entry = self._variables.find_entry(wanted.component, wanted.variable)
        if not isinstance(entry, Entry) or entry.address.key != old.address.key:  # N04.FR.16
            raise _rejected("InvalidValue", "the monitor belongs to another variable")
        return old


def _rejected(reason_code: str, text: str) -> Refused:
    return Refused(SetMonitoringStatus.REJECTED, reason_code, text)


def _as_brought(brought: Brought, monitor_id: int) -> MonitorRow:
    return MonitorRow(
        id=monitor_id,
        address=brought.address,
        type=brought.type,
        value=brought.value,
        severity=brought.severity,
        origin=brought.origin,
        hard_wired=brought.hard_wired,
    )


def _text(slot: Slot[Any]) -> str | None:
    return None if slot.mutability is Mutability.WRITE_ONLY else slot.text()

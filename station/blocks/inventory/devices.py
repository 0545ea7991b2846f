"""Devices of an EVSE: contactor, plug lock, bay sensor, control pilot."""

from typing import Any

from station.blocks.inventory.observed import observed
from station.charging.evses import Evse
from station.context import Context
from station.device_model import Boolean, Integer, Text, Variable
from station.events import EvseChanged, TransactionEnded
from station.records import Record, Table

CONTACTOR_ACTIVE = observed(
    "PowerContactor", "Active", Boolean(), "true while the contactor is closed, as it reads back"
)
CONTACTOR_COUNT = observed(
    "PowerContactor", "Count", Integer(min=0), "how often the contactor has closed in its life"
)
LOCK_ACTIVE = observed(
    "ConnectorPlugRetentionLock", "Active", Boolean(), "true while the plug is locked"
)
BAY_ACTIVE = observed(
    "BayOccupancySensor", "Active", Boolean(), "true while a vehicle stands in the bay"
)
PILOT_STATE = observed(
    "CPPWMController", "State", Text(max_length=1), "state of the control pilot (IEC 61851-1), A-F"
)
PILOT_ACTIVE = observed(
    "CPPWMController", "Active", Boolean(), "true while the control pilot carries an offer"
)
STEP = 10
"""The count is written at the end of a transaction, and after so many closings without one."""


class ContactorRow(Record, frozen=True, kw_only=True):
    """How often a contactor has closed."""

    evse_id: int
    closings: int = 0


CONTACTORS = Table("contactor", ContactorRow, lambda row: str(row.evse_id))


class Devices:
    """Shows what the board reports of them, and counts what wears."""

    def __init__(self, context: Context) -> None:
        self._context, self._variables = context, context.variables
        self._rows = context.store.table(CONTACTORS)
        self._closings = {evse.id: self._stored(evse.id) for evse in context.evses}
        self._shown: dict[int, list[tuple[Variable[Any], int | None]]] = {}
        """What may have changed with a report of an EVSE, with the connector."""
        for evse in context.evses:
            self._declare(evse)
        context.events.subscribe(EvseChanged, self._on_evse_changed)
        context.events.subscribe(TransactionEnded, lambda _: self._keep_all())

    def _declare(self, evse: Evse) -> None:
        shown: list[tuple[Variable[Any], int | None]] = [
            (CONTACTOR_ACTIVE, None),
            (CONTACTOR_COUNT, None),
            (PILOT_STATE, None),
            (PILOT_ACTIVE, None),
        ]
        if evse.description.has_bay_sensor:
            shown.append((BAY_ACTIVE, None))
        shown += [
            (LOCK_ACTIVE, connector.id)
            for connector in evse.description.connectors
            if connector.has_lock
        ]
        for variable, connector_id in shown:
            self._variables.declare(variable, evse.id, connector_id)
        self._shown[evse.id] = shown
        self._provide_all(evse)

    def _provide_all(self, evse: Evse) -> None:
        getters = {
            CONTACTOR_ACTIVE: lambda _: evse.report.contactor_closed,
            CONTACTOR_COUNT: lambda _: self._closings[evse.id],
            PILOT_STATE: lambda _: evse.report.pilot.value,
            PILOT_ACTIVE: lambda _: evse.report.offering,
            BAY_ACTIVE: lambda _: evse.report.bay_occupied,
            LOCK_ACTIVE: lambda connector_id: _is_locked(evse, connector_id),
        }
        for variable, connector_id in self._shown[evse.id]:
            look = getters[variable]

            def getter(look: Any = look, connector_id: int | None = connector_id) -> Any:
                return look(connector_id) if evse.seen else None

            self._variables.provide(variable, getter, evse.id, connector_id, announced=True)

    def _on_evse_changed(self, event: EvseChanged) -> None:
        evse_id = event.now.evse
        if event.now.contactor_closed and not event.before.contactor_closed:
            self._closings[evse_id] += 1
            if self._closings[evse_id] - self._stored(evse_id) >= STEP:
                self._keep(evse_id)
        for variable, connector_id in self._shown[evse_id]:
            self._variables.touch(variable, evse_id, connector_id)

    def _stored(self, evse_id: int) -> int:
        row = self._rows.get(str(evse_id))
        return 0 if row is None else row.closings

    def _keep_all(self) -> None:
        """The end of a transaction is written anyway: the same unit takes this along."""
        for evse_id, closings in self._closings.items():
            if closings != self._stored(evse_id):
                self._keep(evse_id)

    def _keep(self, evse_id: int) -> None:
        self._rows.put(ContactorRow(evse_id=evse_id, closings=self._closings[evse_id]))


def _is_locked(evse: Evse, connector_id: int | None) -> bool:
    return evse.report.locked and evse.report.connector in (None, connector_id)

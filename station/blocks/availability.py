"""Functional block G, Availability: connector status (G01, B04)."""

from datetime import datetime

from station.context import Context
from station.device_model import (
    Boolean,
    Decimal,
    Integer,
    Mutability,
    OptionList,
    Text,
    Variable,
)
from station.events import (
    BackOnline,
    ConnectorStatusChanged,
    RegistrationAccepted,
)
from station.ocpp.messages.availability import (
    ConnectorStatus,
    StatusNotificationRequest,
)
from station.ocpp.messages.remote_control import MessageTrigger

STATUSES = tuple(ConnectorStatus)


def _state(component: str) -> Variable[ConnectorStatus]:
    return Variable(
        component,
        "AvailabilityState",
        OptionList(STATUSES),
        mutability=Mutability.READ_ONLY,
        measured=True,
    )


def _available(component: str) -> Variable[bool]:
    return Variable(
        component,
        "Available",
        Boolean(),
        default=True,
        mutability=Mutability.READ_ONLY,
        constant=True,
    )


def _phases(component: str) -> Variable[int]:
    return Variable(
        component,
        "SupplyPhases",
        Integer(min=0, max=3),
        mutability=Mutability.READ_ONLY,
        constant=True,
    )


COMPONENTS = ("ChargingStation", "EVSE", "Connector")
AVAILABILITY_STATE = {name: _state(name) for name in COMPONENTS}
AVAILABLE = {name: _available(name) for name in COMPONENTS}
SUPPLY_PHASES = {name: _phases(name) for name in COMPONENTS}
CONNECTOR_TYPE: Variable[str] = Variable(
    "Connector",
    "ConnectorType",
    Text(max_length=20),
    mutability=Mutability.READ_ONLY,
    constant=True,
)
POWER = Variable(
    "EVSE",
    "Power",
    Decimal(unit="W", min=0.0),
    mutability=Mutability.READ_ONLY,
    measured=True,
)
OFFLINE_THRESHOLD = Variable(
    "OCPPCommCtrlr", "OfflineThreshold", Integer(unit="s", min=0, max=604800), default=60
)

SEVERITY = (
    ConnectorStatus.AVAILABLE,
    ConnectorStatus.RESERVED,
    ConnectorStatus.OCCUPIED,
    ConnectorStatus.UNAVAILABLE,
    ConnectorStatus.FAULTED,
)


class ConnectorStatuses:
    """Tells every change of a connector's status, latest only."""

    def __init__(self, context: Context) -> None:
        self._context, self._hardware = context, context.hardware
        self._changed_offline: set[tuple[int, int]] = set()
        self._since: dict[tuple[int, int], datetime] = {}
        context.variables.declare(OFFLINE_THRESHOLD)
        self._declare_station()
        for evse in context.evses:
            self._declare_evse(evse.id)
        context.events.subscribe(ConnectorStatusChanged, self._on_changed)
        context.events.subscribe(RegistrationAccepted, lambda _: self._tell_all())
        context.events.subscribe(BackOnline, self._on_back_online)
        context.queries.triggers[MessageTrigger.STATUS_NOTIFICATION] = self._triggered

    def _on_changed(self, event: ConnectorStatusChanged) -> None:
        """E02.FR.05, G01.FR.01, G01.FR.03, G01.FR.04; of this connector alone: G01.FR.08"""
        place = (event.evse_id, event.connector_id)
        self._since[place] = event.at
        self._touch_states(event.evse_id, event.connector_id)
        if self._context.csms.online:
            self._tell(*place)
        else:
            self._changed_offline.add(place)

    def _on_back_online(self, event: BackOnline) -> None:
        """B04: all after a long outage, else only what changed."""
        changed, self._changed_offline = sorted(self._changed_offline), set()
        if event.offline_s > self._context.variables[OFFLINE_THRESHOLD]:  # B04.FR.01
            self._tell_all()
        else:  # B04.FR.02
            for place in changed:
                self._tell(*place)

    def _tell_all(self) -> None:
        """B01.FR.05"""
        self._changed_offline.clear()
        for evse in self._context.evses:
            for connector in evse.description.connectors:
                self._tell(evse.id, connector.id)

    def _tell(self, evse_id: int, connector_id: int, *, asked_for: bool = False) -> None:
        def build() -> StatusNotificationRequest:
            since = self._since.get((evse_id, connector_id))
            return StatusNotificationRequest(
                timestamp=since or self._context.clock.utc(),
                connector_status=self._hardware.status(evse_id, connector_id),  # F06.FR.09
                evse_id=evse_id,
                connector_id=connector_id,
            )

        key = f"status/{evse_id}/{connector_id}"
        self._context.csms.latest(key, build, asked_for=asked_for)

    def _triggered(self, evse_id: int | None, connector_id: int | None) -> bool:
        if evse_id is None or connector_id is None:  # F06.FR.12
            return False
        known = [each.id for each in self._context.evses.get(evse_id).description.connectors]
        if connector_id in known:
            self._tell(evse_id, connector_id, asked_for=True)
        return connector_id in known

    # -- the device model's view of the same

    def _declare_station(self) -> None:
        variables, station = self._context.variables, "ChargingStation"
        phases = max(evse.description.phases for evse in self._context.evses)
        variables.declare(AVAILABILITY_STATE[station])
        variables.provide(AVAILABILITY_STATE[station], self._station_state, announced=True)
        variables.declare(AVAILABLE[station])
        variables.declare(SUPPLY_PHASES[station], default=phases)

    def _declare_evse(self, evse_id: int) -> None:
        variables, evse = self._context.variables, self._context.evses.get(evse_id)
        phases = evse.description.phases
        state = AVAILABILITY_STATE["EVSE"]
        variables.declare(state, evse_id)
        variables.provide(state, lambda: self._evse_state(evse_id), evse_id, announced=True)
        variables.declare(AVAILABLE["EVSE"], evse_id)
        variables.declare(SUPPLY_PHASES["EVSE"], evse_id, default=phases)
        variables.declare(POWER, evse_id, max=evse.description.max_power_w)
        variables.provide(POWER, lambda: self._power_w(evse_id), evse_id)
        for connector in evse.description.connectors:
            self._declare_connector(evse_id, connector.id, connector.type, phases)

    def _declare_connector(self, evse_id: int, connector_id: int, kind: str, phases: int) -> None:
        variables, state = self._context.variables, AVAILABILITY_STATE["Connector"]
        variables.declare(state, evse_id, connector_id)
        variables.provide(
            state,
            lambda: self._hardware.status(evse_id, connector_id),
            evse_id,
            connector_id,
            announced=True,
        )
        variables.declare(AVAILABLE["Connector"], evse_id, connector_id)
        variables.declare(SUPPLY_PHASES["Connector"], evse_id, connector_id, default=phases)
        variables.declare(CONNECTOR_TYPE, evse_id, connector_id, default=kind)

    def _touch_states(self, evse_id: int, connector_id: int) -> None:
        variables = self._context.variables
        variables.touch(AVAILABILITY_STATE["Connector"], evse_id, connector_id)
        variables.touch(AVAILABILITY_STATE["EVSE"], evse_id)
        variables.touch(AVAILABILITY_STATE["ChargingStation"])

    def _power_w(self, evse_id: int) -> float | None:
        reading = self._context.board.reading(evse_id)
        return None if reading is None else reading.power_w

    def _evse_state(self, evse_id: int) -> ConnectorStatus:
        """The most remarkable of its connectors: one in use makes the EVSE occupied."""
        connectors = self._context.evses.get(evse_id).description.connectors
        return max((self._hardware.status(evse_id, each.id) for each in connectors), key=_rank)

    def _station_state(self) -> ConnectorStatus:
        """Available while any EVSE is."""
        return min((self._evse_state(evse.id) for evse in self._context.evses), key=_rank)


def _rank(status: ConnectorStatus) -> int:
    return SEVERITY.index(status)

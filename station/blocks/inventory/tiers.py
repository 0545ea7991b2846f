"""The station, its EVSEs and its connectors: whether they work, and how they are wired."""

from collections.abc import Callable

from hal.api import FaultName
from station.blocks.inventory.observed import fixed, observed
from station.charging.evses import Evse
from station.context import Context
from station.device_model import Boolean, Decimal, OptionList, Variable
from station.events import EvseChanged

PROBLEM = "true while the hardware reports any fault"
TRIPPED = "true while a fault stays until somebody resets it on site"
STATION_PROBLEM = observed("ChargingStation", "Problem", Boolean(), PROBLEM)
STATION_TRIPPED = observed("ChargingStation", "Tripped", Boolean(), TRIPPED)
EVSE_PROBLEM = observed("EVSE", "Problem", Boolean(), PROBLEM)
EVSE_TRIPPED = observed("EVSE", "Tripped", Boolean(), TRIPPED)
EVSE_OVERLOAD = observed("EVSE", "Overload", Boolean(), "true while the EV takes more than offered")
POST_CHARGING_TIME = observed(
    "EVSE",
    "PostChargingTime",
    Decimal(unit="s", min=0.0),
    "how long ago the last flow of energy ended; empty while it flows, or none has",
)
CONNECTOR_PROBLEM = observed("Connector", "Problem", Boolean(), PROBLEM)
CHARGE_PROTOCOL = fixed(
    "Connector",
    "ChargeProtocol",
    OptionList(("CHAdeMO", "ISO15118", "CPPWM", "Uncontrolled", "Undetermined", "Unknown")),
    "how charging is controlled: by the duty cycle of the control pilot",
)


class Tiers:
    """Derives them from what the board reports."""

    def __init__(self, context: Context) -> None:
        self._context, self._variables = context, context.variables
        self._stopped_at: dict[int, float] = {}
        """When energy last ceased to flow."""
        evses = list(context.evses)
        self._provide(STATION_PROBLEM, lambda: any(map(_has_fault, evses)))
        self._provide(STATION_TRIPPED, lambda: any(map(_is_latched, evses)))
        for evse in evses:
            self._declare_evse(evse)
        context.events.subscribe(EvseChanged, self._on_evse_changed)

    def _declare_evse(self, evse: Evse) -> None:
        self._provide(EVSE_PROBLEM, lambda: _has_fault(evse), evse.id)
        self._provide(EVSE_TRIPPED, lambda: _is_latched(evse), evse.id)
        self._provide(EVSE_OVERLOAD, lambda: _is_overloaded(evse), evse.id)
        self._variables.declare(POST_CHARGING_TIME, evse.id)
        self._variables.provide(POST_CHARGING_TIME, lambda: self._post_charging_s(evse.id), evse.id)
        for connector in evse.description.connectors:
            self._provide(CONNECTOR_PROBLEM, lambda: _has_fault(evse), evse.id, connector.id)
            self._variables.declare(CHARGE_PROTOCOL, evse.id, connector.id, default="CPPWM")

    def _provide(
        self,
        variable: Variable[bool],
        getter: Callable[[], bool],
        evse_id: int | None = None,
        connector_id: int | None = None,
    ) -> None:
        self._variables.declare(variable, evse_id, connector_id)
        self._variables.provide(variable, getter, evse_id, connector_id, announced=True)

    def _on_evse_changed(self, event: EvseChanged) -> None:
        evse_id = event.now.evse
        if event.now.drawing:
            self._stopped_at.pop(evse_id, None)
        elif event.before.drawing:
            self._stopped_at[evse_id] = event.now.at
        if event.now.faults != event.before.faults:
            self._touch(evse_id)

    def _touch(self, evse_id: int) -> None:
        touch = self._variables.touch
        for connector in self._context.evses.get(evse_id).description.connectors:
            touch(CONNECTOR_PROBLEM, evse_id, connector.id)
        for variable in (EVSE_PROBLEM, EVSE_TRIPPED, EVSE_OVERLOAD):
            touch(variable, evse_id)
        for variable in (STATION_PROBLEM, STATION_TRIPPED):
            touch(variable)

    def _post_charging_s(self, evse_id: int) -> float | None:
        stopped_at = self._stopped_at.get(evse_id)
        if stopped_at is None:
            return None
        return round(self._context.reactor.now() - stopped_at, 3)


def _has_fault(evse: Evse) -> bool:
    return bool(evse.report.faults)


def _is_latched(evse: Evse) -> bool:
    return any(fault.latching for fault in evse.report.faults)


def _is_overloaded(evse: Evse) -> bool:
    return any(fault.name is FaultName.OVER_CURRENT for fault in evse.report.faults)

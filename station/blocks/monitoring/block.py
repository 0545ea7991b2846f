"""Functional block N, Diagnostics: the CSMS sets, reads and clears monitors (N02 to N06)."""

from msgspec import UNSET
from msgspec.structs import replace

from station.blocks.monitoring.events import MonitorEvents
from station.blocks.monitoring.factory import FaultVariables, brought_along
from station.blocks.monitoring.keeper import Keeper, Refused
from station.blocks.monitoring.reports import MonitoringReports
from station.blocks.monitoring.settings import (
    ACTIVE_BASE,
    ACTIVE_LEVEL,
    AVAILABLE,
    CLEAR_LIMITS,
    ENABLED,
    OFFLINE_QUEUING_SEVERITY,
    SET_LIMITS,
)
from station.context import Context
from station.events import EvseChanged
from station.ocpp.messages.common import GenericDeviceModelStatus, GenericStatus, StatusInfo
from station.ocpp.messages.diagnostics import (
    ClearMonitoringResult,
    ClearVariableMonitoringRequest,
    ClearVariableMonitoringResponse,
    SetMonitoringBaseRequest,
    SetMonitoringBaseResponse,
    SetMonitoringData,
    SetMonitoringLevelRequest,
    SetMonitoringLevelResponse,
    SetMonitoringResult,
    SetMonitoringStatus,
    SetVariableMonitoringRequest,
    SetVariableMonitoringResponse,
)


class Monitoring:
    """Answers what the CSMS asks of monitors; `events` does the watching."""

    def __init__(self, context: Context) -> None:
        self._context, self._variables = context, context.variables
        evses = list(context.evses)
        self._faults = FaultVariables(context.variables, evses)
        self._keeper = Keeper(context, brought_along(evses))
        self._events = MonitorEvents(context, self._keeper)
        self._reports = MonitoringReports(context, self._keeper)
        self._declare()
        answer = context.csms.answer
        answer(SetMonitoringBaseRequest, self.set_monitoring_base)
        answer(SetMonitoringLevelRequest, self.set_monitoring_level)
        answer(SetVariableMonitoringRequest, self.set_variable_monitoring)
        answer(ClearVariableMonitoringRequest, self.clear_variable_monitoring)
        context.events.subscribe(EvseChanged, self._on_evse_changed)

    def start(self) -> None:
        """Every block has declared its variables: begin to watch them."""
        self._events.start()

    def set_monitoring_base(self, request: SetMonitoringBaseRequest) -> SetMonitoringBaseResponse:
        self._keeper.set_base(request.monitoring_base)
        self._events.monitors_changed()
        # N03.FR.01
        return SetMonitoringBaseResponse(status=GenericDeviceModelStatus.ACCEPTED)

    def set_monitoring_level(
        self, request: SetMonitoringLevelRequest
    ) -> SetMonitoringLevelResponse:
        if not 0 <= request.severity <= 9:  # N05.FR.02
            return SetMonitoringLevelResponse(
                status=GenericStatus.REJECTED, status_info=_info("ValueOutOfRange", "0 to 9")
            )
        self._keeper.set_state(level=request.severity)  # N05.FR.03
        return SetMonitoringLevelResponse(status=GenericStatus.ACCEPTED)  # N05.FR.01

    def set_variable_monitoring(
        self, request: SetVariableMonitoringRequest
    ) -> SetVariableMonitoringResponse:
        items = request.set_monitoring_data
        SET_LIMITS.check(self._variables, request, len(items))  # N04.FR.09
        results = [self._set(item) for item in items]  # N04.FR.01
        self._events.monitors_changed()
        return SetVariableMonitoringResponse(set_monitoring_result=results)

    def clear_variable_monitoring(
        self, request: ClearVariableMonitoringRequest
    ) -> ClearVariableMonitoringResponse:
        # N06.FR.06, N06.FR.07
        CLEAR_LIMITS.check(self._variables, request, len(request.id))
        results = [  # N06.FR.05; an exceeded threshold goes without a word: N07.FR.12
            ClearMonitoringResult(status=self._keeper.clear(monitor_id), id=monitor_id)
            for monitor_id in request.id
        ]
        self._events.monitors_changed()
        return ClearVariableMonitoringResponse(clear_monitoring_result=results)

    def _set(self, item: SetMonitoringData) -> SetMonitoringResult:
        result = SetMonitoringResult(  # N04.FR.02
            status=SetMonitoringStatus.ACCEPTED,
            type=item.type,
            component=item.component,
            variable=item.variable,
            severity=item.severity,
        )
        try:
            row = self._keeper.set(item)
        except Refused as refusal:
            info = _info(refusal.reason_code, refusal.text)
            return replace(result, status=refusal.status, status_info=info)
        return replace(result, id=row.id)  # N04.FR.08, N04.FR.11

    def _on_evse_changed(self, event: EvseChanged) -> None:
        for address, text in self._faults.look(event.now):
            self._events.notify(address, text)

    def _declare(self) -> None:
        variables, keeper = self._variables, self._keeper
        for variable in (AVAILABLE, ENABLED):
            variables.declare(variable)
        variables.declare(OFFLINE_QUEUING_SEVERITY)
        variables.declare(ACTIVE_BASE)
        variables.declare(ACTIVE_LEVEL)
        variables.provide(ACTIVE_BASE, lambda: keeper.state.base)
        variables.provide(ACTIVE_LEVEL, lambda: keeper.state.level)
        SET_LIMITS.declare(variables)
        CLEAR_LIMITS.declare(variables)


def _info(reason_code: str, text: str) -> StatusInfo:
    return StatusInfo(reason_code=reason_code, additional_info=text or UNSET)

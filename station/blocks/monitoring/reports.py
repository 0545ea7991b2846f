"""GetMonitoringReport: which monitors there are, told in parts (N02)."""

import logging
from collections import deque
from datetime import datetime

from msgspec import UNSET, Struct

from station.blocks.monitoring.engine import PERIODIC, THRESHOLDS
from station.blocks.monitoring.keeper import Keeper
from station.blocks.monitoring.rows import MonitorRow
from station.context import Context
from station.device_model import Entry
from station.device_model.message_limits import GET_REPORT_LIMITS
from station.device_model.selection import Selection
from station.ocpp.messages.common import GenericDeviceModelStatus, StatusInfo
from station.ocpp.messages.diagnostics import (
    GetMonitoringReportRequest,
    GetMonitoringReportResponse,
    Monitor,
    MonitoringCriterion,
    MonitoringData,
    NotifyMonitoringReportRequest,
    NotifyMonitoringReportResponse,
    VariableMonitoring,
)
from station.ocpp.registration import Registration
from station.ocpp.rpc import CallFailed, Failure
from station.records import SendClass

log = logging.getLogger(__name__)

PART_VARIABLES = 25
# N02.FR.12, N02.FR.13, N02.FR.14
TYPES: dict[MonitoringCriterion, tuple[Monitor, ...]] = {
    MonitoringCriterion.THRESHOLD_MONITORING: THRESHOLDS,
    MonitoringCriterion.DELTA_MONITORING: (Monitor.DELTA,),
    MonitoringCriterion.PERIODIC_MONITORING: PERIODIC,
}


class Report(Struct):
    """A report on its way: what has not been sent yet."""

    request_id: int
    generated_at: datetime
    monitors: deque[MonitoringData]
    seq_no: int = 0


class MonitoringReports:
    """One report at a time, part by part; a lost connection ends it."""

    def __init__(self, context: Context, keeper: Keeper) -> None:
        self._context, self._keeper = context, keeper
        self._report: Report | None = None
        context.csms.answer(GetMonitoringReportRequest, self.get_monitoring_report)

    def get_monitoring_report(
        self, request: GetMonitoringReportRequest
    ) -> GetMonitoringReportResponse:
        wanted = [] if request.component_variable is UNSET else request.component_variable
        GET_REPORT_LIMITS.check(self._context.variables, request, len(wanted))  # N02.FR.07
        if self._context.csms.registration is not Registration.ACCEPTED:
            return _answer(GenericDeviceModelStatus.REJECTED, "CSNotAccepted")
        if self._report is not None:
            return _answer(GenericDeviceModelStatus.REJECTED, "InvalidMessageSeq")
        criteria = () if request.monitoring_criteria is UNSET else request.monitoring_criteria
        types = {type for criterion in criteria for type in TYPES[criterion]} or set(Monitor)
        # N02.FR.05, N02.FR.06, N02.FR.08; with neither all of them: N02.FR.11
        selection = Selection(wanted) if wanted else None
        found = self._monitors(types, selection)
        if not found:  # N02.FR.10
            return _answer(GenericDeviceModelStatus.EMPTY_RESULT_SET, "NotFound")
        self._report = Report(request.request_id, self._context.clock.utc(), deque(found))
        self._send_part(self._report)
        return _answer(GenericDeviceModelStatus.ACCEPTED)  # N02.FR.01

    def _monitors(self, types: set[Monitor], selection: Selection | None) -> list[MonitoringData]:
        """By variable, in the order of reports."""
        by_variable: dict[str, list[MonitorRow]] = {}
        for row in self._keeper.all():
            if row.type in types:
                by_variable.setdefault(row.address.key, []).append(row)
        found = []
        for rows in by_variable.values():
            entry = self._context.variables.find_at(rows[0].address)
            if entry is not None and (selection is None or selection.holds(entry)):
                found.append(_data(entry, rows))
        return found

    def _send_part(self, report: Report) -> None:
        count = min(PART_VARIABLES, len(report.monitors))
        part = [report.monitors.popleft() for _ in range(count)]
        request = NotifyMonitoringReportRequest(  # N02.FR.03
            request_id=report.request_id,  # N02.FR.04
            seq_no=report.seq_no,  # N02.FR.09
            generated_at=report.generated_at,
            monitor=part,
            tbc=True if report.monitors else UNSET,
        )
        report.seq_no += 1
        self._context.csms.call(request, self._on_part_result, send_class=SendClass.REPORT)

    def _on_part_result(self, answer: NotifyMonitoringReportResponse | CallFailed) -> None:
        report = self._report
        if report is None:
            return
        lost = isinstance(answer, CallFailed) and answer.failure is Failure.LOST
        if lost:
            log.warning("monitoring report %d is given up: no connection", report.request_id)
        if lost or not report.monitors:
            self._report = None
        else:
            self._send_part(report)


def _data(entry: Entry, rows: list[MonitorRow]) -> MonitoringData:
    return MonitoringData(
        component=entry.component,
        variable=entry.variable,
        variable_monitoring=[
            VariableMonitoring(
                id=row.id,
                transaction=row.transaction,
                value=row.value,
                type=row.type,
                severity=row.severity,
            )
            for row in rows
        ],
    )


def _answer(status: GenericDeviceModelStatus, reason_code: str = "") -> GetMonitoringReportResponse:
    if not reason_code:
        return GetMonitoringReportResponse(status=status)
    return GetMonitoringReportResponse(
        status=status, status_info=StatusInfo(reason_code=reason_code)
    )

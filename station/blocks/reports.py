"""Functional block B, Provisioning: base reports of the device model (B07)."""

import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime

from msgspec import UNSET, Struct

from station.context import Context
from station.device_model.entry import Entry
from station.ocpp.messages.common import GenericDeviceModelStatus
from station.ocpp.messages.provisioning import (
    GetBaseReportRequest,
    GetBaseReportResponse,
    NotifyReportRequest,
    NotifyReportResponse,
    ReportBase,
)
from station.ocpp.rpc import CallFailed, Failure
from station.records import SendClass

log = logging.getLogger(__name__)

PART = 25
"""Variables in one NotifyReport: about 8 kB."""


class Report(Struct):
    """A report on its way: what has not been sent yet."""

    request_id: int
    generated_at: datetime
    entries: deque[Entry]
    seq_no: int = 0


class Reports:
    """Sends one report at a time, part by part; a lost connection ends it."""

    def __init__(self, context: Context, value_size: Callable[[], int]) -> None:
        self._context, self._value_size = context, value_size
        self._report: Report | None = None
        context.csms.answer(GetBaseReportRequest, self.get_base_report)

    def get_base_report(self, request: GetBaseReportRequest) -> GetBaseReportResponse:
        entries = self._entries(request.report_base)
        if entries is None:
            status = GenericDeviceModelStatus.NOT_SUPPORTED  # B07.FR.02, B07.FR.05
        elif self._report is not None:
            status = GenericDeviceModelStatus.REJECTED  # B07.FR.13
        else:
            now = self._context.clock.utc()
            self._report = Report(request.request_id, now, deque(entries))
            self._send_part(self._report)
            status = GenericDeviceModelStatus.ACCEPTED  # B07.FR.01
        return GetBaseReportResponse(status=status)

    def _entries(self, base: ReportBase) -> list[Entry] | None:
        entries = self._context.variables.variables()
        match base:
            case ReportBase.FULL_INVENTORY:  # B07.FR.08, B07.FR.12
                return entries
            case ReportBase.CONFIGURATION_INVENTORY:  # B07.FR.07, B07.FR.12
                return [entry for entry in entries if entry.is_settable]
            case ReportBase.SUMMARY_INVENTORY:
                return None

    def _send_part(self, report: Report) -> None:
        size = self._value_size()
        count = min(PART, len(report.entries))
        # B07.FR.03: without the values of WriteOnly variables
        part = [report.entries.popleft().report(size) for _ in range(count)]
        request = NotifyReportRequest(
            request_id=report.request_id,  # B07.FR.04
            generated_at=report.generated_at,
            seq_no=report.seq_no,  # B07.FR.10
            report_data=part,
            tbc=True if report.entries else UNSET,
        )
        report.seq_no += 1
        self._context.csms.call(
            request, self._on_part_result, send_class=SendClass.REPORT, asked_for=True
        )

    def _on_part_result(self, answer: NotifyReportResponse | CallFailed) -> None:
        report = self._report
        if report is None:
            return
        lost = isinstance(answer, CallFailed) and answer.failure is Failure.LOST
        if lost:
            log.warning("report %d is given up: the connection is lost", report.request_id)
        if lost or not report.entries:
            self._report = None
        else:
            self._send_part(report)

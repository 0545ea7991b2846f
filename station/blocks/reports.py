"""Functional block B, Provisioning: reports of the device model (B07, B08)."""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import groupby

import msgspec
from msgspec import UNSET, Struct

from station.context import Context
from station.device_model import Attribute, Entry
from station.device_model.message_limits import GET_REPORT_LIMITS
from station.device_model.selection import Selection
from station.ocpp.messages.common import GenericDeviceModelStatus, StatusInfo
from station.ocpp.messages.provisioning import (
    ComponentCriterion,
    GetBaseReportRequest,
    GetBaseReportResponse,
    GetReportRequest,
    GetReportResponse,
    NotifyReportRequest,
    NotifyReportResponse,
    ReportBase,
    ReportData,
)
from station.ocpp.rpc import CallFailed, Failure
from station.records import SendClass

log = logging.getLogger(__name__)

PART_ITEMS = 25
"""Most variables in one NotifyReport: composing more would hold up the core."""
PART_BYTES = 16384
"""A part is not begun anew below it: most CSMSs take frames of 64 kB, some no more."""

ABNORMAL = frozenset({"problem", "tripped", "overload", "fallback"})
"""A component with one of these true is in an abnormal state (B07.FR.09)."""


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
        GET_REPORT_LIMITS.declare(context.variables)
        context.csms.answer(GetBaseReportRequest, self.get_base_report)
        context.csms.answer(GetReportRequest, self.get_report)

    def get_base_report(self, request: GetBaseReportRequest) -> GetBaseReportResponse:
        if self._report is not None:  # B07.FR.13
            status, info = GenericDeviceModelStatus.REJECTED, BUSY
            return GetBaseReportResponse(status=status, status_info=info)
        self._begin(request.request_id, self._base(request.report_base))  # B07.FR.01
        return GetBaseReportResponse(status=GenericDeviceModelStatus.ACCEPTED)

    def get_report(self, request: GetReportRequest) -> GetReportResponse:
        wanted = [] if request.component_variable is UNSET else request.component_variable
        GET_REPORT_LIMITS.check(self._context.variables, request, len(wanted))
        if self._report is not None:  # B08.FR.16
            return GetReportResponse(status=GenericDeviceModelStatus.REJECTED, status_info=BUSY)
        entries: Iterable[Entry] = self._context.variables.variables()
        if wanted:  # B08.FR.05, B08.FR.11
            selection = Selection(wanted)
            entries = [entry for entry in entries if selection.holds(entry)]
        if request.component_criteria is not UNSET:
            entries = self._meeting(list(request.component_criteria), list(entries))
        found = list(entries)
        if not found:  # B08.FR.15
            status = GenericDeviceModelStatus.EMPTY_RESULT_SET
            return GetReportResponse(status=status, status_info=StatusInfo(reason_code="NotFound"))
        self._begin(request.request_id, found)
        return GetReportResponse(status=GenericDeviceModelStatus.ACCEPTED)  # B08.FR.01

    # -- what is in it

    def _base(self, base: ReportBase) -> list[Entry]:
        entries = self._context.variables.variables()
        match base:
            case ReportBase.FULL_INVENTORY:  # B07.FR.08, B07.FR.12
                return entries
            case ReportBase.CONFIGURATION_INVENTORY:  # B07.FR.07, B07.FR.12
                return [entry for entry in entries if entry.is_settable]
            case ReportBase.SUMMARY_INVENTORY:  # B07.FR.09
                return summary(entries)

    def _meeting(self, criteria: list[ComponentCriterion], entries: list[Entry]) -> list[Entry]:
        """Of components that meet at least one of the criteria: B08.FR.13."""
        met = {
            place
            for place, variables in groupby(self._context.variables.variables(), _place)
            if _meets(criteria, list(variables))
        }
        return [entry for entry in entries if _place(entry) in met]

    # -- sending

    def _begin(self, request_id: int, entries: list[Entry]) -> None:
        self._report = Report(request_id, self._context.clock.utc(), deque(entries))
        self._send_part(self._report)

    def _send_part(self, report: Report) -> None:
        request = NotifyReportRequest(
            request_id=report.request_id,  # B07.FR.04, B08.FR.04
            generated_at=report.generated_at,
            seq_no=report.seq_no,  # B07.FR.10, B08.FR.14
            report_data=self._part(report.entries),  # B08.FR.03
            tbc=True if report.entries else UNSET,
        )
        report.seq_no += 1
        self._context.csms.call(
            request, self._on_part_result, send_class=SendClass.REPORT, asked_for=True
        )

    def _part(self, entries: deque[Entry]) -> list[ReportData]:
        """Take as many from the front as fit; B07.FR.03: without values of WriteOnly variables."""
        part: list[ReportData] = []
        size, value_size = 0, self._value_size()
        while entries and len(part) < PART_ITEMS:
            data = entries[0].report(value_size)  # with its characteristics: B08.FR.12
            size += len(msgspec.json.encode(data))
            if part and size > PART_BYTES:
                break
            entries.popleft()
            part.append(data)
        return part

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


BUSY = StatusInfo(reason_code="InvalidMessageSeq", additional_info="another report is on its way")


def summary(entries: list[Entry]) -> list[Entry]:
    """The availability of the station and its parts, and all of whatever is in trouble (B07)."""
    chosen: list[Entry] = []
    for _, group in groupby(entries, _place):
        variables = list(group)
        in_trouble = any(
            entry.address.variable.lower() in ABNORMAL and _text(entry) == "true"
            for entry in variables
        )
        chosen += [
            entry
            for entry in variables
            if in_trouble or entry.address.variable == "AvailabilityState"
        ]
    return chosen


def _meets(criteria: list[ComponentCriterion], variables: list[Entry]) -> bool:
    """B08.FR.07, B08.FR.08, B08.FR.09: true or absent; B08.FR.10: a problem must be there."""
    values = {entry.address.variable.lower(): _text(entry) for entry in variables}
    return any(
        values.get(criterion.lower(), _absent(criterion)) == "true" for criterion in criteria
    )


def _absent(criterion: ComponentCriterion) -> str:
    return "false" if criterion is ComponentCriterion.PROBLEM else "true"


def _text(entry: Entry) -> str:
    slot = entry.slots.get(Attribute.ACTUAL)
    return "" if slot is None else slot.text()


def _place(entry: Entry) -> tuple[str, str, int, int]:
    address = entry.address
    return (
        address.component.lower(),
        address.component_instance.lower(),
        address.evse_id,
        address.connector_id,
    )

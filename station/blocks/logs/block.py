"""GetLog: one upload at a time, tried again as asked, every status told until acknowledged."""

import logging
from collections import deque
from functools import partial

from msgspec import UNSET, Struct
from msgspec.structs import replace

from station.blocks.logs.table import TRANSITIONS, Input, State
from station.clock import Trust
from station.context import Context
from station.events import StationFreed
from station.ocpp.messages.common import StatusInfo
from station.ocpp.messages.diagnostics import (
    GetLogRequest,
    GetLogResponse,
    LogStatus,
    LogStatusNotificationRequest,
    UploadLogStatus,
)
from station.ocpp.messages.remote_control import MessageTrigger
from station.ocpp.registration import Registration
from station.reactor import Timer
from station.records import Record, Table
from station.transfers import (
    FILE_TRANSFER_PROTOCOLS,
    Location,
    LogFile,
    LogSources,
    Transfer,
    TransferEnd,
    TransferProtocol,
    TransferResult,
    Transfers,
    Trusted,
    Upload,
    UrlRefusedError,
    parse_location,
)

log = logging.getLogger(__name__)

RETRIES, RETRY_INTERVAL_S = 3, 60
"""When the CSMS leaves them to us."""
LEAST_INTERVAL_S = 1.0
LONGEST_S = 86400.0
"""After a day no further attempt is made, whatever number was asked for."""
MOST_UNTOLD = 20
"""So many uploads may have a status that the CSMS has not acknowledged."""
STATUS = {
    TransferEnd.DONE: UploadLogStatus.UPLOADED,
    TransferEnd.BAD_MESSAGE: UploadLogStatus.BAD_MESSAGE,
    TransferEnd.DENIED: UploadLogStatus.PERMISSION_DENIED,
    TransferEnd.UNSUPPORTED: UploadLogStatus.NOT_SUPPORTED_OPERATION,
}
"""N01.FR.09, N01.FR.10; every other end is an UploadFailure."""


class UploadRow(Record, frozen=True, kw_only=True):
    """An upload whose end the CSMS has not acknowledged yet."""

    number: int
    request_id: int
    status: str = UploadLogStatus.UPLOADING


UPLOADS = Table("log_upload", UploadRow, lambda row: f"{row.number:012}")


class Job(Struct):
    """The upload under way: what is forgotten with the process."""

    row: UploadRow
    location: Location
    file: LogFile
    attempts_left: int
    interval_s: float
    give_up_at: float
    transfer: Transfer | None = None
    retry: Timer | None = None


class Logs:
    """Answers GetLog and uploads; what a restart interrupts has failed."""

    def __init__(self, context: Context, transfers: Transfers, sources: LogSources) -> None:
        self._context, self._transfers, self._sources = context, transfers, sources
        self._rows = context.store.table(UPLOADS)
        self._state = State.IDLE
        self._job: Job | None = None
        self._untold: deque[tuple[UploadRow, UploadLogStatus]] = deque()
        usable = tuple(each for each in TransferProtocol if each not in transfers.unusable)
        context.variables.declare(FILE_TRANSFER_PROTOCOLS, default=usable)
        context.csms.answer(GetLogRequest, self.get_log)
        context.queries.busy.register(self._busy)
        context.queries.triggers[MessageTrigger.LOG_STATUS_NOTIFICATION] = self._triggered

    def start(self) -> None:
        """Tell how the uploads of the last process ended: what was under way has failed."""
        for row in self._rows.all():
            if row.status == UploadLogStatus.UPLOADING:
                log.warning("the upload of log %d was interrupted by a restart", row.request_id)
                self._finish(row, UploadLogStatus.UPLOAD_FAILURE)  # N01.FR.10
            else:
                self._tell(row, UploadLogStatus(row.status))

    # -- the request

    def get_log(self, request: GetLogRequest) -> GetLogResponse:
        if self._context.csms.registration is not Registration.ACCEPTED:  # B02.FR.05
            return _rejected("CSNotAccepted")
        try:
            location = parse_location(request.log.remote_location)
        except UrlRefusedError as error:
            return _rejected("InvalidURL", str(error))
        why = self._transfers.unusable.get(location.protocol, "")
        if location.protocol not in self._context.variables[FILE_TRANSFER_PROTOCOLS]:
            why = why or "not allowed on this station"
        if why:
            return _rejected("UnsupportedParam", f"{location.protocol.value}: {why}")
        if len(self._rows) >= MOST_UNTOLD:
            return _rejected("Unspecified", "too many log statuses wait for an answer")
        period = request.log
        file = self._sources.collect(
            request.log_type,
            None if period.oldest_timestamp is UNSET else period.oldest_timestamp,
            None if period.latest_timestamp is UNSET else period.latest_timestamp,
        )
        if file is None:  # N01.FR.05
            return _rejected("NotFound", "nothing is kept of that log and period")
        status = LogStatus.ACCEPTED
        if self._job is not None:  # N01.FR.12
            self._cancel(self._job)
            status = LogStatus.ACCEPTED_CANCELED
        self._accept(request, location, file)
        return GetLogResponse(status=status, filename=file.name)  # N01.FR.01

    def _accept(self, request: GetLogRequest, location: Location, file: LogFile) -> None:
        number = max((row.number for row in self._rows.all()), default=0) + 1
        row = UploadRow(number=number, request_id=request.request_id)
        self._rows.put(row)
        retries = RETRIES if request.retries is UNSET else max(0, request.retries)
        asked_s = RETRY_INTERVAL_S if request.retry_interval is UNSET else request.retry_interval
        self._move(Input.REQUESTED)
        self._job = Job(
            row=row,
            location=location,
            file=file,
            attempts_left=1 + retries,
            interval_s=max(LEAST_INTERVAL_S, asked_s),
            give_up_at=self._context.reactor.now() + LONGEST_S,
        )
        self._tell(row, UploadLogStatus.UPLOADING)  # N01.FR.08
        self._context.store.after_commit(self._attempt, self._job)  # N01.FR.02

    def _cancel(self, job: Job) -> None:
        """N01.FR.20"""
        log.info("the upload of log %d is given up for another one", job.row.request_id)
        self._drop(job)
        self._finish(job.row, UploadLogStatus.ACCEPTED_CANCELED)

    def _drop(self, job: Job) -> None:
        self._job = None
        if job.retry is not None:
            job.retry.cancel()
        if job.transfer is not None:
            job.transfer.cancel()

    # -- attempts

    def _attempt(self, job: Job) -> None:
        """N01.FR.03, N01.FR.04: `sources` has chosen what *job* carries."""
        if job is not self._job:
            return
        job.attempts_left -= 1
        job.retry = None
        job.transfer = self._transfers.upload(Upload(job.location, job.file, self._trusted()))
        lane = self._context.lane("transfer")
        lane.submit(job.transfer.run, partial(self._on_end, job))

    def _on_end(self, job: Job, result: TransferResult | BaseException) -> None:
        if job is not self._job:
            return
        job.transfer = None
        if isinstance(result, BaseException):
            result = TransferResult(TransferEnd.FAILED, f"internal error: {type(result).__name__}")
        if result.end is TransferEnd.DONE:
            log.info("log %d was uploaded to %s", job.row.request_id, job.location)
            self._end(job, Input.SUCCEEDED, result)
            return
        log.warning(
            "log %d could not be uploaded to %s: %s: %s",
            job.row.request_id,
            job.location,
            result.end,
            result.detail,
        )
        due_at = self._context.reactor.now() + job.interval_s
        hopeless = result.end is TransferEnd.REFUSED
        if hopeless or job.attempts_left <= 0 or due_at > job.give_up_at:
            self._end(job, Input.GAVE_UP, result)
            return
        self._move(Input.FAILED)
        job.retry = self._context.reactor.call_at(due_at, self._again, job, source="logs")

    def _again(self, job: Job) -> None:
        self._move(Input.DUE)
        self._attempt(job)

    def _end(self, job: Job, happened: Input, result: TransferResult) -> None:
        self._move(happened)
        self._drop(job)
        self._finish(job.row, STATUS.get(result.end, UploadLogStatus.UPLOAD_FAILURE))
        self._context.events.publish(StationFreed())

    def _move(self, happened: Input) -> None:
        self._state = TRANSITIONS[self._state, happened]

    def _trusted(self) -> Trusted:
        trust, clock = self._context.queries.trust, self._context.clock
        return Trusted(
            roots=() if trust is None else (*trust.roots(), *trust.fallback_roots()),
            utc=clock.utc(),
            check_dates=clock.trust is not Trust.NONE,
        )

    # -- what the CSMS is told

    def _tell(self, row: UploadRow, status: UploadLogStatus) -> None:
        """One after the other, each once the CSMS has the one before: no Uploading after its end.

        Every status is a message of its own: Uploading is owed even when the end came before
        it could be sent (N01.FR.08).
        """
        self._untold.append((row, status))
        if len(self._untold) == 1:
            self._tell_next()

    def _tell_next(self) -> None:
        if self._untold:
            row, status = self._untold[0]
            request = LogStatusNotificationRequest(  # N01.FR.07, N01.FR.13
                status=status, request_id=row.request_id
            )
            self._context.csms.latest("log status", lambda: request, on_settled=self._told)

    def _told(self) -> None:
        row, status = self._untold.popleft()
        if status is not UploadLogStatus.UPLOADING:
            self._rows.delete(UPLOADS.key(row))
        self._tell_next()

    def _finish(self, row: UploadRow, status: UploadLogStatus) -> None:
        """The end lasts until the CSMS knows it."""
        self._rows.put(replace(row, status=status))
        self._tell(row, status)

    def _triggered(self, evse_id: int | None, connector_id: int | None) -> bool:  # noqa: ARG002
        self._context.csms.latest("log status asked for", self._present, asked_for=True)
        return True

    def _present(self) -> LogStatusNotificationRequest:
        job = self._job
        if job is None or self._state is State.IDLE:  # F06.FR.15
            return LogStatusNotificationRequest(status=UploadLogStatus.IDLE)
        return LogStatusNotificationRequest(  # F06.FR.14, N01.FR.13
            status=UploadLogStatus.UPLOADING, request_id=job.row.request_id
        )

    def _busy(self, evse_id: int | None) -> str | None:
        """A station that uploads is not idle; its EVSEs may be."""
        return "log upload" if evse_id is None and self._job is not None else None


def _rejected(reason_code: str, text: str = "") -> GetLogResponse:
    info = StatusInfo(reason_code=reason_code, additional_info=text or UNSET)
    return GetLogResponse(status=LogStatus.REJECTED, status_info=info)

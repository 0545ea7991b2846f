"""One upload, from the file to its result: which protocol, and what every failure means."""

import logging
import ssl
from collections.abc import Callable

from station.io.transfer.errors import TransferError
from station.io.transfer.port import Limits
from station.io.transfer.targets import Targets
from station.io.transfer.way import Way
from station.transfers import (
    Location,
    LogFile,
    TransferEnd,
    TransferProtocol,
    TransferResult,
    Upload,
)

log = logging.getLogger(__name__)

Put = Callable[[Way, Location, LogFile, bytes], None]


class FileUpload:
    """Implements `transfers.Transfer`."""

    def __init__(self, upload: Upload, targets: Targets, known_hosts: str, limits: Limits) -> None:
        self._upload, self._known_hosts, self._limits = upload, known_hosts, limits
        self._way = Way(targets, upload.trusted, deadline_s=limits.deadline_s, step_s=limits.step_s)

    def cancel(self) -> None:
        self._way.cancel()

    def run(self) -> TransferResult:
        try:
            with self._way as way:
                self._run(way)
        except TransferError as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - the edge: whatever it is, it is told
            failed = _explained(error)
        else:
            return TransferResult(TransferEnd.DONE)
        try:  # a connection that we ended ourselves fails in words that would mislead
            self._way.check()
        except TransferError as error:
            failed = error
        return TransferResult(failed.end, failed.detail)

    def _run(self, way: Way) -> None:
        way.check()
        file = self._upload.file
        data = file.render()
        if len(data) > self._limits.size_bytes:
            detail = f"the file has {len(data)} bytes, allowed are {self._limits.size_bytes}"
            raise TransferError(TransferEnd.REFUSED, detail)
        location = self._upload.location
        self._put(location.protocol)(way, location, file, data)

    def _put(self, protocol: TransferProtocol) -> Put:
        if protocol in (TransferProtocol.HTTP, TransferProtocol.HTTPS):
            from station.io.transfer import over_http

            return over_http.put
        if protocol in (TransferProtocol.FTP, TransferProtocol.FTPS):
            from station.io.transfer import over_ftp

            return over_ftp.put
        from station.io.transfer import over_sftp

        return over_sftp.put_with(self._known_hosts)


def _explained(error: Exception) -> TransferError:
    """Only what cannot quote a credential: OpenSSL's and the system's own words, else a type."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return TransferError(TransferEnd.FAILED, f"TLS: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        from station.io.tls_reasons import words

        return TransferError(TransferEnd.FAILED, f"TLS: {words(error)}")
    if isinstance(error, TimeoutError):
        return TransferError(TransferEnd.FAILED, "the server does not go on")
    if isinstance(error, OSError):
        return TransferError(TransferEnd.FAILED, error.strerror or type(error).__name__)
    log.error("a transfer failed unexpectedly: %s", type(error).__name__)
    return TransferError(TransferEnd.FAILED, f"internal error: {type(error).__name__}")

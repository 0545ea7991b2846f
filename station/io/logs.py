"""Log lines of the service: written by a thread of their own, without secrets.

A record becomes one line (a traceback follows it, indented). The thread that logs only
puts the record into a bounded queue; when standard error blocks, records are dropped
and counted rather than the core being held up.
"""

import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import TextIO

from station.io.redact import redact

MAX_QUEUED = 5_000
MAX_QUEUED_CHARACTERS = 4_000_000
MAX_RECENT, MAX_RECENT_CHARACTERS = 3_000, 1_000_000
"""Of the lines that are kept in memory for the diagnostics log (N01)."""
FRAMES = "joulepost.frames"
"""Payloads as they pass the link; off unless asked for."""

# sd-daemon(3): the journal takes the level from this prefix.
JOURNAL_PREFIX = {
    logging.CRITICAL: "<2>",
    logging.ERROR: "<3>",
    logging.WARNING: "<4>",
    logging.INFO: "<6>",
    logging.DEBUG: "<7>",
}
ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
ESCAPES |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t", 0x2028: " ", 0x2029: " "}


class LineFormatter(logging.Formatter):
    """One line per record, free of secrets and of control characters from outside."""

    def __init__(self, *, for_journal: bool) -> None:
        super().__init__()
        self._for_journal = for_journal

    def format(self, record: logging.LogRecord) -> str:
        lines = [redact(record.getMessage()).translate(ESCAPES)]
        if record.exc_info:
            trace = redact(self.formatException(record.exc_info))
            lines += ["  " + line.translate(ESCAPES) for line in trace.split("\n")]
        if self._for_journal:
            prefix = JOURNAL_PREFIX.get(record.levelno, "<6>")
            lines[0] = f"{record.name}: {lines[0]}"
            return "\n".join(prefix + line for line in lines)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        lines[0] = f"{when}.{int(record.msecs):03} {record.levelname:<7} {record.name}: {lines[0]}"
        return "\n".join(lines)


class LogSink(logging.Handler):
    """Hands records to a thread that formats, redacts and writes them; never blocks."""

    def __init__(self, stream: TextIO, *, for_journal: bool, limit: int = MAX_QUEUED) -> None:
        super().__init__()
        self.setFormatter(LineFormatter(for_journal=for_journal))
        self._stream, self._limit = stream, limit
        self._records: queue.SimpleQueue[logging.LogRecord | None] = queue.SimpleQueue()
        self.dropped = 0
        """Records lost because the stream was blocked or broken."""
        self._reported = 0
        self._put = self._taken = 0
        self._recent: deque[tuple[float, str]] = deque()
        self._recent_characters = 0
        self._recent_lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        waiting = self._put - self._taken
        if self._records.qsize() >= self._limit or waiting > MAX_QUEUED_CHARACTERS:
            self.dropped += 1
            return
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - a wrong log call must not fail the turn that made it
            text = f"{record.msg} (its arguments do not fit)"
        record.msg, record.args = text, None  # now: the arguments may change later
        self._put += len(text)
        self._records.put(record)

    def stop(self, timeout_s: float) -> bool:
        """Write what is queued; True when that succeeded in time."""
        self._records.put(None)
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def recent(self) -> list[tuple[float, str]]:
        """The last records, oldest first, as they were written: POSIX time and text."""
        with self._recent_lock:
            return list(self._recent)

    def _keep(self, record: logging.LogRecord, text: str) -> None:
        with self._recent_lock:
            self._recent.append((record.created, text))
            self._recent_characters += len(text)
            while len(self._recent) > MAX_RECENT or self._recent_characters > MAX_RECENT_CHARACTERS:
                self._recent_characters -= len(self._recent.popleft()[1])

    def _run(self) -> None:
        while (record := self._records.get()) is not None:
            self._write(record)
            self._taken += len(record.msg)
            if self._records.empty():
                self._report_dropped()
        self._report_dropped()

    def _report_dropped(self) -> None:
        if self.dropped == self._reported:
            return
        count, self._reported = self.dropped - self._reported, self.dropped
        text = f"{count} log records were dropped: the log could not be written fast enough"
        self._write(logging.LogRecord(__name__, logging.WARNING, "", 0, text, None, None))

    def _write(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            self._keep(record, text)
            self._stream.write(text + "\n")
            self._stream.flush()
        except Exception:  # noqa: BLE001 - the last resort of every message has no other place
            self.dropped += 1


def configure(
    environ: Mapping[str, str],
    stream: TextIO,
    *,
    level: int = logging.INFO,
    frames: bool = False,
) -> LogSink:
    """Send every log record of the process to *stream*; *frames* adds the payloads."""
    sink = LogSink(stream, for_journal=goes_to_journal(environ, stream))
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(sink)
    root.setLevel(level)
    logging.getLogger(FRAMES).setLevel(logging.DEBUG if frames else logging.WARNING)
    logging.raiseExceptions = False
    return sink


def goes_to_journal(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether *stream* itself, not just some parent's, is connected to the journal."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"

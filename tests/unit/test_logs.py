"""Log lines: one per record, redacted at the sink, and never at the expense of the core."""

import io
import logging
import os
import threading
from collections.abc import Iterator

import pytest

from station.io.logs import FRAMES, MAX_RECENT, LogSink, configure, goes_to_journal


class BlockedStream(io.StringIO):
    """Standard error whose reader has stopped reading."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.released.wait(5)
        return super().write(text)


@pytest.fixture
def untouched_logging() -> Iterator[None]:
    root, frames = logging.getLogger(), logging.getLogger(FRAMES)
    before = root.handlers[:], root.level, frames.level, logging.raiseExceptions
    yield
    root.handlers[:], raise_exceptions = before[0], before[3]
    root.setLevel(before[1])
    frames.setLevel(before[2])
    logging.raiseExceptions = raise_exceptions


def record(text: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("station.main", level, "", 0, text, args, None)


def written(*records: logging.LogRecord, for_journal: bool = False) -> list[str]:
    stream = io.StringIO()
    sink = LogSink(stream, for_journal=for_journal)
    for one in records:
        sink.handle(one)
    assert sink.stop(5)
    return stream.getvalue().splitlines()


def test_a_record_is_one_line_with_time_level_and_logger() -> None:
    (line,) = written(record("registered as %s", "CS001"))
    assert line.endswith(" INFO    station.main: registered as CS001")
    assert line[:2] == "20"


def test_under_the_journal_a_line_begins_with_its_level() -> None:
    lines = written(
        record("a"), record("b", level=logging.WARNING), record("c", level=logging.ERROR),
        for_journal=True,
    )  # fmt: skip
    assert lines == ["<6>station.main: a", "<4>station.main: b", "<3>station.main: c"]


def test_text_from_outside_cannot_begin_a_line_or_colour_a_terminal() -> None:
    """A24 of the attack list: log injection."""
    (line,) = written(record("token %s", "x\n<2>forged\r\x1b[31m\x9b\u2028y"), for_journal=True)
    assert line == "<6>station.main: token x\\n<2>forged\\r\\x1b[31m\\x9b y"


def test_a_traceback_follows_indented_and_redacted() -> None:
    try:
        raise ValueError("password=hunter2")
    except ValueError as error:
        one = record("a turn failed", level=logging.ERROR)
        one.exc_info = (ValueError, error, error.__traceback__)
    lines = written(one, for_journal=True)
    assert lines[0] == "<3>station.main: a turn failed"
    assert lines[-1] == "<3>  ValueError: password= ***"
    assert all(line.startswith("<3>  ") for line in lines[1:])


def test_every_logger_is_redacted_at_the_sink() -> None:
    secret = '[2,"1","SetVariables",{"basicAuthPassword":"hunter2"}]'
    frame = logging.LogRecord(FRAMES, logging.DEBUG, "", 0, "< %s", (secret,), None)
    lines = written(frame, record("Authorization: Basic hunter2"), record("%s", {"pin": "hunter2"}))
    assert "hunter2" not in "".join(lines)
    assert '"SetVariables"' in lines[0]


def test_arguments_are_taken_when_the_record_is_made() -> None:
    stream = BlockedStream()
    sink = LogSink(stream, for_journal=False)
    sink.handle(record("first"))
    assert stream.entered.wait(5)
    values = [1]
    sink.handle(record("values %s", values))
    values.append(2)
    stream.released.set()
    assert sink.stop(5)
    assert stream.getvalue().endswith("values [1]\n")


def test_a_log_call_with_wrong_arguments_fails_nobody() -> None:
    (line,) = written(record("%d of %d", "x"))
    assert line.endswith("%d of %d (its arguments do not fit)")


def test_a_blocked_stream_drops_records_and_says_how_many() -> None:
    stream = BlockedStream()
    sink = LogSink(stream, for_journal=False, limit=3)
    sink.handle(record("first"))
    assert stream.entered.wait(5)
    for number in range(10):
        sink.handle(record("number %d", number))
    assert sink.dropped == 7
    assert not sink.stop(0.01)
    stream.released.set()
    assert sink.stop(5)
    lines = stream.getvalue().splitlines()
    assert [line.rpartition(": ")[2] for line in lines[:4]] == [
        "first", "number 0", "number 1", "number 2",
    ]  # fmt: skip
    assert any("7 log records were dropped" in line for line in lines)


def test_a_blocked_stream_holds_no_more_than_some_megabytes() -> None:
    stream = BlockedStream()
    sink = LogSink(stream, for_journal=False)
    for _ in range(100):
        sink.handle(record("x" * 250_000))
    assert sink.dropped > 80
    stream.released.set()
    assert sink.stop(5)


def test_a_closed_stream_ends_nothing() -> None:
    stream = io.StringIO()
    sink = LogSink(stream, for_journal=False)
    stream.close()
    sink.handle(record("into the void"))
    assert sink.stop(5)
    assert sink.dropped >= 1


@pytest.mark.usefixtures("untouched_logging")
def test_frames_are_logged_only_when_asked_for() -> None:
    for wanted in (False, True):
        stream = io.StringIO()
        sink = configure({}, stream, level=logging.DEBUG, frames=wanted)
        logging.getLogger(FRAMES).debug("> [3]")
        logging.getLogger("station.main").debug("a detail")
        assert sink.stop(5)
        assert ("> [3]" in stream.getvalue()) is wanted
        assert "a detail" in stream.getvalue()


@pytest.mark.usefixtures("untouched_logging")
def test_the_level_is_that_of_the_reader() -> None:
    stream = io.StringIO()
    sink = configure({}, stream)
    logging.getLogger("station.main").debug("a detail")
    logging.getLogger("station.main").info("started")
    assert sink.stop(5)
    assert "a detail" not in stream.getvalue()
    assert "started" in stream.getvalue()


def test_the_journal_is_recognised_by_its_stream() -> None:
    read_end, write_end = os.pipe()
    with open(write_end, "w", encoding="utf-8") as stream:
        status = os.fstat(write_end)
        ours = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert goes_to_journal(ours, stream)
        assert not goes_to_journal({"JOURNAL_STREAM": "8:1"}, stream)
        assert not goes_to_journal({}, stream)
        assert not goes_to_journal(ours, io.StringIO())
    os.close(read_end)


def test_the_last_lines_are_kept_redacted_and_within_bounds() -> None:
    """For the diagnostics log (N01)."""
    sink = LogSink(io.StringIO(), for_journal=False, limit=2 * MAX_RECENT)
    for number in range(MAX_RECENT + 50):
        sink.emit(record(f"line {number} password: hunter2"))
    assert sink.stop(5)
    kept = sink.recent()
    assert len(kept) == MAX_RECENT
    assert kept[-1][1].endswith(f"line {MAX_RECENT + 49} password: ***")

"""All that the bench CSMS remembers and shows of a run: lines, frame log, violations, messages."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

from station.bench.csms_ledger import Ledger
from station.bench.csms_lines import clip, clock_text, line, request_summary, response_summary
from station.bench.csms_redact import redact
from station.bench.csms_schema import Violation

KEPT_MESSAGES = 10_000
KEPT_LINES = 40


@dataclass
class StationFile:
    """What is remembered of one station, also between its connections."""

    received: deque[tuple[str, dict[str, Any]]] = field(
        default_factory=lambda: deque(maxlen=KEPT_MESSAGES)
    )
    unmatched: deque[list[Any]] = field(default_factory=lambda: deque(maxlen=KEPT_MESSAGES))
    registration: str | None = None
    asked_for: list[str] = field(default_factory=list)
    connections: int = 0


class Record:
    """Keeps the run and tells *on_line* of it; only ever used on the thread of the CSMS."""

    def __init__(self, on_line: Callable[[str], None] | None, log: TextIO | None) -> None:
        self.ledger = Ledger()
        self.violations: list[Violation] = []
        self.stations: dict[str, StationFile] = {}
        self.messages_in = self.messages_out = self.failures = 0
        self.overlaps = 0  # CALLs that came while a station was still due an answer
        self.recent: deque[str] = deque(maxlen=KEPT_LINES)
        self._on_line, self._log = on_line, log
        self._width = 6
        self._open_line: tuple[str, str] | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def station(self, station: str) -> StationFile:
        self._width = min(max(self._width, len(station)), 20)
        return self.stations.setdefault(station, StationFile())

    def frame(self, station: str, *, inbound: bool, frame: Any = None, text: str = "") -> None:
        """Count a frame and write it to the log; *text* only if it could not be decoded."""
        self.messages_in += inbound
        self.messages_out += not inbound
        if self._log is None:
            return
        entry: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "station": station,
            "direction": "in" if inbound else "out",
        }
        if frame is None:
            entry["unreadable"] = unreadable(text)
        else:
            entry["frame"] = redact(frame)
        self._log.write(orjson.dumps(entry).decode() + "\n")
        self._log.flush()

    def call(self, station: str, action: str, payload: Any, *, inbound: bool) -> None:
        summary = request_summary(action, redact(payload))
        self._row(station, "→" if inbound else "←", clip(action, 60), summary)
        self._open_line = (station, action)

    def answer(self, station: str, action: str, payload: Any, *, inbound: bool) -> None:
        self._answered(station, action, response_summary(action, redact(payload)), inbound)

    def error(self, station: str, action: str, text: str, *, inbound: bool) -> None:
        self._answered(station, action, f"CALLERROR {clip(text, 300)}", inbound)

    def violation(self, violation: Violation) -> None:
        self.violations.append(violation)
        self.note(violation.station, f"!! VIOLATION {clip(str(violation), 500)}")

    def note(self, station: str, text: str) -> None:
        self._open_line = None
        self._emit(f"{clock_text(_local_now())} {clip(station, 48):<{self._width}} {text}")

    def changed(self) -> asyncio.Future[None]:
        """Done as soon as anything more has happened."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def touch(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def summary(self) -> list[str]:
        """The run in a few lines, for the end of it."""
        ledger = self.ledger
        rows = [
            f"stations      {len(self.stations)}",
            f"messages      {self.messages_in} in, {self.messages_out} out",
            f"transactions  {len(ledger)}, {len(ledger.open())} still open, "
            f"{ledger.energy_wh:.0f} Wh",
            f"seqNo         {ledger.gaps} missing, {ledger.duplicates} repeated",
            f"violations    {len(self.violations) or 'none'}",
        ]
        rows += [f"  {v.station}: {clip(str(v), 300)}" for v in self.violations[:10]]
        if len(self.violations) > 10:
            rows.append(f"  … and {len(self.violations) - 10} more")
        if self.failures:
            rows.append(f"failures      {self.failures} inside this CSMS (see above)")
        return rows

    def _answered(self, station: str, action: str, summary: str, inbound: bool) -> None:
        at_once = self._open_line == (station, action)
        self._row(station, "→" if inbound else "←", "…" if at_once else f"… {action}", summary)

    def _row(self, station: str, arrow: str, action: str, summary: str) -> None:
        self._open_line = None
        self._emit(line(_local_now(), station, arrow, action, summary, self._width))

    def _emit(self, text: str) -> None:
        self.recent.append(text)
        if self._on_line is not None:
            self._on_line(text)
        self.touch()


def unreadable(text: str) -> str:
    """Text that cannot be redacted because it cannot be read is only shown when harmless."""
    if "password" in text.lower() or "keycode" in text.lower():
        return f"({len(text)} characters withheld: they speak of a password or PIN)"
    return clip(text, 2000)


def _local_now() -> datetime:
    return datetime.now(UTC).astimezone()

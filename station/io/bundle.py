"""What a log file holds: diagnostics as a ZIP for people to read, the security log as lines.

Everything here is rendered on a lane from values that the core has handed over; whatever is
text from outside passes `redact` once more.
"""

import io
import os
import shutil
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from msgspec import Struct

from station.io.redact import redact
from station.ocpp.codec import format_timestamp

ZIP_TYPE, LINES_TYPE = "application/zip", "application/x-ndjson"
MAX_PART = 4_000_000
"""Characters of one part; of a longer one the end is kept."""
THERMAL = Path("/sys/class/thermal")
SUMMARY = """\
Diagnostics of the charging station {identity}, made {made_at} (UTC).
Period: {period}.

{facts}

SUMMARY.txt          this page
state.json           the live state: EVSEs, transactions, connection, queue, counters
variables.csv        the device model, without what may only be written
configuration.json   the configuration, without secrets
frames.txt           the last OCPP messages of the period: < received, > sent
log.txt              the last log lines of the period, of this process
hardware.txt         processor, memory, storage

Passwords, keys and PINs are replaced by ***, and so are the tokens of drivers in messages.
"""


class Line(Struct, frozen=True):
    """One line with its moment."""

    at: datetime
    text: str


class Diagnostics(Struct, frozen=True):
    """What the core hands over."""

    identity: str
    made_at: datetime
    oldest: datetime | None
    latest: datetime | None
    facts: dict[str, str]
    """For the summary: a few words each."""
    state: dict[str, Any]
    variables: Sequence[tuple[object, str]]
    """Address ("component: variable" as text) and value."""
    configuration: dict[str, Any]
    frames: Sequence[Line]
    log: Sequence[Line]
    state_dir: str = ""


def render_diagnostics(diagnostics: Diagnostics) -> bytes:
    parts = {
        "SUMMARY.txt": _summary(diagnostics),
        "state.json": _json(diagnostics.state),
        "variables.csv": _table(diagnostics.variables),
        "configuration.json": _json(diagnostics.configuration),
        "frames.txt": _lines(diagnostics.frames),
        "log.txt": "\n".join(line.text for line in diagnostics.log) + "\n",
        "hardware.txt": _hardware(diagnostics.state_dir),
    }
    buffer = io.BytesIO()
    moment = diagnostics.made_at.timetuple()[:6]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            entry = zipfile.ZipInfo(name, moment if moment[0] >= 1980 else (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, text[-MAX_PART:].encode(errors="replace"))
    return buffer.getvalue()


def render_lines(entries: Sequence[dict[str, Any]]) -> bytes:
    """One JSON object a line."""
    return b"".join(orjson.dumps(entry) + b"\n" for entry in entries)


def file_name(kind: str, identity: str, made_at: datetime, ending: str) -> str:
    """Safe in a path, in a header and in any shell; at most 255 characters (GetLogResponse)."""
    safe = "".join(char if char.isascii() and char.isalnum() else "_" for char in identity)
    return f"{kind}_{safe[:48]}_{made_at:%Y%m%dT%H%M%SZ}.{ending}"


def _summary(diagnostics: Diagnostics) -> str:
    oldest, latest = diagnostics.oldest, diagnostics.latest
    begin = "as far back as is kept" if oldest is None else f"from {format_timestamp(oldest)}"
    end = "until now" if latest is None else f"until {format_timestamp(latest)}"
    width = max((len(name) for name in diagnostics.facts), default=0) + 2
    return SUMMARY.format(
        identity=diagnostics.identity,
        made_at=format_timestamp(diagnostics.made_at),
        period=f"{begin} {end}",
        facts="\n".join(f"{name:<{width}}{text}" for name, text in diagnostics.facts.items()),
    )


def _json(value: dict[str, Any]) -> str:
    """Redacted as JSON, which knows which values belong to a secret."""
    clean = redact(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode())
    try:
        decoded = orjson.loads(clean)
    except orjson.JSONDecodeError:
        return clean
    return orjson.dumps(decoded, option=orjson.OPT_INDENT_2).decode() + "\n"


def _table(variables: Sequence[tuple[object, str]]) -> str:
    rows = [("component", "variable", "value")]
    for address, value in variables:
        component, _, variable = str(address).partition(": ")
        rows.append((component, variable, redact(value)))
    return "".join(",".join(map(_cell, row)) + "\r\n" for row in rows)


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(char in text for char in ',"\r\n') else text


def _lines(frames: Sequence[Line]) -> str:
    return "".join(f"{format_timestamp(line.at)} {redact(line.text)}\n" for line in frames)


def _hardware(state_dir: str) -> str:
    """What the operating system counts; what cannot be read is left out."""
    lines = [f"machine: {' '.join(os.uname())}"]
    for label, path in (
        ("up since boot, idle (s)", "/proc/uptime"),
        ("load", "/proc/loadavg"),
        ("pressure of storage", "/proc/pressure/io"),
    ):
        lines += [f"{label}: {text}" for text in _read(Path(path))]
    lines += [
        " ".join(text.split())
        for text in _read(Path("/proc/meminfo"))
        if text.startswith(("MemTotal", "MemAvailable", "SwapFree"))
    ]
    lines += [
        f"process: {' '.join(text.split())}"
        for text in _read(Path("/proc/self/status"))
        if text.startswith(("VmRSS", "VmHWM", "Threads"))
    ]
    for zone in sorted(THERMAL.glob("thermal_zone*")):
        kind, value = _read(zone / "type"), _read(zone / "temp")
        if kind and value:
            lines.append(f"temperature of {kind[0]}: {value[0]} m°C")
    if state_dir and Path(state_dir).is_dir():
        usage = shutil.disk_usage(state_dir)
        lines.append(f"storage of the state: {usage.free} of {usage.total} bytes are free")
    return "\n".join(lines) + "\n"


def _read(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def from_posix(created: float) -> datetime:
    return datetime.fromtimestamp(created, UTC)

"""Collects what the logs hold (N01): quickly on the core, rendered later on a lane."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from station.device_model import Address
from station.ocpp.codec import format_timestamp
from station.ocpp.messages.diagnostics import Log
from station.ocpp.messages.provisioning import Mutability
from station.transfers import LogFile

if TYPE_CHECKING:
    from station.main import Station


class StationLogs:
    """Implements `transfers.LogSources` on a station."""

    def __init__(self, station: "Station") -> None:
        self._station = station

    def collect(self, log: Log, oldest: datetime | None, latest: datetime | None) -> LogFile | None:
        if log is Log.SECURITY_LOG:
            return self._security(oldest, latest)
        return self._diagnostics(oldest, latest)

    def _security(self, oldest: datetime | None, latest: datetime | None) -> LogFile | None:
        """N01.FR.03: the entries as they are chained, so that whoever reads can check them."""
        from station.io import bundle  # only when a log is asked for

        entries = [
            row
            for row in self._station.security_events.entries()
            if _is_between(row.at, oldest, latest)
        ]
        if not entries:
            return None
        identity, now = self._station.context.identity.identity, self._station.clock.utc()
        return LogFile(
            name=bundle.file_name("security", identity, now, "jsonl"),
            content_type=bundle.LINES_TYPE,
            render=partial(bundle.render_lines, [msgspec.to_builtins(row) for row in entries]),
        )

    def _diagnostics(self, oldest: datetime | None, latest: datetime | None) -> LogFile | None:
        """N01.FR.04"""
        from station.io import bundle

        station = self._station
        frames = [
            bundle.Line(frame.at, f"{frame.way} {frame.text}")
            for frame in station.session.recent_frames.between(oldest, latest)
        ]
        log = [
            line
            for line in (
                bundle.Line(bundle.from_posix(created), text)
                for created, text in station.ports.recent_log()
            )
            if _is_between(line.at, oldest, latest)
        ]
        if not frames and not log:
            return None
        identity, now = station.context.identity.identity, station.clock.utc()
        return LogFile(
            name=bundle.file_name("diagnostics", identity, now, "zip"),
            content_type=bundle.ZIP_TYPE,
            render=partial(
                bundle.render_diagnostics,
                bundle.Diagnostics(
                    identity=identity,
                    made_at=now,
                    oldest=oldest,
                    latest=latest,
                    facts=_facts(station),
                    state=msgspec.to_builtins(station.snapshot()),
                    variables=list(_variables(station)),
                    configuration=_configuration(station),
                    frames=frames,
                    log=log,
                    state_dir=station.config.station.state_dir,
                ),
            ),
        )


def _is_between(moment: datetime, oldest: datetime | None, latest: datetime | None) -> bool:
    return (oldest is None or moment >= oldest) and (latest is None or moment <= latest)


def _facts(station: "Station") -> dict[str, str]:
    identity = station.context.identity
    security = list(station.security_events.entries())
    facts = {
        "product": f"{identity.vendor} {identity.model}, serial number {identity.serial_number}",
        "firmware": identity.firmware_version,
        "started because of": str(station.boot_reason),
        "registration": str(station.session.registration),
        "connection": str(station.connection.state.state),
        "clock": station.clock.trust.name,
        "store": str(station.store.health),
        "safe mode": "yes" if station.safe_mode else "no",
        "contained failures": str(station.contained.count),
        "queued messages": str(len(station.outbox)),
        "undelivered": str(station.outbox.undelivered),
        "dropped": str(station.outbox.dropped),
    }
    for evse in station.evses:
        statuses = ", ".join(evse.connector_status(c.id) for c in evse.description.connectors)
        facts[f"EVSE {evse.id}"] = statuses
    if security:
        last = security[-1]
        facts["last security event"] = f"{last.type}, {format_timestamp(last.at)}"
    return facts


def _variables(station: "Station") -> Iterable[tuple[Address, str]]:
    for entry in station.variables.variables():
        for slot in entry.attributes:
            hidden = slot.mutability is Mutability.WRITE_ONLY or slot.variable.secret
            yield slot.address, "***" if hidden else slot.text()


def _configuration(station: "Station") -> dict[str, Any]:
    """Without values of variables (`variables.csv` has them) and without any command's arguments,
    which may be secrets; a Secret is not even told by its length."""
    config = station.config
    told: dict[str, Any] = {
        name: msgspec.to_builtins(getattr(config, name))
        for name in ("station", "network", "board", "web", "logging", "charging", "transfers")
    }
    command = config.network.access_command
    told["network"]["access_command"] = [*command[:1], *("***" for _ in command[1:])]
    told["variables"] = [preset.key for preset in config.variables]
    told["presets"] = [preset.key for preset in config.presets]
    told["sim"] = None if config.sim is None else msgspec.to_builtins(config.sim)
    return told

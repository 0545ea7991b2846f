"""A station that is put together and never started: what would it dial, and how would it boot?

The rows are those of its own store, from a copy in memory; its hardware does not matter here.
"""

import random
import time
import uuid
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from hal.sim.board import SimBoard, sim_board_description
from hal.sim.world import World
from station.blocks.boot import FIRMWARE_VERSION, MODEL, SERIAL_NUMBER, VENDOR_NAME
from station.blocks.connection.credentials import CREDENTIALS
from station.blocks.connection.profiles import CONFIGURED, LAST_PROFILE, NETWORK
from station.blocks.connection.tls import LAST_TIME
from station.config import ConfigError, StationConfig
from station.device_model import VARIABLES
from station.env import Env
from station.io.csms_link import ThreadLink
from station.io.keys import FileKeys
from station.io.state_dir import DATABASE, KEYS, lock_state_dir
from station.io.transfer import FileTransfers, Targets
from station.link import LinkTarget
from station.main import Ports, Station
from station.ocpp import codec
from station.ocpp.messages.provisioning import (
    BootNotificationRequest,
    BootReason,
    ChargingStation,
)
from station.reactor import Reactor
from station.store.database import Database
from station.store.files import copy_to_memory, remove_copy
from station.store.inline_store import InlineStore
from station.store.memory_disk import MemoryDisk
from station.store.migrate import StoreTooNewError
from station.store.units import to_sql_name
from station.trust_store import CERTIFICATES

READ = (CERTIFICATES, CONFIGURED, CREDENTIALS, LAST_PROFILE, LAST_TIME, NETWORK, VARIABLES)
"""Transactions and queued messages stay where they are."""


class Patient(Struct, frozen=True):
    """One way to the CSMS, as the station would take it."""

    slot: str
    url: str
    security_profile: int
    target: LinkTarget
    access: bool
    """It wants APN or VPN, which the doctor does not set up."""


class Lane:
    """Implements `env.Lane`; a station that does not start gives it nothing to do."""

    def submit(self, *_: Any) -> None:
        return

    def stop(self, timeout_s: float) -> bool:  # noqa: ARG002
        return True


def assemble(config: StationConfig, disk: MemoryDisk) -> Station:
    """The station that would start now with *config* and what *disk* holds."""
    reactor = Reactor(time.monotonic)
    rng = random.Random(0)
    description = sim_board_description(1, 1, "fixed")
    board = SimBoard(
        description,
        World(description, time.monotonic()),
        time.monotonic,
        lambda due_at, job: reactor.call_at(due_at, job, source="board"),
    )
    env = Env(
        monotonic=time.monotonic,
        utc=lambda: datetime.now(UTC),
        rng=rng,
        new_id=lambda: str(uuid.uuid4()),
        boot_id="doctor",
        lane=lambda _: Lane(),
    )
    link = ThreadLink()
    ports = Ports(
        board=board,
        link=link,
        backend=InlineStore(reactor, rng, disk),
        keys=FileKeys(Path(config.station.state_dir) / KEYS),
        transfers=FileTransfers(Targets()),
    )
    station = Station(config, env, ports, reactor)
    link.stop(0.0)  # it was never used
    station.configure_connection()
    return station


def patients(station: Station) -> list[Patient]:
    return [
        Patient(row.slot, row.url, row.security_profile, target, bool(row.access))
        for row, target in station.connection.targets()
    ]


def boot_notification(station: Station) -> bytes:
    variables = station.variables
    about = ChargingStation(
        model=variables[MODEL],
        vendor_name=variables[VENDOR_NAME],
        serial_number=variables[SERIAL_NUMBER],
        firmware_version=variables[FIRMWARE_VERSION],
    )
    return codec.encode(BootNotificationRequest(reason=BootReason.UNKNOWN, charging_station=about))


def read_state(state_dir: Path, stack: ExitStack) -> MemoryDisk:
    """What a stopped station knows of its connection; the folder is not written to.

    It is held until *stack* ends, so that no station starts while it is examined: a second
    connection under one identity would end the first.
    """
    disk = MemoryDisk()
    if not (state_dir / DATABASE).exists():
        return disk
    lock_state_dir(state_dir, stack)
    try:
        copy = copy_to_memory(state_dir / DATABASE)
    except OSError as error:
        raise ConfigError(f"state folder {state_dir}: {error.strerror}") from error
    database = Database(copy)
    try:
        tables = database.open().tables
    except StoreTooNewError as error:
        raise ConfigError(f"state folder {state_dir}: {error}") from error
    finally:
        database.close()
        remove_copy(copy)
    for name in (to_sql_name(table.name) for table in READ):
        disk.tables[name] = {key: (order, row) for key, order, row in tables.get(name, ())}
    return disk

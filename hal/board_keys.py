"""The keys of a board file, table by table."""

from typing import Annotated, Any

import msgspec

from hal.api import CableKind
from hal.options import Pin

Current = Annotated[float, msgspec.Meta(ge=6.0, le=80.0)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Table = dict[str, Any]


class Keys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class ConnectorKeys(Keys, frozen=True, kw_only=True):
    type: Text
    cable: CableKind
    lock: bool = False
    """It can hold the plug."""


class EvseKeys(Keys, frozen=True, kw_only=True):
    connector: Annotated[list[Table], msgspec.Meta(min_length=1)]
    max_current_a: Current
    min_current_a: Current = 6.0
    phases: Annotated[int, msgspec.Meta(ge=1, le=3)]
    nominal_voltage_v: Annotated[float, msgspec.Meta(ge=100.0, le=500.0)] = 230.0
    allows_ventilation: bool = False
    has_bay_sensor: bool = False
    """Simulated boards only: a real one has the sensor if it has its driver."""
    signs: bool = False
    """Simulated boards only: a real meter signs if its driver can."""
    contactor: Table | None = None
    pilot: Table | None = None
    proximity: Table | None = None
    lock: Table | None = None
    bay: Table | None = None
    meter: Table | None = None
    sensor: list[Table] = []


class ReaderKeys(Keys, frozen=True, kw_only=True):
    id: Text
    evse: int | None = None
    token_type: Text = "ISO14443"  # noqa: S105 - the name of a type
    more_types: list[Text] = []
    """Simulated boards only: a real reader has the one type of its driver."""
    normalise: Text | list[Text] = []
    driver: Table | None = None


class TerminalKeys(Keys, frozen=True, kw_only=True):
    id: Text
    evse: int | None = None
    driver: Table | None = None


class MainMeterKeys(Keys, frozen=True, kw_only=True):
    phases: Annotated[int, msgspec.Meta(ge=1, le=3)]
    max_current_a: Annotated[float, msgspec.Meta(gt=0.0, le=5000.0)]
    """Of the connection to the grid, per phase."""
    nominal_voltage_v: Annotated[float, msgspec.Meta(ge=100.0, le=500.0)] = 230.0
    driver: Table | None = None


class BoardKeys(Keys, frozen=True, kw_only=True):
    board: str = "devices"
    """"devices" or "simulator"."""
    vendor: Text = "joulepost"
    model: Text
    serial_number: str = ""
    opens_without_us: str = ""
    heartbeat_pin: Pin | None = None
    evse: Annotated[list[Table], msgspec.Meta(min_length=1)]
    reader: list[Table] = []
    terminal: list[Table] = []
    main_meter: Table | None = None

"""The few ports that a block is given."""

import random
from collections.abc import Callable

from msgspec import Struct

from hal.api import Board
from station.charging.evses import Evses
from station.charging.hardware import Hardware
from station.charging.policy import ChargingVariables
from station.charging.queries import Queries
from station.charging.transactions import Transactions
from station.clock import Clock
from station.clock_fixes import ClockFixes
from station.device_model import DeviceModel
from station.env import Lane
from station.events import EventBus
from station.ports import Csms, KeyStore, Outbox, Store
from station.reactor import Reactor


class Identity(Struct, frozen=True):
    """What the station is, as BootNotification and the device model tell it."""

    identity: str
    vendor: str
    model: str
    serial_number: str
    firmware_version: str


class Context(Struct, frozen=True):
    reactor: Reactor
    clock: Clock
    fixes: ClockFixes
    rng: random.Random
    new_id: Callable[[], str]
    store: Store
    outbox: Outbox
    variables: DeviceModel
    events: EventBus
    csms: Csms
    board: Board
    evses: Evses
    transactions: Transactions
    queries: Queries
    charging: ChargingVariables
    hardware: Hardware
    identity: Identity
    lane: Callable[[str], Lane]
    """A named lane, for what may block or takes long."""
    keys: KeyStore
    refresh: Callable[[], None]
    """Derive setpoints and connector status anew: an availability or a limit has changed."""

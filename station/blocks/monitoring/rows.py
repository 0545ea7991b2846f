"""What lasts of monitoring: monitors with what they have seen, base, level and counters."""

from station.device_model import Address
from station.ocpp.messages.diagnostics import EventNotification, Monitor, MonitoringBase
from station.records import Record, Table


class MonitorRow(Record, frozen=True, kw_only=True):
    """One monitor. A threshold or difference is in the unit of the variable, a period in s."""

    id: int
    address: Address
    type: Monitor
    value: float
    severity: int
    transaction: bool = False
    """Only while a transaction concerns the component."""
    origin: str = ""
    """Of a monitor that the station brought along: its name in the list of those."""
    hard_wired: bool = False
    changed: bool = False
    """The CSMS has replaced what the station brought along: a custom monitor (N04.FR.15)."""
    cleared: bool = False
    """The CSMS has cleared it: off until the next SetMonitoringBase."""
    exceeded: bool = False
    """Its threshold was exceeded when the value was last seen (N07.FR.14)."""
    seen: str | None = None
    """Delta: the value when it was set, or when its last event was sent."""
    transaction_id: str = ""
    """Of the transaction during which the threshold was exceeded."""

    @property
    def kind(self) -> EventNotification:
        if self.hard_wired:
            return EventNotification.HARD_WIRED_MONITOR
        if self.origin and not self.changed:
            return EventNotification.PRECONFIGURED_MONITOR
        return EventNotification.CUSTOM_MONITOR

    @property
    def is_custom(self) -> bool:
        return self.kind is EventNotification.CUSTOM_MONITOR


class MonitoringRow(Record, frozen=True, kw_only=True):
    """What the CSMS wants to hear of, and the numbers that were given."""

    base: MonitoringBase = MonitoringBase.FACTORY_DEFAULT
    level: int = 9
    """Events of a severity above it are not sent (N07.FR.15)."""
    last_monitor_id: int = 0
    last_event_id: int = 0


MONITORS = Table("monitor", MonitorRow, lambda row: str(row.id))
STATE = Table("monitoring", MonitoringRow, lambda _: "monitoring")

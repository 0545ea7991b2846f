"""Messages of functional block G, Availability: connector status, and the heartbeat."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import EVSE, StatusInfo
from station.ocpp.types import Message, Request


class OperationalStatus(StrEnum):
    INOPERATIVE = "Inoperative"
    OPERATIVE = "Operative"


class ChangeAvailabilityStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    SCHEDULED = "Scheduled"


class ChangeAvailabilityResponse(Message):
    status: ChangeAvailabilityStatus
    status_info: StatusInfo | UnsetType = UNSET


class ChangeAvailabilityRequest(Request[ChangeAvailabilityResponse]):
    """*evse* may name an EVSE or a connector; absent means the station."""

    operational_status: OperationalStatus
    evse: EVSE | UnsetType = UNSET


class HeartbeatResponse(Message):
    current_time: datetime


class HeartbeatRequest(Request[HeartbeatResponse]):
    pass


class ConnectorStatus(StrEnum):
    AVAILABLE = "Available"
    OCCUPIED = "Occupied"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class StatusNotificationResponse(Message):
    pass


class StatusNotificationRequest(Request[StatusNotificationResponse]):
    timestamp: datetime
    connector_status: ConnectorStatus
    evse_id: int
    connector_id: int

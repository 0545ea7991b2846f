"""Messages of functional block P, DataTransfer: what only one vendor understands."""

from enum import StrEnum
from typing import Any

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import StatusInfo
from station.ocpp.types import Message, Request, String50, String255


class DataTransferStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_MESSAGE_ID = "UnknownMessageId"
    UNKNOWN_VENDOR_ID = "UnknownVendorId"


class DataTransferResponse(Message):
    """*data* is free of form, and even null."""

    status: DataTransferStatus
    status_info: StatusInfo | UnsetType = UNSET
    data: Any = UNSET


class DataTransferRequest(Request[DataTransferResponse]):
    """*data* is free of form, and even null."""

    vendor_id: String255
    message_id: String50 | UnsetType = UNSET
    data: Any = UNSET

"""Messages of functional block O, DisplayMessage."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import Component, MessageContent, StatusInfo
from station.ocpp.types import Message, NonEmpty, Request, String36


class MessagePriority(StrEnum):
    """Which message wins the display."""

    ALWAYS_FRONT = "AlwaysFront"
    IN_FRONT = "InFront"
    NORMAL_CYCLE = "NormalCycle"


class MessageState(StrEnum):
    """Show only while the station is in this state."""

    CHARGING = "Charging"
    FAULTED = "Faulted"
    IDLE = "Idle"
    UNAVAILABLE = "Unavailable"


class MessageInfo(Message):
    """A message, and when, where and for whom to show it."""

    id: int
    priority: MessagePriority
    message: MessageContent
    display: Component | UnsetType = UNSET
    state: MessageState | UnsetType = UNSET
    start_date_time: datetime | UnsetType = UNSET
    end_date_time: datetime | UnsetType = UNSET
    transaction_id: String36 | UnsetType = UNSET


class DisplayMessageStatus(StrEnum):
    ACCEPTED = "Accepted"
    NOT_SUPPORTED_MESSAGE_FORMAT = "NotSupportedMessageFormat"
    REJECTED = "Rejected"
    NOT_SUPPORTED_PRIORITY = "NotSupportedPriority"
    NOT_SUPPORTED_STATE = "NotSupportedState"
    UNKNOWN_TRANSACTION = "UnknownTransaction"


class SetDisplayMessageResponse(Message):
    status: DisplayMessageStatus
    status_info: StatusInfo | UnsetType = UNSET


class SetDisplayMessageRequest(Request[SetDisplayMessageResponse]):
    message: MessageInfo


class GetDisplayMessagesStatus(StrEnum):
    ACCEPTED = "Accepted"
    UNKNOWN = "Unknown"


class GetDisplayMessagesResponse(Message):
    status: GetDisplayMessagesStatus
    status_info: StatusInfo | UnsetType = UNSET


class GetDisplayMessagesRequest(Request[GetDisplayMessagesResponse]):
    """Messages that match all that is given."""

    request_id: int
    id: NonEmpty[int] | UnsetType = UNSET
    priority: MessagePriority | UnsetType = UNSET
    state: MessageState | UnsetType = UNSET


class NotifyDisplayMessagesResponse(Message):
    pass


class NotifyDisplayMessagesRequest(Request[NotifyDisplayMessagesResponse]):
    """*tbc* says that more parts follow, and is false if absent."""

    request_id: int
    message_info: NonEmpty[MessageInfo] | UnsetType = UNSET
    tbc: bool | UnsetType = UNSET


class ClearMessageStatus(StrEnum):
    ACCEPTED = "Accepted"
    UNKNOWN = "Unknown"


class ClearDisplayMessageResponse(Message):
    status: ClearMessageStatus
    status_info: StatusInfo | UnsetType = UNSET


class ClearDisplayMessageRequest(Request[ClearDisplayMessageResponse]):
    id: int

"""Messages of functional block F, RemoteControl: start, stop, trigger and unlock."""

from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import EVSE, ChargingProfile, IdToken, StatusInfo
from station.ocpp.types import Message, Request, String36


class RequestStartStopStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class RequestStartTransactionResponse(Message):
    """*transaction_id* only if the transaction was already running."""

    status: RequestStartStopStatus
    status_info: StatusInfo | UnsetType = UNSET
    transaction_id: String36 | UnsetType = UNSET


class RequestStartTransactionRequest(Request[RequestStartTransactionResponse]):
    id_token: IdToken
    remote_start_id: int
    evse_id: int | UnsetType = UNSET
    group_id_token: IdToken | UnsetType = UNSET
    charging_profile: ChargingProfile | UnsetType = UNSET


class RequestStopTransactionResponse(Message):
    status: RequestStartStopStatus
    status_info: StatusInfo | UnsetType = UNSET


class RequestStopTransactionRequest(Request[RequestStopTransactionResponse]):
    transaction_id: String36


class MessageTrigger(StrEnum):
    """What the station can be asked to send."""

    BOOT_NOTIFICATION = "BootNotification"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    SIGN_CHARGING_STATION_CERTIFICATE = "SignChargingStationCertificate"
    SIGN_V2G_CERTIFICATE = "SignV2GCertificate"
    STATUS_NOTIFICATION = "StatusNotification"
    TRANSACTION_EVENT = "TransactionEvent"
    SIGN_COMBINED_CERTIFICATE = "SignCombinedCertificate"
    PUBLISH_FIRMWARE_STATUS_NOTIFICATION = "PublishFirmwareStatusNotification"


class TriggerMessageStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_IMPLEMENTED = "NotImplemented"


class TriggerMessageResponse(Message):
    status: TriggerMessageStatus
    status_info: StatusInfo | UnsetType = UNSET


class TriggerMessageRequest(Request[TriggerMessageResponse]):
    """*evse* narrows what is sent; absent means all of them."""

    requested_message: MessageTrigger
    evse: EVSE | UnsetType = UNSET


class UnlockStatus(StrEnum):
    UNLOCKED = "Unlocked"
    UNLOCK_FAILED = "UnlockFailed"
    ONGOING_AUTHORIZED_TRANSACTION = "OngoingAuthorizedTransaction"
    UNKNOWN_CONNECTOR = "UnknownConnector"


class UnlockConnectorResponse(Message):
    status: UnlockStatus
    status_info: StatusInfo | UnsetType = UNSET


class UnlockConnectorRequest(Request[UnlockConnectorResponse]):
    evse_id: int
    connector_id: int

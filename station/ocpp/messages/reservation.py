"""Messages of functional block H, Reservation."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import IdToken, StatusInfo
from station.ocpp.types import Message, Request


class Connector(StrEnum):
    """c: a fixed cable, s: a socket, w: without wire."""

    C_CCS1 = "cCCS1"
    C_CCS2 = "cCCS2"
    C_G105 = "cG105"
    C_TESLA = "cTesla"
    C_TYPE1 = "cType1"
    C_TYPE2 = "cType2"
    S309_1P_16A = "s309-1P-16A"
    S309_1P_32A = "s309-1P-32A"
    S309_3P_16A = "s309-3P-16A"
    S309_3P_32A = "s309-3P-32A"
    S_BS1361 = "sBS1361"
    S_CEE_7_7 = "sCEE-7-7"
    S_TYPE2 = "sType2"
    S_TYPE3 = "sType3"
    OTHER_1PH_MAX_16A = "Other1PhMax16A"
    OTHER_1PH_OVER_16A = "Other1PhOver16A"
    OTHER_3PH = "Other3Ph"
    PAN = "Pan"
    W_INDUCTIVE = "wInductive"
    W_RESONANT = "wResonant"
    UNDETERMINED = "Undetermined"
    UNKNOWN = "Unknown"


class ReserveNowStatus(StrEnum):
    ACCEPTED = "Accepted"
    FAULTED = "Faulted"
    OCCUPIED = "Occupied"
    REJECTED = "Rejected"
    UNAVAILABLE = "Unavailable"


class ReserveNowResponse(Message):
    status: ReserveNowStatus
    status_info: StatusInfo | UnsetType = UNSET


class ReserveNowRequest(Request[ReserveNowResponse]):
    """*evse_id* absent means any EVSE that fits."""

    id: int
    expiry_date_time: datetime
    id_token: IdToken
    connector_type: Connector | UnsetType = UNSET
    evse_id: int | UnsetType = UNSET
    group_id_token: IdToken | UnsetType = UNSET


class CancelReservationStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class CancelReservationResponse(Message):
    status: CancelReservationStatus
    status_info: StatusInfo | UnsetType = UNSET


class CancelReservationRequest(Request[CancelReservationResponse]):
    reservation_id: int


class ReservationUpdateStatus(StrEnum):
    EXPIRED = "Expired"
    REMOVED = "Removed"


class ReservationStatusUpdateResponse(Message):
    pass


class ReservationStatusUpdateRequest(Request[ReservationStatusUpdateResponse]):
    reservation_id: int
    reservation_update_status: ReservationUpdateStatus

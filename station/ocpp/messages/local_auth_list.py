"""Messages of functional block D, LocalAuthorizationList."""

from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import IdToken, IdTokenInfo, StatusInfo
from station.ocpp.types import Message, NonEmpty, Request


class GetLocalListVersionResponse(Message):
    version_number: int


class GetLocalListVersionRequest(Request[GetLocalListVersionResponse]):
    pass


class AuthorizationData(Message):
    """An entry of the list; in a differential update one without info is removed."""

    id_token: IdToken
    id_token_info: IdTokenInfo | UnsetType = UNSET


class Update(StrEnum):
    """Replace the whole list, or change single entries."""

    DIFFERENTIAL = "Differential"
    FULL = "Full"


class SendLocalListStatus(StrEnum):
    ACCEPTED = "Accepted"
    FAILED = "Failed"
    VERSION_MISMATCH = "VersionMismatch"


class SendLocalListResponse(Message):
    status: SendLocalListStatus
    status_info: StatusInfo | UnsetType = UNSET


class SendLocalListRequest(Request[SendLocalListResponse]):
    version_number: int
    update_type: Update
    local_authorization_list: NonEmpty[AuthorizationData] | UnsetType = UNSET

"""Messages of functional block C, Authorization: may this token charge?"""

from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import IdToken, IdTokenInfo, OCSPRequestData, StatusInfo
from station.ocpp.types import Message, Request, String5500, UpTo4


class AuthorizeCertificateStatus(StrEnum):
    """The CSMS's word on a contract certificate."""

    ACCEPTED = "Accepted"
    SIGNATURE_ERROR = "SignatureError"
    CERTIFICATE_EXPIRED = "CertificateExpired"
    CERTIFICATE_REVOKED = "CertificateRevoked"
    NO_CERTIFICATE_AVAILABLE = "NoCertificateAvailable"
    CERT_CHAIN_ERROR = "CertChainError"
    CONTRACT_CANCELLED = "ContractCancelled"


class AuthorizeResponse(Message):
    id_token_info: IdTokenInfo
    certificate_status: AuthorizeCertificateStatus | UnsetType = UNSET


class AuthorizeRequest(Request[AuthorizeResponse]):
    """*certificate* is the EV's contract chain (PEM), for Plug & Charge."""

    id_token: IdToken
    certificate: String5500 | UnsetType = UNSET
    iso15118_certificate_hash_data: UpTo4[OCSPRequestData] | UnsetType = UNSET


class ClearCacheStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class ClearCacheResponse(Message):
    status: ClearCacheStatus
    status_info: StatusInfo | UnsetType = UNSET


class ClearCacheRequest(Request[ClearCacheResponse]):
    pass

"""Messages of functional block A, Security: the station's own certificates, and events."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import GenericStatus, StatusInfo
from station.ocpp.types import Message, Request, String50, String255, String5500, String10000


class CertificateSigningUse(StrEnum):
    """Absent means CHARGING_STATION_CERTIFICATE."""

    CHARGING_STATION_CERTIFICATE = "ChargingStationCertificate"
    V2G_CERTIFICATE = "V2GCertificate"


class CertificateSignedStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class CertificateSignedResponse(Message):
    status: CertificateSignedStatus
    status_info: StatusInfo | UnsetType = UNSET


class CertificateSignedRequest(Request[CertificateSignedResponse]):
    """The CSMS hands over a signed certificate: PEM, leaf first."""

    certificate_chain: String10000
    certificate_type: CertificateSigningUse | UnsetType = UNSET


class SignCertificateResponse(Message):
    status: GenericStatus
    status_info: StatusInfo | UnsetType = UNSET


class SignCertificateRequest(Request[SignCertificateResponse]):
    """The station asks for a certificate; *csr* is PEM (PKCS#10)."""

    csr: String5500
    certificate_type: CertificateSigningUse | UnsetType = UNSET


class SecurityEventNotificationResponse(Message):
    pass


class SecurityEventNotificationRequest(Request[SecurityEventNotificationResponse]):
    """*type* is an event of the security appendix."""

    type: String50
    timestamp: datetime
    tech_info: String255 | UnsetType = UNSET

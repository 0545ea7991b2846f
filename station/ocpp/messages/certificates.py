"""Messages of functional block M, ISO 15118 and root certificate management."""

from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import CertificateHashData, OCSPRequestData, StatusInfo
from station.ocpp.types import Message, NonEmpty, Request, String50, String5500, String5600, UpTo4


class InstallCertificateUse(StrEnum):
    """Whose root it is; MO is the mobility operator."""

    V2G_ROOT_CERTIFICATE = "V2GRootCertificate"
    MO_ROOT_CERTIFICATE = "MORootCertificate"
    CSMS_ROOT_CERTIFICATE = "CSMSRootCertificate"
    MANUFACTURER_ROOT_CERTIFICATE = "ManufacturerRootCertificate"


class InstallCertificateStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    FAILED = "Failed"


class InstallCertificateResponse(Message):
    status: InstallCertificateStatus
    status_info: StatusInfo | UnsetType = UNSET


class InstallCertificateRequest(Request[InstallCertificateResponse]):
    """*certificate* is PEM."""

    certificate_type: InstallCertificateUse
    certificate: String5500


class DeleteCertificateStatus(StrEnum):
    ACCEPTED = "Accepted"
    FAILED = "Failed"
    NOT_FOUND = "NotFound"


class DeleteCertificateResponse(Message):
    status: DeleteCertificateStatus
    status_info: StatusInfo | UnsetType = UNSET


class DeleteCertificateRequest(Request[DeleteCertificateResponse]):
    certificate_hash_data: CertificateHashData


class GetCertificateIdUse(StrEnum):
    """What to list; the chains are the station's own for ISO 15118."""

    V2G_ROOT_CERTIFICATE = "V2GRootCertificate"
    MO_ROOT_CERTIFICATE = "MORootCertificate"
    CSMS_ROOT_CERTIFICATE = "CSMSRootCertificate"
    V2G_CERTIFICATE_CHAIN = "V2GCertificateChain"
    MANUFACTURER_ROOT_CERTIFICATE = "ManufacturerRootCertificate"


class GetInstalledCertificateStatus(StrEnum):
    ACCEPTED = "Accepted"
    NOT_FOUND = "NotFound"


class CertificateHashDataChain(Message):
    """A certificate and those under it, next to it first."""

    certificate_hash_data: CertificateHashData
    certificate_type: GetCertificateIdUse
    child_certificate_hash_data: UpTo4[CertificateHashData] | UnsetType = UNSET


class GetInstalledCertificateIdsResponse(Message):
    status: GetInstalledCertificateStatus
    status_info: StatusInfo | UnsetType = UNSET
    certificate_hash_data_chain: NonEmpty[CertificateHashDataChain] | UnsetType = UNSET


class GetInstalledCertificateIdsRequest(Request[GetInstalledCertificateIdsResponse]):
    certificate_type: NonEmpty[GetCertificateIdUse] | UnsetType = UNSET


class GetCertificateStatus(StrEnum):
    ACCEPTED = "Accepted"
    FAILED = "Failed"


class GetCertificateStatusResponse(Message):
    """*ocsp_result* is the responder's DER answer in Base64."""

    status: GetCertificateStatus
    status_info: StatusInfo | UnsetType = UNSET
    ocsp_result: String5500 | UnsetType = UNSET


class GetCertificateStatusRequest(Request[GetCertificateStatusResponse]):
    ocsp_request_data: OCSPRequestData


class CertificateAction(StrEnum):
    """A new contract certificate, or a newer one."""

    INSTALL = "Install"
    UPDATE = "Update"


class Iso15118EVCertificateStatus(StrEnum):
    ACCEPTED = "Accepted"
    FAILED = "Failed"


class Get15118EVCertificateResponse(Message):
    """*exi_response* is the answer for the EV, in Base64."""

    status: Iso15118EVCertificateStatus
    exi_response: String5600
    status_info: StatusInfo | UnsetType = UNSET


class Get15118EVCertificateRequest(Request[Get15118EVCertificateResponse]):
    """*exi_request* is the EV's request, in Base64."""

    iso15118_schema_version: String50
    action: CertificateAction
    exi_request: String5600

"""Messages of functional block L, FirmwareManagement."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import GenericStatus, StatusInfo
from station.ocpp.types import (
    Message,
    NonEmpty,
    Request,
    String32,
    String512,
    String800,
    String5500,
)


class Firmware(Message):
    """Where the image is and when to fetch and install it; certificate is PEM, signature Base64."""

    location: String512
    retrieve_date_time: datetime
    install_date_time: datetime | UnsetType = UNSET
    signing_certificate: String5500 | UnsetType = UNSET
    signature: String800 | UnsetType = UNSET


class UpdateFirmwareStatus(StrEnum):
    """ACCEPTED_CANCELED: accepted, and an update under way was given up for it."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"
    INVALID_CERTIFICATE = "InvalidCertificate"
    REVOKED_CERTIFICATE = "RevokedCertificate"


class UpdateFirmwareResponse(Message):
    status: UpdateFirmwareStatus
    status_info: StatusInfo | UnsetType = UNSET


class UpdateFirmwareRequest(Request[UpdateFirmwareResponse]):
    """*retry_interval* in seconds."""

    request_id: int
    firmware: Firmware
    retries: int | UnsetType = UNSET
    retry_interval: int | UnsetType = UNSET


class FirmwareStatus(StrEnum):
    DOWNLOADED = "Downloaded"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOADING = "Downloading"
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOAD_PAUSED = "DownloadPaused"
    IDLE = "Idle"
    INSTALLATION_FAILED = "InstallationFailed"
    INSTALLING = "Installing"
    INSTALLED = "Installed"
    INSTALL_REBOOTING = "InstallRebooting"
    INSTALL_SCHEDULED = "InstallScheduled"
    INSTALL_VERIFICATION_FAILED = "InstallVerificationFailed"
    INVALID_SIGNATURE = "InvalidSignature"
    SIGNATURE_VERIFIED = "SignatureVerified"


class FirmwareStatusNotificationResponse(Message):
    pass


class FirmwareStatusNotificationRequest(Request[FirmwareStatusNotificationResponse]):
    """*request_id* is that of the UpdateFirmware, unless IDLE."""

    status: FirmwareStatus
    request_id: int | UnsetType = UNSET


class PublishFirmwareResponse(Message):
    status: GenericStatus
    status_info: StatusInfo | UnsetType = UNSET


class PublishFirmwareRequest(Request[PublishFirmwareResponse]):
    """For local controllers. *checksum* is MD5 in hex, *retry_interval* in seconds."""

    location: String512
    checksum: String32
    request_id: int
    retries: int | UnsetType = UNSET
    retry_interval: int | UnsetType = UNSET


class PublishFirmwareStatus(StrEnum):
    IDLE = "Idle"
    DOWNLOAD_SCHEDULED = "DownloadScheduled"
    DOWNLOADING = "Downloading"
    DOWNLOADED = "Downloaded"
    PUBLISHED = "Published"
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOAD_PAUSED = "DownloadPaused"
    INVALID_CHECKSUM = "InvalidChecksum"
    CHECKSUM_VERIFIED = "ChecksumVerified"
    PUBLISH_FAILED = "PublishFailed"


class PublishFirmwareStatusNotificationResponse(Message):
    pass


class PublishFirmwareStatusNotificationRequest(Request[PublishFirmwareStatusNotificationResponse]):
    """*location*: where the image can be had, once PUBLISHED."""

    status: PublishFirmwareStatus
    location: NonEmpty[String512] | UnsetType = UNSET
    request_id: int | UnsetType = UNSET


class UnpublishFirmwareStatus(StrEnum):
    DOWNLOAD_ONGOING = "DownloadOngoing"
    NO_FIRMWARE = "NoFirmware"
    UNPUBLISHED = "Unpublished"


class UnpublishFirmwareResponse(Message):
    status: UnpublishFirmwareStatus


class UnpublishFirmwareRequest(Request[UnpublishFirmwareResponse]):
    """For local controllers. *checksum* is MD5 in hex."""

    checksum: String32

"""Messages of functional block N, Diagnostics: logs, monitors, events, customer data."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import (
    CertificateHashData,
    Component,
    ComponentVariable,
    GenericDeviceModelStatus,
    GenericStatus,
    IdToken,
    StatusInfo,
    Variable,
)
from station.ocpp.types import (
    Message,
    NonEmpty,
    Request,
    String36,
    String50,
    String64,
    String255,
    String500,
    String512,
    String2500,
    UpTo3,
)


class LogParameters(Message):
    """Where to put the log, and the period that it covers."""

    remote_location: String512
    oldest_timestamp: datetime | UnsetType = UNSET
    latest_timestamp: datetime | UnsetType = UNSET


class Log(StrEnum):
    DIAGNOSTICS_LOG = "DiagnosticsLog"
    SECURITY_LOG = "SecurityLog"


class LogStatus(StrEnum):
    """ACCEPTED_CANCELED: accepted, and an upload under way was given up for it."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    ACCEPTED_CANCELED = "AcceptedCanceled"


class GetLogResponse(Message):
    status: LogStatus
    status_info: StatusInfo | UnsetType = UNSET
    filename: String255 | UnsetType = UNSET


class GetLogRequest(Request[GetLogResponse]):
    """*retry_interval* in seconds."""

    log: LogParameters
    log_type: Log
    request_id: int
    retries: int | UnsetType = UNSET
    retry_interval: int | UnsetType = UNSET


class UploadLogStatus(StrEnum):
    BAD_MESSAGE = "BadMessage"
    IDLE = "Idle"
    NOT_SUPPORTED_OPERATION = "NotSupportedOperation"
    PERMISSION_DENIED = "PermissionDenied"
    UPLOADED = "Uploaded"
    UPLOAD_FAILURE = "UploadFailure"
    UPLOADING = "Uploading"
    ACCEPTED_CANCELED = "AcceptedCanceled"


class LogStatusNotificationResponse(Message):
    pass


class LogStatusNotificationRequest(Request[LogStatusNotificationResponse]):
    status: UploadLogStatus
    request_id: int | UnsetType = UNSET


class MonitoringCriterion(StrEnum):
    THRESHOLD_MONITORING = "ThresholdMonitoring"
    DELTA_MONITORING = "DeltaMonitoring"
    PERIODIC_MONITORING = "PeriodicMonitoring"


class GetMonitoringReportResponse(Message):
    status: GenericDeviceModelStatus
    status_info: StatusInfo | UnsetType = UNSET


class GetMonitoringReportRequest(Request[GetMonitoringReportResponse]):
    request_id: int
    component_variable: NonEmpty[ComponentVariable] | UnsetType = UNSET
    monitoring_criteria: UpTo3[MonitoringCriterion] | UnsetType = UNSET


class Monitor(StrEnum):
    """When an event is raised; PERIODIC_CLOCK_ALIGNED counts seconds from midnight."""

    UPPER_THRESHOLD = "UpperThreshold"
    LOWER_THRESHOLD = "LowerThreshold"
    DELTA = "Delta"
    PERIODIC = "Periodic"
    PERIODIC_CLOCK_ALIGNED = "PeriodicClockAligned"


class VariableMonitoring(Message):
    """*severity* runs from 0 (danger) to 9 (debug); *transaction*: only while one runs."""

    id: int
    transaction: bool
    value: float
    type: Monitor
    severity: int


class MonitoringData(Message):
    """The monitors of one variable."""

    component: Component
    variable: Variable
    variable_monitoring: NonEmpty[VariableMonitoring]


class NotifyMonitoringReportResponse(Message):
    pass


class NotifyMonitoringReportRequest(Request[NotifyMonitoringReportResponse]):
    """One part of a report; *tbc* says that more follow, and is false if absent."""

    request_id: int
    seq_no: int
    generated_at: datetime
    monitor: NonEmpty[MonitoringData] | UnsetType = UNSET
    tbc: bool | UnsetType = UNSET


class MonitoringBase(StrEnum):
    ALL = "All"
    FACTORY_DEFAULT = "FactoryDefault"
    HARD_WIRED_ONLY = "HardWiredOnly"


class SetMonitoringBaseResponse(Message):
    status: GenericDeviceModelStatus
    status_info: StatusInfo | UnsetType = UNSET


class SetMonitoringBaseRequest(Request[SetMonitoringBaseResponse]):
    monitoring_base: MonitoringBase


class SetMonitoringLevelResponse(Message):
    status: GenericStatus
    status_info: StatusInfo | UnsetType = UNSET


class SetMonitoringLevelRequest(Request[SetMonitoringLevelResponse]):
    """Report events of this severity (0 to 9) and graver ones."""

    severity: int


class SetMonitoringData(Message):
    """*value* is a threshold, a difference or seconds, by type; *id* replaces a monitor."""

    value: float
    type: Monitor
    severity: int
    component: Component
    variable: Variable
    id: int | UnsetType = UNSET
    transaction: bool | UnsetType = UNSET


class SetMonitoringStatus(StrEnum):
    ACCEPTED = "Accepted"
    UNKNOWN_COMPONENT = "UnknownComponent"
    UNKNOWN_VARIABLE = "UnknownVariable"
    UNSUPPORTED_MONITOR_TYPE = "UnsupportedMonitorType"
    REJECTED = "Rejected"
    DUPLICATE = "Duplicate"


class SetMonitoringResult(Message):
    status: SetMonitoringStatus
    type: Monitor
    component: Component
    variable: Variable
    severity: int
    id: int | UnsetType = UNSET
    status_info: StatusInfo | UnsetType = UNSET


class SetVariableMonitoringResponse(Message):
    set_monitoring_result: NonEmpty[SetMonitoringResult]


class SetVariableMonitoringRequest(Request[SetVariableMonitoringResponse]):
    set_monitoring_data: NonEmpty[SetMonitoringData]


class ClearMonitoringStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_FOUND = "NotFound"


class ClearMonitoringResult(Message):
    status: ClearMonitoringStatus
    id: int
    status_info: StatusInfo | UnsetType = UNSET


class ClearVariableMonitoringResponse(Message):
    clear_monitoring_result: NonEmpty[ClearMonitoringResult]


class ClearVariableMonitoringRequest(Request[ClearVariableMonitoringResponse]):
    id: NonEmpty[int]


class EventTrigger(StrEnum):
    """Why an event was raised: a threshold, a change, or the time."""

    ALERTING = "Alerting"
    DELTA = "Delta"
    PERIODIC = "Periodic"


class EventNotification(StrEnum):
    """Whether a monitor caused the event, and whose."""

    HARD_WIRED_NOTIFICATION = "HardWiredNotification"
    HARD_WIRED_MONITOR = "HardWiredMonitor"
    PRECONFIGURED_MONITOR = "PreconfiguredMonitor"
    CUSTOM_MONITOR = "CustomMonitor"


class EventData(Message):
    """One event; *cause* is the id of the event that led to it."""

    event_id: int
    timestamp: datetime
    trigger: EventTrigger
    actual_value: String2500
    component: Component
    event_notification_type: EventNotification
    variable: Variable
    cause: int | UnsetType = UNSET
    tech_code: String50 | UnsetType = UNSET
    tech_info: String500 | UnsetType = UNSET
    cleared: bool | UnsetType = UNSET
    transaction_id: String36 | UnsetType = UNSET
    variable_monitoring_id: int | UnsetType = UNSET


class NotifyEventResponse(Message):
    pass


class NotifyEventRequest(Request[NotifyEventResponse]):
    """*tbc* says that more parts follow, and is false if absent."""

    generated_at: datetime
    seq_no: int
    event_data: NonEmpty[EventData]
    tbc: bool | UnsetType = UNSET


class CustomerInformationStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    INVALID = "Invalid"


class CustomerInformationResponse(Message):
    status: CustomerInformationStatus
    status_info: StatusInfo | UnsetType = UNSET


class CustomerInformationRequest(Request[CustomerInformationResponse]):
    """Report or clear what is stored of one customer, named in one of three ways."""

    request_id: int
    report: bool
    clear: bool
    customer_certificate: CertificateHashData | UnsetType = UNSET
    id_token: IdToken | UnsetType = UNSET
    customer_identifier: String64 | UnsetType = UNSET


class NotifyCustomerInformationResponse(Message):
    pass


class NotifyCustomerInformationRequest(Request[NotifyCustomerInformationResponse]):
    """One part of the data; *tbc* says that more follow, and is false if absent."""

    data: String512
    seq_no: int
    generated_at: datetime
    request_id: int
    tbc: bool | UnsetType = UNSET

"""Messages of functional block B, Provisioning: boot, device model, network, reset."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import (
    Component,
    ComponentVariable,
    GenericDeviceModelStatus,
    StatusInfo,
    Variable,
)
from station.ocpp.types import (
    Message,
    NonEmpty,
    Request,
    String6,
    String16,
    String20,
    String25,
    String50,
    String255,
    String512,
    String1000,
    String2500,
    UpTo4,
)


class Modem(Message):
    """The SIM's number and its subscriber."""

    iccid: String20 | UnsetType = UNSET
    imsi: String20 | UnsetType = UNSET


class ChargingStation(Message):
    model: String20
    vendor_name: String50
    serial_number: String25 | UnsetType = UNSET
    modem: Modem | UnsetType = UNSET
    firmware_version: String50 | UnsetType = UNSET


class BootReason(StrEnum):
    APPLICATION_RESET = "ApplicationReset"
    FIRMWARE_UPDATE = "FirmwareUpdate"
    LOCAL_RESET = "LocalReset"
    POWER_UP = "PowerUp"
    REMOTE_RESET = "RemoteReset"
    SCHEDULED_RESET = "ScheduledReset"
    TRIGGERED = "Triggered"
    UNKNOWN = "Unknown"
    WATCHDOG = "Watchdog"


class RegistrationStatus(StrEnum):
    ACCEPTED = "Accepted"
    PENDING = "Pending"
    REJECTED = "Rejected"


class BootNotificationResponse(Message):
    """*interval* in seconds: of heartbeats once accepted, else until the next attempt."""

    current_time: datetime
    interval: int
    status: RegistrationStatus
    status_info: StatusInfo | UnsetType = UNSET


class BootNotificationRequest(Request[BootNotificationResponse]):
    charging_station: ChargingStation
    reason: BootReason


class ReportBase(StrEnum):
    """Which part of the device model a report covers."""

    CONFIGURATION_INVENTORY = "ConfigurationInventory"
    FULL_INVENTORY = "FullInventory"
    SUMMARY_INVENTORY = "SummaryInventory"


class GetBaseReportResponse(Message):
    status: GenericDeviceModelStatus
    status_info: StatusInfo | UnsetType = UNSET


class GetBaseReportRequest(Request[GetBaseReportResponse]):
    request_id: int
    report_base: ReportBase


class ComponentCriterion(StrEnum):
    """A condition that components in a report fulfil."""

    ACTIVE = "Active"
    AVAILABLE = "Available"
    ENABLED = "Enabled"
    PROBLEM = "Problem"


class GetReportResponse(Message):
    status: GenericDeviceModelStatus
    status_info: StatusInfo | UnsetType = UNSET


class GetReportRequest(Request[GetReportResponse]):
    request_id: int
    component_variable: NonEmpty[ComponentVariable] | UnsetType = UNSET
    component_criteria: UpTo4[ComponentCriterion] | UnsetType = UNSET


class Attribute(StrEnum):
    """A facet of a variable; absent means ACTUAL."""

    ACTUAL = "Actual"
    TARGET = "Target"
    MIN_SET = "MinSet"
    MAX_SET = "MaxSet"


class Mutability(StrEnum):
    """Who may read and write an attribute; absent means READ_WRITE."""

    READ_ONLY = "ReadOnly"
    WRITE_ONLY = "WriteOnly"
    READ_WRITE = "ReadWrite"


class VariableAttribute(Message):
    """An attribute's value and nature; *persistent* and *constant* are false if absent."""

    type: Attribute | UnsetType = UNSET
    value: String2500 | UnsetType = UNSET
    mutability: Mutability | UnsetType = UNSET
    persistent: bool | UnsetType = UNSET
    constant: bool | UnsetType = UNSET


class Data(StrEnum):
    STRING = "string"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE_TIME = "dateTime"
    BOOLEAN = "boolean"
    OPTION_LIST = "OptionList"
    SEQUENCE_LIST = "SequenceList"
    MEMBER_LIST = "MemberList"


class VariableCharacteristics(Message):
    """What values a variable can take; *values_list* is comma-separated."""

    data_type: Data
    supports_monitoring: bool
    unit: String16 | UnsetType = UNSET
    min_limit: float | UnsetType = UNSET
    max_limit: float | UnsetType = UNSET
    values_list: String1000 | UnsetType = UNSET


class ReportData(Message):
    component: Component
    variable: Variable
    variable_attribute: UpTo4[VariableAttribute]
    variable_characteristics: VariableCharacteristics | UnsetType = UNSET


class NotifyReportResponse(Message):
    pass


class NotifyReportRequest(Request[NotifyReportResponse]):
    """One part of a report; *tbc* says that more follow, and is false if absent."""

    request_id: int
    generated_at: datetime
    seq_no: int
    report_data: NonEmpty[ReportData] | UnsetType = UNSET
    tbc: bool | UnsetType = UNSET


class GetVariableData(Message):
    component: Component
    variable: Variable
    attribute_type: Attribute | UnsetType = UNSET


class GetVariableStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_COMPONENT = "UnknownComponent"
    UNKNOWN_VARIABLE = "UnknownVariable"
    NOT_SUPPORTED_ATTRIBUTE_TYPE = "NotSupportedAttributeType"


class GetVariableResult(Message):
    attribute_status: GetVariableStatus
    component: Component
    variable: Variable
    attribute_status_info: StatusInfo | UnsetType = UNSET
    attribute_type: Attribute | UnsetType = UNSET
    attribute_value: String2500 | UnsetType = UNSET


class GetVariablesResponse(Message):
    get_variable_result: NonEmpty[GetVariableResult]


class GetVariablesRequest(Request[GetVariablesResponse]):
    get_variable_data: NonEmpty[GetVariableData]


class SetVariableData(Message):
    attribute_value: String1000
    component: Component
    variable: Variable
    attribute_type: Attribute | UnsetType = UNSET

    def __repr__(self) -> str:  # the value may be BasicAuthPassword
        return f"SetVariableData({self.component!r}, {self.variable!r}, redacted)"


class SetVariableStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    UNKNOWN_COMPONENT = "UnknownComponent"
    UNKNOWN_VARIABLE = "UnknownVariable"
    NOT_SUPPORTED_ATTRIBUTE_TYPE = "NotSupportedAttributeType"
    REBOOT_REQUIRED = "RebootRequired"


class SetVariableResult(Message):
    attribute_status: SetVariableStatus
    component: Component
    variable: Variable
    attribute_type: Attribute | UnsetType = UNSET
    attribute_status_info: StatusInfo | UnsetType = UNSET


class SetVariablesResponse(Message):
    set_variable_result: NonEmpty[SetVariableResult]


class SetVariablesRequest(Request[SetVariablesResponse]):
    set_variable_data: NonEmpty[SetVariableData]


class APNAuthentication(StrEnum):
    CHAP = "CHAP"
    NONE = "NONE"
    PAP = "PAP"
    AUTO = "AUTO"


class APN(Message):
    """How to reach the mobile network."""

    apn: String512
    apn_authentication: APNAuthentication
    apn_user_name: String20 | UnsetType = UNSET
    apn_password: String20 | UnsetType = UNSET
    sim_pin: int | UnsetType = UNSET
    preferred_network: String6 | UnsetType = UNSET
    use_only_preferred_network: bool | UnsetType = UNSET

    def __repr__(self) -> str:
        return "APN(redacted)"


class OCPPVersion(StrEnum):
    """Kept for the wire only: the version comes from the WebSocket subprotocol."""

    OCPP12 = "OCPP12"
    OCPP15 = "OCPP15"
    OCPP16 = "OCPP16"
    OCPP20 = "OCPP20"


class OCPPTransport(StrEnum):
    JSON = "JSON"
    SOAP = "SOAP"


class OCPPInterface(StrEnum):
    WIRED0 = "Wired0"
    WIRED1 = "Wired1"
    WIRED2 = "Wired2"
    WIRED3 = "Wired3"
    WIRELESS0 = "Wireless0"
    WIRELESS1 = "Wireless1"
    WIRELESS2 = "Wireless2"
    WIRELESS3 = "Wireless3"


class VPNType(StrEnum):
    IKEV2 = "IKEv2"
    IPSEC = "IPSec"
    L2TP = "L2TP"
    PPTP = "PPTP"


class VPN(Message):
    """How to reach the virtual private network."""

    server: String512
    user: String20
    password: String20
    key: String255
    type: VPNType
    group: String20 | UnsetType = UNSET

    def __repr__(self) -> str:
        return "VPN(redacted)"


class NetworkConnectionProfile(Message):
    """One way to reach the CSMS; the URL lacks the station's id, *message_timeout* is in s."""

    ocpp_version: OCPPVersion
    ocpp_transport: OCPPTransport
    ocpp_csms_url: String512
    message_timeout: int
    security_profile: int
    ocpp_interface: OCPPInterface
    apn: APN | UnsetType = UNSET
    vpn: VPN | UnsetType = UNSET


class SetNetworkProfileStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    FAILED = "Failed"


class SetNetworkProfileResponse(Message):
    status: SetNetworkProfileStatus
    status_info: StatusInfo | UnsetType = UNSET


class SetNetworkProfileRequest(Request[SetNetworkProfileResponse]):
    configuration_slot: int
    connection_data: NetworkConnectionProfile


class Reset(StrEnum):
    """At once, or when no transaction runs."""

    IMMEDIATE = "Immediate"
    ON_IDLE = "OnIdle"


class ResetStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    SCHEDULED = "Scheduled"


class ResetResponse(Message):
    status: ResetStatus
    status_info: StatusInfo | UnsetType = UNSET


class ResetRequest(Request[ResetResponse]):
    """Resets one EVSE, or the whole station if *evse_id* is absent."""

    type: Reset
    evse_id: int | UnsetType = UNSET

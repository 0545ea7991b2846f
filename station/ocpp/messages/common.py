"""Datatypes that several functional blocks share."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType, field

from station.ocpp.types import (
    Message,
    NonEmpty,
    NonNegative,
    String8,
    String20,
    String32,
    String36,
    String40,
    String50,
    String128,
    String512,
    String2500,
    UpTo3,
    UpTo1024,
)


class AdditionalInfo(Message):
    """A further token of the same person; *type* is agreed between CSMS and vendor."""

    additional_id_token: String36
    type: String50

    def __repr__(self) -> str:
        return "AdditionalInfo(redacted)"


class AuthorizationStatus(StrEnum):
    """Only ACCEPTED lets energy flow; the others say why not."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    CONCURRENT_TX = "ConcurrentTx"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    NO_CREDIT = "NoCredit"
    NOT_ALLOWED_TYPE_EVSE = "NotAllowedTypeEVSE"
    NOT_AT_THIS_LOCATION = "NotAtThisLocation"
    NOT_AT_THIS_TIME = "NotAtThisTime"
    UNKNOWN = "Unknown"


class HashAlgorithm(StrEnum):
    """What the issuer's name and key were hashed with."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


class CertificateHashData(Message):
    """A certificate, named by hashes (hex) and by its serial number (hex, no leading zeros)."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: String128
    issuer_key_hash: String128
    serial_number: String40


class ChargingProfileKind(StrEnum):
    """What a schedule's seconds count from: its own start, a day or week, or the transaction."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class ChargingProfilePurpose(StrEnum):
    """What a profile limits; the station's own profiles belong to EVSE 0."""

    CHARGING_STATION_EXTERNAL_CONSTRAINTS = "ChargingStationExternalConstraints"
    CHARGING_STATION_MAX_PROFILE = "ChargingStationMaxProfile"
    TX_DEFAULT_PROFILE = "TxDefaultProfile"
    TX_PROFILE = "TxProfile"


class RecurrencyKind(StrEnum):
    DAILY = "Daily"
    WEEKLY = "Weekly"


class ChargingRateUnit(StrEnum):
    """W is the total of all phases, A is the current in each phase."""

    W = "W"
    A = "A"


class ChargingSchedulePeriod(Message):
    """At most *limit* from *start_period* (s into the schedule) on; absent phases mean 3."""

    start_period: int
    limit: float
    number_phases: int | UnsetType = UNSET
    phase_to_use: int | UnsetType = UNSET


class RelativeTimeInterval(Message):
    """*start* counts in seconds from now, *duration* in seconds."""

    start: int
    duration: int | UnsetType = UNSET


class CostKind(StrEnum):
    CARBON_DIOXIDE_EMISSION = "CarbonDioxideEmission"
    RELATIVE_PRICE_PERCENTAGE = "RelativePricePercentage"
    RENEWABLE_GENERATION_PERCENTAGE = "RenewableGenerationPercentage"


class Cost(Message):
    """A cost per kWh: *amount* times ten to the power of *amount_multiplier*."""

    cost_kind: CostKind
    amount: int
    amount_multiplier: int | UnsetType = UNSET


class ConsumptionCost(Message):
    """What a kWh costs from *start_value* of consumption onward."""

    start_value: float
    cost: UpTo3[Cost]


class SalesTariffEntry(Message):
    """One interval of a tariff; a lower price level is cheaper."""

    relative_time_interval: RelativeTimeInterval
    e_price_level: NonNegative | UnsetType = UNSET
    consumption_cost: UpTo3[ConsumptionCost] | UnsetType = UNSET


class SalesTariff(Message):
    """Price levels for the EV, in the terms of ISO 15118-2."""

    id: int
    sales_tariff_entry: UpTo1024[SalesTariffEntry]
    sales_tariff_description: String32 | UnsetType = UNSET
    num_e_price_levels: int | UnsetType = UNSET


class ChargingSchedule(Message):
    """Limits over time; *duration* in seconds, absent means without end."""

    id: int
    charging_rate_unit: ChargingRateUnit
    charging_schedule_period: UpTo1024[ChargingSchedulePeriod]
    start_schedule: datetime | UnsetType = UNSET
    duration: int | UnsetType = UNSET
    min_charging_rate: float | UnsetType = UNSET
    sales_tariff: SalesTariff | UnsetType = UNSET


class ChargingProfile(Message):
    """A limit with a purpose; among equals the highest *stack_level* rules."""

    id: int
    stack_level: int
    charging_profile_purpose: ChargingProfilePurpose
    charging_profile_kind: ChargingProfileKind
    charging_schedule: UpTo3[ChargingSchedule]
    recurrency_kind: RecurrencyKind | UnsetType = UNSET
    valid_from: datetime | UnsetType = UNSET
    valid_to: datetime | UnsetType = UNSET
    transaction_id: String36 | UnsetType = UNSET


class EVSE(Message):
    """An EVSE, or one connector of it; both count from 1, and 0 is the station."""

    id: int
    connector_id: int | UnsetType = UNSET


class Component(Message):
    """A part of the station in the device model."""

    name: String50
    evse: EVSE | UnsetType = UNSET
    instance: String50 | UnsetType = UNSET


class Variable(Message):
    """A property of a component in the device model."""

    name: String50
    instance: String50 | UnsetType = UNSET


class ComponentVariable(Message):
    """A variable, or all variables of the component if it is absent."""

    component: Component
    variable: Variable | UnsetType = UNSET


class GenericDeviceModelStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    NOT_SUPPORTED = "NotSupported"
    EMPTY_RESULT_SET = "EmptyResultSet"


class GenericStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class IdTokenType(StrEnum):
    """What the token is; LOCAL is the station's own, NO_AUTHORIZATION is the start button."""

    CENTRAL = "Central"
    E_MAID = "eMAID"
    ISO14443 = "ISO14443"
    ISO15693 = "ISO15693"
    KEY_CODE = "KeyCode"
    LOCAL = "Local"
    MAC_ADDRESS = "MacAddress"
    NO_AUTHORIZATION = "NoAuthorization"


class IdToken(Message):
    """What a driver identifies with; compared without regard to case."""

    id_token: String36
    type: IdTokenType
    additional_info: NonEmpty[AdditionalInfo] | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"IdToken(type={self.type.value}, redacted)"


class MessageFormat(StrEnum):
    ASCII = "ASCII"
    HTML = "HTML"
    URI = "URI"
    UTF8 = "UTF8"


class MessageContent(Message):
    """Text for a driver; *language* is an RFC 5646 tag."""

    format: MessageFormat
    content: String512
    language: String8 | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"MessageContent({self.format.value}, redacted)"  # it may be for one driver


class IdTokenInfo(Message):
    """The CSMS's word on a token. *charging_priority* runs from -9 to 9, absent means 0."""

    status: AuthorizationStatus
    cache_expiry_date_time: datetime | UnsetType = UNSET
    charging_priority: int | UnsetType = UNSET
    language1: String8 | UnsetType = UNSET
    evse_id: NonEmpty[int] | UnsetType = UNSET
    group_id_token: IdToken | UnsetType = UNSET
    language2: String8 | UnsetType = UNSET
    personal_message: MessageContent | UnsetType = UNSET


class Location(StrEnum):
    """Where a value was measured; absent means OUTLET."""

    BODY = "Body"
    CABLE = "Cable"
    EV = "EV"
    INLET = "Inlet"
    OUTLET = "Outlet"


class Measurand(StrEnum):
    """What was measured; absent means ENERGY_ACTIVE_IMPORT_REGISTER."""

    CURRENT_EXPORT = "Current.Export"
    CURRENT_IMPORT = "Current.Import"
    CURRENT_OFFERED = "Current.Offered"
    ENERGY_ACTIVE_EXPORT_REGISTER = "Energy.Active.Export.Register"
    ENERGY_ACTIVE_IMPORT_REGISTER = "Energy.Active.Import.Register"
    ENERGY_REACTIVE_EXPORT_REGISTER = "Energy.Reactive.Export.Register"
    ENERGY_REACTIVE_IMPORT_REGISTER = "Energy.Reactive.Import.Register"
    ENERGY_ACTIVE_EXPORT_INTERVAL = "Energy.Active.Export.Interval"
    ENERGY_ACTIVE_IMPORT_INTERVAL = "Energy.Active.Import.Interval"
    ENERGY_ACTIVE_NET = "Energy.Active.Net"
    ENERGY_REACTIVE_EXPORT_INTERVAL = "Energy.Reactive.Export.Interval"
    ENERGY_REACTIVE_IMPORT_INTERVAL = "Energy.Reactive.Import.Interval"
    ENERGY_REACTIVE_NET = "Energy.Reactive.Net"
    ENERGY_APPARENT_NET = "Energy.Apparent.Net"
    ENERGY_APPARENT_IMPORT = "Energy.Apparent.Import"
    ENERGY_APPARENT_EXPORT = "Energy.Apparent.Export"
    FREQUENCY = "Frequency"
    POWER_ACTIVE_EXPORT = "Power.Active.Export"
    POWER_ACTIVE_IMPORT = "Power.Active.Import"
    POWER_FACTOR = "Power.Factor"
    POWER_OFFERED = "Power.Offered"
    POWER_REACTIVE_EXPORT = "Power.Reactive.Export"
    POWER_REACTIVE_IMPORT = "Power.Reactive.Import"
    SOC = "SoC"
    VOLTAGE = "Voltage"


class ReadingContext(StrEnum):
    """Why a value was taken; absent means SAMPLE_PERIODIC."""

    INTERRUPTION_BEGIN = "Interruption.Begin"
    INTERRUPTION_END = "Interruption.End"
    OTHER = "Other"
    SAMPLE_CLOCK = "Sample.Clock"
    SAMPLE_PERIODIC = "Sample.Periodic"
    TRANSACTION_BEGIN = "Transaction.Begin"
    TRANSACTION_END = "Transaction.End"
    TRIGGER = "Trigger"


class Phase(StrEnum):
    """Where between the conductors a value was measured; absent means all together."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    N = "N"
    L1_N = "L1-N"
    L2_N = "L2-N"
    L3_N = "L3-N"
    L1_L2 = "L1-L2"
    L2_L3 = "L2-L3"
    L3_L1 = "L3-L1"


class SignedMeterValue(Message):
    """A value as the meter signed it; data and key are Base64."""

    signed_meter_data: String2500
    signing_method: String50
    encoding_method: String50
    public_key: String2500


class UnitOfMeasure(Message):
    """Absent means Wh (for energy), and a *multiplier* (power of ten) of 0."""

    unit: String20 | UnsetType = UNSET
    multiplier: int | UnsetType = UNSET


class SampledValue(Message):
    """One value; with nothing else set it is imported energy in Wh."""

    value: float
    context: ReadingContext | UnsetType = UNSET
    measurand: Measurand | UnsetType = UNSET
    phase: Phase | UnsetType = UNSET
    location: Location | UnsetType = UNSET
    signed_meter_value: SignedMeterValue | UnsetType = UNSET
    unit_of_measure: UnitOfMeasure | UnsetType = UNSET


class MeterValue(Message):
    """Values that were taken at the same moment."""

    sampled_value: NonEmpty[SampledValue]
    timestamp: datetime


class OCSPRequestData(Message):
    """A certificate, and the responder to ask whether it was revoked."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: String128
    issuer_key_hash: String128
    serial_number: String40
    responder_url: String512 = field(name="responderURL")


class StatusInfo(Message):
    """Why a request got its status: a code from the appendix, and words."""

    reason_code: String20
    additional_info: String512 | UnsetType = UNSET

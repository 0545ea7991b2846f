"""Messages of functional block K, SmartCharging: profiles, schedules and limits."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import (
    ChargingProfile,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    GenericStatus,
    StatusInfo,
)
from station.ocpp.types import Message, NonEmpty, Percent, Request, UpTo4


class ChargingProfileStatus(StrEnum):
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"


class SetChargingProfileResponse(Message):
    status: ChargingProfileStatus
    status_info: StatusInfo | UnsetType = UNSET


class SetChargingProfileRequest(Request[SetChargingProfileResponse]):
    """*evse_id* 0: all EVSEs, or the station as a whole, as the purpose says."""

    evse_id: int
    charging_profile: ChargingProfile


class ClearChargingProfile(Message):
    """Profiles that match all of these; EVSE 0 is the station."""

    evse_id: int | UnsetType = UNSET
    charging_profile_purpose: ChargingProfilePurpose | UnsetType = UNSET
    stack_level: int | UnsetType = UNSET


class ClearChargingProfileStatus(StrEnum):
    ACCEPTED = "Accepted"
    UNKNOWN = "Unknown"


class ClearChargingProfileResponse(Message):
    status: ClearChargingProfileStatus
    status_info: StatusInfo | UnsetType = UNSET


class ClearChargingProfileRequest(Request[ClearChargingProfileResponse]):
    charging_profile_id: int | UnsetType = UNSET
    charging_profile_criteria: ClearChargingProfile | UnsetType = UNSET


class ChargingLimitSource(StrEnum):
    """Who set a limit: energy manager, grid operator, charging operator, another."""

    EMS = "EMS"
    OTHER = "Other"
    SO = "SO"
    CSO = "CSO"


class ChargingProfileCriterion(Message):
    """Profiles that match all of these; ids rule out the other criteria."""

    charging_profile_purpose: ChargingProfilePurpose | UnsetType = UNSET
    stack_level: int | UnsetType = UNSET
    charging_profile_id: NonEmpty[int] | UnsetType = UNSET
    charging_limit_source: UpTo4[ChargingLimitSource] | UnsetType = UNSET


class GetChargingProfileStatus(StrEnum):
    ACCEPTED = "Accepted"
    NO_PROFILES = "NoProfiles"


class GetChargingProfilesResponse(Message):
    status: GetChargingProfileStatus
    status_info: StatusInfo | UnsetType = UNSET


class GetChargingProfilesRequest(Request[GetChargingProfilesResponse]):
    """*evse_id* absent means every profile, 0 those of the station."""

    request_id: int
    charging_profile: ChargingProfileCriterion
    evse_id: int | UnsetType = UNSET


class ReportChargingProfilesResponse(Message):
    pass


class ReportChargingProfilesRequest(Request[ReportChargingProfilesResponse]):
    request_id: int
    charging_limit_source: ChargingLimitSource
    charging_profile: NonEmpty[ChargingProfile]
    evse_id: int
    tbc: bool | UnsetType = UNSET


class CompositeSchedule(Message):
    """What the profiles amount to; *duration* in seconds."""

    charging_schedule_period: NonEmpty[ChargingSchedulePeriod]
    evse_id: int
    duration: int
    schedule_start: datetime
    charging_rate_unit: ChargingRateUnit


class GetCompositeScheduleResponse(Message):
    status: GenericStatus
    status_info: StatusInfo | UnsetType = UNSET
    schedule: CompositeSchedule | UnsetType = UNSET


class GetCompositeScheduleRequest(Request[GetCompositeScheduleResponse]):
    """*duration* in seconds; *evse_id* 0 is the grid connection."""

    duration: int
    evse_id: int
    charging_rate_unit: ChargingRateUnit | UnsetType = UNSET


class ChargingLimit(Message):
    charging_limit_source: ChargingLimitSource
    is_grid_critical: bool | UnsetType = UNSET


class NotifyChargingLimitResponse(Message):
    pass


class NotifyChargingLimitRequest(Request[NotifyChargingLimitResponse]):
    charging_limit: ChargingLimit
    charging_schedule: NonEmpty[ChargingSchedule] | UnsetType = UNSET
    evse_id: int | UnsetType = UNSET


class ClearedChargingLimitResponse(Message):
    pass


class ClearedChargingLimitRequest(Request[ClearedChargingLimitResponse]):
    charging_limit_source: ChargingLimitSource
    evse_id: int | UnsetType = UNSET


class ACChargingParameters(Message):
    """What an EV asks of AC: energy in Wh, current in A per phase, voltage in V."""

    energy_amount: int
    ev_min_current: int
    ev_max_current: int
    ev_max_voltage: int


class DCChargingParameters(Message):
    """What an EV asks of DC: energy in Wh, current in A, voltage in V, power in W, charge in %."""

    ev_max_current: int
    ev_max_voltage: int
    energy_amount: int | UnsetType = UNSET
    ev_max_power: int | UnsetType = UNSET
    state_of_charge: Percent | UnsetType = UNSET
    ev_energy_capacity: int | UnsetType = UNSET
    full_so_c: Percent | UnsetType = UNSET
    bulk_so_c: Percent | UnsetType = UNSET


class EnergyTransferMode(StrEnum):
    DC = "DC"
    AC_SINGLE_PHASE = "AC_single_phase"
    AC_TWO_PHASE = "AC_two_phase"
    AC_THREE_PHASE = "AC_three_phase"


class ChargingNeeds(Message):
    requested_energy_transfer: EnergyTransferMode
    ac_charging_parameters: ACChargingParameters | UnsetType = UNSET
    dc_charging_parameters: DCChargingParameters | UnsetType = UNSET
    departure_time: datetime | UnsetType = UNSET


class NotifyEVChargingNeedsStatus(StrEnum):
    """PROCESSING: a profile may follow after the ISO 15118 deadline."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    PROCESSING = "Processing"


class NotifyEVChargingNeedsResponse(Message):
    status: NotifyEVChargingNeedsStatus
    status_info: StatusInfo | UnsetType = UNSET


class NotifyEVChargingNeedsRequest(Request[NotifyEVChargingNeedsResponse]):
    charging_needs: ChargingNeeds
    evse_id: int
    max_schedule_tuples: int | UnsetType = UNSET


class NotifyEVChargingScheduleResponse(Message):
    status: GenericStatus
    status_info: StatusInfo | UnsetType = UNSET


class NotifyEVChargingScheduleRequest(Request[NotifyEVChargingScheduleResponse]):
    time_base: datetime
    charging_schedule: ChargingSchedule
    evse_id: int

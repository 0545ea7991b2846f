"""Messages of functional block E, Transactions."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType

from station.ocpp.messages.common import (
    EVSE,
    IdToken,
    IdTokenInfo,
    MessageContent,
    MeterValue,
)
from station.ocpp.types import Message, NonEmpty, Request, String36


class TransactionEvent(StrEnum):
    """A transaction's life: one STARTED, any number of UPDATED, one ENDED."""

    ENDED = "Ended"
    STARTED = "Started"
    UPDATED = "Updated"


class TriggerReason(StrEnum):
    """The one thing that made the station send the event."""

    AUTHORIZED = "Authorized"
    CABLE_PLUGGED_IN = "CablePluggedIn"
    CHARGING_RATE_CHANGED = "ChargingRateChanged"
    CHARGING_STATE_CHANGED = "ChargingStateChanged"
    DEAUTHORIZED = "Deauthorized"
    ENERGY_LIMIT_REACHED = "EnergyLimitReached"
    EV_COMMUNICATION_LOST = "EVCommunicationLost"
    EV_CONNECT_TIMEOUT = "EVConnectTimeout"
    METER_VALUE_CLOCK = "MeterValueClock"
    METER_VALUE_PERIODIC = "MeterValuePeriodic"
    TIME_LIMIT_REACHED = "TimeLimitReached"
    TRIGGER = "Trigger"
    UNLOCK_COMMAND = "UnlockCommand"
    STOP_AUTHORIZED = "StopAuthorized"
    EV_DEPARTED = "EVDeparted"
    EV_DETECTED = "EVDetected"
    REMOTE_STOP = "RemoteStop"
    REMOTE_START = "RemoteStart"
    ABNORMAL_CONDITION = "AbnormalCondition"
    SIGNED_DATA_RECEIVED = "SignedDataReceived"
    RESET_COMMAND = "ResetCommand"


class ChargingState(StrEnum):
    """Whether energy flows, and if not, whose doing that is."""

    CHARGING = "Charging"
    EV_CONNECTED = "EVConnected"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    IDLE = "Idle"


class Reason(StrEnum):
    """Why a transaction ended; absent means LOCAL."""

    DE_AUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    ENERGY_LIMIT_REACHED = "EnergyLimitReached"
    EV_DISCONNECTED = "EVDisconnected"
    GROUND_FAULT = "GroundFault"
    IMMEDIATE_RESET = "ImmediateReset"
    LOCAL = "Local"
    LOCAL_OUT_OF_CREDIT = "LocalOutOfCredit"
    MASTER_PASS = "MasterPass"  # noqa: S105 - a group of tokens, no password
    OTHER = "Other"
    OVERCURRENT_FAULT = "OvercurrentFault"
    POWER_LOSS = "PowerLoss"
    POWER_QUALITY = "PowerQuality"
    REBOOT = "Reboot"
    REMOTE = "Remote"
    SOC_LIMIT_REACHED = "SOCLimitReached"
    STOPPED_BY_EV = "StoppedByEV"
    TIME_LIMIT_REACHED = "TimeLimitReached"
    TIMEOUT = "Timeout"


class Transaction(Message):
    """*time_spent_charging* in seconds."""

    transaction_id: String36
    charging_state: ChargingState | UnsetType = UNSET
    time_spent_charging: int | UnsetType = UNSET
    stopped_reason: Reason | UnsetType = UNSET
    remote_start_id: int | UnsetType = UNSET


class TransactionEventResponse(Message):
    """*total_cost* in the configured currency; 0 means free, absent means unknown."""

    total_cost: float | UnsetType = UNSET
    charging_priority: int | UnsetType = UNSET
    id_token_info: IdTokenInfo | UnsetType = UNSET
    updated_personal_message: MessageContent | UnsetType = UNSET


class TransactionEventRequest(Request[TransactionEventResponse]):
    """*seq_no* has no gaps; *cable_max_current* in A; *offline* is false if absent."""

    event_type: TransactionEvent
    timestamp: datetime
    trigger_reason: TriggerReason
    seq_no: int
    transaction_info: Transaction
    meter_value: NonEmpty[MeterValue] | UnsetType = UNSET
    offline: bool | UnsetType = UNSET
    number_of_phases_used: int | UnsetType = UNSET
    cable_max_current: int | UnsetType = UNSET
    reservation_id: int | UnsetType = UNSET
    evse: EVSE | UnsetType = UNSET
    id_token: IdToken | UnsetType = UNSET


class GetTransactionStatusResponse(Message):
    """*ongoing_indicator* only if the request named a transaction."""

    messages_in_queue: bool
    ongoing_indicator: bool | UnsetType = UNSET


class GetTransactionStatusRequest(Request[GetTransactionStatusResponse]):
    transaction_id: String36 | UnsetType = UNSET

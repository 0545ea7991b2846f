"""What each hardware fault means to the CSMS: one table, and nothing else decides it.

Severity belongs to the board (`hal.api.FAULTS`): OPEN opens the contactor there, whatever
happens here. This table adds the words: connector status, whether a transaction ends or is
suspended, its stopped reason, the component and variable of the device model, and the name
of the industry's minimum required error codes (MREC) where there is one.
"""

from enum import Enum

from msgspec import Struct

from hal.api import FaultName
from station.ocpp.messages.transactions import Reason


class Consequence(Enum):
    """What a fault does to a transaction that runs."""

    NONE = "none"
    SUSPENDS = "suspends"  # goes on by itself when the fault clears
    ENDS = "ends"


class FaultMeaning(Struct, frozen=True):
    component: str
    variable: str
    faulted: bool
    """The connectors of the EVSE report Faulted."""
    consequence: Consequence
    stopped_reason: Reason = Reason.OTHER
    mrec: str = ""


MEANINGS: dict[FaultName, FaultMeaning] = {
    FaultName.RESIDUAL_CURRENT: FaultMeaning(
        "RCD", "Tripped", True, Consequence.ENDS, Reason.GROUND_FAULT, "CX002"
    ),
    FaultName.GROUND_FAULT: FaultMeaning(
        "GroundIsolationProtection",
        "Tripped",
        True,
        Consequence.ENDS,
        Reason.GROUND_FAULT,
        "CX002",
    ),
    FaultName.CONTACTOR_WELDED: FaultMeaning(
        "PowerContactor", "Problem", True, Consequence.ENDS, Reason.OTHER, "CX017"
    ),
    FaultName.CONTACTOR_STUCK_OPEN: FaultMeaning(
        "PowerContactor", "Problem", True, Consequence.ENDS, Reason.OTHER, "CX017"
    ),
    FaultName.OVER_TEMPERATURE: FaultMeaning(
        "TemperatureSensor", "Problem", True, Consequence.SUSPENDS, Reason.OTHER, "CX003"
    ),
    FaultName.OVER_CURRENT: FaultMeaning(
        "OverCurrentProtection",
        "Tripped",
        True,
        Consequence.ENDS,
        Reason.OVERCURRENT_FAULT,
        "CX004",
    ),
    FaultName.UNDER_VOLTAGE: FaultMeaning(
        "ElectricalFeed", "Problem", True, Consequence.SUSPENDS, Reason.POWER_QUALITY, "CX006"
    ),
    FaultName.PILOT_FAULT: FaultMeaning(
        "CPPWMController", "Problem", True, Consequence.ENDS, Reason.OTHER, "CX014"
    ),
    FaultName.DIODE_FAULT: FaultMeaning(
        "CPPWMController", "Problem", True, Consequence.ENDS, Reason.OTHER, "CX014"
    ),
    FaultName.METER_SILENT: FaultMeaning("ElectricalMeter", "Problem", True, Consequence.NONE),
    FaultName.LOCK_STUCK: FaultMeaning(
        "ConnectorPlugRetentionLock", "Problem", True, Consequence.NONE, Reason.OTHER, "CX001"
    ),
    FaultName.EMERGENCY_STOP: FaultMeaning(
        "EmergencyStopSensor", "Active", True, Consequence.ENDS, Reason.EMERGENCY_STOP, "CX008"
    ),
    FaultName.BOARD_SILENT: FaultMeaning(
        "Controller", "Problem", True, Consequence.SUSPENDS, Reason.OTHER
    ),
    FaultName.DEVICE_SILENT: FaultMeaning("Controller", "Problem", False, Consequence.NONE),
}

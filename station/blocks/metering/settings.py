"""The variables of SampledDataCtrlr and AlignedDataCtrlr."""

from station.blocks.metering.samples import MEASURABLE, Measurands, measurable_on
from station.context import Context
from station.device_model import Boolean, Integer, MemberList, Mutability, Variable
from station.ocpp.messages.common import Measurand

REGISTER = (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,)


def _measurands(component: str, name: str, default: Measurands = REGISTER) -> Variable[Measurands]:
    return Variable(component, name, MemberList(MEASURABLE), default=default)


def _seconds(component: str, name: str, default: int) -> Variable[int]:
    return Variable(component, name, Integer(unit="s", min=0, max=86400), default=default)


def _fixed(component: str, name: str) -> Variable[bool]:
    return Variable(
        component, name, Boolean(), default=True, mutability=Mutability.READ_ONLY, constant=True
    )


STARTED_MEASURANDS = _measurands("SampledDataCtrlr", "TxStartedMeasurands")
UPDATED_MEASURANDS = _measurands(
    "SampledDataCtrlr",
    "TxUpdatedMeasurands",
    (
        Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
        Measurand.POWER_ACTIVE_IMPORT,
        Measurand.CURRENT_IMPORT,
        Measurand.VOLTAGE,
    ),
)
ENDED_MEASURANDS = _measurands("SampledDataCtrlr", "TxEndedMeasurands")
UPDATED_INTERVAL = _seconds("SampledDataCtrlr", "TxUpdatedInterval", 60)
ENDED_INTERVAL = _seconds("SampledDataCtrlr", "TxEndedInterval", 0)
SAMPLED_AVAILABLE = _fixed("SampledDataCtrlr", "Available")
ALIGNED_AVAILABLE = _fixed("AlignedDataCtrlr", "Available")
SAMPLED_ENABLED = Variable("SampledDataCtrlr", "Enabled", Boolean(), default=True)
ALIGNED_ENABLED = Variable("AlignedDataCtrlr", "Enabled", Boolean(), default=True)
WITHOUT_PHASES = Variable(
    "SampledDataCtrlr", "RegisterValuesWithoutPhases", Boolean(), default=True
)
"""The total alone unless somebody wants more: bills are made of it, and of the first value found.

Part 2, 2.7.18
"""
ALIGNED_MEASURANDS = _measurands("AlignedDataCtrlr", "Measurands")
ALIGNED_INTERVAL = _seconds("AlignedDataCtrlr", "Interval", 900)
ALIGNED_ENDED_MEASURANDS = _measurands("AlignedDataCtrlr", "TxEndedMeasurands")
ALIGNED_ENDED_INTERVAL = _seconds("AlignedDataCtrlr", "TxEndedInterval", 0)
SEND_DURING_IDLE = Variable("AlignedDataCtrlr", "SendDuringIdle", Boolean(), default=False)

LISTS = (
    STARTED_MEASURANDS,
    UPDATED_MEASURANDS,
    ENDED_MEASURANDS,
    ALIGNED_MEASURANDS,
    ALIGNED_ENDED_MEASURANDS,
)


def declare(context: Context) -> None:
    """With the measurands that the meters of this board tell, and no others (B06, valuesList)."""
    variables = context.variables
    known = measurable_on(context.board.description)
    for listed in LISTS:
        default = tuple(each for each in listed.default or () if each in known)
        variables.declare(listed, default=default, values=known)
    for interval in (UPDATED_INTERVAL, ENDED_INTERVAL, ALIGNED_INTERVAL, ALIGNED_ENDED_INTERVAL):
        variables.declare(interval)
    for flag in (SAMPLED_AVAILABLE, ALIGNED_AVAILABLE, SAMPLED_ENABLED, ALIGNED_ENABLED):
        variables.declare(flag)
    variables.declare(WITHOUT_PHASES)
    for evse_id in (None, *(evse.id for evse in context.evses)):
        variables.declare(SEND_DURING_IDLE, evse_id)

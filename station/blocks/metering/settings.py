"""The variables of SampledDataCtrlr and AlignedDataCtrlr."""

from station.device_model import Boolean, Integer, MemberList, Mutability, Variable
from station.ocpp.messages.common import Measurand

SUPPORTED = (
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
    Measurand.POWER_ACTIVE_IMPORT,
    Measurand.CURRENT_IMPORT,
    Measurand.CURRENT_OFFERED,
    Measurand.POWER_OFFERED,
    Measurand.VOLTAGE,
    Measurand.FREQUENCY,
    Measurand.SOC,
)
REGISTER = (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,)

Measurands = tuple[Measurand, ...]


def _measurands(component: str, name: str, default: Measurands = REGISTER) -> Variable[Measurands]:
    return Variable(component, name, MemberList(SUPPORTED), default=default)


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
ALIGNED_MEASURANDS = _measurands("AlignedDataCtrlr", "Measurands")
ALIGNED_INTERVAL = _seconds("AlignedDataCtrlr", "Interval", 900)
ALIGNED_ENDED_MEASURANDS = _measurands("AlignedDataCtrlr", "TxEndedMeasurands")
ALIGNED_ENDED_INTERVAL = _seconds("AlignedDataCtrlr", "TxEndedInterval", 0)
SEND_DURING_IDLE = Variable("AlignedDataCtrlr", "SendDuringIdle", Boolean(), default=False)

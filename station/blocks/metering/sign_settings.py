"""The variables of signed meter values; a station has them if one of its meters signs."""

from enum import StrEnum

from hal.api import EvseDescription
from station.device_model import Boolean, DeviceModel, Mutability, OptionList, Text, Variable


class KeyMode(StrEnum):
    """With which signed values the public key goes along."""

    NEVER = "Never"
    ONCE_PER_TRANSACTION = "OncePerTransaction"
    EVERY_METER_VALUE = "EveryMeterValue"


SAMPLED_SIGNED = Variable("SampledDataCtrlr", "SignReadings", Boolean(), default=False)
ALIGNED_SIGNED = Variable("AlignedDataCtrlr", "SignReadings", Boolean(), default=False)
KEY_MODE: Variable[KeyMode] = Variable(
    "OCPPCommCtrlr",
    "PublicKeyWithSignedMeterValue",
    OptionList(tuple(KeyMode)),
    default=KeyMode.ONCE_PER_TRANSACTION,
)
# Of the application note "Signed Meter Values in OCPP" (OCA): which events besides Ended.
STARTED_SIGNED = Variable("SampledDataCtrlr", "SignStartedReadings", Boolean(), default=True)
UPDATED_SIGNED = Variable("SampledDataCtrlr", "SignUpdatedReadings", Boolean(), default=True)
ALIGNED_UPDATED_SIGNED = Variable(
    "AlignedDataCtrlr", "SignUpdatedReadings", Boolean(), default=True
)
PUBLIC_KEY = Variable(
    "FiscalMetering",
    "PublicKey",
    Text(max_length=2500),
    default="",
    mutability=Mutability.READ_ONLY,
    measured=True,
)
"""Base64, as in a signed value; empty until the meter has signed something."""
PROBLEM = Variable(
    "FiscalMetering",
    "Problem",
    Boolean(),
    default=False,
    mutability=Mutability.READ_ONLY,
    measured=True,
)
"""The meter did not sign when it was asked last."""


def declare(variables: DeviceModel, evses: list[EvseDescription]) -> None:
    for variable in (SAMPLED_SIGNED, ALIGNED_SIGNED, STARTED_SIGNED, UPDATED_SIGNED):
        variables.declare(variable)
    variables.declare(ALIGNED_UPDATED_SIGNED)
    variables.declare(KEY_MODE)
    for evse in evses:
        variables.declare(PUBLIC_KEY, evse.id)
        variables.declare(PROBLEM, evse.id)

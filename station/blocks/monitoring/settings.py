"""Variables of MonitoringCtrlr, and how much a message may hold."""

from station.device_model import Boolean, Integer, Mutability, OptionList, Variable
from station.device_model.message_limits import MessageLimits
from station.ocpp.messages.diagnostics import MonitoringBase

COMPONENT = "MonitoringCtrlr"

AVAILABLE = Variable(
    COMPONENT,
    "Available",
    Boolean(),
    default=True,
    mutability=Mutability.READ_ONLY,
    constant=True,
)
ENABLED = Variable(COMPONENT, "Enabled", Boolean(), default=True)
ACTIVE_BASE: Variable[MonitoringBase] = Variable(
    COMPONENT,
    "ActiveMonitoringBase",
    OptionList(tuple(MonitoringBase)),
    mutability=Mutability.READ_ONLY,
    measured=True,
)
ACTIVE_LEVEL = Variable(
    COMPONENT,
    "ActiveMonitoringLevel",
    Integer(min=0, max=9),
    mutability=Mutability.READ_ONLY,
    measured=True,
)
OFFLINE_QUEUING_SEVERITY = Variable(
    COMPONENT, "OfflineQueuingSeverity", Integer(min=0, max=9), default=5
)
SET_LIMITS = MessageLimits("SetVariableMonitoring", component=COMPONENT)
CLEAR_LIMITS = MessageLimits("ClearVariableMonitoring", component=COMPONENT)

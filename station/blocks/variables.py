"""Functional block B, Provisioning: SetVariables (B05) and GetVariables (B06)."""

from msgspec import UNSET, UnsetType

from station.context import Context
from station.device_model import Attribute, Integer, Mutability, Variable
from station.device_model.message_limits import MessageLimits
from station.ocpp.messages.common import StatusInfo
from station.ocpp.messages.provisioning import (
    GetVariableData,
    GetVariableResult,
    GetVariablesRequest,
    GetVariablesResponse,
    SetVariableData,
    SetVariableResult,
    SetVariablesRequest,
    SetVariablesResponse,
)


def _size(name: str, size: int) -> Variable[int]:
    return Variable(
        "DeviceDataCtrlr",
        name,
        Integer(min=1, max=size),
        default=size,
        mutability=Mutability.READ_ONLY,
    )


GET_LIMITS = MessageLimits("GetVariables")
SET_LIMITS = MessageLimits("SetVariables")
CONFIGURATION_VALUE_SIZE = _size("ConfigurationValueSize", 1000)
REPORTING_VALUE_SIZE = _size("ReportingValueSize", 2500)


class Variables:
    """Lets the CSMS read and change the device model, item by item and in its order."""

    def __init__(self, context: Context) -> None:
        self._variables = context.variables
        for limits in (GET_LIMITS, SET_LIMITS):
            limits.declare(self._variables)
        for size in (CONFIGURATION_VALUE_SIZE, REPORTING_VALUE_SIZE):
            self._variables.declare(size)
        context.csms.answer(GetVariablesRequest, self.get_variables)
        context.csms.answer(SetVariablesRequest, self.set_variables)

    def get_variables(self, request: GetVariablesRequest) -> GetVariablesResponse:
        items = request.get_variable_data
        GET_LIMITS.check(self._variables, request, len(items))
        size = self._variables[REPORTING_VALUE_SIZE]
        # B06.FR.01, FR.02
        return GetVariablesResponse(get_variable_result=[self._get(item, size) for item in items])

    def set_variables(self, request: SetVariablesRequest) -> SetVariablesResponse:
        items = request.set_variable_data
        SET_LIMITS.check(self._variables, request, len(items))
        size = self._variables[CONFIGURATION_VALUE_SIZE]
        with self._variables.all_or_nothing():
            # B05.FR.01, FR.02
            results = [self._set(item, size) for item in items]
        return SetVariablesResponse(set_variable_result=results)

    def _get(self, item: GetVariableData, size: int) -> GetVariableResult:
        attribute = _attribute(item.attribute_type)
        status, value, reason = self._variables.get_from_outside(
            item.component, item.variable, attribute
        )
        return GetVariableResult(
            attribute_status=status,
            component=item.component,
            variable=item.variable,
            attribute_type=attribute,
            attribute_value=UNSET if value is None else value[:size],  # B06.FR.04
            attribute_status_info=_status_info(reason),
        )

    def _set(self, item: SetVariableData, size: int) -> SetVariableResult:
        attribute = _attribute(item.attribute_type)
        outcome = self._variables.set_from_outside(
            item.component, item.variable, attribute, item.attribute_value, max_length=size
        )
        return SetVariableResult(
            attribute_status=outcome.status,
            component=item.component,
            variable=item.variable,
            attribute_type=attribute,
            attribute_status_info=_status_info(outcome.reason_code, outcome.text),
        )


def _attribute(asked: Attribute | UnsetType) -> Attribute:
    return Attribute.ACTUAL if asked is UNSET else asked  # B05.FR.03, FR.12, B06.FR.03, FR.11


def _status_info(reason_code: str, text: str = "") -> StatusInfo | UnsetType:
    if not reason_code:
        return UNSET
    return StatusInfo(reason_code=reason_code, additional_info=text or UNSET)

"""Functional block B, Provisioning: SetVariables (B05) and GetVariables (B06)."""

import msgspec
from msgspec import UNSET, UnsetType

from station.context import Context
from station.device_model import Attribute, Integer, Mutability, Variable
from station.ocpp.errors import ErrorCode, RpcError
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
from station.ocpp.types import Request


def _limit(
    name: str, instance: str = "", *, default: int, max: int | None = None, unit: str = ""
) -> Variable[int]:
    return Variable(
        "DeviceDataCtrlr",
        name,
        Integer(unit=unit, min=1, max=max),
        instance=instance,
        default=default,
        mutability=Mutability.READ_ONLY,
    )


ITEMS_PER_GET = _limit("ItemsPerMessage", "GetVariables", default=100)
ITEMS_PER_SET = _limit("ItemsPerMessage", "SetVariables", default=100)
BYTES_PER_GET = _limit("BytesPerMessage", "GetVariables", default=65536, unit="B")
BYTES_PER_SET = _limit("BytesPerMessage", "SetVariables", default=65536, unit="B")
CONFIGURATION_VALUE_SIZE = _limit("ConfigurationValueSize", default=1000, max=1000)
REPORTING_VALUE_SIZE = _limit("ReportingValueSize", default=2500, max=2500)


class Variables:
    """Lets the CSMS read and change the device model, item by item and in its order."""

    def __init__(self, context: Context) -> None:
        self._variables = context.variables
        for limit in (
            ITEMS_PER_GET,
            ITEMS_PER_SET,
            BYTES_PER_GET,
            BYTES_PER_SET,
            CONFIGURATION_VALUE_SIZE,
            REPORTING_VALUE_SIZE,
        ):
            self._variables.declare(limit)
        context.csms.answer(GetVariablesRequest, self.get_variables)
        context.csms.answer(SetVariablesRequest, self.set_variables)

    def get_variables(self, request: GetVariablesRequest) -> GetVariablesResponse:
        items = request.get_variable_data
        self._check_size(request, len(items), ITEMS_PER_GET, BYTES_PER_GET)
        size = self._variables[REPORTING_VALUE_SIZE]
        # B06.FR.01, FR.02
        return GetVariablesResponse(get_variable_result=[self._get(item, size) for item in items])

    def set_variables(self, request: SetVariablesRequest) -> SetVariablesResponse:
        items = request.set_variable_data
        self._check_size(request, len(items), ITEMS_PER_SET, BYTES_PER_SET)
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

    def _check_size(
        self,
        request: Request[GetVariablesResponse] | Request[SetVariablesResponse],
        items: int,
        most_items: Variable[int],
        most_bytes: Variable[int],
    ) -> None:
        limit = self._variables[most_items]
        if items > limit:  # B06.FR.16; B05.FR.11 leaves the answer to us
            raise RpcError(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, f"more than {limit} items")
        # Encoded anew, so white space in the frame does not count against the CSMS.
        limit = self._variables[most_bytes]
        if len(msgspec.json.encode(request)) > limit:  # B06.FR.17
            raise RpcError(ErrorCode.FORMAT_VIOLATION, f"more than {limit} bytes")


def _attribute(asked: Attribute | UnsetType) -> Attribute:
    return Attribute.ACTUAL if asked is UNSET else asked  # B05.FR.03, FR.12, B06.FR.03, FR.11


def _status_info(reason_code: str, text: str = "") -> StatusInfo | UnsetType:
    if not reason_code:
        return UNSET
    return StatusInfo(reason_code=reason_code, additional_info=text or UNSET)

"""The messages of OCPP 2.0.1, one module per functional block, and the table of all 64 actions."""

from typing import Any

from station.ocpp.messages import (
    authorization,
    availability,
    certificates,
    data_transfer,
    diagnostics,
    display_message,
    firmware,
    local_auth_list,
    metering,
    provisioning,
    remote_control,
    reservation,
    security,
    smart_charging,
    tariff_cost,
    transactions,
)
from station.ocpp.types import Request

_BLOCKS = (
    security,
    provisioning,
    authorization,
    local_auth_list,
    transactions,
    remote_control,
    availability,
    reservation,
    tariff_cost,
    metering,
    smart_charging,
    firmware,
    certificates,
    diagnostics,
    display_message,
    data_transfer,
)

ACTIONS: dict[str, type[Request[Any]]] = {
    request.action_name: request
    for block in _BLOCKS
    for request in vars(block).values()
    if isinstance(request, type) and issubclass(request, Request) and request is not Request
}
"""Every action by the name that a CALL gives it."""

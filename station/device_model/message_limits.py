"""How many items and bytes a message of the CSMS may have: variables, and the check."""

from typing import Any

import msgspec

from station.device_model.kinds import Integer
from station.device_model.model import DeviceModel
from station.device_model.variable import Variable
from station.ocpp.errors import ErrorCode, RpcError
from station.ocpp.messages.provisioning import Mutability
from station.ocpp.types import Request


class MessageLimits:
    """ItemsPerMessage and BytesPerMessage for one message, by its name."""

    def __init__(self, message: str, *, component: str = "DeviceDataCtrlr") -> None:
        def limit(name: str, default: int, unit: str = "") -> Variable[int]:
            return Variable(
                component,
                name,
                Integer(unit=unit, min=1),
                instance=message,
                default=default,
                mutability=Mutability.READ_ONLY,
                constant=True,
            )

        self.items = limit("ItemsPerMessage", 100)
        self.bytes = limit("BytesPerMessage", 65536, "B")

    def declare(self, variables: DeviceModel) -> None:
        variables.declare(self.items)
        variables.declare(self.bytes)

    def check(self, variables: DeviceModel, request: Request[Any], items: int) -> None:
        """Raise the CALLERROR that the standard names for a request beyond the limits.

        B06.FR.16, B06.FR.17, B08.FR.06, B08.FR.17, B08.FR.18; B05.FR.11 leaves the answer to us
        """
        limit = variables[self.items]
        if items > limit:
            raise RpcError(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, f"more than {limit} items")
        # Encoded anew, so white space in the frame does not count against the CSMS.
        limit = variables[self.bytes]
        if len(msgspec.json.encode(request)) > limit:
            raise RpcError(ErrorCode.FORMAT_VIOLATION, f"more than {limit} bytes")


GET_REPORT_LIMITS = MessageLimits("GetReport")
"""For GetReport, and for GetMonitoringReport too (N02.FR.07)."""

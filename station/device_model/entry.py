"""A variable where it stands: its value in force, and how it looks in a report."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import UNSET, UnsetType

from station.device_model.kinds import Kind, ValueRefused
from station.device_model.variable import Address, Variable
from station.ocpp.messages import common
from station.ocpp.messages.provisioning import (
    Attribute,
    Mutability,
    ReportData,
    VariableAttribute,
)

T = TypeVar("T")

MAX_REPORTED = 2500
"""Longest value that a report or GetVariables can carry."""


class Slot(Generic[T]):
    """One attribute of one variable at one place. Only the model writes to it."""

    __slots__ = (
        "address",
        "announced",
        "base",
        "declared_mutability",
        "default",
        "getter",
        "key",
        "kind",
        "mutability",
        "pending",
        "value",
        "variable",
    )

    def __init__(
        self,
        variable: Variable[T],
        address: Address,
        kind: Kind[T],
        default: T | None,
        mutability: Mutability,
    ) -> None:
        self.variable, self.address, self.key, self.kind = variable, address, address.key, kind
        self.default, self.declared_mutability, self.mutability = default, mutability, mutability
        self.base = self.value = default
        """*base* is what the value would be had nobody set it."""
        self.pending: T | None = None
        """Set by the CSMS, in force after the restart."""
        self.getter: Callable[[], T | None] | None = None
        self.announced = False
        """Every change of what the getter gives is told (`DeviceModel.touch`)."""

    def read(self) -> T | None:
        return self.value if self.getter is None else self.getter()

    def text(self) -> str:
        value = self.value if self.getter is None else self.getter()
        return "" if value is None else self.kind.format(value)  # B06.FR.13

    def parse(self, text: str) -> T | None:
        """What *text* means here; None unsets. Raises ValueRefused."""
        try:
            return self.kind.parse(text)
        except ValueRefused:
            if text == "" and self.default is None:
                return None
            raise

    @property
    def measured(self) -> bool:
        return self.variable.measured or self.getter is not None

    def report(self, limit: int) -> VariableAttribute:
        hidden = self.mutability is Mutability.WRITE_ONLY
        return VariableAttribute(
            type=self.variable.attribute,
            value=UNSET if hidden else self.text()[:limit],
            mutability=self.mutability,
            persistent=self.variable.persistent and not self.measured,
            constant=self.variable.constant,
        )


class Entry:
    """One variable of one component with all its attributes: a line of a report."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.component = to_component(address)
        self.variable = common.Variable(name=address.variable, instance=address.instance or UNSET)
        self.slots: dict[str, Slot[Any]] = {}
        """By attribute."""

    @property
    def attributes(self) -> list[Slot[Any]]:
        return [self.slots[name] for name in Attribute if name in self.slots]

    @property
    def is_settable(self) -> bool:
        """Whether the operator can set one of its attributes (B07.FR.07)."""
        return any(slot.mutability is not Mutability.READ_ONLY for slot in self.slots.values())

    def report(self, limit: int = MAX_REPORTED) -> ReportData:
        slots = self.attributes
        monitored = not slots[0].variable.constant  # whatever changes can be watched
        return ReportData(
            component=self.component,
            variable=self.variable,
            variable_attribute=[slot.report(limit) for slot in slots],  # B07.FR.11
            variable_characteristics=slots[0].kind.characteristics(supports_monitoring=monitored),
        )


def to_component(address: Address) -> common.Component:
    evse: common.EVSE | UnsetType = UNSET
    if address.evse_id:
        evse = common.EVSE(id=address.evse_id, connector_id=address.connector_id or UNSET)
    return common.Component(
        name=address.component, evse=evse, instance=address.component_instance or UNSET
    )

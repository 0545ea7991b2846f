"""A variable as its owner declares it, where it can stand, and the row that remembers its value."""

from typing import Generic, NamedTuple, TypeVar

from station.device_model.kinds import Kind
from station.ocpp.messages.provisioning import Attribute, Mutability
from station.records import Record, Table

T = TypeVar("T")


class Address(NamedTuple):
    """One attribute of one variable at one place; ids of 0 mean the tier above."""

    component: str
    variable: str
    instance: str = ""
    evse_id: int = 0
    connector_id: int = 0
    component_instance: str = ""
    attribute: str = Attribute.ACTUAL

    @property
    def key(self) -> str:
        """Equal for addresses that the standard holds to be the same (names ignore case)."""
        return "/".join(map(str, self)).lower()

    def __str__(self) -> str:
        place = self.component + (f"[{self.component_instance}]" if self.component_instance else "")
        if self.evse_id:
            place += f" of EVSE {self.evse_id}"
        if self.connector_id:
            place += f" connector {self.connector_id}"
        name = self.variable + (f"[{self.instance}]" if self.instance else "")
        suffix = "" if self.attribute == Attribute.ACTUAL else f" ({self.attribute})"
        return f"{place}: {name}{suffix}"


class Variable(Generic[T]):
    """Declared once, at module level, by the block that owns it; `model[VARIABLE]` is a T.

    *default* may be left out when the hardware or the CSMS supplies the value: until
    then it reads as an empty string, and an empty string unsets it. *measured*: the
    station finds the value out, so nobody may preset it. *secret*: the owner keeps the
    value (it watches the variable); it is never written to the store. A variable that
    supports Target, MinSet or MaxSet is declared once for each *attribute*.
    """

    def __init__(
        self,
        component: str,
        name: str,
        kind: Kind[T],
        *,
        instance: str = "",
        component_instance: str = "",
        attribute: Attribute = Attribute.ACTUAL,
        default: T | None = None,
        mutability: Mutability = Mutability.READ_WRITE,
        reboot_required: bool = False,
        persistent: bool = True,
        constant: bool = False,
        measured: bool = False,
        secret: bool = False,
        description: str = "",
    ) -> None:
        self.component, self.component_instance = component, component_instance
        self.name, self.instance, self.attribute = name, instance, attribute
        self.kind, self.default, self.mutability = kind, default, mutability
        self.reboot_required, self.persistent, self.constant = reboot_required, persistent, constant
        self.measured, self.secret = measured, secret
        self.description = description

    def at(self, evse_id: int | None, connector_id: int | None) -> Address:
        return Address(
            component=self.component,
            variable=self.name,
            instance=self.instance,
            evse_id=evse_id or 0,
            connector_id=connector_id or 0,
            component_instance=self.component_instance,
            attribute=self.attribute,
        )

    def __repr__(self) -> str:
        instance = f"[{self.instance}]" if self.instance else ""
        return f"{self.component}.{self.name}{instance}"


class VariableRow(Record, frozen=True, kw_only=True):
    """What an address remembers: the value it was given, and what the manufacturer preset."""

    address: Address
    value: str | None = None
    by_station: bool = False
    """The station itself wanted the value to last; else the CSMS set it."""
    configured_hash: str = ""
    """Of what the configuration said when the value was set; empty if it said nothing."""
    preset: str | None = None
    preset_mutability: Mutability | None = None

    @property
    def has_preset(self) -> bool:
        return self.preset is not None or self.preset_mutability is not None


VARIABLES = Table("variable", VariableRow, lambda row: row.address.key)

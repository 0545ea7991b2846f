"""The device model: which variables the station has, what they hold, and who may change them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar, cast

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from station.device_model.entry import Entry, Slot
from station.device_model.kinds import (
    MAX_VALUE,
    READ_ONLY,
    TOO_LARGE_ELEMENT,
    WRITE_ONLY,
    Kind,
    ValueRefused,
)
from station.device_model.layers import Layers, Notice, Rows
from station.device_model.variable import Address, Variable
from station.ocpp.messages import common
from station.ocpp.messages.provisioning import GetVariableStatus, Mutability, SetVariableStatus

T = TypeVar("T")


class SetOutcome(NamedTuple):
    status: SetVariableStatus
    reason_code: str = ""
    text: str = ""


class GetOutcome(NamedTuple):
    status: GetVariableStatus
    value: str | None = None
    reason_code: str = ""


class DeviceModel:
    """Typed for blocks (`model[HEARTBEAT_INTERVAL]`), by name for the CSMS. Core thread only.

    At boot: `configure` and `preset`, then blocks declare (values are right from then on),
    then `load`.

    A value that takes effect only after a restart is stored at once; until then the model
    and GetVariables give the one in force, because that is what Actual means.
    """

    def __init__(self, rows: Rows) -> None:
        self._layers = Layers(rows)
        self._station: dict[Variable[Any], Slot[Any]] = {}
        self._places: dict[tuple[Variable[Any], int, int], Slot[Any]] = {}
        self._slots: dict[str, Slot[Any]] = {}
        self._components: dict[tuple[str, str, int, int], dict[tuple[str, str], Entry]] = {}
        self._sorted: list[Entry] | None = None
        self._watchers: dict[Variable[Any], list[Callable[[int | None, Any], Any]]] = {}
        self._checks: dict[Variable[Any], list[Callable[[Any], Any]]] = {}
        self._undo: list[tuple[Slot[Any], Any, Any]] | None = None
        self._onlookers: list[Callable[[Slot[Any]], Any]] = []

    def configure(
        self,
        component: str,
        variable: str,
        instance: str,
        evse: int,
        value_text: str,
        *,
        connector: int = 0,
        component_instance: str = "",
    ) -> None:
        """What the installer's configuration says."""
        address = Address(component, variable, instance, evse, connector, component_instance)
        self._layers.configure(address, value_text)
        self._resolve_again(address)

    def preset(
        self, address: Address, value: str | None, mutability: Mutability | None = None
    ) -> None:
        """What the manufacturer says in place of the default; remembered for good."""
        self._layers.preset(address, value, mutability)
        self._resolve_again(address)

    def declare(
        self,
        variable: Variable[T],
        evse_id: int | None = None,
        connector_id: int | None = None,
        *,
        default: T | None = None,
        mutability: Mutability | None = None,
        kind: Kind[T] | None = None,
        **limits: Any,
    ) -> None:
        """The station has *variable* here; *limits* replace fields of its kind (min=, values=)."""
        address = variable.at(evse_id, connector_id)
        if address.key in self._slots:
            raise ValueError(f"{address} is declared twice")
        if limits:
            kind = cast(Kind[T], replace(cast(Any, kind or variable.kind), **limits))
        slot = Slot(
            variable,
            address,
            kind or variable.kind,
            variable.default if default is None else default,
            mutability or variable.mutability,
        )
        self._slots[address.key] = self._places[variable, evse_id or 0, connector_id or 0] = slot
        if not evse_id:
            self._station[variable] = slot
        self._entry(address).slots[variable.attribute] = slot
        self._layers.resolve(slot, self._check)

    def load(self) -> list[Notice]:
        """Ends the boot, after every block has declared; tells what could not be honoured."""
        return self._layers.finish(self._slots, self._check)

    def __getitem__(self, variable: Variable[T]) -> T:
        slot = self._station[variable]
        value = slot.value if slot.getter is None else slot.getter()
        if value is None:
            raise LookupError(f"{variable!r} has no value")
        return cast(T, value)

    def __contains__(self, variable: Variable[Any]) -> bool:
        """Whether the station tier has it."""
        return variable in self._station

    def get(
        self, variable: Variable[T], evse_id: int | None = None, connector_id: int | None = None
    ) -> T:
        value = self.find(variable, evse_id, connector_id)
        if value is None:
            raise LookupError(f"{variable.at(evse_id, connector_id)} has no value")
        return value

    def find(
        self, variable: Variable[T], evse_id: int | None = None, connector_id: int | None = None
    ) -> T | None:
        """None while it has no value."""
        slot = self._places[variable, evse_id or 0, connector_id or 0]
        return cast("T | None", slot.read())

    def update(
        self,
        variable: Variable[T],
        value: T,
        evse_id: int | None = None,
        connector_id: int | None = None,
        *,
        persist: bool = False,
    ) -> None:
        """The station itself changes the value; limits do not bind what was measured."""
        slot = self._places[variable, evse_id or 0, connector_id or 0]
        if persist:
            self._layers.store(slot, value, by_station=True)
        self._change(slot, value)

    def provide(
        self,
        variable: Variable[T],
        getter: Callable[[], T | None],
        evse_id: int | None = None,
        connector_id: int | None = None,
        *,
        announced: bool = False,
    ) -> None:
        """The value is computed whenever it is read; None means that there is none now.

        *announced*: whoever provides it calls `touch` at every change, so nobody need sample it.
        """
        slot = self._places[variable, evse_id or 0, connector_id or 0]
        if slot.declared_mutability is not Mutability.READ_ONLY:
            raise ValueError(f"{slot.address} is provided, so it must be ReadOnly")
        slot.getter, slot.mutability = getter, Mutability.READ_ONLY
        slot.announced = announced

    def watch(self, variable: Variable[T], handler: Callable[[int | None, T], Any]) -> None:
        """*handler(evse_id, value)* is told of every change in its turn; None means unset."""
        self._watchers.setdefault(variable, []).append(handler)

    def watch_all(self, handler: Callable[[Slot[Any]], Any]) -> None:
        """*handler* is told of every slot that has changed, or may have (`touch`), in its turn."""
        self._onlookers.append(handler)

    def touch(
        self, variable: Variable[Any], evse_id: int | None = None, connector_id: int | None = None
    ) -> None:
        """What is provided here may have changed: onlookers look at once, not at their next turn.

        Others find out what a getter says only when they read it.
        """
        self._show(self._places[variable, evse_id or 0, connector_id or 0])

    def validate(self, variable: Variable[T], check: Callable[[T], Any]) -> None:
        """*check(value)* raises ValueRefused for what the owner cannot accept."""
        self._checks.setdefault(variable, []).append(check)

    def variables(self) -> list[Entry]:
        """Everything there is, in the order of reports: component, place, variable, instance."""
        if self._sorted is None:
            entries = [e for variables in self._components.values() for e in variables.values()]
            self._sorted = sorted(entries, key=_report_order)
        return self._sorted

    def find_entry(
        self, component: common.Component, variable: common.Variable
    ) -> Entry | GetVariableStatus:
        """The variable that is named, or which of the two names is unknown."""
        evse_id = connector_id = 0
        if (evse := component.evse) is not UNSET:
            evse_id = evse.id or -1  # an EVSE that is named counts from 1
            connector_id = 0 if evse.connector_id is UNSET else evse.connector_id or -1
        variables = self._components.get(
            (component.name.lower(), _lower(component.instance), evse_id, connector_id)
        )
        if variables is None:
            return GetVariableStatus.UNKNOWN_COMPONENT  # B05.FR.04, B06.FR.06, B06.FR.15
        # B06.FR.14
        entry = variables.get((variable.name.lower(), _lower(variable.instance)))
        if entry is None:
            return GetVariableStatus.UNKNOWN_VARIABLE  # B05.FR.05, B06.FR.07, B06.FR.15
        return entry

    def find_at(self, address: Address) -> Entry | None:
        """The variable at a place that was known before."""
        place = (
            address.component.lower(),
            address.component_instance.lower(),
            address.evse_id,
            address.connector_id,
        )
        name = (address.variable.lower(), address.instance.lower())
        return self._components.get(place, {}).get(name)

    def get_from_outside(
        self, component: common.Component, variable: common.Variable, attribute: str
    ) -> GetOutcome:
        entry = self.find_entry(component, variable)
        if not isinstance(entry, Entry):
            return GetOutcome(entry)
        slot = entry.slots.get(attribute)
        if slot is None:
            return GetOutcome(GetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE)  # B06.FR.08
        if slot.mutability is Mutability.WRITE_ONLY:
            return GetOutcome(GetVariableStatus.REJECTED, None, WRITE_ONLY)  # B06.FR.09
        return GetOutcome(GetVariableStatus.ACCEPTED, slot.text())  # B06.FR.10

    def set_from_outside(
        self,
        component: common.Component,
        variable: common.Variable,
        attribute: str,
        text: str,
        *,
        max_length: int = MAX_VALUE,
    ) -> SetOutcome:
        entry = self.find_entry(component, variable)
        if not isinstance(entry, Entry):
            return SetOutcome(SetVariableStatus(entry.value))
        slot = entry.slots.get(attribute)
        if slot is None:
            return SetOutcome(SetVariableStatus.NOT_SUPPORTED_ATTRIBUTE_TYPE)  # B05.FR.06
        try:
            return self._set(slot, text, max_length)
        except ValueRefused as refusal:  # B05.FR.07, B05.FR.08, B05.FR.09
            return SetOutcome(SetVariableStatus.REJECTED, refusal.reason_code, refusal.text)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Puts values back when the turn fails, as the store undoes the rows."""
        self._undo = []
        try:
            yield
        except BaseException:
            for slot, value, pending in reversed(self._undo):
                slot.value, slot.pending = value, pending
            raise
        finally:
            self._undo = None

    def _set(self, slot: Slot[T], text: str, max_length: int) -> SetOutcome:
        if slot.mutability is Mutability.READ_ONLY:
            raise ValueRefused(READ_ONLY, "")
        if len(text) > max_length:
            raise ValueRefused(TOO_LARGE_ELEMENT, f"must not be longer than {max_length}")
        value = slot.parse(text)
        if value is not None:
            self._check(slot.variable, value)
        self._remember(slot)
        self._layers.store(slot, value)
        if slot.variable.reboot_required and value != slot.value:
            slot.pending = value
            return SetOutcome(SetVariableStatus.REBOOT_REQUIRED)
        slot.pending = None
        self._change(slot, value)
        return SetOutcome(SetVariableStatus.ACCEPTED)  # B05.FR.10

    def _change(self, slot: Slot[T], value: T | None) -> None:
        if value == slot.value:
            return
        self._remember(slot)
        slot.value = value
        for handler in self._watchers.get(slot.variable, ()):
            handler(slot.address.evse_id or None, value)
        self._show(slot)

    def _show(self, slot: Slot[Any]) -> None:
        for onlooker in self._onlookers:
            onlooker(slot)

    def _remember(self, slot: Slot[Any]) -> None:
        if self._undo is not None:
            self._undo.append((slot, slot.value, slot.pending))

    def _check(self, variable: Variable[T], value: T) -> None:
        for check in self._checks.get(variable, ()):
            check(value)

    def _entry(self, address: Address) -> Entry:
        place = (
            address.component.lower(),
            address.component_instance.lower(),
            address.evse_id,
            address.connector_id,
        )
        variables = self._components.setdefault(place, {})
        name = (address.variable.lower(), address.instance.lower())
        if name not in variables:
            variables[name] = Entry(address)
            self._sorted = None
        return variables[name]

    def _resolve_again(self, address: Address) -> None:
        if (slot := self._slots.get(address.key)) is not None:
            self._layers.resolve(slot, self._check)


def _lower(instance: str | UnsetType) -> str:
    return "" if instance is UNSET else instance.lower()


def _report_order(entry: Entry) -> tuple[str, str, int, int, str, str]:
    address = entry.address
    return (
        address.component.lower(),
        address.component_instance.lower(),
        address.evse_id,
        address.connector_id,
        address.variable.lower(),
        address.instance.lower(),
    )

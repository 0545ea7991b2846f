"""Hands the device model what installer and manufacturer say about variables."""

from collections.abc import Iterable
from typing import Protocol

from station.device_model import Address, DeviceModel, Mutability
from station.presets import VariablePreset
from station.records import Record, Table


class PresetMark(Record, frozen=True, kw_only=True):
    """This state folder has had its first start; presets come too late."""

    presets: int
    """How many were given then."""
    name: str = "first start"


PRESET_MARKS = Table("preset_mark", PresetMark, lambda row: row.name)


class Marks(Protocol):
    """What is needed of `context.Repository[PresetMark]`."""

    def put(self, row: PresetMark) -> None: ...
    def __len__(self) -> int: ...


def configure(model: DeviceModel, variables: Iterable[VariablePreset]) -> None:
    """The `[variables]` of the configuration; before blocks declare theirs."""
    for item in variables:
        if item.value is not None:
            model.configure(
                item.component,
                item.variable,
                item.instance or "",
                item.evse or 0,
                item.value,
                connector=item.connector or 0,
                component_instance=item.component_instance or "",
            )


def preset(model: DeviceModel, presets: Iterable[VariablePreset], marks: Marks) -> bool:
    """Applies *presets* if this is the first start of the state folder; always call it."""
    if len(marks):
        return False
    items = tuple(presets)
    for item in items:
        mutability = None if item.mutability is None else Mutability(item.mutability)
        model.preset(to_address(item), item.value, mutability)
    marks.put(PresetMark(presets=len(items)))
    return True


def to_address(item: VariablePreset) -> Address:
    return Address(
        component=item.component,
        variable=item.variable,
        instance=item.instance or "",
        evse_id=item.evse or 0,
        connector_id=item.connector or 0,
        component_instance=item.component_instance or "",
        attribute=item.attribute,
    )

"""Which variables a request means: by name, with everything that is left out standing for all.

The rules are those of B08.FR.20 to .25, and for monitors the same ones of N02.FR.16 to .21.
"""

from collections.abc import Sequence

from msgspec import UNSET

from station.device_model.entry import Entry
from station.ocpp.messages.common import ComponentVariable


class Selection:
    """What a list of components and variables stands for."""

    def __init__(self, wanted: Sequence[ComponentVariable]) -> None:
        self._wanted = [_Pattern(each) for each in wanted]

    def holds(self, entry: Entry) -> bool:
        return any(pattern.fits(entry) for pattern in self._wanted)


class _Pattern:
    """One element; None where it says nothing."""

    def __init__(self, wanted: ComponentVariable) -> None:
        component, variable = wanted.component, wanted.variable
        self._component = component.name.lower()
        # B08.FR.24, B08.FR.25, N02.FR.20, N02.FR.21
        self._instance = None if component.instance is UNSET else component.instance.lower()
        # B08.FR.23, N02.FR.19; an EVSE that is named counts from 1
        self._evse_id = None if component.evse is UNSET else component.evse.id or -1
        self._connector_id: int | None = None
        if component.evse is not UNSET and component.evse.connector_id is not UNSET:
            self._connector_id = component.evse.connector_id or -1  # B08.FR.22, N02.FR.18
        self._variable = self._variable_instance = None
        if variable is not UNSET:  # B08.FR.20, N02.FR.16
            self._variable = variable.name.lower()
            if variable.instance is not UNSET:  # B08.FR.21, N02.FR.17
                self._variable_instance = variable.instance.lower()

    def fits(self, entry: Entry) -> bool:
        address = entry.address
        return (
            self._component == address.component.lower()
            and self._instance in (None, address.component_instance.lower())
            and self._evse_id in (None, address.evse_id)
            and self._connector_id in (None, address.connector_id)
            and self._variable in (None, address.variable.lower())
            and self._variable_instance in (None, address.instance.lower())
        )

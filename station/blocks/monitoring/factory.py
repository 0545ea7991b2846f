"""What the station watches by itself.

A fault that opens the contactor is told always, whatever the CSMS has set: a hard-wired
notification. Lesser faults are hard-wired monitors, which MonitoringLevel can silence; what an
operator likes to hear of is preconfigured, and can be replaced or cleared.
"""

from collections.abc import Sequence

from msgspec import Struct

from hal.api import FAULTS, EvseReport, FaultName, Severity
from station.charging.evses import Evse
from station.charging.faults import MEANINGS
from station.device_model import Address, Boolean, DeviceModel, Mutability, Variable
from station.ocpp.messages.diagnostics import Monitor

ERROR = 4
"""Severities are those of SetMonitoringData."""
WARNING = 6


class Brought(Struct, frozen=True):
    """A monitor as the station brings it along."""

    origin: str
    address: Address
    type: Monitor
    value: float
    severity: int
    hard_wired: bool


class FaultVariables:
    """A variable of a component for every fault that the hardware can report, per EVSE."""

    def __init__(self, variables: DeviceModel, evses: Sequence[Evse]) -> None:
        self._variables = variables
        self._of: dict[tuple[str, str], Variable[bool]] = {}
        for meaning in MEANINGS.values():
            name = (meaning.component, meaning.variable)
            if name in self._of:
                continue
            variable = Variable(
                *name,
                Boolean(),
                mutability=Mutability.READ_ONLY,
                measured=True,
                description="true while the hardware reports the fault",
            )
            self._of[name] = variable
            for evse in evses:
                variables.declare(variable, evse.id)

    def look(self, report: EvseReport) -> list[tuple[Address, str]]:
        """Bring the variables of an EVSE to what its board reports; unknown before the first.

        Returns what has changed of those that the CSMS is told of without a monitor.
        """
        meanings = [MEANINGS[fault.name] for fault in sorted(report.faults)]
        active = {(meaning.component, meaning.variable) for meaning in meanings}
        changed = []
        for name, variable in self._of.items():
            was, now = self._variables.find(variable, report.evse) or False, name in active
            self._variables.update(variable, now, report.evse)
            if was != now and name in NOTIFIED:
                changed.append((variable.at(report.evse, None), "true" if now else "false"))
        return changed


NOTIFIED = frozenset(
    (meaning.component, meaning.variable)
    for name, meaning in MEANINGS.items()
    if FAULTS[name].severity is Severity.OPEN
)


def mrec_of(component: str, variable: str, active: Sequence[FaultName]) -> str:
    """The code of the industry's list for what is active at this variable, "" for none."""
    for name in active:
        meaning = MEANINGS[name]
        if (meaning.component, meaning.variable) == (component, variable):
            return meaning.mrec
    return ""


def brought_along(evses: Sequence[Evse]) -> list[Brought]:
    """Every hard-wired and preconfigured monitor of this station, in a fixed order."""
    lesser = dict.fromkeys((each.component, each.variable) for each in MEANINGS.values())
    monitors = [
        Brought(
            origin=f"fault/{component}/{variable}/{evse.id}",
            address=Address(component, variable, evse_id=evse.id),
            type=Monitor.DELTA,
            value=1.0,
            severity=ERROR,
            hard_wired=True,
        )
        for component, variable in lesser
        if (component, variable) not in NOTIFIED
        for evse in evses
    ]
    monitors += [
        Brought(
            origin=f"{component}/{variable}",
            address=Address(component, variable),
            type=Monitor.DELTA,
            value=1.0,
            severity=WARNING,
            hard_wired=False,
        )
        for component, variable in (
            ("OCPPCommCtrlr", "ActiveNetworkProfile"),
            ("SecurityCtrlr", "SecurityProfile"),
        )
    ]
    return monitors

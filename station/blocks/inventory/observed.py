"""How the variables of this block look: what is observed, and what never changes."""

from collections.abc import Sequence
from typing import TypeVar

from hal.api import PHASES
from station.device_model import Kind, Mutability, Variable

T = TypeVar("T")

PHASE_NAMES = tuple(f"L{number}" for number in range(1, PHASES + 1))


def observed(
    component: str,
    name: str,
    kind: Kind[T],
    description: str,
    *,
    instance: str = "",
    component_instance: str = "",
) -> Variable[T]:
    """Found out by the station whenever somebody reads it."""
    return Variable(
        component,
        name,
        kind,
        instance=instance,
        component_instance=component_instance,
        mutability=Mutability.READ_ONLY,
        measured=True,
        description=description,
    )


def fixed(component: str, name: str, kind: Kind[T], description: str) -> Variable[T]:
    """The same for as long as the hardware is."""
    return Variable(
        component,
        name,
        kind,
        mutability=Mutability.READ_ONLY,
        constant=True,
        description=description,
    )


def by_phase(component: str, name: str, kind: Kind[T], description: str) -> tuple[Variable[T], ...]:
    """One instance for each phase, L1 first."""
    return tuple(
        observed(component, name, kind, description, instance=phase) for phase in PHASE_NAMES
    )


def of_phase(values: Sequence[float], index: int) -> float | None:
    """What a meter says of one phase; None when it says nothing."""
    return values[index] if index < len(values) else None

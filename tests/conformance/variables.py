"""Every variable of a running station: what it is, and who stands behind it.

    python -m tests.conformance.variables

Writes docs/variables.md. A variable is *honoured* when code reads or watches it beyond its
declaration, *measured* when code provides or updates it, *constant* when nobody can change it.
Who: found in the syntax trees of `station/`, and by listening to a simulated station.
"""

import ast
import csv
import functools
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from hal.sim.board import sim_board_description
from station.bench.virtual import VirtualStation
from station.device_model import DeviceModel, Mutability, Slot, Variable
from tests.conformance.outcomes import ROOT

DOCUMENT = ROOT / "docs" / "variables.md"
DESCRIPTIONS = ROOT / "tests" / "conformance" / "variables.csv"
Place = tuple[str, str, str]
"""Component, variable and its instance."""


class Kind(StrEnum):
    HONOURED = "honoured"
    MEASURED = "measured"
    CONSTANT = "constant"
    ORNAMENT = "ornament"  # none of these: a defect


@dataclass
class Heard:
    """Modules that gave values to variables, or asked to be told of changes."""

    gives: dict[int, set[str]] = field(default_factory=dict)
    """By id() of the variable, as of `watches`."""
    watches: dict[int, set[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One line of the table: the same variable at every place of a tier."""

    place: Place
    tier: str
    slot: Slot[Any]
    kind: Kind
    by: tuple[str, ...]

    @property
    def name(self) -> str:
        component, variable, instance = self.place
        return f"{component}.{variable}" + (f"[{instance}]" if instance else "")


# -- what a running station shows


@contextmanager
def listening() -> Iterator[Heard]:
    """Notes the callers of the device model's public methods while it lasts."""
    heard, kept = Heard(), {}

    def note(name: str, found: dict[int, set[str]]) -> None:
        method = kept[name] = getattr(DeviceModel, name)

        @functools.wraps(method)
        def heard_method(model: DeviceModel, variable: Any, *args: Any, **options: Any) -> Any:
            module = sys._getframe(1).f_globals["__name__"]
            found.setdefault(id(variable), set()).add(module)
            return method(model, variable, *args, **options)

        setattr(DeviceModel, name, heard_method)

    for name in ("provide", "update"):
        note(name, heard.gives)
    note("watch", heard.watches)
    try:
        yield heard
    finally:
        for name, method in kept.items():
            setattr(DeviceModel, name, method)


def rich_station() -> VirtualStation:
    """A simulated station with everything that a board can have."""
    board = sim_board_description(2, 1, "socket", signs=True)
    evses = tuple(replace(each, has_bay_sensor=True) for each in board.evses)
    return VirtualStation(
        description=replace(board, evses=evses, serial_number="B-1"),
        variables={"SampledDataCtrlr.SignReadings": "true"},
    )


@functools.cache
def observed() -> tuple[VirtualStation, Heard]:
    with listening() as heard:
        station = rich_station().boot()
        station.sim.plug(1)
        station.sim.token("04A1B2C3", evse=1)
        station.advance(30.0)
        station.sim.unplug(1)
        station.settle()
    return station, heard


# -- what the sources say


class Uses(ast.NodeVisitor):
    """Names that are loaded for more than to declare them."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr == "declare":
            return
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        only_declares = len(node.body) == 1 and ".declare(" in ast.unparse(node.body[0])
        for child in node.body if only_declares else [node.iter, *node.body]:
            self.visit(child)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.names.add(node.id)


@functools.cache
def uses_by_module() -> dict[str, frozenset[str]]:
    found = {}
    for path in sorted((ROOT / "station").rglob("*.py")):
        if "bench" not in path.parts:
            uses = Uses()
            uses.visit(ast.parse(path.read_text(encoding="utf-8")))
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[module] = frozenset(uses.names)
    return found


@functools.cache
def users() -> dict[int, frozenset[str]]:
    """The modules that use each variable, by its id(), under whatever name they hold it."""
    found: dict[int, set[str]] = {}
    for module, names in uses_by_module().items():
        namespace = vars(importlib.import_module(module)) if "__main__" not in module else {}
        for name in sorted(names):
            for variable in held(namespace.get(name)):
                found.setdefault(id(variable), set()).add(module)
    return {key: frozenset(modules) for key, modules in found.items()}


def held(value: Any) -> list[Variable[Any]]:
    """The variables that a name of a module stands for."""
    if isinstance(value, Variable):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple) and value and all(isinstance(each, Variable) for each in value):
        return list(value)
    return []


# -- the table


def judge(slot: Slot[Any], heard: Heard) -> tuple[Kind, tuple[str, ...]]:
    variable = slot.variable
    gives = heard.gives.get(id(variable), set())
    uses = users().get(id(variable), frozenset()) | heard.watches.get(id(variable), set())
    if slot.declared_mutability is not Mutability.READ_ONLY:
        return (Kind.HONOURED if uses else Kind.ORNAMENT), _short(uses)
    if gives:
        return Kind.MEASURED, _short(gives)
    if slot.measured or slot.default is None:
        return Kind.ORNAMENT, ()
    return Kind.CONSTANT, ()


def _short(modules: set[str] | frozenset[str]) -> tuple[str, ...]:
    own = sorted(module.removeprefix("station.").replace(".", "/") for module in modules)
    return tuple(own)


def rows() -> list[Row]:
    """One for each variable, attribute and tier."""
    station, heard = observed()
    found: dict[tuple[Place, str, str], Row] = {}
    for entry in station.station.variables.variables():
        address = entry.address
        tier = "station"
        if address.evse_id:
            tier = "connector" if address.connector_id else "EVSE"
        place = (address.component, address.variable, address.instance)
        for slot in entry.attributes:
            key = (place, tier, slot.variable.attribute)
            if key not in found:
                found[key] = Row(place, tier, slot, *judge(slot, heard))
    return list(found.values())


def counts(found: list[Row]) -> dict[Kind, int]:
    return {kind: sum(row.kind is kind for row in found) for kind in Kind}


def summary(found: list[Row]) -> str:
    numbers = counts(found)
    told = ", ".join(f"{numbers[kind]} {kind}" for kind in Kind if kind is not Kind.ORNAMENT)
    nobody = [row.name for row in found if row.kind is Kind.ORNAMENT]
    return f"{len(found)} variables: {told}; neither: {', '.join(nobody) or 'none'}"


@functools.cache
def descriptions() -> dict[str, str]:
    """What a variable does, where its declaration does not say so."""
    with DESCRIPTIONS.open(encoding="utf-8", newline="") as file:
        return {row["variable"]: row["description"] for row in csv.DictReader(file)}


def describe(row: Row) -> str:
    return row.slot.variable.description or descriptions().get(row.name, "")


def _type(slot: Slot[Any]) -> str:
    known = slot.kind.characteristics()
    words = [known.data_type.value]
    low, high = known.min_limit, known.max_limit
    if known.values_list is not UNSET:
        words.append(f"of {known.values_list.replace(',', ', ')}")
    elif known.data_type.value == "string":
        words.append(f"up to {high:.0f} characters")
    elif low is not UNSET and high is not UNSET:
        words.append(f"{low:.0f} to {high:.0f}")
    elif low is not UNSET:
        words.append(f"from {low:.0f}")
    elif high is not UNSET:
        words.append(f"up to {high:.0f}")
    if known.unit is not UNSET:
        words.append(f"({known.unit})")
    return " ".join(words)


def _default(slot: Slot[Any]) -> str:
    if slot.measured or slot.default is None:
        return ""
    hidden = slot.variable.secret or slot.mutability is Mutability.WRITE_ONLY
    return "" if hidden else f"`{slot.kind.format(slot.default)}`"


def document() -> str:
    found = rows()
    lines = [
        [
            f"`{row.name}`",
            row.tier,
            _type(row.slot),
            _default(row.slot),
            row.slot.mutability.value + (", constant" if row.slot.variable.constant else ""),
            f"{row.kind}" + (f": {', '.join(row.by)}" if row.by else ""),
            describe(row),
        ]
        for row in found
    ]
    head = ["Variable", "of", "type and limits", "default", "access", "behind it", "what it does"]
    return "\n".join(
        [
            "# Variables",
            "",
            "Written by `make status` from a running simulated station (two EVSEs with sockets,",
            "signing meters, a main meter, bay sensors); do not edit. A station with less shows",
            "less. Variables that OCPP 2.0.1 does not know are explained",
            "in [vendor-variables.md](vendor-variables.md).",
            "",
            "*Behind it*: *honoured* by the modules of `station/` that read or watch it,",
            "*measured* by those that provide it, or *constant*.",
            "",
            f"{summary(found)}.",
            "",
            *(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *lines)),
            "",
        ]
    )


def write() -> None:
    DOCUMENT.write_text(document(), encoding="utf-8")
    print(f"\n{summary(rows())}\nwritten: docs/{DOCUMENT.name}")


if __name__ == "__main__":
    write()

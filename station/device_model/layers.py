"""Where a variable's value comes from, and what of it lasts.

Later wins: default, preset (the manufacturer), configuration (the installer), what the
CSMS or the station itself set for good. The installer wins once more when the
configuration has changed since a value was set, so that nobody is stranded before a
station that no longer finds its CSMS; a hash of the configured text tells.
"""

import hashlib
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from station.device_model.entry import Slot
from station.device_model.kinds import ValueRefused
from station.device_model.variable import Address, Variable, VariableRow
from station.ocpp.messages.provisioning import Mutability

T = TypeVar("T")
Check = Callable[[Variable[Any], Any], None]

MEASURED = "is measured or derived by the station"
HIDDEN = "is write-only and stays so"
VALUE, MUTABILITY = "value", "mutability"


class Rows(Protocol):
    """What the model needs of `context.Repository[VariableRow]`."""

    def get(self, key: str) -> VariableRow | None: ...
    def put(self, row: VariableRow) -> None: ...
    def delete(self, key: str) -> None: ...
    def all(self) -> list[VariableRow]: ...


class Source(StrEnum):
    """Where a value came from."""

    PRESET = "preset"
    CONFIGURATION = "configuration"
    STORED = "stored value"


class Problem(StrEnum):
    """Why a value is not in force."""

    UNKNOWN = "the station does not have this variable"
    REFUSED = "refused"
    OVERRULED = "the configuration has changed since it was set, and wins"


class Notice(Struct, frozen=True):
    """Something about a value that a person should read; it never quotes the value."""

    source: Source
    address: Address
    problem: Problem
    rule: str = ""

    def __str__(self) -> str:
        return f"{self.source} of {self.address}: {self.rule or self.problem}"


class Layers:
    """Finds the value of a slot, and remembers what is set."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._configured: dict[str, tuple[Address, str]] = {}
        self._notices: dict[tuple[Source, str, str], Notice] = {}

    def configure(self, address: Address, text: str) -> None:
        self._configured[address.key] = (address, text)

    def preset(self, address: Address, value: str | None, mutability: Mutability | None) -> None:
        row = self._rows.get(address.key) or VariableRow(address=address)
        if value is not None:
            row = replace(row, preset=value)
        if mutability is not None:
            row = replace(row, preset_mutability=mutability)
        self._rows.put(row)

    def resolve(self, slot: Slot[Any], check: Check) -> None:
        """Gives *slot* the value of the highest layer that has an acceptable one."""
        row = self._rows.get(slot.key)
        slot.base, slot.mutability = slot.default, slot.declared_mutability
        if row is not None:
            self._apply_preset(slot, row, check)
        if slot.key in self._configured:
            self._apply(slot, Source.CONFIGURATION, self._configured[slot.key][1], check)
        slot.value = slot.base
        if row is not None and row.value is not None:
            self._apply_stored(slot, row, row.value)

    def store(self, slot: Slot[T], value: T | None, *, by_station: bool = False) -> None:
        """Makes *value* outlast a restart, unless nothing would be different without it."""
        if slot.variable.secret or not slot.variable.persistent:
            return
        row = self._rows.get(slot.key) or VariableRow(address=slot.address)
        if value == slot.base:
            self._put(replace(row, value=None, by_station=False, configured_hash=""))
            return
        text = "" if value is None else slot.kind.format(value)
        self._put(
            replace(
                row,
                value=text,
                by_station=by_station,
                configured_hash=self._configured_hash(slot.key),
            )
        )

    def finish(self, slots: Mapping[str, Slot[Any]], check: Check) -> list[Notice]:
        """Ends the boot: owners' checks are known now; drops what will never count again."""
        for key, (address, _) in self._configured.items():
            if key not in slots:
                self._notice(Source.CONFIGURATION, address, Problem.UNKNOWN)
        for key, slot in slots.items():
            row = self._rows.get(key)
            if key in self._configured or (row is not None and row.has_preset):
                self.resolve(slot, check)
        for row in self._rows.all():
            if row.address.key not in slots and row.has_preset:
                self._notice(Source.PRESET, row.address, Problem.UNKNOWN)
            self._put(self._without_obsolete(row))
        notices, self._notices = list(self._notices.values()), {}
        return notices

    def _apply_preset(self, slot: Slot[Any], row: VariableRow, check: Check) -> None:
        if row.preset_mutability is not None:
            rule = _mutability_rule(slot)
            if rule:
                self._notice(Source.PRESET, slot.address, Problem.REFUSED, rule, MUTABILITY)
            else:
                slot.mutability = row.preset_mutability
        if row.preset is not None:
            self._apply(slot, Source.PRESET, row.preset, check)

    def _apply(self, slot: Slot[Any], source: Source, text: str, check: Check) -> None:
        if slot.measured:
            self._notice(source, slot.address, Problem.REFUSED, MEASURED)
            return
        try:
            value = slot.parse(text)
            if value is not None:
                check(slot.variable, value)
        except ValueRefused as refusal:
            self._notice(source, slot.address, Problem.REFUSED, refusal.text)
        else:
            slot.base = value

    def _apply_stored(self, slot: Slot[Any], row: VariableRow, text: str) -> None:
        if slot.mutability is Mutability.READ_ONLY and not row.by_station:
            return  # the CSMS could set it once; the hardware or the preset has changed
        if self._is_overruled(row):
            if text != slot.text():
                self._notice(Source.STORED, slot.address, Problem.OVERRULED)
            return
        try:
            slot.value = slot.parse(text)
        except ValueRefused as refusal:
            self._notice(Source.STORED, slot.address, Problem.REFUSED, refusal.text)

    def _is_overruled(self, row: VariableRow) -> bool:
        configured_hash = self._configured_hash(row.address.key)
        return configured_hash not in ("", row.configured_hash)

    def _configured_hash(self, key: str) -> str:
        """A hash, because the text may be a secret; empty when nothing is configured."""
        if key not in self._configured:
            return ""
        text = self._configured[key][1]
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _without_obsolete(self, row: VariableRow) -> VariableRow:
        key = row.address.key
        if self._is_overruled(row):
            row = replace(row, value=None, by_station=False, configured_hash="")
        if (Source.PRESET, key, VALUE) in self._notices:
            row = replace(row, preset=None)
            if self._notices[Source.PRESET, key, VALUE].problem is Problem.UNKNOWN:
                row = replace(row, preset_mutability=None)
        if (Source.PRESET, key, MUTABILITY) in self._notices:
            row = replace(row, preset_mutability=None)
        return row

    def _put(self, row: VariableRow) -> None:
        """Writes only what changes something: an SD card wears."""
        key = row.address.key
        old = self._rows.get(key)
        if row.value is None and not row.has_preset:
            if old is not None:
                self._rows.delete(key)
        elif row != old:
            self._rows.put(row)

    def _notice(
        self, source: Source, address: Address, problem: Problem, rule: str = "", what: str = VALUE
    ) -> None:
        self._notices[source, address.key, what] = Notice(source, address, problem, rule)


def _mutability_rule(slot: Slot[Any]) -> str:
    """Why the mutability may not be preset; empty when it may."""
    if slot.measured:
        return MEASURED
    return HIDDEN if slot.declared_mutability is Mutability.WRITE_ONLY else ""

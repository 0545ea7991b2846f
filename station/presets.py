"""Values of device-model variables that a manufacturer or an installer sets before the start."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

MAX_FILE_BYTES = 4_000_000
Name = Annotated[str, Meta(min_length=1, max_length=50)]
PresetValue = Annotated[str, Meta(max_length=2500)]
Positive = Annotated[int, Meta(ge=1, le=999_999)]

# "Connector@1.2[left].Available[x]": component, EVSE, connector, instance, variable, instance
KEY = re.compile(
    r"([A-Za-z0-9]{1,50})(?:@([0-9]{1,6})(?:\.([0-9]{1,6}))?)?(?:\[([^\[\]]{1,50})\])?"
    r"\.([A-Za-z0-9]{1,50})(?:\[([^\[\]]{1,50})\])?"
)

# "Expected `str`, got `int` - at `$[0].component.name`"
REFUSAL = re.compile(r"(.*) - at `\$\[([0-9]{1,9})\]\.?([a-z.]{0,40})`", re.DOTALL)


class PresetError(ValueError):
    """A preset cannot be used; the text says what it must be."""


class VariablePreset(Struct, frozen=True, kw_only=True):
    """One attribute of one variable; None leaves value or mutability as they are."""

    component: str
    component_instance: str | None = None
    evse: int | None = None
    connector: int | None = None
    variable: str
    instance: str | None = None
    attribute: Literal["Actual", "Target", "MinSet", "MaxSet"] = "Actual"
    value: str | None = None
    mutability: Literal["ReadOnly", "WriteOnly", "ReadWrite"] | None = None

    def __repr__(self) -> str:
        return f"VariablePreset({self.key})"  # the value may be a password

    @property
    def key(self) -> str:
        """As it is written in `[variables]`; the attribute is told only when not Actual."""
        place = "" if self.evse is None else f"@{self.evse}"
        place += "" if self.connector is None else f".{self.connector}"
        component = f"{self.component}{place}{_bracketed(self.component_instance)}"
        attribute = "" if self.attribute == "Actual" else f" ({self.attribute})"
        return f"{component}.{self.variable}{_bracketed(self.instance)}{attribute}"


class _Component(Struct, forbid_unknown_fields=True):
    name: Name
    instance: Name | None = None
    evse: Positive | None = None
    connector: Positive | None = None


class _Variable(Struct, forbid_unknown_fields=True):
    name: Name
    instance: Name | None = None


class _Entry(Struct, forbid_unknown_fields=True):
    component: _Component
    variable: _Variable
    attribute: Literal["Actual", "Target", "MinSet", "MaxSet"] = "Actual"
    value: PresetValue | None = None
    mutability: Literal["ReadOnly", "WriteOnly", "ReadWrite"] | None = None


def preset_from_key(key: str, value: Any) -> VariablePreset:
    """One line of `[variables]`: `"Component.Variable" = value`."""
    match = KEY.fullmatch(key)
    if match is None:
        raise PresetError(
            'must be "Component.Variable", as in "OCPPCommCtrlr.MessageAttempts[TransactionEvent]" '
            'or "Connector@1.1.Available" (EVSE 1, connector 1)'
        )
    component, evse, connector, component_instance, variable, instance = match.groups()
    if (evse is not None and int(evse) == 0) or (connector is not None and int(connector) == 0):
        raise PresetError("EVSEs and connectors count from 1")
    return VariablePreset(
        component=component,
        component_instance=component_instance,
        evse=None if evse is None else int(evse),
        connector=None if connector is None else int(connector),
        variable=variable,
        instance=instance,
        value=_value_text(value),
    )


def read_presets(file: Path) -> tuple[VariablePreset, ...]:
    """The JSON list of `--variables FILE`."""
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise PresetError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > MAX_FILE_BYTES:
        raise PresetError(f"{file}: larger than {MAX_FILE_BYTES} bytes")
    try:
        entries = msgspec.json.decode(data, type=list[_Entry])
    except msgspec.ValidationError as error:
        raise PresetError(f"{file}: {_explain(str(error))}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PresetError(f"{file}: {error}") from error
    return tuple(_preset(entry, f"{file}: entry {at}") for at, entry in enumerate(entries, 1))


def _explain(refusal: str) -> str:
    """msgspec's words, in the order entry, key, rule."""
    found = REFUSAL.fullmatch(refusal)
    if found is None:
        return f"must be a list of objects: {refusal}"
    rule, index, key = found.groups()
    return f"entry {int(index) + 1}: {key + ': ' if key else ''}{rule}"


def _preset(entry: _Entry, where: str) -> VariablePreset:
    component, variable = entry.component, entry.variable
    if component.connector is not None and component.evse is None:
        raise PresetError(f"{where}: component.connector needs component.evse")
    if entry.value is None and entry.mutability is None:
        raise PresetError(f"{where}: gives neither value nor mutability")
    return VariablePreset(
        component=component.name,
        component_instance=component.instance,
        evse=component.evse,
        connector=component.connector,
        variable=variable.name,
        instance=variable.instance,
        attribute=entry.attribute,
        value=entry.value,
        mutability=entry.mutability,
    )


def _value_text(value: Any) -> str:
    """A TOML value as the device model writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _value_text(",".join(value))
    if isinstance(value, float) and value * 0 != 0:
        raise PresetError("must be a finite number")
    if not isinstance(value, str | int | float):
        raise PresetError("must be text, a number, true, false or a list of texts")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise PresetError("is too large a number")
    text = str(value)
    if len(text) > 2500:
        raise PresetError("must be at most 2500 characters long")
    return text


def _bracketed(instance: str | None) -> str:
    return "" if instance is None else f"[{instance}]"

"""Commands to the simulated hardware: which there are, what each takes, and what it is told.

Every value is checked here against its rule; whether the simulated world allows a command
is for SimControls to say.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hal.api import ButtonKind, FaultName
from station.control import ControlError, SimControls

MAX_DELAY_S = 86_400
NO_EVSE = "evse in the path must be a whole number from 1"
SIDES = ("ev", "station", "both")
FAULT_NAMES = tuple(
    name.value
    for name in FaultName
    if name not in {FaultName.BOARD_SILENT, FaultName.DEVICE_SILENT}
)
"""EMERGENCY_STOP is raised by its button too; clearing it here is how the button is released."""
TOKEN_TYPES = (
    "Central",
    "eMAID",
    "ISO14443",
    "ISO15693",
    "KeyCode",
    "Local",
    "MacAddress",
    "NoAuthorization",
)

GLITCHES = ("none", "zero", "jump", "fall", "ffff", "nan", "frozen", "rollover", "replace")


@dataclass(frozen=True)
class Rule:
    """What one field must be: *check* returns the value to use, or None if it is wrong."""

    text: str
    check: Callable[[Any], Any]
    required: bool = False
    nullable: bool = False

    def value_of(self, key: str, value: Any) -> Any:
        if value is None and self.nullable:
            return None
        checked = self.check(value)
        if checked is None:
            raise ControlError(f"{key} must be {self.text}")
        return checked


def whole(low: int, high: int, *, nullable: bool = False, required: bool = False) -> Rule:
    def check(value: Any) -> int | None:
        return value if type(value) is int and low <= value <= high else None

    text = f"a whole number of {low} to {high}" + (" or null" if nullable else "")
    return Rule(text, check, required=required, nullable=nullable)


def number(low: float, high: float, *, above: bool = False) -> Rule:
    """A finite number from *low* (or *above* it) to *high*."""

    def check(value: Any) -> float | None:
        if type(value) not in {int, float} or not math.isfinite(value):
            return None
        return float(value) if low <= value <= high and not (above and value == low) else None

    return Rule(f"a number {'above' if above else 'from'} {low:g} up to {high:g}", check)


def one_of(*choices: str, required: bool = False) -> Rule:
    def check(value: Any) -> str | None:
        return value if isinstance(value, str) and value in choices else None

    return Rule(f"one of {', '.join(choices)}", check, required=required)


def flag(*, required: bool = True) -> Rule:
    return Rule("true or false", lambda v: v if isinstance(v, bool) else None, required=required)


def text(longest: int) -> Rule:
    def check(value: Any) -> str | None:
        good = isinstance(value, str) and len(value) <= longest and value.isprintable()
        return value if good else None

    return Rule(f"text of at most {longest} printable characters", check, required=True)


def _present(sim: SimControls, *, id_token: str, **given: Any) -> None:
    if not id_token and given.get("type") != "NoAuthorization":
        raise ControlError('id_token may be empty only with type "NoAuthorization"')
    sim.token(id_token, **given)


AFTER = {"after_s": number(0, MAX_DELAY_S)}
SIDE = {"side": one_of(*SIDES)}


@dataclass(frozen=True)
class Command:
    """One POST; *run* gets the controls, the EVSE (0 where the path names none) and the fields."""

    run: Callable[[SimControls, int, dict[str, Any]], None]
    fields: Mapping[str, Rule] = field(default_factory=dict)
    ends_process: bool = False
    """The answer has to leave first."""


EVSE_COMMANDS: dict[str, Command] = {
    "plug": Command(
        lambda sim, evse, given: sim.plug(evse, **given),
        {
            "connector": whole(1, 64),
            "current_a": number(0, 1000, above=True),
            "phases": whole(1, 3),
            "soc": number(0, 100),
            "capacity_wh": number(0, 10_000_000, above=True),
            "ready_after_s": number(0, MAX_DELAY_S),
            **AFTER,
            **SIDE,
        },
    ),
    "unplug": Command(lambda sim, evse, given: sim.unplug(evse, **given), {**AFTER, **SIDE}),
    "ev": Command(
        lambda sim, evse, given: sim.ev(evse, **given),
        {"state": one_of("B", "C", "D", required=True)},
    ),
    "fault": Command(
        lambda sim, evse, given: sim.fault(evse, **given),
        {"name": one_of(*FAULT_NAMES, required=True), "active": flag()},
    ),
    "signing": Command(
        lambda sim, evse, given: sim.signing(evse, **given),
        {"meter": one_of("signs", "refuses", "late", required=True)},
    ),
    "button": Command(
        lambda sim, evse, given: sim.button(evse, **given),
        {"kind": one_of(*(kind.value for kind in ButtonKind), required=True)},
    ),
    "bay": Command(lambda sim, evse, given: sim.bay(evse, **given), {"occupied": flag()}),
}
STATION_COMMANDS: dict[str, Command] = {
    "token": Command(
        lambda sim, _, given: _present(sim, **given),
        {
            "id_token": text(36),
            "type": one_of(*TOKEN_TYPES),
            "evse": whole(1, 64, nullable=True),
        },
    ),
    "card": Command(
        lambda sim, _, given: sim.card(**given),
        {"evse": whole(1, 64, nullable=True), "declined": flag(required=False)},
    ),
    "meter": Command(
        lambda sim, _, given: sim.meter(**given),
        {
            "evse": whole(1, 64, required=True),
            "glitch": one_of(*GLITCHES, required=True),
            "for_s": number(0, MAX_DELAY_S),
        },
    ),
    "link": Command(
        lambda sim, _, given: sim.link(**given),
        {"up": flag(), "how": one_of("close", "reset", "silent")},
    ),
    "power": Command(lambda sim, _, given: sim.power(**given), ends_process=True),
}
PATHS = (
    *(f"POST /api/sim/evses/{{evse}}/{name}" for name in EVSE_COMMANDS),
    *(f"POST /api/sim/{name}" for name in STATION_COMMANDS),
)
EVSE_PATH = re.compile(r"/api/sim/evses/([^/]*)/([a-z]+)")
STATION_PATH = re.compile(r"/api/sim/([a-z]+)")


@dataclass(frozen=True)
class Target:
    """A path that names a command."""

    command: Command
    evse: str | None

    def call(self, given: Mapping[str, Any]) -> Callable[[SimControls], None]:
        """The command with its checked fields; ControlError names the key and the rule."""
        evse = 0 if self.evse is None else _evse_id(self.evse)
        checked = _checked(self.command.fields, given)
        return lambda controls: self.command.run(controls, evse, checked)


def find_command(path: str) -> Target | None:
    match = EVSE_PATH.fullmatch(path)
    if match is not None and match[2] in EVSE_COMMANDS:
        return Target(EVSE_COMMANDS[match[2]], match[1])
    match = STATION_PATH.fullmatch(path)
    if match is not None and match[1] in STATION_COMMANDS:
        return Target(STATION_COMMANDS[match[1]], None)
    return None


def _evse_id(segment: str) -> int:
    if not (segment.isascii() and segment.isdigit() and len(segment) <= 6 and int(segment) > 0):
        raise ControlError(NO_EVSE)
    return int(segment)


def _checked(rules: Mapping[str, Rule], given: Mapping[str, Any]) -> dict[str, Any]:
    for key in given:
        if key not in rules:
            known = ", ".join(rules) or "none"
            raise ControlError(f"unknown key {_shown(key)}; known are: {known}")
    for key, rule in rules.items():
        if rule.required and key not in given:
            raise ControlError(f"{key} is missing; it must be {rule.text}")
    return {key: rules[key].value_of(key, value) for key, value in given.items()}


def _shown(key: str) -> str:
    return repr(key if len(key) <= 40 else key[:39] + "…")

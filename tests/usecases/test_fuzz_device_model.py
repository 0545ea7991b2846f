"""Whatever a CSMS asks of the device model is answered as the schemas want, and breaks nothing.

Requests are made from the schemas of package `ocpp`: valid ones that name what the station has,
ones with a value changed, removed or added, and hostile texts in every place.
"""

import copy
import json
import os
import random
from functools import cache
from typing import Any

import pytest
from ocpp.messages import MessageType, get_validator

from station.bench.csms_schema import Schemas
from station.bench.fake_csms import CallError
from station.bench.virtual import VirtualStation
from station.ocpp.errors import ErrorCode

Payload = dict[str, Any]

ACTIONS = (
    "GetVariables",
    "SetVariables",
    "GetBaseReport",
    "GetReport",
    "SetVariableMonitoring",
    "GetMonitoringReport",
    "ClearVariableMonitoring",
    "SetMonitoringBase",
    "SetMonitoringLevel",
)
ROUNDS = int(os.environ.get("JOULEPOST_FUZZ_ROUNDS", "90"))
"""Requests of each action; more by hand, after a change of the device model."""
TEXTS = (
    "",
    " ",
    "\x00",
    "true",
    "-1",
    "1e309",
    "+5",
    "007",
    "NaN",
    "9" * 400,
    "x" * 999,
    "ß" * 1000,
    "\U0001f50c" * 50,
    "'; DROP TABLE variable; --",
    "../../etc/passwd",
    "%s%n{0}",
    "a,b,,c",
    "2026-02-30T25:61:00Z",
    "2026-03-02T09:00:00+14:00",
    "EVConnected,Authorized",
    "\u202e\ufeff",
)
NUMBERS = (0, -1, 1, 9, 10, 2**31, -(2**31) - 1, 2**63, 10**30, 0.1, -0.0, 1e300, 5.0)
ODD: tuple[Any, ...] = (None, True, [], {}, [[]], {"id": 1}, "", 0)
IN_PLACE = frozenset({"component", "variable"})


@cache
def schema_of(action: str) -> Payload:
    return dict(get_validator(MessageType.Call, action, "2.0.1").schema)


class Maker:
    """Makes payloads from a schema by chance."""

    def __init__(self, chance: random.Random, station: VirtualStation, action: str) -> None:
        self._chance, self._schema = chance, schema_of(action)
        self._entries = station.station.variables.variables()

    def valid(self) -> Payload:
        payload: Payload = self._made(self._schema, depth=0)
        return payload

    def mutated(self) -> Payload:
        """A valid one with up to three changes anywhere."""
        payload = self.valid()
        for _ in range(self._chance.randint(1, 3)):
            self._change(payload)
        return payload

    def hostile(self) -> Any:
        """Texts, numbers and shapes that nobody expects."""
        roll = self._chance.random()
        if roll < 0.1:
            return self._chance.choice(ODD)
        if roll < 0.2:
            deep: Any = {}
            for _ in range(self._chance.choice((3, 10, 30))):
                deep = {"customData": deep} if self._chance.random() < 0.5 else [deep]
            return {"customData": deep}
        payload = self.valid()
        for holder, key in _places(payload):
            if self._chance.random() < 0.5:
                holder[key] = self._strange()
        return payload

    def _strange(self) -> Any:
        pool: tuple[Any, ...] = self._chance.choice((TEXTS, NUMBERS, ODD))
        return copy.deepcopy(self._chance.choice(pool))

    def _change(self, payload: Payload) -> None:
        places = list(_places(payload))
        if not places:
            payload["extra"] = 1
            return
        holder, key = self._chance.choice(places)
        roll = self._chance.random()
        if roll < 0.25:
            del holder[key]
        elif roll < 0.4 and isinstance(holder, dict):
            holder["extra"] = self._strange()
        elif roll < 0.5 and isinstance(holder, list):
            holder.extend([holder[key]] * self._chance.choice((1, 120)))
        else:
            holder[key] = self._strange()

    def _made(self, schema: Payload, depth: int, name: str = "") -> Any:
        if "$ref" in schema:
            definition = schema["$ref"].rsplit("/", 1)[1]
            return self._made(self._schema["definitions"][definition], depth, name)
        if "enum" in schema:
            return self._chance.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            most = min(schema.get("maxItems", 4), 4)
            count = self._chance.randint(schema.get("minItems", 0), most)
            return [self._made(schema["items"], depth + 1, name) for _ in range(count)]
        if kind == "string":
            return self._text(schema)
        if kind == "boolean":
            return self._chance.random() < 0.5
        if kind == "integer":
            return self._chance.choice((0, 1, 2, 3, 9, 100))
        return self._chance.choice((0, 1, 0.5, 60, 1e6, -3.25))

    def _object(self, schema: Payload, depth: int) -> Payload:
        required = set(schema.get("required", ()))
        made = {
            name: self._made(inner, depth + 1, name)
            for name, inner in schema.get("properties", {}).items()
            if name in required or (name != "customData" and self._chance.random() < 0.5)
        }
        if set(made) >= IN_PLACE and self._chance.random() < 0.8:
            entry = self._chance.choice(self._entries)
            made |= _address(entry)
        return made

    def _text(self, schema: Payload) -> str:
        if schema.get("format") == "date-time":
            return "2026-03-02T10:00:00Z"
        text = self._chance.choice((*TEXTS, "1", "60", "false", "0"))
        return text[: schema.get("maxLength", 1000)]


def _address(entry: Any) -> Payload:
    address = entry.address
    component: Payload = {"name": address.component}
    if address.component_instance:
        component["instance"] = address.component_instance
    if address.evse_id:
        component["evse"] = {"id": address.evse_id}
        if address.connector_id:
            component["evse"]["connectorId"] = address.connector_id
    variable: Payload = {"name": address.variable}
    if address.instance:
        variable["instance"] = address.instance
    return {"component": component, "variable": variable}


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every member and item: its holder, and its key or index."""
    found: list[tuple[Any, Any]] = []
    items: Any = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        found.extend(_places(inner))
        found.append((value, key))
    return found


def is_up(station: VirtualStation) -> bool:
    return station.csms.connected


def wait_for_link(station: VirtualStation) -> None:
    """A setting may have broken the connection."""
    while not is_up(station):
        station.advance(5.0)


def ask(station: VirtualStation, action: str, payload: Any) -> Payload | CallError:
    wait_for_link(station)
    message_id = f"fuzz-{len(station.csms.results)}"
    station.csms.send_text(json.dumps([2, message_id, action, payload]))
    for _ in range(200):
        station.advance(0.01)
        if message_id in station.csms.results:
            result: Payload | CallError = station.csms.results[message_id]
            return result
        if not is_up(station):
            return CallError("GenericError", "the connection was broken meanwhile")
    raise AssertionError(f"{action} was not answered: {payload}")


@pytest.mark.parametrize("action", ACTIONS)
def test_every_request_is_answered_as_the_schema_wants(action: str) -> None:
    """B05.FR.01, B06.FR.01, N04.FR.01"""
    chance = random.Random(f"device model {action}")
    station, schemas = VirtualStation(seed=7).boot(), Schemas()
    schemas_met = accepted = 0
    for number in range(ROUNDS):
        maker = Maker(chance, station, action)
        kind = ("valid", "mutated", "hostile")[number % 3]
        payload = getattr(maker, kind)()
        answer = ask(station, action, payload)
        told = f"{action} {json.dumps(payload)[:600]} -> {answer}"
        broken = schemas.check(action, payload, response=False)
        if isinstance(answer, CallError):
            assert answer.code in set(ErrorCode), told
            assert answer.code not in ("InternalError", "NotImplemented"), told
        else:
            accepted += 1
            assert schemas.check(action, answer, response=True) is None, told
            assert broken is None, f"{told}: {broken}"
        schemas_met += broken is None
        assert station.station.contained.count == 0, told
        if number % 25 == 0:
            station.advance(10.0)
            station.csms.received.clear()
            station.csms.frames.clear()
    station.advance(60.0)
    assert station.station.contained.count == 0
    assert accepted >= ROUNDS // 6
    assert schemas_met >= ROUNDS // 4
    assert station.restarts == 0
    station.assert_safe()


def test_what_the_station_sends_after_hostile_settings_still_obeys_the_schemas() -> None:
    """Every report and event that a storm of valid settings and monitors causes."""
    chance = random.Random("device model reports")
    station, schemas = VirtualStation(seed=8).boot(), Schemas()
    for number in range(ROUNDS):
        action = ACTIONS[number % len(ACTIONS)]
        ask(station, action, Maker(chance, station, action).valid())
    station.csms.received.clear()
    wait_for_link(station)
    ask(station, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    ask(station, "GetMonitoringReport", {"requestId": 2})
    station.advance(60.0)
    assert station.csms.of("NotifyReport") != []
    for action, payload in station.csms.received:
        assert schemas.check(action, payload, response=False) is None, (action, payload)
    assert station.station.contained.count == 0

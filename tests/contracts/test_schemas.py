"""Our message types against the JSON schemas of the Open Charge Alliance, in both directions."""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import jsonschema
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import fields

from station.ocpp import messages
from station.ocpp.codec import decode_request, decode_response, encode, format_timestamp
from station.ocpp.errors import ErrorCode, RpcError
from station.ocpp.messages import ACTIONS
from station.ocpp.types import CustomData, Message, Request

SCHEMAS = Path(importlib.util.find_spec("ocpp").submodule_search_locations[0]) / "v201" / "schemas"
NAMES = sorted(path.stem for path in SCHEMAS.glob("*.json"))
REQUESTS = [name for name in NAMES if name.endswith("Request")]

# Edition 3 allows 5600 characters (part 2, and its schema), the package 7500; no erratum differs.
EXI_RESPONSE = 5600

# One name for two things in the specification: IdTokenType beside IdTokenEnumType.
BOTH_TYPE_AND_ENUM = {"IdTokenEnumType": "IdTokenType", "VPNEnumType": "VPNType"}

VIOLATIONS = {
    ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
    ErrorCode.PROPERTY_CONSTRAINT_VIOLATION,
}

ANNOTATIONS = {"description", "javaType", "default", "additionalItems", "comment", "$schema", "$id"}

fast = settings(deadline=None, suppress_health_check=list(HealthCheck))
FORMATS = jsonschema.FormatChecker(formats=())


@FORMATS.checks("date-time")
def looks_like_a_timestamp(value: object) -> bool:
    """Tells the strategies' timestamps from their other strings, and leaves types to the schema."""
    return not isinstance(value, str) or (value[4:5] == "-" and value.endswith("Z"))


@cache
def schema_of(name: str) -> dict[str, Any]:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text("utf-8-sig"))
    if name == "Get15118EVCertificateResponse":
        assert schema["properties"]["exiResponse"]["maxLength"] == 7500
        schema["properties"]["exiResponse"]["maxLength"] = EXI_RESPONSE
    return schema


@cache
def validator_of(name: str) -> Any:
    schema = schema_of(name)
    return jsonschema.validators.validator_for(schema)(schema, format_checker=FORMATS)


def type_of(name: str) -> type[Message]:
    if name.endswith("Request"):
        return ACTIONS[name.removesuffix("Request")]
    return ACTIONS[name.removesuffix("Response")].response_type


def decode(name: str, payload: dict[str, Any]) -> Message:
    kind = type_of(name)
    return (
        decode_request(kind, payload)
        if issubclass(kind, Request)
        else decode_response(kind, payload)
    )


# --- fields, limits and names -----------------------------------------------------------------


def unpack(annotation: Any) -> tuple[Any, dict[str, Any]]:
    """A field's type without "or absent", and the limits on it."""
    kinds = [kind for kind in get_args(annotation) if kind is not UnsetType]
    if UnsetType in get_args(annotation):
        assert len(kinds) == 1
        annotation = kinds[0]
    if get_origin(annotation) is not Annotated:
        return annotation, {}
    kind, meta = get_args(annotation)
    assert isinstance(meta, Meta)
    limits = {key: getattr(meta, key) for key in ("ge", "le", "min_length", "max_length")}
    assert meta.gt is meta.lt is meta.pattern is meta.multiple_of is None
    return kind, {key: value for key, value in limits.items() if value is not None}


class Comparison:
    """Walks a schema and a type together and fails at the first difference."""

    LIMITS = {
        "minimum": "ge",
        "maximum": "le",
        "minItems": "min_length",
        "maxItems": "max_length",
        "maxLength": "max_length",
    }
    SCALARS = {"integer": int, "number": float, "boolean": bool}

    def __init__(self, name: str) -> None:
        self.definitions = schema_of(name).get("definitions", {})
        self.seen: set[type] = set()

    def compare(self, schema: dict[str, Any], annotation: Any) -> None:
        schema = dict(schema)
        kind, limits = unpack(annotation)
        if reference := schema.pop("$ref", None):
            name = reference.removeprefix("#/definitions/")
            assert limits == {}
            assert kind.__name__ == our_name(name)
            schema = {**self.definitions[name], **schema}
        wanted = {
            ours: schema.pop(theirs) for theirs, ours in self.LIMITS.items() if theirs in schema
        }
        assert limits == wanted, annotation
        self._compare_kind(schema, kind)

    def _compare_kind(self, schema: dict[str, Any], kind: Any) -> None:
        left = set(schema) - ANNOTATIONS
        match schema.get("type"):
            case "object" if kind is CustomData:
                assert left == {"type", "properties", "required"}
                assert schema["required"] == ["vendorId"]
                assert schema["properties"] == {"vendorId": {"type": "string", "maxLength": 255}}
            case "object":
                assert left <= {
                    "type",
                    "properties",
                    "required",
                    "additionalProperties",
                    "definitions",
                }
                self.compare_object(schema, kind)
            case "array":
                assert left == {"type", "items"}
                assert get_origin(kind) is Sequence
                self.compare(schema["items"], get_args(kind)[0])
            case "string" if "enum" in schema:
                assert left <= {"type", "enum", "additionalProperties"}  # a slip without effect
                assert issubclass(kind, StrEnum)
                assert [member.value for member in kind] == schema["enum"]
                self.seen.add(kind)
            case "string" if "format" in schema:
                assert left == {"type", "format"}
                assert (schema["format"], kind) == ("date-time", datetime)
            case "string":
                assert left == {"type"}
                assert kind is str
            case None:
                assert left == set()
                assert kind is Any
            case scalar:
                assert left == {"type"}
                assert kind is self.SCALARS[scalar]

    def compare_object(self, schema: dict[str, Any], kind: type[Message]) -> None:
        self.seen.add(kind)
        ours = {field.encode_name: field for field in fields(kind)}
        assert set(ours) == set(schema["properties"])
        assert {name for name, field in ours.items() if field.required} == set(
            schema.get("required", [])
        )
        assert schema["additionalProperties"] is False
        assert kind.__struct_config__.forbid_unknown_fields
        assert kind.__struct_config__.frozen
        for name, field in ours.items():
            if not field.required:
                assert field.default is UNSET
                assert field.type is Any or UnsetType in get_args(field.type)
            self.compare(schema["properties"][name], field.type)


def our_name(definition: str) -> str:
    if definition in BOTH_TYPE_AND_ENUM:
        return BOTH_TYPE_AND_ENUM[definition]
    if definition.endswith("EnumType"):
        return definition.removesuffix("EnumType")
    return definition.removesuffix("Type")


def test_there_are_64_actions_and_each_has_both_schemas() -> None:
    assert len(ACTIONS) == 64
    assert len(NAMES) == 128
    assert sorted(NAMES) == sorted(
        f"{a}{part}" for a in ACTIONS for part in ("Request", "Response")
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_field_limit_and_value_is_that_of_the_schema(name: str) -> None:
    assert type_of(name).__name__ == name
    Comparison(name).compare_object(schema_of(name), type_of(name))


def test_no_type_is_without_a_schema() -> None:
    seen: set[type] = set()
    for name in NAMES:
        comparison = Comparison(name)
        comparison.compare_object(schema_of(name), type_of(name))
        seen |= comparison.seen
    assert set(own_types()) == seen


def own_types() -> Iterator[type]:
    for module in vars(messages).values():
        for kind in vars(module).values() if hasattr(module, "__name__") else ():
            if isinstance(kind, type) and kind.__module__.startswith(f"{messages.__name__}."):
                yield kind


# --- payloads ---------------------------------------------------------------------------------

EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
timestamps = st.integers(0, 10**12).map(
    lambda ms: format_timestamp(EPOCH + timedelta(milliseconds=ms))
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=3))
custom_data = st.fixed_dictionaries({"vendorId": st.text(max_size=255)}, optional={"x": scalars})


def payloads(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    if reference := schema.get("$ref"):
        name = reference.removeprefix("#/definitions/")
        return custom_data if name == "CustomDataType" else payloads(definitions[name], definitions)
    kind = schema.get("type")
    if kind == "object":
        return objects(schema, definitions)
    if kind == "array":
        most = min(schema.get("maxItems", 2), 2)
        items = payloads(schema["items"], definitions)
        return st.lists(items, min_size=schema["minItems"], max_size=most)
    return strings(schema) if kind == "string" else NUMBERS_AND_OTHERS[kind](schema)


def objects(schema: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    parts = {name: payloads(part, definitions) for name, part in schema["properties"].items()}
    required = set(schema.get("required", []))
    return st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )


def strings(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "format" in schema:
        return timestamps
    most = schema["maxLength"]
    return st.text(max_size=min(most, 8)) | st.just("ü" * most)


def integers(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    least, most = schema.get("minimum", -(10**17)), schema.get("maximum", 10**17)
    return st.integers(int(least), int(most))


NUMBERS_AND_OTHERS = {
    "integer": integers,
    "number": lambda _: st.floats(allow_nan=False, allow_infinity=False) | st.integers(-99, 99),
    "boolean": lambda _: st.booleans(),
    None: lambda _: scalars | st.dictionaries(st.text(max_size=3), scalars, max_size=2),
}


@cache
def payloads_of(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return payloads(schema_of(name), schema_of(name).get("definitions", {}))


@pytest.mark.parametrize("name", NAMES)
@settings(fast, max_examples=15)
@given(data=st.data())
def test_whatever_the_schema_allows_survives_decoding_and_encoding(
    name: str, data: st.DataObject
) -> None:
    payload = data.draw(payloads_of(name))
    again = orjson.loads(encode(decode(name, payload)))
    assert again == payload
    validator_of(name).validate(again)


SECRET = "s3cret` - at `$.status"
FAULTS = [None, True, -1, 1.5, 3.0, SECRET, "x" * 10_001, "Accepted", {}, [], [1], {"vendorId": 1}]
Place = tuple[Any, Any]


def places(value: Any) -> Iterator[Place]:
    """Every container and key at which something can be spoiled."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def replace(where: Any, key: Any, data: st.DataObject) -> None:
    where[key] = data.draw(st.sampled_from(FAULTS))


def remove(where: Any, key: Any, data: st.DataObject) -> None:
    del where[key]


def add(where: Any, key: Any, data: st.DataObject) -> None:
    where.update({SECRET: 1}) if isinstance(where, dict) else where.extend(where * 4)


@pytest.mark.parametrize("name", REQUESTS)
@settings(fast, max_examples=15)
@given(data=st.data())
def test_a_request_is_refused_exactly_when_its_schema_refuses_it(
    name: str, data: st.DataObject
) -> None:
    payload = data.draw(payloads_of(name))
    if found := list(places(payload)):
        where, key = data.draw(st.sampled_from(found))
        data.draw(st.sampled_from([replace, remove, add]))(where, key, data)
    if validator_of(name).is_valid(payload):
        decode_request(type_of(name), payload)
        return
    with pytest.raises(RpcError) as refusal:
        decode_request(type_of(name), payload)
    assert refusal.value.code in VIOLATIONS
    assert "s3cret" not in str(refusal.value)

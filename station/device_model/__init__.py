"""The device model: typed variables, who may change them, and what of them lasts."""

from station.device_model.entry import MAX_REPORTED, Entry, Slot, to_component
from station.device_model.kinds import (
    INVALID_VALUE,
    MAX_VALUE,
    READ_ONLY,
    TOO_LARGE_ELEMENT,
    VALUE_OUT_OF_RANGE,
    WRITE_ONLY,
    Boolean,
    DateTime,
    Decimal,
    Integer,
    Kind,
    MemberList,
    OptionList,
    SequenceList,
    Text,
    ValueRefused,
)
from station.device_model.layers import Notice, Problem, Source
from station.device_model.model import DeviceModel, GetOutcome, SetOutcome
from station.device_model.variable import VARIABLES, Address, Variable, VariableRow
from station.ocpp.messages.provisioning import Attribute, Mutability

__all__ = [
    "INVALID_VALUE",
    "MAX_REPORTED",
    "MAX_VALUE",
    "READ_ONLY",
    "TOO_LARGE_ELEMENT",
    "VALUE_OUT_OF_RANGE",
    "VARIABLES",
    "WRITE_ONLY",
    "Address",
    "Attribute",
    "Boolean",
    "DateTime",
    "Decimal",
    "DeviceModel",
    "Entry",
    "GetOutcome",
    "Integer",
    "Kind",
    "MemberList",
    "Mutability",
    "Notice",
    "OptionList",
    "Problem",
    "SequenceList",
    "SetOutcome",
    "Slot",
    "Source",
    "Text",
    "ValueRefused",
    "Variable",
    "VariableRow",
    "to_component",
]

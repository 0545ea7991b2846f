"""The device model: kinds, declaration, access by owners and from outside, and what lasts."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from station.device_model import (
    INVALID_VALUE,
    READ_ONLY,
    TOO_LARGE_ELEMENT,
    VALUE_OUT_OF_RANGE,
    VARIABLES,
    WRITE_ONLY,
    Address,
    Attribute,
    Boolean,
    DateTime,
    Decimal,
    DeviceModel,
    Entry,
    Integer,
    Kind,
    MemberList,
    Mutability,
    OptionList,
    Problem,
    SequenceList,
    Source,
    Text,
    ValueRefused,
    Variable,
    VariableRow,
)
from station.ocpp import codec
from station.ocpp.messages.common import EVSE, Component
from station.ocpp.messages.common import Variable as Named
from station.ocpp.messages.provisioning import GetVariableStatus as Got
from station.ocpp.messages.provisioning import SetVariableStatus as Status
from tests.memory_rows import MemoryRows


class Policy(StrEnum):
    LRU = "LRU"
    FIFO = "FIFO"


POINTS = ("EVConnected", "Authorized", "PowerPathClosed")

INTERVAL = Variable("OCPPCommCtrlr", "HeartbeatInterval", Integer(unit="s", min=1), default=300)
ATTEMPTS = Variable(
    "OCPPCommCtrlr",
    "MessageAttempts",
    Integer(min=1, max=10),
    instance="TransactionEvent",
    default=3,
)
START = Variable("TxCtrlr", "TxStartPoint", MemberList(POINTS), default=("EVConnected",))
POLICY = Variable("AuthCacheCtrlr", "Policy", OptionList(tuple(Policy)), default=Policy.LRU)
PRIORITY = Variable(
    "OCPPCommCtrlr",
    "NetworkConfigurationPriority",
    SequenceList(("1", "2", "3")),
    default=("1",),
    reboot_required=True,
)
PASSWORD = Variable(
    "SecurityCtrlr",
    "BasicAuthPassword",
    Text(min_length=16, max_length=64),
    mutability=Mutability.WRITE_ONLY,
    secret=True,
)
CLOCK = Variable("ClockCtrlr", "DateTime", DateTime(), mutability=Mutability.READ_ONLY)
TRANSITION = Variable("ClockCtrlr", "NextTimeOffsetTransitionDateTime", DateTime())
POWER = Variable("EVSE", "Power", Decimal(unit="W", max=22000), mutability=Mutability.READ_ONLY)
AVAILABILITY = Variable(
    "EVSE",
    "AvailabilityState",
    OptionList(("Available", "Occupied")),
    default="Available",
    mutability=Mutability.READ_ONLY,
    measured=True,
)
PLUG = Variable("Connector", "Enabled", Boolean(), default=True)
FAN_SPEED = Variable("Fan", "FanSpeed", Integer(min=0, max=1000), mutability=Mutability.READ_ONLY)
FAN_TARGET = Variable("Fan", "FanSpeed", Integer(min=0, max=1000), attribute=Attribute.TARGET)

Rows = MemoryRows[VariableRow]


@pytest.fixture
def rows() -> Rows:
    return MemoryRows(VARIABLES)


@pytest.fixture
def model(rows: Rows) -> DeviceModel:
    return built(DeviceModel(rows))


def built(model: DeviceModel) -> DeviceModel:
    for variable in (INTERVAL, ATTEMPTS, START, POLICY, PRIORITY, PASSWORD, CLOCK, TRANSITION):
        model.declare(variable)
    for evse_id in (1, 2):
        model.declare(POWER, evse_id)
        model.declare(AVAILABILITY, evse_id)
        model.declare(PLUG, evse_id, 1)
    model.declare(FAN_SPEED)
    model.declare(FAN_TARGET)
    return model


def restarted(rows: Rows, configured: dict[Variable[Any], str] | None = None) -> DeviceModel:
    """A new process over the same rows."""
    model = DeviceModel(rows)
    for variable, text in (configured or {}).items():
        model.configure(variable.component, variable.name, variable.instance, 0, text)
    return built(model)


def named(variable: Variable[Any], evse_id: int = 0, connector_id: int = 0) -> tuple[Any, Any]:
    entry = Entry(variable.at(evse_id, connector_id))
    return entry.component, entry.variable


def set_text(model: DeviceModel, variable: Variable[Any], text: str) -> Status:
    return model.set_from_outside(*named(variable), variable.attribute, text).status


def get_text(model: DeviceModel, variable: Variable[Any], evse_id: int = 0) -> str | None:
    return model.get_from_outside(*named(variable, evse_id), variable.attribute).value


# Kinds

UTC_TIMES = st.datetimes(
    min_value=datetime(1000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(UTC),
).map(lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000))
ITEMS = st.lists(st.sampled_from(POINTS), unique=True).map(tuple)
VALUES: list[tuple[Kind[Any], st.SearchStrategy[Any]]] = [
    (Text(), st.text(max_size=1000)),
    (Integer(), st.integers(min_value=-(2**31), max_value=2**31 - 1)),
    (Decimal(), st.floats(min_value=-999e12, max_value=999e12).map(lambda x: round(x, 6))),
    (Boolean(), st.booleans()),
    (DateTime(), UTC_TIMES),
    (OptionList(tuple(Policy)), st.sampled_from(Policy)),
    (MemberList(POINTS), ITEMS),
    (SequenceList(POINTS), ITEMS),
]


@pytest.mark.parametrize(("kind", "values"), VALUES, ids=lambda part: type(part).__name__)
def test_every_kind_reads_back_what_it_writes(
    kind: Kind[Any], values: st.SearchStrategy[Any]
) -> None:
    @settings(max_examples=50)
    @given(values)
    def reads_back(value: Any) -> None:
        assert kind.parse(kind.format(value)) == value

    reads_back()


@pytest.mark.parametrize(("kind", "_"), VALUES, ids=lambda part: type(part).__name__)
@settings(max_examples=50)
@given(text=st.text(max_size=40))
def test_any_text_is_a_value_or_refused_and_never_an_error(
    kind: Kind[Any], _: Any, text: str
) -> None:
    reason = ""
    try:
        value = kind.parse(text)
    except ValueRefused as refusal:
        reason = refusal.reason_code
    assert reason in (INVALID_VALUE, VALUE_OUT_OF_RANGE) or value == kind.parse(kind.format(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Integer(), "+1"),
        (Integer(), "01"),
        (Integer(), "-0"),
        (Integer(), "1.0"),
        (Integer(), "300.1"),
        (Integer(), "true"),
        (Integer(), "2147483648"),
        (Integer(), "9" * 1000),
        (Integer(), "٣"),
        (Integer(), ""),
        (Decimal(), "NaN"),
        (Decimal(), "1e5"),
        (Decimal(), ".5"),
        (Decimal(), "5."),
        (Decimal(), " 5"),
        (Boolean(), "True"),
        (Boolean(), "1"),
        (DateTime(), "abc"),
        (DateTime(), "2026-02-30T00:00:00Z"),
        (DateTime(), "2026-11-22"),
        (OptionList(("A", "B")), "a"),
        (OptionList(("A", "B")), "A,B"),
        (MemberList(("A", "B")), "A,C"),
        (MemberList(("A", "B")), "A,,B"),
        (SequenceList(("A", "B")), ","),
    ],
)
def test_wrongly_formatted_text_is_an_invalid_value(kind: Kind[Any], text: str) -> None:
    """B05.FR.07"""
    with pytest.raises(ValueRefused) as refused:
        kind.parse(text)
    assert refused.value.reason_code == INVALID_VALUE


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Integer(min=1), "0"),
        (Integer(max=9), "10"),
        (Decimal(min=0.5), "0.4"),
        (Decimal(max=1), "1.000001"),
        (Text(max_length=3), "abcd"),
        (Text(min_length=2), "a"),
        (MemberList(("A", "B"), max_items=1), "A,B"),
    ],
)
def test_text_beyond_the_limits_is_out_of_range(kind: Kind[Any], text: str) -> None:
    """B05.FR.08"""
    with pytest.raises(ValueRefused) as refused:
        kind.parse(text)
    assert refused.value.reason_code == VALUE_OUT_OF_RANGE


def test_a_list_drops_repeated_items_and_blanks_and_a_sequence_keeps_its_order() -> None:
    assert MemberList(("A", "B")).parse("B, A,B") == ("B", "A")
    assert SequenceList(("1", "2")).parse("2,1") == ("2", "1")
    assert SequenceList(("1", "2")).parse("") == ()


def test_an_option_of_an_enum_is_its_member() -> None:
    assert OptionList(tuple(Policy)).parse("FIFO") is Policy.FIFO
    assert MemberList(tuple(Policy)).parse("FIFO")[0] is Policy.FIFO


def test_a_decimal_is_written_in_full_and_without_an_exponent() -> None:
    assert Decimal().format(1e-7) == "0.0000001"
    assert Decimal().format(22000) == "22000.0"
    assert Decimal().format(1e16) == "10000000000000000"


def test_characteristics_tell_type_unit_limits_and_values() -> None:
    def told(kind: Kind[Any]) -> dict[str, Any]:
        return codec.to_payload(kind.characteristics())

    assert told(Integer(unit="s", min=0, max=9)) == {
        "dataType": "integer",
        "supportsMonitoring": False,
        "unit": "s",
        "minLimit": 0,
        "maxLimit": 9,
    }
    assert told(Text(max_length=20)) == {
        "dataType": "string",
        "supportsMonitoring": False,
        "maxLimit": 20,
    }
    assert told(SequenceList(("NTP", "Heartbeat"))) == {
        "dataType": "SequenceList",
        "supportsMonitoring": False,
        "maxLimit": 13,
        "valuesList": "NTP,Heartbeat",
    }
    assert told(OptionList(("A", "BBB")))["maxLimit"] == 3
    assert told(Boolean()) == {"dataType": "boolean", "supportsMonitoring": False}
    assert told(DateTime())["dataType"] == "dateTime"


def test_a_values_list_that_no_report_can_carry_is_a_mistake_of_the_owner() -> None:
    with pytest.raises(ValueError, match="cannot be reported"):
        MemberList(tuple(f"value{n}" for n in range(200)))


# Owners


def test_a_declared_variable_has_its_default_and_its_type(model: DeviceModel) -> None:
    assert model[INTERVAL] == 300
    assert model[START] == ("EVConnected",)
    assert model.get(AVAILABILITY, 2) == "Available"
    assert INTERVAL in model
    assert AVAILABILITY not in model  # not at the station tier


def test_the_declaration_may_replace_default_limits_and_mutability(rows: Rows) -> None:
    model = DeviceModel(rows)
    model.declare(START, values=("EVConnected",), mutability=Mutability.READ_ONLY)
    model.declare(INTERVAL, default=60, max=90)
    assert set_text(model, START, "EVConnected") is Status.REJECTED
    assert model[INTERVAL] == 60
    assert set_text(model, INTERVAL, "91") is Status.REJECTED
    assert set_text(model, INTERVAL, "90") is Status.ACCEPTED


def test_declaring_one_place_twice_is_a_mistake(model: DeviceModel) -> None:
    twin = Variable("evse", "power", Decimal(), mutability=Mutability.READ_ONLY)
    with pytest.raises(ValueError, match="declared twice"):
        model.declare(twin, 1)


def test_a_variable_without_a_value_is_found_as_none(model: DeviceModel) -> None:
    assert model.find(TRANSITION) is None
    with pytest.raises(LookupError, match="has no value"):
        model[TRANSITION]
    with pytest.raises(LookupError, match="EVSE 1: Power has no value"):
        model.get(POWER, 1)


def test_a_provided_value_is_computed_when_it_is_read(model: DeviceModel) -> None:
    readings = iter((None, 11000.0, 7400.0))
    model.provide(POWER, lambda: next(readings), 1)
    assert get_text(model, POWER, 1) == ""
    assert model.get(POWER, 1) == 11000.0
    assert get_text(model, POWER, 1) == "7400.0"


def test_only_a_read_only_variable_can_be_provided(model: DeviceModel) -> None:
    with pytest.raises(ValueError, match="must be ReadOnly"):
        model.provide(INTERVAL, lambda: 1)


def test_a_measured_value_may_lie_beyond_the_limits(model: DeviceModel) -> None:
    model.update(FAN_SPEED, 1002)
    assert get_text(model, FAN_SPEED) == "1002"


def test_watchers_are_told_of_changes_only(model: DeviceModel) -> None:
    seen: list[tuple[int | None, Any]] = []
    model.watch(INTERVAL, lambda evse_id, value: seen.append((evse_id, value)))
    model.watch(AVAILABILITY, lambda evse_id, value: seen.append((evse_id, value)))
    set_text(model, INTERVAL, "300")
    set_text(model, INTERVAL, "60")
    set_text(model, INTERVAL, "0")
    model.update(AVAILABILITY, "Occupied", 2)
    model.update(AVAILABILITY, "Occupied", 2)
    assert seen == [(None, 60), (2, "Occupied")]


def test_onlookers_see_every_change_and_what_is_touched(model: DeviceModel) -> None:
    seen: list[str] = []
    model.watch_all(lambda slot: seen.append(f"{slot.address.evse_id} {slot.text()}"))
    model.provide(POWER, lambda: 11000.0, 1)
    set_text(model, INTERVAL, "60")
    set_text(model, INTERVAL, "60")
    model.update(AVAILABILITY, "Occupied", 2)
    model.touch(POWER, 1)
    assert seen == ["0 60", "2 Occupied", "1 11000.0"]


def test_the_owner_may_refuse_a_value_for_reasons_of_its_own(model: DeviceModel) -> None:
    """B05.FR.09"""

    def not_sixty(value: int) -> None:
        if value == 60:
            raise ValueRefused("NotFound", "sixty is taken")

    model.validate(INTERVAL, not_sixty)
    outcome = model.set_from_outside(*named(INTERVAL), "Actual", "60")
    assert outcome == (Status.REJECTED, "NotFound", "sixty is taken")
    assert model[INTERVAL] == 300


def test_values_are_put_back_when_the_turn_fails(model: DeviceModel) -> None:
    def fail(_: Any, __: Any) -> None:
        model.update(FAN_SPEED, 5)
        raise RuntimeError("a bug of the owner")

    model.watch(ATTEMPTS, fail)

    def set_three() -> None:
        with model.all_or_nothing():
            set_text(model, INTERVAL, "60")
            set_text(model, PRIORITY, "2")
            set_text(model, ATTEMPTS, "5")

    with pytest.raises(RuntimeError):
        set_three()
    assert (model[INTERVAL], model[ATTEMPTS], model.find(FAN_SPEED)) == (300, 3, None)
    assert set_text(model, PRIORITY, "1") is Status.ACCEPTED  # nothing is pending


# From outside


def test_names_are_compared_without_regard_to_case(model: DeviceModel) -> None:
    component, variable = Component(name="ocppCOMMctrlr"), Named(name="messageattempts")
    named_so = Named(name="messageAttempts", instance="TRANSACTIONEVENT")
    assert model.get_from_outside(component, variable, "Actual").status is Got.UNKNOWN_VARIABLE
    assert model.get_from_outside(component, named_so, "Actual").value == "3"


@pytest.mark.parametrize(
    "component",
    [
        Component(name="Nothing"),
        Component(name="TxCtrlr", instance="a"),
        Component(name="TxCtrlr", evse=EVSE(id=1)),
        Component(name="TxCtrlr", evse=EVSE(id=0)),
        Component(name="EVSE"),
        Component(name="EVSE", evse=EVSE(id=3)),
        Component(name="EVSE", evse=EVSE(id=1, connector_id=1)),
        Component(name="EVSE", evse=EVSE(id=1, connector_id=0)),
        Component(name="Connector", evse=EVSE(id=1)),
    ],
)
def test_a_component_that_is_not_there_is_unknown(model: DeviceModel, component: Component) -> None:
    """B05.FR.04, B06.FR.06, B06.FR.15"""
    variable = Named(name="TxStartPoint")
    got = model.get_from_outside(component, variable, "Actual")
    assert got == (Got.UNKNOWN_COMPONENT, None, "")
    was_set = model.set_from_outside(component, variable, "Actual", "")
    assert was_set.status is Status.UNKNOWN_COMPONENT


def test_an_empty_instance_is_no_instance(model: DeviceModel) -> None:
    """B06.FR.15"""
    component = Component(name="TxCtrlr", instance="")
    variable = Named(name="TxStartPoint", instance="")
    assert model.get_from_outside(component, variable, "Actual").value == "EVConnected"


def test_a_variable_that_is_not_there_is_unknown(model: DeviceModel) -> None:
    """B05.FR.05, B06.FR.07"""
    component = Component(name="EVSE", evse=EVSE(id=1))
    for variable in (Named(name="Nothing"), Named(name="Power", instance="L1")):
        got = model.get_from_outside(component, variable, "Actual")
        assert got == (Got.UNKNOWN_VARIABLE, None, "")
        was_set = model.set_from_outside(component, variable, "Actual", "1")
        assert was_set.status is Status.UNKNOWN_VARIABLE


def test_an_attribute_that_is_not_there_is_not_supported(model: DeviceModel) -> None:
    """B05.FR.06, B06.FR.08"""
    got = model.get_from_outside(*named(INTERVAL), "Target")
    assert got.status is Got.NOT_SUPPORTED_ATTRIBUTE_TYPE
    was_set = model.set_from_outside(*named(INTERVAL), "MaxSet", "1")
    assert was_set.status is Status.NOT_SUPPORTED_ATTRIBUTE_TYPE


def test_attributes_of_one_variable_are_set_apart(model: DeviceModel) -> None:
    """B06.FR.13: a supported attribute without a value is empty."""
    assert get_text(model, FAN_TARGET) == ""
    assert set_text(model, FAN_SPEED, "1") is Status.REJECTED
    assert set_text(model, FAN_TARGET, "500") is Status.ACCEPTED
    assert (model[FAN_TARGET], model.find(FAN_SPEED)) == (500, None)


def test_a_read_only_variable_cannot_be_set(model: DeviceModel) -> None:
    """B05.FR.09"""
    outcome = model.set_from_outside(*named(CLOCK), "Actual", "2026-11-22T12:00:00Z")
    assert outcome[:2] == (Status.REJECTED, READ_ONLY)


def test_a_write_only_variable_cannot_be_read(model: DeviceModel) -> None:
    """B06.FR.09"""
    assert set_text(model, PASSWORD, "0123456789abcdef") is Status.ACCEPTED
    got = model.get_from_outside(*named(PASSWORD), "Actual")
    assert got == (Got.REJECTED, None, WRITE_ONLY)


def test_a_refusal_never_quotes_the_value(model: DeviceModel) -> None:
    outcome = model.set_from_outside(*named(PASSWORD), "Actual", "s3cret")
    assert outcome.status is Status.REJECTED
    assert "s3cret" not in repr(outcome)


def test_a_value_longer_than_allowed_is_too_large(model: DeviceModel) -> None:
    outcome = model.set_from_outside(*named(START), "Actual", "EVConnected", max_length=10)
    assert outcome[:2] == (Status.REJECTED, TOO_LARGE_ELEMENT)


def test_an_empty_string_unsets_only_what_has_no_default(model: DeviceModel) -> None:
    assert set_text(model, TRANSITION, "2027-03-28T01:00:00Z") is Status.ACCEPTED
    assert set_text(model, TRANSITION, "") is Status.ACCEPTED
    assert model.find(TRANSITION) is None
    assert set_text(model, INTERVAL, "") is Status.REJECTED


# What lasts


def test_what_the_csms_set_outlasts_a_restart(model: DeviceModel, rows: Rows) -> None:
    set_text(model, INTERVAL, "60")
    set_text(model, START, "Authorized,PowerPathClosed")
    again = restarted(rows)
    assert again.load() == []
    assert (again[INTERVAL], again[START]) == (60, ("Authorized", "PowerPathClosed"))


def test_a_value_that_needs_a_reboot_is_in_force_only_after_it(
    model: DeviceModel, rows: Rows
) -> None:
    seen: list[Any] = []
    model.watch(PRIORITY, lambda _, value: seen.append(value))
    assert set_text(model, PRIORITY, "2,1") is Status.REBOOT_REQUIRED
    assert (model[PRIORITY], get_text(model, PRIORITY), seen) == (("1",), "1", [])
    assert restarted(rows)[PRIORITY] == ("2", "1")


def test_setting_the_value_in_force_needs_no_reboot_and_drops_the_pending_one(
    model: DeviceModel, rows: Rows
) -> None:
    set_text(model, PRIORITY, "2,1")
    assert set_text(model, PRIORITY, "1") is Status.ACCEPTED
    assert restarted(rows)[PRIORITY] == ("1",)


def test_nothing_is_stored_that_is_so_anyway(model: DeviceModel, rows: Rows) -> None:
    set_text(model, INTERVAL, "300")
    assert rows.writes == 0
    set_text(model, INTERVAL, "60")
    set_text(model, INTERVAL, "60")
    assert rows.writes == 1
    set_text(model, INTERVAL, "300")
    assert len(rows) == 0


def test_a_secret_is_told_to_its_owner_and_not_stored(model: DeviceModel, rows: Rows) -> None:
    seen: list[Any] = []
    model.watch(PASSWORD, lambda _, value: seen.append(value))
    set_text(model, PASSWORD, "0123456789abcdef")
    assert seen == ["0123456789abcdef"]
    assert rows.writes == 0


def test_what_the_station_changes_lasts_only_when_asked(model: DeviceModel, rows: Rows) -> None:
    model.update(INTERVAL, 60)
    assert restarted(rows)[INTERVAL] == 300
    model.update(FAN_SPEED, 400, persist=True)
    assert restarted(rows)[FAN_SPEED] == 400


def test_a_value_set_by_the_csms_counts_no_more_once_the_variable_is_read_only(rows: Rows) -> None:
    model = DeviceModel(rows)
    model.declare(PLUG)
    set_text(model, PLUG, "false")
    again = DeviceModel(rows)
    again.declare(PLUG, mutability=Mutability.READ_ONLY)
    assert again[PLUG] is True


def test_a_stored_value_that_no_longer_fits_is_told_and_kept(rows: Rows) -> None:
    model = built(DeviceModel(rows))
    set_text(model, START, "PowerPathClosed")
    other = DeviceModel(rows)
    other.declare(START, values=("EVConnected",))
    assert other[START] == ("EVConnected",)
    (notice,) = other.load()
    assert (notice.source, notice.problem) == (Source.STORED, Problem.REFUSED)
    assert restarted(rows)[START] == ("PowerPathClosed",)


# Configuration


def test_the_configuration_replaces_the_default(rows: Rows) -> None:
    model = restarted(rows, {INTERVAL: "120"})
    assert model.load() == []
    assert model[INTERVAL] == 120
    set_text(model, INTERVAL, "120")
    assert rows.writes == 0


def test_configuring_after_the_declaration_counts_as_well(model: DeviceModel) -> None:
    model.configure("ocppcommctrlr", "heartbeatinterval", "", 0, "45")
    assert model[INTERVAL] == 45


def test_the_csms_wins_over_a_configuration_that_stays(rows: Rows) -> None:
    set_text(restarted(rows, {INTERVAL: "120"}), INTERVAL, "60")
    model = restarted(rows, {INTERVAL: "120"})
    assert model.load() == []
    assert model[INTERVAL] == 60


def test_the_csms_wins_over_a_configuration_that_falls_silent(rows: Rows) -> None:
    set_text(restarted(rows, {INTERVAL: "120"}), INTERVAL, "60")
    assert restarted(rows)[INTERVAL] == 60
    assert restarted(rows, {INTERVAL: "120"})[INTERVAL] == 60


@pytest.mark.parametrize("before", [{}, {INTERVAL: "120"}])
def test_the_installer_wins_once_the_configuration_changes(
    rows: Rows, before: dict[Variable[Any], str]
) -> None:
    set_text(restarted(rows, before), INTERVAL, "60")
    model = restarted(rows, {INTERVAL: "90"})
    assert model[INTERVAL] == 90
    (notice,) = model.load()
    assert (notice.source, notice.problem) == (Source.STORED, Problem.OVERRULED)
    assert str(notice) == (
        "stored value of OCPPCommCtrlr: HeartbeatInterval: "
        "the configuration has changed since it was set, and wins"
    )
    assert model.load() == []

    after = restarted(rows, {INTERVAL: "120"})  # the old value does not come back
    assert (after[INTERVAL], after.load()) == (120, [])


def test_an_installer_who_agrees_with_the_csms_overrules_nothing(rows: Rows) -> None:
    set_text(restarted(rows), INTERVAL, "60")
    model = restarted(rows, {INTERVAL: "60"})
    assert model.load() == []
    assert (model[INTERVAL], len(rows)) == (60, 0)


def test_configuration_that_cannot_be_honoured_is_told(rows: Rows) -> None:
    model = restarted(rows, {INTERVAL: "0", ATTEMPTS: "7"})
    model.configure("OCPPCommCtrlr", "Nothing", "x", 0, "1")
    model.configure("EVSE", "AvailabilityState", "", 1, "Occupied")

    def refuse(_: int) -> None:
        raise ValueRefused("InvalidValue", "never seven")

    model.validate(ATTEMPTS, refuse)
    told = [str(notice) for notice in model.load()]
    assert told == [
        "configuration of OCPPCommCtrlr: HeartbeatInterval: must not be below 1",
        "configuration of EVSE of EVSE 1: AvailabilityState: is measured or derived by the station",
        "configuration of OCPPCommCtrlr: Nothing[x]: the station does not have this variable",
        "configuration of OCPPCommCtrlr: MessageAttempts[TransactionEvent]: never seven",
    ]
    assert (model[INTERVAL], model[ATTEMPTS]) == (300, 3)
    assert model.get(AVAILABILITY, 1) == "Available"


# Reports


def test_variables_come_in_one_order_whatever_the_order_of_declaration(rows: Rows) -> None:
    """B07.FR.08"""
    forward, backward = DeviceModel(rows), DeviceModel(rows)
    places = [(INTERVAL, None), (POWER, 2), (POWER, 1), (AVAILABILITY, 1), (START, None)]
    for variable, evse_id in places:
        forward.declare(variable, evse_id)
    for variable, evse_id in reversed(places):
        backward.declare(variable, evse_id)
    order = [str(entry.address) for entry in forward.variables()]
    assert order == [str(entry.address) for entry in backward.variables()]
    assert order == [
        "EVSE of EVSE 1: AvailabilityState",
        "EVSE of EVSE 1: Power",
        "EVSE of EVSE 2: Power",
        "OCPPCommCtrlr: HeartbeatInterval",
        "TxCtrlr: TxStartPoint",
    ]


def reported(model: DeviceModel, variable: Variable[Any], evse_id: int = 0) -> dict[str, Any]:
    entry = model.find_entry(*named(variable, evse_id))
    assert isinstance(entry, Entry)
    return codec.to_payload(entry.report())


def test_a_report_tells_every_attribute_even_without_a_value(model: DeviceModel) -> None:
    """B07.FR.11"""
    model.update(FAN_SPEED, 400)
    assert reported(model, FAN_SPEED) == {
        "component": {"name": "Fan"},
        "variable": {"name": "FanSpeed"},
        "variableAttribute": [
            {
                "type": "Actual",
                "value": "400",
                "mutability": "ReadOnly",
                "persistent": True,
                "constant": False,
            },
            {
                "type": "Target",
                "value": "",
                "mutability": "ReadWrite",
                "persistent": True,
                "constant": False,
            },
        ],
        "variableCharacteristics": {
            "dataType": "integer",
            "supportsMonitoring": True,
            "minLimit": 0,
            "maxLimit": 1000,
        },
    }


def test_a_report_leaves_out_what_is_write_only(model: DeviceModel) -> None:
    set_text(model, PASSWORD, "0123456789abcdef")
    (attribute,) = reported(model, PASSWORD)["variableAttribute"]
    assert "value" not in attribute


def test_a_report_names_evse_and_connector_and_tells_limits_of_the_place(rows: Rows) -> None:
    model = DeviceModel(rows)
    model.declare(POWER, 1, max=11000.0)
    model.declare(PLUG, 1, 2)
    assert reported(model, POWER, 1)["component"] == {"name": "EVSE", "evse": {"id": 1}}
    assert reported(model, POWER, 1)["variableCharacteristics"]["maxLimit"] == 11000.0
    component = model.variables()[0].component
    assert codec.to_payload(component) == {
        "name": "Connector",
        "evse": {"id": 1, "connectorId": 2},
    }


def test_what_is_measured_is_not_persistent(model: DeviceModel) -> None:
    (attribute,) = reported(model, AVAILABILITY, 1)["variableAttribute"]
    assert attribute["persistent"] is False


def test_what_an_operator_can_set_is_told_apart(model: DeviceModel) -> None:
    """B07.FR.07"""
    settable = {str(entry.address) for entry in model.variables() if entry.is_settable}
    assert "Fan: FanSpeed" in settable  # its Target
    assert "SecurityCtrlr: BasicAuthPassword" in settable
    assert "ClockCtrlr: DateTime" not in settable


def test_an_address_is_equal_in_any_case() -> None:
    assert Address("evse", "power", evse_id=1).key == Address("EVSE", "Power", evse_id=1).key
    assert Address("EVSE", "Power", evse_id=1).key != Address("EVSE", "Power", evse_id=2).key


# Against an oracle


class AgreesWithAnOracle(RuleBasedStateMachine):
    """Random sets, restarts and readings; the oracle is two dictionaries and a range."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: Rows = MemoryRows(VARIABLES)
        self.model = built(DeviceModel(self.rows))
        self.in_force: dict[Variable[Any], str] = {
            INTERVAL: "300",
            ATTEMPTS: "3",
            PRIORITY: "1",
            POLICY: "LRU",
        }
        self.stored = dict(self.in_force)

    @rule(variable=st.sampled_from((INTERVAL, ATTEMPTS)), value=st.integers(-2, 12))
    def set_number(self, variable: Variable[int], value: int) -> None:
        fits = 1 <= value <= (10 if variable is ATTEMPTS else value)
        status = set_text(self.model, variable, str(value))
        assert status is (Status.ACCEPTED if fits else Status.REJECTED)
        if fits:
            self.in_force[variable] = self.stored[variable] = str(value)

    @rule(value=st.sampled_from(("LRU", "FIFO", "lru", "")))
    def set_option(self, value: str) -> None:
        fits = value in ("LRU", "FIFO")
        assert (set_text(self.model, POLICY, value) is Status.ACCEPTED) is fits
        if fits:
            self.in_force[POLICY] = self.stored[POLICY] = value

    @rule(value=st.permutations(("1", "2", "3")), length=st.integers(1, 3))
    def set_with_reboot(self, value: list[str], length: int) -> None:
        text = ",".join(value[:length])
        same = text == self.in_force[PRIORITY]
        status = set_text(self.model, PRIORITY, text)
        assert status is (Status.ACCEPTED if same else Status.REBOOT_REQUIRED)
        self.stored[PRIORITY] = text

    @rule()
    def restart(self) -> None:
        self.model = built(DeviceModel(self.rows))
        assert self.model.load() == []
        self.in_force = dict(self.stored)

    @invariant()
    def values_agree(self) -> None:
        for variable, text in self.in_force.items():
            assert get_text(self.model, variable) == text
            assert variable.kind.format(self.model[variable]) == text


TestAgreesWithAnOracle = AgreesWithAnOracle.TestCase
TestAgreesWithAnOracle.settings = settings(max_examples=30, stateful_step_count=20)

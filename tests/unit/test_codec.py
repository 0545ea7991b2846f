"""The rules by which payloads become messages and messages payloads."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from station.ocpp import codec
from station.ocpp.codec import (
    decode_request,
    decode_response,
    encode,
    format_timestamp,
    parse_timestamp,
    to_payload,
)
from station.ocpp.errors import ErrorCode, RpcError
from station.ocpp.messages import ACTIONS
from station.ocpp.messages.authorization import AuthorizeResponse
from station.ocpp.messages.availability import HeartbeatResponse, StatusNotificationResponse
from station.ocpp.messages.certificates import Get15118EVCertificateRequest
from station.ocpp.messages.common import (
    EVSE,
    AdditionalInfo,
    AuthorizationStatus,
    Component,
    IdToken,
    IdTokenType,
    Variable,
)
from station.ocpp.messages.data_transfer import DataTransferRequest
from station.ocpp.messages.metering import MeterValuesRequest
from station.ocpp.messages.provisioning import (
    APN,
    VPN,
    APNAuthentication,
    Attribute,
    GetVariableData,
    GetVariablesRequest,
    GetVariablesResponse,
    SetVariableData,
    VPNType,
)
from station.ocpp.messages.reservation import Connector, ReserveNowRequest, ReserveNowResponse
from station.ocpp.messages.smart_charging import NotifyEVChargingNeedsRequest
from station.ocpp.types import CustomData, Message, or_default

TYPE = ErrorCode.TYPE_CONSTRAINT_VIOLATION
OCCURRENCE = ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION
PROPERTY = ErrorCode.PROPERTY_CONSTRAINT_VIOLATION

RESERVE_NOW: dict[str, Any] = {
    "id": 7,
    "expiryDateTime": "2026-11-22T12:00:00Z",
    "idToken": {"idToken": "04A1B2C3", "type": "ISO14443"},
}
GET_VARIABLES: dict[str, Any] = {
    "getVariableData": [{"component": {"name": "EVSE"}, "variable": {"name": "Power"}}]
}


def reserve_now(**changes: Any) -> ReserveNowRequest:
    return decode_request(ReserveNowRequest, RESERVE_NOW | changes)


def refusal(request_type: type[Any], payload: Any) -> tuple[ErrorCode, str]:
    with pytest.raises(RpcError) as caught:
        decode_request(request_type, payload)
    return caught.value.code, caught.value.description


# --- messages ---------------------------------------------------------------------------------


def test_a_request_knows_its_action_and_the_type_of_its_answer() -> None:
    assert ReserveNowRequest.action_name == "ReserveNow"
    assert ReserveNowRequest.response_type is ReserveNowResponse
    assert ACTIONS["ReserveNow"] is ReserveNowRequest


def test_a_field_named_action_does_not_hide_the_name_of_the_action() -> None:
    assert Get15118EVCertificateRequest.action_name == "Get15118EVCertificate"
    assert "action" in Get15118EVCertificateRequest.__struct_fields__


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        reserve_now().id = 8  # type: ignore[misc]


def test_an_absent_field_can_be_read_as_what_its_absence_means() -> None:
    data = GetVariableData(component=Component(name="EVSE"), variable=Variable(name="Power"))
    assert or_default(data.attribute_type, Attribute.ACTUAL) is Attribute.ACTUAL
    target = msgspec.structs.replace(data, attribute_type=Attribute.TARGET)
    assert or_default(target.attribute_type, Attribute.ACTUAL) is Attribute.TARGET


def test_secrets_stay_out_of_what_a_log_would_print() -> None:
    secret = "04A1B2C3"
    token = IdToken(
        id_token=secret,
        type=IdTokenType.ISO14443,
        additional_info=[AdditionalInfo(additional_id_token=secret, type="parent")],
    )
    value = SetVariableData(
        attribute_value=secret,
        component=Component(name="SecurityCtrlr"),
        variable=Variable(name="BasicAuthPassword"),
    )
    apn = APN(apn="iot", apn_authentication=APNAuthentication.PAP, apn_password=secret)
    vpn = VPN(server="s", user="u", password=secret, key=secret, type=VPNType.IPSEC)
    for message in (token, token.additional_info, value, apn, vpn):
        assert secret not in repr(message)
    assert "ISO14443" in repr(token)
    assert "BasicAuthPassword" in repr(value)


# --- requests ---------------------------------------------------------------------------------


def test_a_request_is_decoded_into_its_type() -> None:
    assert reserve_now(connectorType="cCCS1", evseId=2) == ReserveNowRequest(
        id=7,
        expiry_date_time=datetime(2026, 11, 22, 12, tzinfo=UTC),
        id_token=IdToken(id_token="04A1B2C3", type=IdTokenType.ISO14443),
        connector_type=Connector.C_CCS1,
        evse_id=2,
    )


@pytest.mark.parametrize("number", [7, 7.0, -0.0, 1e3, 2.0**53])
def test_a_whole_number_is_an_integer_however_it_is_written(number: float) -> None:
    decoded = reserve_now(id=number).id
    assert decoded == number
    assert type(decoded) is int


def test_a_whole_number_is_an_integer_in_lists_and_without_timestamps_too() -> None:
    clear = decode_request(ACTIONS["ClearVariableMonitoring"], {"id": [1.0, 2]})
    assert to_payload(clear) == {"id": [1, 2]}
    assert encode(clear) == b'{"id":[1,2]}'


@pytest.mark.parametrize("number", [True, False, "7", 7.5, None, [], {}, 1e300, math.inf, math.nan])
def test_nothing_else_is_an_integer(number: object) -> None:
    assert refusal(ReserveNowRequest, RESERVE_NOW | {"id": number}) == (
        TYPE,
        "id has the wrong type",
    )


def test_a_whole_number_is_a_decimal_but_a_boolean_is_none() -> None:
    at = "2026-11-22T12:00:00Z"
    value: dict[str, Any] = {"value": 3}
    payload = {"evseId": 1, "meterValue": [{"timestamp": at, "sampledValue": [value]}]}
    decoded = decode_request(MeterValuesRequest, payload).meter_value[0].sampled_value[0].value
    assert (decoded, type(decoded)) == (3.0, float)
    value["value"] = True
    place = "meterValue[0].sampledValue[0].value"
    assert refusal(MeterValuesRequest, payload) == (TYPE, f"{place} has the wrong type")


@pytest.mark.parametrize(
    ("changes", "code", "description"),
    [
        ({"id": "7"}, TYPE, "id has the wrong type"),
        ({"evseId": None}, TYPE, "evseId has the wrong type"),
        ({"idToken": "x"}, TYPE, "idToken has the wrong type"),
        ({"idToken": []}, TYPE, "idToken has the wrong type"),
        ({"expiryDateTime": 0}, TYPE, "expiryDateTime has the wrong type"),
        ({"connectorType": 1}, TYPE, "connectorType has the wrong type"),
        ({"idToken": {"idToken": "x"}}, OCCURRENCE, "idToken.type is missing"),
        ({"more": 1}, OCCURRENCE, "payload has an unknown field"),
        (
            {"idToken": {"idToken": "x", "type": "Local", "more": 1}},
            OCCURRENCE,
            "idToken has an unknown field",
        ),
        (
            {"idToken": {"idToken": "x", "type": "Local", "additionalInfo": []}},
            OCCURRENCE,
            "idToken.additionalInfo has too few or too many items",
        ),
        ({"connectorType": "Schuko"}, PROPERTY, "connectorType is none of the allowed values"),
        ({"expiryDateTime": "soon"}, PROPERTY, "expiryDateTime is no RFC 3339 timestamp"),
        (
            {"idToken": {"idToken": "x" * 37, "type": "Local"}},
            PROPERTY,
            "idToken.idToken is too long",
        ),
    ],
)
def test_each_fault_of_a_request_gets_its_error_code_and_its_place(
    changes: dict[str, Any], code: ErrorCode, description: str
) -> None:
    assert refusal(ReserveNowRequest, RESERVE_NOW | changes) == (code, description)


def test_a_missing_field_of_the_payload_itself_is_named() -> None:
    assert refusal(ReserveNowRequest, {}) == (OCCURRENCE, "id is missing")


def test_a_number_beyond_its_range_is_an_invalid_value() -> None:
    charge = {"evMaxCurrent": 1, "evMaxVoltage": 1, "stateOfCharge": 101}
    needs = {"requestedEnergyTransfer": "DC", "dcChargingParameters": charge}
    payload = {"evseId": 1, "chargingNeeds": needs}
    place = "chargingNeeds.dcChargingParameters.stateOfCharge"
    assert refusal(NotifyEVChargingNeedsRequest, payload) == (PROPERTY, f"{place} is out of range")


def test_a_length_is_counted_in_characters_not_in_bytes() -> None:
    token = {"idToken": "é" * 36, "type": "Local"}
    assert reserve_now(idToken=token).id_token.id_token == "é" * 36


@pytest.mark.parametrize("payload", [None, [], 5, "x"])
def test_a_payload_that_is_no_object_has_the_wrong_type(payload: Any) -> None:
    assert refusal(GetVariablesRequest, payload) == (TYPE, "payload has the wrong type")
    assert refusal(ReserveNowRequest, payload) == (TYPE, "payload has the wrong type")


def test_an_unforeseen_refusal_is_a_format_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "REFUSALS", ())
    assert refusal(ReserveNowRequest, {}) == (ErrorCode.FORMAT_VIOLATION, "id is malformed")


IMITATIONS = [
    "secret",
    "x` - at `$.secret",
    "x` - at `$.id.secret",
    "x` - at `$.idToken[0].type.secret",
    "x` - at `$.id\nsecret",
    "Object missing required field `secret`",
]


@pytest.mark.parametrize("text", IMITATIONS)
def test_nothing_that_was_received_is_echoed(text: str) -> None:
    for changes in ({text: 1}, {"connectorType": text}, {"idToken": {text: text}}):
        with pytest.raises(RpcError) as caught:
            reserve_now(**changes)
        assert "secret" not in str(caught.value)
        assert str(caught.value).isascii()
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


# --- answers ----------------------------------------------------------------------------------


def test_unknown_fields_of_an_answer_are_passed_over_at_any_depth() -> None:
    payload = {
        "new": {"a": 1},
        "idTokenInfo": {
            "status": "Accepted",
            "newer": [1],
            "evseId": [1.0],
            "groupIdToken": {
                "idToken": "x",
                "type": "Central",
                "additionalInfo": [{"additionalIdToken": "y", "type": "z", "newest": None}],
            },
        },
    }
    info = decode_response(AuthorizeResponse, payload).id_token_info
    assert info.status is AuthorizationStatus.ACCEPTED
    assert info.evse_id == [1]
    assert info.group_id_token == IdToken(
        id_token="x",
        type=IdTokenType.CENTRAL,
        additional_info=[AdditionalInfo(additional_id_token="y", type="z")],
    )


def test_unknown_fields_are_passed_over_where_there_is_no_timestamp_either() -> None:
    empty = decode_response(StatusNotificationResponse, {"new": 1})
    assert empty == StatusNotificationResponse()


def test_what_is_known_of_an_answer_must_be_right() -> None:
    with pytest.raises(RpcError) as caught:
        decode_response(AuthorizeResponse, {"new": 1, "idTokenInfo": {"status": "Fine"}})
    assert caught.value.code is PROPERTY
    with pytest.raises(RpcError) as caught:
        decode_response(
            AuthorizeResponse, {"idTokenInfo": {"status": "Accepted", "language1": None}}
        )
    assert caught.value.code is TYPE


def test_decoding_leaves_the_payload_as_it_was() -> None:
    payload = {"currentTime": "2026-11-22T12:00:00+01:00", "new": 1}
    decode_response(HeartbeatResponse, payload)
    assert payload == {"currentTime": "2026-11-22T12:00:00+01:00", "new": 1}


# --- customData -------------------------------------------------------------------------------


def test_custom_data_keeps_whatever_the_vendor_put_there() -> None:
    custom = {"vendorId": "org.example", "deep": {"a": [1, None, 2.5]}}
    request = reserve_now(customData=custom)
    assert request.custom_data == custom
    assert to_payload(request)["customData"] == custom


def test_custom_data_survives_in_an_answer_that_is_pruned() -> None:
    custom = {"vendorId": "org.example", "deep": 1}
    answer = decode_response(StatusNotificationResponse, {"new": 1, "customData": custom})
    assert answer.custom_data == custom


@pytest.mark.parametrize(
    ("custom", "code", "description"),
    [
        (None, TYPE, "component.customData has the wrong type"),
        ([], TYPE, "component.customData has the wrong type"),
        ({"vendorId": 5}, TYPE, "component.customData has the wrong type"),
        ({"secret": 5}, OCCURRENCE, "component.customData.vendorId is missing"),
        ({"vendorId": "x" * 256}, PROPERTY, "component.customData is too long"),
    ],
)
def test_custom_data_names_its_vendor(custom: Any, code: ErrorCode, description: str) -> None:
    component = {"name": "EVSE", "customData": custom}
    payload = {"getVariableData": [{"component": component, "variable": {"name": "Power"}}]}
    found = refusal(GetVariablesRequest, payload)
    assert found == (code, f"getVariableData[0].{description}")


# --- timestamps -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T12:00:00Z", "2026-11-22T12:00:00Z"),
        ("2026-11-22t12:00:00z", "2026-11-22T12:00:00Z"),
        ("2026-11-22T12:00:00", "2026-11-22T12:00:00Z"),
        ("2026-11-22T12:00:00.5", "2026-11-22T12:00:00.500Z"),
        ("2026-11-22T12:00:00+05:30", "2026-11-22T06:30:00Z"),
        ("2026-01-01T00:30:00-23:59", "2026-01-02T00:29:00Z"),
        ("2026-11-22T12:00:00-00:00", "2026-11-22T12:00:00Z"),
        ("2026-11-22T12:00:00.1Z", "2026-11-22T12:00:00.100Z"),
        ("2026-11-22T12:00:00.000000000Z", "2026-11-22T12:00:00Z"),
        ("2026-11-22T12:00:00.9999999999999Z", "2026-11-22T12:00:00.999Z"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00Z"),
        ("2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
    ],
)
def test_timestamps_are_read_in_every_spelling_and_written_in_one(text: str, expected: str) -> None:
    parsed = parse_timestamp(text)
    assert parsed is not None
    assert parsed.tzinfo is UTC
    assert parsed.microsecond % 1000 == 0
    assert format_timestamp(parsed) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-22",
        "2026-11-22 12:00:00Z",
        "2026-11-22T12:00Z",
        "20261122T120000Z",
        "2026-W47-7T12:00:00Z",
        "2026-11-22T12:00:00,5Z",
        "2026-11-22T12:00:00.Z",
        "2026-11-22T12:00:00+0100",
        "2026-11-22T12:00:00+24:00",
        "2026-11-22T12:00:00Z\n",
        " 2026-11-22T12:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T12:00:61Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:60Z",
        "٢٠٢٦-11-22T12:00:00Z",
        "+2026-11-22T12:00:00Z",
    ],
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    assert parse_timestamp(text) is None
    place = "expiryDateTime is no RFC 3339 timestamp"
    assert refusal(ReserveNowRequest, RESERVE_NOW | {"expiryDateTime": text}) == (PROPERTY, place)


@given(st.datetimes(timezones=st.timezones()))
def test_every_moment_survives_to_the_millisecond(when: datetime) -> None:
    try:
        utc = when.astimezone(UTC)
    except OverflowError:
        return
    cut = utc.replace(microsecond=utc.microsecond // 1000 * 1000)
    assert parse_timestamp(format_timestamp(when)) == cut


@given(st.text() | st.from_regex(codec.TIMESTAMP, fullmatch=True))
def test_reading_a_timestamp_never_raises(text: str) -> None:
    parsed = parse_timestamp(text)
    assert parsed is None or parsed.tzinfo is UTC


def test_a_timestamp_is_written_in_utc_whatever_its_zone() -> None:
    summer = timezone(timedelta(hours=2))
    answer = HeartbeatResponse(current_time=datetime(2026, 7, 1, 14, 0, 0, 123_999, tzinfo=summer))
    assert encode(answer) == b'{"currentTime":"2026-07-01T12:00:00.123Z"}'


def test_a_timestamp_without_zone_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        format_timestamp(datetime(2026, 7, 1))  # noqa: DTZ001


# --- encoding ---------------------------------------------------------------------------------


def test_absent_fields_are_left_out_and_false_is_not() -> None:
    assert encode(Message()) == b"{}"
    evse = EVSE(id=0, connector_id=UNSET)
    assert encode(evse) == b'{"id":0}'
    clear = decode_request(
        ACTIONS["CustomerInformation"], {"requestId": 1, "report": False, "clear": True}
    )
    assert to_payload(clear) == {"requestId": 1, "report": False, "clear": True}


def test_data_of_a_vendor_may_be_anything_even_null() -> None:
    for data in (None, 0, "", [], {}, {"a": [1.5, None]}):
        request = decode_request(DataTransferRequest, {"vendorId": "v", "data": data})
        assert orjson.loads(encode(request)) == {"vendorId": "v", "data": data}
    assert encode(DataTransferRequest(vendor_id="v")) == b'{"vendorId":"v"}'


def test_lists_and_tuples_are_written_alike() -> None:
    request = decode_request(GetVariablesRequest, GET_VARIABLES)
    as_tuple = GetVariablesRequest(get_variable_data=tuple(request.get_variable_data))
    assert encode(as_tuple) == encode(request)


def test_custom_data_can_be_sent() -> None:
    answer = GetVariablesResponse(
        get_variable_result=[], custom_data=CustomData(vendorId="org.example", a=1)
    )
    assert to_payload(answer)["customData"] == {"vendorId": "org.example", "a": 1}


def test_an_rpc_error_never_holds_more_than_a_callerror_may() -> None:
    error = RpcError(ErrorCode.GENERIC_ERROR, "x" * 300)
    assert (error.code, len(error.description)) == (ErrorCode.GENERIC_ERROR, 255)

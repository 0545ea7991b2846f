"""What a CSMS in the field does: other spellings, other habits, refusals, signed messages."""

import random
from typing import Any
from urllib.parse import unquote

import orjson
import pytest

from station.bench.fake_csms import CallError, Refusal
from station.bench.virtual import VirtualStation
from station.rules import IDENTITY_CHARACTERS, MAX_IDENTITY, check_identity
from tests.authority import Authority
from tests.unit.test_signed import sign
from tests.usecases.accounting import assert_in_order
from tests.usecases.linking import BACK_OFF, CARD, RETRIES, charging, sent
from tests.usecases.test_connection import HERE, told

Payload = dict[str, Any]

MIN_WAIT_S = 4.0
TOKEN = {"idToken": CARD, "type": "ISO14443"}


def patient(**options: Any) -> VirtualStation:
    return VirtualStation(variables=BACK_OFF, **options).boot()


def kinds(station: VirtualStation) -> list[str]:
    return [line.split()[0] for line in told(station)]


def answers_to(station: VirtualStation, message_id: str) -> list[list[Any]]:
    frames = [orjson.loads(text) for _, way, text in station.csms.frames if way == ">"]
    return [frame for frame in frames if frame[1] == message_id]


# -- the connection URL (Part 4, section 3.1.1)


@pytest.mark.parametrize("character", sorted(IDENTITY_CHARACTERS))
def test_every_character_of_an_identity_reaches_the_csms(character: str) -> None:
    identity = f"a{character}Z9"
    station = patient(identity=check_identity(identity))
    target = station.csms.targets[0]
    head, _, tail = target.url.rpartition("/")
    assert head == HERE
    assert unquote(tail) == identity == target.user
    assert not set(tail) & set("+ ?#|@")


@pytest.mark.parametrize("identity", ["", "a:b", "a b", "a/b", "ä", "x" * (MAX_IDENTITY + 1)])
def test_an_identity_that_basic_authentication_or_the_standard_cannot_have_is_refused(
    identity: str,
) -> None:
    """A00.FR.204: no colon."""
    with pytest.raises(ValueError, match="must"):
        check_identity(identity)


def test_the_slash_at_the_end_of_the_url_of_the_csms_is_not_doubled() -> None:
    assert patient(url="ws://csms.example/ocpp/").csms.targets[0].url == f"{HERE}/CS001"


# -- how it ends a connection, and how it refuses one


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 1013, 3000, 4999])
def test_whatever_the_close_code_the_station_comes_back_after_the_shortest_wait(code: int) -> None:
    """Fault F1"""
    station = patient()
    tried, began = len(station.csms.attempts), station.reactor.at
    station.csms.close(code)
    station.advance(10)
    assert station.csms.connected
    assert station.csms.attempts[tried] - began == pytest.approx(MIN_WAIT_S, abs=0.05)
    assert station.csms.of("BootNotification") == []
    assert station.station.connection.findings["1"].down.close_code == code


@pytest.mark.parametrize("code", [1008, 1012])
def test_a_connection_closed_for_a_second_socket_with_its_id_is_replaced_by_one_more(
    code: int,
) -> None:
    """Fault F16: the CSMS keeps one socket for each identity, and it is not this one."""
    station = charging(variables={**BACK_OFF, **RETRIES})
    station.csms.answers["TransactionEvent"] = None
    mark = len(station.csms.frames)
    station.sim.ev(1, "B")
    station.advance(1)
    tried, began = len(station.csms.attempts), station.reactor.at
    station.csms.close(code, "another connection with this identity")
    station.sim.token(CARD, evse=1)
    del station.csms.answers["TransactionEvent"]
    station.advance(10)
    assert station.csms.connected
    (came_back,) = station.csms.attempts[tried:]
    assert came_back - began == pytest.approx(MIN_WAIT_S, abs=0.05)
    down = station.station.connection.findings["1"].down
    assert down.close_code == code
    assert down.detail == f"close frame {code} another connection with this identity"
    first, again, *_ = sent(station, "TransactionEvent", mark)
    assert {**first[2], "offline": True} == again[2]
    assert station.csms.of("BootNotification") == []
    station.sim.unplug(1)
    station.advance(20)
    assert station.csms.events()[-1]["eventType"] == "Ended"
    assert_in_order(station)


STATUSES = (200, 301, 400, 401, 403, 404, 426, 429, 500, 502, 503)


@pytest.mark.parametrize("status", STATUSES)
def test_whatever_the_http_status_the_station_backs_off_and_comes_back(status: int) -> None:
    """Faults F9 and F11"""
    station = patient()
    station.csms.at(HERE, status=status)
    station.csms.cut()
    station.advance(3 * 3600)
    assert station.station.connection.findings["1"].down.http_status == status
    expected = 1 if status in (401, 403) else 0
    assert kinds(station).count("FailedToAuthenticateAtCsms") == expected
    station.csms.at(HERE, status=None)
    station.advance(40)
    assert station.csms.connected
    assert station.station.connection.findings["1"].attempts > 100


@pytest.mark.parametrize(
    ("retry_after_s", "wait_s"),
    [(None, 8.0), (0.0, 8.0), (-5.0, 8.0), (3.0, 8.0), (60.0, 60.0), (1e9, 3600.0)],
)
def test_retry_after_may_only_lengthen_the_wait(retry_after_s: float | None, wait_s: float) -> None:
    station = patient()
    station.csms.at(HERE, status=503, retry_after_s=retry_after_s)
    tried = len(station.csms.attempts)
    station.csms.cut()
    station.advance(MIN_WAIT_S + 1.0 + wait_s)
    first, second = station.csms.attempts[tried:][:2]
    assert second - first == pytest.approx(wait_s, abs=0.1)


def test_a_csms_that_drops_every_connection_is_called_at_most_60_times_an_hour() -> None:
    """Fault F8, six hours of it, as shipped; charging goes on."""
    station = VirtualStation(variables={"SampledDataCtrlr.TxUpdatedInterval": "0"}).boot()
    station.sim.plug(1, capacity_wh=1e6)
    station.advance(3)
    station.sim.token(CARD, evse=1)
    station.advance(10)
    chance = random.Random(8)
    end = station.reactor.at + 6 * 3600
    while station.reactor.at < end:
        station.advance(chance.uniform(1.0, 30.0))
        if station.csms.connected:
            station.csms.close(1000)
        assert station.world.evses[1].place.closed
    tried = station.csms.attempts
    most = max(sum(1 for at in tried if begin <= at <= begin + 3600) for begin in tried)
    assert 40 <= most <= 60
    station.assert_safe()
    station.advance(120)
    assert station.csms.connected


# -- how it answers


PROGRESS = (
    Refusal("GenericError", "Call already in progress"),
    Refusal("InternalError", "Call already in progress"),
    Refusal("CallAlreadyInProgress"),
    Refusal("OccurenceConstraintViolation"),
    Refusal("FormationViolation"),
    Refusal("genericerror"),
    Refusal(""),
    Refusal("x" * 5000),
)


@pytest.mark.parametrize("refusal", PROGRESS, ids=lambda refusal: refusal.code[:30])
def test_an_event_that_is_refused_with_any_code_is_sent_again(refusal: Refusal) -> None:
    station = charging(variables=RETRIES)
    mark = len(station.csms.frames)
    station.csms.answers["TransactionEvent"] = refusal
    station.sim.ev(1, "B")
    station.advance(1)
    del station.csms.answers["TransactionEvent"]
    station.advance(10)
    first, again = sent(station, "TransactionEvent", mark)
    assert first[2] == again[2]
    assert first[1] != again[1]
    assert station.station.outbox.undelivered == 0


MALFORMED = (
    '[4,"{}","GenericError"]',
    '[4,"{}",7,"",{{}}]',
    '[3,"{}"]',
    '[3,"{}",[]]',
    '[3,"{}",7]',
)


@pytest.mark.parametrize("answer", MALFORMED)
def test_an_answer_that_is_none_is_an_attempt_and_not_a_timeout(answer: str) -> None:
    station = charging(variables=RETRIES)
    mark = len(station.csms.frames)
    station.csms.answers["TransactionEvent"] = None
    station.sim.ev(1, "B")
    station.advance(1)
    (first,) = sent(station, "TransactionEvent", mark)
    del station.csms.answers["TransactionEvent"]
    station.csms.send_text(answer.format(first[1]))
    station.advance(4.5)
    assert len(sent(station, "TransactionEvent", mark)) == 2


@pytest.mark.parametrize("answer", ['[4,"{}","GenericError","",null]', '[4,"{}","X",null,{{}}]'])
def test_null_for_nothing_is_taken_for_nothing(answer: str) -> None:
    station = charging(variables=RETRIES)
    mark = len(station.csms.frames)
    station.csms.answers["TransactionEvent"] = None
    station.sim.ev(1, "B")
    station.advance(1)
    (first,) = sent(station, "TransactionEvent", mark)
    station.csms.send_text(answer.format(first[1]))
    station.advance(0.5)
    assert "InvalidMessages" not in kinds(station)


@pytest.mark.parametrize(
    "answer",
    [{}, {"idTokenInfo": {}}, {"idTokenInfo": {"status": "Fine"}}, Refusal("NotSupported")],
)
def test_an_authorization_without_a_usable_answer_is_none(answer: Any) -> None:
    station = VirtualStation().boot()
    station.csms.answers["Authorize"] = answer
    station.sim.plug(1)
    station.advance(3)
    station.sim.token(CARD, evse=1)
    station.advance(40)
    assert station.station.transactions.grants.of(1) is None
    assert not station.world.evses[1].place.closed
    del station.csms.answers["Authorize"]
    station.sim.token(CARD, evse=1)
    station.advance(10)
    assert station.world.evses[1].place.closed


def test_an_event_whose_answer_says_nothing_of_the_token_is_delivered() -> None:
    station = charging()
    station.csms.answers["TransactionEvent"] = {}
    station.sim.token(CARD, evse=1)
    station.advance(10)
    assert station.station.outbox.transaction_rows == 0


EXTRA = {"serverVersion": "9.1", "nested": {"deep": [1, {"x": None}]}}


def test_fields_that_the_standard_does_not_know_are_passed_over_in_answers() -> None:
    station = VirtualStation(start=False)
    now = station.in_seconds(0)
    boot = {"currentTime": now, "interval": 300, "status": "Accepted"}
    info = {"idTokenInfo": {"status": "Accepted", "colour": "red"}}
    station.csms.answers = {
        "BootNotification": {**boot, **EXTRA},
        "Authorize": {**info, **EXTRA},
        "TransactionEvent": {**info, **EXTRA},
        "StatusNotification": EXTRA,
    }
    station.power_up()
    station.settle()
    station.sim.plug(1)
    station.advance(3)
    station.sim.token(CARD, evse=1)
    station.advance(10)
    assert station.world.evses[1].place.closed
    assert station.station.outbox.transaction_rows == 0


TIMES = (
    "2026-03-02T09:00:00Z",
    "2026-03-02T09:00:00.5Z",
    "2026-03-02T09:00:00.123456789Z",
    "2026-03-02T10:00:00+01:00",
    "2026-03-02T03:30:00.000-05:30",
    "2026-03-02T09:00:00",
    "2026-03-02t09:00:00z",
)


@pytest.mark.parametrize("text", TIMES)
def test_the_time_may_be_written_in_any_way_of_rfc_3339(text: str) -> None:
    station = VirtualStation(start=False, clock_error_s=-7200.0)
    boot = {"currentTime": text, "interval": 300, "status": "Accepted"}
    station.csms.answers["BootNotification"] = boot
    station.power_up()
    station.settle()
    error_s = (station.station.clock.utc() - station.utc).total_seconds()
    assert abs(error_s) < 3.0


def test_a_time_that_is_none_is_no_registration_and_is_asked_for_again() -> None:
    station = VirtualStation(start=False)
    station.csms.answers["BootNotification"] = {
        "currentTime": "yesterday",
        "interval": 300,
        "status": "Accepted",
    }
    station.power_up()
    station.settle()
    assert not station.station.session.online
    del station.csms.answers["BootNotification"]
    station.advance(70)
    assert station.station.session.online


@pytest.mark.parametrize(("interval_s", "expected_s"), [(5, 5), (0, 300), (-1, 300), (300.0, 300)])
def test_any_interval_is_lived_with(interval_s: float, expected_s: int) -> None:
    station = VirtualStation(start=False)
    boot = {"currentTime": station.in_seconds(0), "interval": interval_s, "status": "Accepted"}
    station.csms.answers["BootNotification"] = boot
    station.power_up()
    station.settle()
    station.csms.take()
    station.advance(600)
    beats = len(station.csms.of("Heartbeat"))
    assert beats == pytest.approx(600 / expected_s, abs=1.0)


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
@pytest.mark.parametrize("interval_s", [0, -7])
def test_no_interval_makes_a_flood_of_boot_notifications(status: str, interval_s: int) -> None:
    """B02.FR.07, B03.FR.05"""
    station = VirtualStation(start=False)
    boot = {"currentTime": station.in_seconds(0), "interval": interval_s, "status": status}
    station.csms.answers["BootNotification"] = boot
    station.power_up()
    station.advance(600)
    assert 2 <= len(station.csms.of("BootNotification")) <= 12


# -- how it calls


@pytest.mark.parametrize("message_id", ["1", "", "x" * 36, "-1", "ünïcødé", '"\\\n', " "])
def test_a_message_id_need_not_be_a_uuid(message_id: str) -> None:
    station = VirtualStation().boot()
    frame = orjson.dumps([2, message_id, "GetTransactionStatus", {}]).decode()
    station.csms.send_text(frame)
    station.settle()
    assert answers_to(station, message_id) == [[3, message_id, {"messagesInQueue": False}]]


def test_an_id_that_is_too_long_is_refused() -> None:
    station = VirtualStation().boot()
    station.csms.send_text(orjson.dumps([2, "x" * 37, "Reset", {"type": "OnIdle"}]).decode())
    station.advance(10)
    assert answers_to(station, "-1")[0][2] == "RpcFrameworkError"
    assert station.restarts == 0


def slow_install(station: VirtualStation) -> str:
    """A call whose answer takes the station ten seconds."""
    station.lane_latency_s = (10.0, 10.0)
    station.restart()
    station.csms.send_text(INSTALL)
    station.advance(1)
    return "slow"


INSTALL = orjson.dumps(
    [
        2,
        "slow",
        "InstallCertificate",
        {"certificateType": "CSMSRootCertificate", "certificate": Authority("Root").pem},
    ]
).decode()


def test_a_call_that_comes_again_while_it_is_being_handled_is_refused() -> None:
    """Part 4, section 4.2.3"""
    station = VirtualStation().boot()
    slow_install(station)
    station.csms.send_text(INSTALL)
    station.advance(15)
    refused, answer = answers_to(station, "slow")
    assert refused[:3] == [4, "slow", "RpcFrameworkError"]
    assert answer == [3, "slow", {"status": "Accepted"}]
    assert "AttemptedReplayAttacks" not in kinds(station)


def test_other_content_under_a_used_id_is_an_attack() -> None:
    station = VirtualStation().boot()
    for action in ("GetTransactionStatus", "ClearCache", "ClearCache"):
        station.csms.send_text(orjson.dumps([2, "same", action, {}]).decode())
        station.settle()
    assert kinds(station).count("AttemptedReplayAttacks") == 1
    assert [frame[0] for frame in answers_to(station, "same")] == [3, 4, 4]


def test_an_answer_that_is_ready_only_after_a_reconnect_goes_to_nobody() -> None:
    station = VirtualStation(variables=BACK_OFF).boot()
    slow_install(station)
    station.csms.cut()
    station.advance(30)
    assert station.csms.connected
    assert answers_to(station, "slow") == []
    ids = station.csms.call("GetInstalledCertificateIds", {})
    assert ids["status"] == "Accepted"


def test_a_late_answer_and_one_to_nothing_are_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    station = VirtualStation().boot()
    caplog.clear()
    station.csms.send_text('[3,"nobody",{}]')
    station.csms.send_text('[4,"nobody","GenericError","",{}]')
    station.settle()
    assert caplog.text.count("came late or to no call") == 2
    assert "InvalidMessages" not in kinds(station)


def test_answers_out_of_order_and_to_calls_long_answered_count_for_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Fault F16"""
    station = charging(variables=RETRIES)
    refused = {"idTokenInfo": {"status": "Invalid"}}
    (*_, (_, answered, _)) = sent(station, "TransactionEvent")
    station.csms.answers["TransactionEvent"] = None
    mark = len(station.csms.frames)
    station.sim.ev(1, "B")
    station.advance(10)  # 5 s without an answer, 4 s pause
    (_, timed_out, _), (_, in_flight, event) = sent(station, "TransactionEvent", mark)
    del station.csms.answers["TransactionEvent"]
    caplog.clear()
    for stray in (answered, "nobody"):
        station.csms.send_text(orjson.dumps([3, stray, refused]).decode())
    station.settle()
    assert station.station.outbox.undelivered == 0
    assert station.station.outbox.transaction_rows == 1, "none of them was its answer"
    for message_id, answer in ((in_flight, {}), (timed_out, refused), (in_flight, refused)):
        station.csms.send_text(orjson.dumps([3, message_id, answer]).decode())
    station.settle()
    assert caplog.text.count("came late or to no call") == 4
    assert station.station.outbox.transaction_rows == 0
    assert station.station.transactions.grants.of(1) is not None

    station.sim.ev(1, "C")
    station.advance(10)
    again = [each for _, _, each in sent(station, "TransactionEvent", mark)[2:]]
    assert [each["seqNo"] for each in again] == [event["seqNo"] + 1]
    assert station.station.outbox.transaction_rows == 0
    assert "InvalidMessages" not in kinds(station)


# -- signed messages (Part 4, section 7)


def send_signed(station: VirtualStation, action: str, envelope: object) -> list[Any]:
    station.csms.send_text(orjson.dumps([2, "signed", f"{action}-Signed", envelope]).decode())
    station.settle()
    (answer,) = answers_to(station, "signed")
    return answer


def test_a_signed_call_is_carried_out_like_any_other() -> None:
    station = VirtualStation().boot()
    station.sim.plug(1)
    station.advance(3)
    payload = {"idToken": TOKEN, "remoteStartId": 7, "evseId": 1}
    answer = send_signed(
        station, "RequestStartTransaction", sign("RequestStartTransaction", payload)
    )
    assert answer[0] == 3
    assert answer[2]["status"] == "Accepted"
    station.advance(10)
    assert station.world.evses[1].place.closed


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        ({}, "FormatViolation"),
        ({"payload": "e30"}, "FormatViolation"),
        ({**sign("ClearCache", {}), "payload": "!"}, "FormatViolation"),
        ({**sign("ClearCache", {}), "protected": "e30x"}, "FormatViolation"),
        (sign("Reset", {}), "SecurityError"),
    ],
    ids=["empty", "unsigned", "payload", "header", "action"],
)
def test_a_broken_envelope_is_refused(envelope: Payload, code: str) -> None:
    station = VirtualStation().boot()
    answer = send_signed(station, "ClearCache", envelope)
    assert answer[:3] == [4, "signed", code]
    assert len(answer[3]) > 0


@pytest.mark.parametrize(
    ("action", "code"), [("NoSuchAction", "NotImplemented"), ("Heartbeat", "NotSupported")]
)
def test_a_signed_call_of_an_action_that_is_not_known_is_refused_like_any_other(
    action: str, code: str
) -> None:
    assert send_signed(VirtualStation().boot(), action, sign(action, {}))[2] == code


def test_what_is_inside_an_envelope_is_checked_like_any_other_call() -> None:
    station = VirtualStation().boot()
    answer = send_signed(station, "Reset", sign("Reset", {"type": "Sometime"}))
    assert answer[2] == "PropertyConstraintViolation"


def test_signed_answers_are_taken_too() -> None:
    station = VirtualStation(start=False)
    boot = {"currentTime": station.in_seconds(0), "interval": 300, "status": "Accepted"}
    accepted = {"idTokenInfo": {"status": "Accepted"}}
    station.csms.answers["BootNotification"] = sign("BootNotification", boot)
    station.csms.answers["Authorize"] = sign("Authorize", accepted)
    station.power_up()
    station.settle()
    station.sim.plug(1)
    station.advance(3)
    station.sim.token(CARD, evse=1)
    station.advance(10)
    assert station.world.evses[1].place.closed


def test_a_broken_signed_answer_is_none() -> None:
    station = charging(variables=RETRIES)
    mark = len(station.csms.frames)
    broken = {"payload": "not base64!", "protected": "e30", "signature": ""}
    station.csms.answers["TransactionEvent"] = broken
    station.sim.ev(1, "B")
    station.advance(1)
    del station.csms.answers["TransactionEvent"]
    station.advance(10)
    assert len(sent(station, "TransactionEvent", mark)) == 2


def test_calls_that_are_refused_are_refused_with_a_code_of_the_standard() -> None:
    station = VirtualStation().boot()
    codes = set()
    for action, payload in (
        ("Reset", {}),
        ("Reset", {"type": 1}),
        ("Nothing", {}),
        ("Heartbeat", {}),
    ):
        with pytest.raises(CallError) as refused:
            station.csms.call(action, payload)
        codes.add(refused.value.code)
    assert codes == {
        "OccurrenceConstraintViolation",
        "TypeConstraintViolation",
        "NotImplemented",
        "NotSupported",
    }

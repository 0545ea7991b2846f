"""The bench CSMS over real loopback sockets, spoken to by an independent WebSocket client."""

import argparse
import base64
import io
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ocpp", reason="the extra `bench` is not installed")
pytest.importorskip("websockets", reason="the extra `bench` is not installed")

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from station.bench.csms import (
    NO_ANSWER,
    BadCallError,
    CallRefusedError,
    CallTimeoutError,
    Delay,
    NotConnectedError,
    Raw,
    Refuse,
)
from station.bench.csms_answers import Answers
from station.bench.csms_ledger import Ledger
from station.bench.csms_lines import request_summary, response_summary
from station.bench.csms_redact import redact
from station.bench.csms_schema import FROM_STATION, Schemas, actions, near_matches
from station.bench.csms_thread import BenchCsmsThread
from station.cli import csms as csms_command

BOOT = {"reason": "PowerUp", "chargingStation": {"model": "One", "vendorName": "Joulepost"}}
TIME = "2026-11-22T12:00:00.000Z"
PASSWORD = "correct horse battery"
TIMEOUT_S = 10
NAMES = [
    "chargingStation",
    "eventData",
    "evse",
    "getVariableResult",
    "idToken",
    "id",
    "meterValue",
    "sampledValue",
    "setVariableData",
    "status",
    "timestamp",
    "transactionInfo",
    "type",
    "value",
    "variable",
]

CLI = """
import argparse, sys
from station.cli import csms
parser = argparse.ArgumentParser(prog="joulepost")
csms.add_parser(parser.add_subparsers(required=True))
args = parser.parse_args()
sys.exit(csms.run(args))
"""


class Station:
    """The least that can call itself a charging station."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._last_id = 0

    def send(self, frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def receive(self) -> Any:
        return json.loads(self.socket.recv(timeout=TIMEOUT_S))

    def call(self, action: str, payload: Any) -> Any:
        self._last_id += 1
        self.send([2, f"m{self._last_id}", action, payload])
        return self.receive()

    def answer(self, payload: Any) -> Any:
        """Answer the next CALL with *payload*; the CALL."""
        call = self.receive()
        self.send([3, call[1], payload])
        return call


def credentials(user: str, password: str = PASSWORD) -> dict[str, str]:
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def attach(url: str, station: str = "CS001", **options: Any) -> ClientConnection:
    given: dict[str, Any] = {
        "subprotocols": ["ocpp2.0.1"],
        "additional_headers": credentials(station),
        "proxy": None,
        **options,
    }
    return connect(f"{url}/{station}", **given)


def transaction_event(seq: int, kind: str = "Updated", **fields: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": TIME,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": seq,
        "transactionInfo": {"transactionId": "tx-0001"},
        **fields,
    }


def reading(energy_wh: float, timestamp: str = TIME, **sample: Any) -> dict[str, Any]:
    return {"timestamp": timestamp, "sampledValue": [{"value": energy_wh, **sample}]}


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def csms(lines: list[str], log: io.StringIO) -> Iterator[BenchCsmsThread]:
    with BenchCsmsThread(accept=["GOOD"], on_line=lines.append, log=log) as running:
        yield running


@pytest.fixture
def station(csms: BenchCsmsThread) -> Iterator[Station]:
    with attach(csms.url) as socket:
        yield Station(socket)


def test_a_station_boots_and_its_line_says_so(
    csms: BenchCsmsThread, station: Station, lines: list[str]
) -> None:
    kind, message_id, answer = station.call("BootNotification", BOOT)
    assert (kind, message_id) == (3, "m1")
    assert (answer["status"], answer["interval"]) == ("Accepted", 300)
    assert csms.received("CS001") == [("BootNotification", BOOT)]
    clock = r"\d\d:\d\d:\d\d\.\d{3}"
    assert re.fullmatch(f"{clock} CS001  → BootNotification   PowerUp Joulepost One", lines[1])
    assert re.fullmatch(f"{clock} CS001  ← …  {' ' * 15} Accepted .*interval=300", lines[2])


def test_a_station_that_does_not_speak_ocpp_2_0_1_is_closed_after_the_handshake(
    csms: BenchCsmsThread,
) -> None:
    """OCPP-J: complete the handshake without a subprotocol, then close."""
    with attach(csms.url, subprotocols=["ocpp1.6"]) as socket:
        assert socket.subprotocol is None
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=TIMEOUT_S)
        assert socket.close_code == 1002
    assert csms.connected() == []


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({}, "CS001", 401),
        (credentials("CS001", ""), "CS001", 401),
        (credentials("CS002"), "CS001", 401),
        ({"Authorization": "Basic %%%"}, "CS001", 401),
        ({"Authorization": "Bearer abc"}, "CS001", 401),
        (credentials("KEYED", "wrong"), "KEYED", 401),
        (credentials(""), "", 404),
        (credentials("CS001"), "x" * 49, 404),
        (credentials("CS001"), "CS%0A001", 404),
    ],
)
def test_the_door_stays_shut(headers: dict[str, str], path: str, status: int) -> None:
    lines: list[str] = []
    with (
        BenchCsmsThread(passwords={"KEYED": PASSWORD}, on_line=lines.append) as csms,
        pytest.raises(InvalidStatus) as refused,
    ):
        attach(csms.url, path, additional_headers=headers)
    assert refused.value.response.status_code == status
    assert not any("wrong" in line.replace("wrong password", "") for line in lines)


def test_the_right_password_and_a_percent_encoded_id_open_the_door() -> None:
    with BenchCsmsThread(passwords={"Bay 7": PASSWORD}) as csms:
        headers = credentials("Bay 7")
        with attach(f"{csms.url}/ocpp/v2", "Bay%207", additional_headers=headers) as socket:
            assert Station(socket).call("Heartbeat", {})[0] == 3
            assert csms.connected() == ["Bay 7"]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ({"reason": "PowerUp"}, "OccurrenceConstraintViolation"),
        ({**BOOT, "reason": "Boredom"}, "PropertyConstraintViolation"),
        ({**BOOT, "reason": 5}, "TypeConstraintViolation"),
        ({**BOOT, "extra": 1}, "FormatViolation"),
        ([], "TypeConstraintViolation"),
    ],
)
def test_a_call_that_breaks_its_schema_is_refused_counted_and_shown(
    csms: BenchCsmsThread, station: Station, lines: list[str], payload: Any, code: str
) -> None:
    kind, message_id, told, description, details = station.call("BootNotification", payload)
    assert (kind, message_id, told, details) == (4, "m1", code, {})
    assert description
    assert [violation.sender for violation in csms.violations] == ["station"]
    assert csms.received("CS001") == []
    assert any("!! VIOLATION BootNotification sent by the station" in line for line in lines)
    assert any(line.startswith("violations    1") for line in csms.summary())


def test_an_answer_of_our_own_that_breaks_its_schema_never_leaves(
    csms: BenchCsmsThread, station: Station
) -> None:
    csms.behaviour["Heartbeat"] = {"currentTime": "half past nine"}
    assert station.call("Heartbeat", {})[2] == "InternalError"
    assert [violation.sender for violation in csms.violations] == ["csms"]


def test_numbers_are_integers_by_value_as_json_schema_has_it(
    csms: BenchCsmsThread, station: Station
) -> None:
    assert station.call("TransactionEvent", transaction_event(0, seqNo=0.0))[0] == 3
    assert csms.violations == []


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("{", ["-1", "RpcFrameworkError"]),
        ('{"a": 1}', ["-1", "RpcFrameworkError"]),
        ("[]", ["-1", "RpcFrameworkError"]),
        ("[2]", ["-1", "RpcFrameworkError"]),
        ('[2, 7, "Heartbeat", {}]', ["-1", "RpcFrameworkError"]),
        ('[2, "x", "Heartbeat"]', ["x", "RpcFrameworkError"]),
        ('[2, "x", "Heartbeat", {"a": NaN}]', ["-1", "RpcFrameworkError"]),
        ("[" * 100_000, ["-1", "RpcFrameworkError"]),
        ('[2, "x", "HeartBeat", {}]', ["x", "NotImplemented"]),
        ('[2, "x", "Reset", {"type": "OnIdle"}]', ["x", "NotSupported"]),
        ('[9, "x", "Heartbeat", {}]', None),
        ('[3, "never asked", {}]', None),
        ('[4, "never asked", "GenericError", "", {}]', None),
        ("[3, 5, {}]", None),
    ],
)
def test_a_broken_frame_is_counted_and_the_next_call_answered(
    csms: BenchCsmsThread, station: Station, text: str, answer: list[str] | None
) -> None:
    station.socket.send(text)
    if answer is not None:
        assert station.receive()[:3] == [4, *answer]
    assert station.call("Heartbeat", {})[:2] == [3, "m1"]
    assert len(csms.violations) == 1


def test_a_binary_frame_is_no_ocpp(csms: BenchCsmsThread, station: Station) -> None:
    station.socket.send(b'[2, "x", "Heartbeat", {}]')
    assert station.receive()[:3] == [4, "-1", "RpcFrameworkError"]
    assert len(csms.violations) == 1


def test_a_message_id_used_twice_is_refused(csms: BenchCsmsThread, station: Station) -> None:
    station.send([2, "same", "Heartbeat", {}])
    assert station.receive()[0] == 3
    station.send([2, "same", "Heartbeat", {}])
    assert station.receive()[:3] == [4, "same", "RpcFrameworkError"]
    assert len(csms.violations) == 1


def test_tokens_that_were_not_named_are_invalid(csms: BenchCsmsThread, station: Station) -> None:
    def ask(token: str, kind: str = "ISO14443") -> str:
        id_token = {"idToken": token, "type": kind}
        answers = (
            station.call("Authorize", {"idToken": id_token}),
            station.call("TransactionEvent", transaction_event(station._last_id, idToken=id_token)),
        )
        statuses = [answer[2]["idTokenInfo"]["status"] for answer in answers]
        assert statuses[0] == statuses[1]
        return str(statuses[0])

    assert ask("good") == "Accepted"
    assert ask("BAD") == "Invalid"
    assert ask("", "NoAuthorization") == "Accepted"
    assert station.call("TransactionEvent", transaction_event(99))[2] == {}


def test_every_action_of_a_station_has_a_valid_usual_answer() -> None:
    answers, schemas = Answers(None, 300), Schemas()
    request = {"idToken": {"idToken": "A", "type": "Local"}}
    for action in sorted(FROM_STATION):
        payload = answers.usual(action, request)
        assert schemas.check(action, payload, response=True) is None, action


def test_the_csms_calls_a_station_and_checks_what_it_answers(
    csms: BenchCsmsThread, station: Station, lines: list[str]
) -> None:
    def call(answer: Any) -> Any:
        result = csms.start_call("CS001", "ClearCache")
        frame = station.receive()
        station.send([answer[0], frame[1], *answer[1:]])
        return result

    assert call([3, {"status": "Accepted"}]).result(TIMEOUT_S) == {"status": "Accepted"}
    assert csms.violations == []
    assert call([3, {"status": "Perhaps"}]).result(TIMEOUT_S) == {"status": "Perhaps"}
    assert [violation.sender for violation in csms.violations] == ["station"]
    with pytest.raises(CallRefusedError, match="NotSupported: no cache"):
        call([4, "NotSupported", "no cache", {}]).result(TIMEOUT_S)
    assert any("← ClearCache" in line for line in lines)
    assert any(re.search(r"→ … +CALLERROR NotSupported: no cache$", line) for line in lines)


def test_only_one_call_to_a_station_is_open_at_a_time(
    csms: BenchCsmsThread, station: Station
) -> None:
    first = csms.start_call("CS001", "ClearCache")
    second = csms.start_call("CS001", "GetLocalListVersion")
    frame = station.receive()
    assert station.call("Heartbeat", {})[0] == 3  # and not the second call
    station.send([3, frame[1], {"status": "Accepted"}])
    assert first.result(TIMEOUT_S) == {"status": "Accepted"}
    assert station.answer({"versionNumber": 0})[2] == "GetLocalListVersion"
    assert second.result(TIMEOUT_S) == {"versionNumber": 0}


def test_a_call_that_brings_nothing_says_why(csms: BenchCsmsThread, station: Station) -> None:
    with pytest.raises(BadCallError, match="did you mean Reset"):
        csms.call("CS001", "Rest")
    with pytest.raises(BadCallError, match="is sent by stations"):
        csms.call("CS001", "Heartbeat")
    with pytest.raises(BadCallError, match="'type' is a required property"):
        csms.call("CS001", "Reset")
    with pytest.raises(NotConnectedError, match=r"CS002 is not connected \(connected: CS001\)"):
        csms.call("CS002", "ClearCache")
    with pytest.raises(CallTimeoutError, match="no answer to ClearCache"):
        csms.call("CS001", "ClearCache", timeout_s=0.01)
    late = station.answer({"status": "Accepted"})
    assert late[2] == "ClearCache"
    assert station.call("Heartbeat", {})[0] == 3
    assert csms.violations == []  # late is not wrong


def test_a_broken_frame_can_be_sent_and_its_answer_seen(
    csms: BenchCsmsThread, station: Station
) -> None:
    csms.send_text("CS001", "{nonsense")
    assert station.socket.recv(timeout=TIMEOUT_S) == "{nonsense"
    refusal = [4, "-1", "RpcFrameworkError", "", {}]
    station.send(refusal)
    csms.wait_for(lambda seen: seen.unmatched("CS001"))
    assert csms.unmatched("CS001") == [refusal]
    assert csms.violations == []


def test_a_call_fails_when_its_station_goes_away(csms: BenchCsmsThread, station: Station) -> None:
    call = csms.start_call("CS001", "ClearCache")
    station.receive()
    station.socket.close()
    with pytest.raises(NotConnectedError, match="went away"):
        call.result(TIMEOUT_S)


def test_an_answer_counts_although_its_station_has_left_by_now() -> None:
    """Said in one breath with a goodbye: the CSMS cannot answer any more, but it has heard."""
    busy, go_on = threading.Event(), threading.Event()

    def hold_up(line: str) -> None:
        if "Heartbeat" in line and not busy.is_set():
            busy.set()
            go_on.wait(TIMEOUT_S)

    with BenchCsmsThread(on_line=hold_up) as csms, attach(csms.url) as socket:
        station = Station(socket)
        call = csms.start_call("CS001", "ClearCache")
        message_id = station.receive()[1]
        station.send([2, "first", "Heartbeat", {}])
        assert busy.wait(TIMEOUT_S)
        station.send([2, "second", "Heartbeat", {}])
        station.send([3, message_id, {"status": "Accepted"}])
        with socket.protocol_mutex:
            socket.protocol.send_close(1000)
            socket.send_data()
        go_on.set()
        assert call.result(TIMEOUT_S) == {"status": "Accepted"}


def test_misbehaviour_on_demand(csms: BenchCsmsThread, station: Station) -> None:
    csms.behaviour["Heartbeat"] = Refuse("GenericError", "not today")
    assert station.call("Heartbeat", {})[2:4] == ["GenericError", "not today"]
    csms.behaviour["Heartbeat"] = Raw('[3, "{id}", "nonsense"]')
    assert station.call("Heartbeat", {})[2] == "nonsense"
    csms.behaviour["Heartbeat"] = lambda station, payload: {"currentTime": TIME}
    assert station.call("Heartbeat", {})[2] == {"currentTime": TIME}
    csms.behaviour["Heartbeat"] = NO_ANSWER
    csms.behaviour["MeterValues"] = Delay(0.01, Refuse())
    csms.behaviour["*"] = Delay(0.0)
    station.send([2, "unheard", "Heartbeat", {}])
    values = {"evseId": 1, "meterValue": [reading(1)]}
    assert station.call("MeterValues", values)[2] == "InternalError"
    assert station.call("DataTransfer", {"vendorId": "X"})[2] == {"status": "UnknownVendorId"}
    assert [action for action, _ in csms.received("CS001")].count("Heartbeat") == 4
    assert csms.violations == []


def test_a_station_that_does_not_wait_for_its_answer_is_found_out(
    csms: BenchCsmsThread, station: Station
) -> None:
    csms.behaviour["Heartbeat"] = Delay(0.05)
    station.call("Heartbeat", {})
    assert csms.overlaps == 0
    station.send([2, "slow", "Heartbeat", {}])
    assert station.call("DataTransfer", {"vendorId": "X"})[1] == "m2"
    assert csms.overlaps == 1
    assert station.receive()[1] == "slow"


def test_a_csms_that_was_away_comes_back_on_its_port_with_its_ledger(
    csms: BenchCsmsThread, station: Station
) -> None:
    station.call("TransactionEvent", transaction_event(0, "Started"))
    url = csms.url
    csms.stop()
    assert len(csms.received("CS001")) == 1
    with pytest.raises(RuntimeError, match="not running"):
        csms.call("CS001", "ClearCache")
    with pytest.raises(OSError, match="refused"):
        attach(url)
    csms.start()
    assert csms.url == url
    with attach(url) as socket:
        Station(socket).call("TransactionEvent", transaction_event(1, "Ended", offline=True))
    record = csms.ledger.find("CS001", "tx-0001")
    assert record is not None
    assert record.complete


def test_a_pending_station_may_only_say_what_it_was_asked(
    csms: BenchCsmsThread, station: Station
) -> None:
    """B02.FR.09, B03.FR.07"""
    csms.boot_status = "Pending"
    assert station.call("BootNotification", BOOT)[2]["status"] == "Pending"
    assert station.call("Heartbeat", {})[2] == "SecurityError"
    trigger = csms.start_call("CS001", "TriggerMessage", {"requestedMessage": "Heartbeat"})
    station.answer({"status": "Accepted"})
    trigger.result(TIMEOUT_S)
    assert station.call("Heartbeat", {})[0] == 3
    csms.boot_status = "Accepted"
    assert station.call("BootNotification", BOOT)[2]["status"] == "Accepted"
    assert station.call("MeterValues", {"evseId": 1, "meterValue": [reading(1)]})[0] == 3
    assert len(csms.violations) == 1


def test_a_second_connection_of_the_same_station_replaces_the_first(
    csms: BenchCsmsThread, station: Station
) -> None:
    with attach(csms.url) as newer:
        with pytest.raises(ConnectionClosed):
            station.socket.recv(timeout=TIMEOUT_S)
        assert station.socket.close_code == 1012
        assert Station(newer).call("Heartbeat", {})[0] == 3
        assert csms.connected() == ["CS001"]


@pytest.mark.parametrize(("how", "code"), [("close", 1001), ("reset", 1006)])
def test_a_connection_can_be_dropped(
    csms: BenchCsmsThread, station: Station, how: Any, code: int
) -> None:
    station.call("Heartbeat", {})
    csms.drop("CS001", how)
    with pytest.raises(ConnectionClosed):
        station.socket.recv(timeout=TIMEOUT_S)
    assert station.socket.close_code == code
    csms.wait_for(lambda seen: not seen.connected())


def test_a_silent_connection_stays_open_and_unread(csms: BenchCsmsThread, station: Station) -> None:
    station.call("Heartbeat", {})
    csms.drop("CS001", "silent")
    station.send([2, "lost", "Heartbeat", {}])
    with pytest.raises(TimeoutError):
        station.socket.recv(timeout=0.05)
    assert csms.connected() == ["CS001"]
    station.socket.socket.close()  # no closing handshake with one that does not read


def test_a_frame_over_one_megabyte_closes_the_connection(
    csms: BenchCsmsThread, station: Station
) -> None:
    station.socket.send("x" * 1_000_001)
    with pytest.raises(ConnectionClosed):
        station.socket.recv(timeout=TIMEOUT_S)
    assert station.socket.close_code == 1009


def test_permessage_deflate_is_optional(csms: BenchCsmsThread, lines: list[str]) -> None:
    for compression in ("deflate", None):
        with attach(csms.url, compression=compression) as socket:
            assert Station(socket).call("Heartbeat", {})[0] == 3
    assert sum("deflate" in line for line in lines) == 1


def test_the_ledger_finds_gaps_repeats_and_energy(
    csms: BenchCsmsThread, station: Station, lines: list[str]
) -> None:
    begin = [reading(1_000, context="Transaction.Begin")]
    end = [
        reading(3.5, "2026-11-22T13:30:00Z", measurand="Power.Active.Import"),
        reading(4.25, "2026-11-22T14:00:00+01:00", unitOfMeasure={"unit": "kWh"}),
    ]
    station.call("TransactionEvent", transaction_event(0, "Started", meterValue=begin))
    for seq in (1, 1, 4):
        station.call("TransactionEvent", transaction_event(seq))
    station.call("TransactionEvent", transaction_event(1, offline=True))
    info = {"transactionId": "tx-0001", "stoppedReason": "EVDisconnected"}
    ended = transaction_event(5, "Ended", transactionInfo=info, meterValue=end, offline=True)
    station.call("TransactionEvent", ended)
    station.call("TransactionEvent", transaction_event(3))

    record = csms.ledger.find("CS001", "tx-0001")
    assert record is not None
    assert (record.gaps, record.duplicates, record.late) == ([2], [1, 1], [3])
    assert (record.conflicts, record.stopped_reason) == ([], "EVDisconnected")
    assert record.energy_wh == pytest.approx(3_250)
    assert not record.complete
    said = "== tx=tx-0001 ended (EVDisconnected) 4 events 3250 Wh 1 offline missing seqNo 2, 3"
    assert any(said in line for line in lines)
    assert "transactions  1, 0 still open, 3250 Wh" in csms.summary()
    assert "seqNo         1 missing, 2 repeated" in csms.summary()


def test_a_repeat_with_other_content_is_no_repeat() -> None:
    ledger = Ledger()
    ledger.record("CS001", transaction_event(0, "Started"))
    ledger.record("CS001", transaction_event(1))
    ledger.record("CS001", transaction_event(1, triggerReason="Trigger"))
    record = ledger.record("CS001", transaction_event(2, "Ended"))
    assert record.conflicts == [1]
    assert not record.complete


def test_a_counter_that_does_not_begin_at_zero_has_no_gap() -> None:
    ledger = Ledger()
    ledger.record("CS001", transaction_event(41, "Started"))
    assert ledger.record("CS001", transaction_event(42, "Ended")).complete
    assert ledger.open() == []


def test_a_transaction_without_a_start_is_not_complete() -> None:
    record = Ledger().record("CS001", transaction_event(7, "Ended"))
    assert not record.complete
    assert "its start was never reported" in record.summary()


def test_absurd_numbers_do_not_stop_the_ledger() -> None:
    unit = {"unit": "kWh", "multiplier": 10**300}
    ledger = Ledger()
    ledger.record("CS001", transaction_event(0, "Started", meterValue=[reading(1)]))
    absurd = [reading(1, "2026-11-22T13:00:00Z", unitOfMeasure=unit)]
    record = ledger.record("CS001", transaction_event(10**300, "Ended", meterValue=absurd))
    assert ledger.gaps == 10**300 - 1
    assert record.gaps[:2] == [1, 2]
    assert "missing seqNo 1, 2, 3, 4, 5 … (at least 1000 in all)" in record.summary()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(NAMES), inner),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(action=st.sampled_from(actions()) | st.text(), payload=JSON_VALUES)
def test_whatever_is_said_is_shown_on_one_line_that_no_terminal_obeys(
    action: str, payload: Any
) -> None:
    for summary in (request_summary, response_summary):
        shown = summary(action, redact(payload))
        assert shown.isprintable()
        assert len(shown) <= 160


def test_no_password_or_pin_reaches_the_log_or_the_screen(
    csms: BenchCsmsThread, station: Station, lines: list[str], log: io.StringIO
) -> None:
    canary = "canary-bird-0815"
    component = {"component": {"name": "SecurityCtrlr"}}
    secret = {**component, "variable": {"name": "BasicAuthPassword"}}
    data = [{**secret, "attributeValue": canary}]
    call = csms.start_call("CS001", "SetVariables", {"setVariableData": data})
    station.answer({"setVariableResult": [{**secret, "attributeStatus": "Accepted"}]})
    call.result(TIMEOUT_S)
    asked = csms.start_call("CS001", "GetVariables", {"getVariableData": [secret]})
    shown = {**secret, "attributeStatus": "Accepted", "attributeValue": canary}
    station.answer({"getVariableResult": [shown]})
    asked.result(TIMEOUT_S)
    report = {**secret, "variableAttribute": [{"value": canary}]}
    fields = {"requestId": 1, "generatedAt": TIME, "seqNo": 0, "reportData": [report]}
    station.call("NotifyReport", fields)
    pin = {"idToken": canary, "type": "KeyCode"}
    station.call("Authorize", {"idToken": pin})
    station.call("TransactionEvent", transaction_event(0, idToken=pin))
    station.socket.send(f'[2, "x", "NotifyReport", {{"password": "{canary}"')
    station.receive()
    written = log.getvalue()
    assert canary not in written
    assert PASSWORD not in written
    assert not any(canary in line or PASSWORD in line for line in lines)
    frames = [json.loads(row) for row in written.splitlines()]
    assert {frame["direction"] for frame in frames} == {"in", "out"}
    assert all(frame["station"] == "CS001" for frame in frames)
    assert frames[0]["frame"][3]["setVariableData"][0]["attributeValue"] == "***"


def test_redaction_covers_network_profiles_and_addresses() -> None:
    profile = {
        "apn": {"apn": "net", "apnPassword": "s3"},
        "vpn": {"server": "v", "user": "u", "password": "s3", "key": "s3", "type": "IPSec"},
        "ocppCsmsUrl": "wss://user:s3@csms.example/ocpp",
    }
    assert "s3" not in json.dumps(
        redact([2, "1", "SetNetworkProfile", {"connectionData": profile}])
    )
    assert redact({"variable": {"name": "Interval"}, "value": "5"})["value"] == "5"


def test_wait_for_tells_what_it_saw_instead(csms: BenchCsmsThread, station: Station) -> None:
    station.call("Heartbeat", {})
    assert csms.wait_for(lambda seen: seen.received("CS001", "Heartbeat"))
    with pytest.raises(TimeoutError, match="→ Heartbeat"):
        csms.wait_for(lambda seen: seen.received("CS001", "BootNotification"), timeout_s=0.01)


def test_two_on_one_port_are_an_error(csms: BenchCsmsThread) -> None:
    with pytest.raises(OSError, match="address already in use"):
        BenchCsmsThread(port=csms.port).start()


def test_near_matches_help_with_a_misspelt_action() -> None:
    assert near_matches("resrt")[0] == "Reset"
    assert "SetVariables" in near_matches("variables")
    assert near_matches("") == []


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CLI, "csms", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_send_prints_the_response_of_the_station(csms: BenchCsmsThread, station: Station) -> None:
    where = f"127.0.0.1:{csms.port}"
    command = [sys.executable, "-c", CLI, "csms", "send", "--to", where, "CS001", "ClearCache"]

    def send(*more: str) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        return subprocess.Popen([*command, *more], stdout=pipe, stderr=pipe, text=True)

    with send() as good:
        assert station.answer({"status": "Accepted"})[2:] == ["ClearCache", {}]
        out, err = good.communicate(timeout=30)
    assert (json.loads(out), err, good.returncode) == ({"status": "Accepted"}, "", 0)
    with send() as refused:
        station.send([4, station.receive()[1], "NotSupported", "no cache", {}])
        out, err = refused.communicate(timeout=30)
    assert (out, refused.returncode) == ("", 1)
    assert err == "joulepost csms send: CALLERROR NotSupported: no cache\n"
    with send('{"unasked": 1}', "--no-check") as wrong:
        assert station.answer({"status": "Accepted"})[3] == {"unasked": 1}
        assert wrong.wait(30) == 0
    assert [violation.sender for violation in csms.violations] == ["csms"]


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["CS001", "Rest"], 2, "Rest is no OCPP 2.0.1 action; did you mean Reset"),
        (["CS001", "Reset", "{type: 1}"], 2, "line 1, column 2"),
        (["CS001", "Reset", "[]"], 2, "must be a JSON object"),
        (["CS001", "Reset", '{"type": "Now"}'], 2, "type: 'Now' is not one of"),
        (["CS009", "ClearCache"], 1, "CS009 is not connected (connected: CS001)"),
        (["CS001", "ClearCache", "--timeout", "0.05"], 1, "no answer to ClearCache within 0.05 s"),
    ],
)
def test_send_explains_what_is_wrong_in_one_line(
    csms: BenchCsmsThread, station: Station, arguments: list[str], code: int, problem: str
) -> None:
    done = cli("send", "--to", f"127.0.0.1:{csms.port}", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_web_page_and_a_station_cannot_use_the_control_door(csms: BenchCsmsThread) -> None:
    protocols: Any = ["joulepost-control"]
    for options in ({"origin": "http://evil.example"}, {"subprotocols": ["ocpp2.0.1"]}):
        given: Any = {"subprotocols": protocols, "proxy": None, **options}
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{csms.url}/_control", **given)
        assert refused.value.response.status_code == 403


@contextmanager
def serving(*arguments: str) -> "Iterator[tuple[subprocess.Popen[str], str]]":
    """`joulepost csms` as a process of its own, and the address that it prints."""
    command = [sys.executable, "-c", CLI, "csms", "--listen", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.search(r"(ws://127\.0\.0\.1:\d+)/<station id>", first)
            assert found is not None, first
            yield process, found[1]
        finally:
            process.kill()


def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    log = tmp_path / "frames.jsonl"
    options = ("--log", str(log), "--accept", "A", "B")
    with serving(*options) as (process, url), attach(url) as socket:
        station = Station(socket)
        assert station.call("BootNotification", BOOT)[2]["status"] == "Accepted"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "messages      1 in, 1 out" in out
    assert "violations    none" in out
    assert [json.loads(row)["direction"] for row in log.read_text().splitlines()] == ["in", "out"]


def test_the_exit_code_of_the_command_tells_of_violations() -> None:
    with serving("--boot", "Pending") as (process, url):
        with attach(url) as socket:
            station = Station(socket)
            assert station.call("BootNotification", BOOT)[2]["status"] == "Pending"
            assert station.call("Nonsense", {})[2] == "NotImplemented"
        process.terminate()
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "CS001: Nonsense sent by the station: no action of OCPP 2.0.1 [NotImplemented]" in out


def test_the_command_ends_when_nobody_reads_on() -> None:
    with serving() as (process, url):
        assert process.stdout is not None
        process.stdout.close()
        with attach(url) as socket, pytest.raises(ConnectionClosed):
            socket.recv(timeout=TIMEOUT_S)
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--listen", "9000"], "'9000' is not HOST:PORT"),
        (["--listen", "127.0.0.1:70000"], "'70000' is no port number"),
        (["--password", "CS001"], "--password needs ID=PASSWORD"),
        (["--interval", "0"], "--interval must be at least 1 second"),
        (["--log", "/nowhere/at/all"], "No such file or directory"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(arguments: list[str], problem: str) -> None:
    done = cli(*arguments)
    assert done.returncode == 2
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ocpp", None)
    parser = argparse.ArgumentParser(prog="joulepost")
    csms_command.add_parser(parser.add_subparsers())
    assert csms_command.run(parser.parse_args(["csms"])) == 2
    expected = "joulepost csms: ocpp is not installed; run: pip install 'joulepost[bench]'\n"
    assert capsys.readouterr().err == expected

"""What the network and the CSMS may do wrong, and how the station lives with it."""

import random
from typing import Any

import orjson
import pytest

from station.bench.fake_csms import CallError, Refusal
from station.bench.virtual import VirtualStation
from station.link import LinkProblem
from tests.usecases.accounting import assert_in_order, assert_wire_rules, undelivered_events
from tests.usecases.linking import (
    BACK_OFF,
    CARD,
    LATENCY_S,
    RETRIES,
    charging,
    gaps,
    sent,
    waits,
)

# -- reconnecting (Part 4, section 5.3)


def test_the_back_off_doubles_so_many_times_and_then_stays() -> None:
    station = VirtualStation(variables=BACK_OFF).boot()
    station.csms.go_offline()
    assert waits(station, 6) == pytest.approx([4, 8, 16, 32, 32, 32], abs=LATENCY_S)


def test_the_back_off_is_the_same_when_the_first_attempt_of_all_fails() -> None:
    station = VirtualStation(variables=BACK_OFF, start=False)
    station.csms.reachable = False
    station.power_up()
    assert waits(station, 7) == pytest.approx([0, 4, 8, 16, 32, 32, 32], abs=LATENCY_S)


def test_the_back_off_begins_anew_after_a_success() -> None:
    """Erratum 4.12"""
    station = VirtualStation(variables=BACK_OFF).boot()
    station.csms.go_offline()
    station.advance(100)
    station.csms.go_online()
    station.advance(40)
    assert station.csms.connected
    station.csms.go_offline()
    assert waits(station, 2) == pytest.approx([4, 8], abs=LATENCY_S)


def test_every_wait_gets_its_own_share_of_chance() -> None:
    variables = {**BACK_OFF, "OCPPCommCtrlr.RetryBackOffRandomRange": "3"}
    station = VirtualStation(variables=variables).boot()
    station.csms.go_offline()
    first, second, third = waits(station, 3)
    assert 4.0 <= first <= 7.0 + LATENCY_S
    assert 2 * first <= second + LATENCY_S <= 2 * first + 3.0 + 2 * LATENCY_S
    assert 2 * second <= third + LATENCY_S <= 2 * second + 3.0 + 2 * LATENCY_S
    assert second != 2 * first


def test_no_two_stations_come_back_at_the_same_moment() -> None:
    """The herd after a restart of the CSMS."""
    waited = []
    for seed in range(20):
        station = VirtualStation(seed=seed).boot()
        station.csms.go_offline()
        waited += waits(station, 1)
    assert len({round(wait_s, 1) for wait_s in waited}) > 15
    assert max(waited) - min(waited) > 10.0


@pytest.mark.parametrize("problem", [LinkProblem.RESET, LinkProblem.CLOSED])
def test_a_reconnect_is_no_boot(problem: LinkProblem) -> None:
    """Faults F1 and F2; Part 4, section 5.3; B10.FR.10"""
    station = VirtualStation().boot()
    station.csms.cut(problem)
    station.advance(40)
    assert station.csms.connected
    assert station.csms.of("BootNotification") == []


def test_after_a_long_outage_every_connector_is_told_and_after_a_short_one_what_changed() -> None:
    """B04.FR.01, B04.FR.02"""
    station = VirtualStation(variables={**BACK_OFF, "OCPPCommCtrlr.OfflineThreshold": "60"}).boot()
    station.csms.go_offline()
    station.sim.plug(2)
    station.advance(2)
    station.csms.go_online()
    station.advance(10)
    assert [s["evseId"] for s in station.csms.of("StatusNotification")] == [2]

    station.csms.take()
    station.csms.go_offline()
    station.advance(62)
    station.csms.go_online()
    station.advance(60)
    assert [s["evseId"] for s in station.csms.of("StatusNotification")] == [1, 2]


def test_a_link_that_flaps_is_not_hammered_and_the_car_does_not_notice() -> None:
    """F8 and I10: connections that last for seconds only, for hours."""
    station = charging()
    rng = random.Random(8)
    end_at = station.reactor.at + 3 * 3600
    while station.reactor.at < end_at:
        station.advance(rng.uniform(1.0, 30.0))
        assert station.world.evses[1].place.closed
        station.csms.cut()
    pauses = gaps(station.csms.attempts)
    assert len(pauses) > 100
    assert min(pauses) >= 10.0
    assert station.csms.of("BootNotification") == []


def test_a_half_open_connection_is_found_by_a_ping() -> None:
    """Fault F3"""
    station = VirtualStation(
        variables={**BACK_OFF, "OCPPCommCtrlr.WebSocketPingInterval": "20"}
    ).boot()
    station.csms.go_silent()
    began = station.reactor.at
    tried = len(station.csms.attempts)
    station.advance(60)
    found_s = station.csms.attempts[tried] - began - 4.0
    assert found_s <= 20.0 + 10.0 + 1.0
    assert station.csms.connected


def test_an_idle_connection_is_kept_open_as_shipped_and_missed_when_its_mapping_is_gone() -> None:
    """Fault F4: routers forget a connection that is idle for 120 s."""
    station = VirtualStation().boot()
    station.advance(600)
    tried = len(station.csms.attempts)
    station.csms.go_silent()
    station.advance(120)
    assert len(station.csms.attempts) > tried, "it was heard of at least once in 120 s"
    assert station.csms.connected


def test_a_round_trip_of_two_seconds_is_no_fault() -> None:
    """Fault F5"""
    station = charging()
    station.csms.latency_s = (0.8, 1.2)
    tried = len(station.csms.attempts)
    station.advance(3600)
    station.sim.token(CARD, evse=1)
    station.advance(30)
    assert len(station.csms.attempts) == tried
    assert station.csms.events()[-1]["eventType"] == "Ended"
    assert_in_order(station)
    numbers = [event["seqNo"] for event in station.csms.events()]
    assert len(numbers) == len(set(numbers)), "nothing was sent twice"


def test_a_link_that_answers_pings_is_left_alone() -> None:
    station = VirtualStation(variables={"OCPPCommCtrlr.WebSocketPingInterval": "20"}).boot()
    tried = len(station.csms.attempts)
    station.advance(3600)
    assert len(station.csms.attempts) == tried


# -- calls that are not answered (E13)


def test_an_event_without_answer_is_sent_as_often_and_as_far_apart_as_configured() -> None:
    """Fault F13; E13.FR.01 to E13.FR.04"""
    station = charging(variables=RETRIES)
    station.csms.answers["TransactionEvent"] = None
    mark = len(station.csms.frames)
    station.sim.ev(1, "B")
    station.advance(60)

    tries = sent(station, "TransactionEvent", mark)
    # 5 s without answer, 4 s pause; 5 s, 2 x 4 s pause; 5 s, given up
    assert gaps([at for at, _, _ in tries]) == pytest.approx([9, 13], abs=0.01)
    assert len({message_id for _, message_id, _ in tries}) == 3
    assert all(payload == tries[0][2] for _, _, payload in tries)
    (kept,) = undelivered_events(station).values()
    assert [event["seqNo"] for event in kept] == [tries[0][2]["seqNo"]]


def test_a_refused_event_is_tried_again_and_then_given_up() -> None:
    """Fault F15; E13: a CALLERROR is an attempt."""
    station = charging(variables=RETRIES)
    station.csms.answers["TransactionEvent"] = Refusal("InternalError")
    mark = len(station.csms.frames)
    station.sim.ev(1, "B")
    station.advance(60)
    tries = sent(station, "TransactionEvent", mark)
    assert gaps([at for at, _, _ in tries]) == pytest.approx([4, 8], abs=LATENCY_S)

    station.csms.answers.clear()
    station.sim.ev(1, "C")
    station.advance(10)
    assert station.csms.events()[-1]["transactionInfo"]["chargingState"] == "Charging"


def test_other_messages_flow_while_events_wait_for_a_retry() -> None:
    station = charging(variables={**RETRIES, "OCPPCommCtrlr.HeartbeatInterval": "3"})
    station.csms.answers["TransactionEvent"] = Refusal("InternalError")
    station.sim.ev(1, "B")
    station.advance(1)
    station.csms.take()
    station.sim.plug(2)
    station.advance(1)
    station.sim.token("04FFEE11", evse=2)
    station.advance(1)
    assert station.csms.actions() == ["StatusNotification", "Authorize"]


def test_a_given_up_event_holds_up_none_behind_it() -> None:
    """Fault F15"""
    station = charging(variables=RETRIES)

    def refuse_suspended(event: dict[str, Any]) -> Any:
        suspended = event["transactionInfo"].get("chargingState") == "SuspendedEV"
        return Refusal("FormatViolation") if suspended else {}

    station.csms.answers["TransactionEvent"] = refuse_suspended
    station.sim.ev(1, "B")
    station.advance(1)
    station.sim.ev(1, "C")
    station.advance(30)
    assert station.csms.events()[-1]["transactionInfo"]["chargingState"] == "Charging"
    numbers = [event["seqNo"] for event in station.csms.events()]
    assert numbers == sorted(numbers)


def test_a_lost_connection_is_no_attempt() -> None:
    station = charging(variables={**RETRIES, **BACK_OFF})
    station.csms.answers["TransactionEvent"] = None
    station.sim.ev(1, "B")
    for _ in range(6):
        station.advance(1)
        station.csms.cut()
        station.advance(5)
    station.csms.answers.clear()
    station.advance(20)
    assert station.csms.events()[-1]["transactionInfo"]["chargingState"] == "SuspendedEV"
    assert undelivered_events(station) == {}


def test_an_answer_that_comes_too_late_is_ignored() -> None:
    """Fault F13"""
    station = charging(variables=RETRIES)
    station.csms.answers["TransactionEvent"] = None
    mark = len(station.csms.frames)
    station.sim.ev(1, "B")
    station.advance(6)
    (first,) = sent(station, "TransactionEvent", mark)
    refused = {"idTokenInfo": {"status": "Invalid"}}
    station.csms.send_text(orjson.dumps([3, first[1], refused]).decode())
    station.advance(5)
    assert len(sent(station, "TransactionEvent", mark)) == 2
    assert station.station.transactions.grants.of(1) is not None


def test_answers_to_no_call_at_all_are_ignored() -> None:
    """Fault F16"""
    station = charging()
    for text in ('[3,"who",{}]', '[4,"who","GenericError","",{}]', '[3,"who"]'):
        station.csms.send_text(text)
    station.advance(1)
    assert station.csms.call("GetTransactionStatus", {}) == {"messagesInQueue": False}


# -- calls of the CSMS


def test_calls_are_answered_while_a_call_of_our_own_is_open() -> None:
    station = charging()
    station.csms.answers["TransactionEvent"] = None
    station.sim.ev(1, "B")
    station.advance(1)
    assert station.csms.call("GetTransactionStatus", {}, within_s=0.5) == {"messagesInQueue": True}


def test_many_calls_at_once_are_all_answered_in_order() -> None:
    """Fault F16"""
    station = VirtualStation().boot()
    asked = [station.csms.send_call("GetTransactionStatus", {}) for _ in range(50)]
    station.advance(1)
    assert list(station.csms.results) == asked
    assert_wire_rules(station)


def answers_to(station: VirtualStation, message_id: str) -> list[list[Any]]:
    frames = [orjson.loads(text) for _, way, text in station.csms.frames if way == ">"]
    return [frame for frame in frames if frame[1] == message_id]


def repeat(station: VirtualStation, payload: dict[str, Any]) -> None:
    frame = [2, "same", "RequestStartTransaction", payload]
    station.csms.send_text(orjson.dumps(frame).decode())
    station.advance(3)


def test_a_repeated_call_has_one_effect_and_the_same_answer_again() -> None:
    """Fault F16; erratum 4.6 lets a retry reuse its message id."""
    station = VirtualStation().boot()
    station.sim.plug(1)
    station.advance(2)
    token = {"idToken": CARD, "type": "ISO14443"}
    for _ in range(2):
        repeat(station, {"idToken": token, "remoteStartId": 7, "evseId": 1})
    first, again = answers_to(station, "same")
    assert first == again
    assert first[:2] == [3, "same"]
    started = [e for e in station.csms.events() if e["eventType"] == "Started"]
    assert len(started) == 1


def test_another_call_under_a_used_id_is_refused_without_effect() -> None:
    station = VirtualStation().boot()
    station.sim.plug(1)
    station.advance(2)
    token = {"idToken": CARD, "type": "ISO14443"}
    repeat(station, {"idToken": token, "remoteStartId": 7, "evseId": 1})
    repeat(station, {"idToken": token, "remoteStartId": 8, "evseId": 2})
    _, refused = answers_to(station, "same")
    assert refused[:3] == [4, "same", "RpcFrameworkError"]
    assert len(station.station.transactions.grants.all()) == 1


def test_message_ids_of_an_earlier_connection_may_come_again() -> None:
    station = VirtualStation(variables=BACK_OFF).boot()
    station.csms.send_text('[2,"same","GetTransactionStatus",{}]')
    station.advance(1)
    station.csms.cut()
    station.advance(6)
    station.csms.send_text('[2,"same","ClearCache",{}]')
    station.advance(1)
    first, second = answers_to(station, "same")
    assert first[0] == 3
    assert "used before" not in str(second)


GARBAGE = (
    "",
    "nonsense",
    "{}",
    "[]",
    "[2]",
    "null",
    '[2,"x"]',
    '[2,"x","Reset"]',
    '[2,7,"Reset",{}]',
    '[9,"x","Reset",{}]',
    '[2,"x","Reset",{"type":' + "[" * 5000 + "]" * 5000 + "}]",
    '[2,"x","Reset",{"type":' + "9" * 5000 + "}]",
    '[2,"x","Reset",{"type":NaN}]',
    '[3,"x"]',
    "\u0000",
)


@pytest.mark.parametrize("text", GARBAGE)
def test_whatever_a_frame_holds_the_next_call_is_answered(text: str) -> None:
    station = VirtualStation().boot()
    station.csms.send_text(text)
    assert station.csms.call("GetTransactionStatus", {}, within_s=1.0) == {"messagesInQueue": False}
    assert station.csms.connected


def test_an_unknown_action_and_a_bad_payload_are_told_apart() -> None:
    station = VirtualStation().boot()
    for action, payload, code in (
        ("NoSuchAction", {}, "NotImplemented"),
        ("Reset", {}, "OccurrenceConstraintViolation"),
        ("Reset", {"type": "Sometime"}, "PropertyConstraintViolation"),
        ("Reset", {"type": 7}, "TypeConstraintViolation"),
    ):
        with pytest.raises(CallError) as refused:
            station.csms.call(action, payload)
        assert refused.value.code == code


def test_everything_that_happened_here_adds_up() -> None:
    station = charging(variables={**RETRIES, **BACK_OFF})
    for _ in range(3):
        station.csms.cut()
        station.sim.ev(1, "B")
        station.advance(6)
        station.sim.ev(1, "C")
        station.advance(2)
    station.sim.token(CARD, evse=1)
    station.advance(10)
    station.sim.unplug(1)
    station.advance(20)
    assert_in_order(station)

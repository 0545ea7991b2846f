"""Certification cases of block E, Transactions: events that wait, and GetTransactionStatus."""

from itertools import pairwise
from typing import Any

import pytest

from station.bench.fake_csms import Answer, Refusal
from tests.conformance.conftest import MakeTool
from tests.conformance.states import Payload, Tool

ATTEMPTS, INTERVAL_S, TIMEOUT_S = 3, 10, 30
OFFLINE_S = 20.0


def present(tool: Tool) -> None:
    tool.sim.token(tool.id_token["idToken"], type=tool.id_token["type"], evse=tool.evse)


# -- GetTransactionStatus


def status_of(tool: Tool, transaction_id: str | None = None) -> Payload:
    request = {} if transaction_id is None else {"transactionId": transaction_id}
    return tool.csms.call("GetTransactionStatus", request)


def test_TC_E_28_CS(tool: Tool) -> None:
    """E14.FR.01"""
    unknown = "3c0a61b6-0b4e-4d3c-8f9e-0d5b2f3a7c11"
    assert status_of(tool, unknown) == {"ongoingIndicator": False, "messagesInQueue": False}


def lose_the_link_while_charging(make_tool: MakeTool, how: str = "local") -> Tool:
    """EnergyTransferStarted, then offline, as several cases of block E begin."""
    tool = make_tool(how=how)
    tool.set("SampledDataCtrlr", "TxUpdatedInterval", "5")
    tool.set("OCPPCommCtrlr", "OfflineThreshold", "80")
    tool.set("OCPPCommCtrlr", "RetryBackOffWaitMinimum", "20")
    tool.set("OCPPCommCtrlr", "RetryBackOffRandomRange", "0")
    tool.energy_transfer_started()
    tool.wait(1.0)
    tool.inbox.clear()
    tool.csms.go_offline()
    return tool


def ask_when_back(tool: Tool, request: Payload) -> Any:
    """GetTransactionStatus, sent at the moment at which the connection is restored."""
    csms, waited_s = tool.csms, 0.0
    latency_s, csms.latency_s = csms.latency_s, (0.3, 0.3)  # the first answer takes longer
    csms.go_online()
    while not csms.connected:
        assert waited_s < 60.0, "the station does not come back"
        tool.station.advance(0.01)
        waited_s += 0.01
    message_id = csms.send_call("GetTransactionStatus", request)
    tool.wait(1.0)
    csms.latency_s = latency_s
    return csms.results[message_id]


def expect_offline_samples(tool: Tool) -> None:
    """One or more Updated events with meter values, all of them queued while offline."""
    tool.wait(5.0)
    queued = [event for event in tool.inbox.all("TransactionEvent") if event["offline"]]
    assert len(queued) >= 3
    for event in queued:
        assert event["eventType"] == "Updated"
        assert event["meterValue"]


def test_TC_E_29_CS(make_tool: MakeTool) -> None:
    """E14.FR.02, E14.FR.04"""
    tool = lose_the_link_while_charging(make_tool)
    tool.wait(OFFLINE_S)
    answer = ask_when_back(tool, {"transactionId": tool.transaction_id})
    assert answer == {"ongoingIndicator": True, "messagesInQueue": True}
    expect_offline_samples(tool)


def test_TC_E_30_CS(tool: Tool) -> None:
    """E14.FR.02, E14.FR.05"""
    tool.energy_transfer_started()
    answer = status_of(tool, tool.transaction_id)
    assert answer == {"ongoingIndicator": True, "messagesInQueue": False}


@pytest.mark.parametrize("how", ["local", "remote"])
def test_TC_E_31_CS(make_tool: MakeTool, how: str) -> None:
    """E14.FR.03, E14.FR.04"""
    tool = lose_the_link_while_charging(make_tool, how)
    transaction_id = tool.transaction_id
    if how == "local":
        present(tool)
    else:
        tool.sim.ev(1, "B")
    tool.wait(8.0)
    tool.sim.unplug(1)
    tool.wait(3.0)
    tool.sim.bay(1, occupied=False)
    tool.wait(10.0)
    answer = ask_when_back(tool, {"transactionId": transaction_id})
    assert answer == {"ongoingIndicator": False, "messagesInQueue": True}
    if how == "local":
        tool.expect_event(
            {"triggerReason": "StopAuthorized", "eventType": "Ended", "offline": True}
        )
    else:
        tool.expect_event({"transactionInfo.chargingState": "SuspendedEV", "offline": True})
        tool.expect_event(
            {"triggerReason": "EVCommunicationLost", "eventType": "Ended", "offline": True}
        )
    tool.wait(2.0)
    assert status_of(tool, transaction_id)["messagesInQueue"] is False


def test_TC_E_32_CS(tool: Tool) -> None:
    """E14.FR.03, E14.FR.05"""
    tool.energy_transfer_started()
    tool.parking_bay_unoccupied()
    tool.wait(1.0)
    answer = status_of(tool, tool.transaction_id)
    assert answer == {"ongoingIndicator": False, "messagesInQueue": False}


def test_TC_E_33_CS(make_tool: MakeTool) -> None:
    """E14.FR.06, E14.FR.07"""
    tool = lose_the_link_while_charging(make_tool)
    tool.wait(OFFLINE_S)
    assert ask_when_back(tool, {}) == {"messagesInQueue": True}
    expect_offline_samples(tool)


def test_TC_E_34_CS(tool: Tool) -> None:
    """E14.FR.06, E14.FR.08"""
    assert status_of(tool) == {"messagesInQueue": False}


# -- offline


def test_TC_E_40_CS(make_tool: MakeTool) -> None:
    """E11.FR.01, E11.FR.02"""
    tool = lose_the_link_while_charging(make_tool)
    tool.wait(OFFLINE_S)
    tool.csms.go_online()
    tool.wait(25.0)
    expect_offline_samples(tool)


def test_TC_E_43_CS(tool: Tool) -> None:
    """E12.FR.01, E12.FR.02"""
    tool.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    tool.csms.go_offline()
    tool.sim.bay(1, occupied=True)
    tool.sim.plug(1)
    tool.wait(2.0)
    present(tool)
    tool.wait(10.0)
    present(tool)
    tool.wait(5.0)
    tool.sim.unplug(1)
    tool.wait(2.0)
    tool.sim.bay(1, occupied=False)
    tool.csms.go_online()
    tool.expect_event({"eventType": "Started"}, within_s=60.0)
    tool.expect_event({"eventType": "Ended"})
    tool.wait(5.0)
    assert all(event["offline"] for event in tool.events)


def test_TC_E_44_CS(make_tool: MakeTool) -> None:
    """E08.FR.05, E08.FR.06, E08.FR.07"""
    tool = lose_the_link_while_charging(make_tool)
    before = len(tool.events)
    present(tool)
    tool.wait(5.0)
    tool.sim.unplug(1)
    tool.wait(2.0)
    tool.sim.bay(1, occupied=False)
    tool.csms.go_online()
    tool.expect_event({"eventType": "Ended"}, within_s=60.0)
    tool.wait(5.0)
    assert all(event["offline"] for event in tool.events[before:])


# -- retries


def retried(make_tool: MakeTool, refusal: Answer | Refusal, *, refuse_all: bool) -> list[float]:
    """When the first event after EVConnectedPreSession was sent, each time."""
    timeout = {"OCPPCommCtrlr.MessageTimeout[Default]": str(TIMEOUT_S)}
    tool = make_tool(variables=timeout)
    place = {"instance": "TransactionEvent"}
    tool.set("OCPPCommCtrlr", "MessageAttempts", str(ATTEMPTS), **place)
    tool.set("OCPPCommCtrlr", "MessageAttemptInterval", str(INTERVAL_S), **place)
    tool.authorized()
    tool.ev_connected_pre_session(ready_after_s=4.0)
    tool.wait(1.0)
    sent_at: list[float] = []
    seq_no = tool.events[-1]["seqNo"] + 1

    def answer(event: Payload) -> Any:
        if event["seqNo"] != seq_no:
            return {}
        sent_at.append(tool.station.reactor.now())
        return refusal if refuse_all or len(sent_at) == 1 else {}

    tool.csms.answers["TransactionEvent"] = answer
    tool.wait((ATTEMPTS + 2) * (TIMEOUT_S + INTERVAL_S * ATTEMPTS))
    return sent_at


def gaps(moments: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(moments)]


def test_TC_E_41_CS(make_tool: MakeTool) -> None:
    """E13.FR.01, E13.FR.02, E13.FR.03"""
    sent_at = retried(make_tool, None, refuse_all=True)
    assert len(sent_at) == ATTEMPTS
    wanted = [INTERVAL_S * number + TIMEOUT_S for number in range(1, ATTEMPTS)]
    assert gaps(sent_at) == pytest.approx(wanted, abs=0.1)


def test_TC_E_42_CS(make_tool: MakeTool) -> None:
    """E13.FR.02, E13.FR.03"""
    sent_at = retried(make_tool, None, refuse_all=False)
    assert gaps(sent_at) == pytest.approx([INTERVAL_S + TIMEOUT_S], abs=0.1)


def test_TC_E_50_CS(make_tool: MakeTool) -> None:
    """E13.FR.01, E13.FR.02, E13.FR.03"""
    sent_at = retried(make_tool, Refusal("InternalError"), refuse_all=True)
    wanted = [INTERVAL_S * number for number in range(1, ATTEMPTS)]
    assert gaps(sent_at) == pytest.approx(wanted, abs=0.1)


def test_TC_E_51_CS(make_tool: MakeTool) -> None:
    """E13.FR.02, E13.FR.03"""
    sent_at = retried(make_tool, Refusal("InternalError"), refuse_all=False)
    assert gaps(sent_at) == pytest.approx([INTERVAL_S], abs=0.1)

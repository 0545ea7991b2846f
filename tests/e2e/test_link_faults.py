"""What a network does to a real station: every fault is found in time, and nothing is lost."""

import json
import time
from collections.abc import Iterator

import pytest

from station.bench.csms import Delay
from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.conftest import MakeSim
from tests.e2e.fault_proxy import FaultProxy
from tests.e2e.heard import assert_accounted, events, messages, wait, wait_for_boot
from tests.e2e.rig import IDENTITY, PASSWORD, TOKEN, Sim

PING_S, PONG_S = 1, 1
QUICKER = {
    "OCPPCommCtrlr__WebSocketPingInterval": str(PING_S),
    "OCPPCommCtrlr__WebSocketPongTimeout": str(PONG_S),
}


@pytest.fixture
def csms(request: pytest.FixtureRequest) -> Iterator[BenchCsmsThread]:
    options = getattr(request, "param", {})
    with BenchCsmsThread(passwords={IDENTITY: PASSWORD}, **options) as csms:
        yield csms
    assert csms.violations == []


@pytest.fixture
def proxy(csms: BenchCsmsThread) -> Iterator[FaultProxy]:
    with FaultProxy(csms.port) as proxy:
        yield proxy


@pytest.fixture
def far(make_sim: MakeSim, proxy: FaultProxy, csms: BenchCsmsThread) -> Sim:
    """A station that is connected through the proxy, and accepted."""
    sim = make_sim(csms_url=proxy.url, **QUICKER).start()
    wait_for_boot(csms)
    sim.wait_until_accepted()
    return sim


def connections(csms: BenchCsmsThread) -> int:
    return int(csms.wait_for(lambda seen: seen.record.stations[IDENTITY].connections))


def wait_for_connection(csms: BenchCsmsThread, number: int) -> None:
    wait(csms, lambda seen: seen.record.stations[IDENTITY].connections >= number)


def test_a_half_open_connection_is_found_within_ping_and_pong_and_a_second(
    far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    """F3: the CSMS is gone without a word."""
    began = time.monotonic()
    proxy.half_open()
    far.until(lambda state: state["link"]["state"] != "up")
    found_s = time.monotonic() - began
    assert found_s <= PING_S + PONG_S + 1
    assert "no pong" in far.state()["link"]["last_error"]
    wait_for_connection(csms, 2)
    assert len(messages(csms, "BootNotification")) == 1


@pytest.mark.parametrize("direction", ["both", "to the CSMS", "to the station"])
def test_a_black_hole_is_found_whichever_way_it_lies(
    direction: str, far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    """F3"""
    began = time.monotonic()
    proxy.to_csms.swallows = direction in ("both", "to the CSMS")
    proxy.to_station.swallows = direction in ("both", "to the station")
    far.until(lambda state: state["link"]["state"] != "up")
    assert time.monotonic() - began <= PING_S + PONG_S + 1
    proxy.heal()
    proxy.reset()  # an attempt may be stuck in the hole
    wait_for_connection(csms, 2)
    assert len(messages(csms, "BootNotification")) == 1


def test_a_reset_in_mid_charge_loses_nothing(
    far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    """F2"""
    far.charge()
    before = connections(csms)
    proxy.refuse()
    proxy.reset()
    far.until(lambda state: state["link"]["state"] == "down")
    assert far.evse()["drawing"]
    proxy.heal()
    wait_for_connection(csms, before + 1)
    far.token()
    assert_accounted(csms, far)


def test_half_a_second_of_latency_each_way_is_no_fault(
    far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    """F5: a ping takes as long as its timeout only when nothing is left for the CSMS to do."""
    proxy.to_csms.latency_s = proxy.to_station.latency_s = 0.25
    far.plug()
    far.token()
    wait(csms, lambda seen: len(events(seen)) >= 3)
    far.until(lambda state: state["evses"][0]["drawing"])
    assert far.state()["link"]["state"] == "up"
    assert connections(csms) == 1
    assert all(event["offline"] is False for event in events(csms))


def test_a_narrow_line_is_no_fault(far: Sim, proxy: FaultProxy, csms: BenchCsmsThread) -> None:
    """F5: 64 kbit/s; a whole inventory takes a while and arrives."""
    proxy.to_csms.bytes_per_s = proxy.to_station.bytes_per_s = 8000
    request = {"requestId": 1, "reportBase": "FullInventory"}
    assert csms.call(IDENTITY, "GetBaseReport", request) == {"status": "Accepted"}
    wait(csms, lambda seen: any(not part.get("tbc") for part in messages(seen, "NotifyReport")))
    assert connections(csms) == 1


@pytest.mark.parametrize("towards", ["the station", "the CSMS"])
def test_a_connection_that_ends_in_the_middle_of_a_frame_is_made_anew(
    towards: str, far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    fault = proxy.to_station if towards == "the station" else proxy.to_csms
    fault.ends_after = 9
    far.plug()
    wait_for_connection(csms, 2)
    far.until(lambda state: state["link"]["state"] == "up")
    far.token()
    far.until(lambda state: state["evses"][0]["drawing"])
    far.token()
    assert_accounted(csms, far)


UNCOMPRESSED = pytest.mark.parametrize("csms", [{"compress": False}], indirect=True)
"""A piece that comes twice is then a frame that comes twice."""


@UNCOMPRESSED
def test_an_answer_that_comes_twice_counts_once(
    far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    far.charge()
    proxy.to_station.duplicates = True
    wait(csms, lambda _: not proxy.to_station.duplicates)
    far.token()
    assert_accounted(csms, far)
    assert connections(csms) == 1


@UNCOMPRESSED
def test_a_call_that_comes_twice_has_one_effect_and_the_same_answer(
    far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    """OCPP-J 4.6 with erratum: the id comes again with the same content."""
    far.plug()
    token = {"idToken": TOKEN, "type": "ISO14443"}
    start = {"remoteStartId": 1, "idToken": token, "evseId": 1}
    proxy.to_station.duplicates = True
    csms.send_text(IDENTITY, json.dumps([2, "twice-1", "RequestStartTransaction", start]))
    wait(csms, lambda seen: len(seen.unmatched(IDENTITY)) == 2)
    first, second = csms.unmatched(IDENTITY)
    assert first == second
    assert first[2]["status"] == "Accepted"
    far.until(lambda state: state["evses"][0]["drawing"])
    far.token()
    assert_accounted(csms, far)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_flapping_never_stops_the_station_from_trying(
    how: str, far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    """F1, F8"""
    for number in (2, 3):
        if how == "close":
            csms.drop(IDENTITY, "close")
            far.process.wait_for("close frame 1001 dropped by the bench", number - 1)
        else:
            proxy.reset()
        wait_for_connection(csms, number)
    gaps = [b - a for a, b in zip(proxy.accepted_at, proxy.accepted_at[1:], strict=False)]
    assert all(gap >= 0.9 for gap in gaps)  # RetryBackOffWaitMinimum of the rig
    assert len(messages(csms, "BootNotification")) == 1


def test_a_reset_at_the_door_is_tried_again_and_explained(
    far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    proxy.refuse()
    proxy.reset()
    far.process.wait_for("cannot connect")
    (finding,) = far.state()["link"]["findings"]
    assert finding["step"] in ("upgrade", "connection")
    proxy.heal()
    wait_for_connection(csms, 2)


def test_an_answer_that_is_lost_with_its_connection_is_asked_for_again(
    far: Sim, proxy: FaultProxy, csms: BenchCsmsThread
) -> None:
    """F14: the CSMS has processed the event, and the station cannot know."""
    csms.behaviour["TransactionEvent"] = Delay(0.3)
    far.plug()
    far.token()
    wait(csms, events)
    proxy.reset()
    csms.behaviour.clear()
    wait_for_connection(csms, 2)
    wait(csms, lambda seen: len(events(seen)) >= 3)
    first, again = [event for event in events(csms) if event["seqNo"] == 0]
    assert {**first, "offline": None} == {**again, "offline": None}
    assert again["offline"] is True

"""A car charges: a real station process, a real socket, a CSMS that checks everything."""

import resource
import signal
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.conftest import MakeSim
from tests.e2e.heard import (
    Heard,
    assert_accounted,
    assert_offline_from_some_point,
    energy_wh,
    events,
    last_status,
    messages,
    sampled,
    statuses,
    wait,
    wait_for_boot,
)
from tests.e2e.rig import IDENTITY, TOKEN, Child, Sim, listening_on

FULL_W = 32 * 230 * 3
UNLIMITED = resource.RLIM_INFINITY


def test_a_charge_driven_over_http_is_accounted_for_at_the_csms(
    make_sim: MakeSim, csms: BenchCsmsThread
) -> None:
    sim = make_sim("--evses=2", "--cable=socket").start()
    assert wait_for_boot(csms) == "PowerUp"
    sim.charge(evse=2)
    assert sim.evse(2)["locked"]
    wait(csms, lambda seen: len(at_full_power(seen)) >= 2)
    sim.token(evse=2)
    record = assert_accounted(csms, sim, evse=2)
    sim.until(lambda state: not state["evses"][1]["locked"])
    sim.unplug(evse=2)
    wait(csms, lambda seen: last_status(seen, 2) == "Available")

    assert record.stopped_reason == "Local"
    assert record.offline_events == 0
    assert record.events[0]["evse"] == {"id": 2, "connectorId": 1}
    assert record.events[0]["idToken"] == {"idToken": TOKEN, "type": "ISO14443"}
    states = [event["transactionInfo"].get("chargingState") for event in events(csms)]
    assert [state for state in states if state] == ["EVConnected", "Charging", "EVConnected"]
    assert statuses(csms, 1) == ["Available"]
    assert statuses(csms, 2) == ["Available", "Occupied", "Available"]
    assert not csms.overlaps
    assert_energy_is_power_times_time(at_full_power(csms))


def test_one_reader_for_two_evses_begins_without_an_evse(
    make_sim: MakeSim, csms: BenchCsmsThread
) -> None:
    """E01.FR.16"""
    sim = make_sim("--evses=2", TxCtrlr__TxStartPoint="Authorized").start()
    sim.wait_until_accepted()
    sim.token(evse=None)
    wait(csms, lambda seen: len(events(seen)) == 1)
    assert "evse" not in events(csms)[0]
    sim.plug(evse=2)
    sim.until(lambda state: state["evses"][1]["drawing"])
    sim.token(evse=None)
    assert_accounted(csms, sim, evse=2)
    told = [event["evse"] for event in events(csms) if "evse" in event]
    assert told == [{"id": 2, "connectorId": 1}]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_charge_that_ends_while_the_link_is_cut_is_told_afterwards(
    how: str, sim: Sim, csms: BenchCsmsThread
) -> None:
    """E04, E08, E11.FR.07"""
    sim.charge()
    wait(csms, lambda seen: len(events(seen)) >= 2)
    sim.post("link", up=False, how=how)
    end_offline(sim)
    sim.post("link", up=True)
    assert_offline_from_some_point(assert_accounted(csms, sim))
    assert len(messages(csms, "BootNotification")) == 1  # a mere reconnect is no boot
    sim.until(lambda state: state["queue"]["depth"] == 0)


def test_a_silent_link_is_found_out_and_nothing_is_lost(sim: Sim, csms: BenchCsmsThread) -> None:
    """Within ping interval, pong timeout and a second: 12 s."""
    sim.charge()
    wait(csms, lambda seen: len(events(seen)) >= 2)
    sim.post("link", up=False, how="silent")
    silent_at = time.monotonic()
    assert sim.state()["link"]["state"] == "up"  # nobody has told the station
    sim.until(lambda state: state["link"]["state"] != "up")
    assert time.monotonic() - silent_at < 12.5
    assert "no pong" in sim.process.wait_for("connection lost")
    end_offline(sim)
    sim.post("link", up=True)
    assert_offline_from_some_point(assert_accounted(csms, sim))


def test_a_csms_that_is_restarted_finds_the_charge_going_on(
    sim: Sim, csms: BenchCsmsThread
) -> None:
    sim.charge()
    csms.stop()
    sim.until(lambda state: state["queue"]["transaction_events"] >= 2)
    assert sim.evse()["drawing"]
    csms.start()
    sim.until(lambda state: state["queue"]["transaction_events"] == 0)
    sim.token()
    assert_accounted(csms, sim)


def test_a_full_disk_neither_stops_a_charge_nor_opens_the_contactor(
    sim: Sim, csms: BenchCsmsThread
) -> None:
    """No file may be written beyond its first byte; later there is room again."""
    sim.charge()
    resource.prlimit(sim.process.pid, resource.RLIMIT_FSIZE, (1, UNLIMITED))
    sim.until(lambda state: state["station"]["store"] == "Volatile")
    so_far = len(events(csms))
    wait(csms, lambda seen: len(events(seen)) >= so_far + 2)
    assert sim.evse()["contactor_closed"]
    assert sim.evse()["drawing"]
    told = [event["transactionInfo"].get("chargingState") for event in events(csms)]
    assert [state for state in told if state] == ["EVConnected", "Charging"]

    lifted_at = time.time()
    resource.prlimit(sim.process.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
    sim.until(lambda state: state["station"]["store"] == "OK")
    sim.wait_for_saved_world(lifted_at)
    sim.restart()  # what was kept in memory is on the disk by now
    assert wait_for_boot(csms, 2) == "ApplicationReset"
    sim.until(lambda state: state["evses"][0]["drawing"])
    sim.token()
    assert_accounted(csms, sim)


def test_two_commands_on_a_bench_lose_nothing_between_them(
    make_sim: MakeSim, run: Callable[..., Child]
) -> None:
    """`joulepost csms` and `joulepost sim`: charge, cut the link, kill, start again, stop."""
    bench = run("csms", "--listen=127.0.0.1:0")
    url = listening_on(bench)
    sim = make_sim(csms_url=url).start()
    sim.charge()
    bench.wait_for(" Updated ")
    sim.post("link", up=False)
    sim.until(lambda state: state["queue"]["transaction_events"] >= 1)
    sim.restart()
    bench.wait_for("ApplicationReset")
    resumed = sim.until(lambda state: state["evses"][0]["drawing"])
    stop = f'{{"transactionId": "{resumed["transactions"][0]["id"]}"}}'
    to = url.removeprefix("ws://")
    send = run("csms", "send", f"--to={to}", IDENTITY, "RequestStopTransaction", stop)
    assert send.wait() == 0, send.text
    bench.wait_for("== tx=")
    assert bench.stop(signal.SIGINT) == 0
    assert "violations    none" in bench.text
    assert "seqNo         0 missing" in bench.text
    assert " ended (Remote) " in bench.wait_for("== tx=")
    assert bench.wait_for("== tx=").endswith(" complete")


def end_offline(sim: Sim) -> None:
    """The driver stops and drives away while nobody can be told."""
    sim.until(lambda state: state["queue"]["transaction_events"] >= 2)
    sim.token()
    sim.until(lambda state: not state["transactions"])
    sim.unplug()
    sim.until(lambda state: state["evses"][0]["connectors"][0]["status"] == "Available")


def at_full_power(csms: Heard) -> list[dict[str, Any]]:
    return [e for e in events(csms) if sampled(e).get("Power.Active.Import") == FULL_W]


def assert_energy_is_power_times_time(full: list[dict[str, Any]]) -> None:
    first, last = full[0], full[-1]
    passed = datetime.fromisoformat(last["timestamp"]) - datetime.fromisoformat(first["timestamp"])
    assert passed.total_seconds() > 0.9
    moved_wh = (energy_wh(last) or 0) - (energy_wh(first) or 0)
    # The register counts whole watt-hours, and reading it takes a moment.
    assert moved_wh == pytest.approx(FULL_W * passed.total_seconds() / 3600, abs=1.5)

"""What the CSMS does not take: seen at the local API of a running station, and on its disk."""

import json
from collections.abc import Callable
from typing import Any
from urllib.request import ProxyHandler, build_opener

from station.bench.csms_answers import Refuse
from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.conftest import MakeSim
from tests.e2e.rig import Child, Sim

ATTEMPTS = {"OCPPCommCtrlr__MessageAttempts[TransactionEvent]": "1"}


def read(sim: Sim, path: str) -> dict[str, Any]:
    with build_opener(ProxyHandler({})).open(sim.api.url + path, timeout=5.0) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


def test_what_the_csms_refuses_can_be_seen_while_the_station_runs_and_afterwards(
    make_sim: MakeSim, csms: BenchCsmsThread, run: Callable[..., Child]
) -> None:
    """E13.FR.04"""
    sim = make_sim(**ATTEMPTS).start()
    sim.wait_until_accepted()
    assert read(sim, "/api/undelivered") == {"messages": [], "next": None}
    csms.behaviour["TransactionEvent"] = Refuse("InternalError")
    sim.plug()
    sim.token()
    state = sim.until(lambda state: state["queue"]["undelivered"] >= 2)
    transaction_id = state["transactions"][0]["id"]
    *_, first = read(sim, "/api/undelivered?count=200")["messages"]
    assert first["transaction_id"] == transaction_id
    assert (first["event_type"], first["seq_no"]) == ("Started", 0)
    assert first["reason"] == "InternalError"
    assert read(sim, "/api/dropped") == {"transactions": []}

    command = ("undelivered", "--state-dir", str(sim.state_dir))
    for stop in (lambda: 0, sim.process.stop):
        assert stop() == 0
        child = run(*command)
        assert child.wait() == 0
        messages = [json.loads(line) for line in child.lines]
        assert messages[0]["payload"]["eventType"] == "Started"
        assert messages[0]["payload"]["transactionInfo"]["transactionId"] == transaction_id

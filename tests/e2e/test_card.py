"""C03 in a real process: a card at the terminal, its payment system, and the bench CSMS."""

import uuid

import pytest

from station.bench.back_office import BenchBackOffice
from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.conftest import MakeSim
from tests.e2e.heard import events, last_status, messages, wait, wait_for_boot


def test_a_card_at_the_terminal_charges_a_car(make_sim: MakeSim, csms: BenchCsmsThread) -> None:
    """C03.FR.01"""
    sim = make_sim("--evses=2").start()
    wait_for_boot(csms)
    sim.post("evses/2/plug", current_a=16)
    wait(csms, lambda seen: last_status(seen, 2) == "Occupied")
    sim.post("card", evse=2)
    sim.until(lambda state: state["evses"][1]["drawing"])
    wait(csms, lambda seen: any("idToken" in each for each in events(seen)))
    token = next(each["idToken"] for each in events(csms) if "idToken" in each)
    assert token["type"] == "Central"
    assert str(uuid.UUID(token["idToken"])) == token["idToken"]
    assert messages(csms, "Authorize") == []
    assert token["idToken"] not in sim.process.text


@pytest.mark.parametrize("url", ["wss://127.0.0.1:9000", "ws://csms.example/ocpp"])
def test_the_payment_system_calls_nobody_but_a_bench_csms(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    BenchBackOffice(url, "CS001")(1)
    assert "send RequestStartTransaction" in caplog.text

"""What is wrong around a station is said in one clear line, and it goes on where it can."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from station.bench.csms_thread import BenchCsmsThread
from tests.e2e.conftest import MakeSim
from tests.e2e.heard import assert_accounted, wait_for_boot
from tests.e2e.raw_server import RawPeer, RawServer
from tests.e2e.rig import IDENTITY, Child, Sim

Run = Callable[..., Child]


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


def other_protocol(peer: RawPeer) -> None:
    peer.upgrade(subprotocol="ocpp1.6")


def no_protocol(peer: RawPeer) -> None:
    peer.upgrade(subprotocol=None)


def unauthorized(peer: RawPeer) -> None:
    peer.answer("HTTP/1.1 401 Unauthorized\nContent-Length: 0")


def not_found(peer: RawPeer) -> None:
    peer.answer("HTTP/1.1 404 Not Found\nContent-Length: 0")


def elsewhere(peer: RawPeer) -> None:
    peer.answer("HTTP/1.1 302 Found\nLocation: ws://127.0.0.1:9/\nContent-Length: 0")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (other_protocol, "wrong subprotocol: "),
        (no_protocol, "wrong subprotocol: "),
        (unauthorized, "credentials refused: "),
        (not_found, "HTTP 404, the CSMS does not know this path"),
        (elsewhere, "HTTP 302, redirects are not followed"),
        (None, "connection refused: "),
    ],
)
def test_a_csms_that_cannot_be_used_gets_one_line_and_another_attempt(
    answer: Callable[[RawPeer], None] | None, says: str, make_sim: MakeSim, server: RawServer
) -> None:
    url = f"ws://127.0.0.1:{server.port}/ocpp"
    if answer is None:
        server.close()
    sim = make_sim(csms_url=url).start()
    for attempt in (1, 2):
        if answer is not None:
            peer = server.accept()
            assert peer.read_request().startswith("GET /ocpp/CS%401%7C2 HTTP/1.1\r\n")
            answer(peer)
        line = sim.process.wait_for("cannot connect", attempt)
        assert says in line
        assert " WARNING " in line
        assert line.endswith("next attempt in 1 s")
    assert sim.process.text.count("cannot connect") == 2
    assert " ERROR " not in sim.process.text
    assert sim.state()["link"]["last_error"] in line


def test_a_name_that_is_nobodys_gets_one_line(make_sim: MakeSim) -> None:
    sim = make_sim(csms_url="ws://no-such-host.invalid").start()
    assert "name not found" in sim.process.wait_for("cannot connect")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--csms=http://csms.example"], "--csms"),
        (["--csms=ws://"], "--csms"),
        (["--variables=nowhere.json"], "--variables"),
        (["--state-dir=/dev/null"], "--state-dir"),
        (["--state-dir=/dev/null/state"], "state folder /dev/null/state"),
    ],
)
def test_what_cannot_be_used_ends_with_one_line_and_code_2(
    options: list[str], line: str, run: Run
) -> None:
    child = run("sim", *options)
    assert child.wait() == 2
    assert len(child.lines) == 1
    assert child.text.startswith("joulepost sim: ")
    assert line in child.text


def test_a_second_process_on_the_same_folder_ends_with_one_line(sim: Sim, run: Run) -> None:
    sim.process.wait_for("started (")
    second = run("sim", f"--state-dir={sim.state_dir}")
    assert second.wait() == 2
    assert second.lines == [
        f"joulepost sim: state folder {sim.state_dir} is in use by another station"
    ]
    sim.post("link", up=True)  # the first one does not mind


def test_a_folder_that_may_not_be_written_ends_the_first_start(tmp_path: Path, run: Run) -> None:
    (tmp_path / "state").mkdir(mode=0o555)
    child = run("sim", f"--state-dir={tmp_path / 'state'}")
    assert child.wait() == 2
    assert child.lines == [f"joulepost sim: state folder {tmp_path / 'state'} may not be written"]


def test_a_disk_gone_read_only_keeps_no_station_from_charging(
    sim: Sim, csms: BenchCsmsThread
) -> None:
    """All that it knew is read; what is new lives in memory until the disk takes it."""
    sim.charge()
    sim.kill()
    sim.state_dir.chmod(0o555)
    for file in sim.state_dir.iterdir():
        file.chmod(0o444)
    sim.start()
    assert wait_for_boot(csms, 2) == "ApplicationReset"
    state = sim.until(lambda state: state["evses"][0]["drawing"])
    assert state["station"]["store"] == "Volatile"
    sim.token()
    assert_accounted(csms, sim)
    assert sim.process.stop() == 0
    sim.state_dir.chmod(0o755)


def garbage(database: Path) -> None:
    database.write_bytes(b"this is no database " * 1000)


def torn(database: Path) -> None:
    whole = database.read_bytes()
    database.write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize("damage", [garbage, torn])
def test_a_damaged_database_is_kept_aside_and_the_station_begins_anew(
    damage: Callable[[Path], None], sim: Sim, csms: BenchCsmsThread
) -> None:
    wait_for_boot(csms)
    assert sim.process.stop() == 0
    damage(sim.state_dir / "station.db")
    sim.start()
    wait_for_boot(csms, 2)
    assert "damaged and kept as station.db.corrupt-1" in sim.process.text
    assert (sim.state_dir / "station.db.corrupt-1").exists()
    sim.charge()
    sim.token()
    assert_accounted(csms, sim)


def test_a_damaged_world_is_begun_afresh_and_that_is_said(sim: Sim, csms: BenchCsmsThread) -> None:
    sim.plug()
    sim.until(lambda state: state["evses"][0]["connectors"][0]["plugged"])
    assert sim.process.stop() == 0
    (sim.state_dir / "world.json").write_text('{"evses": [')
    sim.start()
    assert "the simulated hardware starts afresh" in sim.process.wait_for("world.json")
    assert not sim.evse()["connectors"][0]["plugged"]
    assert json.loads((sim.state_dir / "world.json").read_text())


def test_a_preset_that_the_station_does_not_have_is_reported_and_skipped(
    make_sim: MakeSim, csms: BenchCsmsThread
) -> None:
    sim = make_sim(TxCtrlr__NoSuchThing="1", TxCtrlr__EVConnectionTimeOut="77").start()
    sim.process.wait_for("started (")
    (line,) = [line for line in sim.process.lines if line.startswith("--variables: ")]
    assert "NoSuchThing" in line
    assert line.endswith("; skipped")
    wait_for_boot(csms)
    address = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}
    answer = csms.call(IDENTITY, "GetVariables", {"getVariableData": [address]})
    assert answer["getVariableResult"][0]["attributeValue"] == "77"

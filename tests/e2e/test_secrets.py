"""Canaries: secrets that are given to a station turn up where they must, and nowhere else."""

import signal
import stat
from collections.abc import Callable
from pathlib import Path

from station.bench.csms_thread import BenchCsmsThread
from station.io.redact import HIDDEN
from tests.e2e.conftest import CONFIGURED, MakeSim
from tests.e2e.heard import messages, wait
from tests.e2e.rig import IDENTITY, PASSWORD, Child, Sim, listening_on

PIN = "canary-pin-4711"
NEW_PASSWORD = "canary-other-password-9c2e"


def test_no_secret_is_shown_even_with_every_frame_in_the_log(
    make_sim: MakeSim, csms: BenchCsmsThread
) -> None:
    sim = make_sim(program=(*CONFIGURED, "--frames")).start()
    sim.wait_until_accepted()
    use_secrets(sim, csms)
    shown = sim.process.text + str(sim.state())
    assert sim.process.stop() == 0
    shown += sim.process.text

    assert '"Authorize"' in shown  # the frames are there
    assert "BasicAuthPassword" in shown
    assert HIDDEN in shown
    assert "canary" not in shown
    left = {file.name for file in sim.state_dir.iterdir() if b"canary" in file.read_bytes()}
    assert left <= {"station.db", "station.db-wal"}


def test_the_bench_csms_shows_and_logs_no_secret_either(
    make_sim: MakeSim, run: Callable[..., Child], tmp_path: Path
) -> None:
    log = tmp_path / "frames.jsonl"
    password = f"--password={IDENTITY}={PASSWORD}"
    bench = run("csms", "--listen=127.0.0.1:0", f"--log={log}", password)
    sim = make_sim(csms_url=listening_on(bench)).start()
    sim.wait_until_accepted()
    sim.token(PIN, type="KeyCode")
    bench.wait_for("Authorize")
    assert bench.stop(signal.SIGINT) == 0
    assert '"Authorize"' in log.read_text()
    assert HIDDEN in log.read_text()
    assert "canary" not in bench.text + log.read_text()


def test_the_state_folder_is_for_its_owner_alone(sim: Sim, csms: BenchCsmsThread) -> None:
    """A01.FR.10: its database holds the password of the CSMS, and tokens of drivers."""
    sim.charge()
    assert stat.S_IMODE(sim.state_dir.stat().st_mode) == 0o700
    open_to_others = {
        file.name: oct(file.stat().st_mode)
        for file in sim.state_dir.iterdir()
        if file.stat().st_mode & 0o077
    }
    assert open_to_others == {}
    assert "station.db" in {file.name for file in sim.state_dir.iterdir()}


def test_a_password_that_cannot_be_used_is_not_repeated(make_sim: MakeSim) -> None:
    sim = make_sim().start("--password=canary short")
    assert sim.process.wait() == 2
    (line,) = sim.process.lines
    assert "--password" in line
    assert "canary" not in line


def use_secrets(sim: Sim, csms: BenchCsmsThread) -> None:
    """Show a PIN at the reader, and let the CSMS send another password."""
    sim.token(PIN, type="KeyCode")
    wait(csms, lambda seen: messages(seen, "Authorize"))
    assert messages(csms, "Authorize")[0]["idToken"]["idToken"] == PIN
    data = [
        {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
            "attributeValue": NEW_PASSWORD,
        }
    ]
    answer = csms.call(IDENTITY, "SetVariables", {"setVariableData": data})
    assert len(answer["setVariableResult"]) == 1

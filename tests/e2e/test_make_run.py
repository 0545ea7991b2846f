"""`make run`, which is `joulepost demo`: a CSMS, a station and a car that really charges."""

import signal
import socket
from collections.abc import Callable
from pathlib import Path

from tests.e2e.rig import Child

Run = Callable[..., Child]


def test_the_demo_charges_a_car_and_a_kill_in_mid_charge_loses_nothing(
    run: Run, tmp_path: Path
) -> None:
    """What the README promises: kill -9, start again, go on; Ctrl-C ends it cleanly."""
    state = f"--state-dir={tmp_path / 'state'}"
    demo = run("demo", "--listen=127.0.0.1:0", state)
    address = demo.wait_for("CSMS ").rpartition("ws://")[2]
    demo.wait_for(" Started seq=0 ")
    demo.wait_for("ChargingStateChanged Charging")
    assert len([line for line in demo.lines if line.startswith("  curl ")]) == 3
    demo.kill()

    again = run("demo", f"--listen={address}", state)
    again.wait_for("BootNotification   ApplicationReset")
    again.wait_for("its transaction goes on")
    again.wait_for("Updated seq=")
    assert again.stop(signal.SIGINT) == 0
    assert " Started " not in again.text
    assert "violations    none" in again.text


def test_an_address_in_use_is_one_line_and_code_2(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        demo = run("demo", f"--listen={address}", f"--state-dir={tmp_path}")
        assert demo.wait() == 2
    (line,) = demo.lines
    assert line.startswith(f"joulepost demo: --listen: cannot listen on {address}: ")
    assert "ddress already in use" in line

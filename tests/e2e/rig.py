"""Real processes on real sockets: a simulated station that can be killed and started again.

Every wait here is for a fact, with a deadline; a child is killed when its test ends, and by
the kernel should the test process die first.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hal.tokens import OneCard
from station.cli.demo_car import StationApi
from station.presets import preset_from_key

ROOT = Path(__file__).parents[2]
WAIT_S = 15.0
IDENTITY = "CS@1|2"
"""Every address on the way has to quote it."""
PASSWORD = "canary-password-7f3a"
TOKEN = "04A1B2C3"

QUICK = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
    "OCPPCommCtrlr.WebSocketPingInterval": "1",
    "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]": "1",
    "SampledDataCtrlr.TxUpdatedInterval": "1",
    "AlignedDataCtrlr.Interval": "0",
}
"""What a manufacturer in a hurry would preset."""

# The child dies with its parent, and even as root may not write what is marked read-only
# (PR_SET_PDEATHSIG; PR_CAPBSET_DROP of CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH).
LAUNCH = """\
import ctypes, os, sys
prctl = ctypes.CDLL(None).prctl
prctl(1, 9)
prctl(24, 1)
prctl(24, 2)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def until(condition: Callable[[], Any], complaint: Callable[[], str]) -> Any:
    """What *condition* returns as soon as that is true."""
    deadline = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)  # another process makes it true
    return found


class Child:
    """A process and the lines it has printed, on either stream."""

    def __init__(self, *words: str | Path, cwd: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", LAUNCH, str(os.getpid()), *map(str, words)],
            cwd=cwd,
            env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def lines(self) -> list[str]:
        with self._news:
            return list(self._lines)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, words: str, times: int = 1) -> str:
        """The line with *words* in it, or the one that is the last of so many."""
        deadline = time.monotonic() + WAIT_S
        with self._news:
            while True:
                found = [line for line in self._lines if words in line]
                if len(found) >= times:
                    return found[times - 1]
                left_s = deadline - time.monotonic()
                over = left_s <= 0 or not self._reader.is_alive()
                assert not over, f"no {words!r} in:\n" + "\n".join(self._lines)
                self._news.wait(min(left_s, 0.5))

    def wait(self) -> int:
        """The exit code, once everything that was printed has been read."""
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        """As the kernel does it when memory is short; may be called again."""
        self.process.kill()
        self.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


def listening_on(bench: Child) -> str:
    """The address of a `joulepost csms` process."""
    return bench.wait_for("listening on ").split()[4].removesuffix("/<station")


class Sim:
    """A state folder, and the `joulepost sim` that runs on it, or ran, or will run."""

    def __init__(
        self,
        folder: Path,
        csms_url: str,
        command: tuple[str | Path, ...],
        variables: Mapping[str, str],
        cwd: Path,
    ) -> None:
        self.state_dir = folder / "state"
        self._csms_url, self._command, self._cwd = csms_url, command, cwd
        self._presets = folder / "variables.json"
        self._presets.write_text(json.dumps(list(map(_preset, variables, variables.values()))))
        self.process: Child
        self.children: list[Child] = []
        self._api: StationApi | None = None
        self._shown_at: dict[int | None, float] = {}
        """When the last token was shown at each reader."""

    def start(self, *options: str) -> "Sim":
        """Begin to run; what it says and does is to be waited for."""
        self._api = None
        words = {
            "--csms": self._csms_url,
            "--id": IDENTITY,
            "--password": PASSWORD,
            "--state-dir": self.state_dir,
            "--web": "127.0.0.1:0",
            "--variables": self._presets,
        }
        given = [f"{option}={value}" for option, value in words.items()]
        self.process = Child(*self._command, *given, *options, cwd=self._cwd)
        self.children.append(self.process)
        return self

    def kill(self) -> "Sim":
        self.process.kill()
        return self

    def restart(self, *options: str) -> "Sim":
        """SIGKILL, and at once the next process on the same folder."""
        return self.kill().start(*options)

    # -- over HTTP

    @property
    def api(self) -> StationApi:
        if self._api is None:
            self._api = self.api_of_run(1)
        return self._api

    def api_of_run(self, number: int) -> StationApi:
        """A process that is reset begins anew under the same id: its first run is 1."""
        line = self.process.wait_for("simulator API on ", number)
        self._api = StationApi(line.rpartition(" ")[2])
        return self._api

    def state(self) -> dict[str, Any]:
        return self.api.state()

    def evse(self, number: int = 1) -> dict[str, Any]:
        return next(each for each in self.state()["evses"] if each["id"] == number)

    def post(self, path: str, **fields: Any) -> None:
        self.api.post(f"/api/sim/{path}", **fields)

    def until(self, fact: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """The first state in which *fact* is true."""
        seen: list[dict[str, Any]] = [{}]

        def look() -> bool:
            seen[0] = self.state()
            return bool(fact(seen[0]))

        until(look, lambda: f"{json.dumps(seen[0], indent=1)}\n{self.process.text}")
        return seen[0]

    def wait_until_accepted(self) -> None:
        """Before that, a token that the station does not know cannot be checked."""
        self.until(lambda state: state["registration"] == "Accepted")

    def wait_for_saved_world(self, since: float) -> None:
        """The simulated hardware has been saved at some time after *since*."""
        world = self.state_dir / "world.json"
        until(lambda: world.stat().st_mtime > since, lambda: f"{world} is old")

    # -- what people do

    def plug(self, evse: int = 1, **car: Any) -> None:
        self.post(f"evses/{evse}/plug", **{"current_a": 32, "ready_after_s": 0.1} | car)

    def unplug(self, evse: int = 1) -> None:
        self.post(f"evses/{evse}/unplug")

    def token(self, id_token: str = TOKEN, *, evse: int | None = 1, **more: Any) -> None:
        """Show a token; the hand that showed one before has been away long enough."""
        shown_at = self._shown_at.get(evse, float("-inf"))
        until(lambda: time.monotonic() > shown_at + OneCard.SAME_S + 0.1, lambda: "time stands")
        self.post("token", id_token=id_token, evse=evse, **more)
        self._shown_at[evse] = time.monotonic()

    def charge(self, evse: int = 1) -> None:
        """Plug a car in and show a token; returns when energy flows."""
        self.wait_until_accepted()
        self.plug(evse)
        self.token(evse=evse)
        self.until(lambda state: state["evses"][evse - 1]["drawing"])


def _preset(key: str, value: str) -> dict[str, Any]:
    """One entry of `--variables FILE`, written as "Component.Variable[instance]"."""
    preset = preset_from_key(key, value)
    variable = {"name": preset.variable}
    if preset.instance is not None:
        variable["instance"] = preset.instance
    return {"component": {"name": preset.component}, "variable": variable, "value": preset.value}

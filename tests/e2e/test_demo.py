"""`joulepost demo` as real processes; the station in it is a stand-in with the real HTTP API."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from station.cli.demo_car import ApiError, StationApi

# Python imports this before anything else: `joulepost sim` then finds the stand-in.
STAND_IN = """
import os, signal, sys, threading, types
from dataclasses import replace

def run_station(config, back_office=None):
    from station.control import ControlError, Snapshot
    from station.web.server import WebServer

    class Station:
        def snapshot(self):
            charging = [{"id": "t"}] if os.environ.get("STAND_IN_CHARGES") else []
            return Snapshot([], charging, {}, "Accepted", {}, {}, {})
        def inbox_depth(self):
            return 0
        def plug(self, evse, **given):
            print("PLUG", evse, given, flush=True)
            if os.environ.get("STAND_IN_REFUSES"):
                raise ControlError("a car is plugged in already")
        def token(self, id_token, **given):
            print("TOKEN", id_token, given, flush=True)
        def power(self):
            os.kill(os.getpid(), signal.SIGKILL)

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print("PID", os.getpid(), config.network.url, config.station.identity, flush=True)
    station = Station()
    web = WebServer(station, station, *config.listen)
    web.start()
    ended.wait()
    web.stop()
    print("STATION STOPPED", flush=True)
    return "stop"

sys.modules["station.process"] = types.SimpleNamespace(run_station=run_station)
"""


class Demo:
    def __init__(self, folder: Path, **environment: str) -> None:
        (folder / "sitecustomize.py").write_text(STAND_IN)
        path = os.pathsep.join(filter(None, [str(folder), *sys.path]))
        words = ["--listen", "127.0.0.1:0", "--state-dir", str(folder / "state")]
        self.output = folder / "output"
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "station", "demo", *words],
                env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def wait_for(self, words: str) -> None:
        until(lambda: words in self.text, lambda: f"no {words!r} in:\n{self.text}")

    def word_after(self, word: str) -> str:
        return self.text.partition(word)[2].split()[0]

    @property
    def station_pid(self) -> int:
        return int(self.word_after("PID"))

    def api(self) -> StationApi:
        return StationApi(self.word_after("station  ").removesuffix("/api/state"))


def until(condition: Callable[[], bool], complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)  # another process makes it true


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    demos: list[Demo] = []

    def start(**environment: str) -> Demo:
        demos.append(Demo(tmp_path, **environment))
        return demos[-1]

    yield start
    for demo in demos:
        demo.process.kill()
        demo.process.wait()


def test_the_demo_charges_a_car_and_stops_cleanly(start: Callable[..., Demo]) -> None:
    demo = start()
    demo.wait_for("TOKEN 04A1B2C3 {}")
    assert "PLUG 1 {'current_a': 16.0, 'soc': 30.0}" in demo.text
    commands = [line for line in demo.text.splitlines() if line.startswith("  curl ")]
    assert len(commands) == 3
    for command in commands[1:]:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert '{"status":"ok"}' in done.stdout, command
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(20) == 0
    assert "STATION STOPPED" in demo.text
    assert "violations    none" in demo.text
    assert "Traceback" not in demo.text
    assert "\x1b" not in demo.text  # no terminal, no colours


def test_sigterm_stops_it_too(start: Callable[..., Demo]) -> None:
    demo = start(STAND_IN_CHARGES="1")
    demo.wait_for("Ctrl-C stops everything")
    demo.process.terminate()
    assert demo.process.wait(20) == 0
    assert not is_alive(demo.station_pid)


def test_a_car_that_still_charges_since_the_last_run_is_left_alone(
    start: Callable[..., Demo],
) -> None:
    demo = start(STAND_IN_CHARGES="1")
    demo.wait_for("Ctrl-C stops everything")
    assert "its transaction goes on" in demo.text
    assert "PLUG" not in demo.text


def test_a_car_that_is_still_plugged_in_only_needs_its_token(start: Callable[..., Demo]) -> None:
    demo = start(STAND_IN_REFUSES="1")
    demo.wait_for("TOKEN 04A1B2C3")
    assert "(a car is plugged in already)" in demo.text


def test_when_the_station_loses_power_the_demo_says_so_and_ends(
    start: Callable[..., Demo],
) -> None:
    demo = start(STAND_IN_CHARGES="1")
    demo.wait_for("Ctrl-C stops everything")
    demo.api().post("/api/sim/power")
    assert demo.process.wait(20) == 1
    assert "the station has ended (killed by SIGKILL)" in demo.text


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_killing_the_demo_kills_its_station(start: Callable[..., Demo]) -> None:
    demo = start(STAND_IN_CHARGES="1")
    demo.wait_for("Ctrl-C stops everything")
    pid = demo.station_pid
    assert is_alive(pid)
    demo.process.kill()
    demo.process.wait(20)
    until(lambda: not is_alive(pid), lambda: "the station outlived the demo")


def test_an_api_that_does_not_answer_is_an_api_error() -> None:
    api = StationApi("http://127.0.0.1:9")
    assert api.registration() == ""
    with pytest.raises(ApiError):
        api.post("/api/sim/power")

"""A station as a process of its own, and what the kernel says of it."""

import compileall
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

from station.bench.figures_peer import Conversation, TinyCsms

END_S = 10.0
API_LINE = "simulator API on "


class StationProcess:
    """`joulepost sim`, connected to a peer; use it as a context manager."""

    def __init__(self, csms: TinyCsms, state_dir: Path, *options: str) -> None:
        self.started_at = time.perf_counter()
        self._process = subprocess.Popen(
            [
                *_joulepost(),
                *("sim", "--csms", csms.url, "--id", "bench", "--evses", "2"),
                *("--state-dir", str(state_dir), *options),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            self.peer: Conversation = csms.accept()
            self.peer.wait_for("BootNotification")
        except BaseException:
            self._end()
            raise
        self.boot_s = time.perf_counter() - self.started_at
        """From exec to the BootNotification at its receiver."""
        self.boot_cpu_s = self.cpu_s()

    def __enter__(self) -> "StationProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.peer.close()
        self._end()

    def _end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def cpu_s(self) -> float:
        """CPU time of the threads that live now, in steps of a nanosecond."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9

    def rss_mb(self) -> float:
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        line = next(line for line in lines if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024 / 1e6

    def post(self, path: str, **body: Any) -> None:
        """Tell the simulated hardware something; `--web 127.0.0.1:0` must be among the options."""
        from urllib.request import Request, urlopen

        request = Request(self._api + path, orjson.dumps(body), method="POST")  # noqa: S310
        urlopen(request, timeout=5.0).close()  # noqa: S310 - its own loopback address

    def metrics(self) -> dict[str, Any]:
        """The counters of the station; needs the same option as `post`."""
        from urllib.request import urlopen

        with urlopen(self._api + "/api/state", timeout=5.0) as answer:  # noqa: S310 - as above
            counters: dict[str, Any] = orjson.loads(answer.read())["station"]["metrics"]
        return counters

    @property
    def _api(self) -> str:
        if not self._api_url:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                if line.startswith(API_LINE):
                    self._api_url = line.removeprefix(API_LINE).strip()
                    break
        return self._api_url

    _api_url = ""


def empty_program_s() -> float:
    """How long Python takes to start and end: how fast this machine is now."""
    times_s = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", ""], check=True)
        times_s.append(time.perf_counter() - began)
    return statistics.median(times_s)


def compile_all() -> None:
    """Write byte code, as pip does when it installs; a start without it takes 0.1 s longer."""
    for name in ("station", "hal"):
        for folder in import_module(name).__path__:
            compileall.compile_dir(folder, quiet=1)


def _joulepost() -> list[str]:
    """The command beside this interpreter, or the module when it was not installed."""
    found = shutil.which("joulepost", path=os.path.dirname(sys.executable))
    return [found] if found else [sys.executable, "-m", "station"]

"""What systemd is told, on a datagram socket that stands in for it."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from station.io.watchdog import Watchdog

WATCHED = {"WATCHDOG_USEC": "30000000"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    address = str(tmp_path / "notify") if request.param == "path" else f"\0joulepost-{os.getpid()}"
    listener.bind(address)
    listener.setblocking(False)
    yield listener
    listener.close()


def environ(systemd: socket.socket, **more: str) -> dict[str, str]:
    name = systemd.getsockname()
    path = "@" + name[1:].decode() if isinstance(name, bytes) else name
    return {"NOTIFY_SOCKET": path, **more}


def heard(systemd: socket.socket) -> list[str]:
    messages = []
    while True:
        try:
            messages.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return messages


def test_ready_status_and_stopping_are_told(systemd: socket.socket) -> None:
    watchdog = Watchdog(environ(systemd))
    watchdog.ready("offline,\nno CSMS")
    watchdog.status("registered")
    watchdog.stopping()
    watchdog.close()
    assert heard(systemd) == [
        "READY=1\nSTATUS=offline, no CSMS", "STATUS=registered", "STOPPING=1",
    ]  # fmt: skip


def test_a_pet_is_sent_when_due_and_not_with_every_cycle(systemd: socket.socket) -> None:
    clock = Clock()
    watchdog = Watchdog(environ(systemd, **WATCHED), monotonic=clock)
    assert watchdog.interval_s == 10
    sent_at = []
    for second in range(31):
        clock.now = float(second)
        watchdog.pet()
        if heard(systemd) == ["WATCHDOG=1"]:
            sent_at.append(second)
    watchdog.close()
    assert sent_at == [0, 5, 10, 15, 20, 25, 30]


@pytest.mark.parametrize(
    "watch", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {**WATCHED, "WATCHDOG_PID": "1"}]
)
def test_nobody_is_petted_who_does_not_watch_this_process(
    systemd: socket.socket, watch: dict[str, str]
) -> None:
    watchdog = Watchdog(environ(systemd, **watch))
    watchdog.pet()
    watchdog.close()
    assert watchdog.timeout_s is None
    assert heard(systemd) == []


def test_the_watched_process_is_recognised(systemd: socket.socket) -> None:
    watchdog = Watchdog(environ(systemd, **WATCHED, WATCHDOG_PID=str(os.getpid())))
    watchdog.pet()
    watchdog.close()
    assert heard(systemd) == ["WATCHDOG=1"]


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all"])
def test_without_systemd_nothing_happens(address: str) -> None:
    watchdog = Watchdog({"NOTIFY_SOCKET": address, **WATCHED})
    watchdog.ready()
    watchdog.pet()
    watchdog.stopping()
    watchdog.close()


def test_a_full_socket_does_not_hold_up_the_core(systemd: socket.socket) -> None:
    clock = Clock()
    watchdog = Watchdog(environ(systemd, **WATCHED), monotonic=clock)
    for _ in range(5000):
        clock.now += 10
        watchdog.pet()
    watchdog.close()
    assert 0 < len(heard(systemd)) < 5000


def test_a_board_that_hangs_is_not_covered_up_by_a_core_that_lives(
    systemd: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing but systemd can open the contactors then."""
    clock = Clock()
    watchdog = Watchdog(environ(systemd, **WATCHED), monotonic=clock)
    watchdog.pet(alive_at=clock())
    assert heard(systemd) == ["WATCHDOG=1"]
    hung_at = clock()
    for _ in range(3):
        clock.now += 60.0
        watchdog.pet(alive_at=hung_at)
    assert heard(systemd) == []
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    watchdog.pet(alive_at=clock())
    assert heard(systemd) == ["WATCHDOG=1"]
    watchdog.close()

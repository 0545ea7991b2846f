"""The access command: settings on stdin, one line on failure, never longer than its deadline."""

import os
import time
from pathlib import Path

import pytest

from station.io.access import AccessCommand, AccessError

SETTINGS = b'{"slot":"2","apn":{"apnPassword":"canary"}}'


def script(folder: Path, text: str) -> str:
    path = folder / "access"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


def test_the_command_gets_the_settings_on_stdin_and_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOULEPOST_TEST_SECRET", "canary")
    out = tmp_path / "out"
    command = script(tmp_path, f'cat > {out}; echo "$1 $#" >> {out}; env >> {out}')
    AccessCommand([command, "up; rm -rf $HOME"])(SETTINGS)
    told = out.read_bytes()
    assert told.startswith(SETTINGS)
    assert b"up; rm -rf $HOME 1\n" in told
    assert told.count(b"canary") == 1


def test_a_command_that_does_not_read_its_stdin_is_no_failure(tmp_path: Path) -> None:
    AccessCommand([script(tmp_path, "exit 0")])(b"x" * 1_000_000)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo canary; echo canary >&2; exit 3", "exit code 3"),
        ("kill -TERM $$", "ended by SIGTERM"),
    ],
)
def test_a_command_that_fails_is_told_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    command = script(tmp_path, f"cat > /dev/null; {text}")
    with pytest.raises(AccessError) as failed:
        AccessCommand([command])(SETTINGS)
    assert str(failed.value) == f"{command}: {reason}"


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="No such file"):
        AccessCommand([str(tmp_path / "missing")])(SETTINGS)


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = script(tmp_path, f"sleep 60 & echo $! > {pid}; wait")
    began = time.monotonic()
    with pytest.raises(AccessError, match="not done within"):
        AccessCommand([command], deadline_s=0.5)(SETTINGS)
    assert time.monotonic() - began < 10
    child = int(pid.read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or _is_zombie(child):
            return
        time.sleep(0.05)
    os.kill(child, 9)
    pytest.fail("the child of the command outlived it")


def _is_zombie(pid: int) -> bool:
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()

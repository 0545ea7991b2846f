"""The program that opens every contactor after the station's process has died."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hal import make_safe
from hal.errors import BoardError
from hal.gpio import Gpio
from hal.make_safe import SAFE, UNKNOWN, UNSAFE, ContactorLine, OutputsFile
from tests.unit.hal_fakes import FakeGpio

LINES = (
    ContactorLine(1, 17, open_high=False, mirror_pin=27, closed_high=True),
    ContactorLine(2, 18, open_high=True, mirror_pin=28, closed_high=False, mirror_pull="up"),
)


@pytest.fixture
def gpio(monkeypatch: pytest.MonkeyPatch) -> FakeGpio:
    """Two contactors that a dead process has left closed."""
    fake = FakeGpio()
    fake.levels = {17: True, 18: False}
    fake.follow = {27: (17, False), 28: (18, False)}
    monkeypatch.setattr("hal.make_safe.open_gpio", lambda: fake)
    monkeypatch.setattr("hal.make_safe.SWITCHING_S", 0.0)
    return fake


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "outputs.json"
    OutputsFile(path, LINES).write()
    return path


def run(path: Path) -> tuple[int, str]:
    said: list[str] = []
    return make_safe.main([str(path)], said.append), "\n".join(said)


def test_every_contactor_is_opened_and_confirmed(gpio: FakeGpio, path: Path) -> None:
    assert run(path) == (SAFE, "EVSE 1: open\nEVSE 2: open")
    assert gpio.levels[17] is False
    assert gpio.levels[18] is True


def test_a_welded_contactor_is_told(gpio: FakeGpio, path: Path) -> None:
    gpio.follow[27] = (99, True)
    code, said = run(path)
    assert code == UNSAFE
    assert "EVSE 1: told to open; its mirror contact says it is CLOSED" in said
    assert "EVSE 2: open" in said


def test_a_line_that_fails_leaves_no_other_contactor_closed(gpio: FakeGpio, path: Path) -> None:
    gpio.broken.add(17)
    code, said = run(path)
    assert code == UNSAFE
    assert "EVSE 1: line 17 cannot be driven" in said
    assert gpio.levels[18] is True


def test_a_mirror_that_cannot_be_read_confirms_nothing(gpio: FakeGpio, path: Path) -> None:
    gpio.broken.add(28)
    code, said = run(path)
    assert code == UNSAFE
    assert "EVSE 2: told to open; its mirror contact cannot be read" in said


def test_where_no_board_has_run_there_is_nothing_to_open(gpio: FakeGpio, tmp_path: Path) -> None:
    code, said = run(tmp_path / "none.json")
    assert code == SAFE
    assert "no board has run" in said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"contactors": [{"pin": 1}]}',
        json.dumps({"contactors": [vars(LINES[0]) | {"pin": "17"}]}),
        json.dumps({"contactors": [vars(LINES[0]) | {"open_high": 0}]}),
    ],
)
def test_a_file_that_cannot_be_read_is_told(gpio: FakeGpio, path: Path, text: str) -> None:
    path.write_text(text)
    code, said = run(path)
    assert code == UNKNOWN
    assert "cannot be read" in said


def test_without_gpio_contactors_cannot_be_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> Gpio:
        raise BoardError("GPIO cannot be used here")

    monkeypatch.setattr("hal.make_safe.open_gpio", absent)
    assert run(path) == (UNSAFE, "GPIO cannot be used here")
    OutputsFile(path, ()).write()
    assert run(path)[0] == SAFE


def test_usage() -> None:
    said: list[str] = []
    assert make_safe.main(["a", "b"], said.append) == UNKNOWN
    assert make_safe.main(["--help"], said.append) == SAFE
    assert make_safe.main(["--quiet"], said.append) == UNKNOWN
    assert all(text.startswith("usage") for text in said)


def test_it_imports_nothing_but_the_standard_library_and_hal() -> None:
    code = (
        "import sys, hal.make_safe;"
        "print(sorted(n for n in sys.modules if n.split('.')[0] in "
        "('hal', 'msgspec', 'orjson', 'serial', 'station')))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['hal', 'hal.errors', 'hal.gpio', 'hal.make_safe']"

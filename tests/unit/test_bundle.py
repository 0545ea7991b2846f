"""What a log file holds: parts, names, bounds, and above all what it does not hold."""

import io
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from station.csms.recent import LONGEST, MAX_CHARACTERS, MAX_FRAMES, RecentFrames
from station.io.bundle import (
    MAX_PART,
    Diagnostics,
    Line,
    file_name,
    render_diagnostics,
    render_lines,
)

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def parts(**fields: Any) -> dict[str, str]:
    given: dict[str, Any] = {
        "identity": "CS001",
        "made_at": NOW,
        "oldest": None,
        "latest": None,
        "facts": {"registration": "Accepted"},
        "state": {},
        "variables": [],
        "configuration": {},
        "frames": [],
        "log": [],
    }
    data = render_diagnostics(Diagnostics(**(given | fields)))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_summary_can_be_read_by_a_person() -> None:
    summary = parts(oldest=NOW - timedelta(hours=1))["SUMMARY.txt"]
    assert "CS001" in summary
    assert "from 2026-03-02T08:00:00Z until now" in summary
    assert "registration  Accepted" in summary


def test_the_summary_names_every_part() -> None:
    made = parts()
    assert [name for name in made if name not in made["SUMMARY.txt"]] == []


def test_secrets_of_frames_state_and_configuration_are_blotted_out() -> None:
    data = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
        "attributeValue": "hunter2-hunter2-",
    }
    frame = orjson.dumps([2, "1", "SetVariables", {"setVariableData": [data]}]).decode()
    url = "https://user:hunter2-hunter2-@logs.example/x?sig=hunter2-hunter2-"
    get_log = orjson.dumps([2, "2", "GetLog", {"log": {"remoteLocation": url}}]).decode()
    made = parts(
        frames=[Line(NOW, f"< {frame}"), Line(NOW, f"< {get_log}")],
        state={"link": {"address": url.partition("?")[0]}, "password": "hunter2-hunter2-"},
        configuration={"network": {"url": "wss://a:hunter2-hunter2-@csms.example"}},
        variables=[("Some: Url", "ftp://a:hunter2-hunter2-@x/")],
    )
    assert [name for name, text in made.items() if "hunter2" in text] == []
    assert "SetVariables" in made["frames.txt"]
    assert "https://***@logs.example/x" in made["frames.txt"]


def test_a_part_is_bounded_and_keeps_its_end() -> None:
    lines = [Line(NOW, f"line {number:06} " + "x" * 90) for number in range(MAX_PART // 100 + 1000)]
    text = parts(log=lines)["log.txt"]
    assert len(text) == MAX_PART
    assert text.rstrip().endswith("x" * 90)
    assert f"line {len(lines) - 1:06}" in text


def test_a_clock_before_zip_files_does_not_stop_it() -> None:
    assert "SUMMARY.txt" in parts(made_at=datetime(1970, 1, 1, tzinfo=UTC))


def test_values_that_hold_a_comma_are_quoted() -> None:
    text = parts(variables=[("TxCtrlr: TxStartPoint", 'EVConnected,"Authorized"')])
    [_, row, *_] = text["variables.csv"].split("\r\n")
    assert row == 'TxCtrlr,TxStartPoint,"EVConnected,""Authorized"""'


def test_the_hardware_is_told_without_any_of_it_being_needed() -> None:
    assert parts(state_dir="/nowhere")["hardware.txt"].startswith("machine: ")


@pytest.mark.parametrize("identity", ["CS001", "a/../b", 'x"; rm', "Ä" * 60, "-=+|@."])
def test_a_file_name_is_safe_everywhere(identity: str) -> None:
    name = file_name("diagnostics", identity, NOW, "zip")
    assert name.isascii()
    assert set("/\\\"' ;\r\n|").isdisjoint(name)
    assert name.endswith("_20260302T090000Z.zip")
    assert len(name) <= 255


def test_the_security_log_has_one_entry_a_line() -> None:
    entries = [{"number": 1, "at": "x"}, {"number": 2, "at": "y"}]
    assert [orjson.loads(line) for line in render_lines(entries).splitlines()] == entries


# -- the ring of frames


def test_the_ring_keeps_the_last_frames_within_bounds() -> None:
    ring = RecentFrames()
    for number in range(5 * MAX_FRAMES):
        ring.note(NOW + timedelta(seconds=number), ">", "y" * (number % 7000) + f"[{number}]")
    kept = ring.between(None, None)
    assert len(kept) <= MAX_FRAMES
    assert sum(len(frame.text) for frame in kept) <= MAX_CHARACTERS
    assert kept[-1].text.endswith(f"[{5 * MAX_FRAMES - 1}]")


def test_of_a_long_frame_only_the_length_is_kept() -> None:
    ring = RecentFrames()
    ring.note(NOW, "<", "x" * (LONGEST + 1))
    assert ring.between(None, None)[0].text == f"({LONGEST + 1} characters)"


def test_the_ring_holds_no_token_of_a_driver() -> None:
    """N10: what is not kept need not be cleared."""
    ring = RecentFrames()
    payload = {
        "idToken": {
            "idToken": "04A1B2C3",
            "type": "ISO14443",
            "additionalInfo": [{"additionalIdToken": '04\\"A1B2C3', "type": "x"}],
        },
        "customerIdentifier": "04A1B2C3",
        "seqNo": 7,
    }
    ring.note(NOW, ">", orjson.dumps([2, "1", "TransactionEvent", payload]).decode())
    [frame] = ring.between(None, None)
    assert "A1B2C3" not in frame.text
    kept = orjson.loads(frame.text)[3]
    assert (kept["idToken"]["type"], kept["seqNo"]) == ("ISO14443", 7)


def test_a_period_of_the_ring() -> None:
    ring = RecentFrames()
    for second in range(10):
        ring.note(NOW + timedelta(seconds=second), ">", str(second))
    found = ring.between(NOW + timedelta(seconds=3), NOW + timedelta(seconds=5))
    assert [frame.text for frame in found] == ["3", "4", "5"]
